"""S2, S5: what a family sees of itself and its town, and that nobody sees what is another's."""

import asyncio
import datetime as dt
from typing import Any

import pytest
from sqlalchemy import event

from services.identity.refusals import REFUSALS
from services.identity.schema import schema
from services.identity.texts import TEXTS, say
from tests.identity.town import AGENT, AGENT_PASSWORD, NEIGHBOUR, NOW, PASSWORD, AccountSpec, ChildSpec, FamilySpec, RunFixture, Town

DAY = dt.timedelta(days=1)
HOME = """{ me { login title firstName lastName email language families { id number
  structure { id name timezone announcements { title body publishedAt } }
  adults { id title firstName lastName } children { id firstName lastName birthDate } } agentOf { id name } } }"""
ENTITIES = """query ($keys: [_Any!]!) { _entities(representations: $keys) { __typename
  ... on Family { id number structure { name } adults { lastName } children { id } }
  ... on Child { id firstName birthDate age(on: "2026-11-30") } ... on Structure { id name announcements { title } } ... on Account { id login } } }"""
DURAND = AccountSpec("durand", "Lucie-et-Tom-2026", "Mme", "Claire", "DURAND", "claire@example.org", structure="autreville")
DURANDS = FamilySpec("durand", "autreville", "000077", ("durand",), (ChildSpec("lucie", "Lucie", "DURAND", dt.date(2020, 2, 29)),))


def key(kind: str, id: str) -> dict[str, str]:
    return {"__typename": kind, "id": id}


async def entities(town: Town, bearer: str | None, *keys: dict[str, Any]) -> list[Any]:
    answer: list[Any] = (await town.answers(ENTITIES, bearer, keys=[dict(one) for one in keys]))["_entities"]
    return answer


async def test_s5_a_family_sees_itself_its_children_and_its_structure(running: RunFixture) -> None:
    town = await Town.of(running)
    me = (await town.answers(HOME, (await town.signs_in())["accessToken"]))["me"]
    family = me.pop("families")[0]
    assert me == {
        "login": "dupont", "title": "M.", "firstName": "Jean-Paul", "lastName": "DUPONT", "email": "jp.dupont@example.org",
        "language": "fr", "agentOf": [],
    }  # fmt: skip
    assert (family["id"], family["number"]) == ("dupont", "003150")
    assert family["structure"] == {"id": "carteville", "name": "Mairie de CarteVille", "timezone": "Europe/Paris", "announcements": []}
    assert [adult["lastName"] for adult in family["adults"]] == ["DUPONT"]
    assert family["children"] == [
        {"id": "amalia", "firstName": "Amalia", "lastName": "DUPONT", "birthDate": "2019-04-12"},
        {"id": "paolo", "firstName": "Paolo", "lastName": "DUPONT", "birthDate": "2023-09-30"},
    ]


