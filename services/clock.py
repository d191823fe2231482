"""What time it is. Passed in everywhere, so that tests and demonstrations can choose it."""

import datetime as dt
import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

SHIFT = re.compile(r"([+-])([0-9]+)([dhms])")
UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


@dataclass(frozen=True, slots=True)
class Clock:
    """The system's clock, or that clock shifted, or one that stands still."""

    frozen_at: dt.datetime | None = None
    shift: dt.timedelta = dt.timedelta()

    @classmethod
    def from_setting(cls, text: str | None) -> "Clock":
        """PREAU_CLOCK: `2026-11-23T07:00:00Z` freezes, `+3d` (d, h, m, s) shifts, nothing is the real time.

        Raises ValueError for anything else.
        """
        if not text:
            return cls()
        if match := SHIFT.fullmatch(text):
            sign, count, unit = match.groups()
            return cls(shift=dt.timedelta(**{UNITS[unit]: int(sign + count)}))
        moment = dt.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError(f"PREAU_CLOCK needs a time zone: {text}Z")
        return cls(frozen_at=moment.astimezone(dt.UTC))

    def now(self) -> dt.datetime:
        """Aware, in UTC."""
        return self.frozen_at or dt.datetime.now(dt.UTC) + self.shift

    def today(self, timezone: str) -> dt.date:
        """The civil date in that IANA time zone."""
        return self.now().astimezone(ZoneInfo(timezone)).date()
