"""The audit trail of agents' acts with money: it only grows, and shows where somebody took a link out."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.billing import audit
from services.billing.audit import Done
from services.billing.commands import lock_structure
from services.billing.invariants import violations
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
    await says(town, forgery)
    async with town.running.database.reading() as session:
        assert (await violations(session))[0].startswith(f"act {first} of carteville")
