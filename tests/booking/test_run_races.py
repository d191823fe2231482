"""A run, and others at the same moment: another replica, families, agents, death (S35)."""

import asyncio
import datetime as dt
import signal
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from services.booking import commands, runs
from services.booking.activity import Immediate, Scheduled
from services.booking.allocator import queue_again, set_aside
from services.booking.intake import Asked, take_in
from services.booking.invariants import violations
from services.booking.order import Order
from services.booking.tables import partition_of
from services.clock import Clock
from services.events import FamilyChanged
from tests.booking.run_town import LOISIRS, TWO_OCLOCK, RunTown
from tests.booking.town import CLOCK, MONDAY, NOW, TUESDAY, at_work, books, caller, cancels, date_in
from tests.conftest import POSTGRESQL
from tests.facts import until
from tests.forked import ended

FAMILIES = [f"f{n}" for n in range(24)]


async def at_two(running: Any, town: RunTown) -> list[RunTown]:
    """The same database, later: two replicas when the hour has come."""
    url, clock = town.running.settings.database_urls["booking"], Clock(frozen_at=TWO_OCLOCK)
    return [RunTown(await running("booking", clock=clock, start=False, url=url), keys_from=n * 1000) for n in (1, 2)]


@pytest.fixture
async def asked(running: Any) -> RunTown:
    """24 families wait for two places."""
    town = RunTown(await running("booking", clock=CLOCK, start=False))
    await town.opens(capacity=5, waiting_list=None)
    await town.founds(*FAMILIES, waiting_list=None)
    await town.writes(*(town.order(family, books(family, MONDAY, "loisirs")) for family in FAMILIES))
    await town.decides()
    return town


async def runs_held(town: RunTown) -> list[tuple[Any, ...]]:
    return await town.rows("SELECT id, accepted, waitlisted, refused FROM allocation_run WHERE ran_at IS NOT NULL")


async def test_two_replicas_at_the_hour_hold_a_run_once(running: Any, asked: RunTown) -> None:
    two = await at_two(running, asked)
    await asyncio.gather(*(town.running.resources["conductor"].look() for town in two * 3))
    assert await runs_held(asked) == [("loisirs/1", 2, 22, 0)]
    assert len(await asked.told("request_decided")) == 24
    await asked.is_sound()
    assert await asked.replays() == []


async def test_a_run_that_an_agent_asks_for_twice_at_once_is_held_once_and_told_twice(running: Any, asked: RunTown) -> None:
    two = await at_two(running, asked)
    by_agent = runs.Asked("agent", "key")
    told = await asyncio.gather(*(town.running.resources["conductor"].run_now("loisirs", "carteville", by_agent) for town in two * 2))
    assert [one and one.id for one in told] == ["loisirs/1"] * 4
    assert len(await runs_held(asked)) == 1
    assert await asked.rows("SELECT kind FROM act") == [("RUN_ALLOCATION",)]
    await asked.is_sound()


@pytest.mark.parametrize("key", ["key", "another"])
async def test_of_two_lists_that_one_key_has_closed_one_is_run_though_somebody_asked_in_between(asked: RunTown, key: str) -> None:
    """By another key the second one is run, too."""

    async def closes(key: str) -> tuple[runs.Until, runs.Asked]:
        by_agent = runs.Asked("agent", key)
        async with asked.running.database.transaction() as session:
            until = await runs.close_list(session, asked.book, CLOCK, "loisirs", by_agent)
        assert until is not None
        return until, by_agent

    async def holds(until: runs.Until, by_agent: runs.Asked) -> str | None:
        async with asked.running.database.transaction("run") as session:
            held = await runs.hold(session, asked.book, CLOCK, "loisirs", until, by_agent)
            return None if held is None else held.id

    first = await closes("key")
    await asked.asks(FAMILIES[0], books(FAMILIES[0], TUESDAY, "loisirs"))
    second = await closes(key)
    assert await holds(*first) == "loisirs/1"
    assert await holds(*second) == (None if key == "key" else "loisirs/2")


