"""A world that answers any question of a schema, the same to everybody who asks: subgraphs that know parts of it, and one schema of all.

What a field says follows from the object's name, the field and its arguments alone. So the gateway's answer can be held against what
graphql-core makes of the merged schema with the very same resolvers. Some fields are null and some fail; none that a key is made of, and
what @requires is made of does not fail: a federation has errors there that one schema has not.
"""

import json
import random
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    ExecutionResult,
    GraphQLEnumType,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLScalarType,
    TypeNode,
    graphql_sync,
    parse,
    value_from_ast_untyped,
)
from graphql.language import ast

from gateway.api import named
from gateway.client import SubgraphUnavailable
from gateway.reach import Reach
from gateway.selection import Selected
from gateway.supergraph import Field, Supergraph
from tests.gateway.fakes import runnable

#: Objects of a type: so few that they meet again in one answer.
POOL = 3


@dataclass(frozen=True)
class Thing:
    """An object of the world."""

    type: str
    name: str


@dataclass
class World:
    supergraph: Supergraph
    failing: float = 0.0  #: the part of the fields that fail
    absent: float = 0.1  #: of those that may be null, the part that is
    vital: set[tuple[str, str]] = field(default_factory=set)  #: what keys are made of: never null
    required: set[tuple[str, str]] = field(default_factory=set)  #: what @requires is made of

    def __post_init__(self) -> None:
        self.reach = Reach(self.supergraph)
        for kind in self.supergraph.types.values():
            for text in {key.fields for keys in kind.keys.values() for key in keys}:
                _note(self.vital, kind.name, self.reach.field_set(kind.name, text))
            for text in {join.requires for each in kind.fields.values() for join in each.joins.values() if join.requires}:
                _note(self.required, kind.name, self.reach.field_set(kind.name, text))

    # ------------------------------------------------------------------------------------------- what is true in it

    def resolve(self, thing: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
        """Of any field of any schema. Raises GraphQLError."""
        if isinstance(thing, Mapping):
            return thing[info.field_name]
        return self.value(thing, info.field_name, arguments)

    def value(self, thing: Thing, name: str, arguments: Mapping[str, Any]) -> Any:
        told = json.dumps([thing.type, thing.name, name, arguments], sort_keys=True, default=str)
        chance = random.Random(zlib.crc32(told.encode()))
        vital = (thing.type, name) in self.vital
        if not vital and (thing.type, name) not in self.required and chance.random() < self.failing:
            raise GraphQLError(f"{thing.name}.{name} fails", extensions={"code": "FAILED"})
        known = self.supergraph.types[thing.type].fields[name]
        found = self._of(known.type, self._members(known), chance, vital)
        if vital and known.named in ("ID", "String", "Int"):
            return _own(found, f"{name} of {thing.name}")
        if vital and isinstance(found, Thing) and not any(self.supergraph.types[found.type].keys.values()):
            return Thing(found.type, f"{found.type} of {thing.name}")  # part of a key, which no two objects share
        return found

    def _members(self, known: Field) -> list[str]:
        """The types that a field's object may have, whoever is asked."""
        per_graph = [self.reach.objects_in((join.type or known.named).strip("[]!"), graph) for graph, join in known.joins.items()]
        shown = self.supergraph.api.type_map
        return sorted(each for each in frozenset.intersection(*per_graph) if each in shown)

    def _of(self, node: TypeNode, members: list[str], chance: random.Random, vital: bool) -> Any:
        if isinstance(node, ast.NonNullTypeNode):
            return self._present(node.type, members, chance, vital)
        if not vital and chance.random() < self.absent:
            return None
        return self._present(node, members, chance, vital)

    def _present(self, node: TypeNode, members: list[str], chance: random.Random, vital: bool) -> Any:
        if isinstance(node, ast.ListTypeNode):
            return [self._of(node.type, members, chance, vital) for _ in range(chance.randint(0, 3))]
        kind = self.supergraph.api.type_map.get(named(node))
        if isinstance(kind, GraphQLEnumType):
            return chance.choice(sorted(kind.values))
        if kind is None or isinstance(kind, GraphQLScalarType):
            return _scalar(named(node), chance)
        type_name = chance.choice(members)
        return Thing(type_name, f"{type_name}{chance.randrange(POOL)}")

    def kind_of(self, thing: Any, graph: str | None = None) -> str:
        """As a subgraph calls it; None: as clients see it."""
        if isinstance(thing, Mapping):
            return str(thing["__typename"])
        return self.supergraph.name_in(thing.type, graph) if graph else thing.type

    # ------------------------------------------------------------------------------------------- by their keys

    def find(self, graph: str, representation: Mapping[str, Any]) -> Thing:
        """Whom a representation means. Raises AssertionError, if it does not say what it must."""
        told = str(representation["__typename"])
        for type_name in sorted(self.supergraph.objects(told)):
            for thing in (Thing(type_name, f"{type_name}{number}") for number in range(POOL)):
                for key in self.supergraph.types[told].keys[graph]:
                    if key.resolvable and self._says(representation, thing, self.reach.field_set(type_name, key.fields)):
                        return thing
        raise AssertionError(f"{graph} is told of nobody by {representation}")

    def check(self, graph: str, thing: Thing, representation: Mapping[str, Any], name: str) -> None:
        """Has the subgraph been told what the field requires? Raises AssertionError."""
        requires = self.reach.requires(thing.type, name, graph)
        if requires:
            known = self._says(representation, thing, self.reach.field_set(thing.type, requires))
            assert known, f"{thing.type}.{name} of {graph} requires {requires}, and is told {representation}"

    def _says(self, told: Any, truth: Any, fields: Mapping[str, Selected]) -> bool:
        """Does it say of these fields what is true?"""
        return all(each.name in told and self._same(told[each.name], self._true(truth, each), each) for each in fields.values())

    def _true(self, thing: Thing, selected: Selected) -> Any:
        return self.value(thing, selected.name, _literals(selected.arguments))

    def _same(self, told: Any, truth: Any, selected: Selected) -> bool:
        if isinstance(truth, list):
            return isinstance(told, list) and len(told) == len(truth) and all(map(self._same, told, truth, [selected] * len(truth)))
        if isinstance(truth, Thing):
            return isinstance(told, dict) and self._says(told, truth, (selected.children or {}).get(truth.type, {}))
        return bool(told == truth)


def _own(value: Any, told: str) -> Any:
    """A key's value, which no two objects share."""
    if isinstance(value, list):
        return [_own("", told), *value]
    return zlib.crc32(told.encode()) % 100_000 if isinstance(value, int) else told


def _note(into: set[tuple[str, str]], type_name: str, fields: Mapping[str, Selected]) -> None:
    for each in fields.values():
        into.add((type_name, each.name))
        for below, children in (each.children or {}).items():
            _note(into, below, children)


def _literals(arguments: str) -> dict[str, Any]:
    if not arguments:
        return {}
    operation: Any = parse(f"{{ field({arguments}) }}").definitions[0]
    return {each.name.value: value_from_ast_untyped(each.value) for each in operation.selection_set.selections[0].arguments}


def _scalar(name: str, chance: random.Random) -> Any:
    if name == "Boolean":
        return chance.random() < 0.5
    if name == "Int":
        return chance.randrange(1000)
    return chance.random() if name == "Float" else f"{name} {chance.randrange(10_000)}"


@dataclass
class Federation:
    """A fetcher: every subgraph answers from the same world."""

    world: World
    subgraphs: Mapping[str, str]  #: service -> SDL
    down: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._schemas = {service: runnable(sdl) for service, sdl in self.subgraphs.items()}
        self._graphs = {service: graph for graph, service in self.world.supergraph.graphs.items()}

    async def __call__(self, service: str, body: bytes, headers: bytes, *, seconds: float, again: bool) -> bytes:
        told = json.loads(body)
        self.asked.append((service, told["query"]))
        if service in self.down:
            raise SubgraphUnavailable("it is down")
        return json.dumps(self._answer(service, told["query"], told.get("variables"))).encode()

    def _answer(self, service: str, query: str, variables: dict[str, Any] | None) -> dict[str, Any]:
        graph = self._graphs[service]
        told: dict[Thing, Mapping[str, Any]] = {}

        def resolve(thing: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
            if info.field_name == "_entities":
                found = [(self.world.find(graph, each), each) for each in arguments["representations"]]
                told.update(found)
                return [thing for thing, _ in found]
            if thing in told:
                self.world.check(graph, thing, told[thing], info.field_name)
            return self.world.resolve(thing, info, **arguments)

        result = answered(self._schemas[service], query, variables, resolve, lambda thing, *_: self.world.kind_of(thing, graph))
        for error in result.errors or ():
            # Only what the world itself lets fail may fail: the gateway asks nothing that a subgraph refuses.
            assert error.extensions or "Cannot return null" in error.message, (service, query, error)
        return {"data": result.data, **({"errors": [each.formatted for each in result.errors]} if result.errors else {})}


def answered(
    schema: Any, query: str, variables: Mapping[str, Any] | None, resolve: Any, kind_of: Any = lambda thing, *_: thing.type
) -> ExecutionResult:
    """By graphql-core."""
    root = Thing("Mutation" if query.startswith("mutation") else "Query", "root")
    return graphql_sync(schema, query, root, variable_values=dict(variables or {}), field_resolver=resolve, type_resolver=kind_of)
