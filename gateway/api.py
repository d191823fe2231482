"""The schema that clients see: the supergraph without its routing directives and without what is @inaccessible."""

from dataclasses import replace
from typing import Any

from graphql import DocumentNode, GraphQLSchema, TypeNode, build_ast_schema
from graphql.language import ast

KEPT_DIRECTIVES = frozenset({"deprecated", "specifiedBy", "oneOf"})
#: Names that features of a supergraph bring for themselves, such as the scalar `requiresScopes__Scope`.
MACHINERY = ("join__", "link__", "core__", "requiresScopes__")


def named(node: TypeNode) -> str:
    """The name inside the lists and exclamation marks."""
    while not isinstance(node, ast.NamedTypeNode):
        node = node.type  # type: ignore[attr-defined]  # the two other kinds of type wrap one
    return node.name.value


def type_text(node: TypeNode) -> str:
    """As the schema writes it. Planning asks for it often; graphql-core's printer takes twenty times as long."""
    if isinstance(node, ast.NonNullTypeNode):
        return f"{type_text(node.type)}!"
    return f"[{type_text(node.type)}]" if isinstance(node, ast.ListTypeNode) else named(node)


def api_schema(supergraph: DocumentNode) -> GraphQLSchema:
    hidden = frozenset(node.name.value for node in supergraph.definitions if _inaccessible(node) and hasattr(node, "name"))
    shown = [
        _shown(node, hidden)
        for node in supergraph.definitions
        if not isinstance(node, ast.DirectiveDefinitionNode) and not _is_machinery(node) and _name(node) not in hidden
    ]
    return build_ast_schema(DocumentNode(definitions=tuple(shown)))


def _name(node: Any) -> str:
    return str(node.name.value) if getattr(node, "name", None) else ""


def _is_machinery(node: Any) -> bool:
    return _name(node).startswith(MACHINERY)


def _inaccessible(node: Any) -> bool:
    return any(directive.name.value == "inaccessible" for directive in getattr(node, "directives", None) or ())


def _shown(node: Any, hidden: frozenset[str]) -> Any:
    changes: dict[str, Any] = {}
    if getattr(node, "fields", None):
        changes["fields"] = tuple(_field(each, hidden) for each in node.fields if _is_shown(each, hidden))
    if getattr(node, "interfaces", None):
        changes["interfaces"] = tuple(each for each in node.interfaces if each.name.value not in hidden)
    if isinstance(node, ast.UnionTypeDefinitionNode):
        changes["types"] = tuple(each for each in node.types or () if each.name.value not in hidden)
    if isinstance(node, ast.EnumTypeDefinitionNode):
        changes["values"] = tuple(_bare(each) for each in node.values or () if not _inaccessible(each))
    return _bare(node, **changes)


def _is_shown(node: Any, hidden: frozenset[str]) -> bool:
    return not _inaccessible(node) and named(node.type) not in hidden


def _field(node: Any, hidden: frozenset[str]) -> Any:
    if not getattr(node, "arguments", None):
        return _bare(node)
    return _bare(node, arguments=tuple(_bare(each) for each in node.arguments if _is_shown(each, hidden)))


def _bare(node: Any, **changes: Any) -> Any:
    kept = tuple(directive for directive in node.directives or () if directive.name.value in KEPT_DIRECTIVES)
    return replace(node, directives=kept, **changes)
