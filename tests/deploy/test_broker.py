"""Who may do what at the broker (SEC8): every key against every class of subjects, on a real server with the configuration that we write."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path

import nats.errors
import nats.js.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from deploy import addresses, broker, up
from deploy.backlog import connect as connect_operator
from deploy.broker import OURS, accounts, key_file, partner, write
from deploy.partners import act
from deploy.trouble import Trouble
from services import nkeys
from services.bus import connect
from services.settings import SERVICES, Settings
from tests.deploy.guarded import EVERYBODY, Broker, every_key_against_every_class_of_subjects, say, serving
from tests.facts import until


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Broker]:
    async with serving(tmp_path) as one:
        yield one


async def test_sec8_every_key_against_every_class_of_subjects(guarded: Broker) -> None:
    await every_key_against_every_class_of_subjects(guarded, EVERYBODY)


async def test_nobody_unknown_comes_in(guarded: Broker) -> None:
    stranger = replace(guarded.settings("canteen"), nats_credentials=None)
    with pytest.raises(nats.errors.Error, match=r"(?i)authorization violation"):
        await connect(stranger, "stranger", allow_reconnect=False)
    key_file(guarded.folder, "stranger").write_text(nkeys.new_seed())
    with pytest.raises(nats.errors.Error, match=r"(?i)authorization violation"):
        await guarded.sign_in("stranger")
    key_file(guarded.folder, "stranger").write_text("SUxx")
    with pytest.raises(OSError, match="NATS_CREDENTIALS"):
        await guarded.sign_in("stranger")


async def test_a_partner_hears_its_town_live_and_from_the_beginning_and_goes_back_where_it_likes(guarded: Broker) -> None:
    mine = ["preau.carteville.booking.accepted", "preau.carteville.billing.held"]
    await say(guarded, mine[0], "preau.otherville.booking.accepted", mine[1], "preau-internal.carteville.identity.reset_link_made")
    canteen, accounting = await guarded.sign_in("canteen"), await guarded.sign_in("accounting")
    live = await canteen.subscribe("preau.carteville.>")
    await canteen.flush()
    ear = await canteen.jetstream(domain="PREAU").pull_subscribe_bind("canteen", stream="PREAU")
    heard = await taken(ear, 2)
    assert [message.subject for message in heard] == mine
    for message in heard:
        await message.ack_sync(60)
    await say(guarded, "preau.otherville.billing.held", mine[0])
    assert (await live.next_msg(60)).subject == mine[0]
    (late,) = await taken(ear, 1)
    await late.ack_sync(60)
    jetstream = canteen.jetstream(domain="PREAU")
    info = await jetstream.consumer_info("PREAU", "canteen")
    assert (info.num_pending, info.num_ack_pending) == (0, 0)

    await jetstream.reset_consumer("PREAU", "canteen", seq=1)
    assert [message.subject for message in await taken(ear, 3)] == [*mine, mine[0]]

    # Whoever hears one service hears nothing else, and each has its own place.
    ear = await accounting.jetstream(domain="PREAU").pull_subscribe_bind("accounting", stream="PREAU")
    assert [message.subject for message in await taken(ear, 1)] == [mine[1]]
    assert (await accounting.jetstream(domain="PREAU").consumer_info("PREAU", "accounting")).num_pending == 0


async def taken(ear: JetStreamContext.PullSubscription, count: int) -> list[Msg]:
    """So many, however they come."""
    messages: list[Msg] = []
    while len(messages) < count:
        messages += await ear.fetch(count - len(messages), timeout=60)
    return messages


#: What would do harm if it were said by somebody else than the broker.
TARGETS = (
    *("$JS.API.STREAM.PURGE.PREAU", "$JS.API.STREAM.DELETE.PREAU_INTERNAL", "$JS.API.CONSUMER.DELETE.PREAU.booking"),
    *("preau.carteville.billing.entry_posted", "preau-internal.carteville.identity.tokens_revoked", "preau-wake.booking"),
)


async def test_what_a_partner_has_delivered_elsewhere_stays_with_itself(guarded: Broker) -> None:
    """A pull may name any subject for its answers: it names one of its own account, whatever it is called."""
    for service in SERVICES:
        await say(guarded, f"preau.carteville.{service}.event")
    operator = await connect_operator(guarded.settings("operator"))
    before = (await operator.jetstream.stream_info("PREAU")).state.messages
    gateway = await guarded.sign_in("gateway")
    overheard = [await gateway.subscribe(subject) for subject in ("preau.>", "preau-internal.*.identity.tokens_revoked")]
    await gateway.flush()
    canteen = await guarded.sign_in("canteen")
    for target in TARGETS:
        pull = json.dumps({"batch": 1, "no_wait": True}).encode()
        await canteen.publish("$JS.PREAU.API.CONSUMER.MSG.NEXT.PREAU.canteen", pull, reply=target)
        await canteen.publish("$JS.ACK.PREAU.canteen.1.1.1.1.0", b"+NXT", reply=target)
    await canteen.flush()
    await say(guarded, "preau.carteville.booking.last")
    heard = [await overheard[0].next_msg(60)]
    assert [message.subject for message in heard] == ["preau.carteville.booking.last"], "nothing else came before"
    assert overheard[1].pending_msgs == 0
    assert (await operator.jetstream.stream_info("PREAU")).state.messages == before + 1
    await operator.close()


async def test_a_service_has_no_consumer_made_or_changed_but_its_own(guarded: Broker) -> None:
    """The name stands in the subject and in the request: the broker wants them to agree."""
    mailer = await guarded.sign_in("mailer")
    for subject, stream, name in (
        ("$JS.API.CONSUMER.DURABLE.CREATE.PREAU.mailer", "PREAU", "booking"),
        ("$JS.API.CONSUMER.DURABLE.CREATE.PREAU.mailer", "PREAU_INTERNAL", "mailer"),
        ("$JS.API.CONSUMER.CREATE.PREAU.mailer-look", "PREAU", "canteen"),
    ):
        config = {"name": name, "durable_name": name, "ack_policy": "explicit"}
        answer = await mailer.request(subject, json.dumps({"stream_name": stream, "config": config}).encode(), timeout=20)
        assert "error" in json.loads(answer.data), (subject, answer.data)


async def test_partners_come_and_go_while_the_broker_runs(guarded: Broker, capsys: pytest.CaptureFixture[str]) -> None:
    await say(guarded, "preau.carteville.booking.accepted")
    settings = guarded.settings("operator")
    await act(settings, guarded.folder, "add", "library", "carteville.booking", None)
    told = capsys.readouterr().out
    assert "library hears preau.carteville.booking.>" in told
    assert str(key_file(guarded.folder, "library")) in told
    assert "SU" not in told.replace(str(guarded.folder), ""), "the key itself is for its file"
    guarded.server.read_again()

    async def comes_in() -> Client | None:
        try:
            return await guarded.sign_in("library")
        except (nats.errors.Error, OSError):
            return None

    library = await until(comes_in)
    guarded.server.read_again()  # as `preau up` does: only then does a new account hear from an old one
    ear = await library.jetstream(domain="PREAU").pull_subscribe_bind("library", stream="PREAU")
    assert [message.subject for message in await taken(ear, 1)] == ["preau.carteville.booking.accepted"]

    await act(settings, guarded.folder, "list", None, None, None)
    assert "library  hears preau.carteville.booking.>  0 events before it, 1 in hand" in capsys.readouterr().out
    # A new key, and the old one opens nothing.
    before = key_file(guarded.folder, "library").read_text()
    await act(settings, guarded.folder, "renew", "library", None, None)
    assert key_file(guarded.folder, "library").read_text() != before
    guarded.server.read_again()

    async def cut_off() -> bool:
        return bool(library.is_closed)

    await until(cut_off)

    await act(settings, guarded.folder, "remove", "library", None, None)
    guarded.server.read_again()
    assert "library hears nothing any more" in capsys.readouterr().out
    operator = await connect_operator(settings)
    with pytest.raises(nats.js.errors.NotFoundError):
        await operator.jetstream.consumer_info("PREAU", "library")
    await operator.close()
    assert not key_file(guarded.folder, "library").exists()

    # With a key that it made itself, the one that we made is let in no more, and is not there to be handed over.
    await act(settings, guarded.folder, "add", "bus", "carteville", None)
    assert "to be handed over" in capsys.readouterr().out
    await act(settings, guarded.folder, "renew", "bus", None, nkeys.public_of(nkeys.new_seed()))
    assert "to be handed over" not in capsys.readouterr().out
    assert not key_file(guarded.folder, "bus").exists()


async def test_partners_are_looked_after_again_when_their_file_was_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = up.System(Settings.from_environment({}), addresses.choose(tmp_path, 8000, {}), tmp_path, {}, {})
    looked: list[Path] = []

    async def ensure_all(_: Settings, folder: Path) -> None:
        looked.append(folder)

    monkeypatch.setattr(up, "ensure_all", ensure_all)
    monkeypatch.setattr(up, "PARTNERS_SECONDS", 0.0)
    keeper = asyncio.create_task(up._keep_partners(system))
    for _ in range(3):
        await asyncio.sleep(0)
    write(system.broker)

    async def told() -> bool:
        return keeper.done() or bool(looked)

    await until(told)
    assert not keeper.done()
    keeper.cancel()


@pytest.mark.parametrize(
    ("name", "hears"),
    [("booking", "carteville"), ("booking-urgent", "carteville"), ("Cantine", "carteville"), ("a b", "carteville"), ("operator", "x"), ("nack", "x"), ("system", "x"),
     ("canteen", "*"), ("canteen", ">"), ("canteen", "all"), ("canteen", "carteville.>"), ("canteen", "carteville.booking.nothing"),
     ("canteen", "carteville.identity.reset_link_made"), ("canteen", "a b"), ("canteen", ""),
     ("canteen", "carteville."), ("canteen", "carteville.booking.")],
)  # fmt: skip
def test_who_is_no_partner(name: str, hears: str) -> None:
    with pytest.raises(Trouble):
        partner(name, hears, nkeys.public_of(nkeys.new_seed()))


def test_the_configuration_holds_no_secret_and_the_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    write(tmp_path)
    files = sorted((tmp_path / "keys").iterdir())
    assert [file.stem for file in files] == sorted(OURS)
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)
    text = (tmp_path / broker.ACCOUNTS).read_text()
    assert not any(file.read_text().strip() in text for file in files)
    write(tmp_path)
    assert (tmp_path / broker.ACCOUNTS).read_text() == text, "keys stay"


def test_keys_are_as_nats_io_has_them() -> None:
    """The pair that its own documentation shows."""
    seed, public = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY", "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
    assert nkeys.public_of(seed) == public
    assert nkeys.is_public(public)
    for wrong in (seed[:-1] + "A", public, "SU", "", "é" * 58, seed.lower(), seed.replace("SU", "SA", 1)):
        with pytest.raises(nkeys.NotAKey):
            nkeys.public_of(wrong)


def partners_named(names: Iterable[str]) -> list[broker.Partner]:
    return [partner(name, "carteville", nkeys.public_of(nkeys.new_seed())) for name in names]


def test_two_partners_of_one_town_share_its_export() -> None:
    keys = dict.fromkeys(OURS, nkeys.public_of(nkeys.new_seed()))
    ours = accounts(keys, partners_named(["canteen", "school-bus"]))["PREAU"]
    streams = [export for export in ours["exports"] if "stream" in export]
    assert streams == [{"stream": "preau.carteville.>", "accounts": ["partner_canteen", "partner_school_bus"]}]
