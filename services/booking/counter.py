"""What runs in the background of booking's process: it takes orders in, decides, finds answers, and closes what time has closed."""

from collections.abc import Iterable

from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from services.booking import commands, delays
from services.booking.allocator import MOST_REQUESTS, partitions_at_work, set_aside
from services.booking.allocator import allocate as allocate_next
from services.booking.desk import Desk
from services.booking.rulebook import RuleBook
from services.booking.school_calendar import follow
from services.service import Running
from services.telemetry import log

SWEEP_SECONDS = 0.25  #: Back-up for a wake-up that was lost, or came from another process.
EXPIRE_SECONDS = 5.0
DELAYS_SECONDS = 60.0


class Allocator:
    """Serves, for as long as the process lives, whatever any process wrote."""

    def __init__(self, running: Running, book: RuleBook, desk: Desk) -> None:
        self._running = running
        self._book = book
        self._desk = desk

    async def run(self) -> None:
        written = None
        while True:
            known = await self._desk.work(SWEEP_SECONDS)
            if known:
                await self.serve(known)
            elif self._running.database.may_differ(written):
                written = self._running.database.last_written()
                await self.serve(await self._search())

    async def _search(self) -> list[int]:
        async with self._running.database.reading() as session:
            return await partitions_at_work(session)

    async def serve(self, partitions: Iterable[int]) -> None:
        """Until nothing waits in these. One request that we cannot serve must not hold up the others behind it."""
        for partition in partitions:
            more, most = True, MOST_REQUESTS
            while more:
                try:
                    served, more = await self._turn(partition, most)
                except Exception as trouble:
                    if not _comes_again(trouble):
                        raise
                    log().error("not served", partition=partition, requests=most, error=repr(trouble), exc_info=trouble)
                    served = await self._set_aside(partition) if most == 1 else []
                    most = MOST_REQUESTS if most == 1 else 1
                self._running.outbox_written()
                if elsewhere := self._desk.served(served):
                    await self._desk.call(elsewhere)

    async def _turn(self, partition: int, most: int) -> tuple[list[str], bool]:
        with self._desk.deciding():
            async with self._running.database.transaction("allocator") as session:
                return await allocate_next(session, self._book, self._running.clock, partition, most)

    async def _set_aside(self, partition: int) -> list[str]:
        async with self._running.database.transaction() as session:
            return await set_aside(session, self._running.clock, partition)


def _comes_again(trouble: Exception) -> bool:
    """A mistake of ours, which the same request would bring again; not the database's trouble, which passes."""
    return isinstance(trouble, IntegrityError | DataError) or not isinstance(trouble, SQLAlchemyError | OSError)


async def open_counter(running: Running) -> None:
    """Before anything is served."""
    book = running.resources["rules"] = RuleBook(follow(running.settings.school_holidays))
    desk = running.resources["desk"] = Desk(running, book)
    running.resources["allocator"] = Allocator(running, book, desk)


async def take_orders(running: Running) -> None:
    await running.resources["desk"].take_orders()


async def find_answers(running: Running) -> None:
    await running.resources["desk"].look()


async def hear_of_answers(running: Running) -> None:
    await running.resources["desk"].overhear()


async def allocate(running: Running) -> None:
    await running.resources["allocator"].run()


async def expire(running: Running) -> None:
    while True:
        await expire_passed(running)
        await running.rest(EXPIRE_SECONDS)


async def expire_passed(running: Running) -> None:
    """Whoever waits although the booking deadline has passed waits no longer."""
    book: RuleBook = running.resources["rules"]
    async with running.database.reading() as session:
        passed = await commands.passed(session, book, running.clock.now())
    for structure, keys in passed.items():
        async with running.database.transaction() as session:
            await commands.expire(session, book, running.clock, structure, keys)
        running.outbox_written()


async def tell_of_delays(running: Running) -> None:
    told: set[str] = set()
    while True:
        told = await tell_delayed(running, told)
        await running.rest(DELAYS_SECONDS)


async def tell_delayed(running: Running, told: set[str]) -> set[str]:
    """Who asked and has no answer after a while is told that, once. Returns of which requests this process has told."""
    async with running.database.reading() as session:
        late = await delays.overdue(session, running.resources["rules"], running.clock.now(), told)
    if late:
        async with running.database.transaction() as session:
            delays.tell(session, running.clock.now(), late)
        running.outbox_written()
        log().error("requests without an answer", requests=[row.id for row in late][:10], how_many=len(late))
    return told | {row.id for row in late}
