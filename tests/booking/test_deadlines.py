"""Deadlines are instants in the town's own time, whatever clocks and calendars do; and they can be read."""

import datetime as dt
import itertools
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from services.booking.activity import DaysBefore, Deadline, HoursBefore, WeekdayBefore
from services.booking.deadlines import booking_closes_at, cancelling_closes_at, in_words, starts_at
from services.booking.school_calendar import SchoolCalendar
from services.booking.season import Holidays
from tests.booking.test_activity import APS_MATIN, MULTI

NONE = Holidays()
ARMISTICE = Holidays(public=frozenset({dt.date(2026, 11, 11)}))


def paris(text: str) -> dt.datetime:
    """A moment of the town's clock, with its offset spelled out."""
    return dt.datetime.fromisoformat(text)


def closes(deadline: Deadline, day: dt.date, holidays: Holidays = NONE) -> dt.datetime:
    instant = booking_closes_at(replace(APS_MATIN, booking_deadline=deadline), day, holidays)
    assert instant.tzinfo is dt.UTC
    return instant


def test_without_a_deadline_booking_is_possible_until_the_opening_starts() -> None:
    assert closes(None, dt.date(2026, 9, 7)) == paris("2026-09-07T07:30+02:00") == starts_at(APS_MATIN, dt.date(2026, 9, 7))


def test_days_before_at_a_time() -> None:
    assert closes(DaysBefore(1, "09:00"), dt.date(2026, 9, 7)) == paris("2026-09-06T09:00+02:00")
    assert closes(DaysBefore(0, "06:00"), dt.date(2026, 9, 7)) == paris("2026-09-07T06:00+02:00")


@pytest.mark.parametrize(
    ("day", "last_moment"),
    [
        (dt.date(2026, 9, 18), "2026-09-16T09:00+02:00"),  # Friday: Wednesday
        (dt.date(2026, 9, 14), "2026-09-10T09:00+02:00"),  # Monday: the weekend is left out
        (dt.date(2026, 11, 12), "2026-11-09T09:00+01:00"),  # the 11th is a public holiday
        (dt.date(2026, 9, 9), "2026-09-04T09:00+02:00"),  # the 8th is a day off of the activity, the 5th and 6th a weekend
    ],
)
def test_working_days_leave_out_weekends_public_holidays_and_days_off(day: dt.date, last_moment: str) -> None:
    spec = replace(APS_MATIN, open_on=frozenset())
    assert booking_closes_at(spec, day, ARMISTICE) == paris(last_moment)


def test_a_weekday_of_the_week_before() -> None:
    for day in range(7, 14):  # Monday to Sunday of the same week
        assert booking_closes_at(MULTI, dt.date(2026, 9, day), NONE) == paris("2026-09-03T12:00+02:00")
    assert closes(WeekdayBefore(3, "12:00", 0), dt.date(2026, 9, 11)) == paris("2026-09-10T12:00+02:00")


@pytest.mark.parametrize("deadline", [WeekdayBefore(3, "12:00", 0), WeekdayBefore(6, "23:59", 0), DaysBefore(0, "18:00")])
def test_no_deadline_is_later_than_the_start(deadline: Deadline) -> None:
    monday = dt.date(2026, 9, 7)
    spec = replace(APS_MATIN, booking_deadline=deadline, cancellation_deadline=deadline)
    assert booking_closes_at(spec, monday, NONE) == cancelling_closes_at(spec, monday, NONE) == starts_at(spec, monday)


def test_civil_times_keep_their_hour_across_the_change_of_clocks() -> None:
    # Clocks go back on Sunday 25 October 2026, forward on Sunday 28 March 2027.
    assert closes(DaysBefore(2, "09:00"), dt.date(2026, 10, 26)) == paris("2026-10-24T09:00+02:00")
    assert closes(DaysBefore(1, "09:00"), dt.date(2026, 10, 26)) == paris("2026-10-25T09:00+01:00")
    assert closes(WeekdayBefore(3, "12:00", 1), dt.date(2027, 3, 29)) == paris("2027-03-25T12:00+01:00")


def test_hours_before_really_pass() -> None:
    assert cancelling_closes_at(MULTI, dt.date(2026, 9, 9), NONE) == paris("2026-09-07T07:30+02:00")
    # 48 hours before Monday 07:30 in winter time: Saturday 08:30 in summer time.
    assert cancelling_closes_at(MULTI, dt.date(2026, 10, 26), NONE) == paris("2026-10-24T08:30+02:00")


def test_the_structure_has_its_own_time_zone() -> None:
    reunion = replace(APS_MATIN, timezone="Indian/Reunion", booking_deadline=DaysBefore(1, "09:00"))
    assert booking_closes_at(reunion, dt.date(2026, 12, 1), NONE) == paris("2026-11-30T09:00+04:00")


#: The two changes of clocks in Paris, with a day on each side; and days that know none.
AROUND_A_CHANGE = [dt.date(2026, 10, day) for day in (24, 25, 26)] + [dt.date(2027, 3, day) for day in (27, 28, 29)]


