"""Who is enrolled in an activity, at the agents' desk: by name, searched, on pages, and as a file."""

import csv
import datetime as dt
import html
import io
import json
import re
import zipfile
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.portal.pages import desk_enrolled
from gateway.portal.spreadsheets import PAGE
from tests.flows.conftest import Found
from tests.flows.town import activity, family
from tests.portal.browsing import PHONE, is_sound, signs_in
from tests.portal.conftest import Browse, MakeVisitor
from tests.portal.paged import ACCOUNT
from tests.portal.test_desk_files import Shelf, a_visit, received, rows_of, said


async def test_who_is_enrolled_stands_in_a_list_that_is_searched_printed_and_had_as_a_file(
    visitor: MakeVisitor, found: Found, browse: Browse
) -> None:
    families = [family("dupont", children=("zoe", "amalia")), family("martin", children=("paolo",)), family("petit", activities=())]
    families[0]["children"][0]["first_name"], families[1]["children"][0]["first_name"] = "Zoé", "=Paolo"
    town, other = await found(activities=[activity("aps")], families=families), await found(activities=[activity("aps")], families=[])
    one, stranger, parent = visitor(), visitor(), visitor()
    await one.signs_in(town, "agent")
    here, numbers = f"/bureau/activites/{town.named('aps')}", [each["number"] for each in town.file["families"]]
    gone = {"famille": town.named("dupont"), "cle": "k", "enfant": town.named("amalia"), "activite": town.named("aps"), "lequel": "1-1"}
    await one.sends(f"/bureau/familles/{numbers[0]}/dossier/desinscrire", **gone, **{"fin-1-1": "2026-09-30"})
    assert f'href="{here}/inscrits"' in (await one.opens(here)).text

    async def listed(**asked: str) -> list[list[str]]:
        page = (await one.opens(f"{here}/inscrits", **asked)).text
        return [
            [said(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in re.findall(r"<tr[^>]*>(.*?)</tr>", page)[1:]
        ]

    zoe, paolo = ["DUPONT Zoé", numbers[0], "–", "–"], ["MARTIN =Paolo", numbers[1], "–", "–"]
    assert await listed() == [zoe, paolo]
    assert await listed(partis="oui") == [["DUPONT Amalia", numbers[0], "–", "Au 30/09/2026"], zoe, paolo]
    for asked in ("zoe", "dup ZO", numbers[0]):
        assert await listed(chercher=asked) == [zoe], asked
    assert await listed(chercher="upont") == []
    kept = rows_of(await one.opens(f"{here}/inscrits/csv", partis="oui", chercher="dupont"))
    assert [(row["Prénom"], row["Nom"], row["Au"]) for row in kept] == [("Amalia", "DUPONT", "30/09/2026"), ("Zoé", "DUPONT", "")]
    assert [row["Prénom"] for row in rows_of(await one.opens(f"{here}/inscrits/csv"))] == ["Zoé", "'=Paolo"]
    workbook = await one.opens(f"{here}/inscrits/xlsx")
    assert workbook.status_code == 200
    assert cells_of(workbook.content)[1:] == [["DUPONT", "Zoé", numbers[0]], ["MARTIN", "=Paolo", numbers[1]]]
    dated = cells_of((await one.opens(f"{here}/inscrits/xlsx", partis="oui")).content)
    assert dated[1] == ["DUPONT", "Amalia", numbers[0], f"{(dt.date(2026, 9, 30) - dt.date(1899, 12, 30)).days}"]
    assert (await one.opens(f"{here}/inscrits/pdf")).status_code == 404
    # Nobody else has either.
    await stranger.signs_in(other, "agent")
    await parent.signs_in(town, "dupont")
    for path in ("inscrits", "inscrits/csv", "inscrits/xlsx"):
        assert (await stranger.opens(f"{here}/{path}")).status_code == 404, path
        assert (await parent.opens(f"{here}/{path}")).status_code == 403, path
    for language in ("fr-FR", "en-GB"):
        page = await browse(PHONE, language=language)
        await signs_in(page, town, "agent")
        await page.goto(f"{here}/inscrits")
        await is_sound(page, f"enrolled-{language}")


def cells_of(workbook: bytes) -> list[list[str]]:
    """Of each row what stands in it: texts, and dates as their numbers. Fails on a formula."""
    with zipfile.ZipFile(io.BytesIO(workbook)) as book:
        page, shared = book.read("xl/worksheets/sheet1.xml").decode(), book.read("xl/sharedStrings.xml").decode()
    assert "<f>" not in page
    words = [html.unescape(text) for text in re.findall(r"<si><t[^>]*>(.*?)</t></si>", shared)]
    return [
        [words[int(value)] if 't="s"' in told else value for told, value in re.findall(r"<c ([^>]*)><v>(.*?)</v></c>", row)]
        for row in re.findall(r"<row [^>]*>(.*?)</row>", page)
    ]


class Office(Shelf):
    """An API whose lines are children, for an agent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = json.loads((await receive())["body"])
        if "DeskEnrolledChildren(" in asked["query"]:
            await super().__call__(scope, received(asked), send)
            return
        zone = {"id": "carteville", "name": "Mairie", "timezone": "Europe/Paris"}
        told = {"me": ACCOUNT | {"agentOf": [zone]}, "activities": [{"id": "aps", "name": "APS"}]}
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps({"data": told}).encode()})

    def line(self, number: int) -> dict[str, Any]:
        """The last comes first by name."""
        child = {"lastName": f"N{self.lines - number:06}", "firstName": "Léa"}
        return {"from": "2026-09-01", "until": None, "child": child, "family": {"number": f"{number}"}}


async def test_enrolled_children_stand_on_pages_by_name_and_of_too_many_there_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_enrolled, "SHOWN", 100)
    monkeypatch.setattr(desk_enrolled, "MOST", 2 * PAGE)

    async def asks(handler: Any, children: int, query: str = "", **path: str) -> Any:
        return await handler(a_visit(Office(children), query, id="aps", **path))

    async def shown(children: int, query: str = "") -> tuple[list[str], str]:
        page = bytes((await asks(desk_enrolled.enrolled, children, query)).body).decode()
        return re.findall(r'<th role="rowheader" scope="row">(\w+) ', page), page

    names = [f"N{number:06}" for number in range(1, 2 * PAGE + 1)]
    assert (await shown(250))[0] == names[:100]
    assert (await shown(250, "page=3"))[0] == (await shown(250, "page=99"))[0] == names[200:250]
    for odd in ("0", "-1", "x", "²"):
        assert (await shown(250, urlencode({"page": odd})))[0] == names[:100], odd
    assert "Page 2 sur 3" in (await shown(250, "page=2"))[1]
    assert "/inscrits?partis=oui&amp;tout=1" in (await shown(250, "partis=oui"))[1]
    assert (await shown(250, "tout=1"))[0] == names[:250], "on paper as one list"
    assert (await shown(2 * PAGE, "chercher=n000399"))[0] == ["N000399"]
    assert re.search(r"<h1>.*APS.*: enrolled children</h1>", (await shown(1, "lang=en"))[1])
    assert " : " not in re.sub(r"<script.*?</script>", "", (await shown(1, "lang=en"))[1], flags=re.S)
    head = a_visit(office := Office(PAGE), id="aps", format="xlsx")
    head.request.scope["method"] = "HEAD"
    assert ((answer := await desk_enrolled.file(head)).status_code, answer.body, office.asked) == (200, b"", 0)
    assert re.search(r'"inscrits-aps-\d{4}-\d\d-\d\d\.xlsx"', answer.headers["content-disposition"])
    none, page = await shown(2 * PAGE + 1)
    assert (none, "Plus de 400 enfants" in page, "/inscrits/csv" in page, "/inscrits/xlsx" in page) == ([], True, True, False)
    # Whoever is looked for is found among any number.
    searched, page = await shown(3 * PAGE, "chercher=n000599")
    assert (searched, "Plus de 400 enfants" in page, "/inscrits/xlsx" in page) == (["N000599"], False, True)
    assert (await shown(3 * PAGE, "chercher=lea"))[0] == []
    book = await asks(desk_enrolled.file, 3 * PAGE, "chercher=n000599", format="xlsx")
    assert (book.status_code, [row[0] for row in cells_of(bytes(book.body))[1:]]) == (200, ["N000599"])
    for children, ordered in ((2 * PAGE, True), (2 * PAGE + 1, False)):
        file = await asks(desk_enrolled.file, children, format="csv")
        whole = b"".join([bytes(part) async for part in file.body_iterator]) if isinstance(file, StreamingResponse) else bytes(file.body)
        rows = list(csv.DictReader(io.StringIO(whole.decode("utf-8-sig"), newline=""), delimiter=";"))
        assert len(rows) == children
        assert ([row["Nom"] for row in rows] == names) is ordered
    assert (await asks(desk_enrolled.file, 2 * PAGE + 1, format="xlsx")).status_code == 303
