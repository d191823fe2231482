"""What an activity is, at the agents' desk: its season, days, hours, places, deadlines, and how places are given. Made new, and changed."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from gateway.portal.desk import Wrong, date_in, desk_page, enter
from gateway.portal.formats import day_of
from gateway.portal.forms import Form
from gateway.portal.operations import operation
from gateway.portal.texts import phrase
from gateway.portal.visit import Answered, Visit

HERE = "/bureau/activites"
NEW = "/bureau/nouvelle-activite"
WEEK = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
HOLIDAYS = ("ANY", "CLOSED", "ONLY")
DEADLINES = ("START", "DAYS", "HOURS", "WEEKDAY")
POLICIES = ("IMMEDIATE", "ARRIVAL", "POINTS", "LOTTERY")
UNRECORDED = ("PRESENT", "ABSENT")
MOST = 1_000_000  #: Of any number that is written; the API says what is possible.
RULE = "{ daysBefore workingDays at hoursBefore weekday weeksBefore }"
SETTINGS = operation(f"""query DeskSettings($structure: ID!) {{ ...Shell criteria(structure: $structure) {{ id name }}
  activities(structure: $structure) {{ id name category opensOn closesOn settings {{ version wallet {{ id }} weekdays schoolHolidays
    closedOn openOn capacity waitingList capacityOn {{ date places }} waitingListOn {{ date places }}
    hours {{ arrival departure earliest latest stepMinutes minimumMinutes }} bookingDeadline {RULE} cancellationDeadline {RULE}
    allocation {{ scheduledAt policy points {{ criterion {{ id }} points }} }} attendance {{ closeAfterDays unrecorded }} }} }} }}""")
#: What billing calls them.
WALLETS = operation("query DeskWallets($structure: ID!) { activities(structure: $structure) { settings { wallet { id name } } } }")
_DONE = "{ __typename ... on Activity { id } ... on Refusal { code message } }"
CREATE = operation(f"mutation CreateActivity($input: CreateActivityInput!) {{ done: createActivity(input: $input) {_DONE} }}")
CHANGE = operation(f"mutation ChangeActivity($input: ChangeActivityInput!) {{ done: changeActivity(input: $input) {_DONE} }}")
#: What a refusal is about, as its message begins -> the field.
WHERE = {
    "name": "nom",
    "category": "categorie",
    "closesOn": "ferme-le",
    "opensOn, closesOn": "ferme-le",
    "weekdays, openOn": "jours",
    "closedOn": "fermes",
    "openOn": "ouverts",
    "capacityOn": "places-jour",
    "waitingListOn": "attente-jour",
    "hours": "depart",
    "hours.stepMinutes": "pas",
    "hours.minimumMinutes": "minimum",
    "capacity": "places",
    "waitingList": "attente",
    "bookingDeadline": "reserver",
    "cancellationDeadline": "annuler",
    "allocation": "places",
    "allocation.points": "repartition",
    "attendance.closeAfterDays": "cloture",
    "wallet": "portemonnaie",
    "code": "code",
    "pricedLike": "comme",
}


# ------------------------------------------------------------------------------------------------ as it stands in the form
def _days(days: list[str]) -> str:
    return "\n".join(f"{dt.date.fromisoformat(day):%d/%m/%Y}" for day in days)


def _places(days: list[Mapping[str, Any]]) -> str:
    """A line for each: the day, and how many; nothing behind it: without limit."""
    return "\n".join(f"{dt.date.fromisoformat(each['date']):%d/%m/%Y} {_text(each['places'])}".strip() for each in days)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _deadline(name: str, rule: Mapping[str, Any] | None) -> dict[str, str]:
    rule = rule or {}
    kind = "HOURS" if rule.get("hoursBefore") is not None else "WEEKDAY" if rule.get("weekday") else "DAYS" if rule else "START"
    number = {"HOURS": "hoursBefore", "WEEKDAY": "weeksBefore", "DAYS": "daysBefore"}.get(kind, "")
    return {
        name: kind,
        f"{name}-nombre": _text(rule.get(number)),
        f"{name}-heure": _text(rule.get("at"))[:5],
        f"{name}-jour": rule.get("weekday") or "MONDAY",
        f"{name}-ouvres": "oui" if rule.get("workingDays") else "",
    }


def _stored(activity: Mapping[str, Any]) -> dict[str, str]:
    """Field -> what stands in it."""
    its = activity["settings"]
    hours, allocation = its["hours"], its["allocation"] or {}
    points = {f"points-{each['criterion']['id']}": str(each["points"]) for each in allocation.get("points", ())}
    return {
        "nom": activity["name"],
        "categorie": activity["category"] or "",
        "ouvre-le": activity["opensOn"],
        "ferme-le": activity["closesOn"],
        "vacances": its["schoolHolidays"],
        "portemonnaie": its["wallet"]["id"],
        "heures": "CHOSEN" if hours["earliest"] else "FIXED",
        "arrivee": _text(hours["earliest"] or hours["arrival"])[:5],
        "depart": _text(hours["latest"] or hours["departure"])[:5],
        "pas": _text(hours["stepMinutes"] or 15),
        "minimum": _text(hours["minimumMinutes"] or 15),
        "places": _text(its["capacity"]),
        "attente": _text(its["waitingList"]),
        "fermes": _days(its["closedOn"]),
        "ouverts": _days(its["openOn"]),
        "places-jour": _places(its["capacityOn"]),
        "attente-jour": _places(its["waitingListOn"]),
        **_deadline("reserver", its["bookingDeadline"]),
        **_deadline("annuler", its["cancellationDeadline"]),
        "repartition": allocation.get("policy", "IMMEDIATE"),
        "repartition-heure": _text(allocation.get("scheduledAt"))[:5],
        **points,
        "cloture": _text(its["attendance"]["closeAfterDays"]),
        "non-pointe": its["attendance"]["unrecorded"],
        "version": str(its["version"]),
    }


FRESH = {"vacances": "CLOSED", "heures": "FIXED", "pas": "15", "minimum": "15", "attente": "0", "cloture": "0", "non-pointe": "PRESENT"}


# ----------------------------------------------------------------------------------------------------------- as it is sent
@dataclass
class Reading:
    """A form, and what is wrong with it: field -> why."""

    visit: Visit
    form: Form
    wrong: dict[str, str] = field(default_factory=dict)

    def one(self, name: str, *possible: str) -> str:
        told = self.form.one(name)
        return told if told in possible else possible[0]

    def number(self, name: str, otherwise: int | None = None) -> int | None:
        text = self.form.one(name)
        if not text:
            return otherwise
        if not (text.isascii() and text.isdigit() and int(text[:12]) < MOST):
            self.wrong[name] = phrase("SETTINGS_NUMBER_WRONG", self.visit.language)
            return None
        return int(text)

    def time(self, name: str) -> str | None:
        text = self.form.one(name)[:5]
        try:
            return f"{dt.time.fromisoformat(text):%H:%M}"
        except ValueError:
            self.wrong[name] = phrase("SETTINGS_TIME_WRONG", self.visit.language)
            return None

    def date(self, name: str) -> str | None:
        try:
            return date_in(self.visit, self.form, name, needed=True)
        except Wrong as wrong:
            self.wrong |= wrong.told
            return None

    def days(self, name: str) -> list[tuple[str, str]]:
        """Of a field with a day on each line: the day, ISO 8601, and what stands behind it."""
        found = []
        for line in self.form.one(name).splitlines():
            day, _, rest = line.strip().partition(" ")
            if day:
                found.append((self._day(name, day), rest.strip()))
        return found

    def _day(self, name: str, text: str) -> str:
        parts = text.split("/")
        told = day_of("-".join(reversed(parts)) if len(parts) == 3 else text)
        if told is None:
            self.wrong[name] = phrase("SETTINGS_DAY_WRONG", self.visit.language, text=text[:20])
        return told.isoformat() if told else ""

    def places(self, name: str) -> list[dict[str, Any]]:
        found = []
        for day, number in self.days(name):
            if number and not (number.isascii() and number.isdigit() and int(number[:12]) < MOST):
                self.wrong[name] = phrase("SETTINGS_NUMBER_WRONG", self.visit.language)
            else:
                found.append({"date": day, "places": int(number) if number else None})
        return found

    def deadline(self, name: str) -> dict[str, Any] | None:
        kind = self.one(name, *DEADLINES)
        if kind == "START":
            return None
        number = self.number(f"{name}-nombre", 1)
        if kind == "HOURS":
            return {"hoursBefore": number}
        at = self.time(f"{name}-heure")
        if kind == "DAYS":
            return {"daysBefore": number, "workingDays": self.form.one(f"{name}-ouvres") == "oui", "at": at}
        return {"weekday": self.one(f"{name}-jour", *WEEK), "weeksBefore": number, "at": at}

    def hours(self) -> dict[str, Any]:
        first, last = self.time("arrivee"), self.time("depart")
        if self.one("heures", "FIXED", "CHOSEN") == "FIXED":
            return {"arrival": first, "departure": last}
        return {"earliest": first, "latest": last, "stepMinutes": self.number("pas", 15), "minimumMinutes": self.number("minimum", 15)}

    def allocation(self) -> dict[str, Any] | None:
        policy = self.one("repartition", *POLICIES)
        if policy == "IMMEDIATE":
            return None
        counted = {name.removeprefix("points-"): self.number(name) for name in self.form if name.startswith("points-")}
        points = [{"criterion": criterion, "points": count} for criterion, count in counted.items() if count]
        return {"scheduledAt": self.time("repartition-heure"), "policy": policy, "points": points if policy == "POINTS" else []}

    def settings(self) -> dict[str, Any]:
        """ActivityInput. Raises Wrong."""
        told = {
            "name": self.form.one("nom"),
            "category": self.form.one("categorie") or None,
            "opensOn": self.date("ouvre-le"),
            "closesOn": self.date("ferme-le"),
            "weekdays": [each for each in WEEK if each in self.form["jours"]],
            "schoolHolidays": self.one("vacances", *HOLIDAYS),
            "wallet": self.form.one("portemonnaie") or None,
            "hours": self.hours(),
            "capacity": self.number("places"),
            "waitingList": self.number("attente"),
            "closedOn": [day for day, _ in self.days("fermes")],
            "openOn": [day for day, _ in self.days("ouverts")],
            "capacityOn": self.places("places-jour"),
            "waitingListOn": self.places("attente-jour"),
            "bookingDeadline": self.deadline("reserver"),
            "cancellationDeadline": self.deadline("annuler"),
            "allocation": self.allocation(),
            "attendance": {"closeAfterDays": self.number("cloture", 0), "unrecorded": self.one("non-pointe", *UNRECORDED)},
        }
        if self.wrong:
            raise Wrong(**self.wrong)
        return told


def _refused(told: Mapping[str, Any]) -> dict[str, str]:
    """Field -> why: what the API calls the field, nobody needs to read."""
    if told["code"] in ("REASON_REQUIRED", "BOOKINGS_OUTSIDE"):
        return {"motif" if told["code"] == "REASON_REQUIRED" else "annuler-reservations": told["message"]}
    where, _, said = told["message"].partition(":")
    found = WHERE.get(where.strip())
    return {found: said.strip()[:1].upper() + said.strip()[1:]} if found else {"nom": told["message"]}


# ------------------------------------------------------------------------------------------------------------------ pages
async def settings(visit: Visit) -> Response:
    """`/bureau/activites/{id}/reglages`"""
    await enter(visit)
    return await _page(visit, visit.request.path_params["id"])


async def new(visit: Visit) -> Response:
    await enter(visit)
    return await _page(visit, "")


async def _page(visit: Visit, id: str, form: Form | None = None, errors: Mapping[str, str] | None = None) -> Response:
    """`id`: empty: of a new one."""
    assert visit.office is not None, "whoever asks has entered"
    data = await visit.ask(SETTINGS, structure=visit.office["id"])
    found = next((each for each in data["activities"] if each["id"] == id), None)
    if id and found is None:
        raise Answered(visit.trouble("NOT_HERE", 404))
    if found is not None and found["settings"] is None:
        raise Answered(visit.missing())
    named = (await visit.seek(WALLETS, structure=visit.office["id"])).get("activities", ())
    names = {each["settings"]["wallet"]["id"]: each["settings"]["wallet"]["name"] for each in named if each["settings"]}
    known = {each["settings"]["wallet"]["id"] for each in data["activities"] if each["settings"]}
    values = {name: form.one(name) for name in form} if form is not None else _stored(found) if found else FRESH
    weekdays = form["jours"] if form is not None else found["settings"]["weekdays"] if found else WEEK[:5]
    told = {
        "activity": found,
        "others": data["activities"],
        "wallets": sorted(((id_, names.get(id_, id_)) for id_ in known), key=lambda each: each[1].casefold()),
        "criteria": data["criteria"] or [],
        "values": values,
        "weekdays": weekdays,
        "errors": errors or {},
    }
    kinds = {"week": WEEK, "holidays": HOLIDAYS, "deadlines": DEADLINES, "policies": POLICIES, "unrecorded": UNRECORDED}
    return desk_page(visit, "desk_settings.html", "activities", status=422 if errors else 200, **told, **kinds)


async def change(visit: Visit) -> Response:
    form = await visit.form()
    await enter(visit)
    id, reading = visit.request.path_params["id"], Reading(visit, form)
    try:
        order: dict[str, Any] = {"activity": id, "version": reading.number("version", 0), "settings": reading.settings()}
    except Wrong as wrong:
        return await _page(visit, id, form, wrong.told)
    order |= {"cancelBookings": form.one("annuler-reservations") == "oui", "reason": form.one("motif") or None}
    told = await visit.order(CHANGE, input=order)
    if "code" in told:
        return await _page(visit, id, form, _refused(told))
    return visit.see_other(f"{HERE}/{quote(id, safe='')}", "SETTINGS_CHANGED")


async def create(visit: Visit) -> Response:
    form = await visit.form()
    office = await enter(visit)
    try:
        settings = Reading(visit, form).settings()
    except Wrong as wrong:
        return await _page(visit, "", form, wrong.told)
    order = {"structure": office["id"], "code": form.one("code"), "pricedLike": form.one("comme"), "settings": settings}
    told = await visit.order(CREATE, input={**order, "reason": form.one("motif") or None})
    if "code" in told:
        return await _page(visit, "", form, _refused(told))
    return visit.see_other(f"{HERE}/{quote(told['id'], safe='')}", "SETTINGS_CREATED")


PAGES = [
    (NEW, ("GET",), new),
    (NEW, ("POST",), create),
    (f"{HERE}/{{id}}/reglages", ("GET",), settings),
    (f"{HERE}/{{id}}/reglages", ("POST",), change),
]
