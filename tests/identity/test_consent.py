"""Nobody's login is joined to a family, or given a role, by a town that does not know it; and no town learns whom another knows."""

import asyncio
from dataclasses import replace

import pytest
from sqlmodel import select

from services.identity import attempts, invariants
from services.identity.tables import Account, FamilyAdult
from tests.identity.test_import import HEADING, imports, outcomes
from tests.identity.test_inviting import ACCEPT, has_a_password_of_their_own, invites, links
from tests.identity.test_office import Desk
from tests.identity.test_ranks import sets
from tests.identity.town import AGENT, AGENT_PASSWORD, DUPONT, NEIGHBOUR, PASSWORD, RunFixture, Town

OPEN = {"structure": "carteville", "firstName": "Ana", "lastName": "NOUVELLE"}
STRONG, OTHER = "Soleil-vert-du-matin-2027", "Lune-rouge-du-soir-2028"


@pytest.fixture
async def town(running: RunFixture) -> Town:
    """With an administrator; and beside it another, which knows leo and has an agent of its own."""
    town = await Town.of(running)
    await town.puts(
        replace(AGENT, login="chief", administrator=True),
        NEIGHBOUR,
        replace(DUPONT, login="leo", first_name="Léo", structure="autreville"),
        replace(AGENT, login="other", agent_of="autreville", structure="autreville"),
    )
    await has_a_password_of_their_own(town, "leo")
    return town


async def families_of(town: Town, login: str) -> int:
    async with town.running.database.reading() as session:
        found = select(FamilyAdult).where(FamilyAdult.account_id == Account.id, Account.login == login)
        return len((await session.exec(found)).all())


# ----------------------------------------------------------------------------------------------------- whom a town may join
async def test_a_login_of_another_town_is_answered_like_one_that_nobody_has(town: Town) -> None:
    desk, chief = await Desk.of(town), await Desk.of(town, "chief")
    before = len(await town.events())
    role = """mutation ($input: SetRoleInput!) { setRole(input: $input) { __typename ... on Refusal { code message } } }"""

    async def said(login: str) -> list[str]:
        given = {"structure": "carteville", "login": login, "role": "AGENT", "reason": "Organisation", "idempotencyKey": login}
        answers = [
            await desk.does("addAdult", family="dupont", login=login),
            await desk.does("createFamily", structure="carteville", number="N1", logins=["dupont", login]),
            (await town.answers(role, chief.token, input=given))["setRole"],
            (await town.answers(role, chief.token, input=given | {"role": "NONE", "idempotencyKey": f"{login} NONE"}))["setRole"],
        ]
        assert [one["code"] for one in answers] == ["UNKNOWN_ACCOUNT"] * 4
        return [one["message"].replace(login, "…") for one in answers]

    told = await said("leo")
    assert told == await said("nobody")
    assert all("invitez la personne par son adresse e-mail" in one for one in told)
    assert (await desk.acts(), len(await town.events()), await families_of(town, "leo")) == ([], before, 0)


async def test_whom_the_town_knows_joins_at_once(town: Town) -> None:
    """An adult of its families, an agent, whoever it opened an account for, or knew before."""
    desk = await Desk.of(town)
    await desk.does("openAccount", login="ana", **OPEN)
    for login, adults in (("ana", 2), ("agent", 3)):
        assert len((await desk.does("addAdult", family="dupont", login=login))["adults"]) == adults
    (ana,) = [one["id"] for one in (await desk.family("3150"))["adults"] if one["lastName"] == "NOUVELLE"]
    await desk.does("removeAdult", family="dupont", account=ana, reason="Jugement")
    assert len((await desk.does("addAdult", family="dupont", login="ana"))["adults"]) == 3
    assert await sets(town, "chief", "dupont", "AGENT") == "AGENT"


# ----------------------------------------------------------------------------------------------------- which logins are free
@pytest.fixture
def two_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    assert attempts.TAKEN.free == 20
    monkeypatch.setattr(attempts, "TAKEN", replace(attempts.TAKEN, free=2))


async def test_a_login_that_is_not_free_is_not_said_to_be_anybodys_and_few_may_be_asked_for(town: Town, two_tries: None) -> None:
    desk = await Desk.of(town)
    await town.puts(replace(DUPONT, login="lea", structure="autreville"))
    own, foreign = [await desk.does("openAccount", login=login, **OPEN) for login in ("dupont", "leo")]
    assert [one["code"] for one in (own, foreign)] == ["LOGIN_TAKEN"] * 2
    assert ("peut être ajouté" in own["message"], "choisissez-en un autre" in foreign["message"]) == (True, True)
    again = [await desk.does("openAccount", **{**OPEN, "login": "leo", "idempotencyKey": key}) for key in ("a", "a", "b")]
    assert [one["code"] for one in again] == ["LOGIN_TAKEN"] * 3, "what was told before is not counted again"
    assert (await desk.does("openAccount", login="lea", **OPEN))["code"] == "LOGIN_TAKEN"
    assert [(await desk.does("openAccount", login=login, **OPEN))["code"] for login in ("lou", "leo")] == ["TOO_MANY_ATTEMPTS"] * 2
    chief = await Desk.of(town, "chief")
    assert (await chief.does("openAccount", login="lou", **OPEN))["account"]["login"] == "lou", "others go on"
    assert [act["kind"] for act in await desk.acts()] == ["OPEN_ACCOUNT"]


