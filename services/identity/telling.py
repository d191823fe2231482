"""What the owner of an account is told of by mail, in case it was somebody else. Each runs in its caller's transaction."""

from sqlmodel.ext.asyncio.session import AsyncSession

from services.clock import Clock
from services.events import EVERYBODY, SecurityNotice, SecurityNoticeMade
from services.identity import queries
from services.identity.tables import Account
from services.outbox import record


async def main_structure(session: AsyncSession, account: str) -> str:
    """In whose name letters about the account itself are written."""
    return (*await queries.structures_joined(session, account), EVERYBODY)[0]


async def notice(session: AsyncSession, clock: Clock, account: Account, kind: SecurityNotice, detail: str = "") -> None:
    """To the address in force; nothing where there is none. `detail`: what else may be said, never a secret."""
    if account.email is None:
        return
    about = {"structure": await main_structure(session, account.id), "occurred_at": clock.now(), "account": account.id}
    record(session, SecurityNoticeMade(**about, email=account.email, language=account.language, kind=kind, detail=detail))
