"""`preau backup`: a copy of all databases, of one moment: nobody in it has heard what its teller does not say in it.

All are held still together, for some milliseconds: SQLite's by their write lock, PostgreSQL's by a lock on what was heard. Then each is
looked at as it is at that moment, let go, and copied while everybody works on. The streams need no copy: outboxes fill them again.
"""

import asyncio
import datetime as dt
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import make_url

from deploy.broker import FOLDER as BROKER
from deploy.trouble import Trouble
from services.settings import Settings

MANIFEST = "backup.json"
NAME = "%Y-%m-%dT%H-%M-%SZ"
ABANDONED = dt.timedelta(days=1)  #: Half a backup that is older is nobody's any more.
HELD_SECONDS = 10.0  #: Whoever holds a database for longer is in the way of a backup.
LOCKED = "LOCK TABLE heard IN SHARE MODE"  # who reacts to an event writes there
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename"
VERSION = "SELECT version_num FROM alembic_version"


@dataclass(frozen=True, slots=True)
class Copy:
    """What was kept of one database."""

    migration: str
    files: Mapping[str, str]  #: name -> SHA-256; one of SQLite, one of each table of PostgreSQL


async def backup(settings: Settings, into: Path, keep: int | None = None) -> Path:
    """Returns the new folder. With `keep`, no more than so many stay. Raises Trouble; OSError where there is no room."""
    made_at = dt.datetime.now(dt.UTC)
    folder = into / made_at.strftime(NAME)
    work = into / f".{folder.name}"
    try:
        work.mkdir(mode=0o700, parents=True)
        _sweep(into, made_at)
    except OSError as error:
        raise Trouble(f"{into} cannot be written: {error.strerror}") from None
    try:
        copies = await _copies(settings.database_urls, work)
        if (settings.data / BROKER).is_dir():
            shutil.copytree(settings.data / BROKER, work / BROKER)
        told = {name: {"migration": copy.migration, "files": dict(copy.files)} for name, copy in copies.items()}
        manifest = {"made_at": made_at.isoformat(), "services": told}
        (work / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        for file in (*work.rglob("*"), work):
            _for_its_owner_alone(file)
            keep_for_good(file)
        work.rename(folder)  # What has its own name is whole.
        keep_for_good(into)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    for old in backups_in(into)[:-keep] if keep else ():
        shutil.rmtree(old)
    return folder


def backups_in(folder: Path) -> list[Path]:
    """Whole ones, the oldest first."""
    return sorted(one for one in folder.iterdir() if not one.name.startswith(".") and (one / MANIFEST).exists())


def copies_in(folder: Path) -> dict[str, Copy]:
    """What a backup has, each file as it was written. Raises Trouble."""
    try:
        told: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["services"]
        copies = {name: Copy(one["migration"], one["files"]) for name, one in told.items()}
        wrong = [name for copy in copies.values() for name, digest in copy.files.items() if _digest(folder / name) != digest]
    except (OSError, ValueError, KeyError) as error:
        raise Trouble(f"{folder} is no backup: {error!r}") from None
    if wrong:
        raise Trouble(f"{folder} is damaged: {', '.join(wrong)} changed since it was made")
    return copies


async def _copies(urls: Mapping[str, str], folder: Path) -> dict[str, Copy]:
    async with AsyncExitStack() as stack:
        still = {service: await _held(stack, service, url) for service, url in urls.items()}
        for service, one in still.items():
            await _look(service, one)
        for one in still.values():
            await one.let_go()
        return {service: await one.copy(folder) for service, one in still.items()}


async def _held(stack: AsyncExitStack, service: str, url: str) -> "_Sqlite | _Postgres":
    """Nobody reacts to anything in it from now on, until it is let go."""
    where = make_url(url)
    try:
        if where.get_backend_name() == "sqlite":
            return await asyncio.to_thread(_Sqlite, stack.enter_context(ExitStack()), service, where.database or "")
        one = _Postgres(service, await _connected(stack, url), await _connected(stack, url))
        await one.hold()
    except (sqlite3.Error, asyncpg.PostgresError, OSError) as error:
        raise Trouble(f"{service}'s database cannot be held still: {error}") from None
    return one


async def _look(service: str, one: "_Sqlite | _Postgres") -> None:
    try:
        await one.look()
    except (sqlite3.Error, asyncpg.PostgresError, LookupError) as error:
        raise Trouble(f"{service}'s database cannot be looked at ({error}): preau migrate {service}, if it is a new one") from None


async def _connected(stack: AsyncExitStack, url: str) -> Any:
    connection = await asyncpg.connect(**arguments_of(url))
    stack.push_async_callback(connection.close)
    return connection


def arguments_of(url: str) -> dict[str, Any]:
    """With which asyncpg connects, as the services do."""
    where = make_url(url)
    arguments = dict(where.get_dialect()().create_connect_args(where)[1])
    arguments.pop("prepared_statement_cache_size", None)  # SQLAlchemy's own
    return arguments


class _Sqlite:
    def __init__(self, stack: ExitStack, service: str, file: str) -> None:
        if not Path(file).exists():
            raise OSError(f"there is none at {file}")
        self._service = service
        self._lock, self._view = (sqlite3.connect(file, timeout=HELD_SECONDS, isolation_level=None, check_same_thread=False) for _ in "12")
        stack.callback(self._view.close)
        stack.callback(self._lock.close)
        self._lock.execute("BEGIN IMMEDIATE")

    async def look(self) -> None:
        self._view.execute("BEGIN")
        self._migration = _one_of(self._view.execute(VERSION).fetchall())  # what is read from here on is of this moment

    async def let_go(self) -> None:
        self._lock.execute("ROLLBACK")

    async def copy(self, folder: Path) -> Copy:
        file = folder / f"{self._service}.sqlite"
        await asyncio.to_thread(self._copy, file)
        return Copy(self._migration, {file.name: _digest(file)})

    def _copy(self, file: Path) -> None:
        copy = sqlite3.connect(file)
        try:
            self._view.backup(copy)  # of what the view sees: others may write meanwhile
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
        finally:
            copy.close()


class _Postgres:
    def __init__(self, service: str, lock: Any, view: Any) -> None:
        self._service, self._lock, self._view = service, lock, view

    async def hold(self) -> None:
        await self._lock.execute(f"BEGIN; SET LOCAL lock_timeout = '{HELD_SECONDS:.0f}s'; {LOCKED}")

    async def look(self) -> None:
        await self._view.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self._migration = _one_of(await self._view.fetch(VERSION))

    async def let_go(self) -> None:
        await self._lock.execute("ROLLBACK")

    async def copy(self, folder: Path) -> Copy:
        files = {}
        for (table,) in await self._view.fetch(TABLES):
            file = folder / f"{self._service}.{table}.copy"
            await self._view.copy_from_table(table, output=str(file))
            files[file.name] = _digest(file)
        return Copy(self._migration, files)


def _one_of(rows: Sequence[Any]) -> str:
    """The migration. Raises LookupError."""
    return str(rows[0][0])


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _sweep(into: Path, now: dt.datetime) -> None:
    """What was being made when somebody was killed: no backup takes so long."""
    for one in into.glob(".????-??-??T??-??-??Z"):
        if one.name < (now - ABANDONED).strftime(f".{NAME}"):
            shutil.rmtree(one, ignore_errors=True)


def _for_its_owner_alone(file: Path) -> None:
    file.chmod(0o700 if file.is_dir() else 0o600)


def keep_for_good(file: Path) -> None:
    """On the disk. A folder's names are its own matter."""
    opened = os.open(file, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
