"""Signing in by a provider of OpenID Connect: as it should be, and with providers and people that are not what they say."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlmodel import select

from services.identity import oidc
from services.identity.providers import read_providers
from services.identity.second_factor import SecondFactor
from services.identity.tables import OidcState, OutsideIdentity
from services.settings import SettingsError
from tests.identity.oidc_provider import CLIENT, SECRET, Provider, served
from tests.identity.test_second_factor import REFUSED, sets_up, signs_in
from tests.identity.town import AGENT_PASSWORD, IN, PASSWORD, RunFixture, Town

STARTED = f"{REFUSED} ... on OidcStarted {{ url state binding }}"
START = f"mutation ($provider: String!) {{ startOidc(provider: $provider) {{ {STARTED} }} }}"
START_LINK = f"""mutation ($provider: String!, $password: String!) {{
  startOidcLink(provider: $provider, password: $password) {{ {STARTED} }} }}"""
START_BY_TOKEN = f"""mutation ($provider: String!, $token: String!) {{
  startOidcLinkByToken(provider: $provider, token: $token) {{ {STARTED} }} }}"""
ISSUE = f"""mutation ($account: ID!, $reason: String!, $key: String!) {{
  issueCounterCode(account: $account, reason: $reason, idempotencyKey: $key) {{ {REFUSED} ... on CounterCode {{ codeOnPaper }} }} }}"""
USE = f"""mutation ($login: String!, $code: String!) {{
  useRecoveryCode(login: $login, code: $code) {{ {REFUSED} ... on RecoveryGranted {{ token }} }} }}"""
LINKED = f"{REFUSED} ... on Account {{ outsideIdentities {{ provider name }} }}"
BACK = "($state: String!, $code: String!, $binding: String!)"
LINK = f"mutation {BACK} {{ linkOidc(state: $state, code: $code, binding: $binding) {{ {LINKED} }} }}"
FINISH = (
    f"""mutation {BACK} {{ finishOidc(state: $state, code: $code, binding: $binding) {{
  ...in ... on SecondFactorRequired {{ challenge kinds }} }} }}"""
    + IN
)
UNLINK = f"mutation ($provider: String!, $password: String!) {{ unlinkOidc(provider: $provider, password: $password) {{ {LINKED} }} }}"


@dataclass
class Scene:
    town: Town
    provider: Provider

    async def starts(self) -> dict[str, Any]:
        self.provider.now = self.town.running.clock.now().timestamp()
        started: dict[str, Any] = (await self.town.answers(START, provider="fc"))["startOidc"]
        return started

    async def finishes(self, started: dict[str, Any], code: str | None = None, **instead: str) -> dict[str, Any]:
        back = {"state": started["state"], "code": code or self.provider.authorises(started["url"]), "binding": started["binding"]}
        answer: dict[str, Any] = (await self.town.answers(FINISH, **(back | instead)))["finishOidc"]
        return answer

    async def starts_by(self, token: str) -> dict[str, Any]:
        self.provider.now = self.town.running.clock.now().timestamp()
        started: dict[str, Any] = (await self.town.answers(START_BY_TOKEN, provider="fc", token=token))["startOidcLinkByToken"]
        return started

    async def signs_in(self) -> dict[str, Any]:
        return await self.finishes(await self.starts())

    async def links(self, token: str, password: str = PASSWORD) -> dict[str, Any]:
        self.provider.now = self.town.running.clock.now().timestamp()
        started = (await self.town.answers(START_LINK, token, provider="fc", password=password))["startOidcLink"]
        code = self.provider.authorises(started["url"])
        back = {"state": started["state"], "code": code, "binding": started["binding"]}
        linked: dict[str, Any] = (await self.town.answers(LINK, token, **back))["linkOidc"]
        return linked


@asynccontextmanager
async def scene(running: RunFixture, folder: Path, **settings: Any) -> AsyncIterator[Scene]:
    async with served(Provider()) as provider:
        one = {"id": "fc", "name": "FranceConnect", "issuer": provider.issuer, "client_id": CLIENT, "client_secret": SECRET} | settings
        file = folder / "oidc.json"
        file.write_text(json.dumps({"providers": [one]}))
        yield Scene(await Town.of(running, oidc=str(file), public_url="https://famille.example"), provider)


# ------------------------------------------------------------------------------------------------------- as it should be
async def test_an_account_is_linked_while_signed_in_and_opened_from_outside_then(running: RunFixture, tmp_path: Path) -> None:
    async with scene(running, tmp_path, scopes=["given_name"]) as here:
        town = here.town
        assert (await town.answers("{ oidcProviders { id name } }"))["oidcProviders"] == [{"id": "fc", "name": "FranceConnect"}]
        assert (await here.signs_in())["code"] == "IDENTITY_NOT_LINKED", "same name, same address: nobody is guessed"
        token = (await town.signs_in())["accessToken"]
        assert await here.links(token) == {"outsideIdentities": [{"provider": "fc", "name": "Jean-Paul DUPONT"}]}
        started = await here.starts()
        asked = {name: values[0] for name, values in parse_qs(urlsplit(started["url"]).query).items()}
        assert (asked["scope"], asked["redirect_uri"]) == ("openid given_name", "https://famille.example/connexion/retour")
        assert started["binding"] not in started["url"]
        answer = await here.finishes(started)
        assert (answer["__typename"], answer["account"]["login"]) == ("SignedIn", "dupont")
        assert (await town.signs_in(device=answer["deviceToken"]))["deviceToken"] == answer["deviceToken"], "it is known there"
        assert (await here.links(token))["outsideIdentities"] == [{"provider": "fc", "name": "Jean-Paul DUPONT"}], "again is no trouble"
        told = [json.loads(event.body) for event in await town.events("security_notice_made")]
        assert [(one["kind"], one["detail"]) for one in told] == [("IDENTITY_LINKED", "FranceConnect")]
        assert (await town.answers(UNLINK, token, provider="fc", password="a guess"))["unlinkOidc"]["code"] == "INVALID_CREDENTIALS"
        assert (await town.answers(UNLINK, token, provider="fc", password=PASSWORD))["unlinkOidc"] == {"outsideIdentities": []}
        assert (await here.signs_in())["code"] == "IDENTITY_NOT_LINKED"


async def test_who_cannot_sign_in_links_the_account_with_a_code_of_the_town_hall(running: RunFixture, tmp_path: Path) -> None:
    async with scene(running, tmp_path) as here:
        town = here.town
        agent = await town.signs_in("agent", AGENT_PASSWORD)
        account = (await town.signs_in())["account"]["id"]
        issued = await town.answers(ISSUE, agent["accessToken"], account=account, reason="s'est présenté", key="1")
        code = issued["issueCounterCode"]["codeOnPaper"]
        token = (await town.answers(USE, login="dupont", code=code))["useRecoveryCode"]["token"]
        assert (await here.starts_by("guess"))["code"] == "INVALID_TOKEN"
        started, late = await here.starts_by(token), await here.starts_by(token)
        assert (await here.finishes(started, binding=late["binding"]))["code"] == "INVALID_TOKEN", "who comes back is who went"
        answer = await here.finishes(await here.starts_by(token))
        assert (answer["__typename"], answer["account"]["login"]) == ("SignedIn", "dupont")
        assert (await here.signs_in())["account"]["login"] == "dupont"
        told = [json.loads(event.body) for event in await town.events("security_notice_made")]
        assert ("IDENTITY_LINKED", "FranceConnect") in [(one["kind"], one["detail"]) for one in told]
        assert (await here.finishes(late))["code"] == "INVALID_TOKEN", "the token was used"
        assert (await here.starts_by(token))["code"] == "INVALID_TOKEN"
        assert (await town.resets(token, "un cheval correct en pile"))["code"] == "INVALID_TOKEN"


async def test_of_two_who_come_back_with_one_token_one_is_linked(running: RunFixture, tmp_path: Path) -> None:
    async with scene(running, tmp_path) as here:
        await here.town.answers('mutation { requestPasswordReset(login: "dupont") }')
        token = json.loads((await here.town.events("reset_link_made"))[0].body)["token"]
        begun = [await here.starts_by(token) for _ in range(2)]
        both = await asyncio.gather(*map(here.finishes, begun))
        assert sorted(one["__typename"] for one in both) == ["InvalidToken", "SignedIn"]


async def test_a_code_links_no_identity_that_opens_another_account_and_replaces_no_factor(running: RunFixture, tmp_path: Path) -> None:
    """A factor of the provider's may count as one: a stranger who reads the mails has one, too."""
    async with scene(running, tmp_path, second_factor=["eidas2"]) as here:
        town = here.town
        agent = await town.signs_in("agent", AGENT_PASSWORD)
        await here.links(agent["accessToken"], AGENT_PASSWORD)
        await town.answers('mutation { requestPasswordReset(login: "dupont") }')
        token = json.loads((await town.events("reset_link_made"))[0].body)["token"]
        assert (await here.finishes(await here.starts_by(token)))["code"] == "IDENTITY_REFUSED"
        here.provider.subject = "another"
        await sets_up(town, (await town.signs_in())["accessToken"])
        for acr in ("eidas2", "eidas1"):
            here.provider.claims = {"acr": acr}
            answer = await here.finishes(await here.starts_by(token))
            assert (answer["__typename"], answer.get("code")) == ("IdentityRefused", "IDENTITY_REFUSED")
        here.provider.claims = {"acr": "eidas2"}
        assert (await here.signs_in())["code"] == "IDENTITY_NOT_LINKED"
        assert (await town.resets(token, "un cheval correct en pile"))["code"] == "SECOND_FACTOR_REQUIRED", "the token was still good"


