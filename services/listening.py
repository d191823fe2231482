"""Hears events: each once, in a transaction with its effects, whatever the broker does.

What arrives together is handled in one transaction. If that fails, each is handled alone, and the one that cannot be is asked
for again later, with back-off; after the last attempt, or at once where trying again is useless, it is buried as a dead letter
that operators see, retry or drop.
"""

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from nats.aio.msg import Msg
from pydantic import ValidationError
from sqlalchemy import delete
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.bus import BROKER_TROUBLE, STREAM, messaging, trail_of
from services.clock import Clock
from services.database import OUTAGE, Aborted, Database
from services.events import BY_TYPE, Event
from services.outbox import DeadLetter, remember, unheard
from services.telemetry import HEARD, is_told, log, tell
from services.tracing import is_kept, span, traceparent

if TYPE_CHECKING:
    from services.service import Running, Service

TOGETHER = 500  #: Events in one transaction, at most.
ATTEMPTS = 10
TRIES = 3  #: At once, of what the database took back because two of us waited for one another. Then it is an outage.
BACK_OFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0)
NO_TRACES: Mapping[str, str | None] = MappingProxyType({})
WAIT_SECONDS = 2.0  #: A pull is always open: without one, the server does not even say what it gave up.


class NotYetKnown(Exception):
    """Something this event needs was not heard yet: it is handled later."""


KINDS_OF_EARS = ((False, False), (True, False), (True, True))  #: What a service listens with: (is internal, is urgent).


def durable(service: "Service", urgent: bool) -> str:
    """The consumer's name."""
    return f"{service.name}-urgent" if urgent else service.name


def filters(service: "Service", internal: bool, urgent: bool) -> list[str]:
    """The subjects that it hears so. Empty: there is no such consumer."""
    return [kind.filter() for kind in service.heard() if (kind.internal, kind.urgent) == (internal, urgent)]


def ears(service: "Service") -> list[tuple[bool, str, list[str]]]:
    """All that a service listens with: (of the internal stream, consumer, subjects)."""
    every = [(internal, durable(service, urgent), filters(service, internal, urgent)) for internal, urgent in KINDS_OF_EARS]
    return [ear for ear in every if ear[2]]


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message as it came: read, or with the reason why it cannot be."""

    message: Msg
    event: Event | None
    trouble: str = ""

    @property
    def id(self) -> str:
        """The event's; for a message without one, its place in the stream."""
        headers = {name.lower(): value for name, value in (self.message.headers or {}).items()}
        return headers.get("ce-id") or f"stream-{self.message.metadata.sequence.stream}"


def read(event_id: str, type_name: str, occurred_at: str, body: bytes) -> Event:
    """An event from its envelope and its body. Raises ValueError (pydantic's ValidationError is one) or KeyError."""
    kind = BY_TYPE[type_name]
    data = kind.model_validate_json(body[:-1] + _envelope(event_id, occurred_at, empty=body.strip() == b"{}"))
    return data


def _envelope(event_id: str, occurred_at: str, *, empty: bool) -> bytes:
    if not set(event_id + occurred_at).isdisjoint('"\\'):
        raise ValueError("a quote in the envelope")
    return f'{"" if empty else ","}"event_id":"{event_id}","occurred_at":"{occurred_at}"}}'.encode()


def arrival(message: Msg) -> Arrival:
    """Header names are compared without case: the CloudEvents binding says so."""
    headers = {name.lower(): value for name, value in (message.headers or {}).items()}
    try:
        event = read(headers["ce-id"], headers["ce-type"], headers["ce-time"], message.data)
    except KeyError as error:
        return Arrival(message, None, f"no such header or type: {error}")
    except (ValidationError, ValueError) as error:
        return Arrival(message, None, f"unreadable: {error}")
    return Arrival(message, event)


async def react(
    service: "Service", session: AsyncSession, events: Sequence[Event], clock: Clock, traces: Mapping[str, str | None] = NO_TRACES
) -> list[Event]:
    """Handle those of the events that were never handled, in the session's transaction; return them. `traces`: by the event's id."""
    fresh = await unheard(session, [event.event_id for event in events])
    handled = []
    for event in events:
        if event.event_id in fresh:
            fresh.discard(event.event_id)
            reaction = service.reactions.get(type(event))
            if reaction is not None:
                if traces:
                    traceparent.set(traces[event.event_id])
                await reaction(session, event, clock)
            handled.append(event)
    await remember(session, [event.event_id for event in handled])
    return handled


