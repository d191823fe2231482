"""A process of booking that does one thing and is killed at the crash point that PREAU_CRASH_AT names.

`python -m tests.booking.dies URL` takes one order in, `python -m tests.booking.dies URL 2026-11-17T01:00Z` holds the runs due then.
"""

import asyncio
import datetime as dt
import sys
from dataclasses import replace

from services.booking.app import on_start, service
from services.clock import Clock
from services.service import Running
from services.settings import Settings
from tests.booking.town import CLOCK, Town, at_work, books, caller


async def process(url: str, clock: Clock) -> Running:
    settings = Settings.from_environment()
    running = Running.of(service, replace(settings, database_urls={**settings.database_urls, "booking": url}, clock=clock))
    await on_start(running)
    return running


async def ask_once(url: str) -> str:
    town = Town(await process(url, CLOCK))
    async with at_work(town):
        return await submit(town)


async def hold_runs(url: str, now: str) -> None:
    running = await process(url, Clock(frozen_at=dt.datetime.fromisoformat(now)))
    await running.resources["conductor"].look()


async def submit(town: Town) -> str:
    request: str = await town.desk.submit(caller("dupont"), town.order("dupont", books("dupont"), key="once"))
    return request


if __name__ == "__main__":
    asyncio.run(hold_runs(*sys.argv[1:]) if len(sys.argv) > 2 else ask_once(sys.argv[1]))
