"""Choosing days: for whom and what (P9), then one activity's month (P10, S22-S30)."""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from starlette.responses import JSONResponse, Response

from gateway.portal import days, draft, formats
from gateway.portal.draft import Line
from gateway.portal.forms import Form
from gateway.portal.hours import Choosing
from gateway.portal.operations import operation
from gateway.portal.texts import phrase
from gateway.portal.visit import Visit

_FAMILIES = """
fragment Children on Account { families { id children { id firstName } } }
fragment Families on Account { families {
  id bookingAccess { open refusal { message } } children { id firstName activities { id name opensOn } } } }"""
_DAYS = """
fragment Days on Calendar { asOf days { date state placesLeft reason reasonCode revision booking { rank arrival departure } } }"""
START = operation("query BookingStart { ...Shell me { ...Children } booking: me { ...Families } }" + _FAMILIES)
MONTH = operation(
    """query BookingMonth($child: ID!, $activity: ID!, $month: YearMonth!) { ...Shell me { ...Children } booking: me { ...Families }
  child(id: $child) { id calendar(month: $month, activity: $activity) { ...Days days { booking { hoursChangeable } }
    activity { id name opensOn closesOn arrival departure choosesHours hourStepMinutes minimumMinutes bookingRule
      cancellationRule } } } }"""
    + _FAMILIES
    + _DAYS
)
TOGGLE = operation("""query BookingToggle($input: ToggleInput!) { toggleBookings(input: $input) { __typename
  ... on Toggled { draft { change child { id } activity { id choosesHours } date arrival departure } skipped { date message } }
  ... on Refusal { code message } } }""")
COST = operation("""query BookingCost($family: ID!, $lines: [BookingLineInput!]!) { previewBookings(family: $family, lines: $lines) {
  __typename ... on Preview { bookings { forecast priceCents } } ... on Refusal { message } } }""")
FOLLOW = operation(
    """subscription BookingDays($child: ID!, $activity: ID, $month: YearMonth!) {
  calendarChanged(child: $child, activity: $activity, month: $month) { ...Days } }"""
    + _DAYS
)
_SCOPES = {"jour": "DAY", "semaine": "WEEK", "colonne": "WEEKDAY", "mois": "MONTH"}
_MONTH = re.compile(r"[12]\d{3}-(0[1-9]|1[0-2])")
#: Words that calendar.js says, beside those of the days.
_SAID = [
    *("DRAFT_NONE", "DRAFT_CHECK", "DRAFT_REMOVE", "DRAFT_UNDONE", "DRAFT_REMOVED", "EMPTIED", "DRAFT_TOO_LONG", "DRAFT_MINI_BOOK"),
    *("DRAFT_MINI_CANCEL", "LIVE_GONE", "LIVE_STALE", "AS_OF", "HOURS_OF_DAY", "HOURS_ASKED", "HOURS_WRONG"),
]
_COUNTED = [*days.DAY_COUNTED, "DRAFT_BOOK", "DRAFT_CANCEL", "DRAFT_WAIT", "DRAFT_DAYS", "DONE_ADDED", "DONE_REMOVED"]


@dataclass(frozen=True, slots=True)
class Place:
    """Which calendar, as its address says."""

    child: str
    activity: str
    month: str  #: 2026-11; empty: none was asked for.
    arrival: str = ""
    departure: str = ""

    @classmethod
    def of(cls, told: Form) -> "Place":
        month = told.one("mois")
        month = month if _MONTH.fullmatch(month) else ""
        return cls(told.one("enfant"), told.one("activite"), month, told.one("arrivee"), told.one("depart"))

    @property
    def address(self) -> str:
        told = {"enfant": self.child, "activite": self.activity, "mois": self.month, "arrivee": self.arrival, "depart": self.departure}
        told = {name: value for name, value in told.items() if value}
        return "/reserver" + (f"?{urlencode(told)}" if told else "")


@dataclass(frozen=True, slots=True)
class Chosen:
    """A line of the draft beside its calendar."""

    date: dt.date
    text: str
    hours: str
    dot: str  #: w: to wait; c: to cancel; empty: to book.


@dataclass(frozen=True, slots=True)
class Choices:
    """The draft beside a calendar: its lines one by one, and how many there are of other children and activities."""

    book: int
    cancel: int
    wait: int
    lines: Sequence[Chosen]
    others: Sequence[tuple[str, str, int, str]]  #: child, activity, days, address

    @property
    def total(self) -> int:
        return self.book + self.cancel


