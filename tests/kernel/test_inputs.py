"""Variables are read, and input objects built, as graphql-core and strawberry do, only quicker."""

import asyncio
import datetime as dt
import enum
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import pytest
import strawberry
from graphql import OperationDefinitionNode, parse
from graphql.execution import executor
from graphql.execution.values import get_variable_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strawberry import ID, UNSET
from strawberry.types.base import StrawberryObjectDefinition

from services import variables
from services.billing.schema import schema as billing
from services.booking.schema import schema as booking
from services.graphql import LocalTime, subgraph
from services.identity.schema import schema as identity
from services.inputs import Builder
from services.variables import take_over


@strawberry.enum
class Size(enum.Enum):
    SMALL = 1
    LARGE = 2


@strawberry.input
class Line:
    day: dt.date
    size: Size
    at: LocalTime | None = None
    note: str | None = UNSET
    sizes: list[Size] = strawberry.field(default_factory=lambda: [Size.SMALL])
    renamed: int = strawberry.field(name="from", default=4)


@strawberry.input
class Order:
    id: ID
    nothing: str | None
    first: Line
    other: Line | None = None
    lines: list[Line] = strawberry.field(default_factory=list)
    holes: list[Line | None] | None = None
    grid: list[list[int]] = strawberry.field(default_factory=list)
    rows: list[list[Line]] | None = None


@strawberry.input
class Nested:
    """Left to strawberry: it is in itself."""

    number: int
    inside: "Nested | None" = None


@strawberry.input
class Patch:
    """Left to strawberry, for its `Maybe`."""

    number: strawberry.Maybe[int]


@strawberry.input(one_of=True)
class Either:
    left: int | None
    right: str | None


@dataclass
class Got:
    """What resolvers were given."""

    values: list[Any] = field(default_factory=list)


@strawberry.type
class Query:
    @strawberry.field
    def take(
        self,
        info: strawberry.Info[Any, None],
        order: Order | None = None,
        lines: list[Line] | None = None,
        nested: Nested | None = None,
        patch: Patch | None = None,
        either: Either | None = None,
    ) -> str:
        info.context.values.append((order, lines, nested, patch, either))
        return "taken"


schema = subgraph(Query)
QUERY = """query ($order: Order, $lines: [Line!], $nested: Nested, $patch: Patch, $either: Either) {
  take(order: $order, lines: $lines, nested: $nested, patch: $patch, either: $either) }"""


def definitions(schema: Any) -> dict[str, StrawberryObjectDefinition]:
    known = {name: one.definition for name, one in schema.schema_converter.type_map.items()}
    return {name: one for name, one in known.items() if isinstance(one, StrawberryObjectDefinition) and one.is_input}


@contextmanager
def as_strawberry_builds() -> Iterator[None]:
    ours = {name: one.from_input for name, one in definitions(schema).items()}
    for one in definitions(schema).values():
        one.from_input = None
    executor.get_variable_values = get_variable_values  # type: ignore[attr-defined]  # as graphql-core has it
    try:
        yield
    finally:
        take_over()
        for name, one in definitions(schema).items():
            one.from_input = ours[name]


async def taken(query: str, variables: dict[str, Any]) -> Any:
    got = Got()
    result = await schema.execute(query, variable_values=variables, context_value=got)
    return got.values, result.data, [error.formatted for error in result.errors or ()]


async def same(variables: dict[str, Any], query: str = QUERY) -> Any:
    with as_strawberry_builds():
        expected = await taken(query, variables)
    assert await taken(query, variables) == expected
    return expected


def test_every_input_type_of_the_services_has_its_builder() -> None:
    for one in (booking, billing, identity):
        assert {name for name, found in definitions(one).items() if not isinstance(found.from_input, Builder)} == set()


def test_what_families_send_is_read_quickly() -> None:
    line = {"change": "BOOK", "child": "amalia", "activity": "aps-matin", "date": "2026-09-01", "arrival": None}
    given = {"input": {"family": "dupont", "idempotencyKey": "1", "lines": [line], "together": [[0]]}}
    (operation,) = parse("mutation ($input: SubmitInput!) { submitBookings(input: $input) { __typename } }").definitions
    assert isinstance(operation, OperationDefinitionNode)
    of_schema = booking._schema, operation.variable_definitions, given
    expected = get_variable_values(*of_schema)
    assert not isinstance(expected, list)
    assert variables._values(*of_schema).coerced == expected.coerced


def test_types_that_are_not_plain_are_left_to_strawberry() -> None:
    assert {name for name, found in definitions(schema).items() if found.from_input is None} == {"Nested", "Patch"}


async def test_lists_are_each_callers_own() -> None:
    got, _, _ = await taken(QUERY, {"lines": [{"day": "2026-09-01", "size": "LARGE"}] * 2})
    first, second = got[0][1]
    assert (first.sizes, first.renamed, first.note) == ([Size.SMALL], 4, UNSET)
    assert first.sizes is not second.sizes


lines = st.fixed_dictionaries(
    {"day": st.dates(dt.date(2000, 1, 1)).map(str), "size": st.sampled_from(["SMALL", "LARGE"])},
    optional={
        "at": st.none() | st.just("07:30"),
        "note": st.none() | st.text(max_size=3),
        "sizes": st.lists(st.sampled_from(["SMALL", "LARGE"]), max_size=2) | st.just("SMALL"),
        "from": st.integers(0, 9),
    },
)
orders = st.fixed_dictionaries(
    {"id": st.text(max_size=3), "first": lines},
    optional={
        "nothing": st.none() | st.just("x"),
        "other": st.none() | lines,
        "lines": st.lists(lines, max_size=3) | lines,
        "holes": st.none() | st.lists(st.none() | lines, max_size=3),
        "grid": st.lists(st.lists(st.integers(0, 3), max_size=2), max_size=2),
        "rows": st.none() | st.lists(st.lists(lines, max_size=2), max_size=2),
    },
)
nested = st.recursive(
    st.fixed_dictionaries({"number": st.integers(0, 3)}), lambda inner: st.fixed_dictionaries({"number": st.just(4), "inside": inner})
)
everything = st.fixed_dictionaries(
    {},
    optional={
        "order": st.none() | orders,
        "lines": st.none() | st.lists(lines, max_size=3),
        "nested": nested,
        "patch": st.fixed_dictionaries({}, optional={"number": st.integers(0, 3)}),
        "either": st.fixed_dictionaries({}, optional={"left": st.integers(0, 3), "right": st.none() | st.just("r")}),
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(everything)
def test_whatever_is_given_arrives_the_same(variables: dict[str, Any]) -> None:
    asyncio.run(same(variables))


@pytest.mark.parametrize(
    "wrong", [{"day": "2026-13-01"}, {"size": "HUGE"}, {"note": 7}, {"sizes": [None]}, {"more": 1}, {"from": None}], ids=str
)
async def test_what_is_wrong_is_refused_in_the_same_words(wrong: dict[str, Any]) -> None:
    _, _, errors = await same({"lines": [{"day": "2026-09-01", "size": "LARGE", **wrong}]})
    assert errors


async def test_values_written_into_the_document_arrive_the_same() -> None:
    query = """query ($line: Line!, $n: Int) { take(order: {id: 1, first: $line, lines: [{day: "2026-09-01", size: SMALL, from: $n}]}) }"""
    got, data, errors = await same({"line": {"day": "2026-09-02", "size": "LARGE"}}, query)
    assert (data, errors) == ({"take": "taken"}, [])
    assert asdict(got[0][0].lines[0])["renamed"] == 4
