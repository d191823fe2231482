"""Which ids a town's things get: the file's own, or `<structure>.<id>` where another structure has it already."""

from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from deploy.town.town import Town
from services.billing import tables as billing
from services.billing.tables import Wallet
from services.booking.tables import Activity
from services.database import Database
from services.identity.tables import Child, Family

SERVICES = ("identity", "billing", "booking")


@dataclass(frozen=True, slots=True)
class Names:
    """The file's ids -> ours: `<structure>.<id>` where another structure has it already."""

    families: dict[str, str]
    children: dict[str, str]
    activities: dict[str, str]
    wallets: dict[str, str]


async def names_of(town: Town, databases: dict[str, Database]) -> Names:
    structure = town.structure.id
    children = [child.id for family in town.families for child in family.children]
    async with AsyncExitStack() as stack:
        sessions = {service: await stack.enter_async_context(databases[service].reading()) for service in SERVICES}
        family_rows = await rows_of(sessions["identity"], Family, _both(structure, _ids(town.families)))
        child_rows = await rows_of(sessions["identity"], Child, _both(structure, children))
        of_children = await rows_of(sessions["identity"], Family, {row.family_id for row in child_rows})
        family_owner = {row.id: row.structure_id for row in of_children}
        activities = [activity.spec.id for activity in town.activities]
        activity_rows = await rows_of(sessions["booking"], Activity, _both(structure, activities))
        wallet_rows = await rows_of(sessions["billing"], Wallet, _both(structure, _ids(town.wallets)))
        return Names(
            families=renamed(structure, _ids(town.families), {row.id: row.structure_id for row in family_rows}),
            children=renamed(structure, children, {row.id: family_owner[row.family_id] for row in child_rows}),
            activities=renamed(structure, activities, {row.id: row.structure for row in activity_rows}),
            wallets=renamed(structure, _ids(town.wallets), {row.id: row.structure for row in wallet_rows}),
        )


async def activities_in_billing(session: AsyncSession, town: Town) -> dict[str, str]:
    """The activities' names by billing's copy alone."""
    ids = [activity.spec.id for activity in town.activities]
    rows = await rows_of(session, billing.Activity, _both(town.structure.id, ids))
    return renamed(town.structure.id, ids, {row.id: row.structure for row in rows})


def _ids(things: Sequence[Any]) -> list[str]:
    return [thing.id for thing in things]


def _both(structure: str, ids: Collection[str]) -> set[str]:
    return {*ids, *(f"{structure}.{one}" for one in ids)}


async def rows_of(session: AsyncSession, table: type[SQLModel], ids: Collection[str]) -> list[Any]:
    return list((await session.exec(select(table).where(col(table.id).in_(list(ids))))).all())  # type: ignore[attr-defined]  # all have one


def renamed(structure: str, ids: Collection[str], owners: dict[str, str]) -> dict[str, str]:
    """The file's ids -> the ids to use, given who owns which already. An id once given stays, whatever came after it."""
    names = {}
    for one in ids:
        long = f"{structure}.{one}"
        foreign = owners.get(one, structure) != structure
        names[one] = long if foreign or owners.get(long) == structure else one
    return names
