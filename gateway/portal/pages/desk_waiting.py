"""Waiting lists at the agents' desk: where somebody waits, in which order, and why."""

import datetime as dt
from typing import Any

from starlette.responses import Response

from gateway.portal.desk import date_of, desk_page, enter, not_now, today
from gateway.portal.operations import operation
from gateway.portal.visit import Visit

HERE = "/bureau/attente"
AHEAD = dt.timedelta(days=365)
LIMITED = operation(
    """query DeskLimited($structure: ID!) { ...Shell activities(structure: $structure) {
  id name category limited closesOn } }"""
)
WAITED = operation("""query DeskWaited($activity: ID!, $from: Date!, $to: Date!) { openings(activity: $activity, from: $from, to: $to) {
  date capacity taken waiting waitingList } }""")
LINE = operation("""query DeskLine($activity: ID!, $date: Date!) { ...Shell
  openings(activity: $activity, from: $date, to: $date) { capacity taken waiting waitingList }
  roster(activity: $activity, date: $date) { activity { id name allocation { mode rule nextRunAt } } date reason
    waiting { rank enrolled child { id firstName lastName }
      booking { id number requestedAt reason decision { reasons run { id number } } } } } }""")


async def waiting(visit: Visit) -> Response:
    """`?activite=&date=`: without them, all days for which somebody waits."""
    office = await enter(visit)
    asked = visit.request.query_params
    if asked.get("activite"):
        return await _line(visit, asked["activite"], date_of(asked.get("date", ""), today(visit)))
    first = today(visit)
    found = []
    told = await visit.seek(LIMITED, structure=office["id"])
    if not told:
        return not_now(visit, "LINE_TITLE", "waiting")
    for each in told["activities"]:
        last = min(dt.date.fromisoformat(each["closesOn"]), first + AHEAD)
        if not each["limited"] or last < first:
            continue
        days = await _days(visit, each["id"], first, last)
        if days:
            found.append({**each, "days": days, "waiting": sum(day["waiting"] for day in days)})
    return desk_page(visit, "desk_waiting.html", "waiting", found=found)


async def _days(visit: Visit, activity: str, first: dt.date, last: dt.date) -> list[dict[str, Any]]:
    """Those for which somebody waits."""
    period = {"from": first.isoformat(), "to": last.isoformat()}
    told = (await visit.seek(WAITED, activity=activity, **period)).get("openings") or []
    return [each for each in told if each["waiting"]]


async def _line(visit: Visit, activity: str, date: dt.date) -> Response:
    told = await visit.seek(LINE, activity=activity, date=date.isoformat())
    if not told or told["roster"] is None:
        return not_now(visit, "LINE_TITLE", "waiting")
    opening = (told["openings"] or [None])[0]
    return desk_page(visit, "desk_line.html", "waiting", roster=told["roster"], opening=opening, today=today(visit).isoformat())


PAGES = [(HERE, ("GET",), waiting)]
