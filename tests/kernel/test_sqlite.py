"""SQLite in one trip a statement gives what SQLAlchemy's own dialect gives."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from services import sqlite
from services.database import Database
from services.sqlite import DRIVER

METADATA = MetaData()
CHILD = Table("child", METADATA, Column("id", Integer, primary_key=True), Column("name", String, unique=True))
NAMES = [{"name": name} for name in ("Amalia", "Paolo", "Zoé")]


async def facts(connection: AsyncConnection) -> list[Any]:
    """What each kind of statement says."""
    await connection.run_sync(METADATA.create_all)
    many = await connection.execute(insert(CHILD), NAMES)
    one = await connection.execute(insert(CHILD).values(name="Léa"))
    told = await connection.execute(insert(CHILD).values(name="Noé").returning(CHILD.c.id, CHILD.c.name))
    several = await connection.execute(insert(CHILD).returning(CHILD.c.id), [{"name": "Ana"}, {"name": "Eva"}])
    changed = await connection.execute(update(CHILD).where(CHILD.c.id > 2).values(name=CHILD.c.name + "!"))
    nothing = await connection.execute(select(CHILD).where(CHILD.c.id > 99))
    everything = await connection.execute(select(CHILD).order_by(CHILD.c.id))
    gone = await connection.execute(delete(CHILD).where(CHILD.c.name == "Amalia"))
    return [
        many.rowcount,
        (one.inserted_primary_key, one.lastrowid),
        told.all(),
        several.scalars().all(),
        changed.rowcount,
        (list(nothing.keys()), nothing.all()),
        (everything.fetchone(), everything.fetchmany(2), everything.all()),
        gone.rowcount,
        (await connection.execute(text("SELECT count(*) FROM child WHERE name LIKE :like"), {"like": "%!"})).scalar_one(),
    ]


async def test_each_kind_of_statement_says_what_it_says_elsewhere(tmp_path: Path) -> None:
    said = []
    for driver in ("sqlite+aiosqlite", DRIVER):
        engine = create_async_engine(f"{driver}:///{tmp_path / driver}.sqlite")
        async with engine.begin() as connection:
            said.append(await facts(connection))
        async with engine.begin() as connection:
            with pytest.raises(IntegrityError, match="UNIQUE constraint failed"):
                await connection.execute(insert(CHILD), [{"name": "Paolo"}, {"name": "Paolo"}])
        async with engine.connect() as connection:
            with pytest.raises(OperationalError, match="no such table"):
                await connection.execute(text("SELECT * FROM nowhere"))
            said[-1].append((await connection.execute(select(CHILD.c.id))).scalars().all())
        await engine.dispose()
    assert said[0] == said[1]


Trips = list[str]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'toy'}.sqlite")
    async with database.engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
        await connection.execute(insert(CHILD), NAMES)
    yield database
    await database.close()


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> Trips:
    """What the thread of a connection was asked to do."""
    made: Trips = []
    execute: Callable[..., Awaitable[Any]] = aiosqlite.Connection._execute

    async def counted(self: aiosqlite.Connection, what: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        made.append(what.__name__)
        return await execute(self, what, *arguments, **options)

    monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
    return made


async def test_looking_takes_one_trip_a_statement(database: Database, trips: Trips) -> None:
    async with database.reading() as session:
        for _ in range(2):
            assert len((await session.exec(select(CHILD))).all()) == 3
    assert trips == ["_execute", "_execute"]


async def test_a_transaction_takes_two_more(database: Database, trips: Trips) -> None:
    async with database.transaction() as session:
        await session.exec(insert(CHILD).values(name="Noé"))
    assert trips == ["_execute", "_execute", "commit"]


async def test_a_snapshot_agrees_with_itself_and_a_reading_sees_what_is_there_by_then(database: Database) -> None:
    async with database.snapshot() as still, database.reading() as fresh:
        before = [len((await each.exec(select(CHILD))).all()) for each in (still, fresh)]
        async with database.transaction() as session:
            await session.exec(insert(CHILD).values(name="Noé"))
        after = [len((await each.exec(select(CHILD))).all()) for each in (still, fresh)]
    assert (before, after) == ([3, 3], [3, 4])


async def test_whoever_is_cut_off_in_the_middle_leaves_no_transaction_open(database: Database) -> None:
    async def writes(begun: asyncio.Event) -> None:
        async with database.transaction() as session:
            begun.set()
            for number in range(1_000):
                await session.exec(insert(CHILD).values(name=f"Noé {number}"))

    for turns in range(20):
        begun = asyncio.Event()
        task = asyncio.ensure_future(writes(begun))
        await begun.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    async with database.transaction() as session:
        assert len((await session.exec(select(CHILD))).all()) == 3


async def test_who_is_cut_off_while_a_connection_opens_leaves_no_thread_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opens, begun, may_open = sqlite3.connect, threading.Event(), threading.Event()

    def slowly(*arguments: Any, **options: Any) -> sqlite3.Connection:
        begun.set()
        may_open.wait(60)
        return opens(*arguments, **options)

    database, before = Database(f"sqlite+aiosqlite:///{tmp_path / 'toy'}.sqlite"), set(threading.enumerate())
    monkeypatch.setattr(sqlite3, "connect", slowly)
    task = asyncio.ensure_future(database.engine.connect().start())
    await asyncio.to_thread(begun.wait)
    (opening,) = (thread for thread in set(threading.enumerate()) - before if not thread.name.startswith("asyncio"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert opening.is_alive()
    asyncio.get_running_loop().call_later(0.2, may_open.set)
    await database.close()
    assert not opening.is_alive()


LONG_AGO = 1_700_000_000


def aged(database: Database) -> None:
    """As if its files had been written long ago, both at the same time."""
    for name in ("", "-wal"):
        os.utime(f"{database.engine.url.database}{name}", (LONG_AGO, LONG_AGO))


async def test_a_file_says_that_nobody_wrote_only_where_that_is_certain(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BELIEVED_SECONDS", 1e12)
    assert database.may_differ(database.last_written())  # Just written: more may have come in the same tick of the files' clock.
    elsewhere = Database(database.url)
    for number, writer in enumerate((database, elsewhere, elsewhere, database)):
        aged(database)
        before = database.last_written()
        async with database.reading() as session:
            await session.exec(select(CHILD))
        assert not database.may_differ(before)
        if number == 2:  # Then the next commit is written over what is there, and the file does not grow.
            with closing(sqlite3.connect(str(database.engine.url.database))) as connection:
                assert connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()[0] == 0
        async with writer.transaction() as session:
            await session.exec(insert(CHILD).values(name=f"Noé {number}"))
        assert database.may_differ(before)  # Whatever was there before: it is fresh.
        with monkeypatch.context() as patch:
            patch.setattr(sqlite, "FRESH_SECONDS", -1.0)
            assert database.may_differ(before)
    await elsewhere.close()


async def test_a_link_is_as_good_as_the_file_that_it_leads_to(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BELIEVED_SECONDS", 1e12)
    aged(database)
    (link := tmp_path / "link.sqlite").symlink_to(str(database.engine.url.database))
    assert sqlite.last_written(str(link)) == database.last_written()


@pytest.mark.parametrize("path", ["nowhere.sqlite", ":memory:", "None"])
async def test_of_a_file_that_is_not_there_nothing_is_certain(path: str) -> None:
    assert sqlite.last_written(path) != sqlite.last_written(path)


async def test_what_nobody_wrote_is_not_believed_for_ever(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    aged(database)
    before = database.last_written()
    later = sqlite.time.time() + sqlite.BELIEVED_SECONDS
    monkeypatch.setattr(sqlite.time, "time", lambda: later)
    assert database.may_differ(before)
