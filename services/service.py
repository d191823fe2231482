"""What every service is made of, and how one process of it starts, lives and drains."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import MetaData, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from services import tracing
from services.arrears import keep_counting
from services.bus import Bus
from services.certificates import trusted
from services.claims import Verifier
from services.clock import Clock
from services.crowd import Crowd
from services.database import Database
from services.ending import ENDING, ended, told_to_end
from services.events import Event
from services.listening import KINDS_OF_EARS, Listener, NotYetKnown, call_all, ears
from services.relay import Relay
from services.revoking import REACTIONS, Watchman, apply
from services.settings import Settings
from services.telemetry import feel_pulse, log, log_to

__all__ = ["NotYetKnown", "Running", "Service", "application"]

E = TypeVar("E", bound=Event)
React = Callable[[AsyncSession, E, Clock], Awaitable[None]]
Task = Callable[["Running"], Awaitable[None]]
Wake = Callable[["Running"], None]

DRAIN_SECONDS = 4.0
FIRST_WAIT_SECONDS = 0.1  #: Before a task that failed begins again; then longer each time, up to MOST_WAIT_SECONDS.
MOST_WAIT_SECONDS = 5.0
GOOD_SECONDS = 60.0  #: Whatever worked for so long before it failed is new trouble: it begins again as soon as the first time.


@dataclass(slots=True)
class Service:
    """A name, its tables, and what it does when it hears something."""

    name: str
    metadata: MetaData
    reactions: dict[type[Event], React[Any]] = field(default_factory=lambda: dict(REACTIONS))
    wakes: dict[type[Event], list[Wake]] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)

    def reacts_to(self, kind: type[E]) -> Callable[[React[E]], React[E]]:
        """Call the decorated function for every event of this kind: once, in one transaction with its effects."""

        def register(react: React[E]) -> React[E]:
            assert kind not in self.reactions, f"{self.name} reacts to {kind} already"
            self.reactions[kind] = react
            return react

        return register

    def after(self, kind: type[Event]) -> Callable[[Wake], Wake]:
        """Call the decorated function after a commit in which events of this kind were handled."""

        def register(wake: Wake) -> Wake:
            self.wakes.setdefault(kind, []).append(wake)
            return wake

        return register

    def runs(self, task: Task) -> Task:
        """Run the decorated coroutine for as long as the process lives; again if it fails."""
        self.tasks.append(task)
        return task

    def heard(self) -> set[type[Event]]:
        return set(self.reactions) | set(self.wakes)


@dataclass(slots=True)
class Running:
    """One service in one process: all that its parts need of one another."""

    service: Service
    settings: Settings
    database: Database
    clock: Clock
    verifier: Verifier
    bus: Bus
    relay: Relay
    crowd: Crowd
    resources: dict[str, Any] = field(default_factory=dict)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _listeners: list[Listener] = field(default_factory=list)
    _soon: set[asyncio.Task[None]] = field(default_factory=set)

    @classmethod
    def of(cls, service: Service, settings: Settings) -> "Running":
        database = Database(settings.database_urls[service.name])
        bus = Bus(settings, service.name)
        crowd = Crowd(bus)
        relay = Relay(service.name, database, bus, crowd)
        database.when_recorded = relay.wake
        return cls(
            service=service,
            settings=settings,
            database=database,
            clock=settings.clock,
            verifier=Verifier(settings.clock),
            bus=bus,
            relay=relay,
            crowd=crowd,
        )

    def outbox_written(self) -> None:
        """Events were committed: publish them now rather than at the next sweep."""
        self.relay.wake()

    def heard(self, events: Sequence[Event]) -> None:
        """Called after each commit of handled events."""
        for event in events:
            if event.urgent:
                apply(event, self.verifier)
        for kind in {type(event) for event in events}:
            call_all(self.service.wakes.get(kind, ()), self)
        self.outbox_written()

    def soon(self, work: Coroutine[Any, Any, None]) -> None:
        """Beside everything else, once: nobody waits for it but the process's end."""
        task = asyncio.get_running_loop().create_task(work)
        self._soon.add(task)
        task.add_done_callback(self._soon.discard)

    async def rest(self, seconds: float, woken: asyncio.Event | None = None) -> None:
        """For background tasks, between two rounds: until `woken` (which is cleared) or `seconds` have passed.

        Ends the task, by CancelledError, when the process drains: here nothing is half done.
        """
        waits = [asyncio.ensure_future(event.wait()) for event in (self.stopping, woken) if event is not None]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self.stopping.is_set():
            raise asyncio.CancelledError
        if woken is not None:
            woken.clear()

    async def start(self) -> None:
        """Load what is needed to answer, then begin to speak and to listen. The broker may come later."""
        watchman = Watchman(self)
        await watchman.look()
        self._listeners = [Listener(self, internal, urgent) for internal, urgent in KINDS_OF_EARS]
        for name, work in (
            ("watchman", watchman.run),
            ("bus", self.bus.keep_connecting),
            ("relay", self.relay.run),
            *((f"listener {n}", listener.run) for n, listener in enumerate(self._listeners)),
        ):
            self._tasks.append(asyncio.create_task(_forever(name, work), name=name))
        for task in (keep_counting, *self.service.tasks):
            self._tasks.append(asyncio.create_task(_forever(task.__name__, partial(task, self)), name=task.__name__))

    async def stop(self) -> None:
        """Finish what was begun, publish what was decided, leave: within DRAIN_SECONDS. What remains is safe in the tables."""
        self.stopping.set()
        self.relay.stopping = True
        self.relay.wake()
        for listener in self._listeners:
            listener.stop()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=DRAIN_SECONDS / 2)
            await ended(late)
        await asyncio.gather(*self._tasks, *self._soon, return_exceptions=True)
        try:
            await self._last_words()
            await self.bus.close()
        finally:
            await self.database.close()
            tracing.stop()

    async def _last_words(self) -> None:
        if not self.bus.connected.is_set():
            return
        try:
            async with asyncio.timeout(DRAIN_SECONDS / 2):
                while await self.relay.publish_pending():
                    pass
        except Exception as error:
            log().info("the outbox keeps the rest", error=repr(error))

    async def unheard(self) -> int:
        """Events that wait for this service, or that one of its processes has in hand. Raises one of BROKER_TROUBLE."""
        return sum([await self.bus.waiting(internal, name) for internal, name, _ in ears(self.service)])

    async def not_ready(self) -> list[str]:
        """Why this process cannot serve now. Empty if it can."""
        reasons = await self._database_trouble()
        if self.settings.production:
            reasons += await weak_broker(self.settings)
        if not self.bus.connected.is_set():
            reasons.append(f"broker: no connection to {self.settings.nats_place}")
        if not self.verifier.is_ready:
            reasons.append("tokens: identity's public key is not known yet")
        if not all(listener.is_up_to_date for listener in self._listeners if listener.is_urgent):
            reasons.append("tokens: what was revoked is not known yet")
        return reasons

    async def _database_trouble(self) -> list[str]:
        try:
            async with self.database.engine.connect() as connection:
                version = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar()
                wanted = _newest_migration(self.service.name)
                if version is None or version < wanted:  # A newer one is what a deployment begins with: whoever is there serves on.
                    return [f"database: it is at version {version}, not {wanted}: run `preau migrate {self.service.name}`"]
                if self.database.is_sqlite or not self.settings.production:
                    return []
                if (await connection.execute(text("SHOW synchronous_commit"))).scalar() == "off":
                    return ["database: synchronous_commit is off"]
        except (SQLAlchemyError, OSError) as error:
            return [f"database: {type(error).__name__}; is it reachable, was `preau migrate` run?"]
        return []


