"""Payments and debts move wallets, once; a family in debt is told of once (S11, S21)."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from deploy.migrate import migrate
from services.billing import commands, posting, queries
from services.billing.invariants import violations
from services.billing.rate import TariffError
from services.billing.tables import LedgerEntry, Standing, Structure
from services.bulk import one_of
from services.database import Database
from services.events import EntryPosted, StandingChanged
from services.service import Running
from tests.billing.conftest import APS, MULTI, Town
from tests.conftest import create_database


async def test_a_payment_is_posted_once_for_its_cause(town: Town) -> None:
    for _ in range(2):
        await town.pays("dupont", "periscolaire", 50_06, cause="line 12")
    await town.pays("dupont", "periscolaire", 1_00, cause="line 13")
    assert [(e["kind"], e["wallet"], e["family"], e["amount_cents"]) for e in await town.said(EntryPosted)] == [
        ("PAYMENT", "periscolaire", "dupont", 50_06),
        ("PAYMENT", "periscolaire", "dupont", 1_00),
    ]
    await town.is_sound()


async def test_nothing_is_posted_for_nothing(town: Town) -> None:
    await town.pays("dupont", "periscolaire", 0)
    await town.owes("dupont", "periscolaire", 0)
    assert await town.said(EntryPosted) == []


async def test_a_negative_amount_is_refused(town: Town) -> None:
    with pytest.raises(ValueError, match="positive"):
        await town.owes("dupont", "periscolaire", -1)


@pytest.mark.parametrize("change", ["UPDATE ledger_entry SET amount_cents = 1", "DELETE FROM ledger_entry"])
async def test_the_database_itself_refuses_to_rewrite_an_entry(town: Town, change: str) -> None:
    await town.pays("dupont", "periscolaire", 50_06)
    with pytest.raises(DBAPIError, match="a ledger entry is final"):
        async with town.running.database.engine.begin() as connection:
            await connection.execute(text(change))


async def test_the_database_itself_refuses_an_entry_of_nothing_and_a_second_of_one_cause(town: Town) -> None:
    def entry(id: str, cause: str, cents: int) -> LedgerEntry:
        return LedgerEntry(
            id=id,
            cause=cause,
            kind="PAYMENT",
            from_account="cash",
            to_account="wallet:dupont:periscolaire",
            amount_cents=cents,
            structure="carteville",
            family="dupont",
            wallet="periscolaire",
            date=dt.date(2026, 11, 1),
            posted_at=town.running.clock.now(),
        )

    for wrong in ([entry("a", "a", 0)], [entry("a", "same", 1), entry("b", "same", 2)]):
        with pytest.raises(IntegrityError):
            async with town.running.database.transaction() as session:
                session.add_all(wrong)


async def test_s21_a_family_first_known_is_in_order_and_nothing_is_said_of_it(town: Town) -> None:
    await town.pays("dupont", "periscolaire", 10_00)
    assert await town.said(StandingChanged) == []


async def test_s21_debt_is_said_when_it_begins_and_when_it_ends(town: Town) -> None:
    await town.owes("dupont", "periscolaire", 51_65)
    await town.owes("dupont", "periscolaire", 1_00)
    await town.pays("dupont", "multiaccueil", 52_65)
    said = await town.said(StandingChanged)
    assert [(event["family"], event["in_debit"], event["version"]) for event in said] == [("dupont", True, 1), ("dupont", False, 2)]
    await town.is_sound()


async def test_s21_the_structures_limit_weighs_everybody_again(town: Town) -> None:
    await town.owes("dupont", "periscolaire", 20_00)
    await town.limits_debt(20_00)
    await town.limits_debt(20_00)
    await town.limits_debt(19_99)
    assert [(e["in_debit"], e["version"]) for e in await town.said(StandingChanged)] == [(True, 1), (False, 2), (True, 3)]
    await town.is_sound()


async def test_s21_a_family_has_a_limit_of_its_own_or_is_exempt(town: Town) -> None:
    async def bears(limit_cents: int | None, *, exempt: bool = False) -> None:
        async with town.running.database.transaction() as session:
            await commands.put_family_debt(session, town.running.clock, "dupont", "carteville", limit_cents, exempt=exempt)

    async def is_said() -> list[bool]:
        return [event["in_debit"] for event in await town.said(StandingChanged)]

    await bears(None)
    async with town.running.database.reading() as session:
        assert await session.get(Standing, "dupont") is None, "like all others: nothing to write"
    await town.owes("dupont", "periscolaire", 30_00)
    await town.owes("martin", "periscolaire", 30_00)
    assert await is_said() == [True, True]
    await bears(50_00)
    await bears(50_00)
    assert await is_said() == [True, True, False]
    await town.limits_debt(10_00)
    await town.owes("dupont", "periscolaire", 30_00)
    assert await is_said() == [True, True, False, True], "its own limit, not the structure's"
    await bears(0, exempt=True)
    await town.owes("dupont", "periscolaire", 1_000_00)
    assert await is_said() == [True, True, False, True, False]
    await town.is_sound()
    await bears(None)
    assert await is_said() == [True, True, False, True, False, True]
    await town.is_sound()


async def test_s21_postings_at_the_same_time_are_judged_together(town: Town) -> None:
    """Each alone leaves the family in order; all together do not. A lock per family makes somebody notice."""
    await town.pays("dupont", "periscolaire", 10_00)
    await asyncio.gather(*(town.owes("dupont", "periscolaire", 3_00) for _ in range(4)))
    assert [e["in_debit"] for e in await town.said(StandingChanged)] == [True]
    await town.is_sound()


async def test_s21_the_control_without_the_lock_nobody_notices(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same postings, each judged before the other is visible: the debt goes unsaid, and `preau check` sees it."""
    if town.running.database.is_sqlite:
        pytest.skip("SQLite lets one writer in at a time, lock or no lock")
    await town.pays("dupont", "periscolaire", 10_00)
    everybody_summed, sums = asyncio.Barrier(2), queries.posted_cents

    async def sum_together(session: AsyncSession, families: list[str]) -> dict[str, int]:
        found = await sums(session, families)
        await asyncio.wait_for(everybody_summed.wait(), 5)
        return found

    monkeypatch.setattr(posting, "THOSE", posting.THOSE.with_for_update(read=True))
    monkeypatch.setattr(queries, "posted_cents", sum_together)
    # From two wallets: what one holds is one row, which waits by itself.
    await asyncio.gather(*(town.owes("dupont", wallet, 6_00) for wallet in ("periscolaire", "multiaccueil")))
    monkeypatch.undo()
    assert await town.said(StandingChanged) == []
    async with town.running.database.reading() as session:
        assert await violations(session) == ["family dupont has -200 cents and is said to be in order"]


