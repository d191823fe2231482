"""The draft after one click (S27-S30) or one copy (S31), worked out without keeping anything.

A draft is a list of lines. What the calendar shows while it is being made is the state of each day with the draft laid over it:
a day to be booked looks reserved, a day to be cancelled looks free (S30).
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from services.booking.activity import LocalTime
from services.booking.calendar import ACTIONABLE, RESERVED, DayState


class DraftChange(Enum):
    BOOK = "BOOK"  #: réserver
    CANCEL = "CANCEL"  #: annuler


class ToggleScope(Enum):
    DAY = "DAY"  #: un jour
    WEEK = "WEEK"  #: une semaine (S27)
    WEEKDAY = "WEEKDAY"  #: tous les lundis, mardis... (S28)
    MONTH = "MONTH"  #: le mois (S29)


@dataclass(frozen=True, slots=True)
class DraftLine:
    change: DraftChange
    child: str
    activity: str
    date: dt.date
    arrival: LocalTime
    departure: LocalTime


@dataclass(frozen=True, slots=True)
class Day:
    """One day of one child's calendar for one activity, as the tables have it."""

    date: dt.date
    state: DayState
    code: str | None = None  #: For CLOSED: CLOSED or TOO_LATE.
    booked_hours: tuple[LocalTime, LocalTime] | None = None  #: Of the booking, where there is one.


