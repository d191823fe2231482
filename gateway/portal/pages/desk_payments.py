"""Payments at the agents' desk: recorded and reversed; refunds, transfers between wallets, and corrections of one."""

import datetime as dt
import secrets
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from gateway.portal.desk import date_of, desk_page, enter, today, why_not
from gateway.portal.formats import cents, day_of, local, money
from gateway.portal.forms import Form
from gateway.portal.operations import operation
from gateway.portal.spreadsheets import MOST, Line, details_of, name_for, name_of, pages, sent
from gateway.portal.texts import act_of, phrase
from gateway.portal.visit import Visit

HERE = "/bureau/paiements"
MODES = ("CHEQUE", "CASH", "CARD", "TRANSFER", "CESU", "VOUCHER", "DIRECT_DEBIT", "OTHER")
ACTS = 15
#: Of the file with what agents did: headings, of the texts.
ACT_COLUMNS = ("TRAIL_WHEN", "TRAIL_AGENT", "TRAIL_ACT", "REGISTER_NUMBER", "ACTIVITY_WALLET", "DESK_REASON", "TRAIL_DETAILS")
SIGNS = {"donner": 1, "retirer": -1}  #: Of a correction: the wallet is given, or it is taken from.
#: What an INVALID_PAYMENT is about -> its field.
FIELDS = {
    "mode": "mode",
    "reference": "piece",
    "payer": "payeur",
    "payee": "beneficiaire",
    "bank": "banque",
    "date": "date",
    "toWallet": "vers",
}
_SAME = "families(structure: $structure, search: $search, first: 20)"
_PAID = """payments { id date mode kind payer bank reference amountCents reason reversedOn wallet { id name } }
  adjustments { id date amountCents reason wallet { id name } }"""
_SAYS = "__typename ... on Refusal { code message }"
#: The families, by identity, then their money: an outage of billing takes no family from the page.
FAMILIES = operation(f"""query DeskPayers($structure: ID!, $search: String) {{ {_SAME} {{ nodes {{ id number
  adults {{ title firstName lastName }} children {{ firstName }} }} }} }}""")
MONEY = operation(f"""query DeskPayments($structure: ID!, $search: String, $month: YearMonth!, $before: YearMonth!) {{ {_SAME} {{ nodes {{
  number balance {{ lines {{ wallet {{ id name }} balanceCents suggestedPaymentCents }} }}
  now: payments(month: $month) {{ {_PAID} }} past: payments(month: $before) {{ {_PAID} }} }} }} }}""")
_ACTS = """moneyActs(structure: $structure, first: $first, after: $after) { endCursor hasNextPage nodes {
    id at kind reason agent { firstName lastName } family { number } wallet { name } details { name before after } } }"""
OFFICE = operation(f"""query DeskMoneyActs($structure: ID!, $first: Int!, $after: String) {{ {_ACTS}
  unsettledPayments(structure: $structure, first: 0) {{ totalCount }} }}""")
ACTS_ALONE = operation(f"query DeskMoneyActsFile($structure: ID!, $first: Int!, $after: String) {{ told: {_ACTS} }}")
RECORD = operation(f"""mutation RecordPayment($input: RecordPaymentInput!) {{ done: recordPayment(input: $input) {{
  {_SAYS} ... on InvalidPayment {{ field }} }} }}""")
REVERSE = operation(f"mutation ReversePayment($input: ReversePaymentInput!) {{ done: reversePayment(input: $input) {{ {_SAYS} }} }}")
REFUND = operation(f"""mutation RefundFamily($input: RefundInput!) {{ done: refund(input: $input) {{
  {_SAYS} ... on InvalidPayment {{ field }} }} }}""")
TRANSFER = operation(f"""mutation TransferBetweenWallets($input: TransferInput!) {{ done: transfer(input: $input) {{
  {_SAYS} ... on InvalidPayment {{ field }} }} }}""")
ADJUST = operation(f"mutation AdjustWallet($input: AdjustWalletInput!) {{ done: adjustWallet(input: $input) {{ {_SAYS} }} }}")


