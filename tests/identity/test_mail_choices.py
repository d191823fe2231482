"""S7: which mails an adult wants, and the profile that says where mails do not arrive."""

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import pytest

from services.events import Event, MailFailed, MailSent
from services.identity.app import service
from services.identity.tables import Account
from services.listening import react
from tests.facts import until
from tests.identity.town import AGENT, CARTEVILLE, DUPONT, DUPONTS, NOW, RunFixture, Town
from tests.mailer.mail_server import mail_server

ME = "{ me { email reports announcementsByMail undeliverable } }"
REPORTS = "mutation ($wanted: ReportsWanted!) { setReports(wanted: $wanted) { reports announcementsByMail } }"
ASK = "mutation ($login: String!) { requestPasswordReset(login: $login) }"
SPEAK = """mutation ($wanted: String!) { setLanguage(wanted: $wanted) {
    ... on Account { language } ... on Refusal { code message } } }"""
ANNOUNCEMENTS = "mutation ($wanted: Boolean!) { setAnnouncementsByMail(wanted: $wanted) { reports announcementsByMail } }"


async def hears(town: Town, *events: Event) -> None:
    async with town.running.database.transaction("reaction") as session:
        await react(service, session, events, town.running.clock)


async def account_of(town: Town) -> str:
    return str((await town.signs_in())["account"]["id"])


def mail(kind: type[MailFailed] | type[MailSent], account: str, at: int = 0, **more: Any) -> MailFailed | MailSent:
    about = {"structure": "carteville", "mail": "m", "kind": "report", "attempts": 1, "account": account}
    return kind(occurred_at=NOW + dt.timedelta(minutes=at), **about | more)


async def undeliverable(town: Town) -> str | None:
    since: str | None = (await town.answers(ME, (await town.signs_in())["accessToken"]))["me"]["undeliverable"]
    return since


async def test_s7_an_adult_chooses_one_report_a_day_and_the_mailer_is_told(running: RunFixture) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    me = (await town.answers(ME, token))["me"]
    assert (me["reports"], me["announcementsByMail"]) == ("AT_ONCE", True)
    before = await town.events("contacts_changed")
    assert (await town.answers(REPORTS, token, wanted="AT_ONCE"))["setReports"]["reports"] == "AT_ONCE"
    assert len(await town.events("contacts_changed")) == len(before), "nothing changed"

    assert (await town.answers(REPORTS, token, wanted="DAILY"))["setReports"] == {"reports": "DAILY", "announcementsByMail": True}
    assert (await town.answers(ANNOUNCEMENTS, token, wanted=False))["setAnnouncementsByMail"] == {
        "reports": "DAILY",
        "announcementsByMail": False,
    }
    told = [json.loads(event.body) for event in await town.events("contacts_changed")][len(before) :]
    assert [(one["adults"][0]["reports"], one["adults"][0]["announcements"]) for one in told] == [("daily", True), ("daily", False)]
    assert told[0]["version"] < told[1]["version"]
    me = (await town.answers(ME, token))["me"]
    assert (me["reports"], me["announcementsByMail"]) == ("DAILY", False)


async def test_s7_an_adult_chooses_the_language_of_mails_and_the_towns_file_undoes_it_only_by_saying_otherwise(running: RunFixture) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    before = len(await town.events("contacts_changed"))
    for _ in range(2):
        assert (await town.answers(SPEAK, token, wanted="en"))["setLanguage"] == {"language": "en"}
    assert (await town.answers(SPEAK, token, wanted="de"))["setLanguage"]["code"] == "INVALID_ENTRY"
    (told,) = [json.loads(event.body) for event in (await town.events("contacts_changed"))[before:]]
    assert told["adults"][0]["language"] == "en"
    await town.answers(ASK, login="dupont")
    assert json.loads((await town.events("reset_link_made"))[-1].body)["language"] == "en"

    async def after(said: str) -> str:
        await town.puts(replace(DUPONT, language=said))
        return str((await town.answers("{ me { language } }", (await town.signs_in())["accessToken"]))["me"]["language"])

    assert await after("fr") == "en", "as it said before"
    assert await after("en") == "en"
    assert await after("fr") == "fr", "it says otherwise now"


async def test_nobody_chooses_for_another_or_after_signing_out(running: RunFixture) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    await town.answers("mutation { signOut }", token)
    for bearer in (None, token):
        for text, wanted in ((REPORTS, {"wanted": "DAILY"}), (SPEAK, {"wanted": "en"})):
            _, errors = await town.asked(text, bearer, **wanted)
            assert errors is not None
    assert all(json.loads(event.body)["adults"][0]["reports"] == "at_once" for event in await town.events("contacts_changed"))


async def test_s7_the_profile_says_since_when_mails_come_back_until_one_arrives(running: RunFixture) -> None:
    town = await Town.of(running)
    account = await account_of(town)
    assert await undeliverable(town) is None
    await hears(town, mail(MailFailed, account, at=0), mail(MailFailed, account, at=5))
    await hears(town, mail(MailFailed, account, at=9))
    assert await undeliverable(town) == "2026-11-23T07:00:00Z"
    await hears(town, mail(MailSent, account, at=10))
    assert await undeliverable(town) is None


@pytest.mark.parametrize(
    ("kinds", "fails"),
    [((MailFailed, MailSent), False), ((MailSent, MailFailed), True), ((MailFailed, MailSent, MailFailed), True)],
)
async def test_of_what_is_heard_together_the_last_counts(
    running: RunFixture, kinds: tuple[type[MailFailed] | type[MailSent], ...], fails: bool
) -> None:
    town = await Town.of(running)
    account = await account_of(town)
    await hears(town, *(mail(kind, account, at=number) for number, kind in enumerate(kinds)))
    assert (await undeliverable(town) is not None) is fails


async def test_mails_to_other_addresses_and_other_people_say_nothing(running: RunFixture) -> None:
    town = await Town.of(running)
    account = await account_of(town)
    await hears(town, mail(MailFailed, account, own_address=False), mail(MailFailed, "nobody"), mail(MailFailed, ""))
    assert await undeliverable(town) is None
    await hears(town, mail(MailFailed, account))
    await hears(town, mail(MailSent, account, own_address=False), mail(MailSent, "agent"))
    assert await undeliverable(town) is not None


async def test_another_address_is_believed_until_it_fails(running: RunFixture) -> None:
    town = await Town.of(running)
    account = await account_of(town)
    await hears(town, mail(MailFailed, account))
    async with town.running.database.transaction() as session:
        (await session.get_one(Account, account)).email = "new@example.org"
    assert await undeliverable(town) is None
    await hears(town, mail(MailFailed, account, at=7))
    assert await undeliverable(town) == "2026-11-23T07:07:00Z"


async def test_s7_a_letter_that_the_mail_server_refuses_shows_in_the_profile_until_one_is_taken(running: RunFixture) -> None:
    """From identity to the mailer to a real mail server, and back."""
    town = Town(await running("identity"))
    await town.puts(CARTEVILLE, DUPONT, AGENT, DUPONTS)
    async with mail_server() as server:
        mailer = await running("mailer", smtp_url=server.url)
        server.refused["jp.dupont@example.org"] = "550 no such user"
        await town.answers(ASK, login="dupont")
        town.running.outbox_written()

        async def comes_back() -> bool:
            return await undeliverable(town) is not None

        async def arrives() -> bool:
            return await undeliverable(town) is None

        await until(comes_back)
        server.refused.clear()
        await town.answers(ASK, login="dupont")
        town.running.outbox_written()
        await server.has(1)
        await until(arrives)
        await mailer.stop()
