"""A child's bookings as a calendar that phones and computers subscribe to (iCalendar, RFC 5545)."""

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, vDuration

from services.booking.status import BookingStatus
from services.booking.texts import say

REFRESH = dt.timedelta(hours=1)  #: How often programs should look again, if they ask us.
TENTATIVE = (BookingStatus.SUBMITTED, BookingStatus.WAITLISTED)


@dataclass(frozen=True, slots=True)
class Appointment:
    """One booking that stands, with the words that its calendar shows."""

    booking: str
    structure: str
    activity: str  #: Its name.
    timezone: str
    date: dt.date
    arrival: str
    departure: str
    status: BookingStatus
    rank: int | None
    number: str
    changed_at: dt.datetime
    version: int


@dataclass(frozen=True, slots=True)
class Agenda:
    title: str | None  #: As the family calls it.
    language: str
    appointments: Sequence[Appointment]

    def tag(self) -> str:
        """Two agendas with the same one are written the same: known before anything is written."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:32]


def written(agenda: Agenda) -> bytes:
    calendar = Calendar()
    calendar.add("prodid", "-//Preau//Espace famille//FR")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", agenda.title or say("AGENDA", agenda.language))
    calendar.add("refresh-interval", vDuration(REFRESH), parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", vDuration(REFRESH))
    for appointment in agenda.appointments:
        calendar.add_component(_event(appointment, agenda.language))
    calendar.add_missing_timezones()
    return bytes(calendar.to_ical())


def _event(one: Appointment, language: str) -> Event:
    event = Event()
    event.add("uid", f"{one.booking}@{one.structure}.preau")
    event.add("dtstamp", one.changed_at.astimezone(dt.UTC))
    event.add("last-modified", one.changed_at.astimezone(dt.UTC))
    event.add("sequence", one.version - 1)
    event.add("summary", one.activity)
    event.add("description", f"{in_words(one.status, one.rank, language)}\n{say('AGENDA_NUMBER', language, number=one.number)}")
    event.add("dtstart", _moment(one, one.arrival))
    event.add("dtend", _moment(one, one.departure))
    event.add("status", "TENTATIVE" if one.status in TENTATIVE else "CONFIRMED")
    event.add("transp", "TRANSPARENT")  # The child is busy then; the parents, whose calendar it is, are not.
    return event


def _moment(one: Appointment, local_time: str) -> dt.datetime:
    return dt.datetime.combine(one.date, dt.time.fromisoformat(local_time), ZoneInfo(one.timezone))


def in_words(status: BookingStatus, rank: int | None, language: str) -> str:
    """A status as the follow-up says it (S35), the place in the line with it."""
    if status is BookingStatus.WAITLISTED and rank is not None:
        return say("STATUS_WAITLISTED_RANK", language, rank=rank)
    return say(f"STATUS_{status.value}", language)
