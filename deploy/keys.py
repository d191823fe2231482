"""`preau withdraw-key`: a key that others may have signs nobody in any more."""

from deploy.trouble import Trouble
from services.database import Database
from services.identity import installation
from services.settings import Settings


async def withdraw(settings: Settings, kid: str | None) -> str:
    """Returns the key's id. Raises Trouble."""
    database = Database(settings.database_urls["identity"])
    try:
        async with database.transaction() as session:
            withdrawn = await installation.withdraw_key(session, settings.clock, kid)
    finally:
        await database.close()
    if withdrawn is None:
        raise Trouble(f"there is no key {kid} that could be withdrawn" if kid else "there is no key that could be withdrawn")
    return withdrawn
