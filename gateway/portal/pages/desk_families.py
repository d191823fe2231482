"""Families at the agents' desk: found, shown, booked for, and let in again by a code on paper."""

import datetime as dt
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from gateway.portal.desk import date_of, desk_page, enter, today, why_not
from gateway.portal.formats import date, day_of, time_of
from gateway.portal.forms import Form
from gateway.portal.operations import operation
from gateway.portal.security import secret
from gateway.portal.texts import phrase
from gateway.portal.visit import Answered, Visit

HERE = "/bureau/familles"
LONGEST_DAYS = 92  #: Of one booking for a family.
#: Of its form: what stands there again where something is wrong.
#: Code of a refusal to move a booking -> its field; the day, for all others.
MOVED = {
    "REASON_REQUIRED": "motif-deplacer",
    "HOURS_REQUIRED": "deplacer-arrivee",
    "HOURS_NOT_ALLOWED": "deplacer-arrivee",
    "UNKNOWN_BOOKING": "deplacer",
    "NOT_MOVED": "deplacer",
    "NOT_THERE": "deplacer",
}
TYPED = ("quoi", "du", "au", "arrivee", "depart", "attente", "hors-delai", "malgre-dette", "motif", "cle")
FOUND = operation("""query DeskFamilies($structure: ID!, $search: String, $after: String) { ...Shell
  families(structure: $structure, search: $search, first: 30, after: $after) { totalCount hasNextPage endCursor
    nodes { id number adults { firstName lastName } children { firstName lastName } } } }""")
_SAME = "families(structure: $structure, search: $search, first: 20)"
#: What each service tells of it is asked by itself: an outage of one takes nothing of the others from the page.
FAMILY = operation(f"""query DeskFamily($structure: ID!, $search: String!) {{ ...Shell {_SAME} {{ nodes {{ id number
  adults {{ id title firstName lastName account {{ login email hasPassword }} }} children {{ id firstName lastName birthDate }} }} }} }}""")
MONEY = operation(f"""query DeskFamilyMoney($structure: ID!, $search: String!) {{ {_SAME} {{ nodes {{ number
  balance {{ inDebit lines {{ wallet {{ name }} balanceCents estimatedCostCents newBalanceCents }} }} }} }} }}""")
BOOKINGS = operation(f"""query DeskFamilyBookings($structure: ID!, $search: String!, $from: Date!) {{ {_SAME} {{ nodes {{ number
  enrolled: children {{ id activities {{ id name choosesHours }} }} bookingAccess {{ open refusal {{ message }} }}
  bookings(from: $from, first: 100, status: [ACCEPTED, WAITLISTED, SUBMITTED]) {{ totalCount
    nodes {{ id date arrival departure status rank child {{ id firstName }} activity {{ id name }} }} }} }} }} }}""")
REQUEST = operation("""query DeskFamilyRequest($request: ID!) { done: request(id: $request) { number decided reason
  movements { change refusal { message } booking { id date status rank child { firstName } activity { name } } } } }""")
DAYS = operation("""query DeskOpenDays($activity: ID!, $from: Date!, $to: Date!) {
  done: openings(activity: $activity, from: $from, to: $to) { date open } }""")
_DONE = "{ __typename ... on Request { id } ... on Refusal { code message } }"
BOOK = operation(f"mutation BookForFamily($input: BookForFamilyInput!) {{ done: bookForFamily(input: $input) {_DONE} }}")
CANCEL = operation(f"mutation CancelForFamily($input: CancelForFamilyInput!) {{ done: cancelForFamily(input: $input) {_DONE} }}")
MOVE = operation("""mutation MoveBooking($input: MoveBookingInput!) { done: moveBooking(input: $input) {
  __typename ... on Booking { date status } ... on Refusal { code message } } }""")
CODE = operation("""mutation IssueCounterCode($account: ID!, $key: String!, $reason: String!) {
  done: issueCounterCode(account: $account, idempotencyKey: $key, reason: $reason) { __typename
    ... on CounterCode { codeOnPaper expiresAt } ... on Refusal { code message } } }""")
SHELL_ALONE = operation("query DeskCode { ...Shell }")


async def families(visit: Visit) -> Response:
    """`?chercher=&apres=`"""
    office = await enter(visit)
    search = visit.request.query_params.get("chercher", "").strip()
    after = visit.request.query_params.get("apres") or None
    told = (await visit.ask(FOUND, structure=office["id"], search=search or None, after=after))["families"]
    return desk_page(visit, "desk_families.html", "families", found=told, search=search)