@dataclass(frozen=True, slots=True)
class Skipped:
    date: dt.date
    code: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The new draft, and what could not be done. `refusal`: nothing was done at all, and why (HOURS_REQUIRED, HOURS_NOT_ALLOWED)."""

    draft: tuple[DraftLine, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """For whom and what a click is, and the hours its bookings would get: None, with the reason in `refusal`, where there are none."""

    child: str
    activity: str
    hours: tuple[LocalTime, LocalTime] | None
    refusal: str | None = None


def days_of(scope: ToggleScope, month: Sequence[dt.date], day: dt.date | None) -> list[dt.date]:
    """The days of the displayed month that one click touches. A week row is its visible days in that month."""
    if scope is ToggleScope.MONTH or day is None:
        return list(month)
    if scope is ToggleScope.WEEKDAY:
        return [other for other in month if other.weekday() == day.weekday()]
    if scope is ToggleScope.WEEK:
        return [other for other in month if other.isocalendar()[:2] == day.isocalendar()[:2]]
    return [other for other in month if other == day]


def shown(state: DayState, change: DraftChange | None) -> DayState:
    """The state of a day with the draft laid over it. What cannot be changed any more looks as it is."""
    if change is DraftChange.BOOK and state in (DayState.AVAILABLE, DayState.WAITLIST_OPEN):
        return DayState.BOOKED if state is DayState.AVAILABLE else DayState.WAITING
    if change is DraftChange.CANCEL and state in (DayState.BOOKED, DayState.WAITING):
        return DayState.AVAILABLE
    return state


def toggle(choice: Choice, days: Iterable[Day], draft: Sequence[DraftLine]) -> Outcome:
    """S27-S29: look at the first actionable day. If it is not reserved, reserve every actionable day; if it is, cancel every one."""
    days = sorted(days, key=lambda day: day.date)
    changes = _changes(choice, draft)
    looks = {day.date: shown(day.state, changes.get(day.date)) for day in days}
    actionable = [day for day in days if looks[day.date] in ACTIONABLE]
    if not actionable:
        return _give_up_stale(choice, days, draft)
    reserve = looks[actionable[0].date] not in RESERVED
    touched = [day for day in actionable if (looks[day.date] in RESERVED) is not reserve]
    # What the draft said of these days is undone; those that do not become by that what was asked for get a line.
    new = [day for day in touched if (day.state in RESERVED) is not reserve]
    if reserve and new and choice.hours is None:
        return Outcome(refusal=choice.refusal)
    undone = {day.date for day in touched}
    kept = [line for line in draft if not (_concerns(line, choice) and line.date in undone)]
    lines = [_line(choice, day, DraftChange.BOOK if reserve else DraftChange.CANCEL) for day in new]
    return Outcome((*kept, *lines), tuple(_skipped(days, looks, reserve)))


def _changes(choice: Choice, draft: Iterable[DraftLine]) -> dict[dt.date, DraftChange]:
    """What the draft does to each day. Cancelled and booked again, with other hours for instance, is booked."""
    mine = [line for line in draft if _concerns(line, choice)]
    cancelled = {line.date: line.change for line in mine if line.change is DraftChange.CANCEL}
    return cancelled | {line.date: line.change for line in mine if line.change is DraftChange.BOOK}


def _concerns(line: DraftLine, choice: Choice) -> bool:
    return line.child == choice.child and line.activity == choice.activity


def _line(choice: Choice, day: Day, change: DraftChange) -> DraftLine:
    hours = choice.hours if change is DraftChange.BOOK else day.booked_hours
    assert hours is not None, f"no hours to {change} on {day.date}"
    return DraftLine(change, choice.child, choice.activity, day.date, *hours)


def _give_up_stale(choice: Choice, days: Sequence[Day], draft: Sequence[DraftLine]) -> Outcome:
    """No day can be changed. A click on one day still takes away what the draft holds for it since before it closed."""
    alone = days[0].date if len(days) == 1 else None
    kept = tuple(line for line in draft if not (_concerns(line, choice) and line.date == alone))
    return Outcome(kept, tuple(Skipped(day.date, _why_stuck(day)) for day in days))


def _skipped(days: Iterable[Day], looks: Mapping[dt.date, DayState], reserve: bool) -> Iterable[Skipped]:
    for day in days:
        if looks[day.date] in ACTIONABLE:
            continue
        if day.state not in RESERVED:
            if reserve:
                yield Skipped(day.date, _why_stuck(day))
        else:
            yield Skipped(day.date, "ALREADY_BOOKED" if reserve else "TOO_LATE_TO_CANCEL")


def _why_stuck(day: Day) -> str:
    if day.state in RESERVED:
        return "TOO_LATE_TO_CANCEL"
    return "FULL" if day.state is DayState.FULL else day.code or "CLOSED"


@dataclass(frozen=True, slots=True)
class Source:
    """One day to be copied (S31), with the hours that the target would get from it."""

    date: dt.date
    hours: tuple[LocalTime, LocalTime] | None  #: None: they must be chosen, and were not.
    refusal: str | None = None  #: HOURS_NOT_ALLOWED: outside the target's bounds.


def to_copy(
    draft: Iterable[DraftLine], booked: Iterable[tuple[dt.date, LocalTime, LocalTime]], child: str, activity: str
) -> dict[dt.date, tuple[LocalTime, LocalTime]]:
    """What the draft books of that child and activity, and those of the live bookings that it does not cancel."""
    mine = [line for line in draft if line.child == child and line.activity == activity]
    cancelled = {line.date for line in mine if line.change is DraftChange.CANCEL}
    found = {date: (arrival, departure) for date, arrival, departure in booked if date not in cancelled}
    found.update({line.date: (line.arrival, line.departure) for line in mine if line.change is DraftChange.BOOK})
    return dict(sorted(found.items()))


def copy(
    choice: Choice, sources: Iterable[Source], days: Mapping[dt.date, Day], not_enrolled: frozenset[dt.date], draft: Sequence[DraftLine]
) -> Outcome:
    """S31: the draft with every source day booked for the target too; what could not be is listed with its reason.

    `days` is the target's calendar on the source's days. A target day that the draft cancels is kept instead.
    """
    changes = _changes(choice, draft)
    kept_after_all: set[dt.date] = set()
    lines: list[DraftLine] = []
    skipped: list[Skipped] = []
    for source in sources:
        date = source.date
        look = shown(days[date].state, changes.get(date))
        code = "NOT_ENROLLED" if date in not_enrolled else _why_not_copied(days[date], look, changes.get(date), source)
        if code is not None:
            skipped.append(Skipped(date, code))
        elif days[date].state in RESERVED:
            kept_after_all.add(date)
        elif source.hours is None:
            return Outcome(refusal=choice.refusal)
        else:
            lines.append(DraftLine(DraftChange.BOOK, choice.child, choice.activity, date, *source.hours))
    undone = kept_after_all | {line.date for line in lines}
    kept = [line for line in draft if not (_concerns(line, choice) and line.date in undone)]
    return Outcome((*kept, *lines), tuple(skipped))


def _why_not_copied(day: Day, look: DayState, change: DraftChange | None, source: Source) -> str | None:
    if change is DraftChange.BOOK or look in RESERVED:
        return "ALREADY_BOOKED"
    if look not in ACTIONABLE:
        return _why_stuck(day)
    return source.refusal if day.state not in RESERVED else None
