"""The access log of identity (services/viewing.py): which agents saw which families and children, and who may read that."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import delete, select, tuple_
from sqlmodel.ext.asyncio.session import AsyncSession

from services.claims import Caller
from services.identity.tables import Child, Family, Viewing, core
from services.service import Running
from services.viewing import WRITE_SECONDS, Look, Viewings

RESOURCE = "viewings"
KEPT = dt.timedelta(days=365)

V = core(Viewing).c


def viewings_of(running: Running) -> Viewings:
    if RESOURCE not in running.resources:
        running.resources[RESOURCE] = Viewings(core(Viewing), running.database)
    found: Viewings = running.resources[RESOURCE]
    return found


def saw_families(running: Running, caller: Caller, families: Iterable[Family]) -> None:
    """Of these, those that are the caller's as an agent alone."""
    if caller.agent_of:
        looks = [Look(row.structure_id, caller.account, row.id, "", "FAMILY") for row in families if row.id not in caller.families]
        viewings_of(running).note(running.clock.now(), looks)


def saw_children(running: Running, caller: Caller, children: Iterable[tuple[Child, str]]) -> None:
    """Each with its structure."""
    if caller.agent_of:
        looks = [
            Look(structure, caller.account, row.family_id, row.id, "CHILD")
            for row, structure in children
            if row.family_id not in caller.families
        ]
        viewings_of(running).note(running.clock.now(), looks)


async def keep_viewings(running: Running) -> None:
    """Write the looks of the last moment; the last ones when the process drains."""
    viewings = viewings_of(running)
    try:
        while True:
            await viewings.write()
            await running.rest(WRITE_SECONDS)
    finally:
        await viewings.write()


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


async def forget_old(session: AsyncSession, now: dt.datetime) -> None:
    await (await session.connection()).execute(delete(V.hour.table).where(V.hour < now - KEPT))
