"""S35: a child's calendar by its secret link, and the follow-up as a file. Whoever has the link has the file; nobody else does."""

import asyncio
import csv
import datetime as dt
import io
import json
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from icalendar import Calendar
from pypdf import PdfReader
from starlette.applications import Starlette

from services import documents
from services.booking import commands, files
from services.booking.files import ROUTES
from services.clock import Clock
from services.events import StructureChanged
from services.files import LINK_LASTS, links_of
from services.links import Links, new_key
from tests.booking.screens import AGENT, DUPONT, DURAND, NOW, OTHER_AGENT, Screens, entities, screens, signed_in
from tests.booking.test_activity import APS_MATIN
from tests.booking.test_schema_drafts import line
from tests.booking.test_schema_requests import submits
from tests.booking.town import at_work

__all__ = ["screens"]

CANTINE = replace(APS_MATIN, id="cantine", name="=Restauration", capacity=1, waiting_list=1)
DAY = dt.date(2026, 9, 14)
LINK = "__typename ... on FileLink { url expiresAt } ... on Refusal { code message }"
RENEW = """mutation ($child: ID!, $title: String) { renewCalendarFeed(child: $child, title: $title) {
  ... on CalendarFeed { url createdAt } ... on Refusal { code } } }"""
REVOKE = "mutation ($child: ID!) { revokeCalendarFeed(child: $child) { ... on CalendarFeedRevoked { revoked } ... on Refusal { code } } }"


@pytest.fixture
async def carteville(screens: Screens) -> AsyncIterator[Screens]:
    """With the allocator at work, and no broker to take leave of."""
    await screens.opens(APS_MATIN, CANTINE)
    await screens.household("dupont", "amalia", "paolo")
    await screens.household("durand", "zoe")
    await screens.enrolls("amalia", "aps-matin", "cantine")
    await screens.enrolls("paolo", "aps-matin", "cantine")
    await screens.enrolls("zoe", "cantine", family="durand")
    async with at_work(screens):
        yield screens


async def fetch(town: Screens, url: str, **headers: str) -> httpx2.Response:
    """As a browser does, at booking's own door."""
    app = Starlette(routes=ROUTES)
    app.state.running = town.running
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=town.running.settings.public_url) as client:
        return await client.get(url, headers={name.replace("_", "-"): value for name, value in headers.items()})


async def renews(town: Screens, child: str = "amalia", caller: Any = DUPONT, **more: Any) -> str:
    found = await town.asks(RENEW, caller, variables={"child": child, **more.pop("variables", {})}, **more)
    url: str = found["renewCalendarFeed"]["url"]
    return url


def events(answer: httpx2.Response) -> list[tuple[str, str, str]]:
    assert answer.status_code == 200, answer.text
    calendar = Calendar.from_ical(answer.content)
    return [(str(one["summary"]), f"{one.decoded('dtstart'):%d/%m %H:%M}", str(one["status"])) for one in calendar.walk("VEVENT")]


# -------------------------------------------------------------------------------------------------------------- calendars
async def test_s35_a_childs_calendar_shows_what_stands_and_only_that(carteville: Screens) -> None:
    await carteville.has_booked("zoe", "cantine", DAY, family="durand")
    await submits(carteville, line("BOOK", "amalia", "aps-matin", 15), line("BOOK", "amalia", "cantine", 14))
    await submits(carteville, line("BOOK", "amalia", "aps-matin", 17), line("BOOK", "paolo", "aps-matin", 18), key="2")
    await submits(carteville, line("CANCEL", "amalia", "aps-matin", 17), line("BOOK", "amalia", "aps-matin", 16), key="3")
    answer = await fetch(carteville, await renews(carteville))
    assert events(answer) == [("=Restauration", "14/09 07:30", "TENTATIVE"), ("APS MATIN", "15/09 07:30", "CONFIRMED")]
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert answer.headers["cache-control"].startswith("private")
    assert b"amalia" not in answer.content.lower()


async def test_s35_months_ago_is_not_shown_any_more(carteville: Screens) -> None:
    await carteville.opens(replace(APS_MATIN, opens_on=dt.date(2026, 1, 1)))
    await carteville.has_booked("amalia", "aps-matin", dt.date(2026, 6, 30), dt.date(2026, 7, 2), DAY)
    assert [day for _, day, _ in events(await fetch(carteville, await renews(carteville)))] == ["02/07 07:30", "14/09 07:30"]


