"""Tells families what is told later than it was heard: announcements, portion by portion, and the reports of a day in the evening."""

import asyncio

from services.mailer import commands, gathering, queries
from services.mailer.sending import look_now
from services.service import Running

LOOK_SECONDS = 5.0
WAKE = "mailer.announce"


async def keep_announcing(running: Running) -> None:
    """The background task of every mailer: of several, one writes a portion at a time."""
    wake: asyncio.Event = running.resources.setdefault(WAKE, asyncio.Event())
    while True:
        await running.crowd.let_pass()
        if await _announce(running) or await _tell_the_day(running):
            look_now(running)
            continue
        wake.clear()
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await wake.wait()
        except TimeoutError:
            continue


async def _announce(running: Running) -> bool:
    async with running.database.reading() as session:
        if not await queries.is_untold(session):
            return False
    async with running.database.transaction() as session:
        return await commands.announce(session, running.clock.now())


async def _tell_the_day(running: Running) -> bool:
    async with running.database.reading() as session:
        if not await queries.is_evening(session, running.clock.now()):
            return False
    async with running.database.transaction() as session:
        return await gathering.tell(session, running.clock.now())


def announce_now(running: Running) -> None:
    """There is something to tell."""
    running.resources.setdefault(WAKE, asyncio.Event()).set()
