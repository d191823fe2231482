"""S7, S8: a family changes its password, its e-mail, its secret question; all of it is in force at once, an address once it is confirmed."""

import asyncio
import json
from typing import Any

import pytest
from sqlmodel import select

from services.identity import profile, queries
from services.identity.tables import Account, Credential
from tests.identity.town import AGENT, DUPONT, DUPONTS, NEIGHBOUR, PASSWORD, FamilySpec, RunFixture, Town, replace

NEW = "un cheval correct en pile"
PASSWORD_CHANGE = """mutation ($current: String!, $new: String!) { changePassword(current: $current, new: $new) {
  __typename ... on Account { login } ... on Refusal { code message } } }"""
EMAIL_CHANGE = """mutation ($email: String!, $password: String) { changeEmail(email: $email, password: $password) {
  __typename ... on Account { email pendingEmail pendingEmailWaits } ... on Refusal { code message } } }"""
EMAIL_CONFIRMATION = """mutation ($token: String!) { confirmEmail(token: $token) {
  __typename ... on EmailConfirmed { email inForceAt } ... on Refusal { code message } } }"""
QUESTION_CHANGE = """mutation ($password: String!, $question: String!, $answer: String!) {
  changeSecurityQuestion(password: $password, question: $question, answer: $answer) {
    __typename ... on Account { securityQuestion } ... on Refusal { code message } } }"""
EMAIL_CANCELLATION = """mutation ($token: String!) { cancelEmailChange(token: $token) {
  __typename ... on EmailChangeCancelled { email } ... on Refusal { code message } } }"""
ME = "{ me { email pendingEmail securityQuestion } }"
OLD_EMAIL, NEW_EMAIL = "jp.dupont@example.org", "paul@example.org"


async def changes_email(town: Town, token: str, email: str = NEW_EMAIL, **more: str) -> dict[str, Any]:
    answer: dict[str, Any] = (await town.answers(EMAIL_CHANGE, token, email=email, **more))["changeEmail"]
    return answer


async def confirms(town: Town, token: str) -> dict[str, Any]:
    answer: dict[str, Any] = (await town.answers(EMAIL_CONFIRMATION, token=token))["confirmEmail"]
    return answer


async def address_links(town: Town) -> list[dict[str, Any]]:
    """What the mailer was told of links that put an address in force."""
    return [json.loads(event.body) for event in await town.events("address_link_made")]


async def notices(town: Town) -> list[tuple[str, str, str]]:
    told = [json.loads(event.body) for event in await town.events("security_notice_made")]
    return [(one["kind"], one["email"], one["detail"]) for one in told]


async def test_s8_a_new_password_is_in_force_at_once(running: RunFixture) -> None:
    town = await Town.of(running)
    here, elsewhere = await town.signs_in(), await town.signs_in()
    answer = await town.answers(PASSWORD_CHANGE, here["accessToken"], current=PASSWORD, new=NEW)
    assert answer["changePassword"] == {"__typename": "Account", "login": "dupont"}
    assert (await town.signs_in())["code"] == "INVALID_CREDENTIALS"
    assert (await town.signs_in(password=NEW))["__typename"] == "SignedIn"
    assert (await town.refreshes(here["refreshToken"]))["__typename"] == "SignedIn"
    assert (await town.refreshes(elsewhere["refreshToken"]))["code"] == "INVALID_TOKEN", "whoever knew the old one is out"


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        ("court", "12 caractères"),
        ("motdepasse123", "les premiers"),
        ("Famille-Dupont-31", "votre identifiant"),
        ("x1!" * 100, "256"),
        ("Jean-Paul2026", "se devine vite"),
        ("Carteville-2026", "se devine vite"),
        (PASSWORD, "que vous avez déjà"),
    ],
)
async def test_s7_a_weak_password_is_refused_with_its_reason(running: RunFixture, new: str, reason: str) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    answer = (await town.answers(PASSWORD_CHANGE, token, current=PASSWORD, new=new))["changePassword"]
    assert answer["__typename"] == "PasswordTooWeak"
    assert reason in answer["message"]
    assert new not in answer["message"]
    assert (await town.signs_in())["__typename"] == "SignedIn"


