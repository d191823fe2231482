"""Inserts of thousands of rows: SQLAlchemy's statement and its types, without its work on every single row.

`connection.execute(insert(table), rows)` spends more time on a row than the database does. Here the statement is compiled once per
dialect, and a row is a tuple in the order of the columns.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Dialect, Table, insert
from sqlmodel.ext.asyncio.session import AsyncSession

Rows = Sequence[tuple[Any, ...]]
Convert = Callable[[Any], Any]


class BulkInsert:
    """`await BulkInsert(table, columns)(session, rows)`, each row with a value for every one of the columns."""

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        self._table = table
        self._columns = list(columns)
        self._compiled: dict[str, tuple[str, list[tuple[int, Convert]]]] = {}

    async def __call__(self, session: AsyncSession, rows: Rows) -> None:
        if not rows:
            return
        connection = await session.connection()
        statement, converters = self._for(connection.dialect)
        await connection.exec_driver_sql(statement, _converted(rows, converters))

    def _for(self, dialect: Dialect) -> tuple[str, list[tuple[int, Convert]]]:
        known = self._compiled.get(dialect.name)
        if known is None:
            compiled = insert(self._table).inline().compile(dialect=dialect, column_keys=self._columns)
            assert getattr(compiled, "positiontup", None) == self._columns, f"{self._table.name}: columns out of order"
            processors = [self._table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in self._columns]
            converters: list[tuple[int, Convert]] = [
                (index, processor) for index, processor in enumerate(processors) if processor is not None
            ]
            known = self._compiled[dialect.name] = str(compiled), converters
        return known


def _converted(rows: Rows, converters: Sequence[tuple[int, Convert]]) -> list[tuple[Any, ...]]:
    """Column by column: a rush repeats the same few days and instants thousands of times."""
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    for index, convert in converters:
        known = {value: convert(value) for value in set(columns[index])}
        columns[index] = [known[value] for value in columns[index]]
    return list(zip(*columns, strict=True))
