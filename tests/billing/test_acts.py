"""The audit trail of agents' acts with money: it only grows, and shows where somebody took a link out."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.billing import audit
from services.billing.audit import Done
from services.billing.commands import lock_structure
from services.billing.invariants import violations
from services.billing.ledger import PaymentMode
from services.billing.personal import erase
from services.billing.till import Agent, Money, adjust_wallet, record_payment
from services.events import FamilyErasing
from tests.billing.conftest import NOW, Town

RECORDED = Done("RECORD_PAYMENT", family="dupont", wallet="periscolaire", entry="e1", after={"cents": 50_00})
REFUNDED = Done("REFUND", family="dupont", wallet="periscolaire", entry="e2", reason="Départ de la commune")


async def acts(town: Town, *done: Done) -> None:
    async with town.running.database.transaction() as session:
        await lock_structure(session, "carteville")
        await audit.note(session, NOW, "carteville", "agent", *done)


async def says(town: Town, statement: str) -> list[Any]:
    async with town.running.database.engine.begin() as connection:
        result = await connection.execute(text(statement))
        return list(result.all()) if result.returns_rows else []


@pytest.mark.parametrize("statement", ["UPDATE act SET reason = 'autre'", "DELETE FROM act"])
async def test_the_database_itself_refuses_to_change_the_trail(town: Town, statement: str) -> None:
    await acts(town, RECORDED)
    with pytest.raises(DBAPIError, match="only grows"):
        await says(town, statement)
    assert len(await says(town, "SELECT position FROM act")) == 1


@pytest.mark.parametrize(
    ("forgery", "first"),
    [("UPDATE act SET reason = 'autre' WHERE position = 2", 2), ("DELETE FROM act WHERE position = 2", 3)],
    ids=["changed", "taken out"],
)
async def test_a_forged_chain_is_seen(town: Town, forgery: str, first: int) -> None:
    await acts(town, RECORDED, REFUNDED)
    await acts(town, RECORDED)
    await town.is_sound()
    if town.running.database.is_sqlite:
        await says(town, "DROP TRIGGER act_never_update")
        await says(town, "DROP TRIGGER act_never_delete")
    else:
        await says(town, "DROP TRIGGER act_only_grows ON act")
        await says(town, "DROP TRIGGER act_only_loses_words ON act")
    await says(town, forgery)
    async with town.running.database.reading() as session:
        assert (await violations(session))[0].startswith(f"act {first} of carteville")


async def test_why_an_agent_moved_money_goes_with_the_family_and_the_entry_stays(town: Town) -> None:
    """Code de commerce, art. L123-22: amounts and dates for ten years. Why, in words, stands beside them."""
    clerk = Agent("agent", "carteville")
    async with town.running.database.transaction() as session:
        for family, why in (("dupont", "Divorce de Mme Dupont"), ("martin", "Erreur de caisse")):
            await adjust_wallet(session, town.running.clock, clerk, family, family, "periscolaire", 5_00, why)
    entries = await says(town, "SELECT * FROM ledger_entry ORDER BY id")
    assert {row.label for row in entries} == {None}
    erasing = FamilyErasing(
        structure="carteville", occurred_at=NOW, erasure="e", family="dupont", accounts=[], children=[], by="admin", number="1"
    )
    async with town.running.database.transaction() as session:
        await erase(session, erasing, town.running.clock)
    assert await says(town, "SELECT * FROM ledger_entry ORDER BY id") == entries
    assert [row.reason for row in await says(town, "SELECT reason FROM entry_reason")] == ["Erreur de caisse"]
    acts = await says(town, "SELECT kind, family, reason FROM act ORDER BY position")
    assert [tuple(row) for row in acts] == [
        ("ADJUST_WALLET", "dupont", None),
        ("ADJUST_WALLET", "martin", "Erreur de caisse"),
        ("ERASE_FAMILY", "dupont", None),
    ]
    await town.is_sound()
    money = Money("dupont", "periscolaire", PaymentMode.CHEQUE, 5_00, "77", "Mme DUPONT", "BANQUE")
    async with town.running.database.transaction() as session:
        await record_payment(session, town.running.clock, clerk, "late", money)
    assert [row.payer for row in await says(town, "SELECT payer FROM payment_detail")] == ["1"], "what comes later has no name either"
