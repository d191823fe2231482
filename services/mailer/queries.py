"""Selects with a name. The statements are built once: building one takes as long as running it."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam, func, not_, or_, select, tuple_, union_all
from sqlmodel import col
from sqlmodel import select as select_rows
from sqlmodel.ext.asyncio.session import AsyncSession

from services.mailer.addresses import Adult
from services.mailer.envelope import Parts
from services.mailer.tables import Activity, Announcement, DigestLine, Family, Mail, MailState, Pace, Structure, core
from services.retention import Kept

STRUCTURE, ACTIVITY, FAMILY, MAIL, LINES = (core(rows) for rows in (Structure, Activity, Family, Mail, DigestLine))
M = MAIL.c

IDS: BindParameter[Sequence[str]] = bindparam("ids", expanding=True)
TOWNS = select(STRUCTURE.c.id, STRUCTURE.c.title, STRUCTURE.c.timezone).where(STRUCTURE.c.id.in_(IDS))
TITLES = select(ACTIVITY.c.id, ACTIVITY.c.title).where(ACTIVITY.c.id.in_(IDS))
HOMES = select(FAMILY.c.id, FAMILY.c.structure, FAMILY.c.adults, FAMILY.c.children).where(FAMILY.c.id.in_(IDS))
QUEUED = union_all(select(M.cause).where(M.cause.in_(IDS)), select(LINES.c.cause).where(LINES.c.cause.in_(IDS)))
IS_DUE = and_(
    M.state == MailState.QUEUED,
    M.next_attempt_at <= bindparam("now"),
    or_(M.claimed_until.is_(None), M.claimed_until <= bindparam("real_now")),
)
UNTOLD = select_rows(Announcement).where(col(Announcement.told_at).is_(None)).order_by(col(Announcement.due_at)).limit(1)
ANY_DUE = select(M.id).where(IS_DUE).limit(1)
DUE = (
    select(M.id, M.to_name, M.to_address, M.subject, M.language, M.text, M.html, M.created_at, M.structure, M.traceparent)
    .where(IS_DUE)
    .order_by(M.next_attempt_at, M.created_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)


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
    zones: dict[str, str]  #: The structures' time zones.


async def names(session: AsyncSession, structures: Iterable[str], activities: Iterable[str], families: Iterable[str]) -> Names:
    """For many letters at once."""
    connection = await session.connection()
    towns = (await connection.execute(TOWNS, {"ids": sorted(structures)})).all()
    titles = await connection.execute(TITLES, {"ids": sorted(activities)})
    homes = await connection.execute(HOMES, {"ids": sorted(families)})
    return Names(
        {row.id: row.title for row in towns},
        {row.id: row.title for row in titles},
        _homes(homes),
        {row.id: row.timezone for row in towns},
    )


async def timezone(session: AsyncSession, structure: str) -> str | None:
    """None if the structure is not known yet."""
    connection = await session.connection()
    return (await connection.execute(select(STRUCTURE.c.timezone).where(STRUCTURE.c.id == structure))).scalar_one_or_none()


async def title(session: AsyncSession, structure: str) -> str | None:
    """None if the structure is not known yet."""
    connection = await session.connection()
    return (await connection.execute(select(STRUCTURE.c.title).where(STRUCTURE.c.id == structure))).scalar_one_or_none()


async def homes_after(session: AsyncSession, structure: str, family: str, limit: int) -> dict[str, Home]:
    """So many families of a structure by id, those whose ids follow."""
    f = FAMILY.c
    rows = select(f.id, f.structure, f.adults, f.children).where(f.structure == structure, f.id > family).order_by(f.id).limit(limit)
    return _homes(await (await session.connection()).execute(rows))


def _homes(rows: Iterable[Any]) -> dict[str, Home]:
    return {row.id: Home(row.structure, [Adult(**fields) for fields in row.adults], row.children) for row in rows}


async def is_untold(session: AsyncSession) -> bool:
    """Whether families are to be told of an announcement still."""
    return (await session.exec(UNTOLD)).first() is not None


async def untold(session: AsyncSession) -> Announcement | None:
    """The oldest announcement of which families are to be told still, locked."""
    return (await session.exec(UNTOLD.with_for_update())).first()


# -------------------------------------------------------------------------------------------------------------- mails
async def queued(session: AsyncSession, causes: Iterable[str]) -> set[str]:
    """Those of the causes whose mail was made, whatever became of it, or that wait for the evening or were told then."""
    connection = await session.connection()
    return set((await connection.execute(QUEUED, {"ids": sorted(causes)})).scalars())


async def is_evening(session: AsyncSession, now: dt.datetime) -> bool:
    """Whether a day's report is due for somebody."""
    lines = select_rows(DigestLine.position).where(col(DigestLine.told_by).is_(None), DigestLine.due_at <= now).limit(1)
    return (await session.exec(lines)).first() is not None


async def untold_lines(session: AsyncSession, now: dt.datetime, readers: int) -> Sequence[DigestLine]:
    """Of so many readers, what is due, locked: readers one after the other, and what came first first."""
    due = col(DigestLine.told_by).is_(None), DigestLine.due_at <= now
    some = select_rows(DigestLine.family, DigestLine.account).where(*due).distinct().order_by(DigestLine.family, DigestLine.account)
    pairs = [tuple(pair) for pair in await session.exec(some.limit(readers))]
    if not pairs:
        return []
    order = col(DigestLine.family), col(DigestLine.account), col(DigestLine.position)
    theirs = tuple_(col(DigestLine.family), col(DigestLine.account)).in_(pairs)
    return (await session.exec(select_rows(DigestLine).where(*due, theirs).order_by(*order).with_for_update())).all()


async def due(session: AsyncSession, now: dt.datetime, real_now: dt.datetime, limit: int, busy: Iterable[str] = ()) -> list[Parts]:
    """Mails whose time has come and that no living sender has in hand. Locked, where the database can: another sender skips them.

    `busy`: domains that may have none now.
    """
    connection = await session.connection()
    wanted = DUE.where(*_not_to(busy))
    return [Parts(*tuple(row)) for row in await connection.execute(wanted, {"now": now, "real_now": real_now, "most": limit})]


async def anything_due(session: AsyncSession, now: dt.datetime, real_now: dt.datetime, busy: Iterable[str] = ()) -> bool:
    """The same question as `due`, for looking only: an idle sender never takes a write lock."""
    connection = await session.connection()
    return (await connection.execute(ANY_DUE.where(*_not_to(busy)), {"now": now, "real_now": real_now})).first() is not None


def _not_to(domains: Iterable[str]) -> list[ColumnElement[bool]]:
    return [not_(func.lower(M.to_address).endswith(f"@{domain}", autoescape=True)) for domain in domains]


async def paces(session: AsyncSession, domains: Iterable[str], *, lock: bool = False) -> dict[str, dt.datetime]:
    """From when the next mail to each domain may go. Locked always in one order, so that two senders never wait for each other."""
    rows = select_rows(Pace).where(col(Pace.domain).in_(sorted(domains))).order_by(col(Pace.domain))
    return {row.domain: row.free_at for row in await session.exec(rows.with_for_update() if lock else rows)}


async def retention(session: AsyncSession) -> dict[str, Kept | None]:
    """Of those structures that say something of it."""
    found = select_rows(Structure.id, Structure.retention).where(col(Structure.retention).is_not(None))
    return dict((await session.exec(found)).all())
