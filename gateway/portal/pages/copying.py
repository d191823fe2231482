"""Copying days to another child or activity (P12, S31): what would be copied, and what cannot be and why, before it enters the draft."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import quote, unquote, urlencode

from starlette.responses import Response

from gateway.portal import draft
from gateway.portal.draft import Line
from gateway.portal.formats import day_of
from gateway.portal.forms import Form
from gateway.portal.hours import Choosing
from gateway.portal.operations import operation
from gateway.portal.texts import phrase
from gateway.portal.visit import Visit

COPY = operation("""query Copy { ...Shell me { families { id children { id firstName } } }
  booking: me { families { id bookingAccess { open refusal { message } } children { id firstName
  activities { id name opensOn closesOn arrival departure choosesHours hourStepMinutes } } } } }""")
PLAN = operation("""query CopyPlan($input: CopyInput!) { copyBookings(input: $input) { __typename
  ... on CopyPlan { draft { change child { id } activity { id choosesHours } date arrival departure } skipped { date code message } }
  ... on Refusal { code message } } }""")
LONGEST = dt.timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Pair:
    """A child and one of its activities, as the lists of the form offer them."""

    child: Mapping[str, Any]
    activity: Mapping[str, Any]

    @property
    def value(self) -> str:
        return pair(self.child["id"], self.activity["id"])

    @property
    def names(self) -> dict[str, str]:
        return {"child": self.child["firstName"], "activity": self.activity["name"]}

    def holds(self, line: Line) -> bool:
        return (line.child, line.activity) == (self.child["id"], self.activity["id"])


def pair(child: str, activity: str) -> str:
    return f"{quote(child, safe='')}:{quote(activity, safe='')}"


@dataclass(slots=True)
class Asked:
    """What the form says."""

    source: Pair | None
    target: Pair | None
    first: str
    last: str
    booked: bool  #: The bookings that stand, too.
    arrival: str
    departure: str
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def needs_hours(self) -> bool:
        """The target's are chosen, and the source has none to give."""
        return bool(self.target and self.target.activity["choosesHours"] and self.source and not self.source.activity["choosesHours"])

    @property
    def is_whole(self) -> bool:
        return not self.errors and self.target is not None and not (self.needs_hours and not self.arrival)

    @property
    def pairs(self) -> tuple[Pair, Pair]:
        """Of what is whole: from, to."""
        assert self.source is not None
        assert self.target is not None
        return self.source, self.target

    def input(self, lines: Iterable[Line]) -> dict[str, Any]:
        """CopyInput. Only what the draft says of these two counts: a line about something else may be out of date."""
        source, target = self.pairs
        mine = [line.input for line in lines if source.holds(line) or target.holds(line)]
        told = {"from": self.first, "to": self.last, "includeBooked": self.booked, "draft": mine}
        told |= {"fromChild": source.child["id"], "fromActivity": source.activity["id"]}
        told |= {"toChild": target.child["id"], "toActivity": target.activity["id"]}
        return told | ({"arrival": self.arrival, "departure": self.departure} if self.needs_hours else {})


@dataclass(frozen=True, slots=True)
class Plan:
    """What would come of it: the days that the target gets, those that it keeps after all, and those that cannot be."""

    draft: list[Line]
    added: list[Line]
    kept: list[Line]
    skipped: list[Mapping[str, Any]]

    @classmethod
    def of(cls, told: Mapping[str, Any], asked: Asked, before: list[Line]) -> Self:
        source, target = asked.pairs
        mine = [line for line in before if source.holds(line) or target.holds(line)]
        after = draft.of(told["draft"])
        known = {(line.child, line.activity, line.date, line.change) for line in mine}
        left = {(line.child, line.activity, line.date, line.change) for line in after}
        return cls(
            draft=[line for line in before if line not in mine] + after,
            added=[line for line in after if (line.child, line.activity, line.date, line.change) not in known],
            kept=[line for line in mine if (line.child, line.activity, line.date, line.change) not in left],
            skipped=list(told["skipped"]),
        )


async def copy(visit: Visit) -> Response:
    """`/reserver/copier?de=&vers=&du=&au=&reserves=&arrivee=&depart=`; `enfant`, `activite` and `mois` name the source, too."""
    posted = await visit.form() if visit.request.method == "POST" else None
    await visit.ask(COPY)
    told = posted if posted is not None else Form({name: visit.request.query_params.getlist(name) for name in visit.request.query_params})
    lines = visit.choices()
    asked = _asked(visit, told, lines)
    plan = await _plan(visit, asked, lines) if asked.is_whole else None
    if posted is not None and plan and (plan.added or plan.kept):
        return _take(visit, asked, plan, lines)
    return _page(visit, asked, plan)


