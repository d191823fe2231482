"""What a client asked for, in outline: for errors alone, which stand at places that it knows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from gateway.drafts import Entry
from gateway.supergraph import Supergraph

#: A place in the client's answer: names and indexes.
Path = tuple[str | int, ...]


class Lack(NamedTuple):
    """A field that is not what it must be."""

    field: str  #: its coordinate, such as Family.balance
    value: Any  #: what stands there: null, or what no such field can be


class Known(NamedTuple):
    name: str  #: what the client calls it
    fields: frozenset[str]  #: their coordinates: one for each type of object that may stand there
    below: "Outline"


#: Key in the merged data -> what the client knows of it.
Outline = Mapping[str, Known]


def outline(supergraph: Supergraph, asked: Mapping[str, list[Entry]]) -> Outline:
    """`asked`: object type -> what is asked of it."""
    known: dict[str, Known] = {}
    for type_name, entries in asked.items():
        for entry in entries:
            if entry.key is not None:
                name, below = entry.selected.name, outline(supergraph, entry.shape.fields) if entry.shape else {}
                before = known.get(entry.key, Known("", frozenset(), {}))
                fields = before.fields | ({f"{type_name}.{name}"} if name in supergraph.types[type_name].fields else set())
                known[entry.key] = Known(entry.selected.key, fields, {**before.below, **below})
    return known


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


def places(known: Outline, data: Any, lacks: Iterable[Lack]) -> Iterator[tuple[Path, str]]:
    """Where in the merged data these fields are what they must not be: place, field."""
    values: dict[str, set[int]] = {}
    for lack in lacks:
        values.setdefault(lack.field, set()).add(id(lack.value))
    yield from _places(known, data, values, ())


def _places(known: Outline, value: Any, values: Mapping[str, set[int]], at: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, dict):
        told = value.get("__typename")
        for key, each in known.items():
            fields = [field for field in each.fields if field in values and told in (None, field.partition(".")[0])]
            yield from _within(each, fields, value.get(key), values, (*at, each.name))


def _within(each: Known, fields: Sequence[str], value: Any, values: Mapping[str, set[int]], at: Path) -> Iterator[tuple[Path, str]]:
    """`fields`: what stands there is one of them."""
    yield from ((at, field) for field in fields if id(value) in values[field])
    if isinstance(value, list):
        for index, element in enumerate(value):
            # An element may be null, whatever the list may be.
            yield from _within(each, [] if element is None else fields, element, values, (*at, index))
    else:
        yield from _places(each.below, value, values, at)


class Explained:
    """The places of errors: what is null there, above or below needs no other."""

    def __init__(self, paths: Iterable[Sequence[str | int] | None]) -> None:
        """`paths`: None may be anywhere."""
        self._paths: set[Path] = set()
        self._above: set[Path] = set()
        self._anywhere = False
        for path in paths:
            self._anywhere |= path is None
            self._paths.add(tuple(path or ()))
            self._above.update(_prefixes(path or ()))

    def __contains__(self, place: Path) -> bool:
        return self._anywhere or place in self._above or any(prefix in self._paths for prefix in _prefixes(place))


def _prefixes(path: Sequence[str | int]) -> Iterator[Path]:
    return (tuple(path[:length]) for length in range(1, len(path) + 1))
