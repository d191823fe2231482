"""The audit trail of identity: it tells all, only grows, and can be made to say nothing of somebody any more."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from deploy.migrate import differs
from services.identity import audit
from services.identity.audit import Done
from services.identity.invariants import violations
from tests.identity.town import AGENT, AGENT_PASSWORD, NEIGHBOUR, NOW, RunFixture, Town

BIRTH = Done(
    "CHANGE_CHILD", family="dupont", child="amalia", reason="Acte de naissance", before={"birth_date": "2019-04-12"},
    after={"birth_date": "2019-04-13"},
)  # fmt: skip
NUMBER = Done("CHANGE_FAMILY", family="dupont", before={"number": "003150"}, after={"number": "3150"})
ROLE = Done("SET_ROLE", adult="anne", reason="Départ", after={"role": "NONE"})
ACTS = """query ($structure: ID!, $family: ID, $first: Int, $after: String) {
  identityActs(structure: $structure, family: $family, first: $first, after: $after) {
    nodes { at account kind reason erased agent { lastName } family { number } child { firstName } adult { lastName }
            details { name before after } } endCursor hasNextPage } }"""


async def done(town: Town, *acts: Done, structure: str = "carteville", account: str = "agent") -> None:
    async with town.running.database.transaction() as session:
        await audit.lock_structure(session, structure)
        await audit.note(session, NOW, structure, account, *acts)


async def says(town: Town, statement: str) -> list[Any]:
    async with town.running.database.transaction() as session:
        result = await (await session.connection()).execute(text(statement))
        return list(result.all()) if result.returns_rows else []


async def found(town: Town) -> list[str]:
    async with town.running.database.reading() as session:
        return await violations(session)


async def test_agents_read_who_did_what_to_whom_and_why_and_nobody_else_does(running: RunFixture) -> None:
    town = await Town.of(running)
    agent = await town.signs_in("agent", AGENT_PASSWORD)
    await done(town, NUMBER, BIRTH, account=agent["account"]["id"])
    nodes = (await town.answers(ACTS, agent["accessToken"], structure="carteville"))["identityActs"]["nodes"]
    assert [one["kind"] for one in nodes] == ["CHANGE_CHILD", "CHANGE_FAMILY"]
    assert nodes[0] | {"at": ""} == {
        "at": "", "account": agent["account"]["id"], "kind": "CHANGE_CHILD", "reason": "Acte de naissance", "erased": False,
        "agent": {"lastName": "MARTIN"}, "family": {"number": "003150"}, "child": {"firstName": "Amalia"}, "adult": None,
        "details": [{"name": "birth_date", "before": "2019-04-12", "after": "2019-04-13"}],
    }  # fmt: skip
    for bearer in ((await town.signs_in())["accessToken"], None):
        data, errors = await town.asked(ACTS, bearer, structure="carteville")
        assert data is None
        assert errors
    assert (await town.asked(ACTS, agent["accessToken"], structure="autreville"))[1]


async def test_pages_go_on_where_the_last_one_ended(running: RunFixture) -> None:
    town = await Town.of(running)
    await done(town, NUMBER, BIRTH, ROLE)
    token = (await town.signs_in("agent", AGENT_PASSWORD))["accessToken"]
    first = (await town.answers(ACTS, token, structure="carteville", first=2))["identityActs"]
    assert ([one["kind"] for one in first["nodes"]], first["hasNextPage"]) == (["SET_ROLE", "CHANGE_CHILD"], True)
    rest = (await town.answers(ACTS, token, structure="carteville", first=2, after=first["endCursor"]))["identityActs"]
    assert ([one["kind"] for one in rest["nodes"]], rest["hasNextPage"]) == (["CHANGE_FAMILY"], False)
    of_family = (await town.answers(ACTS, token, structure="carteville", family="dupont"))["identityActs"]
    assert [one["kind"] for one in of_family["nodes"]] == ["CHANGE_CHILD", "CHANGE_FAMILY"]


@pytest.mark.parametrize("statement", ["UPDATE act SET kind = 'OTHER'", "DELETE FROM act", "DELETE FROM act WHERE position = 1"])
async def test_the_database_itself_refuses_to_change_the_trail(running: RunFixture, statement: str) -> None:
    town = await Town.of(running)
    await done(town, BIRTH)
    with pytest.raises(DBAPIError, match="only grows"):
        await says(town, statement)
    assert len(await says(town, "SELECT position FROM act")) == 1


async def test_a_forged_chain_is_seen(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(NEIGHBOUR)
    await done(town, NUMBER, BIRTH, ROLE)
    await done(town, ROLE, structure="autreville")
    assert await found(town) == []
    sqlite = town.running.database.is_sqlite
    await says(town, "DROP TRIGGER act_never_delete" if sqlite else "DROP TRIGGER act_only_grows ON act")
    await says(town, "DELETE FROM act WHERE position = 2")
    assert (await found(town))[0].startswith("act 3 of carteville")


async def test_names_and_dates_stand_nowhere_in_the_trail_and_go_with_their_key(running: RunFixture) -> None:
    """RGPD: what a sealed trail says of a family can be erased all the same, and the chain holds."""
    town = await Town.of(running)
    await done(town, BIRTH, ROLE)
    rows = str(await says(town, "SELECT * FROM act"))
    assert not any(word in rows for word in ("2019-04-12", "naissance", "Départ", "NONE"))
    async with town.running.database.transaction() as session:
        await audit.forget(session, ["dupont"])
    token = (await town.signs_in("agent", AGENT_PASSWORD))["accessToken"]
    role, birth = (await town.answers(ACTS, token, structure="carteville"))["identityActs"]["nodes"]
    assert (role["erased"], role["reason"]) == (False, "Départ")
    assert (birth["erased"], birth["reason"], birth["details"]) == (True, None, [{"name": "birth_date", "before": None, "after": None}])
    assert await found(town) == []
    await done(town, NUMBER)  # after it, a key of its own
    newest = (await town.answers(ACTS, token, structure="carteville"))["identityActs"]["nodes"]
    assert [one["erased"] for one in newest] == [False, False, True]


async def test_the_tables_are_those_that_the_migrations_make(running: RunFixture) -> None:
    town = await Town.of(running)
    assert AGENT.agent_of == "carteville"
    assert await differs("identity", town.running.database.url) == []
