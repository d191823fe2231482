"""`preau import`: a town's families from a spreadsheet's file, whatever its length."""

import sys
from pathlib import Path

from deploy.trouble import Trouble
from services.database import Database
from services.identity import importing
from services.identity.family_file import decoded
from services.identity.importing import LineOutcome
from services.identity.office import Agent
from services.identity.tables import Structure
from services.identity.texts import say
from services.refusal import Refused
from services.settings import Settings

WHO = "preau import"  #: In the audit trail, where an agent's account stands.


def _text(file: Path) -> str:
    try:
        return decoded(file.read_bytes())
    except OSError as error:
        raise Trouble(f"{file} cannot be read: {error.strerror}") from None


async def load(settings: Settings, structure: str, file: Path, *, dry_run: bool) -> bool:
    """Print what became of the lines; False if one was refused. Raises Trouble."""
    text = _text(file)
    database = Database(settings.database_urls["identity"])
    try:
        async with database.reading() as session:
            if await session.get(Structure, structure) is None:
                raise Trouble(f"there is no structure {structure!r}")
        told = await importing.load(database, settings.clock, Agent(WHO, structure, operator=True), text, dry_run=dry_run, most=None)
    except Refused as no:
        raise Trouble(f"{file}: {say(no.code, 'en', **no.details)}") from None
    finally:
        await database.close()
    for one in told:
        if one.why is not None:
            print(f"{file}:{one.line}: {say(one.why.code, 'en', **one.why.details)}", file=sys.stderr)
    counts = {outcome: sum(one.outcome is outcome for one in told) for outcome in LineOutcome}
    said = ", ".join(f"{count} {outcome.value.lower()}" for outcome, count in counts.items())
    print(f"{structure}: lines: {said}{' (nothing is kept)' if dry_run else ''}")
    return not counts[LineOutcome.REFUSED]
