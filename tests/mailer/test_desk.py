"""What agents see of their structure's mails, and do about them."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import select

from services.claims import Caller
from services.clock import Clock
from services.events import ContactsChanged, Event, MailerLooksTaken
from services.graphql import Context
from services.mailer.invariants import violations
from services.mailer.schema import schema
from services.mailer.standing import Problem, Standing, problem_of, without_addresses
from services.mailer.tables import Act, MailState
from services.mailer.viewing import LOG
from services.outbox import Outgoing
from services.service import Running
from tests.mailer.conftest import (
    NOW,
    Mailroom,
    adult,
    announcement_due,
    announcement_withdrawn,
    balance_low,
    decided,
    family_of,
    payment_received,
    place_given,
    reset_link,
)
from tests.mailer.mail_server import MailServer

MAILS = """query ($structure: ID!, $standing: [MailStanding!], $first: Int, $after: String) {
  mails(structure: $structure, standing: $standing, first: $first, after: $after) { endCursor hasNextPage nodes {
    id kind kindName standing problem why serverSaid address subject attempts nextAttemptAt sentAt toBeCorrected family { id } } } }"""
COUNTS = "query ($structure: ID!) { mailCounts(structure: $structure) { waiting failed givenUp noAddress withdrawn } }"
ACTS = "query ($structure: ID!) { mailActs(structure: $structure) { nodes { kind account mail family { id } agent { id } } } }"
AGAIN = "mutation ($mail: ID!) { done: sendMailAgain(mail: $mail) { ... on Mail { standing address } ... on Refusal { code message } } }"
GIVE_UP = "mutation ($mail: ID!) { done: giveUpMail(mail: $mail) { ... on Mail { standing } ... on Refusal { code message } } }"
UNKNOWN = "550 5.1.1 <jp.dupont@example.org>: user unknown"
AGENT = Caller("anne", "s", {}, frozenset({"carteville"}), "fr", 9e9)
OTHERS = {
    "an agent of another town": Caller("eve", "s", {}, frozenset({"autreville"}), "fr", 9e9),
    "the family itself": Caller("dupont", "s", {"dupont": "carteville"}, frozenset(), "fr", 9e9),
    "an operator": Caller("op", "s", {}, frozenset(), "fr", 9e9, operator=True),
    "nobody": None,
}


@dataclass
class Desk(Mailroom):
    """The mailer's tables, and whoever asks its subgraph."""

    running: Running

    def __post_init__(self) -> None:
        super().__init__(self.running.database)

    async def asked(self, query: str, caller: Caller | None = AGENT, language: str = "fr", **variables: Any) -> Any:
        """The one field's value, or the codes of the errors."""
        self.running.clock = Clock(frozen_at=self.now)
        context = Context(self.running, caller, language)  # type: ignore[arg-type]  # fr or en
        result = await schema.execute(query, variable_values={"structure": "carteville", **variables}, context_value=context)
        if result.errors:
            return [getattr(error.original_error, "code", repr(error)) for error in result.errors]
        (value,) = (result.data or {}).values()
        return value

    async def listed(self, *standing: Standing, **more: Any) -> list[Mapping[str, Any]]:
        chosen = {"standing": list(standing)} if standing else {}
        found: list[Mapping[str, Any]] = (await self.asked(MAILS, **chosen, **more))["nodes"]
        return found

    async def has(self, *events: Event) -> None:
        await self.knows_the_town()
        await self.hears(*events)


@pytest.fixture
async def desk(running: Callable[..., Awaitable[Running]]) -> Desk:
    return Desk(await running("mailer", start=False))


def moved(email: str | None, version: int = 2) -> ContactsChanged:
    return family_of(adult(email=email), version=version)