def _page(visit: Visit, asked: Asked, plan: Plan | None) -> Response:
    children = visit.household["children"]
    choosing = Choosing.of(asked.target.activity) if asked.target and asked.needs_hours else None
    status = 422 if asked.errors else 200
    return visit.page(
        "copying.html",
        status=status,
        styles=("several",),
        tab="book",
        asked=asked,
        plan=plan,
        choosing=choosing,
        groups=_groups(children),
        access=visit.household["bookingAccess"],
        away=visit.part("booking") is None,
    )


def _groups(children: Iterable[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], list[Pair]]]:
    return [(child, [Pair(child, activity) for activity in child["activities"] or []]) for child in children]


def _asked(visit: Visit, told: Form, lines: list[Line]) -> Asked:
    pairs = {each.value: each for _, group in _groups(visit.household["children"]) for each in group}
    source = pairs.get(told.one("de") or pair(told.one("enfant"), told.one("activite"))) or _likely(pairs, told, lines)
    target = pairs.get(told.one("vers"))
    first, last = _period(visit, source, told, lines)
    asked = Asked(source, target, first, last, bool(told.one("reserves")), told.one("arrivee"), told.one("depart"))
    if "vers" in told:
        _check(visit, asked)
    return asked


def _likely(pairs: Mapping[str, Pair], told: Form, lines: list[Line]) -> Pair | None:
    """Where the draft began, or the first of the child in question."""
    chosen = [each for line in lines if (each := pairs.get(pair(line.child, line.activity)))]
    of_child = [each for each in pairs.values() if each.child["id"] == unquote(told.one("enfant"))]
    return next(iter([each for each in chosen if each in of_child] or of_child or chosen or list(pairs.values())), None)


def _period(visit: Visit, source: Pair | None, told: Form, lines: list[Line]) -> tuple[str, str]:
    """As asked, or what the draft holds, or the month."""
    if told.one("du") or told.one("au"):
        return told.one("du"), told.one("au")
    held = [line.date for line in lines if source and source.holds(line) and line.change == "BOOK"]
    try:
        first = dt.date.fromisoformat(f"{told.one('mois')}-01")
    except ValueError:
        first = min(held, default=visit.today).replace(day=1)
    last = (first + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)
    return min([*held, first]).isoformat(), max([*held, last]).isoformat()


def _check(visit: Visit, asked: Asked) -> None:
    """What is wrong with it, by field, in the page's order."""
    if asked.source is None:
        asked.errors["de"] = phrase("COPY_NO_SOURCE", visit.language)
    if asked.target is None:
        asked.errors["vers"] = phrase("COPY_NO_TARGET", visit.language)
    elif asked.source and asked.target.value == asked.source.value:
        asked.errors["vers"] = phrase("COPY_SAME", visit.language)
    first, last = day_of(asked.first), day_of(asked.last)
    asked.first, asked.last = (day.isoformat() if day else text for day, text in ((first, asked.first), (last, asked.last)))
    if first is None:
        asked.errors["du"] = phrase("COPY_NO_DATE", visit.language)
    if last is None or (first and last < first):
        asked.errors["au"] = phrase("COPY_NO_DATE" if last is None else "COPY_REVERSED", visit.language)
    elif first and last - first > LONGEST:
        asked.errors["au"] = phrase("COPY_TOO_LONG", visit.language)
    choosing = Choosing.of(asked.target.activity) if asked.target and asked.needs_hours else None
    if choosing and asked.arrival and not choosing.allow(asked.arrival, asked.departure):
        asked.errors["depart"] = phrase("HOURS_WRONG", visit.language)


async def _plan(visit: Visit, asked: Asked, lines: list[Line]) -> Plan | None:
    """None: refused, and `asked.errors` says why."""
    told = (await visit.seek(PLAN, input=asked.input(lines))).get("copyBookings")
    if told is None:
        asked.errors["vers"] = phrase("FORM_AWAY", visit.language)
        return None
    if told["__typename"] == "CopyPlan":
        return Plan.of(told, asked, lines)
    asked.errors["depart" if told["code"].startswith("HOURS") else "vers"] = told["message"]
    return None


def _take(visit: Visit, asked: Asked, plan: Plan, before: list[Line]) -> Response:
    _, target = asked.pairs
    access = visit.household["bookingAccess"]
    try:
        if access is None or access["open"] or not plan.added:
            visit.keep_choices(plan.draft)
        else:
            asked.errors["vers"] = access["refusal"]["message"]
    except draft.TooLong:
        asked.errors["vers"] = phrase("DRAFT_TOO_LONG", visit.language)
    if asked.errors:
        return _page(visit, asked, plan)
    changed = plan.added or plan.kept
    where = {"enfant": target.child["id"], "activite": target.activity["id"], "mois": f"{changed[0].date:%Y-%m}"}
    return visit.see_other(f"/reserver?{urlencode(where)}", "COPIED", undo=before, n=len(plan.added) + len(plan.kept), **target.names)


PAGES = [("/reserver/copier", ("GET", "POST"), copy)]
