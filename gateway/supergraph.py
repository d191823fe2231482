"""The supergraph as the gateway needs it: which subgraph answers which field, by which keys, and the schema that clients see.

Read once at start. What the planner does not support is refused here, by name, rather than answered wrongly later.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from graphql import DocumentNode, GraphQLSchema, Node, TypeNode, parse
from graphql.language import ast

from gateway.api import api_schema, named
from gateway.unsupported import KINDS, complaints, directives, interface_object_in, is_type, roots_of

COMMITTED = Path(__file__).with_name("supergraph.graphql")


class UnsupportedSupergraph(ValueError):
    """The supergraph uses what this gateway does not do. Each line says where and what."""


@dataclass(frozen=True, slots=True)
class Key:
    fields: str  #: a field set: `change child { id } date`
    resolvable: bool


@dataclass(frozen=True, slots=True)
class Join:
    """How one subgraph knows one field."""

    external: bool = False
    overridden: bool = False  #: another subgraph has taken the field over
    requires: str | None = None
    provides: str | None = None
    type: str | None = None  #: its type there, where it differs from the one clients see


@dataclass(frozen=True, slots=True)
class Guard:
    """Who may ask for something: whoever is signed in and has all the scopes of one alternative (@authenticated: of none)."""

    alternatives: tuple[frozenset[str], ...]

    def lets(self, scopes: frozenset[str] | None) -> bool:
        """`scopes`: None is nobody."""
        return scopes is not None and any(each <= scopes for each in self.alternatives)


SIGNED_IN = Guard((frozenset(),))


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    type: TypeNode
    named: str
    joins: Mapping[str, Join]  #: subgraph -> how it knows the field
    guards: frozenset[Guard] = frozenset()  #: of itself, of whose it is, of what it leads to: all must let the caller pass


@dataclass(frozen=True, slots=True)
class Type:
    name: str
    kind: str
    keys: Mapping[str, tuple[Key, ...]]  #: every subgraph that knows the type -> its keys there
    fields: Mapping[str, Field]
    #: subgraph -> the interface whose name stands there for objects of this type, which it cannot tell from others (@interfaceObject)
    stand_ins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Supergraph:
    graphs: Mapping[str, str]  #: name in the routing directives (BOOKING) -> service (booking)
    types: Mapping[str, Type]
    roots: Mapping[str, str]  #: query, mutation, subscription -> type
    possible: Mapping[str, frozenset[str]]  #: abstract type -> its object types
    possible_in: Mapping[str, Mapping[str, frozenset[str]]]  #: abstract type -> subgraph -> its object types there
    enums: Mapping[str, frozenset[str]]  #: enum -> its values, those that clients must not see among them
    narrowed_enums: frozenset[str]  #: enums with values that clients must not see
    guards: frozenset[Guard]  #: those of all fields
    api: GraphQLSchema
    interface_objects: Mapping[str, frozenset[str]]  #: interface -> the subgraphs that know it as an object, and none of its types

    @classmethod
    def load(cls, sdl: str) -> "Supergraph":
        """Raises UnsupportedSupergraph."""
        document = parse(sdl)
        found = list(dict.fromkeys(complaints(document)))
        if found:
            raise UnsupportedSupergraph("\n".join(found))
        read = _Reading(document)
        return cls(
            graphs=_graphs(document),
            types=read.types,
            roots=roots_of(document),
            possible=read.possible,
            possible_in=read.possible_in,
            enums=_enums(document),
            narrowed_enums=_narrowed_enums(document),
            guards=frozenset(guard for kind in read.types.values() for each in kind.fields.values() for guard in each.guards),
            api=api_schema(document),
            interface_objects=read.interface_objects,
        )

    @classmethod
    @cache
    def committed(cls) -> "Supergraph":
        """Ours. Read once in a process: it takes half a second, and nothing changes it."""
        return cls.load(COMMITTED.read_text(encoding="utf-8"))

    def objects(self, name: str) -> frozenset[str]:
        """The object types that a value of this type may have."""
        return self.possible.get(name) or frozenset((name,))

    def is_abstract(self, name: str, graph: str) -> bool:
        """Does this subgraph say of what type a value is?"""
        return name in self.possible and graph not in self.interface_objects.get(name, ())

    def name_in(self, type_name: str, graph: str) -> str:
        """What the subgraph calls objects of this type."""
        return self.types[type_name].stand_ins.get(graph, type_name)


def _name(definition: Node) -> str:
    return str(definition.name.value)  # type: ignore[attr-defined]  # every kind in KINDS has a name


def _graphs(document: DocumentNode) -> dict[str, str]:
    for definition in document.definitions:
        if isinstance(definition, ast.EnumTypeDefinitionNode) and definition.name.value == "join__Graph":
            return {entry.name.value: str(graph["name"]) for entry in definition.values or () for graph in directives(entry, "join__graph")}
    raise UnsupportedSupergraph("this is no supergraph: enum join__Graph is missing")


def _enums(document: DocumentNode) -> dict[str, frozenset[str]]:
    enums = [node for node in document.definitions if isinstance(node, ast.EnumTypeDefinitionNode) and is_type(node)]
    return {enum.name.value: frozenset(each.name.value for each in enum.values or ()) for enum in enums}


def _narrowed_enums(document: DocumentNode) -> frozenset[str]:
    enums = [node for node in document.definitions if isinstance(node, ast.EnumTypeDefinitionNode)]
    return frozenset(enum.name.value for enum in enums if any(list(directives(each, "inaccessible")) for each in enum.values or ()))


@dataclass(slots=True)
class _Reading:
    """One pass over the supergraph's types."""

    document: DocumentNode
    types: dict[str, Type] = field(default_factory=dict)
    possible: dict[str, frozenset[str]] = field(default_factory=dict)
    possible_in: dict[str, dict[str, frozenset[str]]] = field(default_factory=dict)
    interface_objects: dict[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        definitions = [node for node in self.document.definitions if is_type(node)]
        kinds = {_name(node): node for node in definitions}
        self.types = {name: _type(node, kinds) for name, node in kinds.items()}
        for node in definitions:
            if isinstance(node, ast.UnionTypeDefinitionNode):
                self._union(node)
            elif isinstance(node, ast.InterfaceTypeDefinitionNode):
                self._interface(node, definitions)
                self._interface_object(node)

    def _union(self, node: ast.UnionTypeDefinitionNode) -> None:
        members = frozenset(member.name.value for member in node.types or ())
        told = [(str(join["graph"]), str(join["member"])) for join in directives(node, "join__unionMember")]
        graphs = self.types[node.name.value].keys
        self.possible[node.name.value] = members
        self.possible_in[node.name.value] = {
            graph: frozenset(member for where, member in told if where == graph) if told else members for graph in graphs
        }

    def _interface(self, node: ast.InterfaceTypeDefinitionNode, definitions: list[Any]) -> None:
        name = node.name.value
        objects = [each for each in definitions if isinstance(each, ast.ObjectTypeDefinitionNode)]
        self.possible[name] = frozenset(
            each.name.value for each in objects if any(interface.name.value == name for interface in each.interfaces or ())
        )
        told = [
            (str(join["graph"]), each.name.value)
            for each in objects
            for join in directives(each, "join__implements")
            if join["interface"] == name
        ]
        self.possible_in[name] = {graph: frozenset(each for where, each in told if where == graph) for graph in self.types[name].keys}

    def _interface_object(self, node: ast.InterfaceTypeDefinitionNode) -> None:
        """What subgraphs know of an interface as an object, they know of each of its types, under the interface's name."""
        name = node.name.value
        for graph in interface_object_in(node):
            self.interface_objects[name] = self.interface_objects.get(name, frozenset()) | {graph}
            self.possible_in[name][graph] = self.possible[name]
            for each in self.possible[name]:
                self.types[each] = _stood_in(self.types[each], self.types[name], graph)


def _stood_in(each: Type, interface: Type, graph: str) -> Type:
    """An object type, with what a subgraph knows of it as its interface."""
    fields = dict(each.fields)
    for told in interface.fields.values():
        own = fields.get(told.name)
        if own is not None and graph in told.joins:
            fields[told.name] = replace(own, joins={**own.joins, graph: told.joins[graph]}, guards=own.guards | told.guards)
    keys = {**each.keys, graph: interface.keys[graph]}
    return replace(each, keys=keys, fields=fields, stand_ins={**each.stand_ins, graph: interface.name})


def _guards(node: Node) -> list[Guard]:
    signed_in = [SIGNED_IN for _ in directives(node, "authenticated")]
    return signed_in + [Guard(tuple(map(frozenset, told["scopes"]))) for told in directives(node, "requiresScopes")]


def _type(node: Any, kinds: Mapping[str, Any]) -> Type:
    keys: dict[str, tuple[Key, ...]] = {}
    for join in directives(node, "join__type"):
        known = keys.setdefault(str(join["graph"]), ())
        if join.get("key") is not None:
            keys[str(join["graph"])] = (*known, Key(str(join["key"]), bool(join.get("resolvable", True))))
    kind = KINDS[node.kind]
    fields = () if kind == "INPUT" else getattr(node, "fields", None) or ()
    return Type(_name(node), kind, keys, {each.name.value: _field(node, each, keys, kinds) for each in fields})


def _field(owner: Node, node: ast.FieldDefinitionNode, graphs: Mapping[str, Any], kinds: Mapping[str, Any]) -> Field:
    told = list(directives(node, "join__field"))
    joins = {str(join["graph"]): _join(join) for join in told if join.get("graph")} if told else {graph: Join() for graph in graphs}
    said = (owner, node, kinds.get(named(node.type)))
    guards = frozenset(guard for each in said if each is not None for guard in _guards(each))
    return Field(node.name.value, node.type, named(node.type), joins, guards)


def _join(told: dict[str, Any]) -> Join:
    return Join(
        external=bool(told.get("external")),
        overridden=bool(told.get("usedOverridden")),
        requires=told.get("requires"),
        provides=told.get("provides"),
        type=told.get("type"),
    )