@pytest.mark.parametrize(
    ("standing", "words", "problem"),
    [
        (Standing.GIVEN_UP, UNKNOWN, Problem.ADDRESS_REFUSED),
        (Standing.GIVEN_UP, "553 no", Problem.ADDRESS_REFUSED),
        (Standing.GIVEN_UP, "554 5.7.1 spam", Problem.REFUSED),
        (Standing.FAILED, "451 greylisted", Problem.NOT_NOW),
        (Standing.FAILED, "SMTPServerDisconnected('gone')", Problem.UNREACHABLE),
        (Standing.NO_ADDRESS, None, Problem.ADDRESS_MISSING),
        (Standing.SENT, "451 first", None),
        (Standing.GIVEN_UP, None, None),
    ],
)
def test_what_is_wrong_is_read_from_what_the_mail_server_said(standing: Standing, words: str | None, problem: Problem | None) -> None:
    assert problem_of(standing, words) is problem


def test_the_mail_servers_words_name_nobody() -> None:
    assert without_addresses(UNKNOWN) == "550 5.1.1 j***@example.org : user unknown"
    assert without_addresses("550 to:jp.dupont@example.org,\r\n x") == "550 to:j***@example.org, x"
    assert len(without_addresses("550 " + "x" * 2000)) == 300


async def test_agents_see_what_waits_fails_and_was_given_up_with_the_reason_and_no_whole_address(
    desk: Desk, post_office: MailServer
) -> None:
    await desk.has(decided(request="r1"))
    (mail,) = await desk.listed(Standing.WAITING)
    assert (mail["standing"], mail["kindName"], mail["problem"]) == ("WAITING", "compte rendu", None)
    post_office.refused["jp.dupont@example.org"] = "451 try later"
    await desk.sends(post_office.url)
    (mail,) = await desk.listed()
    assert (mail["standing"], mail["problem"], mail["attempts"]) == ("FAILED", "NOT_NOW", 1)
    assert mail["nextAttemptAt"] == "2026-11-23T08:01:00Z"
    post_office.refused["jp.dupont@example.org"] = UNKNOWN
    await desk.waits(minutes=2)
    await desk.sends(post_office.url)
    (mail,) = await desk.listed()
    assert mail == {
        **mail,
        "kind": "REPORT",
        "standing": "GIVEN_UP",
        "problem": "ADDRESS_REFUSED",
        "why": "Le serveur du destinataire ne connaît pas cette adresse.",
        "address": "j***@example.org",
        "subject": "Compte rendu de vos demandes de réservation : Mairie de CarteVille",
        "nextAttemptAt": None,
        "toBeCorrected": True,
        "family": {"id": "dupont"},
    }
    assert "jp.dupont" not in str(mail)
    assert await desk.asked(COUNTS) == {"waiting": 0, "failed": 0, "givenUp": 1, "noAddress": 0, "withdrawn": 0}


async def test_who_has_no_address_is_seen_and_a_childs_name_is_not(desk: Desk) -> None:
    await desk.has(moved(None), place_given())
    (mail,) = await desk.listed()
    assert (mail["standing"], mail["problem"], mail["address"], mail["toBeCorrected"]) == ("NO_ADDRESS", "ADDRESS_MISSING", None, True)
    await desk.hears(moved("jp@example.org", version=3), place_given(booking="b2"))
    (mail,) = await desk.listed(Standing.WAITING)
    assert mail["subject"] == "place obtenue"
    (english,) = (await desk.asked(MAILS, language="en", standing=["NO_ADDRESS"]))["nodes"]
    assert english["why"] == "Nobody in the family has an e-mail address."


async def test_an_announcement_leads_to_the_family_whose_address_is_wrong(desk: Desk, post_office: MailServer) -> None:
    await desk.has(announcement_due())
    await desk.announces()
    post_office.refused["jp.dupont@example.org"] = UNKNOWN
    await desk.sends(post_office.url)
    (mail,) = await desk.listed()
    assert (mail["kind"], mail["family"]) == ("ANNOUNCEMENT", {"id": "dupont"})
    await desk.hears(moved("right@example.org"))
    again = await desk.asked(AGAIN, mail=mail["id"])
    assert again == {"standing": "WAITING", "address": "r***@example.org"}


