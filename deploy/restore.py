"""`preau restore`: put a backup in the databases' place, and have the streams made anew from the outboxes.

All four, of one moment; what came later is gone, and everybody agrees about that. Or some of them: then the others go on knowing what
these told since, and that is refused unless they told nothing, for what nobody can tell again nobody can agree about. The mailer alone
may always be put back: what it knows it heard, and hears again. But which mails it sent since it forgets, and sends them again.
"""

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import nats.js.errors
from sqlalchemy import Connection, inspect, make_url, select

from deploy.addresses import FINISHED, HALF_RESTORED, UNFINISHED
from deploy.backlog import connect
from deploy.backup import Copy, arguments_of, copies_in, keep_for_good
from deploy.broker import FOLDER as BROKER
from deploy.migrate import migrate, versions_of
from deploy.trouble import Trouble
from services.bulk import one_of
from services.bus import BROKER_TROUBLE, STREAM
from services.database import Database
from services.outbox import HEARD, OUT
from services.settings import SERVICES, Settings

ONLY_HEARS = frozenset({"mailer"})  #: All that it tells is what became of its mails.
CONNECT_SECONDS = 10.0
AT_ONCE = 1000  #: Ids that are asked for together.
REPLACED = "replaced"  #: And afterwards under this, until the next time.
TOLD = select(OUT.event_id).where(one_of(OUT.event_id, "ids"))
OTHERS = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""
SERIAL = """SELECT a.attname, pg_get_serial_sequence($1, a.attname) FROM pg_attribute a WHERE a.attrelid = $1::regclass
    AND a.attnum > 0 AND NOT a.attisdropped AND pg_get_serial_sequence($1, a.attname) IS NOT NULL"""


async def restore(settings: Settings, folder: Path, only: Sequence[str] = (), *, anyway: bool = False) -> list[str]:
    """Returns what is to be told. Nothing of ours may run. Raises Trouble."""
    wanted = tuple(dict.fromkeys(only)) or SERVICES
    copies = _wanted(folder, wanted)
    with _alone(settings.data):
        _, kept = await _clear(settings, wanted)
        if kept:
            return [f"{service}: an earlier restore is whole now; restore again if you meant another backup" for service in kept]
        aside: list[str] = []
        try:
            streams = await _put_all(settings, folder, {service: copies[service] for service in wanted}, aside, anyway=anyway)
        except BaseException:
            for url in aside:
                await _put_back(url)
            raise
        await _keep(aside)
        return [*(f"{service}: as it was then" for service in wanted), *_mailed_again(wanted), *streams]


async def _put_all(settings: Settings, folder: Path, copies: Mapping[str, Copy], aside: list[str], *, anyway: bool) -> list[str]:
    """Returns what is to be told of the streams. `aside`: grows by whose database was set aside. Raises Trouble."""
    for service, copy in copies.items():
        url = settings.database_urls[service]
        _is_of_its_kind(service, url, copy)
        await _set_aside(url)
        aside.append(url)
        await _put(service, url, folder, copy)
    if not anyway and 0 < len(copies.keys() - ONLY_HEARS) < len(SERVICES) - len(ONLY_HEARS):
        await _refuse_what_nobody_tells(settings, copies)
    for service in copies:
        await migrate(service, settings.database_urls[service])
    return await _begin_streams_anew(settings, folder)


async def undo(settings: Settings) -> list[str]:
    """What was there before a restore that was cut short is there again. Returns what is to be told. Raises Trouble."""
    with _alone(settings.data):
        back, kept = await _clear(settings)
    if kept:
        return [f"{service}: restored, for all had been put in place already" for service in kept]
    return [f"{service}: as it was before" for service in back] or ["nothing to do: no restore was cut short"]


async def _clear(settings: Settings, free: Collection[str] = ()) -> tuple[list[str], list[str]]:
    """End what was cut short: services whose database was put back, or that of the backup was kept; one of both is empty.

    `free`: who else must not be at work. Raises Trouble: nothing was changed.
    """
    urls = settings.database_urls
    begun = [service for service in SERVICES if await is_half_restored(urls[service])]
    for service in dict.fromkeys((*free, *begun)):
        await _is_free(service, urls[service])
    if any([await _has(urls[service], FINISHED) for service in begun]):
        await _keep([urls[service] for service in begun])
        return [], begun
    for service in begun:
        await _put_back(urls[service])
    return begun, []


async def is_half_restored(url: str) -> bool:
    """Raises OSError, PostgresError."""
    return await _has(url, UNFINISHED, FINISHED)


async def refuse_if_cut_short(settings: Settings, services: Collection[str] = SERVICES) -> None:
    """Raises Trouble: half of what is there may be of the backup, or missing. Whether a database is away says whoever needs it."""
    for service in services:
        with suppress(OSError, asyncpg.PostgresError):
            if await is_half_restored(settings.database_urls[service]):
                raise Trouble(f"{service}: {HALF_RESTORED}")


async def _has(url: str, *names: str) -> bool:
    """Whether something is beside the database under one of those names."""
    if (file := _file(url)) is not None:
        return any(_beside(Path(file), name).exists() for name in names)
    connection = await asyncpg.connect(**arguments_of(url), timeout=CONNECT_SECONDS)
    try:
        return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = ANY($1::text[]))", names))
    finally:
        await connection.close()


