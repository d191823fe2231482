"""Balances (P6): what each wallet holds, what the bookings to come will cost, and below what the family wants to be told."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.responses import Response

from gateway.portal import formats
from gateway.portal.operations import operation
from gateway.portal.texts import phrase
from gateway.portal.visit import Visit

#: Of the address -> what is held for.
KINDS = {"confirmees": "CONFIRMED", "attente": "PENDING"}
BALANCES = operation("""query Balances($until: Date, $include: [HoldKind!]!) { ...Shell money: me { families { id balanceAlertCents
  balance(until: $until, include: $include) { balanceCents estimatedCostCents newBalanceCents inDebit
    lines { wallet { id name } balanceCents estimatedCostCents newBalanceCents suggestedPaymentCents } }
  paymentAccess { open refusal { message } underWay { id amountCents } } } } }""")
SET_ALERT = operation("""mutation SetBalanceAlert($family: ID!, $below: Int) { setBalanceAlert(family: $family, belowCents: $below) {
  __typename ... on Refusal { message } } }""")
FOLLOW = operation("""subscription BalanceChanged($family: ID!) { balanceChanged(family: $family) { balanceCents estimatedCostCents } }""")
MINE = operation("query MyFamilies { ...Shell }")


@dataclass(frozen=True, slots=True)
class Calculation:
    """Which bookings count (S13): until a day, included, and of which kinds."""

    until: str = ""  #: As it stands in the address; empty: all.
    kinds: tuple[str, ...] = ("confirmees",)

    @classmethod
    def read(cls, asked: QueryParams) -> "Calculation":
        """Without any word of it, only what is confirmed: a waiting place is not owed."""
        if "jusquau" not in asked and "inclure" not in asked:
            return cls()
        return cls(asked.get("jusquau", "").strip(), tuple(each for each in KINDS if each in asked.getlist("inclure")))

    @property
    def day(self) -> dt.date | None:
        return formats.day_of(self.until)

    @property
    def is_wrong(self) -> bool:
        return bool(self.until) and self.day is None

    @property
    def asked(self) -> dict[str, Any]:
        """Variables of the question."""
        return {"until": self.day.isoformat() if self.day else None, "include": [KINDS[each] for each in self.kinds]}

    @property
    def query(self) -> str:
        """Of an address, with its question mark; empty: as usual."""
        if self == Calculation():
            return ""
        return "?" + urlencode([("jusquau", self.until), *(("inclure", each) for each in self.kinds)])


async def balances(visit: Visit) -> Response:
    """`/soldes?jusquau=&inclure=`"""
    calculation = Calculation.read(visit.request.query_params)
    await visit.ask(BALANCES, **calculation.asked)
    errors = {"jusquau": phrase("BALANCES_NO_DATE", visit.language)} if calculation.is_wrong else {}
    return _page(visit, calculation, errors)


def _page(visit: Visit, calculation: Calculation, errors: Mapping[str, str], threshold: str | None = None) -> Response:
    money = visit.part("money") or {"balance": None, "paymentAccess": None, "balanceAlertCents": None}
    alert = money["balanceAlertCents"]
    written = formats.plain_money(alert, visit.language) if alert is not None else ""
    return visit.page(
        "balances.html",
        status=422 if errors else 200,
        styles=("money",),
        tab="money",
        balance=money["balance"],
        access=money["paymentAccess"],
        calculation=calculation,
        threshold=written if threshold is None else threshold,
        errors=errors,
    )


async def alert(visit: Visit) -> Response:
    """`/soldes/alerte`, with `seuil`: an amount, or nothing."""
    form = await visit.form()
    written = form.one("seuil")
    below = formats.cents(written) if written else None
    if written and below is None:
        return await _refused_alert(visit, phrase("AMOUNT_WRONG", visit.language), written)
    await visit.ask(MINE)
    told = (await visit.seek(SET_ALERT, family=visit.family["id"], below=below)).get("setBalanceAlert")
    if told is None:
        visit.unanswered = True
        return await _refused_alert(visit, phrase("FORM_AWAY", visit.language), written)
    if told["__typename"] != "Family":
        return await _refused_alert(visit, told["message"], written)
    if below is None:
        return visit.see_other("/soldes", "ALERT_OFF")
    return visit.see_other("/soldes", "ALERT_SET", amount=formats.money(below, visit.language))


async def _refused_alert(visit: Visit, message: str, written: str) -> Response:
    await visit.ask(BALANCES, **Calculation().asked)
    return _page(visit, Calculation(), {"seuil": message}, written)


async def follow(visit: Visit) -> Response:
    """`/direct/solde`: the family's money, as it changes."""
    await visit.ask(MINE)
    return await visit.follow(FOLLOW, family=visit.family["id"])


PAGES = [
    ("/soldes", ("GET",), balances),
    ("/soldes/alerte", ("POST",), alert),
    ("/direct/solde", ("GET",), follow),
]
