"""Bring services' databases up to date: `preau migrate`; for developers, `python -m deploy.migrate booking "what changes" 0002`."""

import asyncio
import sys
from importlib import import_module
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, func, literal, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel

from services.database import Database
from services.outbox import MailroomTable
from services.settings import SERVICES, Settings

ROOT = Path(__file__).resolve().parent.parent
LOCK = 0x5072_6561_75  # "Preau"
LOCK_SECONDS = 30  #: For a table that somebody uses, when migrations are only tried.


def metadata_of(service: str) -> list[MetaData]:
    """The service's own tables and those that every service has."""
    tables = import_module(f"services.{service}.tables")
    base: type[SQLModel] = getattr(tables, f"{service.capitalize()}Table")
    return [base.metadata, MailroomTable.metadata]


def _config(service: str, connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "deploy" / "migrations"))
    config.set_main_option("version_locations", str(ROOT / "services" / service / "migrations"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes["connection"] = connection
    config.attributes["metadata"] = metadata_of(service)
    return config


async def migrate(service: str, url: str, version: str = "head") -> None:
    """Upgrade to the newest version, or to that one. Safe to run twice, and from two places at once: the second waits."""
    database = Database(url)
    try:
        async with database.engine.connect() as connection:
            if not database.is_sqlite:
                await _wait_for_others(connection)
            await connection.run_sync(lambda sync: command.upgrade(_config(service, sync), version))
            await connection.commit()
    finally:
        await database.close()


async def rehearse(service: str, url: str) -> None:
    """On PostgreSQL: every migration that is due, in one transaction, all of which is taken back. Raises SQLAlchemyError if one fails.

    Whoever uses one of its tables waits as long, as he will when it is done; but nobody for a table that is kept for LOCK_SECONDS.
    """
    database = Database(url)
    try:
        async with database.engine.connect() as connection:
            await _wait_for_others(connection)
            transaction = await connection.begin()
            await connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))  # Who holds a table for long is not waited for.
            await connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))  # What is looked at last of all is looked at now.
            await connection.run_sync(lambda sync: command.upgrade(_config(service, sync), "head"))
            await transaction.rollback()
    finally:
        await database.close()


async def _wait_for_others(connection: AsyncConnection) -> None:
    """Who migrate this database, too: until the connection is closed nobody else does."""
    await connection.execute(select(func.pg_advisory_lock(literal(LOCK))))
    await connection.commit()


async def is_current(service: str, url: str) -> bool:
    """Whether the database has every migration of this version."""

    def versions(connection: Connection) -> bool:
        wanted = ScriptDirectory.from_config(_config(service)).get_heads()
        return set(MigrationContext.configure(connection).get_current_heads()) == set(wanted)

    database = Database(url)
    try:
        async with database.engine.connect() as connection:
            return await connection.run_sync(versions)
    finally:
        await database.close()


def versions_of(service: str) -> set[str]:
    """All that this version of the product knows."""
    return {script.revision for script in ScriptDirectory.from_config(_config(service)).walk_revisions()}


async def differs(service: str, url: str) -> list[str]:
    """What the code's tables have that the migrations do not make. Empty if all is well; needs a migrated database."""

    def compare(connection: Connection) -> list[str]:
        config = _config(service, connection)
        try:
            command.check(config)
        except Exception as error:
            return [str(error)]
        return []

    database = Database(url)
    try:
        async with database.engine.connect() as connection:
            return await connection.run_sync(compare)
    finally:
        await database.close()


async def _write_migration(service: str, message: str, revision: str) -> None:
    """Compare the tables with an up-to-date scratch database and write the difference as a migration."""
    database = Database("sqlite+aiosqlite:///:memory:")
    async with database.engine.connect() as connection:

        def write(sync: Connection) -> None:
            config = _config(service, sync)
            command.upgrade(config, "head")
            command.revision(
                config, message, autogenerate=True, rev_id=revision, version_path=str(ROOT / "services" / service / "migrations")
            )

        await connection.run_sync(write)
    await database.close()


async def migrate_all(settings: Settings, services: tuple[str, ...] = SERVICES) -> None:
    for service in services:
        await migrate(service, settings.database_urls[service])


def main(arguments: list[str]) -> None:
    if len(arguments) == 3:
        service, message, revision = arguments
        asyncio.run(_write_migration(service, message, revision))
    else:
        asyncio.run(migrate_all(Settings.from_environment(), tuple(arguments) or SERVICES))


if __name__ == "__main__":
    main(sys.argv[1:])
