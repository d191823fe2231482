"""S2: agents publish, change and withdraw announcements; each is told on its day, once."""

import datetime as dt
import json
from typing import Any

import pytest

from services.identity import announcing, duties, register
from services.identity import office as office_rules
from services.identity.announcing import AnnouncementState, state_of
from services.identity.tables import Announcement
from tests.facts import until
from tests.identity.town import AGENT_PASSWORD, CARTEVILLE, NEIGHBOUR, NOW, RunFixture, Town

DAY = dt.timedelta(days=1)
OF = """query ($first: Int, $after: String) { announcementsOf(structure: "carteville", first: $first, after: $after) {
  nodes { id title state mail public publishedAt endsAt toldAt } endCursor hasNextPage } }"""
DOOR = """query ($structure: ID, $first: Int) { publicAnnouncements(structure: $structure, first: $first) {
  title body publishedAt endsAt structure structureName timezone } }"""
HOME = "{ me { families { structure { announcements { title body endsAt } } } } }"
ANSWER = "__typename ... on Refusal { code message } ... on OfficeAnnouncement { id title body state toldAt }"


class Office:
    """An agent of the town, and a family that reads."""

    def __init__(self, town: Town) -> None:
        self.town, self.keys = town, 0

    async def does(self, name: str, **input: Any) -> dict[str, Any]:
        self.keys += 1
        token = (await self.town.signs_in("agent", AGENT_PASSWORD))["accessToken"]
        document = f"mutation ($input: {name[0].upper()}{name[1:]}Input!) {{ {name}(input: $input) {{ {ANSWER} }} }}"
        answer = await self.town.answers(document, token, input={"idempotencyKey": f"key {self.keys}", **input})
        return dict(answer[name])

    async def publishes(self, title: str, **more: Any) -> dict[str, Any]:
        given = {"structure": "carteville", "title": title, "body": f"{title} !", **more}
        return await self.does("publishAnnouncement", **given)

    async def sees(self, **page: Any) -> Any:
        token = (await self.town.signs_in("agent", AGENT_PASSWORD))["accessToken"]
        return (await self.town.answers(OF, token, **page))["announcementsOf"]

    async def families_see(self) -> list[str]:
        me = (await self.town.answers(HOME, (await self.town.signs_in())["accessToken"]))["me"]
        return [one["title"] for one in me["families"][0]["structure"]["announcements"]]

    async def everybody_sees(self, token: str | None = None, **asked: Any) -> list[str]:
        return [one["title"] for one in (await self.town.answers(DOOR, token, **asked))["publicAnnouncements"]]

    async def day_breaks(self) -> None:
        async with self.town.running.database.transaction() as session:
            await announcing.tell_due(session, self.town.running.clock)

    async def told(self, name: str = "announcement_published") -> list[str]:
        return [json.loads(event.body)["announcement"] for event in await self.town.events(name)]


@pytest.fixture
async def office(running: RunFixture) -> Office:
    return Office(await Town.of(running))


def text(moment: dt.datetime) -> str:
    return moment.isoformat()


async def test_an_announcement_is_told_on_its_day_and_once(office: Office) -> None:
    now = await office.publishes("Rentrée")
    assert (now["state"], await office.families_see(), await office.told()) == ("IN_FORCE", ["Rentrée"], [now["id"]])
    later = await office.publishes("Fermeture", publishAt=text(NOW + DAY), endsAt=text(NOW + 3 * DAY))
    assert (later["state"], later["toldAt"]) == ("COMING", None)
    await office.day_breaks()
    assert (await office.families_see(), len(await office.told())) == (["Rentrée"], 1)
    office.town.later(days=1)
    for _ in range(2):
        await office.day_breaks()
    assert (await office.families_see(), await office.told()) == (["Fermeture", "Rentrée"], [now["id"], later["id"]])
    office.town.later(days=2)
    assert await office.families_see() == ["Rentrée"], "it has ended"
    assert [one["state"] for one in (await office.sees())["nodes"]] == ["ENDED", "IN_FORCE"]


async def test_what_the_towns_file_announces_is_told_on_its_day_too(office: Office) -> None:
    tomorrow = await office.town.announces("Demain", "Pas encore", NOW + DAY)
    today = await office.town.announces("Rentrée", "Bonjour", NOW)
    await office.day_breaks()
    assert await office.told() == [today]
    office.town.later(days=1)
    await office.day_breaks()
    assert await office.told() == [today, tomorrow]


