"""Events leave with the transaction that caused them, and are handled once.

`record` writes an event in the same transaction as the rows it speaks of, so that neither exists without the other; the relay
(relay.py) publishes what was recorded. The outbox keeps all it ever said: the stream is a cache that can be filled again from
here. `unheard` is the same promise on the receiving side: delivered at least once, handled once, whatever the age of a repeat.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import orjson
from sqlalchemy import JSON, Column, ColumnElement, Index, Text, and_, false, or_, text, update
from sqlalchemy import select as select_columns
from sqlmodel import Field, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from services.bulk import BulkInsert, one_of
from services.database import BIGINT, Instant, new_metadata
from services.events import BY_TYPE, Event
from services.telemetry import traceparent

UNSENT = "outbox.unsent"

Traces = Mapping[str | None, str | None]  #: Request id -> its W3C trace context.


class MailroomTable(SQLModel):
    """The tables that every service has, in its own database."""

    metadata = new_metadata()


class Outgoing(MailroomTable, table=True):
    """One event of ours, in the order in which it was recorded."""

    __table_args__ = (
        Index("ix_outgoing_unpublished", "position", sqlite_where=text("published = 0"), postgresql_where=text("NOT published")),
    )
    position: int | None = Field(default=None, sa_column=Column(BIGINT, primary_key=True, autoincrement=True))
    event_id: str = Field(unique=True, max_length=64)
    internal: bool
    subject: str
    type: str
    about: str
    occurred_at: dt.datetime = Field(sa_type=Instant)
    traceparent: str | None = None
    body: str = Field(sa_type=Text)
    published: bool = False


class Heard(MailroomTable, table=True):
    """An event that was handled. Kept for ever: a broker may deliver its whole history again."""

    event_id: str = Field(primary_key=True, max_length=64)


class DeadLetter(MailroomTable, table=True):
    """An event that could not be handled, until an operator retries or drops it."""

    __tablename__ = "dead_letter"
    id: int | None = Field(default=None, sa_column=Column(BIGINT, primary_key=True, autoincrement=True))
    event_id: str = Field(unique=True)
    subject: str
    type: str
    occurred_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    body: str = Field(sa_type=Text)
    error: str = Field(sa_type=Text)
    attempts: int
    buried_at: dt.datetime = Field(sa_type=Instant)


class StreamPosition(MailroomTable, table=True):
    """The last message of ours that a stream acknowledged, and which stream it was."""

    __tablename__ = "stream_position"
    stream: str = Field(primary_key=True)
    created: str  #: When the stream was created: another time means another, empty stream.
    last_seq: int = Field(default=0, sa_type=BIGINT)
    last_id: str | None = None
    withdrawn: bool = Field(default=False, sa_column_kwargs={"server_default": false()})  #: We took that message away ourselves.


class Withdrawal(MailroomTable, table=True):
    """An event of ours whose copy in the stream is to go: it said what is to be forgotten. The outbox has forgotten it already."""

    event_id: str = Field(primary_key=True, max_length=64)
    internal: bool
    subject: str


class VerificationKey(MailroomTable, table=True):
    """A public key of identity's, as heard in an event."""

    __tablename__ = "verification_key"
    kid: str = Field(primary_key=True)
    jwk: dict[str, str] = Field(sa_type=JSON)
    published_at: dt.datetime | None = Field(default=None, sa_type=Instant)  #: None: an earlier version heard of it.


class WithdrawnKey(MailroomTable, table=True):
    """A public key of identity's that verifies nothing any more, whether or not it was ever heard of."""

    __tablename__ = "withdrawn_key"
    kid: str = Field(primary_key=True)


class Revoked(MailroomTable, table=True):
    """Tokens that are refused, until all of them have run out: those of one session, or an account's that were issued before."""

    event_id: str = Field(primary_key=True, max_length=64)
    account: str
    session: str | None = None
    before: dt.datetime = Field(sa_type=Instant)
    until: dt.datetime = Field(index=True, sa_type=Instant)


