"""S3: failed tries cost more and more time, and never lock anybody out for good."""

import datetime as dt

import pytest

from services.identity.attempts import (
    ACCOUNT,
    ADDRESS,
    FORGOTTEN_AFTER,
    LONGEST,
    RESET,
    Patience,
    Tries,
    one_more,
    wait_after,
    wait_left,
)
from services.visitors import household_of

NOW = dt.datetime(2026, 11, 23, 8, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 0), (1, 0), (4, 0), (5, 10), (6, 18), (7, 32.4), (8, 58.32), (16, 3600), (17, 3600), (10**9, 3600)]
)
def test_five_tries_are_free_then_each_wait_is_one_point_eight_times_longer_up_to_an_hour(failures: int, seconds: float) -> None:
    assert wait_after(failures, ACCOUNT).total_seconds() == pytest.approx(seconds, abs=0.01)


def test_waiting_is_enough() -> None:
    tries = Tries(5, NOW)
    assert wait_left(tries, NOW, ACCOUNT) == 10 * SECOND
    assert wait_left(tries, NOW + 9 * SECOND, ACCOUNT) == SECOND
    assert wait_left(tries, NOW + 10 * SECOND, ACCOUNT) == dt.timedelta()
    assert wait_left(None, NOW, ACCOUNT) == dt.timedelta()


def test_an_attacker_gets_at_most_twenty_checks_of_one_account_in_an_hour() -> None:
    tries, now, checks = None, NOW, 0
    while now < NOW + dt.timedelta(hours=1):
        if wait_left(tries, now, ACCOUNT) == dt.timedelta():
            tries, checks = one_more(tries, now, ACCOUNT), checks + 1
        now += SECOND
    assert 10 <= checks <= 20


@pytest.mark.parametrize("minutes_between", [0, 1, 5, 10, 15, 16, 20, 60])
def test_sec4_over_days_nobody_gets_more_than_twenty_checks_in_any_hour_or_keeps_the_owner_waiting_for_long(minutes_between: int) -> None:
    tries, now, checks, longest = None, NOW, [], dt.timedelta()
    while now < NOW + dt.timedelta(days=3):
        if wait := wait_left(tries, now, ACCOUNT):
            now += wait
            continue
        tries = one_more(tries, now, ACCOUNT)
        checks.append(now)
        longest = max(longest, wait_left(tries, now, ACCOUNT))
        now += max(SECOND, dt.timedelta(minutes=minutes_between))
    hour = dt.timedelta(hours=1)
    assert max(sum(first <= one < first + hour for one in checks) for first in checks) <= 20
    assert longest <= dt.timedelta(minutes=20)
    if minutes_between >= 15:
        assert longest == dt.timedelta(), "a try now and then keeps nobody out"


def test_nobody_waits_longer_than_an_hour_however_long_the_attack() -> None:
    assert wait_left(Tries(10**6, NOW), NOW, ACCOUNT) == LONGEST


def test_after_a_quiet_day_it_begins_anew() -> None:
    assert one_more(Tries(400, NOW), NOW + FORGOTTEN_AFTER, ACCOUNT) == Tries(1, NOW + FORGOTTEN_AFTER)
    assert one_more(Tries(400, NOW), NOW + FORGOTTEN_AFTER, RESET) == Tries(1, NOW + FORGOTTEN_AFTER)
    assert wait_left(Tries(40, NOW), NOW + FORGOTTEN_AFTER, ACCOUNT) == dt.timedelta()
    assert one_more(Tries(40, NOW), NOW + SECOND, ACCOUNT) == Tries(41, NOW + SECOND)


def test_a_failure_is_forgiven_each_quarter_of_an_hour_but_letters_are_not() -> None:
    later = NOW + dt.timedelta(minutes=30)
    assert one_more(Tries(7, NOW), later - SECOND, ACCOUNT) == Tries(7, later - SECOND)
    assert one_more(Tries(7, NOW), later, ACCOUNT) == Tries(6, later)
    assert one_more(Tries(1, NOW), later, ACCOUNT) == Tries(1, later)
    assert one_more(Tries(7, NOW), later, RESET) == Tries(8, later)


def test_many_families_may_share_one_address() -> None:
    assert wait_after(50, ADDRESS) == dt.timedelta()
    assert wait_after(101, ADDRESS) > dt.timedelta()


def test_no_patience_at_all_is_still_never_a_hard_lock() -> None:
    assert wait_after(10_000, Patience(free=0, first_wait=dt.timedelta(days=9))) == LONGEST


@pytest.mark.parametrize(
    ("address", "household"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:0db8:0001:0002"),
        ("[2001:db8:1:2::9%eth0]", "2001:0db8:0001:0002"),
        ("<script>", "unreadable"),
        ("127.0.0.1", None),
        ("::1", None),
        (None, None),
    ],
)
def test_failures_are_counted_for_the_household_behind_an_address(address: str | None, household: str | None) -> None:
    assert household_of(address) == household
