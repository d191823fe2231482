"""Tells families that their balance has fallen below what they chose: once, until it has recovered.

Whoever posts holds the standings of the families and has summed their balances; what is told is decided under the same locks.
"""

from collections.abc import Mapping

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.billing.tables import BalanceAlert, core
from services.bulk import one_of
from services.clock import Clock
from services.events import BalanceLow
from services.outbox import record


async def watch(session: AsyncSession, clock: Clock, balances: Mapping[str, int]) -> None:
    """Family -> its posted balance, in cents, as it is now. The caller holds these families' standings."""
    # As the tables have it: a session that lives long may remember how it was.
    alerts = select(BalanceAlert).where(one_of(core(BalanceAlert).c.family, "families")).execution_options(populate_existing=True)
    for alert in (await session.exec(alerts, params={"families": balances})).all():
        balance_cents = balances[alert.family]
        is_below = balance_cents < alert.below_cents
        if is_below and not alert.is_below:
            alert.times += 1
            record(
                session,
                BalanceLow(
                    occurred_at=clock.now(),
                    structure=alert.structure,
                    family=alert.family,
                    account=alert.account,
                    version=alert.times,
                    balance_cents=balance_cents,
                    below_cents=alert.below_cents,
                ),
            )
        alert.is_below = is_below
    await session.flush()


async def set_alert(session: AsyncSession, family: str, structure: str, account: str, below_cents: int | None, balance_cents: int) -> None:
    """None: tell nothing any more. Who asks while the balance is lower sees it, and is told the next time. Under the same lock."""
    known = await session.get(BalanceAlert, family)
    if below_cents is None:
        if known is not None:
            known.below_cents, known.is_below = NEVER, False
    elif known is None:
        is_below = balance_cents < below_cents
        session.add(BalanceAlert(family=family, structure=structure, account=account, below_cents=below_cents, is_below=is_below))
    else:
        known.account, known.below_cents, known.is_below = account, below_cents, balance_cents < below_cents
    await session.flush()


#: No balance is lower. The row stays: it knows how often the family was told, and each mail has a number.
NEVER = -(10**15)


async def thresholds(session: AsyncSession, families: list[str]) -> dict[str, int]:
    """Family -> below what it is told, of those that want to be."""
    found = select(BalanceAlert.family, BalanceAlert.below_cents).where(col(BalanceAlert.family).in_(families))
    return {family: cents for family, cents in (await session.exec(found)).all() if cents != NEVER}
