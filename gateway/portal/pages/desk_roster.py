"""Today's rosters and attendance, at the agents' desk. What a script sends at once, a form sends whole: both come to `_entry`."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from starlette.responses import JSONResponse, Response

from gateway.portal import assets
from gateway.portal.desk import desk_page, enter, not_now, today
from gateway.portal.formats import day_of, time_of
from gateway.portal.forms import Form
from gateway.portal.operations import operation
from gateway.portal.pages.desk_dead_letters import SERVICES as DEAD_LETTERS_OF
from gateway.portal.texts import phrase
from gateway.portal.visit import OFFICE, Answered, Visit

HERE = "/bureau/pointage"
KINDS = ("NOT_RECORDED", "PRESENT", "ABSENT_JUSTIFIED", "ABSENT_UNJUSTIFIED")
COUNTS = "counts { places taken waiting present absent notRecorded withoutBooking byHour { at children } }"
_DEAD = " ".join(f"{each}: {each}DeadLetters(structure: $structure, first: 0) {{ totalCount }}" for each in DEAD_LETTERS_OF)
CHOOSE = operation(f"""query DeskDay($structure: ID!) {{ ...Shell
  activities(structure: $structure) {{ id name category opensOn closesOn }}
  mailCounts(structure: $structure) {{ failed givenUp noAddress }} {_DEAD} }}""")
ROSTER = operation(f"""query DeskRoster($structure: ID!, $activity: ID!, $date: Date!, $search: String, $searching: Boolean!) {{ ...Shell
  activities(structure: $structure) {{ id name category opensOn closesOn }}
  roster(activity: $activity, date: $date) {{ activity {{ id name arrival departure choosesHours }} date reason closed closedAt
    entries {{ child {{ id firstName lastName }} booking {{ arrival departure }} enrolled attendance arrival departure note presumed }}
    waiting {{ rank enrolled child {{ id firstName lastName }} }} {COUNTS} }}
  families(structure: $structure, search: $search, first: 10) @include(if: $searching) {{
    nodes {{ number children {{ id firstName lastName }} }} }} }}""")
OPENINGS = operation("""query DeskOpening($activity: ID!, $date: Date!) { openings(activity: $activity, from: $date, to: $date) {
  open reason capacity taken waiting } }""")
RECORD = operation(f"""mutation RecordAttendance($activity: ID!, $date: Date!, $entries: [AttendanceInput!]!) {{
  done: recordAttendance(activity: $activity, date: $date, entries: $entries) {{ __typename
    ... on AttendanceRecorded {{ answers {{ child {{ id firstName lastName }} entry {{ attendance arrival departure note }}
      refusal {{ code message }} }} roster {{ {COUNTS} }} }}
    ... on Refusal {{ code message }} }} }}""")
CLOSE = operation("""mutation CloseDay($activity: ID!, $date: Date!) { done: closeDay(activity: $activity, date: $date) {
  __typename ... on Refusal { code message } } }""")
REOPEN = operation("""mutation ReopenDay($activity: ID!, $date: Date!, $reason: String!) {
  done: reopenDay(activity: $activity, date: $date, reason: $reason) { __typename ... on Refusal { code message } } }""")


async def desk(visit: Visit) -> Response:
    return visit.see_other(HERE)


async def structure(visit: Visit) -> Response:
    form = await visit.form()
    visit.choose(OFFICE, form.one("structure"))
    return visit.see_other("/bureau")


# ------------------------------------------------------------------------------------------------------------ looking
async def roster(visit: Visit) -> Response:
    """`?activite=&date=&chercher=`"""
    asked = visit.request.query_params
    office = await enter(visit)
    date, wrong = _read(visit, asked.get("date", ""))
    if not asked.get("activite"):
        return await _choice(visit, office["id"], date, wrong)
    return await _page(visit, asked["activite"], date, errors=wrong, search=asked.get("chercher", "").strip())


def _may_be_kept(visit: Visit, response: Response, date: dt.date) -> Response:
    """Today's, by the browser of whoever is signed in, for when there is no network: until the day or the session is over."""
    if response.status_code == 200 and date == today(visit) and not visit.partly and visit.office is not None and visit.session is not None:
        midnight = dt.datetime.combine(date + dt.timedelta(days=1), dt.time(), ZoneInfo(visit.office["timezone"]))
        until = min(int(midnight.timestamp()), visit.session.ends)
        response.headers["preau-garde"] = f"{quote(visit.data['me']['id'])} {date.isoformat()} {until}"
    return response


async def worker(visit: Visit) -> Response:
    """`/bureau/hors-ligne.js`: beside what it is for, since it answers for no address above its own."""
    policy = {"content-security-policy": "default-src 'none'; connect-src 'self'", "x-content-type-options": "nosniff"}
    found = assets.assets()["roster_worker.js"]
    return Response(found.body, headers={"cache-control": "no-cache", **policy}, media_type=found.kind)


