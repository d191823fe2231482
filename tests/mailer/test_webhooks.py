"""Other systems of a town that are told by HTTP: in order, at least once, signed, whoever is slow, away or killed."""

import datetime as dt
import ipaddress
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

import pytest
from prometheus_client import REGISTRY
from sqlmodel import select

from deploy.trouble import Trouble
from deploy.webhooks import Wish, act
from services.bus import STREAM
from services.clock import Clock
from services.events import BookingAccepted, Event, StandingChanged
from services.mailer import calling, outside, webhooks
from services.mailer.hooks import KEPT, PATIENCE, wait_after, wants
from services.mailer.outside import Forbidden, forbidden, is_public, post
from services.mailer.tables import Webhook, WebhookState
from services.outbox import record
from services.service import Running
from services.standard_webhooks import standard
from tests.facts import until
from tests.forked import ended
from tests.mailer.conftest import TOWN, town_named
from tests.mailer.receiver import OK, Receiver, receiving, status

Run = Callable[..., Awaitable[Running]]
MAYBE = [status(500), status(302, "location: http://127.0.0.1:1/elsewhere"), status(404), b"nonsense\r\n\r\n", b""]


class Now(Clock):
    """The test's own time, which goes on when the test says so."""

    moment = dt.datetime.now(dt.UTC)

    def now(self) -> dt.datetime:
        return type(self).moment


def accepted(booking: str, structure: str = TOWN) -> BookingAccepted:
    about = {"occurred_at": Now.moment, "structure": structure, "version": 1, "event_id": booking}
    what = {"booking": booking, "request": "r", "family": "dupont", "child": "amalia", "activity": "aps"}
    return BookingAccepted(**about, **what, date=dt.date(2026, 12, 1), arrival="07:30", departure="08:45", from_waiting_list=False)


def in_debt() -> StandingChanged:
    return StandingChanged(occurred_at=Now.moment, structure=TOWN, version=1, event_id="debt", family="dupont", in_debit=True)


@dataclass
class Outside:
    """The mailer, and who is told."""

    mailer: Running

    async def adds(self, receiver: Receiver, *events: str, structure: str = TOWN) -> Webhook:
        async with self.mailer.database.transaction() as session:
            return await webhooks.add(session, self.mailer.clock.now(), structure, receiver.url, events)

    async def hears(self) -> None:
        """From now on what is said is kept: its consumer is there, for every town that has webhooks."""

        async def so() -> bool:
            async with self.mailer.database.reading() as session:
                towns = sorted(await webhooks.wanted(session))
            try:
                info = await self.mailer.bus.jetstream.consumer_info(STREAM[False], calling.DURABLE)
            except Exception:
                return False
            return (info.config.filter_subjects or [info.config.filter_subject]) == [f"preau.{town}.>" for town in towns]

        await until(so)

    async def say(self, *events: Event) -> None:
        async with self.mailer.database.transaction() as session:
            record(session, *events)
        self.mailer.outbox_written()

    async def row(self, webhook: Webhook) -> Webhook:
        async with self.mailer.database.reading() as session:
            return await session.get_one(Webhook, webhook.id)

    async def has_taken(self, webhook: Webhook, count: int) -> None:
        """So many events are behind it, recorded."""

        async def so() -> bool:
            return (await self.row(webhook)).after >= count

        await until(so)

    async def fails(self, webhook: Webhook, times: int) -> None:
        async def so() -> bool:
            row = await self.row(webhook)
            return row.attempts >= times and row.claimed_by is None

        await until(so)

    def wait(self, time: dt.timedelta) -> None:
        Now.moment += time


@pytest.fixture
async def town(running: Run, monkeypatch: pytest.MonkeyPatch) -> Outside:
    Now.moment = dt.datetime.now(dt.UTC)
    for name in ("LOOK_SECONDS", "HEAR_SECONDS"):
        monkeypatch.setattr(calling, name, 0.05)
    return Outside(await running("mailer", clock=Now(), private_webhooks=True))


@asynccontextmanager
async def two() -> AsyncIterator[tuple[Receiver, Receiver]]:
    async with receiving() as one, receiving() as other:
        yield one, other


