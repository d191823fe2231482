"""What is personal in the databases, and how it is forgotten: what all services share.

Each service's own personal.py says of every column what it is. A test walks all tables, and fails for one of which nothing is said.
"""

import asyncio
import datetime as dt
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from services.bulk import one_of
from services.events import BY_TYPE
from services.outbox import DeadLetter, Outgoing, Withdrawal, forget_secret, spent_secrets

if TYPE_CHECKING:
    from services.service import Running

OUTGOING, DEAD, WITHDRAWAL = (rows.metadata.tables[str(rows.__tablename__)] for rows in (Outgoing, DeadLetter, Withdrawal))
OUT = OUTGOING.c
WIPE_SECONDS = 5.0  #: For so long a wipe waits for whoever reads or writes, holding up who would write.
WIPE_AGAIN_SECONDS = 1.0


#: A wish to erase a family is refused where what stands in its way is not known for so long: then nobody weighs it any more.
UNANSWERED = dt.timedelta(days=1)


class Fate(StrEnum):
    """What becomes of a column when the family, or the account, that it is about is erased."""

    NOBODY = "nobody"  #: It is about nobody: the town, a day, the installation.
    NUMBER = "number"  #: An id or a number that says who it was to nobody, once the names are gone. It stays.
    BOOKS = "books"  #: What the books must say for ten years: amounts, dates, how it was paid.
    TRAIL = "trail"  #: What agents did, and their words: it stays, to answer for.
    EMPTIED = "emptied"  #: The row stays, without it.
    DELETED = "deleted"  #: The row goes.
    PASSING = "passing"  #: It goes by itself within hours or days.


Fates = Mapping[str, Mapping[str, Fate] | Fate]  #: Table -> column -> fate; a fate alone is that of all columns.

#: Of the tables that every service has (outbox.py, relay.py).
MAILROOM: Fates = {
    "outgoing": {
        "position": Fate.NOBODY,
        "event_id": Fate.NUMBER,
        "internal": Fate.NOBODY,
        "subject": Fate.NOBODY,
        "type": Fate.NOBODY,
        "about": Fate.NUMBER,
        "occurred_at": Fate.NUMBER,
        "traceparent": Fate.NUMBER,
        "body": Fate.EMPTIED,
        "published": Fate.NOBODY,
    },
    "heard": Fate.NUMBER,
    "dead_letter": Fate.DELETED,
    "stream_position": Fate.NOBODY,
    "withdrawal": Fate.PASSING,
    "verification_key": Fate.NOBODY,
    "withdrawn_key": Fate.NOBODY,
    "revoked": Fate.PASSING,
    "alembic_version": Fate.NOBODY,
}


async def forget_what_was_said(session: AsyncSession, families: Collection[str], accounts: Collection[str] = ()) -> int:
    """Empty what our events said of these people; the relay takes the streams' copies away. Returns how many there were.

    Also forgets what could not be handled of them.
    """
    kinds = {name: kind for name, kind in BY_TYPE.items() if kind.personal}
    keys = [f'"family":"{id_}"' for id_ in families] + [f'"account":"{id_}"' for id_ in accounts]
    if not keys:
        return 0
    connection = await session.connection()
    about = OUT.position, OUT.event_id, OUT.internal, OUT.subject, OUT.type, OUT.body
    named = select(*about).where(OUT.type.in_(sorted(kinds)), _has_any(OUT.body, keys))
    rows = [row for row in (await connection.execute(named)).all() if _is_about(orjson.loads(row.body), families, accounts)]
    for row in rows:
        said = orjson.loads(row.body)
        rest = orjson.dumps(said | {name: _emptied(said[name]) for name in kinds[row.type].personal & said.keys()}).decode()
        await connection.execute(update(OUTGOING).where(OUT.position == row.position).values(body=rest))
    known = select(WITHDRAWAL.c.event_id).where(one_of(WITHDRAWAL.c.event_id, "ids"))
    before = set((await connection.execute(known, {"ids": [row.event_id for row in rows]})).scalars())
    new = [{"event_id": row.event_id, "internal": row.internal, "subject": row.subject} for row in rows if row.event_id not in before]
    if new:
        await connection.execute(WITHDRAWAL.insert(), new)
    await connection.execute(delete(DEAD).where(_has_any(DEAD.c.body, keys)))
    return len(rows)


def _has_any(column: ColumnElement[str], keys: Collection[str]) -> ColumnElement[bool]:
    return or_(*(column.contains(key, autoescape=True) for key in keys))


def _is_about(said: Mapping[str, Any], families: Collection[str], accounts: Collection[str]) -> bool:
    """A family's, or an account's where no family is named: what a family that stays was told is its own.

    But not whom it had among its adults then: that was told again without them.
    """
    family = said.get("family")
    if family is None or family in families:
        return family is not None or said.get("account") in accounts
    return any(adult.get("account") in accounts for adult in said.get("adults", ()) if isinstance(adult, dict))


def _emptied(value: Any) -> Any:
    """Of the same shape, for readers."""
    match value:
        case str():
            return ""
        case list():
            return []
        case dict():
            return {}
    return None


async def wipe(running: "Running") -> None:
    """Write SQLite's file anew, so that nothing that was deleted can be read in it. PostgreSQL does so with time, by its own VACUUM.

    Whoever reads or writes all the while keeps a log with the old pages: then it is tried again, until the process drains.
    """
    if not running.database.is_sqlite:
        return
    while not await asyncio.to_thread(_wiped, str(running.database.engine.url.database)):
        await running.rest(WIPE_AGAIN_SECONDS)


def _wiped(path: str) -> bool:
    connection = sqlite3.connect(path, timeout=WIPE_SECONDS, isolation_level=None)
    try:
        connection.execute("VACUUM")
        (held, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise
        return False
    finally:
        connection.close()
    return not held


def wipe_soon(running: "Running") -> None:
    """Something of a family was deleted."""
    running.soon(wipe(running))


FORGET_EVERY_SECONDS = 3600.0
FIRST_SECONDS = 5.0  #: Whoever has just begun answers first, and forgets then.
ForgetOld = Callable[[AsyncSession, dt.datetime], Awaitable[None]]


async def keep_forgetting(running: "Running", forget_old: ForgetOld) -> None:
    """For as long as the process lives: secrets that open nothing any more, and what is older than there is a reason to keep it."""
    await running.rest(FIRST_SECONDS)
    while True:
        await forget_in_time(running, forget_old)
        await running.rest(FORGET_EVERY_SECONDS)


async def forget_in_time(running: "Running", forget_old: ForgetOld | None = None) -> None:
    now = running.clock.now()
    async with running.database.reading() as session:  # Looking through an outbox takes a while: nobody is to wait for that.
        spent = await spent_secrets(session, now)
    async with running.database.transaction("duty") as session:
        for row in spent:
            await forget_secret(session, row)
        if forget_old is not None:
            await forget_old(session, now)
    running.outbox_written()