async def test_an_agents_hours_stay_when_the_towns_file_names_their_days(office: Office) -> None:
    hours = {"publishAt": text(NOW + DAY), "endsAt": text(NOW + 3 * DAY)}
    await office.publishes("Fermeture", **hours)
    (before,) = (await office.sees())["nodes"]
    for days_later, kept in ((0, True), (1, False)):
        midnight = NOW.replace(hour=0) + DAY * (1 + days_later)
        async with office.town.running.database.transaction() as session:
            await register.put_announcement(
                session, office.town.running.clock, "carteville", "Fermeture", "Fermeture !", midnight, midnight + 3 * DAY
            )
        (after,) = (await office.sees())["nodes"]
        assert ((after["publishedAt"], after["endsAt"]) == (before["publishedAt"], before["endsAt"])) is kept


async def test_only_what_is_to_be_mailed_goes_to_the_mailer(office: Office) -> None:
    await office.publishes("Rentrée")
    mailed = await office.publishes("Grève", body="Lundi.\r\n\r\nLa cantine est fermée.", mail=True)
    (due,) = await office.town.events("announcement_due")
    assert json.loads(due.body) == {
        "structure": "carteville", "announcement": mailed["id"], "title": "Grève", "text": "Lundi.\n\nLa cantine est fermée.",
    }  # fmt: skip


async def test_it_is_corrected_but_told_no_second_time_and_withdrawn(office: Office) -> None:
    one = await office.publishes("Rentré", mail=True)
    changed = await office.does("changeAnnouncement", announcement=one["id"], title="Rentrée", endsAt=text(NOW + DAY))
    assert (changed["title"], await office.told(), len(await office.told("announcement_due"))) == ("Rentrée", [one["id"]], 1)
    for late in ({"publishAt": text(NOW + DAY)}, {"mail": False}):
        assert (await office.does("changeAnnouncement", announcement=one["id"], **late))["code"] == "INVALID_ENTRY"
    coming = await office.publishes("Fermeture", publishAt=text(NOW + DAY), mail=True)
    moved = await office.does("changeAnnouncement", announcement=coming["id"], publishAt=text(NOW))
    assert (moved["state"], len(await office.told("announcement_due"))) == ("IN_FORCE", 2)
    assert (await office.does("withdrawAnnouncement", announcement=one["id"], reason="no"))["code"] == "REASON_REQUIRED"
    gone = await office.does("withdrawAnnouncement", announcement=one["id"], reason="Erreur")
    assert (gone["state"], await office.families_see()) == ("WITHDRAWN", ["Fermeture"])
    assert await office.told("announcement_withdrawn") == [one["id"]], "its mails may be going out"
    assert (await office.does("changeAnnouncement", announcement=one["id"], title="X"))["code"] == "INVALID_ENTRY"
    await office.town.announces("Rentrée", "Bonjour", NOW)
    assert await office.families_see() == ["Fermeture"], "the file does not bring back what an agent withdrew"
    token = (await office.town.signs_in("agent", AGENT_PASSWORD))["accessToken"]
    kinds = '{ identityActs(structure: "carteville") { nodes { kind } } }'
    assert [act["kind"] for act in (await office.town.answers(kinds, token))["identityActs"]["nodes"]] == [
        "WITHDRAW_ANNOUNCEMENT", "CHANGE_ANNOUNCEMENT", "PUBLISH_ANNOUNCEMENT", "CHANGE_ANNOUNCEMENT", "PUBLISH_ANNOUNCEMENT",
    ]  # fmt: skip


async def test_an_agents_words_stand_until_the_file_has_others(office: Office) -> None:
    one = await office.town.announces("Rentrée", "Bonjours", NOW)
    await office.does("changeAnnouncement", announcement=one, body="Bonjour")
    await office.town.announces("Rentrée", "Bonjours", NOW)
    token = (await office.town.signs_in())["accessToken"]
    (seen,) = (await office.town.answers(HOME, token))["me"]["families"][0]["structure"]["announcements"]
    assert seen["body"] == "Bonjour"


