"""Operations that ask for everything there is below a field of the API."""

import random
from collections.abc import Iterator
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLNamedType,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_object_type,
    parse_type,
    type_from_ast,
)

from tests.gateway.fakes import SUPERGRAPH
from tests.gateway.questions import Questioner

API = SUPERGRAPH.api
ROOTS = [(kind, name) for kind in ("query", "mutation", "subscription") for name in getattr(API, f"{kind}_type").fields]


def operation(kind: str, name: str, depth: int) -> tuple[str, dict[str, str]]:
    """-> its text, and its variables: name -> type. Every argument is one."""
    writer = Everything()
    body = writer.field(name, getattr(API, f"{kind}_type").fields[name], depth)
    variables = ", ".join(f"${variable}: {of}" for variable, of in writer.variables.items())
    return f"{kind} {'(' + variables + ')' if variables else ''} {{ {body} }}", writer.variables


def values(variables: dict[str, str], seed: str) -> dict[str, Any]:
    """Of an operation's variables, by chance."""
    questioner = Questioner(API, random.Random(seed))
    return {name: questioner.value(type_from_ast(API, parse_type(of))) for name, of in variables.items()}


class Everything:
    """Writes an operation that asks for everything below a field, so many levels deep."""

    def __init__(self) -> None:
        self.variables: dict[str, str] = {}

    def field(self, name: str, field: GraphQLField, depth: int) -> str:
        """Empty, where nothing more may be asked."""
        below = self.below(get_named_type(field.type), depth)
        if not below and not is_leaf_type(get_named_type(field.type)):
            return ""
        told = []
        for argument, definition in field.args.items():
            variable = f"v{len(self.variables)}"
            self.variables[variable] = str(definition.type)
            told.append(f"{argument}: ${variable}")
        return f"{name}{'(' + ', '.join(told) + ')' if told else ''}{below}"

    def below(self, kind: GraphQLNamedType, depth: int) -> str:
        if is_leaf_type(kind):
            return ""
        parts = list(filter(None, self.parts(kind, depth))) if depth else []
        return f" {{ {' '.join(parts)} }}" if parts else ""

    def parts(self, kind: Any, depth: int) -> Iterator[str]:
        if is_abstract_type(kind):
            yield "__typename"
            for each in API.get_possible_types(kind):
                if "code" not in each.fields and (below := self.below(each, depth)):
                    yield f"... on {each.name}{below}"
            if any("code" in each.fields for each in API.get_possible_types(kind)):
                yield "... on Refusal { code message }"
            return
        assert is_object_type(kind)
        for name, field in kind.fields.items():
            yield self.field(name, field, depth - 1)