async def test_sent_again_it_goes_to_the_address_of_today_once_and_patience_begins_anew(desk: Desk, post_office: MailServer) -> None:
    await desk.has(decided())
    post_office.refused["jp.dupont@example.org"] = UNKNOWN
    await desk.sends(post_office.url)
    (mail,) = await desk.listed()
    await desk.waits(days=10)
    await desk.hears(moved("right@example.org"))
    for _ in range(2):
        assert await desk.asked(AGAIN, mail=mail["id"]) == {"standing": "WAITING", "address": "r***@example.org"}
    post_office.refused["right@example.org"] = "451 not now"
    await desk.sends(post_office.url)
    assert await desk.states() == [MailState.QUEUED], "ten days are no reason to give up what an agent sent again just now"
    assert await desk.asked(AGAIN, mail=mail["id"]) == {"standing": "WAITING", "address": "r***@example.org"}, "not in a minute: now"
    post_office.refused.clear()
    await desk.sends(post_office.url)
    assert [to for to, _ in post_office.taken] == [("right@example.org",)]
    assert await desk.asked(AGAIN, mail=mail["id"]) == {
        "code": "MAIL_NOT_SENDABLE",
        "message": "Ce courrier est parti : il ne se renvoie pas.",
    }
    acts = (await desk.asked(ACTS))["nodes"]
    assert acts[0] == {
        "kind": "SEND_MAIL_AGAIN",
        "account": "anne",
        "mail": mail["id"],
        "family": {"id": "dupont"},
        "agent": {"id": "carteville/anne"},
    }
    assert len(acts) == 2, "once each"
    async with desk.database.reading() as session:
        assert await violations(session) == []


async def test_what_cannot_be_sent_again_says_why(desk: Desk, post_office: MailServer) -> None:
    await desk.has(reset_link(), decided(), balance_low())
    post_office.refused["jp.dupont@example.org"] = UNKNOWN
    await desk.sends(post_office.url)
    by_kind = {mail["kind"]: mail["id"] for mail in await desk.listed()}
    link = await desk.asked(AGAIN, mail=by_kind["PASSWORD_LINK"])
    assert (link["code"], "lien" in link["message"]) == ("MAIL_NOT_SENDABLE", True)
    await desk.hears(moved(None))
    nowhere = await desk.asked(AGAIN, mail=by_kind["REPORT"])
    assert (nowhere["code"], "dossier" in nowhere["message"]) == ("MAIL_NOT_SENDABLE", True)
    await desk.hears(decided(request="r2"))
    (unaddressed,) = await desk.listed(Standing.NO_ADDRESS)
    assert (await desk.asked(AGAIN, mail=unaddressed["id"]))["code"] == "MAIL_NOT_SENDABLE"
    await desk.hears(moved("right@example.org", version=3), announcement_due())
    await desk.announces()
    await desk.hears(announcement_withdrawn())
    (withdrawn,) = await desk.listed(Standing.WITHDRAWN)
    assert (await desk.asked(AGAIN, mail=withdrawn["id"]))["message"].startswith("L’annonce a été retirée")
    assert (await desk.asked(ACTS))["nodes"] == [], "nothing was done"


async def test_given_up_it_is_not_tried_any_more_until_it_is_sent_again(desk: Desk, post_office: MailServer) -> None:
    await desk.has(decided(), reset_link())
    by_kind = {mail["kind"]: mail["id"] for mail in await desk.listed(Standing.WAITING)}
    for mail in by_kind.values():
        for _ in range(2):
            assert await desk.asked(GIVE_UP, mail=mail) == {"standing": "WITHDRAWN"}
    await desk.sends(post_office.url)
    assert (post_office.taken, await desk.told()) == ([], [])
    async with desk.database.reading() as session:
        assert await violations(session) == [], "a link is kept no longer"
    assert await desk.asked(AGAIN, mail=by_kind["REPORT"]) == {"standing": "WAITING", "address": "j***@example.org"}
    await desk.sends(post_office.url)
    assert (await desk.asked(GIVE_UP, mail=by_kind["REPORT"]))["code"] == "MAIL_NOT_WAITING"
    assert [act["kind"] for act in (await desk.asked(ACTS))["nodes"]] == ["SEND_MAIL_AGAIN", "GIVE_UP_MAIL", "GIVE_UP_MAIL"]


