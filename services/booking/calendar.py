"""The state of a day, for one activity or for all of a child's (rules.md, "Day states")."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from services.booking.lines import Enrolled, OpeningRules
from services.booking.status import BookingStatus


class DayState(IntEnum):
    CLOSED = 1  #: non ouverte, ou hors délai
    FULL = 2  #: complète, liste d'attente comprise
    AVAILABLE = 3  #: libre
    WAITLIST_OPEN = 4  #: complète, inscription possible en liste d'attente
    BOOKED = 5  #: réservée, annulable
    WAITING = 6  #: en liste d'attente, annulable
    BOOKED_LOCKED = 7  #: réservée, hors délai pour annuler
    WAITING_LOCKED = 8  #: en liste d'attente, hors délai pour annuler


RESERVED = frozenset({DayState.BOOKED, DayState.WAITING, DayState.BOOKED_LOCKED, DayState.WAITING_LOCKED})
ACTIONABLE = frozenset({DayState.AVAILABLE, DayState.WAITLIST_OPEN, DayState.BOOKED, DayState.WAITING})
WAITING = frozenset({DayState.WAITLIST_OPEN, DayState.WAITING, DayState.WAITING_LOCKED})


@dataclass(frozen=True, slots=True)
class Places:
    """How full one opening is. `capacity` None: not counted; `waiting_list` None: not limited."""

    capacity: int | None
    waiting_list: int | None
    taken: int = 0
    waiting: int = 0

    @property
    def left(self) -> int | None:
        """None when places are not counted. What is left while somebody waits is theirs: nobody overtakes the queue."""
        if self.capacity is None:
            return None
        return 0 if self.waiting else max(0, self.capacity - self.taken)


def day_state(places: Places, status: BookingStatus | None, *, is_open: bool, booking_closed: bool, cancelling_closed: bool) -> DayState:
    """One activity, for one child, on one day. `status` is that of the child's booking, if it has one that stands.

    A booking that is not answered yet (SUBMITTED) is shown like a waiting one: nothing is promised, it can be taken back.
    """
    if status is BookingStatus.ACCEPTED:
        return DayState.BOOKED_LOCKED if cancelling_closed else DayState.BOOKED
    if status in (BookingStatus.WAITLISTED, BookingStatus.SUBMITTED):
        return DayState.WAITING_LOCKED if cancelling_closed else DayState.WAITING
    if not is_open or booking_closed:
        return DayState.CLOSED
    if places.left is None or places.left > 0:
        return DayState.AVAILABLE
    if places.waiting_list is None or places.waiting < places.waiting_list:
        return DayState.WAITLIST_OPEN
    return DayState.FULL


def aggregate(states: Iterable[DayState]) -> DayState:
    """All activities of a child on one day (S32). No activity at all: CLOSED."""
    found = set(states)
    if found & RESERVED:
        return _something_reserved(found)
    for state in (DayState.WAITLIST_OPEN, DayState.AVAILABLE, DayState.FULL):
        if state in found:
            return state
    return DayState.CLOSED


#: Of several activities' reasons for one closed day, the first here is the day's: one could have booked something; the day is off for
#: everybody; the town closed what would have been open; what is so every week says least.
TELLING = ("TOO_LATE", "PUBLIC_HOLIDAY", "CLOSED_DAY", "SCHOOL_HOLIDAY", "SCHOOL_DAY", "WEEKDAY", "OUT_OF_SEASON", "NOT_ENROLLED")


def most_telling(reasons: Iterable[str]) -> str:
    """Why a day is closed on which each activity is for a reason of its own (S32)."""
    return min(reasons, key=TELLING.index)


def _something_reserved(found: set[DayState]) -> DayState:
    if found & ACTIONABLE:
        return DayState.WAITING if found & WAITING else DayState.BOOKED
    return DayState.WAITING_LOCKED if DayState.WAITING_LOCKED in found else DayState.BOOKED_LOCKED


@dataclass(frozen=True, slots=True)
class Shown:
    """What one day of one activity shows to one child's family."""

    state: DayState
    places_left: int | None  #: None where places are not counted, or do not matter because the day is closed.
    why_closed: str | None  #: A reason of season.Closed, also where a booking stands on that day; for CLOSED, TOO_LATE or NOT_ENROLLED too.
    because: str | None = None  #: Why the town closed that very day, in its own words.


def show(rules: OpeningRules, places: Places, status: BookingStatus | None, *, now: dt.datetime, enrolled: Enrolled | None) -> Shown:
    admitted = enrolled is not None and enrolled.on(rules.date)
    late = now >= rules.booking_closes_at
    state = day_state(
        places,
        status,
        is_open=admitted and rules.closed is None,
        booking_closed=late,
        cancelling_closed=now >= rules.cancelling_closes_at,
    )
    if state is not DayState.CLOSED:
        return Shown(state, places.left, rules.closed, rules.because)
    if not admitted:
        return Shown(state, None, "NOT_ENROLLED")
    return Shown(state, None, rules.closed or "TOO_LATE", rules.because)
