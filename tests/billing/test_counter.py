"""Agents at the counter: payments as the history shows them (S11), refunds, reversals, adjustments, transfers. Each once, each in the trail."""

import asyncio
import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from services.billing import commands, till
from services.billing.ledger import PaymentMode
from services.billing.tables import Standing, Structure
from services.billing.till import Agent, Money
from services.events import BalanceLow, EntryPosted, StandingChanged
from services.refusal import Refused
from tests.billing.conftest import AGENT, FOREIGN_AGENT, JEAN_PAUL, STRANGER, Town

DUPONT = {"__typename": "Family", "id": "dupont"}
PAYMENT = """__typename ... on Payment { id kind date mode reference payer bank amountCents reason wallet { id } }
  ... on Refusal { code message }"""
FIELD = "... on InvalidPayment { field }"
MOVED = "id date amountCents reason wallet { id }"
#: Operation -> (its input type, what it answers).
OPERATIONS = {
    "recordPayment": ("RecordPaymentInput", f"{PAYMENT} {FIELD}"),
    "refund": ("RefundInput", f"{PAYMENT} {FIELD}"),
    "reversePayment": ("ReversePaymentInput", PAYMENT),
    "adjustWallet": ("AdjustWalletInput", f"__typename ... on Adjustment {{ {MOVED} }} ... on Refusal {{ code message }}"),
    "transfer": (
        "TransferInput",
        f"__typename ... on Transfer {{ from {{ {MOVED} }} to {{ {MOVED} }} }} ... on Refusal {{ code message }} {FIELD}",
    ),
}
#: The guide's (S11).
CHEQUE = {
    "family": "dupont",
    "wallet": "periscolaire",
    "mode": "CHEQUE",
    "amountCents": 50_00,
    "reference": "2578012",
    "payer": "GUIDE DENIS",
    "bank": "CREDIT AGRICOLE",
    "date": "2026-11-20",
    "idempotencyKey": "k1",
}
REFUND = {
    "family": "dupont",
    "wallet": "periscolaire",
    "mode": "TRANSFER",
    "amountCents": 20_00,
    "payee": "GUIDE DENIS",
    "reason": "Départ de la commune",
    "idempotencyKey": "k2",
}
ADJUSTMENT = {"family": "dupont", "wallet": "periscolaire", "amountCents": -3_79, "reason": "Repas oublié", "idempotencyKey": "k3"}
TRANSFER = {
    "family": "dupont",
    "fromWallet": "periscolaire",
    "toWallet": "multiaccueil",
    "amountCents": 30_00,
    "reason": "Demande de la famille",
    "idempotencyKey": "k4",
}


async def does(town: Town, operation: str, input: dict[str, Any], caller: Any = AGENT, **how: Any) -> Any:
    """What it answers; the code of an error where there is one."""
    kind, fields = OPERATIONS[operation]
    query = f"mutation($input: {kind}!) {{ {operation}(input: $input) {{ {fields} }} }}"
    answer = await town.asks(query, caller, input=input, **how)
    return answer.codes[0] if answer.codes else answer.data[operation]


async def history(town: Town, month: str = "2026-11", caller: Any = JEAN_PAUL) -> Any:
    fields = "totalCents payments { kind date mode reference payer bank amountCents reason } adjustments { date amountCents reason wallet { id } }"
    answer = await town.represents(f'payments(month: "{month}") {{ {fields} }}', DUPONT, caller=caller)
    return answer.data[0]["payments"]


async def balances(town: Town) -> dict[str, int]:
    answer = await town.represents("balance { lines { wallet { id } balanceCents } }", DUPONT)
    return {line["wallet"]["id"]: line["balanceCents"] for line in answer.data[0]["balance"]["lines"]}


async def acts(town: Town, arguments: str = "", caller: Any = AGENT) -> Any:
    fields = "account kind reason family { id } wallet { id } agent { id } details { name before after }"
    answer = await town.asks(
        f'{{ moneyActs(structure: "carteville"{arguments}) {{ nodes {{ {fields} }} endCursor hasNextPage }} }}', caller
    )
    return answer.codes[0] if answer.codes else answer.data["moneyActs"]


