"""The access log of identity (services/viewing.py): which agents saw which families and children, and who may read that."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import delete, select, tuple_
from sqlmodel.ext.asyncio.session import AsyncSession

from services.bulk import insert_unknown
from services.claims import Caller
from services.events import LooksEvent
from services.identity.tables import Child, Family, Viewing, core
from services.retention import Kept, overdue
from services.service import Running
from services.viewing import AccessLog, Look, Noted, Whose

V = core(Viewing).c


async def keep(session: AsyncSession, noted: Sequence[Noted]) -> None:
    """Once each, whoever noted it before, here or in another process: always in one order, so that two never wait for each other."""
    rows = [{"hour": hour, **look._asdict()} for hour, look in sorted(noted)]
    await session.exec(insert_unknown(session, core(Viewing), rows))


LOG = AccessLog(keep)


async def hear(session: AsyncSession, event: LooksEvent) -> None:
    """What another service's agents saw. Told again after half a year, it says no more who they were."""
    noted = [(event.hour, Look(event.structure, event.account, one.family, one.child or "", event.what)) for one in event.seen]
    if event.account and noted:
        await keep(session, noted)


def saw_families(running: Running, caller: Caller, families: Iterable[Family]) -> None:
    LOG.saw(running, caller, "FAMILY", (Whose(row.structure_id, row.id) for row in families))


def saw_children(running: Running, caller: Caller, children: Iterable[tuple[Child, str]]) -> None:
    """Each with its structure."""
    LOG.saw(running, caller, "CHILD", (Whose(structure, row.family_id, row.id) for row, structure in children))


@dataclass(frozen=True, slots=True)
class Viewed:
    """One line of the log."""

    hour: dt.datetime
    account: str
    family: str
    child: str
    what: str


Place = tuple[dt.datetime, str, str, str, str]  #: The fields of a line, by which lines stand in order.


async def page(session: AsyncSession, wanted: Mapping[str, Any], after: Place | None, limit: int) -> list[Viewed]:
    """The newest hours first. `wanted`: column -> its value; None: whatever."""
    columns = [V[field.name] for field in fields(Viewed)]
    named = [V[name] == value for name, value in wanted.items() if value is not None]
    query = select(*columns).where(*named).order_by(*(column.desc() for column in columns)).limit(limit)
    if after is not None:
        query = query.where(tuple_(*columns) < tuple_(*after))
    return [Viewed(*row) for row in await (await session.connection()).execute(query)]


async def forget_old(session: AsyncSession, now: dt.datetime, towns: Mapping[str, Kept | None]) -> None:
    old = overdue("viewings_days", V.hour, V.structure, now, towns)
    await (await session.connection()).execute(delete(V.hour.table).where(old))