async def test_each_is_told_what_it_asked_for_in_order_signed_and_once(town: Outside) -> None:
    async with two() as (canteen, accounting):
        first = await town.adds(canteen, "booking.accepted")
        await town.adds(accounting)
        await town.hears()
        said = [accepted("b1"), in_debt(), accepted("b2"), accepted("elsewhere", "otherville"), accepted("b3")]
        await town.say(*said)
        await until(lambda: canteen.has(3))
        await until(lambda: accounting.has(4))
        await town.has_taken(first, 4)
    assert canteen.ids() == ["b1", "b2", "b3"]
    assert accounting.ids() == ["b1", "debt", "b2", "b3"]
    call = canteen.calls[0]
    assert call.is_signed_by(first.secret)
    assert not call.is_signed_by("whsec_" + "A" * 32), "control"
    assert call.headers["content-type"] == "application/cloudevents+json"
    assert {name: call.event[name] for name in ("specversion", "id", "type", "source", "subject")} == {
        "specversion": "1.0",
        "id": "b1",
        "type": "fr.preau.booking.accepted.v1",
        "source": "/preau/carteville/booking",
        "subject": said[0].about,
    }
    assert call.event["data"]["child"] == "amalia"


async def test_what_fails_is_tried_again_and_nothing_overtakes_it_while_others_are_told(town: Outside) -> None:
    async with two() as (canteen, accounting):
        left = list(MAYBE)
        canteen.answer = lambda _: left.pop(0) if left else OK
        away, near = await town.adds(canteen), await town.adds(accounting)
        await town.hears()
        await town.say(accepted("b1"), accepted("b2"))
        await town.has_taken(near, 2)
        since = Now.moment
        for times in range(1, len(MAYBE) + 1):
            await town.fails(away, times)
            assert canteen.ids() == ["b1"] * times
            row = await town.row(away)
            assert row.next_attempt_at == Now.moment + wait_after(times)
            await until(partial(failing_for, Now.moment - since))
            town.wait(wait_after(times))
        await town.has_taken(away, 2)
        assert canteen.ids() == ["b1"] * (len(MAYBE) + 1) + ["b2"]
        assert accounting.ids() == ["b1", "b2"], "it waited for nobody, and is no place that others are led to"
        await until(partial(failing_for, dt.timedelta(0)))
        row = await town.row(away)
        assert (row.attempts, row.failing_since, row.last_error) == (0, None, None)


async def failing_for(time: dt.timedelta) -> bool:
    """What an alert looks at says so."""
    return REGISTRY.get_sample_value("preau_webhook_failing_seconds") == time.total_seconds()


async def test_who_never_answers_keeps_nobody_waiting(town: Outside) -> None:
    async with two() as (canteen, accounting):
        canteen.answer = lambda _: None
        silent, near = await town.adds(canteen), await town.adds(accounting)
        await town.hears()
        await town.say(accepted("b1"))
        await until(lambda: canteen.has(1))
        await town.say(accepted("b2"))
        await town.has_taken(near, 2)
        assert (await town.row(silent)).attempts == 0, "control: it is being waited for"


async def test_who_answers_in_drops_has_only_so_long_for_all_of_it(town: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "SECONDS", 0.2)
    async with receiving() as canteen:
        canteen.answer = lambda _: None
        silent = await town.adds(canteen)
        await town.hears()
        await town.say(accepted("b1"))
        await town.fails(silent, 1)
        canteen.answer = lambda _: OK
        monkeypatch.setattr(outside, "SECONDS", 60.0)
        town.wait(wait_after(1))
        await town.has_taken(silent, 1)
        assert set(canteen.ids()) == {"b1"}


async def test_patience_ends_and_whoever_says_so_is_told_nothing_more(town: Outside, capsys: pytest.CaptureFixture[str]) -> None:
    async with two() as (canteen, accounting):
        canteen.answer, accounting.answer = lambda _: status(410), lambda _: status(503)
        gone, away = await town.adds(canteen), await town.adds(accounting)
        await town.hears()
        await town.say(accepted("b1"), accepted("b2"))
        await town.fails(gone, 1)
        await town.fails(away, 1)
        assert (await town.row(gone)).state is WebhookState.DISABLED
        assert (await town.row(away)).state is WebhookState.ACTIVE
        town.wait(PATIENCE)
        await town.fails(away, 2)
        assert (await town.row(away)).state is WebhookState.DISABLED
        told = capsys.readouterr()
        assert (told.err + told.out).count("a webhook is told nothing any more") == 2
        town.wait(dt.timedelta(hours=2))
        accounting.answer = lambda _: OK
        await act(town.mailer.settings, Wish("enable", away.id))
        await town.has_taken(away, 2)
        assert accounting.ids() == ["b1", "b1", "b1", "b2"], "it goes on where it was"
        assert canteen.ids() == ["b1"]


