"""The recap of a draft (S33): what sending it now would give, line by line, without keeping anything.

It decides as the allocator would if nobody else came in between: what the family gives back first, then its wishes in their order.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace

from services.booking.activity import ActivitySpec, LocalTime, Scheduled
from services.booking.calendar import Places
from services.booking.draft import DraftChange
from services.booking.hours import resolved
from services.booking.lines import Enrolled, OpeningRules, check_booking, check_cancelling
from services.booking.order import Line
from services.booking.status import BookingStatus

Key = tuple[str, dt.date]  #: activity, date
Place = tuple[str, str, dt.date]  #: child, activity, date


@dataclass(frozen=True, slots=True)
class Held:
    """A booking that stands."""

    status: BookingStatus
    arrival: LocalTime
    departure: LocalTime


@dataclass(frozen=True, slots=True)
class Facts:
    """What the tables say about all that the draft touches."""

    specs: dict[str, ActivitySpec]
    rules: dict[Key, OpeningRules]
    places: dict[Key, Places]
    held: dict[Place, Held]
    enrolled: dict[tuple[str, str], Enrolled]  #: (child, activity)
    in_debit: bool
    now: dt.datetime


@dataclass(frozen=True, slots=True)
class Forecast:
    """One line with its likely answer: ACCEPTED, WAITLISTED, REFUSED with a code, CANCELLED; SUBMITTED if it would wait for a run."""

    line: Line
    arrival: LocalTime
    departure: LocalTime
    status: BookingStatus
    rank: int | None = None
    code: str | None = None


def forecast(lines: Iterable[Line], facts: Facts) -> list[Forecast]:
    """Cancellations and bookings each by date, child, activity."""
    lines = list(lines)
    places, held = dict(facts.places), dict(facts.held)
    answers = [_give_back(line, facts, places, held) for line in lines if line.change is DraftChange.CANCEL]
    answers += [_ask(line, facts, places, held) for line in lines if line.change is DraftChange.BOOK]
    return sorted(answers, key=lambda answer: (answer.line.date, answer.line.child, answer.line.activity))


def _give_back(line: Line, facts: Facts, places: dict[Key, Places], held: dict[Place, Held]) -> Forecast:
    key = (line.activity, line.date)
    stands = held.get((line.child, *key))
    if stands is None:
        hours = resolved(facts.specs[line.activity].hours, line.arrival, line.departure)
        return Forecast(line, *hours, BookingStatus.REFUSED, code="UNKNOWN_BOOKING")
    code = check_cancelling(facts.rules[key], stands.status, now=facts.now)
    if code is not None:
        return Forecast(line, stands.arrival, stands.departure, BookingStatus.REFUSED, code=code)
    del held[line.child, *key]
    places[key] = _without(places[key], stands.status)
    return Forecast(line, stands.arrival, stands.departure, BookingStatus.CANCELLED)


def _without(places: Places, status: BookingStatus) -> Places:
    """The line is served: who waits first takes the place that is given back, unless the town has taken places back itself."""
    if status is BookingStatus.WAITLISTED:
        return replace(places, waiting=places.waiting - 1)
    if status is not BookingStatus.ACCEPTED:
        return places
    if places.waiting and (places.capacity is None or places.taken <= places.capacity):
        return replace(places, waiting=places.waiting - 1)
    return replace(places, taken=places.taken - 1)


def _ask(line: Line, facts: Facts, places: dict[Key, Places], held: dict[Place, Held]) -> Forecast:
    key = (line.activity, line.date)
    spec = facts.specs[line.activity]
    hours = resolved(spec.hours, line.arrival, line.departure)
    code = "ALREADY_BOOKED" if (line.child, *key) in held else _why_not(line, facts)
    status, rank = (BookingStatus.REFUSED, None) if code else _placed(spec, places, key)
    if status is BookingStatus.REFUSED:
        return Forecast(line, *hours, status, code=code or "FULL")
    held[line.child, *key] = Held(status, *hours)
    return Forecast(line, *hours, status, rank)


def _why_not(line: Line, facts: Facts) -> str | None:
    return check_booking(
        facts.rules[line.activity, line.date],
        line.arrival,
        line.departure,
        now=facts.now,
        enrolled=facts.enrolled.get((line.child, line.activity)),
        in_debit=facts.in_debit,
    )


def _placed(spec: ActivitySpec, places: dict[Key, Places], key: Key) -> tuple[BookingStatus, int | None]:
    if isinstance(spec.allocation, Scheduled):
        return BookingStatus.SUBMITTED, None
    here = places[key]
    if here.left is None or here.left > 0:
        places[key] = replace(here, taken=here.taken + 1)
        return BookingStatus.ACCEPTED, None
    if here.waiting_list is None or here.waiting < here.waiting_list:
        places[key] = replace(here, waiting=here.waiting + 1)
        return BookingStatus.WAITLISTED, here.waiting + 1
    return BookingStatus.REFUSED, None