async def test_s7_the_current_password_is_asked_for_and_guesses_are_counted(running: RunFixture) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    for _ in range(5):
        refused = (await town.answers(PASSWORD_CHANGE, token, current="a guess", new=NEW))["changePassword"]
        assert (refused["code"], refused["message"]) == ("INVALID_CREDENTIALS", "Le mot de passe n’est pas correct.")
    assert (await town.answers(PASSWORD_CHANGE, token, current=PASSWORD, new=NEW))["changePassword"]["code"] == "TOO_MANY_ATTEMPTS"
    elsewhere = await town.signs_in()
    assert elsewhere["__typename"] == "SignedIn", "who guesses inside keeps nobody from the door"
    answer = await town.answers(PASSWORD_CHANGE, elsewhere["accessToken"], current=PASSWORD, new=NEW)
    assert answer["changePassword"]["__typename"] == "Account", "nor from another device"


async def test_sec4_strangers_at_the_door_keep_no_family_from_changing_its_password(running: RunFixture) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    for _ in range(6):
        await town.signs_in(password="wrong-wrong-wrong")
    assert (await town.signs_in())["code"] == "TOO_MANY_ATTEMPTS", "control"
    answer = await town.answers(PASSWORD_CHANGE, token, current=PASSWORD, new=NEW)
    assert answer["changePassword"]["__typename"] == "Account"
    assert ("PASSWORD_CHANGED", OLD_EMAIL, "") in await notices(town)


async def test_s7_s8_a_new_address_is_in_force_once_its_own_link_is_used(running: RunFixture) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    before = len(await town.events())
    assert await changes_email(town, token, " paul@example.org ") == {
        "__typename": "Account",
        "email": OLD_EMAIL,
        "pendingEmail": NEW_EMAIL,
        "pendingEmailWaits": False,
    }
    assert (await town.answers(ME, token))["me"] == {"email": OLD_EMAIL, "pendingEmail": NEW_EMAIL, "securityQuestion": None}
    notice, link = (await town.events())[before:]
    assert (notice.internal, link.internal) == (True, True)
    assert await notices(town) == [("EMAIL_CHANGING", OLD_EMAIL, "p***@example.org")]
    told = json.loads(link.body)
    assert (told["email"], told["language"], told["expires_at"]) == (NEW_EMAIL, "fr", "2026-11-24T07:00:00Z")

    assert await confirms(town, told["token"]) == {"__typename": "EmailConfirmed", "email": NEW_EMAIL, "inForceAt": "2026-11-23T07:00:00Z"}
    assert (await town.answers(ME, token))["me"] == {"email": NEW_EMAIL, "pendingEmail": None, "securityQuestion": None}
    _, changed, contacts = (await town.events())[before + 2 :]
    assert await notices(town) == [
        ("EMAIL_CHANGING", OLD_EMAIL, "p***@example.org"),
        ("EMAIL_CHANGED", OLD_EMAIL, "p***@example.org"),
    ]
    assert (changed.subject, contacts.subject) == (
        "preau.carteville.identity.email_changed",
        "preau-internal.carteville.identity.contacts_changed",
    )
    assert "example.org" not in changed.body
    told_on = json.loads(contacts.body)
    assert (told_on["version"], told_on["adults"][0]["email"]) == (2, NEW_EMAIL)
    assert (await confirms(town, told["token"]))["code"] == "INVALID_TOKEN", "single use"