async def test_killed_between_the_call_and_its_record_it_calls_again_with_the_same_id(town: Outside) -> None:
    async with receiving() as canteen:
        row = await town.adds(canteen)
        await town.mailer.bus.ensure_stream(False)
        town.mailer.stopping.set()  # another process is to call
        events = [webhooks.Outward(0, f"b{n}", TOWN, "booking.accepted", "t", "b", Now.moment, "{}") for n in range(3)]
        async with town.mailer.database.transaction() as session:
            await webhooks.keep(session, events)
        url = town.mailer.database.engine.url.render_as_string(hide_password=False)
        about = {"MAILER_DATABASE_URL": url.replace("sqlite+onetrip", "sqlite+aiosqlite"), "PREAU_PRIVATE_WEBHOOKS": "true"}
        died = await ended("tests.mailer.one_webhook", row.id, **about, PREAU_CRASH_AT="mailer.after_call:2")
        assert died == -signal.SIGKILL
        assert await ended("tests.mailer.one_webhook", row.id, **about) == 0
        assert canteen.ids() == ["b0", "b1"], "it is still in the dead one's hand"
        async with town.mailer.database.transaction() as session:
            await webhooks._set(session, row.id, {"claimed_until": dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)})
        assert await ended("tests.mailer.one_webhook", row.id, **about) == 0
        assert canteen.ids() == ["b0", "b1", "b1", "b2"]
        assert (await town.row(row)).after == 3


async def test_a_stream_that_is_lost_and_filled_again_tells_nobody_twice(town: Outside) -> None:
    async with receiving() as canteen:
        row = await town.adds(canteen)
        await town.hears()
        await town.say(accepted("b1"))
        await town.has_taken(row, 1)
        await town.mailer.bus.jetstream.delete_stream(STREAM[False])
        town.mailer.relay._looked_at = (0, 0.0)  # it would look by itself in half a minute
        await town.say(accepted("b2"))
        await town.has_taken(row, 2)
        assert canteen.ids() == ["b1", "b2"]


async def test_replaying_skipping_and_a_new_secret(town: Outside, capsys: pytest.CaptureFixture[str]) -> None:
    settings = town.mailer.settings
    async with receiving() as canteen:
        row = await town.adds(canteen)
        await town.hears()
        before = Now.moment
        await town.say(accepted("b1"))
        await town.has_taken(row, 1)
        await act(settings, Wish("renew", row.id))
        new = capsys.readouterr().out.split("is ")[1].split()[0]
        town.wait(dt.timedelta(minutes=1))
        await town.say(accepted("b2"))
        await town.has_taken(row, 2)
        assert [canteen.calls[1].is_signed_by(one) for one in (row.secret, new)] == [True, True]
        town.wait(dt.timedelta(days=1))
        await act(settings, Wish("replay", row.id, since=before.isoformat()))
        await until(lambda: canteen.has(4))
        assert canteen.ids() == ["b1", "b2", "b1", "b2"]
        assert [canteen.calls[3].is_signed_by(one) for one in (row.secret, new)] == [False, True]
        await town.has_taken(row, 2)
        canteen.answer = lambda call: status(400) if call.headers["webhook-id"] == "poison" else OK
        await town.say(accepted("poison"), accepted("b3"))
        await town.fails(row, 1)
        await act(settings, Wish("skip", row.id))
        await town.has_taken(row, 4)
        assert canteen.ids()[4:] == ["poison", "b3"]
        # Places never begin again, however much is forgotten.
        async with town.mailer.database.transaction() as session:
            await webhooks.forget(session, Now.moment + KEPT + dt.timedelta(days=1))
        await town.say(accepted("b4"))
        await until(lambda: canteen.has(7))


