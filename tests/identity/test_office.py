"""What agents find and change in the register: families, children, adults, accounts."""

import asyncio
import datetime as dt
import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from services.identity import entries, invariants, privacy
from services.identity.erasure import ErasureState
from services.identity.households import MOST_TERMS, ChildSpec, looked_for_by, words_of
from services.identity.tables import Erasure, Family
from services.refusal import Refused
from tests.identity.town import AGENT, AGENT_PASSWORD, DUPONT, NEIGHBOUR, NOW, PASSWORD, AccountSpec, FamilySpec, RunFixture, Town

LEBRETON = AccountSpec("Maëlle.Le-Breton", PASSWORD, "Mme", "Maëlle", "LE BRETON", "maelle@example.org", structure="carteville")
COEUR = AccountSpec("coeur", PASSWORD, None, "Zoé", "CŒUR", structure="carteville")
FAMILIES = """query ($search: String, $first: Int, $after: String, $structure: ID = "carteville") {
  families(structure: $structure, search: $search, first: $first, after: $after) { nodes { id number
    adults { id lastName account { login email language shared hasPassword } } children { id firstName birthDate } }
    endCursor hasNextPage totalCount } }"""
FAMILY = "__typename ... on Refusal { code message } ... on Family { id number adults { lastName } children { id firstName birthDate } }"
ADULT = "__typename ... on Refusal { code message } ... on Adult { id lastName account { login email hasPassword } }"


@pytest.fixture
async def town(running: RunFixture) -> Town:
    town = await Town.of(running)
    await town.puts(
        LEBRETON, COEUR,
        FamilySpec("lebreton", "carteville", "000042", ("Maëlle.Le-Breton",), (ChildSpec("gael", "Gaël", "LE BRETON"),)),
        FamilySpec("coeur", "carteville", "A-7", ("coeur",), ()),
    )  # fmt: skip
    return town


class Desk:
    """An agent at work."""

    def __init__(self, town: Town, token: str) -> None:
        self.town, self.token, self.keys = town, token, 0

    @classmethod
    async def of(cls, town: Town, login: str = "agent", password: str = AGENT_PASSWORD) -> "Desk":
        return cls(town, (await town.signs_in(login, password))["accessToken"])

    async def finds(self, search: str | None = None, **more: Any) -> list[str]:
        found = await self.town.answers(FAMILIES, self.token, search=search, **more)
        return [one["id"] for one in found["families"]["nodes"]]

    async def family(self, search: str) -> dict[str, Any]:
        (found,) = (await self.town.answers(FAMILIES, self.token, search=search))["families"]["nodes"]
        return dict(found)

    async def does(self, name: str, **input: Any) -> dict[str, Any]:
        self.keys += 1
        kind = f"{name[0].upper()}{name[1:]}Input"
        document = f"mutation ($input: {kind}!) {{ {name}(input: $input) {{ {ADULT if 'Account' in name else FAMILY} }} }}"
        given = {"idempotencyKey": f"key {self.keys}", **input}
        answer: dict[str, Any] = (await self.town.answers(document, self.token, input=given))[name]
        return answer

    async def acts(self) -> list[dict[str, Any]]:
        query = '{ identityActs(structure: "carteville") { nodes { kind reason details { name before after } } } }'
        nodes: list[dict[str, Any]] = (await self.town.answers(query, self.token))["identityActs"]["nodes"]
        return nodes


