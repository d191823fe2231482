"""Projections change nothing but the time: each operation here is run with them and without them, and the answers are the same."""

import asyncio
import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import strawberry
from graphql.execution.executor import Executor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strawberry import ID
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from services import execution
from services.graphql import SCALARS, subgraph
from services.projection import Differently, Kept
from tests.booking.screens import DUPONT, Screens, entities, open_counter
from tests.booking.test_activity import APS_MATIN, MULTI
from tests.booking.test_schema_drafts import line
from tests.booking.test_schema_requests import BOOKING, CANTINE, MOVEMENTS, SUBMIT
from tests.identity.test_schema import HOME
from tests.identity.town import RunFixture, Town
from tests.kernel.toy_box import Ball, Doll, Query, Robot, RubberBall, Sticker, Toy, schema, toy

__all__ = ["open_counter"]


# ---------------------------------------------------------------------------------------------------------- the comparison
@contextmanager
def without_projections(schema: Any) -> Iterator[None]:
    usual = schema.execution_context_class
    schema.execution_context_class = StrawberryGraphQLCoreExecutionContext
    try:
        yield
    finally:
        schema.execution_context_class = usual


def shown(result: Any) -> tuple[str, list[Any]]:
    """The order of keys counts, as does the order of errors."""
    errors = [(error.formatted, type(error.original_error)) for error in result.errors or ()]
    return json.dumps(result.data), errors


async def same(query: str, value: Any, **variables: Any) -> tuple[Any, list[Any]]:
    with without_projections(schema):
        expected = shown(await schema.execute(query, variable_values=variables, context_value=value))
    for _ in range(2):  # Compiled, and remembered.
        assert shown(await schema.execute(query, variable_values=variables, context_value=value)) == expected
    return json.loads(expected[0]), expected[1]


PLAIN = """id label maybeLabel count maybeCount weight new day at opens colour maybeColour words maybeWords grid
  keeper { __typename name ... on Doll { age } } keepers { name } ball { size } sticker { text }"""
EVERYTHING = f"{{ toys {{ {PLAIN} shouted later {{ id }} times(factor: 3) thing {{ ... on Ball {{ size }} ... on Doll {{ name }} }} }} }}"


async def test_a_kept_list_is_shown_as_any_list_is_and_made_once() -> None:
    """In two operations, and twice in one: what was made of it is used again, and never changed by who differs in an element."""
    shared, own = Kept([toy(id="1"), toy(id="2", maybe_count=None)]), toy(id="3", label="own")
    asked = "{ toy { a: parts { id label maybeCount } b: parts { id label maybeCount } c: parts { label } maybeParts { id } } }"
    for _ in range(2):
        for parts in (shared, Differently(shared, {1: own}), Differently(shared, {0: own}), shared):
            data, errors = await same(asked, toy(parts=parts))
            assert ([one["label"] for one in data["toy"]["a"]], errors) == ([part.label for part in parts], [])
    made = [list(map(id, shown)) for shown in shared.made.values()]
    await same(f"{asked} ", toy(parts=shared))
    assert [list(map(id, shown)) for shown in shared.made.values()] == made
    assert len(made) == 2  # `a` and `b` ask for the same.


async def test_a_kept_list_with_something_strange_in_it_is_left_to_graphql() -> None:
    shared = Kept([toy(), toy(count="many"), None])
    _, errors = await same("{ toy { parts { count } } }", toy(parts=shared))
    assert errors
    await same("{ toy { parts { count } } }", toy(parts=Differently(Kept([toy()]), {0: toy(count="many")})))


async def test_what_is_made_of_a_kept_list_does_not_pile_up() -> None:
    shared = Kept([toy()])
    for n in range(40):
        await same(f"{{ toy {{ parts {{ field{n}: label }} }} }}", toy(parts=shared))
    assert len(shared.made) <= 8


