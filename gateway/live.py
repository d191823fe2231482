"""Hears what happens in the towns that somebody follows live, and wakes those whom it concerns.

An event only wakes. What is sent to a client is asked of the subgraphs then, with the client's own token, so that nothing can be told
to somebody who may not see it, and the tables decide what is true. Whoever hears nothing, because the broker is gone, is woken when it
is back; and everybody is now and then, for a lost message and for what time alone changes.
"""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from prometheus_client import Gauge

from gateway.trouble import RequestError
from services import topics
from services.bus import BROKER_TROUBLE, Bus
from services.ending import ended
from services.events import KeyWithdrawn, TokensRevoked
from services.telemetry import log

MOST_SUBSCRIPTIONS = 5000
#: The last of these places are for calendars, by which people book: pages that are only looked at leave them free.
BOOKED_BY, KEPT_FOR_BOOKING = "calendarChanged", 1000
#: Some tabs and devices of one adult.
MOST_PER_ACCOUNT = 30
#: Connections that stay open. Many families may share one address: a school, a town hall, a telephone company.
MOST_PER_VISITOR = 500
#: Of all subscriptions together, so that those who watch a rush do not take the place of those who book in it: the more there are,
#: the rarer each one's updates.
READS_PER_SECOND = 100.0
#: As many may be read at once after a quiet moment.
BURST_SECONDS = 0.25
#: Messages of one subject not looked at yet; more is a storm, and what it drops is found by the next look.
MOST_WAITING = 20_000
FLUSH_SECONDS = 2
#: When whoever's tokens were revoked is looked at, from hearing of it on.
REVOKED_SECONDS = (0.0, 0.3, 0.6)
DRAIN_SECONDS = 1.0

FOLLOWED = Gauge("preau_gateway_subscriptions", "Subscriptions that are followed now", ["name"])


class Revoked(msgspec.Struct):
    """As identity tells it (services/events.py)."""

    account: str


_revoked = msgspec.json.Decoder(Revoked).decode


@dataclass(slots=True, eq=False)
class Watcher:
    """One subscription: what it listens for, and its bell."""

    name: str  #: Of what is followed: calendarChanged.
    account: str
    structure: str
    topics: frozenset[str]
    rung: asyncio.Event = field(default_factory=asyncio.Event)
    moved: bool = False  #: It may depend on other topics now.

    @property
    def subjects(self) -> set[str]:
        return topics.subjects(self.structure, self.topics)


