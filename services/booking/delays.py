"""Whose request has no answer after a while is told that it waits: a family that hears nothing asks twice."""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking import runs
from services.booking.rulebook import RuleBook
from services.booking.tables import Request, core
from services.events import RequestDelayed
from services.outbox import record

#: A request is answered in seconds. What nobody answered for so long, nobody may answer soon.
PATIENCE = dt.timedelta(minutes=10)
LONGEST = dt.timedelta(days=1)  #: A process that begins tells nobody of what is older.

R = core(Request).c
Late = Row[*tuple[Any, ...]]  #: As UNANSWERED has it.
UNANSWERED = (
    select(R.id, R.number, R.structure, R.family, R.account, R.lines, R.submitted_at)
    .where(R.decided_at.is_(None), R.agent.is_(None))
    .order_by(R.seq)
)


async def overdue(session: AsyncSession, book: RuleBook, now: dt.datetime, told: Collection[str]) -> Sequence[Late]:
    """Requests of families that wait for longer than they should, but those: for the allocator, or for a run whose hour has passed."""
    connection = await session.connection()
    late = UNANSWERED.where(R.reports == 0, R.submitted_at <= now - PATIENCE, R.submitted_at > now - LONGEST)
    found = {row.id: row for row in await connection.execute(late)}
    for activity, hour in (await runs.due_now(session, book, now - PATIENCE)).items():
        if hour > now - LONGEST:
            spec = (await book.of(session, [activity]))[activity].spec
            missed = UNANSWERED.where(R.submitted_at < hour, *runs.waiting_for(spec))
            found |= {row.id: row for row in await connection.execute(missed)}
    return [row for id_, row in found.items() if id_ not in told]


def tell(session: AsyncSession, now: dt.datetime, late: Sequence[Late]) -> None:
    """Each process says it once, and the mailer tells it once."""
    record(session, *[_delayed(row, now) for row in late])


def _delayed(row: Late, now: dt.datetime) -> RequestDelayed:
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
