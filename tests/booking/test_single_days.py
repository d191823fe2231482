"""Single days that differ: closed, opened, with other places. Growing serves the line; shrinking takes nothing from anybody."""

import asyncio
import datetime as dt
from dataclasses import replace
from typing import Any

import orjson
import pytest

from services.booking.activity import Scheduled, from_json, to_json
from services.booking.commands import days_that_differ, put_activity
from services.clock import Clock
from tests.booking.test_activity import APS_MATIN
from tests.booking.town import CANTINE, CLOCK, MONDAY, TUESDAY, Town, at_work, books, cancels

CHILDREN = [f"child-{n}" for n in range(12)]


@pytest.fixture
async def town(running: Any) -> Town:
    made = Town(await running("booking", clock=CLOCK, start=False))
    await made.opens(waiting_list=None)
    await made.household("famille", *CHILDREN)
    return made


def test_a_day_that_differs_survives_the_table_and_an_older_document_has_none() -> None:
    spec = replace(APS_MATIN, capacity_on={MONDAY: 12, TUESDAY: None}, waiting_list_on={MONDAY: 0})
    document = orjson.loads(orjson.dumps(to_json(spec)))
    assert from_json(document) == spec
    del document["capacity_on"], document["waiting_list_on"]
    assert from_json(document) == APS_MATIN


def test_what_a_day_offers_is_its_own_or_the_activitys() -> None:
    spec = replace(APS_MATIN, capacity_on={MONDAY: 12, TUESDAY: None}, waiting_list_on={MONDAY: 0})
    assert [spec.offer(day) for day in (MONDAY, TUESDAY, dt.date(2026, 12, 3))] == [(12, 0), (None, 10), (40, 10)]
    assert replace(spec, capacity=None).limited
    assert not replace(spec, capacity=None, capacity_on={TUESDAY: None}).limited


def test_only_days_whose_own_rule_changed_are_named() -> None:
    after = replace(CANTINE, capacity_on={MONDAY: 1}, closed_on=frozenset({TUESDAY, dt.date(2030, 1, 1)}))
    assert days_that_differ(CANTINE, after) == {TUESDAY}, "1 place is what Monday had; 2030 is no season of ours"
    assert days_that_differ(after, replace(after, capacity=5)) == set(), "the others follow the activity"


async def test_a_fresh_opening_has_the_places_of_its_day(town: Town) -> None:
    await town.opens(waiting_list=0, capacity_on={MONDAY: 2}, waiting_list_on={MONDAY: 1})
    asked = [(await town.asks("famille", books(child)))[0] for child in CHILDREN[:4]]
    assert asked == ["ACCEPTED", "ACCEPTED", "WAITLISTED", "REFUSED FULL"]
    assert [(await town.asks("famille", books(child, TUESDAY)))[0] for child in CHILDREN[:2]] == ["ACCEPTED", "REFUSED FULL"]
    await town.is_sound()


async def test_more_places_on_a_day_are_given_at_once_to_the_first_in_line(town: Town) -> None:
    for child in CHILDREN[:4]:
        await town.asks("famille", books(child))
        await town.asks("famille", books(child, TUESDAY))
    await town.opens(waiting_list=None, capacity_on={MONDAY: 3})
    assert await town.line_up() == {"ACCEPTED": CHILDREN[:3], "WAITLISTED": CHILDREN[3:4]}
    assert await town.line_up(TUESDAY) == {"ACCEPTED": CHILDREN[:1], "WAITLISTED": CHILDREN[1:4]}
    assert [body["child"] for _, body in await town.told("place_given")] == CHILDREN[1:3]
    await town.is_sound()