# ----------------------------------------------------------------------------------------------------------- one of them
async def family(visit: Visit) -> Response:
    """`/bureau/familles/{number}?demande=`"""
    await enter(visit)
    return await _page(visit, visit.request.path_params["number"], request=visit.request.query_params.get("demande", ""))


async def _page(visit: Visit, number: str, errors: Mapping[str, str] | None = None, *, request: str = "", **typed: str) -> Response:
    told = await found(visit, number)
    made = await visit.seek(REQUEST, request=request) if request else {}
    key = typed.get("cle") or secrets.token_hex(16)  # What is sent again is the same.
    more = {"key": key, "today": today(visit).isoformat(), "request": made.get("done")}
    return desk_page(
        visit, "desk_family.html", "families", status=422 if errors else 200, told=told, typed=typed, errors=errors or {}, **more
    )


async def found(visit: Visit, number: str) -> Mapping[str, Any]:
    """The family of that number; `balance`, `bookings` and `bookingAccess` None: who knows is away. Raises Answered: there is none."""
    assert visit.office is not None, "whoever asks has entered"
    about = {"structure": visit.office["id"], "search": number}
    family = _numbered(await visit.ask(FAMILY, **about), number)
    if family is None:
        raise Answered(visit.trouble("NOT_HERE", 404))
    money = _numbered(await visit.seek(MONEY, **about), number)
    booking = _numbered(await visit.seek(BOOKINGS, **about, **{"from": today(visit).isoformat()}), number)
    activities = {each["id"]: each["activities"] for each in booking["enrolled"]} if booking else {}
    children = [{**each, "activities": activities.get(each["id"], [])} for each in family["children"]]
    return {"balance": None, "bookings": None, "bookingAccess": None, **family, **(money or {}), **(booking or {}), "children": children}


def _numbered(told: Mapping[str, Any], number: str) -> Mapping[str, Any] | None:
    nodes = (told.get("families") or {"nodes": ()})["nodes"]
    return next((one for one in nodes if one["number"] == number), None)


def _address(number: str) -> str:
    return f"{HERE}/{quote(number, safe='')}"


async def book(visit: Visit) -> Response:
    """One child, one activity, all days that it is open between two dates."""
    form = await visit.form()
    await enter(visit)
    number = visit.request.path_params["number"]
    typed = {name: form.one(name) for name in TYPED}
    child, _, activity = form.one("quoi").partition(" ")
    wrong = _wrong(visit, form)
    if wrong:
        return await _page(visit, number, wrong, **typed)
    first = date_of(form.one("du"), dt.date.min)
    asked = {"from": first.isoformat(), "to": date_of(form.one("au"), first).isoformat()}
    opened = await visit.order(DAYS, activity=activity, **asked)
    if "code" in opened:
        return await _page(visit, number, {"quoi": opened["message"]}, **typed)
    days = [each["date"] for each in opened if each["open"]]
    if not days:
        return await _page(visit, number, {"du": phrase("FAMILY_NO_DAY", visit.language)}, **typed)
    hours = {"arrival": time_of(form.one("arrivee")), "departure": time_of(form.one("depart"))}
    line = {"child": child, "activity": activity, **{name: value for name, value in hours.items() if value}}
    order = {
        "family": form.one("famille"),
        "bookings": [{**line, "date": day} for day in days],
        "idempotencyKey": form.one("cle"),
        "reason": form.one("motif"),
        "acceptWaitingList": form.one("attente") == "oui",
        "pastDeadlines": form.one("hors-delai") == "oui",
        "despiteDebt": form.one("malgre-dette") == "oui",
    }
    told = await visit.order(BOOK, input=order)
    return await _after(visit, told, number, "motif" if told.get("code") == "REASON_REQUIRED" else "quoi", typed)


def _wrong(visit: Visit, form: Form) -> dict[str, str]:
    """Field -> what is wrong with it, before anybody is asked."""
    first, last = day_of(form.one("du")), day_of(form.one("au") or form.one("du"))
    hours = {
        name: phrase("DESK_TIME_WRONG", visit.language) for name in ("arrivee", "depart") if form.one(name) and not time_of(form.one(name))
    }
    if first is None:
        return {"du": phrase("DESK_DATE_WRONG", visit.language), **hours}
    if last is None:
        return {"au": phrase("DESK_DATE_WRONG", visit.language), **hours}
    if not 0 <= (last - first).days < LONGEST_DAYS:
        return {"du": phrase("FAMILY_DAYS_WRONG", visit.language), **hours}
    return hours


