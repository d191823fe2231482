"""Another supergraph while the one before is served: at SIGHUP, or when its file has changed.

It is read beside the traffic, and then takes the other's place in one step: whoever asks from then on is answered by it, and what was
begun ends as it began. What cannot be served is refused, and all goes on as before.
"""

import asyncio
import gc
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from graphql import GraphQLError, assert_valid_schema
from prometheus_client import Counter, Info
from starlette.types import Receive, Scope, Send

from gateway import headline
from gateway.http import GraphQLEndpoint
from gateway.sockets import SocketEndpoint
from gateway.streams import Doorkeeper, Streams
from gateway.supergraph import COMMITTED, Supergraph, UnsupportedSupergraph
from services import variables
from services.ending import ended
from services.settings import SettingsError
from services.telemetry import log

#: Between two looks at the file.
LOOK_SECONDS = 1.0
#: Longer than any answer takes: then nobody needs the schema before, but for subscriptions.
OLD_SECONDS = 30.0

SERVED = Info("preau_gateway_schema", "The supergraph that is served now: its file's SHA-256")
LOADS = Counter("preau_gateway_schema_loads_total", "Supergraphs read while serving", ["outcome"])

State = tuple[int, int, int] | None
Guarding = Callable[[Supergraph], Doorkeeper | None]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A supergraph that can be served."""

    supergraph: Supergraph
    sha256: str  #: of its file

    @classmethod
    def at(cls, path: Path, services: Collection[str], load: Callable[[str], Supergraph] = Supergraph.load) -> "Loaded":
        """`services`: those whose addresses are known. Raises OSError, ValueError, GraphQLError, TypeError, which say what is wrong."""
        text = path.read_text(encoding="utf-8")
        if not headline.is_whole(text):
            raise UnsupportedSupergraph("it is not what was composed: it is cut off, or somebody has changed it")
        try:
            supergraph = load(text)
        except KeyError as error:
            raise UnsupportedSupergraph(f"one of its directives lacks an argument: {error}") from error
        unknown = set(supergraph.graphs.values()) - set(services)
        if unknown:
            raise UnsupportedSupergraph(f"no address is known of its subgraph {', '.join(sorted(unknown))}")
        assert_valid_schema(supergraph.api)
        return cls(supergraph, headline.fingerprint(text))

    @classmethod
    def first(cls, path: Path, services: Collection[str]) -> "Loaded":
        """At start. Raises SettingsError."""
        try:
            return cls.at(path, services, (lambda _: Supergraph.committed()) if path == COMMITTED else Supergraph.load)
        except (OSError, ValueError, GraphQLError, TypeError) as error:
            raise SettingsError(f"PREAU_SUPERGRAPH: {path} cannot be served: {error}") from error


@dataclass(slots=True)
class Entrance:
    """An ASGI application: GraphQL by the supergraph that is served now."""

    http: GraphQLEndpoint
    sockets: SocketEndpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.http(scope, receive, send)

    @property
    def streams(self) -> Streams:
        return self.http.streams

    def serve(self, streams: Streams) -> None:
        self.http = replace(self.http, streams=streams)
        self.sockets.streams = streams


def by(supergraph: Supergraph, before: Streams, guarding: Guarding) -> Streams:
    """What answers by this supergraph, and has the connections of what did before."""
    documents, engine = replace(before.documents, supergraph=supergraph), replace(before.engine, api=supergraph.api)
    return replace(before, documents=documents, engine=engine, door=guarding(supergraph))


@dataclass(slots=True)
class Reloading:
    path: Path
    services: Collection[str]  #: of which addresses are known
    entrance: Entrance
    guarding: Guarding
    served: str  #: SHA-256
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    _read: State = None  #: The file's, when it was read last.
    _seen: State = None  #: At the last look.

    def __post_init__(self) -> None:
        self._read = self._seen = state_of(self.path)
        SERVED.info({"sha256": self.served})

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """At the file, meanwhile, and at once after SIGHUP."""
        loop = asyncio.get_running_loop()
        hears = _is_daemon()
        if hears:
            loop.add_signal_handler(signal.SIGHUP, self.asked.set)
        looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            if hears:
                loop.remove_signal_handler(signal.SIGHUP)
            await ended((looking,))

    async def _look(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self.asked.wait()
            if self._is_due():
                await self.reload()

    def _is_due(self) -> bool:
        """Somebody asked for it; or the file is another than was read, and nobody has written to it for a while."""
        asked, before, now = self.asked.is_set(), self._seen, state_of(self.path)
        self.asked.clear()
        self._seen = now
        due = asked or (now == before and now != self._read)
        if due:
            self._read = now
        return due

    async def reload(self) -> None:
        """Never raises: whatever the file is, families are served."""
        try:
            loaded, streams = await asyncio.to_thread(self._make)
        except Exception as error:
            LOADS.labels("refused").inc()
            log().error("schema refused, the one before is served on", path=str(self.path), reason=str(error), served=self.served)
            return
        if loaded.sha256 == self.served:
            LOADS.labels("unchanged").inc()
            return
        self.entrance.serve(streams)
        self.served = loaded.sha256
        SERVED.info({"sha256": loaded.sha256})
        LOADS.labels("served").inc()
        log().info("another schema is served", path=str(self.path), served=self.served)
        asyncio.get_running_loop().call_later(OLD_SECONDS, forget_the_old)

    def _make(self) -> tuple[Loaded, Streams]:
        """In a thread of its own: it takes a third of a second."""
        loaded = Loaded.at(self.path, self.services)
        return loaded, by(loaded.supergraph, self.entrance.streams, self.guarding)


def state_of(path: Path) -> State:
    """Another one when the file is another, also where a link leads elsewhere now."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _is_daemon() -> bool:
    """In a terminal SIGHUP says that it was closed, and ends us as it ends everything there."""
    return threading.current_thread() is threading.main_thread() and not (sys.stdin is not None and sys.stdin.isatty())


def forget_the_old() -> None:
    """7 MB of it, which nothing else would look for (deploy/serving.py)."""
    variables.forget()
    gc.unfreeze()
    gc.collect()
    gc.freeze()
