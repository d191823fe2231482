"""Every "no" of booking as a GraphQL type. The code of each has its text in texts.py."""

import re
from typing import Any

import strawberry

from services.booking.texts import say
from services.graphql import Refusal
from services.refusal import Refused


@strawberry.federation.type(shareable=True)
class AccountInDebit(Refusal):
    """The family's account is in debt: it cannot book (S21), but it can cancel."""


@strawberry.federation.type(shareable=True)
class NothingToSubmit(Refusal):
    """The draft is empty."""


@strawberry.federation.type(shareable=True)
class TooManyLines(Refusal):
    """The draft has more lines than one request may have."""


@strawberry.federation.type(shareable=True)
class IdempotencyKeyReused(Refusal):
    """The same key came with other lines before."""


@strawberry.federation.type(shareable=True)
class UnknownFamily(Refusal):
    """No such family, or not the caller's."""


@strawberry.federation.type(shareable=True)
class UnknownChild(Refusal):
    """No such child, or not the caller's."""


@strawberry.federation.type(shareable=True)
class UnknownActivity(Refusal):
    """No such activity in the child's structure."""


@strawberry.federation.type(shareable=True)
class UnknownBooking(Refusal):
    """No such booking, not the caller's, or nothing to cancel any more."""


@strawberry.federation.type(shareable=True)
class TooLateToCancel(Refusal):
    """The cancellation deadline has passed."""


@strawberry.federation.type(shareable=True)
class Full(Refusal):
    """No place is left, nor one on the waiting list."""


@strawberry.federation.type(shareable=True)
class GroupIncomplete(Refusal):
    """Nothing stood in its way, but it belongs together with another line, and that one could not be."""


@strawberry.federation.type(shareable=True)
class Closed(Refusal):
    """The activity is not open that day."""


@strawberry.federation.type(shareable=True)
class TooLate(Refusal):
    """The booking deadline has passed."""


@strawberry.federation.type(shareable=True)
class AlreadyBooked(Refusal):
    """The child has, or waits for, that place already."""


@strawberry.federation.type(shareable=True)
class HoursNotAllowed(Refusal):
    """These hours are not within the activity's bounds, steps or minimum (S26)."""


@strawberry.federation.type(shareable=True)
class HoursRequired(Refusal):
    """The activity wants hours to be chosen (S26)."""


@strawberry.federation.type(shareable=True)
class NotEnrolled(Refusal):
    """The child is not enrolled in the activity."""


@strawberry.federation.type(shareable=True)
class TooManyRows(Refusal):
    """More bookings than one file may hold."""


@strawberry.federation.type(shareable=True)
class TooEarly(Refusal):
    """The day, or that day's opening, has not begun."""


@strawberry.federation.type(shareable=True)
class DayClosed(Refusal):
    """Attendance of that day is final. It can be opened again, with a reason."""


@strawberry.federation.type(shareable=True)
class NotBooked(Refusal):
    """An absence needs a booking, and the child has none that day."""


@strawberry.federation.type(shareable=True)
class NoteTooLong(Refusal):
    """The note is longer than we keep."""


@strawberry.federation.type(shareable=True)
class ReasonRequired(Refusal):
    """An agent must say why, in 3 to 500 characters: the family reads it."""


@strawberry.federation.type(shareable=True)
class InvalidActivity(Refusal):
    """The activity cannot be as it is described; the message says what cannot."""


@strawberry.federation.type(shareable=True)
class UnknownWallet(Refusal):
    """No activity of the structure draws on such a wallet."""


@strawberry.federation.type(shareable=True)
class ActivityExists(Refusal):
    """The structure has an activity with this code."""


@strawberry.federation.type(shareable=True)
class ChangedMeanwhile(Refusal):
    """Somebody else changed it since it was read: look again, then decide."""


@strawberry.federation.type(shareable=True)
class BookingsOutside(Refusal):
    """Bookings would be left on days that are not open any more, or on which the child is not admitted."""


@strawberry.federation.type(shareable=True)
class OutOfSeason(Refusal):
    """The day is not in the activity's season."""


@strawberry.federation.type(shareable=True)
class DayIsPast(Refusal):
    """The day is over."""


@strawberry.federation.type(shareable=True)
class PeriodReversed(Refusal):
    """The period ends before it begins."""


@strawberry.federation.type(shareable=True)
class AllocatedByRun(Refusal):
    """The activity's places are given by a run: nothing can be moved there at once."""


@strawberry.federation.type(shareable=True)
class NotMoved(Refusal):
    """Nothing was moved, because the other half of the move could not be."""


@strawberry.federation.type(shareable=True)
class NotScheduled(Refusal):
    """The activity answers at once: it has no runs."""


@strawberry.federation.type(shareable=True)
class NobodyWaits(Refusal):
    """No request waits for a run of the activity."""


@strawberry.federation.type(shareable=True)
class UnknownCriterion(Refusal):
    """The town has no such criterion for its families."""


REFUSALS: tuple[type[Refusal], ...] = (
    AccountInDebit,
    NothingToSubmit,
    TooManyLines,
    IdempotencyKeyReused,
    UnknownFamily,
    UnknownChild,
    UnknownActivity,
    UnknownBooking,
    TooLateToCancel,
    Full,
    GroupIncomplete,
    Closed,
    TooLate,
    AlreadyBooked,
    HoursNotAllowed,
    HoursRequired,
    NotEnrolled,
    TooManyRows,
    TooEarly,
    DayClosed,
    NotBooked,
    NoteTooLong,
    ReasonRequired,
    InvalidActivity,
    UnknownWallet,
    ActivityExists,
    ChangedMeanwhile,
    BookingsOutside,
    OutOfSeason,
    DayIsPast,
    PeriodReversed,
    AllocatedByRun,
    NotMoved,
    NotScheduled,
    NobodyWaits,
    UnknownCriterion,
)
BY_CODE = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).upper(): kind for kind in REFUSALS}


#: Texts that say more than their refusal's own.
SAYS_MORE = {
    "DEPARTURE_FIRST": "HOURS_NOT_ALLOWED",
    "HOURS_OF_AN_ABSENCE": "HOURS_NOT_ALLOWED",
    "NOT_ON_THE_ROSTER": "UNKNOWN_BOOKING",
}


def refusal(code: str, language: str, **details: object) -> Refusal:
    """The member of the union that this code, or this text, names."""
    return told(SAYS_MORE.get(code, code), say(code, language, **details))


def told(code: str, message: str) -> Refusal:
    """The member of the union that this code names, in these words."""
    return BY_CODE[code](code=code, message=message)


def refusal_of(refused: Refused, language: str) -> Any:
    """The member of a mutation's or query's union. Any: which one, only its code knows.

    Among its details may be `text`, another than the code's own to be filled with the rest, or `words`, in the caller's language.
    """
    details = {**refused.details}
    text = str(details.pop("text", refused.code))
    return told(refused.code, str(details["words"]) if "words" in details else say(text, language, **details))