async def cancel(visit: Visit) -> Response:
    form = await visit.form()
    await enter(visit)
    number = visit.request.path_params["number"]
    typed = {"cle": form.one("cle"), "motif-annuler": form.one("motif-annuler"), "coches": "|".join(form["reservation"])}
    if not form["reservation"]:
        return await _page(visit, number, {"annulations": phrase("FAMILY_NONE_CHOSEN", visit.language)}, **typed)
    order = {
        "family": form.one("famille"),
        "bookings": form["reservation"],
        "idempotencyKey": form.one("cle"),
        "reason": form.one("motif-annuler"),
        "pastDeadlines": form.one("hors-delai") == "oui",
    }
    told = await visit.order(CANCEL, input=order)
    return await _after(visit, told, number, "motif-annuler" if told.get("code") == "REASON_REQUIRED" else "annulations", typed)


async def move(visit: Visit) -> Response:
    """A booking to another day of its activity, in one step: where that is refused, it stays where it is."""
    form = await visit.form()
    await enter(visit)
    number = visit.request.path_params["number"]
    typed = {name: form.one(name) for name in form if name == "cle" or "deplacer" in name}
    hours = {name: form.one(f"deplacer-{field}") for name, field in (("arrival", "arrivee"), ("departure", "depart"))}
    wrong = {"deplacer": phrase("FAMILY_MOVE_NONE", visit.language)} if not form.one("deplacer") else {}
    if day_of(form.one("deplacer-jour")) is None:
        wrong["deplacer-jour"] = phrase("DESK_DATE_WRONG", visit.language)
    for name, field in (("arrival", "arrivee"), ("departure", "depart")):
        if hours[name] and not time_of(hours[name]):
            wrong[f"deplacer-{field}"] = phrase("DESK_TIME_WRONG", visit.language)
    if wrong:
        return await _page(visit, number, wrong, **typed)
    order = {
        "booking": form.one("deplacer"),
        "date": date_of(form.one("deplacer-jour"), dt.date.min).isoformat(),
        **{name: time_of(told) for name, told in hours.items() if told},
        "reason": form.one("motif-deplacer"),
        "idempotencyKey": form.one("cle"),
        "pastDeadlines": form.one("deplacer-hors-delai") == "oui",
        "despiteDebt": form.one("deplacer-malgre-dette") == "oui",
    }
    told = await visit.order(MOVE, input=order)
    if "code" in told:
        field = MOVED.get(told["code"], "deplacer-jour")
        message = why_not(visit, told, typed)
        if not visit.unanswered:  # That this day is not possible is the answer to this key: another day is another order.
            typed.pop("cle", None)
        return await _page(visit, number, {field: message}, **typed)
    when = date(told["date"], "full", visit.language)
    return visit.see_other(_address(number), f"FAMILY_MOVED_{told['status']}", when=when)


async def _after(visit: Visit, told: Mapping[str, Any], number: str, field: str, typed: dict[str, str]) -> Response:
    if "code" in told:
        message = why_not(visit, told, typed)
        return await _page(visit, number, {field: message}, **typed)
    return visit.see_other(f"{_address(number)}?demande={quote(told['id'])}")


async def code(visit: Visit) -> Response:
    """A code on paper, shown once: whoever has it sets a new password, or links an identity from outside."""
    form: Form = await visit.form()
    await enter(visit)
    number, account = visit.request.path_params["number"], form.one("compte")
    reason = form.one(f"motif-{account}")
    told = await visit.order(CODE, account=account, key=form.one("cle"), reason=reason)
    if "code" in told:
        typed = {"cle": form.one("cle"), f"motif-{account}": reason}
        message = why_not(visit, told, typed)
        return await _page(visit, number, {f"motif-{account}": message}, **typed)
    if told["codeOnPaper"] is None:
        return visit.see_other(_address(number), "FAMILY_CODE_GONE")
    await visit.ask(SHELL_ALONE)
    told_once = {"code": told, "login": form.one("identifiant"), "number": number}
    return secret(desk_page(visit, "desk_code.html", "families", compressed=False, **told_once))


PAGES = [
    (HERE, ("GET",), families),
    (f"{HERE}/{{number}}", ("GET",), family),
    (f"{HERE}/{{number}}/reserver", ("POST",), book),
    (f"{HERE}/{{number}}/annuler", ("POST",), cancel),
    (f"{HERE}/{{number}}/deplacer", ("POST",), move),
    (f"{HERE}/{{number}}/code", ("POST",), code),
]
