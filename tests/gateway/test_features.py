"""What federation offers beyond what the town's services use today, on three small subgraphs of their own.

`features/supergraph.graphql` is composed from the files beside it: `node gateway/compose/compose.mjs tests/gateway/features/*s.graphql`.
"""

from pathlib import Path
from typing import Any

import pytest

from gateway.supergraph import Supergraph
from gateway.trouble import RequestError
from tests.gateway.fakes import Gateway, Subgraph, Town

HERE = Path(__file__).parent / "features"
FEATURES = Supergraph.load((HERE / "supergraph.graphql").read_text(encoding="utf-8"))


def opening(number: int) -> dict[str, Any]:
    return {
        "__typename": "Opening",
        "id": str(number),
        "activity": {"id": "aps", "name": "APS MATIN"},
        "date": f"2026-11-{number:02}",
        "places": number,
        "hours": {"arrival": "07:30"},
        "kind": "DAY",
        "secret": "s",
    }


@pytest.fixture
def town() -> Town:
    openings = Subgraph(
        (HERE / "openings.graphql").read_text(encoding="utf-8"),
        {
            "opening": lambda _, id: opening(int(id)),
            "featured": opening(1),
            "anything": [
                {"__typename": "Strike", "text": "Grève", "number": 3},
                opening(2),
                {"__typename": "Snow", "text": "Neige", "number": "10 cm"},
                opening(3),
            ],
            "notices": [{"__typename": "Strike", "text": "Grève", "number": 3}, {"__typename": "Snow", "text": "Neige", "number": "10 cm"}],
            "rush": {"first": 1},
        },
        {"Opening": lambda found: opening(int(found["id"]))},
    )
    prices = Subgraph(
        (HERE / "prices.graphql").read_text(encoding="utf-8"),
        {"rush": {"last": 9}, "charge": 1},
        {
            "Opening": lambda found: {
                "priceCents": found.get("places", 0) * 100,
                "label": f"{found['activity']['id']} {found['date']}",
                "hours": {"departure": "08:45"},
                "moved": "here",
            },
            "Activity": lambda found: {"tariff": "T1"},
        },
    )
    names = Subgraph(
        (HERE / "names.graphql").read_text(encoding="utf-8"),
        {},
        {"Activity": lambda found: {"name": "APS MATIN", "category": "périscolaire"}},
    )
    return Town({"openings": openings, "prices": prices, "names": names})


@pytest.fixture
def entrance(town: Town) -> Gateway:
    return Gateway(town, FEATURES)


async def test_what_a_field_requires_is_brought_along(entrance: Gateway, town: Town) -> None:
    assert await entrance.data('{ opening(id: "7") { priceCents } }') == {"opening": {"priceCents": 7_00}}
    assert town.of("prices").representations == [{"__typename": "Opening", "activity": {"id": "aps"}, "date": "2026-11-07", "places": 7}]


async def test_fields_with_and_without_requirements_ride_together(entrance: Gateway, town: Town) -> None:
    data = await entrance.data('{ opening(id: "7") { label priceCents } }')

    assert data == {"opening": {"label": "aps 2026-11-07", "priceCents": 7_00}}
    assert town.asked() == ["openings", "prices"]


async def test_what_is_provided_on_the_way_is_not_asked_for_elsewhere(entrance: Gateway, town: Town) -> None:
    assert await entrance.data("{ featured { activity { name } } }") == {"featured": {"activity": {"name": "APS MATIN"}}}
    assert town.asked() == ["openings"]

    town.calls.clear()
    assert await entrance.data('{ opening(id: "1") { activity { name } } }') == {"opening": {"activity": {"name": "APS MATIN"}}}
    assert town.asked() == ["openings", "names"]


async def test_a_type_without_a_key_is_put_together_from_two_subgraphs(entrance: Gateway) -> None:
    data = await entrance.data('{ opening(id: "1") { hours { departure arrival } } rush { last first } }')

    assert data == {"opening": {"hours": {"departure": "08:45", "arrival": "07:30"}}, "rush": {"last": 9, "first": 1}}


