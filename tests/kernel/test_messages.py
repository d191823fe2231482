"""Events leave, at least once and in order; each takes effect once: with a real broker that forgets, dies and repeats itself."""

import asyncio
import datetime as dt
import json
import random
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from sqlmodel import col, select, update

from services.bus import STREAM, Bus, Letter
from services.events import BY_TYPE, Event, StandingChanged
from services.listening import read, retry_dead_letter
from services.outbox import DeadLetter, Heard, Outgoing, Withdrawal, forget_secrets, record
from services.relay import backlog
from services.service import Running
from services.settings import Settings
from services.telemetry import traceparent
from tests.facts import until
from tests.kernel.toy import Standing, ToyTable, say, standing, standings, toy_running
from tests.nats_server import NatsServer

Make = Callable[..., Awaitable[Running]]
NOW = dt.datetime(2026, 11, 23, 7, 0, tzinfo=dt.UTC)


@pytest.fixture
async def toy(tmp_path: Path) -> AsyncIterator[Make]:
    everybody: list[Running] = []

    async def make(url: str, *, name: str = "toy", start: bool = True) -> Running:
        one = await toy_running(url, f"sqlite+aiosqlite:///{tmp_path / name}.sqlite", name=name, start=start)
        everybody.append(one)
        return one

    yield make
    for one in everybody:
        await one.stop()


async def say_and_fail(speaker: Running) -> None:
    async with speaker.database.transaction() as session:
        record(session, standing("dupont"))
        raise ZeroDivisionError


async def messages(running: Running) -> int:
    return (await running.bus.jetstream.stream_info(STREAM[False])).state.messages


async def test_an_event_leaves_with_its_transaction_and_is_heard(toy: Make, nats_url: str) -> None:
    speaker, listener = await toy(nats_url, name="speaker"), await toy(nats_url, name="listener")
    await say(speaker, standing("dupont", 3))
    await until(lambda: heard_of(listener, "dupont"))
    assert (await standings(listener))["dupont"].version == 3


async def test_a_transaction_that_fails_says_nothing(toy: Make, nats_url: str) -> None:
    speaker = await toy(nats_url, name="speaker")
    with pytest.raises(ZeroDivisionError):
        await say_and_fail(speaker)
    await say(speaker, standing("martin"))
    await until(lambda: everything_left(speaker))
    assert await messages(speaker) == 1


async def test_events_are_cloudevents_on_the_contracts_subject(toy: Make, nats_url: str) -> None:
    speaker = await toy(nats_url, name="speaker")
    event = standing("dupont", 2)
    await say(speaker, event)
    await until(lambda: everything_left(speaker))
    message = await speaker.bus.jetstream.get_msg("PREAU", seq=1)
    assert message.subject == "preau.carteville.billing.standing_changed"
    assert message.headers is not None
    assert {name: value for name, value in message.headers.items() if name != "ce-time"} == {
        "Nats-Msg-Id": event.event_id,
        "ce-specversion": "1.0",
        "ce-id": event.event_id,
        "ce-type": "fr.preau.billing.standing_changed.v1",
        "ce-source": "/preau/carteville/speaker",
        "ce-subject": "dupont",
        "ce-datacontenttype": "application/json",
    }
    assert json.loads(message.data or b"") == {"structure": "carteville", "version": 2, "family": "dupont", "in_debit": False}


async def test_hundreds_of_events_leave_in_order(toy: Make, nats_url: str) -> None:
    speaker = await toy(nats_url, name="speaker")
    await say(speaker, *(standing(f"family-{n}") for n in range(1200)))
    while left := await backlog(speaker.database):  # As long as it takes, if only it goes on.
        await until(lambda: fewer_than(left, speaker))
    found = [json.loads((await speaker.bus.jetstream.get_msg("PREAU", seq=n)).data or b"")["family"] for n in (1, 2, 600, 1200)]
    assert found == ["family-0", "family-1", "family-599", "family-1199"]
    assert await messages(speaker) == 1200


async def test_a_header_never_breaks_out_of_its_line(toy: Make, nats_url: str) -> None:
    speaker = await toy(nats_url, name="speaker")
    token = traceparent.set("00-1\r\nNats-Msg-Id: the-same-for-all")
    await say(speaker, *(standing(f"famille-{n:02}") for n in range(40)))
    traceparent.reset(token)
    await until(lambda: everything_left(speaker))
    first, *_, last = [await speaker.bus.jetstream.get_msg(STREAM[False], seq=seq) for seq in (1, 40)]
    for message, family in ((first, "famille-00"), (last, "famille-39")):
        assert (message.headers or {})["ce-subject"] == family
        assert (message.headers or {})["Nats-Msg-Id"] == (message.headers or {})["ce-id"]


