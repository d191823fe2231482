"""The one way of a payment into the ledger: once for its cause, and never for another payment of the same name (S11, S19)."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from services.billing.commands import Payment, post_payment
from services.billing.ledger import PaymentMode
from services.events import EntryPosted
from services.refusal import Refused
from tests.billing.conftest import Town

#: The guide's (S11), as it is recorded: the day it is recorded is its date.
CHEQUE = Payment("c1", "carteville", "dupont", "periscolaire", PaymentMode.CHEQUE, 50_00, None, "2578012", "GUIDE DENIS", "CREDIT AGRICOLE")


async def posts(town: Town, paid: Payment) -> str:
    async with town.running.database.transaction() as session:
        return (await post_payment(session, town.running.clock, paid)).id


async def test_the_same_payment_again_is_the_payment_that_was_posted(town: Town) -> None:
    first = await posts(town, CHEQUE)
    assert await posts(town, CHEQUE) == first
    assert await posts(town, replace(CHEQUE, date=town.running.clock.today("Europe/Paris"))) == first
    assert [event["amount_cents"] for event in await town.said(EntryPosted)] == [50_00]
    await town.is_sound()


@pytest.mark.parametrize(
    "other",
    [
        {"cents": 50_01},
        {"wallet": "multiaccueil"},
        {"family": "martin"},
        {"mode": PaymentMode.CARD},
        {"mode": PaymentMode.CASH},
        {"reference": "2578013"},
        {"payer": "GUIDE DENISE"},
        {"bank": None},
        {"date": dt.date(2026, 11, 22)},
        {"taken_over": True},
    ],
    ids="".join,
)
async def test_a_known_cause_with_other_content_is_refused_and_moves_nothing(town: Town, other: dict[str, Any]) -> None:
    await posts(town, CHEQUE)
    with pytest.raises(Refused, match="IDEMPOTENCY_KEY_REUSED"):
        await posts(town, replace(CHEQUE, **other))
    assert len(await town.said(EntryPosted)) == 1
    await town.is_sound()


async def test_what_is_taken_over_twice_keeps_its_first_date_and_must_be_the_same(town: Town) -> None:
    """`today-20d` in a town's file is another day each time it is loaded."""
    await town.pays("dupont", "periscolaire", 50_00, cause="line 1")
    await town.pays("dupont", "periscolaire", 50_00, cause="line 1", date=town.running.clock.today("Europe/Paris").replace(day=1))
    with pytest.raises(Refused, match="IDEMPOTENCY_KEY_REUSED"):
        await town.pays("dupont", "periscolaire", 60_00, cause="line 1")
    await town.owes("dupont", "periscolaire", 1_00, cause="line 2")
    with pytest.raises(Refused, match="IDEMPOTENCY_KEY_REUSED"):
        await town.owes("dupont", "periscolaire", 2_00, cause="line 2")
    assert [event["amount_cents"] for event in await town.said(EntryPosted)] == [50_00, 1_00]