async def payments(visit: Visit) -> Response:
    """`?famille=`: the number of the family that pays, or what begins it, or a name."""
    await enter(visit)
    return await _page(visit, visit.request.query_params.get("famille", "").strip())


async def _page(visit: Visit, search: str, errors: Mapping[str, str] | None = None, typed: Mapping[str, str] | None = None) -> Response:
    found = (await visit.ask(FAMILIES, structure=_office(visit), search=search))["families"]["nodes"] if search else []
    family = next((one for one in found if one["number"] == search), found[0] if len(found) == 1 else None)
    purse = await _money(visit, family["number"]) if family else None
    acts = await visit.seek(OFFICE, structure=_office(visit), first=ACTS, after=None)
    told = {
        "search": search,
        "found": found,
        "payer": family,
        "lines": purse["balance"]["lines"] if purse else None,
        "wallets": _choices(visit, purse["balance"]["lines"]) if purse else _chosen(visit, typed or {}),
        "paid": [*_of(purse, "now"), *_of(purse, "past")],
        "acts": acts["moneyActs"] if acts else None,
        "unsettled": acts["unsettledPayments"]["totalCount"] if acts else 0,
        "modes": [(mode, phrase(f"MODE_DESK_{mode}", visit.language), False) for mode in MODES],
        "key": (typed or {}).get("cle") or secrets.token_hex(16),  # What is sent again is the same payments.
        "today": today(visit).isoformat(),
        "typed": typed or {},
        "errors": errors or {},
    }
    return desk_page(visit, "desk_payments.html", "payments", status=422 if errors else 200, **told)


def _choices(visit: Visit, lines: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, bool]]:
    """Wallets, with what they hold: id, words, and that these are the town's."""
    return [(one["wallet"]["id"], f"{one['wallet']['name']} ({money(one['balanceCents'], visit.language)})", True) for one in lines]


def _chosen(visit: Visit, typed: Mapping[str, str]) -> list[tuple[str, str, bool]]:
    """Those that a form named, while nobody can tell what they are called."""
    named = dict.fromkeys(typed[name] for name in typed if name.endswith(("-porte", "-vers")) and typed[name])
    return [(id, phrase("ACTIVITY_WALLET", visit.language), False) for id in named]


def _office(visit: Visit) -> str:
    assert visit.office is not None, "whoever asks has entered"
    return str(visit.office["id"])


async def _money(visit: Visit, number: str) -> Mapping[str, Any] | None:
    """Of the family of that number. None: nobody can tell now."""
    month = today(visit).replace(day=1)
    months = {"month": f"{month:%Y-%m}", "before": f"{month - dt.timedelta(days=1):%Y-%m}"}
    told = await visit.seek(MONEY, structure=_office(visit), search=number, **months)
    return next((one for one in told["families"]["nodes"] if one["number"] == number), None) if told else None


def _of(purse: Mapping[str, Any] | None, month: str) -> list[Mapping[str, Any]]:
    """Payments, refunds, and what agents gave wallets or took, newest first."""
    if purse is None:
        return []
    given = [{"kind": "ADJUSTMENT", "mode": None, "reversedOn": None, **each} for each in purse[month]["adjustments"]]
    return sorted([*purse[month]["payments"], *given], key=lambda each: str(each["date"]), reverse=True)


async def acts(visit: Visit) -> Response:
    """`/bureau/paiements/operations?apres=`: all that agents did with money, with its details."""
    office = await enter(visit)
    told = await visit.seek(OFFICE, structure=office["id"], first=50, after=visit.request.query_params.get("apres") or None)
    return desk_page(visit, "desk_acts.html", "payments", acts=told.get("moneyActs"))


