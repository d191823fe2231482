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
BEGUN = ""  #: Instead of a file's sum: its loading began, and nobody knows how far it came.


@dataclass(frozen=True, slots=True)
class First:
    changed: bool
    demo: bool = False  #: The demonstration town was loaded just now.
    logins: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


async def load_first(settings: Settings, folder: Path, towns: tuple[Path, ...], *, demo: bool) -> First:
    """Raises TownFileError."""
    known = _known(folder)
    async with AsyncExitStack() as stack:
        databases = {service: Database(settings.database_urls[service]) for service in ("identity", "billing", "booking")}
        for database in databases.values():
            stack.push_async_callback(database.close)
        async with databases["identity"].reading() as session:
            empty = (await session.exec(select(Structure.id).limit(1))).first() is None
        half_done = known.get(_key(DEMO)) == BEGUN
        files = towns if towns else (DEMO,) if demo and (empty or half_done) else ()
        new = {_key(path): _sum(path) for path in files}
        changed = [path for path in files if empty or known.get(_key(path)) != new[_key(path)]]
        read = read_towns(changed, settings.clock)
        _keep(folder, known | {_key(path): BEGUN for path in changed})
        loaded = await load(read, databases, settings.clock, step=lambda: None)
    _keep(folder, known | new)
    has_demo = _key(DEMO) in known | new and not towns
    return First(bool(changed), DEMO in changed, tuple(demo_logins()) if has_demo else (), tuple(loaded.warnings))


def _key(path: Path) -> str:
    return str(path.absolute())


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
