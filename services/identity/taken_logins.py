"""Logins that an agent wants for his town, and that somebody of another town has: how many he is told of.

Logins are the installation's: that one is not free tells that there is somebody. So it is said of few, and to an agent who answers for it.
"""

from collections.abc import Sequence

from sqlmodel.ext.asyncio.session import AsyncSession

from services.clock import Clock
from services.identity import attempts
from services.identity.hashing import token_sum
from services.identity.tables import Attempt
from services.identity.trying import Tried, bear, count, insert_if_new
from services.refusal import Refused


async def may_ask(session: AsyncSession, clock: Clock, agent: str) -> None:
    """Raises Refused TOO_MANY_ATTEMPTS."""
    await bear(session, clock.now(), _tried(agent))


async def told(session: AsyncSession, clock: Clock, agent: str, logins: Sequence[str]) -> None:
    """The agent learns that these are not free. One that was told within a day is no news."""
    now = clock.now()
    news = [await insert_if_new(session, Attempt, key=token_sum(f"taken {login} {agent}"), count=1, last_at=now) for login in logins]
    for _ in range(min(sum(news), attempts.TAKEN.free)):
        await count(session, now, _tried(agent))


def not_free(login: str) -> Refused:
    """It says nothing of whose it is."""
    return Refused("LOGIN_TAKEN", text="LOGIN_NOT_FREE", login=login)


def _tried(agent: str) -> list[Tried]:
    return [Tried(token_sum(f"taken {agent}"), attempts.TAKEN)]
