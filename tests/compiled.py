"""Statements are compiled once a run, not once for each test's database: that took a third of the time.

SQLAlchemy keeps what it has compiled with an engine, for its dialect. Ours differ in nothing but the address: here all dialects of a kind are
one, and all engines share what was compiled. In the processes that tests start everything is as it is in production.
"""

from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import LRUCache

from services import database

STATEMENTS = 5_000  #: the most that are kept


def compile_once() -> None:
    """For every database that is opened from now on, in this process."""
    for kind in (SQLiteDialect_aiosqlite, PGDialect_asyncpg):
        kind.__eq__ = _same_kind  # type: ignore[method-assign]
        kind.__hash__ = _hash_of_kind  # type: ignore[method-assign]
        kind._type_memos = WeakKeyDictionary()  # type: ignore[assignment]
    shared: LRUCache[Any, Any] = LRUCache(STATEMENTS)
    database.create_async_engine = partial(create_async_engine, execution_options={"compiled_cache": shared})


def _same_kind(one: object, other: object) -> bool:
    return type(one) is type(other)


def _hash_of_kind(one: object) -> int:
    return hash(type(one))