async def test_two_who_first_name_a_structure_at_once_name_one(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """A town is loaded while billing hears of it."""
    if town.running.database.is_sqlite:
        pytest.skip("SQLite lets one writer in at a time")
    both_looked, look = asyncio.Barrier(2), AsyncSession.get

    async def look_together(session: AsyncSession, *what: Any, **how: Any) -> Any:
        found = await look(session, *what, **how)
        await both_looked.wait()
        return found

    async def is_named() -> None:
        async with town.running.database.transaction() as session:
            await commands.put_debt_limit(session, town.running.clock, "bourg", 50_00)

    monkeypatch.setattr(AsyncSession, "get", look_together)
    await asyncio.gather(is_named(), is_named())
    monkeypatch.undo()
    async with town.running.database.reading() as session:
        assert (await session.get_one(Structure, "bourg")).debt_limit_cents == 50_00


async def test_putting_the_same_again_writes_nothing(town: Town) -> None:
    async def counts() -> list[int]:
        async with town.running.database.engine.connect() as connection:
            tables = ("wallet", "tariff", "quotient", "activity", "outgoing")
            return [(await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one() for table in tables]

    before = await counts()
    async with town.running.database.transaction() as session:
        clock = town.running.clock
        await commands.put_wallet(session, clock, "periscolaire", "carteville", "PERISCOLAIRE")
        await commands.put_tariff(session, clock, "multi", "carteville", "multiaccueil", MULTI)
        await commands.put_quotient(session, clock, "dupont", "carteville", "742.00")
        await commands.put_debt_limit(session, clock, "carteville", 0)
        assert not session.dirty
    assert await counts() == before


async def test_a_tariff_with_two_beginnings_on_one_day_is_refused(town: Town) -> None:
    with pytest.raises(TariffError):
        async with town.running.database.transaction() as session:
            await commands.put_tariff(session, town.running.clock, "multi", "carteville", "multiaccueil", APS + MULTI)


async def test_s21_a_family_new_to_the_books_is_judged_by_a_limit_that_changes_meanwhile(town: Town) -> None:
    """Whoever comes first, the other waits: the new limit weighs the new family, or it is judged by it."""
    await town.limits_debt(20_00)
    async with town.running.database.transaction() as session:
        await owes_in(session, town, "dupont")
        limiting = asyncio.create_task(town.limits_debt(10_00))
        await asyncio.sleep(0.3)
    await limiting
    assert [event["family"] for event in await town.said(StandingChanged)] == ["dupont"]
    async with town.running.database.transaction() as session:
        await commands.put_debt_limit(session, town.running.clock, "carteville", 5_00)
        owing = asyncio.create_task(town.owes("martin", "periscolaire", 6_00))
        await asyncio.sleep(0.3)
    await owing
    assert [event["family"] for event in await town.said(StandingChanged)] == ["dupont", "martin"]
    await town.is_sound()


async def owes_in(session: AsyncSession, town: Town, family: str) -> None:
    """15 euros."""
    day = dt.date(2026, 11, 1)
    await commands.take_over_charge(
        session, town.running.clock, "carteville", family, "periscolaire", day, "Reprise", 15_00, f"old {family}"
    )


async def test_s21_the_control_without_the_structures_lock_the_new_family_is_overlooked(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    if town.running.database.is_sqlite:
        pytest.skip("SQLite lets one writer in at a time, lock or no lock")
    await town.limits_debt(20_00)
    monkeypatch.setattr(posting, "TOWNS", select(*posting.TOWNS.selected_columns).where(one_of(posting.T.id, "structures")))
    async with town.running.database.transaction() as session:
        await owes_in(session, town, "dupont")
        await asyncio.wait_for(town.limits_debt(10_00), 5)
    async with town.running.database.reading() as session:
        assert await violations(session) == ["family dupont has -1500 cents and is said to be in order"]


async def test_agents_and_postings_do_not_wait_for_one_another_in_a_structure(town: Town) -> None:
    """A closed day of thousands of children, in one transaction, stops no counter of another family."""
    if town.running.database.is_sqlite:
        pytest.skip("SQLite lets one writer in at a time")
    async with town.running.database.transaction() as closing:
        await owes_in(closing, town, "dupont")
        async with town.running.database.transaction() as session:
            await asyncio.wait_for(commands.lock_structure(session, "carteville"), 5)
            await commands.lock_standing(session, "carteville", "martin")


# ---------------------------------------------------------------------------------------------------------------- purses
async def posts_as_two(town: Town, other: Running, times: int) -> None:
    """Two billing processes feed and empty the same wallets."""

    async def one(number: int, running: Running) -> None:
        half = Town(running)
        for turn in range(times):
            await half.pays("dupont", "periscolaire", 100 + number, cause=f"{number}/{turn}")
            await half.owes("dupont", "multiaccueil" if turn % 2 else "periscolaire", 7, cause=f"{number}/{turn}/owed")

    await asyncio.gather(*(one(number, running) for number in range(3) for running in ((town.running, other)[number % 2],)))


async def test_two_processes_that_post_at_once_lose_nothing_of_a_purse(town: Town, running: Callable[..., Awaitable[Running]]) -> None:
    other = await running("billing", clock=town.running.clock, start=False, url=town.running.database.url)
    await posts_as_two(town, other, 12)
    assert await town.cents() == {"periscolaire": 12 * (100 + 101 + 102) - 3 * 6 * 7, "multiaccueil": -3 * 6 * 7}
    await town.is_sound()


async def test_the_control_a_purse_that_is_read_and_then_written_loses_one_and_the_check_sees_it(town: Town) -> None:
    """As billing would keep it without the ledger's trigger."""
    await town.pays("dupont", "periscolaire", 10_00)
    database = town.running.database
    async with database.engine.begin() as connection:
        await connection.execute(text(f"DROP TRIGGER ledger_entry_moves_purse{'' if database.is_sqlite else ' ON ledger_entry'}"))
    both_read = asyncio.Barrier(2)

    async def posts() -> None:
        async with database.reading() as session:
            held = (await queries.purse_cents(session, ["dupont"]))["dupont", "periscolaire"]
        await asyncio.wait_for(both_read.wait(), 5)
        await town.pays("dupont", "periscolaire", 5_00)
        async with database.engine.begin() as connection:
            await connection.execute(text(f"UPDATE purse SET cents = {held + 5_00}"))

    await asyncio.gather(posts(), posts())
    async with database.reading() as session:
        assert "wallet:dupont:periscolaire holds 1500 cents; its entries come to 2000" in await violations(session)


async def test_the_migration_sums_up_the_ledger_that_it_finds(postgresql: str | None, tmp_path: Path) -> None:
    """And the version before it, which still runs meanwhile, keeps the purses without knowing of them."""
    url = f"sqlite+aiosqlite:///{tmp_path}/old.sqlite" if postgresql is None else await create_database(postgresql, "old_ledger")
    await migrate("billing", url, "0010")
    old = Database(url)
    entry = (
        "INSERT INTO ledger_entry (id, cause, kind, from_account, to_account, amount_cents, structure, family, wallet, date, posted_at) "
        "VALUES ('{0}', '{0}', 'ADJUSTMENT', '{1}', '{2}', {3}, 'carteville', 'dupont', 'multi', '2026-11-01', '2026-11-01 00:00:00')"
    )
    purse = "wallet:dupont:multi"

    async def writes(*entries: tuple[str, str, str, int]) -> None:
        async with old.engine.begin() as connection:
            for one in entries:
                await connection.execute(text(entry.format(*one)))

    await writes(("a", "cash", purse, 50_06), ("b", purse, "revenue", 1_31))
    await migrate("billing", url)
    await writes(("c", "revenue", purse, 1), ("d", purse, "cash", 2))
    async with old.engine.connect() as connection:
        found = [tuple(row) for row in await connection.execute(text("SELECT family, wallet, structure, cents FROM purse"))]
    assert found == [("dupont", "multi", "carteville", 50_06 - 1_31 + 1 - 2)]
    await old.close()


async def test_the_migration_puts_words_beside_the_entries_and_leaves_these_final(postgresql: str | None, tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/old.sqlite" if postgresql is None else await create_database(postgresql, "old_words")
    await migrate("billing", url, "0016")
    old = Database(url)
    entry = (
        "INSERT INTO ledger_entry (id, cause, kind, from_account, to_account, amount_cents, structure, family, wallet, date, label, posted_at) "
        "VALUES ('{0}', '{0}', 'ADJUSTMENT', 'adjustments', 'w', 1, 'carteville', 'dupont', 'multi', '2026-11-01', {1}, '2026-11-01 00:00:00')"
    )
    async with old.engine.begin() as connection:
        for id, label in (("a", "'Geste du maire'"), ("b", "NULL")):
            await connection.execute(text(entry.format(id, label)))
    await migrate("billing", url)
    async with old.engine.connect() as connection:
        assert [tuple(row) for row in await connection.execute(text("SELECT * FROM entry_reason"))] == [("a", "Geste du maire")]
        assert (await connection.execute(text("SELECT count(*) FROM ledger_entry WHERE label IS NULL"))).scalar_one() == 2
    with pytest.raises(DBAPIError, match="final"):
        async with old.engine.begin() as connection:
            await connection.execute(text("UPDATE ledger_entry SET label = 'x'"))
    await old.close()
