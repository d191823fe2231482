"""What `preau up` loads when it starts: the demo town into an empty system, or the towns it is given, when they have changed."""

import hashlib
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlmodel import select

from deploy.demo import DEMO, demo_logins
from deploy.town.checking import read_towns
from deploy.town.loading import load
from services.database import Database
from services.identity.tables import Structure
from services.settings import Settings

FILE = "loaded.json"


@dataclass(frozen=True, slots=True)
class First:
    changed: bool
    demo: bool = False  #: The demonstration town was loaded just now.
    logins: tuple[str, ...] = ()


async def load_first(settings: Settings, folder: Path, towns: tuple[Path, ...], *, demo: bool) -> First:
    """Raises TownFileError."""
    known = _known(folder)
    async with AsyncExitStack() as stack:
        databases = {service: Database(settings.database_urls[service]) for service in ("identity", "billing", "booking")}
        for database in databases.values():
            stack.push_async_callback(database.close)
        async with databases["identity"].reading() as session:
            empty = (await session.exec(select(Structure.id).limit(1))).first() is None
        files = towns if towns else (DEMO,) if demo and empty else ()
        new = {str(path.absolute()): _sum(path) for path in files}
        changed = [path for path in files if empty or known.get(str(path.absolute())) != new[str(path.absolute())]]
        await load(read_towns(changed, settings.clock), databases, settings.clock, step=lambda: None)
    _keep(folder, known | new)
    has_demo = str(DEMO) in known | new and not towns
    return First(bool(changed), DEMO in changed, tuple(demo_logins()) if has_demo else ())


def _sum(path: Path) -> str:
    """Of the file as it is: one that cannot be read is told about when it is loaded."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _known(folder: Path) -> dict[str, str]:
    try:
        known: dict[str, str] = json.loads((folder / FILE).read_text())
    except (OSError, ValueError):
        return {}
    return known


def _keep(folder: Path, known: dict[str, str]) -> None:
    new = folder / f"{FILE}.new"
    new.write_text(json.dumps(known, indent=2))
    new.replace(folder / FILE)
