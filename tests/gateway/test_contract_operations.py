"""Every root field of the API, asked for with all that it holds: planned, and every request checked against the subgraph it goes to."""

from functools import cache

import msgspec
import pytest
from graphql import GraphQLError, GraphQLSchema, parse, validate

from gateway.documents import Documents
from gateway.plan import Plan
from tests.gateway.everything import ROOTS, operation
from tests.gateway.fakes import GATEWAY, SUPERGRAPH, runnable

SUBGRAPHS: dict[str, GraphQLSchema] = {
    service: runnable((GATEWAY / "subgraphs" / f"{service}.graphql").read_text(encoding="utf-8")) for service in SUPERGRAPH.graphs.values()
}


def plan_of(kind: str, name: str, depth: int) -> Plan:
    text, _ = operation(kind, name, depth)
    documents = Documents(SUPERGRAPH)
    return documents._plan(documents.operation(text, None), {})  # the variables' values do not matter here


@cache
def mistakes(service: str, text: str) -> list[GraphQLError]:
    """What a subgraph would not understand. Of what lies below, many fields are asked in the same words."""
    return validate(SUBGRAPHS[service], parse(text))


@pytest.mark.parametrize(("kind", "name"), ROOTS)
def test_everything_can_be_asked_and_every_subgraph_understands_its_part(kind: str, name: str) -> None:
    for depth in (1, 3, 5):
        plan = plan_of(kind, name, depth)
        seen = set()
        for fetch in plan.fetches:
            text = msgspec.json.decode(fetch.head + b"}")["query"]
            assert mistakes(fetch.service, text) == [], text
            # One request per subgraph and position, whatever is asked for there; a second where a field needs what another one tells first.
            position = (fetch.service, fetch.entity.path if fetch.entity else (), fetch.needs)
            assert position not in seen
            seen.add(position)


def test_the_home_page_with_everything_on_it_takes_few_requests() -> None:
    plan = plan_of("query", "me", 4)

    assert [fetch.service for fetch in plan.fetches if not fetch.needs] == ["identity"]
    waiting_once = [fetch for fetch in plan.fetches if fetch.needs == 1]
    assert len(plan.fetches) == 1 + len(waiting_once), "nothing waits for more than the family and its children"
