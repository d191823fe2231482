"""Many at once: several processes on one database, the last place, equal keys, cancelling while the line moves."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from services.booking import allocator, commands, office
from services.booking.allocation import Board, Claim
from services.booking.counter import expire_passed
from services.booking.invariants import violations
from services.booking.lines import Enrolled
from services.booking.tables import partition_of
from services.clock import Clock
from services.events import FamilyChanged
from tests.booking.town import CLOCK, MONDAY, NOW, TUESDAY, Town, at_work, books, caller, cancels, date_in
from tests.conftest import POSTGRESQL
from tests.facts import until

FAMILIES = [f"famille-{n}" for n in range(30)]


@pytest.fixture
async def idle(running: Any) -> list[Town]:
    """Two processes on one database, each with its desk and its allocator, and nothing at work in them; 30 families."""
    first = Town(await running("booking", clock=CLOCK, start=False))
    second = Town(await running("booking", clock=CLOCK, start=False, url=first.running.settings.database_urls["booking"]))
    await first.opens(waiting_list=0)
    for family in FAMILIES:
        await first.household(family)
    return [first, second]


@pytest.fixture
async def two(idle: list[Town]) -> AsyncIterator[list[Town]]:
    async with at_work(*idle):
        yield idle


async def everybody_asks(towns: Sequence[Town], families: Sequence[str], *days: dt.date) -> list[list[str]]:
    lines = days or (MONDAY,)
    return await asyncio.gather(
        *(towns[index % len(towns)].submits(family, *(books(family, day) for day in lines)) for index, family in enumerate(families))
    )


async def test_thirty_families_want_the_last_place_and_one_has_it(two: list[Town]) -> None:
    answers = await everybody_asks(two, FAMILIES)
    assert sorted(answers) == [["ACCEPTED"], *[["REFUSED FULL"]] * 29]
    await two[0].is_sound()


async def test_to_look_and_then_to_write_sells_the_last_place_many_times(two: list[Town]) -> None:
    """The negative control: what the test above would find if the counter looked first and wrote afterwards."""
    town = two[0]
    await town.submits("famille-0")
    await town.submits("famille-0", cancels("famille-0"))
    everybody_has_looked = asyncio.Barrier(10)

    async def naive(family: str) -> None:
        taken = await town.rows("SELECT count(*) FROM booking WHERE status = 'ACCEPTED'")
        await everybody_has_looked.wait()
        if taken == [(0,)]:
            async with town.running.database.transaction() as session:
                insert = """INSERT INTO booking (id, number, line, family, child, activity, structure, date, arrival, departure, status,
                              position, requested_at, decided_at, version)
                            VALUES (:id, :id, 0, :id, :id, 'cantine', 'carteville', :date, '11:00', '15:20', 'ACCEPTED',
                              :position, :now, :now, 1)"""
                now = CLOCK.now().isoformat(" ") if town.running.database.is_sqlite else CLOCK.now()
                values = {"id": family, "date": date_in(town, MONDAY), "position": int(family[8:]) + 10**6, "now": now}
                await (await session.connection()).execute(text(insert), values)

    await asyncio.gather(*(naive(family) for family in FAMILIES[:10]))
    async with town.running.database.reading() as session:
        found = await violations(session, CLOCK.now())
    assert "more places of cantine on 2026-11-30 are taken (10) than it may give (1)" in found


async def test_the_database_itself_refuses_one_place_too_many(two: list[Town]) -> None:
    town = two[0]
    await town.submits("famille-0")
    with pytest.raises(IntegrityError):
        async with town.running.database.transaction() as session:
            await (await session.connection()).execute(text("UPDATE opening SET taken = taken + 1"))


async def test_a_rush_on_many_days_through_two_allocators_leaves_every_count_right(two: list[Town]) -> None:
    town = two[0]
    await town.opens(capacity=7, waiting_list=3)
    days = [MONDAY + dt.timedelta(days=n) for n in (0, 1, 3, 4, 7, 8)]
    answers = await everybody_asks(two, FAMILIES, *days)
    told = [answer for family in answers for answer in family]
    assert {answer: told.count(answer) for answer in set(told)} == {"ACCEPTED": 42, "WAITLISTED": 18, "REFUSED FULL": 120}
    assert len(await town.told("request_decided")) == 30
    await town.is_sound()


async def test_the_same_key_in_two_processes_at_once_is_one_request(two: list[Town]) -> None:
    order = two[0].order("famille-0", key="once")
    answers = await asyncio.gather(*(town.desk.submit(caller("famille-0"), order) for town in two * 5))
    assert len(set(answers)) == 1
    assert await two[0].rows("SELECT count(*) FROM request") == [(1,)]
    await two[0].is_sound()


async def test_to_look_for_a_key_and_then_to_write_it_fails(two: list[Town]) -> None:
    """The negative control: without the counter's lock both find nothing, and the table refuses the second."""
    town = two[0]
    both_have_looked = asyncio.Barrier(2)

    async def naive(id_: str) -> None:
        found = await town.rows("SELECT id FROM request WHERE family = 'famille-0' AND idempotency_key = 'once'")
        await both_have_looked.wait()
        if not found:
            async with town.running.database.transaction() as session:
                insert = """INSERT INTO request (id, seq, number, family, structure, account, idempotency_key, fingerprint,
                              accept_waiting_list, lines, language, partition, submitted_at)
                            VALUES (:id, :seq, :id, 'famille-0', 'carteville', 'a', 'once', 'f', true, 0, 'fr', 99, :now)"""
                now = CLOCK.now().isoformat(" ") if town.running.database.is_sqlite else CLOCK.now()
                await (await session.connection()).execute(text(insert), {"id": id_, "seq": -int(id_), "now": now})

    results = await asyncio.gather(naive("1"), naive("2"), return_exceptions=True)
    assert [type(result) for result in results if result is not None] == [IntegrityError]


