"""No provider gets more mails a second than it bears, and none waits for another's."""

import asyncio
import datetime as dt
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.mailer.pacing import SECOND, domain_of, take
from services.mailer.tables import MailState
from services.settings import Settings, SettingsError
from tests.mailer.conftest import Mailroom, reset_link
from tests.mailer.mail_server import MailServer

NOW = dt.datetime(2026, 11, 23, 8, 0, tzinfo=dt.UTC)


def seconds(moment: dt.datetime) -> float:
    return (moment - NOW) / SECOND


@pytest.mark.parametrize(
    ("rate", "free_at", "wanted", "taken", "next_at"),
    [
        (2, None, 50, 2, 0.5),
        (2, 0.5, 50, 0, 0.5),
        (2, 0, 50, 1, 0.5),
        (2, -60, 50, 2, 0.5),  # a minute without mails is no reason for a hundred at once
        (2, None, 1, 1, 0.0),
        (0.2, None, 50, 1, 5),
        (0.2, -60, 50, 1, 5),
        (50, None, 1000, 50, 0.02),
    ],
)
def test_so_many_may_go(rate: float, free_at: float | None, wanted: int, taken: int, next_at: float) -> None:
    then = None if free_at is None else NOW + free_at * SECOND
    so_many, later = take(then, NOW, rate, wanted)
    assert (so_many, round(seconds(later), 6)) == (taken, next_at)


@given(
    st.floats(0.1, 20),
    st.lists(st.tuples(st.floats(0, 3), st.integers(1, 60)), min_size=1, max_size=40),
)
def test_the_rate_is_kept_over_any_time_whoever_asks_how_often(rate: float, asked: list[tuple[float, int]]) -> None:
    """But for one second's worth that may go at once."""
    now, free_at, gone = NOW, None, []
    for pause, wanted in asked:
        now += pause * SECOND
        taken, free_at = take(free_at, now, rate, wanted)
        gone.append((now, taken))
    for first in range(len(gone)):
        for last in range(first, len(gone)):
            count = sum(taken for _, taken in gone[first : last + 1])
            assert count <= ((gone[last][0] - gone[first][0]) / SECOND + 1) * rate + 1


def test_the_domain_is_what_follows_the_last_at() -> None:
    assert domain_of('"a@b"@Orange.FR') == "orange.fr"


@pytest.mark.parametrize(("text", "rates"), [("", {}), ("orange.fr=2, Gmail.com=0.5,", {"orange.fr": 2.0, "gmail.com": 0.5})])
def test_rates_are_read_from_the_setting(text: str, rates: dict[str, float]) -> None:
    assert Settings.from_environment({"PREAU_MAIL_RATES": text}).mail_rates == rates


@pytest.mark.parametrize(
    "text", ["orange.fr", "orange.fr=", "=2", "orange.fr=0", "orange.fr=-1", "a@orange.fr=1", "x=inf", "x=nan", "x=1e9"]
)
def test_what_is_no_rate_is_refused_at_start(text: str) -> None:
    with pytest.raises(SettingsError, match="PREAU_MAIL_RATES"):
        Settings.from_environment({"PREAU_MAIL_RATES": text})


async def test_a_slow_provider_holds_up_nobody_elses_mails(mailroom: Mailroom, post_office: MailServer) -> None:
    await mailroom.knows_the_town()
    await mailroom.hears(*(reset_link(email=f"f{number}@Orange.fr") for number in range(60)))
    await mailroom.waits(seconds=1)
    await mailroom.hears(*(reset_link(email=f"f{number}@example.org") for number in range(5)))
    sending, post = mailroom.sending(post_office.url, rates={"orange.fr": 2, "gmail.com": 5})
    while await sending.round():
        pass
    to = [domain_of(recipients[0]) for recipients, _ in post_office.taken]
    assert to.count("example.org") == 5
    assert 2 <= to.count("orange.fr") < 20
    states = await mailroom.states()
    assert states.count(MailState.QUEUED) == 60 - to.count("orange.fr")
    assert await mailroom.sends(post_office.url) == 50, "without the bound, they go"
    await post.close()


async def test_two_senders_keep_one_rate(mailroom: Mailroom, post_office: MailServer) -> None:
    await mailroom.knows_the_town()
    await mailroom.hears(*(reset_link(email=f"f{number}@orange.fr") for number in range(200)))  # more than one has in hand
    senders = [mailroom.sending(post_office.url, rates={"orange.fr": 4}) for _ in range(3)]
    gone: list[tuple[float, int]] = []
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while loop.time() - begun < 1.5:
        gone += [(loop.time(), sum(await asyncio.gather(*(sending.round() for sending, _ in senders))))]
        await asyncio.sleep(0.05)
    for _, post in senders:
        await post.close()
    took = loop.time() - begun
    assert 4 <= len(post_office.taken) <= (took + 1) * 4 + 1
    assert all(before[0] < after[0] for before, after in pairwise(gone))
