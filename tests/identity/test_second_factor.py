"""A second factor beside the password: whoever has one shows it at each sign-in, and agents have one where their structure asks for it.

RFC 6238's own figures, and SEC4 and SEC7 of the goals: codes are good once, wrong ones are counted, sessions that began without it end.
"""

import asyncio
import datetime as dt
import json
from dataclasses import replace
from typing import Any

import pyotp
import pytest
from sqlalchemy import update
from sqlmodel import select

from deploy.factors import reset
from deploy.trouble import Trouble
from services.identity import totp
from services.identity.duties import open_entrance
from services.identity.factors import MOST_FACTORS
from services.identity.keyring import Keyring, SealBroken
from services.identity.second_factor import DEFAULT, SecondFactor, kept_back
from services.identity.tables import AccountSession, AgentRole, Challenge, Factor, Operator, Secret
from services.settings import Settings, SettingsError
from tests.identity.town import AGENT, AGENT_PASSWORD, CARTEVILLE, IN, PASSWORD, RunFixture, Town

HALF = " ... on SecondFactorRequired { challenge kinds passkeyOptions }"
REQUIRED = replace(CARTEVILLE, second_factor=SecondFactor.REQUIRED)
REFUSED = "... on Refusal { code message }"
START = f"mutation ($password: String!) {{ startTotp(password: $password) {{ {REFUSED} ... on TotpStarted {{ secret uri qrSvg }} }} }}"
CONFIRM = f"mutation ($code: String!) {{ confirmTotp(code: $code) {{ {REFUSED} ... on Account {{ factors {{ id kind }} }} }} }}"
FINISH = "mutation ($challenge: String!, $code: String) { finishSignIn(challenge: $challenge, code: $code) { ...in } }" + IN
REMOVE = f"""mutation ($id: ID!, $password: String!) {{ removeFactor(id: $id, password: $password) {{
  {REFUSED} ... on Account {{ factors {{ id }} }} }} }}"""
SIGN_IN = "mutation ($login: String!, $password: String!) { signIn(login: $login, password: $password) { ...in " + HALF + " } }" + IN
RESET = "mutation ($token: String!, $new: String!) { resetPassword(token: $token, new: $new) { ...in " + HALF + " } }" + IN
ME = "{ me { factors { id kind label usedAt } secondFactorMissing { id } } }"


class Telephone:
    """Somebody's application of codes."""

    def __init__(self, town: Town, secret: str) -> None:
        self.town = town
        self.secret = secret

    def code(self, steps: int = 0) -> str:
        now = self.town.running.clock.now() + dt.timedelta(seconds=30 * steps)
        return pyotp.TOTP(self.secret).at(int(now.timestamp()))

    def wrong(self) -> str:
        near = {self.code(steps) for steps in (-2, -1, 0, 1, 2)}
        return next(code for code in map(str, range(100_000, 100_010)) if code not in near)


async def signs_in(town: Town, login: str = "dupont", password: str = PASSWORD, **how: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await town.answers(SIGN_IN, login=login, password=password, **how))["signIn"]
    return answer


async def finishes(town: Town, challenge: str, code: str, **how: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await town.answers(FINISH, challenge=challenge, code=code, **how))["finishSignIn"]
    return answer


async def sets_up(town: Town, token: str, password: str = PASSWORD) -> Telephone:
    """The code that was shown for it is used up: time goes on."""
    telephone = Telephone(town, (await town.answers(START, token, password=password))["startTotp"]["secret"])
    confirmed = (await town.answers(CONFIRM, token, code=telephone.code()))["confirmTotp"]
    assert [factor["kind"] for factor in confirmed["factors"]] == ["TOTP"]
    town.later(seconds=30)
    return telephone


