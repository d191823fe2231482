"""`preau events`: one readable line each, of those that are asked for."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from nats.aio.msg import Msg

from deploy.events import follow, line, subject_of
from deploy.trouble import Trouble
from services.bus import Bus, Letter
from services.settings import Settings
from tests.facts import until


@pytest.mark.parametrize(
    ("asked", "subject"),
    [
        ("preau.>", "preau.>"),
        ("preau", "preau.>"),
        ("preau.carteville.booking.>", "preau.carteville.booking.>"),
        ("booking", "preau.*.booking.>"),
        ("booking.accepted", "preau.*.booking.accepted"),
        ("mailer.*", "preau.*.mailer.*"),
    ],
)
def test_what_is_asked_for_becomes_a_subject(asked: str, subject: str) -> None:
    assert subject_of(asked) == subject


def test_internal_events_are_nobodys_business() -> None:
    with pytest.raises(Trouble, match="identity publishes no 'contacts_changed'"):
        subject_of("identity.contacts_changed")


def test_a_line_says_where_what_and_about_whom() -> None:
    body = b'{"structure":"carteville","booking":"b1","child":"amalia","rank":null,"movements":[{"booking":"b1","child":"amalia"}]}'
    message = Msg(_client=None, subject="preau.carteville.booking.requested", data=body, headers={"ce-time": "nonsense"})  # type: ignore[arg-type]
    assert line(message).plain == "--:--:-- carteville booking.requested  booking=b1 child=amalia movements=[1: amalia]"


async def test_following_shows_what_was_and_what_comes(nats_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    settings = replace(Settings.from_environment({}), nats_url=nats_url, data=Path())
    bus = Bus(settings, "test")
    await bus.keep_connecting()
    await bus.ensure_stream(False)
    shown = ""

    async def publish(number: int) -> None:
        headers = {"ce-id": str(number), "ce-time": "2026-11-23T07:00:00Z"}
        await bus.publish([Letter(str(number), "preau.carteville.booking.accepted", headers, b'{"booking":"b%d"}' % number)])

    async def both_are_shown() -> bool:
        nonlocal shown
        shown += capsys.readouterr().out
        return "booking.accepted  booking=b1" in shown and "booking.accepted  booking=b2" in shown

    await publish(1)
    following = asyncio.create_task(follow(settings, "booking.accepted", replay=True))
    await publish(2)
    await until(both_are_shown)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await bus.close()