class Listener:
    """One of the two streams, for one service; or what is urgent of it, for which nobody waits until families have passed."""

    def __init__(self, running: "Running", internal: bool, urgent: bool = False) -> None:
        self._running = running
        self._internal = internal
        self.is_urgent = urgent
        self._durable = durable(running.service, urgent)
        self.stopping = False
        self.is_up_to_date = False  #: Once: all that was said before it came has been handled, or another process has it in hand.
        self._failures: dict[str, int] = {}
        self._waiting: asyncio.Task[list[Msg]] | None = None

    def stop(self) -> None:
        """Finish what was heard, and hear no more."""
        self.stopping = True
        if self._waiting is not None:
            self._waiting.cancel()

    def _filters(self) -> list[str]:
        return filters(self._running.service, self._internal, self.is_urgent)

    async def run(self) -> None:
        """Until `stopping`. A consumer that vanished with its stream is made again, and hears everything again."""
        while not self.stopping and self._filters():
            await self._running.bus.connected.wait()
            ear = None
            try:
                await self._running.bus.ensure_stream(self._internal)
                await self._running.bus.ensure_consumer(self._internal, self._durable, self._filters())
                ear = await self._running.bus.subscribe(self._internal, self._durable)
                connection = self._running.bus.connections
                while not self.stopping and connection == self._running.bus.connections:
                    self.is_up_to_date = self.is_up_to_date or not self.is_urgent or await self._nothing_waits()
                    if not self.is_urgent:
                        await self._running.crowd.let_pass()
                    await self._turn(await self._hear(ear))
            except (*BROKER_TROUBLE, *OUTAGE) as error:
                # What was in hand comes again by itself.
                log().info("listening again soon", error=repr(error))
                await asyncio.sleep(0.2)
            finally:
                if ear is not None:
                    await _leave(ear.unsubscribe())

    async def _hear(self, ear: object) -> list[Msg]:
        """What comes next; nothing when told to stop. Only the waiting is cancelled, never the handling."""
        self._waiting = asyncio.create_task(self._fetch(ear))
        try:
            return await self._waiting
        except asyncio.CancelledError:
            if self.stopping:
                return []
            raise
        finally:
            self._waiting = None

    async def _fetch(self, ear: object) -> list[Msg]:
        """Wait for one, then take all that are there."""
        try:
            messages: list[Msg] = await ear.fetch(1, timeout=WAIT_SECONDS)  # type: ignore[attr-defined]  # nats-py's own class, untyped
        except TimeoutError:
            await self._look_after_the_consumer()
            return []
        more = min(int(messages[-1].metadata.num_pending or 0), TOGETHER - 1)
        if more:
            with suppress(TimeoutError):
                messages += await ear.fetch(more, timeout=0.5)  # type: ignore[attr-defined]
        return messages

    async def _look_after_the_consumer(self) -> None:
        """Raises NotFoundError, one of BROKER_TROUBLE, if the quiet is that of a consumer that no longer exists."""
        await self._running.bus.jetstream.consumer_info(STREAM[self._internal], self._durable)

    async def _nothing_waits(self) -> bool:
        return not (await self._running.bus.jetstream.consumer_info(STREAM[self._internal], self._durable)).num_pending

    async def _turn(self, messages: Sequence[Msg]) -> None:
        if not messages:
            return
        arrivals = [arrival(message) for message in messages]
        for bad in (a for a in arrivals if a.event is None):
            await self._bury(bad, bad.trouble)
        good = [a for a in arrivals if a.event is not None]
        if len(good) > 1 and await self._together(good):
            return
        for one in good:
            await self._alone(one)

    async def _together(self, arrivals: Sequence[Arrival]) -> bool:
        """All in one transaction. False if that failed: nothing is written then."""
        try:
            await self._handle(arrivals)
        except (*BROKER_TROUBLE, *OUTAGE):
            raise
        except Exception as error:
            log().debug("one by one", error=repr(error))
            return False
        return True

    async def _handle(self, arrivals: Sequence[Arrival]) -> None:
        for more_tries in reversed(range(TRIES)):
            try:
                await self._transact(arrivals)
                break
            except Aborted as error:
                log().info("all of it again", error=repr(error))
                if not more_tries:
                    raise
        for one in arrivals:
            self._failures.pop(one.id, None)
        await self._running.bus.acknowledge([one.message for one in arrivals])

    async def _transact(self, arrivals: Sequence[Arrival]) -> None:
        running = self._running
        events = [one.event for one in arrivals if one.event is not None]
        trails = [trail_of(one.message) for one in arrivals]
        begun, token = time.perf_counter(), traceparent.set(trails[0])
        try:
            with ExitStack() as spans:
                traces = dict(zip((event.event_id for event in events), map(_Handling(spans), arrivals, trails), strict=True))
                traceparent.set(next(filter(is_kept, traces.values()), trails[0]))
                async with running.database.transaction("reaction") as session:
                    handled = await react(running.service, session, events, running.clock, traces)
        finally:
            traceparent.reset(token)
        _tell(arrivals, trails, time.perf_counter() - begun)
        HEARD.labels(running.service.name, "handled").inc(len(handled))
        HEARD.labels(running.service.name, "repeated").inc(len(events) - len(handled))
        running.heard(handled)

    async def _alone(self, one: Arrival) -> None:
        try:
            await self._handle([one])
        except (*BROKER_TROUBLE, *OUTAGE):
            raise
        except Exception as error:
            await self._failed(one, error)

    async def _failed(self, one: Arrival, error: Exception) -> None:
        """Ask for it again later; bury it after ATTEMPTS. Counted here: the broker also counts what an outage cut short."""
        count = self._failures[one.id] = self._failures.get(one.id, 0) + 1
        if count >= ATTEMPTS:
            await self._bury(one, repr(error), count)
            return
        say = log().debug if isinstance(error, NotYetKnown) else log().warning
        say("tried again later", subject=one.message.subject, error=repr(error), attempt=count)
        await one.message.nak(delay=BACK_OFF_SECONDS[min(count, len(BACK_OFF_SECONDS)) - 1])

    async def _bury(self, one: Arrival, error: str, attempts: int = 1) -> None:
        """Keep what cannot be handled where operators see it, and tell the broker to forget it."""
        self._failures.pop(one.id, None)
        await bury(self._running.database, one, error, attempts, self._running.clock.now())
        HEARD.labels(self._running.service.name, "buried").inc()
        log().error("dead letter", subject=one.message.subject, error=error)
        await one.message.term()


