"""A town that asks its agents for a second factor: through the gateway, and at each service, the rank begins with the code."""

import datetime as dt
from pathlib import Path

import pyotp
import yaml

from tests.flows.conftest import Found
from tests.flows.system import System
from tests.flows.town import PASSWORD, activity, family, load_file

ACTS = "query($structure: ID!) { acts(structure: $structure) { nodes { kind } } }"
BILLED = "query($structure: ID!) { moneyActs(structure: $structure) { nodes { kind } } }"
START = "mutation($password: String!) { startTotp(password: $password) { ... on TotpStarted { secret } ... on Refusal { code } } }"
CONFIRM = "mutation($code: String!) { confirmTotp(code: $code) { ... on Account { secondFactorMissing { id } } ... on Refusal { code } } }"
REFRESH = "mutation($token: String!) { refreshSession(refreshToken: $token) { ... on SignedIn { accessToken } ... on Refusal { code } } }"
SIGN_IN = """mutation($login: String!, $password: String!) { signIn(login: $login, password: $password) { __typename
  ... on SecondFactorRequired { challenge kinds } ... on SignedIn { accessToken } } }"""
FINISH = """mutation($challenge: String!, $code: String!) { finishSignIn(challenge: $challenge, code: $code) {
  ... on SignedIn { accessToken } ... on Refusal { code } } }"""


def code(secret: str, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(int(dt.datetime.now(dt.UTC).timestamp()) + 30 * steps)


async def test_an_agent_s_rank_begins_with_the_second_factor(system: System, found: Found, tmp_path: Path) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    town.file["structure"]["second_factor"] = "required"
    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump(town.file, allow_unicode=True, sort_keys=False))
    await load_file(system, again)
    agent = await town.agent()

    async def allowed(token: str) -> list[str]:
        answers = [await town.post(question, {"structure": town.structure}, token=token) for question in (ACTS, BILLED)]
        return [answer["errors"][0]["extensions"]["code"] if "errors" in answer else "ok" for answer in answers]

    assert await allowed(agent.token) == ["FORBIDDEN", "FORBIDDEN"]
    secret = (await town.post(START, {"password": PASSWORD}, token=agent.token))["data"]["startTotp"]["secret"]
    first = code(secret)
    confirmed = await town.post(CONFIRM, {"code": first}, token=agent.token)
    assert confirmed["data"]["confirmTotp"] == {"secondFactorMissing": []}
    renewed = (await town.post(REFRESH, {"token": agent.refresh_token}))["data"]["refreshSession"]["accessToken"]
    assert await allowed(renewed) == ["ok", "ok"]
    half = (await town.post(SIGN_IN, {"login": town.named("agent"), "password": PASSWORD}))["data"]["signIn"]
    assert (half["__typename"], half["kinds"]) == ("SecondFactorRequired", ["TOTP"])
    used = await town.post(FINISH, {"challenge": half["challenge"], "code": first})
    assert used["data"]["finishSignIn"] == {"code": "INVALID_CODE"}, "it was used"
    answer = await town.post(FINISH, {"challenge": half["challenge"], "code": code(secret, 1)})
    assert await allowed(answer["data"]["finishSignIn"]["accessToken"]) == ["ok", "ok"]