async def test_sec6_a_link_for_an_address_is_good_for_a_day_and_only_the_last_one_is(running: RunFixture) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    for email in (NEW_EMAIL, NEW_EMAIL, "third@example.org"):
        await changes_email(town, token, email)
    first, again, third = await address_links(town)
    assert [kind for kind, _, _ in await notices(town)] == ["EMAIL_CHANGING"] * 2, "a second link to one address is no news"
    for old in (first, again, {"token": "guess"}, {"token": ""}):
        assert (await confirms(town, old["token"]))["code"] == "INVALID_TOKEN"
    assert (await town.answers(ME, token))["me"]["email"] == OLD_EMAIL
    town.later(hours=23, minutes=59, seconds=59)
    assert (await confirms(town, third["token"]))["email"] == "third@example.org"

    token = (await town.signs_in())["accessToken"]
    await changes_email(town, token)
    town.later(hours=24)
    assert (await confirms(town, (await address_links(town))[-1]["token"]))["code"] == "INVALID_TOKEN"


async def test_sec6_of_many_who_use_one_link_at_once_one_changes_the_address(running: RunFixture) -> None:
    town = await Town.of(running)
    await changes_email(town, (await town.signs_in())["accessToken"])
    (link,) = await address_links(town)
    answers = await asyncio.gather(*(confirms(town, link["token"]) for _ in range(6)))
    assert sorted(answer["__typename"] for answer in answers) == ["EmailConfirmed"] + ["InvalidToken"] * 5
    assert len(await town.events("email_changed")) == 1


async def test_s7_going_back_to_the_address_in_force_gives_the_change_up(running: RunFixture) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    await changes_email(town, token)
    given_up = await changes_email(town, token, OLD_EMAIL)
    assert (given_up["email"], given_up["pendingEmail"]) == (OLD_EMAIL, None)
    (link,) = await address_links(town)
    assert (await confirms(town, link["token"]))["code"] == "INVALID_TOKEN"
    assert await town.events("email_changed") == []


async def long_signed_in(town: Town) -> str:
    """The token of somebody whose browser was left open."""
    opened = await town.signs_in()
    town.later(minutes=15, seconds=1)
    token: str = (await town.refreshes(opened["refreshToken"]))["accessToken"]
    return token


async def objections(town: Town) -> list[dict[str, Any]]:
    """What the mailer was told of links that give a new address up."""
    return [json.loads(event.body) for event in await town.events("address_cancel_made")]


async def cancels(town: Town, token: str) -> dict[str, Any]:
    answer: dict[str, Any] = (await town.answers(EMAIL_CANCELLATION, token=token))["cancelEmailChange"]
    return answer


async def puts_due_in_force(town: Town) -> None:
    async with town.running.database.reading() as session:
        due = await queries.addresses_due(session, town.running.clock.now())
    for account in due:
        async with town.running.database.transaction() as session:
            await profile.put_due_in_force(session, town.running.clock, account)


async def test_s7_sec6_an_open_browser_alone_changes_no_address_within_a_day(running: RunFixture) -> None:
    town = await Town.of(running)
    token = await long_signed_in(town)
    asked = await changes_email(town, token)
    assert (asked["email"], asked["pendingEmail"], asked["pendingEmailWaits"]) == (OLD_EMAIL, NEW_EMAIL, True)
    assert await notices(town) == []
    (told,) = await objections(town)
    assert (told["email"], told["new_email"], told["due_at"], told["expires_at"]) == (
        OLD_EMAIL,
        "p***@example.org",
        None,
        "2026-11-25T07:15:01Z",
    )
    (link,) = await address_links(town)
    assert (await confirms(town, link["token"]))["inForceAt"] == "2026-11-24T07:15:01Z"
    me = "{ me { email pendingEmail pendingEmailWaits pendingEmailFrom } }"
    waiting = {"email": OLD_EMAIL, "pendingEmail": NEW_EMAIL, "pendingEmailWaits": True, "pendingEmailFrom": "2026-11-24T07:15:01Z"}
    assert (await town.answers(me, token))["me"] == waiting
    assert [one["due_at"] for one in await objections(town)] == [None, "2026-11-24T07:15:01Z"], "the old one is told when"
    town.later(hours=23, minutes=59, seconds=59)
    await puts_due_in_force(town)
    token = (await town.signs_in())["accessToken"]
    assert (await town.answers(me, token))["me"] == waiting
    town.later(seconds=1)
    await puts_due_in_force(town)
    settled = {"email": NEW_EMAIL, "pendingEmail": None, "pendingEmailWaits": False, "pendingEmailFrom": None}
    assert (await town.answers(me, token))["me"] == settled
    assert await notices(town) == [("EMAIL_CHANGED", OLD_EMAIL, "p***@example.org")]
    for one in await objections(town):
        assert (await cancels(town, one["token"]))["code"] == "INVALID_TOKEN", "too late"