async def test_one_identity_opens_one_account(running: RunFixture, tmp_path: Path) -> None:
    async with scene(running, tmp_path) as here:
        dupont, agent = await here.town.signs_in(), await here.town.signs_in("agent", AGENT_PASSWORD)
        await here.links(dupont["accessToken"])
        assert (await here.links(agent["accessToken"], AGENT_PASSWORD))["code"] == "IDENTITY_REFUSED"
        here.provider.subject = "another"
        await here.links(dupont["accessToken"])
        async with here.town.running.database.reading() as session:
            assert [row.subject for row in (await session.exec(select(OutsideIdentity))).all()] == ["another"], "it takes the place"


async def test_a_second_factor_is_asked_unless_the_file_says_that_the_provider_s_counts(running: RunFixture, tmp_path: Path) -> None:
    async with scene(running, tmp_path, second_factor=["eidas2", "mfa"]) as here:
        token = (await here.town.signs_in())["accessToken"]
        await here.links(token)
        await sets_up(here.town, token)
        assert (await here.signs_in())["kinds"] == ["TOTP"]
        here.provider.claims = {"acr": "eidas1", "amr": ["pwd"]}
        assert (await here.signs_in())["__typename"] == "SecondFactorRequired"
        for claims in ({"acr": "eidas2"}, {"acr": "eidas1", "amr": ["pwd", "mfa"]}):
            here.provider.claims = claims
            assert (await here.signs_in())["__typename"] == "SignedIn"


