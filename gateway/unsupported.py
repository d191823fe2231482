"""What this gateway does not do with a supergraph: refused when it is loaded, by name, rather than answered wrongly later."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import DirectiveNode, DocumentNode, GraphQLError, Node, ValueNode, parse
from graphql.language import ast

from gateway.api import MACHINERY, named

#: Kinds of types, as they are called here.
KINDS = {
    "object_type_definition": "OBJECT",
    "interface_type_definition": "INTERFACE",
    "union_type_definition": "UNION",
    "enum_type_definition": "ENUM",
    "scalar_type_definition": "SCALAR",
    "input_object_type_definition": "INPUT",
}
#: Directives that may stand in a supergraph, and their arguments: the routing ones, and those that change nothing for the planner.
SUPPORTED: Mapping[str, frozenset[str]] = {
    "join__type": frozenset({"graph", "key", "extension", "resolvable", "isInterfaceObject"}),
    "join__field": frozenset(
        {"graph", "requires", "provides", "type", "external", "override", "usedOverridden", "overrideLabel", "contextArguments"}
    ),
    "join__implements": frozenset({"graph", "interface"}),
    "join__unionMember": frozenset({"graph", "member"}),
    "join__enumValue": frozenset({"graph"}),
    "authenticated": frozenset(),
    "requiresScopes": frozenset({"scopes"}),
    "inaccessible": frozenset(),
    "tag": frozenset({"name"}),
    "deprecated": frozenset({"reason"}),
    "specifiedBy": frozenset({"url"}),
    "oneOf": frozenset(),
}
#: Features of a supergraph that change what it means, and their newest versions that we know.
FEATURES = {"link": (1, 0), "join": (0, 5), "inaccessible": (0, 2), "tag": (0, 3), "authenticated": (0, 1), "requiresScopes": (0, 1)}
#: What a mutation answers to whoever has just come in, and the field of it that opens the services.
SIGNED_IN, ACCESS_TOKEN = "SignedIn", "accessToken"
#: What the gateway wants to know of a subscription (services/graphql.py, Watch).
WATCHED = ("account", "until", "structure", "topics", "due", "last")
SPECS = "https://specs.apollo.dev/"


def directives(node: Node, name: str) -> Iterator[dict[str, Any]]:
    """The arguments of each of these."""
    for directive in getattr(node, "directives", None) or ():
        if directive.name.value == name:
            yield arguments(directive)


def arguments(directive: DirectiveNode) -> dict[str, Any]:
    return {argument.name.value: _value(argument.value) for argument in directive.arguments or ()}


def _value(node: ValueNode | None) -> Any:
    """A directive's argument, as Python."""
    if isinstance(node, ast.ListValueNode):
        return [_value(item) for item in node.values]
    return None if node is None or isinstance(node, ast.NullValueNode) else getattr(node, "value", None)


def is_type(node: Any) -> bool:
    return node.kind in KINDS and not node.name.value.startswith(MACHINERY)


def interface_object_in(node: Any) -> list[str]:
    """The subgraphs that know an interface as an object (@interfaceObject)."""
    return list(dict.fromkeys(str(join["graph"]) for join in directives(node, "join__type") if join.get("isInterfaceObject")))


def complaints(document: DocumentNode) -> Iterator[str]:
    """One a line: type, field, directive, and what of it."""
    kinds = {node.name.value: node for node in document.definitions if is_type(node)}  # type: ignore[attr-defined]  # types have names
    yield from _of_subscriptions(kinds, roots_of(document))
    yield from _of_signing_in(kinds)
    for definition in document.definitions:
        if isinstance(definition, ast.SchemaDefinitionNode | ast.SchemaExtensionNode):
            yield from _of_schema(definition)
        elif is_type(definition):
            yield from _Complaining(kinds, _graphs(document), roots_of(document)).of_type(definition)
        elif definition.kind.endswith("_extension"):
            yield f"{definition.name.value}: an extension: composition leaves none"  # type: ignore[attr-defined]  # as types do


def _of_subscriptions(kinds: Mapping[str, Any], roots: Mapping[str, str]) -> Iterator[str]:
    """A subscription asks a query what is true now, and another one what that depends on (`documents.py`)."""
    query, subscription = roots.get("query", "Query"), roots.get("subscription", "")
    for name in _fields(kinds, subscription):
        twin, watch = _fields(kinds, query).get(name), _fields(kinds, query).get(f"{name}Watch")
        if twin is None or watch is None:
            yield f"{subscription}.{name}: a subscription without {query}.{name} and {query}.{name}Watch is not supported"
        else:
            lacking = [each for each in WATCHED if each not in _fields(kinds, named(watch.type))]
            if lacking:
                yield f"{query}.{name}Watch: a subscription's watch without {', '.join(lacking)} is not supported"


def _of_signing_in(kinds: Mapping[str, Any]) -> Iterator[str]:
    """With its token the rest of the answer is asked for (`planner.py`)."""
    if SIGNED_IN in kinds and ACCESS_TOKEN not in _fields(kinds, SIGNED_IN):
        yield f"{SIGNED_IN}: a type of this name without {ACCESS_TOKEN} is not supported"


def _fields(kinds: Mapping[str, Any], type_name: str) -> dict[str, Any]:
    return {each.name.value: each for each in getattr(kinds.get(type_name), "fields", None) or ()}


def _graphs(document: DocumentNode) -> frozenset[str]:
    enums = (node for node in document.definitions if isinstance(node, ast.EnumTypeDefinitionNode) and node.name.value == "join__Graph")
    return frozenset(entry.name.value for enum in enums for entry in enum.values or ())