# -------------------------------------------------------------------------------------------------------------- payments
async def test_s11_a_cheque_at_the_counter_stands_in_the_history_as_the_guide_shows_it(town: Town) -> None:
    paid = await does(town, "recordPayment", CHEQUE)
    assert (paid["__typename"], paid["kind"], paid["amountCents"], paid["wallet"]) == ("Payment", "PAYMENT", 50_00, {"id": "periscolaire"})
    await town.pays("dupont", "periscolaire", 150_00, date=dt.date(2026, 11, 19), mode="INTERNET", reference="3150-N°AUTO:445401",
                    payer="POUR .GUIDE CARTE+", bank="PAR INTERNET")  # fmt: skip
    shown = await history(town)
    assert shown["totalCents"] == 200_00
    assert shown["payments"] == [
        {"kind": "PAYMENT", "date": "2026-11-20", "mode": "CHEQUE", "reference": "2578012", "payer": "GUIDE DENIS",
         "bank": "CREDIT AGRICOLE", "amountCents": 50_00, "reason": None},
        {"kind": "PAYMENT", "date": "2026-11-19", "mode": "INTERNET", "reference": "3150-N°AUTO:445401",
         "payer": "POUR .GUIDE CARTE+", "bank": "PAR INTERNET", "amountCents": 150_00, "reason": None},
    ]  # fmt: skip
    assert await balances(town) == {"multiaccueil": 0, "periscolaire": 200_00}
    await town.is_sound()


@pytest.mark.parametrize("mode", [mode for mode in PaymentMode if mode is not PaymentMode.INTERNET])
async def test_s11_every_mode_but_online_is_recorded_at_the_counter(town: Town, mode: PaymentMode) -> None:
    reference = "2578012" if mode is PaymentMode.CHEQUE else None
    paid = await does(town, "recordPayment", {**CHEQUE, "mode": mode.value, "reference": reference, "bank": None, "date": None})
    assert (paid["mode"], paid["reference"], paid["bank"], paid["date"]) == (mode.value, reference, None, "2026-11-23")


@pytest.mark.parametrize(
    ("wrong", "code", "about"),
    [
        ({"amountCents": 0}, "INVALID_AMOUNT", "supérieur à zéro, de 100000 € au plus"),
        ({"amountCents": -1}, "INVALID_AMOUNT", "supérieur à zéro"),
        ({"amountCents": 10_000_001}, "INVALID_AMOUNT", "100000 € au plus"),
        ({"mode": "INTERNET"}, "INVALID_PAYMENT", "mode"),
        ({"date": "2026-11-24"}, "INVALID_PAYMENT", "date"),
        ({"reference": " "}, "INVALID_PAYMENT", "reference"),
        ({"reference": None}, "INVALID_PAYMENT", "reference"),
        ({"payer": " \t"}, "INVALID_PAYMENT", "payer"),
        ({"payer": "GUIDE\nDENIS"}, "INVALID_PAYMENT", "payer"),
        ({"bank": "x" * 101}, "INVALID_PAYMENT", "bank"),
    ],
)
async def test_what_nobody_pays_like_that_is_refused_in_words(town: Town, wrong: dict[str, Any], code: str, about: str) -> None:
    answer = await does(town, "recordPayment", {**CHEQUE, **wrong})
    assert answer["code"] == code
    assert about == answer["field"] if code == "INVALID_PAYMENT" else about in answer["message"]
    assert await town.said(EntryPosted) == []
    assert (await acts(town))["nodes"] == []


@pytest.mark.parametrize("operation", ["recordPayment", "refund", "adjustWallet", "transfer"])
async def test_only_the_towns_agent_moves_money_and_only_between_its_own_wallets(town: Town, operation: str) -> None:
    inputs = {"recordPayment": CHEQUE, "refund": REFUND, "adjustWallet": ADJUSTMENT, "transfer": TRANSFER}
    for caller in (JEAN_PAUL, STRANGER, FOREIGN_AGENT):
        assert await does(town, operation, inputs[operation], caller) == "FORBIDDEN"
    assert await does(town, operation, inputs[operation], None) == "UNAUTHENTICATED"
    for wrong in ({"family": "nobody"}, {"toWallet" if operation == "transfer" else "wallet": "elsewhere"}):
        assert await does(town, operation, {**inputs[operation], **wrong}) == "FORBIDDEN"
    for key in ("", "k" * 201):
        assert await does(town, operation, {**inputs[operation], "idempotencyKey": key}) == "BAD_USER_INPUT"
    assert await town.said(EntryPosted) == []


