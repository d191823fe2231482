"""French school zones and public holidays, with the end of what is known."""

import datetime as dt

from services.booking.school_calendar import SchoolCalendar


def test_zones_have_their_own_winter_holidays() -> None:
    calendar = SchoolCalendar()
    in_zones = {zone: dt.date(2026, 2, 24) in calendar.holidays(zone).school for zone in "ABC"}
    assert in_zones == {"A": False, "B": True, "C": True}
    assert dt.date(2026, 2, 10) in calendar.holidays("A").school


def test_public_holidays_are_the_national_ones() -> None:
    public = SchoolCalendar().holidays("B").public
    assert dt.date(2026, 11, 11) in public
    assert dt.date(2026, 4, 6) in public  # Easter Monday
    assert dt.date(2026, 4, 3) not in public  # Good Friday: a day off in Alsace alone
    assert dt.date(2040, 7, 14) in public


def test_without_a_zone_there_are_no_school_holidays() -> None:
    holidays = SchoolCalendar().holidays(None)
    assert dt.date(2026, 12, 24) not in holidays.school
    assert dt.date(2026, 12, 25) in holidays.public


def test_beyond_the_published_years_no_day_is_a_school_holiday_and_the_calendar_says_since_when() -> None:
    calendar = SchoolCalendar()
    assert dt.date(2027, 12, 31) <= calendar.known_until < dt.date(2040, 1, 1)
    assert dt.date(2040, 8, 1) not in calendar.holidays("B").school


def test_an_operator_may_know_a_year_better() -> None:
    calendar = SchoolCalendar({("B", 2040): frozenset({dt.date(2040, 8, 1)}), ("B", 2026): frozenset()})
    assert dt.date(2040, 8, 1) in calendar.holidays("B").school
    assert dt.date(2040, 8, 1) not in calendar.holidays("A").school
    assert dt.date(2026, 2, 24) not in calendar.holidays("B").school
    assert calendar.known_until == dt.date(2040, 12, 31)
