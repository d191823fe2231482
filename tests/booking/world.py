"""Two processes' worth of booking on one real database, that may die at any statement or crash point; and somebody who only looks."""

import asyncio
import datetime as dt
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg
import pytest
from sqlalchemy import event

from services.booking import counter
from services.booking.app import service
from services.booking.invariants import violations
from services.booking.tables import BookingTable
from services.clock import Clock
from services.outbox import MailroomTable
from services.service import Running
from services.settings import Settings
from tests.booking.town import readable

BEGIN = dt.datetime(2026, 11, 27, 8, tzinfo=dt.UTC)
TOWN = "carteville"
KEPT = ("counter", "partition", "act")


# ------------------------------------------------------------------------------------------------------------------ dying
class Death(BaseException):
    """The process is gone: no `except Exception` of the product sees it."""


@dataclass
class Fate:
    """Where the next transaction of a process ends it: at a crash point, or at its n-th statement."""

    at: str | int | None = None
    committed: bool = False
    done_at: str = "after_commit"  #: The crash point after which it was done.

    def crash_point(self, name: str) -> None:
        self.committed |= name.endswith(self.done_at)
        if isinstance(self.at, str) and name.endswith(self.at):
            self.strikes()

    def statement(self, *_: object) -> None:
        if isinstance(self.at, int):
            self.at -= 1
            if self.at == 0:
                self.strikes()

    def strikes(self) -> None:
        self.at = None
        raise Death


# ------------------------------------------------------------------------------------------------------------ the real one
Row = Any  #: Its columns by name, on both databases.


@dataclass
class World:
    """Two processes' worth of booking on one database, a loop to run them in, and somebody who only looks."""

    runner: asyncio.Runner
    replicas: list[Running]
    rows: Callable[[str], list[Row]]
    fate: Fate = field(default_factory=Fate)
    read_until: int = 0  #: The last event that was read as those do who hear it.

    def run(self, what: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(what)

    async def begins_again(self) -> None:
        """An empty town. Numbers go on where they were: only their order matters. The audit trail lets nobody empty it."""
        async with self.replicas[0].database.transaction() as session:
            connection = await session.connection()
            for table in [*reversed(BookingTable.metadata.sorted_tables), *MailroomTable.metadata.sorted_tables]:
                if table.name not in KEPT:
                    await connection.exec_driver_sql(f'DELETE FROM "{table.name}"')
        self.read_until = 0
        for replica in self.replicas:
            await counter.open_counter(replica)

    async def violations(self) -> list[str]:
        async with self.replicas[0].database.reading() as session:
            connection = await session.connection()
            query = f"SELECT position, type, body FROM outgoing WHERE position > {self.read_until} ORDER BY position"
            for position, type_, body in await connection.exec_driver_sql(query):
                readable(type_, body)
                self.read_until = position
            return await violations(session, self.replicas[0].clock.now())


@contextmanager
def the_world(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    base = Settings.from_environment({})
    chosen = replace(base, database_urls={**base.database_urls, "booking": url}, clock=Clock(frozen_at=BEGIN))
    with asyncio.Runner() as runner, somebody_who_looks(url, runner) as rows:
        world = World(runner, [Running.of(service, chosen) for _ in range(2)], rows)
        monkeypatch.setattr("services.database.crash_point", world.fate.crash_point)
        # What one process does not tell the other, it finds by looking: often, so that a story does not take long.
        monkeypatch.setattr("services.booking.desk.LOOK_SECONDS", 0.02)
        monkeypatch.setattr("services.booking.counter.SWEEP_SECONDS", 0.05)
        for replica in world.replicas:
            event.listen(replica.database.engine.sync_engine, "before_cursor_execute", world.fate.statement)
            if replica.database.is_sqlite:  # These stories know no power cuts.
                event.listen(replica.database.engine.sync_engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = OFF"))
        yield world
        for replica in world.replicas:
            runner.run(replica.database.close())


@contextmanager
def somebody_who_looks(url: str, runner: asyncio.Runner) -> Iterator[Callable[[str], list[Row]]]:
    """At the tables, past everything of ours."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.partition("///")[2], isolation_level=None)) as reader:
            reader.row_factory = sqlite3.Row
            yield lambda query: reader.execute(query).fetchall()
        return
    connection = runner.run(asyncpg.connect(url.replace("+asyncpg", "")))
    yield lambda query: runner.run(connection.fetch(query))
    runner.run(connection.close())
