"""Where federation planning is subtle: keys of lists over several hops, interfaces that two subgraphs know halves of, unions told apart.

`corners/supergraph.graphql` is composed from the files beside it: `node gateway/compose/compose.mjs tests/gateway/corners/*s.graphql`.
"""

from pathlib import Path
from typing import Any

import pytest

from gateway.drafts import Segment
from gateway.merging import Batch, slots_at
from gateway.supergraph import Supergraph
from gateway.trouble import RequestError
from tests.gateway.fakes import Gateway, Subgraph, Town

HERE = Path(__file__).parent / "corners"
CORNERS = Supergraph.load((HERE / "supergraph.graphql").read_text(encoding="utf-8"))
NOTICES = {
    "strike": {"__typename": "Strike", "id": "strike", "text": "Grève", "refund": 3},
    "snow": {"__typename": "Snow", "id": "snow", "warning": "Prudence", "centimetres": 10},
}
POSTER = {"__typename": "Poster", "title": "Carnaval"}
MAP = {"__typename": "Map", "place": "Port"}
PHOTO = {"__typename": "Photo", "author": "Anne"}


def subgraph(name: str, *args: Any) -> Subgraph:
    return Subgraph((HERE / f"{name}.graphql").read_text(encoding="utf-8"), *args)


@pytest.fixture
def town() -> Town:
    notice = {"notice": lambda _, id: NOTICES[id]}
    known = {name: lambda found: NOTICES[found["id"]] for name in ("Strike", "Snow")}
    outings = subgraph(
        "outings",
        {
            **notice,
            "line": {"stops": ["Port", "Gare"]},
            "week": {"days": [{"id": "1"}, {"id": "2"}]},
            "board": {"id": "b", "pins": [POSTER, MAP], "posters": [POSTER, MAP]},
        },
        {**known, "Board": lambda _: {"pins": [POSTER, MAP]}},
    )
    codes = subgraph("codes", {}, {"Day": lambda found: {"code": f"c{found['id']}"}})
    fares = subgraph(
        "fares",
        notice,
        {
            **known,
            "Week": lambda found: {"totalCents": sum(int(day["code"][1:]) for day in found["days"])},
            "Board": lambda _: {"pins": [POSTER, PHOTO]},
            "Line": lambda found: {"fareCents": 100 * len(found["stops"])},
        },
    )
    return Town({"outings": outings, "codes": codes, "fares": fares})


@pytest.fixture
def entrance(town: Town) -> Gateway:
    return Gateway(town, CORNERS)


async def test_what_a_list_in_a_key_lacks_is_fetched_for_every_element_first(entrance: Gateway, town: Town) -> None:
    assert await entrance.data("{ week { totalCents } }") == {"week": {"totalCents": 3}}
    assert town.asked() == ["outings", "codes", "fares"]
    (week,) = town.of("fares").representations
    assert week == {"__typename": "Week", "days": [{"id": "1", "code": "c1"}, {"id": "2", "code": "c2"}]}


async def test_a_list_may_be_a_key(entrance: Gateway, town: Town) -> None:
    assert await entrance.data("{ line { fareCents } }") == {"line": {"fareCents": 200}}
    assert town.of("fares").representations == [{"__typename": "Line", "stops": ["Port", "Gare"]}]


def test_errors_find_the_objects_that_were_asked_about_whatever_came_to_stand_beside_them() -> None:
    asked: dict[str, Any] = {"id": "2"}
    data = {"days": [{"id": "1"}, asked, {"id": "3"}]}  # the others came from another subgraph meanwhile

    assert [*slots_at(data, (Segment("days", None),), {"days": "d"}, Batch([asked], [0], [asked]))] == [(("d", 1), 0)]


async def test_an_interface_is_asked_of_the_subgraph_that_knows_what_is_wanted_of_it(entrance: Gateway, town: Town) -> None:
    data = await entrance.data(
        '{ strike: notice(id: "strike") { ... on Strike { text } } snow: notice(id: "snow") { ... on Snow { centimetres } } }'
    )

    assert data == {"strike": {"text": "Grève"}, "snow": {"centimetres": 10}}
    assert sorted(town.asked()) == ["fares", "outings"]


async def test_halves_of_an_interface_are_not_put_together_where_no_key_leads_from_one_to_the_other(entrance: Gateway, town: Town) -> None:
    # Neither subgraph can tell the id of both: each has the other's @external.
    with pytest.raises(RequestError) as refused:
        await entrance.ask('{ notice(id: "strike") { id } }')

    assert refused.value.errors[0]["extensions"]["code"] == "PLANNING_FAILED"
    assert town.calls == []


async def test_a_member_that_only_one_of_two_possible_subgraphs_knows_is_told_alike_whoever_is_asked(entrance: Gateway) -> None:
    data = await entrance.data("{ board { pins { __typename ... on Poster { title } ... on Map { place } ... on Photo { author } } } }")

    assert data["board"]["pins"] == [POSTER, {"__typename": "Map", "place": None}]


async def test_a_member_is_told_in_full_where_only_one_subgraph_can_be_asked(entrance: Gateway) -> None:
    data = await entrance.data("{ board { posters { __typename ... on Poster { title } ... on Map { place } } } }")

    assert data["board"]["posters"] == [POSTER, MAP]
