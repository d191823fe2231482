"""Several activities (P11, S32): the month of all activities of a child, whose days open the list of that day's activities."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from gateway.portal import draft, formats, together
from gateway.portal.draft import Line
from gateway.portal.formats import day_of
from gateway.portal.forms import Form
from gateway.portal.operations import operation
from gateway.portal.pages.booking import not_now
from gateway.portal.texts import TEXTS, phrase
from gateway.portal.together import Row, Wish
from gateway.portal.visit import Answered, Visit

START, MONTH, DAY = "/reserver", "/reserver/mois", "/reserver/jour"
OF_MONTH = operation("""query SeveralMonth($child: ID!, $month: YearMonth!) { ...Shell
  me { families { id children { id firstName } } } booking: me { families { id bookingAccess { open refusal { message } } } }
  child(id: $child) { id activities { id name opensOn closesOn }
    calendar(month: $month) { days { date state reason reasonCode revision } asOf } } }""")
OF_DAY = operation("""query SeveralDay($child: ID!, $date: Date!) { ...Shell
  me { families { id children { id firstName } } } booking: me { families { id bookingAccess { open refusal { message } } } }
  child(id: $child) { id day(date: $date) { date state placesLeft reason reasonCode revision
    booking { id rank arrival departure hoursChangeable }
    activity { id name arrival departure choosesHours hourStepMinutes minimumMinutes bookingRule cancellationRule } } } }""")
YEARS = range(2000, 2200)


# --------------------------------------------------------------------------------------------------------- the month
async def month(visit: Visit) -> Response:
    """`/reserver/mois?enfant=&mois=`"""
    query = visit.request.query_params
    if not query.get("enfant"):
        return visit.see_other(START)
    shown = _month(query.get("mois", "")) or visit.likely_today.replace(day=1)
    data = await visit.ask(OF_MONTH, child=query.get("enfant", ""), month=f"{shown:%Y-%m}")
    child = _child(visit, data, query.get("enfant", ""))
    activities, told, lines = data["child"]["activities"], data["child"]["calendar"], visit.choices()
    grid = together.grid_of(told["days"], together.chosen(lines, child["id"]), visit.today, _season(activities), visit.language)
    return visit.page(
        "several.html",
        styles=("calendar", "several"),
        tab="book",
        as_of=told["asOf"],
        child=child,
        children=visit.household["children"],
        access=visit.household["bookingAccess"],
        activities=activities,
        grid=grid,
        lines=lines,
        states=together.STATES,
        path=lambda other, activity: _other(other, activity, grid.this),
        day_path=lambda date: day_path(child["id"], date),
        month_path=lambda month: month_path(child["id"], month),
        told={"family": visit.family["id"], "child": child["id"], "month": grid.this, "draft": draft.kept(lines)},
    )


def month_path(child: str, month: str) -> str:
    return f"{MONTH}?{urlencode({'enfant': child, 'mois': month})}"


def day_path(child: str, date: dt.date) -> str:
    return f"{DAY}?{urlencode({'enfant': child, 'date': date.isoformat()})}"


def _other(child: str, activity: str, month: str) -> str:
    """Another child's month, or one of a single activity."""
    if activity == "*":
        return month_path(child, month)
    return f"{START}?{urlencode({'enfant': child, 'activite': activity, 'mois': month})}"


def _month(text: str) -> dt.date | None:
    """Its first day."""
    return _date(f"{text}-01")


def _date(text: str) -> dt.date | None:
    date = day_of(text)
    return date if date is not None and date.year in YEARS else None


def _season(activities: Iterable[Mapping[str, Any]]) -> tuple[dt.date, dt.date] | None:
    days = [(dt.date.fromisoformat(each["opensOn"]), dt.date.fromisoformat(each["closesOn"])) for each in activities]
    return (min(first for first, _ in days), max(last for _, last in days)) if days else None


def _child(visit: Visit, data: Mapping[str, Any], asked: str) -> Mapping[str, Any]:
    """Of the family whose structure is being consulted. Raises Answered: it is another's, or nobody can tell."""
    found = [each for each in visit.family["children"] if data["child"] and each["id"] == data["child"]["id"]]
    if found:
        return dict(found[0])
    raise Answered(not_now(visit, asked) if visit.partly else visit.see_other(START))


# ----------------------------------------------------------------------------------------------------------- one day
async def day(visit: Visit) -> Response:
    """`/reserver/jour?enfant=&date=`"""
    form = await visit.form() if visit.request.method == "POST" else None
    told = form if form is not None else Form({name: visit.request.query_params.getlist(name) for name in visit.request.query_params})
    date = _date(told.one("date"))
    if date is None or not told.one("enfant"):
        return visit.see_other(month_path(told.one("enfant"), told.one("mois")))
    data = await visit.ask(OF_DAY, child=told.one("enfant"), date=date.isoformat())
    child = _child(visit, data, told.one("enfant"))
    one = OneDay(visit, child, date, data["child"]["day"], visit.choices())
    return _day_page(one, one.lines) if form is None else _keep(one, form)


