"""Who lost telephone or key is helped by an administrator of the structure, with a reason that stands in the trail."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.identity.test_ranks import operates
from tests.identity.test_second_factor import sets_up, signs_in
from tests.identity.town import AGENT, AGENT_PASSWORD, NEIGHBOUR, PASSWORD, FamilySpec, RunFixture, Town

RESET = """mutation ($input: ResetFactorsInput!) { resetFactors(input: $input) {
  __typename ... on Refusal { code } ... on Adult { id } } }"""
ACTS = '{ identityActs(structure: "carteville") { nodes { kind reason adult { lastName } details { name before after } } } }'


@pytest.fixture
async def town(running: RunFixture) -> Town:
    """With an administrator, chief, beside the agent."""
    town = await Town.of(running)
    await town.puts(NEIGHBOUR, replace(AGENT, login="chief", last_name="CHEF", administrator=True))
    return town


async def resets(town: Town, by: dict[str, Any], of: dict[str, Any], **more: Any) -> Any:
    given = {"structure": "carteville", "account": of["account"]["id"], "reason": "Téléphone perdu", "idempotencyKey": "1", **more}
    data, errors = await town.asked(RESET, by["accessToken"], input=given)
    return errors[0].message if errors else (data or {})["resetFactors"].get("code") or data["resetFactors"]["__typename"]  # type: ignore[index]


async def test_an_administrator_takes_an_agent_s_lost_factors_away(town: Town) -> None:
    agent, chief = await town.signs_in("agent", AGENT_PASSWORD), await town.signs_in("chief", AGENT_PASSWORD)
    await sets_up(town, agent["accessToken"], AGENT_PASSWORD)
    assert await resets(town, chief, agent, reason=" ") == "REASON_REQUIRED"
    assert await resets(town, chief, agent) == "Adult"
    assert await resets(town, chief, agent) == "Adult", "the same again"
    assert (await town.refreshes(agent["refreshToken"]))["code"] == "INVALID_TOKEN"
    assert (await signs_in(town, "agent", AGENT_PASSWORD))["__typename"] == "SignedIn"
    (act,) = (await town.answers(ACTS, chief["accessToken"]))["identityActs"]["nodes"]
    assert (act["kind"], act["reason"], act["adult"]) == ("RESET_FACTORS", "Téléphone perdu", {"lastName": "MARTIN"})
    assert act["details"] == [{"name": "factors", "before": "1", "after": "0"}]
    assert len([one for one in await town.events("tokens_revoked") if json.loads(one.body)["account"] == agent["account"]["id"]]) >= 1


async def test_nobody_else_does(town: Town) -> None:
    dupont = await town.signs_in()
    agent, chief = await town.signs_in("agent", AGENT_PASSWORD), await town.signs_in("chief", AGENT_PASSWORD)
    await sets_up(town, dupont["accessToken"])
    assert await resets(town, agent, dupont) == "ADMINISTRATOR_REQUIRED"
    assert await resets(town, dupont, dupont) == "Not yours, or not there."
    assert await resets(town, chief, chief) == "Not yours, or not there.", "of oneself: that takes one's password"
    assert await resets(town, chief, dupont, structure="autreville") == "Not yours, or not there."
    assert await resets(town, chief, {"account": {"id": "nobody"}}) == "Not yours, or not there."
    assert (await signs_in(town))["__typename"] == "SecondFactorRequired"
    await town.puts(FamilySpec("autreville.dupont", "autreville", "77", ("dupont",), ()))
    assert await resets(town, chief, dupont) == "ACCOUNT_SHARED"
    assert (await signs_in(town, password=PASSWORD))["__typename"] == "SecondFactorRequired"


async def test_an_operator_helps_an_administrator(town: Town) -> None:
    await operates(town, "dupont")
    chief = await town.signs_in("chief", AGENT_PASSWORD)
    await sets_up(town, chief["accessToken"], AGENT_PASSWORD)
    assert await resets(town, await town.signs_in(), chief) == "Adult"
    assert (await signs_in(town, "chief", AGENT_PASSWORD))["__typename"] == "SignedIn"