async def test_one_that_is_withdrawn_or_over_before_its_day_is_never_told(office: Office) -> None:
    one = await office.publishes("Annulée", publishAt=text(NOW + DAY))
    await office.does("withdrawAnnouncement", announcement=one["id"], reason="Annulée")
    await office.publishes("Passée", publishAt=text(NOW + DAY), endsAt=text(NOW + 2 * DAY))
    office.town.later(days=2)
    await office.day_breaks()
    assert await office.told() == []
    assert await office.told("announcement_withdrawn") == [], "no mails, nothing to stop"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"title": ""}, "INVALID_ENTRY"),
        ({"title": "a\nb"}, "INVALID_ENTRY"),
        ({"body": "x" * 10_001}, "INVALID_ENTRY"),
        ({"body": "a\u202eb"}, "INVALID_ENTRY"),
        ({"endsAt": text(NOW)}, "INVALID_ENTRY"),
        ({"publishAt": text(NOW + DAY), "endsAt": text(NOW + DAY)}, "INVALID_ENTRY"),
        ({"publishAt": "0001-01-01T00:00:00Z"}, "INVALID_ENTRY"),
        ({"endsAt": "9999-12-31T23:59:59Z"}, "INVALID_ENTRY"),
        ({"title": "Rentrée"}, "TITLE_TAKEN"),
        ({"reason": "no"}, "REASON_REQUIRED"),
    ],
)
async def test_what_cannot_be_announced_is_refused(office: Office, wrong: dict[str, Any], code: str) -> None:
    await office.publishes("Rentrée")
    assert (await office.publishes(**({"title": "Grève"} | wrong)))["code"] == code
    assert await office.families_see() == ["Rentrée"]


async def test_no_change_leads_out_of_the_calendar(office: Office) -> None:
    one = await office.publishes("Grève", publishAt=text(NOW + DAY))
    for year in ("0001", "1899", "9001", "9999"):
        for name in ("publishAt", "endsAt"):
            refused = await office.does("changeAnnouncement", announcement=one["id"], **{name: f"{year}-06-01T00:00:00Z"})
            assert (refused["code"], "1900" in refused["message"]) == ("INVALID_ENTRY", True)
    last = await office.does("changeAnnouncement", announcement=one["id"], publishAt="1900-01-01T00:00:00Z", endsAt="9000-12-31T00:00:00Z")
    assert last["state"] == "IN_FORCE"


