"""`preau check` sees what is wrong in billing's tables, and nothing where all is well."""

import pytest
from sqlalchemy import text

from deploy.migrate import differs
from services.billing.invariants import violations
from tests.billing.conftest import Booking, Town, closed, request

LEDGER_ENTRY = (
    "INSERT INTO ledger_entry (id, cause, kind, from_account, to_account, amount_cents, structure, family, wallet, date, posted_at) "
    "VALUES ('x', 'x', '{kind}', 'cash', 'wallet:{account}', {cents}, 'carteville', 'dupont', '{wallet}', '2026-11-01', '2026-11-01 00:00:00')"
)


async def lived_in(town: Town) -> None:
    amalia, paolo, refused = Booking("a", "amalia", "multi"), Booking("p", "paolo", "multi"), Booking("r")
    await town.pays("dupont", "periscolaire", 50_06)
    await town.owes("martin", "multiaccueil", 51_65)
    await town.hears(request(amalia, paolo, refused), amalia.accepted(), paolo.waitlisted(), refused.refused())
    zoe, excused = Booking("z", "zoe", family="martin"), Booking("x", "amalia")
    await town.books(zoe)
    await town.books(excused)
    await town.hears(closed(zoe.attended(), excused.attended("ABSENT_JUSTIFIED")))


async def test_a_town_that_was_lived_in_is_sound(town: Town) -> None:
    await town.is_sound()
    await lived_in(town)
    await town.is_sound()


@pytest.mark.parametrize(
    ("sabotage", "sentence"),
    [
        ("UPDATE standing SET in_debit = false", "family martin has -5296 cents and is said to be in order"),
        ("DELETE FROM standing", "family martin has -5296 cents and is said to be in order"),
        ("UPDATE standing SET in_debit = true", "family dupont has 5006 cents and is said to be in debt"),
        ("UPDATE structure SET debt_limit_cents = 5296", "family martin has -5296 cents and is said to be in debt"),
        (
            "UPDATE purse SET cents = cents + 1 WHERE cents = -5165",
            "wallet:martin:multiaccueil holds -5164 cents; its entries come to -5165",
        ),
        ("DELETE FROM purse WHERE family = 'dupont'", "wallet:dupont:periscolaire holds 0 cents; its entries come to 5006"),
        ("UPDATE purse SET wallet = 'nothing' WHERE cents = -5165", "wallet:martin:multiaccueil holds 0 cents; its entries come to"),
        (
            "INSERT INTO purse VALUES ('zora', 'periscolaire', 'carteville', 7)",
            "wallet:zora:periscolaire holds 7 cents; its entries come to 0",
        ),
        ("UPDATE purse SET cents = 0", "the ledger's accounts sum to 290 cents, not 0"),
        ("DELETE FROM payment_detail", "does not say how it was paid"),
        ("UPDATE hold SET amount_cents = 1 WHERE booking = 'a'", "the hold of booking a is not what its steps add up to"),
        ("UPDATE hold SET wallet = NULL WHERE booking = 'p'", "the hold of booking p draws on None"),
        ("UPDATE consumption SET amount_cents = 1 WHERE booking = 'z'", "attendance:z comes to 1 cents; its entries say"),
        ("UPDATE consumption SET wallet = 'multiaccueil'", "attendance:z comes to 131 cents; its entries say"),
        ("UPDATE consumption SET amount_cents = 1 WHERE booking = 'x'", "attendance:x is not what its steps add up to"),
        ("DELETE FROM consumption", "ledger entries settle attendance:z, which is no consumption"),
        ("DELETE FROM consumption", "the hold of booking x is settled, and nothing is charged for it"),
        ("UPDATE hold SET state = 'LIVE' WHERE booking = 'z'", "booking z is charged, and its hold is not settled"),
        ("UPDATE hold SET child = 'amalia', kind = 'CONFIRMED'", "amalia of dupont has 2 holds for multi on 2026-12-07"),
        (LEDGER_ENTRY.format(kind="PAYMENT", account="dupont:periscolaire", cents=1, wallet="periscolaire"), "payment x does not say how"),
        (LEDGER_ENTRY.format(kind="CHARGE", account="martin:periscolaire", cents=1, wallet="periscolaire"), "x does not touch wallet"),
        (LEDGER_ENTRY.format(kind="CHARGE", account="dupont:nothing", cents=1, wallet="nothing"), "its wallet nothing is not"),
    ],
)
async def test_every_sabotage_is_seen(town: Town, sabotage: str, sentence: str) -> None:
    await lived_in(town)
    async with town.running.database.engine.begin() as connection:
        await connection.execute(text(sabotage))
    async with town.running.database.reading() as session:
        found = await violations(session)
    assert any(sentence in one for one in found), found


async def test_the_migrations_make_the_tables_of_the_code(town: Town) -> None:
    assert await differs("billing", town.running.database.url) == []