@pytest.fixture
def completed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each leaf that graphql-core completed."""
    leaves: list[str] = []
    usual = Executor.complete_leaf_value

    def count(return_type: Any, result: Any) -> Any:
        leaves.append(f"{return_type}: {result}")
        return usual(return_type, result)

    monkeypatch.setattr(Executor, "complete_leaf_value", staticmethod(count))
    return leaves


async def test_plain_data_never_goes_through_graphql_core(completed: list[str]) -> None:
    """Should strawberry name its functions otherwise, this fails: answers would be right, but slow (services/projection.py)."""
    result = await schema.execute(f"{{ toy {{ {PLAIN} parts {{ {PLAIN} }} }} }}", context_value=toy(parts=[toy(), toy()]))
    assert not result.errors
    assert completed == []


async def test_beside_resolvers_only_what_they_give_goes_through_graphql_core(completed: list[str]) -> None:
    result = await schema.execute(EVERYTHING, context_value=toy(twin=toy()))
    assert not result.errors
    assert completed == ["String: DUCK", "Int: 9"] * 2


async def test_the_answer_is_the_same() -> None:
    data, errors = await same(EVERYTHING, toy(twin=toy(id="2"), parts=[toy()]))
    assert not errors
    assert data["toys"][0]["colour"] == "RED"
    assert data["toys"][0]["maybeColour"] == "azure"
    assert list(data["toys"][0])[-3:] == ["later", "times", "thing"]


ODD: list[dict[str, Any]] = [
    {"label": None}, {"label": 7}, {"label": ["no"]}, {"label": ValueError("in the data")}, {"maybe_label": ValueError("in the data")},
    {"count": None}, {"count": 2**40}, {"count": "12"}, {"count": 1.5}, {"count": True}, {"maybe_count": "x"}, {"weight": float("inf")},
    {"weight": 1}, {"new": "yes"}, {"new": 0}, {"day": "tomorrow"}, {"day": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}, {"at": "now"},
    {"opens": None}, {"opens": 730}, {"opens": ValueError("in the data")}, {"colour": "r"}, {"colour": "RED"}, {"colour": None},
    {"maybe_colour": 3}, {"words": None}, {"words": ("t", "u")}, {"words": "text"}, {"words": [None]}, {"words": {"k": "v"}},
    {"maybe_words": 5}, {"grid": [[1], None]}, {"grid": [[1, "x"]]}, {"grid": [(1, 2)]}, {"id": 12}, {"id": None}, {"id": 1.5},
    {"twin": "toy"}, {"parts": None}, {"maybe_parts": [None]}, {"keeper": Robot(name="R2", code=ID("r"))}, {"keeper": Ball(size=1.0)},
    {"keepers": [None]}, {"keeper": strawberry.cast(Doll, Robot(name="R2", code=ID("r")))}, {"thing": Robot(name="R2", code=ID("r"))},
    {"thing": Doll(name="Anna", age=1)}, {"ball": RubberBall(size=3.0)}, {"ball": Doll(name="Anna", age=1)}, {"ball": Sticker(text="s")},
    {"sticker": Sticker(text=None)},  # type: ignore[arg-type]
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=str)
async def test_what_is_odd_is_answered_in_graphql_cores_own_words(odd: dict[str, Any]) -> None:
    asked = PLAIN + " thing { __typename } twin { id } parts { id } maybeParts { id }"
    for value in (toy(**odd), toy(twin=toy(**odd)), toy(parts=[toy(), toy(**odd)]), toy(maybe_parts=[toy(**odd), None, toy(**odd)])):
        below = f"twin {{ {asked} }} parts {{ {asked} shouted }} maybeParts {{ {asked} }}"
        await same(f"{{ toy {{ {asked} }} }}", value)
        await same(f"{{ toys {{ id {below} later {{ {asked} }} }} toy {{ {below} }} }}", value)


async def test_an_attribute_may_be_awaited() -> None:
    async def answer() -> str:
        return "late"

    class Waiting:
        def __await__(self) -> Any:
            return answer().__await__()

    data, errors = await same("{ toy { label twin { opens label } } }", toy(label=Waiting(), twin=toy(opens=Waiting())))
    assert (data, errors) == ({"toy": {"label": "late", "twin": {"opens": "late", "label": "duck"}}}, [])


async def test_errors_of_resolvers_stand_where_they_stood() -> None:
    for asked in ("id broken label", "id maybeBroken label count", "maybeParts { id broken }", "parts { maybeBroken id } twin { broken }"):
        value = toy(twin=toy(), parts=[toy(), toy(count=None)], maybe_parts=[toy(), None, toy()])
        _, errors = await same(f"{{ toy {{ {asked} }} }}", value)
        assert errors


async def test_conditions_are_part_of_what_is_asked() -> None:
    query = """query ($yes: Boolean!, $no: Boolean = false) { toy { id label @include(if: $yes) count @skip(if: $no)
      ... @include(if: $no) { weight } ...more @skip(if: $yes) } } fragment more on Toy { new twin { id day @skip(if: $no) } }"""
    asked = {}
    for yes in (True, False):
        for no in (True, False):
            asked[yes, no] = tuple((await same(query, toy(twin=toy()), yes=yes, no=no))[0]["toy"])
    assert asked[True, False] == ("id", "label", "count")
    assert asked[False, True] == ("id", "weight", "new", "twin")
    assert len(set(asked.values())) == 4
    assert (await same(query.replace("$yes: Boolean!", "$yes: Boolean! = true"), toy(), no=None))[1]


async def test_who_wants_to_see_every_field_resolved_sees_it() -> None:
    seen: list[str] = []

    class Watching(SchemaExtension):
        def resolve(self, _next: Any, root: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
            seen.append(info.field_name)
            return _next(root, info, *args, **kwargs)

    watched = strawberry.Schema(
        Query,
        types=[Doll, Robot],
        extensions=[Watching],
        execution_context_class=execution.LeanExecutionContext,
        config=StrawberryConfig(scalar_map=SCALARS),
    )
    assert not (await watched.execute("{ toy { keeper { name } } }", context_value=toy())).errors
    assert seen == ["toy", "keeper", "name"]


async def test_attributes_that_are_computed_are_left_alone(completed: list[str]) -> None:
    """A property may do anything: it is read once, when graphql-core reads it."""
    read: list[str] = []

    class Source:
        @property
        def name(self) -> str:
            read.append("name")
            return "computed"

    @strawberry.type
    class Shown:
        name: str

    Shown.name = Source.name  # type: ignore[assignment, misc]

    @strawberry.type
    class Root:
        @strawberry.field
        def shown(self) -> Shown:
            return object.__new__(Shown)

    answer = await subgraph(Root).execute("{ shown { name } }")
    assert (answer.data, read, completed) == ({"shown": {"name": "computed"}}, ["name"], ["String: computed"])


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "MOST_REMEMBERED", 8)
    monkeypatch.setattr(execution, "_remembered", {})
    for n in range(30):
        await same(f"{{ toy {{ a{n}: id twin {{ b{n}: label }} }} }}", toy(twin=toy()))
    assert len(execution._remembered) == 8


# ----------------------------------------------------------------------------------------------- any selection of any toy
LEAVES = """id label maybeLabel count maybeCount weight new day at opens colour maybeColour words maybeWords grid shouted broken
  maybeBroken times __typename""".split()
INSIDE = {"twin": "Toy", "parts": "Toy", "maybeParts": "Toy", "later": "Toy", "keeper": "Named", "keepers": "Named", "ball": "Ball",
          "thing": "Thing"}  # fmt: skip
OTHERS = {"Named": "__typename name ... on Doll { age } ... on Robot { code }", "Ball": "size", "Thing": "__typename ... on Ball { size }"}
CONDITIONS = ["", "", "", " @include(if: $yes)", " @include(if: $no)", " @skip(if: $yes)", " @skip(if: $no)"]


@st.composite
def selections(draw: Any, depth: int = 3) -> str:
    """Each field below its own alias, or below none: no two differ below one name."""
    chosen = []
    for name in draw(st.lists(st.sampled_from(LEAVES + (list(INSIDE) if depth else [])), min_size=1, max_size=5)):
        condition = draw(st.sampled_from(CONDITIONS))
        below = INSIDE.get(name)
        inside = "" if below is None else f"{{ {draw(selections(depth - 1)) if below == 'Toy' else OTHERS[below]} }}"
        field = f"{'' if inside and below == 'Toy' else draw(st.sampled_from(['', f'also_{name}: ']))}{name}{condition} {inside}"
        chosen.append(draw(st.sampled_from([field, field, f"... on Toy {{ {field} }}", f"...{condition} {{ id {field} }}"])))
    return " ".join(chosen)


toys = st.recursive(
    st.builds(lambda odd: toy(**odd), st.sampled_from([{}, {}, {}, *ODD])),
    lambda inner: st.builds(
        lambda odd, twin, parts, maybe: toy(**{"twin": twin, "parts": parts, "maybe_parts": maybe, **odd}),
        st.sampled_from([{}, {}, *ODD]),
        st.none() | inner,
        st.lists(inner, max_size=3),
        st.none() | st.lists(st.none() | inner, max_size=3),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(selections(), toys, st.booleans(), st.booleans())
def test_any_selection_of_any_toy_is_answered_the_same(selection: str, value: Toy, yes: bool, no: bool) -> None:
    query = f"query ($yes: Boolean!, $no: Boolean!) {{ toy {{ {selection} id @skip(if: $yes) id @skip(if: $no) }} toys {{ {selection} }} }}"
    asyncio.run(same(query, value, yes=yes, no=no))


# -------------------------------------------------------------------------------------------------------- the real schemas
async def test_booking_answers_the_same(open_counter: Screens, monkeypatch: pytest.MonkeyPatch) -> None:
    town = open_counter
    await town.opens(APS_MATIN, CANTINE, MULTI)
    await town.household("dupont", "amalia", "paolo")
    await town.enrolls("amalia", "aps-matin", "cantine", "multi")
    await town.enrolls("paolo", "aps-matin", "cantine")
    lines = [line("BOOK", child, "cantine", 14) for child in ("amalia", "paolo")] + [line("BOOK", "amalia", "aps-matin", 15)]
    given = {"family": "dupont", "idempotencyKey": "1", "lines": [*lines, line("BOOK", "amalia", "aps-matin", 16)]}
    submitted = await town.asks(SUBMIT, variables={"input": given})
    days = "days { date state placesLeft reason revision booking { id status rank reason cancellable } } asOf"
    queries = [
        (SUBMIT, {"input": given}),  # The same key: the same request again.
        (f"query ($id: ID!) {{ request(id: $id) {{ {MOVEMENTS} }} }} {BOOKING}", {"id": submitted["submitBookings"]["id"]}),
        (entities("Child", "amalia", f'calendar(month: "2026-09") {{ {days} }} activities {{ id name bookingRule }}'), {}),
        (entities("Child", "amalia", f'calendar(month: "2026-09", activity: "cantine") {{ {days} activity {{ name }} }}'), {}),
        (entities("Child", "amalia", 'day(date: "2026-09-14") { activity { id } state booking { number } reason revision }'), {}),
        (entities("Family", "dupont", "bookings { totalCount nodes { id date status } } bookingAccess { open refusal { code } }"), {}),
        (entities("Family", "nobody", "bookingAccess { open }"), {}),
        (PREVIEW, {"lines": lines}),
    ]
    for query, variables in queries:
        from_both = []
        for quick in (True, False):
            with monkeypatch.context() as patched:
                if not quick:
                    patched.setattr("services.booking.schema.schema.execution_context_class", StrawberryGraphQLCoreExecutionContext)
                from_both.append(shown(await town._execute(query, DUPONT, "fr", variables, None)))
        assert from_both[0] == from_both[1]


PREVIEW = """query ($lines: [BookingLineInput!]!) { previewBookings(family: "dupont", lines: $lines) { __typename ... on Preview {
  bookings { change child { id } activity { name } date arrival forecast rank refusal { __typename code message } } } } }"""


async def test_identity_answers_the_same(running: RunFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    town = await Town.of(running)
    bearer = (await town.signs_in())["accessToken"]
    quick = await town.answers(HOME, bearer)
    monkeypatch.setattr("services.identity.schema.schema.execution_context_class", StrawberryGraphQLCoreExecutionContext)
    assert json.dumps(await town.answers(HOME, bearer)) == json.dumps(quick)