def _mailed_again(services: Collection[str]) -> list[str]:
    return ["mailer: what it sent since then it sends again, where others tell it again"] if "mailer" in services else []


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
    """As `preau up` is, in its folder; and no two restores at once."""
    with ExitStack() as locks:
        for name, who in (("lock", "`preau up`"), ("restore.lock", "another restore")):
            if name == "lock" and not (data / name).exists():
                continue
            try:
                lock = os.open(data / name, os.O_RDWR | os.O_CREAT, 0o600)
            except OSError:  # Nobody writes there: neither does another restore.
                continue
            locks.callback(os.close, lock)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Trouble(f"{who} runs in {data}: stop it first") from None
        yield


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
    """Events that it has heard, and that no outbox has."""
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
    file = _file(url)
    if await _nobody_is_connected(url) if file is None else _nobody_has(Path(file)):
        return
    raise Trouble(f"somebody is connected to {service}'s database: stop all services first")


async def _nobody_is_connected(url: str) -> bool:
    connection = await asyncpg.connect(**arguments_of(url))
    try:
        return not await connection.fetchval(OTHERS)
    finally:
        await connection.close()


def _nobody_has(file: Path) -> bool:
    """SQLite gives up its log only when nobody else has the file open, be he idle; what was in the log is in the file then."""
    if not file.exists():
        return True
    connection = sqlite3.connect(file, timeout=0, isolation_level=None)
    try:
        return str(connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]) == "delete"
    except sqlite3.DatabaseError as error:  # A file that is damaged nobody has.
        return error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    finally:
        connection.close()


def _file(url: str) -> str | None:
    """SQLite's."""
    where = make_url(url)
    return (where.database or "") if where.get_backend_name() == "sqlite" else None


def _is_of_its_kind(service: str, url: str, copy: Copy) -> None:
    if (_file(url) is not None) != (f"{service}.sqlite" in copy.files):
        raise Trouble(f"the backup of {service} is one of the other kind of database")


async def _set_aside(url: str) -> None:
    """What is there; where nothing is, an empty file says so."""
    if (file := _file(url)) is not None:
        _set_file_aside(Path(file))
        return
    await _execute(url, f"ALTER SCHEMA public RENAME TO {UNFINISHED}", "CREATE SCHEMA public")


async def _put_back(url: str) -> None:
    """What was set aside."""
    if (file := _file(url)) is not None:
        _put_file_back(Path(file))
        return
    await _execute(url, "DROP SCHEMA public CASCADE", f"ALTER SCHEMA {UNFINISHED} RENAME TO public")


async def _keep(urls: Sequence[str]) -> None:
    """What was set aside; what an earlier restore kept is gone then. Cut short at any step, it may be done again."""
    for before, after in ((UNFINISHED, FINISHED), (FINISHED, REPLACED)):
        for url in urls:
            if (file := _file(url)) is not None:
                place = Path(file)
                _follow(_beside(place, before), _beside(place, after))
                keep_for_good(place.parent)
            elif await _has(url, before):
                await _execute(url, f"DROP SCHEMA IF EXISTS {after} CASCADE", f"ALTER SCHEMA {before} RENAME TO {after}")


def _set_file_aside(file: Path) -> None:
    if file.exists():
        _move(file, _beside(file, UNFINISHED))
    else:
        _beside(file, UNFINISHED).touch()
    keep_for_good(file.parent)


def _put_file_back(file: Path) -> None:
    _move(_beside(file, UNFINISHED), file)
    if not file.stat().st_size:  # There was nothing.
        file.unlink()


def _follow(file: Path, to: Path) -> None:
    """Where there was nothing, what an earlier restore kept stays."""
    if file.exists() and to.name.endswith(REPLACED) and not file.stat().st_size:
        file.unlink()
    elif file.exists():
        _move(file, to)


async def _execute(url: str, *commands: str) -> None:
    connection = await asyncpg.connect(**arguments_of(url))
    try:
        async with connection.transaction():
            for command in commands:
                await connection.execute(command)
    finally:
        await connection.close()


async def _put(service: str, url: str, folder: Path, copy: Copy) -> None:
    if (file := _file(url)) is not None:
        shutil.copy(folder / f"{service}.sqlite", file)
        keep_for_good(Path(file))
        return
    await migrate(service, url, copy.migration)
    connection = await asyncpg.connect(**arguments_of(url))
    try:
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


def _beside(file: Path, name: str) -> Path:
    return file.with_name(f"{file.name}.{name}")


def _move(file: Path, to: Path) -> None:
    """A database, with what lies beside its file. Cut short, it may be done again: the file itself is moved in one step."""
    for ending in ("-wal", "-shm"):
        to.with_name(to.name + ending).unlink(missing_ok=True)
    file.replace(to)
    for ending in ("-wal", "-shm"):
        if (one := file.with_name(file.name + ending)).exists():
            one.replace(to.with_name(to.name + ending))


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
        half = settings.data / f"{BROKER}.{UNFINISHED}"
        shutil.rmtree(half, ignore_errors=True)
        shutil.copytree(folder / BROKER, half)
        half.rename(settings.data / BROKER)
    return ["streams: begun anew, filled from the outboxes when the services start; then say `preau check`"]