# ---------------------------------------------------------------------------------------------------------- once, in the trail
async def test_a_key_that_comes_again_moves_nothing_and_answers_the_same(town: Town) -> None:
    await does(town, "recordPayment", {**CHEQUE, "amountCents": 100_00, "idempotencyKey": "before"})
    inputs = {"recordPayment": CHEQUE, "refund": REFUND, "adjustWallet": ADJUSTMENT, "transfer": TRANSFER}
    first = {name: await does(town, name, input) for name, input in inputs.items()}
    assert all("code" not in answer for answer in first.values()), first
    moved = await balances(town)
    assert moved == {"periscolaire": 150_00 - 20_00 - 3_79 - 30_00, "multiaccueil": 30_00}
    await does(town, "adjustWallet", {**ADJUSTMENT, "amountCents": -96_21, "idempotencyKey": "empty"})
    assert {name: await does(town, name, input) for name, input in inputs.items()} == first, "even if the wallet holds less by now"
    assert (await balances(town))["periscolaire"] == 0
    noted = (await acts(town))["nodes"]
    assert [act["kind"] for act in noted] == ["ADJUST_WALLET", "TRANSFER", "ADJUST_WALLET", "REFUND", "RECORD_PAYMENT", "RECORD_PAYMENT"]
    await town.is_sound()


