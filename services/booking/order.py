"""What a family asks for: a confirmed draft, as it arrives."""

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from services.booking.activity import LocalTime
from services.booking.draft import DraftChange

MOST_LINES = 500


@dataclass(frozen=True, slots=True)
class Line:
    """One movement. Hours stay empty where the family chose none."""

    change: DraftChange
    child: str
    activity: str
    date: dt.date
    arrival: LocalTime | None = None
    departure: LocalTime | None = None
    booking: str | None = None  #: The one that a CANCEL means; without it, the child's of that activity and day.


Cause = Literal["DAY_CLOSED", "ACTIVITY_CHANGED", "ENROLLMENT_CHANGED"]


@dataclass(frozen=True, slots=True)
class ForFamily:
    """An agent acts for the family: why, and what is not to stand in the way."""

    reason: str
    past_deadlines: bool = False
    despite_debt: bool = False
    moves: bool = False  #: Two lines, a CANCEL and a BOOK, done both or none: the child leaves one place for another.
    #: What else the agent did, of which this is a consequence. Nobody asks for that, so no order is another one for it.
    cause: Cause | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Order:
    family: str
    idempotency_key: str  #: Chosen by the client: the same one is the same order, however often it arrives.
    lines: Sequence[Line]
    accept_waiting_list: bool = True
    together: Sequence[Sequence[int]] = ()  #: Groups of line indexes to be decided all or none.
    language: str = "fr"
    agent: ForFamily | None = None  #: None: the family acts itself.

    def fingerprint(self) -> str:
        """Two orders with the same one ask for the same."""
        named = " ".join(line.booking for line in self.lines if line.booking)
        words = [self.family, str(self.accept_waiting_list), str([sorted(group) for group in self.together]), named]
        words += [] if self.agent is None else [str(self.agent)]
        words += [f"{x.change.value} {x.child} {x.activity} {x.date} {x.arrival} {x.departure}" for x in self.lines]
        return hashlib.sha256("\n".join(words).encode()).hexdigest()

    @property
    def groups_too_much(self) -> bool:
        """More groups than lines, or more indexes than all lines need that are chained by pairs: nobody means that."""
        most = len(self.lines)
        return len(self.together) > most or sum(map(len, self.together)) > 2 * most

    @property
    def only_books(self) -> bool:
        return all(line.change is DraftChange.BOOK for line in self.lines)


def parties(order: Order) -> dict[int, int]:
    """Line index -> the first line of its party, for the BOOK lines that belong to one. Groups that share a line are one.

    Raises IndexError if a group names a line that is not there.
    """
    before: dict[int, int] = {}  # line -> itself, or an earlier one of its party
    for group in order.together:
        if not all(0 <= index < len(order.lines) for index in group):
            raise IndexError(group)
        books = [index for index in group if order.lines[index].change is DraftChange.BOOK]
        heads = [_head(before, index) for index in books]
        before.update(dict.fromkeys(heads, min(heads, default=0)))
    return {index: _head(before, index) for index in before}


def _head(before: dict[int, int], index: int) -> int:
    while before.setdefault(index, index) != index:
        before[index] = before[before[index]]  # half the way for whoever asks next
        index = before[index]
    return index
