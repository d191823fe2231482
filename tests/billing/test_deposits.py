"""What agents bring to the bank: cheques, cash and vouchers lie in the drawer until they are on a slip, each on one."""

import asyncio
import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from services.billing import deposits
from services.billing.ledger import PaymentMode
from services.events import EntryPosted
from tests.billing.conftest import AGENT, FOREIGN_AGENT, JEAN_PAUL, STRANGER, Town
from tests.billing.test_counter import CHEQUE, acts, does
from tests.billing.test_office import asks, at

WAITING = """query($mode: PaymentMode!, $first: Int, $after: String) {
  undepositedPayments(structure: "carteville", mode: $mode, first: $first, after: $after) {
    nodes { payment { id reference amountCents } family { id } } endCursor hasNextPage totalCount totalCents } }"""
SLIP = "id date mode reference totalCents pieces { payment { reference amountCents } family { id } }"
DEPOSITS = f"""query($first: Int, $after: String) {{ deposits(structure: "carteville", first: $first, after: $after) {{
  nodes {{ {SLIP} }} endCursor hasNextPage }} }}"""
DEPOSIT = f"""mutation($input: RecordDepositInput!) {{ recordDeposit(input: $input) {{ __typename
  ... on Deposit {{ {SLIP} }} ... on Refusal {{ code message }} }} }}"""


async def records(town: Town, number: int, **how: Any) -> str:
    """A cheque by that number, over as many euros."""
    cheque = {**CHEQUE, "reference": str(number), "amountCents": number * 100, "idempotencyKey": f"cheque {number}", **how}
    return str((await does(town, "recordPayment", cheque))["id"])


async def brings(town: Town, *payments: str, caller: Any = AGENT, **how: Any) -> Any:
    """What it answers; the code of an error where there is one."""
    said = {"structure": "carteville", "payments": list(payments), "reference": "B-17", "idempotencyKey": "k1", **how}
    answer = await town.asks(DEPOSIT, caller, input=said)
    return answer.codes[0] if answer.codes else answer.data["recordDeposit"]


async def drawer(town: Town, mode: str = "CHEQUE", caller: Any = AGENT, **how: Any) -> Any:
    return await asks(town, WAITING, "undepositedPayments", caller, mode=mode, **how)


async def references(town: Town) -> list[str]:
    return [node["payment"]["reference"] for node in (await drawer(town))["nodes"]]


async def test_cheques_lie_in_the_drawer_until_they_are_on_a_slip(town: Town) -> None:
    await town.pays("dupont", "periscolaire", 99_00)  # In the old system's books: whoever brought it away, it was not we.
    first, second = await records(town, 7), await records(town, 8, family="martin")
    await records(town, 9, mode="TRANSFER")
    found = await drawer(town)
    assert [(node["payment"]["id"], node["family"]["id"]) for node in found["nodes"]] == [(first, "dupont"), (second, "martin")]
    assert (found["totalCount"], found["totalCents"], found["hasNextPage"]) == (2, 15_00, False)
    slip = await brings(town, first, second, date="2026-11-20")
    assert slip == {
        "__typename": "Deposit", "id": slip["id"], "date": "2026-11-20", "mode": "CHEQUE", "reference": "B-17", "totalCents": 15_00,
        "pieces": [
            {"payment": {"reference": "7", "amountCents": 7_00}, "family": {"id": "dupont"}},
            {"payment": {"reference": "8", "amountCents": 8_00}, "family": {"id": "martin"}},
        ],
    }  # fmt: skip
    assert await drawer(town) == {"nodes": [], "endCursor": None, "hasNextPage": False, "totalCount": 0, "totalCents": 0}
    (listed,) = (await asks(town, DEPOSITS, "deposits"))["nodes"]
    assert {"__typename": "Deposit", **listed} == slip
    (act, *_) = (await acts(town))["nodes"]
    assert (act["kind"], {one["name"]: one["after"] for one in act["details"]}["cents"]) == ("RECORD_DEPOSIT", "1500")
    await town.is_sound()


async def test_no_wallet_moves_by_a_deposit_and_a_cheque_that_bounces_afterwards_stays_on_its_slip(town: Town) -> None:
    cheque = await records(town, 7)
    posted = len(await town.said(EntryPosted))
    await brings(town, cheque)
    assert len(await town.said(EntryPosted)) == posted
    assert (await does(town, "recordPayment", {**CHEQUE, "reference": "7", "amountCents": 7_00, "idempotencyKey": "cheque 7"}))[
        "id"
    ] == cheque
    await does(town, "reversePayment", {"payment": cheque, "reason": "Chèque impayé"})
    (slip,) = (await asks(town, DEPOSITS, "deposits"))["nodes"]
    assert (slip["totalCents"], await references(town)) == (7_00, [])
    await town.is_sound()


async def test_what_was_taken_back_before_is_brought_nowhere(town: Town) -> None:
    cheque, other = await records(town, 7), await records(town, 8)
    await does(town, "reversePayment", {"payment": cheque, "reason": "Rendu à la famille"})
    assert await references(town) == ["8"]
    told = await brings(town, cheque, other)
    assert (told["code"], told["message"].split(" (")[0]) == ("NOT_TO_BE_DEPOSITED", "Règlements qui ne sont plus à remettre : 1")
    await brings(town, other, idempotencyKey="k2")
    assert (await brings(town, other, idempotencyKey="k3"))["code"] == "NOT_TO_BE_DEPOSITED"