async def test_s7_sec6_whoever_reads_the_old_address_gives_the_new_one_up_and_puts_the_browser_out(running: RunFixture) -> None:
    town = await Town.of(running)
    token = await long_signed_in(town)
    await changes_email(town, token)
    await changes_email(town, token)
    (objection,) = await objections(town)
    first, second = await address_links(town)
    for wrong in (first, second, {"token": "guess"}):
        assert (await cancels(town, wrong["token"]))["code"] == "INVALID_TOKEN"
    assert (await confirms(town, objection["token"]))["code"] == "INVALID_TOKEN", "each link is good for its own purpose"
    await confirms(town, second["token"])
    assert await cancels(town, objection["token"]) == {"__typename": "EmailChangeCancelled", "email": NEW_EMAIL}
    town.later(hours=25)
    await puts_due_in_force(town)
    _, errors = await town.asked(EMAIL_CHANGE, token, email="third@example.org")
    assert errors is not None
    assert (await town.answers(ME, (await town.signs_in())["accessToken"]))["me"]["email"] == OLD_EMAIL
    assert (await cancels(town, objection["token"]))["code"] == "INVALID_TOKEN", "single use"
    assert await town.events("email_changed") == []


@pytest.mark.parametrize("before", [OLD_EMAIL, None])
async def test_s8_whoever_shows_who_they_are_has_the_new_address_at_once(running: RunFixture, before: str | None) -> None:
    town = await Town.of(running)
    await town.puts(replace(DUPONT, email=before))
    token = await long_signed_in(town)
    asked = await changes_email(town, token, password=PASSWORD)
    assert asked["pendingEmailWaits"] is False
    await confirms(town, (await address_links(town))[0]["token"])
    assert (await town.answers(ME, token))["me"]["email"] == NEW_EMAIL
    assert await objections(town) == []


