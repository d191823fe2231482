"""The recap of a draft (S33): what sending it now would give, line by line, without keeping anything.

It decides as the allocator would if nobody else came in between: bookings that get other hours first, then what the family gives back, then
its wishes in their order, those that belong together all or none.
"""

import datetime as dt
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

from services.booking.activity import ActivitySpec, LocalTime, Scheduled
from services.booking.allocation import GROUP_INCOMPLETE, NOT_MOVED, Answer, Board, Claim, Opening
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


class Wish(NamedTuple):
    """A BOOK line on the allocator's board."""

    line: Line
    claim: Claim


@dataclass(frozen=True, slots=True)
class Forecast:
    """One line with its likely answer: ACCEPTED, WAITLISTED, REFUSED with a code, CANCELLED; SUBMITTED if it would wait for a run."""

    line: Line
    arrival: LocalTime
    departure: LocalTime
    status: BookingStatus
    rank: int | None = None
    code: str | None = None


def forecast(
    lines: Iterable[Line], facts: Facts, parties: Mapping[int, int] = MappingProxyType({}), *, may_wait: bool = True
) -> list[Forecast]:
    """Cancellations and bookings each by date, child, activity. `parties`: index of a line -> of the first one that it belongs with."""
    lines = list(lines)
    places, held = dict(facts.places), dict(facts.held)
    answers, moved = _with_other_hours(lines, facts, held, parties)
    given_back = (line for index, line in enumerate(lines) if line.change is DraftChange.CANCEL and index not in moved)
    answers += [_give_back(line, facts, places, held) for line in given_back]
    board = Board({key: _opening(here) for key, here in places.items()})
    units: dict[int, list[Wish]] = {}
    asked: list[tuple[Wish, Forecast]] = []
    for index, line in enumerate(lines):
        if line.change is DraftChange.BOOK and index not in moved:
            wish = Wish(line, Claim(str(index), (line.activity, line.date), index, parties.get(index)))
            units.setdefault(parties.get(index, index), []).append(wish)
    for unit in units.values():
        asked += zip(unit, _ask(unit, facts, board, held, may_wait=may_wait), strict=True)
    answers += [_ranked(wish.claim, answer, board) for wish, answer in asked]
    return sorted(answers, key=lambda answer: (answer.line.date, answer.line.child, answer.line.activity))


def _with_other_hours(
    lines: Sequence[Line], facts: Facts, held: dict[Place, Held], parties: Mapping[int, int]
) -> tuple[list[Forecast], set[int]]:
    """Bookings that keep their place at other hours (S26), and the indexes of their lines, two of each: both are done, or none."""
    answers, moved = [], set[int]()
    wanted = {_place(line): index for index, line in reversed(list(enumerate(lines))) if _may_move(index, line, facts, parties)}
    for index, line in enumerate(lines):
        stands, other = held.get(_place(line)), wanted.get(_place(line))
        if line.change is DraftChange.BOOK or stands is None or other is None or index in moved:
            continue
        times = resolved(facts.specs[line.activity].hours, lines[other].arrival, lines[other].departure)
        if stands.status is not BookingStatus.ACCEPTED or times == (stands.arrival, stands.departure):
            continue
        del wanted[_place(line)]
        moved |= {index, other}
        answers += _moved(line, lines[other], times, facts, held)
    return answers, moved


def _place(line: Line) -> Place:
    return line.child, line.activity, line.date


def _may_move(index: int, line: Line, facts: Facts, parties: Mapping[int, int]) -> bool:
    scheduled = isinstance(facts.specs[line.activity].allocation, Scheduled)
    return line.change is DraftChange.BOOK and index not in parties and not scheduled


def _moved(line: Line, wish: Line, times: tuple[LocalTime, LocalTime], facts: Facts, held: dict[Place, Held]) -> list[Forecast]:
    stands = held[_place(line)]
    kept = check_cancelling(facts.rules[line.activity, line.date], stands.status, now=facts.now)
    code = None if kept else _forbidden(wish, facts)
    if kept or code:
        refused = BookingStatus.REFUSED
        return [
            Forecast(line, stands.arrival, stands.departure, refused, code=kept or NOT_MOVED),
            Forecast(wish, *times, refused, code=code or NOT_MOVED),
        ]
    held[_place(line)] = Held(BookingStatus.ACCEPTED, *times)
    return [Forecast(line, stands.arrival, stands.departure, BookingStatus.CANCELLED), Forecast(wish, *times, BookingStatus.ACCEPTED)]


def _ranked(claim: Claim, answer: Forecast, board: Board) -> Forecast:
    """When all have been asked: a line of a party is asked with its first one, and those between them stand before it."""
    if answer.status is not BookingStatus.WAITLISTED:
        return answer
    return replace(answer, rank=board.rank(claim.opening, claim.position))


def _opening(here: Places) -> Opening:
    """Where somebody waits, no place is left for anybody else."""
    return Opening(None if here.left is None else here.taken + here.left, here.waiting_list, taken=here.taken, ahead=here.waiting)


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


def _ask(unit: Sequence[Wish], facts: Facts, board: Board, held: dict[Place, Held], *, may_wait: bool) -> list[Forecast]:
    """Lines that belong together, or one alone: all or none. Without their ranks."""
    codes = _why_not(unit, facts, held)
    status = BookingStatus.REFUSED if any(codes) else _placed(unit, facts, board, may_wait=may_wait)
    if status is BookingStatus.REFUSED and not any(codes):
        full = board.short([wish.claim for wish in unit], may_wait=may_wait)
        codes = ["FULL" if wish.claim.booking in full else None for wish in unit]
    answers = []
    for wish, code in zip(unit, codes, strict=True):
        line, times = wish.line, resolved(facts.specs[wish.line.activity].hours, wish.line.arrival, wish.line.departure)
        if status is BookingStatus.REFUSED:
            answers.append(Forecast(line, *times, status, code=code or GROUP_INCOMPLETE))
            continue
        held[line.child, line.activity, line.date] = Held(status, *times)
        answers.append(Forecast(line, *times, status))
    return answers


def _why_not(unit: Iterable[Wish], facts: Facts, held: Container[Place]) -> list[str | None]:
    """Of each line. One reason refuses all of them."""
    wanted = set[Place]()
    codes = []
    for line in (wish.line for wish in unit):
        place = line.child, line.activity, line.date
        codes.append("ALREADY_BOOKED" if place in held or place in wanted else _forbidden(line, facts))
        wanted.add(place)
    return codes


def _forbidden(line: Line, facts: Facts) -> str | None:
    return check_booking(
        facts.rules[line.activity, line.date],
        line.arrival,
        line.departure,
        now=facts.now,
        enrolled=facts.enrolled.get((line.child, line.activity)),
        in_debit=facts.in_debit,
    )


def _placed(unit: Sequence[Wish], facts: Facts, board: Board, *, may_wait: bool) -> BookingStatus:
    """REFUSED: there is no place, nor a rank."""
    if any(isinstance(facts.specs[wish.line.activity].allocation, Scheduled) for wish in unit):
        return BookingStatus.SUBMITTED
    answer, _ = board.ask([wish.claim for wish in unit], may_wait=may_wait)
    return BookingStatus.REFUSED if answer is Answer.FULL else BookingStatus(answer.value)
