"""Who is enrolled in an activity, at the agents' desk: by name, with the family; on paper, and as a file."""

import asyncio
import unicodedata
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from starlette.responses import Response

from gateway.portal.desk import desk_page, enter, today
from gateway.portal.formats import day_of
from gateway.portal.operations import operation
from gateway.portal.spreadsheets import Line, alone, asks_headers_alone, attached, name_for, pages, sent
from gateway.portal.texts import phrase
from gateway.portal.visit import Answered, Visit
from services.spreadsheets import Column, Format, Sheet, as_csv, as_xlsx

HERE = "/bureau/activites/{id}/inscrits"
SHOWN = 100  #: Children of a page.
MOST = 5_000  #: Children that are put in order: of more there is only a file, which spreadsheets sort.
FORMATS: tuple[Format, ...] = ("csv", "xlsx")
#: Headings, of the texts, and how wide their columns are.
COLUMNS = (("ENROLLED_NAME", 24), ("ENROLLED_FIRST_NAME", 18), ("REGISTER_NUMBER", 14), ("ENROLLED_FROM", 12), ("ENROLLED_UNTIL", 12))
WHICH = operation("query DeskEnrolledWhere($structure: ID!) { ...Shell activities(structure: $structure) { id name } }")
ENROLLED = operation("""query DeskEnrolledChildren($activity: ID!, $since: Date, $first: Int!, $after: String) {
  told: enrolledChildren(activity: $activity, since: $since, first: $first, after: $after) { hasNextPage endCursor nodes {
    from until child { firstName lastName } family { number } } } }""")


@dataclass(frozen=True, slots=True)
class Asked:
    """`?chercher=&partis=oui`: of whom."""

    activity: Mapping[str, Any]
    search: str
    gone: bool  #: Also those who are admitted no longer.
    about: Mapping[str, Any]  #: What the API is asked.

    @property
    def address(self) -> str:
        return HERE.format(id=quote(self.activity["id"], safe=""))

    @property
    def query(self) -> str:
        return urlencode({name: told for name, told in (("chercher", self.search), ("partis", "oui" if self.gone else "")) if told})


async def _asked(visit: Visit) -> Asked:
    """Raises Answered: there is no such activity."""
    office, id = await enter(visit), visit.request.path_params["id"]
    found = next((each for each in (await visit.ask(WHICH, structure=office["id"]))["activities"] or () if each["id"] == id), None)
    if found is None:
        raise Answered(visit.missing())
    told = visit.request.query_params
    gone = told.get("partis") == "oui"
    about = {"activity": id, "since": None if gone else today(visit).isoformat()}
    return Asked(found, told.get("chercher", "").strip(), gone, about)


async def enrolled(visit: Visit) -> Response:
    """`?chercher=&partis=oui&page=&tout=1`"""
    asked, told = await _asked(visit), visit.request.query_params
    found, whole = await _found(visit, asked)
    number, size = told.get("page", ""), MOST if told.get("tout") == "1" else SHOWN
    last = max(0, len(found) - 1) // size + 1
    page = min(int(number), last) if number.isascii() and number.isdigit() and 0 < len(number) < 6 and int(number) else 1
    return desk_page(
        visit,
        "desk_enrolled.html",
        "activities",
        activity=asked.activity,
        search=asked.search,
        gone=asked.gone,
        address=asked.address,
        query=asked.query,
        found=found[(page - 1) * size : page * size] if whole else [],
        count=len(found),
        whole=whole,
        most=MOST,
        page={"this": page, "previous": page - 1 or None, "next": page + 1 if page < last else None, "last": last},
        formats=FORMATS if whole else FORMATS[:1],
    )


async def _found(visit: Visit, asked: Asked) -> tuple[list[Mapping[str, Any]], bool]:
    """Who is looked for, by name; and whether these are all. Raises Answered."""
    found = list[Mapping[str, Any]]()
    async for nodes in pages(visit, ENROLLED, **asked.about):
        found += _sought(nodes, asked.search)
        if len(found) > MOST:
            return [], False
    return sorted(found, key=_order), True


def _sought(nodes: Iterable[Mapping[str, Any]], search: str) -> list[Mapping[str, Any]]:
    """Those of whom each word begins a name or the family's number."""
    words = _plain(search).split()
    return [each for each in nodes if all(any(one.startswith(word) for one in _words(each)) for word in words)]


def _words(node: Mapping[str, Any]) -> list[str]:
    child, family = node["child"] or {}, node["family"] or {}
    told = f"{child.get('lastName', '')} {child.get('firstName', '')} {family.get('number', '')}"
    return [*_plain(told).split(), *_plain(told.replace("-", " ")).split()]


def _plain(text: str) -> str:
    """Without capitals and accents: who looks for zoe means Zoé, too."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(letter))


def _order(node: Mapping[str, Any]) -> tuple[str, str]:
    child = node["child"] or {"lastName": "", "firstName": ""}
    return _plain(child["lastName"]), _plain(child["firstName"])


# --------------------------------------------------------------------------------------------------------- as a file
async def file(visit: Visit) -> Response:
    """`/bureau/activites/{id}/inscrits/{format}?chercher=&partis=oui`"""
    asked, format = await _asked(visit), visit.request.path_params["format"]
    if format not in FORMATS:
        return visit.trouble("NOT_HERE", 404)
    kind, name = (
        FORMATS[FORMATS.index(format)],
        name_for(phrase("ENROLLED_FILE", visit.language), asked.activity["id"], today(visit).isoformat()),
    )
    if asks_headers_alone(visit):
        return attached(b"", name, kind)
    headings = [phrase(code, visit.language) for code, _ in COLUMNS]
    with alone(visit):
        found, whole = await _found(visit, asked)
        if whole:
            columns = [Column(heading, width) for heading, (_, width) in zip(headings, COLUMNS, strict=True)]
            sheet = Sheet(phrase("ENROLLED_TITLE_ALONE", visit.language), columns, [_line(each) for each in found])
            return attached(await asyncio.to_thread(_file_of, sheet, kind), name, kind)
    if format != "csv":
        return visit.see_other(f"{asked.address}?{asked.query}")

    async def lines() -> AsyncGenerator[list[Line], None]:
        async for nodes in pages(visit, ENROLLED, **asked.about):
            yield [_line(each) for each in _sought(nodes, asked.search)]

    return await sent(visit, name, headings, lines(), phrase("ENROLLED_CUT", visit.language))


def _file_of(sheet: Sheet, kind: Format) -> bytes:
    return as_csv(sheet, quoted=True) if kind == "csv" else as_xlsx(sheet)


def _line(node: Mapping[str, Any]) -> Line:
    """As COLUMNS."""
    child, family = node["child"] or {}, node["family"] or {}
    return child.get("lastName"), child.get("firstName"), family.get("number"), day_of(node["from"] or ""), day_of(node["until"] or "")


PAGES = [(HERE, ("GET",), enrolled), (f"{HERE}/{{format}}", ("GET",), file)]
