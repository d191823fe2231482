"""The journal at the agents' desk: who did what, when and why; and who looked at what of a family. Nobody can change it."""

import datetime as dt
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from gateway.portal.desk import desk_page, enter, is_administrator, today
from gateway.portal.formats import day_of, local
from gateway.portal.operations import operation
from gateway.portal.spreadsheets import MOST, Line, details_of, name_for, name_of, pages, sent
from gateway.portal.texts import act_of, phrase
from gateway.portal.visit import Visit
from services.spreadsheets import Cell

HERE = "/bureau/journal"
SHOWN = 30  #: Lines of a page.
PARTS = ("ACTIVITIES", "REGISTER", "MAILS", "SEEN")  #: What was done with money has a page of its own.
#: Part -> what agents do there, to choose from.
KINDS = {
    "ACTIVITIES": (
        "BOOK_FOR_FAMILY", "CANCEL_FOR_FAMILY", "MOVE_BOOKING", "RECORD_ATTENDANCE", "CLOSE_DAY", "REOPEN_DAY", "CREATE_ACTIVITY",
        "CHANGE_ACTIVITY", "SET_OPENING", "ENROLL_CHILD", "END_ENROLLMENT", "RUN_ALLOCATION", "SET_FAMILY_CRITERIA",
    ),
    "REGISTER": (
        "CREATE_FAMILY", "CHANGE_FAMILY", "IMPORT_FAMILY", "ADD_CHILD", "CHANGE_CHILD", "REMOVE_CHILD", "ADD_ADULT", "REMOVE_ADULT",
        "OPEN_ACCOUNT", "CHANGE_ACCOUNT", "INVITE", "WITHDRAW_INVITATION", "ACCEPT_INVITATION", "ISSUE_COUNTER_CODE", "SET_ROLE",
        "RESET_FACTORS", "CHANGE_STRUCTURE", "CREATE_STRUCTURE", "READ_ALL_DATA", "ERASE_FAMILY", "PUBLISH_ANNOUNCEMENT",
        "CHANGE_ANNOUNCEMENT", "WITHDRAW_ANNOUNCEMENT",
    ),
    "MAILS": (),
    "SEEN": (),
}  # fmt: skip
_WHO = "agents(structure: $structure) { account login firstName lastName role }"
_FAMILY = """families(structure: $structure, search: $search, first: 20) @include(if: $searching) {
  nodes { id number children { id firstName lastName } } }"""
WHO = operation(f"query DeskJournalWho($structure: ID!, $search: String, $searching: Boolean!) {{ ...Shell {_WHO} {_FAMILY} }}")
_TOLD = "id at kind reason agent { firstName lastName } family { number }"
_PAGE = "hasNextPage endCursor nodes"
_OF_ACTS = """$structure: ID!, $account: ID, $kind: String, $family: ID, $activity: ID, $date: Date, $first: Int!, $after: String"""
_ACTS = f"""told: acts(structure: $structure, account: $account, kind: $kind, family: $family, activity: $activity, date: $date,
    first: $first, after: $after) {{
    {_PAGE} {{ {_TOLD} date child {{ firstName lastName }} activity {{ name }} details {{ name before after }} }} }}"""
ACTS = operation(f"query DeskActs({_OF_ACTS}) {{ {_ACTS} activities(structure: $structure) {{ id name }} }}")
ACTS_ALONE = operation(f"query DeskActsFile({_OF_ACTS}) {{ {_ACTS} }}")
REGISTER = operation(f"""query DeskRegisterActs($structure: ID!, $account: ID, $kind: String, $family: ID, $first: Int!, $after: String) {{
  told: identityActs(structure: $structure, account: $account, kind: $kind, family: $family, first: $first, after: $after) {{
    {_PAGE} {{ {_TOLD} erased child {{ firstName lastName }} adult {{ firstName lastName }} details {{ name before after }} }} }} }}""")
MAILS = operation("""query DeskMailActs($structure: ID!, $first: Int!, $after: String) {
  told: mailActs(structure: $structure, first: $first, after: $after) { hasNextPage endCursor nodes {
    id at kind agent { firstName lastName } family { number } } } }""")
SEEN = operation(f"""query DeskSeen($structure: ID!, $account: ID, $family: ID, $first: Int!, $after: String) {{
  told: childViewings(structure: $structure, account: $account, family: $family, first: $first, after: $after) {{
    {_PAGE} {{ hour what family child agent {{ firstName lastName }} }} }} }}""")
DOCUMENTS = {"ACTIVITIES": ACTS, "REGISTER": REGISTER, "MAILS": MAILS, "SEEN": SEEN}
FILES = {**DOCUMENTS, "ACTIVITIES": ACTS_ALONE}


@dataclass(frozen=True, slots=True)
class Asked:
    """A part of the journal, as far as its address narrows it down."""

    office: Mapping[str, Any]
    part: str
    possible: tuple[str, ...]  #: Parts.
    about: Mapping[str, Any]  #: What the API is asked.
    kept: Mapping[str, str]  #: Of the address.
    family: Mapping[str, Any] | None
    lost: str  #: Why nothing is asked, of the texts: of a family that is not there rather nothing is told than everybody's.
    who: Mapping[str, Any]


