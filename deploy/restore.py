"""`preau restore`: put a backup in the databases' place, and have the streams made anew from the outboxes.

All four, of one moment; what came later is gone, and everybody agrees about that. Or some of them: then the others go on knowing what
these told since, and that is refused unless they told nothing, for what nobody can tell again nobody can agree about. The mailer alone
may always be put back: what it knows it heard, and hears again.
"""

import fcntl
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import nats.js.errors
from sqlalchemy import Connection, inspect, make_url, select

from deploy.backlog import connect
from deploy.backup import Copy, copies_in, plain
from deploy.broker import FOLDER as BROKER
from deploy.migrate import migrate, versions_of
from deploy.trouble import Trouble
from services.bulk import one_of
from services.bus import BROKER_TROUBLE, STREAM
from services.database import Database
from services.outbox import HEARD, OUT
from services.settings import SERVICES, Settings

ONLY_HEARS = frozenset({"mailer"})  #: All that it tells is what became of its mails.
AT_ONCE = 1000  #: Ids that are asked for together.
REPLACED = "replaced"  #: What was there before is kept under it, until the next time.
TOLD = select(OUT.event_id).where(one_of(OUT.event_id, "ids"))
OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
SERIAL = """SELECT a.attname, pg_get_serial_sequence($1, a.attname) FROM pg_attribute a WHERE a.attrelid = $1::regclass
    AND a.attnum > 0 AND NOT a.attisdropped AND pg_get_serial_sequence($1, a.attname) IS NOT NULL"""


async def restore(settings: Settings, folder: Path, only: Sequence[str] = (), *, anyway: bool = False) -> list[str]:
    """Returns what is to be told. Nothing of ours may run. Raises Trouble."""
    wanted = tuple(only) or SERVICES
    copies = _wanted(folder, wanted)
    with _alone(settings.data):
        for service in wanted:
            await _is_free(service, settings.database_urls[service])
        try:
            for service in wanted:
                await _put(service, settings.database_urls[service], folder, copies[service])
            if not anyway and 0 < len(set(wanted) - ONLY_HEARS) < len(SERVICES) - len(ONLY_HEARS):
                await _refuse_what_nobody_tells(settings, wanted)
        except BaseException:
            for service in wanted:
                await _put_back(settings.database_urls[service])
            raise
        for service in wanted:
            await migrate(service, settings.database_urls[service])
        return [*(f"{service}: as it was then" for service in wanted), *await _begin_streams_anew(settings, folder)]