# --------------------------------------------------------------------------------------------------------- pure decisions
def test_rfc_6238_its_own_codes_are_taken() -> None:
    """Appendix B, SHA-1: the last six of its eight digits."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # "12345678901234567890"
    for seconds, code in ((59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (2000000000, "279037")):
        now = dt.datetime.fromtimestamp(seconds, dt.UTC)
        assert totp.accepted_step(secret, code, now, 0) == seconds // 30
        assert totp.accepted_step(secret, f" {code[:3]} {code[3:]}", now, 0) == seconds // 30, "as applications show it"


@pytest.mark.parametrize(("steps", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_one_step_before_or_behind(steps: int, taken: bool) -> None:
    secret, now = totp.new_secret(), dt.datetime(2026, 11, 23, 7, tzinfo=dt.UTC)
    code = pyotp.TOTP(secret).at(int(now.timestamp()) + 30 * steps)
    assert (totp.accepted_step(secret, code, now, 0) is not None) == taken


@pytest.mark.parametrize("code", ["", "12345", "1234567", "١٢٣٤٥٦", "12345x", "-12345", "1" * 100_000])
def test_what_is_no_code_is_wrong(code: str) -> None:
    assert totp.accepted_step(totp.new_secret(), code, dt.datetime(2026, 11, 23, 7, tzinfo=dt.UTC), 0) is None


def test_a_structure_asks_or_leaves_it_to_the_installation() -> None:
    asked = {"a": SecondFactor.REQUIRED, "b": SecondFactor.OPTIONAL, "c": None}
    assert kept_back(asked, SecondFactor.OPTIONAL, shown=False) == {"a"}
    assert kept_back(asked, SecondFactor.REQUIRED, shown=False) == {"a", "c"}
    assert kept_back(asked, SecondFactor.REQUIRED, shown=True) == frozenset()


def test_what_is_sealed_opens_with_its_key_for_its_purpose_alone() -> None:
    old, new = Keyring("11" * 32), Keyring("22" * 32)
    both = Keyring("22" * 32 + ", " + "11" * 32)
    sealed = old.seal("totp a", "SECRET")
    assert "SECRET" not in sealed
    assert (old.open("totp a", sealed), both.open("totp a", sealed)) == ("SECRET", "SECRET")
    assert new.open("totp a", both.seal("totp a", "SECRET")) == "SECRET", "the first key seals"
    middle = len(sealed) // 2
    changed = sealed[:middle] + ("A" if sealed[middle] != "A" else "B") + sealed[middle + 1 :]
    for keyring, purpose, text in ((new, "totp a", sealed), (old, "totp b", sealed), (old, "totp a", changed), (old, "totp a", "")):
        with pytest.raises(SealBroken):
            keyring.open(purpose, text)


@pytest.mark.parametrize("key", ["", "x", "11" * 31, "11" * 33, "11" * 32 + ","])
def test_a_key_that_is_none_is_told_and_not_repeated(key: str) -> None:
    with pytest.raises(SettingsError, match="PREAU_FIELD_KEY") as told:
        Keyring(key)
    assert not key or key not in str(told.value).split("PREAU_FIELD_KEY")[0]


def test_production_needs_the_key() -> None:
    everything = {"IDENTITY_DATABASE_URL": "postgresql+asyncpg://x/y", "NATS_URL": "nats://x", "NATS_MONITOR_URL": "http://x"}
    with pytest.raises(SettingsError, match="production needs PREAU_FIELD_KEY"):
        Settings.from_environment({"PREAU_ENV": "production", "PREAU_SIGNING_KEY": "{}", **everything}, "identity")


# --------------------------------------------------------------------------------------------------------------- families
async def test_whoever_has_a_second_factor_shows_it_at_each_sign_in(running: RunFixture) -> None:
    town = await Town.of(running)
    here, elsewhere = await town.signs_in(), await town.signs_in()
    started = (await town.answers(START, here["accessToken"], password=PASSWORD))["startTotp"]
    assert started["uri"].startswith("otpauth://totp/Pr%C3%A9au:dupont?secret=" + started["secret"])
    assert started["qrSvg"].startswith("<svg")
    assert len(started["qrSvg"]) < 20_000
    assert (await town.signs_in())["__typename"] == "SignedIn", "begun is not added"
    telephone = Telephone(town, started["secret"])
    assert (await town.answers(CONFIRM, here["accessToken"], code=telephone.wrong()))["confirmTotp"]["code"] == "INVALID_CODE"
    assert (await town.answers(CONFIRM, here["accessToken"], code=telephone.code()))["confirmTotp"]["factors"][0]["kind"] == "TOTP"
    town.later(seconds=30)
    assert (await town.refreshes(elsewhere["refreshToken"]))["code"] == "INVALID_TOKEN", "whoever was signed in elsewhere is out"
    assert (await town.refreshes(here["refreshToken"]))["__typename"] == "SignedIn"

    half = await signs_in(town)
    assert (half["__typename"], half["code"], half["kinds"]) == ("SecondFactorRequired", "SECOND_FACTOR_REQUIRED", ["TOTP"])
    assert half["message"] == "Confirmez que c’est bien vous."
    answer = await finishes(town, half["challenge"], telephone.code())
    assert answer["__typename"] == "SignedIn"
    caller = town.caller(answer["accessToken"])
    assert caller is not None
    assert caller.families == {"dupont": "carteville"}
    async with town.running.database.reading() as session:
        row = await session.get_one(AccountSession, caller.session)
    assert row.factor_at == town.running.clock.now()
    assert (await finishes(town, half["challenge"], telephone.code(1)))["code"] == "INVALID_TOKEN", "a challenge is good once"
    assert (await signs_in(town, password="a guess"))["code"] == "INVALID_CREDENTIALS"
    told = [json.loads(event.body) for event in await town.events("security_notice_made")]
    assert [(one["kind"], one["email"]) for one in told] == [("FACTOR_ADDED", "jp.dupont@example.org")]


async def test_a_code_is_good_once_whatever_comes_at_the_same_moment(running: RunFixture) -> None:
    town = await Town.of(running)
    telephone = await sets_up(town, (await town.signs_in())["accessToken"])
    halves = [await signs_in(town) for _ in range(4)]
    answers = await asyncio.gather(*(finishes(town, half["challenge"], telephone.code()) for half in halves))
    assert sorted(answer["__typename"] for answer in answers) == ["InvalidCode"] * 3 + ["SignedIn"]
    half = await signs_in(town)
    assert (await finishes(town, half["challenge"], telephone.code(-1)))["code"] == "INVALID_CODE", "an earlier one than was shown"
    assert (await finishes(town, half["challenge"], telephone.code(1)))["__typename"] == "SignedIn"


async def test_a_challenge_lasts_five_minutes_and_five_tries_and_only_its_sum_is_kept(running: RunFixture) -> None:
    town = await Town.of(running)
    telephone = await sets_up(town, (await town.signs_in())["accessToken"])
    half = await signs_in(town)
    async with town.running.database.reading() as session:
        rows = (await session.exec(select(Challenge))).all()
    assert half["challenge"] not in str(rows)
    town.later(minutes=4, seconds=59)
    assert (await finishes(town, half["challenge"], telephone.wrong()))["code"] == "INVALID_CODE", "control: still good"
    town.later(seconds=1)
    assert (await finishes(town, half["challenge"], telephone.code()))["code"] == "INVALID_TOKEN"
    half = await signs_in(town)
    for _ in range(4):
        assert (await finishes(town, half["challenge"], telephone.wrong()))["code"] == "INVALID_CODE"
    assert (await finishes(town, half["challenge"], telephone.code()))["code"] == "TOO_MANY_ATTEMPTS", "and then one waits"
    town.later(seconds=11)
    assert (await finishes(town, half["challenge"], telephone.wrong()))["code"] == "INVALID_CODE"
    town.later(seconds=20)
    assert (await finishes(town, half["challenge"], telephone.code()))["code"] == "INVALID_TOKEN", "the fifth ended it"
    half = await signs_in(town)
    assert (await finishes(town, half["challenge"], telephone.code()))["__typename"] == "SignedIn"


async def test_sec4_wrong_codes_are_counted_however_many_sign_ins_are_begun(running: RunFixture) -> None:
    town = await Town.of(running)
    telephone = await sets_up(town, (await town.signs_in())["accessToken"])
    said = []
    for n in range(40):
        half = await signs_in(town, address=f"192.0.2.{n}")
        said.append((await finishes(town, half["challenge"], telephone.wrong(), address=f"192.0.2.{n}"))["code"])
    assert said == ["INVALID_CODE"] * 5 + ["TOO_MANY_ATTEMPTS"] * 35
    town.later(hours=1)
    half = await signs_in(town)
    assert (await finishes(town, half["challenge"], telephone.code()))["__typename"] == "SignedIn"


async def test_a_forgotten_password_never_replaces_the_second_factor(running: RunFixture) -> None:
    town = await Town.of(running)
    telephone = await sets_up(town, (await town.signs_in())["accessToken"])
    before = await signs_in(town)
    await town.answers('mutation { requestPasswordReset(login: "dupont") }')
    token = json.loads((await town.events("reset_link_made"))[-1].body)["token"]
    half = (await town.answers(RESET, token=token, new="un cheval correct en pile"))["resetPassword"]
    assert half["__typename"] == "SecondFactorRequired"
    assert (await finishes(town, before["challenge"], telephone.code()))["code"] == "INVALID_TOKEN", "half a sign-in is over too"
    assert (await finishes(town, half["challenge"], telephone.code()))["__typename"] == "SignedIn"
    assert (await signs_in(town, password="un cheval correct en pile"))["__typename"] == "SecondFactorRequired"


async def test_a_factor_is_added_and_taken_away_by_whoever_knows_the_password(running: RunFixture) -> None:
    town = await Town.of(running)
    here = (await town.signs_in())["accessToken"]
    assert (await town.answers(START, here, password="a guess"))["startTotp"]["code"] == "INVALID_CREDENTIALS"
    assert (await town.answers(CONFIRM, here, code="123456"))["confirmTotp"]["code"] == "INVALID_CODE", "none was begun"
    telephone = await sets_up(town, here)
    half = await signs_in(town)
    elsewhere = await finishes(town, half["challenge"], telephone.code())
    factor = (await town.answers(ME, here))["me"]["factors"][0]
    assert (await town.answers(REMOVE, here, id=factor["id"], password="a guess"))["removeFactor"]["code"] == "INVALID_CREDENTIALS"
    assert len((await town.answers(REMOVE, here, id="unknown", password=PASSWORD))["removeFactor"]["factors"]) == 1
    assert (await town.answers(REMOVE, here, id=factor["id"], password=PASSWORD))["removeFactor"] == {"factors": []}
    assert (await town.refreshes(elsewhere["refreshToken"]))["code"] == "INVALID_TOKEN"
    assert (await town.signs_in())["__typename"] == "SignedIn"
    told = [json.loads(event.body)["kind"] for event in await town.events("security_notice_made")]
    assert told == ["FACTOR_ADDED", "FACTOR_REMOVED"]


async def test_the_last_factor_taken_away_outdates_only_tokens_of_a_rank_that_needs_one(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(REQUIRED)
    before = len(await town.events("tokens_revoked"))
    for login, password in (("dupont", PASSWORD), ("agent", AGENT_PASSWORD)):
        opened = await town.signs_in(login, password)
        await sets_up(town, opened["accessToken"], password)
        shown = (await town.refreshes(opened["refreshToken"]))["accessToken"]
        factor = (await town.answers(ME, shown))["me"]["factors"][0]
        await town.answers(REMOVE, shown, id=factor["id"], password=password)
    (told,) = (await town.events("tokens_revoked"))[before:]
    assert json.loads(told.body)["account"] == opened["account"]["id"], "the agent's alone"


async def test_an_account_has_ten_factors_at_most(running: RunFixture) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    for _ in range(MOST_FACTORS):
        telephone = Telephone(town, (await town.answers(START, token, password=PASSWORD))["startTotp"]["secret"])
        confirmed = (await town.answers(CONFIRM, token, code=telephone.code()))["confirmTotp"]
    assert len(confirmed["factors"]) == 10
    refused = (await town.answers(START, token, password=PASSWORD))["startTotp"]
    assert (refused["code"], "au plus 10" in refused["message"]) == ("TOO_MANY_FACTORS", True)
    await town.answers(REMOVE, token, id=confirmed["factors"][0]["id"], password=PASSWORD)
    assert "secret" in (await town.answers(START, token, password=PASSWORD))["startTotp"]


async def test_nobody_takes_another_s_factor_away(running: RunFixture) -> None:
    town = await Town.of(running)
    dupont, agent = await town.signs_in(), await town.signs_in("agent", AGENT_PASSWORD)
    await sets_up(town, dupont["accessToken"])
    factor = (await town.answers(ME, dupont["accessToken"]))["me"]["factors"][0]
    await town.answers(REMOVE, agent["accessToken"], id=factor["id"], password=AGENT_PASSWORD)
    assert (await signs_in(town))["__typename"] == "SecondFactorRequired"


async def test_the_secret_lies_sealed(running: RunFixture) -> None:
    town = await Town.of(running)
    telephone = await sets_up(town, (await town.signs_in())["accessToken"])
    async with town.running.database.reading() as session:
        factor = (await session.exec(select(Factor))).one()
    assert telephone.secret not in str(factor)
    assert town.entrance.keyring.open(f"totp {factor.id}", factor.sealed_secret or "") == telephone.secret, "control: that is it"


# ----------------------------------------------------------------------------------------------------------------- agents
async def test_an_agent_without_the_factor_that_is_asked_has_no_rank_until_it_is_set_up(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(REQUIRED)
    query = SIGN_IN.replace("agentOf { id }", "agentOf { id } secondFactorMissing { id }")
    answer = (await town.answers(query, login="agent", password=AGENT_PASSWORD))["signIn"]
    assert answer["account"]["secondFactorMissing"] == [{"id": "carteville"}]
    caller = town.caller(answer["accessToken"])
    assert caller is not None
    assert (caller.agent_of, caller.admin_of) == (frozenset(), frozenset())
    assert (await town.answers(ME, answer["accessToken"]))["me"]["secondFactorMissing"] == [{"id": "carteville"}]
    refreshed = await town.refreshes(answer["refreshToken"])
    caller = town.caller(refreshed["accessToken"])
    assert caller is not None
    assert caller.agent_of == frozenset()

    telephone = await sets_up(town, refreshed["accessToken"], AGENT_PASSWORD)
    refreshed = await town.refreshes(refreshed["refreshToken"])
    caller = town.caller(refreshed["accessToken"])
    assert caller is not None
    assert caller.agent_of == {"carteville"}
    assert (await town.answers(ME, refreshed["accessToken"]))["me"]["secondFactorMissing"] == []
    half = await signs_in(town, "agent", AGENT_PASSWORD)
    answer = await finishes(town, half["challenge"], telephone.code())
    caller = town.caller(answer["accessToken"])
    assert caller is not None
    assert caller.agent_of == {"carteville"}

    factor = (await town.answers(ME, answer["accessToken"]))["me"]["factors"][0]
    await town.answers(REMOVE, answer["accessToken"], id=factor["id"], password=AGENT_PASSWORD)
    caller = town.caller((await town.refreshes(answer["refreshToken"]))["accessToken"])
    assert caller is not None
    assert caller.agent_of == frozenset(), "with the last factor the rank goes"


async def test_an_administrator_s_rank_waits_too_and_other_structures_do_not(running: RunFixture) -> None:
    town = await Town.of(running)
    other = replace(CARTEVILLE, id="autreville", name="Autreville", second_factor=SecondFactor.OPTIONAL)
    await town.puts(REQUIRED, other, replace(AGENT, agent_of="autreville", structure=None))
    async with town.running.database.transaction() as session:
        await session.exec(update(AgentRole).values(administrator=True))
    caller = town.caller((await town.signs_in("agent", AGENT_PASSWORD))["accessToken"])
    assert caller is not None
    assert (caller.agent_of, caller.admin_of) == ({"autreville"}, {"autreville"})


async def test_production_asks_agents_where_their_structure_does_not_say(running: RunFixture) -> None:
    town = await Town.of(running)
    town.running.resources["entrance"] = replace(town.entrance, asked=SecondFactor.REQUIRED)
    caller = town.caller((await town.signs_in("agent", AGENT_PASSWORD))["accessToken"])
    assert caller is not None
    assert caller.agent_of == frozenset()
    await town.puts(replace(CARTEVILLE, second_factor=SecondFactor.OPTIONAL))
    caller = town.caller((await town.signs_in("agent", AGENT_PASSWORD))["accessToken"])
    assert caller is not None
    assert caller.agent_of == {"carteville"}


async def test_who_runs_the_installation_needs_one_in_production(running: RunFixture) -> None:
    town = await Town.of(running)
    town.running.resources["entrance"] = replace(town.entrance, asked=SecondFactor.REQUIRED)
    town.running.resources[DEFAULT] = SecondFactor.REQUIRED
    answer = await town.signs_in()
    async with town.running.database.transaction() as session:
        session.add(Operator(account_id=answer["account"]["id"]))
    due = "{ me { secondFactorDue secondFactorMissing { id } } }"
    answer = await town.signs_in()
    caller = town.caller(answer["accessToken"])
    assert caller is not None
    assert not caller.operator
    assert (await town.answers(due, answer["accessToken"]))["me"] == {"secondFactorDue": True, "secondFactorMissing": []}
    await sets_up(town, answer["accessToken"])
    answer = await town.refreshes(answer["refreshToken"])
    caller = town.caller(answer["accessToken"])
    assert caller is not None
    assert caller.operator
    assert (await town.answers(due, answer["accessToken"]))["me"]["secondFactorDue"] is False


async def test_identity_does_not_begin_with_a_key_that_opens_nothing(running: RunFixture) -> None:
    town = await Town.of(running)
    await sets_up(town, (await town.signs_in())["accessToken"])
    settings = town.running.settings
    town.running.settings = replace(settings, field_key="33" * 32)
    with pytest.raises(SettingsError, match="put that one after a comma"):
        await open_entrance(town.running)
    async with town.running.database.reading() as session:
        own = (await session.get_one(Secret, "field_key")).value
    town.running.settings = replace(settings, field_key=f"{'33' * 32},{own}")
    await open_entrance(town.running)


async def test_the_operator_takes_lost_factors_away(running: RunFixture) -> None:
    town = await Town.of(running)
    here = await town.signs_in()
    await sets_up(town, here["accessToken"])
    assert await reset(town.running.settings, " Dupont") == 1
    assert (await town.refreshes(here["refreshToken"]))["code"] == "INVALID_TOKEN"
    assert (await signs_in(town))["__typename"] == "SignedIn"
    assert json.loads((await town.events("security_notice_made"))[-1].body)["kind"] == "FACTOR_REMOVED"
    assert await reset(town.running.settings, "dupont") == 0
    with pytest.raises(Trouble, match="no account 'nobody'"):
        await reset(town.running.settings, "nobody")


async def test_a_structure_that_begins_to_ask_outdates_its_agents_tokens(running: RunFixture) -> None:
    town = await Town.of(running)
    answer = await town.signs_in("agent", AGENT_PASSWORD)
    await town.puts(CARTEVILLE)
    assert await town.events("tokens_revoked") == []
    await town.puts(REQUIRED)
    (told,) = await town.events("tokens_revoked")
    assert json.loads(told.body)["account"] == answer["account"]["id"]