@dataclass(frozen=True, slots=True)
class _Handling:
    """Spans of handling events, for those whose traces are collected, until `spans` ends."""

    spans: ExitStack

    def __call__(self, one: Arrival, trail: str | None) -> str | None:
        """The trail of what comes of it."""
        if not is_kept(trail) or one.event is None:
            return trail
        about = messaging("process", one.message.subject, one.event.event_id)
        return self.spans.enter_context(span(f"process {one.event.type_name()}", "consumer", about, of=trail)).trail or trail


def _tell(arrivals: Sequence[Arrival], trails: Sequence[str | None], seconds: float) -> None:
    """`milliseconds`: of all that was handled together."""
    for one, trail in zip(arrivals, trails, strict=True):
        if trail is not None and is_told(trail):
            took = {"milliseconds": round(seconds * 1000, 1), "together": len(arrivals)}
            tell("heard", trail, subject=one.message.subject, event_id=one.id, **took)


async def bury(database: Database, one: Arrival, error: str, attempts: int, now: dt.datetime) -> None:
    headers: Mapping[str, str] = {name.lower(): value for name, value in (one.message.headers or {}).items()}
    async with database.transaction("reaction") as session:
        await session.exec(delete(DeadLetter).where(col(DeadLetter.event_id) == one.id))
        session.add(
            DeadLetter(
                event_id=one.id,
                subject=one.message.subject,
                type=headers.get("ce-type", ""),
                occurred_at=one.event.occurred_at if one.event else None,
                body=one.message.data.decode(errors="replace"),
                error=error[:2000],
                attempts=attempts,
                buried_at=now,
            )
        )


async def retry_dead_letter(service: "Service", database: Database, letter: DeadLetter, clock: Clock) -> None:
    """Handle a buried event now, and forget that it was buried. Raises what its reaction raises; ValueError if it is unreadable."""
    async with database.transaction("reaction") as session:
        await handle_again(service, session, letter, clock)


async def handle_again(service: "Service", session: AsyncSession, letter: DeadLetter, clock: Clock) -> Event:
    """The same, in the session's transaction."""
    if letter.occurred_at is None:
        raise ValueError("unreadable: it can only be dropped")
    event = read(letter.event_id, letter.type, letter.occurred_at.isoformat(), letter.body.encode())
    await react(service, session, [event], clock)
    await session.exec(delete(DeadLetter).where(col(DeadLetter.id) == letter.id))
    return event


async def _leave(farewell: object) -> None:
    try:
        await farewell  # type: ignore[misc]  # nats-py's coroutine, untyped
    except BROKER_TROUBLE:
        return


def call_all(calls: Iterable[Callable[["Running"], None]], running: "Running") -> None:
    for call in calls:
        call(running)