async def book(visit: Visit) -> Response:
    """`/reserver?enfant=&activite=&mois=`"""
    if visit.request.method == "POST":
        return await _change(visit, await visit.form())
    query = visit.request.query_params
    place = Place.of(Form({name: query.getlist(name) for name in query}))
    if place.activity == "*":
        told = {name: value for name, value in (("enfant", place.child), ("mois", place.month)) if value}
        return visit.see_other("/reserver/mois" + (f"?{urlencode(told)}" if told else ""))
    return await _drawn(visit, place)


async def _drawn(visit: Visit, place: Place, errors: Mapping[str, str] | None = None) -> Response:
    if not (place.child and place.activity):
        await visit.ask(START)
        return _start(visit, place)
    month = place.month or f"{visit.likely_today:%Y-%m}"
    data = await visit.ask(MONTH, child=place.child, activity=place.activity, month=month)
    child = _named(visit.household["children"], place.child)
    activity = child and _named(child["activities"], place.activity)
    if child is None or activity is None or not data["child"]:
        return _start(visit, place)
    calendar = data["child"]["calendar"]
    season = _season(calendar["activity"])
    nearest = min(max(f"{season[0]:%Y-%m}", month), f"{season[1]:%Y-%m}")
    if not place.month and nearest != month:
        return visit.see_other(Place(place.child, place.activity, nearest).address)
    return _month(visit, Place(place.child, place.activity, month, place.arrival, place.departure), child, calendar, dict(errors or {}))


def _named(children: Iterable[Mapping[str, Any]] | None, wanted: str) -> Mapping[str, Any] | None:
    return next((one for one in children or () if one["id"] == wanted), None)


def _season(activity: Mapping[str, Any]) -> tuple[dt.date, dt.date]:
    return dt.date.fromisoformat(activity["opensOn"]), dt.date.fromisoformat(activity["closesOn"])


# ---------------------------------------------------------------------------------------------------------- for whom and what
def _start(visit: Visit, place: Place) -> Response:
    """One child, one activity: chosen (S23)."""
    children = visit.household["children"]
    child = _named(children, place.child) or (children[0] if len(children) == 1 else None)
    activities = child["activities"] or [] if child else []
    if child and len(activities) == 1 and place.activity != activities[0]["id"]:
        return visit.see_other(Place(child["id"], activities[0]["id"], place.month).address)
    status = 503 if visit.partly and visit.request.method == "POST" else 200
    later = [each for each in activities if dt.date.fromisoformat(each["opensOn"]) > visit.today]
    told = {"child": child, "away": visit.partly, "later": later, **_around(visit, place, child)}
    return visit.page("booking_start.html", status=status, styles=("calendar",), tab="book", **told)


def not_now(visit: Visit, child: str) -> Response:
    """Instead of days that nobody can tell now: who there is."""
    return _start(visit, Place(child, "", ""))


def _around(visit: Visit, place: Place, child: Mapping[str, Any] | None) -> dict[str, Any]:
    """What both pages show: who, what, and whether the family may book (S21)."""
    access = visit.household["bookingAccess"]
    children = visit.household["children"]

    def path(child_id: str, activity_id: str) -> str:
        has = activity_id == "*" or _named((_named(children, child_id) or {}).get("activities"), activity_id)
        return Place(child_id, activity_id if has else "", place.month).address

    return {
        "children": children,
        "activities": child["activities"] or [] if child else [],
        "path": path,
        "blocked": access["refusal"]["message"] if access and not access["open"] else "",
    }


# ----------------------------------------------------------------------------------------------------- one activity's month
def _month(visit: Visit, place: Place, child: Mapping[str, Any], calendar: Mapping[str, Any], errors: dict[str, str]) -> Response:
    activity, language = calendar["activity"], visit.language
    season, choosing = _season(activity), Choosing.of(activity)
    held, laid = visit.choices(), _laid(visit.choices(), place)
    month = days.month_of(calendar["days"], laid, visit.today, season, language)
    around = _around(visit, place, child)
    return visit.page(
        "booking_month.html",
        status=422 if errors else 200,
        styles=("calendar",),
        tab="book",
        as_of=calendar["asOf"],
        place=place,
        child=child,
        activity=activity,
        month=month,
        previous=month.previous and replace(place, month=month.previous).address,
        next=month.next and replace(place, month=month.next).address,
        season=season,
        today=visit.today,
        choosing=choosing,
        retimed=_retimed(calendar["days"]) if choosing else [],
        choices=_choices(visit, place, held, calendar),
        errors=errors,
        is_phone="Mobi" in visit.request.headers.get("user-agent", "") and not errors,
        data={
            "lang": language,
            "family": visit.family["id"],
            "child": place.child,
            "activity": place.activity,
            "month": place.month,
            "today": visit.today.isoformat(),
            "timezone": visit.family["structure"]["timezone"],
            "blocked": around["blocked"],
            "choosesHours": choosing is not None,
            "shortest": choosing.shortest if choosing else 0,
            "names": _names(visit),
            "days": month.told,
            "words": days.words(language, [*days.DAY_TEXTS, *_SAID], _COUNTED),
        },
        **around,
    )


