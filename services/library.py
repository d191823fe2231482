"""What many requests of one process ask for at the same time is looked up together."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlmodel.ext.asyncio.session import AsyncSession

from services.database import OUTAGE, Database

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Select = Callable[[AsyncSession, list[K]], Awaitable[Mapping[K, V]]]  #: For many keys at once; what is not found is left out.


@dataclass(slots=True)
class Asked:
    """Keys that one request wants to be looked up."""

    select: Select[Any, Any]
    keys: frozenset[Any]
    answer: asyncio.Future[Mapping[Any, Any]]


class Library:
    """One per process: what many requests ask for at the same time is looked up together. It knows nothing and remembers nothing:
    whoever asks is answered from what the tables say after that, and decides himself which of it may be seen."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asked: list[Asked] = []
        self._work: asyncio.Task[None] | None = None

    async def find(self, select: Select[K, V], keys: Iterable[K]) -> Mapping[K, V]:
        """What was found, for these keys and perhaps for others."""
        asked = Asked(select, frozenset(keys), asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        if self._work is None:
            self._work = asyncio.create_task(self._answer())
        return await asked.answer

    async def _answer(self) -> None:
        try:
            while self._asked:
                asked, self._asked = [one for one in self._asked if not one.answer.done()], []
                if not await self._together(asked):
                    for one in asked:
                        await self._together([one])
        finally:
            self._work = None

    async def _together(self, asked: Sequence[Asked]) -> bool:
        """False if it failed and may be tried one by one: keys that no database takes must not hurt others."""
        wanted: dict[Select[Any, Any], set[Any]] = defaultdict(set)
        for one in asked:
            wanted[one.select] |= one.keys
        try:
            async with self._database.reading() as session:
                found = {select: await select(session, list(keys)) for select, keys in wanted.items()}
        except Exception as trouble:
            if len(asked) > 1 and not isinstance(trouble, OUTAGE):
                return False
            for one in asked:
                if not one.answer.done():
                    one.answer.set_exception(trouble)
            return True
        for one in asked:
            if not one.answer.done():
                one.answer.set_result(found[one.select])
        return True