async def test_the_same_message_three_times_takes_effect_once(toy: Make, nats_url: str) -> None:
    speaker, listener = await toy(nats_url, name="speaker"), await toy(nats_url, name="listener")
    await say(speaker, standing("dupont", 1))
    await until(lambda: heard_of(listener, "dupont"))
    original = await speaker.bus.jetstream.get_msg("PREAU", seq=1)
    # Under other message ids, the broker takes them for new: only the inbox knows better.
    for again in ("again-1", "again-2"):
        headers = {**(original.headers or {}), "Nats-Msg-Id": again}
        await speaker.bus.jetstream.publish(original.subject or "", original.data or b"", headers=headers)
    await say(speaker, standing("martin"))
    await until(lambda: heard_of(listener, "martin"))
    assert await messages(speaker) == 4
    assert (await standings(listener))["dupont"].times == 1
    async with listener.database.reading() as session:
        assert len((await session.exec(select(Heard))).all()) == 2


async def test_late_and_out_of_order_the_newest_wins(toy: Make, nats_url: str) -> None:
    speaker, listener = await toy(nats_url, name="speaker"), await toy(nats_url, name="listener")
    versions = list(range(1, 41))
    random.Random(7).shuffle(versions)
    assert versions[-1] != 40
    for version in versions:
        await say(speaker, standing("dupont", version))
    await say(speaker, standing("last"))
    await until(lambda: heard_of(listener, "last"))
    assert (await standings(listener))["dupont"].version == 40


async def test_what_is_not_known_yet_is_heard_again_later(toy: Make, nats_url: str) -> None:
    speaker, listener = await toy(nats_url, name="speaker"), await toy(nats_url, name="listener")
    await say(speaker, standing("later-dupont"), standing("other"))
    await until(lambda: heard_of(listener, "other"))
    assert "later-dupont" not in await standings(listener)
    await say(speaker, standing("known"))
    await until(lambda: heard_of(listener, "later-dupont"))


async def test_what_failed_once_and_is_handled_with_others_is_no_failure_any_more(toy: Make, nats_url: str) -> None:
    speaker, listener = await toy(nats_url, name="speaker"), await toy(nats_url, name="listener")
    events = [standing(f"family-{number}") for number in range(30)]  # so many leave, and arrive, together
    public, *_ = listener._listeners
    public._failures[events[-1].event_id] = 1
    await say(speaker, *events)
    await until(lambda: heard_of(listener, "family-29"))

    async def forgotten() -> bool:
        return not public._failures

    await until(forgotten)


async def test_a_message_that_nobody_can_read_is_buried_and_holds_nobody_up(toy: Make, nats_url: str) -> None:
    speaker, listener = await toy(nats_url, name="speaker"), await toy(nats_url, name="listener")
    await say(speaker, standing("first"))
    await until(lambda: heard_of(listener, "first"))
    subject = "preau.carteville.billing.standing_changed"
    publish = speaker.bus.jetstream.publish
    good = (await speaker.bus.jetstream.get_msg("PREAU", seq=1)).headers or {}
    await publish(subject, b"not json", headers={**good, "Nats-Msg-Id": "1", "ce-id": "bad-1"})
    await publish(subject, b'{"family": 12}', headers={**good, "Nats-Msg-Id": "2", "ce-id": "bad-2"})
    await publish(subject, b"{}", headers={**good, "Nats-Msg-Id": "3", "ce-id": "bad-3", "ce-type": "fr.preau.billing.standing_changed.v9"})
    await publish(subject, b"{}")
    await say(speaker, standing("second"))
    await until(lambda: heard_of(listener, "second"))
    buried = await dead_letters(listener)
    assert {letter.event_id for letter in buried} == {"bad-1", "bad-2", "bad-3", "stream-5"}
    assert "v9" in next(letter.error for letter in buried if letter.event_id == "bad-3")


