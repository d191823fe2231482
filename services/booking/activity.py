"""An activity as the town describes it: when it is open, for how many, at which hours, until when it may be booked or cancelled.

Nothing here decides: season.py, hours.py, deadlines.py and allocation.py read it. The table keeps it as one JSON document.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

LocalTime = str  #: "HH:MM", zero-padded, in the structure's time zone: such texts sort like the times they mean.

SchoolZone = Literal["A", "B", "C"]
SchoolHolidays = Literal["closed", "only", "any"]
Policy = Literal["arrival", "points", "lottery"]
Unrecorded = Literal["present", "absent"]


@dataclass(frozen=True, slots=True)
class FixedHours:
    """The same for every child, such as 07:30 to 08:45."""

    arrival: LocalTime
    departure: LocalTime


@dataclass(frozen=True, slots=True)
class ChosenHours:
    """Chosen by the family within bounds (S26), in steps, for a minimum stay."""

    earliest: LocalTime
    latest: LocalTime
    step_minutes: int
    minimum_minutes: int


Hours = FixedHours | ChosenHours


@dataclass(frozen=True, slots=True)
class DaysBefore:
    """So many days before the opening, at a time of day. Working days leave out weekends and days off."""

    days: int
    at: LocalTime
    working_days: bool = False


@dataclass(frozen=True, slots=True)
class HoursBefore:
    """So many hours before the opening starts."""

    hours: int


@dataclass(frozen=True, slots=True)
class WeekdayBefore:
    """A weekday of an earlier week, such as Thursday noon of the week before (0 = Monday)."""

    weekday: int
    at: LocalTime
    weeks_before: int


Deadline = DaysBefore | HoursBefore | WeekdayBefore | None  #: None: until the opening starts.


@dataclass(frozen=True, slots=True)
class Immediate:
    """Requests are answered at once, in order of arrival."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """Requests stay SUBMITTED until a daily run, which ranks them by the published policy."""

    at: LocalTime
    policy: Policy
    points: tuple[tuple[str, int], ...] = ()  #: What each criterion counts, where the policy is by points (ranking.py).


Allocation = Immediate | Scheduled


@dataclass(frozen=True, slots=True)
class AttendanceRules:
    """When a day is closed by itself, and what becomes of bookings about which nobody said anything."""

    close_after_days: int = 0  #: 0: at the day's end.
    unrecorded: Unrecorded = "present"


@dataclass(frozen=True, slots=True)
class ActivitySpec:
    id: str
    structure: str
    timezone: str  #: IANA, the structure's.
    school_zone: SchoolZone | None
    wallet: str
    name: str
    opens_on: dt.date  #: First day of the season (S20).
    closes_on: dt.date  #: Last day of the season, included.
    weekdays: frozenset[int]  #: 0 = Monday.
    hours: Hours
    category: str | None = None
    school_holidays: SchoolHolidays = "closed"
    closed_on: frozenset[dt.date] = frozenset()
    closed_because: Mapping[dt.date, str] = field(default_factory=dict, hash=False)  #: Of days in `closed_on`: what families read.
    days_off: Mapping[dt.date, str | None] = field(default_factory=dict, hash=False)  #: When all of its structure is closed, and why.
    open_on: frozenset[dt.date] = frozenset()  #: Open in spite of all the rest but the season.
    capacity: int | None = None  #: None: places are not counted.
    waiting_list: int | None = None  #: None: unlimited; 0: no waiting list.
    capacity_on: Mapping[dt.date, int | None] = field(default_factory=dict, hash=False)  #: Days with another number of places.
    waiting_list_on: Mapping[dt.date, int | None] = field(default_factory=dict, hash=False)
    booking_deadline: Deadline = None
    cancellation_deadline: Deadline = None
    allocation: Allocation = Immediate()
    attendance: AttendanceRules = AttendanceRules()

    @property
    def arrival(self) -> LocalTime:
        """When an opening starts: its fixed arrival, or the earliest that a family may choose."""
        return self.hours.arrival if isinstance(self.hours, FixedHours) else self.hours.earliest

    @property
    def departure(self) -> LocalTime:
        """When an opening ends: its fixed departure, or the latest that a family may choose."""
        return self.hours.departure if isinstance(self.hours, FixedHours) else self.hours.latest

    @property
    def limited(self) -> bool:
        """It has a number of places (S24), if only on some day."""
        return self.capacity is not None or any(places is not None for places in self.capacity_on.values())

    @property
    def shut(self) -> frozenset[dt.date]:
        """Single days on which it is closed, by its own word or its structure's, unless `open_on` lists them."""
        return self.closed_on.union(self.days_off)

    def because(self, day: dt.date) -> str | None:
        """Why it is closed on a day in `shut`: what families read."""
        return self.closed_because.get(day) or self.days_off.get(day)

    def offer(self, day: dt.date) -> tuple[int | None, int | None]:
        """The places of that day, and those of its waiting list."""
        return self.capacity_on.get(day, self.capacity), self.waiting_list_on.get(day, self.waiting_list)