def _wanted(folder: Path, services: Collection[str]) -> dict[str, Copy]:
    copies = copies_in(folder)
    if missing := set(services) - copies.keys():
        raise Trouble(f"{folder} has nothing of {', '.join(sorted(missing))}")
    for service in services:
        if copies[service].migration not in versions_of(service):
            raise Trouble(f"{service} is at {copies[service].migration} there, which this version of Préau does not know: take a newer one")
    return copies


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """As `preau up` is, in its folder."""
    if not (data / "lock").exists():
        yield
        return
    lock = os.open(data / "lock", os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Trouble(f"`preau up` runs in {data}: stop it first") from None
    finally:
        os.close(lock)


# ------------------------------------------------------------------------------------------------- what nobody can tell
async def _refuse_what_nobody_tells(settings: Settings, restored: Collection[str]) -> None:
    async with AsyncExitStack() as stack:
        databases = {service: Database(settings.database_urls[service]) for service in SERVICES}
        for database in databases.values():
            stack.push_async_callback(database.close)
        for service in [one for one in SERVICES if one not in restored]:
            if count := await untold(databases[service], databases.values()):
                raise Trouble(
                    f"{service} knows {count} events that {', '.join(restored)} would not have told: restore all services of that backup "
                    "(preau restore FOLDER), or, if you know better, --anyway"
                )


async def untold(hearer: Database, tellers: Collection[Database]) -> int:
    """Events that it has heard, and that no outbox has. Ids of another form are no events' of ours."""
    count, after = 0, ""
    while True:
        page = select(HEARD.c.event_id).where(HEARD.c.event_id > after).order_by(HEARD.c.event_id).limit(AT_ONCE)
        async with hearer.reading() as session:
            ids = list((await (await session.connection()).execute(page)).scalars())
        if not ids:
            return count
        left, after = set(ids), ids[-1]
        for teller in tellers:
            async with teller.reading() as session:
                told = await (await session.connection()).execute(
                    select(OUT.event_id).where(one_of(OUT.event_id, "ids")), {"ids": list(left)}
                )
                left.difference_update(told.scalars())
        count += len(left)


# ----------------------------------------------------------------------------------------------------------- databases
async def _is_free(service: str, url: str) -> None:
    if make_url(url).get_backend_name() == "sqlite":
        return
    connection = await asyncpg.connect(plain(url))
    try:
        if await connection.fetchval(OTHERS):
            raise Trouble(f"somebody is connected to {service}'s database: stop all services first")
    finally:
        await connection.close()


async def _put(service: str, url: str, folder: Path, copy: Copy) -> None:
    where = make_url(url)
    if (where.get_backend_name() == "sqlite") != (f"{service}.sqlite" in copy.files):
        raise Trouble(f"the backup of {service} is one of the other kind of database")
    if where.get_backend_name() == "sqlite":
        file = Path(where.database or "")
        _aside(file)
        shutil.copy(folder / f"{service}.sqlite", file)
        return
    connection = await asyncpg.connect(plain(url))
    try:
        await connection.execute(f"DROP SCHEMA IF EXISTS {REPLACED} CASCADE")
        await connection.execute(f"ALTER SCHEMA public RENAME TO {REPLACED}")
        await connection.execute("CREATE SCHEMA public")
        await migrate(service, url, copy.migration)
        async with connection.transaction():
            for table in await _tables(url):
                await _fill(connection, table, folder / f"{service}.{table}.copy")
    finally:
        await connection.close()


async def _tables(url: str) -> list[str]:
    """Those first that others point to."""

    def sort(connection: Connection) -> list[str]:
        return [table for table, _ in inspect(connection).get_sorted_table_and_fkc_names(schema="public") if table]

    database = Database(url)
    try:
        async with database.engine.connect() as connection:
            return await connection.run_sync(sort)
    finally:
        await database.close()


async def _fill(connection: Any, table: str, file: Path) -> None:
    """Its triggers sleep: what they would write is in the backup, too."""
    await connection.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER USER; TRUNCATE "{table}" CASCADE')
    await connection.copy_to_table(table, source=str(file))
    await connection.execute(f'ALTER TABLE "{table}" ENABLE TRIGGER USER')
    for column, sequence in await connection.fetch(SERIAL, f'"{table}"'):
        await connection.execute(f'SELECT setval(\'{sequence}\', greatest((SELECT max("{column}") FROM "{table}"), 1))')


def _aside(file: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        one = file.with_name(file.name + ending)
        file.with_name(f"{file.name}.{REPLACED}{ending}").unlink(missing_ok=True)
        if one.exists():
            one.rename(file.with_name(f"{file.name}.{REPLACED}{ending}"))


async def _put_back(url: str) -> None:
    where = make_url(url)
    if where.get_backend_name() != "sqlite":
        connection = await asyncpg.connect(plain(url))
        try:
            if await connection.fetchval(f"SELECT to_regnamespace('{REPLACED}') IS NOT NULL"):
                await connection.execute(f"DROP SCHEMA public CASCADE; ALTER SCHEMA {REPLACED} RENAME TO public")
        finally:
            await connection.close()
        return
    file = Path(where.database or "")
    if not file.with_name(f"{file.name}.{REPLACED}").exists():
        return
    for ending in ("", "-wal", "-shm"):
        file.with_name(file.name + ending).unlink(missing_ok=True)
        before = file.with_name(f"{file.name}.{REPLACED}{ending}")
        if before.exists():
            before.rename(file.with_name(file.name + ending))


# --------------------------------------------------------------------------------------------------------- the streams
async def _begin_streams_anew(settings: Settings, folder: Path) -> list[str]:
    """They may tell of what is no more. Outboxes fill new ones, and everybody hears all of it, handling what is new to him."""
    if (settings.data / "nats").is_dir():
        shutil.rmtree(settings.data / "nats")
    else:
        try:
            bus = await connect(settings)
        except BROKER_TROUBLE:
            return [f"no broker at {settings.nats_place}: before the services start, delete its streams ({', '.join(STREAM.values())})"]
        try:
            for stream in STREAM.values():
                try:
                    await bus.jetstream.delete_stream(stream)
                except nats.js.errors.NotFoundError:
                    continue
        finally:
            await bus.close()
    if (folder / BROKER).is_dir() and not (settings.data / BROKER).exists():
        shutil.copytree(folder / BROKER, settings.data / BROKER)
    return ["streams: begun anew, filled from the outboxes when the services start; then say `preau check`"]
