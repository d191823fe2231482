"""CarteVille at the counter: families ask, cancel and wait; the tables say what became of them."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import orjson
from sqlalchemy import text

from services.booking import commands
from services.booking.activity import ActivitySpec, FixedHours
from services.booking.allocator import allocate
from services.booking.draft import DraftChange
from services.booking.intake import Asked, take_in
from services.booking.invariants import violations
from services.booking.order import Line, Order
from services.booking.reactions import service
from services.booking.rulebook import RuleBook
from services.booking.tables import partition_of
from services.claims import Caller
from services.clock import Clock
from services.events import FamilyChanged, StandingChanged
from services.listening import read
from services.service import Running

NOW = dt.datetime(2026, 11, 16, 8, tzinfo=dt.UTC)
CLOCK = Clock(frozen_at=NOW)
MONDAY, TUESDAY = dt.date(2026, 11, 30), dt.date(2026, 12, 1)
CANTINE = ActivitySpec(
    id="cantine",
    structure="carteville",
    timezone="Europe/Paris",
    school_zone=None,
    wallet="periscolaire",
    name="Restauration",
    opens_on=dt.date(2026, 9, 1),
    closes_on=dt.date(2027, 7, 2),
    weekdays=frozenset({0, 1, 3, 4}),
    hours=FixedHours("11:00", "15:20"),
    capacity=1,
    waiting_list=2,
)
BOOK, CANCEL = DraftChange.BOOK, DraftChange.CANCEL


def caller(family: str, structure: str = "carteville") -> Caller:
    return Caller(family, "session", {family: structure}, frozenset(), "fr", 4e9)


def books(child: str, date: dt.date = MONDAY, activity: str = "cantine", **hours: str) -> Line:
    return Line(BOOK, child, activity, date, **hours)


def cancels(child: str, date: dt.date = MONDAY, activity: str = "cantine") -> Line:
    return Line(CANCEL, child, activity, date)


#: Who gives something back, too, is answered by the allocator, not by whoever takes the order in. The second line is refused.
ALLOCATED = books("dupont"), cancels("dupont", TUESDAY)


class Town:
    def __init__(self, running: Running) -> None:
        self.running = running
        self.clock = running.clock
        self.book: RuleBook = running.resources["rules"]
        self.desk = running.resources["desk"]
        self._keys = 0

    # ------------------------------------------------------------------------------------------------------ the town
    async def opens(self, spec: ActivitySpec = CANTINE, **changes: Any) -> None:
        async with self.running.database.transaction() as session:
            await commands.put_activity(session, self.clock, replace(spec, **changes))

    async def household(
        self, family: str, *children: str, activities: Sequence[str] = ("cantine",), version: int = 1, structure: str = "carteville"
    ) -> None:
        """The family named `dupont` has a child named `dupont` unless others are named."""
        children = children or (family,)
        heard = FamilyChanged(occurred_at=NOW, structure=structure, version=version, family=family, adults=[], children=list(children))
        async with self.running.database.transaction() as session:
            await commands.hear_family(session, heard)
            for child in children:
                for activity in activities:
                    await commands.put_enrollment(session, self.clock, child, family, structure, activity)

    async def owes(self, family: str, in_debit: bool = True, version: int = 1) -> None:
        heard = StandingChanged(occurred_at=NOW, structure="carteville", version=version, family=family, in_debit=in_debit)
        async with self.running.database.transaction() as session:
            await commands.hear_standing(session, heard)

    # ------------------------------------------------------------------------------------------------------- families
    def order(self, family: str, *lines: Line, key: str | None = None, **more: Any) -> Order:
        self._keys += 1
        return Order(family, key or f"key-{self._keys}", lines or (books(family),), **more)

    async def writes(self, *orders: Order) -> list[str | Exception]:
        """Taken in together, in one transaction, and not decided."""
        asked = [Asked(order.family, "carteville", order) for order in orders]
        async with self.running.database.transaction("intake") as session:
            return await take_in(session, self.book, self.clock, asked)

    async def decides(self) -> list[str]:
        async with self.running.database.transaction("allocator") as session:
            served, _ = await allocate(session, self.book, self.clock, partition_of("carteville"))
        return served

    async def asks(self, family: str, *lines: Line, **more: Any) -> list[str]:
        """Written and decided: the answers, in the lines' order, such as "ACCEPTED", "REFUSED FULL"."""
        (request,) = await self.writes(self.order(family, *lines, **more))
        assert isinstance(request, str), request
        await self.decides()
        return await self.answers(request)

    async def submits(self, family: str, *lines: Line, **more: Any) -> list[str]:
        """Through the desk, as families do."""
        return await self.answers(await self.desk.submit(caller(family), self.order(family, *lines, **more)))

    async def at_once(self, *families: str) -> list[list[str]]:
        return await asyncio.gather(*(self.submits(family) for family in families))

    # ------------------------------------------------------------------------------------------------------ the tables
    async def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        async with self.running.database.reading() as session:
            connection = await session.connection()
            return [tuple(row) for row in await connection.execute(text(query), values)]

    async def answers(self, request: str) -> list[str]:
        lines = await self.rows(
            """SELECT line, status, code FROM booking WHERE request = :request AND coalesce(code, '') <> 'UNKNOWN_BOOKING'
               UNION ALL SELECT line, status, code FROM cancellation WHERE request = :request ORDER BY line""",
            request=request,
        )
        return [f"{status} {code}" if code else status for _, status, code in lines]

    async def line_up(self, date: dt.date = MONDAY, activity: str = "cantine") -> dict[str, list[str]]:
        """Who is in, and who waits, in order."""
        found: dict[str, list[str]] = {"ACCEPTED": [], "WAITLISTED": []}
        query = "SELECT child, status FROM booking WHERE activity = :activity AND date = :date AND status IN ('ACCEPTED', 'WAITLISTED')"
        for child, status in await self.rows(f"{query} ORDER BY position", activity=activity, date=date_in(self, date)):
            found[status].append(child)
        return found

    async def told(self, *kinds: str) -> list[tuple[str, dict[str, Any]]]:
        """The events recorded, in order: (name, body)."""
        rows = await self.rows("SELECT type, body FROM outgoing ORDER BY position")
        events = [readable(type_, body) for type_, body in rows]
        return [event for event in events if not kinds or event[0] in kinds]

    async def is_sound(self) -> None:
        async with self.running.database.reading() as session:
            assert await violations(session, self.clock.now()) == []


def readable(type_: str, body: str) -> tuple[str, dict[str, Any]]:
    """Its name and its body. Raises ValueError for what no listener could read: it would be a dead letter everywhere."""
    read("event", type_, NOW.isoformat(), body.encode())
    return type_.split(".")[3], orjson.loads(body)


@asynccontextmanager
async def at_work(*towns: Any) -> AsyncIterator[None]:
    """Towns or screens, with the background work of booking's process, but neither broker nor HTTP."""
    tasks = [asyncio.create_task(task(town.running)) for town in towns for task in service.tasks]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(result, asyncio.CancelledError), result


def date_in(town: Town, date: dt.date) -> dt.date | str:
    return date.isoformat() if town.running.database.is_sqlite else date
