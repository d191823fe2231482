"""Holds a subgraph's answer against the schema, where it is not trusted to answer only what it may: every leaf, list, object and null.

The rest of the gateway relies on what it reads; bytes of trusted subgraphs go to the client unread.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import TypeNode, parse_type
from graphql.language import ast

from gateway.drafts import Block, Placed, Step
from gateway.supergraph import Supergraph

Place = tuple[str | int, ...]
#: A value, where it stands, places found wrong so far -> the value, or null.
Check = Callable[[Any, Place, list[Place]], Any]


class Unfit(Exception):
    """Null, where it must not be: what holds it is null, too."""


def checker(supergraph: Supergraph, step: Step) -> Check:
    """Of the `data` that a request brings."""
    writer = _Checking(supergraph, step.graph)
    if not step.entity:
        return _nullable(writer.object(step.block))
    entities = _list(_nullable(writer.object(step.block)))
    return _nullable(_object({"": {"_entities": _nullable(entities)}}))


@dataclass(frozen=True, slots=True)
class _Checking:
    supergraph: Supergraph
    graph: str

    def object(self, block: Block) -> Check:
        abstract = self.supergraph.is_abstract(block.type, self.graph)
        possible = (
            {name: self._fields(name, block.of(block.type) | block.of(name)) for name in block.objects}
            if abstract
            else {"": self._fields(block.type, block.of(block.type))}
        )
        return _object(possible)

    def _fields(self, type_name: str, placed: Mapping[str, Placed]) -> dict[str, Check]:
        return {key: self._field(type_name, each) for key, each in placed.items()}

    def _field(self, type_name: str, placed: Placed) -> Check:
        if placed.name == "__typename":
            return _leaf(str)
        known = self.supergraph.types[type_name].fields[placed.name]
        join = known.joins.get(self.graph)
        return self._value(parse_type(join.type) if join and join.type else known.type, placed.block)

    def _value(self, node: TypeNode, block: Block | None) -> Check:
        if isinstance(node, ast.NonNullTypeNode):
            return _required(self._present(node.type, block))
        return _nullable(self._present(node, block))

    def _present(self, node: Any, block: Block | None) -> Check:
        if isinstance(node, ast.ListTypeNode):
            return _list(self._value(node.type, block))
        if block is not None:
            return self.object(block)
        return self._leaf(node.name.value)

    def _leaf(self, name: str) -> Check:
        if name in self.supergraph.enums:
            return _one_of(self.supergraph.enums[name])
        return _leaf(*LEAVES.get(name, (object,)))


LEAVES: Mapping[str, tuple[type, ...]] = {"Int": (int,), "Float": (int, float), "String": (str,), "ID": (str, int), "Boolean": (bool,)}


def _leaf(*kinds: type) -> Check:
    def check(value: Any, at: Place, wrong: list[Place]) -> Any:
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds and object not in kinds):
            wrong.append(at)
            raise Unfit
        return value

    return check


def _one_of(values: frozenset[str]) -> Check:
    def check(value: Any, at: Place, wrong: list[Place]) -> Any:
        if not isinstance(value, str) or value not in values:
            wrong.append(at)
            raise Unfit
        return value

    return check


def _required(check: Check) -> Check:
    def required(value: Any, at: Place, wrong: list[Place]) -> Any:
        if value is None:
            wrong.append(at)
            raise Unfit
        return check(value, at, wrong)

    return required


def _nullable(check: Check) -> Check:
    def nullable(value: Any, at: Place, wrong: list[Place]) -> Any:
        try:
            return None if value is None else check(value, at, wrong)
        except Unfit:
            return None

    return nullable


def _list(check: Check) -> Check:
    def each(value: Any, at: Place, wrong: list[Place]) -> Any:
        if not isinstance(value, list):
            wrong.append(at)
            raise Unfit
        return [check(element, (*at, index), wrong) for index, element in enumerate(value)]

    return each


def _object(possible: Mapping[str, Mapping[str, Check]]) -> Check:
    """`possible`: object type -> the fields asked of it; under "", where only one type can stand."""

    def check(value: Any, at: Place, wrong: list[Place]) -> Any:
        fields = possible.get("" if "" in possible else value.get("__typename", "?")) if isinstance(value, dict) else None
        if fields is None:
            wrong.append(at)
            raise Unfit
        told = {} if "" in possible else {"__typename": value["__typename"]}
        return told | {key: each(value.get(key), (*at, key), wrong) for key, each in fields.items()}

    return check