async def test_s35_what_did_not_change_is_not_sent_again(carteville: Screens) -> None:
    url = await renews(carteville)
    await submits(carteville, line("BOOK", "amalia", "aps-matin", 15))
    first = await fetch(carteville, url)
    again = await fetch(carteville, url, if_none_match=f'"other", W/{first.headers["etag"]}')
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    await submits(carteville, line("CANCEL", "amalia", "aps-matin", 15), key="2")
    changed = await fetch(carteville, url, if_none_match=first.headers["etag"])
    assert events(changed) == []


async def test_s35_of_links_that_are_made_at_once_the_last_one_opens(carteville: Screens) -> None:
    urls = await asyncio.gather(*(renews(carteville) for _ in range(8)))
    assert sorted([(await fetch(carteville, url)).status_code for url in urls]) == [200] + 7 * [404]


async def test_s35_the_link_is_told_once_renewed_and_revoked(carteville: Screens) -> None:
    feed = "calendarFeed { url createdAt }"
    assert (await carteville.of_child("amalia", feed))["calendarFeed"] is None
    first = await renews(carteville)
    assert (await carteville.of_child("amalia", feed))["calendarFeed"] == {"url": None, "createdAt": "2026-09-01T06:00:00Z"}
    second = await renews(carteville, variables={"title": " Amalia "}, language="en")
    assert (await fetch(carteville, first)).status_code == 404
    assert b"X-WR-CALNAME:Amalia\r\n" in (await fetch(carteville, second)).content
    for revoked in (True, False):
        assert (await carteville.asks(REVOKE, variables={"child": "amalia"}))["revokeCalendarFeed"] == {"revoked": revoked}
    assert (await fetch(carteville, second)).status_code == 404
    assert (await carteville.of_child("amalia", feed))["calendarFeed"] is None


async def test_s35_the_secret_itself_is_nowhere_in_the_tables(carteville: Screens) -> None:
    secret = (await renews(carteville)).rsplit("/", 1)[1].removesuffix(".ics")
    assert len(secret) >= 32  # of 64 different letters: 192 bits
    async with carteville.running.database.reading() as session:
        connection = await session.connection()
        rows = (await connection.exec_driver_sql("SELECT * FROM calendar_feed")).all()
    assert len(rows) == 1
    assert secret not in str(rows)


async def test_s35_a_child_that_goes_to_another_family_takes_the_links_life_with_it(carteville: Screens) -> None:
    await submits(carteville, line("BOOK", "amalia", "aps-matin", 15))
    url = await renews(carteville)
    await carteville.household("durand", "zoe", "amalia")
    assert (await fetch(carteville, url)).status_code == 404
    assert (await carteville.of_child("amalia", "calendarFeed { createdAt }", DURAND))["calendarFeed"] is None
    # Who has the child now makes a link of their own. What the others had booked is the others' business.
    assert events(await fetch(carteville, await renews(carteville, caller=DURAND))) == []
    assert (await carteville.asks(REVOKE, variables={"child": "amalia"}))["revokeCalendarFeed"] == {"code": "UNKNOWN_CHILD"}


@pytest.mark.parametrize("wrong", ["x", "a" * 32, "%00", "é", "..", "a" * 5000])
async def test_s35_an_unknown_secret_opens_nothing(carteville: Screens, wrong: str) -> None:
    await renews(carteville)
    answer = await fetch(carteville, f"/ics/{wrong}.ics", accept_language="en")
    assert answer.status_code == 404
    assert "x-wr-calname" not in answer.text.lower()


async def test_s35_only_the_family_makes_or_revokes_the_link_and_the_towns_agent_sees_that_there_is_one(carteville: Screens) -> None:
    url = await renews(carteville)
    for stranger in (DURAND, OTHER_AGENT, AGENT):
        assert (await carteville.asks(RENEW, stranger, variables={"child": "amalia"}))["renewCalendarFeed"] == {"code": "UNKNOWN_CHILD"}
        assert (await carteville.asks(REVOKE, stranger, variables={"child": "amalia"}))["revokeCalendarFeed"] == {"code": "UNKNOWN_CHILD"}
    for query in (RENEW, REVOKE):
        assert await carteville.is_refused(query, None, child="amalia") == "UNAUTHENTICATED"
        assert await carteville.asks(query, variables={"child": "nobody"})
    for stranger in (DURAND, OTHER_AGENT):
        assert await carteville.is_refused(entities("Child", "amalia", "calendarFeed { createdAt }"), stranger) == "FORBIDDEN"
    assert (await carteville.of_child("amalia", "calendarFeed { url createdAt }", AGENT))["calendarFeed"]["url"] is None
    assert (await fetch(carteville, url)).status_code == 200


@pytest.mark.parametrize("title", ["x" * 81, "a\nb", "a\u2028b"])
async def test_s35_a_title_is_one_short_line(carteville: Screens, title: str) -> None:
    assert await carteville.is_refused(RENEW, child="amalia", title=title) == "BAD_USER_INPUT"


