"""What runs in the background of booking's process: it takes orders in, decides, finds answers, and closes what time has closed."""

import asyncio

from services.booking import commands
from services.booking.allocator import Allocator
from services.booking.desk import Desk
from services.booking.rulebook import RuleBook
from services.service import Running

EXPIRE_SECONDS = 5.0


async def open_counter(running: Running) -> None:
    """Before anything is served."""
    book = running.resources["rules"] = RuleBook()
    desk = running.resources["desk"] = Desk(running, book)
    running.resources["allocator"] = Allocator(running, book, desk)


async def take_orders(running: Running) -> None:
    await running.resources["desk"].take_orders()


async def find_answers(running: Running) -> None:
    await running.resources["desk"].look()


async def allocate(running: Running) -> None:
    await running.resources["allocator"].run()


async def expire(running: Running) -> None:
    while True:
        await expire_passed(running)
        await asyncio.sleep(EXPIRE_SECONDS)


async def expire_passed(running: Running) -> None:
    """Whoever waits although the booking deadline has passed waits no longer."""
    book: RuleBook = running.resources["rules"]
    async with running.database.reading() as session:
        passed = await commands.passed(session, book, running.clock.now())
    for structure, keys in passed.items():
        async with running.database.transaction() as session:
            await commands.expire(session, book, running.clock, structure, keys)
        running.outbox_written()
