"""What operations cost: worked figures, and that nothing a family or a town needs comes near the bound."""

from typing import Any

import pytest

from gateway.bounds import MOST_COST
from gateway.cost import LISTS, MUTATION, TOLD_SCHEMA, now
from gateway.documents import Documents
from tests.gateway.fakes import SUPERGRAPH
from tests.gateway.test_contract_operations import ROOTS, plan_of

HOME = """query ($month: YearMonth!, $with: Boolean = true) { me { families { number ...F ...F children { ...C } } } }
fragment F on Family { balance { balanceCents lines { wallet { name } balanceCents } } }
fragment C on Child { calendar(month: $month) { days { date state } } activities @include(if: $with) { name } }"""


def cost(text: str, **variables: Any) -> int:
    documents = Documents(SUPERGRAPH)
    return now(documents.plan(documents.operation(text, None), variables, "en").cost, variables)


def bookings(first: str, declared: str = "") -> str:
    return f"query {declared} {{ me {{ families {{ bookings(first: {first}) {{ nodes {{ id date }} totalCount }} }} }} }}"


@pytest.mark.parametrize(
    ("text", "variables", "points"),
    [
        ("{ __typename }", {}, 1),
        ("{ me { login firstName } }", {}, 1 + 2),
        ("{ me { a: login b: login ...F ...F } } fragment F on Account { a: login }", {}, 1 + 2),
        # A family's home: two families of four children, a month of 31 days, six activities, five wallets.
        (HOME, {"month": "2026-12"}, 1 + 2 * (1 + 1 + (1 + 1 + 5 * (1 + 2 + 1)) + 4 * (1 + (1 + 31 * 3) + 6 * 2))),
        (HOME, {"month": "2026-12", "with": False}, 1 + 2 * (1 + 1 + (1 + 1 + 5 * (1 + 2 + 1)) + 4 * (1 + (1 + 31 * 3)))),
        # Pages: as long as they are asked for. What no service gives it refuses, in clear words.
        (bookings("100"), {}, 1 + 2 * (1 + 1 + 100 * 3 + 1)),
        (bookings("0"), {}, 1 + 2 * (1 + 1 + 0 + 1)),
        (bookings("1000000"), {}, 1 + 2 * (1 + 1 + 50 * 3 + 1)),
        (bookings("-1"), {}, 1 + 2 * (1 + 1 + 50 * 3 + 1)),
        (bookings("$n", "($n: Int)"), {"n": 7}, 1 + 2 * (1 + 1 + 7 * 3 + 1)),
        (bookings("$n", "($n: Int)"), {"n": 400.0}, 1 + 2 * (1 + 1 + 400 * 3 + 1)),  # JSON's 400, for GraphQL too
        (bookings("$n", "($n: Int)"), {"n": None}, 1 + 2 * (1 + 1 + 50 * 3 + 1)),
        ('{ allocationRun(id: "r") { decisions(first: 1000) { rank } } }', {}, 1 + 1000 * 2),  # the largest page that a service gives
        (bookings("$n", "($n: Int)"), {}, 1 + 2 * (1 + 1 + 50 * 3 + 1)),
        (bookings("$n", "($n: Int = 3)"), {}, 1 + 2 * (1 + 1 + 3 * 3 + 1)),
        ("{ me { families { requests { nodes { id } } } } }", {}, 1 + 2 * (1 + 1 + 10 * 2)),  # the schema's own default
        # Days from one to another.
        ('{ openings(activity: "a", from: "2026-12-01", to: "2026-12-31") { date } }', {}, 31 * 2),
        ('query ($to: Date!) { openings(activity: "a", from: "2026-12-01", to: $to) { date } }', {"to": "2026-12-02"}, 2 * 2),
        ('{ openings(activity: "a", from: "2026-12-01", to: "9999-12-31") { date } }', {}, 400 * 2),
        ('{ openings(activity: "a", from: "2026-12-02", to: "2026-12-01") { date } }', {}, 0),
        # Of what may be of many types, the dearest.
        ('mutation { cancelBooking(booking: "b") { ... on Booking { id date } ... on Refusal { code } } }', {}, 1 + 2 + MUTATION),
        ("mutation { a: signOut b: signOut }", {}, 2 + 2 * MUTATION),
        ("{ __schema { types { name } } }", {}, TOLD_SCHEMA),
    ],
)
def test_worked_figures(text: str, variables: dict[str, Any], points: int) -> None:
    assert cost(text, **variables) == points


@pytest.mark.parametrize(("kind", "name"), ROOTS)
def test_everything_of_the_contract_three_levels_deep_costs_a_quarter_of_the_most(kind: str, name: str) -> None:
    """Which is more than any screen asks."""
    assert now(plan_of(kind, name, 3).cost, {}) < MOST_COST / 4


def test_an_agents_largest_page_of_families_fits() -> None:
    page = '{ families(structure: "s", first: 500) { nodes { id number adults { firstName lastName } children { firstName birthDate } } endCursor } }'
    assert cost(page) == 1 + 500 * (1 + 2 + 2 * 3 + 4 * 3) + 1
    assert cost(page) < MOST_COST / 4


def test_lists_are_those_of_the_schema() -> None:
    for type_name, name in LISTS:
        assert str(SUPERGRAPH.api.type_map[type_name].fields[name].type).startswith("["), (type_name, name)  # type: ignore[attr-defined]