@cache
def _newest_migration(service: str) -> str:
    """The files are named by their number."""
    return max(path.name[:4] for path in (Path(__file__).parent / service / "migrations").glob("[0-9]*.py"))


async def weak_broker(settings: Settings) -> list[str]:
    """Whether the broker would lose acknowledged events in a power cut: it says yes before it syncs, unless told otherwise."""
    try:
        async with httpx2.AsyncClient(timeout=2, verify=trusted()) as client:
            told = (await client.get(f"{settings.nats_monitor_url}/varz")).json()
    except (httpx2.HTTPError, ValueError) as error:
        return [f"broker: {settings.nats_monitor_url} does not say whether it syncs ({type(error).__name__})"]
    if not told.get("jetstream", {}).get("config", {}).get("sync_always"):
        return ["broker: set `sync_interval: always` in its jetstream block"]
    return []


async def _forever(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Keep one background task alive: a failure is logged and it begins again, later each time, until it has worked for a while."""
    wait = FIRST_WAIT_SECONDS
    while True:
        begun = time.monotonic()
        try:
            await work()
        except Exception as error:
            log().error("begun again", task=name, error=repr(error), exc_info=error)
        else:
            return
        wait = FIRST_WAIT_SECONDS if time.monotonic() - begun >= GOOD_SECONDS else wait
        await asyncio.sleep(wait)
        wait = min(wait * 2, MOST_WAIT_SECONDS)


def application(
    service: Service,
    settings: Settings,
    *,
    routes: Sequence[BaseRoute] = (),
    on_start: Callable[[Running], Awaitable[None]] | None = None,
) -> Starlette:
    """The process of one service as an ASGI application. `on_start` fills `running.resources` before anything is served."""
    log_to(settings, service.name)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        running = Running.of(service, settings)
        app.state.running = running
        if on_start is not None:
            await on_start(running)
        await running.start()
        pulse = asyncio.create_task(feel_pulse())
        try:
            yield
        finally:
            await ended([pulse])
            await running.stop()

    return Starlette(routes=[*_health_routes(), *routes], lifespan=lifespan)


def _health_routes() -> list[BaseRoute]:
    async def livez(_: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(request: Request) -> Response:
        reasons = [ENDING] if told_to_end(request.app.state) else await request.app.state.running.not_ready()
        return JSONResponse({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return [Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)]