async def test_an_agent_s_rank_waits_for_a_second_factor_from_outside_too(running: RunFixture, tmp_path: Path) -> None:
    async with scene(running, tmp_path, second_factor=["eidas2"]) as here:
        here.town.running.resources["entrance"] = replace(here.town.entrance, asked=SecondFactor.REQUIRED)
        await here.links((await here.town.signs_in("agent", AGENT_PASSWORD))["accessToken"], AGENT_PASSWORD)
        for acr, structures in (("eidas1", set()), ("eidas2", {"carteville"})):
            here.provider.claims = {"acr": acr}
            caller = here.town.caller((await here.signs_in())["accessToken"])
            assert caller is not None
            assert caller.agent_of == structures


async def test_it_has_to_be_as_sure_as_the_file_says(running: RunFixture, tmp_path: Path) -> None:
    async with scene(running, tmp_path, acr=["eidas2", "eidas3"]) as here:
        here.provider.claims = {"acr": "eidas2"}
        await here.links((await here.town.signs_in())["accessToken"])
        started = await here.starts()
        assert parse_qs(urlsplit(started["url"]).query)["acr_values"] == ["eidas2 eidas3"]
        here.provider.claims = {"acr": "eidas1"}
        assert (await here.finishes(started))["code"] == "IDENTITY_REFUSED"


async def test_a_provider_may_have_new_keys_at_any_moment(running: RunFixture, tmp_path: Path) -> None:
    async with scene(running, tmp_path) as here:
        await here.links((await here.town.signs_in())["accessToken"])
        here.provider.asked.clear()
        assert (await here.signs_in())["__typename"] == "SignedIn"
        assert here.provider.asked == ["/token"], "what it says of itself and its keys are known"
        here.provider.rotates()
        assert (await here.signs_in())["__typename"] == "SignedIn"
        assert here.provider.asked == ["/token", "/token", "/jwks"]


