"""The cashier's books at the agents' desk: deposits, what came in on a day, the journal for the treasury, who owes."""

import datetime as dt
import secrets
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from gateway.portal.desk import desk_page, enter, today, why_not
from gateway.portal.formats import day_of
from gateway.portal.operations import operation
from gateway.portal.texts import phrase
from gateway.portal.visit import Visit

DEPOSITS, CLOSING, DEBTORS = "/bureau/paiements/remises", "/bureau/paiements/caisse", "/bureau/paiements/impayes"
#: What somebody has to bring to the bank or the treasury.
BROUGHT = ("CHEQUE", "CASH", "CESU", "VOUCHER", "OTHER")
PIECES = 200  #: On one page, hence on one slip made of it.
FORMATS = ("CSV", "XLSX", "PDF")
_PIECE = "family { number } payment { id date reference payer bank amountCents }"
UNDEPOSITED = operation(f"""query DeskDeposits($structure: ID!, $mode: PaymentMode!, $first: Int!, $after: String) {{
  undepositedPayments(structure: $structure, mode: $mode, first: $first, after: $after) {{ totalCount totalCents endCursor hasNextPage
    nodes {{ {_PIECE} }} }}
  deposits(structure: $structure, first: 10) {{ nodes {{ id date mode reference recordedAt totalCents pieces {{ {_PIECE} }} }} }} }}""")
RECORD = operation("""mutation RecordDeposit($input: RecordDepositInput!) { done: recordDeposit(input: $input) {
  __typename ... on Deposit { pieces { payment { id } } } ... on Refusal { code message } ... on InvalidPayment { field } } }""")
OF_A_DAY = operation("""query DeskClosing($structure: ID!, $date: Date!) { closing(structure: $structure, date: $date) { date totalCents
  modes { mode payments paymentsCents refunds refundsCents totalCents } } }""")
JOURNAL = operation("""query DeskJournal($structure: ID!, $from: Date!, $to: Date!, $format: FileFormat!) {
  done: journalFile(structure: $structure, from: $from, to: $to, format: $format) { __typename
    ... on FileLink { url } ... on Refusal { code message } } }""")
OWING = operation("""query DeskDebtors($structure: ID!, $after: String) { debtors(structure: $structure, first: 50, after: $after) {
  totalCount totalCents endCursor hasNextPage nodes { balanceCents inDebit family { number adults { firstName lastName } } } } }""")


# ------------------------------------------------------------------------------------------------------------- deposits
async def deposits(visit: Visit) -> Response:
    """`?mode=&apres=`"""
    await enter(visit)
    asked = visit.request.query_params.get("mode", "")
    return await _deposits(visit, asked if asked in BROUGHT else BROUGHT[0])


async def _deposits(visit: Visit, mode: str, errors: Mapping[str, str] | None = None, typed: Mapping[str, Any] | None = None) -> Response:
    assert visit.office is not None, "whoever asks has entered"
    after = visit.request.query_params.get("apres") or None
    about = {"structure": visit.office["id"], "mode": mode, "first": PIECES, "after": after}
    told = await visit.seek(UNDEPOSITED, **about)
    more = {"key": (typed or {}).get("cle") or secrets.token_hex(16), "typed": typed or {}, "errors": errors or {}}
    return desk_page(
        visit,
        "desk_deposits.html",
        "payments",
        status=422 if errors else 200,
        mode=mode,
        after=after,
        modes=BROUGHT,
        page=told.get("undepositedPayments"),
        made=told.get("deposits"),
        today=today(visit).isoformat(),
        **more,
    )


