"""A process of booking that takes one order in and is killed at the crash point that PREAU_CRASH_AT names: `python -m tests.booking.dies URL`."""

import asyncio
import sys
from dataclasses import replace

from services.booking.app import on_start, service
from services.service import Running
from services.settings import Settings
from tests.booking.town import CLOCK, Town, at_work, books, caller


async def ask_once(url: str) -> str:
    settings = Settings.from_environment()
    running = Running.of(service, replace(settings, database_urls={**settings.database_urls, "booking": url}, clock=CLOCK))
    await on_start(running)
    town = Town(running)
    async with at_work(town):
        return await submit(town)


async def submit(town: Town) -> str:
    request: str = await town.desk.submit(caller("dupont"), town.order("dupont", books("dupont"), key="once"))
    return request


if __name__ == "__main__":
    asyncio.run(ask_once(sys.argv[1]))
