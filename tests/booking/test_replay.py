"""A run can be decided again by anybody from what was kept of it, and whatever was changed since is seen."""

from contextlib import suppress
from typing import Any

import pytest

from deploy.replay import replay
from deploy.trouble import Trouble
from services.booking.invariants import violations
from services.booking.replay import differences
from services.booking.tables import AllocationRun
from tests.booking.run_town import LOISIRS, POINTS, TWO_OCLOCK, RunTown, days
from tests.booking.town import CLOCK, MONDAY, books, cancels

FAMILIES = [f"f{n}" for n in range(8)]


@pytest.fixture
async def town(running: Any) -> RunTown:
    """A run by points: two are in, three wait, three have nothing."""
    made = RunTown(await running("booking", clock=CLOCK, start=False))
    await made.opens()
    await made.founds(*FAMILIES, allocation=POINTS, waiting_list=3)
    await made.is_said_of("f5", "resident")
    await made.wishes(*FAMILIES)
    await made.holds_run()
    assert await made.replays() == []
    return made


async def tampers(town: RunTown, statement: str) -> None:
    async with town.running.database.transaction() as session:
        await (await session.connection()).exec_driver_sql(statement)


LAST_PLACED = "(SELECT booking FROM allocation_decision WHERE outcome = 'ACCEPTED' ORDER BY place_order DESC LIMIT 1)"
REFUSED = "(SELECT booking FROM allocation_decision WHERE outcome = 'REFUSED' ORDER BY place_order LIMIT 1)"
WAITS = "(SELECT booking FROM allocation_decision WHERE outcome = 'WAITLISTED' ORDER BY place_order LIMIT 1)"


TAMPERED = [
    (
        f"UPDATE booking SET status = 'REFUSED', code = 'FULL' WHERE id = {LAST_PLACED}",
        LAST_PLACED,
        "decided ACCEPTED, and it is REFUSED FULL",
    ),
    (f"UPDATE booking SET status = 'CANCELLED' WHERE id = {LAST_PLACED}", LAST_PLACED, "decided ACCEPTED, and it is CANCELLED"),
    (
        f"UPDATE booking SET status = 'EXPIRED', version = 9 WHERE id = {LAST_PLACED}",
        LAST_PLACED,
        "decided ACCEPTED, and it is EXPIRED",
    ),
    (f"UPDATE booking SET status = 'ACCEPTED', code = NULL WHERE id = {REFUSED}", REFUSED, "decided REFUSED FULL, and it is ACCEPTED"),
    (f"UPDATE booking SET position = position - 900 WHERE id = {WAITS}", WAITS, "and the run put it at"),
    (f"UPDATE allocation_decision SET rank = 1 WHERE booking = {REFUSED}", REFUSED, "rank is 6 by its inputs, and 1"),
    (f"UPDATE allocation_decision SET points = 99 WHERE booking = {WAITS}", WAITS, "points is 0 by its inputs, and 99"),
    (f"UPDATE allocation_decision SET draw = '00' WHERE booking = {WAITS}", WAITS, "draw is"),
    (
        f"UPDATE allocation_decision SET criteria = '[[\"resident\", 40]]' WHERE booking = {WAITS}",
        WAITS,
        "criteria is [] by its inputs",
    ),
    (f"DELETE FROM allocation_decision WHERE booking = {LAST_PLACED}", LAST_PLACED, "decided ACCEPTED, and no decision is kept"),
]


class _TakenBack(Exception):
    """Nothing of it stays."""


async def test_one_changed_row_is_seen_and_named(town: RunTown) -> None:
    for statement, about, says in TAMPERED:
        ((booking,),) = await town.rows(about[1:-1])
        with suppress(_TakenBack):
            async with town.running.database.transaction() as session:
                await (await session.connection()).exec_driver_sql(statement)
                found = await differences(session, await session.get_one(AllocationRun, "loisirs/1"))
                raise _TakenBack
        assert any(says in sentence for sentence in found), (statement, found)
        assert all(sentence.startswith(f"booking {booking}") for sentence in found), (statement, found)
    assert await town.replays() == []


