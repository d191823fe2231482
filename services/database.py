"""One database per service, one transaction per request or message."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import BigInteger, DateTime, Enum, Integer, MetaData, event
from sqlalchemy.engine import Dialect, ExceptionContext
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.types import TypeDecorator
from sqlmodel.ext.asyncio.session import AsyncSession

from services.crash import crash_point
from services.sqlite import DRIVER, last_written
from services.tracing import span


class Aborted(OperationalError):
    """Two transactions waited for one another, and the database took this one back: all of it may be done again at once."""


#: What PostgreSQL says then. SQLAlchemy has no name for it, and calls it what it calls every mistake of ours.
ABORTED_STATES = ("40P01", "40001")  #: deadlock detected, could not serialize

#: Of the connection, of resources, of an operator.
OUTAGE_STATES = ("08", "53", "57")

#: The database is away, overloaded or starting, or took back what we did: trying again is right, trying something else is not.
OUTAGE = (OperationalError, InterfaceError, PoolTimeout, OSError)

# Constraint names must be the same on SQLite and PostgreSQL, or migrations cannot name them.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

#: Column type of a 64-bit integer that may be an autoincremented primary key on both databases.
BIGINT = BigInteger().with_variant(Integer, "sqlite")


def new_metadata() -> MetaData:
    return MetaData(naming_convention=NAMING)


def as_text(kind: type[StrEnum]) -> Enum:
    """A column type that stores the member's value as text.

    SQLAlchemy would store its name, and make a PostgreSQL type that cannot lose a member again.
    """
    return Enum(kind, native_enum=False, length=24, values_callable=lambda k: [member.value for member in k])


class Instant(TypeDecorator[dt.datetime]):
    """An aware UTC datetime. SQLite forgets the zone: this gives it back, and refuses naive values on the way in."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive datetime: {value}")
        return value.astimezone(dt.UTC)

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        return value.replace(tzinfo=dt.UTC) if value is not None and value.tzinfo is None else value


class Database:
    def __init__(self, url: str) -> None:
        self.url = url
        self._spoken = {"db.system.name": "sqlite" if url.startswith("sqlite") else "postgresql"}
        sqlite = url.startswith("sqlite")
        options: dict[str, Any] = {} if sqlite else {"pool_size": 5, "max_overflow": 5, "pool_timeout": 5}
        self.engine: AsyncEngine = create_async_engine(
            url.replace("sqlite+aiosqlite:", f"{DRIVER}:"),
            hide_parameters=True,  # Errors end up in logs, and parameters are names, addresses and hashes.
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
            **options,
        )
        if sqlite:
            _make_sqlite_serious(self.engine)
        else:
            event.listen(self.engine.sync_engine, "handle_error", _named)
        self.when_recorded: Callable[[], None] | None = None  #: Called after each commit with which events leave (outbox.py).
        # SQLite has one writer at a time and lets the others poll for their turn; those of one process can simply queue.
        self._turn: asyncio.Lock | nullcontext[None] = asyncio.Lock() if sqlite else nullcontext()
        # Copies of the engine: same pool, but what it does is known to be looking only. A statement out of a transaction sees what is
        # committed when it begins; on PostgreSQL one in a transaction does, too: BEGIN and ROLLBACK would be two more trips for nothing.
        self._reading = self.engine.execution_options(**({"begin": None} if sqlite else {"isolation_level": "AUTOCOMMIT"}))
        self._snapshot = self.engine.execution_options(**({"begin": "BEGIN"} if sqlite else {"isolation_level": "REPEATABLE READ"}))

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def last_written(self) -> object:
        """What equals what it was if nothing can have been committed since, by any process: another look would find the same.

        To be taken before the first look. PostgreSQL does not say: there it is None, which is no answer.
        """
        return last_written(str(self.engine.url.database)) if self.is_sqlite else None

    def may_differ(self, since: object) -> bool:
        """From what there was when `last_written` gave this."""
        return since is None or since != self.last_written()

    @asynccontextmanager
    async def transaction(self, point: str = "command") -> AsyncIterator[AsyncSession]:
        """Commit on the way out, roll back on error. Nothing else in the product commits.

        `session.info["before_commit"]` holds functions of the session to await just before (the outbox is written so).
        `point` names the crash points around the commit (crash.py).
        """
        with span(f"transaction {point}", "client", self._spoken):
            async with self._turn, AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
                yield session
                await session.flush()
                while hooks := session.info.pop("before_commit", ()):  # One may bring the next: what is decided late is recorded too.
                    for write in hooks:
                        await write(session)
                crash_point(f"{point}.before_commit")
        crash_point(f"{point}.after_commit")
        if self.when_recorded is not None and session.info.pop("recorded", False):
            self.when_recorded()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """For looking only: never waits for a writer, never makes one wait."""
        with span("reading", "client", self._spoken):
            async with AsyncSession(self._reading, expire_on_commit=False) as session:
                yield session

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """For looking only, at one and the same moment from the first statement on: for what has to agree with itself."""
        with span("snapshot", "client", self._spoken):
            async with AsyncSession(self._snapshot, expire_on_commit=False) as session:
                yield session

    async def close(self) -> None:
        await self.engine.dispose()
        if self.is_sqlite:
            await self.engine.dialect.dbapi.ended()  # type: ignore[union-attr]  # of services/sqlite.py


def _named(context: ExceptionContext) -> Aborted | None:
    """What an error is called, if it is not what SQLAlchemy calls it."""
    trouble = context.original_exception
    if getattr(trouble, "sqlstate", None) not in ABORTED_STATES:
        return None
    return Aborted(context.statement, None, trouble, hide_parameters=True)


def named(trouble: Exception, statement: str) -> DBAPIError:
    """What asyncpg itself raises, as SQLAlchemy would have called it."""
    state = getattr(trouble, "sqlstate", None) or ""
    if state in ABORTED_STATES:
        kind: type[DBAPIError] = Aborted
    elif state.startswith("23"):
        kind = IntegrityError
    elif state and not state.startswith(OUTAGE_STATES):
        kind = DBAPIError
    else:
        kind = OperationalError
    return kind(statement, None, trouble, hide_parameters=True)


def _make_sqlite_serious(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _: object) -> None:
        connection.isolation_level = None  # We open transactions ourselves, below.
        cursor = connection.cursor()
        # FULL: the usual advice, NORMAL, lost the last commits in every power cut that was tried.
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 10000", "foreign_keys = ON", "cache_size = -32000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Any) -> None:
        # A deferred transaction that reads, then writes, fails with "database is locked" when
        # another writer came in between. Taking the write lock first makes it wait instead.
        begin = connection.get_execution_options().get("begin", "BEGIN IMMEDIATE")
        if begin is not None:
            connection.exec_driver_sql(begin)
