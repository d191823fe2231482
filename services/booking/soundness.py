"""What is wrong with an activity as an agent describes it. A town's file says the same of its own, with lines (deploy/town)."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from services.booking.activity import ActivitySpec, ChosenHours, DaysBefore, Deadline, HoursBefore, Scheduled, WeekdayBefore
from services.booking.hours import minutes
from services.refusal import Refused

LONGEST_NAME = 200
LONGEST_SEASON = dt.timedelta(days=3 * 366)
MOST_PLACES = 100_000
MOST_DAYS = 1500  #: Named one by one.
YEARS = range(2000, 2200)
WEIGHTS = range(1, 10_001)  #: What a criterion may count.
CLOSE_AFTER = range(367)  #: Days.


@dataclass(frozen=True, slots=True)
class Flaw:
    """What cannot be: a text's code, with what fills it. `where` names the field as agents send it."""

    code: str
    where: str
    facts: Mapping[str, object] = field(default_factory=dict)

    def refused(self) -> Refused:
        return Refused("INVALID_ACTIVITY", text=self.code, where=self.where, **self.facts)

    def of_a_day(self) -> Self:
        """Said to whoever changes one day, where its places have names of their own."""
        return replace(self, where={"capacityOn": "capacity", "waitingListOn": "waitingList"}.get(self.where, self.where))


def flaw(spec: ActivitySpec, before: ActivitySpec | None = None) -> Flaw | None:
    """The first thing that cannot be, or None: all is well, or no worse than `before`."""
    known = set() if before is None else {one.code for one in flaws(before)}
    return next((one for one in flaws(spec) if one.code not in known), None)


def flaws(spec: ActivitySpec) -> Iterator[Flaw]:
    for look in LOOKS:
        yield from look(spec)


def _name(spec: ActivitySpec) -> Iterator[Flaw]:
    for where, text in (("name", spec.name), ("category", spec.category or "-")):
        if not (0 < len(text) <= LONGEST_NAME and text.isprintable() and text == text.strip()):
            yield Flaw("NAME_NOT_POSSIBLE", where, {"given": text})


def _season(spec: ActivitySpec) -> Iterator[Flaw]:
    season = {"first": spec.opens_on, "last": spec.closes_on}
    if spec.closes_on < spec.opens_on:
        yield Flaw("SEASON_REVERSED", "closesOn", season)
    if spec.closes_on - spec.opens_on > LONGEST_SEASON or spec.opens_on.year not in YEARS:
        yield Flaw("SEASON_TOO_LONG", "opensOn, closesOn", season)


def _days(spec: ActivitySpec) -> Iterator[Flaw]:
    if not spec.weekdays and not spec.open_on:
        yield Flaw("NEVER_OPEN", "weekdays, openOn")
    named = {"closedOn": spec.closed_on, "openOn": spec.open_on, "capacityOn": spec.capacity_on, "waitingListOn": spec.waiting_list_on}
    for where, days in named.items():
        if len(days) > MOST_DAYS:
            yield Flaw("TOO_MANY_DAYS", where, {"count": len(days), "most": MOST_DAYS})


def _outside(spec: ActivitySpec) -> Iterator[Flaw]:
    """Places of a day that never comes were meant for another. To say that it is closed, or open, is harmless."""
    for where, days in (("capacityOn", spec.capacity_on), ("waitingListOn", spec.waiting_list_on)):
        day = min((day for day in days if not spec.opens_on <= day <= spec.closes_on), default=None)
        if day is not None:
            yield Flaw("DAY_OUT_OF_SEASON", where, {"day": day, "first": spec.opens_on, "last": spec.closes_on})


def _hours(spec: ActivitySpec) -> Iterator[Flaw]:
    if spec.departure <= spec.arrival:
        yield Flaw("HOURS_REVERSED", "hours", {"arrival": spec.arrival, "departure": spec.departure})
    if not isinstance(spec.hours, ChosenHours):
        return
    if not 1 <= spec.hours.step_minutes <= 240:
        yield Flaw("STEP_NOT_POSSIBLE", "hours.stepMinutes", {"given": spec.hours.step_minutes})
    longest = minutes(spec.hours.latest) - minutes(spec.hours.earliest)
    if not 1 <= spec.hours.minimum_minutes <= longest:
        yield Flaw("MINIMUM_NOT_POSSIBLE", "hours.minimumMinutes", {"given": spec.hours.minimum_minutes, "most": longest})


def _places(spec: ActivitySpec) -> Iterator[Flaw]:
    offered = {"capacity": [spec.capacity], "waitingList": [spec.waiting_list]}
    offered |= {"capacityOn": [*spec.capacity_on.values()], "waitingListOn": [*spec.waiting_list_on.values()]}
    for where, numbers in offered.items():
        wrong = [number for number in numbers if number is not None and not 0 <= number <= MOST_PLACES]
        if wrong:
            yield Flaw("PLACES_NOT_POSSIBLE", where, {"given": wrong[0]})


def _deadlines(spec: ActivitySpec) -> Iterator[Flaw]:
    for where, deadline in (("bookingDeadline", spec.booking_deadline), ("cancellationDeadline", spec.cancellation_deadline)):
        if not _is_possible(deadline):
            yield Flaw("DEADLINE_NOT_POSSIBLE", where)


def _is_possible(deadline: Deadline) -> bool:
    match deadline:
        case None:
            return True
        case DaysBefore(days):
            return 0 <= days <= 366
        case HoursBefore(hours):
            return 0 <= hours <= 24 * 366
        case WeekdayBefore(weekday, _, weeks_before):
            return 0 <= weekday <= 6 and 0 <= weeks_before <= 52


def _allocation(spec: ActivitySpec) -> Iterator[Flaw]:
    if not isinstance(spec.allocation, Scheduled):
        return
    if not spec.limited:  # A run that ranks requests for places that are not counted would only make families wait.
        yield Flaw("NOTHING_TO_ALLOCATE", "allocation")
    named = spec.allocation.points
    if named and spec.allocation.policy != "points":
        yield Flaw("POINTS_WITHOUT_POLICY", "allocation.points")
    if len(dict(named)) < len(named) or any(count not in WEIGHTS for _, count in named):
        yield Flaw("POINTS_NOT_POSSIBLE", "allocation.points", {"given": ", ".join(f"{criterion} {count}" for criterion, count in named)})


def _attendance(spec: ActivitySpec) -> Iterator[Flaw]:
    if spec.attendance.close_after_days not in CLOSE_AFTER:
        yield Flaw("ATTENDANCE_NOT_POSSIBLE", "attendance.closeAfterDays", {"given": spec.attendance.close_after_days})


LOOKS: tuple[Callable[[ActivitySpec], Iterator[Flaw]], ...] = (
    _name,
    _season,
    _days,
    _outside,
    _hours,
    _places,
    _deadlines,
    _allocation,
    _attendance,
)
