"""Publishes the outbox, in order, and again whenever the stream turns out to have forgotten some of it.

The outbox is the truth and the stream a copy. The broker acknowledges before everything is surely kept, and its disk may be
lost: so we remember which stream acknowledged our last event, and where. When the stream is another one, has become shorter,
or holds something else at that place, all we ever said is published again; who heard it already drops it by its id. A message that
has aged out, or that we took away ourselves because it is to be forgotten, is no loss.
"""

import asyncio
import datetime as dt
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from functools import lru_cache
from typing import Any

import nats.js.errors
from nats.js.api import StreamInfo
from sqlalchemy import bindparam, delete, false, func, literal, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.base import Executable

from services.bulk import one_of
from services.bus import BROKER_TROUBLE, MESSAGE_ID, REQUEST_ID, STREAM, Bus, Letter, messaging
from services.crash import crash_point
from services.crowd import Crowd
from services.database import Database
from services.outbox import Outgoing, StreamPosition
from services.telemetry import PENDING, PUBLISHED, REPUBLISHED, log
from services.tracing import is_kept, span

BATCH = 1000
PAUSE_SECONDS = 0.05  #: After a batch that was not full: in a rush the next one carries more, and each costs the broker a sync to disk.
CROWD_SECONDS = 1.0  #: Between two batches while families crowd: they go first, but whoever follows live should see what happens.
SWEEP_SECONDS = 0.5  #: Back-up for a wake-up that was lost, or came from another process.
LOOK_AGAIN_SECONDS = 30.0  #: How often a quiet connection's streams are compared with what we remember.

OUTGOING, POSITION, WITHDRAWAL = (Outgoing.metadata.tables[name] for name in ("outgoing", "stream_position", "withdrawal"))
OUT, W = OUTGOING.c, WITHDRAWAL.c
#: Not IS FALSE: neither database would see that its index of the unpublished is enough, and both would read all we ever said.
IS_UNPUBLISHED = OUT.published == false()
COLUMNS = (OUT.position, OUT.event_id, OUT.internal, OUT.subject, OUT.type, OUT.about, OUT.occurred_at, OUT.traceparent, OUT.body)
PENDING_ONES = select(*COLUMNS).where(IS_UNPUBLISHED).order_by(OUT.position).limit(bindparam("most"))
MARK = update(OUTGOING).where(one_of(OUT.position, "positions")).values(published=True)
OF_STREAM = POSITION.c.stream == bindparam("of")
REMEMBER = update(POSITION).where(OF_STREAM).values(last_seq=bindparam("seq"), last_id=bindparam("id"), withdrawn=False)
#: What is published again, or was about to be, is not withdrawn before it is there.
WITHDRAWN = select(W.event_id, W.internal, W.subject).join(OUTGOING, OUT.event_id == W.event_id).where(OUT.published).limit(BATCH)
TAKE_AWAY = update(POSITION).where(OF_STREAM, one_of(POSITION.c.last_id, "ids")).values(withdrawn=True)
DONE_WITH = delete(WITHDRAWAL).where(one_of(W.event_id, "ids"))


