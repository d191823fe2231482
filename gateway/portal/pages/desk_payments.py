"""Payments at the agents' desk: recorded, reversed, and those online that have not ended."""

import datetime as dt
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from gateway.portal.desk import date_of, desk_page, enter, today
from gateway.portal.formats import cents
from gateway.portal.forms import Form
from gateway.portal.operations import operation
from gateway.portal.texts import phrase
from gateway.portal.visit import Visit

HERE = "/bureau/paiements"
MODES = ("CHEQUE", "CASH", "CARD", "TRANSFER", "CESU", "VOUCHER", "DIRECT_DEBIT", "OTHER")
#: What an INVALID_PAYMENT names first -> its field.
FIELDS = {"reference": "piece", "payer": "payeur", "bank": "banque", "date": "date"}
_PAYMENTS = "payments { id date mode kind payer bank reference amountCents reason wallet { id name } }"
PAYMENTS = operation(f"""query DeskPayments($structure: ID!, $search: String, $chosen: Boolean!, $month: YearMonth!, $before: YearMonth!) {{
  ...Shell
  families(structure: $structure, search: $search, first: 20) @include(if: $chosen) {{ nodes {{ id number
    adults {{ title firstName lastName }} children {{ firstName }}
    balance {{ lines {{ wallet {{ id name }} balanceCents suggestedPaymentCents }} }}
    now: payments(month: $month) {{ {_PAYMENTS} }} past: payments(month: $before) {{ {_PAYMENTS} }} }} }}
  moneyActs(structure: $structure, first: 15) {{ nodes {{
    id at kind reason agent {{ firstName lastName }} family {{ number }} wallet {{ name }} }} }}
  unsettledPayments(structure: $structure, first: 20) {{ totalCount totalCents nodes {{ startedAt heard family {{ number }}
    payment {{ id amountCents }} trouble {{ message }} }} }} }}""")
RECORD = operation("""mutation RecordPayment($input: RecordPaymentInput!) { done: recordPayment(input: $input) {
  __typename ... on Payment { id } ... on Refusal { code message } } }""")
REVERSE = operation("""mutation ReversePayment($input: ReversePaymentInput!) { done: reversePayment(input: $input) {
  __typename ... on Refusal { code message } } }""")


async def payments(visit: Visit) -> Response:
    """`?famille=`: the number of the family that pays, or what begins it, or a name."""
    await enter(visit)
    return await _page(visit, visit.request.query_params.get("famille", "").strip())


async def _page(visit: Visit, search: str, errors: Mapping[str, str] | None = None, typed: Mapping[str, str] | None = None) -> Response:
    assert visit.office is not None, "whoever asks has entered"
    month = today(visit).replace(day=1)
    before = month - dt.timedelta(days=1)
    about = {"structure": visit.office["id"], "search": search or None, "chosen": bool(search)}
    data = await visit.ask(PAYMENTS, **about, month=f"{month:%Y-%m}", before=f"{before:%Y-%m}")
    found = (data.get("families") or {}).get("nodes", [])
    family = next((one for one in found if one["number"] == search), found[0] if len(found) == 1 else None)
    told = {
        "search": search,
        "found": found,
        "payer": family,
        "paid": [*_of(family, "now"), *_of(family, "past")] if family else [],
        "acts": (data.get("moneyActs") or {}).get("nodes", []),
        "unsettled": data.get("unsettledPayments"),
        "modes": MODES,
        "key": (typed or {}).get("cle") or secrets.token_hex(16),  # What is sent again is the same payments.
        "today": today(visit).isoformat(),
        "typed": typed or {},
        "errors": errors or {},
    }
    return desk_page(visit, "desk_payments.html", "payments", status=422 if errors else 200, **told)


def _of(family: Mapping[str, Any], month: str) -> list[Mapping[str, Any]]:
    return list((family[month] or {}).get("payments", []))


def _amounts(form: Form) -> dict[str, int | None]:
    """Field -> cents, of the wallets for which something is written."""
    return {name: cents(form.one(name)) for name in form if name.startswith("montant-") and form.one(name)}


def _wrong(visit: Visit, form: Form, amounts: Mapping[str, int | None]) -> dict[str, str]:
    """Field -> what is wrong with it, before anybody is asked. A date that nobody can read is not today."""
    wrong = {name: phrase("PAYMENTS_AMOUNT_WRONG", visit.language) for name, amount in amounts.items() if not amount}
    if not amounts:
        wrong["montants"] = phrase("PAYMENTS_NOTHING", visit.language)
    if form.one("date") and date_of(form.one("date"), dt.date.min) == dt.date.min:
        wrong["date"] = phrase("ANNOUNCEMENT_DATE_WRONG", visit.language)
    return wrong


async def record(visit: Visit) -> Response:
    form = await visit.form()
    await enter(visit)
    number = form.one("famille")
    typed = {"cle": "", **{name: form.one(name) for name in form}}
    amounts = _amounts(form)
    wrong = _wrong(visit, form, amounts)
    if wrong:
        return await _page(visit, number, wrong, typed)
    about = {
        "family": form.one("id"),
        "mode": form.one("mode") if form.one("mode") in MODES else "OTHER",
        "payer": form.one("payeur"),
        "date": date_of(form.one("date"), today(visit)).isoformat(),
        **{told: form.one(name) for told, name in (("reference", "piece"), ("bank", "banque")) if form.one(name)},
    }
    for name, amount in amounts.items():
        wallet = name.removeprefix("montant-")
        # What was recorded before one was refused is not recorded twice when the form is sent again.
        order = {**about, "wallet": wallet, "amountCents": amount, "idempotencyKey": f"{form.one('cle')}-{wallet}"[:100]}
        told = (await visit.ask(RECORD, input=order))["done"]
        if "code" in told:
            if told["code"] == "IDEMPOTENCY_KEY_REUSED":  # The form is another one than what was recorded by it: it begins anew.
                del typed["cle"]
            field = name if told["code"] == "INVALID_AMOUNT" else FIELDS.get(told["message"].partition(" ")[0].rstrip(":"), "mode")
            return await _page(visit, number, {field: told["message"]}, typed)
    return visit.see_other(f"{HERE}?famille={quote(number)}", "PAYMENTS_DONE", n=len(amounts))


async def reverse(visit: Visit) -> Response:
    form = await visit.form()
    await enter(visit)
    number, payment = form.one("famille"), form.one("reglement")
    told = (await visit.ask(REVERSE, input={"payment": payment, "reason": form.one(f"motif-{payment}")}))["done"]
    if "code" in told:
        return await _page(visit, number, {f"motif-{payment}": told["message"]})
    return visit.see_other(f"{HERE}?famille={quote(number)}", "PAYMENTS_REVERSED")


PAGES = [
    (HERE, ("GET",), payments),
    (HERE, ("POST",), record),
    (f"{HERE}/contrepasser", ("POST",), reverse),
]
