"""An agent empties a day: every booking of it is cancelled, at a cost that does not grow with the families, and nothing of it is given to
somebody who is cancelled next."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from services.booking import office
from services.booking.audit import broken_seals
from services.booking.office import Agent, DayChange
from tests.booking.town import CLOCK, MONDAY, TUESDAY, Town, books, cancels

ANNE = Agent("anne", "carteville", "Chauffage en panne")


@pytest.fixture
async def town(running: Any) -> Town:
    made = Town(await running("booking", clock=CLOCK, start=False))
    await made.opens(capacity=2, waiting_list=None)
    return made


async def empties(town: Town, **change: Any) -> None:
    async with town.running.database.transaction() as session:
        await office.set_opening(session, town.clock, ANNE, "cantine", DayChange(MONDAY, cancel_bookings=True, **change))
    while await town.decides():
        pass


@contextmanager
def counted(town: Town) -> Iterator[list[str]]:
    """The statements that are executed meanwhile; one that is executed for many rows is one."""
    found: list[str] = []

    def count(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        found.append(statement)

    event.listen(town.running.database.engine.sync_engine, "before_cursor_execute", count)
    try:
        yield found
    finally:
        event.remove(town.running.database.engine.sync_engine, "before_cursor_execute", count)


async def outcomes(town: Town) -> list[str]:
    return [f"{name} {body['child']}" for name, body in await town.told("accepted", "cancelled", "place_given")]


async def test_a_day_that_closes_costs_as_many_statements_for_a_hundred_families_as_for_ten(town: Town) -> None:
    await town.opens(capacity=200)
    costs = []
    for names in ([f"a{n}" for n in range(10)], [f"b{n}" for n in range(100)]):
        for name in names:
            await town.household(name)
        await town.writes(*(town.order(name) for name in names))
        await town.decides()
        with counted(town) as statements:
            await empties(town)
        costs.append(len(statements))
    assert costs[0] == costs[1], costs
    (noted,) = (await town.rows("SELECT count(*) FROM act WHERE kind = 'CANCEL_FOR_FAMILY'"))[0]
    assert noted == 110
    async with town.running.database.reading() as session:
        assert await broken_seals(session) == []
    await town.is_sound()


@pytest.mark.parametrize("change", [{}, {"open": True}, {"open": False}, {"places": (9,)}])
async def test_s36_nobody_is_given_a_place_of_a_day_that_is_being_emptied(town: Town, change: dict[str, Any]) -> None:
    """Dupont and durand have a place each and a child that waits, petit only waits."""
    for family in ("dupont", "durand", "petit"):
        await town.household(family, f"{family}-1", f"{family}-2")
    for child in ("dupont-1", "durand-1", "dupont-2", "durand-2", "petit-1"):
        await town.asks(child.partition("-")[0], books(child))
    before = await outcomes(town)
    await empties(town, **change)
    assert await town.line_up() == {"ACCEPTED": [], "WAITLISTED": []}
    assert sorted((await outcomes(town))[len(before) :]) == sorted(
        f"cancelled {child}" for child in ("dupont-1", "dupont-2", "durand-1", "durand-2", "petit-1")
    )
    (twice,) = (await town.rows("SELECT count(*) - count(DISTINCT family) FROM request WHERE agent IS NOT NULL"))[0]
    assert twice == 0, "one request, and so one report, for each family"
    assert await town.asks("petit", books("petit-2")) == ["REFUSED CLOSED" if change.get("open") is False else "ACCEPTED"]
    await town.is_sound()


async def test_s36_a_family_that_gives_back_a_place_and_leaves_the_line_at_once_is_given_none(town: Town) -> None:
    await town.opens(capacity=1)
    await town.household("dupont", "amalia", "paolo")
    await town.household("durand")
    for family, child in (("dupont", "amalia"), ("dupont", "paolo"), ("durand", "durand")):
        await town.asks(family, books(child), books(child, TUESDAY))
    before = await outcomes(town)
    assert await town.asks("dupont", cancels("amalia"), cancels("paolo")) == ["CANCELLED", "CANCELLED"]
    assert (await outcomes(town))[len(before) :] == ["cancelled paolo", "cancelled amalia", "accepted durand", "place_given durand"]
    assert await town.line_up(TUESDAY) == {"ACCEPTED": ["amalia"], "WAITLISTED": ["paolo", "durand"]}
    await town.is_sound()


async def test_a_day_whose_cancellations_are_on_their_way_is_sound(town: Town) -> None:
    """It has more places from now on, and those who wait are not given them."""
    for family in ("dupont", "durand", "petit"):
        await town.household(family)
        await town.asks(family)
    async with town.running.database.transaction() as session:
        await office.set_opening(session, town.clock, ANNE, "cantine", DayChange(MONDAY, places=(9,), cancel_bookings=True))
    assert (await town.line_up())["WAITLISTED"] == ["petit"]
    await town.is_sound()
    await town.decides()
    assert await town.line_up() == {"ACCEPTED": [], "WAITLISTED": []}
    await town.is_sound()