# --------------------------------------------------------------------------------------------------------------- hostile
LIES = [
    "wrong signature", "unknown key", "alg none", "signed with the client's secret",
    "wrong nonce", "no nonce", "wrong audience", "two audiences", "wrong azp", "wrong issuer",
    "ran out", "of yesterday", "of tomorrow", "no times", "wrong at_hash", "no subject", "subject is a number",
]  # fmt: skip


async def test_what_is_wrong_with_an_id_token_is_not_believed(running: RunFixture, tmp_path: Path) -> None:
    async with scene(running, tmp_path) as here:
        await here.links((await here.town.signs_in())["accessToken"])
        for lie in LIES:
            here.provider.lie = lie
            assert (await here.signs_in()).get("code") == "IDENTITY_REFUSED", lie
        here.provider.lie = ""
        assert (await here.signs_in())["__typename"] == "SignedIn", "control"


@pytest.mark.parametrize("lie", ["userinfo forged", "userinfo of another"])
async def test_nobody_is_linked_by_what_another_is_told(running: RunFixture, tmp_path: Path, lie: str) -> None:
    async with scene(running, tmp_path) as here:
        here.provider.lie = lie
        assert (await here.links((await here.town.signs_in())["accessToken"]))["code"] == "IDENTITY_REFUSED"


async def test_whoever_comes_back_is_who_went_and_comes_once(running: RunFixture, tmp_path: Path) -> None:
    async with scene(running, tmp_path) as here:
        town = here.town
        here_in, agent = await town.signs_in(), await town.signs_in("agent", AGENT_PASSWORD)
        await here.links(here_in["accessToken"])
        started, other = await here.starts(), await here.starts()
        async with town.running.database.reading() as session:
            rows = str((await session.exec(select(OidcState))).all())
        assert not [secret for secret in (started["state"], started["binding"]) if secret in rows], "sums alone are kept"
        assert (await here.finishes(started, binding=other["binding"]))["code"] == "INVALID_TOKEN", "somebody else's link: login CSRF"
        assert (await here.finishes(started))["code"] == "INVALID_TOKEN", "and that used it up"
        code = here.provider.authorises(other["url"])
        assert (await here.finishes(other, code))["__typename"] == "SignedIn"
        assert (await here.finishes(other, code))["code"] == "INVALID_TOKEN"
        again = await here.starts()
        assert (await here.finishes(again, code))["code"] == "IDENTITY_REFUSED", "a code is good once"
        stolen, mine = await here.starts(), await here.starts()
        assert (await here.finishes(mine, here.provider.authorises(stolen["url"])))["code"] == "IDENTITY_REFUSED", (
            "PKCE and nonce are another's"
        )
        late = await here.starts()
        code = here.provider.authorises(late["url"])
        both = await asyncio.gather(*(here.finishes(late, code) for _ in range(2)))
        assert sorted(one["__typename"] for one in both) == ["InvalidToken", "SignedIn"]
        late = await here.starts()
        town.later(minutes=10)
        assert (await here.finishes(late))["code"] == "INVALID_TOKEN"
        agent = await town.signs_in("agent", AGENT_PASSWORD)
        started = (await town.answers(START_LINK, agent["accessToken"], provider="fc", password=AGENT_PASSWORD))["startOidcLink"]
        assert (await here.finishes(started))["code"] == "INVALID_TOKEN", "a link is no sign-in"
        started = await here.starts()
        back = {"state": started["state"], "code": here.provider.authorises(started["url"]), "binding": started["binding"]}
        assert (await town.answers(LINK, agent["accessToken"], **back))["linkOidc"]["code"] == "INVALID_TOKEN", "and the other way round"
        guessed = await town.answers(START_LINK, agent["accessToken"], provider="fc", password="a guess")
        assert guessed["startOidcLink"]["code"] == "INVALID_CREDENTIALS"


