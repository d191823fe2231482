"""The supergraph as the gateway needs it: which subgraph answers which field, by which keys, and the schema that clients see.

Read once at start. What the planner does not support is refused here, by name, rather than answered wrongly later.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import DirectiveNode, DocumentNode, GraphQLSchema, Node, TypeNode, ValueNode, parse
from graphql.language import ast

from gateway.api import api_schema, named

KINDS = {
    "object_type_definition": "OBJECT",
    "interface_type_definition": "INTERFACE",
    "union_type_definition": "UNION",
    "enum_type_definition": "ENUM",
    "scalar_type_definition": "SCALAR",
    "input_object_type_definition": "INPUT",
}
#: Directives that may stand in a supergraph: the routing ones, and those that change nothing for the planner.
SUPPORTED = frozenset(
    {"join__type", "join__field", "join__implements", "join__unionMember", "join__enumValue", "join__graph", "link"}
    | {"inaccessible", "tag", "deprecated", "specifiedBy"}
)
SUPPORTED_FEATURES = frozenset({"link", "join", "inaccessible", "tag"})
NEWEST_JOIN = (0, 5)
MACHINERY = ("join__", "link__", "core__")


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
class Field:
    name: str
    type: TypeNode
    named: str
    joins: Mapping[str, Join]  #: subgraph -> how it knows the field


@dataclass(frozen=True, slots=True)
class Type:
    name: str
    kind: str
    keys: Mapping[str, tuple[Key, ...]]  #: every subgraph that knows the type -> its keys there
    fields: Mapping[str, Field]


@dataclass(frozen=True, slots=True)
class Supergraph:
    graphs: Mapping[str, str]  #: name in the routing directives (BOOKING) -> service (booking)
    types: Mapping[str, Type]
    roots: Mapping[str, str]  #: query, mutation, subscription -> type
    possible: Mapping[str, frozenset[str]]  #: abstract type -> its object types
    possible_in: Mapping[str, Mapping[str, frozenset[str]]]  #: abstract type -> subgraph -> its object types there
    narrowed_enums: frozenset[str]  #: enums with values that clients must not see
    api: GraphQLSchema

    @classmethod
    def load(cls, sdl: str) -> "Supergraph":
        """Raises UnsupportedSupergraph."""
        document = parse(sdl)
        complaints = list(_complaints(document))
        if complaints:
            raise UnsupportedSupergraph("\n".join(complaints))
        read = _Reading(document)
        return cls(
            graphs=_graphs(document),
            types=read.types,
            roots=_roots(document),
            possible=read.possible,
            possible_in=read.possible_in,
            narrowed_enums=_narrowed_enums(document),
            api=api_schema(document),
        )

    def objects(self, name: str) -> frozenset[str]:
        """The object types that a value of this type may have."""
        return self.possible.get(name) or frozenset((name,))


def _value(node: ValueNode | None) -> Any:
    """A directive's argument, as Python."""
    if isinstance(node, ast.ListValueNode):
        return [_value(item) for item in node.values]
    return None if node is None or isinstance(node, ast.NullValueNode) else getattr(node, "value", None)


def _arguments(directive: DirectiveNode) -> dict[str, Any]:
    return {argument.name.value: _value(argument.value) for argument in directive.arguments or ()}


def _directives(node: Node, name: str) -> Iterator[dict[str, Any]]:
    for directive in getattr(node, "directives", None) or ():
        if directive.name.value == name:
            yield _arguments(directive)


# ------------------------------------------------------------------------------------------------ what is refused


def _complaints(document: DocumentNode) -> Iterator[str]:
    for definition in document.definitions:
        if isinstance(definition, ast.SchemaDefinitionNode | ast.SchemaExtensionNode):
            yield from _feature_complaints(definition)
        elif definition.kind in KINDS and not _is_machinery(definition):
            yield from _type_complaints(definition)


def _feature_complaints(schema: Node) -> Iterator[str]:
    for feature in _directives(schema, "link"):
        url = str(feature.get("url", ""))
        name, _, version = url.removeprefix("https://specs.apollo.dev/").partition("/v")
        if feature.get("for") in ("SECURITY", "EXECUTION") and name not in SUPPORTED_FEATURES:
            yield f"schema: the feature {url} is not supported"
        elif name == "join" and tuple(int(part) for part in version.split(".")) > NEWEST_JOIN:
            yield f"schema: {url} is newer than join v{NEWEST_JOIN[0]}.{NEWEST_JOIN[1]}"


