"""One run of an activity whose requests wait for it: from what it saw to what it decides.

The same function decides, and recomputes afterwards from what was kept: `preau replay-allocation`. So it sees nothing but its inputs.
"""

import datetime as dt
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any, Literal

from services.booking.allocation import GROUP_INCOMPLETE, Answer, Board, Claim, Key, Opening
from services.booking.ranking import Candidate, Merit, Points, Ranked, Rule, merit, ranked

Outcome = Literal["ACCEPTED", "WAITLISTED", "REFUSED"]
Place = tuple[str, dt.date, str]  #: activity, date, child


@dataclass(frozen=True, slots=True)
class WishedLine:
    """One line that waits for the run."""

    booking: str
    child: str
    activity: str
    date: dt.date
    position: int  #: Order of arrival.
    code: str | None = None  #: What forbids it whatever its rank: closed, too late, not enrolled, in debt...

    @property
    def key(self) -> Key:
        return self.activity, self.date

    @property
    def place(self) -> Place:
        return self.activity, self.date, self.child


@dataclass(frozen=True, slots=True)
class Wish:
    """A line alone, or the lines of a party."""

    lines: tuple[WishedLine, ...]
    may_wait: bool
    party: int | None = None


@dataclass(frozen=True, slots=True)
class Waiter:
    """Who stood in a line before the run."""

    booking: str
    position: int
    party: int | None