async def test_cancelling_while_the_line_moves_gives_each_place_once(two: list[Town]) -> None:
    town = two[0]
    await town.opens(waiting_list=None)
    for turn in range(8):
        first, *line = FAMILIES[turn * 3 : turn * 3 + 3]
        for family in (first, *line):
            await town.submits(family)
        holder, *_ = (await town.line_up())["ACCEPTED"]
        leaving = {holder, line[0]}
        newcomer = next(family for family in FAMILIES[24 + turn % 5 :] if family not in leaving)
        await asyncio.gather(
            *(two[index % 2].submits(family, cancels(family)) for index, family in enumerate(sorted(leaving))),
            two[0].submits(newcomer),
        )
        now = await town.line_up()
        assert len(now["ACCEPTED"]) == 1
        assert leaving.isdisjoint(now["ACCEPTED"] + now["WAITLISTED"])
        await town.is_sound()
    assert len(await town.told("place_given", "accepted")) >= 8


async def test_the_town_takes_places_back_while_families_come_and_go(two: list[Town]) -> None:
    town = two[0]
    await town.opens(waiting_list=None)

    answered, few_at_a_time = 0, asyncio.Semaphore(4)  # All at once, they would be answered together, before or after the town.

    async def so_many(number: int) -> bool:
        """families were answered"""
        return answered >= number

    async def town_changes_its_mind() -> None:
        for after, capacity in ((4, 5), (8, 2), (14, 8), (18, 0), (22, 3)):
            await until(partial(so_many, after))
            await two[1].opens(capacity=capacity, waiting_list=None)

    async def comes_and_goes(index: int, family: str) -> None:
        nonlocal answered
        async with few_at_a_time:
            await two[index % 2].submits(family)
            answered += 1
            if index % 3 == 0:
                await two[index % 2].submits(family, cancels(family))

    await asyncio.gather(town_changes_its_mind(), *(comes_and_goes(index, family) for index, family in enumerate(FAMILIES)))
    await town.is_sound()
    now = await town.line_up()
    assert (len(now["ACCEPTED"]) + len(now["WAITLISTED"]), len(now["ACCEPTED"]) >= 3) == (20, True)
    await two[1].opens(capacity=12, waiting_list=None)
    promoted = 12 - len(now["ACCEPTED"])
    assert (await town.line_up())["WAITLISTED"] == now["WAITLISTED"][promoted:]
    await town.is_sound()