@pytest.mark.parametrize("timezone", ["Europe/Paris", "Indian/Reunion", "America/Guadeloupe"])
@pytest.mark.parametrize("day", AROUND_A_CHANGE)
def test_each_rule_keeps_its_promise_around_a_change_of_clocks_in_every_zone(timezone: str, day: dt.date) -> None:
    """Civil times stay civil, hours really pass; and booking and cancelling each have their own."""
    zone = ZoneInfo(timezone)

    def local(instant: dt.datetime) -> str:
        return f"{instant.astimezone(zone):%Y-%m-%d %H:%M}"

    for first, second in itertools.permutations(
        (DaysBefore(1, "09:00"), DaysBefore(3, "00:00"), HoursBefore(24), HoursBefore(1), WeekdayBefore(6, "23:59", 1), None), 2
    ):
        spec = replace(APS_MATIN, timezone=timezone, booking_deadline=first, cancellation_deadline=second)
        for deadline, instant in ((first, booking_closes_at(spec, day, NONE)), (second, cancelling_closes_at(spec, day, NONE))):
            match deadline:
                case None:
                    assert local(instant) == f"{day} 07:30"
                case DaysBefore(days, at, _):
                    assert local(instant) == f"{day - dt.timedelta(days=days)} {at}"
                case HoursBefore(hours):
                    assert (starts_at(spec, day) - instant).total_seconds() == hours * 3600
                case WeekdayBefore():
                    assert local(instant) == f"{day - dt.timedelta(days=day.weekday() + 1)} 23:59"


def test_an_hour_that_the_clocks_leave_out_or_have_twice_is_reckoned_as_before_the_change() -> None:
    # On 28 March 2027 there is no half past two: it is the instant at which clocks show half past three.
    assert closes(DaysBefore(1, "02:30"), dt.date(2027, 3, 29)) == paris("2027-03-28T02:30+01:00") == paris("2027-03-28T03:30+02:00")
    # On 25 October 2026 there are two: it is the first.
    assert closes(DaysBefore(1, "02:30"), dt.date(2026, 10, 26)) == paris("2026-10-25T02:30+02:00")


def test_working_days_are_those_of_the_place() -> None:
    """27 May is a day off in Guadeloupe alone; 25 May 2026, Whit Monday, is one everywhere."""
    calendar, deadline = SchoolCalendar(), DaysBefore(1, "09:00", working_days=True)
    for timezone, last_moment in (("Europe/Paris", "2026-05-27T09:00+02:00"), ("America/Guadeloupe", "2026-05-26T09:00-04:00")):
        spec = replace(APS_MATIN, timezone=timezone, booking_deadline=deadline)
        assert booking_closes_at(spec, dt.date(2026, 5, 28), calendar.holidays("B", timezone)) == paris(last_moment)
        friday = paris("2026-05-22T09:00+02:00" if timezone == "Europe/Paris" else "2026-05-22T09:00-04:00")
        assert booking_closes_at(spec, dt.date(2026, 5, 26), calendar.holidays("B", timezone)) == friday


def test_working_days_go_back_over_the_turn_of_the_year_and_the_activitys_own_closings() -> None:
    closing = frozenset(dt.date(2026, 12, 24) + dt.timedelta(days=number) for number in range(8))  # until New Year's Eve
    spec = replace(APS_MATIN, closed_on=closing, open_on=frozenset(), booking_deadline=DaysBefore(2, "09:00", working_days=True))
    # Monday 4 January: the weekend, New Year's Day and the closing are left out.
    assert booking_closes_at(spec, dt.date(2027, 1, 4), SchoolCalendar().holidays("B")) == paris("2026-12-22T09:00+01:00")


@pytest.mark.parametrize(
    ("deadline", "french", "english"),
    [
        (None, "avant le début de l’activité", "before it starts"),
        (DaysBefore(0, "09:30"), "le jour même avant 9 h 30", "before 09:30 on the day"),
        (DaysBefore(1, "09:00"), "la veille avant 9 h", "before 09:00 the day before"),
        (DaysBefore(3, "18:00"), "3 jours avant, avant 18 h", "before 18:00, 3 days before"),
        (DaysBefore(1, "09:00", True), "le jour ouvré précédent avant 9 h", "before 09:00 the working day before"),
        (DaysBefore(2, "09:00", True), "2 jours ouvrés avant, avant 9 h", "before 09:00, 2 working days before"),
        (HoursBefore(0), "avant le début de l’activité", "before it starts"),
        (HoursBefore(1), "plus d’1 h avant le début", "more than 1 hour before it starts"),
        (HoursBefore(48), "plus de 48 h avant le début", "more than 48 hours before it starts"),
        (WeekdayBefore(3, "12:00", 1), "le jeudi de la semaine précédente avant 12 h", "before 12:00 on Thursday of the week before"),
        (WeekdayBefore(0, "12:00", 0), "le lundi de la même semaine avant 12 h", "before 12:00 on Monday of the same week"),
        (WeekdayBefore(4, "12:00", 2), "le vendredi, 2 semaines avant, avant 12 h", "before 12:00 on Friday, 2 weeks before"),
    ],
)
def test_a_deadline_can_be_read(deadline: Deadline, french: str, english: str) -> None:
    assert in_words(deadline, "fr") == french
    assert in_words(deadline, "en") == english


@pytest.mark.parametrize("day", [dt.date.min, dt.date(1, 1, 9), dt.date.max])
@pytest.mark.parametrize("deadline", [None, DaysBefore(2, "09:00", True), HoursBefore(48), WeekdayBefore(3, "12:00", 1)])
def test_the_ends_of_time_are_too_late_and_harm_nobody(day: dt.date, deadline: Deadline) -> None:
    # A request for such a day must not stop the allocator, which works out every rule of every line.
    assert closes(deadline, day) < dt.datetime(1950, 1, 1, tzinfo=dt.UTC)