async def acts_file(visit: Visit) -> Response:
    """`/bureau/paiements/operations/fichier`: all of them."""
    office = await enter(visit)

    async def lines() -> AsyncGenerator[list[Line], None]:
        async for nodes in pages(visit, ACTS_ALONE, structure=office["id"]):
            yield [_line(visit, each) for each in nodes]

    headings = [phrase(code, visit.language) for code in ACT_COLUMNS]
    name, cut = name_for("operations", today(visit).isoformat()), phrase("TRAIL_CUT_ALONE", visit.language, most=MOST)
    return await sent(visit, name, headings, lines(), cut)


def _line(visit: Visit, act: Mapping[str, Any]) -> Line:
    """As ACT_COLUMNS."""
    assert visit.office is not None, "whoever asks has entered"
    return (
        local(act["at"], visit.office["timezone"]).replace(tzinfo=None),
        name_of(act["agent"]) or phrase("TRAIL_NOBODY", visit.language),
        act_of(act["kind"], visit.language, "MONEY_ACT"),
        act["family"] and act["family"]["number"],
        act["wallet"] and act["wallet"]["name"],
        act["reason"],
        details_of(act["details"], visit.language),
    )


# ----------------------------------------------------------------------------------------------------------- what is done
def _typed(form: Form) -> dict[str, str]:
    return {"cle": "", **{name: form.one(name) for name in form}}


def _amounts(form: Form) -> dict[str, int | None]:
    """Field -> cents, of the wallets for which something is written."""
    return {name: cents(form.one(name)) for name in form if name.startswith("montant-") and form.one(name)}


def _wrong(visit: Visit, form: Form, amounts: Mapping[str, int | None]) -> dict[str, str]:
    """Field -> what is wrong with it, before anybody is asked. A date that nobody can read is not today."""
    wrong = {name: phrase("PAYMENTS_AMOUNT_WRONG", visit.language) for name, amount in amounts.items() if not amount}
    if not amounts:
        wrong["montants"] = phrase("PAYMENTS_NOTHING", visit.language)
    if form.one("mode") not in MODES:
        wrong["mode"] = phrase("PAYMENTS_MODE_WRONG", visit.language)
    if form.one("date") and day_of(form.one("date")) is None:
        wrong["date"] = phrase("DESK_DATE_WRONG", visit.language)
    return wrong


async def record(visit: Visit) -> Response:
    form = await visit.form()
    await enter(visit)
    number, typed, amounts = form.one("famille"), _typed(form), _amounts(form)
    wrong = _wrong(visit, form, amounts)
    if wrong:
        return await _page(visit, number, wrong, typed)
    about = {
        "family": form.one("id"),
        "mode": form.one("mode"),
        "payer": form.one("payeur"),
        "date": date_of(form.one("date"), today(visit)).isoformat(),
        **{told: form.one(name) for told, name in (("reference", "piece"), ("bank", "banque")) if form.one(name)},
    }
    for name, amount in amounts.items():
        wallet = name.removeprefix("montant-")
        # What was recorded before one was refused is not recorded twice when the form is sent again.
        order = {**about, "wallet": wallet, "amountCents": amount, "idempotencyKey": f"{form.one('cle')}-{wallet}"[:100]}
        told = await visit.order(RECORD, input=order)
        if "code" in told:
            at = {"INVALID_AMOUNT": name, "NOT_THERE": name, "IDEMPOTENCY_KEY_REUSED": "montants"}
            field = at.get(told["code"]) or FIELDS.get(told.get("field") or "", "mode")
            return await _refused(visit, number, field, told, typed)
    return visit.see_other(f"{HERE}?famille={quote(number)}", "PAYMENTS_DONE", n=len(amounts))


async def _refused(visit: Visit, number: str, field: str, told: Mapping[str, Any], typed: dict[str, str]) -> Response:
    message = why_not(visit, told, typed, "PAYMENTS_SENT_BEFORE")
    return await _page(visit, number, {field: message}, typed)


