"""SQLite, asked in one trip a statement.

A SQLite connection lives on a thread of its own (aiosqlite), and a trip there and back costs more than most statements do. SQLAlchemy's
dialect makes four for each: make a cursor, execute, fetch, close. This one makes one, and hands on what came back.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from threading import Thread
from typing import Any
from weakref import WeakSet

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
    SQLiteDialect_aiosqlite,
)

DRIVER = "sqlite+onetrip"
LAST_SECONDS = 10  #: At most so long is waited for all threads to end.
FRESH_SECONDS = 2.0  #: What was written so lately may be written on: clocks of files are coarse, and a commit is seen after it is synced.
BELIEVED_SECONDS = 2.0  #: A commit whose sync took longer than FRESH_SECONDS is seen then.
_other = count()


@dataclass(slots=True)
class Done:
    """What is left of a cursor when its statement is through: nothing that must be closed."""

    description: Any = None
    rowcount: int = -1
    lastrowid: int | None = None
    arraysize: int = 1


class Cursor(AsyncAdapt_aiosqlite_cursor):
    __slots__ = ()
    _awaitable_cursor_close = False  # so that nobody goes there to close it

    def _make_new_cursor(self, connection: Any) -> Any:
        return Done()

    def _aenter_cursor(self, cursor: Any) -> Any:
        return cursor

    def close(self) -> None:
        self._rows.clear()

    async def _execute_async(self, operation: Any, parameters: Any) -> None:
        await self._trip(self._connection._conn.execute, operation, parameters or ())

    async def _executemany_async(self, operation: Any, seq_of_parameters: Sequence[Any]) -> None:
        await self._trip(self._connection._conn.executemany, operation, seq_of_parameters)

    async def _trip(self, execute: Callable[..., Any], operation: Any, parameters: Any) -> None:
        async with self._adapt_connection._execute_mutex:
            self._cursor, self._rows = await self._connection._execute(_execute, execute, operation, parameters)


def _execute(execute: Callable[..., Any], operation: str, parameters: Any) -> tuple[Done, deque[Any]]:
    """On the connection's thread."""
    cursor = execute(operation, parameters)
    try:
        rows = deque(cursor.fetchall() if cursor.description else ())
        return Done(cursor.description, cursor.rowcount, cursor.lastrowid), rows
    finally:
        cursor.close()


class Connection(AsyncAdapt_aiosqlite_connection):
    __slots__ = ()
    _cursor_cls = Cursor

    def rollback(self) -> None:
        """Not asked for where nothing was begun: who only looks begins nothing."""
        if self._connection.in_transaction:
            super().rollback()


class Module(AsyncAdapt_aiosqlite_dbapi):
    """Of one engine."""

    def __init__(self, aiosqlite: Any, sqlite: Any) -> None:
        super().__init__(aiosqlite, sqlite)
        self._threads: WeakSet[Thread] = WeakSet()

    def connect(self, *arg: Any, **kw: Any) -> Connection:
        return Connection(self, super().connect(*arg, async_creator_fn=self._opening, **kw)._connection)

    def _opening(self, *arg: Any, **kw: Any) -> Any:
        connection = self.aiosqlite.connect(*arg, **kw)
        connection._thread.daemon = True
        self._threads.add(connection._thread)  # Before it is open: who is cancelled meanwhile leaves it to open and end alone.
        return connection

    async def ended(self) -> None:
        """Every thread is through, or LAST_SECONDS are: what it still did for somebody who was cancelled, too."""
        until = time.monotonic() + LAST_SECONDS
        for thread in list(self._threads):
            if thread.is_alive():
                await asyncio.to_thread(thread.join, max(0.0, until - time.monotonic()))


class Dialect(SQLiteDialect_aiosqlite):
    driver = "onetrip"
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> Module:
        return Module(__import__("aiosqlite"), __import__("sqlite3"))


def last_written(path: str) -> object:
    """The same as before only if nobody, in whatever process, has committed anything to this file since: for a look that costs nothing.

    Never the same where that is not certain, nor for longer than BELIEVED_SECONDS.
    """
    now, file = time.time(), os.path.realpath(path)  # What is written first is beside the file, not beside a link to it.
    try:
        marks = [_mark(file, now), _mark(f"{file}-wal", now)]
    except OSError:  # Nobody has it open, somebody closed it just now, or its disk is away: whoever looks is told.
        return next(_other)
    return (*marks, int(now / BELIEVED_SECONDS)) if None not in marks else next(_other)


def _mark(name: str, now: float) -> tuple[int, int, int] | None:
    """None: written too lately. Raises OSError."""
    at = os.stat(name)
    return None if now - at.st_mtime < FRESH_SECONDS else (at.st_ino, at.st_size, at.st_mtime_ns)


registry.register(DRIVER.replace("+", "."), __name__, "Dialect")
