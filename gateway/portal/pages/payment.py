"""Paying online (P7), and the return from the payment site (P8), which says nothing: what became of a payment is asked, always."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response

from gateway.portal import formats
from gateway.portal.forms import Form, new_secret
from gateway.portal.operations import operation
from gateway.portal.pages.money import Calculation
from gateway.portal.texts import phrase
from gateway.portal.visit import Visit

#: Fields of the form: an amount for each wallet, before its id.
AMOUNT = "montant-"
QUOTE = operation("""query PaymentQuote($until: Date, $include: [HoldKind!]!) { ...Shell money: me { families { id
  balance(until: $until, include: $include) { newBalanceCents
    lines { wallet { id name } balanceCents estimatedCostCents suggestedPaymentCents } }
  paymentAccess { open refusal { message } leastCents underWay { id amountCents } } } } }""")
START = operation("""mutation StartPayment($input: StartPaymentInput!) { startPayment(input: $input) { __typename
  ... on OnlinePayment { id status redirectUrl } ... on Refusal { code message } } }""")
RETURNED = operation("""query PaymentReturn($id: ID!) { ...Shell money: me { families { id balance { balanceCents } } }
  onlinePayment(id: $id) { id status amountCents redirectUrl reference } }""")
RECEIPT = operation("""query PaymentReceipt($id: ID!) { ...Shell
  onlinePayment(id: $id) { receipt { ... on FileLink { url } ... on Refusal { message } } } }""")


@dataclass(frozen=True, slots=True)
class Line:
    """A wallet on the payment page, in cents."""

    id: str
    name: str
    balance_cents: int
    cost_cents: int
    written: str  #: What is to be paid, as the field has it.

    @property
    def payment_cents(self) -> int | None:
        """None: it is no amount."""
        return formats.cents(self.written) if self.written else 0

    @property
    def new_balance_cents(self) -> int:
        return new_balance(self.balance_cents, self.cost_cents, self.payment_cents or 0)


def suggested(balance_cents: int, cost_cents: int) -> int:
    """S16."""
    return max(0, cost_cents - balance_cents)


def new_balance(balance_cents: int, cost_cents: int, payment_cents: int) -> int:
    """S16."""
    return balance_cents - cost_cents + payment_cents


@dataclass(frozen=True, slots=True)
class Sent:
    """What was written on the page. Without any of it, what is suggested."""

    amounts: Mapping[str, str] = field(default_factory=dict)  #: wallet -> as it was written
    email: str = ""
    key: str = ""

    @classmethod
    def of(cls, form: Form) -> "Sent":
        amounts = {name.removeprefix(AMOUNT): form.one(name) for name in form if name.startswith(AMOUNT)}
        return cls(amounts, form.one("courriel"), form.one("cle"))

    @property
    def lines(self) -> list[dict[str, Any]]:
        """PaymentLineInput, of what is above zero."""
        found = {wallet: formats.cents(text) or 0 for wallet, text in self.amounts.items() if text}
        return [{"wallet": wallet, "amountCents": cents} for wallet, cents in sorted(found.items()) if cents]

    @property
    def idempotency_key(self) -> str:
        """The same page sent twice is one payment; with another amount, after going back, it is another one."""
        content = json.dumps([self.key, self.lines, self.email])
        return hashlib.sha256(content.encode()).hexdigest()


async def payment(visit: Visit) -> Response:
    """`/paiement?jusquau=&inclure=`, the calculation that amounts are suggested by."""
    calculation = Calculation.read(visit.request.query_params)
    if visit.request.method != "POST":
        return await _page(visit, calculation, None, {})
    form = await visit.form()
    sent = Sent.of(form)
    if form.one("faire") == "calculer":
        return await _page(visit, calculation, sent, {})
    errors = _wrong(visit, sent)
    return await _page(visit, calculation, sent, errors) if errors else await _start(visit, calculation, sent, form.one("famille"))


def _wrong(visit: Visit, sent: Sent) -> dict[str, str]:
    wrong = {wallet: text for wallet, text in sent.amounts.items() if text and formats.cents(text) is None}
    errors = {AMOUNT + wallet: phrase("AMOUNT_WRONG", visit.language) for wallet in wrong}
    if not errors and not sent.lines:
        errors = {AMOUNT + wallet: phrase("AMOUNT_NONE", visit.language) for wallet in list(sent.amounts)[:1]}
    return errors


async def _start(visit: Visit, calculation: Calculation, sent: Sent, family: str) -> Response:
    asked = {"family": family, "lines": sent.lines, "email": sent.email or None, "idempotencyKey": sent.idempotency_key}
    told = (await visit.seek(START, input=asked)).get("startPayment")
    if told is None:  # Whether it was begun nobody knows: sent again, it is the same.
        visit.unanswered = True
        return await _page(visit, calculation, sent, {}, refused=phrase("FORM_AWAY", visit.language))
    if told["__typename"] == "OnlinePayment":
        is_known = origin(told["redirectUrl"]) in visit.house.payment_origins
        if told["status"] != "STARTED" or not is_known:  # Its page says what became of it, and has a link to the payment site.
            return visit.see_other(f"/paiement/{told['id']}")
        return visit.see_other(told["redirectUrl"])
    if told["code"] == "EMAIL_REQUIRED":
        return await _page(visit, calculation, sent, {"courriel": told["message"]})
    if told["code"] == "INVALID_AMOUNT":
        return await _page(visit, calculation, sent, {AMOUNT + sent.lines[0]["wallet"]: told["message"]})
    return await _page(visit, calculation, sent, {}, refused=told["message"])


def origin(url: str) -> str:
    """Scheme, host and port, as a Content-Security-Policy names them."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


