"""Who of the town hall looked at whose data: the access log. Families' own looks are nobody's business.

One row for an agent, a family or child, a kind of data and an hour, however often the agent looked. Identity has the log; other services
tell it. A look is noted at once and written a moment later, in batches: it waits for no writer, and a process that is killed loses the
looks of its last second, no more.
"""

import asyncio
import datetime as dt
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from sqlmodel.ext.asyncio.session import AsyncSession

from services.claims import Caller
from services.database import Database
from services.events import LooksEvent, Seen
from services.outbox import record
from services.service import Running

WRITE_SECONDS = 1.0
MOST_REMEMBERED = 100_000  #: Looks of this hour that were noted already.
ROWS = 500  #: In one transaction.
RESOURCE = "viewings"


class Look(NamedTuple):
    """An agent saw something of a family."""

    structure: str
    account: str  #: The agent's.
    family: str
    child: str  #: Empty: the family as a whole.
    what: str  #: UPPER_SNAKE, such as FAMILY or CHILD.


class OfFamily(Protocol):
    """Whose data it is: many rows say so themselves."""

    @property
    def structure(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def child(self) -> str: ...  #: Empty: the family as a whole.


class Whose(NamedTuple):
    """The same, where no row does."""

    structure: str
    family: str
    child: str = ""


Noted = tuple[dt.datetime, Look]  #: The beginning of an hour, and what was seen in it.
Keep = Callable[[AsyncSession, Sequence[Noted]], Awaitable[None]]


class Viewings:
    """One per process."""

    def __init__(self, database: Database, keep: Keep) -> None:
        self._database, self._keep = database, keep
        self._hour = dt.datetime.min.replace(tzinfo=dt.UTC)
        self._noted: set[Look] = set()
        self._waiting: list[Noted] = []
        self._turn = asyncio.Lock()  #: Two who wrote the same looks would each drop as many, and with them some that nobody wrote.

    def note(self, now: dt.datetime, looks: Iterable[Look]) -> None:
        """To be written soon."""
        hour = now.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
        if hour != self._hour or len(self._noted) > MOST_REMEMBERED:
            self._hour, self._noted = hour, set()
        for look in looks:
            if look not in self._noted:
                self._noted.add(look)
                self._waiting.append((hour, look))

    async def write(self) -> None:
        """What was noted so far; what cannot be written is kept for the next time."""
        async with self._turn:
            while self._waiting:
                some = self._waiting[:ROWS]
                async with self._database.transaction("duty") as session:
                    await self._keep(session, some)
                del self._waiting[: len(some)]


class AccessLog:
    """A service's part of it."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep

    def of(self, running: Running) -> Viewings:
        """The process's."""
        if RESOURCE not in running.resources:
            running.resources[RESOURCE] = Viewings(running.database, self._keep)
        found: Viewings = running.resources[RESOURCE]
        return found

    def saw(self, running: Running, caller: Caller, what: str, those: Iterable[OfFamily]) -> None:
        """Of these, those that are the caller's as an agent alone. Everybody else costs nothing."""
        if caller.agent_of:
            theirs = (one for one in those if one.structure in caller.agent_of and one.family not in caller.families)
            self.of(running).note(running.clock.now(), (Look(one.structure, caller.account, one.family, one.child, what) for one in theirs))

    async def keep_viewings(self, running: Running) -> None:
        """Write the looks of the last moment; the last ones when the process drains."""
        viewings = self.of(running)
        try:
            while True:
                await viewings.write()
                await running.rest(WRITE_SECONDS)
        finally:
            await viewings.write()


def told_as(kind: type[LooksEvent]) -> AccessLog:
    """Of a service that tells identity, by this event."""

    async def keep(session: AsyncSession, noted: Sequence[Noted]) -> None:
        together: dict[tuple[dt.datetime, str, str, str], list[Seen]] = defaultdict(list)
        for hour, look in noted:
            seen = Seen(family=look.family, child=look.child or None)
            together[hour, look.structure, look.account, look.what].append(seen)
        told = (
            kind(structure=structure, occurred_at=hour, account=account, hour=hour, what=what, seen=seen)
            for (hour, structure, account, what), seen in together.items()
        )
        record(session, *told)

    return AccessLog(keep)
