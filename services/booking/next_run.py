"""The run that comes next: its seed is drawn long before, and only its SHA-256 is shown until it has run."""

import datetime as dt
import secrets

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.activity import ActivitySpec, Scheduled
from services.booking.ranking import commitment
from services.booking.tables import AllocationRun

SEED_BYTES = 32


async def next_run(session: AsyncSession, activity: str) -> AllocationRun | None:
    """The row of the run that comes next, if its seed is drawn."""
    query = select(AllocationRun).where(AllocationRun.activity == activity, col(AllocationRun.ran_at).is_(None))
    return (await session.exec(query)).one_or_none()


async def prepare(session: AsyncSession, spec: ActivitySpec, now: dt.datetime, *, moved: bool = False) -> None:
    """Draw the seed of the run that comes next, unless it is drawn. The caller holds the turn of the structure.

    `moved`: the town has set another hour. If it has passed today, it comes tomorrow.
    """
    if not isinstance(spec.allocation, Scheduled):
        return
    known = await next_run(session, spec.id)
    if known is None:
        await draw(session, spec.id, spec.structure, now)
    elif moved:
        known.counts_from = now
    await session.flush()


async def draw(session: AsyncSession, activity: str, structure: str, now: dt.datetime, since: dt.datetime | None = None) -> AllocationRun:
    """`since`: the run before decided what had been asked until then."""
    newest = select(AllocationRun.number).where(AllocationRun.activity == activity).order_by(col(AllocationRun.number).desc()).limit(1)
    number = ((await session.exec(newest)).one_or_none() or 0) + 1
    seed = secrets.token_hex(SEED_BYTES)
    run = AllocationRun(
        id=f"{activity}/{number}",
        activity=activity,
        structure=structure,
        number=number,
        seed=seed,
        commitment=commitment(seed),
        drawn_at=now,
        counts_from=since or now,
    )
    session.add(run)
    return run
