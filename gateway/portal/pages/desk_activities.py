"""Activities at the agents' desk: their days by month, changes to one of them, and how waiting requests were and would be decided."""

import datetime as dt
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from gateway.portal.desk import date_of, desk_page, enter, not_now, today
from gateway.portal.formats import day_of
from gateway.portal.forms import Form
from gateway.portal.operations import operation
from gateway.portal.texts import phrase
from gateway.portal.visit import Answered, Visit

HERE = "/bureau/activites"
DECISIONS = 50
DECIDED = """candidates accepted waitlisted refused run { id number ranAt dueAt policy seed seedCommitment }
  decisions(first: $first, after: $after) { activity { id name } child { firstName lastName } date outcome rank of points reasons }"""
ACTIVITIES = operation("""query DeskActivities($structure: ID!) { ...Shell activities(structure: $structure) {
  id name category opensOn closesOn bookingRule cancellationRule allocation { mode rule } } }""")
ACTIVITY = operation("""query DeskActivity($structure: ID!, $activity: ID!, $from: Date!, $to: Date!) { ...Shell
  activities(structure: $structure) { id name category opensOn closesOn arrival departure choosesHours hourStepMinutes
    bookingRule cancellationRule
    purse: settings { wallet { name } } settings { capacity waitingList weekdays schoolHolidays attendance { unrecorded closeAfterDays } }
    allocation { mode rule nextRunAt seedCommitment points { criterion { name } points }
      lastRuns(first: 5) { id number ranAt accepted waitlisted refused } } }
  openings(activity: $activity, from: $from, to: $to) { date open reason notice capacity taken waiting waitingList } }""")
SET_OPENING = operation("""mutation SetOpening($input: SetOpeningInput!) { done: setOpening(input: $input) {
  __typename ... on Refusal { code message } } }""")
RUN = operation(f"""query DeskRun($run: ID!, $first: Int!, $after: Int!) {{ ...Shell report: allocationRun(id: $run) {{ {DECIDED} }} }}""")
REHEARSE = operation(f"""mutation RehearseAllocation($activity: ID!, $first: Int!, $after: Int!) {{
  done: runAllocation(activity: $activity, dryRun: true) {{ __typename ... on AllocationReport {{ {DECIDED} }}
    ... on Refusal {{ code message }} }} }}""")
RUN_NOW = operation("""mutation RunAllocation($activity: ID!, $key: String) {
  done: runAllocation(activity: $activity, idempotencyKey: $key) {
  __typename ... on AllocationReport { run { id } } ... on Refusal { code message } } }""")
SHELL_ALONE = operation("query DeskRehearsal { ...Shell }")


async def activities(visit: Visit) -> Response:
    office = await enter(visit)
    told = await visit.seek(ACTIVITIES, structure=office["id"])
    if not told:
        return not_now(visit, "DESK_ACTIVITIES", "activities")
    grouped = [{**each, "category": each["category"] or ""} for each in told["activities"]]  # None cannot be sorted
    return desk_page(visit, "desk_activities.html", "activities", activities=grouped)


# ----------------------------------------------------------------------------------------------------------- one of them
async def activity(visit: Visit) -> Response:
    """`/bureau/activites/{id}?mois=&jour=`"""
    await enter(visit)
    asked = visit.request.query_params
    day = asked.get("jour", "")
    month = _month(asked.get("mois") or day[:7], today(visit))
    return await _page(visit, visit.request.path_params["id"], month, day)


def _month(text: str, otherwise: dt.date) -> dt.date:
    """Its first day; that of `otherwise` where it is none, or has no neighbours."""
    month = date_of(f"{text}-01", otherwise).replace(day=1)
    return month if dt.date.min.year < month.year < dt.date.max.year else otherwise.replace(day=1)


def _next(month: dt.date) -> dt.date:
    return (month + dt.timedelta(days=31)).replace(day=1)


async def _page(visit: Visit, id: str, month: dt.date, day: str, errors: Mapping[str, str] | None = None, **typed: str) -> Response:
    assert visit.office is not None, "whoever asks has entered"
    last = _next(month) - dt.timedelta(days=1)
    data = await visit.seek(ACTIVITY, structure=visit.office["id"], activity=id, **{"from": month.isoformat(), "to": last.isoformat()})
    if not data:
        return not_now(visit, "DESK_ACTIVITIES", "activities", errors)
    found = next((each for each in data["activities"] if each["id"] == id), None)
    if found is None:
        raise Answered(visit.trouble("NOT_HERE", 404))
    days = data["openings"] or []
    before = (month - dt.timedelta(days=1)).replace(day=1)
    told = {
        "activity": found,
        "days": [each for each in days if each["open"] or each["taken"] or each["waiting"] or each["notice"] or each["date"] == day],
        "chosen": next((each for each in days if each["date"] == day), None),
        "month": {
            "this": f"{month:%Y-%m}",
            "previous": f"{before:%Y-%m}" if found["opensOn"] < month.isoformat() else None,
            "next": f"{_next(month):%Y-%m}" if found["closesOn"] > last.isoformat() else None,
        },
        "today": today(visit).isoformat(),
        "typed": typed,
        "errors": errors or {},
    }
    return desk_page(visit, "desk_activity.html", "activities", status=422 if errors else 200, **told)


