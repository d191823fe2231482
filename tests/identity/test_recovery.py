"""S3: a forgotten password. No password is ever shown or mailed, and nobody learns who has an account."""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.events import ResetLinkMade
from services.identity import installation, recovery
from services.identity.ending import lock_account
from services.identity.hashing import no_password
from services.identity.second_factor import SecondFactor
from services.identity.tables import Account, RecoveryCode
from services.listening import read
from services.outbox import Outgoing
from tests.identity.town import AGENT, AGENT_PASSWORD, CARTEVILLE, DUPONT, NEIGHBOUR, PASSWORD, FamilySpec, RunFixture, Town, replace

NEW = "un cheval correct en pile"
ASK = "mutation ($login: String!) { requestPasswordReset(login: $login) }"
QUESTION = "mutation ($login: String!) { recoveryQuestion(login: $login) }"
ANSWER = """mutation ($login: String!, $answer: String!) { answerRecoveryQuestion(login: $login, answer: $answer) {
  __typename ... on Refusal { code } ... on RecoveryGranted { token } } }"""


PRINT = """mutation ($password: String!) { newRecoveryCodes(password: $password) {
  __typename ... on RecoveryCodes { codes } ... on Refusal { code message } } }"""
SHOW = """mutation ($login: String!, $code: String!) { useRecoveryCode(login: $login, code: $code) {
  __typename ... on RecoveryGranted { token } ... on Refusal { code message } } }"""
ISSUE = """mutation ($account: ID!, $reason: String!, $key: String!) {
  issueCounterCode(account: $account, reason: $reason, idempotencyKey: $key) {
    ... on CounterCode { codeOnPaper expiresAt } ... on Refusal { code message } } }"""
ACTS = """{ identityActs(structure: "carteville") { nodes { kind reason adult { lastName } details { name before after } } } }"""
LEFT = "{ me { recoveryCodesLeft } }"
CHANGE = "mutation ($current: String!, $new: String!) { changePassword(current: $current, new: $new) { __typename } }"
ADDRESS = 'mutation { changeEmail(email: "autre@example.org") { __typename } }'
CONFIRM = "mutation ($token: String!) { confirmEmail(token: $token) { __typename } }"
SIGN_IN_LEFT = """mutation ($password: String!) { signIn(login: "dupont", password: $password) {
  ... on SignedIn { account { recoveryCodesLeft } } } }"""
OFFERED = "{ securityQuestions }"
CHOOSE = """mutation ($password: String!, $question: String!, $answer: String!) {
  changeSecurityQuestion(password: $password, question: $question, answer: $answer) {
    __typename ... on Account { securityQuestion } ... on Refusal { code message } } }"""


async def letter(town: Town) -> str:
    """The token in the last letter that the mailer was given."""
    token: str = json.loads((await town.events("reset_link_made"))[-1].body)["token"]
    return token


async def test_s3_a_single_use_link_gives_a_new_password(running: RunFixture) -> None:
    town = await Town.of(running)
    before = await town.signs_in()
    assert (await town.answers(ASK, login=" Dupont"))["requestPasswordReset"] is True
    asked, link = (await town.events())[-2:]
    assert asked.subject == "preau.carteville.identity.password_reset_requested"
    assert set(json.loads(asked.body)) == {"structure", "account"}
    told = json.loads(link.body)
    assert link.internal
    assert (told["email"], told["language"], told["expires_at"]) == ("jp.dupont@example.org", "fr", "2026-11-23T07:30:00Z")
    answer = await town.resets(told["token"], NEW)
    assert answer["__typename"] == "SignedIn"
    assert town.caller(answer["accessToken"]) is not None
    assert (await town.signs_in(password=NEW))["__typename"] == "SignedIn"
    assert (await town.signs_in())["code"] == "INVALID_CREDENTIALS"
    assert (await town.signs_in(password=NEW, device=answer["deviceToken"]))["deviceToken"] == answer["deviceToken"], "known here"
    assert (await town.refreshes(before["refreshToken"]))["code"] == "INVALID_TOKEN", "whoever was signed in is out"
    assert (await town.resets(told["token"], NEW + " encore"))["code"] == "INVALID_TOKEN", "single use"


