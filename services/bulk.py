"""Statements about thousands of rows: SQLAlchemy's words and types, without its work on every single row or parameter.

`connection.execute(insert(table), rows)` spends more time on a row than the database does, and `column.in_(values)` is another statement
for each number of values. Here a statement is compiled once per dialect and keeps its text, however many it is about.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import asyncpg
import orjson
from sqlalchemy import Boolean, ColumnElement, Dialect, Executable, Table, bindparam
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Text, TypeDecorator, TypeEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from services.database import named

Rows = Sequence[tuple[Any, ...]]
Convert = Callable[[Any], Any]


# ---------------------------------------------------------------------------------------------------------------- lists
class _Condition(FunctionElement[bool]):
    """As it stands: `IN (...) = 1`, as SQLAlchemy would have it for SQLite, is nothing that an index is looked through for."""

    type = Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> Any:
        return self


class one_of(_Condition):  # noqa: N801 -- used like a function of SQLAlchemy's
    """`select(...).where(one_of(column, "ids"))`: the column's value is one of the list that is given as "ids" later."""

    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        super().__init__(column, bindparam(name, type_=_ListOf(column.type)))


class pair_of(_Condition):  # noqa: N801 -- as one_of
    """`select(...).where(pair_of(column, other, "keys"))`: both columns' values are one of the pairs that are given as "keys" later.

    Two lists would be a cross product: ten activities on ten days are ten days of theirs, and a hundred in all.
    """

    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], other: ColumnElement[Any], name: str) -> None:
        super().__init__(column, other, bindparam(name, type_=_Pairs()))