async def test_a_slip_is_of_one_mode_and_of_what_lies_in_a_drawer(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    cheque, cash, transfer = await records(town, 7), await records(town, 8, mode="CASH"), await records(town, 9, mode="TRANSFER")
    for payments in ((cheque, cash), (transfer,), ()):
        assert (await brings(town, *payments))["code"] == "NOT_TO_BE_DEPOSITED"
    assert (await brings(town, cheque, date="2026-11-24"))["code"] == "INVALID_PAYMENT"
    assert (await brings(town, cheque, reference="x" * 101))["code"] == "INVALID_PAYMENT"
    monkeypatch.setattr(deposits, "MOST_PIECES", 1)
    assert (await brings(town, cheque, await records(town, 10)))["code"] == "NOT_TO_BE_DEPOSITED"
    assert (await brings(town, *(f"nothing {n}" for n in range(33_000))))["code"] == "NOT_TO_BE_DEPOSITED", "no database looks for so many"
    assert (await brings(town, cash))["mode"] == "CASH"


async def test_only_the_towns_agent_brings_its_payments(town: Town) -> None:
    cheque = await records(town, 7)
    refund = await does(town, "reversePayment", {"payment": await records(town, 8), "reason": "Chèque impayé"})
    for caller in (JEAN_PAUL, STRANGER, FOREIGN_AGENT):
        assert (await brings(town, cheque, caller=caller), await drawer(town, caller=caller)) == ("FORBIDDEN", "FORBIDDEN")
        assert await asks(town, DEPOSITS, "deposits", caller) == "FORBIDDEN"
    assert await brings(town, cheque, caller=None) == "UNAUTHENTICATED"
    for none in ("nothing", refund["id"]):
        assert await brings(town, cheque, none) == "FORBIDDEN"
    assert await brings(town, cheque, caller=FOREIGN_AGENT, structure="otherville") == "FORBIDDEN"
    assert await references(town) == ["7"]


async def test_a_key_that_comes_again_is_the_same_slip(town: Town) -> None:
    cheques = [await records(town, number) for number in (7, 8)]
    first = await brings(town, *cheques)
    assert await brings(town, *reversed(cheques), cheques[0]) == first
    assert (await brings(town, cheques[0]))["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert (await brings(town, *cheques, reference=None))["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert await brings(town, *cheques, idempotencyKey="") == "BAD_USER_INPUT"


async def test_slips_that_are_made_at_once_have_each_cheque_once(town: Town) -> None:
    """And one that is taken back meanwhile is on a slip before, or on none."""
    cheques = [await records(town, number) for number in range(7, 11)]
    agents = [replace(AGENT, account=f"agent {number}") for number in range(6)]
    back = does(town, "reversePayment", {"payment": cheques[0], "reason": "Rendu à la famille"})
    *told, _ = await asyncio.gather(*(brings(town, *cheques[:3], caller=agent) for agent in agents), back)
    made = [one["__typename"] for one in told].count("Deposit")
    assert made <= 1
    assert await references(town) == (["10"] if made else ["8", "9", "10"])
    told = await asyncio.gather(*(brings(town, cheques[3], caller=agent) for agent in agents))
    assert [one["__typename"] for one in told].count("Deposit") == 1
    await town.is_sound()


async def test_they_come_page_by_page(town: Town) -> None:
    for number in range(7, 12):
        at(town, dt.datetime(2026, 11, 23, 8, number // 2, tzinfo=dt.UTC))  # Two are recorded at one moment.
        await brings(town, await records(town, number), idempotencyKey=f"slip {number}")
        await records(town, number + 10)
    seen: list[str] = []
    page: Any = await drawer(town, first=0)
    while page["hasNextPage"]:
        page = await drawer(town, first=2, after=page["endCursor"])
        seen += [node["payment"]["reference"] for node in page["nodes"]]
    assert sorted(seen) == ["17", "18", "19", "20", "21"]
    slips: list[str] = []
    page = await asks(town, DEPOSITS, "deposits", first=0)
    while page["hasNextPage"]:
        page = await asks(town, DEPOSITS, "deposits", first=2, after=page["endCursor"])
        slips += [node["pieces"][0]["payment"]["reference"] for node in page["nodes"]]
    assert (slips[0], slips[-1], sorted(slips)) == ("11", "7", ["10", "11", "7", "8", "9"])
    for wrong in ({"first": 501}, {"after": "x"}):
        assert await drawer(town, **wrong) == "BAD_USER_INPUT"
        assert await asks(town, DEPOSITS, "deposits", **wrong) == "BAD_USER_INPUT"


def test_everything_is_brought_away_or_comes_by_itself() -> None:
    by_itself = {PaymentMode.CARD, PaymentMode.INTERNET, PaymentMode.TRANSFER, PaymentMode.DIRECT_DEBIT}
    assert set(PaymentMode) - deposits.BROUGHT == by_itself