class Relay:
    """One per process. On PostgreSQL several replicas may run one: the one that holds the lock publishes, so that order is kept."""

    def __init__(self, service: str, database: Database, bus: Bus, crowd: Crowd) -> None:
        self._service = service
        self._database = database
        self._bus = bus
        self._crowd = crowd
        self._woken = asyncio.Event()
        self._looked_at = (0, 0.0)  # which connection's streams were compared, and when
        self.stopping = False

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Until `stopping`: what is left then goes with the process's last words."""
        async with AsyncExitStack() as stack:
            lock = await self._alone(stack)
            await self._bus.connected.wait()
            await self._bus.overhear(self._service, lambda _: self.wake())
            while not self.stopping:
                await self._bus.connected.wait()
                await self._crowd.let_pass(CROWD_SECONDS)
                if lock is not None:
                    await lock.execute(text("SELECT 1"))  # a connection that was cut holds no lock: begin again
                written, connection = self._database.last_written(), self._bus.connections
                try:
                    published = await self.publish_pending()
                    if published == 0 and await self.withdraw() == 0:
                        while not await self._rest() and connection == self._bus.connections and not self._database.may_differ(written):
                            pass
                    elif published < BATCH:
                        await asyncio.sleep(PAUSE_SECONDS)
                except BROKER_TROUBLE as error:
                    log().info("the outbox waits for the broker", error=repr(error))
                    self._looked_at = (0, 0.0)
                    await asyncio.sleep(0.1)

    async def _rest(self) -> bool:
        """Whether somebody woke us."""
        try:
            await asyncio.wait_for(self._woken.wait(), SWEEP_SECONDS)
        except TimeoutError:
            return False
        self._woken.clear()
        return True

    async def _alone(self, stack: AsyncExitStack) -> AsyncConnection | None:
        """Hold a lock that PostgreSQL frees when this process dies. SQLite has one process by construction."""
        if self._database.is_sqlite:
            return None
        connection = await stack.enter_async_context(self._database.engine.connect())
        connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
        lock = select(func.pg_try_advisory_lock(literal(hash_of("preau relay"))))
        while not self.stopping and not (await connection.execute(lock)).scalar():
            if await self._rest():
                await self._bus.call(self._service)  # Another process holds it, and publishes what we wrote, too.
        return connection

    async def publish_pending(self) -> int:
        """One batch. Returns how many events went out. Raises one of BROKER_TROUBLE."""
        await self._compare_streams()
        async with self._database.reading() as session:
            connection = await session.connection()
            rows = (await connection.execute(PENDING_ONES, {"most": BATCH})).all()
        PENDING.labels(self._service).set(len(rows))
        if rows:
            crash_point("relay.after_read")
        for internal in (False, True):
            mine = [row for row in rows if row.internal is internal]
            if mine:
                with ExitStack() as spans:
                    last_seq = await self._bus.publish([self._letter(row, spans) for row in mine])
                crash_point("relay.after_publish")
                await self._mark(internal, mine, last_seq)
        return len(rows)

    async def withdraw(self) -> int:
        """Take one batch of what is to be forgotten out of the streams. Returns how many. Raises one of BROKER_TROUBLE."""
        async with self._database.reading() as session:
            rows = (await (await session.connection()).execute(WITHDRAWN)).all()
        for internal in (False, True):
            mine = {row.event_id: row.subject for row in rows if row.internal is internal}
            if not mine:
                continue
            places = await self._bus.find(internal, set(mine.values()), mine.keys())
            await self._write(TAKE_AWAY, {"of": STREAM[internal], "ids": list(mine)})  # Before it is gone: its absence is no loss.
            for place in sorted(places.values()):
                await self._bus.wipe(internal, place)
            await self._write(DONE_WITH, {"ids": list(mine)})
        return len(rows)

    async def _write(self, statement: Executable, values: dict[str, Any]) -> None:
        async with self._database.transaction("relay") as session:
            await (await session.connection()).execute(statement, values)

    def _letter(self, row: Any, spans: ExitStack) -> Letter:
        """CloudEvents 1.0, binary mode, as the NATS binding writes it. `spans`: the one of its publishing, where its trace is collected."""
        headers = {
            MESSAGE_ID: row.event_id,
            "ce-specversion": "1.0",
            "ce-id": row.event_id,
            "ce-type": row.type,
            "ce-source": f"/preau/{row.subject.split('.')[1]}/{self._service}",
            "ce-subject": row.about,
            "ce-time": _instant_text(row.occurred_at),
            "ce-datacontenttype": "application/json",
        }
        if row.traceparent:
            headers |= _trace_headers(_sending(row, spans))
        return Letter(row.event_id, row.subject, headers, row.body.encode())

    async def _mark(self, internal: bool, rows: Sequence[Any], last_seq: int) -> None:
        async with self._database.transaction("relay") as session:
            connection = await session.connection()
            await connection.execute(MARK, {"positions": [row.position for row in rows]})
            await connection.execute(REMEMBER, {"of": STREAM[internal], "seq": last_seq, "id": rows[-1].event_id})
        PUBLISHED.labels(self._service).inc(len(rows))

    # ------------------------------------------------------------------------------------- is it still the same stream?
    async def _compare_streams(self) -> None:
        connection, looked_at = self._looked_at
        now = asyncio.get_running_loop().time()
        if connection == self._bus.connections and now - looked_at < LOOK_AGAIN_SECONDS:
            return
        for internal in (False, True):
            await self._compare(internal)
        self._looked_at = (self._bus.connections, now)

    async def _compare(self, internal: bool) -> None:
        info = await self._bus.ensure_stream(internal)
        created = info.created.isoformat() if info.created else ""
        async with self._database.reading() as session:
            known = await session.get(StreamPosition, STREAM[internal])
        if known is not None and known.created == created and await self._still_there(info, known):
            return
        async with self._database.transaction("relay") as session:
            await session.merge(StreamPosition(stream=STREAM[internal], created=created))
            if known is not None:
                log().warning("the stream lost events: publishing the outbox again", stream=STREAM[internal])
                REPUBLISHED.labels(self._service).inc()
                await session.exec(update(Outgoing).where(OUT.internal.is_(internal)).values(published=False))

    async def _still_there(self, info: StreamInfo, known: StreamPosition) -> bool:
        if not known.last_seq:
            return True
        if info.state.last_seq < known.last_seq:
            return False
        try:
            message = await self._bus.jetstream.get_msg(known.stream, seq=known.last_seq)
        except nats.js.errors.NotFoundError:
            has_aged_out = bool(info.config.max_age) and known.last_seq < info.state.first_seq
            return known.withdrawn or has_aged_out
        return bool(message.headers and message.headers.get(MESSAGE_ID) == known.last_id)


def _sending(row: Any, spans: ExitStack) -> str:
    """The trail that whoever hears the event goes on with."""
    if not is_kept(row.traceparent):
        return str(row.traceparent)
    about = messaging("send", row.subject, row.event_id)
    return spans.enter_context(span(f"send {row.type}", "producer", about, of=row.traceparent)).trail or row.traceparent


def _trace_headers(trail: str) -> dict[str, str]:
    trace, _, request = trail.partition(";")
    return {"traceparent": trace, REQUEST_ID: request} if request else {"traceparent": trace}


@lru_cache(maxsize=64)  # What one transaction decided happened at one instant.
def _instant_text(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def hash_of(words: str) -> int:
    """A stable number for an advisory lock."""
    return int.from_bytes(words.encode()[:8], "big") >> 1


async def backlog(database: Database) -> int:
    """How many events wait to be published: what operators watch."""
    async with database.reading() as session:
        connection = await session.connection()
        return int((await connection.execute(text("SELECT count(*) FROM outgoing WHERE NOT published"))).scalar_one())
