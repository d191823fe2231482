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
    """The file's ids -> ours: `<structure>.<id>` where another structure has it already. Also those that only its history names."""

    families: dict[str, str]
    children: dict[str, str]
    activities: dict[str, str]
    wallets: dict[str, str]


async def names_of(town: Town, databases: dict[str, Database]) -> Names:
    structure = town.structure.id
    families = _ids(town, "family", town.families)
    children = _ids(town, "child", [child for family in town.families for child in family.children])
    activities = _ids(town, "activity", [activity.spec for activity in town.activities])
    wallets = _ids(town, "wallet", town.wallets)
    async with AsyncExitStack() as stack:
        sessions = {service: await stack.enter_async_context(databases[service].reading()) for service in SERVICES}
        family_rows = await rows_of(sessions["identity"], Family, _both(structure, families))
        child_rows = await rows_of(sessions["identity"], Child, _both(structure, children))
        of_children = await rows_of(sessions["identity"], Family, {row.family_id for row in child_rows})
        family_owner = {row.id: row.structure_id for row in of_children}
        activity_rows = await rows_of(sessions["booking"], Activity, _both(structure, activities))
        wallet_rows = await rows_of(sessions["billing"], Wallet, _both(structure, wallets))
        return Names(
            families=renamed(structure, families, {row.id: row.structure_id for row in family_rows}),
            children=renamed(structure, children, {row.id: family_owner[row.family_id] for row in child_rows}),
            activities=renamed(structure, activities, {row.id: row.structure for row in activity_rows}),
            wallets=renamed(structure, wallets, {row.id: row.structure for row in wallet_rows}),
        )


async def activities_in_billing(session: AsyncSession, town: Town) -> dict[str, str]:
    """The activities' names by billing's copy alone."""
    ids = [activity.spec.id for activity in town.activities]
    rows = await rows_of(session, billing.Activity, _both(town.structure.id, ids))
    return renamed(town.structure.id, ids, {row.id: row.structure for row in rows})


def _ids(town: Town, kind: str, listed: Sequence[Any]) -> list[str]:
    """Of what the file lists, and of whatever else of that kind its history names."""
    ids = [thing.id for thing in listed]
    return ids if town.history is None else [*ids, *sorted(town.history.ids(kind).difference(ids))]


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
