"""A family's follow-up as a table, for spreadsheets and for paper (S35)."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from services.booking.agenda import in_words
from services.booking.status import BookingStatus
from services.booking.texts import say
from services.documents import day
from services.spreadsheets import Cell, Column, Sheet

#: The headings' texts, and how wide their columns are.
COLUMNS = (
    ("NUMBER", 12),
    ("CHILD", 18),
    ("ACTIVITY", 28),
    ("DATE", 12),
    ("ARRIVAL", 9),
    ("DEPARTURE", 9),
    ("STATUS", 16),
    ("RANK", 6),
    ("OBSERVATION", 40),
    ("REQUESTED_AT", 18),
)


@dataclass(frozen=True, slots=True)
class Listed:
    """One booking, with what belongs to it elsewhere."""

    number: str
    child: str
    activity: str  #: Its name.
    timezone: str
    date: dt.date
    arrival: str
    departure: str
    status: BookingStatus
    rank: int | None
    observation: str | None
    requested_at: dt.datetime


def sheet(bookings: Iterable[Listed], names: Mapping[str, str], language: str) -> Sheet:
    """`names`: child -> first name. A child that has left the family since is shown by its id."""
    columns = [Column(say(f"COLUMN_{name}", language), width) for name, width in COLUMNS]
    return Sheet(say("LISTING", language), columns, [_row(one, names, language) for one in bookings])


def period(first: dt.date | None, last: dt.date | None, language: str) -> str:
    """Which days the table is about, in words; nothing where it is about all of them."""
    if first is None and last is None:
        return ""
    text = "PERIOD_UNTIL" if first is None else "PERIOD_FROM" if last is None else "PERIOD"
    return say(text, language, first=first and day(first), last=last and day(last))


def _row(one: Listed, names: Mapping[str, str], language: str) -> Sequence[Cell]:
    return (
        one.number,
        names.get(one.child, one.child),
        one.activity,
        one.date,
        dt.time.fromisoformat(one.arrival),
        dt.time.fromisoformat(one.departure),
        in_words(one.status, None, language),
        one.rank,
        one.observation,
        one.requested_at.astimezone(ZoneInfo(one.timezone)).replace(tzinfo=None, second=0, microsecond=0),
    )


def already_there(status: BookingStatus | None, rank: int | None, language: str) -> str:
    """ALREADY_BOOKED in words: what the child has there now. None: nothing any more, or only in the draft itself."""
    if status is None or (status is BookingStatus.WAITLISTED and rank is None):
        return say("ALREADY_ASKED", language)
    return say("ALREADY_BOOKED" if status is BookingStatus.ACCEPTED else f"ALREADY_{status.value}", language, rank=rank)


def observation(status: BookingStatus, code: str | None, language: str) -> str | None:
    """Why a booking is not simply accepted, in words (S34)."""
    if status is BookingStatus.REFUSED and code is not None:
        return say(code, language)
    unsettled = (BookingStatus.SUBMITTED, BookingStatus.WAITLISTED, BookingStatus.EXPIRED)
    return say(status.value, language) if status in unsettled else None
