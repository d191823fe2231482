"""When a run is due: once a day, at the hour set, whatever clocks do (S35)."""

import datetime as dt
from dataclasses import replace
from itertools import pairwise

import pytest

from services.booking.activity import ActivitySpec, Scheduled
from services.booking.schedule import last_due, next_due, run_of
from tests.booking.town import CANTINE

PARIS = "Europe/Paris"


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("now", "last", "following"),
    [
        ("2026-11-16T00:59:59", "2026-11-15T01:00", "2026-11-16T01:00"),
        ("2026-11-16T01:00:00", "2026-11-16T01:00", "2026-11-17T01:00"),  # 02:00 in Paris: the hour has come
        ("2026-11-15T23:30:00", "2026-11-15T01:00", "2026-11-16T01:00"),  # already the 16th in Paris
        ("2026-03-28T12:00:00", "2026-03-28T01:00", "2026-03-29T01:00"),  # the night that has no 02:00: it is 03:00 then
        ("2026-03-29T12:00:00", "2026-03-29T01:00", "2026-03-30T00:00"),
        ("2026-10-24T12:00:00", "2026-10-24T00:00", "2026-10-25T00:00"),  # the night with two 02:00: the first
        ("2026-10-25T00:30:00", "2026-10-25T00:00", "2026-10-26T01:00"),  # and not the second
    ],
)
def test_s35_the_hour_set_comes_once_a_day_whatever_clocks_do(now: str, last: str, following: str) -> None:
    assert (last_due("02:00", PARIS, at(now)), next_due("02:00", PARIS, at(now))) == (at(last), at(following))


@pytest.mark.parametrize("timezone", [PARIS, "Pacific/Kiritimati", "America/St_Johns", "Pacific/Apia"])
@pytest.mark.parametrize("hour", ["00:00", "02:30", "23:59"])
def test_every_day_of_a_year_has_one_run_and_the_next_follows_the_last(timezone: str, hour: str) -> None:
    now, runs = at("2026-01-01T00:00"), list[dt.datetime]()
    while len(runs) < 366:
        now = next_due(hour, timezone, now)
        assert last_due(hour, timezone, now) == now
        assert next_due(hour, timezone, now - dt.timedelta(seconds=1)) == now
        runs.append(now)
    apart = {later - earlier for earlier, later in pairwise(runs)}
    assert apart <= {dt.timedelta(hours=hours) for hours in (23, 24, 25)} | {
        dt.timedelta(hours=24, minutes=minutes) for minutes in (-30, 30)
    }


def spec(id: str, hour: str) -> ActivitySpec:
    return replace(CANTINE, id=id, allocation=Scheduled(hour, "lottery"))


def test_what_belongs_together_waits_for_the_run_that_comes_last_after_it_was_sent() -> None:
    both = [spec("loisirs", "23:00"), spec("cantine", "02:00"), replace(CANTINE, id="zoo")]
    assert run_of(both, at("2026-11-16T09:00")) == "cantine"  # loisirs tonight, cantine in the night after
    assert run_of(both, at("2026-11-16T00:30")) == "loisirs"  # cantine in half an hour
    assert run_of(list(reversed(both)), at("2026-11-16T00:30")) == "loisirs"
    assert run_of([spec("b", "02:00"), spec("a", "02:00")], at("2026-11-16T09:00")) == "b"
    assert run_of([CANTINE], at("2026-11-16T09:00")) is None
