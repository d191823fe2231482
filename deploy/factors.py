"""`preau reset-factors`: for whoever lost the telephone or the key, and works for no structure that could help."""

from deploy.trouble import Trouble
from services.database import Database
from services.identity import factors, queries
from services.identity.credentials import plain_login
from services.settings import Settings


async def reset(settings: Settings, login: str) -> int:
    """Returns how many factors the account had. Raises Trouble."""
    database = Database(settings.database_urls["identity"])
    try:
        async with database.transaction() as session:
            account = (await queries.account_ids(session, [plain_login(login)])).get(plain_login(login))
            if account is None:
                raise Trouble(f"there is no account {login!r}")
            return await factors.clear(session, settings.clock, account)
    finally:
        await database.close()