async def away(visit: Visit) -> Response:
    """Instead of a page that was not opened before the network went. It says nothing of anybody."""
    return visit.page("desk_offline.html", tab="desk")


def _read(visit: Visit, text: str) -> tuple[dt.date, dict[str, str]]:
    """The day that an address or a form tells, and what is wrong with it: then it is today. None told: today."""
    date = day_of(text) if text else today(visit)
    return (date, {}) if date else (today(visit), {"date": phrase("DESK_DATE_WRONG", visit.language)})


async def _choice(visit: Visit, office: str, date: dt.date, errors: Mapping[str, str]) -> Response:
    """Which activities there are that day."""
    days, told = [], await visit.seek(CHOOSE, structure=office)
    if not told:
        return not_now(visit, "ROSTER_TITLE", "roster", errors)
    trouble = {
        "mails": sum((told["mailCounts"] or {}).values()),
        "dead_letters": sum(told[each]["totalCount"] for each in DEAD_LETTERS_OF if told[each]),
    }
    for each in told["activities"]:
        if each["opensOn"] <= date.isoformat() <= each["closesOn"]:
            found = (await visit.seek(OPENINGS, activity=each["id"], date=date.isoformat())).get("openings", ())
            days += [{**each, "day": day} for day in found if day["open"] or day["taken"]]
    more = {"days": days, "day": _day(visit, date), "trouble": trouble, "errors": errors}
    page = desk_page(visit, "desk_days.html", "roster", status=422 if errors else 200, **more)
    return _may_be_kept(visit, page, date)


async def _page(
    visit: Visit,
    activity: str,
    date: dt.date,
    *,
    errors: Mapping[str, str] | None = None,
    typed: Mapping[str, Mapping[str, Any]] | None = None,
    search: str = "",
    reason: str = "",
) -> Response:
    """`typed`: child -> what was refused, as it stood in the form."""
    office = visit.office or await enter(visit)
    about = {"structure": office["id"], "activity": activity, "date": date.isoformat()}
    try:
        data = await visit.seek(ROSTER, **about, search=search or None, searching=bool(search))
    except Answered as answered:
        if answered.response.status_code != 404 or not errors:
            raise
        return await _choice(visit, office["id"], date, errors)  # There is no such activity: that is what the form says wrong.
    if not data:
        return not_now(visit, "ROSTER_TITLE", "roster", errors)
    told = data["roster"]
    entries = sorted(told["entries"], key=lambda each: (each["child"]["lastName"].casefold(), each["child"]["firstName"].casefold()))
    there = {each["child"]["id"] for each in entries}
    drawn_from = {each["child"]["id"]: state_of(each) for each in entries}
    found = [
        {**child, "number": family["number"], "there": child["id"] in there}
        for family in (data.get("families") or {}).get("nodes", ())
        for child in family["children"]
    ]
    page = desk_page(
        visit,
        "desk_roster.html",
        "roster",
        status=422 if errors else 200,
        roster=told,
        entries=[{**each, **(typed or {}).get(each["child"]["id"], {})} for each in entries],
        activities=data["activities"],
        day=_day(visit, date),
        search=search,
        found=found,
        errors=errors or {},
        reason=reason,
        kinds=KINDS,
        drawn_from=drawn_from,
        frozen=told["closed"] or date > today(visit),
    )
    return page if search else _may_be_kept(visit, page, date)


def _day(visit: Visit, date: dt.date) -> dict[str, Any]:
    step = dt.timedelta(days=1)
    return {
        "this": date.isoformat(),
        "previous": (date - step).isoformat() if date > dt.date.min else None,
        "next": (date + step).isoformat() if date < dt.date.max else None,
        "today": today(visit).isoformat(),
    }


def state_of(entry: Mapping[str, Any]) -> str:
    """What a form was drawn from: it sends only what was changed, so that two tablets do not take back each other's ticks."""
    return "|".join([entry["attendance"], entry["arrival"] or "", entry["departure"] or "", entry["note"] or ""])


# ----------------------------------------------------------------------------------------------------------- recording
def _entry(child: str, told: str, arrival: str, departure: str, note: str) -> dict[str, Any]:
    """AttendanceInput; hours that nobody can read as they are."""
    attendance = told if told in KINDS else "NOT_RECORDED"
    hours = {name: time_of(text) or text for name, text in (("arrival", arrival), ("departure", departure)) if attendance == "PRESENT"}
    return {"child": child, "attendance": attendance, **{name: value for name, value in {**hours, "note": note}.items() if value}}


def _changed(form: Form, *, rest_present: bool) -> list[dict[str, Any]]:
    """Of the whole roster's form: what is not as it was drawn."""
    entries = []
    for child in form["enfant"]:
        now = [form.one(f"{name}-{child}") for name in ("presence", "arrivee", "depart", "note")]
        if rest_present and now[0] in ("", "NOT_RECORDED"):
            now[0] = "PRESENT"
        if "|".join(now) != form.one(f"avant-{child}").strip():
            entries.append(_entry(child, *now))
    return entries