async def _page(
    visit: Visit, calculation: Calculation, sent: Sent | None, errors: Mapping[str, str], *, refused: str | None = None
) -> Response:
    await visit.ask(QUOTE, **calculation.asked)
    family, money = visit.family, visit.part("money")
    lines = [_line(visit, told, sent) for told in money["balance"]["lines"]] if money else []
    told_email = sent is not None and ("courriel" in errors or bool(sent.email))
    return visit.page(
        "payment.html",
        status=422 if errors else 503 if refused else 200,
        styles=("money",),
        tab="money",
        form_targets=sorted(visit.house.payment_origins),
        family=family,
        lines=lines,
        total_cents=sum(line.payment_cents or 0 for line in lines),
        access=money and money["paymentAccess"],
        away=money is None,
        calculation=calculation,
        asks_email=told_email or not visit.data["me"]["email"],
        sent=Sent(key=sent.key if sent and sent.key else new_secret(), email=sent.email if sent else ""),
        errors=errors,
        refused=refused,
    )


def _line(visit: Visit, told: Mapping[str, Any], sent: Sent | None) -> Line:
    wallet = told["wallet"]
    usual = formats.plain_money(told["suggestedPaymentCents"], visit.language)
    written = usual if sent is None else sent.amounts.get(wallet["id"], "")
    return Line(wallet["id"], wallet["name"], told["balanceCents"], told["estimatedCostCents"], written)


# ---------------------------------------------------------------------------------------------------------------- return
async def returned(visit: Visit) -> Response:
    """`/paiement/{id}`: whoever comes back from the payment site, or wants to know."""
    if visit.session is None:
        return visit.page("payment_return.html", styles=("money",), payment=None, balance=None)
    await visit.ask(RETURNED, id=visit.request.path_params["id"])
    if visit.data["onlinePayment"] is None:
        return visit.missing()
    money = visit.part("money") if visit.families else None
    told = {"payment": visit.data["onlinePayment"], "balance": money and money["balance"]}
    return visit.page("payment_return.html", styles=("money",), tab="money", **told)


async def receipt(visit: Visit) -> Response:
    """`/paiement/{id}/recu`: the file, by a link that lasts some minutes."""
    await visit.ask(RECEIPT, id=visit.request.path_params["id"])
    payment = visit.data["onlinePayment"]
    if payment is None or payment["receipt"] is None:
        return visit.missing()
    return visit.file(payment["receipt"])


PAGES = [
    ("/paiement", ("GET", "POST"), payment),
    ("/paiement/{id}", ("GET",), returned),
    ("/paiement/{id}/recu", ("GET",), receipt),
]