async def deposit(visit: Visit) -> Response:
    """What was ticked is on one slip."""
    form = await visit.form()
    office = await enter(visit)
    mode = form.one("mode") if form.one("mode") in BROUGHT else BROUGHT[0]
    typed = {"cle": form.one("cle"), "pieces": form["piece"], "bordereau": form.one("bordereau"), "date": form.one("date")}
    wrong = {}
    if not form["piece"]:
        wrong["pieces"] = phrase("DEPOSIT_NONE", visit.language)
    if form.one("date") and day_of(form.one("date")) is None:
        wrong["date"] = phrase("DESK_DATE_WRONG", visit.language)
    if wrong:
        return await _deposits(visit, mode, wrong, typed)
    date = day_of(form.one("date")) or today(visit)
    order = {
        "structure": office["id"],
        "payments": form["piece"],
        "date": date.isoformat(),
        "idempotencyKey": f"{form.one('cle')}-remise"[:100],
    }
    told = await visit.order(RECORD, input=order | ({"reference": form.one("bordereau")} if form.one("bordereau") else {}))
    if "code" in told:
        field = {"reference": "bordereau", "date": "date"}.get(told.get("field") or "", "pieces")
        return await _deposits(visit, mode, {field: why_not(visit, told, typed, "PAYMENTS_SENT_BEFORE")}, typed)
    return visit.see_other(f"{DEPOSITS}?mode={mode}", "DEPOSIT_DONE", n=len(told["pieces"]))


# -------------------------------------------------------------------------------------------------------------- closing
async def closing(visit: Visit) -> Response:
    """`?date=`: what was recorded that day, by mode."""
    await enter(visit)
    return await _closing(visit, visit.request.query_params.get("date") or today(visit).isoformat())


async def _closing(visit: Visit, written: str, errors: Mapping[str, str] | None = None, typed: Mapping[str, str] | None = None) -> Response:
    """`written`: a day, as somebody wrote it."""
    assert visit.office is not None, "whoever asks has entered"
    day, wrong = day_of(written), dict(errors or {})
    if day is None or not dt.date.min < day < dt.date.max:
        wrong["date"], day = phrase("DESK_DATE_WRONG", visit.language), today(visit)
    told = (await visit.seek(OF_A_DAY, structure=visit.office["id"], date=day.isoformat())).get("closing")
    first = day.replace(day=1)
    usual = {"du": first.isoformat(), "au": day.isoformat(), "format": FORMATS[0]}
    return desk_page(
        visit,
        "desk_closing.html",
        "payments",
        status=422 if wrong else 200,
        day=day.isoformat(),
        written=written,
        closing=told,
        formats=[(each, each, False) for each in FORMATS],
        typed={**usual, **(typed or {})},
        errors=wrong,
    )


async def journal(visit: Visit) -> Response:
    """`/bureau/paiements/journal?du=&au=&format=`: the file, by a link that lasts some minutes."""
    office = await enter(visit)
    asked = visit.request.query_params
    typed = {name: asked.get(name, "").strip() for name in ("du", "au", "format")}
    days = {name: day_of(typed[name]) for name in ("du", "au")}
    wrong = {name: phrase("DESK_DATE_WRONG", visit.language) for name, day in days.items() if day is None}
    if typed["format"] not in FORMATS:
        wrong["format"] = phrase("JOURNAL_FORMAT_WRONG", visit.language)
    if days["du"] and days["au"] and days["au"] < days["du"]:
        wrong["au"] = phrase("JOURNAL_ENDS_BEFORE", visit.language)
    here = today(visit).isoformat()
    if wrong:
        return await _closing(visit, here, wrong, typed)
    told = await visit.order(JOURNAL, structure=office["id"], **{"from": f"{days['du']}", "to": f"{days['au']}", "format": typed["format"]})
    if "code" in told:
        message = phrase("JOURNAL_PERIOD_WRONG", visit.language) if told["code"] == "NOT_THERE" else told["message"]
        return await _closing(visit, here, {"du": message}, typed)
    return visit.file(told)


# -------------------------------------------------------------------------------------------------------------- debtors
async def debtors(visit: Visit) -> Response:
    """`?apres=`: the deepest in debt first."""
    office = await enter(visit)
    told = await visit.seek(OWING, structure=office["id"], after=visit.request.query_params.get("apres") or None)
    return desk_page(visit, "desk_debtors.html", "payments", page=told.get("debtors"))


PAGES = [
    (DEPOSITS, ("GET",), deposits),
    (DEPOSITS, ("POST",), deposit),
    (CLOSING, ("GET",), closing),
    ("/bureau/paiements/journal", ("GET",), journal),
    (DEBTORS, ("GET",), debtors),
]