@pytest.mark.parametrize(
    ("operation", "other"),
    [
        ("recordPayment", {"amountCents": 50_01}),
        ("recordPayment", {"payer": "GUIDE DENISE"}),
        ("recordPayment", {"date": "2026-11-19"}),
        ("recordPayment", {"family": "martin"}),
        ("refund", {"amountCents": 19_99}),
        ("refund", {"reason": "Autre motif"}),
        ("adjustWallet", {"amountCents": 3_79}),
        ("adjustWallet", {"reason": "Autre motif"}),
        ("transfer", {"amountCents": 29_99}),
        ("transfer", {"fromWallet": "multiaccueil", "toWallet": "periscolaire"}),
    ],
)
async def test_a_key_that_comes_again_with_something_else_is_refused(town: Town, operation: str, other: dict[str, Any]) -> None:
    await does(town, "recordPayment", {**CHEQUE, "amountCents": 100_00, "idempotencyKey": "before"})
    await does(town, "recordPayment", {**CHEQUE, "wallet": "multiaccueil", "amountCents": 100_00, "idempotencyKey": "before 2"})
    input = {"recordPayment": CHEQUE, "refund": REFUND, "adjustWallet": ADJUSTMENT, "transfer": TRANSFER}[operation]
    await does(town, operation, input)
    posted = len(await town.said(EntryPosted))
    assert (await does(town, operation, {**input, **other}))["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert len(await town.said(EntryPosted)) == posted
    await town.is_sound()


async def test_a_key_belongs_to_one_agent_and_one_act_whatever_is_in_it(town: Town) -> None:
    key = 'taken-over#1:"/to'
    colleague = replace(AGENT, account="colleague")
    first = await does(town, "recordPayment", {**CHEQUE, "idempotencyKey": key})
    second = await does(town, "recordPayment", {**CHEQUE, "idempotencyKey": key}, colleague)
    assert first["id"] != second["id"]
    assert (await does(town, "refund", {**REFUND, "idempotencyKey": key}))["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert (await balances(town))["periscolaire"] == 100_00


async def test_the_trail_says_who_did_what_to_whom_and_why(town: Town) -> None:
    await does(town, "recordPayment", CHEQUE)
    await does(town, "refund", REFUND)
    refunded, recorded = (await acts(town))["nodes"]
    assert (recorded["account"], recorded["agent"], recorded["kind"]) == ("agent", {"id": "carteville/agent"}, "RECORD_PAYMENT")
    assert (recorded["family"], recorded["wallet"], recorded["reason"]) == ({"id": "dupont"}, {"id": "periscolaire"}, None)
    assert {one["name"]: one["after"] for one in recorded["details"]} == {
        "cents": "5000", "mode": "CHEQUE", "date": "2026-11-20", "reference": "2578012", "bank": "CREDIT AGRICOLE",
    }  # fmt: skip
    assert (refunded["kind"], refunded["reason"]) == ("REFUND", "Départ de la commune")
    page = await acts(town, ", first: 1")
    assert [act["kind"] for act in page["nodes"]] == ["REFUND"]
    rest = await acts(town, f', first: 1, after: "{page["endCursor"]}"')
    assert ([act["kind"] for act in rest["nodes"]], rest["hasNextPage"]) == (["RECORD_PAYMENT"], False)
    assert [act["kind"] for act in (await acts(town, ', kind: "REFUND", family: "dupont", account: "agent"'))["nodes"]] == ["REFUND"]
    assert (await acts(town, ', family: "martin"'))["nodes"] == []
    for arguments in (", first: 501", ", first: -1", ', after: "x"'):
        assert await acts(town, arguments) == "BAD_USER_INPUT"
    for caller in (JEAN_PAUL, FOREIGN_AGENT):
        assert await acts(town, caller=caller) == "FORBIDDEN"


# --------------------------------------------------------------------------------------------------------------- refunds
async def test_a_refund_stands_in_the_history_as_what_the_town_no_longer_has(town: Town) -> None:
    await does(town, "recordPayment", CHEQUE)
    paid_back = await does(town, "refund", REFUND)
    assert (paid_back["kind"], paid_back["amountCents"], paid_back["payer"]) == ("REFUND", -20_00, "GUIDE DENIS")
    shown = await history(town)
    assert shown["totalCents"] == 30_00
    assert [(line["kind"], line["amountCents"], line["reason"]) for line in shown["payments"]] == [
        ("REFUND", -20_00, "Départ de la commune"),
        ("PAYMENT", 50_00, None),
    ]
    assert [event["kind"] for event in await town.said(EntryPosted)] == ["PAYMENT", "REFUND"]
    await town.is_sound()


@pytest.mark.parametrize("operation", ["refund", "transfer"])
async def test_no_wallet_gives_more_than_it_holds(town: Town, operation: str) -> None:
    input = {"refund": REFUND, "transfer": TRANSFER}[operation]
    cents = input["amountCents"]
    await does(town, "recordPayment", {**CHEQUE, "amountCents": cents - 1})
    answer = await does(town, operation, input)
    assert answer["code"] == "NOT_ENOUGH_CREDIT"
    assert f"{(cents - 1) / 100:.2f}".replace(".", ",") in answer["message"]
    await does(town, "adjustWallet", {**ADJUSTMENT, "amountCents": 1})
    assert "code" not in await does(town, operation, input)
    assert (await balances(town))["periscolaire"] == 0


@pytest.mark.parametrize(("operation", "input"), [("refund", REFUND), ("adjustWallet", ADJUSTMENT), ("transfer", TRANSFER)])
@pytest.mark.parametrize("reason", ["", "ok", "x" * 501, "a\u202eb c"])
async def test_an_agent_says_why(town: Town, operation: str, input: dict[str, Any], reason: str) -> None:
    await does(town, "recordPayment", CHEQUE)
    assert (await does(town, operation, {**input, "reason": reason}))["code"] == "REASON_REQUIRED"


# ------------------------------------------------------------------------------------------------------------- reversals
async def test_a_cheque_that_bounced_is_taken_back_once_and_whole_even_into_debt(town: Town) -> None:
    paid = await does(town, "recordPayment", CHEQUE)
    await does(town, "adjustWallet", {**ADJUSTMENT, "amountCents": -50_00})
    bounced = {"payment": paid["id"], "reason": "Chèque impayé"}
    first = await does(town, "reversePayment", bounced)
    assert (first["kind"], first["amountCents"], first["reference"]) == ("REFUND", -50_00, "2578012")
    assert await does(town, "reversePayment", bounced) == first
    assert await does(town, "reversePayment", bounced, replace(AGENT, account="colleague")) == first
    assert (await does(town, "reversePayment", {**bounced, "reason": "Autre motif"}))["code"] == "ALREADY_REVERSED"
    assert (await balances(town))["periscolaire"] == -50_00
    assert [event["in_debit"] for event in await town.said(StandingChanged)] == [True]
    assert [act["kind"] for act in (await acts(town))["nodes"]].count("REVERSE_PAYMENT") == 1
    await town.is_sound()


async def test_only_a_payment_of_the_structure_is_reversed(town: Town) -> None:
    paid = await does(town, "recordPayment", CHEQUE)
    paid_back = await does(town, "refund", REFUND)
    for payment in ("nothing", paid_back["id"]):
        assert await does(town, "reversePayment", {"payment": payment, "reason": "Chèque impayé"}) == "FORBIDDEN"
    for caller in (JEAN_PAUL, FOREIGN_AGENT):
        assert await does(town, "reversePayment", {"payment": paid["id"], "reason": "Chèque impayé"}, caller) == "FORBIDDEN"
    assert (await does(town, "reversePayment", {"payment": paid["id"], "reason": ""}))["code"] == "REASON_REQUIRED"


# ------------------------------------------------------------------------------------------------ adjustments and transfers
async def test_adjustments_and_transfers_stand_beside_the_payments_and_not_in_their_total(town: Town) -> None:
    await does(town, "recordPayment", CHEQUE)
    await does(town, "adjustWallet", ADJUSTMENT)
    moved = await does(town, "transfer", TRANSFER)
    assert [moved[end]["amountCents"] for end in ("from", "to")] == [-30_00, 30_00]
    shown = await history(town)
    assert (shown["totalCents"], len(shown["payments"])) == (50_00, 1)
    assert sorted((line["amountCents"], line["wallet"]["id"], line["reason"]) for line in shown["adjustments"]) == [
        (-30_00, "periscolaire", "Demande de la famille"),
        (-3_79, "periscolaire", "Repas oublié"),
        (30_00, "multiaccueil", "Demande de la famille"),
    ]
    assert await balances(town) == {"periscolaire": 16_21, "multiaccueil": 30_00}
    assert (await does(town, "transfer", {**TRANSFER, "toWallet": "periscolaire", "idempotencyKey": "k"}))["field"] == "toWallet"
    assert (await does(town, "refund", {**REFUND, "payee": " ", "idempotencyKey": "k"}))["field"] == "payee"
    assert (await does(town, "adjustWallet", {**ADJUSTMENT, "amountCents": 0, "idempotencyKey": "k"}))["code"] == "INVALID_AMOUNT"
    await town.is_sound()


async def test_a_transfer_moves_no_total_and_frightens_nobody(town: Town) -> None:
    """Neither a low balance nor a debt is told of between its halves."""
    await does(town, "recordPayment", {**CHEQUE, "amountCents": 30_00})
    async with town.running.database.transaction() as session:
        await commands.set_balance_alert(session, town.running.clock, "carteville", "dupont", "dupont", 20_00)
    await does(town, "transfer", TRANSFER)
    assert await balances(town) == {"periscolaire": 0, "multiaccueil": 30_00}
    assert (await town.said(BalanceLow), await town.said(StandingChanged)) == ([], [])
    await town.is_sound()


@pytest.mark.parametrize("date", ["0026-11-03", "2016-11-01", "2026-11-24"])
async def test_a_payment_has_a_date_that_can_be_one(town: Town, date: str) -> None:
    assert (await does(town, "recordPayment", {**CHEQUE, "date": date}))["code"] == "INVALID_PAYMENT"
    assert set((await balances(town)).values()) == {0}


# ----------------------------------------------------------------------------------------------------------------- races
AT_THE_COUNTER = Agent("agent", "carteville")


async def refunds(town: Town, key: str, cents: int = 40_00) -> str:
    money = Money("dupont", "periscolaire", PaymentMode.CASH, cents, None, "GUIDE DENIS", None)
    try:
        async with town.running.database.transaction() as session:
            return await till.refund_family(session, town.running.clock, AT_THE_COUNTER, key, money, "Départ de la commune")
    except Refused as no:
        return no.code


async def test_refunds_at_the_same_time_never_give_more_than_there_is(town: Town) -> None:
    await does(town, "recordPayment", CHEQUE)
    answers = await asyncio.gather(*(refunds(town, str(number)) for number in range(6)))
    assert answers.count("NOT_ENOUGH_CREDIT") == 5
    assert (await balances(town))["periscolaire"] == 10_00
    await town.is_sound()


async def test_the_control_without_the_locks_the_town_pays_twice(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    if town.running.database.is_sqlite:
        pytest.skip("SQLite lets one writer in at a time, lock or no lock")
    await does(town, "recordPayment", CHEQUE)
    both_looked, look = asyncio.Barrier(2), till.queries.purse_cents

    async def no_lock(session: Any, structure: str, family: str) -> Standing:
        return await session.get_one(Standing, family)  # type: ignore[no-any-return]

    async def town_without_lock(session: Any, structure: str) -> Any:
        return await session.get_one(Structure, structure)

    async def look_together(session: Any, families: Any) -> Any:
        found = await look(session, families)
        await asyncio.wait_for(both_looked.wait(), 5)
        return found

    monkeypatch.setattr(till, "lock_standing", no_lock)
    monkeypatch.setattr(till, "lock_structure", town_without_lock)
    monkeypatch.setattr(till.queries, "purse_cents", look_together)
    answers = await asyncio.gather(refunds(town, "1"), refunds(town, "2"))
    monkeypatch.undo()
    assert "NOT_ENOUGH_CREDIT" not in answers
    assert (await balances(town))["periscolaire"] == -30_00


async def test_one_key_many_times_at_once_is_one_act(town: Town) -> None:
    await does(town, "recordPayment", CHEQUE)
    answers = await asyncio.gather(*(refunds(town, "same", 5_00) for _ in range(6)))
    assert len(set(answers)) == 1
    assert (await balances(town))["periscolaire"] == 45_00
    assert len((await acts(town, ', kind: "REFUND"'))["nodes"]) == 1
    await town.is_sound()


async def test_many_reversals_at_once_are_one(town: Town) -> None:
    """Two agents, two reasons: who comes second is told so."""
    paid = await does(town, "recordPayment", CHEQUE)
    reasons = ["Chèque impayé", "Opposition"] * 4
    answers = await asyncio.gather(*(does(town, "reversePayment", {"payment": paid["id"], "reason": reason}) for reason in reasons))
    assert sorted(answer.get("code", "") for answer in answers) == [""] * 4 + ["ALREADY_REVERSED"] * 4
    assert (await balances(town))["periscolaire"] == 0
    await town.is_sound()


async def test_acts_of_many_agents_at_once_keep_one_chain(town: Town) -> None:
    callers = [replace(AGENT, account=f"agent {number}") for number in range(6)]
    await asyncio.gather(*(does(town, "recordPayment", CHEQUE, caller) for caller in callers))
    assert len((await acts(town))["nodes"]) == 6
    await town.is_sound()


async def test_the_control_without_the_structures_lock_the_chain_breaks(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    if town.running.database.is_sqlite:
        pytest.skip("SQLite lets one writer in at a time, lock or no lock")
    both_wait, last = asyncio.Barrier(2), till.note.__self__._last  # type: ignore[attr-defined]

    async def town_without_lock(session: Any, structure: str) -> Any:
        return await session.get_one(Structure, structure)

    async def last_together(session: Any, structure: str) -> str:
        found: str = await last(session, structure)
        await asyncio.wait_for(both_wait.wait(), 5)
        return found

    monkeypatch.setattr(till, "lock_structure", town_without_lock)
    monkeypatch.setattr(till.note.__self__, "_last", last_together)  # type: ignore[attr-defined]
    cheques = [{**CHEQUE, "family": family, "idempotencyKey": family} for family in ("dupont", "martin")]
    await asyncio.gather(*(does(town, "recordPayment", cheque) for cheque in cheques))
    monkeypatch.undo()
    assert len((await acts(town))["nodes"]) == 2
    with pytest.raises(AssertionError, match="one before it is missing"):
        await town.is_sound()