async def day(visit: Visit) -> Response:
    """A day's places, or whether it is open."""
    form = await visit.form()
    await enter(visit)
    id, found = visit.request.path_params["id"], day_of(form.one("jour"))
    if found is None:
        return await _page(visit, id, today(visit).replace(day=1), "", {"jour": phrase("DESK_DATE_WRONG", visit.language)})
    date = found.isoformat()
    change: dict[str, Any] = {"activity": id, "date": date, "cancelBookings": form.one("annuler") == "oui"}
    if form.one("reglage") == "habituel":
        change["usualPlaces"] = True
    elif form.one("places") != form.one("places-avant"):
        if not _is_number(form.one("places")):
            wrong = {"places": phrase("ACTIVITY_PLACES_WRONG", visit.language)}
            return await _page(visit, id, _month(date[:7], today(visit)), date, wrong, **_typed(form))
        change["capacity"] = int(form.one("places")) if form.one("places") else None
    if form.one("ouvert") != form.one("ouvert-avant"):
        change["open"] = form.one("ouvert") == "oui"
    if form.one("motif"):
        change["reason"] = form.one("motif")
    told = await visit.order(SET_OPENING, input=change)
    if "code" in told:
        field = "motif" if told["code"] == "REASON_REQUIRED" else "places"
        return await _page(visit, id, _month(date[:7], today(visit)), date, {field: told["message"]}, **_typed(form))
    return visit.see_other(f"{HERE}/{quote(id, safe='')}?mois={quote(date[:7])}", "ACTIVITY_DAY_DONE")


def _typed(form: Form) -> dict[str, str]:
    return {name: form.one(name) for name in ("places", "ouvert", "motif", "reglage", "annuler")}


def _is_number(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit() and len(text) <= 5)


# ---------------------------------------------------------------------------------------------------------------- runs
async def run(visit: Visit) -> Response:
    """`/bureau/repartitions/{id}?apres=`: what a run decided, and why. The id has a stroke: activity/number."""
    await enter(visit)
    after = visit.request.query_params.get("apres", "")
    start = int(after) if _is_number(after) and after else 0
    told = (await visit.seek(RUN, run=visit.request.path_params["id"], first=DECISIONS, after=start)).get("report")
    if told is None:
        return not_now(visit, "RUN_TITLE_ALONE", "activities")
    return desk_page(visit, "desk_run.html", "activities", report=told, more=_more(told, start), activity=None, key="")


def _more(report: Mapping[str, Any], start: int) -> int | None:
    """Where the next page of decisions begins."""
    told = len(report["decisions"])
    return start + told if told == DECISIONS and start + told < report["candidates"] else None


async def rehearse(visit: Visit) -> Response:
    """What a run would decide now: without effect, and with lots drawn for it alone."""
    await visit.form()
    await enter(visit)
    id = visit.request.path_params["id"]
    told = await visit.order(REHEARSE, activity=id, first=200, after=0)
    if "code" in told:
        return await _page(visit, id, today(visit).replace(day=1), "", {"essai": told["message"]})
    await visit.ask(SHELL_ALONE)
    return desk_page(visit, "desk_run.html", "activities", report=told, more=None, activity=id, key=secrets.token_hex(16))


async def run_now(visit: Visit) -> Response:
    """The activity's run, before its time: what came of it is its page. A form that is sent twice leads to the same one."""
    form = await visit.form()
    await enter(visit)
    id = visit.request.path_params["id"]
    told = await visit.order(RUN_NOW, activity=id, key=form.one("cle") or None)
    if "code" in told:
        return await _page(visit, id, today(visit).replace(day=1), "", {"essai": told["message"]})
    return visit.see_other(f"/bureau/repartitions/{quote(told['run']['id'])}", "RUN_DONE")


PAGES = [
    (HERE, ("GET",), activities),
    (f"{HERE}/{{id}}", ("GET",), activity),
    (f"{HERE}/{{id}}/jour", ("POST",), day),
    (f"{HERE}/{{id}}/essai", ("POST",), rehearse),
    (f"{HERE}/{{id}}/repartition", ("POST",), run_now),
    ("/bureau/repartitions/{id:path}", ("GET",), run),
]
