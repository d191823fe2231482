"""S20: an activity is open on the days of its season, and says why on the others."""

import datetime as dt
from dataclasses import replace

import pytest

from services.booking.season import Closed, Holidays, why_closed
from tests.booking.test_activity import APS_MATIN

TOUSSAINT = frozenset(dt.date(2026, 10, 17) + dt.timedelta(days=n) for n in range(16))
HOLIDAYS = Holidays(school=TOUSSAINT, public=frozenset({dt.date(2026, 11, 11), dt.date(2027, 1, 1)}))


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        (dt.date(2026, 8, 31), Closed.OUT_OF_SEASON),
        (dt.date(2026, 9, 1), None),  # the first day of the season counts
        (dt.date(2027, 7, 6), None),  # and so does the last
        (dt.date(2027, 7, 7), Closed.OUT_OF_SEASON),
        (dt.date(2026, 9, 2), Closed.WEEKDAY),  # a Wednesday
        (dt.date(2026, 9, 8), Closed.CLOSED_DAY),
        (dt.date(2027, 1, 1), Closed.PUBLIC_HOLIDAY),
        (dt.date(2026, 11, 11), None),  # a public holiday on a Wednesday, but listed in open_on
        (dt.date(2026, 10, 16), None),
        (dt.date(2026, 10, 19), Closed.SCHOOL_HOLIDAY),
        (dt.date(2026, 11, 2), None),
    ],
)
def test_s20_a_day_is_open_or_says_why_not(day: dt.date, reason: Closed | None) -> None:
    assert why_closed(APS_MATIN, day, HOLIDAYS) is reason


def test_an_activity_of_the_school_holidays_is_closed_on_school_days() -> None:
    holidays_only = replace(APS_MATIN, school_holidays="only")
    assert why_closed(holidays_only, dt.date(2026, 10, 19), HOLIDAYS) is None
    assert why_closed(holidays_only, dt.date(2026, 10, 15), HOLIDAYS) is Closed.SCHOOL_DAY


def test_an_activity_that_does_not_care_is_open_on_both() -> None:
    whenever = replace(APS_MATIN, school_holidays="any")
    assert why_closed(whenever, dt.date(2026, 10, 19), HOLIDAYS) is None
    assert why_closed(whenever, dt.date(2026, 10, 15), HOLIDAYS) is None


def test_a_day_listed_as_open_wins_over_all_but_the_season() -> None:
    listed = replace(APS_MATIN, open_on=frozenset({dt.date(2026, 9, 8), dt.date(2026, 10, 21), dt.date(2026, 8, 31)}))
    assert why_closed(listed, dt.date(2026, 9, 8), HOLIDAYS) is None  # closed_on lists it too
    assert why_closed(listed, dt.date(2026, 10, 21), HOLIDAYS) is None  # a Wednesday of the school holidays
    assert why_closed(listed, dt.date(2026, 8, 31), HOLIDAYS) is Closed.OUT_OF_SEASON
