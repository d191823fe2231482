"""Whose request has no answer after a while is told that it waits: a family that hears nothing asks twice."""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.tables import Request, core
from services.events import RequestDelayed
from services.outbox import record

#: A request is answered in seconds. What nobody answered for so long, nobody may answer soon.
PATIENCE = dt.timedelta(minutes=10)
LONGEST = dt.timedelta(days=1)  #: A process that begins tells nobody of what is older.

R = core(Request).c
#: Those that wait for a run were served, and their families told of it: they have a report.
UNANSWERED = (
    select(R.id, R.number, R.structure, R.family, R.account, R.lines, R.submitted_at)
    .where(R.decided_at.is_(None), R.reports == 0, R.agent.is_(None))
    .order_by(R.seq)
)


async def overdue(session: AsyncSession, now: dt.datetime, told: Collection[str]) -> Sequence[Row[*tuple[Any, ...]]]:
    """Requests of families that wait for longer than they should, but those."""
    late = UNANSWERED.where(R.submitted_at <= now - PATIENCE, R.submitted_at > now - LONGEST)
    return [row for row in await (await session.connection()).execute(late) if row.id not in told]


def tell(session: AsyncSession, now: dt.datetime, late: Sequence[Row[*tuple[Any, ...]]]) -> None:
    """Each process says it once, and the mailer tells it once."""
    record(session, *[_delayed(row, now) for row in late])


def _delayed(row: Row[*tuple[Any, ...]], now: dt.datetime) -> RequestDelayed:
    return RequestDelayed(
        occurred_at=now,
        structure=row.structure,
        request=row.id,
        number=row.number,
        family=row.family,
        account=row.account,
        movements=row.lines,
        requested_at=row.submitted_at,
    )