async def test_what_fails_every_time_is_buried_and_can_be_retried(toy: Make, nats_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.listening.ATTEMPTS", 3)
    monkeypatch.setattr("services.listening.BACK_OFF_SECONDS", (0.05,))
    speaker, listener = await toy(nats_url, name="speaker"), await toy(nats_url, name="listener")
    await say(speaker, standing("impossible"), standing("dupont"))
    await until(lambda: heard_of(listener, "dupont"))
    (letter,) = await until(lambda: dead_letters(listener))
    assert (letter.attempts, "cannot be handled" in letter.error) == (3, True)

    async def possible_now(session: object, event: object, clock: object) -> None:
        return None

    listener.service.reactions[BY_TYPE["fr.preau.billing.standing_changed.v1"]] = possible_now  # as after a repair
    await retry_dead_letter(listener.service, listener.database, letter, listener.clock)
    assert await dead_letters(listener) == []


async def test_a_service_that_was_away_hears_what_it_missed_and_nothing_twice(toy: Make, nats_url: str) -> None:
    speaker = await toy(nats_url, name="speaker")
    listener = await toy(nats_url, name="listener")
    await say(speaker, standing("before"))
    await until(lambda: heard_of(listener, "before"))
    await listener.stop()
    await say(speaker, standing("meanwhile"))
    await until(lambda: everything_left(speaker))
    back = await toy(nats_url, name="listener")
    await until(lambda: heard_of(back, "meanwhile"))
    assert {family: row.times for family, row in (await standings(back)).items()} == {"before": 1, "meanwhile": 1}


async def test_the_broker_is_killed_in_the_middle_and_nothing_is_lost_or_twice(toy: Make, own_nats: NatsServer) -> None:
    speaker, listener = await toy(own_nats.url, name="speaker"), await toy(own_nats.url, name="listener")
    for n in range(300):
        await say(speaker, standing(f"family-{n}"))
        if n in (100, 200):
            own_nats.stop(kill=True)
            own_nats.start()
    await until(lambda: everything_left(speaker), within=30)
    await until(lambda: heard_of(listener, *(f"family-{n}" for n in range(300))), within=30)
    assert all(row.times == 1 for row in (await standings(listener)).values())


async def test_what_the_broker_did_not_acknowledge_is_published_again_and_there_once(
    toy: Make, nats_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it died before it had them, or before it could say so."""
    speaker, listener = await toy(nats_url, name="speaker"), await toy(nats_url, name="listener")
    publish, dies = Bus.publish, ["before", "after"]

    async def dies_meanwhile(bus: Bus, letters: Sequence[Letter]) -> int:
        when = dies.pop(0) if dies else None
        last = 0 if when == "before" else await publish(bus, letters)
        if when:
            raise TimeoutError
        return last

    monkeypatch.setattr(Bus, "publish", dies_meanwhile)
    families = [f"family-{n:02}" for n in range(40)]
    await say(speaker, *map(standing, families))
    await until(lambda: heard_of(listener, *families))
    await until(lambda: everything_left(speaker))
    assert (dies, await messages(speaker)) == ([], 40)
    assert {row.times for row in (await standings(listener)).values()} == {1}


async def test_a_service_starts_without_a_broker_and_speaks_when_it_comes(toy: Make, own_nats: NatsServer) -> None:
    own_nats.stop()
    speaker = await toy(own_nats.url, name="speaker")
    await say(speaker, standing("dupont"))
    assert await backlog(speaker.database) == 1
    assert any(reason.startswith("broker") for reason in await speaker.not_ready())
    own_nats.start()
    await until(lambda: everything_left(speaker))


async def test_a_stream_that_was_wiped_is_filled_again_from_the_outbox(toy: Make, own_nats: NatsServer) -> None:
    speaker, listener = await toy(own_nats.url, name="speaker"), await toy(own_nats.url, name="listener")
    await say(speaker, *(standing(f"family-{n}") for n in range(50)))
    await until(lambda: heard_of(listener, "family-49"))
    own_nats.stop(kill=True)
    own_nats.wipe()
    own_nats.start()
    await say(speaker, standing("after"))
    await until(lambda: heard_of(listener, "after"), within=30)

    async def all_there() -> bool:
        return await messages(speaker) == 51

    await until(all_there)
    assert {row.times for row in (await standings(listener)).values()} == {1}
    # Whoever comes new hears the whole history from the new stream.
    newcomer = await toy(own_nats.url, name="newcomer")
    await until(lambda: heard_of(newcomer, *(f"family-{n}" for n in range(50)), "after"), within=30)


@pytest.mark.parametrize("others_speak_first", [False, True])
async def test_a_stream_that_went_back_is_filled_again(toy: Make, own_nats: NatsServer, tmp_path: Path, others_speak_first: bool) -> None:
    """A restored disk forgets its last seconds; the place of our last event may even be taken by somebody else's."""
    speaker = await toy(own_nats.url, name="speaker")
    await say(speaker, standing("kept"))
    await until(lambda: everything_left(speaker))
    own_nats.stop()
    shutil.copytree(own_nats.store, tmp_path / "yesterday")
    own_nats.start()
    await say(speaker, *(standing(f"lost-{n}") for n in range(5)))
    await until(lambda: everything_left(speaker))
    await speaker.stop()
    own_nats.stop(kill=True)
    own_nats.wipe()
    shutil.copytree(tmp_path / "yesterday", own_nats.store)
    own_nats.start()
    if others_speak_first:
        other = await toy(own_nats.url, name="other")
        await say(other, *(standing(f"other-{n}") for n in range(20)))
        await until(lambda: everything_left(other))
    speaker = await toy(own_nats.url, name="speaker")
    newcomer = await toy(own_nats.url, name="newcomer")
    await until(lambda: heard_of(newcomer, "kept", *(f"lost-{n}" for n in range(5))), within=30)


async def test_a_message_that_is_taken_away_is_no_loss(toy: Make, own_nats: NatsServer) -> None:
    """What was said is to be forgotten: the stream's copy goes, wherever it stands, and nothing else is told again."""
    speaker, listener = await toy(own_nats.url, name="speaker"), await toy(own_nats.url, name="listener")
    kept, told, last = standing("kept"), standing("unforgettable"), standing("unforgettable-too")
    await say(speaker, kept)
    await say(speaker, told)
    await say(speaker, standing("between"), last)
    await until(lambda: heard_of(listener, "kept", "unforgettable", "between", "unforgettable-too"))
    await until(lambda: everything_left(speaker))
    assert b"unforgettable" in stored(own_nats)
    await take_back(speaker, told, last)

    async def gone() -> bool:
        """From the stream, and then from the list of what is to go."""
        async with speaker.database.reading() as session:
            return await messages(speaker) == 2 and not (await session.exec(select(Withdrawal))).all()

    await until(gone)
    await speaker.relay._compare(internal=False)
    assert await backlog(speaker.database) == 0, "its last message is not there, and nothing was lost"
    await say(speaker, standing("after"))
    await until(lambda: heard_of(listener, "after"))
    await speaker.relay._compare(internal=False)
    assert await messages(speaker) == 3
    own_nats.stop()
    assert b"unforgettable" not in stored(own_nats), "the broker's files"


async def test_what_is_taken_away_before_it_left_is_told_without_it(toy: Make, own_nats: NatsServer) -> None:
    speaker = await toy(own_nats.url, name="speaker", start=False)
    told = standing("unforgettable")
    await say(speaker, told, standing("dupont"))
    await take_back(speaker, told)
    await speaker.start()
    await until(lambda: everything_left(speaker))

    async def gone() -> bool:
        return await messages(speaker) == 1

    await until(gone)


async def test_somebody_else_who_takes_our_last_message_away_is_a_loss(toy: Make, own_nats: NatsServer) -> None:
    speaker = await toy(own_nats.url, name="speaker")
    await say(speaker, standing("dupont"))
    await until(lambda: everything_left(speaker))
    await speaker.bus.jetstream.delete_msg(STREAM[False], 1)
    await speaker.relay._compare(internal=False)
    assert await backlog(speaker.database) == 1


async def test_what_has_aged_out_is_no_loss(toy: Make, own_nats: NatsServer) -> None:
    """Whoever runs the broker may let a stream forget by age."""
    speaker = await toy(own_nats.url, name="speaker")
    await say(speaker, standing("dupont"))
    await until(lambda: everything_left(speaker))
    config = (await speaker.bus.jetstream.stream_info(STREAM[False])).config
    config.max_age, config.duplicate_window = 0.2, 0.1
    await speaker.bus.jetstream.update_stream(config)

    async def aged() -> bool:
        return await messages(speaker) == 0

    await until(aged)
    await speaker.relay._compare(internal=False)
    assert await backlog(speaker.database) == 0


async def take_back(speaker: Running, *events: StandingChanged) -> None:
    async with speaker.database.transaction() as session:
        for event in events:
            await session.exec(update(Outgoing).where(col(Outgoing.event_id) == event.event_id).values(body="{}"))
            session.add(Withdrawal(event_id=event.event_id, internal=False, subject=event.subject))
    speaker.outbox_written()


def stored(server: NatsServer) -> bytes:
    """Every byte that the broker keeps."""
    return b"".join(path.read_bytes() for path in server.store.rglob("*") if path.is_file())


async def test_a_process_that_is_told_to_stop_says_its_last_words(toy: Make, nats_url: str) -> None:
    speaker, listener = await toy(nats_url, name="speaker"), await toy(nats_url, name="listener")
    await until(lambda: connected(speaker))
    async with speaker.database.transaction() as session:
        record(session, standing("last words"))
    begun = asyncio.get_running_loop().time()
    await speaker.stop()
    assert asyncio.get_running_loop().time() - begun < 8, "a drain must end before anybody loses patience"
    await until(lambda: heard_of(listener, "last words"))


async def test_a_consumer_that_was_deleted_is_made_again(toy: Make, nats_url: str) -> None:
    speaker, listener = await toy(nats_url, name="speaker"), await toy(nats_url, name="listener")
    await say(speaker, standing("before"))
    await until(lambda: heard_of(listener, "before"))
    await speaker.bus.jetstream.delete_consumer("PREAU", "listener")
    await say(speaker, standing("after"))
    await until(lambda: heard_of(listener, "after"))
    assert (await standings(listener))["before"].times == 1


def link(kind: type[Event], id: str, expires_at: dt.datetime) -> Event:
    said = {"account": "a1", "email": "a@example.org", "language": "fr", "token": f"t-{id}", "expires_at": expires_at}
    said |= {"request": "r1", "part": 1, "parts": 1, "sealed": f"s-{id}"}
    said |= {"hour": NOW, "what": "MONEY", "seen": []}
    said |= {"invitation": "i1", "family": None, "gives": "AGENT"}
    said |= {"new_email": "b@example.org", "due_at": NOW}
    said |= {"new_email": "n***@example.org", "due_at": None}
    occurred_at = expires_at - kind.secret_for if kind.secret_for else NOW
    return kind.model_validate({"event_id": id, "structure": "all", "occurred_at": occurred_at, **said})


@pytest.mark.parametrize("kind", [kind for kind in BY_TYPE.values() if kind.secret], ids=lambda kind: kind.name)
async def test_the_outbox_forgets_what_was_secret_once_it_went_out_and_opens_nothing_any_more(
    toy: Make, nats_url: str, kind: type[Event]
) -> None:
    speaker = await toy(nats_url, start=False)
    over, good = NOW - dt.timedelta(seconds=1), NOW + dt.timedelta(seconds=1)
    async with speaker.database.transaction() as session:
        record(session, link(kind, "over", over), link(kind, "good", good), link(kind, "waiting", over))
    async with speaker.database.transaction() as session:
        await session.exec(update(Outgoing).where(col(Outgoing.event_id) != "waiting").values(published=True))
    for _ in range(2):
        async with speaker.database.transaction() as session:
            await forget_secrets(session, NOW)
    async with speaker.database.reading() as session:
        rows = (await session.exec(select(Outgoing))).all()
    heard = {row.event_id: read(row.event_id, row.type, row.occurred_at.isoformat(), row.body.encode()) for row in rows}
    said = {id: event.model_dump(include=set(kind.secret)) for id, event in heard.items() if event is not None}
    assert said["over"] == dict.fromkeys(kind.secret, ""), "it can be told again, and says nothing"
    assert all(all(said[id].values()) for id in ("good", "waiting"))
    async with speaker.database.reading() as session:
        assert [row.event_id for row in (await session.exec(select(Withdrawal))).all()] == ["over"], "the stream's copy goes, too"


async def heard_of(running: Running, *families: str) -> bool:
    return set(families) <= set(await standings(running))


async def everything_left(running: Running) -> bool:
    """the outbox is empty"""
    async with running.database.reading() as session:
        said = (await session.exec(select(Outgoing.published))).all()
    return bool(said) and all(said)


async def fewer_than(events: int, running: Running) -> bool:
    """some of those in the outbox have left"""
    return await backlog(running.database) < events


async def connected(running: Running) -> bool:
    return running.bus.connected.is_set()


async def dead_letters(running: Running) -> list[DeadLetter]:
    async with running.database.reading() as session:
        return list((await session.exec(select(DeadLetter))).all())


def test_the_toy_is_no_service_of_the_product() -> None:
    assert Standing.__table__.metadata is ToyTable.metadata  # type: ignore[attr-defined]
    assert "toy" not in Settings.from_environment({}).database_urls
