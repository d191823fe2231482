"""Selects with a name."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.mailer.addresses import Adult
from services.mailer.envelope import Parts
from services.mailer.tables import Activity, Family, Mail, MailState, Structure, core

STRUCTURE, ACTIVITY, FAMILY, MAIL = (core(rows) for rows in (Structure, Activity, Family, Mail))
M = MAIL.c


# -------------------------------------------------------------------------------------------------------------- names
@dataclass(frozen=True, slots=True)
class Home:
    """A family, as letters know it."""

    structure: str
    adults: Sequence[Adult]  #: In order.
    children: dict[str, str]  #: Child id -> name.


@dataclass(frozen=True, slots=True)
class Names:
    """By id, what letters call things. What was not heard of yet is not there."""

    structures: dict[str, str]
    activities: dict[str, str]
    families: dict[str, Home]


async def names(session: AsyncSession, structures: Iterable[str], activities: Iterable[str], families: Iterable[str]) -> Names:
    """For many letters at once."""
    connection = await session.connection()
    towns = await connection.execute(select(STRUCTURE.c.id, STRUCTURE.c.title).where(STRUCTURE.c.id.in_(sorted(structures))))
    titles = await connection.execute(select(ACTIVITY.c.id, ACTIVITY.c.title).where(ACTIVITY.c.id.in_(sorted(activities))))
    f = FAMILY.c
    homes = await connection.execute(select(f.id, f.structure, f.adults, f.children).where(f.id.in_(sorted(families))))
    return Names(
        {row.id: row.title for row in towns},
        {row.id: row.title for row in titles},
        {row.id: Home(row.structure, [Adult(**fields) for fields in row.adults], row.children) for row in homes},
    )


async def timezone(session: AsyncSession, structure: str) -> str | None:
    """None if the structure is not known yet."""
    connection = await session.connection()
    return (await connection.execute(select(STRUCTURE.c.timezone).where(STRUCTURE.c.id == structure))).scalar_one_or_none()


# -------------------------------------------------------------------------------------------------------------- mails
async def queued(session: AsyncSession, causes: Iterable[str]) -> set[str]:
    """Those of the causes whose mail was made, whatever became of it."""
    connection = await session.connection()
    return set((await connection.execute(select(M.cause).where(M.cause.in_(sorted(causes))))).scalars())


PARTS = (M.id, M.to_name, M.to_address, M.subject, M.language, M.text, M.html, M.created_at)


async def due(session: AsyncSession, now: dt.datetime, real_now: dt.datetime, limit: int) -> list[Parts]:
    """Mails whose time has come and that no living sender has in hand. Locked, where the database can: another sender skips them."""
    waiting = select(*PARTS).where(_is_due(now, real_now)).order_by(M.next_attempt_at, M.created_at).limit(limit)
    connection = await session.connection()
    return [Parts(*row) for row in await connection.execute(waiting.with_for_update(skip_locked=True))]


async def anything_due(session: AsyncSession, now: dt.datetime, real_now: dt.datetime) -> bool:
    """The same question as `due`, for looking only: an idle sender never takes a write lock."""
    connection = await session.connection()
    return (await connection.execute(select(M.id).where(_is_due(now, real_now)).limit(1))).first() is not None


def _is_due(now: dt.datetime, real_now: dt.datetime) -> ColumnElement[bool]:
    free = or_(M.claimed_until.is_(None), M.claimed_until <= real_now)
    return and_(M.state == MailState.QUEUED, M.next_attempt_at <= now, free)
