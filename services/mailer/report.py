"""The report of one request (S37): its movements grouped by outcome, then activity, then child, dates ascending."""

import datetime as dt
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import groupby


class Outcome(StrEnum):
    """What became of a movement, in the order in which a report tells it."""

    WAITLISTED = "WAITLISTED"  #: mise en liste d'attente
    ACCEPTED = "ACCEPTED"  #: acceptée
    REFUSED = "REFUSED"  #: refusée
    CANCELLED = "CANCELLED"  #: annulée


@dataclass(frozen=True, slots=True)
class Movement:
    """One line of a request with its answer, in the words of the letter."""

    cancellation: bool  #: What was asked for: a cancellation ("demande d'annulation"), or else a booking.
    outcome: Outcome
    activity: str  #: Its title.
    child: str  #: "LASTNAME Firstname".
    date: dt.date
    reason: str | None = None  #: Why, where refused.


@dataclass(frozen=True, slots=True)
class Day:
    date: dt.date
    reason: str | None


@dataclass(frozen=True, slots=True)
class ChildDays:
    """The days of one child in one activity, ascending."""

    child: str
    days: tuple[Day, ...]


@dataclass(frozen=True, slots=True)
class ActivityDays:
    activity: str
    children: tuple[ChildDays, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """All that had the same outcome."""

    outcome: Outcome
    activities: tuple[ActivityDays, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Counts and sections; a section that would be empty is not there."""

    bookings: int  #: New bookings asked for, whatever became of them.
    cancellations: int  #: Cancellations asked for, refused ones too.
    sections: tuple[Section, ...]

    @property
    def movements(self) -> int:
        return self.bookings + self.cancellations


def gather(movements: Iterable[Movement]) -> Report:
    """The report of these movements, in whatever order they come."""
    told = sorted(movements, key=_order)
    cancellations = sum(movement.cancellation for movement in told)
    sections = tuple(
        Section(
            outcome,
            tuple(
                ActivityDays(
                    activity,
                    tuple(
                        ChildDays(child, tuple(Day(line.date, line.reason) for line in lines))
                        for child, lines in groupby(of_activity, key=lambda line: line.child)
                    ),
                )
                for activity, of_activity in groupby(of_outcome, key=lambda line: line.activity)
            ),
        )
        for outcome, of_outcome in groupby(told, key=lambda line: line.outcome)
    )
    return Report(bookings=len(told) - cancellations, cancellations=cancellations, sections=sections)


_OUTCOMES = list(Outcome)


def _order(movement: Movement) -> tuple[int, str, str, str, str, dt.date, bool]:
    return (
        _OUTCOMES.index(movement.outcome),
        *_as_read(movement.activity),
        *_as_read(movement.child),
        movement.date,
        movement.cancellation,
    )


@lru_cache(maxsize=1000)
def _as_read(name: str) -> tuple[str, str]:
    """Sort key of a French reader: "Élan" stands with E. The name itself follows, so that equal names stay together."""
    letters = unicodedata.normalize("NFD", name.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter)), name
