"""What happened to a town before it moved here: the services' own rows, as `preau export` writes them. Nobody writes them by hand."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import Column
from sqlalchemy.types import TypeDecorator

from deploy.town.fields import Fields, Mistakes, Reader, Wrong, choice, date, describe, reading, whole, yes_or_no
from deploy.town.reading import Listing, Node, Place, Scalar
from deploy.town.reading import Mapping as Keys
from services.billing import carrying as billing
from services.booking import carrying as booking
from services.carrying import Carried, Row
from services.identity import tables as identity

A_WORD = "a text"
AN_INSTANT = "an instant with its time zone, such as 2026-11-23T07:00:00+00:00"
A_NUMBER = whole(-(10**15), 10**15, "a whole number")  #: As low as the threshold of those who want no alert.
AN_AMOUNT, OR_NOTHING = (whole(least, 10**14, f"whole euro cents, {least} or more") for least in (1, 0))

#: Children who left their family: what was charged for them still names them.
FORMER_CHILDREN = Carried(
    "former_children",
    identity.Child.metadata.tables["child"],
    ("id",),
    frozenset({"listed"}),
    {"id": "child", "family_id": "family"},
)
MOVING = (billing.ENTRIES, billing.ONLINE_PAYMENTS)  #: Whose amounts are never 0.
CARRIED = (FORMER_CHILDREN, *billing.CARRIED, *booking.CARRIED)


@dataclass(frozen=True, slots=True)
class History:
    """Table -> its rows, with the file's ids."""

    place: Place
    rows: Mapping[str, Sequence[Row]]

    def ids(self, kind: str) -> set[str]:
        """Of whatever its rows name of that kind, such as "child": also of what the file does not list any more."""
        named = [(carried.name, column) for carried in CARRIED for column, kinds in carried.names.items() if kinds == kind]
        return {id_ for name, column in named for row in self.rows[name] if (id_ := row.get(column)) is not None}


def read_history(node: Node, mistakes: Mistakes) -> History:
    with reading(node, mistakes, "a history") as fields:
        rows = {carried.name: [_row(one, mistakes, carried) for one in fields.each(carried.name)] for carried in CARRIED}
        return History(node.place, rows)


def _row(node: Node, mistakes: Mistakes, carried: Carried) -> Row:
    with reading(node, mistakes, f"a row of {carried.name}") as fields:
        return {column.name: _value(fields, carried, column) for column in carried.columns}


def _value(fields: Fields, carried: Carried, column: Column[Any]) -> Any:
    kind = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
    reader = _reader(kind.python_type)
    if column.name == "amount_cents":  # A day that costs less than nothing would give money once it is closed.
        reader = AN_AMOUNT if carried in MOVING else OR_NOTHING
    return fields.may(column.name, reader, None) if column.nullable else fields.need(column.name, reader, None)


def _reader(kind: type[Any]) -> Reader[Any]:
    if issubclass(kind, Enum):
        return lambda node: kind(choice([member.value for member in kind])(node))
    return READERS[kind]


def _exact(node: Node) -> str:
    """As it is written, to the last space."""
    if not isinstance(node, Scalar) or node.kind == "null":
        raise Wrong(f"{describe(node)} is no text", A_WORD)
    return node.text


def _instant(node: Node) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(_exact(node))
    except ValueError:
        raise Wrong(f"{describe(node)} is no instant", AN_INSTANT) from None
    if moment.tzinfo is None:
        raise Wrong(f"{describe(node)} has no time zone", AN_INSTANT)
    return moment


def _plain(node: Node) -> Any:
    """Lists and keys as they stand."""
    match node:
        case Keys():
            return {key: _plain(entry.value) for key, entry in node.entries.items()}
        case Listing():
            return [_plain(item) for item in node.items]
        case Scalar(kind="null"):
            return None
        case Scalar(kind="int"):
            return A_NUMBER(node)
        case Scalar(kind="bool"):
            return yes_or_no(node)
    return node.text


READERS: dict[type[Any], Reader[Any]] = {
    str: _exact,
    int: A_NUMBER,
    bool: yes_or_no,
    dt.date: date(dt.date.min),
    dt.datetime: _instant,
    object: _plain,  # JSON, whatever is in it
}


# ------------------------------------------------------------------------------------------------------------ into a file
def written(rows: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    """As the file has them. What is the same in many rows, such as why a price is what it is, stands there once (YAML's anchors)."""
    once: dict[str, Any] = {}
    return {name: [dict(_cells(row, once)) for row in some] for name, some in rows.items() if some}


def _cells(row: Row, once: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, list | dict):
            yield name, once.setdefault(repr(value), value)
        elif value is not None:
            yield name, AS_WRITTEN.get(type(value), _same)(value)


def _same(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


AS_WRITTEN: dict[type[Any], Callable[[Any], Any]] = {dt.datetime: dt.datetime.isoformat}