async def test_a_field_that_was_taken_over_is_asked_of_its_new_owner(entrance: Gateway, town: Town) -> None:
    assert await entrance.data('{ opening(id: "1") { moved } }') == {"opening": {"moved": "here"}}
    assert "moved" not in town.of("openings").query


async def test_members_of_a_union_are_joined_each_in_its_own_way_and_stay_in_order(entrance: Gateway, town: Town) -> None:
    data = await entrance.data(
        "{ anything { __typename ... on Opening { priceCents } ... on Strike { n: number } ... on Notice { text } } }"
    )

    assert data["anything"] == [
        {"__typename": "Strike", "n": 3, "text": "Grève"},
        {"__typename": "Opening", "priceCents": 2_00},
        {"__typename": "Snow", "text": "Neige"},
        {"__typename": "Opening", "priceCents": 3_00},
    ]
    assert len(town.of("prices").representations) == 2


async def test_one_name_for_two_types_of_field_is_the_clients_mistake(entrance: Gateway) -> None:
    with pytest.raises(RequestError) as refused:
        await entrance.ask("{ notices { ... on Strike { number } ... on Snow { number } } }")

    assert refused.value.errors[0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


async def test_a_client_may_give_any_name_to_what_the_gateway_needs_itself(entrance: Gateway) -> None:
    data = await entrance.data('{ opening(id: "7") { activity: date date: id places: kind priceCents } }')

    assert data == {"opening": {"activity": "2026-11-07", "date": "7", "places": "DAY", "priceCents": 7_00}}


async def test_a_client_may_give_the_names_that_the_gateway_tells_types_and_its_own_fields_by(entrance: Gateway) -> None:
    data = await entrance.data(
        "{ anything { ... on Strike { __typename: number } ... on Opening { kind: __typename __typename: places } } }"
    )

    assert data["anything"][:2] == [{"__typename": 3}, {"kind": "Opening", "__typename": 2}]
    assert await entrance.data('{ opening(id: "7") { places: label _preau0_label: date priceCents } }') == {
        "opening": {"places": "aps 2026-11-07", "_preau0_label": "2026-11-07", "priceCents": 7_00}
    }


async def test_what_is_inaccessible_can_be_neither_asked_nor_seen(entrance: Gateway, town: Town) -> None:
    with pytest.raises(RequestError):
        await entrance.ask('{ opening(id: "1") { secret } }')
    town.subgraphs["openings"].roots["featured"] = {**opening(1), "kind": "HOLIDAY"}

    answer = await entrance.ask("{ featured { id kind } }")

    assert answer.data == {"featured": None}
    assert answer.errors[0]["message"] == "Cannot return null for non-nullable field Opening.kind."


async def test_what_could_not_be_required_costs_only_what_needed_it(entrance: Gateway, town: Town) -> None:
    town.down.add("prices")

    answer = await entrance.ask('{ opening(id: "7") { id moved } featured { activity { name } } }')

    assert answer.data == {"opening": {"id": "7", "moved": None}, "featured": {"activity": {"name": "APS MATIN"}}}
    assert [error["path"] for error in answer.errors] == [["opening", "moved"]]


async def test_the_path_of_an_error_has_the_clients_names(entrance: Gateway, town: Town) -> None:
    town.down.add("prices")

    answer = await entrance.ask("{ all: anything { ... on Opening { activity: date m: moved } } }")

    assert [error["path"] for error in answer.errors] == [["all", 1, "m"], ["all", 3, "m"]]


async def test_half_of_a_type_without_a_key_is_missed_at_its_own_fields(entrance: Gateway, town: Town) -> None:
    town.down.add("openings")

    answer = await entrance.ask("{ rush { first last } }")

    # Rush.first and Query.rush are non-null.
    assert answer.data is None
    assert [error["path"] for error in answer.errors] == [["rush", "first"]]