def _type_complaints(definition: Node) -> Iterator[str]:
    name = _name(definition)
    yield from _directive_complaints(name, definition)
    for join in _directives(definition, "join__type"):
        if join.get("isInterfaceObject"):
            yield f"{name}: @interfaceObject is not supported"
        elif join.get("key") and definition.kind == "interface_type_definition":
            yield f"{name}: @key on an interface is not supported"
    for member in (*(getattr(definition, "fields", None) or ()), *(getattr(definition, "values", None) or ())):
        place = f"{name}.{member.name.value}"
        yield from _directive_complaints(place, member)
        for join in _directives(member, "join__field"):
            if join.get("overrideLabel"):
                yield f"{place}: @override with a label is not supported"
            if join.get("contextArguments"):
                yield f"{place}: @fromContext is not supported"


def _directive_complaints(place: str, node: Node) -> Iterator[str]:
    for directive in getattr(node, "directives", None) or ():
        if directive.name.value not in SUPPORTED:
            yield f"{place}: @{directive.name.value} is not supported"


# ------------------------------------------------------------------------------------------------ what is read


def _name(definition: Node) -> str:
    return str(definition.name.value)  # type: ignore[attr-defined]  # every kind in KINDS has a name


def _is_machinery(definition: Node) -> bool:
    return _name(definition).startswith(MACHINERY)


def _graphs(document: DocumentNode) -> dict[str, str]:
    for definition in document.definitions:
        if isinstance(definition, ast.EnumTypeDefinitionNode) and definition.name.value == "join__Graph":
            return {
                entry.name.value: str(graph["name"]) for entry in definition.values or () for graph in _directives(entry, "join__graph")
            }
    raise UnsupportedSupergraph("this is no supergraph: enum join__Graph is missing")


def _roots(document: DocumentNode) -> dict[str, str]:
    for definition in document.definitions:
        if isinstance(definition, ast.SchemaDefinitionNode):
            return {root.operation.value: root.type.name.value for root in definition.operation_types}
    return {"query": "Query"}


def _narrowed_enums(document: DocumentNode) -> frozenset[str]:
    enums = [node for node in document.definitions if isinstance(node, ast.EnumTypeDefinitionNode)]
    return frozenset(enum.name.value for enum in enums if any(list(_directives(each, "inaccessible")) for each in enum.values or ()))


@dataclass(slots=True)
class _Reading:
    """One pass over the supergraph's types."""

    document: DocumentNode
    types: dict[str, Type] = field(default_factory=dict)
    possible: dict[str, frozenset[str]] = field(default_factory=dict)
    possible_in: dict[str, dict[str, frozenset[str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        definitions = [node for node in self.document.definitions if node.kind in KINDS and not _is_machinery(node)]
        self.types = {_name(node): _type(node) for node in definitions}
        for node in definitions:
            if isinstance(node, ast.UnionTypeDefinitionNode):
                self._union(node)
            elif isinstance(node, ast.InterfaceTypeDefinitionNode):
                self._interface(node, definitions)

    def _union(self, node: ast.UnionTypeDefinitionNode) -> None:
        members = frozenset(member.name.value for member in node.types or ())
        told = [(str(join["graph"]), str(join["member"])) for join in _directives(node, "join__unionMember")]
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
            for join in _directives(each, "join__implements")
            if join["interface"] == name
        ]
        self.possible_in[name] = {graph: frozenset(each for where, each in told if where == graph) for graph in self.types[name].keys}


def _type(node: Any) -> Type:
    keys: dict[str, tuple[Key, ...]] = {}
    for join in _directives(node, "join__type"):
        known = keys.setdefault(str(join["graph"]), ())
        if join.get("key") is not None:
            keys[str(join["graph"])] = (*known, Key(str(join["key"]), bool(join.get("resolvable", True))))
    kind = KINDS[node.kind]
    fields = () if kind == "INPUT" else getattr(node, "fields", None) or ()
    return Type(_name(node), kind, keys, {each.name.value: _field(each, keys) for each in fields})


def _field(node: ast.FieldDefinitionNode, graphs: Mapping[str, Any]) -> Field:
    told = list(_directives(node, "join__field"))
    joins = {str(join["graph"]): _join(join) for join in told if join.get("graph")} if told else {graph: Join() for graph in graphs}
    return Field(node.name.value, node.type, named(node.type), joins)


def _join(told: dict[str, Any]) -> Join:
    return Join(
        external=bool(told.get("external")),
        overridden=bool(told.get("usedOverridden")),
        requires=told.get("requires"),
        provides=told.get("provides"),
        type=told.get("type"),
    )