async def test_the_command_shows_a_secret_once(town: Outside, capsys: pytest.CaptureFixture[str]) -> None:
    settings = replace(town.mailer.settings, private_webhooks=False)
    with pytest.raises(Trouble, match="there is no town"):
        await act(settings, Wish("add", TOWN, "https://cantine.example.fr/preau"))
    await town.say(town_named())

    async def known() -> bool:
        try:
            await act(settings, Wish("add", TOWN, "https://cantine.example.fr/preau", ("booking",)))
        except Trouble:
            return False
        return True

    await until(known)
    secret = capsys.readouterr().out.split()[-1]
    assert secret.startswith("whsec_")
    await act(settings, Wish("list"))
    listed = capsys.readouterr().out
    assert "https://cantine.example.fr/preau  booking  active, 0 events before it" in listed
    assert secret not in listed
    for url, events in (("http://cantine.example.fr", ()), ("https://10.0.0.1/", ()), ("https://cantine.example.fr", ("kitchen",))):
        with pytest.raises(Trouble):
            await act(settings, Wish("add", TOWN, url, events))
    for action in ("renew", "enable", "disable", "skip", "replay", "remove"):
        with pytest.raises(Trouble, match="there is no webhook"):
            await act(settings, Wish(action, "wh-x"))
    async with town.mailer.database.reading() as session:
        (row,) = (await session.exec(select(Webhook))).all()
    await act(settings, Wish("remove", row.id))
    capsys.readouterr()
    await act(settings, Wish("list"))
    assert capsys.readouterr().out == "no webhooks\n"


# ------------------------------------------------------------------------------------------------------ whom we call
INSIDE = """127.0.0.1 127.1.2.3 0.0.0.0 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 192.0.0.1 192.0.2.1
    198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255 :: ::1 fc00::1 fd12:3456::1 fe80::1 ff02::1 ::ffff:10.0.0.1
    ::ffff:127.0.0.1 64:ff9b::7f00:1 64:ff9b::a00:1 2002:7f00:1:: 2002:a00:1:: 2001:db8::1""".split()


@pytest.mark.parametrize("address", INSIDE)
def test_sec14_an_address_of_our_own_network_is_not_called(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    host = f"[{address}]" if ":" in address else address
    assert forbidden(f"https://{host}/x", private=False, plain=False)


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_an_address_of_the_internet_is(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url", ["http://a.example", "ftp://a.example", "file:///etc/passwd", "https://", "https://u:p@a.example/", "https://a.example:0/", "https://a.example:x/", "//a", "", "https://a.example/#x", "gopher://a", "https://[::1"]
)  # fmt: skip
def test_sec14_what_is_no_place_for_a_webhook(url: str) -> None:
    assert forbidden(url, private=True, plain=False)


async def test_sec14_a_name_that_leads_inside_is_not_called() -> None:
    async with receiving() as inside:
        port = inside.url.rsplit(":", 1)[1].split("/")[0]
        for host in ("localhost", "127.0.0.1", "2130706433", "0x7f.1", "127.1"):
            with pytest.raises((Forbidden, OSError)):
                await post(f"https://{host}:{port}/x", b"{}", {}, private=False, plain=False)
        assert inside.calls == []
        assert await post(inside.url.replace("127.0.0.1", "localhost"), b"{}", {}, private=True, plain=True) == 200
        assert inside.calls[0].headers["host"] == f"localhost:{port}", "control: by its name, at the address that was looked at"


# ------------------------------------------------------------------------------------------------------------- words
def test_the_signature_is_the_one_that_standard_webhooks_shows() -> None:
    """Its own libraries' example."""
    secret, id = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"
    headers = standard(secret, id, 1614265330, b'{"test": 2432232314}', "whsec_" + "A" * 32)
    first, second = headers["webhook-signature"].split(" ")
    assert first == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert second.startswith("v1,")
    assert second != first


def test_what_is_wanted_and_how_long_is_waited() -> None:
    cases: list[tuple[list[str], str, bool]] = [
        ([], "booking.accepted", True),
        (["booking"], "booking.accepted", True),
        (["booking.accepted"], "booking.accepted", True),
        (["booking.accept"], "booking.accepted", False),
        (["billing"], "booking.accepted", False),
    ]
    assert [wants(events, kind) for events, kind, _ in cases] == [wanted for *_, wanted in cases]
    assert [wait_after(n).total_seconds() for n in (1, 2, 3, 4, 5, 6, 7, 99)] == [5, 30, 120, 600, 1800, 3600, 3600, 3600]
