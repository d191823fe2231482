"""What agents take away from the desk as files: the lines of a page, all of them, for who may see that page, and never held whole."""

import asyncio
import csv
import html
import io
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterable
from dataclasses import replace
from typing import Any, cast

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from gateway.portal import spreadsheets
from gateway.portal.api import Api
from gateway.portal.noticeboard import Noticeboard
from gateway.portal.pages import desk_journal, desk_payments
from gateway.portal.session import Renewing
from gateway.portal.spreadsheets import PAGE, Line, name_for, pages, sent
from gateway.portal.templating import environment, words
from gateway.portal.texts import act_of
from gateway.portal.visit import Answered, House, Visit
from services.clock import Clock
from services.identity.sessions import ACCESS_TOKEN_LIFE
from tests.flows.conftest import Found
from tests.flows.town import Family, Town, activity, family, next_days
from tests.portal.conftest import MakeVisitor
from tests.portal.paged import ACCOUNT
from tests.portal.visitor import Visitor
from tests.serving import at_an_address

JOURNAL = "/bureau/journal"
OPENING = "mutation($input: SetOpeningInput!) { setOpening(input: $input) { __typename ... on Refusal { message } } }"
HOSTILE = '=HYPERLINK("http://x";"y")'


def rows_of(answer: httpx2.Response) -> list[dict[str, str]]:
    """A line of the file, by its headings."""
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8"), answer.text[:500]
    assert re.fullmatch(r'attachment; filename="[A-Za-z0-9_-]+\.csv"', answer.headers["content-disposition"])
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.content.startswith("\ufeff".encode())
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""), delimiter=";"))