async def test_an_order_is_the_same_whether_or_not_there_was_a_word_on_who_sees_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was ordered of a release that knew families alone is answered, and not refused, when it is ordered again of this one."""
    heard: list[list[object]] = []
    once = office_rules.once

    async def listening(*order: Any) -> str:
        heard.append(list(order[4]))
        return await once(*order)

    monkeypatch.setattr(office_rules, "once", listening)
    one = await office.publishes("Grève")
    await office.publishes("Fête", public=False)
    await office.publishes("Foire", public=True)
    for public in ({}, {"public": None}, {"public": False}, {"public": True}):
        await office.does("changeAnnouncement", announcement=one["id"], body="Lundi", **public)
    assert heard == [
        ["PUBLISH", "Grève", "Grève !", None, (None,), False],
        ["PUBLISH", "Fête", "Fête !", None, (None,), False],
        ["PUBLISH", "Foire", "Foire !", None, (None,), False, True],
        *[["CHANGE", one["id"], None, "Lundi", None, None, None, *said] for said in ([], [], [False], [True])],
    ]


async def test_agents_turn_pages_and_families_do_not(office: Office) -> None:
    for title, day in (("Trois", 3), ("Un", 1), ("Deux", 2)):
        await office.publishes(title, publishAt=text(NOW + day * DAY))
    first = await office.sees(first=2)
    assert ([one["title"] for one in first["nodes"]], first["hasNextPage"]) == (["Trois", "Deux"], True)
    rest = await office.sees(first=2, after=first["endCursor"])
    assert ([one["title"] for one in rest["nodes"]], rest["hasNextPage"]) == (["Un"], False)
    for bearer in ((await office.town.signs_in())["accessToken"], None):
        assert (await office.town.asked(OF, bearer))[1]


async def test_s2_everybody_sees_what_is_in_force_and_for_everybody_and_nothing_else(office: Office) -> None:
    await office.town.puts(NEIGHBOUR)
    await office.publishes("Aux familles")
    await office.publishes("Finie", public=True, publishAt=text(NOW - 9 * DAY), endsAt=text(NOW + DAY))
    await office.publishes("À venir", public=True, publishAt=text(NOW + 2 * DAY))
    gone = await office.publishes("Retirée", public=True)
    await office.does("withdrawAnnouncement", announcement=gone["id"], reason="Erreur")
    await office.publishes("Ouverte", public=True, publishAt=text(NOW - DAY))
    await office.town.announces("Ailleurs", "Autre mairie", NOW - 2 * DAY, "autreville", public=True)
    await office.town.announces("Aux siens", "Autre mairie", NOW, "autreville")
    tokens = [(await office.town.signs_in(*who))["accessToken"] for who in ((), ("agent", AGENT_PASSWORD))]
    for token in (None, *tokens):
        assert await office.everybody_sees(token) == ["Ouverte", "Ailleurs", "Finie"], "the newest first, whoever asks"
        of = [await office.everybody_sees(token, structure=one) for one in ("carteville", "autreville", "nowhere", "")]
        assert of == [["Ouverte", "Finie"], ["Ailleurs"], [], []]
    (newest,) = (await office.town.answers(DOOR, first=1))["publicAnnouncements"]
    assert newest == {
        "title": "Ouverte", "body": "Ouverte !", "publishedAt": "2026-11-22T07:00:00Z", "endsAt": None, "structure": "carteville",
        "structureName": "Mairie de CarteVille", "timezone": "Europe/Paris",
    }  # fmt: skip
    office.town.later(days=1)
    assert await office.everybody_sees() == ["Ouverte", "Ailleurs"], "it has ended"
    office.town.later(days=1)
    assert await office.everybody_sees() == ["À venir", "Ouverte", "Ailleurs"], "its day has come"


async def test_what_everybody_sees_is_changed_at_once_and_stands_in_the_journal(office: Office) -> None:
    one = await office.publishes("Grève")
    for public in (True, False, None):
        changed = await office.does("changeAnnouncement", announcement=one["id"], public=public)
        assert (changed["title"], await office.everybody_sees()) == ("Grève", ["Grève"] if public else [])
    token = (await office.town.signs_in("agent", AGENT_PASSWORD))["accessToken"]
    acts = '{ identityActs(structure: "carteville") { nodes { details { name before after } } } }'
    changes = [act["details"] for act in (await office.town.answers(acts, token))["identityActs"]["nodes"]]
    assert changes[0] == [{"name": "public", "before": "true", "after": "false"}]
    assert changes[1] == [{"name": "public", "before": "false", "after": "true"}]
    assert len(changes) == 3, "what changes nothing is no act"
    assert {"name": "public", "before": None, "after": "false"} in changes[2]


async def test_what_the_towns_file_shows_everybody_an_agent_may_keep_back(office: Office) -> None:
    one = await office.town.announces("Rentrée", "Bonjour", NOW, public=True)
    assert await office.everybody_sees() == ["Rentrée"]
    await office.does("changeAnnouncement", announcement=one, public=False)
    for said, seen in ((True, False), (None, False), (True, True), (None, True), (False, False)):
        await office.town.announces("Rentrée", "Bonjour", NOW, public=said)
        assert await office.everybody_sees() == (["Rentrée"] if seen else []), said


async def test_everybody_sees_the_newest_few_and_no_page_of_all(office: Office) -> None:
    for day in range(25):
        await office.town.announces(f"{day}", "Bonjour", NOW - day * DAY, public=True)
    titles = [f"{day}" for day in range(25)]
    for asked, seen in (({}, 5), ({"first": None}, 5), ({"first": 0}, 0), ({"first": 20}, 20)):
        assert await office.everybody_sees(**asked) == titles[:seen]
    for first in (21, -1):
        data, errors = await office.town.asked(DOOR, language="en", first=first)
        assert (data, "from 0 to 20" in str(errors)) == (None, True)


def test_how_an_announcement_stands() -> None:
    one = Announcement(id="a", structure_id="s", title="t", body="b", published_at=NOW, ends_at=NOW + DAY)
    second = dt.timedelta(seconds=1)
    stands = [(state_of(one, moment)) for moment in (NOW - second, NOW, NOW + DAY - second, NOW + DAY)]
    assert stands == [AnnouncementState.COMING, AnnouncementState.IN_FORCE, AnnouncementState.IN_FORCE, AnnouncementState.ENDED]


async def test_the_process_looks_by_itself(running: RunFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duties, "ANNOUNCE_SECONDS", 0.05)
    identity = await running("identity")
    town = Town(identity)
    await town.puts(CARTEVILLE)
    one = await town.announces("Rentrée", "Bonjour", identity.clock.now())

    async def told() -> bool:
        return [json.loads(event.body)["announcement"] for event in await town.events("announcement_published")] == [one]

    await until(told)
