"""The report of one request (S37): its movements grouped by outcome, then activity, then child, dates ascending."""

import datetime as dt
import unicodedata
from collections.abc import Iterable, Sequence
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
    KEPT = "KEPT"  #: annulation refusée : la réservation est maintenue
    POINTLESS = "POINTLESS"  #: annulation sans objet : il n'y avait rien à annuler
    AWAITED = "AWAITED"  #: en attente d'une répartition


Hours = tuple[str, str]  #: Arrival and departure, "HH:MM".


@dataclass(frozen=True, slots=True)
class Movement:
    """One line of a request with its answer, in the words of the letter."""

    cancellation: bool  #: What was asked for: a cancellation ("demande d'annulation"), or else a booking.
    outcome: Outcome
    activity: str  #: Its title.
    child: str  #: "LASTNAME Firstname".
    date: dt.date
    reason: str | None = None  #: Why, where refused; or what else there is to say of that day.
    booking: str = ""
    hours: Hours | None = None
    note: str | None = None  #: What is to be said once, of all such days of the activity.


@dataclass(frozen=True, slots=True)
class Day:
    date: dt.date
    reason: str | None
    hours: Hours | None = None  #: The new ones, where they take the place of others.
    instead_of: Hours | None = None


@dataclass(frozen=True, slots=True)
class ChildDays:
    """The days of one child in one activity, ascending."""

    child: str
    days: tuple[Day, ...]


@dataclass(frozen=True, slots=True)
class ActivityDays:
    activity: str
    children: tuple[ChildDays, ...]
    note: str | None = None


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

    @property
    def answered(self) -> int:
        days = {
            section.outcome: [day for group in section.activities for line in group.children for day in line.days]
            for section in self.sections
        }
        return sum(len(found) for outcome, found in days.items() if outcome is not Outcome.AWAITED)


@dataclass(frozen=True, slots=True)
class _Line:
    movement: Movement
    instead_of: Hours | None = None

    @property
    def day(self) -> Day:
        one = self.movement
        return Day(one.date, one.reason, one.hours if self.instead_of else None, self.instead_of)


def gather(movements: Iterable[Movement]) -> Report:
    """The report of these movements, in whatever order they come."""
    asked = list(movements)
    cancellations = sum(movement.cancellation for movement in asked)
    told = sorted(_once(asked), key=_order)
    sections = tuple(
        Section(
            outcome,
            tuple(
                ActivityDays(
                    activity,
                    tuple(
                        ChildDays(child, tuple(line.day for line in lines))
                        for child, lines in groupby(of_activity, key=lambda line: line.movement.child)
                    ),
                    note,
                )
                for (activity, note), of_activity in groupby(of_outcome, key=lambda line: (line.movement.activity, line.movement.note))
            ),
        )
        for outcome, of_outcome in groupby(told, key=lambda line: line.movement.outcome)
    )
    return Report(bookings=len(asked) - cancellations, cancellations=cancellations, sections=sections)


def _once(movements: Sequence[Movement]) -> list[_Line]:
    """Each day once: not what was asked for and taken back in one breath, nor what was given back for other hours of the same day."""
    back = [one for one in movements if one.cancellation and one.outcome is Outcome.CANCELLED]
    if not back:
        return [_Line(one) for one in movements]
    taken_back = {one.booking for one in back if one.booking}
    told = [one for one in movements if one.cancellation or one.booking not in taken_back or one.outcome is not Outcome.CANCELLED]
    given_back = {_place(one): one for one in back}
    renewed = {_place(one) for one in told if _is_held(one)} & given_back.keys()
    return [
        _Line(one, given_back[_place(one)].hours) if _is_held(one) and _place(one) in renewed else _Line(one)
        for one in told
        if one is not given_back.get(_place(one)) or _place(one) not in renewed
    ]


def _place(movement: Movement) -> tuple[str, str, dt.date]:
    return movement.activity, movement.child, movement.date


def _is_held(movement: Movement) -> bool:
    return not movement.cancellation and movement.outcome in (Outcome.ACCEPTED, Outcome.WAITLISTED)


_OUTCOMES = list(Outcome)


def _order(line: _Line) -> tuple[int, str, str, str, str, str, dt.date, bool]:
    movement = line.movement
    return (
        _OUTCOMES.index(movement.outcome),
        *_as_read(movement.activity),
        movement.note or "",
        *_as_read(movement.child),
        movement.date,
        movement.cancellation,
    )


@lru_cache(maxsize=1000)
def _as_read(name: str) -> tuple[str, str]:
    """Sort key of a French reader: "Élan" stands with E. The name itself follows, so that equal names stay together."""
    letters = unicodedata.normalize("NFD", name.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter)), name