def _misread(entry: Mapping[str, Any]) -> bool:
    return any(time_of(entry[name]) is None for name in ("arrival", "departure") if name in entry)


async def tick(visit: Visit) -> Response:
    """All that was changed, in one form; those who came without booking, too."""
    form = await visit.form()
    await enter(visit)
    activity, (date, errors) = form.one("activite"), _read(visit, form.one("date"))
    entries = _changed(form, rest_present=form.one("faire") == "tous")
    if not entries and not errors:
        return visit.see_other(_address(activity, date), "ROSTER_NOTHING")
    errors |= {f"enfant-{each['child']}": phrase("DESK_TIME_WRONG", visit.language) for each in entries if _misread(each)}
    if errors:
        return await _page(visit, activity, date, errors=errors, typed=_as_typed(entries))
    told = await visit.order(RECORD, activity=activity, date=date.isoformat(), entries=entries)
    if "code" in told:
        return await _page(visit, activity, date, errors={"liste": told["message"]}, typed=_as_typed(entries))
    wrong = [each for each in told["answers"] if each["refusal"]]
    if wrong:
        refused = [entry for entry, answer in zip(entries, told["answers"], strict=True) if answer["refusal"]]
        return await _page(visit, activity, date, errors={_field(each): _named(each) for each in wrong}, typed=_as_typed(refused))
    return visit.see_other(_address(activity, date), "ROSTER_SAVED", n=len(entries))


def _as_typed(entries: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Child -> what stands in the form again."""
    blank = {"arrival": None, "departure": None, "note": None}
    return {entry["child"]: {**blank, **{name: told for name, told in entry.items() if name != "child"}} for entry in entries}


def _field(answer: Mapping[str, Any]) -> str:
    return f"enfant-{answer['child']['id']}" if answer["child"] else "liste"


def _named(answer: Mapping[str, Any]) -> str:
    child = answer["child"]
    return (f"{child['firstName']} {child['lastName']} : " if child else "") + str(answer["refusal"]["message"])


async def tick_one(visit: Visit) -> Response:
    """What a script sends: one child's. Answers with JSON: what it is now, or why it was not recorded."""
    form = await visit.form()
    activity, date = form.one("activite"), day_of(form.one("date"))
    entry = _entry(form.one("enfant"), *(form.one(name) for name in ("presence", "arrivee", "depart", "note")))
    if date is None or _misread(entry):
        wrong = phrase("DESK_DATE_WRONG" if date is None else "DESK_TIME_WRONG", visit.language)
        return _json({"refusal": wrong, "code": "MISREAD"})
    told = (await visit.ask(RECORD, activity=activity, date=date.isoformat(), entries=[entry]))["done"]
    if "code" in told:
        return _json({"refusal": told["message"], "code": told["code"]})
    answer = told["answers"][0]
    refusal = {"refusal": answer["refusal"]["message"], "code": answer["refusal"]["code"]} if answer["refusal"] else {}
    return _json({"entry": answer["entry"], "counts": told["roster"]["counts"], **refusal})


def _json(told: Mapping[str, Any]) -> Response:
    return JSONResponse(told, headers={"cache-control": "no-store", "x-content-type-options": "nosniff"})


async def close(visit: Visit) -> Response:
    form = await visit.form()
    await enter(visit)
    activity, (date, errors) = form.one("activite"), _read(visit, form.one("date"))
    if errors:
        return await _page(visit, activity, date, errors=errors)
    told = await visit.order(CLOSE, activity=activity, date=date.isoformat())
    if "code" in told:
        return await _page(visit, activity, date, errors={"clore": told["message"]})
    return visit.see_other(_address(activity, date), "ROSTER_CLOSED_DONE")


async def reopen(visit: Visit) -> Response:
    form = await visit.form()
    await enter(visit)
    activity, (date, errors) = form.one("activite"), _read(visit, form.one("date"))
    if errors:
        return await _page(visit, activity, date, errors=errors)
    told = await visit.order(REOPEN, activity=activity, date=date.isoformat(), reason=form.one("motif"))
    if "code" in told:
        return await _page(visit, activity, date, errors={"motif": told["message"]}, reason=form.one("motif"))
    return visit.see_other(_address(activity, date), "ROSTER_REOPENED")


def _address(activity: str, date: dt.date) -> str:
    return f"{HERE}?{urlencode({'activite': activity, 'date': date.isoformat()})}"


PAGES = [
    ("/bureau", ("GET",), desk),
    ("/bureau/structure", ("POST",), structure),
    (HERE, ("GET",), roster),
    (f"{HERE}/hors-ligne", ("GET",), away),
    ("/bureau/hors-ligne.js", ("GET",), worker),
    (HERE, ("POST",), tick),
    ("/bureau/pointage/cocher", ("POST",), tick_one),
    ("/bureau/pointage/clore", ("POST",), close),
    ("/bureau/pointage/rouvrir", ("POST",), reopen),
]