# ---------------------------------------------------------------------------------------------------------------- looking
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Maëlle LE BRETON", ["maelle", "le", "breton"]),
        ("d'Œuvre-Ångström", ["d", "oeuvre", "angstrom"]),
        ("jp.dupont_2%", ["jp", "dupont", "2"]),
        ("ﬁlle İstanbul", ["fille", "istanbul"]),
        ("  \u202e ", []),
    ],
)
def test_words_are_looked_for_without_accents_and_capitals(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_a_number_is_found_without_its_zeros() -> None:
    assert looked_for_by("003150", ["DUPONT", "Jean-Paul"]) == " 003150 3150 dupont jean paul"


@pytest.mark.parametrize(
    ("search", "found"),
    [
        (None, ["lebreton", "dupont", "coeur"]),
        ("   ", ["lebreton", "dupont", "coeur"]),
        ("42", ["lebreton"]),
        ("3150", ["dupont"]),
        ("DUPÔNT", ["dupont"]),
        ("amalia", ["dupont"]),
        ("gael breton", ["lebreton"]),
        ("maelle.le-breton", ["lebreton"]),
        ("cœur", ["coeur"]),
        ("coe zoe", ["coeur"]),
        ("reton", []),
        ("%", ["lebreton", "dupont", "coeur"]),
        ("dupont gael", []),
        ("x" * 5000, []),
    ],
)
async def test_families_are_found_by_number_names_and_login(town: Town, search: str | None, found: list[str]) -> None:
    assert await (await Desk.of(town)).finds(search) == found


async def test_what_has_changed_is_found_by_its_new_name(town: Town) -> None:
    desk = await Desk.of(town)
    await town.puts(replace(COEUR, last_name="ÉTOILE"), FamilySpec("dupont", "carteville", "9", ("dupont",), ()))
    assert (await desk.finds("etoile"), await desk.finds("coeur")) == (["coeur"], ["coeur"]), "by her name and by her login"
    assert (await desk.finds("amalia"), await desk.finds("9")) == ([], ["dupont"])


async def test_pages_of_families_in_few_statements(town: Town) -> None:
    desk = await Desk.of(town)
    statements: list[str] = []
    event.listen(town.running.database.engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    first = (await town.answers(FAMILIES, desk.token, first=2))["families"]
    assert ([one["id"] for one in first["nodes"]], first["hasNextPage"], first["totalCount"]) == (["lebreton", "dupont"], True, 3)
    asked = [statement for statement in statements if statement.startswith("SELECT")]
    assert len(asked) == 5, "the page, its count, adults, children, accounts: however many families"
    rest = (await town.answers(FAMILIES, desk.token, first=2, after=first["endCursor"]))["families"]
    assert ([one["id"] for one in rest["nodes"]], rest["hasNextPage"]) == (["coeur"], False)
    for cursor in ("x", "", "é", "fA=="):
        assert (await town.asked(FAMILIES, desk.token, after=cursor))[1] or cursor == "fA=="


async def test_only_agents_of_the_structure_see_logins_and_addresses(town: Town) -> None:
    desk = await Desk.of(town)
    (adult,) = (await desk.family("dupont"))["adults"]
    assert adult["account"] == {
        "login": "dupont", "email": "jp.dupont@example.org", "language": "fr", "shared": False, "hasPassword": True,
    }  # fmt: skip
    own = "{ me { families { adults { lastName account { login } } } } }"
    token = (await town.signs_in())["accessToken"]
    assert (await town.answers(own, token))["me"]["families"] == [{"adults": [{"lastName": "DUPONT", "account": None}]}]
    for bearer, structure in ((token, "carteville"), (None, "carteville"), (desk.token, "autreville")):
        assert (await town.asked(FAMILIES, bearer, structure=structure))[1]
    await town.puts(NEIGHBOUR, FamilySpec("autreville.dupont", "autreville", "77", (), ()), replace(DUPONT, structure="autreville"))
    (adult,) = (await desk.family("dupont"))["adults"]
    assert (adult["account"]["shared"], adult["account"]["email"]) == (True, None), "it is not this town's to tell"


# ---------------------------------------------------------------------------------------------------------------- changing
async def test_a_family_is_made_and_changed_and_the_trail_tells_why(town: Town) -> None:
    desk = await Desk.of(town)
    opened = await desk.does(
        "openAccount", structure="carteville", login="Petit.L", firstName="Lou", lastName="PETIT", email="lou@example.org"
    )
    assert opened["account"] == {"login": "petit.l", "email": "lou@example.org", "hasPassword": False}
    of = {"structure": "carteville", "family": "coeur", "firstName": "Ida", "lastName": "PETIT"}
    ida = await desk.does("openAccount", login="ida", password="Soleil-vert-du-matin-2027", **of)
    assert ida["account"]["hasPassword"]
    assert (await town.signs_in("ida", "Soleil-vert-du-matin-2027"))["account"]["families"] == [{"id": "coeur"}]
    child = {"firstName": "Nino", "lastName": "PETIT", "birthDate": "2020-02-29"}
    made = await desk.does("createFamily", structure="carteville", number="P1", logins=["petit.l"], children=[child], reason="Arrivée")
    assert made | {"id": "", "children": []} == {
        "__typename": "Family", "id": "", "number": "P1", "adults": [{"lastName": "PETIT"}], "children": [],
    }  # fmt: skip
    nino = made["children"][0]["id"]
    changed = await desk.does("changeChild", child=nino, birthDate="2020-03-01", firstName="Nino-Lou", reason="Acte de naissance")
    assert changed["children"] == [{"id": nino, "firstName": "Nino-Lou", "birthDate": "2020-03-01"}]
    elder = await desk.does("addChild", family=made["id"], child=child | {"firstName": "Ada", "birthDate": "2018-01-01"})
    assert [one["firstName"] for one in elder["children"]] == ["Ada", "Nino-Lou"], "the eldest first"
    assert (await desk.does("changeFamily", family=made["id"], number="P2"))["number"] == "P2"
    assert [one["firstName"] for one in (await desk.does("removeChild", child=nino, reason="Déménagement"))["children"]] == ["Ada"]
    acts = await desk.acts()
    kinds = ["REMOVE_CHILD", "CHANGE_FAMILY", "ADD_CHILD", "CHANGE_CHILD", "CREATE_FAMILY", "OPEN_ACCOUNT", "OPEN_ACCOUNT"]
    assert [act["kind"] for act in acts] == kinds
    assert acts[3] == {
        "kind": "CHANGE_CHILD", "reason": "Acte de naissance",
        "details": [
            {"name": "first_name", "before": "Nino", "after": "Nino-Lou"},
            {"name": "birth_date", "before": "2020-02-29", "after": "2020-03-01"},
        ],
    }  # fmt: skip
    told = [json.loads(event.body) for event in await town.events("family_changed")][-5:]
    assert {one["family"] for one in told} == {made["id"]}
    assert [one["version"] for one in told] == [1, 2, 3, 4, 5]
    async with town.running.database.reading() as session:
        assert await invariants.violations(session) == []


async def test_the_same_key_is_the_same_act_and_what_is_so_already_is_none(town: Town) -> None:
    desk = await Desk.of(town)
    once = {"family": "dupont", "number": "31", "idempotencyKey": "k"}
    assert (await desk.does("changeFamily", **once))["number"] == "31"
    assert (await desk.does("changeFamily", family="dupont", number="32"))["number"] == "32"
    assert (await desk.does("changeFamily", **once))["number"] == "32", "it is answered as it was, and done once"
    assert (await desk.does("changeFamily", **(once | {"number": "33"})))["code"] == "IDEMPOTENCY_KEY_REUSED"
    before = len(await town.events())
    await desk.does("changeFamily", family="dupont", number="32")
    await desk.does("changeChild", child="amalia", firstName="Amalia")
    await desk.does("addAdult", family="dupont", login="DUPONT")
    assert (len(await desk.acts()), len(await town.events())) == (2, before)


async def test_of_two_who_ask_at_once_with_one_key_one_is_done(town: Town) -> None:
    desk = await Desk.of(town)
    child = {"firstName": "Léo", "lastName": "DUPONT"}
    answers = await asyncio.gather(*(desk.does("addChild", family="dupont", child=child, idempotencyKey="k") for _ in range(4)))
    assert {len(one["children"]) for one in answers} == {3}
    assert [act["kind"] for act in await desk.acts()] == ["ADD_CHILD"]


async def test_an_erased_family_is_found_and_changed_no_more(town: Town) -> None:
    desk = await Desk.of(town)
    erasure = Erasure(
        id="e", key="k", structure="carteville", family="dupont", account="chief", reason="Demande", despite=[], asked_at=NOW,
        state=ErasureState.ERASING,
    )  # fmt: skip
    async with town.running.database.transaction() as session:
        session.add(erasure)
        await privacy.erase(session, town.running.clock, erasure)
    assert (await desk.finds(), await desk.finds("dupont")) == (["lebreton", "coeur"], [])
    async with town.running.database.reading() as session:
        assert (await session.get_one(Family, "dupont")).looked_for_by == ""
    document = "mutation ($input: ChangeFamilyInput!) { changeFamily(input: $input) { __typename } }"
    assert (await town.asked(document, desk.token, input={"family": "dupont", "number": "5", "idempotencyKey": "k"}))[1]
    assert (await desk.does("createFamily", structure="carteville", number="003150"))["number"] == "003150", "its number is free"


async def test_an_adult_joins_by_login_and_is_taken_away(town: Town) -> None:
    desk = await Desk.of(town)
    assert [one["lastName"] for one in (await desk.does("addAdult", family="dupont", login=" Coeur "))["adults"]] == ["DUPONT", "CŒUR"]
    mother = await town.signs_in("coeur", PASSWORD)
    assert [one["id"] for one in mother["account"]["families"]] == ["dupont", "coeur"]
    assert (await desk.does("addAdult", family="dupont", login="nobody"))["code"] == "UNKNOWN_ACCOUNT"
    gone = {"family": "dupont", "account": mother["account"]["id"]}
    assert (await desk.does("removeAdult", reason="no", **gone))["code"] == "REASON_REQUIRED"
    assert [one["lastName"] for one in (await desk.does("removeAdult", reason="Jugement", **gone))["adults"]] == ["DUPONT"]
    assert [one["id"] for one in (await town.signs_in("coeur", PASSWORD))["account"]["families"]] == ["coeur"]


async def test_a_password_that_is_handed_out_ends_sessions_and_its_owner_is_told(town: Town) -> None:
    desk = await Desk.of(town)
    session = await town.signs_in()
    account = session["account"]["id"]
    new = "Soleil-vert-du-matin-2027"
    of = {"structure": "carteville", "account": account}
    assert (await desk.does("changeAccount", password="dupontdupont1", **of))["code"] == "PASSWORD_TOO_WEAK"
    assert (await desk.does("changeAccount", password=new, email="autre@example.org", **of))["account"]["email"] == "autre@example.org"
    assert (await town.signs_in())["code"] == "INVALID_CREDENTIALS"
    assert (await town.signs_in(password=new))["__typename"] == "SignedIn"
    assert (await town.refreshes(session["refreshToken"]))["code"] == "INVALID_TOKEN"
    notices = [json.loads(event.body) for event in await town.events("security_notice_made")]
    assert [(one["kind"], one["email"]) for one in notices] == [
        ("EMAIL_CHANGED", "jp.dupont@example.org"), ("PASSWORD_CHANGED", "autre@example.org"),
    ]  # fmt: skip
    (act,) = await desk.acts()
    assert {one["name"]: one["after"] for one in act["details"]} == {"email": "autre@example.org", "password": "true"}
    async with town.running.database.reading() as session_:
        assert new not in str(await invariants.violations(session_))


async def test_whose_account_it_is_not_changes_it_not(town: Town) -> None:
    """Of two towns: neither. Of an agent: an administrator. Of somebody of another town: nobody here knows it."""
    desk = await Desk.of(town)
    await town.puts(NEIGHBOUR, replace(COEUR, structure="autreville"), AccountSpec(
        "stranger", PASSWORD, None, "Jo", "STRANGER", structure="autreville"
    ), replace(AGENT, login="chief", administrator=True))  # fmt: skip
    shared = (await desk.family("coeur"))["adults"][0]["id"]
    agent = (await town.signs_in("agent", AGENT_PASSWORD))["account"]["id"]
    stranger = (await town.signs_in("stranger", PASSWORD))["account"]["id"]
    of = {"structure": "carteville", "email": "taken@example.org"}
    assert (await desk.does("changeAccount", account=shared, **of))["code"] == "ACCOUNT_SHARED"
    assert (await desk.does("changeAccount", account=agent, **of))["code"] == "ADMINISTRATOR_REQUIRED"
    chief = await Desk.of(town, "chief")
    assert (await chief.does("changeAccount", account=agent, **of))["account"]["email"] == "taken@example.org"
    document = "mutation ($input: ChangeAccountInput!) { changeAccount(input: $input) { __typename } }"
    for account in (stranger, "nobody"):
        given = {**of, "account": account, "idempotencyKey": "k"}
        assert [error.message for error in (await town.asked(document, desk.token, input=given))[1] or ()] == ["Not yours, or not there."]


@pytest.mark.parametrize(
    ("name", "input", "code"),
    [
        ("changeFamily", {"family": "dupont", "number": "A-7"}, "NUMBER_TAKEN"),
        ("changeFamily", {"family": "dupont", "number": " "}, "INVALID_ENTRY"),
        ("changeFamily", {"family": "dupont", "number": "1\n2"}, "INVALID_ENTRY"),
        ("changeFamily", {"family": "dupont", "number": "5", "reason": "no"}, "REASON_REQUIRED"),
        ("changeChild", {"child": "amalia", "lastName": "x" * 101}, "INVALID_ENTRY"),
        ("changeChild", {"child": "amalia", "birthDate": "1990-01-01"}, "INVALID_ENTRY"),
        ("createFamily", {"structure": "carteville", "number": "N", "logins": ["nobody"]}, "UNKNOWN_ACCOUNT"),
        ("createFamily", {"structure": "carteville", "number": "003150"}, "NUMBER_TAKEN"),
        ("openAccount", {"structure": "carteville", "login": "Dupont", "firstName": "A", "lastName": "B"}, "LOGIN_TAKEN"),
        ("openAccount", {"structure": "carteville", "login": "a b c", "firstName": "A", "lastName": "B"}, "INVALID_ENTRY"),
        ("openAccount", {"structure": "carteville", "login": "abc", "firstName": "A", "lastName": "B", "email": "x"}, "INVALID_EMAIL"),
        ("openAccount", {"structure": "carteville", "login": "abc", "firstName": "A", "lastName": "B", "language": "de"}, "INVALID_ENTRY"),
    ],
)
async def test_what_cannot_be_is_refused_with_its_reason(town: Town, name: str, input: dict[str, Any], code: str) -> None:
    desk = await Desk.of(town)
    before = len(await town.events())
    answer = await desk.does(name, **input)
    assert answer["code"] == code
    assert "{" not in answer["message"]
    assert (await desk.acts(), len(await town.events())) == ([], before)


async def test_another_structures_families_are_not_there(town: Town) -> None:
    await town.puts(NEIGHBOUR, replace(AGENT, login="other", agent_of="autreville", structure="autreville"))
    other = await Desk.of(town, "other")
    for name, input in (
        ("changeFamily", {"family": "dupont", "number": "5"}),
        ("changeChild", {"child": "amalia", "firstName": "X"}),
        ("removeChild", {"child": "amalia", "reason": "parce que"}),
        ("addAdult", {"family": "dupont", "login": "other"}),
        ("removeAdult", {"family": "dupont", "account": "x", "reason": "parce que"}),
    ):
        kind = f"{name[0].upper()}{name[1:]}Input"
        document = f"mutation ($input: {kind}!) {{ {name}(input: $input) {{ __typename }} }}"
        errors = (await town.asked(document, other.token, input={**input, "idempotencyKey": "k"}))[1]
        assert [error.message for error in errors or ()] == ["Not yours, or not there."], name


def test_a_child_is_younger_than_twenty_five_and_perhaps_not_born_yet() -> None:
    today = NOW.date()
    assert entries.birth_date_of(None, today) is None
    for day in (today - dt.timedelta(days=9000), today, today + dt.timedelta(days=200)):
        assert entries.birth_date_of(day, today) == day
    for day in (dt.date(1999, 1, 1), today + dt.timedelta(days=400)):
        with pytest.raises(Refused, match="INVALID_ENTRY"):
            entries.birth_date_of(day, today)
    assert MOST_TERMS == 6