async def test_s7_sec6_where_no_address_could_object_an_open_browser_alone_gives_none(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(replace(DUPONT, email=None))
    refused = await changes_email(town, await long_signed_in(town))
    assert (refused["code"], refused["message"][:31]) == ("INVALID_CREDENTIALS", "Donnez aussi votre mot de passe")
    assert await address_links(town) == []
    asked = await changes_email(town, (await town.signs_in())["accessToken"])
    assert (asked["pendingEmail"], asked["pendingEmailWaits"]) == (NEW_EMAIL, False), "who has just signed in is believed"


async def test_s7_the_password_given_later_for_the_same_address_ends_the_wait(running: RunFixture) -> None:
    town = await Town.of(running)
    token = await long_signed_in(town)
    await changes_email(town, token)
    assert (await changes_email(town, token, password=PASSWORD))["pendingEmailWaits"] is False
    assert (await changes_email(town, token, "third@example.org"))["pendingEmailWaits"] is True, "it was given for that one"
    assert (await changes_email(town, token, "third@example.org", password=PASSWORD))["pendingEmailWaits"] is False
    assert (await confirms(town, (await address_links(town))[-1]["token"]))["inForceAt"] == "2026-11-23T07:15:01Z"


async def test_sec6_a_new_password_gives_a_new_address_up_that_a_stranger_asked_for(running: RunFixture) -> None:
    town = await Town.of(running)
    token = await long_signed_in(town)
    await changes_email(town, token)
    own = (await town.signs_in())["accessToken"]
    await town.answers(PASSWORD_CHANGE, own, current=PASSWORD, new=NEW)
    assert (await town.answers(ME, own))["me"]["pendingEmail"] is None
    assert (await confirms(town, (await address_links(town))[0]["token"]))["code"] == "INVALID_TOKEN"
    await changes_email(town, own, password=NEW)
    await town.answers(PASSWORD_CHANGE, own, current=NEW, new=NEW + " encore")
    assert (await town.answers(ME, own))["me"]["pendingEmail"] == NEW_EMAIL, "whose own it is, keeps it"
    await town.answers('mutation { requestPasswordReset(login: "dupont") }')
    await town.resets(json.loads((await town.events("reset_link_made"))[-1].body)["token"], NEW + " enfin")
    assert (await confirms(town, (await address_links(town))[-1]["token"]))["code"] == "INVALID_TOKEN", "a stranger who knew the password"


async def test_sec6_whether_a_link_is_still_good_is_said_without_using_it(running: RunFixture) -> None:
    town = await Town.of(running)
    is_live = "query ($token: String!) { isLiveLink(token: $token) }"
    await changes_email(town, await long_signed_in(town))
    await town.answers('mutation { requestPasswordReset(login: "dupont") }')
    reset = json.loads((await town.events("reset_link_made"))[0].body)["token"]
    confirm, cancel = (await address_links(town))[0]["token"], (await objections(town))[0]["token"]

    async def live(*tokens: str) -> list[bool]:
        return [(await town.answers(is_live, token=token))["isLiveLink"] for token in tokens]

    assert await live(reset, confirm, cancel, "guess", "") == [True, True, True, False, False]
    town.later(minutes=30)
    assert await live(reset, confirm, cancel) == [False, True, True], "it has run out"
    await confirms(town, confirm)
    assert await live(confirm, cancel) == [False, True]
    await cancels(town, cancel)
    assert await live(confirm, cancel) == [False, False]


async def test_s1_a_password_that_was_handed_out_is_shown_as_such_until_the_family_has_its_own(running: RunFixture) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    handed_out = "{ me { passwordIsHandedOut } }"
    assert (await town.answers(handed_out, token))["me"]["passwordIsHandedOut"] is True
    await town.answers(PASSWORD_CHANGE, token, current=PASSWORD, new=NEW)
    assert (await town.answers(handed_out, token))["me"]["passwordIsHandedOut"] is False
    await town.puts(replace(DUPONT, password="Encore-une-autre-2027"))
    token = (await town.signs_in(password="Encore-une-autre-2027"))["accessToken"]
    assert (await town.answers(handed_out, token))["me"]["passwordIsHandedOut"] is True


async def test_s7_a_password_that_is_given_with_a_new_address_is_checked_and_guesses_are_counted(running: RunFixture) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    for _ in range(5):
        assert (await changes_email(town, token, password="a guess"))["code"] == "INVALID_CREDENTIALS"
    assert (await changes_email(town, token, password=PASSWORD))["code"] == "TOO_MANY_ATTEMPTS"
    assert await address_links(town) == []
    town.later(seconds=10)
    assert (await changes_email(town, token, password=PASSWORD))["pendingEmail"] == NEW_EMAIL


async def test_s7_nobody_floods_strangers_with_links_to_confirm(running: RunFixture) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    codes = [(await changes_email(town, token, f"stranger{n}@example.org")).get("code") for n in range(8)]
    assert codes == [None] * 5 + ["TOO_MANY_ATTEMPTS"] * 3
    assert len(await address_links(town)) == 5
    assert (await changes_email(town, token, OLD_EMAIL))["pendingEmail"] is None, "giving it up is never refused"


async def test_s7_the_towns_own_address_is_in_force_without_a_link(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(replace(DUPONT, email="mairie.dupont@example.org"))
    assert (await town.answers(ME, (await town.signs_in())["accessToken"]))["me"]["email"] == "mairie.dupont@example.org"
    assert await address_links(town) == []


async def test_s7_a_family_of_two_towns_tells_both(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(NEIGHBOUR, FamilySpec("autreville.dupont", "autreville", "77", ("dupont",), ()))
    await changes_email(town, (await town.signs_in())["accessToken"])
    await confirms(town, (await address_links(town))[0]["token"])
    assert {event.subject for event in await town.events("email_changed")} == {
        "preau.carteville.identity.email_changed",
        "preau.autreville.identity.email_changed",
    }
    told = [json.loads(event.body) for event in await town.events("contacts_changed")]
    versions = [(one["family"], one["version"]) for one in told]
    assert versions == [("dupont", 1), ("autreville.dupont", 1), ("autreville.dupont", 2), ("dupont", 2)]


@pytest.mark.parametrize("email", ["", "dupont", "a@example.org\r\nBcc: b@example.org", "a@example.org, b@example.org"])
async def test_s7_what_is_no_address_is_refused(running: RunFixture, email: str) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    assert (await town.answers(EMAIL_CHANGE, token, email=email))["changeEmail"]["__typename"] == "InvalidEmail"
    assert await address_links(town) == []


async def test_s7_the_secret_question_is_kept_and_its_answer_hashed(running: RunFixture) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    values = {"question": "Quel était le nom de votre premier animal ?", "answer": "Gribouille"}
    wrong = await town.answers(QUESTION_CHANGE, token, password="a guess", **values)
    assert wrong["changeSecurityQuestion"]["code"] == "INVALID_CREDENTIALS"
    assert (await town.answers(ME, token))["me"]["securityQuestion"] is None
    right = await town.answers(QUESTION_CHANGE, token, password=PASSWORD, **values)
    assert right["changeSecurityQuestion"] == {"__typename": "Account", "securityQuestion": values["question"]}
    english = (await town.answers(ME, token, language="en"))["me"]["securityQuestion"]
    assert english == "What was the name of your first pet?", "it is kept as a code"
    async with town.running.database.reading() as session:
        hashes = select(Credential.answer_hash).where(Account.login == "dupont", Credential.account_id == Account.id)
        kept = (await session.exec(hashes)).one()
    assert kept is not None
    assert kept.startswith("$argon2id$")


@pytest.mark.parametrize("question", ["", " ", "x" * 201, "a\0b", "Le nom de mon chat ?"])
async def test_s7_a_secret_question_is_one_of_those_that_are_offered(running: RunFixture, question: str) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    _, errors = await town.asked(QUESTION_CHANGE, token, password=PASSWORD, question=question, answer="Gribouille")
    assert errors is not None
    assert errors[0].original_error.code == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("mutation", "values"),
    [
        (PASSWORD_CHANGE, {"current": PASSWORD, "new": NEW}),
        (EMAIL_CHANGE, {"email": "x@example.org"}),
        (QUESTION_CHANGE, {"password": PASSWORD, "question": "PET", "answer": "Gribouille"}),
    ],
)
async def test_who_signed_out_changes_nothing_any_more(running: RunFixture, mutation: str, values: dict[str, str]) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    await town.answers("mutation { signOut }", token)
    for bearer in (token, None, "x.y.z"):
        _, errors = await town.asked(mutation, bearer, **values)
        assert errors is not None
        assert errors[0].original_error.code == "UNAUTHENTICATED"
    assert (await town.signs_in())["__typename"] == "SignedIn"


async def test_what_the_family_chose_stands_when_the_town_loads_its_file_again(running: RunFixture) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    await town.answers(PASSWORD_CHANGE, token, current=PASSWORD, new=NEW)
    await changes_email(town, token)
    await confirms(town, (await address_links(town))[0]["token"])
    before = len(await town.events())
    await town.puts(DUPONT, AGENT, DUPONTS)
    assert len(await town.events()) == before
    assert (await town.signs_in(password=NEW))["__typename"] == "SignedIn"
    assert (await town.answers(ME, token))["me"]["email"] == "paul@example.org"
