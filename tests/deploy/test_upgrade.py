"""`preau upgrade` and `preau migrate --check`: an older database is seen, backed up, tried, and brought up to date."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from deploy.backup import backups_in
from deploy.migrate import is_current, migrate
from deploy.trouble import Trouble
from deploy.upgrade import behind, upgrade
from services.database import Database
from services.settings import Settings
from tests.conftest import create_database, drop_database

OLDER = {"identity": "0021", "mailer": "0008"}  #: Of a version before.


@pytest.fixture
async def older(settings: Settings, postgresql: str | None, tmp_path: Path) -> AsyncIterator[Settings]:
    urls: dict[str, str] = {}
    for service, version in OLDER.items():
        name = f"older_{service}_{uuid4().hex[:8]}"
        urls[service] = await create_database(postgresql, name) if postgresql else f"sqlite+aiosqlite:///{tmp_path}/{name}.sqlite"
        await migrate(service, urls[service], version)
    yield replace(settings, database_urls={**settings.database_urls, **urls}, data=tmp_path / "data")
    for url in urls.values():
        if postgresql:
            await drop_database(postgresql, url)


async def versions_of(settings: Settings) -> dict[str, str]:
    return {service: (await said(settings, service, "SELECT version_num FROM alembic_version"))[0] for service in OLDER}


async def said(settings: Settings, service: str, *statements: str) -> list[str]:
    """The first column of what the last one finds."""
    database = Database(settings.database_urls[service])
    async with database.engine.begin() as connection:
        for statement in statements:
            result = await connection.execute(text(statement))
        found = [str(value) for value in result.scalars()] if result.returns_rows else []
    await database.close()
    return found


async def test_older_databases_are_brought_up_to_date_together_or_none_is(older: Settings, tmp_path: Path) -> None:
    """What fails when it is tried, in the middle of a migration and in the last of them, has changed nothing anywhere."""
    assert await behind(older) == list(OLDER)
    await said(older, "mailer", "CREATE TABLE webhook (somebody INTEGER)")  # 0009 makes others before it wants to make this one
    with pytest.raises(Trouble, match=r"mailer cannot be brought up to date: .*webhook.* already exists"):
        await upgrade(older, tmp_path / "backups")
    assert await versions_of(older) == OLDER
    await said(older, "mailer", "DROP TABLE webhook", "CREATE TABLE outward_event (somebody INTEGER)", "DROP TABLE outward_event")

    told = await upgrade(older, tmp_path / "mended")
    (backup,) = backups_in(tmp_path / "mended")
    assert told == [f"backed up before: {backup}", *(f"{service}: up to date" for service in OLDER)]
    for service in OLDER:
        assert await is_current(service, older.database_urls[service])
    assert await behind(older) == []
    assert await upgrade(older, tmp_path / "mended") == ["nothing to do: every database is at this version"]
    assert [one.name for one in (tmp_path / "mended").iterdir()] == [backup.name], "nothing is left of the trial"


async def test_a_table_that_somebody_keeps_is_not_waited_for_long(
    older: Settings, postgresql: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes after would wait behind it, too."""
    if postgresql is None:
        pytest.skip("SQLite's databases are tried on copies, which nobody uses")
    monkeypatch.setattr("deploy.migrate.LOCK_SECONDS", 1)
    database = Database(older.database_urls["identity"])
    async with database.engine.connect() as keeping:
        await keeping.execute(text("LOCK TABLE announcement IN ACCESS SHARE MODE"))
        with pytest.raises(Trouble, match=r"(?s)identity cannot be brought up to date: .*lock timeout.*nothing was changed"):
            await upgrade(older, tmp_path / "backups")
    await database.close()
    assert await versions_of(older) == OLDER
