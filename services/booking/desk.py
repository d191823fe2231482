"""Where families' requests meet the process: orders that arrive together go in together, and each waits for its own answer.

Nobody lingers: while one transaction is being committed, the orders of the next gather by themselves (group commit).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.at_once import take_in_and_decide
from services.booking.docket import B
from services.booking.draft import DraftChange
from services.booking.intake import Asked, R, X, check_groups, take_in
from services.booking.order import Line, Order
from services.booking.queries import Answer
from services.booking.rulebook import RuleBook
from services.booking.status import LIVE, BookingStatus
from services.booking.tables import partition_of, run
from services.claims import Caller
from services.clock import Clock
from services.database import OUTAGE, Aborted
from services.refusal import Refused
from services.service import Running
from services.telemetry import log
from services.tracing import together, traceparent

TOGETHER = 300  #: Orders in one transaction, at most.
#: Lines in one, unless it is about one order: while the database server writes them, the answers to those before them go out.
LINES_TOGETHER = 320
CROWD = 8  #: So many in one transaction are a crowd: what can wait lets them pass.
ANSWER_SECONDS = 5.0  #: Then the family sees SUBMITTED, and is told later.
TURN_SECONDS = 0.25  #: For so long an order waits for the decisions under way, so that more go in with it; then it waits for nobody.
QUIET_SECONDS = 60.0
LOOK_SECONDS = 0.25  #: Between looks at the table, in case another process gave the answer and its call was lost.
SERVED = "booking.served"  #: Called with the ids of requests that have their answers.
CALLED_TOGETHER = 5000  #: Ids in one call, at most.

Taking = tuple[list[str | Exception], dict[str, Answer | None]]
Take = Callable[[AsyncSession, RuleBook, Clock, Sequence[Asked]], Awaitable[Taking]]


class Receipt(NamedTuple):
    """For an order."""

    request: str  #: Its id.
    served: bool  #: It has its answer already.
    answer: Answer | None  #: If it is known without a look at the tables.


Taken = asyncio.Future[Receipt]


class Desk:
    """One per process, in `running.resources["desk"]`."""

    def __init__(self, running: Running, book: RuleBook) -> None:
        self._running = running
        self._book = book
        self._orders: list[tuple[Asked, Taken]] = []
        self._arrived = asyncio.Event()
        self._partitions: set[int] = set()
        self._work = asyncio.Event()
        self._idle = asyncio.Event()  # nobody decides here at the moment
        self._idle.set()
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    # ------------------------------------------------------------------------------------------------------- for families
    async def submit(self, caller: Caller, order: Order) -> str:
        """As `ask`. The id of the request."""
        return (await self.ask(caller, order)).request

    async def ask(self, caller: Caller, order: Order) -> Receipt:
        """Once the lines are decided, or after ANSWER_SECONDS as they stand.

        Raises Refused: UNKNOWN_FAMILY, IDEMPOTENCY_KEY_REUSED, NOTHING_TO_SUBMIT, TOO_MANY_LINES, UNKNOWN_CHILD,
        UNKNOWN_ACTIVITY, ACCOUNT_IN_DEBIT; CodedError: BAD_USER_INPUT.
        """
        structure = caller.families.get(order.family)
        if structure is None:
            raise Refused("UNKNOWN_FAMILY")
        return await self.take(caller.account, structure, order)

    async def take(self, account: str, structure: str, order: Order) -> Receipt:
        """As `ask`, for a family of the structure: by itself, or by an agent whose right to do so was checked."""
        check_groups(order)  # Here, before it joins the others: they would wait while its groups are put together.
        taken: Taken = asyncio.get_running_loop().create_future()
        self._orders.append((Asked(account, structure, order, traceparent.get()), taken))
        self._arrived.set()
        receipt = await taken
        if not receipt.served:
            await self._answer(receipt.request)
        return receipt

    async def cancel(self, caller: Caller, booking: str, language: str = "fr") -> None:
        """Give one booking or waiting place back, without a draft. Twice is as good as once.

        Raises Refused: UNKNOWN_BOOKING, TOO_LATE_TO_CANCEL.
        """
        query = select(B.family, B.child, B.activity, B.date, B.arrival, B.departure, B.status).where(B.id == booking)
        async with self._running.database.reading() as session:
            found = (await run(session, query)).one_or_none()
        if found is None or found.family not in caller.families:
            raise Refused("UNKNOWN_BOOKING")
        if found.status is BookingStatus.CANCELLED:
            return
        if found.status not in LIVE | {BookingStatus.SUBMITTED}:
            raise Refused("UNKNOWN_BOOKING")
        line = Line(DraftChange.CANCEL, found.child, found.activity, found.date, found.arrival, found.departure, booking)
        request = await self.submit(caller, Order(found.family, uuid4().hex, (line,), language=language))
        await self._refusal_of(request)

    async def _refusal_of(self, request: str) -> None:
        query = select(X.code, B.status).join_from(X.code.table, B.id.table, B.id == X.booking).where(X.request == request)
        async with self._running.database.reading() as session:
            code, status = (await run(session, query)).one()
        if code is not None and status is not BookingStatus.CANCELLED:
            raise Refused(code)

    async def answered(self, structure: str, requests: Iterable[str]) -> None:
        """Orders that were written past this desk: until they are served, ANSWER_SECONDS at most."""
        self.wake(partition_of(structure))
        await asyncio.gather(*map(self._answer, requests))

    async def _answer(self, request: str) -> None:
        """Until it is served, ANSWER_SECONDS at most."""
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(request, set()).add(answer)
        with suppress(TimeoutError):
            await asyncio.wait_for(answer, ANSWER_SECONDS)
        waiting = self._waiting.get(request)
        if waiting is not None:
            waiting.discard(answer)
            if not waiting:
                del self._waiting[request]

    # -------------------------------------------------------------------------------------------------- for the allocator
    def served(self, requests: Iterable[str]) -> list[str]:
        """These have their answers, committed. Returns those for which nobody waits here."""
        elsewhere = []
        for request in requests:
            if request not in self._waiting:
                elsewhere.append(request)
            for answer in self._waiting.pop(request, ()):
                if not answer.done():
                    answer.set_result(None)
        return elsewhere

    def wake(self, partition: int | None = None) -> None:
        """Requests wait in this partition, or in some."""
        if partition is not None:
            self._partitions.add(partition)
        self._work.set()

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """In turns with taking orders in: half as many transactions are worth more than two at a time."""
        self._idle.clear()
        try:
            yield
        finally:
            self._idle.set()

    async def work(self, seconds: float) -> list[int]:
        """Wait until requests wait, or for so long. Returns the partitions; none: look for yourself."""
        await self._running.rest(seconds, self._work)
        partitions, self._partitions = self._partitions, set()
        return sorted(partitions)

    # ---------------------------------------------------------------------------------------------------------- the tasks
    async def take_orders(self) -> None:
        """For as long as the process lives."""
        while True:
            if not self._orders:
                await self._running.rest(QUIET_SECONDS, self._arrived)
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), TURN_SECONDS)
            count = self._how_many_together()
            orders, self._orders = self._orders[:count], self._orders[count:]
            wanted = [(asked, taken) for asked, taken in orders if not taken.done()]
            if len(wanted) >= CROWD:
                await self._running.crowd.tell()
            if wanted:
                await self._take_all(wanted)

    def _how_many_together(self) -> int:
        """Of those who came first."""
        if self._running.database.is_sqlite:  # Which writes in this process: there is nothing else to do meanwhile.
            return TOGETHER
        lines = 0
        for count, (asked, _) in enumerate(self._orders[:TOGETHER]):
            lines += len(asked.order.lines or ())
            if count and lines > LINES_TOGETHER:
                return count
        return TOGETHER

    async def _take_all(self, orders: Sequence[tuple[Asked, Taken]]) -> None:
        """Decided at once, or else for the allocator to decide, or else each by itself: one that we cannot take must not hurt others."""
        trouble = await self._together(orders, take_in_and_decide)
        if trouble is None:
            return
        log().error("not decided at once", orders=len(orders), error=repr(trouble), exc_info=trouble)
        if await self._together(orders, _take_in) is None:
            return
        for one in orders:
            if trouble := await self._together([one], _take_in):
                _settle(one[1], trouble)

    async def _together(self, orders: Sequence[tuple[Asked, Taken]], take: Take) -> Exception | None:
        """In one transaction. Returns why not, if they may be tried otherwise.

        In an outage all of them fail at once: one by one, each would wait for the database as long as all did, after the others.
        """
        try:
            with together("take orders", [asked.trace for asked, _ in orders]):
                results, served = await self._take(take, [asked for asked, _ in orders])
        except Exception as trouble:
            if not _is_outage(trouble):
                return trouble
            for _, taken in orders:
                _settle(taken, trouble)
            return None
        for (asked, taken), result in zip(orders, results, strict=True):
            _settle(taken, Receipt(result, result in served, served.get(result)) if isinstance(result, str) else result)
            if isinstance(result, str) and result not in served:
                self.wake(partition_of(asked.structure))
        self._running.outbox_written()
        return None

    async def _take(self, take: Take, asked: list[Asked]) -> Taking:
        async with self._running.database.transaction("intake") as session:
            return await take(session, self._book, self._running.clock, asked)

    async def look(self) -> None:
        """For as long as the process lives: find answers whose call was lost, or that were there before the question."""
        while True:
            await self._running.rest(LOOK_SECONDS)
            if self._waiting:
                query = select(R.id).where(R.id.in_(list(self._waiting)[:5000]), R.served_at.is_not(None))
                async with self._running.database.reading() as session:
                    self.served((await run(session, query)).scalars().all())

    async def overhear(self) -> None:
        """From now on, know at once what other processes answered."""
        await self._running.bus.connected.wait()
        await self._running.bus.overhear(SERVED, self._called)

    def _called(self, requests: bytes) -> None:
        self.served(requests.decode().split())

    async def call(self, requests: Sequence[str]) -> None:
        """Tell the other processes that these have their answers."""
        for start in range(0, len(requests), CALLED_TOGETHER):
            await self._running.bus.call(SERVED, " ".join(requests[start : start + CALLED_TOGETHER]).encode())


def _is_outage(trouble: Exception) -> bool:
    """The database is not there, or not to be had: no order is to blame. Not what it took back, and does when it is asked again."""
    lost = isinstance(trouble, DBAPIError) and trouble.connection_invalidated
    return lost or (isinstance(trouble, OUTAGE) and not isinstance(trouble, Aborted))


async def _take_in(
    session: AsyncSession, book: RuleBook, clock: Clock, asked: Sequence[Asked]
) -> tuple[list[str | Exception], dict[str, Answer | None]]:
    """As `take_in_and_decide`, but the allocator decides."""
    return await take_in(session, book, clock, asked), {}


def _settle(taken: Taken, result: Receipt | Exception) -> None:
    """Unless the client has gone."""
    if taken.done():
        return
    if isinstance(result, Exception):
        taken.set_exception(result)
    else:
        taken.set_result(result)