async def test_inputs_and_seed_cannot_be_changed_afterwards(town: RunTown) -> None:
    await tampers(town, "UPDATE allocation_run SET seed = 'chosen' WHERE number = 1")
    assert await town.replays() == ["its seed is not the one whose SHA-256 was published"]
    await tampers(town, "UPDATE allocation_input SET digest = 'other'")
    assert "its inputs are not those that it saw" in await town.replays()
    await tampers(town, "DELETE FROM allocation_input")
    assert await town.replays() == ["its inputs are not there"]


async def test_what_happens_to_bookings_later_disturbs_nothing(town: RunTown) -> None:
    first, _, third, *_ = await town.order_of()
    await town.asks(first, cancels(first, MONDAY, "loisirs"))
    await town.asks(third, cancels(third, MONDAY, "loisirs"))
    await town.running_at(TWO_OCLOCK)
    await town.asks(first, books(first, MONDAY, "loisirs"))
    await town.holds_run(TWO_OCLOCK + days(1))
    await town.opens(LOISIRS, allocation=POINTS, capacity=9, waiting_list=0)
    assert await town.replays("loisirs/1") == []
    assert await town.replays("loisirs/2") == []
    await town.is_sound()


async def found_by_check(town: RunTown, later: int = 0) -> list[str]:
    async with town.running.database.reading() as session:
        return await violations(session, TWO_OCLOCK + days(later))


async def test_check_says_what_a_run_decided_and_the_booking_is_not(town: RunTown) -> None:
    assert await found_by_check(town) == []
    await tampers(town, f"UPDATE booking SET status = 'CANCELLED' WHERE id = {WAITS}")
    assert any("is CANCELLED , but run loisirs/1 decided WAITLISTED" in sentence for sentence in await found_by_check(town))


async def test_check_says_who_was_in_time_for_a_run_and_was_left_out(town: RunTown) -> None:
    ((booking,),) = await town.rows("SELECT booking FROM allocation_decision WHERE place_order = 8")
    await tampers(town, "DELETE FROM allocation_decision WHERE place_order = 8")
    await tampers(town, f"UPDATE booking SET status = 'SUBMITTED', code = NULL, decided_at = NULL WHERE id = '{booking}'")
    await tampers(town, f"UPDATE request SET decided_at = NULL WHERE id = (SELECT request FROM booking WHERE id = '{booking}')")
    assert f"booking {booking} waits, and was in time for run loisirs/1, which was held" in await found_by_check(town)
    assert "run loisirs/1 counts 8 answers, and 7 are kept" in await found_by_check(town)


async def test_check_says_that_a_run_is_long_due(town: RunTown) -> None:
    await town.running_at(TWO_OCLOCK)
    await town.wishes("f7")
    assert await found_by_check(town) == []
    late = await found_by_check(town, later=2)
    assert late
    assert all("was in time for run loisirs/2 of 2026-11-18 01:00 UTC, which was not held" in sentence for sentence in late)


async def test_the_command_says_which_booking_differs_and_how_it_ends(town: RunTown, capsys: pytest.CaptureFixture[str]) -> None:
    settings = town.running.settings
    assert await replay(settings, "loisirs") is True
    assert await replay(settings, "loisirs/1") is True
    assert capsys.readouterr().out.count("ok       loisirs/1 of 2026-11-17 01:00 UTC, by points: 2 accepted, 3 waiting, 3 refused") == 2
    ((booking,),) = await town.rows("SELECT booking FROM allocation_decision WHERE place_order = 1")
    await tampers(town, f"UPDATE booking SET status = 'REFUSED' WHERE id = '{booking}'")
    assert await replay(settings, "loisirs/1") is False
    told = capsys.readouterr().out
    assert told.startswith("DIFFERS  loisirs/1")
    assert f"booking {booking}: the run decided ACCEPTED, and it is REFUSED" in told
    for unknown in ("loisirs/2", "nowhere/1", "nowhere"):
        with pytest.raises(Trouble):
            await replay(settings, unknown)
