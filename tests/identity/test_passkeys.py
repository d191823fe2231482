"""Passkeys, as the second factor and alone, with a device in software; and devices, sites and people that are not what they say."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import select
from webauthn.helpers import bytes_to_base64url

from services.identity import factors
from services.identity.passkeys import Site, site_of
from services.identity.second_factor import SecondFactor
from services.identity.tables import Factor
from tests.identity.authenticator import Authenticator
from tests.identity.test_second_factor import CONFIRM, HALF, ME, REFUSED, REMOVE, Telephone, finishes, sets_up, signs_in
from tests.identity.test_second_factor import START as START_TOTP
from tests.identity.town import AGENT_PASSWORD, IN, PASSWORD, RunFixture, Town

ORIGIN = "https://famille.carteville.example"
START = (
    f"mutation ($password: String!) {{ startPasskey(password: $password) {{ {REFUSED} ... on PasskeyStarted {{ challenge options }} }} }}"
)
ADD = f"""mutation ($challenge: String!, $credential: String!, $label: String!) {{
  addPasskey(challenge: $challenge, credential: $credential, label: $label) {{ {REFUSED} ... on Account {{ factors {{ id kind label }} }} }} }}"""
ALONE = f"mutation {{ startPasskeySignIn {{ {REFUSED} ... on PasskeyStarted {{ challenge options }} }} }}"
FINISH = """mutation ($challenge: String!, $assertion: String!) { finishSignIn(challenge: $challenge, assertion: $assertion) { ...in """
FINISH += HALF + " } }" + IN


async def open_town(running: RunFixture) -> Town:
    return await Town.of(running, public_url=ORIGIN)


async def starts(town: Town, token: str, password: str = PASSWORD) -> dict[str, Any]:
    started: dict[str, Any] = (await town.answers(START, token, password=password))["startPasskey"]
    return started


async def adds(town: Town, token: str, challenge: str, credential: str, label: str = "Téléphone") -> dict[str, Any]:
    added: dict[str, Any] = (await town.answers(ADD, token, challenge=challenge, credential=credential, label=label))["addPasskey"]
    return added


async def with_passkey(town: Town, token: str, password: str = PASSWORD) -> Authenticator:
    device = Authenticator(ORIGIN)
    started = await starts(town, token, password)
    added = await adds(town, token, started["challenge"], device.creates(started["options"]))
    assert added["factors"][-1]["kind"] == "PASSKEY"
    return device


async def shows(town: Town, challenge: str, assertion: str) -> dict[str, Any]:
    answer: dict[str, Any] = (await town.answers(FINISH, challenge=challenge, assertion=assertion))["finishSignIn"]
    return answer


# ----------------------------------------------------------------------------------------------------------------- where
@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://famille.carteville.fr", Site("famille.carteville.fr", "https://famille.carteville.fr")),
        ("https://famille.carteville.fr:8443/", Site("famille.carteville.fr", "https://famille.carteville.fr:8443")),
        ("http://localhost:8000", Site("localhost", "http://localhost:8000")),
        ("http://famille.carteville.fr", None),
        ("http://127.0.0.1:8000", None),
        ("https://192.0.2.7", None),
        ("https://[2001:db8::1]", None),
        ("", None),
    ],
)
def test_passkeys_need_a_name_and_tls(url: str, site: Site | None) -> None:
    assert site_of(url) == site


async def test_where_there_can_be_none_it_is_said(running: RunFixture) -> None:
    town = await Town.of(running, public_url="http://127.0.0.1:8000")
    token = (await town.signs_in())["accessToken"]
    assert (await starts(town, token))["code"] == "PASSKEYS_UNAVAILABLE"
    assert (await town.answers(ALONE))["startPasskeySignIn"]["code"] == "PASSKEYS_UNAVAILABLE"
    assert (await adds(town, token, "x", "{}"))["code"] == "PASSKEYS_UNAVAILABLE"


# ------------------------------------------------------------------------------------------------------- as it should be
async def test_a_passkey_is_the_second_factor(running: RunFixture) -> None:
    town = await open_town(running)
    here, elsewhere = await town.signs_in(), await town.signs_in()
    assert (await starts(town, here["accessToken"], "a guess"))["code"] == "INVALID_CREDENTIALS"
    device = await with_passkey(town, here["accessToken"])
    assert (await town.refreshes(elsewhere["refreshToken"]))["code"] == "INVALID_TOKEN"
    half = await signs_in(town)
    assert half["kinds"] == ["PASSKEY"]
    options = json.loads(half["passkeyOptions"])
    assert (options["rpId"], len(options["allowCredentials"])) == ("famille.carteville.example", 1)
    assert (await shows(town, half["challenge"], device.shows(half["passkeyOptions"], verified=False)))["__typename"] == "SignedIn"
    again = await signs_in(town)
    answer = device.shows(again["passkeyOptions"])
    assert (await shows(town, again["challenge"], answer))["__typename"] == "SignedIn"
    assert (await shows(town, again["challenge"], answer))["code"] == "INVALID_TOKEN", "a challenge is good once"
    told = [json.loads(event.body) for event in await town.events("security_notice_made")]
    assert [(one["kind"], one["detail"]) for one in told] == [("FACTOR_ADDED", "Téléphone")]


async def test_beside_codes_either_will_do(running: RunFixture) -> None:
    town = await open_town(running)
    token = (await town.signs_in())["accessToken"]
    telephone = await sets_up(town, token)
    device = await with_passkey(town, token)
    half = await signs_in(town)
    assert half["kinds"] == ["PASSKEY", "TOTP"]
    assert (await finishes(town, half["challenge"], telephone.code()))["__typename"] == "SignedIn"
    half = await signs_in(town)
    assert (await shows(town, half["challenge"], device.shows(half["passkeyOptions"])))["__typename"] == "SignedIn"
    factors = (await town.answers(ME, token))["me"]["factors"]
    await town.answers(REMOVE, token, id=factors[1]["id"], password=PASSWORD)
    half = await signs_in(town)
    assert (half["kinds"], half["passkeyOptions"]) == (["TOTP"], None)


async def test_a_passkey_alone_signs_in_and_counts_as_both(running: RunFixture) -> None:
    town = await open_town(running)
    town.running.resources["entrance"] = replace(town.entrance, asked=SecondFactor.REQUIRED)
    agent = await town.signs_in("agent", AGENT_PASSWORD)
    device = await with_passkey(town, agent["accessToken"], AGENT_PASSWORD)
    started = (await town.answers(ALONE))["startPasskeySignIn"]
    options = json.loads(started["options"])
    assert (options["userVerification"], options.get("allowCredentials", [])) == ("required", [])
    answer = await shows(town, started["challenge"], device.shows(started["options"]))
    assert answer["account"]["login"] == "agent"
    caller = town.caller(answer["accessToken"])
    assert caller is not None
    assert caller.agent_of == {"carteville"}
    for _ in range(5):
        await town.signs_in("agent", "a guess")
    assert (await town.signs_in("agent", AGENT_PASSWORD))["code"] == "TOO_MANY_ATTEMPTS", "control"
    assert (await town.signs_in("agent", AGENT_PASSWORD, device=answer["deviceToken"]))["__typename"] == "SecondFactorRequired"


# --------------------------------------------------------------------------------------------------------------- hostile
@pytest.mark.parametrize(
    "how",
    [
        {"origin": "https://famille.carteville.example.evil.example"},
        {"origin": "http://famille.carteville.example"},
        {"rp_id": "evil.example"},
        {"forged": True},
        {"step": -1},
        {"step": 0},
        {"user": "c29tZWJvZHk"},
    ],
    ids=str,
)
async def test_what_another_site_another_key_or_a_copy_answers_is_refused(running: RunFixture, how: dict[str, Any]) -> None:
    town = await open_town(running)
    device = await with_passkey(town, (await town.signs_in())["accessToken"])
    half = await signs_in(town)
    assert (await shows(town, half["challenge"], device.shows(half["passkeyOptions"], step=5)))["__typename"] == "SignedIn", "control"
    half = await signs_in(town)
    assert (await shows(town, half["challenge"], device.shows(half["passkeyOptions"], **how)))["code"] == "INVALID_PASSKEY"
    started = (await town.answers(ALONE))["startPasskeySignIn"]
    assert (await shows(town, started["challenge"], device.shows(started["options"], **how)))["code"].startswith("INVALID_")


async def test_an_answer_to_another_challenge_is_refused(running: RunFixture) -> None:
    town = await open_town(running)
    device = await with_passkey(town, (await town.signs_in())["accessToken"])
    first, second = await signs_in(town), await signs_in(town)
    answer = device.shows(first["passkeyOptions"])
    assert (await shows(town, second["challenge"], answer))["code"] == "INVALID_PASSKEY"
    assert (await shows(town, first["challenge"], answer))["__typename"] == "SignedIn"
    third = await signs_in(town)
    assert (await shows(town, third["challenge"], answer))["code"] == "INVALID_PASSKEY", "seen on the way, shown again"


async def test_alone_it_asks_who_holds_it_and_whose_it_is(running: RunFixture) -> None:
    town = await open_town(running)
    device = await with_passkey(town, (await town.signs_in())["accessToken"])
    agent = (await town.signs_in("agent", AGENT_PASSWORD))["account"]["id"]
    for how in ({"verified": False}, {"user": None}, {"user": bytes_to_base64url(agent.encode())}):
        started = (await town.answers(ALONE))["startPasskeySignIn"]
        assert (await shows(town, started["challenge"], device.shows(started["options"], **how)))["code"].startswith("INVALID_"), how
    started = (await town.answers(ALONE))["startPasskeySignIn"]
    assert (await shows(town, started["challenge"], device.shows(started["options"])))["__typename"] == "SignedIn", "control"
    started = (await town.answers(ALONE))["startPasskeySignIn"]
    town.later(minutes=5)
    assert (await shows(town, started["challenge"], device.shows(started["options"])))["code"] == "INVALID_TOKEN"


async def test_another_account_s_passkey_opens_nothing(running: RunFixture) -> None:
    town = await open_town(running)
    dupont = await with_passkey(town, (await town.signs_in())["accessToken"])
    agent = await with_passkey(town, (await town.signs_in("agent", AGENT_PASSWORD))["accessToken"], AGENT_PASSWORD)
    half = await signs_in(town)
    assert (await shows(town, half["challenge"], agent.shows(half["passkeyOptions"])))["code"] == "INVALID_PASSKEY"
    assert (await shows(town, half["challenge"], dupont.shows(half["passkeyOptions"])))["__typename"] == "SignedIn"


async def test_one_key_is_added_once_by_whoever_it_was_made_for(running: RunFixture) -> None:
    town = await open_town(running)
    dupont, agent = (await town.signs_in())["accessToken"], (await town.signs_in("agent", AGENT_PASSWORD))["accessToken"]
    device = Authenticator(ORIGIN)
    started = await starts(town, dupont)
    credential = device.creates(started["options"])
    assert (await adds(town, agent, started["challenge"], credential))["code"] == "INVALID_TOKEN"
    for how in ({"origin": "https://evil.example"}, {"rp_id": "evil.example"}):
        other = await starts(town, dupont)
        assert (await adds(town, dupont, other["challenge"], device.creates(other["options"], **how)))["code"] == "INVALID_PASSKEY"
    other = await starts(town, dupont)
    assert (await adds(town, dupont, other["challenge"], credential))["code"] == "INVALID_PASSKEY", "for another challenge"
    both = await asyncio.gather(*(adds(town, dupont, started["challenge"], credential) for _ in range(2)))
    assert sorted(len(one.get("factors", ())) for one in both) == [0, 1]
    async with town.running.database.reading() as session:
        assert len((await session.exec(select(Factor))).all()) == 1


async def test_of_two_that_were_begun_as_the_tenth_factor_one_is_added(running: RunFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factors, "MOST_FACTORS", 1)
    town = await open_town(running)
    token = (await town.signs_in())["accessToken"]
    telephone = Telephone(town, (await town.answers(START_TOTP, token, password=PASSWORD))["startTotp"]["secret"])
    await with_passkey(town, token)
    assert (await town.answers(CONFIRM, token, code=telephone.code()))["confirmTotp"]["code"] == "TOO_MANY_FACTORS"
    assert (await starts(town, token))["code"] == "TOO_MANY_FACTORS"


async def test_a_key_that_somebody_has_is_not_another_s(running: RunFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    town = await open_town(running)
    dupont = await with_passkey(town, (await town.signs_in())["accessToken"])
    agent = (await town.signs_in("agent", AGENT_PASSWORD))["accessToken"]
    monkeypatch.setattr("tests.identity.authenticator.secrets.token_bytes", lambda _: dupont.made[0].id)
    started = await starts(town, agent, AGENT_PASSWORD)
    assert (await adds(town, agent, started["challenge"], Authenticator(ORIGIN).creates(started["options"])))["code"] == "INVALID_PASSKEY"


@pytest.mark.parametrize(
    "answer", ["", "{}", "[]", "null", '{"rawId": 7}', '{"id":"a","rawId":"a","type":"public-key","response":{}}', "[" * 5000]
)
async def test_nonsense_is_refused_as_any_other(running: RunFixture, answer: str) -> None:
    town = await open_town(running)
    token = (await town.signs_in())["accessToken"]
    started = await starts(town, token)
    assert (await adds(town, token, started["challenge"], answer))["code"] == "INVALID_PASSKEY"
    await with_passkey(town, token)
    half = await signs_in(town)
    assert (await shows(town, half["challenge"], answer))["code"] == "INVALID_PASSKEY"
    started = (await town.answers(ALONE))["startPasskeySignIn"]
    assert (await shows(town, started["challenge"], answer))["code"] == "INVALID_TOKEN"
