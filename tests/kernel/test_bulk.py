"""Many rows at once are in the session's transaction, and fail as any statement does."""

import datetime as dt
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from services.billing.tables import ClosedDay, core
from services.bulk import pair_of
from services.database import OUTAGE, Database
from services.outbox import KNOWN, Heard, remember
from tests.conftest import MakeUrl


@pytest.fixture
async def database(database_url: MakeUrl) -> AsyncIterator[Database]:
    one = Database(await database_url("mailer"))
    yield one
    await one.close()


async def heard(database: Database) -> set[str]:
    async with database.reading() as session:
        return set((await session.exec(select(Heard.event_id))).all())


async def remember_and_fail(database: Database) -> None:
    async with database.transaction() as session:
        await remember(session, ["a", "b"])
        raise ZeroDivisionError


async def remember_and_be_cut(database: Database) -> None:
    async with database.transaction() as session:
        pid = (await (await session.connection()).execute(text("SELECT pg_backend_pid()"))).scalar_one()
        async with database.transaction() as other:
            await (await other.connection()).execute(text(f"SELECT pg_terminate_backend({pid})"))
        await remember(session, ["a"])


async def test_what_is_rolled_back_was_never_there_even_where_nothing_came_before(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        await remember_and_fail(database)
    assert await heard(database) == set()
    async with database.transaction() as session:
        await remember(session, ["a", 'b\t"\\N', "ç"])
    assert await heard(database) == {"a", 'b\t"\\N', "ç"}


async def test_a_second_of_one_key_is_refused_and_nothing_is_written(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            await remember(session, ["a", "b", "a"])
    assert await heard(database) == set()


async def test_a_server_that_goes_away_is_an_outage_and_the_next_transaction_finds_it_again(database: Database) -> None:
    if database.is_sqlite:
        pytest.skip("SQLite is no server")
    with pytest.raises(OUTAGE):
        await remember_and_be_cut(database)
    async with database.transaction() as session:
        await remember(session, ["b"])
    assert await heard(database) == {"b"}


async def test_pairs_are_no_cross_product(database_url: MakeUrl) -> None:
    one = Database(await database_url("billing"))
    day, next_day = dt.date(2026, 12, 7), dt.date(2026, 12, 8)
    days = core(ClosedDay)
    async with one.transaction() as session:
        session.add_all(
            ClosedDay(activity=activity, date=date, structure="town", version=1) for activity in ("a", "b'c") for date in (day, next_day)
        )
    query = select(days.c.activity, days.c.date).where(pair_of(days.c.activity, days.c.date, "keys"))
    async with one.reading() as session:
        rows = await (await session.connection()).execute(query, {"keys": {("a", day), ("b'c", next_day), ("d", day)}})
    assert {tuple(row) for row in rows} == {("a", day), ("b'c", next_day)}
    await one.close()


async def test_a_list_is_looked_up_in_the_index(database: Database) -> None:
    if not database.is_sqlite:
        pytest.skip("PostgreSQL looks for indexes in any case")
    async with database.reading() as session:
        statement = str(KNOWN.compile(dialect=database.engine.dialect))
        plan = await (await session.connection()).exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", ('["a"]',))
        assert next(row[3].split(" ")[0] for row in plan) == "SEARCH", statement