async def reverse(visit: Visit) -> Response:
    form = await visit.form()
    await enter(visit)
    number, payment = form.one("famille"), form.one("reglement")
    told = await visit.order(REVERSE, input={"payment": payment, "reason": form.one(f"motif-{payment}")})
    if told.get("code") == "ALREADY_REVERSED":  # Whoever sends it again in other words, since no answer came, has what was wanted.
        return visit.see_other(f"{HERE}?famille={quote(number)}", "PAYMENTS_REVERSED_BEFORE")
    if "code" in told:
        return await _refused(visit, number, f"motif-{payment}", told, _typed(form))
    return visit.see_other(f"{HERE}?famille={quote(number)}", "PAYMENTS_REVERSED")


async def refund(visit: Visit) -> Response:
    """Back to the family, of what a wallet holds."""
    form = await visit.form()
    extra = {told: form.one(f"rembourser-{name}") for told, name in (("reference", "piece"), ("bank", "banque"))}
    order = {
        "wallet": form.one("rembourser-porte"),
        "mode": form.one("rembourser-mode"),
        "payee": form.one("rembourser-beneficiaire"),
        **{name: value for name, value in extra.items() if value},
    }
    return await _move(visit, form, "rembourser", REFUND, order)


async def transfer(visit: Visit) -> Response:
    """From one wallet of the family to another."""
    form = await visit.form()
    order = {"fromWallet": form.one("transferer-porte"), "toWallet": form.one("transferer-vers")}
    return await _move(visit, form, "transferer", TRANSFER, order)


async def adjust(visit: Visit) -> Response:
    """A wallet is given so much, or so much is taken from it: no payment, a correction."""
    form = await visit.form()
    sign = SIGNS.get(form.one("corriger-sens"))
    return await _move(visit, form, "corriger", ADJUST, {"wallet": form.one("corriger-porte")}, sign)


async def _move(visit: Visit, form: Form, act: str, document: str, order: Mapping[str, Any], sign: int | None = 1) -> Response:
    """`act`: what the fields of its form begin with. `sign`: of the amount; None: nobody can tell."""
    await enter(visit)
    number, typed, amount = form.one("famille"), _typed(form), cents(form.one(f"{act}-montant"))
    wrong = {} if amount else {f"{act}-montant": phrase("PAYMENTS_AMOUNT_WRONG", visit.language)}
    if act == "rembourser" and order["mode"] not in MODES:
        wrong["rembourser-mode"] = phrase("PAYMENTS_MODE_WRONG", visit.language)
    if sign is None:
        wrong["corriger-sens"] = phrase("PAYMENTS_DIRECTION_WRONG", visit.language)
    if wrong or amount is None or sign is None:
        return await _page(visit, number, wrong, typed)
    order = {
        **order,
        "family": form.one("id"),
        "amountCents": sign * amount,
        "reason": form.one(f"{act}-motif"),
        "idempotencyKey": f"{form.one('cle')}-{act}"[:100],
    }
    told = await visit.order(document, input=order)
    if "code" in told:
        return await _refused(visit, number, f"{act}-{_field_of(told)}", told, typed)
    said = money(sign * amount, visit.language)
    if act == "corriger" and sign > 0:
        said = f"+{said}"
    return visit.see_other(f"{HERE}?famille={quote(number)}", f"PAYMENTS_{act.upper()}_DONE", amount=said)


def _field_of(told: Mapping[str, Any]) -> str:
    """Where a refusal stands."""
    about = {"REASON_REQUIRED": "motif", **dict.fromkeys(("INVALID_AMOUNT", "NOT_ENOUGH_CREDIT", "IDEMPOTENCY_KEY_REUSED"), "montant")}
    return FIELDS.get(told.get("field") or "") or about.get(told["code"], "porte")


PAGES = [
    (HERE, ("GET",), payments),
    (HERE, ("POST",), record),
    (f"{HERE}/contrepasser", ("POST",), reverse),
    (f"{HERE}/rembourser", ("POST",), refund),
    (f"{HERE}/transferer", ("POST",), transfer),
    (f"{HERE}/corriger", ("POST",), adjust),
    (f"{HERE}/operations", ("GET",), acts),
    (f"{HERE}/operations/fichier", ("GET",), acts_file),
]