def record(session: AsyncSession, *events: Event, traces: Traces = MappingProxyType({})) -> None:
    """Send these events if, and only if, the session's transaction commits (Database.transaction writes them just before).

    They carry the trace of what is being handled; where one transaction serves many requests, that of each event's own.
    """
    if not events:
        return
    unsent = session.info.setdefault(UNSENT, [])
    if not unsent:
        session.info.setdefault("before_commit", []).append(_write)
    trace = traceparent.get()
    if traces:  # Asking an event for what it has not costs more than all the rest.
        unsent.extend((event, traces.get(getattr(event, "request", None), trace)) for event in events)
    else:
        unsent.extend((event, trace) for event in events)


async def _write(session: AsyncSession) -> None:
    # Past the ORM, which would cost more than all the rest for the thousands of events of a rush.
    await _insert(session, [_row(event, trace) for event, trace in session.info.pop(UNSENT)])
    session.info["recorded"] = True


_COLUMNS = ("event_id", "internal", "subject", "type", "about", "occurred_at", "traceparent", "body", "published")
OUTGOING = Outgoing.metadata.tables["outgoing"]
OUT = OUTGOING.c
_insert = BulkInsert(OUTGOING, _COLUMNS)


def _row(event: Event, trace: str | None) -> tuple[Any, ...]:
    kind = event.type_name()
    return event.event_id, event.internal, event.subject, kind, event.about, event.occurred_at, trace, event.body().decode(), False


async def forget_secrets(session: AsyncSession, now: dt.datetime) -> None:
    """The outbox keeps all it ever said: take what is secret out of events that went out and are worth nothing any more.

    An event that is told again says "" there. The relay takes the stream's copy away.
    """
    for row in await spent_secrets(session, now):
        await forget_secret(session, row)


async def spent_secrets(session: AsyncSession, now: dt.datetime) -> Sequence[Any]:
    """Events that went out, and still say what is worth nothing any more. Looks through all the outbox."""
    secret = [kind for kind in BY_TYPE.values() if kind.secret]
    still_said = [
        and_(OUT.type == kind.type_name(), OUT.body.not_like(f'%"{min(kind.secret)}":""%'), *_is_over(kind, now)) for kind in secret
    ]
    spoken = select_columns(OUT.position, OUT.event_id, OUT.internal, OUT.subject, OUT.type, OUT.body)
    rows = (await (await session.connection()).execute(spoken.where(OUT.published, or_(*still_said)))).all()
    return [row for row in rows if BY_TYPE[row.type].secret_for or _expires_at(row) <= now]


def _expires_at(row: Any) -> dt.datetime:
    return dt.datetime.fromisoformat(orjson.loads(row.body)["expires_at"])


def _is_over(kind: type[Event], now: dt.datetime) -> list[ColumnElement[bool]]:
    """What the table knows of it without the event's own words."""
    return [] if kind.secret_for is None else [OUT.occurred_at <= now - kind.secret_for]


async def forget_secret(session: AsyncSession, row: Any) -> None:
    rest = orjson.dumps(orjson.loads(row.body) | dict.fromkeys(BY_TYPE[row.type].secret, "")).decode()
    connection = await session.connection()
    await connection.execute(update(OUTGOING).where(OUT.position == row.position).values(body=rest))
    await session.merge(Withdrawal(event_id=row.event_id, internal=row.internal, subject=row.subject))


HEARD = Heard.metadata.tables["heard"]
KNOWN = select_columns(HEARD.c.event_id).where(one_of(HEARD.c.event_id, "ids"))
_remember = BulkInsert(HEARD, ("event_id",))


async def unheard(session: AsyncSession, event_ids: Sequence[str]) -> set[str]:
    """Those of the ids that were never handled."""
    known = await (await session.connection()).execute(KNOWN, {"ids": event_ids})
    return set(event_ids).difference(known.scalars())


async def remember(session: AsyncSession, event_ids: Iterable[str]) -> None:
    """Note, in the transaction of their effects, that these events were handled."""
    await _remember(session, [(event_id,) for event_id in event_ids])