def _retimed(told: Iterable[Mapping[str, Any]]) -> list[tuple[dt.date, str]]:
    """The booked days whose hours can still be changed, each on its own page, and their hours now (S26)."""
    booked = ((dt.date.fromisoformat(day["date"]), day["booking"]) for day in told if day["state"] == "BOOKED" and day["booking"])
    return [(date, f"{booking['arrival'][:5]}–{booking['departure'][:5]}") for date, booking in booked if booking["hoursChangeable"]]


def _laid(lines: Iterable[Line], place: Place) -> dict[dt.date, Line]:
    """By date, of this child and activity. Cancelled and booked again, with other hours for instance, is booked."""
    mine = [line for line in lines if _is_of(line, place)]
    return {line.date: line for change in ("CANCEL", "BOOK") for line in mine if line.change == change}


def _is_of(line: Line, place: Place) -> bool:
    return (line.child, line.activity) == (place.child, place.activity)


def _names(visit: Visit) -> dict[str, dict[str, str]]:
    """id -> name, of children and of activities."""
    children = visit.household["children"]
    activities = {each["id"]: each["name"] for child in children for each in child["activities"] or []}
    return {"children": {child["id"]: child["firstName"] for child in children}, "activities": activities}


def _choices(visit: Visit, place: Place, lines: Sequence[Line], calendar: Mapping[str, Any]) -> Choices:
    states = {day["date"]: day["state"] for day in calendar["days"]}
    names = _names(visit)
    laid = _laid(lines, place)
    marks = {date: _mark(line, states.get(date.isoformat())) for date, line in laid.items()}
    mine = [
        Chosen(
            date,
            phrase(f"MARK_{marks[date].upper()}", visit.language),
            f"{line.arrival}–{line.departure}" if line.arrival else "",
            {"addwait": "w", "cancel": "c", "leave": "c"}.get(marks[date], ""),
        )
        for date, line in sorted(laid.items())
    ]
    others: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        if not _is_of(line, place):
            others.setdefault((line.child, line.activity), []).append(line)
    return Choices(
        book=sum(line.change == "BOOK" for line in lines),
        cancel=sum(line.change == "CANCEL" for line in lines),
        wait=sum(mark == "addwait" for mark in marks.values()),
        lines=mine,
        others=[
            (
                names["children"].get(child, "?"),
                names["activities"].get(activity, "?"),
                len(held),
                Place(child, activity, f"{held[0].date:%Y-%m}").address,
            )
            for (child, activity), held in others.items()
        ],
    )


def _mark(line: Line, state: str | None) -> str:
    """`state`: None: another month's, which is not known here."""
    if state is None:
        return "add" if line.change == "BOOK" else "cancel"
    return days.mark_of(state, line) or "stale"


# --------------------------------------------------------------------------------------------------------- without script
async def _change(visit: Visit, form: Form) -> Response:
    """One click, worked out by the API (S27-S29)."""
    place = Place.of(form)
    await visit.ask(START)
    if not place.month or _named(visit.household["children"], place.child) is None:
        return visit.see_other("/reserver")
    before = visit.choices()
    if form.one("retirer"):
        after = [line for line in before if not (_is_of(line, place) and line.date.isoformat() == form.one("retirer"))]
        visit.keep_choices(after)
        return visit.see_other(f"{place.address}#calendrier", "DRAFT_REMOVED", undo=before)
    scope, _, day = form.one("bascule").partition("-")
    if scope not in _SCOPES:
        return visit.see_other(place.address)
    return await _toggled(visit, place, before, _SCOPES[scope], day)


