"""What a client asked for, in outline: for errors alone, which stand at places that it knows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from graphql.language import ast

from gateway.drafts import Entry
from gateway.supergraph import Supergraph

#: A place in the client's answer: names and indexes.
Path = tuple[str | int, ...]


class Known(NamedTuple):
    name: str  #: what the client calls it
    required: str | None  #: its coordinate, such as Family.balance, if it must not be null
    below: "Outline"


#: Key in the merged data -> what the client knows of it.
Outline = Mapping[str, Known]


def outline(supergraph: Supergraph, fields: Mapping[str, list[Entry]]) -> Outline:
    """`fields`: object type -> what is asked of it."""
    known: dict[str, Known] = {}
    for type_name, entries in fields.items():
        for entry in entries:
            if entry.key is not None:
                below = outline(supergraph, entry.shape.fields) if entry.shape else {}
                before = known[entry.key].below if entry.key in known else {}
                known[entry.key] = Known(entry.selected.key, _required(supergraph, type_name, entry.selected.name), {**before, **below})
    return known


def _required(supergraph: Supergraph, type_name: str, name: str) -> str | None:
    known = supergraph.types[type_name].fields.get(name)
    return f"{type_name}.{name}" if known is not None and isinstance(known.type, ast.NonNullTypeNode) else None


def nearest(known: Outline, path: Sequence[str | int]) -> Path:
    """The nearest place that the client knows: its own names, as far as it asked. Some fields are asked for others (@requires)."""
    found: list[str | int] = []
    for step in path:
        if isinstance(step, int):
            found.append(step)
            continue
        if step not in known:
            break
        name, _, known = known[step]
        found.append(name)
    return tuple(found)


def missing(known: Outline, value: Any, field: str, at: Path = ()) -> Path | None:
    """Where this field, which must not be null, is null in the merged data."""
    for key, below, each in _below(known, value):
        if each is None and isinstance(key, Known) and key.required == field:
            return *at, key.name
        found = missing(below, each, field, (*at, key.name if isinstance(key, Known) else key))
        if found is not None:
            return found
    return None


def _below(known: Outline, value: Any) -> Iterator[tuple[Known | int, Outline, Any]]:
    if isinstance(value, list):
        yield from ((index, known, each) for index, each in enumerate(value))
    elif isinstance(value, dict):
        yield from ((each, each.below, value.get(key)) for key, each in known.items())
