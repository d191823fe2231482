"""`preau upgrade`: databases for this version of the product: backed up, all of them tried, then done.

SQLite's are tried on copies; PostgreSQL's in the databases themselves, each in one transaction that is taken back.
"""

import shutil
import tempfile
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from deploy.backup import backup
from deploy.migrate import is_current, migrate, rehearse
from deploy.restore import refuse_if_cut_short
from deploy.trouble import Trouble
from services.settings import SERVICES, Settings


async def behind(settings: Settings) -> list[str]:
    """Services whose databases lack migrations of this version."""
    return [service for service in SERVICES if not await is_current(service, settings.database_urls[service])]


async def upgrade(settings: Settings, backups: Path, keep: int | None = None) -> list[str]:
    """Returns what is to be told. Raises Trouble: then nothing was changed.

    SQLAlchemyError: what went well when it was tried failed after all, as where a disk is full; that migration was taken back, and those
    before it stay: say it again once it is mended.
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
    try:
        if make_url(url).get_backend_name() == "sqlite":
            await _on_a_copy(service, folder)
        else:
            await rehearse(service, url)
    except SQLAlchemyError as error:
        raise Trouble(f"{service} cannot be brought up to date: {error}; it was only tried, nothing was changed") from None


async def _on_a_copy(service: str, folder: Path) -> None:
    """Of the backup's, which stays as it is."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        trial = Path(place) / f"{service}.sqlite"
        shutil.copy(folder / f"{service}.sqlite", trial)
        await migrate(service, f"sqlite+aiosqlite:///{trial.absolute()}")