def to_json(spec: ActivitySpec) -> dict[str, Any]:
    """Everything, in JSON's own types; the same activity always gives the same document."""
    return {
        "id": spec.id,
        "structure": spec.structure,
        "timezone": spec.timezone,
        "school_zone": spec.school_zone,
        "wallet": spec.wallet,
        "name": spec.name,
        "category": spec.category,
        "opens_on": spec.opens_on.isoformat(),
        "closes_on": spec.closes_on.isoformat(),
        "weekdays": sorted(spec.weekdays),
        "school_holidays": spec.school_holidays,
        "closed_on": sorted(day.isoformat() for day in spec.closed_on),
        **_reasons_to_json("closed_because", spec.closed_because),
        **_reasons_to_json("days_off", spec.days_off),
        "open_on": sorted(day.isoformat() for day in spec.open_on),
        "capacity": spec.capacity,
        "waiting_list": spec.waiting_list,
        "capacity_on": _days_to_json(spec.capacity_on),
        "waiting_list_on": _days_to_json(spec.waiting_list_on),
        "hours": _hours_to_json(spec.hours),
        "booking_deadline": _deadline_to_json(spec.booking_deadline),
        "cancellation_deadline": _deadline_to_json(spec.cancellation_deadline),
        "allocation": _allocation_to_json(spec.allocation),
        **_attendance_to_json(spec.attendance),
    }


def from_json(document: dict[str, Any]) -> ActivitySpec:
    """The inverse of to_json."""
    return ActivitySpec(
        id=document["id"],
        structure=document["structure"],
        timezone=document["timezone"],
        school_zone=document["school_zone"],
        wallet=document["wallet"],
        name=document["name"],
        category=document["category"],
        opens_on=dt.date.fromisoformat(document["opens_on"]),
        closes_on=dt.date.fromisoformat(document["closes_on"]),
        weekdays=frozenset(document["weekdays"]),
        school_holidays=document["school_holidays"],
        closed_on=frozenset(map(dt.date.fromisoformat, document["closed_on"])),
        closed_because=_reasons_from_json(document.get("closed_because", {})),
        days_off=_reasons_from_json(document.get("days_off", {})),
        open_on=frozenset(map(dt.date.fromisoformat, document["open_on"])),
        capacity=document["capacity"],
        waiting_list=document["waiting_list"],
        capacity_on=_days_from_json(document.get("capacity_on")),
        waiting_list_on=_days_from_json(document.get("waiting_list_on")),
        hours=_hours_from_json(document["hours"]),
        booking_deadline=_deadline_from_json(document["booking_deadline"]),
        cancellation_deadline=_deadline_from_json(document["cancellation_deadline"]),
        allocation=_allocation_from_json(document["allocation"]),
        attendance=AttendanceRules(**document.get("attendance", {})),
    )


def _allocation_to_json(allocation: Allocation) -> str | dict[str, Any]:
    if isinstance(allocation, Immediate):
        return "immediate"
    return {"at": allocation.at, "policy": allocation.policy} | ({"points": dict(allocation.points)} if allocation.points else {})


def _allocation_from_json(document: str | dict[str, Any]) -> Allocation:
    if isinstance(document, str):
        return Immediate()
    return Scheduled(document["at"], document["policy"], tuple(document.get("points", {}).items()))


def _days_to_json(days: Mapping[dt.date, int | None]) -> dict[str, int | None]:
    return {day.isoformat(): days[day] for day in sorted(days)}


def _days_from_json(document: dict[str, int | None] | None) -> dict[dt.date, int | None]:
    """None: written before days could differ."""
    return {dt.date.fromisoformat(day): places for day, places in (document or {}).items()}


def _reasons_to_json(name: str, reasons: Mapping[dt.date, str | None]) -> dict[str, Any]:
    """Nothing where there are none: documents from before there were reasons stay as they are."""
    return {name: {day.isoformat(): reasons[day] for day in sorted(reasons)}} if reasons else {}


def _reasons_from_json(document: dict[str, Any]) -> dict[dt.date, Any]:
    return {dt.date.fromisoformat(day): why for day, why in document.items()}


def _attendance_to_json(rules: AttendanceRules) -> dict[str, Any]:
    """Nothing where it is as usual: documents from before there were such rules stay as they are."""
    if rules == AttendanceRules():
        return {}
    return {"attendance": {"close_after_days": rules.close_after_days, "unrecorded": rules.unrecorded}}


def _hours_to_json(hours: Hours) -> dict[str, Any]:
    if isinstance(hours, FixedHours):
        return {"arrival": hours.arrival, "departure": hours.departure}
    return {
        "earliest": hours.earliest,
        "latest": hours.latest,
        "step_minutes": hours.step_minutes,
        "minimum_minutes": hours.minimum_minutes,
    }


def _hours_from_json(document: dict[str, Any]) -> Hours:
    return FixedHours(**document) if "arrival" in document else ChosenHours(**document)


def _deadline_to_json(deadline: Deadline) -> dict[str, Any] | None:
    match deadline:
        case None:
            return None
        case DaysBefore(days, at, working_days):
            return {"days": days, "at": at, "working_days": working_days}
        case HoursBefore(hours):
            return {"hours": hours}
        case WeekdayBefore(weekday, at, weeks_before):
            return {"weekday": weekday, "at": at, "weeks_before": weeks_before}


def _deadline_from_json(document: dict[str, Any] | None) -> Deadline:
    if document is None:
        return None
    if "weekday" in document:
        return WeekdayBefore(**document)
    return HoursBefore(**document) if "hours" in document else DaysBefore(**document)
