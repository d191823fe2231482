"""Payments at the agents' desk: recorded, reversed, and those online that have not ended."""

import datetime as dt
import re
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from gateway.portal.desk import date_of, desk_page, enter, today
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
_AMOUNT = re.compile(r"(\d{1,6})(?:[.,](\d{1,2}))?")


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
        "key": secrets.token_hex(16),
        "today": today(visit).isoformat(),
        "typed": typed or {},
        "errors": errors or {},
    }
    return desk_page(visit, "desk_payments.html", "payments", status=422 if errors else 200, **told)


def _of(family: Mapping[str, Any], month: str) -> list[Mapping[str, Any]]:
    return list((family[month] or {}).get("payments", []))


def cents_of(text: str) -> int | None:
    """As people write amounts: 12,50 or 12.5 or 12 €. None: it is none."""
    found = _AMOUNT.fullmatch(re.sub(r"[\s€]", "", text))
    return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")) if found else None


def _amounts(form: Form) -> dict[str, int | None]:
    """Field -> cents, of the wallets for which something is written."""
    return {name: cents_of(form.one(name)) for name in form if name.startswith("montant-") and form.one(name)}


async def record(visit: Visit) -> Response:
    form = await visit.form()
    await enter(visit)
    number = form.one("famille")
    typed = {name: form.one(name) for name in form if name not in ("jeton_page", "cle")}
    amounts = _amounts(form)
    wrong = {name: phrase("PAYMENTS_AMOUNT_WRONG", visit.language) for name, cents in amounts.items() if not cents}
    if wrong or not amounts:
        return await _page(visit, number, wrong or {"montants": phrase("PAYMENTS_NOTHING", visit.language)}, typed)
    about = {
        "family": form.one("id"),
        "mode": form.one("mode") if form.one("mode") in MODES else "OTHER",
        "payer": form.one("payeur"),
        "date": date_of(form.one("date"), today(visit)).isoformat(),
        **{told: form.one(name) for told, name in (("reference", "piece"), ("bank", "banque")) if form.one(name)},
    }
    for name, cents in amounts.items():
        wallet = name.removeprefix("montant-")
        # What was recorded before one was refused is not recorded twice when the form is sent again.
        order = {**about, "wallet": wallet, "amountCents": cents, "idempotencyKey": f"{form.one('cle')}-{wallet}"[:100]}
        told = (await visit.ask(RECORD, input=order))["done"]
        if "code" in told:
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