class _Pairs(TypeDecorator[list[Any]]):
    """JSON, for texts and dates."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return orjson.dumps(list(value)).decode()


@compiles(pair_of)
def _pair_in_json(element: pair_of, compiler: SQLCompiler, **kw: Any) -> str:
    column, other, values = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"({column}, {other}) IN (SELECT value ->> 0, value ->> 1 FROM json_each({values}))"


@compiles(pair_of, "postgresql")
def _pair_in_array(element: pair_of, compiler: SQLCompiler, **kw: Any) -> str:
    column, other, values = (compiler.process(clause, **kw) for clause in element.clauses)
    first, second = (clause.type.compile(compiler.dialect) for clause in list(element.clauses)[:2])
    pairs = f"SELECT (pair ->> 0)::{first}, (pair ->> 1)::{second} FROM json_array_elements({values}::json) AS pair"
    return f"({column}, {other}) IN ({pairs})"


class _ListOf(TypeDecorator[list[Any]]):
    """An array on PostgreSQL, JSON elsewhere: for texts, numbers and dates."""

    impl = Text
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(postgresql.ARRAY(self.item) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return list(value) if dialect.name == "postgresql" else orjson.dumps(list(value)).decode()


@compiles(one_of)
def _in_json(element: one_of, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"


@compiles(one_of, "postgresql")
def _in_array(element: one_of, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{column} = ANY ({values})"


# --------------------------------------------------------------------------------------------------- copies that are kept
def upsert(
    session: AsyncSession, table: Table, told: dict[str, Any], where: Callable[[Any, Any], Any] = lambda known, news: None
) -> Executable:
    """Insert one row, or overwrite the one that has its key. `where` compares the columns of what is known and of the news; without it
    the news always count."""
    news = _insert_of(session)(table).values(told)
    return news.on_conflict_do_update(index_elements=list(table.primary_key), set_=told, where=where(table.c, news.excluded))


def insert_unknown(session: AsyncSession, table: Table, rows: Sequence[dict[str, Any]]) -> postgresql.Insert | sqlite.Insert:
    """Insert those of the rows of which none is there yet, whoever inserts them at the same moment."""
    return _insert_of(session)(table).values(list(rows)).on_conflict_do_nothing()


def _insert_of(session: AsyncSession) -> Callable[[Table], postgresql.Insert | sqlite.Insert]:
    return postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert


# ---------------------------------------------------------------------------------------------------- inserts and updates
class _Bulk:
    """One statement about many rows."""

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        self._table = table
        self._columns = list(columns)
        self._compiled: dict[str, tuple[str, list[tuple[int, Convert]]]] = {}

    async def __call__(self, session: AsyncSession, rows: Rows) -> None:
        if not rows:
            return
        connection = await session.connection()
        statement, converters = self._for(connection.dialect)
        columns = _converted(rows, converters)
        if connection.dialect.name == "postgresql":
            await self._send(connection, statement, columns)
        else:
            await connection.exec_driver_sql(statement, list(zip(*columns, strict=True)))

    async def _send(self, connection: AsyncConnection, statement: str, columns: Sequence[Sequence[Any]]) -> None:
        """To PostgreSQL, all rows at once: each on its own would cost the server as much again."""
        await connection.exec_driver_sql(statement, tuple(columns))

    def _for(self, dialect: Dialect) -> tuple[str, list[tuple[int, Convert]]]:
        known = self._compiled.get(dialect.name)
        if known is None:
            types = [self._table.c[name].type for name in self._columns]
            processors = [type_.dialect_impl(dialect).bind_processor(dialect) for type_ in types]
            converters: list[tuple[int, Convert]] = [
                (index, processor) for index, processor in enumerate(processors) if processor is not None
            ]
            quote = dialect.identifier_preparer.quote
            table, names = quote(self._table.name), [quote(name) for name in self._columns]
            if dialect.name == "postgresql":
                # No length: a cast to one would cut a text that is too long, instead of refusing it.
                kinds = [re.sub(r"\(\d+\)", "", type_.compile(dialect)) for type_ in types]
                arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(kinds, 1))
                statement = self._all_at_once(table, names, f"unnest({arrays})")
            else:
                statement = self._one_by_one(table, names)
            known = self._compiled[dialect.name] = statement, converters
        return known

    def _all_at_once(self, table: str, names: Sequence[str], rows: str) -> str:
        """For PostgreSQL, one statement for all rows: each on its own would cost the server as much again."""
        raise NotImplementedError

    def _one_by_one(self, table: str, names: Sequence[str]) -> str:
        """For SQLite, once for each row: nothing travels."""
        raise NotImplementedError


class BulkInsert(_Bulk):
    """`await BulkInsert(table, columns)(session, rows)`, each row with a value for every one of the columns."""

    def _all_at_once(self, table: str, names: Sequence[str], rows: str) -> str:
        return f"COPY {table} ({', '.join(names)}) FROM STDIN"

    async def _send(self, connection: AsyncConnection, statement: str, columns: Sequence[Sequence[Any]]) -> None:
        """By COPY: an INSERT of arrays costs the client three times as much, and the server a third more."""
        pooled = await connection.get_raw_connection()
        driver: Any = pooled.driver_connection
        if not driver.is_in_transaction():  # SQLAlchemy begins it with its first statement, and does not see this one.
            await connection.exec_driver_sql("SELECT 1")
        try:
            await driver.copy_records_to_table(self._table.name, records=zip(*columns, strict=True), columns=self._columns)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as trouble:
            if driver.is_closed():
                await connection.invalidate(trouble)
            raise named(trouble, statement) from trouble

    def _one_by_one(self, table: str, names: Sequence[str]) -> str:
        return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"


class BulkUpdate(_Bulk):
    """`await BulkUpdate(table, columns)(session, rows)`: the first column, or as many as `keys`, name the row, the others are set."""

    def __init__(self, table: Table, columns: Sequence[str], keys: int = 1) -> None:
        super().__init__(table, columns)
        self._keys = keys

    def _all_at_once(self, table: str, names: Sequence[str], rows: str) -> str:
        assignments = ", ".join(f"{name} = new.{name}" for name in names[self._keys :])
        same = " AND ".join(f"{table}.{name} = new.{name}" for name in names[: self._keys])
        return f"UPDATE {table} SET {assignments} FROM {rows} AS new ({', '.join(names)}) WHERE {same}"

    def _one_by_one(self, table: str, names: Sequence[str]) -> str:
        # Numbered, for the keys come last in the statement and first in a row.
        numbered = [f"{name} = ?{number}" for number, name in enumerate(names, 1)]
        return f"UPDATE {table} SET {', '.join(numbered[self._keys :])} WHERE {' AND '.join(numbered[: self._keys])}"


def _converted(rows: Rows, converters: Sequence[tuple[int, Convert]]) -> list[Sequence[Any]]:
    """The columns. A rush repeats the same few days and instants thousands of times: each is converted once."""
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    for index, convert in converters:
        values = columns[index]
        try:
            known = {value: convert(value) for value in set(values)}
            columns[index] = [known[value] for value in values]
        except TypeError:  # Lists and dictionaries cannot be looked up: the same one, given many times, is converted once.
            same = {id(value): convert(value) for value in {id(value): value for value in values}.values()}
            columns[index] = [same[id(value)] for value in values]
    return columns
