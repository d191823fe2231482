"""Interfaces that are entities, and subgraphs that know such an interface as one object (@interfaceObject), whatever its types are.

`kinds/supergraph.graphql` is composed from the files beside it: `node gateway/compose/compose.mjs tests/gateway/kinds/*s.graphql`.
"""

from pathlib import Path
from typing import Any

import pytest

from gateway.supergraph import SIGNED_IN, Supergraph
from tests.gateway.fakes import Gateway, Subgraph, Town

HERE = Path(__file__).parent / "kinds"
SDL = (HERE / "supergraph.graphql").read_text(encoding="utf-8")
KINDS = Supergraph.load(SDL)
PARENT = {"__typename": "Parent", "id": "p", "name": "Anne", "children": 2}
GHOST = {"__typename": "Ghost", "id": "g", "name": "Boo"}
PEOPLE = {"p": PARENT, "g": GHOST}
OFFERS: dict[str, dict[str, Any]] = {
    "m": {"__typename": "Meal", "id": "m", "title": "Goûter", "dishes": ["pain"], "stars": 5, "leader": PARENT},
    "c": {"__typename": "Camp", "id": "c", "code": "c1", "title": "Colo", "nights": 3, "leader": GHOST},
    "d": {"__typename": "Camp", "id": "d", "code": "d1", "title": "Mer", "nights": 7, "leader": PARENT},
}


def subgraph(name: str, *args: Any) -> Subgraph:
    return Subgraph((HERE / f"{name}.graphql").read_text(encoding="utf-8"), *args)


@pytest.fixture
def town() -> Town:
    find = lambda found: OFFERS.get(found["id"])  # noqa: E731 -- one of the dictionaries
    opinion = {
        "stars": 1,
        "opinions": [],
        # It knows no types, and a wrong name of one must not matter.
        "__typename": "Offer",
    }
    said = [{"id": "1", "text": "bien", "about": {"id": "c"}}]
    opinions = subgraph(
        "opinions",
        {
            "best": [{"id": "c", **opinion}, {"id": "m", **opinion}, {"id": "d", **opinion}],
            "worst": {"id": "gone", **opinion},
            "judge": {"id": "g", "opinions": said},
            "opinion": lambda _, id: {"id": id, "about": {"id": "m"}, "author": {"id": "p", "opinions": said}},
        },
        {
            "Offer": lambda found: {**opinion, "summary": lambda _, short=False: f"{found['title']} !"},
            "Person": lambda _: {"opinions": said},
        },
    )
    offers = subgraph(
        "offers",
        {"offers": [*OFFERS.values()], "meal": OFFERS["m"], "found": OFFERS["c"]},
        {
            **dict.fromkeys(("Offer", "Meal", "Camp"), find),
            **dict.fromkeys(("Person", "Parent"), lambda found: PEOPLE.get(found["id"])),
        },
    )
    fares = subgraph(
        "fares",
        {},
        {
            "Offer": lambda found: {"kind": "DAY", "fareCents": lambda _, band=0: 100 + band},
            "Opinion": lambda found: {"likes": len(found["about"])},
        },
    )
    return Town(
        {"offers": offers, "opinions": opinions, "fares": fares, "guides": subgraph("guides", {}, {"Camp": lambda _: {"guide": "Léa"}})}
    )


@pytest.fixture
def entrance(town: Town) -> Gateway:
    return Gateway(town, KINDS)


async def test_what_is_asked_of_all_alike_is_asked_of_the_interface_and_its_types_are_not_asked_for(entrance: Gateway, town: Town) -> None:
    data = await entrance.data("{ best { stars title fareCents(band: 2) } }")

    assert data["best"][0] == {"stars": 1, "title": "Colo", "fareCents": 102}
    assert sorted(town.asked()) == ["fares", "offers", "opinions"]
    assert town.of("opinions").query == "query{best{stars id}}"
    assert town.of("fares").representations == [{"__typename": "Offer", "id": each} for each in ("c", "m", "d")]


async def test_one_request_brings_a_field_of_an_interface_to_objects_of_all_its_types(entrance: Gateway, town: Town) -> None:
    data = await entrance.data("{ offers { __typename summary ... on Camp { nights guide } } }")

    assert data["offers"] == [
        {"__typename": "Meal", "summary": "Goûter !"},
        {"__typename": "Camp", "summary": "Colo !", "nights": 3, "guide": "Léa"},
        {"__typename": "Camp", "summary": "Mer !", "nights": 7, "guide": "Léa"},
    ]
    assert [each["id"] for each in town.of("opinions").representations] == ["m", "c", "d"]
    assert town.of("opinions").representations[0] == {"__typename": "Offer", "id": "m", "title": "Goûter"}
    assert [each["code"] for each in town.of("guides").representations] == ["c1", "d1"]


async def test_where_types_matter_a_subgraph_that_knows_them_tells_them_first(entrance: Gateway, town: Town) -> None:
    data = await entrance.data("{ best { ... on Meal { dishes stars } ... on Camp { kind: __typename guide } } }")

    assert data["best"] == [{"kind": "Camp", "guide": "Léa"}, {"dishes": ["pain"], "stars": 5}, {"kind": "Camp", "guide": "Léa"}]
    assert town.asked() == ["opinions", "offers", "guides"]
    assert town.of("offers").representations == [{"__typename": "Offer", "id": each} for each in ("c", "m", "d")]