async def test_fewer_places_take_none_away_and_the_line_keeps_its_order(town: Town) -> None:
    await town.opens(waiting_list=None, capacity_on={MONDAY: 3})
    for child in CHILDREN[:5]:
        await town.asks("famille", books(child))
    await town.opens(waiting_list=None, capacity_on={MONDAY: 1})
    assert await town.line_up() == {"ACCEPTED": CHILDREN[:3], "WAITLISTED": CHILDREN[3:5]}
    await town.asks("famille", cancels(CHILDREN[0]))
    await town.asks("famille", cancels(CHILDREN[1]))
    assert await town.line_up() == {"ACCEPTED": CHILDREN[2:3], "WAITLISTED": CHILDREN[3:5]}, "one place is one place"
    await town.asks("famille", cancels(CHILDREN[2]))
    assert await town.line_up() == {"ACCEPTED": CHILDREN[3:4], "WAITLISTED": CHILDREN[4:5]}
    await town.is_sound()


async def test_a_day_that_nobody_touched_yet_is_announced_once(town: Town) -> None:
    changed = {"waiting_list": None, "capacity_on": {MONDAY: 7}, "closed_on": frozenset({TUESDAY})}
    for _ in range(2):
        await town.opens(**changed)
    told = sorted((body["date"], body["capacity"], body["version"]) for _, body in await town.told("capacity_changed"))
    assert told == [("2026-11-30", 7, 1), ("2026-12-01", 1, 1)]
    await town.opens(waiting_list=None, capacity_on={MONDAY: 7})
    assert [(body["date"], body["version"]) for _, body in await town.told("capacity_changed")][2:] == [("2026-12-01", 2)]
    await town.is_sound()


async def test_what_past_days_offered_is_history(town: Town) -> None:
    for day in (MONDAY, TUESDAY):
        await town.asks("famille", books(CHILDREN[0], day))
    on_tuesday = Clock(frozen_at=dt.datetime(2026, 12, 1, 5, tzinfo=dt.UTC))
    async with town.running.database.transaction() as session:
        await put_activity(session, on_tuesday, replace(CANTINE, waiting_list=None, capacity=30))
    assert await town.rows("SELECT places, revision FROM opening ORDER BY date") == [(1, 1), (30, 2)]
    assert [body["date"] for _, body in (await town.told("capacity_changed"))[2:]] == [TUESDAY.isoformat()]


async def test_nobody_is_given_a_place_on_a_closed_day_until_it_opens_again(town: Town) -> None:
    for child in CHILDREN[:2]:
        await town.asks("famille", books(child))
    await town.opens(waiting_list=None, closed_on=frozenset({MONDAY}))
    await town.asks("famille", cancels(CHILDREN[0]))
    assert await town.line_up() == {"ACCEPTED": [], "WAITLISTED": CHILDREN[1:2]}
    await town.is_sound()
    await town.opens(waiting_list=None)
    assert await town.line_up() == {"ACCEPTED": CHILDREN[1:2], "WAITLISTED": []}
    await town.is_sound()


async def test_a_run_to_come_finds_the_places_of_the_day(town: Town) -> None:
    await town.opens(allocation=Scheduled("02:00", "arrival"), waiting_list=None, capacity_on={MONDAY: 2})
    for child in CHILDREN[:3]:
        assert await town.asks("famille", books(child)) == ["SUBMITTED"]
    await town.opens(waiting_list=None, capacity_on={MONDAY: 2})
    await town.decides()
    assert await town.line_up() == {"ACCEPTED": CHILDREN[:2], "WAITLISTED": CHILDREN[2:3]}


async def test_the_places_of_a_day_change_while_families_come_and_go(running: Any, town: Town) -> None:
    other = Town(await running("booking", clock=CLOCK, start=False, url=town.running.settings.database_urls["booking"]))
    other._keys = 1000

    async def changes_its_mind() -> None:
        for places in (5, 1, 8, 0, 3):
            await other.opens(waiting_list=None, capacity_on={MONDAY: places})

    async def comes_and_goes(index: int, child: str) -> None:
        by = (town, other)[index % 2]
        await by.submits("famille", books(child))
        if index % 3 == 0:
            await by.submits("famille", cancels(child))

    async with at_work(town, other):
        await asyncio.gather(changes_its_mind(), *(comes_and_goes(index, child) for index, child in enumerate(CHILDREN)))
    await town.is_sound()
    now = await town.line_up()
    assert (len(now["ACCEPTED"]) + len(now["WAITLISTED"]), len(now["ACCEPTED"]) >= 3) == (8, True)
