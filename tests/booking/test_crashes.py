"""SIGKILL around each commit of a request: nothing is lost, nothing happens twice, and the same key finds its answer."""

import signal
from typing import Any

import pytest

from tests.booking.dies import ORDERS, move
from tests.booking.town import CLOCK, MONDAY, TUESDAY, Town, at_work
from tests.forked import ended


@pytest.mark.parametrize(
    ("order", "point", "written", "decided"),
    [
        ("submit", "intake.before_commit", 0, 0),
        ("submit", "intake.after_commit", 1, 1),
        ("change", "intake.before_commit", 0, 0),
        ("change", "intake.after_commit", 1, 0),
        ("change", "allocator.before_commit", 1, 0),
        ("change", "allocator.after_commit", 1, 1),
    ],
)
async def test_a_request_survives_the_death_of_the_process(running: Any, order: str, point: str, written: int, decided: int) -> None:
    town = Town(await running("booking", clock=CLOCK, start=False))
    await town.opens()
    await town.household("dupont")
    url = town.running.settings.database_urls["booking"]
    assert await ended("tests.booking.dies", url, order, PREAU_CRASH_AT=point) == -signal.SIGKILL
    assert await town.rows("SELECT count(*), count(decided_at) FROM request") == [(written, decided)]
    async with at_work(town):
        request = await ORDERS[order](town)
        assert await ORDERS[order](town) == request
    assert await town.answers(request) == ["ACCEPTED", "REFUSED UNKNOWN_BOOKING"][: 1 + (order == "change")]
    names = [name for name, _ in await town.told("requested", "accepted", "request_decided")]
    assert names == ["requested", "accepted", "request_decided"]
    await town.is_sound()


@pytest.mark.parametrize("point", ["intake.after_commit", "allocator.before_commit", "allocator.after_commit"])
async def test_a_move_is_done_once_or_not_yet_when_the_process_dies(running: Any, point: str) -> None:
    town = Town(await running("booking", clock=CLOCK, start=False))
    await town.opens()
    await town.household("dupont")
    await town.asks("dupont")
    url = town.running.settings.database_urls["booking"]
    assert await ended("tests.booking.dies", url, "move", PREAU_CRASH_AT=point) == -signal.SIGKILL
    done = point == "allocator.after_commit"
    assert [(await town.line_up(day))["ACCEPTED"] for day in (MONDAY, TUESDAY)] == ([[], ["dupont"]] if done else [["dupont"], []])
    await town.is_sound()
    async with at_work(town):
        request = await move(town)
        assert await move(town) == request
    assert await town.answers(request) == ["CANCELLED", "ACCEPTED"]
    assert [(await town.line_up(day))["ACCEPTED"] for day in (MONDAY, TUESDAY)] == [[], ["dupont"]]
    assert await town.rows("SELECT count(*) FROM act") == [(1,)]
    await town.is_sound()
