"""Every root field of the API, asked for with all that it holds: planned, and every request checked against the subgraph it goes to."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from graphql import (
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_object_type,
    parse,
    validate,
)

from gateway.documents import Documents
from gateway.plan import Plan
from tests.gateway.fakes import GATEWAY, SUPERGRAPH, runnable

API = SUPERGRAPH.api
SUBGRAPHS: dict[str, GraphQLSchema] = {
    service: runnable((GATEWAY / "subgraphs" / f"{service}.graphql").read_text(encoding="utf-8")) for service in SUPERGRAPH.graphs.values()
}
ROOTS = [(kind, name) for kind in ("query", "mutation", "subscription") for name in getattr(API, f"{kind}_type").fields]


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
        parts = list(self.parts(kind, depth)) if depth else []
        return f" {{ {' '.join(parts)} }}" if parts else ""

    def parts(self, kind: Any, depth: int) -> Iterator[str]:
        if is_abstract_type(kind):
            yield "__typename"
            for each in API.get_possible_types(kind):
                if "code" not in each.fields:
                    yield f"... on {each.name}{self.below(each, depth)}"
            if any("code" in each.fields for each in API.get_possible_types(kind)):
                yield "... on Refusal { code message }"
            return
        assert is_object_type(kind)
        for name, field in kind.fields.items():
            yield self.field(name, field, depth - 1)


def plan_of(kind: str, name: str, depth: int) -> Plan:
    writer = Everything()
    body = writer.field(name, getattr(API, f"{kind}_type").fields[name], depth)
    variables = ", ".join(f"${variable}: {of}" for variable, of in writer.variables.items())
    text = f"{kind} {'(' + variables + ')' if variables else ''} {{ {body} }}"
    documents = Documents(SUPERGRAPH)
    operation = documents.operation(text, None)
    return documents._plan(operation, {})  # the variables' values do not matter here


@pytest.mark.parametrize(("kind", "name"), ROOTS)
def test_everything_can_be_asked_and_every_subgraph_understands_its_part(kind: str, name: str) -> None:
    for depth in (1, 3, 5):
        plan = plan_of(kind, name, depth)
        seen = set()
        for fetch in plan.fetches:
            text = msgspec.json.decode(fetch.head + b"}")["query"]
            assert validate(SUBGRAPHS[fetch.service], parse(text)) == [], text
            # One request per subgraph and position, whatever is asked for there; a second where a field needs what another one tells first.
            position = (fetch.service, fetch.entity.path if fetch.entity else (), fetch.needs)
            assert position not in seen
            seen.add(position)


def test_the_home_page_with_everything_on_it_takes_few_requests() -> None:
    plan = plan_of("query", "me", 4)

    assert [fetch.service for fetch in plan.fetches if not fetch.needs] == ["identity"]
    waiting_once = [fetch for fetch in plan.fetches if fetch.needs == 1]
    assert len(plan.fetches) == 1 + len(waiting_once), "nothing waits for more than the family and its children"
