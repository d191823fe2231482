"""The pieces a plan is drafted with: requests to subgraphs while they are being filled. `compiler.py` makes them final."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.selection import Selected

#: A field as its subgraph sees it: type, name, arguments.
Signature = tuple[str, str, str]


@dataclass(slots=True)
class Placed:
    """A field put into a request."""

    name: str
    arguments: str
    variables: frozenset[str]
    block: "Block | None"


@dataclass(slots=True, eq=False)
class Block:
    """One selection set of a request."""

    graph: str
    type: str
    objects: frozenset[str]  #: the object types that the subgraph may answer here
    fields: dict[str, dict[str, Placed]] = field(default_factory=dict)  #: object type -> key in the subgraph's answer -> field
    names: dict[str, Signature] = field(default_factory=dict)  #: key -> what it stands for, whatever the object's type
    beside: list["Block"] = field(default_factory=list)  #: of the same request, and of the same names: below other types' fields

    def of(self, type_name: str) -> dict[str, Placed]:
        return self.fields.setdefault(type_name, {})

    def under(self, key: str) -> list["Block"]:
        """What is selected below fields of this name."""
        placed = (fields.get(key) for each in (self, *self.beside) for fields in each.fields.values())
        return [each.block for each in placed if each and each.block]


class Segment(NamedTuple):
    """One field on the way to an object; `type` where only objects of that type go on."""

    key: str
    type: str | None


@dataclass(slots=True)
class Part:
    """A field of a representation: what `_entities` is told about an object."""

    name: str
    key: str
    below: "Parts | None"


@dataclass(slots=True)
class Parts:
    abstract: bool
    fields: dict[str, list[Part]]  #: object type -> its parts


class Bearer(NamedTuple):
    """Where in the merged data the token is that a request is made with, instead of the client's own."""

    path: tuple[Segment, ...]
    key: str


@dataclass(slots=True, eq=False)
class Step:
    """One request to a subgraph: of root fields, or of entities found along `path`."""

    id: int
    graph: str
    block: Block
    type: str  #: the root type, or the entity's
    entity: bool = False
    path: tuple[Segment, ...] = ()
    representation: list[Part] = field(default_factory=list)
    needs: set[int] = field(default_factory=set)  #: steps whose answers must be in first
    bearer: Bearer | None = None


class Source(NamedTuple):
    """Where fields of an object can be put: a selection set of a request."""

    step: Step
    block: Block
    provided: Mapping[str, Selected] | None


@dataclass(slots=True, eq=False)
class Place:
    """Objects of one type at one position of the answer."""

    path: tuple[Segment, ...]
    type: str
    home: Source | None  #: the request that finds these objects; None at the root
    finders: frozenset[str] = frozenset()  #: the subgraphs any of which might have been asked for these objects
    others: dict[tuple[str, str | None], Source] = field(default_factory=dict)  #: (subgraph, @requires text) -> request for more of them
    names: dict[str, tuple[str, str]] = field(default_factory=dict)  #: key in the merged answer -> field and arguments behind it
    below: dict[str, dict[str, "Place"]] = field(default_factory=dict)  #: key -> object type -> place
    beside: list["Place"] = field(default_factory=list)  #: of the same objects: as their interface's, or as those of one of its types


@dataclass(slots=True)
class Entry:
    """One field of the client's answer, and where in the merged data it is found."""

    selected: Selected
    key: str | None = None  #: None: not in the data (the root's __typename, introspection, denied, or nobody could be asked)
    shape: "Shape | None" = None
    of_all: bool = False  #: asked of the interface, whatever the object's type


@dataclass(slots=True)
class Shape:
    abstract: bool
    fields: dict[str, list[Entry]]  #: object type -> entries, in the client's order

    def merge(self, other: "Shape") -> None:
        """Take over what another request found of the same position."""
        for type_name, entries in other.fields.items():
            mine = self.fields.setdefault(type_name, [])
            known = {entry.selected.key: entry for entry in mine}
            for entry in entries:
                present = known.get(entry.selected.key)
                if present is None:
                    mine.append(entry)
                elif present.key is None:
                    present.key, present.shape = entry.key, entry.shape
                elif present.shape is not None and entry.shape is not None:
                    present.shape.merge(entry.shape)


class Spot(NamedTuple):
    """A field of the client's answer: of the objects at a path."""

    path: tuple[Segment, ...]
    key: str  #: what the client calls it; empty: the objects themselves

    def of(self, at: tuple[str | int, ...]) -> tuple[str | int, ...]:
        """Where it is, of the object at a place."""
        return (*at, self.key) if self.key else at


@dataclass(slots=True)
class Draft:
    root: str
    entries: list[Entry]
    steps: list[Step]
    renamed: dict[str, str]  #: key invented here -> what the client calls it
    fields: int  #: looked at for it
    denied: list[Spot] = field(default_factory=list)