@dataclass(slots=True)
class Live:
    """One per process."""

    bus: Bus
    ending: asyncio.Event = field(default_factory=asyncio.Event)  #: The process drains: every stream ends.
    _watchers: set[Watcher] = field(default_factory=set)
    _by_topic: dict[str, set[Watcher]] = field(default_factory=lambda: defaultdict(set))
    _wanted: Counter[str] = field(default_factory=Counter)  #: Subject -> how many watchers need it.
    _heard: dict[str, Subscription] = field(default_factory=dict)
    _tuning: asyncio.Lock = field(default_factory=asyncio.Lock)
    _soon: set[asyncio.Task[None]] = field(default_factory=set)
    _streaming: dict[asyncio.Task[Any], str | None] = field(default_factory=dict)  #: Each with its visitor.
    _next_read: float = 0.0
    _turns: deque[asyncio.Future[None]] = field(default_factory=deque)
    _calling: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Listens meanwhile; without a broker, as soon as there is one."""
        self.bus.when_connected = self._back
        connecting = asyncio.create_task(self._connect())
        try:
            yield
        finally:
            await self.drain()
            await ended((connecting,))
            await asyncio.gather(*self._soon, return_exceptions=True)
            await self.bus.close()

    async def _connect(self) -> None:
        try:
            await self.bus.keep_connecting()
        except Exception as error:
            log().error("no live updates but for the regular looks", error=repr(error), exc_info=error)

    @contextmanager
    def streaming(self, visitor: str | None) -> Iterator[None]:
        """This task holds a connection open for that visitor (services/visitors.py)."""
        task = asyncio.current_task()
        assert task is not None
        self._streaming[task] = visitor
        try:
            yield
        finally:
            del self._streaming[task]

    def is_crowded(self, visitor: str | None) -> bool:
        """It has as many connections open as it may have."""
        crowded = visitor is not None and sum(other == visitor for other in self._streaming.values()) >= MOST_PER_VISITOR
        if crowded:
            log().warning("too many connections from one address; is it a proxy's? see PREAU_TRUSTED_PROXIES", address=visitor)
        return crowded

    async def drain(self) -> None:
        """Every stream ends, so that its client connects to another process. Those that do not in time will be cut."""
        self.ending.set()
        self.wake_all()
        self._call_next()
        if self._streaming:
            await asyncio.wait(self._streaming, timeout=DRAIN_SECONDS)

    def wake_all(self) -> None:
        for watcher in self._watchers:
            watcher.rung.set()

    # ------------------------------------------------------------------------------------------- who listens
    @asynccontextmanager
    async def watching(self, watcher: Watcher) -> AsyncIterator[None]:
        """Rings the watcher's bell for whatever happens from here on. Raises RequestError if there are too many."""
        self._admit(watcher)
        self._enter(watcher)
        FOLLOWED.labels(watcher.name).inc()
        try:
            await self._tune()
            yield
        finally:
            FOLLOWED.labels(watcher.name).dec()
            self._leave(watcher)
            self._later(self._tune)

    async def change(self, watcher: Watcher, structure: str, wanted: frozenset[str]) -> None:
        """It depends on other things now, such as an activity that the child was admitted to."""
        if (watcher.structure, watcher.topics) != (structure, wanted):
            self._leave(watcher)
            watcher.structure, watcher.topics = structure, wanted
            self._enter(watcher)
            await self._tune()

    def check_room(self, name: str) -> None:
        """`name`: as a Watcher's. Raises RequestError: this process follows as much of that as it can, for whomever."""
        if len(self._watchers) >= MOST_SUBSCRIPTIONS - (0 if name == BOOKED_BY else KEPT_FOR_BOOKING):
            raise RequestError.said("TOO_MANY_SUBSCRIPTIONS", "TOO_MANY_FOLLOW")

    def _admit(self, watcher: Watcher) -> None:
        self.check_room(watcher.name)
        if sum(other.account == watcher.account for other in self._watchers) >= MOST_PER_ACCOUNT:
            raise RequestError.said("TOO_MANY_SUBSCRIPTIONS", most=MOST_PER_ACCOUNT)

    def _enter(self, watcher: Watcher) -> None:
        self._watchers.add(watcher)
        self._wanted.update(watcher.subjects)
        for topic in watcher.topics:
            self._by_topic[topic].add(watcher)

    def _leave(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)
        self._wanted.subtract(watcher.subjects)
        for topic in watcher.topics:
            self._by_topic[topic].discard(watcher)
            if not self._by_topic[topic]:
                del self._by_topic[topic]

    # ------------------------------------------------------------------------------------------- what is heard
    async def _back(self) -> None:
        """Connected, perhaps again: what happened meanwhile nobody has told us."""
        await self._tune()
        with suppress(*BROKER_TROUBLE):  # connected again, we are called again
            await self.bus.hear(TokensRevoked.filter(), self._hear_revocation)
            await self.bus.hear(KeyWithdrawn.filter(), lambda _: self._ask_again(None))
        self._move(self._watchers)

    async def _tune(self) -> None:
        """Listen to what is wanted, and to nothing else; sure of it, if the broker is there."""
        async with self._tuning:
            self._wanted += Counter()  # forgets those that nobody needs
            client = self.bus.client
            if client is None or not self.bus.connected.is_set():
                return
            wanted = set(self._wanted)
            with suppress(*BROKER_TROUBLE):  # connected again, we are called again
                for subject in self._heard.keys() - wanted:
                    await self._heard.pop(subject).unsubscribe()
                new = wanted - self._heard.keys()
                for subject in new:
                    self._heard[subject] = await client.subscribe(subject, cb=self._hear, pending_msgs_limit=MOST_WAITING)
                if new:
                    await client.flush(FLUSH_SECONDS)

    async def _hear(self, message: Msg) -> None:
        try:
            concerned = topics.told(message.subject, message.data)
        except msgspec.DecodeError as error:
            log().warning("not understood", subject=message.subject, error=repr(error))
            return
        for topic in concerned:
            for watcher in self._by_topic.get(topic, ()):
                watcher.moved |= topics.moves(topic)
                watcher.rung.set()

    def _hear_revocation(self, message: Msg) -> None:
        """Whoever it means is told by the subgraph that they are signed in no more, which is how every subscription ends."""
        try:
            told = _revoked(message.data)
        except msgspec.DecodeError as error:
            log().warning("not understood", subject=message.subject, error=repr(error))
            return
        self._ask_again(told.account)

    def _ask_again(self, account: str | None) -> None:
        """Of one account, or of all; and once more, for the subgraph may have heard it later than we did."""
        for seconds in REVOKED_SECONDS:
            asyncio.get_running_loop().call_later(
                seconds, lambda: self._move(each for each in self._watchers if account in (None, each.account))
            )

    @staticmethod
    def _move(watchers: Iterable[Watcher]) -> None:
        for watcher in watchers:
            watcher.moved = True
            watcher.rung.set()

    def _later(self, work: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            await work()

        task = asyncio.get_running_loop().create_task(run())
        self._soon.add(task)
        task.add_done_callback(self._soon.discard)

    # ------------------------------------------------------------------------------------------- in turn
    async def turn(self) -> None:
        """Wait until one more may ask the subgraphs, or the process drains. Who leaves meanwhile keeps nobody waiting."""
        if self.ending.is_set() or (not self._turns and self._is_free()):
            return
        turn = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        self._call_next()
        await turn

    def _is_free(self) -> bool:
        """One more may ask: it does so now."""
        now, apart = asyncio.get_running_loop().time(), 1 / READS_PER_SECOND
        next_read = max(self._next_read, now - max(BURST_SECONDS, apart)) + apart
        if next_read > now:
            return False
        self._next_read = next_read
        return True

    def _call_next(self) -> None:
        """Whoever has waited longest, and is still there; as soon as it may ask."""
        if self._calling is not None:
            self._calling.cancel()
            self._calling = None
        while self._turns:
            if not self._turns[0].done():  # cancelled: its client has left
                if not self.ending.is_set() and not self._is_free():
                    at = self._next_read + 1 / READS_PER_SECOND
                    self._calling = asyncio.get_running_loop().call_at(at, self._call_next)
                    return
                self._turns[0].set_result(None)
            self._turns.popleft()
