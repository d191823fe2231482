"""An activity with all its settings, as its agents see it."""

import datetime as dt
from collections.abc import Mapping
from enum import Enum
from typing import Self

import strawberry
from strawberry import ID, Private
from strawberry.federation.schema_directives import Key
from strawberry.federation.types import FieldSet

from services.booking.activity import (
    ActivitySpec,
    Allocation,
    DaysBefore,
    Deadline,
    FixedHours,
    Hours,
    HoursBefore,
    Immediate,
    WeekdayBefore,
)
from services.booking.ranking import Points
from services.booking.run_types import AllocationPolicy, CriterionPoints, weighed
from services.graphql import Info, LocalTime


@strawberry.enum
class Weekday(Enum):
    MONDAY = 0  #: lundi
    TUESDAY = 1  #: mardi
    WEDNESDAY = 2  #: mercredi
    THURSDAY = 3  #: jeudi
    FRIDAY = 4  #: vendredi
    SATURDAY = 5  #: samedi
    SUNDAY = 6  #: dimanche


@strawberry.enum
class SchoolHolidays(Enum):
    CLOSED = "closed"  #: fermée pendant les vacances scolaires
    ONLY = "only"  #: ouverte pendant les vacances seulement
    ANY = "any"  #: ouverte toute l'année


@strawberry.enum
class Unrecorded(Enum):
    PRESENT = "present"  #: présent
    ABSENT = "absent"  #: absent non justifié


@strawberry.federation.type(keys=[Key(fields=FieldSet("id"), resolvable=False)])
class Wallet:
    id: ID


@strawberry.type
class PlacesOn:
    date: dt.date
    places: int | None = strawberry.field(description="Null: not counted, or a waiting list without end.")


@strawberry.type
class HoursRule:
    """Fixed (arrival and departure), or chosen by families between earliest and latest (S26)."""

    arrival: LocalTime | None = None
    departure: LocalTime | None = None
    earliest: LocalTime | None = None
    latest: LocalTime | None = None
    step_minutes: int | None = None
    minimum_minutes: int | None = None


@strawberry.type
class DeadlineRule:
    """One of: days before at a time, hours before, a weekday of an earlier week at a time."""

    days_before: int | None = None
    working_days: bool | None = None
    at: LocalTime | None = None
    hours_before: int | None = None
    weekday: Weekday | None = None
    weeks_before: int | None = None


@strawberry.type
class AllocationRule:
    structure: Private[str]
    weights: Private[Points]
    scheduled_at: LocalTime
    policy: AllocationPolicy

    @strawberry.field
    async def points(self, info: Info) -> list[CriterionPoints]:
        """What each criterion counts, where the policy is by points."""
        return await weighed(info, self.structure, self.weights)


@strawberry.type
class AttendanceRule:
    """When a day closes by itself, and what becomes then of bookings about which nobody said anything."""

    close_after_days: int = strawberry.field(description="0: at the day's end.")
    unrecorded: Unrecorded


@strawberry.type
class DayOff:
    date: dt.date
    because: str | None = strawberry.field(description="What families read.")


@strawberry.type
class ActivitySettings:
    """All that agents may set. `version` goes back with a change: who changed it meanwhile is not overwritten."""

    version: int
    wallet: Wallet
    weekdays: list[Weekday]
    school_holidays: SchoolHolidays
    closed_on: list[dt.date]
    days_off: list[DayOff] = strawberry.field(description="All of the structure is closed: the town's file says so, not this activity.")
    open_on: list[dt.date] = strawberry.field(description="Open in spite of all the rest but the season.")
    capacity: int | None = strawberry.field(description="Null: places are not counted.")
    waiting_list: int | None = strawberry.field(description="0: none; null: without end.")
    capacity_on: list[PlacesOn] = strawberry.field(description="Days with another number of places.")
    waiting_list_on: list[PlacesOn]
    hours: HoursRule
    booking_deadline: DeadlineRule | None = strawberry.field(description="Null: until it starts.")
    cancellation_deadline: DeadlineRule | None
    allocation: AllocationRule | None = strawberry.field(description="Null: requests are answered at once, in order of arrival.")
    attendance: AttendanceRule

    @classmethod
    def of(cls, spec: ActivitySpec, version: int) -> Self:
        return cls(
            version=version,
            wallet=Wallet(id=ID(spec.wallet)),
            weekdays=[Weekday(number) for number in sorted(spec.weekdays)],
            school_holidays=SchoolHolidays(spec.school_holidays),
            closed_on=sorted(spec.closed_on),
            days_off=[DayOff(date=day, because=spec.days_off[day]) for day in sorted(spec.days_off)],
            open_on=sorted(spec.open_on),
            capacity=spec.capacity,
            waiting_list=spec.waiting_list,
            capacity_on=_by_day(spec.capacity_on),
            waiting_list_on=_by_day(spec.waiting_list_on),
            hours=_hours(spec.hours),
            booking_deadline=_deadline(spec.booking_deadline),
            cancellation_deadline=_deadline(spec.cancellation_deadline),
            allocation=_allocation(spec.structure, spec.allocation),
            attendance=AttendanceRule(close_after_days=spec.attendance.close_after_days, unrecorded=Unrecorded(spec.attendance.unrecorded)),
        )


def _by_day(days: Mapping[dt.date, int | None]) -> list[PlacesOn]:
    return [PlacesOn(date=day, places=days[day]) for day in sorted(days)]


def _hours(hours: Hours) -> HoursRule:
    if isinstance(hours, FixedHours):
        return HoursRule(arrival=LocalTime(hours.arrival), departure=LocalTime(hours.departure))
    return HoursRule(
        earliest=LocalTime(hours.earliest),
        latest=LocalTime(hours.latest),
        step_minutes=hours.step_minutes,
        minimum_minutes=hours.minimum_minutes,
    )


def _deadline(deadline: Deadline) -> DeadlineRule | None:
    match deadline:
        case None:
            return None
        case DaysBefore(days, at, working_days):
            return DeadlineRule(days_before=days, at=LocalTime(at), working_days=working_days)
        case HoursBefore(hours):
            return DeadlineRule(hours_before=hours)
        case WeekdayBefore(weekday, at, weeks_before):
            return DeadlineRule(weekday=Weekday(weekday), at=LocalTime(at), weeks_before=weeks_before)


def _allocation(structure: str, allocation: Allocation) -> AllocationRule | None:
    if isinstance(allocation, Immediate):
        return None
    return AllocationRule(
        structure=structure,
        weights=allocation.points,
        scheduled_at=LocalTime(allocation.at),
        policy=AllocationPolicy(allocation.policy),
    )
