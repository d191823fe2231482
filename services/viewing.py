"""Who of the town hall looked at whose data: the access log. Families' own looks are nobody's business.

One row for an agent, a family and an hour, however often the agent looked. It is written a moment later, in batches: a look waits for no
writer, and a process that is killed loses the looks of its last second, no more.
"""

import asyncio
import datetime as dt
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from services.database import Database

WRITE_SECONDS = 1.0
MOST_REMEMBERED = 100_000  #: Looks of this hour that were noted already.
ROWS = 500  #: In one statement.


class Look(NamedTuple):
    """An agent saw something of a family."""

    structure: str
    account: str  #: The agent's.
    family: str
    child: str  #: Empty: the family as a whole.
    what: str  #: UPPER_SNAKE, such as FAMILY or CHILD.


class Viewings:
    """One per process. Its table has a column for each field of a look, and `hour`; together they are its key."""

    def __init__(self, table: Table, database: Database) -> None:
        self._table, self._database = table, database
        self._hour = dt.datetime.min.replace(tzinfo=dt.UTC)
        self._noted: set[Look] = set()
        self._waiting: list[tuple[dt.datetime, Look]] = []
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
                rows = [{"hour": hour, **look._asdict()} for hour, look in some]
                async with self._database.transaction("duty") as session:
                    insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
                    await (await session.connection()).execute(insert(self._table).values(rows).on_conflict_do_nothing())
                del self._waiting[: len(some)]