async def test_what_is_asked_of_one_type_is_asked_of_no_other(entrance: Gateway, town: Town) -> None:
    data = await entrance.data("{ best { ... on Meal { fareCents } } }")

    assert data["best"] == [{}, {"fareCents": 100}, {}]
    assert town.asked() == ["opinions", "offers", "fares"]
    assert town.of("fares").representations == [{"__typename": "Offer", "id": "m"}]


async def test_an_object_known_by_its_type_is_asked_about_under_its_interfaces_name(entrance: Gateway, town: Town) -> None:
    assert await entrance.data("{ meal { summary } found { ... on Camp { fareCents } } }") == {
        "meal": {"summary": "Goûter !"},
        "found": {"fareCents": 100},
    }
    assert town.of("opinions").representations == [{"__typename": "Offer", "id": "m", "title": "Goûter"}]


async def test_a_key_may_lead_through_an_interface(entrance: Gateway, town: Town) -> None:
    assert await entrance.data('{ opinion(id: "1") { likes } }') == {"opinion": {"likes": 1}}
    assert town.of("fares").representations == [{"__typename": "Opinion", "id": "1", "about": {"id": "m"}}]


async def test_a_name_given_to_what_all_have_may_be_that_of_a_key_of_one_type(entrance: Gateway, town: Town) -> None:
    data = await entrance.data("{ best { code: stars id: kind ... on Camp { guide } } }")

    assert [each["code"] for each in town.of("guides").representations] == ["c1", "d1"]
    assert data["best"] == [
        {"code": 1, "id": "DAY", "guide": "Léa"},
        {"code": 1, "id": "DAY"},
        {"code": 1, "id": "DAY", "guide": "Léa"},
    ]


async def test_one_name_below_fields_of_two_types_means_one_thing_to_the_subgraph(entrance: Gateway, town: Town) -> None:
    # The id of a Camp's leader is a key, the one of a Meal's the client's word for a name: both stand below `leader`.
    data = await entrance.data(
        "{ offers { ... on Meal { leader { ... on Parent { id: name } } } ... on Camp { leader { ... on Parent { opinions { text } } } } } }"
    )

    assert data["offers"] == [{"leader": {"id": "Anne"}}, {"leader": None}, {"leader": {"opinions": [{"text": "bien"}]}}]
    assert town.of("opinions").representations == [{"__typename": "Person", "id": "p"}]


async def test_a_type_that_clients_must_not_see_is_null_also_where_nothing_of_it_was_asked(entrance: Gateway) -> None:
    assert await entrance.data("{ judge { id opinions { text } } }") == {"judge": None}
    assert await entrance.data('{ opinion(id: "1") { author { id opinions { text } } } }') == {
        "opinion": {"author": {"id": "p", "opinions": [{"text": "bien"}]}}
    }


async def test_an_object_whose_type_nobody_knows_is_null(entrance: Gateway) -> None:
    assert await entrance.data("{ worst { __typename stars } }") == {"worst": None}


async def test_where_nobody_can_tell_the_types_each_object_is_missed_at_its_own_place(entrance: Gateway, town: Town) -> None:
    town.down.add("offers")

    answer = await entrance.ask("{ judge { id ... on Parent { children } } worst { stars title } }")

    assert answer.data == {"judge": None, "worst": None}
    assert sorted(error["path"] for error in answer.errors) == [["judge"], ["worst", "title"]]
    assert {error["extensions"]["serviceName"] for error in answer.errors} == {"offers"}


async def test_below_what_is_asked_of_an_interface_too_each_object_is_missed_at_its_own_place(entrance: Gateway, town: Town) -> None:
    def leaves(_: Any) -> dict[str, Any]:
        town.down.add("offers")
        return {"opinions": [{"id": "1", "author": {"id": "p"}}]}

    town.subgraphs["opinions"].entities = {"Offer": leaves}

    answer = await entrance.ask("{ offers { __typename opinions { author { ... on Parent { children } } } } }")

    assert answer.data is not None
    assert answer.data["offers"][1] == {"__typename": "Camp", "opinions": [{"author": None}]}
    assert [error["path"] for error in answer.errors] == [["offers", n, "opinions", 0, "author"] for n in range(3)]


async def test_what_is_guarded_on_the_interface_object_is_guarded_on_every_type(town: Town) -> None:
    guarded = SDL.replace("  stars: Int @join__field(graph: OPINIONS)", "  stars: Int @join__field(graph: OPINIONS) @authenticated")
    assert guarded.count("@authenticated") == 1
    supergraph = Supergraph.load(guarded)

    answer = await Gateway(town, supergraph).ask("{ offers { ... on Camp { stars } } }")

    assert SIGNED_IN in supergraph.types["Camp"].fields["stars"].guards
    assert answer.data == {"offers": [{}, {"stars": None}, {"stars": None}]}
    assert town.asked() == ["offers"]
