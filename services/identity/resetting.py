"""An administrator takes the second factors of somebody of the structure away, who lost them. Runs in its caller's transaction."""

from dataclasses import replace

from sqlmodel.ext.asyncio.session import AsyncSession

from services.audit import reason_of
from services.clock import Clock
from services.identity import factors, queries
from services.identity.audit import Done, note
from services.identity.office import Agent, changeable
from services.identity.ranks import may_rule
from services.refusal import Forbidden


async def reset_factors(session: AsyncSession, clock: Clock, agent: Agent, account: str) -> str:
    """The account's id. It is signed out everywhere, and its owner told; what is so already is no act.

    Raises Refused: REASON_REQUIRED, ADMINISTRATOR_REQUIRED, ACCOUNT_SHARED; Forbidden, also of oneself: that takes one's password.
    """
    reason = reason_of(agent.reason)
    await may_rule(session, agent)
    if account == agent.account:
        raise Forbidden
    await changeable(session, replace(agent, administrator=True), account)
    taken = await factors.clear(session, clock, account)
    if taken:
        family = await queries.family_there(session, account, agent.structure)
        done = Done("RESET_FACTORS", family=family, adult=account, reason=reason, before={"factors": taken}, after={"factors": 0})
        await note(session, clock.now(), agent.structure, agent.account, done)
    return account
