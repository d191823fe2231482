"""Documents that ask for all of a real schema, and objects of its types that nobody loaded from anywhere.

Of each type there are few objects, each holding the others: a full one, a sparse one (null wherever it may be, empty lists), and one in which
one value is not what it should be. Whatever a service would look up is one of them instead.
"""

import datetime as dt
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    is_composite_type,
    is_required_argument,
    is_required_input_field,
)

from services.projection import DEFINITION, READS_ATTRIBUTE, STORED_IN

FULL, SPARSE, ODD = range(3)
DEEPEST: Final = 12  #: Below a field of the root.
VALUES: Final[Mapping[str, Any]] = {
    "ID": "id", "String": "é", "Int": 7, "Float": 1.5, "Boolean": True, "Date": dt.date(2026, 11, 23), "LocalTime": "07:30",
    "YearMonth": "2026-11", "DateTime": dt.datetime(2026, 11, 23, 7, tzinfo=dt.UTC),
}  # fmt: skip
LITERALS: Final[Mapping[str, str]] = {
    "ID": '"id"', "String": '"é"', "Int": "7", "Float": "1.5", "Boolean": "true", "Date": '"2026-11-23"', "LocalTime": '"07:30"',
    "YearMonth": '"2026-11"', "DateTime": '"2026-11-23T07:00:00Z"',
}  # fmt: skip


def bare(type_: Any) -> Any:
    while isinstance(type_, GraphQLNonNull | GraphQLList):
        type_ = type_.of_type
    return type_


# --------------------------------------------------------------------------------------------------------------- documents
@dataclass
class Asking:
    """Writes selections, and notes what they ask for: (type, field)."""

    schema: GraphQLSchema
    asked: set[tuple[str, str]] = field(default_factory=set)

    def document(self, kind: str, root: GraphQLObjectType, name: str) -> str:
        """One field of the root, and below it each type with all its fields where it is first met."""
        self._met: set[str] = set()
        return f"{kind} {{ {self._field(root, name, DEEPEST)} }}"

    def _field(self, parent: GraphQLObjectType | GraphQLInterfaceType, name: str, left: int) -> str:
        self.asked |= {(each.name, name) for each in (parent, *self._possible(parent))}
        told = ", ".join(f"{key}: {literal(each.type)}" for key, each in parent.fields[name].args.items() if is_required_argument(each))
        below = bare(parent.fields[name].type)
        return f"{name}{f'({told})' if told else ''}{f' {{ {self._selection(below, left - 1)} }}' if is_composite_type(below) else ''}"

    def _possible(self, parent: GraphQLObjectType | GraphQLInterfaceType) -> Sequence[GraphQLObjectType]:
        return self.schema.get_possible_types(parent) if isinstance(parent, GraphQLInterfaceType) else ()

    def _selection(self, type_: Any, left: int) -> str:
        if isinstance(type_, GraphQLUnionType):
            return " ".join(["__typename", *(f"... on {each.name} {{ {self._selection(each, left)} }}" for each in type_.types)])
        new = type_.name not in self._met and left > 0
        self._met.add(type_.name)
        fields = [name for name, each in type_.fields.items() if new or not is_composite_type(bare(each.type))]
        return " ".join(["__typename", *(self._field(type_, name, left) for name in fields)])


def literal(type_: Any) -> str:
    if isinstance(type_, GraphQLNonNull):
        return literal(type_.of_type)
    if isinstance(type_, GraphQLList):
        return "[]"
    if isinstance(type_, GraphQLEnumType):
        return next(iter(type_.values))
    if not isinstance(type_, GraphQLInputObjectType):
        return LITERALS[type_.name]
    fields = (
        [*type_.fields.items()][:1]
        if type_.is_one_of
        else [(name, each) for name, each in type_.fields.items() if is_required_input_field(each)]
    )
    return "{" + ", ".join(f"{name}: {literal(each.type)}" for name, each in fields) + "}"


