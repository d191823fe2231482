"""The journal at the agents' desk: who did what, when and why; and who looked at what of a family. Nobody can change it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from gateway.portal.desk import desk_page, enter, is_administrator
from gateway.portal.formats import day_of
from gateway.portal.operations import operation
from gateway.portal.texts import TEXTS, phrase
from gateway.portal.visit import Visit

HERE = "/bureau/journal"
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
ACTS = operation(f"""query DeskActs($structure: ID!, $account: ID, $kind: String, $family: ID, $activity: ID, $date: Date,
    $after: String) {{
  told: acts(structure: $structure, account: $account, kind: $kind, family: $family, activity: $activity, date: $date, first: 30,
    after: $after) {{ {_PAGE} {{ {_TOLD} date child {{ firstName lastName }} activity {{ name }} details {{ name before after }} }} }}
  activities(structure: $structure) {{ id name }} }}""")
REGISTER = operation(f"""query DeskRegisterActs($structure: ID!, $account: ID, $kind: String, $family: ID, $after: String) {{
  told: identityActs(structure: $structure, account: $account, kind: $kind, family: $family, first: 30, after: $after) {{
    {_PAGE} {{ {_TOLD} erased child {{ firstName lastName }} adult {{ firstName lastName }} details {{ name before after }} }} }} }}""")
MAILS = operation("""query DeskMailActs($structure: ID!, $after: String) {
  told: mailActs(structure: $structure, first: 30, after: $after) { hasNextPage endCursor nodes {
    id at kind agent { firstName lastName } family { number } } } }""")
SEEN = operation(f"""query DeskSeen($structure: ID!, $account: ID, $family: ID, $after: String) {{
  told: childViewings(structure: $structure, account: $account, family: $family, first: 30, after: $after) {{
    {_PAGE} {{ hour what family child agent {{ firstName lastName }} }} }} }}""")


async def journal(visit: Visit) -> Response:
    """`?partie=&agent=&acte=&famille=&activite=&jour=&apres=`"""
    office = await enter(visit)
    asked = visit.request.query_params
    number = asked.get("famille", "").strip()
    who = await visit.ask(WHO, structure=office["id"], search=number or None, searching=bool(number))
    parts = PARTS if is_administrator(visit, who["agents"]) else PARTS[:-1]
    part = asked["partie"] if asked.get("partie") in parts else PARTS[0]
    found = next((one for one in (who.get("families") or {}).get("nodes", ()) if one["number"] == number), None)
    family = found and found["id"]
    about: dict[str, Any] = {"structure": office["id"], "after": asked.get("apres") or None}
    if part != "MAILS":
        about |= {"account": asked.get("agent") or None, "family": family}
    if KINDS[part]:
        about["kind"] = asked["acte"] if asked.get("acte") in KINDS[part] else None
    if part == "ACTIVITIES":
        about |= {"activity": asked.get("activite") or None, "date": asked["jour"] if day_of(asked.get("jour", "")) else None}
    # Of a family that is not there: rather nothing than everybody's. What was looked at is told of one family.
    lost = family is None and (bool(number) or part == "SEEN")
    shown = visit.data
    data = {} if lost else await visit.ask({"ACTIVITIES": ACTS, "REGISTER": REGISTER, "MAILS": MAILS, "SEEN": SEEN}[part], **about)
    visit.data = shown
    told = data.get("told") or {"nodes": [], "hasNextPage": False, "endCursor": None}
    kept = {name: asked[name] for name in ("agent", "acte", "famille", "activite", "jour") if asked.get(name)}
    more = f"{HERE}?{urlencode({'partie': part, **kept, 'apres': told['endCursor']})}" if told["hasNextPage"] else None
    page: dict[str, Any] = {
        "part": part,
        "possible": parts,
        "told": lost or data.get("told") is not None,
        "nodes": [_line(visit, each, found) for each in told["nodes"]],
        "colleagues": who["agents"] or [],
        "kinds": [(kind, _act(visit, kind)) for kind in KINDS[part]],
        "activities": data.get("activities") or [],
        "asked": kept,
        "lost": "TRAIL_NO_FAMILY" if number and lost else "TRAIL_WHICH_FAMILY" if lost else "",
        "more": more,
    }
    return desk_page(visit, "desk_journal.html", "journal", **page)


NOTHING: Mapping[str, Any] = dict.fromkeys(("reason", "family", "child", "adult", "activity", "date", "erased", "details"))


def _line(visit: Visit, told: Mapping[str, Any], family: Mapping[str, Any] | None) -> dict[str, Any]:
    """`family`: whose children what was looked at is about."""
    if "kind" in told:
        return {**NOTHING, **told, "what": _act(visit, told["kind"])}
    names = {each["id"]: each for each in (family or {}).get("children", ())}
    return {**NOTHING, "agent": told["agent"], "at": told["hour"], "family": family, "child": names.get(told["child"]),
        "what": phrase(f"SEEN_{told['what']}", visit.language)}  # fmt: skip


def _act(visit: Visit, kind: str) -> str:
    """In words, as far as we have any."""
    return phrase(f"ACT_{kind}", visit.language) if f"ACT_{kind}" in TEXTS else kind


PAGES = [(HERE, ("GET",), journal)]