def roots_of(document: DocumentNode) -> dict[str, str]:
    """query, mutation, subscription -> type"""
    for definition in document.definitions:
        if isinstance(definition, ast.SchemaDefinitionNode):
            return {root.operation.value: root.type.name.value for root in definition.operation_types}
    return {"query": "Query"}


def _of_schema(schema: Any) -> Iterator[str]:
    for directive in schema.directives or ():
        if directive.name.value not in ("link", "tag"):
            yield f"schema: @{directive.name.value} is not supported"
    for feature in directives(schema, "link"):
        url = str(feature.get("url", ""))
        name, _, version = url.removeprefix(SPECS).partition("/v")
        if name not in FEATURES and feature.get("for") in ("SECURITY", "EXECUTION"):
            yield f"schema: the feature {url} is not supported"
        elif name in FEATURES and _is_newer(version, FEATURES[name]):
            yield f"schema: {url} is newer than {name} v{FEATURES[name][0]}.{FEATURES[name][1]}"


def _is_newer(version: str, newest: tuple[int, int]) -> bool:
    parts = version.split(".")
    return not all(part.isdecimal() for part in parts) or tuple(int(part) for part in parts) > newest


@dataclass(frozen=True, slots=True)
class _Complaining:
    """About one type."""

    kinds: Mapping[str, Any]
    graphs: frozenset[str]
    roots: Mapping[str, str]

    def of_type(self, definition: Any) -> Iterator[str]:
        name = definition.name.value
        yield from self._of_directives(name, definition)
        for join in directives(definition, "join__type"):
            if join.get("key"):
                yield from self._of_field_set(name, "key", name, str(join["key"]))
        yield from self._of_interface_objects(name, definition)
        for member in (*(getattr(definition, "fields", None) or ()), *(getattr(definition, "values", None) or ())):
            yield from self._of_member(name, member)

    def _of_interface_objects(self, name: str, definition: Any) -> Iterator[str]:
        """What the planner does not tell apart: objects that a subgraph knows by two names, or finds behind a wider interface."""
        known_in = interface_object_in(definition)
        if known_in and definition.kind != "interface_type_definition":
            yield f"{name}: @interfaceObject in {known_in[0]} is not supported: elsewhere it is no interface"
        for join in directives(definition, "join__implements"):
            if join["graph"] in known_in:
                yield f"{name}: @interfaceObject in {join['graph']} that implements {join['interface']} is not supported"
        names: dict[str, str] = {str(join["graph"]): name for join in directives(definition, "join__type")}
        interfaces = getattr(definition, "interfaces", None) or () if definition.kind == "object_type_definition" else ()
        for interface in (each.name.value for each in interfaces):
            for graph in interface_object_in(self.kinds[interface]) if interface in self.kinds else ():
                known = names.setdefault(graph, interface)
                if known != interface:
                    yield f"{name}: @interfaceObject {interface} in {graph} is not supported: {graph} knows it as {known}, too"

    def _of_member(self, type_name: str, member: Any) -> Iterator[str]:
        place = f"{type_name}.{member.name.value}"
        yield from self._of_directives(place, member)
        if hasattr(member, "type"):
            yield from self._of_value(place, member)
        for argument in getattr(member, "arguments", None) or ():
            yield from self._of_directives(f"{place}({argument.name.value})", argument)
        for join in directives(member, "join__field"):
            if join.get("overrideLabel"):
                yield f"{place}: @override with a label is not supported"
            if join.get("contextArguments"):
                yield f"{place}: @fromContext is not supported"
            if join.get("requires"):
                yield from self._of_field_set(place, "requires", type_name, str(join["requires"]))
            if join.get("provides"):
                yield from self._of_field_set(place, "provides", named(member.type), str(join["provides"]))

    def _of_value(self, place: str, member: Any) -> Iterator[str]:
        """What a field leads to."""
        usual = named(member.type)
        if usual in self.roots.values():
            yield f"{place}: a field that leads back to {usual} is not supported"
        for join in directives(member, "join__field"):
            here = str(join.get("type") or usual).strip("[]!")
            if here != usual and join["graph"] in interface_object_in(self.kinds.get(here)):
                yield f"{place}: @interfaceObject {here} in {join['graph']} is not supported: elsewhere the field is {usual}"

    def _of_directives(self, place: str, node: Any) -> Iterator[str]:
        for directive in node.directives or ():
            name, told = directive.name.value, arguments(directive)
            if name not in SUPPORTED:
                yield f"{place}: @{name} is not supported"
                continue
            for unknown in sorted(told.keys() - SUPPORTED[name]):
                yield f"{place}: @{name}({unknown}:) is not supported"
            if told.get("graph") is not None and told["graph"] not in self.graphs:
                yield f"{place}: @{name} names no subgraph: {told['graph']}"

    def _of_field_set(self, place: str, directive: str, type_name: str, text: str) -> Iterator[str]:
        try:
            operation: Any = parse("{" + text + "}", no_location=True).definitions[0]
        except GraphQLError:
            yield f"{place}: @{directive} is not readable: {text}"
            return
        for wrong in self._unknown(type_name, operation.selection_set.selections):
            yield f"{place}: @{directive} names what is not there: {wrong}"

    def _unknown(self, type_name: str, selections: Iterable[Any]) -> Iterator[str]:
        fields = _fields(self.kinds, type_name)
        for node in selections:
            if isinstance(node, ast.InlineFragmentNode):
                on = node.type_condition.name.value if node.type_condition else type_name
                yield from self._unknown(on, node.selection_set.selections) if on in self.kinds else (on,)
            elif node.name.value in fields:
                below = node.selection_set.selections if node.selection_set else ()
                yield from self._unknown(named(fields[node.name.value].type), below)
            elif node.name.value != "__typename":
                yield f"{type_name}.{node.name.value}"
