"""Who asked and hears nothing for ten minutes is told that the request stands: whatever keeps the allocator from answering."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from services.booking.activity import Scheduled
from services.booking.allocator import set_aside
from services.booking.counter import tell_delayed
from services.booking.order import ForFamily
from services.booking.tables import partition_of
from services.clock import Clock
from tests.booking.town import CANTINE, CLOCK, NOW, TUESDAY, Town, books, cancels

MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
async def town(running: Any) -> Town:
    made = Town(await running("booking", clock=CLOCK, start=False))
    await made.opens()
    for family in ("dupont", "durand", "petit"):
        await made.household(family)
    return made


async def looks(town: Town, minutes: float, told: set[str]) -> set[str]:
    """So many minutes after the request."""
    town.running.clock = Clock(frozen_at=NOW + minutes * MINUTE)
    return await tell_delayed(town.running, told)


async def delayed(town: Town) -> list[dict[str, Any]]:
    return [body for _, body in await town.told("request_delayed")]


async def test_s35_who_has_no_answer_after_ten_minutes_is_told_once(town: Town) -> None:
    (late,) = await town.writes(town.order("dupont", books("dupont"), cancels("dupont", TUESDAY)))
    told = await looks(town, 9.9, set())
    assert await delayed(town) == []
    told = await looks(town, 10, told)
    (event,) = await delayed(town)
    assert (event["request"], event["family"], event["account"], event["movements"]) == (late, "dupont", "dupont", 2)
    assert dt.datetime.fromisoformat(event["requested_at"]) == NOW
    assert event["number"] == (await town.rows("SELECT number FROM request"))[0][0]
    for minutes in (11, 60):
        told = await looks(town, minutes, told)
    assert len(await delayed(town)) == 1


async def test_what_is_answered_or_waits_for_its_run_is_late_for_nobody(town: Town) -> None:
    await town.asks("dupont")
    await town.opens(replace(CANTINE, id="loisirs", allocation=Scheduled("02:00", "arrival")))
    await town.household("durand", activities=("loisirs",), version=2)
    assert await town.asks("durand", books("durand", TUESDAY, "loisirs")) == ["SUBMITTED"]
    assert [name for name, _ in await town.told("request_decided", "request_explained")] == ["request_decided", "request_explained"]
    await looks(town, 600, set())
    assert await delayed(town) == []


async def test_a_run_that_is_not_held_at_its_hour_is_told_once_to_who_waits_for_it(town: Town) -> None:
    await town.opens(replace(CANTINE, id="loisirs", allocation=Scheduled("02:00", "arrival")))
    for family in ("dupont", "durand"):
        await town.household(family, activities=("cantine", "loisirs"), version=2)
    await town.asks("dupont", books("dupont", TUESDAY, "loisirs"), books("dupont", TUESDAY))
    await town.asks("durand", books("durand", TUESDAY))
    night = (dt.datetime(2026, 11, 17, 1, 0, tzinfo=dt.UTC) - NOW) / MINUTE  # 2 o'clock there
    told = await looks(town, night + 9, set())
    assert await delayed(town) == []
    for minutes in (10, 11, 60):
        told = await looks(town, night + minutes, told)
    assert [event["family"] for event in await delayed(town)] == ["dupont"]


async def test_what_was_set_aside_is_told_but_not_what_an_agent_asked_for(town: Town) -> None:
    await town.writes(town.order("dupont"))
    async with town.running.database.transaction() as session:
        (aside,) = await set_aside(session, town.clock, partition_of("carteville"))
    await town.writes(town.order("durand", agent=ForFamily("Accord de la directrice")))
    await looks(town, 15, set())
    assert [event["request"] for event in await delayed(town)] == [aside]


async def test_a_process_that_begins_tells_nothing_of_long_ago(town: Town) -> None:
    await town.writes(town.order("dupont"))
    await looks(town, 24 * 60, set())
    assert await delayed(town) == []


async def test_the_allocator_being_away_the_family_hears_first_that_it_waits_then_what_was_decided(town: Town) -> None:
    (late,) = await town.writes(town.order("dupont"))
    await looks(town, 15, set())
    await town.decides()
    assert [name for name, _ in await town.told("request_delayed", "request_decided")] == ["request_delayed", "request_decided"]
    assert await town.answers(str(late)) == ["ACCEPTED"]