async def _toggled(visit: Visit, place: Place, before: list[Line], scope: str, day: str) -> Response:
    mine = [line for line in before if _is_of(line, place)]
    told: dict[str, Any] = {"scope": scope, "child": place.child, "activity": place.activity, "month": place.month, "day": day or None}
    told |= {"arrival": place.arrival or None, "departure": place.departure or None, "draft": [line.input for line in mine]}
    answer = (await visit.seek(TOGGLE, input=told)).get("toggleBookings")
    if answer is None:
        return not_now(visit, place.child)
    if answer["__typename"] != "Toggled":
        field = "arrivee" if answer["code"].startswith("HOURS") else "calendrier"
        return await _drawn(visit, place, {field: answer["message"]})
    after = draft.of(answer["draft"])
    new, gone = [line for line in after if line not in mine], [line for line in mine if line not in after]
    access = visit.household["bookingAccess"]
    if access and not access["open"] and any(line.change == "BOOK" for line in new):
        return await _drawn(visit, place, {"calendrier": access["refusal"]["message"]})
    try:
        visit.keep_choices([line for line in before if line not in mine] + after)
    except draft.TooLong:
        return await _drawn(visit, place, {"calendrier": phrase("DRAFT_TOO_LONG", visit.language)})
    if not new and not gone:
        return visit.see_other(f"{place.address}#calendrier", **await _stuck(visit, place, answer["skipped"]))
    return visit.see_other(f"{place.address}#calendrier", **_said(visit, new, gone, before))


async def _stuck(visit: Visit, place: Place, skipped: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What `see_other` says where nothing was done: of one day, why, as the page's script says it."""
    if len(skipped) != 1:
        return {"said": "WHY_NONE"}
    date, message = skipped[0]["date"], skipped[0]["message"]
    child = (await visit.seek(MONTH, child=place.child, activity=place.activity, month=date[:7])).get("child")
    told = next((each for each in child["calendar"]["days"] if each["date"] == date), None) if child else None
    stuck = told is not None and told["state"] not in days.ACTIONABLE
    return _of_day(visit, dt.date.fromisoformat(date), days.why(told, visit.today, visit.language) if told and stuck else message)


def _said(visit: Visit, new: Sequence[Line], gone: Sequence[Line], before: list[Line]) -> dict[str, Any]:
    """What `see_other` says of it."""
    if len(new) == 1 and len(gone) <= 1:
        mark = "MARK_ADD" if new[0].change == "BOOK" else "MARK_CANCEL"
        return _of_day(visit, new[0].date, phrase(mark, visit.language)) | {"undo": before}
    if len(gone) == 1 and not new:
        return {"said": "DRAFT_REMOVED", "undo": before}
    adds = any(line.change == "BOOK" for line in new) or any(line.change == "CANCEL" for line in gone)
    return {"said": "DONE_ADDED" if adds else "DONE_REMOVED", "n": len({line.date for line in (*new, *gone)}), "undo": before}


def _of_day(visit: Visit, date: dt.date, what: str) -> dict[str, Any]:
    return {"said": "DAY_SAID", "day": formats.date(date, "day", visit.language), "what": what}


# ------------------------------------------------------------------------------------------------------------ for scripts
async def cost(visit: Visit) -> Response:
    """`/reserver/cout?famille=`: what the draft's bookings would cost now, as JSON: {"text": "7,86 €"}. It has no effect."""
    family = visit.request.query_params.get("famille", "")
    lines = draft.read(visit.request.cookies.get(draft.cookie(family), ""))
    told = (await visit.ask(COST, family=family, lines=[line.input for line in lines]))["previewBookings"]
    return JSONResponse({"text": _estimate(visit, told)}, headers={"cache-control": "no-store"})


def _estimate(visit: Visit, told: Mapping[str, Any]) -> str:
    """As the recap's first table sums it up (S33), or why it cannot be told."""
    if told["__typename"] != "Preview":
        return str(told["message"])
    prices = [line["priceCents"] for line in told["bookings"] if line["forecast"] != "REFUSED"]
    return phrase("DRAFT_COST_LATER", visit.language) if None in prices else formats.money(sum(prices), visit.language)


async def follow(visit: Visit) -> Response:
    """`/direct/calendrier?enfant=&mois=&activite=`: the month, whenever something changes that this child would see (S24)."""
    asked = visit.request.query_params
    return await visit.follow(FOLLOW, child=asked.get("enfant", ""), month=asked.get("mois", ""), activity=asked.get("activite") or None)


PAGES = [
    ("/reserver", ("GET", "POST"), book),
    ("/reserver/cout", ("GET",), cost),
    ("/direct/calendrier", ("GET",), follow),
]