async def test_s5_an_account_of_two_towns_has_a_family_in_each(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(NEIGHBOUR, FamilySpec("autreville.dupont", "autreville", "77", ("dupont",), (ChildSpec("leo", "Léo", "DUPONT"),)))
    answer = await town.signs_in()
    caller = town.caller(answer["accessToken"])
    assert caller is not None
    assert caller.families == {"dupont": "carteville", "autreville.dupont": "autreville"}
    families = (await town.answers(HOME, answer["accessToken"]))["me"]["families"]
    assert [(family["structure"]["name"], len(family["children"])) for family in families] == [
        ("Mairie d'Autreville", 1),
        ("Mairie de CarteVille", 2),
    ]


async def test_s2_announcements_in_force_stand_newest_first(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(NEIGHBOUR)
    await town.announces("Ancienne", "Hier", NOW - DAY)
    await town.announces("Rentrée", "Les réservations sont ouvertes.", NOW)
    await town.announces("Demain", "Pas encore", NOW + DAY)
    await town.announces("Ailleurs", "Autre mairie", NOW, "autreville")
    token = (await town.signs_in())["accessToken"]

    async def announcements() -> list[str]:
        me = (await town.answers(HOME, token))["me"]
        return [one["title"] for one in me["families"][0]["structure"]["announcements"]]

    assert await announcements() == ["Rentrée", "Ancienne"]
    town.later(hours=23, minutes=59)
    token = (await town.signs_in())["accessToken"]
    assert await announcements() == ["Rentrée", "Ancienne"]
    town.later(minutes=1)
    assert await announcements() == ["Demain", "Rentrée", "Ancienne"]
    told = await town.events("announcement_published")
    assert told == [], "each is told on its day: test_announcing.py"


async def test_s2_an_announcement_is_corrected_not_doubled(running: RunFixture) -> None:
    town = await Town.of(running)
    first = await town.announces("Rentrée", "Les réservation sont ouvertes.", NOW)
    assert await town.announces("Rentrée", "Les réservations sont ouvertes.", NOW) == first
    token = (await town.signs_in())["accessToken"]
    structure = (await town.answers(HOME, token))["me"]["families"][0]["structure"]
    assert structure["announcements"] == [
        {"title": "Rentrée", "body": "Les réservations sont ouvertes.", "publishedAt": "2026-11-23T07:00:00Z"}
    ]


async def test_the_gateway_gets_entities_of_the_family_itself(running: RunFixture) -> None:
    town = await Town.of(running)
    answer = await town.signs_in()
    found = await entities(
        town,
        answer["accessToken"],
        key("Family", "dupont"), key("Child", "paolo"), key("Child", "amalia"), key("Structure", "carteville"),
        key("Account", answer["account"]["id"]),
    )  # fmt: skip
    assert [one["__typename"] for one in found] == ["Family", "Child", "Child", "Structure", "Account"]
    assert found[0]["children"] == [{"id": "amalia"}, {"id": "paolo"}]
    assert found[1] == {"__typename": "Child", "id": "paolo", "firstName": "Paolo", "birthDate": "2023-09-30", "age": 3}


async def test_another_family_is_as_unknown_as_one_that_does_not_exist(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(NEIGHBOUR, DURAND, DURANDS)
    dupont, durand = await town.signs_in(), await town.signs_in("durand", DURAND.password)
    foreign = [key("Family", "durand"), key("Child", "lucie"), key("Structure", "autreville"), key("Account", durand["account"]["id"])]
    unknown = [key("Family", "x"), key("Child", ""), key("Structure", "x"), key("Account", "x")]
    assert await entities(town, dupont["accessToken"], *foreign, *unknown) == [None] * 8
    assert await entities(town, None, *foreign, key("Family", "dupont"), key("Structure", "carteville")) == [None] * 6
    assert None not in await entities(town, durand["accessToken"], *foreign), "control: to the family itself they are there"


async def test_an_agent_sees_the_families_of_his_structure_and_of_no_other(running: RunFixture) -> None:
    town = await Town.of(running)
    await town.puts(NEIGHBOUR, DURAND, DURANDS)
    token = (await town.signs_in("agent", AGENT.password))["accessToken"]
    assert (await town.answers(HOME, token))["me"]["agentOf"] == [{"id": "carteville", "name": "Mairie de CarteVille"}]
    seen = await entities(town, token, key("Family", "dupont"), key("Child", "amalia"), key("Structure", "carteville"))
    assert None not in seen
    assert await entities(town, token, key("Family", "durand"), key("Child", "lucie"), key("Structure", "autreville")) == [None] * 3


@pytest.mark.parametrize("id", [None, 7, "\0", "dupont\0", ["dupont"], {"a": 1}])
async def test_a_malformed_key_is_an_error_not_a_crash(running: RunFixture, id: object) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    data, _ = await town.asked(ENTITIES, token, keys=[{"__typename": "Family", "id": id}])
    assert data == {"_entities": [None]}


async def test_a_hundred_entities_cost_as_few_selects_as_one(running: RunFixture) -> None:
    town = await Town.of(running)
    many = [ChildSpec(f"child{n}", f"Prénom {n}", "DUPONT", dt.date(2018, 1, 1)) for n in range(100)]
    await town.puts(FamilySpec("nombreux", "carteville", "1", ("dupont",), tuple(many)))
    token = (await town.signs_in())["accessToken"]
    selects: list[str] = []
    event.listen(town.running.database.engine.sync_engine, "before_cursor_execute", lambda *args: selects.append(args[2]))
    found = await entities(town, token, *(key("Child", child.id) for child in many))
    assert None not in found
    assert len([one for one in selects if one.startswith("SELECT")]) == 1
    selects.clear()
    assert len((await town.answers(HOME, token))["me"]["families"]) == 2
    assert len([one for one in selects if one.startswith("SELECT")]) <= 6
    selects.clear()
    two = await asyncio.gather(*(town.answers("{ me { login families { number children { id } } } }", token) for _ in range(2)))
    assert two[0] == two[1]
    assert [len(family["children"]) for family in two[0]["me"]["families"]] == [2, 100]
    assert len([one for one in selects if one.startswith("SELECT")]) == 2  # for both


async def test_those_who_ask_together_each_see_their_own(running: RunFixture) -> None:
    """One looks everything up for all of them: an account without a family, one of another town, a session that was ended."""
    town = await Town.of(running)
    await town.puts(NEIGHBOUR, DURAND, DURANDS)
    logins = {"dupont": PASSWORD, "durand": DURAND.password, "agent": AGENT_PASSWORD}
    tokens = {login: (await town.signs_in(login, password))["accessToken"] for login, password in logins.items()}
    ended = (await town.signs_in())["accessToken"]
    assert (await town.answers("mutation { signOut }", ended)) == {"signOut": True}
    query = "{ me { login families { id children { id } } agentOf { id } } }"
    dupont, durand, agent, nobody, stranger = await asyncio.gather(
        *(town.answers(query, token) for token in (*tokens.values(), ended, None))
    )
    assert dupont["me"] == {
        "login": "dupont", "agentOf": [], "families": [{"id": "dupont", "children": [{"id": "amalia"}, {"id": "paolo"}]}]
    }  # fmt: skip
    assert durand["me"] == {"login": "durand", "agentOf": [], "families": [{"id": "durand", "children": [{"id": "lucie"}]}]}
    assert agent["me"] == {"login": "agent", "agentOf": [{"id": "carteville"}], "families": []}
    assert (nobody["me"], stranger["me"]) == (None, None)


def test_the_subgraph_says_all_that_the_contract_promises() -> None:
    sdl = schema.as_str()
    for promise in (
        "signIn(login: String!, password: String!",
        "refreshSession(refreshToken: String!): SignInResult!",
        "changeSecurityQuestion(password: String!, question: String!, answer: String!): AccountResult!",
        "resetPassword(token: String!, new: String!): SignInResult!",
        "union SignInResult = SignedIn | InvalidCredentials | TooManyAttempts | InvalidToken | PasswordTooWeak",
        "union AccountResult = Account | InvalidCredentials | PasswordTooWeak | InvalidEmail | TooManyAttempts",
        "union RecoveryResult = RecoveryGranted | InvalidCredentials | TooManyAttempts",
        "me: Account\n",
        'type Structure @key(fields: "id") {',
        "type InvalidCredentials implements Refusal @shareable {",
    ):
        assert promise in sdl


def test_every_refusal_of_the_schema_has_its_texts() -> None:
    assert set(REFUSALS) <= set(TEXTS)
    assert say("TOO_MANY_ATTEMPTS", "fr", wait_seconds=1) == "Trop d’essais : réessayez dans 1 seconde."
    assert say("TOO_MANY_ATTEMPTS", "en", wait_seconds=61) == "Too many attempts: try again in 2 minutes."
    assert say("TOO_MANY_ATTEMPTS", "en", wait_seconds=3600) == "Too many attempts: try again in 60 minutes."