def said(cell: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", cell))).strip()


async def lines_of_pages(one: Visitor, **asked: str) -> list[list[str]]:
    """When, who, what and about what, of all the journal's pages."""
    answer, found = await one.opens(JOURNAL, **asked), list[list[str]]()
    while True:
        body = re.search(r"<tbody[^>]*>(.*?)</tbody>", answer.text, re.S)
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", body[1] if body else "", re.S):
            found.append([said(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)])
        more = re.search(r'<a class="btn" href="(/bureau/journal\?[^"]*apres=[^"]+)"', answer.text)
        if more is None:
            return found
        answer = await one.opens(html.unescape(more[1]))


def same(shown: list[list[str]], kept: list[dict[str, str]]) -> bool:
    """Line by line, whatever stands in the file stands on the page, and the other way round."""
    for (when, who, what, about), row in zip(shown, kept, strict=True):
        told = dict(row)
        day, at = told.pop("Quand").split(" ")
        assert (when.endswith(f"à {at}"), str(int(day[:2])) in when) == (True, True), (when, row)
        assert (who, what) == (told.pop("Qui"), told.pop("Quoi"))
        left = re.sub(r"Motif :|Ce qui a changé , .*? à \d\d:\d\d|Famille n°", "", about)
        for cell in filter(None, told.values()):
            for each in cell.removeprefix("'").split("\n"):
                name, _, change = each.partition(" : ")
                for part in (name, change) if change else (each,):
                    assert part in left, (part, about)
                    left = left.replace(part, "", 1)
        assert re.sub(r"[\s.,]", "", left) == "", (left, about)
    return len(shown) == len(kept)


async def many_acts(agent: Family, town: Town, count: int) -> None:
    """So many changes of a day's places, the last one for a reason that is a formula."""
    for places in range(1, count + 1):
        about = {"activity": town.named("aps"), "date": next_days(1)[0].isoformat(), "capacity": places}
        reason = {"reason": HOSTILE if places == count else "Encore un animateur ; ou deux"}
        assert (await agent.ask(OPENING, {"input": about | reason}))["setOpening"]["__typename"] == "Opening"


async def test_the_journal_is_had_as_a_file_with_all_its_pages_as_it_is_narrowed_down(visitor: MakeVisitor, found: Found) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont", children=("amalia",))])
    other = await found(activities=[activity("aps")], families=[family("leroy")])
    agent, one, stranger, parent = await town.agent(), visitor(), visitor(), visitor()
    await many_acts(agent, town, 33)
    await town.administrator()
    await one.signs_in(town, "agent")
    number = town.file["families"][0]["number"]
    path, sent_ = f"/bureau/familles/{number}", {"famille": town.named("dupont"), "cle": "k"}
    enrolled = {"inscrit-enfant": town.named("amalia"), "inscrit-activite": town.named("aps"), "inscrit-du": next_days(1)[0].isoformat()}
    await one.sends(f"{path}/dossier/inscrire", **sent_, **enrolled)
    await one.sends(f"{path}/dossier/enfant", **sent_, prenom="Paolo", nom="DUPONT")

    async def both(**asked: str) -> list[dict[str, str]]:
        kept = rows_of(await one.opens(f"{JOURNAL}/fichier", **asked))
        assert same(await lines_of_pages(one, **asked), kept), asked
        return kept

    page = (await one.opens(JOURNAL, partie="ACTIVITIES", acte="SET_OPENING")).text
    assert 'href="/bureau/journal/fichier?partie=ACTIVITIES&amp;acte=SET_OPENING"' in page
    everything = await both(partie="ACTIVITIES")
    assert len(everything) == 34
    formula = next(row for row in everything if "HYPERLINK" in row["Motif"])
    assert formula["Motif"] == f"'{HOSTILE}"
    assert (formula["Activité"], formula["Jour concerné"]) == ("APS", f"{next_days(1)[0]:%d/%m/%Y}")
    assert len(await both(partie="ACTIVITIES", acte="SET_OPENING")) == 33
    (admitted,) = await both(partie="ACTIVITIES", famille=number)
    assert (admitted["Numéro de famille"], admitted["Enfant"]) == (number, "Amalia DUPONT")
    assert await both(partie="ACTIVITIES", jour="2001-01-01") == []
    assert {row["Quoi"] for row in await both(partie="REGISTER", acte="ADD_CHILD")} == {"Enfant ajouté"}
    assert await both(partie="MAILS") == []
    assert await both(partie="SEEN", famille=number) != []
    english = await one.opens(f"{JOURNAL}/fichier", partie="MAILS", lang="en")
    assert english.content.decode("utf-8-sig") == '"When";"Who";"What";"Family number"\r\n'
    assert re.search(r'"journal-MAILS-\d{4}-\d\d-\d\d\.csv"', english.headers["content-disposition"])
    (first, *_) = csv.DictReader(
        io.StringIO((await one.opens(f"{JOURNAL}/fichier", partie="ACTIVITIES", acte="SET_OPENING")).text), delimiter=";"
    )
    assert "→" in first["What changed"]
    assert " : " not in first["What changed"]
    await one.opens(JOURNAL, lang="fr")
    # Of no family, and of one that is not there, the file is the page that says so.
    assert "Donnez le numéro" in (await one.opens(f"{JOURNAL}/fichier", partie="SEEN")).text
    assert "Aucune famille" in (await one.opens(f"{JOURNAL}/fichier", partie="REGISTER", famille="personne")).text
    # For whoever sees the page alone.
    await stranger.signs_in(other, "agent")
    assert rows_of(await stranger.opens(f"{JOURNAL}/fichier", partie="ACTIVITIES")) == []
    assert (await stranger.opens(f"{JOURNAL}/fichier", partie="SEEN", famille=number)).status_code == 404
    await parent.signs_in(town, "dupont")
    nobody = visitor()
    for address in (f"{JOURNAL}/fichier?partie=ACTIVITIES", "/bureau/paiements/operations/fichier"):
        assert (await parent.opens(address)).status_code == 403, address
        assert (await nobody.opens(address)).url.path == "/connexion", address


async def test_what_agents_did_with_money_is_had_as_a_file(visitor: MakeVisitor, found: Found) -> None:
    town, one = await found(activities=[activity("aps")], families=[family("dupont", children=("amalia",))]), visitor()
    await one.signs_in(town, "agent")
    number, wallet = town.file["families"][0]["number"], town.named("periscolaire")
    paid = {"famille": number, "id": town.named("dupont"), "cle": "k", "mode": "CASH", "payeur": "+GUIDE", f"montant-{wallet}": "12,50"}
    await one.sends("/bureau/paiements", **paid)
    path = "/bureau/paiements/operations"
    assert f'href="{path}/fichier"' in (await one.opens(path)).text
    (row,) = rows_of(await one.opens(f"{path}/fichier"))
    assert (row["Numéro de famille"], row["Quoi"]) == (number, "Règlement enregistré")
    assert "1250" in row["Ce qui a changé"]


# ------------------------------------------------------------------------------------------------------- without a system
class Shelf:
    """An API with so many lines."""

    def __init__(self, lines: int, breaks_at: int = -1, busy: Iterable[int] = ()) -> None:
        self.lines, self.breaks_at, self.busy = lines, breaks_at, set(busy)
        self.asked = 0
        self.tokens: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        told = json.loads((await receive())["body"])["variables"]
        self.asked += 1
        self.tokens.append(dict(scope["headers"])[b"authorization"].decode())
        start = int(told["after"] or 0)
        nodes = [self.line(number) for number in range(start, min(start + told["first"], self.lines))]
        page = {"nodes": nodes, "hasNextPage": start + len(nodes) < self.lines, "endCursor": str(start + len(nodes))}
        answer: dict[str, Any] = {"data": {"told": page}}
        if self.asked in self.busy:
            answer = {"data": None, "errors": [{"message": "", "extensions": {"code": "TOO_MANY_REQUESTS"}}]}
        if self.asked == self.breaks_at:  # The lines are there, but who knows the names is away.
            answer["errors"] = [{"message": "", "extensions": {"code": "SUBGRAPH_UNAVAILABLE", "serviceName": "identity"}}]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    def line(self, number: int) -> dict[str, Any]:
        return {"n": number}


def a_visit(shelf: Shelf, query: str = "", **path: str) -> Visit:
    """Of somebody signed in."""
    cookie = [(b"cookie", b"preau_session=access~99999999999~refresh~99999999999")]
    about = {"type": "http", "method": "GET", "path": "/", "query_string": query.encode(), "path_params": path}
    request = Request({**about, "headers": cookie}, received({}))
    api = Api(shelf)
    visit = Visit.of(request, House(api, Renewing(), Noticeboard(api), Clock(), secure=False))
    visit.data = {"me": ACCOUNT}
    return visit


def received(told: Any) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": json.dumps(told).encode(), "more_body": False}

    return receive


def response_of(visit: Visit) -> Awaitable[Response]:
    async def lines() -> AsyncGenerator[list[Line], None]:
        async for nodes in pages(visit, "query X { told }"):
            yield [(each["n"],) for each in nodes]

    return sent(visit, "journal", ["N"], lines(), "cut")


async def file_of(shelf: Shelf) -> AsyncIterator[str]:
    response = await response_of(a_visit(shelf))
    assert isinstance(response, StreamingResponse)
    async for part in response.body_iterator:
        yield bytes(cast("bytes", part)).decode("utf-8-sig").replace('"', "")


async def test_a_long_file_is_asked_for_as_it_is_taken_and_never_held_whole() -> None:
    shelf, taken = Shelf(20 * PAGE), 0
    async for part in file_of(shelf):
        taken += 1
        assert shelf.asked <= taken, "whoever takes slowly is not read ahead of"
        assert part.count("\r\n") == PAGE + (taken == 1)
    assert (taken, set(shelf.tokens)) == (20, {"Bearer access"})


async def test_too_long_a_file_says_so_in_its_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheets, "MOST", 3 * PAGE)
    whole = "".join([part async for part in file_of(Shelf(3 * PAGE))])
    assert (whole.count("\r\n"), whole.endswith(f"{3 * PAGE - 1}\r\n")) == (3 * PAGE + 1, True)
    cut = "".join([part async for part in file_of(Shelf(3 * PAGE + 1))])
    assert (cut.count("\r\n"), cut.endswith("\r\ncut\r\n")) == (3 * PAGE + 2, True)