# -------------------------------------------------------------------------------------------------------------- follow-up
NAMES = [{"id": "amalia", "firstName": "Amalia"}, {"id": "paolo", "firstName": "+Paolo"}]
OF_FAMILY = "query ($of: [_Any!]!) { _entities(representations: $of) { ... on Family { bookingsFile(%s) { %s } } } }"


async def link(town: Screens, arguments: str = "format: CSV", caller: Any = DUPONT, **more: Any) -> dict[str, Any]:
    """As the gateway asks: with the children's first names, which are identity's."""
    family = {"__typename": "Family", "id": more.pop("family", "dupont"), "children": NAMES}
    data = await town.asks(OF_FAMILY % (arguments, LINK), caller, variables={"of": [family]}, **more)
    found: dict[str, Any] = data["_entities"][0]["bookingsFile"]
    return found


async def rows(town: Screens, url: str) -> list[list[str]]:
    answer = await fetch(town, url)
    assert answer.status_code == 200, answer.text
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""), delimiter=";"))


@pytest.fixture
async def followed(carteville: Screens) -> Screens:
    await carteville.has_booked("zoe", "cantine", DAY, family="durand")
    await submits(
        carteville, line("BOOK", "amalia", "cantine", 14), line("BOOK", "paolo", "aps-matin", 15), line("BOOK", "paolo", "aps-matin", 16)
    )
    return carteville


async def test_s35_the_follow_up_on_paper(followed: Screens) -> None:
    heard = {"structure": "carteville", "version": 1, "title": "Mairie de CarteVille", "timezone": "Pacific/Marquesas", "school_zone": None}
    async with followed.running.database.transaction() as session:
        await commands.hear_structure(session, StructureChanged(occurred_at=NOW, **heard))
    answer = await fetch(followed, (await link(followed, 'format: PDF, from: "2026-09-14", to: "2026-09-15"'))["url"])
    assert answer.headers["content-type"] == "application/pdf"
    text = " ".join(PdfReader(io.BytesIO(answer.content)).pages[0].extract_text().split())
    for part in (
        "Mairie de CarteVille",
        "Réservations",
        "Du 14/09/2026 au 15/09/2026",
        "=Restauration 14/09/2026",
        "Paolo APS MATIN 15/09/2026",
        "Établi le 31/08/2026",
    ):
        assert part in text
    assert "16/09/2026" not in text


