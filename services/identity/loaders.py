"""What an answer of identity needs of the database, asked for once for all the places where it is needed."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TypeVar

from sqlmodel.ext.asyncio.session import AsyncSession
from strawberry.dataloader import DataLoader

from services.claims import Caller
from services.graphql import Context
from services.identity import queries, tables
from services.identity.viewing import saw_children, saw_families

T = TypeVar("T")
#: What a caller may know of those (structure, account), by `<structure>/<account>`.
Known = Callable[[AsyncSession, Caller, Collection[tuple[str, str]]], Awaitable[Mapping[str, T]]]


def _load(context: Context, name: str, find: Callable[[list[str]], Awaitable[Mapping[str, T]]]) -> DataLoader[str, T | None]:
    """One select for all the keys that an answer needs, whatever asks for them."""
    if name not in context.loaders:

        async def load(keys: list[str]) -> list[T | None]:
            # Keys come from outside: what PostgreSQL could not even compare names nothing.
            found = await find([key for key in keys if isinstance(key, str) and "\0" not in key])
            return [found.get(key) for key in keys]

        context.loaders[name] = DataLoader(load)
    loader: DataLoader[str, T | None] = context.loaders[name]
    return loader


def structures(context: Context) -> DataLoader[str, tables.Structure | None]:
    async def find(ids: Collection[str]) -> Mapping[str, tables.Structure]:
        async with context.database.reading() as session:
            return await queries.structures(session, ids)

    return _load(context, "structures", find)


def announcements(context: Context) -> DataLoader[str, list[tables.Announcement] | None]:
    async def find(ids: Collection[str]) -> Mapping[str, list[tables.Announcement]]:
        async with context.database.reading() as session:
            return await queries.announcements_in_force(session, ids, context.now)

    return _load(context, "announcements", find)


def adults(context: Context) -> DataLoader[str, list[tables.Account] | None]:
    async def find(ids: Collection[str]) -> Mapping[str, list[tables.Account]]:
        async with context.database.reading() as session:
            return await queries.adults(session, ids)

    return _load(context, "adults", find)


def children(context: Context) -> DataLoader[str, list[tables.Child] | None]:
    async def find(ids: Collection[str]) -> Mapping[str, list[tables.Child]]:
        async with context.database.reading() as session:
            return await queries.children(session, ids)

    return _load(context, "children", find)


def visible_families(context: Context) -> DataLoader[str, tables.Family | None]:
    async def find(ids: Collection[str]) -> Mapping[str, tables.Family]:
        if context.caller is None:
            return {}
        async with context.database.reading() as session:
            found = await queries.visible_families(session, context.caller, ids)
        saw_families(context.running, context.caller, found.values())
        return found

    return _load(context, "visible families", find)


def visible_children(context: Context) -> DataLoader[str, tables.Child | None]:
    async def find(ids: Collection[str]) -> Mapping[str, tables.Child]:
        if context.caller is None:
            return {}
        async with context.database.reading() as session:
            found = await queries.visible_children(session, context.caller, ids)
        saw_children(context.running, context.caller, found.values())
        return {id_: child for id_, (child, _) in found.items()}

    return _load(context, "visible children", find)


def registered_accounts(context: Context) -> DataLoader[str, queries.Registered | None]:
    return _of_accounts(context, "registered accounts", queries.registered_accounts)


def colleagues(context: Context) -> DataLoader[str, tables.Account | None]:
    return _of_accounts(context, "colleagues", queries.colleagues)


def _of_accounts(context: Context, name: str, known: Known[T]) -> DataLoader[str, T | None]:
    """By `<structure>/<account>`."""

    async def find(ids: Collection[str]) -> Mapping[str, T]:
        if context.caller is None:
            return {}
        pairs = [(structure, account) for structure, _, account in (id.partition("/") for id in ids)]
        async with context.database.reading() as session:
            return await known(session, context.caller, pairs)

    return _load(context, name, find)
