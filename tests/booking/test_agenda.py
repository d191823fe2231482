"""S35: what a calendar program is told of a child's bookings."""

import datetime as dt
from dataclasses import replace

import pytest
from icalendar import Calendar, Event

from services.booking.agenda import Agenda, Appointment, written
from services.booking.status import BookingStatus

CHANGED = dt.datetime(2026, 9, 1, 6, tzinfo=dt.UTC)
MORNING = Appointment(
    booking="b1",
    structure="carteville",
    activity='APS MATIN; été, "école"',
    timezone="Europe/Paris",
    date=dt.date(2026, 10, 26),
    arrival="07:30",
    departure="08:45",
    status=BookingStatus.ACCEPTED,
    rank=None,
    number="000001-1",
    changed_at=CHANGED,
    version=2,
)


def read(*appointments: Appointment, title: str | None = None, language: str = "fr") -> tuple[Calendar, list[Event]]:
    content = written(Agenda(title, language, appointments))
    assert content.replace(b"\r\n", b"").count(b"\n") == 0  # RFC 5545: CRLF, and no line longer than 75 bytes
    assert max(map(len, content.split(b"\r\n"))) <= 75
    calendar = Calendar.from_ical(content)
    assert isinstance(calendar, Calendar)
    return calendar, [event for event in calendar.walk("VEVENT") if isinstance(event, Event)]


def test_s35_an_event_has_the_activitys_name_its_hours_and_the_bookings_own_id() -> None:
    _, (event,) = read(MORNING)
    assert event["uid"] == "b1@carteville.preau"
    assert str(event["summary"]) == 'APS MATIN; été, "école"'
    assert event.decoded("dtstart") == dt.datetime.fromisoformat("2026-10-26T07:30+01:00")  # winter time began the day before
    assert event.decoded("dtend") == dt.datetime.fromisoformat("2026-10-26T08:45+01:00")
    assert (event.decoded("dtstamp"), event["sequence"]) == (CHANGED, 1)
    assert str(event["description"]) == "Accepté\nRéservation n° 000001-1"
    assert event["transp"] == "TRANSPARENT"


@pytest.mark.parametrize(
    ("status", "rank", "sure", "words"),
    [
        (BookingStatus.ACCEPTED, None, "CONFIRMED", "Accepted"),
        (BookingStatus.WAITLISTED, 2, "TENTATIVE", "Waiting list, place 2"),
        (BookingStatus.SUBMITTED, None, "TENTATIVE", "Not answered yet"),
    ],
)
def test_s35_only_a_place_is_sure(status: BookingStatus, rank: int | None, sure: str, words: str) -> None:
    _, (event,) = read(replace(MORNING, status=status, rank=rank), language="en")
    assert event["status"] == sure
    assert str(event["description"]).startswith(f"{words}\n")


@pytest.mark.parametrize("timezone", ["Europe/Paris", "Indian/Reunion", "America/Guadeloupe"])
def test_s35_the_towns_own_time_zone_comes_along(timezone: str) -> None:
    calendar, (event,) = read(replace(MORNING, timezone=timezone))
    assert [str(zone["tzid"]) for zone in calendar.walk("VTIMEZONE")] == [timezone]
    assert event["dtstart"].params["tzid"] == timezone
    assert event.decoded("dtstart").utcoffset() == {"Europe/Paris": 1, "Indian/Reunion": 4, "America/Guadeloupe": -4}[
        timezone
    ] * dt.timedelta(hours=1)


def test_s35_a_calendar_has_a_name_even_without_bookings() -> None:
    calendar, events = read(title="Amalia, canteen")
    assert (str(calendar["x-wr-calname"]), calendar["method"], events) == ("Amalia, canteen", "PUBLISH", [])
    assert str(read()[0]["x-wr-calname"]) == "Réservations"


def test_s35_the_same_agenda_has_the_same_tag_and_any_change_another() -> None:
    one = Agenda(None, "fr", (MORNING,))
    assert one.tag() == Agenda(None, "fr", (replace(MORNING),)).tag()
    assert written(one) == written(one)
    others = [
        Agenda("Amalia", "fr", (MORNING,)),
        Agenda(None, "en", (MORNING,)),
        Agenda(None, "fr", ()),
        Agenda(None, "fr", (replace(MORNING, rank=1),)),
        Agenda(None, "fr", (replace(MORNING, version=3),)),
    ]
    assert len({agenda.tag() for agenda in [one, *others]}) == 6
