"""Online payments that have not ended, or not well, at the agents' desk; those that wait for an agent are ended here (S19)."""

import secrets
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from gateway.portal.desk import desk_page, enter, why_not
from gateway.portal.formats import cents
from gateway.portal.forms import Form
from gateway.portal.operations import operation
from gateway.portal.texts import phrase
from gateway.portal.visit import Visit

HERE = "/bureau/paiements/en-ligne"
PER_PAGE = 30
#: How one may end: said by MONEY_END_...
ENDS = ("CREDITED", "GIVEN_BACK", "NOTHING_CAME")
UNSETTLED = operation("""query DeskOnlinePayments($structure: ID!, $first: Int!, $after: String) {
  unsettledPayments(structure: $structure, first: $first, after: $after) { totalCount totalCents endCursor hasNextPage nodes {
    startedAt heard heardAt askedNextAt provider waitsForAgent family { number } payment { id amountCents status }
    lines { amountCents wallet { id name } } trouble { code message since amountCents currency reference } } } }""")
END = operation("""mutation EndOnlinePayment($input: EndOnlinePaymentInput!) { done: endOnlinePayment(input: $input) {
  __typename ... on Refusal { code message } } }""")


async def online(visit: Visit) -> Response:
    """`?apres=`"""
    await enter(visit)
    return await _page(visit)


async def _page(visit: Visit, errors: Mapping[str, str] | None = None, typed: Mapping[str, str] | None = None) -> Response:
    assert visit.office is not None, "whoever asks has entered"
    after = visit.request.query_params.get("apres") or None
    told = (await visit.seek(UNSETTLED, structure=visit.office["id"], first=PER_PAGE, after=after)).get("unsettledPayments")
    nodes = sorted(told["nodes"], key=lambda each: not each["waitsForAgent"]) if told else []
    more = {"key": (typed or {}).get("cle") or secrets.token_hex(16), "typed": typed or {}, "errors": errors or {}}
    return desk_page(
        visit,
        "desk_online.html",
        "payments",
        status=422 if errors else 200,
        page=told,
        nodes=nodes,
        ends=ENDS,
        credits=credits,
        after=after,
        **more,
    )


def credits(payment: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], int | None]]:
    """The wallets that can be credited, and what is suggested for each."""
    return [(line["wallet"], cents) for line, cents in zip(payment["lines"], suggested(payment), strict=True) if line["wallet"]]


def suggested(payment: Mapping[str, Any]) -> list[int | None]:
    """What to credit the wallet of each of its lines with. None: nobody but the agent knows whose that money is."""
    asked = [line["amountCents"] for line in payment["lines"]]
    trouble = payment["trouble"]
    came = trouble and trouble["currency"] == "EUR" and trouble["amountCents"]
    if not trouble or came == sum(asked):
        return asked
    return [came] if came and len(asked) == 1 else [None] * len(asked)


async def end(visit: Visit) -> Response:
    form = await visit.form()
    await enter(visit)
    id, how = form.one("paiement"), form.one("fin")
    amounts = {name: cents(form.one(name)) for name in form if name.startswith(f"montant-{id}-") and form.one(name)}
    typed = {name: form.one(name) for name in form}
    wrong = _wrong(visit, form, id, amounts if how == "CREDITED" else {})
    if wrong:
        return await _page(visit, wrong, typed)
    lines = [{"wallet": name.removeprefix(f"montant-{id}-"), "amountCents": amount} for name, amount in amounts.items() if amount]
    order = {"onlinePayment": id, "end": how, "reason": form.one(f"motif-{id}"), "idempotencyKey": f"{form.one('cle')}-{id}"[:100]}
    told = await visit.order(END, input=order | ({"lines": lines} if how == "CREDITED" and lines else {}))
    if "code" in told:
        field = {"REASON_REQUIRED": f"motif-{id}", "INVALID_AMOUNT": f"montants-{id}"}.get(told["code"], f"fin-{id}")
        return await _page(visit, {field: why_not(visit, told, typed, "PAYMENTS_SENT_BEFORE")}, typed)
    return visit.see_other(HERE, f"ONLINE_DONE_{how}")


def _wrong(visit: Visit, form: Form, id: str, amounts: Mapping[str, int | None]) -> dict[str, str]:
    wrong = {name: phrase("PAYMENTS_AMOUNT_WRONG", visit.language) for name, amount in amounts.items() if amount is None}
    if amounts and not any(amounts.values()):  # Nothing is what nobody credits, and no word about what came.
        wrong |= {name: phrase("PAYMENTS_AMOUNT_WRONG", visit.language) for name in amounts}
    if form.one("fin") not in ENDS:
        wrong[f"fin-{id}"] = phrase("ONLINE_END_MISSING", visit.language)
    return wrong


PAGES = [(HERE, ("GET",), online), (HERE, ("POST",), end)]