async def _asked(visit: Visit) -> Asked:
    """`?partie=&agent=&acte=&famille=&activite=&jour=`"""
    office = await enter(visit)
    asked = visit.request.query_params
    number = asked.get("famille", "").strip()
    who = await visit.ask(WHO, structure=office["id"], search=number or None, searching=bool(number))
    parts = PARTS if is_administrator(visit, who["agents"]) else PARTS[:-1]
    part = asked["partie"] if asked.get("partie") in parts else PARTS[0]
    found = next((one for one in (who.get("families") or {}).get("nodes", ()) if one["number"] == number), None)
    about: dict[str, Any] = {"structure": office["id"]}
    if part != "MAILS":
        about |= {"account": asked.get("agent") or None, "family": found and found["id"]}
    if KINDS[part]:
        about["kind"] = asked["acte"] if asked.get("acte") in KINDS[part] else None
    if part == "ACTIVITIES":
        about |= {"activity": asked.get("activite") or None, "date": asked["jour"] if day_of(asked.get("jour", "")) else None}
    # What was looked at is told of one family.
    lost = "TRAIL_NO_FAMILY" if number and found is None else "TRAIL_WHICH_FAMILY" if found is None and part == "SEEN" else ""
    kept = {name: asked[name] for name in ("agent", "acte", "famille", "activite", "jour") if asked.get(name)}
    return Asked(office, part, parts, about, kept, found, lost, who)


async def journal(visit: Visit) -> Response:
    """As `_asked`, and `&apres=`"""
    asked, shown = await _asked(visit), visit.data
    after = visit.request.query_params.get("apres") or None
    data = {} if asked.lost else await visit.ask(DOCUMENTS[asked.part], first=SHOWN, after=after, **asked.about)
    visit.data = shown
    told = data.get("told") or {"nodes": [], "hasNextPage": False, "endCursor": None}
    here = {"partie": asked.part, **asked.kept}
    page: dict[str, Any] = {
        "part": asked.part,
        "possible": asked.possible,
        "told": bool(asked.lost) or data.get("told") is not None,
        "nodes": [_line(visit, each, asked.family) for each in told["nodes"]],
        "colleagues": asked.who["agents"] or [],
        "kinds": [(kind, act_of(kind, visit.language)) for kind in KINDS[asked.part]],
        "activities": data.get("activities") or [],
        "asked": asked.kept,
        "lost": asked.lost,
        "more": f"{HERE}?{urlencode({**here, 'apres': told['endCursor']})}" if told["hasNextPage"] else None,
        "file": f"{HERE}/fichier?{urlencode(here)}" if told["nodes"] else None,
    }
    return desk_page(visit, "desk_journal.html", "journal", **page)


# --------------------------------------------------------------------------------------------------------- as a file
#: Part -> its columns: (heading, of the texts; what stands there).
ALL_TELL = (("TRAIL_WHEN", "at"), ("TRAIL_AGENT", "agent"), ("TRAIL_ACT", "what"), ("REGISTER_NUMBER", "family"))
COLUMNS = {
    "ACTIVITIES": (*ALL_TELL, ("TRAIL_CHILD", "child"), ("ROSTER_ACTIVITY", "activity"), ("TRAIL_DAY", "date"), ("DESK_REASON", "reason"),
        ("TRAIL_DETAILS", "details")),
    "REGISTER": (*ALL_TELL, ("TRAIL_CHILD", "child"), ("TRAIL_ADULT", "adult"), ("DESK_REASON", "reason"), ("TRAIL_DETAILS", "details")),
    "MAILS": ALL_TELL,
    "SEEN": (*ALL_TELL, ("TRAIL_CHILD", "child")),
}  # fmt: skip


async def file(visit: Visit) -> Response:
    """`/bureau/journal/fichier`: all lines that the page shows, one page after the other."""
    asked = await _asked(visit)
    part = visit.request.query_params.get("partie")
    if part not in asked.possible:
        return visit.trouble("NOT_HERE", 404)
    if asked.lost:
        return visit.see_other(f"{HERE}?{urlencode({'partie': part, **asked.kept})}")

    async def lines() -> AsyncGenerator[list[Line], None]:
        async for nodes in pages(visit, FILES[part], **asked.about):
            yield [_cells(visit, _line(visit, each, asked.family), COLUMNS[part]) for each in nodes]

    headings = [phrase(heading, visit.language) for heading, _ in COLUMNS[part]]
    cut = phrase("TRAIL_CUT_ALONE" if part == "MAILS" else "TRAIL_CUT", visit.language, most=MOST)
    return await sent(visit, name_for("journal", part, today(visit).isoformat()), headings, lines(), cut)


def _cells(visit: Visit, line: Mapping[str, Any], columns: Iterable[tuple[str, str]]) -> Line:
    assert visit.office is not None, "whoever asks has entered"
    family, activity, day = line["family"], line["activity"], line["date"]
    cells: dict[str, Cell] = {
        "at": local(line["at"], visit.office["timezone"]).replace(tzinfo=None),
        "agent": name_of(line["agent"]) or phrase("TRAIL_NOBODY", visit.language),
        "what": line["what"],
        "family": family and family["number"],
        "child": name_of(line["child"]),
        "adult": name_of(line["adult"]),
        "activity": activity and activity["name"],
        "date": day and dt.date.fromisoformat(day),
        "reason": line["reason"],
        "details": phrase("TRAIL_ERASED", visit.language) if line["erased"] else details_of(line["details"] or (), visit.language),
    }
    return [cells[name] for _, name in columns]


NOTHING: Mapping[str, Any] = dict.fromkeys(("reason", "family", "child", "adult", "activity", "date", "erased", "details"))


def _line(visit: Visit, told: Mapping[str, Any], family: Mapping[str, Any] | None) -> dict[str, Any]:
    """`family`: whose children what was looked at is about."""
    if "kind" in told:
        return {**NOTHING, **told, "what": act_of(told["kind"], visit.language)}
    names = {each["id"]: each for each in (family or {}).get("children", ())}
    return {**NOTHING, "agent": told["agent"], "at": told["hour"], "family": family, "child": names.get(told["child"]),
        "what": phrase(f"SEEN_{told['what']}", visit.language)}  # fmt: skip


PAGES = [(HERE, ("GET",), journal), (f"{HERE}/fichier", ("GET",), file)]
