"""The booking deadline passes while somebody waits: the family is told, once, by one letter or by the report."""

import datetime as dt
from typing import Any

import pytest

from services.booking.activity import Scheduled
from services.booking.counter import expire_passed
from services.clock import Clock
from tests.booking.town import CLOCK, MONDAY, NOW, TUESDAY, Town, books

AFTER_THE_DEADLINE = Clock(frozen_at=NOW + dt.timedelta(days=20))


@pytest.fixture
async def town(running: Any) -> Town:
    """A canteen with 1 place and 2 waiting places a day; three families with a child each."""
    made = Town(await running("booking", clock=CLOCK, start=False))
    await made.opens()
    for family in ("dupont", "durand", "petit"):
        await made.household(family)
    return made


async def expires(town: Town, running: Any) -> None:
    url = town.running.settings.database_urls["booking"]
    await expire_passed(await running("booking", clock=AFTER_THE_DEADLINE, start=False, url=url))


async def test_who_waited_in_vain_is_told_in_one_letter_for_each_family(town: Town, running: Any) -> None:
    for family in ("dupont", "durand", "petit"):
        await town.asks(family, books(family), books(family, TUESDAY))
    await expires(town, running)
    letters = [body for _, body in await town.told("place_expired")]
    assert [(body["family"], body["account"]) for body in letters] == [("durand", "durand"), ("petit", "petit")]
    assert [(line["child"], line["activity"], line["date"]) for line in letters[0]["waits"]] == [
        ("durand", "cantine", MONDAY.isoformat()),
        ("durand", "cantine", TUESDAY.isoformat()),
    ]
    (row,) = await town.rows("SELECT subject, internal FROM outgoing WHERE type LIKE '%place_expired%' AND body LIKE '%durand%'")
    assert (row[0], bool(row[1])) == ("preau-internal.carteville.booking.place_expired", True)

    await expires(town, running)
    assert len(await town.told("place_expired")) == 2, "once"


async def test_who_waits_for_a_run_too_is_told_when_the_wait_elsewhere_ends(town: Town, running: Any) -> None:
    await town.opens(id="loisirs", allocation=Scheduled("02:00", "arrival"))
    await town.asks("dupont")
    await town.household("durand", activities=("loisirs",), version=2)
    assert await town.asks("durand", books("durand"), books("durand", MONDAY, "loisirs")) == ["WAITLISTED", "SUBMITTED"]
    await town.asks("petit")
    await expires(town, running)
    assert [body["family"] for _, body in await town.told("expired")] == ["durand", "petit"]
    assert [body["family"] for _, body in await town.told("place_expired")] == ["durand", "petit"], "the first report said that it waits"
