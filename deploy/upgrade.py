"""`preau upgrade`: databases for this version of the product: backed up, tried on the copies, then done."""

import shutil
import tempfile
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from deploy.backup import backup
from deploy.migrate import is_current, migrate
from deploy.restore import refuse_if_cut_short
from deploy.trouble import Trouble
from services.settings import SERVICES, Settings


async def behind(settings: Settings) -> list[str]:
    """Services whose databases lack migrations of this version."""
    return [service for service in SERVICES if not await is_current(service, settings.database_urls[service])]


async def upgrade(settings: Settings, backups: Path, keep: int | None = None) -> list[str]:
    """Returns what is to be told. Raises Trouble: then nothing was changed.

    SQLAlchemyError: PostgreSQL has taken a migration back, and those of the services before it stay: say it again once it is mended.
    """
    await refuse_if_cut_short(settings)
    late = await behind(settings)
    if not late:
        return ["nothing to do: every database is at this version"]
    folder = await backup(settings, backups, keep)
    for service in late:
        await _try(service, settings.database_urls[service], folder)
    for service in late:
        await migrate(service, settings.database_urls[service])
    return [f"backed up before: {folder}", *(f"{service}: up to date" for service in late)]


async def _try(service: str, url: str, folder: Path) -> None:
    """On the copy of a copy, where that is one file; PostgreSQL takes a migration that fails back by itself."""
    if make_url(url).get_backend_name() != "sqlite":
        return
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        trial = Path(place) / f"{service}.sqlite"
        shutil.copy(folder / f"{service}.sqlite", trial)
        try:
            await migrate(service, f"sqlite+aiosqlite:///{trial.absolute()}")
        except SQLAlchemyError as error:
            raise Trouble(f"{service} cannot be brought up to date, tried on a copy: {error}; nothing was changed") from None