@pytest.fixture
def without_the_turn(monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """Whoever reads first has read when the first of these is set, and writes when the second one is."""
    has_read, may_write, read = asyncio.Event(), asyncio.Event(), allocator.open_docket

    async def no_turn(*_: Any) -> None:
        pass

    async def dawdles(*asked: Any) -> Any:
        docket = await read(*asked)
        if not has_read.is_set():
            has_read.set()
            await may_write.wait()
        return docket

    for module in (allocator, commands):
        for name, instead in (("take_turn", no_turn), ("take_turn_of", no_turn), ("open_docket", dawdles)):
            monkeypatch.setattr(module, name, instead, raising=False)
    return has_read, may_write


async def a_rush(first: Town, second: Town) -> tuple[Any, Any]:
    days = [MONDAY, TUESDAY]
    await first.opens(capacity=7, waiting_list=3)
    await first.asks(FAMILIES[0], *(books(FAMILIES[0], day) for day in days))
    wishes = [first.order(family, *(books(family, day) for day in days)) for family in FAMILIES[1:]]
    await first.writes(*wishes[:3])

    async def many_more() -> None:
        await second.writes(*wishes[3:])
        await second.decides()

    return first.decides(), many_more()


async def the_line_moves(first: Town, second: Town) -> tuple[Any, Any]:
    await first.opens(waiting_list=None)
    for family in FAMILIES[:3]:
        await first.asks(family)
    await first.writes(first.order(FAMILIES[0], cancels(FAMILIES[0])))

    async def the_next_one_leaves() -> None:
        await second.writes(second.order(FAMILIES[1], cancels(FAMILIES[1])))
        await second.decides()

    return first.decides(), the_next_one_leaves()


async def the_town_gives_more(first: Town, second: Town) -> tuple[Any, Any]:
    await first.asks(FAMILIES[0])
    return first.opens(capacity=3), second.asks(FAMILIES[0], cancels(FAMILIES[0]), key="gives it back")


@pytest.mark.skipif(not POSTGRESQL, reason="SQLite has one writer: there is nothing to race")
@pytest.mark.parametrize(
    ("race", "sentence"),
    [(a_rush, "counts 7 taken"), (the_line_moves, "more places"), (the_town_gives_more, "counts 1 taken")],
    ids=["rush", "line", "town"],
)
async def test_whoever_writes_what_it_read_before_another_wrote_is_noticed(
    idle: list[Town], request: pytest.FixtureRequest, race: Callable[..., Awaitable[tuple[Any, Any]]], sentence: str
) -> None:
    """The negative control of the rush, of the line that moves, and of the town that changes its mind: what the turn is for."""
    dawdling, meanwhile = await race(*idle)
    has_read, may_write = request.getfixturevalue("without_the_turn")
    first = asyncio.create_task(dawdling)
    await has_read.wait()
    await meanwhile
    may_write.set()
    await first
    async with idle[0].running.database.reading() as session:
        found = await violations(session, CLOCK.now())
    assert any(sentence in one for one in found), found


async def ten_give_back_at_once(two: list[Town]) -> None:
    await two[0].opens(capacity=10, waiting_list=None)
    for family in FAMILIES:
        await two[0].submits(family)
    await asyncio.gather(*(two[index % 2].submits(family, cancels(family)) for index, family in enumerate(FAMILIES[:10])))


async def test_places_given_back_at_once_go_to_the_first_in_line_each_once(two: list[Town]) -> None:
    town = two[0]
    await ten_give_back_at_once(two)
    assert await town.line_up() == {"ACCEPTED": FAMILIES[10:20], "WAITLISTED": FAMILIES[20:]}
    assert sorted(body["family"] for _, body in await town.told("place_given")) == FAMILIES[10:20]
    assert len([body for _, body in await town.told("accepted") if body["from_waiting_list"]]) == 10
    await town.is_sound()


def to_the_last(board: Board, key: Any) -> list[Claim]:
    opening = board.openings[key]
    opening.taken -= 1
    line, opening.line = opening.line, opening.line[-1:]
    given = board.serve(key)
    opening.line = [claim for claim in line if claim not in given]
    return given


def to_nobody(board: Board, key: Any) -> list[Claim]:
    board.openings[key].taken -= 1
    return []


def to_two(board: Board, key: Any) -> list[Claim]:
    opening = board.openings[key]
    opening.taken -= 2
    given = board.serve(key)
    opening.taken = 10
    return given


@pytest.mark.parametrize(
    ("naive", "sentence"),
    [(to_the_last, "overtook"), (to_nobody, "where a place is free"), (to_two, "more places")],
    ids=["last", "nobody", "two"],
)
async def test_a_place_that_is_given_back_to_others_is_noticed(
    two: list[Town], monkeypatch: pytest.MonkeyPatch, naive: Any, sentence: str
) -> None:
    """The negative control."""
    monkeypatch.setattr(Board, "give_back", naive)
    await ten_give_back_at_once(two)
    assert (await two[0].line_up())["ACCEPTED"] != FAMILIES[10:20]
    async with two[0].running.database.reading() as session:
        assert any(sentence in found for found in await violations(session, CLOCK.now()))


# ----------------------------------------------------------------------------------------------- two replicas, one decision
@pytest.fixture
async def waiting(running: Any) -> list[Town]:
    """A family has the place, another waits, and gives it back or not: two replicas, and nothing at work in them."""
    first = Town(await running("booking", clock=CLOCK, start=False))
    second = Town(await running("booking", clock=CLOCK, start=False, url=first.running.settings.database_urls["booking"]))
    await first.opens(waiting_list=None)
    for family in FAMILIES[:3]:
        await first.household(family)
        await first.asks(family)
    return [first, second]


async def the_deadline_passes(towns: Sequence[Town], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Both see at once who waits in vain. Who was told that they did?"""
    both_have_looked, look = asyncio.Barrier(2), commands.passed

    async def looks(*asked: Any) -> Any:
        found = await look(*asked)
        await both_have_looked.wait()
        return found

    monkeypatch.setattr(commands, "passed", looks)
    for town in towns:
        town.running.clock = Clock(frozen_at=CLOCK.now() + dt.timedelta(days=20))
    await asyncio.gather(*(expire_passed(town.running) for town in towns))
    return [body["family"] for _, body in await towns[0].told("expired")]


async def both_decide(towns: Sequence[Town], _: pytest.MonkeyPatch) -> list[str]:
    """One request, two allocators. Who was given the place that it gives back?"""
    await towns[0].writes(towns[0].order(FAMILIES[0], cancels(FAMILIES[0])))
    await asyncio.gather(*(town.decides() for town in towns))
    return [body["family"] for _, body in await towns[0].told("place_given")]


async def test_two_replicas_at_a_deadline_tell_each_who_waited_once(waiting: list[Town], monkeypatch: pytest.MonkeyPatch) -> None:
    assert await the_deadline_passes(waiting, monkeypatch) == FAMILIES[1:3]
    assert await waiting[0].line_up() == {"ACCEPTED": FAMILIES[:1], "WAITLISTED": []}


async def test_two_allocators_at_one_request_promote_once(waiting: list[Town], monkeypatch: pytest.MonkeyPatch) -> None:
    assert await both_decide(waiting, monkeypatch) == FAMILIES[1:2]
    assert len(await waiting[0].told("request_decided")) == 4
    await waiting[0].is_sound()


@pytest.mark.skipif(not POSTGRESQL, reason="SQLite has one writer: there is nothing to race")
@pytest.mark.parametrize(
    ("module", "race", "told"),
    [(commands, the_deadline_passes, FAMILIES[1:3] * 2), (allocator, both_decide, FAMILIES[1:2] * 2)],
    ids=["deadline", "promotion"],
)
async def test_without_the_turn_both_replicas_do_it(
    waiting: list[Town],
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    race: Callable[[Sequence[Town], pytest.MonkeyPatch], Awaitable[list[str]]],
    told: list[str],
) -> None:
    """The negative control: both read before either writes."""
    both_have_read, read = asyncio.Barrier(2), module.open_docket

    async def no_turn(*_: Any) -> None:
        pass

    async def opens(*asked: Any) -> Any:
        docket = await read(*asked)
        await both_have_read.wait()
        return docket

    for name, instead in (("take_turn", no_turn), ("take_turn_of", no_turn), ("open_docket", opens)):
        monkeypatch.setattr(module, name, instead, raising=False)
    assert sorted(await race(waiting, monkeypatch)) == sorted(told)


# ------------------------------------------------------------------------------------- a child goes to another family meanwhile
async def hears(town: Town, *families: FamilyChanged) -> None:
    async with town.running.database.transaction("reaction") as session:
        for family in families:
            await commands.hear_family(session, family)


def changed(family: str, *children: str, structure: str = "carteville", version: int = 2) -> FamilyChanged:
    return FamilyChanged(occurred_at=NOW, structure=structure, version=version, family=family, adults=[], children=list(children))


async def a_child_goes_while_it_is_admitted(towns: Sequence[Town], monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """An agent has read whose child it is, and not yet written it, when the news come to the other replica. Whose is it then?"""
    await towns[0].opens(id="etude")
    has_read, may_write, put = asyncio.Event(), asyncio.Event(), office.put_enrollment

    async def stops_before(*args: Any) -> None:
        has_read.set()
        await may_write.wait()
        await put(*args)

    monkeypatch.setattr(office, "put_enrollment", stops_before)

    async def admits() -> None:
        async with towns[0].running.database.transaction() as session:
            agent = office.Agent("agent", "carteville")
            await office.enroll(session, CLOCK, agent, FAMILIES[0], "etude", Enrolled(None, None))

    async def somebody_waits() -> bool:
        """a statement waits for another transaction"""
        here = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return await towns[0].rows(here) == [(1,)]

    admitting = asyncio.create_task(admits())
    await has_read.wait()
    hearing = asyncio.create_task(hears(towns[1], changed(FAMILIES[1], FAMILIES[1], FAMILIES[0])))
    waiting = asyncio.create_task(until(somebody_waits))
    await asyncio.wait([hearing, waiting], return_when=asyncio.FIRST_COMPLETED)
    may_write.set()
    await asyncio.gather(admitting, hearing)
    waiting.cancel()
    query = "SELECT activity, enrollment.family FROM enrollment WHERE child = :child ORDER BY activity"
    return await towns[0].rows(query, child=FAMILIES[0])


@pytest.mark.skipif(not POSTGRESQL, reason="SQLite has one writer: there is nothing to race")
async def test_a_child_that_is_admitted_while_it_goes_to_another_family_is_admitted_as_theirs(
    waiting: list[Town], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await a_child_goes_while_it_is_admitted(waiting, monkeypatch) == [("cantine", FAMILIES[1]), ("etude", FAMILIES[1])]


@pytest.mark.skipif(not POSTGRESQL, reason="SQLite has one writer: there is nothing to race")
async def test_without_the_turn_it_is_admitted_as_the_old_familys(waiting: list[Town], monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control."""

    async def no_turn(*_: Any) -> None:
        pass

    monkeypatch.setattr(commands, "take_turn_of", no_turn)
    assert await a_child_goes_while_it_is_admitted(waiting, monkeypatch) == [("cantine", FAMILIES[1]), ("etude", FAMILIES[0])]


async def test_families_of_many_towns_are_heard_together_in_one_order_of_turns(
    waiting: list[Town], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the order of the news: two replicas would otherwise wait for each other."""
    turns, take = list[int](), commands.take_turn_of

    async def noted(session: Any, partition: int) -> None:
        turns.append(partition)
        await take(session, partition)

    monkeypatch.setattr(commands, "take_turn_of", noted)
    towns = sorted(("carteville", "autreville", "merville", "boisville"), key=partition_of, reverse=True)
    assert len({partition_of(town) for town in towns}) > 2
    await hears(waiting[0], *(changed(f"{town}-{n}", structure=town) for n in range(2) for town in towns))
    assert turns == sorted({partition_of(town) for town in towns})