async def test_a_file_says_no_more_of_a_login_than_an_agent_is_told(town: Town, two_tries: None) -> None:
    """Also of somebody who is called so, in a dry run, and where the names are missing."""
    csv = f"{HEADING}\nP1;adulte;leo;;DUPONT;Léo;;;\nP2;adulte;leo;;;;;;\nP3;adulte;lou;;;;;;\nP4;adulte;lou;;PETIT;Lou;;;\n"
    for dry in (True, False):
        report = await imports(town, csv, dry=dry, key=f"dry {dry}")
        assert outcomes(report) == [(2, "REFUSED"), (3, "REFUSED"), (4, "REFUSED"), (5, "CREATED")]
        said = [one["message"] for one in report["lines"]]
        assert "choisissez-en un autre" in said[0]
        assert said[1] == said[2] == "Un nouveau compte a besoin d’un nom et d’un prénom."
    assert await families_of(town, "leo") == 0
    await town.puts(*(replace(DUPONT, login=f"leo{n}", structure="autreville") for n in range(3)))
    many = HEADING + "\n" + "".join(f"P{n};adulte;leo{n};;DUPONT;Léo;;;\n" for n in range(3))
    assert (await imports(town, many, dry=True))["code"] == "INVALID_FILE", "what it would tell is too much for one file"
    assert (await imports(town, csv, key="late"))["code"] == "TOO_MANY_ATTEMPTS"
    assert (await imports(town, f"{HEADING}\nP9;enfant;;;PETIT;Ida;;;\n"))["created"] == 1, "of whom it says nothing"


async def test_two_towns_open_one_login_at_the_same_moment_and_one_is_told_no(town: Town) -> None:
    here, there = await Desk.of(town), await Desk.of(town, "other")
    elsewhere = OPEN | {"structure": "autreville"}
    for n in range(4):
        csv = f"{HEADING}\nX{n};adulte;second{n};;NOUVELLE;Ana;;;\n"
        answers = await asyncio.gather(
            here.does("openAccount", login=f"first{n}", **OPEN),
            there.does("openAccount", login=f"first{n}", **elsewhere),
            imports(town, csv),
            there.does("openAccount", login=f"second{n}", **elsewhere),
        )
        first = sorted(one.get("code", "") for one in (answers[0], answers[1]))
        assert first == ["", "LOGIN_TAKEN"], answers
        assert (answers[2]["refused"], answers[3].get("code")) in ((1, None), (0, "LOGIN_TAKEN")), answers
    async with town.running.database.reading() as session:
        assert await invariants.violations(session) == []


async def test_of_two_who_use_an_invitation_at_the_same_moment_one_joins(town: Town) -> None:
    await invites(town)
    (link,) = await links(town)
    bearers = [(await town.signs_in(login, password))["accessToken"] for login, password in (("leo", PASSWORD), ("chief", AGENT_PASSWORD))]
    tries = await asyncio.gather(*(town.answers(ACCEPT, bearer, token=link["token"]) for bearer in bearers * 2))
    assert sorted(one["acceptInvitation"].get("code", "") for one in tries) == ["", *["INVALID_TOKEN"] * 3]
    assert sorted([await families_of(town, login) for login in ("leo", "chief")]) == [0, 1]


# ------------------------------------------------------------------------------------------------ the same key, another password
async def test_the_same_key_with_another_password_is_something_else(town: Town) -> None:
    """No password is kept but as its hash: it is by that that the same one is known again."""
    desk = await Desk.of(town)
    once = {"login": "ana", "idempotencyKey": "once", **OPEN}
    opened = await desk.does("openAccount", password=STRONG, **once)
    assert (await desk.does("openAccount", password=STRONG, **once)) == opened, "the same again"
    assert (await desk.does("openAccount", password=OTHER, **once))["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert (await desk.does("openAccount", **once))["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert (await town.signs_in("ana", STRONG))["__typename"] == "SignedIn"
    change = {"structure": "carteville", "account": opened["id"], "idempotencyKey": "change"}
    assert [(await desk.does("changeAccount", password=password, **change)).get("code") for password in (OTHER, OTHER, STRONG)] == [
        None, None, "IDEMPOTENCY_KEY_REUSED",
    ]  # fmt: skip
    assert (await town.signs_in("ana", OTHER))["__typename"] == "SignedIn"
