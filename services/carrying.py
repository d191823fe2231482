"""Rows that go with a town to another installation: which columns of a table, and what their ids name."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, insert, select
from sqlmodel.ext.asyncio.session import AsyncSession

Row = dict[str, Any]
Of = Callable[[str, str], str]  #: What an id names, such as "child", and the id -> what it is called there.

#: Columns that hold ids, and what these name.
NAMES = {name: name for name in ("family", "child", "activity", "wallet", "account")}


@dataclass(frozen=True, slots=True)
class Carried:
    """A table of a service, as a town's file has it."""

    name: str  #: In the file.
    table: Table
    key: tuple[str, ...]  #: A row whose key is there already stays as it is there.
    but: frozenset[str] = frozenset({"structure"})  #: Columns that whoever loads the file knows better.
    names: Mapping[str, str] = field(default_factory=lambda: NAMES)

    @property
    def columns(self) -> list[Column[Any]]:
        return [column for column in self.table.columns if column.name not in self.but]

    def renamed(self, row: Row, of: Of) -> Row:
        return {name: of(self.names[name], value) if name in self.names and value is not None else value for name, value in row.items()}


async def found(session: AsyncSession, carried: Carried, *where: ColumnElement[bool], **values: Any) -> list[Row]:
    """In the order of the table's own key."""
    query = select(*carried.columns).where(*where).order_by(*carried.table.primary_key)
    return [dict(row) for row in (await (await session.connection()).execute(query, values)).mappings()]


async def not_there(session: AsyncSession, carried: Carried, rows: Sequence[Row]) -> list[Row]:
    if not rows:
        return []
    key = [carried.table.c[name] for name in carried.key]
    known = {tuple(row) for row in await (await session.connection()).execute(select(*key))}
    return [row for row in rows if tuple(row[name] for name in carried.key) not in known]


async def write(session: AsyncSession, carried: Carried, rows: Iterable[Row], **more: Any) -> None:
    if values := [row | more for row in rows]:
        await (await session.connection()).execute(insert(carried.table), values)
