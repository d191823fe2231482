"""Selects with a name."""

import datetime as dt
from collections.abc import Sequence

from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.mailer.tables import Activity, Mail, MailState


async def is_queued(session: AsyncSession, cause: str) -> bool:
    """Whether the mail of this cause was made, whatever became of it."""
    return (await session.exec(select(Mail.id).where(Mail.cause == cause))).first() is not None


async def activity_titles(session: AsyncSession, activities: set[str]) -> dict[str, str]:
    """Of those that are known."""
    rows = await session.exec(select(Activity.id, Activity.title).where(col(Activity.id).in_(activities)))
    return dict(rows.all())


async def due(session: AsyncSession, now: dt.datetime, real_now: dt.datetime, limit: int) -> Sequence[Mail]:
    """Mails whose time has come and that no living sender has in hand. Locked, where the database can: another sender skips them."""
    free = or_(col(Mail.claimed_until).is_(None), col(Mail.claimed_until) <= real_now)
    rows = await session.exec(
        select(Mail)
        .where(Mail.state == MailState.QUEUED, col(Mail.next_attempt_at) <= now, free)
        .order_by(col(Mail.next_attempt_at), col(Mail.created_at))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return rows.all()


async def anything_due(session: AsyncSession, now: dt.datetime, real_now: dt.datetime) -> bool:
    """The same question as `due`, for looking only: an idle sender never takes a write lock."""
    free = or_(col(Mail.claimed_until).is_(None), col(Mail.claimed_until) <= real_now)
    waiting = select(Mail.id).where(Mail.state == MailState.QUEUED, col(Mail.next_attempt_at) <= now, free).limit(1)
    return (await session.exec(waiting)).first() is not None