async def test_s3_the_answer_is_the_same_whether_or_not_the_account_exists(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(replace(AGENT, email=None))
    events = len(await town.events())
    for login in ("nobody", "", "agent"):  # the agent has no address
        assert await town.answers(ASK, login=login) == {"requestPasswordReset": True}
    assert len(await town.events()) == events


async def test_s3_a_link_is_good_for_half_an_hour(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.answers(ASK, login="dupont")
    token = await letter(town)
    town.later(minutes=30)
    assert (await town.resets(token, NEW))["code"] == "INVALID_TOKEN"
    await town.answers(ASK, login="dupont")
    token = await letter(town)
    town.later(minutes=29, seconds=59)
    assert (await town.resets(token, NEW))["__typename"] == "SignedIn"


async def test_s3_a_weak_password_does_not_use_the_link_up(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.answers(ASK, login="dupont")
    token = await letter(town)
    assert (await town.resets(token, "Dupont-Dupont"))["__typename"] == "PasswordTooWeak"
    assert (await town.resets(token, NEW))["__typename"] == "SignedIn"


async def test_s3_using_one_link_ends_the_others(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.answers(ASK, login="dupont")
    first = await letter(town)
    await town.answers(ASK, login="dupont")
    second = await letter(town)
    assert first != second
    assert (await town.resets(second, NEW))["__typename"] == "SignedIn"
    assert (await town.resets(first, NEW))["code"] == "INVALID_TOKEN"


@pytest.mark.usefixtures("dear_passwords")
async def test_s3_of_many_who_use_one_link_at_once_one_gets_in(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.answers(ASK, login="dupont")
    token = await letter(town)
    answers = await asyncio.gather(*(town.resets(token, f"{NEW} {n}") for n in range(6)))
    assert sorted(answer["__typename"] for answer in answers) == ["InvalidToken"] * 5 + ["SignedIn"]


@pytest.mark.usefixtures("dear_passwords")
async def test_s3_of_many_who_use_several_links_at_once_one_gets_in_and_no_two_wait_for_each_other(
    running: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = await Town.of(running)
    tokens, all_are_there = [], asyncio.Barrier(3)

    async def at_once(session: AsyncSession, account: str) -> Account:
        if not town.running.database.is_sqlite:  # which has one writer at a time
            await all_are_there.wait()
        return await lock_account(session, account)

    monkeypatch.setattr(recovery, "lock_account", at_once)
    for _ in range(3):
        await town.answers(ASK, login="dupont")
        tokens.append(await letter(town))

    async def resets(token: str) -> bool:
        async with town.running.database.transaction() as session:
            opened = await recovery.reset_password(session, town.running.clock, token, no_password(), SecondFactor.OPTIONAL)
        return opened is not None

    assert sorted(await asyncio.gather(*map(resets, tokens))) == [False, False, True]


@pytest.mark.parametrize("change", ["own", "handed out", "address"])
async def test_s3_a_link_from_before_another_password_or_address_opens_nothing(running: RunFixture, change: str) -> None:
    """Who asked for it may be whom the change is to keep out."""
    town = await Town.of(running)
    me = (await town.signs_in())["accessToken"]
    await town.answers(ASK, login="dupont")
    token = await letter(town)
    match change:
        case "own":
            await town.answers(CHANGE, me, current=PASSWORD, new=NEW)
        case "handed out":
            await town.puts(replace(DUPONT, password="Soleil-vert-du-matin-2027"))
        case "address":
            await town.answers(ADDRESS, me)
            (link,) = await town.events("address_link_made")
            await town.answers(CONFIRM, token=json.loads(link.body)["token"])
    assert (await town.resets(token, f"{NEW} encore"))["code"] == "INVALID_TOKEN"


async def test_s3_the_outbox_forgets_links_that_went_out_and_are_worth_nothing_any_more(running: RunFixture) -> None:
    town = await Town.of(running)

    async def tidies() -> list[dict[str, str]]:
        async with town.running.database.transaction() as session:
            await installation.tidy(session, town.running.clock)
        return [json.loads(event.body) for event in await town.events("reset_link_made")]

    await town.answers(ASK, login="dupont")
    token = await letter(town)
    town.later(minutes=31)
    await town.answers(ASK, login="dupont")
    (waiting, _) = await tidies()
    assert waiting["token"] == token, "the mailer has not had it yet"

    async with town.running.database.transaction() as session:
        await session.exec(update(Outgoing).values(published=True))
    (old, new) = await tidies()
    assert (old["token"], old["email"], old["account"]) == ("", "", new["account"])
    assert (len(new["token"]), new["email"]) == (len(token), "jp.dupont@example.org"), "it still opens the door"
    first = (await town.events("reset_link_made"))[0]
    heard = read(first.event_id, first.type, first.occurred_at.isoformat(), first.body.encode())
    assert isinstance(heard, ResetLinkMade), "it can be told again"
    assert (await town.resets(new["token"], NEW))["__typename"] == "SignedIn"


@pytest.mark.parametrize("token", ["", "guess", "0" * 64])
async def test_s3_a_guessed_link_opens_nothing(running: RunFixture, token: str) -> None:
    town = await Town.of(running)
    await town.answers(ASK, login="nobody")
    assert (await town.resets(token, NEW))["code"] == "INVALID_TOKEN"


async def test_s3_nobody_is_flooded_with_letters(running: RunFixture) -> None:
    town = await Town.of(running)
    for _ in range(10):
        assert (await town.answers(ASK, login="dupont"))["requestPasswordReset"] is True
    assert len(await town.events("reset_link_made")) == 3
    town.later(hours=1)
    await town.answers(ASK, login="dupont")
    assert len(await town.events("reset_link_made")) == 4


async def test_s3_whoever_is_kept_waiting_at_the_door_gets_in_by_the_letter(running: RunFixture) -> None:
    town = await Town.of(running)
    for _ in range(6):
        await town.signs_in(password="forgotten")
    assert (await town.signs_in())["code"] == "TOO_MANY_ATTEMPTS"
    await town.answers(ASK, login="dupont")
    await town.resets(await letter(town), NEW)
    assert (await town.signs_in(password=NEW))["__typename"] == "SignedIn"


# ------------------------------------------------------------------------------------------------------ codes on paper
async def prints(town: Town, bearer: str, password: str = PASSWORD) -> dict[str, Any]:
    answer: dict[str, Any] = (await town.answers(PRINT, bearer, password=password))["newRecoveryCodes"]
    return answer


async def shows(town: Town, code: str, login: str = "dupont", **how: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await town.answers(SHOW, login=login, code=code, **how))["useRecoveryCode"]
    return answer


async def kinds_of_notices(town: Town) -> list[str]:
    return [json.loads(event.body)["kind"] for event in await town.events("security_notice_made")]


async def test_s3_ten_printed_codes_each_open_the_way_to_a_new_password_once(running: RunFixture) -> None:
    town = await Town.of(running)
    bearer = (await town.signs_in())["accessToken"]
    assert (await town.answers(LEFT, bearer))["me"]["recoveryCodesLeft"] == 0
    codes = (await prints(town, bearer))["codes"]
    assert [len(code) for code in codes] == [14] * 10
    assert len(set(codes)) == 10
    async with town.running.database.reading() as session:
        assert all(row.code_hash.startswith("$argon2id$") for row in (await session.exec(select(RecoveryCode))).all())
    assert (await town.answers(LEFT, bearer))["me"]["recoveryCodesLeft"] == 10
    granted = await shows(town, codes[3].lower().replace("-", " "), login=" Dupont ")
    assert granted["__typename"] == "RecoveryGranted"
    assert (await town.answers(LEFT, bearer))["me"]["recoveryCodesLeft"] == 9
    assert (await shows(town, codes[3]))["code"] == "INVALID_CREDENTIALS", "single use"
    assert (await town.resets(granted["token"], NEW))["__typename"] == "SignedIn"
    assert (await town.answers(SIGN_IN_LEFT, password=NEW))["signIn"]["account"]["recoveryCodesLeft"] == 9, "told at the door, too"
    assert (await shows(town, codes[4]))["__typename"] == "RecoveryGranted", "the others are good still"
    assert await kinds_of_notices(town) == ["RECOVERY_CODES_MADE", "RECOVERY_CODE_USED", "PASSWORD_CHANGED", "RECOVERY_CODE_USED"]
    for event in await town.events():
        assert not any(code in event.body for code in codes)


async def test_s3_new_codes_end_those_before_them_and_take_the_password(running: RunFixture) -> None:
    town = await Town.of(running)
    bearer = (await town.signs_in())["accessToken"]
    old = (await prints(town, bearer))["codes"]
    assert (await prints(town, bearer, "a guess"))["code"] == "INVALID_CREDENTIALS"
    new = (await prints(town, bearer))["codes"]
    assert (await shows(town, old[0]))["code"] == "INVALID_CREDENTIALS"
    assert (await shows(town, new[0]))["__typename"] == "RecoveryGranted"


@pytest.mark.usefixtures("dear_passwords")
async def test_s3_of_many_who_show_one_code_at_once_one_gets_a_token(running: RunFixture) -> None:
    town = await Town.of(running)
    code = (await prints(town, (await town.signs_in())["accessToken"]))["codes"][0]
    answers = await asyncio.gather(*(shows(town, code) for _ in range(5)))
    assert sorted(answer["__typename"] for answer in answers) == ["InvalidCredentials"] * 4 + ["RecoveryGranted"]


async def test_s3_sec4_a_guessed_code_says_nothing_and_is_counted_for_known_and_unknown_alike(running: RunFixture) -> None:
    town = await Town.of(running)
    code = (await prints(town, (await town.signs_in())["accessToken"]))["codes"][0]
    refused = {
        "__typename": "InvalidCredentials", "code": "INVALID_CREDENTIALS", "message": "L’identifiant ou le code n’est pas correct.",
    }  # fmt: skip
    guesses = ("", "0", "0" * 12, "M" * 12, "é" * 5000)
    for login in ("dupont", "nobody"):
        for guess in guesses:
            assert await shows(town, guess, login) == refused
        assert (await shows(town, code, login))["code"] == "TOO_MANY_ATTEMPTS"
    assert (await shows(town, code, "agent"))["code"] == "INVALID_CREDENTIALS", "another account's code"
    town.later(seconds=10)
    assert (await shows(town, code))["__typename"] == "RecoveryGranted"


# ----------------------------------------------------------------------------------------------------- at the town hall
async def issues(town: Town, bearer: str, account: str, reason: str = "Carte d'identité vue", key: str = "guichet-1") -> dict[str, Any]:
    answer: dict[str, Any] = (await town.answers(ISSUE, bearer, account=account, reason=reason, key=key))["issueCounterCode"]
    return answer


async def test_s3_the_counter_gives_a_code_that_is_good_once_for_seven_days_and_leaves_a_trace(running: RunFixture) -> None:
    town = await Town.of(running)
    account = (await town.signs_in())["account"]["id"]
    agent = (await town.signs_in("agent", AGENT.password or ""))["accessToken"]
    issued = await issues(town, agent, account)
    assert issued["expiresAt"] == "2026-11-30T07:00:00Z"
    assert issued["codeOnPaper"].startswith("M")
    assert await issues(town, agent, account) == {**issued, "codeOnPaper": None}, "the same again: shown once, and good still"
    town.later(days=6, hours=23)
    granted = await shows(town, issued["codeOnPaper"])
    assert (await town.resets(granted["token"], NEW))["__typename"] == "SignedIn"
    assert (await shows(town, issued["codeOnPaper"]))["code"] == "INVALID_CREDENTIALS"
    assert await kinds_of_notices(town) == ["COUNTER_CODE_MADE", "RECOVERY_CODE_USED", "PASSWORD_CHANGED"]
    agent = (await town.signs_in("agent", AGENT.password or ""))["accessToken"]
    (act,) = (await town.answers(ACTS, agent))["identityActs"]["nodes"]
    assert (act["kind"], act["reason"], act["adult"]) == ("ISSUE_COUNTER_CODE", "Carte d'identité vue", {"lastName": "DUPONT"})
    assert issued["codeOnPaper"] not in str(act)

    late = await issues(town, agent, account, key="guichet-2")
    town.later(days=7)
    assert (await shows(town, late["codeOnPaper"]))["code"] == "INVALID_CREDENTIALS"


async def test_s3_a_new_code_of_the_counter_ends_the_one_before_it_and_no_printed_one(running: RunFixture) -> None:
    town = await Town.of(running)
    signed_in = await town.signs_in()
    printed = (await prints(town, signed_in["accessToken"]))["codes"]
    agent = (await town.signs_in("agent", AGENT.password or ""))["accessToken"]
    first = await issues(town, agent, signed_in["account"]["id"])
    second = await issues(town, agent, signed_in["account"]["id"], key="guichet-2")
    assert (await town.answers(LEFT, signed_in["accessToken"]))["me"]["recoveryCodesLeft"] == 10
    assert (await shows(town, first["codeOnPaper"]))["code"] == "INVALID_CREDENTIALS"
    assert (await shows(town, second["codeOnPaper"]))["__typename"] == "RecoveryGranted"
    assert (await shows(town, printed[0]))["__typename"] == "RecoveryGranted"
    again = await issues(town, agent, signed_in["account"]["id"], "Une autre raison")
    assert again["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert (await issues(town, agent, signed_in["account"]["id"], " ", "guichet-3"))["code"] == "REASON_REQUIRED"


async def test_s3_the_counters_code_ends_with_the_next_password(running: RunFixture) -> None:
    """Its owner was told of it by mail: whoever got it at the counter in his place is out."""
    town = await Town.of(running)
    mine = await town.signs_in()
    agent = (await town.signs_in("agent", AGENT_PASSWORD))["accessToken"]
    issued = await issues(town, agent, mine["account"]["id"])
    await town.answers(CHANGE, mine["accessToken"], current=PASSWORD, new=NEW)
    shown = (await town.answers(SHOW, login="dupont", code=issued["codeOnPaper"]))["useRecoveryCode"]
    assert shown["code"] == "INVALID_CREDENTIALS"


async def test_s3_no_counter_gives_a_code_to_an_account_that_another_town_knows_too(running: RunFixture) -> None:
    """Whoever knows a login can name it in a family of his own town: that must open nothing of the other's."""
    town = await Town.of(running)
    await town.puts(NEIGHBOUR, replace(AGENT, login="voisin", agent_of="autreville", structure="autreville"))
    account = (await town.signs_in())["account"]["id"]
    thief = (await town.signs_in("voisin", AGENT_PASSWORD))["accessToken"]
    await town.puts(FamilySpec("theirs", "autreville", "1", ("dupont",), ()))
    _, errors = await town.asked(ISSUE, thief, account=account, reason="Carte d'identité vue", key="k")
    assert errors is not None
    assert errors[0].original_error.code == "FORBIDDEN"


async def test_s3_the_counter_gives_no_code_for_another_towns_family_an_agent_or_to_a_family(running: RunFixture) -> None:
    town = await Town.of(running)
    durand = replace(DUPONT, login="durand", structure="autreville")
    await town.puts(NEIGHBOUR, durand, FamilySpec("durand", "autreville", "77", ("durand",), ()))
    await town.puts(replace(AGENT, login="maire"), FamilySpec("maire", "carteville", "78", ("maire",), ()))
    dupont, foreign = await town.signs_in(), (await town.signs_in("durand"))["account"]["id"]
    agent = await town.signs_in("agent", AGENT.password or "")
    mayor = (await town.signs_in("maire", AGENT.password or ""))["account"]["id"]
    for bearer, account in (
        (agent["accessToken"], foreign),
        (agent["accessToken"], "unknown"),
        (agent["accessToken"], agent["account"]["id"]),
        (agent["accessToken"], mayor),
        (dupont["accessToken"], dupont["account"]["id"]),
    ):
        data, errors = await town.asked(ISSUE, bearer, account=account, reason="Carte d'identité vue", key="k")
        assert data is None
        assert errors is not None
        assert errors[0].original_error.code == "FORBIDDEN"


# ------------------------------------------------------------------------------------------------------ secret questions
async def test_s3_every_login_has_a_secret_question_and_always_the_same(running: RunFixture) -> None:
    town = await Town.of(running)
    asked = [(await town.answers(QUESTION, login=login))["recoveryQuestion"] for login in ("dupont", "nobody", "dupont", "nobody")]
    assert asked[:2] == asked[2:]
    assert all(question.endswith("?") for question in asked)
    english = (await town.answers(QUESTION, login="nobody", language="en"))["recoveryQuestion"]
    assert english != asked[1]


ON = replace(CARTEVILLE, secret_questions=True)
RIGHT = "Saint-Étienne"


async def chooses(town: Town, which: int = 3, **account: str) -> str:
    """A question and its answer; the question, in French."""
    bearer = (await town.signs_in(**account))["accessToken"]
    question: str = (await town.answers(OFFERED, bearer))["securityQuestions"][which]
    password = account.get("password", PASSWORD)
    chosen = (await town.answers(CHOOSE, bearer, password=password, question=question, answer=RIGHT))["changeSecurityQuestion"]
    assert chosen == {"__typename": "Account", "securityQuestion": question}
    return question


async def question(town: Town, login: str = "dupont", language: str = "fr") -> str:
    asked: str = (await town.answers(QUESTION, login=login, language=language))["recoveryQuestion"]
    return asked


async def answers(town: Town, answer: str, login: str = "dupont") -> dict[str, Any]:
    told: dict[str, Any] = (await town.answers(ANSWER, login=login, answer=answer))["answerRecoveryQuestion"]
    return told


async def test_s3_where_questions_are_off_no_answer_is_right_and_guesses_are_counted(running: RunFixture) -> None:
    town = await Town.of(running)
    before = await question(town)
    assert await chooses(town) != before
    assert await question(town) == before, "what opens nothing is not asked"
    for login in ("dupont", "nobody"):
        for guess in (RIGHT, RIGHT, PASSWORD, "", "é" * 5000):
            assert await answers(town, guess, login) == {"__typename": "InvalidCredentials", "code": "INVALID_CREDENTIALS"}
        assert (await answers(town, RIGHT, login))["code"] == "TOO_MANY_ATTEMPTS"
    assert (await town.signs_in())["__typename"] == "SignedIn", "it does not keep the owner from the door"


async def test_s3_whether_questions_open_a_way_back_in_is_told_as_it_is_decided(running: RunFixture) -> None:
    """Of all to everybody; of oneself and one's structures to whoever is signed in."""
    town = await Town.of(running)
    own = "{ me { secretQuestionOpens families { structure { id secretQuestions } } agentOf { secretQuestions } } }"
    on = {"carteville": False, "autreville": False}

    async def told(*who: str) -> tuple[bool, bool]:
        me = (await town.answers(own, (await town.signs_in(*who))["accessToken"]))["me"]
        for family in me["families"]:
            assert family["structure"]["secretQuestions"] == on[family["structure"]["id"]]
        return (await town.answers("{ secretQuestionsOpen }"))["secretQuestionsOpen"], me["secretQuestionOpens"]

    assert (await told(), await told("agent", AGENT_PASSWORD)) == ((False, False), (False, False))
    on["carteville"] = True
    await town.puts(ON)
    assert (await told(), await told("agent", AGENT_PASSWORD)) == ((True, True), (True, False)), "never for whoever works for one"
    await town.puts(NEIGHBOUR, FamilySpec("autreville.dupont", "autreville", "77", ("dupont",), ()))
    assert await told() == (True, False), "all of one's structures want it"
    await town.puts(FamilySpec("autreville.dupont", "autreville", "77", (), ()))
    assert await told() == (True, False), "also those of before"
    on["autreville"] = True
    await town.puts(replace(NEIGHBOUR, secret_questions=True))
    assert await told() == (True, True)


async def test_s3_where_a_structure_has_questions_on_the_right_answer_opens_the_way_to_a_new_password(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(ON)
    chosen = await chooses(town)
    assert await question(town) == chosen
    assert await question(town, language="en") != chosen
    assert (await answers(town, "Lyon"))["code"] == "INVALID_CREDENTIALS"
    granted = await answers(town, " SAINT ETIENNE")
    assert granted["__typename"] == "RecoveryGranted"
    assert (await town.resets(granted["token"], NEW))["__typename"] == "SignedIn"
    assert (await town.signs_in(password=NEW))["__typename"] == "SignedIn"
    for _ in range(5):
        assert (await answers(town, "Lyon"))["code"] == "INVALID_CREDENTIALS"
    assert (await answers(town, RIGHT))["code"] == "TOO_MANY_ATTEMPTS"
    await town.puts(CARTEVILLE)
    town.later(hours=1)
    assert (await answers(town, RIGHT))["code"] == "INVALID_CREDENTIALS", "switched off, it opens nothing"


async def test_s3_a_question_is_a_way_in_only_if_every_structure_of_the_account_has_them_on(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(ON, NEIGHBOUR, FamilySpec("autreville.dupont", "autreville", "77", ("dupont",), ()))
    chosen = await chooses(town)
    assert await question(town) != chosen
    assert (await answers(town, RIGHT))["code"] == "INVALID_CREDENTIALS"
    await town.puts(replace(NEIGHBOUR, secret_questions=True))
    assert await question(town) == chosen
    assert (await answers(town, RIGHT))["__typename"] == "RecoveryGranted"


async def test_s3_whoever_works_for_a_structure_never_comes_in_by_a_question(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(ON)
    chosen = await chooses(town, login="agent", password=AGENT.password or "")
    assert await question(town, "agent") != chosen
    assert (await answers(town, RIGHT, "agent"))["code"] == "INVALID_CREDENTIALS"


async def test_s3_whoever_takes_the_question_that_strangers_are_asked_shows_nobody_a_change(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(ON)
    before = await question(town)
    assert await chooses(town, 0) == before
    assert await question(town) == before
