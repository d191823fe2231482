"""Who works for a structure, who administers it, who runs the installation; and that nobody raises himself."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from services.identity import ranks
from services.identity.invariants import violations
from services.identity.second_factor import SecondFactor
from services.identity.tables import Structure
from services.refusal import Refused
from tests.identity.town import AGENT, AGENT_PASSWORD, CARTEVILLE, NEIGHBOUR, PASSWORD, RunFixture, Town

ROLE = """mutation ($input: SetRoleInput!) { setRole(input: $input) {
  __typename ... on Refusal { code } ... on Colleague { login role } } }"""
STRUCTURE = "__typename ... on Refusal { code } ... on Structure { id name timezone }"
AGENTS = '{ agents(structure: "carteville") { login role } }'


@pytest.fixture
async def town(running: RunFixture) -> Town:
    """With an administrator, chief, beside the agent."""
    town = await Town.of(running)
    await town.puts(NEIGHBOUR, replace(AGENT, login="chief", last_name="CHEF", administrator=True))
    return town


async def token(town: Town, login: str) -> str:
    password = PASSWORD if login == "dupont" else AGENT_PASSWORD
    return str((await town.signs_in(login, password))["accessToken"])


async def sets(town: Town, by: str, login: str, role: str, bearer: str | None = None, **more: Any) -> Any:
    given = {
        "structure": "carteville",
        "login": login,
        "role": role,
        "reason": "Organisation",
        "idempotencyKey": f"{by}{login}{role}",
        **more,
    }
    data, errors = await town.asked(ROLE, bearer or await token(town, by), input=given)
    return errors[0].message if errors else (data or {})["setRole"].get("code") or data["setRole"]["role"]  # type: ignore[index]


async def operates(town: Town, login: str, *, operator: bool = True) -> None:
    async with town.running.database.transaction() as session:
        assert await ranks.set_operator(session, town.running.clock, login, operator=operator)


async def test_administrators_set_roles_and_agents_and_families_do_not(town: Town) -> None:
    for by in ("agent", "dupont"):
        assert await sets(town, by, by, "ADMINISTRATOR") in ("ADMINISTRATOR_REQUIRED", "Not yours, or not there.")
    assert await sets(town, "chief", "chief", "ADMINISTRATOR", structure="autreville") == "Not yours, or not there."
    assert await sets(town, "chief", "dupont", "AGENT") == "AGENT"
    assert (await town.signs_in())["account"]["agentOf"] == [{"id": "carteville"}]
    assert (await town.answers(AGENTS, await token(town, "agent")))["agents"] == [
        {"login": "chief", "role": "ADMINISTRATOR"}, {"login": "dupont", "role": "AGENT"}, {"login": "agent", "role": "AGENT"},
    ]  # fmt: skip
    assert await sets(town, "chief", "nobody", "AGENT") == "UNKNOWN_ACCOUNT"
    assert await sets(town, "chief", "dupont", "NONE", reason="no") == "REASON_REQUIRED"
    assert await sets(town, "chief", "dupont", "NONE") == "NONE"
    assert (await town.signs_in())["account"]["agentOf"] == []
    acts = '{ identityActs(structure: "carteville") { nodes { kind adult { lastName } details { before after } } } }'
    assert (await town.answers(acts, await token(town, "chief")))["identityActs"]["nodes"][0] == {
        "kind": "SET_ROLE", "adult": {"lastName": "DUPONT"}, "details": [{"before": "AGENT", "after": "NONE"}],
    }  # fmt: skip


async def test_what_is_taken_away_is_told_to_whoever_verifies_tokens(town: Town) -> None:
    before = len(await town.events("tokens_revoked"))
    assert await sets(town, "chief", "agent", "ADMINISTRATOR") == "ADMINISTRATOR"
    assert len(await town.events("tokens_revoked")) == before, "nothing was taken away"
    assert await sets(town, "chief", "agent", "AGENT") == "AGENT"
    assert await sets(town, "chief", "agent", "NONE") == "NONE"
    assert len(await town.events("tokens_revoked")) == before + 2


async def test_the_last_administrator_stays_one(town: Town) -> None:
    assert await sets(town, "chief", "chief", "AGENT") == "LAST_ADMINISTRATOR"
    assert await sets(town, "chief", "chief", "NONE") == "LAST_ADMINISTRATOR"
    assert await sets(town, "chief", "agent", "ADMINISTRATOR") == "ADMINISTRATOR"
    # Each takes the other's place at the same moment: one of them is too late.
    chief, agent = await token(town, "chief"), await token(town, "agent")
    done = await asyncio.gather(sets(town, "chief", "agent", "NONE", chief), sets(town, "agent", "chief", "NONE", agent))
    assert sorted(done) == ["ADMINISTRATOR_REQUIRED", "NONE"]


async def test_operators_make_structures_and_name_administrators_but_see_no_family(town: Town) -> None:
    create = f"mutation ($input: CreateStructureInput!) {{ createStructure(input: $input) {{ {STRUCTURE} }} }}"
    new = {"id": "villeneuve", "name": "Mairie de Villeneuve", "schoolZone": "A"}
    assert (await town.asked(create, await token(town, "chief"), input=new))[1]
    await operates(town, "dupont")
    bearer = await token(town, "dupont")
    made = (await town.answers(create, bearer, input=new))["createStructure"]
    assert made == {"__typename": "Structure", "id": "villeneuve", "name": "Mairie de Villeneuve", "timezone": "Europe/Paris"}
    assert (await town.answers(create, bearer, input=new))["createStructure"] == made
    assert (await town.answers(create, bearer, input=new | {"name": "X"}))["createStructure"]["code"] == "STRUCTURE_TAKEN"
    for wrong in ({"id": "all"}, {"id": "a.b"}, {"timezone": "Mars"}, {"schoolZone": "D"}, {"name": " "}):
        assert (await town.answers(create, bearer, input={**new, "id": "autre", **wrong}))["createStructure"]["code"] == "INVALID_ENTRY"
    assert [json.loads(event.body)["structure"] for event in await town.events("structure_changed")][-1] == "villeneuve"
    assert await sets(town, "dupont", "agent", "ADMINISTRATOR", structure="villeneuve") == "ADMINISTRATOR"
    assert (await town.asked(AGENTS, bearer))[1]
    assert (await town.asked('{ families(structure: "villeneuve") { totalCount } }', bearer))[1]
    await operates(town, "dupont", operator=False)
    assert await sets(town, "dupont", "dupont", "ADMINISTRATOR", structure="villeneuve") == "Not yours, or not there."
    async with town.running.database.reading() as session:
        assert await violations(session) == []
        assert await ranks.operators(session) == []


async def test_an_operator_s_rank_that_waits_for_a_second_factor_is_none_beside_an_agent_s_either(town: Town) -> None:
    """The installation asks for one, the structure does not."""
    await town.puts(replace(CARTEVILLE, second_factor=SecondFactor.OPTIONAL))
    await operates(town, "agent")
    town.running.resources["entrance"] = replace(town.entrance, asked=SecondFactor.REQUIRED)
    assert await sets(town, "agent", "agent", "ADMINISTRATOR") == "ADMINISTRATOR_REQUIRED"


async def test_administrators_change_their_structure(town: Town) -> None:
    change = f"mutation ($input: ChangeStructureInput!) {{ changeStructure(input: $input) {{ {STRUCTURE} }} }}"
    given = {"structure": "carteville", "name": "Ville de CarteVille", "timezone": "Europe/Paris", "idempotencyKey": "k"}
    assert (await town.answers(change, await token(town, "agent"), input=given))["changeStructure"]["code"] == "ADMINISTRATOR_REQUIRED"
    bearer = await token(town, "chief")
    assert (await town.answers(change, bearer, input=given))["changeStructure"]["name"] == "Ville de CarteVille"
    told = json.loads((await town.events("structure_changed"))[-1].body)
    assert (told["title"], told["school_zone"], told["version"]) == ("Ville de CarteVille", "B", 2)
    wrong = given | {"timezone": "Mars", "idempotencyKey": "l"}
    assert (await town.answers(change, bearer, input=wrong))["changeStructure"]["code"] == "INVALID_ENTRY"
    for key, asked in (("m", "REQUIRED"), ("n", "AS_INSTALLED")):
        wanted = {"structure": "carteville", "secondFactor": asked, "idempotencyKey": key}
        assert (await town.answers(change, bearer, input=wanted))["changeStructure"]["__typename"] == "Structure"
        async with town.running.database.reading() as session:
            row = await session.get_one(Structure, "carteville")
        assert (row.second_factor, row.name) == (SecondFactor.REQUIRED if asked == "REQUIRED" else None, "Ville de CarteVille")


async def test_an_operator_has_an_account(town: Town) -> None:
    async with town.running.database.transaction() as session:
        with pytest.raises(Refused, match="UNKNOWN_ACCOUNT"):
            await ranks.set_operator(session, town.running.clock, "nobody", operator=True)
