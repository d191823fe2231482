"""`preau operator`: who runs the installation, by login."""

from deploy.trouble import Trouble
from services.database import Database
from services.identity import ranks
from services.refusal import Refused
from services.settings import Settings

NOBODY = "nobody runs this installation: `preau operator LOGIN` names whoever does, by an account that there is"


async def name(settings: Settings, login: str | None, *, operator: bool) -> list[str]:
    """All operators' logins, after that one was made one, or is one no longer. Raises Trouble."""
    database = Database(settings.database_urls["identity"])
    try:
        async with database.transaction() as session:
            if login is not None:
                await ranks.set_operator(session, settings.clock, login, operator=operator)
                await session.flush()
            return await ranks.operators(session)
    except Refused as no:
        raise Trouble(f"there is no account {login!r}: a town's file, or an agent, opens one first") from no
    finally:
        await database.close()