@pytest.mark.skipif(not POSTGRESQL, reason="SQLite has one writer: there is nothing to race")
async def test_without_the_turn_both_replicas_decide_and_only_a_key_of_the_table_stops_the_second(
    running: Any, asked: RunTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control."""
    both_have_read, hear = asyncio.Barrier(2), runs._hear

    async def no_turn(*_: Any) -> None:
        pass

    async def read_together(*args: Any) -> Any:
        heard = await hear(*args)
        await both_have_read.wait()
        return heard

    monkeypatch.setattr(runs, "take_turn", no_turn)
    monkeypatch.setattr(runs, "_hear", read_together)
    results = await asyncio.gather(*(town.holds_run() for town in await at_two(running, asked)), return_exceptions=True)
    assert [type(result) for result in results if isinstance(result, Exception)] == [IntegrityError]


async def test_a_run_in_the_middle_of_a_rush_forgets_nobody_and_oversells_nothing(running: Any, asked: RunTown) -> None:
    """Families ask, cancel, and take places of another activity, through both replicas, while both want to hold the run."""
    two = await at_two(running, asked)

    async def comes_and_goes(index: int, family: str) -> None:
        town = two[index % 2]
        await town.submits(family, books(family), books(family, TUESDAY, "loisirs"))
        if index % 3 == 0:
            await town.submits(family, cancels(family, MONDAY, "loisirs"))

    async with at_work(*two):
        looks = [two[n % 2].running.resources["conductor"].look() for n in range(8)]
        await asyncio.gather(*(comes_and_goes(index, family) for index, family in enumerate(FAMILIES)), *looks)
        held = [await town.running.resources["conductor"].run_now("loisirs", "carteville", runs.Asked("agent")) for town in two]
    assert held[1] is None, "nobody is left for a second one"
    assert await asked.rows("SELECT count(*) FROM booking WHERE status = 'SUBMITTED'") == [(0,)]
    assert await asked.rows("SELECT count(*) FROM request WHERE decided_at IS NULL") == [(0,)]
    await two[0].is_sound()
    for run, *_ in await runs_held(asked):
        assert await asked.replays(run) == []


@pytest.mark.parametrize(("point", "held"), [("run.before_commit", 0), ("run.after_commit", 1)])
async def test_s35_death_in_the_middle_of_a_run_loses_nothing(running: Any, asked: RunTown, point: str, held: int) -> None:
    url = asked.running.settings.database_urls["booking"]
    assert await ended("tests.booking.dies", url, TWO_OCLOCK.isoformat(), PREAU_CRASH_AT=point) == -signal.SIGKILL
    assert len(await runs_held(asked)) == held
    await asked.is_sound()
    for town in await at_two(running, asked):
        await town.running.resources["conductor"].look()
    assert await runs_held(asked) == [("loisirs/1", 2, 22, 0)]
    assert len(await asked.told("request_decided")) == 24
    await asked.is_sound()
    assert await asked.replays() == []


class Ticking(Clock):
    """It says what it is told to say."""

    at = TWO_OCLOCK

    def now(self) -> dt.datetime:
        return self.at


async def somebody_waits_for_a_lock(town: RunTown) -> None:
    async def so() -> bool:
        """a statement waits for another transaction"""
        here = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return await town.rows(here) == [(1,)]

    await until(so)


@pytest.mark.skipif(not POSTGRESQL, reason="SQLite has one writer: whoever writes waits for the run")
async def test_families_are_answered_while_a_run_is_being_written(running: Any, asked: RunTown, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of another town at once; those of the same one are in the tables, and are answered after the run."""
    assert partition_of("autreville") != partition_of("carteville")
    await asked.opens(id="ailleurs", structure="autreville")
    async with asked.running.database.transaction() as session:
        heard = FamilyChanged(occurred_at=NOW, structure="autreville", version=1, family="loin", adults=[], children=["zoe"])
        await commands.hear_family(session, heard)
        await commands.put_enrollment(session, CLOCK, "zoe", "loin", "autreville", "ailleurs")
    writing, go_on, write = asyncio.Event(), asyncio.Event(), runs.write

    async def stops_in_the_middle(*args: Any) -> None:
        writing.set()
        await go_on.wait()
        await write(*args)

    monkeypatch.setattr(runs, "write", stops_in_the_middle)
    holds, asks = await at_two(running, asked)
    held = asyncio.create_task(holds.holds_run())
    await writing.wait()
    async with asyncio.timeout(30), at_work(asks):
        order = Order("loin", "key", (books("zoe", MONDAY, "ailleurs"),))
        request = await asks.desk.submit(caller("loin", "autreville"), order)
        assert await asks.answers(request) == ["ACCEPTED"]
        (late,) = await asks.writes(asks.order("f0"))
        assert isinstance(late, str)
        go_on.set()
        run = await held
        assert run is not None
        assert (run.accepted, run.waitlisted) == (2, 22)
        await asks.decides()
        assert await asks.answers(late) == ["ACCEPTED"]
    await asked.is_sound()
    assert await asked.replays() == []


async def test_s35_who_asked_a_microsecond_before_the_hour_is_in_the_run_and_who_asked_at_the_hour_is_not(
    running: Any, asked: RunTown
) -> None:
    """At two replicas, whose families come to the counter in whatever order."""
    url = asked.running.settings.database_urls["booking"]
    clock = Clock(frozen_at=TWO_OCLOCK - dt.timedelta(microseconds=1))
    early = RunTown(await running("booking", clock=clock, start=False, url=url), keys_from=3000)
    (late, _) = await at_two(running, asked)
    for town, family in ((late, "f0"), (early, "f1"), (late, "f2")):
        await town.writes(town.order(family, books(family, TUESDAY, "loisirs")))
    await late.decides()
    await late.running.resources["conductor"].look()
    tuesday = "SELECT child, status FROM booking WHERE date = :date AND activity = 'loisirs' ORDER BY position"
    assert await asked.rows(tuesday, date=date_in(asked, TUESDAY)) == [("f0", "SUBMITTED"), ("f1", "ACCEPTED"), ("f2", "SUBMITTED")]
    await late.is_sound()
    run = await late.holds_run(TWO_OCLOCK + dt.timedelta(days=1))
    assert run is not None
    assert (run.accepted, run.waitlisted) == (1, 1)
    await late.is_sound()


async def test_s35_a_run_waits_until_the_allocator_has_looked_at_all_who_were_in_time(running: Any, asked: RunTown) -> None:
    await asked.writes(asked.order("f0", books("f0", TUESDAY, "loisirs")))
    (town, _) = await at_two(running, asked)
    await town.running.resources["conductor"].look()
    assert await runs_held(asked) == []
    await town.decides()
    await town.running.resources["conductor"].look()
    assert await runs_held(asked) == [("loisirs/1", 3, 22, 0)]
    await town.is_sound()


@pytest.mark.skipif(not POSTGRESQL, reason="SQLite has one writer: there is nothing to race")
async def test_s35_a_request_of_the_last_moment_that_is_still_being_written_is_waited_for(running: Any, asked: RunTown) -> None:
    """Otherwise it would be in time for a run that has been held, and wait for the next day's."""
    url = asked.running.settings.database_urls["booking"]
    clock = Clock(frozen_at=TWO_OCLOCK - dt.timedelta(microseconds=1))
    early = RunTown(await running("booking", clock=clock, start=False, url=url), keys_from=1000)
    (replica, _) = await at_two(running, asked)
    async with early.running.database.transaction("intake") as session:
        await take_in(session, early.book, clock, [Asked("f0", "carteville", early.order("f0", books("f0", TUESDAY, "loisirs")))])
        looking = asyncio.create_task(replica.running.resources["conductor"].look())
        await somebody_waits_for_a_lock(asked)
    await looking
    assert await runs_held(asked) == [], "first the allocator looks at it"
    await replica.decides()
    await replica.running.resources["conductor"].look()
    assert await runs_held(asked) == [("loisirs/1", 3, 22, 0)]
    await replica.is_sound()


@pytest.mark.skipif(not POSTGRESQL, reason="SQLite has one writer: there is nothing to race")
async def test_s35_who_comes_to_the_counter_after_the_list_was_closed_asked_after_it(running: Any, asked: RunTown) -> None:
    """However long before it came into the house."""
    url, clock = asked.running.settings.database_urls["booking"], Ticking()
    Ticking.at = TWO_OCLOCK - dt.timedelta(seconds=1)
    early = RunTown(await running("booking", clock=clock, start=False, url=url), keys_from=1000)
    (replica, _) = await at_two(running, asked)
    async with replica.running.database.transaction() as session:
        assert await runs.close_list(session, replica.book, replica.clock, "loisirs") is not None
        writing = asyncio.create_task(early.writes(early.order("f0", books("f0", TUESDAY, "loisirs"))))
        await somebody_waits_for_a_lock(asked)
        Ticking.at = TWO_OCLOCK
    (request,) = await writing
    ((submitted_at,),) = await asked.rows("SELECT submitted_at FROM request WHERE id = :id", id=request)
    assert submitted_at == TWO_OCLOCK


async def test_a_run_whose_list_was_closed_before_another_run_was_held_closes_it_again(running: Any, asked: RunTown) -> None:
    """For who waits after the other one has higher numbers: nobody who waited before may be overtaken."""
    first, second = await at_two(running, asked)
    await first.opens(LOISIRS, id="etude", allocation=Scheduled("02:00", "arrival"))
    async with first.running.database.transaction() as session:
        until_then = await runs.close_list(session, first.book, first.clock, "loisirs")
    assert until_then is not None
    await asked.household("f0", activities=("etude",), version=2)
    await asked.asks("f0", books("f0", MONDAY, "etude"))
    assert await second.holds_run(activity="etude", account="agent") is not None
    with pytest.raises(runs.NotYet):
        async with first.running.database.transaction("run") as session:
            await runs.hold(session, first.book, first.clock, "loisirs", until_then)
    await first.running.resources["conductor"].look()
    assert sorted(run for run, *_ in await runs_held(asked)) == ["etude/1", "loisirs/1"]
    await first.is_sound()


async def test_s35_a_request_that_was_set_aside_enters_no_run(running: Any, asked: RunTown) -> None:
    """What broke the allocator would break the run, each second again, and nobody would be answered."""
    poison, good = (asked.order(family, books(family, TUESDAY, "loisirs")) for family in ("f0", "f1"))
    await asked.writes(poison, good)
    async with asked.running.database.transaction() as session:
        (aside,) = await set_aside(session, asked.clock, partition_of("carteville"))
    await asked.decides()
    (town, _) = await at_two(running, asked)
    await town.running.resources["conductor"].look()
    assert await runs_held(asked) == [("loisirs/1", 3, 22, 0)]
    assert await asked.answers(aside) == ["SUBMITTED"]
    async with asked.running.database.reading() as session:
        assert await violations(session, TWO_OCLOCK) == [f"request {aside} was set aside: its line 0 on loisirs was never answered"]
    # A line of it that its family gives back has it served again; nothing is wrong with it any more.
    async with asked.running.database.transaction() as session:
        await queue_again(session, [aside])
    await town.decides()
    assert await town.holds_run(TWO_OCLOCK + dt.timedelta(days=1)) is not None
    assert await asked.answers(aside) == ["ACCEPTED"]
    await town.is_sound()


async def test_a_run_that_fails_keeps_no_other_from_being_held(running: Any, asked: RunTown, monkeypatch: pytest.MonkeyPatch) -> None:
    await asked.opens(LOISIRS, id="etude", allocation=Scheduled("02:00", "arrival"))
    await asked.household("f0", activities=("etude",), version=2)
    await asked.asks("f0", books("f0", MONDAY, "etude"))
    decide = runs.decide

    def fails(inputs: Any) -> Any:
        if inputs.run.startswith("etude"):
            raise ValueError("a mistake of ours")
        return decide(inputs)

    (town, _) = await at_two(running, asked)
    monkeypatch.setattr(runs, "decide", fails)
    await town.running.resources["conductor"].look()
    assert [run for run, *_ in await runs_held(asked)] == ["loisirs/1"]
    monkeypatch.setattr(runs, "decide", decide)
    await town.running.resources["conductor"].look()
    assert [run for run, *_ in await runs_held(asked)] == ["loisirs/1", "etude/1"]


async def test_an_activity_that_holds_runs_no_more_when_one_is_due_is_no_trouble(
    running: Any, asked: RunTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The town changes it just after somebody saw that a run is due."""
    look_on = runs.unprepared

    async def changed_meanwhile(session: Any) -> Any:
        await asked.opens(LOISIRS, allocation=Immediate(), waiting_list=None)
        return await look_on(session)

    (town, _) = await at_two(running, asked)
    monkeypatch.setattr(runs, "unprepared", changed_meanwhile)
    monkeypatch.setattr("services.booking.conductor.log", lambda: pytest.fail("there is nothing for operators to look at"))
    await town.running.resources["conductor"].look()
    assert await runs_held(asked) == []
    await town.decides()
    assert await asked.rows("SELECT count(*) FROM booking WHERE status = 'SUBMITTED'") == [(0,)]
    await asked.is_sound()


async def test_what_the_docket_would_answer_otherwise_is_never_committed(asked: RunTown, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = runs.Docket.ask

    def favours_f7(docket: Any, cases: Any, *, may_wait: bool) -> Any:
        return ask(docket, cases, may_wait=may_wait and cases[0].child != "f7")

    monkeypatch.setattr(runs.Docket, "ask", favours_f7)
    await asked.opens(LOISIRS, capacity=0, waiting_list=None)
    with pytest.raises(AssertionError, match="the docket answers"):
        await asked.holds_run()
    assert await runs_held(asked) == []


async def test_a_scheduled_activity_from_before_has_its_seed_drawn_in_the_background(asked: RunTown) -> None:
    async with asked.running.database.transaction() as session:
        await (await session.connection()).exec_driver_sql("DELETE FROM allocation_run")
    await asked.running.resources["conductor"].look()
    ((number, ran_at),) = await asked.rows("SELECT number, ran_at FROM allocation_run")
    assert (number, ran_at) == (1, None)
