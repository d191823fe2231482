"""Two transactions that wait for one another: PostgreSQL takes one back, and all of it is done again. SQLite has one writer at a time."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services import listening
from services.clock import Clock
from services.database import OUTAGE, Aborted, Database
from services.events import StandingChanged
from services.outbox import DeadLetter
from services.service import Running
from tests.facts import until
from tests.kernel.toy import Standing, say, standing, standings, toy_running

LOCK = text("SELECT version FROM standing WHERE family = :family FOR UPDATE")


@pytest.fixture
async def listener(postgresql: str | None, nats_url: str, database_url: object) -> AsyncIterator[Running]:
    """It takes the row "b" where it already has "a", for each event. Nothing may fail twice."""
    if postgresql is None:
        pytest.skip("SQLite lets one writer in at a time")
    url = await database_url("mailer")  # type: ignore[operator]  # any database of its own
    one = await toy_running(nats_url, url, start=False)

    async def keep(session: AsyncSession, event: StandingChanged, clock: Clock) -> None:
        await locks(session, "a", "b")
        (await session.get_one(Standing, "a")).version = event.version

    one.service.reactions[StandingChanged] = keep
    async with one.database.transaction() as session:
        session.add_all(Standing(family=family, in_debit=False, version=0) for family in "ab")
    await one.start()
    yield one
    await one.stop()


async def locks(session: AsyncSession, *families: str) -> None:
    for family in families:
        await (await session.connection()).execute(LOCK, {"family": family})


async def waits(database: Database) -> bool:
    async with database.reading() as session:
        statement = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
        return bool((await (await session.connection()).execute(statement)).scalar_one())


async def test_what_was_heard_is_heard_again_at_once_and_never_buried(listener: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "ATTEMPTS", 1)
    async with listener.database.transaction() as session:
        await (await session.connection()).execute(text("SET LOCAL deadlock_timeout = '30s'"))  # The other one finds out.
        await locks(session, "b")
        await say(listener, standing("dupont", 7))
        await until(lambda: waits(listener.database))
        await locks(session, "a")
    await until(lambda: was_kept(listener))
    async with listener.database.reading() as session:
        assert (await session.exec(select(DeadLetter))).all() == []


async def was_kept(listener: Running) -> bool:
    return (await standings(listener))["a"].version == 7


async def test_it_is_an_outage_to_all_others(listener: Running) -> None:
    async def one(*families: str) -> None:
        async with listener.database.transaction() as session:
            await locks(session, families[0])
            await asyncio.wait_for(both_hold.wait(), 5)
            await locks(session, families[1])

    both_hold = asyncio.Barrier(2)
    ends = await asyncio.gather(one("a", "b"), one("b", "a"), return_exceptions=True)
    (trouble,) = [end for end in ends if end is not None]
    assert isinstance(trouble, Aborted)
    assert isinstance(trouble, OUTAGE)