@dataclass(frozen=True, slots=True)
class OneDay:
    """A day of a child, as the API tells it, and the family's draft."""

    visit: Visit
    child: Mapping[str, Any]
    date: dt.date
    told: Sequence[Mapping[str, Any]]
    lines: list[Line]

    def rows(self, lines: Iterable[Line]) -> list[Row]:
        """With that draft laid over them."""
        mine, access = together.lines_on(lines, self.child["id"], self.date), self.visit.household["bookingAccess"]
        return together.rows_of(self.told, mine, self.visit.today, self.visit.language, may_book=access is None or access["open"])


def _day_page(one: OneDay, shown: list[Line], errors: Mapping[str, str] | None = None) -> Response:
    """`shown`: the draft as the page tells it: where something is wrong, that is with what was asked for, which is not kept."""
    visit, child, date = one.visit, one.child, one.date
    rows, known = one.rows(shown), {row.activity["id"]: row for row in one.rows(one.lines)}
    elsewhere = [line for activity, line in together.lines_on(one.lines, child["id"], date).items() if activity not in known]
    return visit.page(
        "one_day.html",
        status=422 if errors else 200,
        styles=("calendar", "several"),
        tab="book",
        child=child,
        siblings=[each for each in visit.family["children"] if each["id"] != child["id"]],
        access=visit.household["bookingAccess"],
        day=date,
        rows=rows,
        known=known,
        elsewhere=elsewhere,
        lines=one.lines,
        errors=_by_field(errors or {}, rows),
        before=date - dt.timedelta(days=1),
        after=date + dt.timedelta(days=1),
        told=_told_to_script(one, rows),
    )


def _by_field(errors: Mapping[str, str], rows: Iterable[Row]) -> dict[str, str]:
    """Activity -> what is wrong with it, by the field that it has on this page: in the form that was sent it may have had another."""
    fields = {row.activity["id"]: f"depart{number}" for number, row in enumerate(rows)}
    return {fields.get(name, name): wrong for name, wrong in errors.items()}


def _told_to_script(one: OneDay, rows: Iterable[Row]) -> dict[str, Any]:
    codes, language = ("ONE_DAY_SAID", "ONE_DAY_UNDONE", "ONE_DAY_HOURS", "DRAFT_TOO_LONG"), one.visit.language
    return {
        "family": one.visit.family["id"],
        "child": one.child["id"],
        "date": one.date.isoformat(),
        "day": formats.date(one.date, "day", language),
        "words": {code: TEXTS[code][language == "en"] for code in codes},
        "revision": sum(row.revision for row in rows),
        "rows": [
            {"activity": row.activity["id"], "name": row.activity["name"], "state": row.state, "booked": row.booked, "looks": row.looks}
            | ({"hours": row.hours, "shortest": row.choosing.shortest} if row.choosing else {})
            for row in rows
        ],
    }


def _keep(one: OneDay, form: Form) -> Response:
    visit, rows = one.visit, one.rows(one.lines)
    wishes, errors = _wishes(form, rows, visit)
    decided = together.decide(wishes, rows, one.lines, one.child["id"], one.date)
    try:
        if not errors:
            visit.keep_choices(decided.draft)
    except draft.TooLong:
        errors = {"jour": phrase("DRAFT_TOO_LONG", visit.language)}
    if errors:
        return _day_page(one, decided.draft, errors)
    onward = _onward(form.one("vers"), one.child["id"], one.date)
    words = {"day": formats.date(one.date, "day", visit.language)}
    if decided.lost:
        lost = ", ".join(row.activity["name"] for row in decided.lost)
        return visit.see_other(onward, "ONE_DAY_KEPT_BUT", undo=one.lines, activity=lost, **words)
    if set(decided.draft) == set(one.lines):
        return visit.see_other(onward)
    return visit.see_other(onward, "ONE_DAY_KEPT", undo=one.lines, **words)


def _onward(where: str, child: str, date: dt.date) -> str:
    """`where`: `recapitulatif`, a day, `enfant:` and another child's id; else the month."""
    if where == "recapitulatif":
        return "/recapitulatif"
    if where.startswith("enfant:"):
        return day_path(where.removeprefix("enfant:"), date)
    other = _date(where)
    return day_path(child, other) if other else month_path(child, f"{date:%Y-%m}")


def _wishes(form: Form, rows: Iterable[Row], visit: Visit) -> tuple[list[Wish], dict[str, str]]:
    """What was changed on the page, and what is wrong with it by activity. What was left as it was is no wish: it may be out of date."""
    known = {row.activity["id"]: row for row in rows}
    wishes, errors = [], {}
    for number, activity in enumerate(form["activite"]):
        reserved, was = form.one(f"choix{number}") == "1", form.one(f"etait{number}") == "1"
        hours = form.one(f"arrivee{number}"), form.one(f"depart{number}")
        hours_changed = reserved and "-".join(hours) not in ("-", form.one(f"horaires{number}"))
        if reserved == was and not hours_changed:
            continue
        row = known.get(activity)
        if reserved and row and row.acts and row.choosing and not row.choosing.allow(*hours):
            errors[activity] = phrase("HOURS_WRONG", visit.language)
        wishes.append(Wish(activity, reserved, hours if all(hours) else None))
    return wishes, errors


PAGES = [
    (MONTH, ("GET",), month),
    (DAY, ("GET", "POST"), day),
]
