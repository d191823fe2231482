"""`preau replay-allocation`: scheduled runs decided again, and compared with the tables."""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from deploy.trouble import Trouble
from services.booking.replay import differences
from services.booking.tables import AllocationRun
from services.database import Database
from services.settings import Settings

SHOWN = 20


async def replay(settings: Settings, what: str) -> bool:
    """Print a line for each run, with what differs. True if nothing does. Raises Trouble if there is no such run or activity."""
    database = Database(settings.database_urls["booking"])
    try:
        async with database.reading() as session:
            results = [_tell(run, await differences(session, run)) for run in await _runs(session, what)]
    finally:
        await database.close()
    return all(results)


async def _runs(session: AsyncSession, what: str) -> list[AllocationRun]:
    """No activity has a stroke in its id, every run has one."""
    if "/" in what:
        run = await session.get(AllocationRun, what)
        if run is None or run.ran_at is None:
            raise Trouble(f"there is no run {what!r} that was held")
        return [run]
    rows = (await session.exec(select(AllocationRun).where(AllocationRun.activity == what).order_by(col(AllocationRun.number)))).all()
    if not rows:
        known = (await session.exec(select(AllocationRun.activity).distinct().order_by(AllocationRun.activity))).all()
        raise Trouble(f"activity {what!r} has no runs; those that have: {', '.join(known) or 'none'}")
    return [row for row in rows if row.ran_at is not None]


def _tell(run: AllocationRun, found: list[str]) -> bool:
    counts = f"{run.accepted} accepted, {run.waitlisted} waiting, {run.refused} refused"
    print(f"{'DIFFERS' if found else 'ok     '}  {run.id} of {run.ran_at:%Y-%m-%d %H:%M} UTC, by {run.policy}: {counts}; seed {run.seed}")
    for sentence in found[:SHOWN]:
        print(f"           {sentence}")
    if len(found) > SHOWN:
        print(f"           ... and {len(found) - SHOWN} more")
    return not found
