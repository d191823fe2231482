"""A run, and others at the same moment: another replica, families, agents, death (S35)."""

import asyncio
import os
import signal
import sys
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from services.booking import runs
from services.booking.activity import Scheduled
from services.clock import Clock
from tests.booking.run_town import LOISIRS, TWO_OCLOCK, RunTown
from tests.booking.town import CLOCK, MONDAY, TUESDAY, at_work, books, cancels
from tests.conftest import POSTGRESQL

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
        held = [await town.running.resources["conductor"].run_now("loisirs", "carteville", "agent") for town in two]
    assert held[1] is None, "nobody is left for a second one"
    assert await asked.rows("SELECT count(*) FROM booking WHERE status = 'SUBMITTED'") == [(0,)]
    assert await asked.rows("SELECT count(*) FROM request WHERE decided_at IS NULL") == [(0,)]
    await two[0].is_sound()
    for run, *_ in await runs_held(asked):
        assert await asked.replays(run) == []


@pytest.mark.parametrize(("point", "held"), [("run.before_commit", 0), ("run.after_commit", 1)])
async def test_s35_death_in_the_middle_of_a_run_loses_nothing(running: Any, asked: RunTown, point: str, held: int) -> None:
    url = asked.running.settings.database_urls["booking"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.booking.dies", url, TWO_OCLOCK.isoformat(), env={**os.environ, "PREAU_CRASH_AT": point}
    )
    assert await process.wait() == -signal.SIGKILL
    assert len(await runs_held(asked)) == held
    await asked.is_sound()
    for town in await at_two(running, asked):
        await town.running.resources["conductor"].look()
    assert await runs_held(asked) == [("loisirs/1", 2, 22, 0)]
    assert len(await asked.told("request_decided")) == 24
    await asked.is_sound()
    assert await asked.replays() == []


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