async def test_s35_without_the_extra_or_with_too_many_lines_there_is_no_paper(followed: Screens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_ON_PAPER", 2)
    assert (await link(followed, "format: PDF"))["code"] == "TOO_MANY_ROWS"
    assert "url" in await link(followed)
    monkeypatch.setattr(documents, "available", lambda: False)
    assert (await link(followed, "format: PDF"))["code"] == "DOCUMENTS_UNAVAILABLE"


async def test_s35_the_follow_up_as_a_csv_file(followed: Screens) -> None:
    made = await link(followed)
    assert made["expiresAt"] == "2026-09-01T06:05:00Z"
    assert made["url"].endswith("/reservations.csv")
    assert await rows(followed, made["url"]) == [
        ["Numéro", "Enfant", "Activité", "Date", "Arrivée", "Départ", "État", "Rang", "Observation", "Demandée le"],
        ["000002-1", "Amalia", "'=Restauration", "14/09/2026", "07:30", "08:45", "Liste d'attente", "1", "Mise en liste d'attente", "01/09/2026 08:00"],
        ["000002-2", "'+Paolo", "APS MATIN", "15/09/2026", "07:30", "08:45", "Accepté", "", "", "01/09/2026 08:00"],
        ["000002-3", "'+Paolo", "APS MATIN", "16/09/2026", "07:30", "08:45", "Refusé", "", "Activité non ouverte ce jour", "01/09/2026 08:00"],
    ]  # fmt: skip
    answer = await fetch(followed, made["url"])
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="reservations.csv"'
    assert answer.headers["cache-control"] == "private, no-store"


async def test_s35_the_same_filters_as_on_the_screen_and_the_language_of_the_question(followed: Screens) -> None:
    for filtered in (
        'from: "2026-09-15", to: "2026-09-15"',
        'child: "amalia"',
        'activity: "cantine"',
        "status: [REFUSED, EXPIRED]",
        "status: []",
    ):
        file = await rows(followed, (await link(followed, f"format: CSV, {filtered}"))["url"])
        screen = (await followed.of_family("dupont", f"bookings({filtered}) {{ nodes {{ number }} }}"))["bookings"]["nodes"]
        assert [row[0] for row in file[1:]] == [one["number"] for one in screen], filtered
    english = await link(followed, "format: CSV, status: [ACCEPTED]", language="en")
    assert english["url"].endswith("/bookings.csv")
    heading, accepted = await rows(followed, english["url"])
    assert (heading[1], accepted[6]) == ("Child", "Accepted")


async def test_s35_the_follow_up_as_an_xlsx_file(followed: Screens) -> None:
    answer = await fetch(followed, (await link(followed, "format: XLSX"))["url"])
    assert answer.headers["content-disposition"] == 'attachment; filename="reservations.xlsx"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as book:
        words = book.read("xl/sharedStrings.xml").decode()
        assert "<f>" not in book.read("xl/worksheets/sheet1.xml").decode()
    assert all(word in words for word in ("Amalia", "+Paolo", "=Restauration", "Accepté", "000002-3"))


async def test_s35_a_link_is_over_after_five_minutes(followed: Screens) -> None:
    url = (await link(followed))["url"]
    followed.running.clock = Clock(frozen_at=NOW + LINK_LASTS - dt.timedelta(seconds=1))
    assert (await fetch(followed, url)).status_code == 200
    followed.running.clock = Clock(frozen_at=NOW + LINK_LASTS)
    answer = await fetch(followed, url, accept_language="en")
    assert (answer.status_code, answer.text) == (410, "This link has expired. Ask for the file again.\n")


async def test_s35_a_link_that_we_did_not_make_opens_nothing(followed: Screens) -> None:
    real = (await link(followed))["url"].split("/")[-2]
    ours = await links_of(followed.running)
    opened = ours.open(files.BOOKINGS, real, NOW)
    assert opened is not None
    theirs = {**opened.facts, "wanted": ["durand", None, None, None, None, None]}
    stolen = Links(new_key()).seal(files.BOOKINGS, theirs, NOW + LINK_LASTS)
    elsewhere = ours.seal("payments", opened.facts, NOW + LINK_LASTS)
    for wrong in (stolen, elsewhere, real[:-1], real.replace(".", "..", 1), real.split(".")[0], "x", json.dumps(theirs).replace("/", "")):
        assert (await fetch(followed, f"/files/booking/{wrong}/x.csv")).status_code == 404, wrong
    assert (await fetch(followed, f"/files/booking/{real}/x.csv")).status_code == 200


async def test_s35_two_replicas_open_each_others_links(followed: Screens, running: Any) -> None:
    url = (await link(followed))["url"]
    other = await running("booking", clock=followed.running.clock, start=False, url=followed.running.database.url)
    assert len(await rows(Screens(other), url)) == 4


async def test_s35_nobody_makes_a_link_to_what_is_not_theirs(followed: Screens) -> None:
    query = entities("Family", "dupont", f"bookingsFile(format: CSV) {{ {LINK} }}")
    for stranger in (DURAND, OTHER_AGENT, signed_in("nobody")):
        assert await followed.is_refused(query, stranger) == "FORBIDDEN"
    assert await followed.is_refused(query, None) == "UNAUTHENTICATED"
    assert await followed.is_refused(entities("Family", "nobody", f"bookingsFile(format: CSV) {{ {LINK} }}")) == "FORBIDDEN"
    for child in ("zoe", "nobody"):
        assert (await link(followed, f'format: CSV, child: "{child}"'))["code"] == "UNKNOWN_CHILD"
    assert (await link(followed, 'format: CSV, activity: "nothing"'))["code"] == "UNKNOWN_ACTIVITY"
    assert len(await rows(followed, (await link(followed, caller=AGENT))["url"])) == 4


async def test_s35_a_child_without_a_name_is_shown_by_its_id(followed: Screens) -> None:
    """It left the family; or whoever asked did not say."""
    found = (await followed.of_family("dupont", f"bookingsFile(format: CSV) {{ {LINK} }}"))["bookingsFile"]
    assert [row[1] for row in await rows(followed, found["url"])] == ["Enfant", "amalia", "paolo", "paolo"]


async def test_s35_too_many_rows_are_refused_before_there_is_a_link(followed: Screens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_ROWS", 2)
    refused = await link(followed)
    assert (refused["code"], refused["message"][:41]) == ("TOO_MANY_ROWS", "Trop de réservations pour un fichier : 2 ")
    assert (await link(followed, 'format: CSV, child: "paolo"'))["url"]


async def test_names_that_are_asked_of_booking_itself_tell_nothing(followed: Screens) -> None:
    data = await followed.asks(entities("Child", "amalia", "firstName"), DURAND)
    assert data["_entities"] == [{"firstName": ""}]
    assert (await followed.of_family("dupont", "children { id }", DURAND)) == {"children": []}
