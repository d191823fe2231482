"""The hours that a family may choose for an activity (S26): within its bounds, in its steps, for its shortest stay."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Choosing:
    """Of an activity whose hours are chosen, all in minutes since midnight."""

    earliest: int
    latest: int
    step: int
    shortest: int

    @classmethod
    def of(cls, activity: Mapping[str, Any]) -> Self | None:
        """`activity`: arrival, departure, choosesHours, hourStepMinutes, and minimumMinutes if known. None: it has hours of its own."""
        if not activity["choosesHours"]:
            return None
        step = activity["hourStepMinutes"] or 15
        return cls(_minutes(activity["arrival"]), _minutes(activity["departure"]), step, activity.get("minimumMinutes") or step)

    @property
    def arrivals(self) -> list[str]:
        return [_written(at) for at in range(self.earliest, self.latest - self.shortest + 1, self.step)]

    @property
    def departures(self) -> list[str]:
        """The last one is always allowed."""
        return [_written(at) for at in range(self.earliest + self.step, self.latest, self.step) if at - self.earliest >= self.shortest] + [
            _written(self.latest)
        ]

    def allow(self, arrival: str, departure: str) -> bool:
        return (
            arrival in self.arrivals and departure in self.departures and _minutes(departure) - _minutes(arrival) >= max(self.shortest, 1)
        )


def _minutes(written: str) -> int:
    return int(written[:2]) * 60 + int(written[3:5])


def _written(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
