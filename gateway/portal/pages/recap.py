"""The recap (P13): everything that was chosen with what confirming it would give, and the confirmation (S25, S33, S34)."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from gateway.portal import draft, news, recap
from gateway.portal.draft import KEPT_SECONDS, Line
from gateway.portal.forms import Form
from gateway.portal.operations import operation
from gateway.portal.recap import Row
from gateway.portal.visit import Visit

PATH = "/recapitulatif"
#: What a browser's next request is told apart by; recap.key_of.
NONCE = "preau_envoi"
FAMILY = operation("query RecapFamily { ...Shell }")
ASKED = """($family: ID!, $lines: [BookingLineInput!]!, $wait: Boolean!, $together: [[Int!]!]) {%s
  previewBookings(family: $family, lines: $lines, acceptWaitingList: $wait, together: $together) { __typename
    ... on Preview { bookings { ...Forecast } cancellations { ...Forecast } } ... on Refusal { code message } } }
fragment Forecast on PreviewLine { change date arrival departure forecast rank refusal { code message }
  child { id firstName } activity { id name allocation { nextRunAt } } %s }"""
MONEY = " money: me { families { id balance { lines { wallet { id name } newBalanceCents } } } }"
RECAP = operation("query Recap" + ASKED % (MONEY, "priceCents explanation { label amountCents } wallet { id }"))
#: Booking goes on while nobody can tell what it costs.
RECAP_WITHOUT_PRICES = operation("query RecapWithoutPrices" + ASKED % ("", ""))
ENROLLED = operation("query RecapEnrolled { enrolled: me { families { id children { id activities { id } } } } }")
SUBMIT = operation("""mutation SubmitDraft($input: SubmitInput!) { submitBookings(input: $input) { __typename
  ... on Request { id } ... on Refusal { code message } } }""")


@dataclass(slots=True)
class Asked:
    """What is to be confirmed, and how."""

    lines: list[Line]
    waits: bool = True  #: On a waiting list, where there is no place.
    together: bool = False  #: Several children on one day: all or none.
    left_out: int = 0  #: Lines about children and activities that are not there any more.

    @property
    def groups(self) -> list[list[int]]:
        return recap.siblings(self.lines) if self.together else []

    @property
    def query(self) -> str:
        told = ({} if self.waits else {"attente": "non"}) | ({"ensemble": "oui"} if self.together else {})
        return f"?{urlencode(told)}" if told else ""


@dataclass(frozen=True, slots=True)
class Told:
    """What the API says to it."""

    rows: list[Row] = field(default_factory=list)
    refusal: Mapping[str, str] | None = None
    balance: Mapping[str, Any] | None = None


async def show(visit: Visit) -> Response:
    """`/recapitulatif?attente=non&ensemble=oui&vu=`, the last one what was shown before, to be compared with."""
    query = visit.request.query_params
    await visit.ask(FAMILY)
    asked = Asked(visit.choices(), query.get("attente") != "non", query.get("ensemble") == "oui")
    if not asked.lines:
        return visit.page("recap_empty.html", tab="book", waiting=0)
    told = await _preview(visit, asked)
    if told is None:
        return visit.page("recap_empty.html", tab="book", waiting=len(asked.lines))
    if asked.left_out:
        visit.keep_choices(asked.lines)
    if "vu" in query:
        told = Told(recap.compared(told.rows, asked.lines, recap.read(query["vu"])), told.refusal, told.balance)
    return _page(visit, asked, told)


async def act(visit: Visit) -> Response:
    form = await visit.form()
    await visit.ask(FAMILY)
    asked = _asked(form)
    if form.one("famille") != visit.family["id"]:
        return visit.see_other(PATH, "RECAP_OTHER_FAMILY")
    match form.one("acte"):
        case "retirer":
            return _remove(visit, asked, draft.read("|".join(form["ligne"])))
        case "abandonner":
            return _remove(visit, asked, visit.choices())
        case "valider" if asked.lines:
            return await _confirm(visit, asked, form)
    return visit.see_other(PATH + asked.query)


def _asked(form: Form) -> Asked:
    """Without options in the form nobody was asked: then it is as usual."""
    asked = bool(form["options"])
    return Asked(draft.read(form.one("lignes")), not asked or bool(form.one("attente")), asked and bool(form.one("ensemble")))


def _remove(visit: Visit, asked: Asked, lines: Sequence[Line]) -> Response:
    before = visit.choices()
    gone = [line for line in before if line in lines]
    visit.keep_choices(line for line in before if line not in gone)
    return visit.see_other(PATH + asked.query, "RECAP_REMOVED", undo=before, n=len(gone))


# ----------------------------------------------------------------------------------------------------------- confirming
async def _confirm(visit: Visit, asked: Asked, form: Form) -> Response:
    """The same form sent again leads to the same request: its key is the draft's, and what is done already does not stand in its way."""
    nonce, lines, seen = form.one("envoi"), asked.lines, recap.read(form.one("vu"))
    told = await _preview(visit, asked)
    if told is None:
        return visit.page("recap_empty.html", status=503, tab="book", waiting=len(asked.lines))
    rows = recap.compared(told.rows, lines, seen)
    if told.refusal is None and (asked.left_out or any(row.was for row in rows)):
        return _page(visit, asked, Told(rows, None, told.balance), status=422)
    answer = (await visit.ask(SUBMIT, input=_order(visit, asked, nonce)))["submitBookings"]
    if answer["__typename"] != "Request":
        if answer["code"] == "IDEMPOTENCY_KEY_REUSED":
            visit.forget(NONCE)
        return _page(visit, asked, Told(told.rows, answer, told.balance), status=422)
    visit.forget(NONCE)
    visit.keep_choices(line for line in visit.choices() if line not in asked.lines)
    return visit.see_other(f"/demandes/{answer['id']}")