# ----------------------------------------------------------------------------------------------------------------- objects
@dataclass
class World:
    """All objects of one schema."""

    schema: GraphQLSchema
    odd: bool  #: There are odd ones among them.
    _objects: dict[tuple[str, int], Any] = field(default_factory=dict)
    _turns: "count[int]" = field(default_factory=count)

    def value(self, type_: Any, kind: int = FULL) -> Any:
        """Of a GraphQL type."""
        if isinstance(type_, GraphQLNonNull):
            return self._present(type_.of_type, kind)
        return None if kind == SPARSE else self._present(type_, kind)

    def _present(self, type_: Any, kind: int) -> Any:
        if isinstance(type_, GraphQLList):
            kinds = (FULL, SPARSE, ODD) if self.odd else (FULL, SPARSE)
            return [] if kind == SPARSE else [self._present(bare(type_), each) for each in kinds]
        if isinstance(type_, GraphQLUnionType | GraphQLInterfaceType):
            possible = self.schema.get_possible_types(type_)
            return self.object(possible[next(self._turns) % len(possible)], kind)
        if isinstance(type_, GraphQLObjectType):
            return self.object(type_, kind)
        if isinstance(type_, GraphQLEnumType):
            return next(iter(type_.extensions[DEFINITION].wrapped_cls))
        return VALUES[type_.name]

    def object(self, type_: GraphQLObjectType, kind: int) -> Any:
        known = self._objects.get((type_.name, kind))
        if known is not None:
            return known
        made = self._objects[type_.name, kind] = object.__new__(type_.extensions[DEFINITION].origin)
        attributes = {name: each.type for each in type_.fields.values() if (name := attribute(each))}
        for name, of in attributes.items():
            object.__setattr__(made, name, self.value(of, FULL if kind == ODD else kind))
        if kind == ODD and attributes:
            wrong = [*attributes][next(self._turns) % len(attributes)]
            object.__setattr__(made, wrong, (None, object(), ValueError("in the data"), 2**40)[next(self._turns) % 4])
        return made


def attribute(field: Any) -> str | None:
    """Where a field's value is stored; None: it is looked up."""
    definition = field.extensions.get(DEFINITION)
    if definition is None:
        return None
    if STORED_IN in definition.metadata:
        return str(definition.metadata[STORED_IN])
    return str(definition.python_name) if getattr(field.resolve, "__qualname__", None) == READS_ATTRIBUTE else None


@contextmanager
def imagined(schema: GraphQLSchema, world: World) -> Iterator[dict[str, Any]]:
    """Whatever would be looked up is imagined. -> what a field of the root answers, by its name, where it is not for the world to say.

    Where there are odd objects nothing is awaited: graphql-core does not await what stands beside an error.
    """
    told: dict[str, Any] = {}
    usual: list[tuple[Any, Any]] = []
    for type_ in schema.type_map.values():
        if not isinstance(type_, GraphQLObjectType) or type_.name.startswith("__") or type_ is schema.subscription_type:
            continue
        for name, each in type_.fields.items():
            stored, late = attribute(each), inspect.iscoroutinefunction(each.resolve)
            usual.append((each, each.resolve))
            if stored is None:
                each.resolve = _resolver(told, name, world, each.type, late=late and not world.odd)
            elif late and world.odd:
                each.resolve = _reader(stored)
    try:
        yield told
    finally:
        for each, resolve in usual:
            each.resolve = resolve


def _resolver(told: Mapping[str, Any], name: str, world: World, type_: Any, *, late: bool) -> Callable[..., Any]:
    answer = world.value(type_)

    def found(source: Any, _: Any, **__: Any) -> Any:
        return told.get(name, answer) if source is None else answer

    async def found_later(source: Any, _: Any, **__: Any) -> Any:
        return told.get(name, answer) if source is None else answer

    return found_later if late else found


def _reader(stored: str) -> Callable[..., Any]:
    return lambda source, *_, **__: getattr(source, stored)
