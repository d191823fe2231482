"""A process of booking that does one thing and is killed at the crash point that PREAU_CRASH_AT names.

`python -m tests.booking.dies URL submit` takes one order in, `... URL change` one that also gives something back, `... URL move` an agent's that
moves a child, `python -m tests.booking.dies URL 2026-11-17T01:00Z` holds the runs due then.
"""

import asyncio
import datetime as dt
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace

from services.booking.app import on_start, service
from services.booking.order import ForFamily, Line
from services.clock import Clock
from services.service import Running
from services.settings import Settings
from tests.booking.town import CANCEL, CLOCK, MONDAY, TUESDAY, Town, at_work, books, caller, cancels

#: An answer is seen when it is committed; whoever committed it may come to its crash point later.
TO_DIE_SECONDS = 10.0


async def process(url: str, clock: Clock) -> Running:
    settings = Settings.from_environment()
    running = Running.of(service, replace(settings, database_urls={**settings.database_urls, "booking": url}, clock=clock))
    await on_start(running)
    return running


async def once(url: str, what: Callable[[Town], Awaitable[str]]) -> str:
    town = Town(await process(url, CLOCK))
    async with at_work(town):
        request = await what(town)
        await asyncio.sleep(TO_DIE_SECONDS)
        return request


async def move(town: Town) -> str:
    """An agent moves the child of Dupont from Monday, where it has the town's first booking, to Tuesday."""
    ((booking,),) = await town.rows("SELECT id FROM booking WHERE date = '2026-11-30'")
    lines = Line(CANCEL, "dupont", "cantine", MONDAY, booking=booking), books("dupont", TUESDAY)
    order = town.order("dupont", *lines, key="move", agent=ForFamily("Sortie scolaire", moves=True))
    request: str = (await town.desk.take("agent", "carteville", order)).request
    return request


async def hold_runs(url: str, now: str) -> None:
    running = await process(url, Clock(frozen_at=dt.datetime.fromisoformat(now)))
    await running.resources["conductor"].look()


async def submit(town: Town) -> str:
    request: str = await town.desk.submit(caller("dupont"), town.order("dupont", books("dupont"), key="once"))
    return request


async def change(town: Town) -> str:
    """A place, and a day given back that Dupont does not have: the allocator decides."""
    order = town.order("dupont", books("dupont"), cancels("dupont", TUESDAY), key="once")
    request: str = await town.desk.submit(caller("dupont"), order)
    return request


ORDERS = {"submit": submit, "change": change, "move": move}

if __name__ == "__main__":
    url, what = sys.argv[1:]
    asyncio.run(once(url, ORDERS[what]) if what in ORDERS else hold_runs(url, what))