def _order(visit: Visit, asked: Asked, nonce: str) -> dict[str, Any]:
    family = visit.family["id"]
    return {
        "family": family,
        "idempotencyKey": recap.key_of(nonce, family, asked.lines, waits=asked.waits, together=asked.together),
        "lines": [line.input for line in asked.lines],
        "acceptWaitingList": asked.waits,
        "together": asked.groups,
    }


# -------------------------------------------------------------------------------------------------------------- preview
async def _preview(visit: Visit, asked: Asked) -> Told | None:
    """Also takes out of `asked` what is not there any more, if anything. None: nobody can tell now."""
    told = await _ask(visit, asked)
    if not told:
        return None
    if told["previewBookings"]["__typename"] in ("UnknownChild", "UnknownActivity"):
        known = await _known(visit)
        left = [line for line in asked.lines if (line.child, line.activity) in known]
        asked.left_out, asked.lines = len(asked.lines) - len(left), left
        told = await _ask(visit, asked)
    preview = told["previewBookings"]
    if preview["__typename"] != "Preview":
        return Told(refusal=preview)
    families = (told.get("money") or {}).get("families") or ()
    balance = next((one["balance"] for one in families if one["id"] == visit.family["id"]), None)
    return Told(recap.rows_of(asked.lines, preview), balance=balance)


async def _ask(visit: Visit, asked: Asked) -> Mapping[str, Any]:
    variables = {
        "family": visit.family["id"],
        "lines": [line.input for line in asked.lines],
        "wait": asked.waits,
        "together": asked.groups,
    }
    return await visit.seek(RECAP, **variables) or await visit.seek(RECAP_WITHOUT_PRICES, **variables)


async def _known(visit: Visit) -> set[tuple[str, str]]:
    """Child and activity, of the family's children and what they are enrolled in."""
    families = (await visit.ask(ENROLLED))["enrolled"]["families"]
    children = [child for one in families if one["id"] == visit.family["id"] for child in one["children"]]
    return {(child["id"], activity["id"]) for child in children for activity in child["activities"]}


# ----------------------------------------------------------------------------------------------------------------- page
def _page(visit: Visit, asked: Asked, told: Told, *, status: int = 200) -> Response:
    rows = told.rows
    bookings = [row for row in rows if row.line.change == "BOOK"]
    cancellations = [row for row in rows if row.line.change == "CANCEL"]
    refused = [row for row in rows if not row.counts]
    return visit.page(
        "recap.html",
        status=status,
        styles=("recap",),
        tab="book",
        asked=asked,
        refusal=told.refusal,
        bookings=bookings,
        cancellations=cancellations,
        total=recap.total_of(bookings),
        refund=recap.total_of(cancellations),
        purses=recap.purses(rows, told.balance),
        refused=draft.written(row.line for row in refused) if 0 < len(refused) < len(rows) else "",
        refused_count=len(refused),
        in_debit=[row.told["refusal"] for row in refused if row.told["refusal"] and row.told["refusal"]["code"] == "ACCOUNT_IN_DEBIT"][:1],
        changed=sum(row.was is not None for row in rows),
        drawn_anew=_drawn_anew(visit),
        has_siblings=bool(recap.siblings(asked.lines)),
        text=lambda row: draft.written([row.line]),
        lines=draft.written(asked.lines),
        seen=recap.written(rows),
        nonce=_nonce(visit),
        edit=_edit(asked.lines),
        streams=_streams(asked.lines) if rows else [],
    )


def _streams(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Where what may become of the next lines is told, and how many there are on each day. Confirming checks all of them."""
    found: dict[str, dict[str, int]] = {}
    for line in sorted(lines, key=lambda line: line.date):
        days = found.setdefault(news.of_calendar(line.child, f"{line.date:%Y-%m}", line.activity), {})
        days[line.date.isoformat()] = sum(other.date == line.date and other.activity == line.activity for other in lines)
    return [{"address": address, "days": days} for address, days in list(found.items())[: news.MOST_FOLLOWED]]


def _drawn_anew(visit: Visit) -> bool:
    """By the script, and not because somebody confirmed what has changed since."""
    return "vu" in visit.request.query_params


def _nonce(visit: Visit) -> str:
    """What is drawn anew leaves none: it may come after what confirming it has used up."""
    nonce = visit.kept(NONCE) or secrets.token_urlsafe(12)
    if not _drawn_anew(visit):
        visit.keep(NONCE, nonce, KEPT_SECONDS)
    return nonce


def _edit(lines: Sequence[Line]) -> str:
    """Where the first line was chosen."""
    if not lines:
        return "/reserver"
    first = lines[0]
    return "/reserver?" + urlencode({"enfant": first.child, "activite": first.activity, "mois": f"{first.date:%Y-%m}"})


PAGES = [(PATH, ("GET",), show), (PATH, ("POST",), act)]