async def test_half_a_session_s_link_is_nobody_else_s(running: RunFixture, tmp_path: Path) -> None:
    async with scene(running, tmp_path) as here:
        dupont, agent = await here.town.signs_in(), await here.town.signs_in("agent", AGENT_PASSWORD)
        here.provider.now = here.town.running.clock.now().timestamp()
        started = (await here.town.answers(START_LINK, dupont["accessToken"], provider="fc", password=PASSWORD))["startOidcLink"]
        back = {"state": started["state"], "code": here.provider.authorises(started["url"]), "binding": started["binding"]}
        assert (await here.town.answers(LINK, agent["accessToken"], **back))["linkOidc"]["code"] == "INVALID_TOKEN"


# ------------------------------------------------------------------------------------------------------------------ away
async def test_a_provider_that_is_away_slow_or_mad_is_a_refusal(
    running: RunFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "SECONDS", 0.3)
    monkeypatch.setattr(oidc, "AWAY_SECONDS", 0.0)
    async with scene(running, tmp_path) as here:
        assert (await here.town.answers(START, provider="unknown"))["startOidc"]["code"] == "PROVIDER_UNAVAILABLE"
        for lie in ("slow", "broken", "nonsense", "endless", "elsewhere", "another issuer"):
            here.provider.lie = lie
            assert (await here.starts()).get("code") == "PROVIDER_UNAVAILABLE", lie
        here.provider.lie = ""
        await here.links((await here.town.signs_in())["accessToken"])
        for lie in ("slow", "broken", "nonsense", "endless", "elsewhere"):
            started = await here.starts()
            here.provider.lie = lie
            assert (await here.finishes(started))["code"] == "PROVIDER_UNAVAILABLE", lie
            here.provider.lie = ""
        assert (await here.signs_in())["__typename"] == "SignedIn", "control: it is back"
    started = await here.starts()
    assert (await here.finishes(started))["code"] == "PROVIDER_UNAVAILABLE", "gone"
    assert (await signs_in(here.town))["__typename"] == "SignedIn", "the password opens all the same"


async def test_whoever_waits_for_a_provider_that_is_away_waits_once(
    running: RunFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "SECONDS", 0.5)
    async with scene(running, tmp_path) as here:
        here.provider.lie = "slow"
        said = await asyncio.gather(*(here.starts() for _ in range(20)))
        assert {one.get("code") for one in said} == {"PROVIDER_UNAVAILABLE"}
        assert len(here.provider.asked) == 1


# -------------------------------------------------------------------------------------------------------------- the file
GOOD = {"id": "fc", "name": "FranceConnect", "issuer": "https://fc.example", "client_id": "x", "client_secret": "canary"}


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("", "a list `providers`"),
        ("providers: {}", "a list `providers`"),
        ("providers: [", "cannot be read"),
        ("providers: [7]", "provider 1: id, name"),
        (json.dumps({"providers": [GOOD, GOOD]}), "fc is there twice"),
        (json.dumps({"providers": [GOOD | {"id": "retour"}]}), "an id is letters, digits"),
        (json.dumps({"providers": [GOOD | {"id": "a/b"}]}), "an id is letters, digits"),
        (json.dumps({"providers": [GOOD | {"client_secret": ""}]}), "client_secret is a text"),
        (json.dumps({"providers": [GOOD | {"issuer": "http://fc.example"}]}), "issuer begins with https://"),
        (json.dumps({"providers": [GOOD | {"acr": "eidas1"}]}), "acr is a list"),
        (json.dumps({"providers": [GOOD | {"scope": []}]}), "scope is not known"),
    ],
)
def test_what_is_wrong_with_the_file_is_told(tmp_path: Path, file: str, said: str) -> None:
    path = tmp_path / "oidc.yaml"
    path.write_text(file)
    with pytest.raises(SettingsError, match="PREAU_OIDC") as told:
        read_providers(str(path), production=True)
    assert said in str(told.value)
    assert "canary" not in str(told.value)


def test_the_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "oidc.yaml"
    path.write_text(json.dumps({"providers": [GOOD | {"scopes": ["profile", "openid"]}]}))
    (provider,) = read_providers(str(path), production=True).values()
    assert (provider.scopes, provider.acr, provider.second_factor) == (("openid", "profile"), (), frozenset())
    assert "canary" not in repr(provider)
    assert read_providers(None, production=True) == {}
    with pytest.raises(SettingsError, match="cannot be read"):
        read_providers(str(tmp_path / "nowhere"), production=False)