async def test_what_is_given_up_while_it_is_being_sent_is_sent_or_is_not(desk: Desk, post_office: MailServer) -> None:
    """S37 holds: a report that went out all the same counts as sent, and is not sent again."""
    await desk.has(decided())
    (mail,) = await desk.listed(Standing.WAITING)
    post_office.gate.clear()
    sending = asyncio.create_task(desk.sends(post_office.url))
    await post_office.is_knocked_at()
    assert await desk.asked(GIVE_UP, mail=mail["id"]) == {"standing": "WITHDRAWN"}
    post_office.gate.set()
    await sending
    assert (await desk.states(), len(post_office.taken)) == ([MailState.SENT], 1)


async def test_a_receipt_goes_again_where_whoever_paid_wanted_it(desk: Desk, post_office: MailServer) -> None:
    await desk.has(payment_received(email="office@example.org"))
    post_office.refused["office@example.org"] = UNKNOWN
    await desk.sends(post_office.url)
    (mail,) = await desk.listed()
    assert await desk.asked(AGAIN, mail=mail["id"]) == {"standing": "WAITING", "address": "o***@example.org"}


async def test_pages_go_on_where_the_one_before_ended_whatever_they_hold(desk: Desk) -> None:
    await desk.has(moved(None))
    for number in range(3):
        await desk.waits(minutes=number)
        await desk.hears(decided(request=f"a{number}"), decided(request=f"b{number}"))
    await desk.hears(moved("jp@example.org", version=3), decided(request="c"))
    wanted = ["WAITING", "NO_ADDRESS", "SENT", "NO_ADDRESS"]
    whole = [mail["id"] for mail in (await desk.asked(MAILS, standing=wanted))["nodes"]]
    paged, after = [], None
    for _ in range(9):
        page = await desk.asked(MAILS, standing=wanted, first=2, after=after)
        paged += [mail["id"] for mail in page["nodes"]]
        after = page["endCursor"]
        if not page["hasNextPage"]:
            break
    assert (paged, len(paged)) == (whole, 7)
    assert (await desk.asked(MAILS, first=0))["endCursor"] is not None
    assert await desk.asked(MAILS, after="nonsense") == ["BAD_USER_INPUT"]


@pytest.mark.parametrize("who", OTHERS)
async def test_whoever_is_no_agent_of_the_town_sees_and_does_nothing(desk: Desk, who: str) -> None:
    await desk.has(decided())
    (mail,) = await desk.listed(Standing.WAITING)
    refused = ["UNAUTHENTICATED" if who == "nobody" else "FORBIDDEN"]
    for query in (MAILS, COUNTS, ACTS):
        assert await desk.asked(query, OTHERS[who]) == refused
    for query in (AGAIN, GIVE_UP):
        assert await desk.asked(query, OTHERS[who], mail=mail["id"]) == refused
        assert await desk.asked(query, OTHERS[who], mail="nobodys") == refused
    assert await desk.states() == [MailState.QUEUED]


async def test_which_familys_mails_were_seen_is_told(desk: Desk) -> None:
    await desk.has(decided())
    await desk.listed(Standing.WAITING)
    await LOG.of(desk.running).write()
    async with desk.database.reading() as session:
        (told,) = (await session.exec(select(Outgoing.body).where(Outgoing.type == MailerLooksTaken.type_name()))).all()
    assert '"what":"MAILS"' in told
    assert '"family":"dupont"' in told


async def test_the_trail_only_grows(desk: Desk) -> None:
    await desk.has(decided())
    (mail,) = await desk.listed(Standing.WAITING)
    await desk.asked(GIVE_UP, mail=mail["id"])
    for deed in ("UPDATE act SET account = 'eve'", "DELETE FROM act"):
        with pytest.raises(DBAPIError, match="only grows"):
            async with desk.database.transaction() as session:
                await (await session.connection()).execute(text(deed))
    async with desk.database.transaction() as session:
        session.add(Act(structure="carteville", account="eve", at=NOW + dt.timedelta(1), kind="GIVE_UP_MAIL", seal="made up"))
    async with desk.database.reading() as session:
        assert [sentence for sentence in await violations(session) if sentence.startswith("act ")]
