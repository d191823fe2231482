"""`preau upgrade` and `preau migrate --check`: an older database is seen, backed up, tried on a copy, and brought up to date."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from deploy import upgrade as upgrading
from deploy.backup import backups_in
from deploy.migrate import is_current, migrate
from deploy.trouble import Trouble
from deploy.upgrade import behind, upgrade
from services.database import Database
from services.settings import Settings


@pytest.fixture
async def older(settings: Settings, tmp_path: Path) -> Settings:
    """The mailer's database is of the version before the last."""
    url = f"sqlite+aiosqlite:///{tmp_path}/older.sqlite"
    await migrate("mailer", url, "0008")
    return replace(settings, database_urls={**settings.database_urls, "mailer": url}, data=tmp_path / "data")


async def version_of(settings: Settings) -> str:
    database = Database(settings.database_urls["mailer"])
    async with database.engine.connect() as connection:
        found = str((await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar())
    await database.close()
    return found


async def test_an_older_database_is_seen_backed_up_and_brought_up_to_date(older: Settings, tmp_path: Path) -> None:
    assert await behind(older) == ["mailer"]
    told = await upgrade(older, tmp_path / "backups")
    (backup,) = backups_in(tmp_path / "backups")
    assert told == [f"backed up before: {backup}", "mailer: up to date"]
    assert await is_current("mailer", older.database_urls["mailer"])
    assert await behind(older) == []
    assert await upgrade(older, tmp_path / "backups") == ["nothing to do: every database is at this version"]
    assert backups_in(tmp_path / "backups") == [backup], "nothing is left of the trial"


async def test_what_fails_on_the_copy_changes_nothing(older: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(service: str, url: str, version: str = "head") -> None:
        assert "older.sqlite" not in url, "only the copy is tried"
        raise OperationalError("CREATE TABLE", None, Exception("no room"))

    monkeypatch.setattr(upgrading, "migrate", fails)
    with pytest.raises(Trouble, match="mailer cannot be brought up to date, tried on a copy"):
        await upgrade(older, tmp_path / "backups")
    assert await version_of(older) == "0008"
