"""French school zones and public holidays, with the end of what is known."""

import datetime as dt
import sys

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


def test_no_country_but_france_is_loaded_for_them() -> None:
    """Nor in the midst of a family's first calendar, which took seconds on a busy machine."""
    assert [name for name in sys.modules if name.startswith("holidays.countries")] == ["holidays.countries.france"]


def test_without_a_zone_there_are_no_school_holidays() -> None:
    holidays = SchoolCalendar().holidays(None)
    assert dt.date(2026, 12, 24) not in holidays.school
    assert dt.date(2026, 12, 25) in holidays.public


def test_beyond_the_published_years_no_day_is_a_school_holiday_and_the_calendar_says_since_when() -> None:
    calendar = SchoolCalendar()
    assert dt.date(2028, 8, 31) <= calendar.known_until("B") < dt.date(2040, 1, 1)
    assert calendar.known_until("B") in calendar.holidays("B").school  # the last day of a summer
    assert dt.date(2040, 8, 1) not in calendar.holidays("B").school


def test_an_operator_may_know_a_school_year_better() -> None:
    """2026-27 is the year that ends with the summer of 2027: of it only what the operator says is left."""
    calendar = SchoolCalendar({("B", 2026): frozenset({dt.date(2027, 1, 11)})})
    school = calendar.holidays("B").school
    assert dt.date(2027, 1, 11) in school
    for day in (dt.date(2026, 10, 20), dt.date(2026, 12, 24), dt.date(2027, 2, 25), dt.date(2027, 8, 1)):
        assert day not in school
    for day in (dt.date(2026, 8, 1), dt.date(2026, 2, 24), dt.date(2027, 10, 25)):  # of the years beside it
        assert day in school
    assert dt.date(2027, 8, 1) in calendar.holidays("A").school


def test_a_summer_that_ends_in_september_belongs_to_the_year_that_it_ends() -> None:
    calendar = SchoolCalendar({("B", 2024): frozenset()})
    assert dt.date(2024, 9, 1) in calendar.holidays("B").school  # a Sunday: the year began on Monday 2
    assert dt.date(2024, 10, 21) not in calendar.holidays("B").school


def test_what_is_known_ends_with_the_first_school_year_that_is_missing() -> None:
    last = SchoolCalendar().known_until("B").year
    day = frozenset({dt.date(last + 1, 2, 20)})
    assert SchoolCalendar({("B", last): day}).known_until("B") == dt.date(last + 1, 8, 31)
    assert SchoolCalendar({("B", last): day}).known_until("A") == dt.date(last, 8, 31)
    assert SchoolCalendar({("B", last + 1): day}).known_until("B") == dt.date(last, 8, 31)


def test_overseas_there_is_a_public_holiday_more() -> None:
    calendar = SchoolCalendar()
    for timezone, day in (("America/Guadeloupe", dt.date(2027, 5, 27)), ("Indian/Reunion", dt.date(2026, 12, 20))):
        assert day in calendar.holidays(None, timezone).public
        assert day not in calendar.holidays(None, "Europe/Paris").public
        assert dt.date(2026, 7, 14) in calendar.holidays(None, timezone).public
    assert dt.date(2026, 5, 27) in calendar.holidays("B", "America/Guadeloupe").public
