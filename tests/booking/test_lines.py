"""Whether a line of a draft may be: the rules that do not depend on places."""

import datetime as dt

import pytest

from services.booking.lines import Enrolled, Rules, check_booking, check_cancelling
from services.booking.season import Holidays
from tests.booking.test_activity import APS_MATIN, MULTI

MONDAY = dt.date(2026, 9, 14)
BEFORE = dt.datetime(2026, 9, 1, tzinfo=dt.UTC)
MORNINGS = Rules(APS_MATIN, Holidays())  # booking until two working days before at 9, cancelling until the day before at 9
NURSERY = Rules(MULTI, Holidays())


def ask(
    rules: Rules = MORNINGS,
    day: dt.date = MONDAY,
    hours: tuple[str | None, str | None] = (None, None),
    now: dt.datetime = BEFORE,
    enrolled: Enrolled | None = Enrolled(),  # noqa: B008 -- frozen
    in_debit: bool = False,
) -> str | None:
    return check_booking(rules.on(day), *hours, now=now, enrolled=enrolled, in_debit=in_debit)


def test_a_line_that_keeps_every_rule_is_fine() -> None:
    assert ask() is None
    assert ask(NURSERY, hours=("08:00", "17:00")) is None


def test_s21_a_family_in_debt_cannot_book_but_can_cancel() -> None:
    assert ask(in_debit=True) == "ACCOUNT_IN_DEBIT"
    assert check_cancelling(MORNINGS.on(MONDAY), "ACCEPTED", now=BEFORE) is None


def test_the_child_is_enrolled_on_that_day() -> None:
    assert ask(enrolled=None) == "NOT_ENROLLED"
    assert ask(enrolled=Enrolled(starts_on=dt.date(2026, 9, 15))) == "NOT_ENROLLED"
    assert ask(enrolled=Enrolled(ends_on=dt.date(2026, 9, 13))) == "NOT_ENROLLED"
    assert ask(enrolled=Enrolled(MONDAY, MONDAY)) is None


def test_s20_the_activity_is_open() -> None:
    assert ask(day=dt.date(2026, 9, 16)) == "CLOSED"


@pytest.mark.parametrize(("second", "answer"), [(-1, None), (0, "TOO_LATE")])
def test_booking_closes_at_its_deadline_to_the_second(second: int, answer: str | None) -> None:
    deadline = dt.datetime(2026, 9, 10, 7, tzinfo=dt.UTC)
    assert ask(now=deadline + dt.timedelta(seconds=second)) == answer


@pytest.mark.parametrize(("second", "answer"), [(-1, None), (0, "TOO_LATE_TO_CANCEL")])
def test_cancelling_closes_at_its_own_deadline(second: int, answer: str | None) -> None:
    deadline = dt.datetime(2026, 9, 13, 7, tzinfo=dt.UTC)
    assert check_cancelling(MORNINGS.on(MONDAY), "ACCEPTED", now=deadline + dt.timedelta(seconds=second)) == answer


@pytest.mark.parametrize("status", ["WAITLISTED", "SUBMITTED"])
def test_s36_whoever_has_no_place_yet_may_leave_at_any_time(status: str) -> None:
    assert check_cancelling(MORNINGS.on(MONDAY), status, now=dt.datetime(2026, 9, 14, 20, tzinfo=dt.UTC)) is None


def test_s26_hours_are_asked_for_and_checked() -> None:
    assert ask(NURSERY) == "HOURS_REQUIRED"
    assert ask(NURSERY, hours=("08:07", "17:00")) == "HOURS_NOT_ALLOWED"


def test_a_day_is_worked_out_once() -> None:
    assert MORNINGS.on(MONDAY) is MORNINGS.on(MONDAY)
