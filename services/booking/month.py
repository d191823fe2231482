"""One activity's month, as all children see it who may book there and have not: worked out once, for nobody in particular.

What a child's own booking or enrollment changes is worked out for that child alone, day by day, and never kept here.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from services.booking.calendar import Places, Shown, show
from services.booking.lines import Enrolled, Rules
from services.booking.status import BookingStatus

ANYBODY = Enrolled()
BEGINNING = dt.datetime.min.replace(tzinfo=dt.UTC)
END = dt.datetime.max.replace(tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class OpeningNow:
    """How full an opening is, by its row. An opening without a row was never touched: all its places are left."""

    places: Places
    revision: int
    changed_at: dt.datetime


class Mark(NamedTuple):
    """Which state of a month this is: each change of its rules or of its openings makes another one, and none ever comes back."""

    version: int  #: The rules'.
    touched: int  #: Openings that were ever touched.
    revisions: int  #: The sum of theirs.
    newest: dt.datetime | None  #: When one of them last changed; None: never.

    @classmethod
    def of(cls, version: int, openings: Mapping[dt.date, OpeningNow]) -> "Mark":
        rows = openings.values()
        newest = max((row.changed_at for row in rows), default=None)
        return cls(version, len(rows), sum(row.revision for row in rows), newest)


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """How a month looks at every instant from `since` on and before `until`: until the next deadline passes."""

    since: dt.datetime
    until: dt.datetime
    days: Sequence[Shown]
    views: dict[str, Any] = field(default_factory=dict)  #: What was made of it for whoever reads this language.


class Month:
    """Never changes but with time: what changes in the tables makes another month."""

    def __init__(self, mark: Mark, rules: Rules, dates: Sequence[dt.date], openings: Mapping[dt.date, OpeningNow]) -> None:
        self.mark = mark
        self.rules = rules
        self.dates = dates
        self.revisions = [openings[date].revision if date in openings else 0 for date in dates]
        self._days = [rules.on(date) for date in dates]
        self._places = [openings[date].places if date in openings else Places(*rules.spec.offer(date)) for date in dates]
        self._face: Face | None = None

    @property
    def is_in_season(self) -> bool:
        """Some day of it is."""
        return self.rules.spec.opens_on <= self.dates[-1] and self.dates[0] <= self.rules.spec.closes_on

    def at(self, now: dt.datetime) -> Face:
        """For a child that is admitted all month and has no booking."""
        face = self._face
        if face is None or not face.since <= now < face.until:
            face = self._face = self._face_at(now)
        return face

    def own(self, day: int, now: dt.datetime, status: BookingStatus | None, enrolled: Enrolled | None) -> Shown:
        """One day (from 0) for one child, with the status of its booking, if it has one that stands."""
        return show(self._days[day], self._places[day], status, now=now, enrolled=enrolled)

    def _face_at(self, now: dt.datetime) -> Face:
        turns = [day.booking_closes_at for day in self._days if day.closed is None]
        return Face(
            since=max((turn for turn in turns if turn <= now), default=BEGINNING),
            until=min((turn for turn in turns if turn > now), default=END),
            days=[self.own(day, now, None, ANYBODY) for day in range(len(self.dates))],
        )
