"""What ends a session, or takes a right away, takes the tokens back that were given before (SEC7)."""

import json
from dataclasses import replace

import pytest

from services.identity import installation
from services.identity.tokens import new_key
from services.revoking import Watchman
from services.settings import SettingsError
from tests.identity.town import AGENT, AGENT_PASSWORD, DUPONT, DUPONTS, PASSWORD, RunFixture, Town

SIGN_OUT = "mutation { signOut }"
CHANGE = """mutation ($current: String!, $new: String!) { changePassword(current: $current, new: $new) {
  ... on Account { login } ... on Refusal { code } } }"""
NEW_PASSWORD = "Tout-autre-chose-2027"


async def revoked(town: Town) -> list[str | None]:
    """Of each event its session."""
    return [json.loads(row.body)["session"] for row in await town.events("tokens_revoked")]


async def is_good(town: Town, token: str) -> bool:
    await Watchman(town.running).look()
    return town.caller(token) is not None


async def test_signing_out_takes_the_sessions_tokens_back_and_no_others(running: RunFixture) -> None:
    town = await Town.of(running)
    here, there = await town.signs_in(), await town.signs_in()
    again = await town.refreshes(here["refreshToken"])
    caller = town.caller(here["accessToken"])
    await town.answers(SIGN_OUT, again["accessToken"])
    assert caller is not None
    assert await revoked(town) == [caller.session]
    assert [await is_good(town, one["accessToken"]) for one in (here, again, there)] == [False, False, True]


async def test_signing_out_twice_says_nothing_new(running: RunFixture) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    for _ in range(2):
        await town.answers(SIGN_OUT, token)
    assert len(await revoked(town)) == 1


async def test_a_new_password_takes_every_other_sessions_tokens_back(running: RunFixture) -> None:
    town = await Town.of(running)
    here, there = await town.signs_in(), await town.signs_in()
    await town.answers(CHANGE, here["accessToken"], current=PASSWORD, new=NEW_PASSWORD)
    assert [await is_good(town, one["accessToken"]) for one in (here, there)] == [True, False]


async def test_a_refresh_token_that_is_used_again_ends_what_it_gave(running: RunFixture) -> None:
    town = await Town.of(running)
    first = await town.signs_in()
    second = await town.refreshes(first["refreshToken"])
    await town.refreshes(first["refreshToken"])
    assert [await is_good(town, one["accessToken"]) for one in (first, second)] == [False, False]


async def test_sessions_whose_tokens_have_all_run_out_are_not_told(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.signs_in()
    town.later(days=31)
    await town.puts(replace(DUPONT, password=NEW_PASSWORD))
    assert await revoked(town) == []


async def test_an_agent_whose_role_is_taken_away_refreshes_and_goes_on_without_it(running: RunFixture) -> None:
    town = await Town.of(running)
    agent = await town.signs_in("agent", AGENT_PASSWORD)
    other = await town.signs_in()
    town.later(seconds=1)
    await town.puts(replace(AGENT, agent_of=None))
    assert await revoked(town) == [None]
    assert [await is_good(town, one["accessToken"]) for one in (agent, other)] == [False, True]
    after = await town.refreshes(agent["refreshToken"])
    assert await is_good(town, after["accessToken"])
    caller = town.caller(after["accessToken"])
    assert caller is not None
    assert caller.agent_of == frozenset()


async def test_an_adult_who_leaves_the_family_refreshes_and_goes_on_without_it(running: RunFixture) -> None:
    town = await Town.of(running)
    other = replace(DUPONT, login="dupont2", email="autre@example.org")
    await town.puts(other, replace(DUPONTS, accounts=("dupont", "dupont2")))
    leaving, staying = await town.signs_in("dupont2"), await town.signs_in()
    town.later(seconds=1)
    await town.puts(DUPONTS)
    assert [await is_good(town, one["accessToken"]) for one in (leaving, staying)] == [False, True]
    after = await town.refreshes(leaving["refreshToken"])
    assert await is_good(town, after["accessToken"])
    assert after["account"]["families"] == []


async def test_what_is_given_to_an_account_takes_nothing_back(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.signs_in()
    town.later(seconds=1)
    await town.puts(replace(DUPONTS, id="dupont-2", number="7", children=()))
    assert await revoked(town) == []


# ---------------------------------------------------------------------------------------------------------------- keys
async def withdraws(town: Town, kid: str | None = None) -> str | None:
    async with town.running.database.transaction() as session:
        return await installation.withdraw_key(session, town.running.clock, kid)


async def announces(town: Town, key: str | None = None) -> str:
    async with town.running.database.transaction() as session:
        return (await installation.announce_key(session, town.running.clock, key)).kid


async def test_a_key_that_identity_made_itself_is_followed_by_another_when_it_is_withdrawn(running: RunFixture) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    kid = town.entrance.signer.kid
    assert await withdraws(town, "nothing") is None
    assert await withdraws(town) == kid
    assert await withdraws(town) is None
    assert not await is_good(town, token)
    assert await announces(town) != kid
    assert len(await town.events("key_withdrawn")) == 1
    assert len(await town.events("signing_key_published")) == 2


async def test_a_key_of_the_settings_that_was_withdrawn_signs_nothing_any_more(running: RunFixture) -> None:
    key = new_key()
    town = await Town.of(running, signing_key=key)
    await withdraws(town)
    with pytest.raises(SettingsError, match="withdrawn"):
        await announces(town, key)


async def test_a_key_that_is_taken_back_into_service_is_the_newest_again(running: RunFixture) -> None:
    town = await Town.of(running)
    first, second = new_key(), new_key()
    for key in (first, second, second, first):
        town.later(hours=1)
        await announces(town, key)
    assert len(await town.events("signing_key_published")) == 4  # Its own, and each change.
