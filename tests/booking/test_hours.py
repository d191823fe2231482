"""S26: hours are the activity's own, or chosen within its bounds."""

import pytest

from services.booking.activity import ChosenHours, FixedHours
from services.booking.hours import check, resolved

MORNING = FixedHours("07:30", "08:45")
NURSERY = ChosenHours("07:30", "18:30", step_minutes=15, minimum_minutes=60)


def test_s26_fixed_hours_need_not_be_given_and_cannot_be_others() -> None:
    assert check(MORNING, None, None) is None
    assert check(MORNING, "07:30", "08:45") is None
    assert check(MORNING, "07:30", None) is None
    assert check(MORNING, "07:45", "08:45") == "HOURS_NOT_ALLOWED"


@pytest.mark.parametrize(
    ("arrival", "departure", "answer"),
    [
        ("07:30", "18:30", None),
        ("09:15", "10:15", None),  # the minimum
        ("09:15", "10:00", "HOURS_NOT_ALLOWED"),  # below it
        ("07:15", "10:00", "HOURS_NOT_ALLOWED"),  # too early
        ("17:00", "18:45", "HOURS_NOT_ALLOWED"),  # too late
        ("09:10", "11:00", "HOURS_NOT_ALLOWED"),  # off the step
        ("09:15", "11:05", "HOURS_NOT_ALLOWED"),
        ("11:00", "09:15", "HOURS_NOT_ALLOWED"),  # leaving before arriving
        (None, "11:00", "HOURS_REQUIRED"),
        ("09:15", None, "HOURS_REQUIRED"),
        (None, None, "HOURS_REQUIRED"),
    ],
)
def test_s26_chosen_hours_keep_to_bounds_step_and_minimum(arrival: str | None, departure: str | None, answer: str | None) -> None:
    assert check(NURSERY, arrival, departure) == answer


def test_the_latest_hour_may_stand_off_the_step() -> None:
    assert check(ChosenHours("07:30", "18:20", 15, 0), "17:00", "18:20") is None


def test_nobody_stays_for_no_time_at_all() -> None:
    assert check(ChosenHours("07:30", "18:30", 15, 0), "09:00", "09:00") == "HOURS_NOT_ALLOWED"


def test_what_to_show_where_nothing_was_chosen() -> None:
    assert resolved(MORNING, None, None) == ("07:30", "08:45")
    assert resolved(NURSERY, "09:00", "12:00") == ("09:00", "12:00")
    assert resolved(NURSERY, None, None) == ("07:30", "18:30")
