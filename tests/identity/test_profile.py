"""S7, S8: a family changes its password, its e-mail, its secret question; all of it is in force at once."""

import json

import pytest
from sqlmodel import select

from services.identity.tables import Account, Credential
from tests.identity.town import AGENT, DUPONT, DUPONTS, NEIGHBOUR, PASSWORD, FamilySpec, RunFixture, Town

NEW = "un cheval correct en pile"
PASSWORD_CHANGE = """mutation ($current: String!, $new: String!) { changePassword(current: $current, new: $new) {
  __typename ... on Account { login } ... on Refusal { code message } } }"""
EMAIL_CHANGE = """mutation ($email: String!) { changeEmail(email: $email) {
  __typename ... on Account { email } ... on Refusal { code message } } }"""
QUESTION_CHANGE = """mutation ($password: String!, $question: String!, $answer: String!) {
  changeSecurityQuestion(password: $password, question: $question, answer: $answer) {
    __typename ... on Account { securityQuestion } ... on Refusal { code message } } }"""
ME = "{ me { email securityQuestion } }"


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
    [("court", "12 caractères"), ("motdepasse123", "les premiers"), ("Famille-Dupont-31", "votre identifiant"), ("x1!" * 100, "256")],
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
        assert (await town.answers(PASSWORD_CHANGE, token, current="a guess", new=NEW))["changePassword"]["code"] == "INVALID_CREDENTIALS"
    assert (await town.answers(PASSWORD_CHANGE, token, current=PASSWORD, new=NEW))["changePassword"]["code"] == "TOO_MANY_ATTEMPTS"
    assert (await town.signs_in())["code"] == "TOO_MANY_ATTEMPTS"


async def test_s7_a_new_address_is_told_to_the_mailer_alone(running: RunFixture) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    before = await town.events()
    for _ in range(2):
        answer = await town.answers(EMAIL_CHANGE, token, email=" paul@example.org ")
        assert answer["changeEmail"] == {"__typename": "Account", "email": "paul@example.org"}
    assert (await town.answers(ME, token))["me"]["email"] == "paul@example.org"
    changed, contacts = (await town.events())[len(before) :]
    assert (changed.subject, contacts.subject) == (
        "preau.carteville.identity.email_changed",
        "preau-internal.carteville.identity.contacts_changed",
    )
    assert "example.org" not in changed.body
    told = json.loads(contacts.body)
    assert told["version"] == 2
    assert told["adults"][0]["email"] == "paul@example.org"


async def test_s7_a_family_of_two_towns_tells_both(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(NEIGHBOUR, FamilySpec("autreville.dupont", "autreville", "77", ("dupont",), ()))
    token = (await town.signs_in())["accessToken"]
    await town.answers(EMAIL_CHANGE, token, email="paul@example.org")
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
    assert await town.events("email_changed") == []


async def test_s7_the_secret_question_is_kept_and_its_answer_hashed(running: RunFixture) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    values = {"question": "Le nom de mon chat ?", "answer": "Gribouille"}
    wrong = await town.answers(QUESTION_CHANGE, token, password="a guess", **values)
    assert wrong["changeSecurityQuestion"]["code"] == "INVALID_CREDENTIALS"
    assert (await town.answers(ME, token))["me"]["securityQuestion"] is None
    right = await town.answers(QUESTION_CHANGE, token, password=PASSWORD, **values)
    assert right["changeSecurityQuestion"] == {"__typename": "Account", "securityQuestion": "Le nom de mon chat ?"}
    async with town.running.database.reading() as session:
        hashes = select(Credential.answer_hash).where(Account.login == "dupont", Credential.account_id == Account.id)
        kept = (await session.exec(hashes)).one()
    assert kept is not None
    assert kept.startswith("$argon2id$")


@pytest.mark.parametrize("question", ["", " ", "x" * 201, "a\0b", "a\r\nb"])
async def test_an_empty_or_unreadable_secret_question_is_no_question(running: RunFixture, question: str) -> None:
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
        (QUESTION_CHANGE, {"password": PASSWORD, "question": "?", "answer": "!"}),
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
    await town.answers(EMAIL_CHANGE, token, email="paul@example.org")
    before = len(await town.events())
    await town.puts(DUPONT, AGENT, DUPONTS)
    assert len(await town.events()) == before
    assert (await town.signs_in(password=NEW))["__typename"] == "SignedIn"
    assert (await town.answers(ME, token))["me"]["email"] == "paul@example.org"