class Acts(Shelf):
    """An API whose lines are what agents did, for an agent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = json.loads((await receive())["body"])
        if "told:" in asked["query"]:
            await super().__call__(scope, received(asked), send)
            return
        told = {"me": ACCOUNT | {"agentOf": [{"id": "carteville", "name": "Mairie", "timezone": "Europe/Paris"}]}, "agents": []}
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps({"data": told}).encode()})

    def line(self, number: int) -> dict[str, Any]:
        nothing = dict.fromkeys(("reason", "agent", "family", "wallet", "child", "adult", "activity", "date"))
        return {**nothing, "id": f"{number}", "at": "2026-09-01T10:00:00Z", "kind": "NEW_ONE", "details": []}


@pytest.mark.parametrize(
    ("handler", "query", "last"),
    [
        (desk_payments.acts_file, "", "les plus anciennes n’y sont pas"),
        (desk_journal.file, "partie=MAILS", "les plus anciennes n’y sont pas"),
        (desk_journal.file, "partie=ACTIVITIES", "réduisez la liste sur sa page"),
    ],
)
async def test_too_long_a_file_tells_nobody_to_choose_what_its_page_lets_nobody_choose(
    handler: Any, query: str, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheets, "MOST", PAGE)
    response = await handler(a_visit(Acts(PAGE + 1), query))
    lines = b"".join([bytes(part) async for part in response.body_iterator]).decode().splitlines()
    assert (last in lines[-1], '"NEW_ONE"' in lines[-2]) == (True, True)


async def test_a_file_of_which_a_part_is_missing_breaks_off(monkeypatch: pytest.MonkeyPatch) -> None:
    for page in (1, 3):
        taken = file_of(Shelf(3 * PAGE, breaks_at=page))
        for _ in range(page - 1):
            await anext(taken)
        with pytest.raises(Answered):
            await anext(taken)
    # What is too much for now is waited for.
    monkeypatch.setattr(spreadsheets, "BUSY_SECONDS", 0)
    assert len([part async for part in file_of(Shelf(3 * PAGE, busy=(2, 3)))]) == 3


async def test_a_file_that_breaks_off_is_no_complete_file_on_the_wire_and_one_line_in_the_log(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    visit = a_visit(Shelf(3 * PAGE, breaks_at=3))

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        await (await response_of(visit))(scope, receive, send)

    got = b""

    async def takes(address: str) -> None:
        nonlocal got
        async with httpx2.AsyncClient() as client, client.stream("GET", address) as answer:
            async for part in answer.aiter_bytes():
                got += part

    async with at_an_address(served) as address:
        with pytest.raises(httpx2.RemoteProtocolError):
            await takes(address)
    assert got.count(b"\r\n") == 2 * PAGE + 1
    logged = capfd.readouterr().err
    assert ('"reason": "answered 503"' in logged or '"reason":"answered 503"' in logged, "Traceback" in logged + caplog.text) == (
        True,
        False,
    )
    assert visit.house.writing == set()


async def test_an_account_has_one_file_at_a_time_and_none_that_was_left_stands_in_its_way() -> None:
    visit = a_visit(Shelf(3 * PAGE))
    first = await response_of(visit)
    with pytest.raises(Answered) as busy:
        await response_of(visit)
    assert busy.value.response.status_code == 429
    assert "Un fichier est déjà en route" in bytes(busy.value.response.body).decode()
    stuck = asyncio.Event()

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def stays() -> Message:
        await stuck.wait()
        return await gone()

    async def takes(_: Message) -> None:
        stuck.set()
        await asyncio.Event().wait()

    scope = {"type": "http", "asgi": {"spec_version": "2.3"}}
    await first(scope, gone, takes)  # Has left before anything was sent.
    assert visit.house.writing == set()
    await (await response_of(visit))(scope, stays, takes)  # Leaves while it is being sent.
    assert visit.house.writing == set()
    with pytest.raises(Answered):
        await response_of(a_visit(Shelf(PAGE, breaks_at=1)))
    assert visit.house.writing == set()


async def test_of_a_file_the_headers_alone_are_answered_to_who_asks_for_them() -> None:
    visit = a_visit(shelf := Shelf(3 * PAGE))
    visit.request.scope["method"] = "HEAD"
    answer = await response_of(visit)
    assert (answer.status_code, bytes(answer.body), shelf.asked, visit.house.writing) == (200, b"", 0, set())
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"


async def test_a_long_file_waits_only_for_what_asking_and_taking_it_have_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = [0.0], list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(round(seconds, 3))

    monkeypatch.setattr(spreadsheets, "AT_ONCE", PAGE)
    monkeypatch.setattr(spreadsheets, "LINES_A_SECOND", PAGE)
    monkeypatch.setattr(spreadsheets, "monotonic", lambda: now[0])
    monkeypatch.setattr(spreadsheets, "sleep", sleep)
    taking = iter([0.25, 0.75, 3.0, 0.0])
    async for _ in file_of(Shelf(4 * PAGE)):
        now[0] += next(taking)
    assert slept == [0.75, 0.25]


async def test_no_token_of_a_long_file_ends_before_it() -> None:
    longest = (spreadsheets.MOST - spreadsheets.AT_ONCE) / spreadsheets.LINES_A_SECOND
    assert 2 * longest < spreadsheets.SECONDS < ACCESS_TOKEN_LIFE.total_seconds()
    visit = a_visit(Shelf(PAGE))
    assert visit.session is not None
    ends = int(visit.house.clock.now().timestamp()) + spreadsheets.SECONDS - 5
    visit.session = replace(visit.session, until=ends)
    with pytest.raises((Answered, KeyError)):  # It is renewed, which this API cannot.
        await response_of(visit)


def test_whatever_an_id_is_the_name_of_a_file_stays_one() -> None:
    assert name_for("inscrits", 'a"; filename="x.exe', "é/..", "2026-09-01") == "inscrits-a-filename-x-exe---2026-09-01"


def test_an_act_that_has_no_words_is_told_as_it_is() -> None:
    assert (act_of("REFUND", "fr", "MONEY_ACT"), act_of("NEW_ONE", "fr", "MONEY_ACT")) == ("Remboursement", "NEW_ONE")
    page = environment().from_string("{% import 'desk_money.html' as m with context %}{{ m.acts(nodes) }}")
    act = {"kind": "NEW_ONE", "at": "2026-09-01T10:00:00Z", **dict.fromkeys(("wallet", "agent", "reason", "family"))}
    assert "NEW_ONE" in page.render(**words("fr"), nodes=[act], frame={"timezone": "Europe/Paris"})