@dataclass(frozen=True, slots=True)
class Stock:
    """An opening as the run found it."""

    activity: str
    date: dt.date
    places: int | None
    waiting_places: int | None
    taken: int
    ahead: int  #: How many waited that were not looked at: no place could reach them.
    bookable: bool
    line: tuple[Waiter, ...] = ()


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that the run saw."""

    run: str
    rule: Rule
    seed: str
    first_position: int  #: What is served from here on comes after all who were in line.
    wishes: tuple[Wish, ...]
    openings: tuple[Stock, ...]
    live: frozenset[Place]  #: Places that the children held, or waited for, before.
    holds: dict[str, tuple[str, ...]]  #: Child -> the criteria that are true of it.
    one_reason: bool = False  #: As runs were held once: all lines of a party that is refused have the reason of the first.


@dataclass(frozen=True, slots=True)
class Decision:
    """One line with its answer and the reasons for it."""

    booking: str
    place_order: int  #: Of the line in the whole run, from 1.
    outcome: Outcome
    code: str | None
    rank: int | None  #: Among those who asked for the same opening, from 1; None: a rule forbade it.
    of: int | None
    points: int | None
    criteria: Points
    draw: str | None
    grouped: bool
    position: int  #: Its place in the queue while it waits.


@dataclass(frozen=True, slots=True)
class Served:
    """A wish with its decisions, in the order in which the run served it."""

    wish: Wish
    positions: tuple[int, ...]
    outcome: Outcome
    codes: tuple[str | None, ...]  #: Of each line.
    merit: Merit

    @property
    def code(self) -> str | None:
        """What stood in the way of all of it."""
        return next((code for code in self.codes if code not in (None, GROUP_INCOMPLETE)), None)


@dataclass(frozen=True, slots=True)
class Result:
    served: list[Served]
    decisions: list[Decision]
    given: list[str]  #: Bookings that waited before the run and were given a place in it.


def decide(inputs: Inputs) -> Result:
    board = _board(inputs.openings)
    live = set(inputs.live)
    positions = count(inputs.first_position)
    served: list[Served] = []
    given: list[str] = []
    for wish, one in _in_order(inputs):
        own = tuple(next(positions) for _ in wish.lines)
        outcome, codes, others = _serve(board, wish, own, live)
        given += [claim.booking for claim in others]
        served.append(Served(wish, own, outcome, _told(codes, outcome, inputs.one_reason), one.merit))
    return Result(served, _decisions(served), given)


def _in_order(inputs: Inputs) -> Iterable[tuple[Wish, Ranked]]:
    children = {line.child for wish in inputs.wishes for line in wish.lines}
    merits = {child: merit(inputs.rule, inputs.seed, inputs.run, child, inputs.holds.get(child, ())) for child in children}
    wishes = {_candidate(wish): wish for wish in inputs.wishes}
    return [(wishes[one.candidate], one) for one in ranked(wishes, merits)]


def _candidate(wish: Wish) -> Candidate:
    return Candidate(tuple(line.child for line in wish.lines), tuple(line.position for line in wish.lines))


Codes = Sequence[str | None]


def _told(codes: Codes, outcome: Outcome, one_reason: bool) -> tuple[str | None, ...]:
    if outcome != "REFUSED":
        return tuple(codes)
    first = next(code for code in codes if code)
    return tuple(first if one_reason else code or GROUP_INCOMPLETE for code in codes)


def _serve(board: Board, wish: Wish, positions: Sequence[int], live: set[Place]) -> tuple[Outcome, Codes, list[Claim]]:
    codes = _obstacles(wish, live)
    if any(codes):
        return "REFUSED", codes, []
    claims = [Claim(line.booking, line.key, position, wish.party) for line, position in zip(wish.lines, positions, strict=True)]
    answer, others = board.ask(claims, may_wait=wish.may_wait)
    if answer is Answer.FULL:
        blamed = board.short(claims, may_wait=wish.may_wait)
        return "REFUSED", ["FULL" if claim.booking in blamed else None for claim in claims], others
    live.update(line.place for line in wish.lines)
    return ("ACCEPTED" if answer is Answer.ACCEPTED else "WAITLISTED"), codes, others


def _obstacles(wish: Wish, live: set[Place]) -> Codes:
    """Of each line. One reason in the party refuses all of it."""
    wanted = set[Place]()
    codes = []
    for line in wish.lines:
        codes.append("ALREADY_BOOKED" if line.place in live or line.place in wanted else line.code)
        wanted.add(line.place)
    return codes


def _board(openings: Iterable[Stock]) -> Board:
    return Board(
        {
            (stock.activity, stock.date): Opening(
                places=stock.places,
                waiting_places=stock.waiting_places,
                taken=stock.taken,
                line=[Claim(one.booking, (stock.activity, stock.date), one.position, one.party) for one in stock.line],
                ahead=stock.ahead,
                bookable=stock.bookable,
            )
            for stock in openings
        }
    )


def _decisions(served: Iterable[Served]) -> list[Decision]:
    lines = [(one, *each) for one in served for each in zip(one.wish.lines, one.positions, one.codes, strict=True)]
    of = Counter(line.key for one, line, *_ in lines if _competed(one))
    reached = Counter[Key]()
    found = []
    for order, (one, line, position, code) in enumerate(lines, 1):
        reached[line.key] += _competed(one)
        found.append(
            Decision(
                booking=line.booking,
                place_order=order,
                outcome=one.outcome,
                code=code,
                rank=reached[line.key] if _competed(one) else None,
                of=of[line.key] if _competed(one) else None,
                points=one.merit.points,
                criteria=one.merit.criteria,
                draw=one.merit.draw,
                grouped=len(one.wish.lines) > 1,
                position=position,
            )
        )
    return found


def _competed(one: Served) -> bool:
    """Its rank decided, not a rule."""
    return one.code in (None, "FULL")


# ------------------------------------------------------------------------------------------------------------- to be kept
def to_json(inputs: Inputs) -> dict[str, Any]:
    """In JSON's own types."""
    document = asdict(inputs)
    document["live"] = sorted([activity, date.isoformat(), child] for activity, date, child in inputs.live)
    for dated in (*document["openings"], *(line for wish in document["wishes"] for line in wish["lines"])):
        dated["date"] = dated["date"].isoformat()
    return document


def from_json(document: dict[str, Any]) -> Inputs:
    """The inverse of to_json."""
    rule = document["rule"]
    return Inputs(
        run=document["run"],
        rule=Rule(rule["policy"], _points(rule["points"])),
        seed=document["seed"],
        first_position=document["first_position"],
        wishes=tuple(
            Wish(tuple(WishedLine(**_dated(line)) for line in wish["lines"]), wish["may_wait"], wish["party"])
            for wish in document["wishes"]
        ),
        openings=tuple(
            Stock(**_dated(stock) | {"line": tuple(Waiter(**waiter) for waiter in stock["line"])}) for stock in document["openings"]
        ),
        live=frozenset((activity, dt.date.fromisoformat(date), child) for activity, date, child in document["live"]),
        holds={child: tuple(criteria) for child, criteria in document["holds"].items()},
        one_reason=document.get("one_reason", True),
    )


def digest_of(document: dict[str, Any]) -> str:
    """SHA-256 of kept inputs, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _points(pairs: Iterable[Sequence[Any]]) -> Points:
    return tuple((criterion, points) for criterion, points in pairs)


def _dated(values: dict[str, Any]) -> dict[str, Any]:
    return values | {"date": dt.date.fromisoformat(values["date"])}
