"""HTTP to the subgraphs: a small keep-alive client on httptools, because the general ones cost more than the whole rest of the gateway.

A request is answered, or `SubgraphUnavailable` says why not, within its time, of which it tells the subgraph. Nothing that may have had
an effect is ever sent twice; what only reads is, once, where the connection is lost or the subgraph says that it is not there.
"""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

import httptools
from prometheus_client import Counter, Gauge

from gateway.breaker import CLOSED, FAIR_SECONDS, STATES, Breaker
from gateway.retries import Budget
from services.alarms import Alarm, alarms_of
from services.telemetry import log

#: Connections to one subgraph at once; further requests wait for a free one, within their time.
MOST_CONNECTIONS = 100
#: Requests that wait for a connection, for each that there may be; more have no answer at once, rather than fill the memory.
MOST_WAITING = 50
#: Shorter than the time after which our servers close an idle connection (75 s), so that no request meets the closing one.
IDLE_SECONDS = 60.0
END_OF_HEAD, LONGEST_HEAD = b"\r\n\r\n", 65_536
#: What says that nobody is there to answer (now): another process may be.
AWAY = (502, 503)

RETRIES = Counter("preau_gateway_fetch_retries_total", "Requests to subgraphs that were sent once more", ["service"])
BREAKER = Gauge("preau_gateway_breaker", "Whether a subgraph is asked: 0 yes, 1 by one request that tries, 2 no", ["service"])


class SubgraphUnavailable(Exception):
    """A subgraph is down, slow, or says what nobody can read. The text is for logs, not for clients."""

    def __init__(self, reason: str, kind: str = "connection") -> None:
        """`kind`: for metrics."""
        super().__init__(reason)
        self.kind = kind


class SubgraphSlow(SubgraphUnavailable):
    """It did not answer in time."""

    def __init__(self, reason: str, kind: str = "slow") -> None:
        super().__init__(reason, kind)


#: By which status a subgraph, or what stands before it, says that it has no answer: nobody is there, or it took too long.
LOST = {502: SubgraphUnavailable, 503: SubgraphUnavailable, 504: SubgraphSlow}


class SubgraphCrowded(SubgraphUnavailable):
    """So many wait for it already that nobody asks it."""

    def __init__(self) -> None:
        super().__init__("too many wait for it already", "crowded")


class Response(NamedTuple):
    status: int
    body: bytes
    headers: Mapping[str, str] = MappingProxyType({})  #: By their names in lower case; read only where they are asked for.


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    __slots__ = ("_alarm", "_alarms", "_answer", "_chunks", "_head", "_parser", "closed", "idle_since", "loop", "reusable", "transport")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._alarms = alarms_of(loop)
        self.transport: asyncio.Transport | None = None
        self.closed = False
        self.reusable = False
        self.idle_since = 0.0
        self._answer: asyncio.Future[Response] | None = None
        self._chunks: list[bytes] = []
        self._head = b""  #: of an answer that comes in pieces
        self._parser: Any = None
        self._alarm: Alarm | None = None

    def send(self, request: bytes, until: float, headers: dict[str, str] | None = None) -> "asyncio.Future[Response]":
        """`until`: by the loop's clock; then it fails with TimeoutError. `headers`: where to put those of the answer."""
        assert self.transport is not None
        self._parser = httptools.HttpResponseParser(self if headers is None else _WithHeaders(self, headers))
        self._chunks, self._head = [], b""
        self.reusable = False
        self._answer = self.loop.create_future()
        self._alarm = self._alarms.at(until, self._expire)
        self.transport.write(request)
        return self._answer

    def close(self) -> None:
        self.closed = True
        self._taken()
        if self.transport is not None:
            self.transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own is one in all but name

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if exc is None and self._answer is not None and _ends_with_its_connection(self._head):
            self.on_message_complete()
        self._fail(ConnectionResetError(str(exc) if exc else "the connection was closed"))

    def data_received(self, data: bytes) -> None:
        if self._answer is None:  # nobody asked
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(SubgraphUnavailable(f"not HTTP: {error}", "unreadable"))
            self.close()
            return
        if self._answer is not None and len(self._head) < LONGEST_HEAD and END_OF_HEAD not in self._head:
            self._head += data  # Most answers come in one piece, and never get here.

    # httptools

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        self.reusable = self._parser.should_keep_alive()
        answer = self._taken()
        if answer is not None and not answer.done():
            answer.set_result(Response(self._parser.get_status_code(), b"".join(self._chunks)))

    def _taken(self) -> "asyncio.Future[Response] | None":
        """Whoever waited; from now on nobody does."""
        answer, self._answer = self._answer, None
        if self._alarm is not None:
            self._alarm.put_off()
            self._alarm = None
        return answer

    def _expire(self) -> None:
        self._fail(TimeoutError())

    def _fail(self, error: Exception) -> None:
        answer = self._taken()
        if answer is not None and not answer.done():
            answer.set_exception(error)


def _ends_with_its_connection(head: bytes) -> bool:
    """Nothing in it says how long the answer is. httptools is not told when a connection ends."""
    lines, found, _ = head.lower().partition(END_OF_HEAD)
    return bool(found) and not any(line.startswith((b"content-length:", b"transfer-encoding:")) for line in lines.split(b"\r\n"))


class _WithHeaders:
    """Listens to the parser for a connection, to the headers too: GraphQL's answers are read without them, which costs less."""

    def __init__(self, connection: Connection, headers: dict[str, str]) -> None:
        self._headers = headers
        self.on_body = connection.on_body
        self.on_message_complete = connection.on_message_complete

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")


@dataclass(slots=True)
class Subgraph:
    """One subgraph and the connections to it."""

    url: str
    most_connections: int = MOST_CONNECTIONS
    name: str = ""
    breaker: Breaker = field(init=False)
    retries: Budget = field(default_factory=Budget)
    _idle: deque[Connection] = field(default_factory=deque)
    _under_way: int = 0
    _waiting: "deque[asyncio.Future[None]]" = field(default_factory=deque)  #: For one of those under way to be through.
    _crowd: int = 0  #: How many of them are still there.
    _host: str = field(init=False)
    _port: int = field(init=False)
    _ssl: ssl.SSLContext | None = field(init=False)
    _post: bytes = field(init=False)
    _get: str = field(init=False)

    def __post_init__(self) -> None:
        self.breaker = Breaker(self._note_breaker)
        url = urlsplit(self.url)
        self._ssl = _trusted() if url.scheme == "https" else None
        self._host, self._port = url.hostname or "localhost", url.port or (443 if self._ssl else 80)
        path = url.path.rstrip("/")
        head = f"POST {path}/graphql HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: application/json\r\nAccept: application/json\r\n"
        self._post = head.encode()
        self._get = f"GET {path}{{}} HTTP/1.1\r\nHost: {url.netloc}\r\nAccept: application/json\r\n"

    def _note_breaker(self, state: int) -> None:
        BREAKER.labels(self.name).set(state)
        log().warning("circuit breaker", subgraph=self.name, state=STATES[state])

    async def post(self, body: bytes, headers: bytes, *, seconds: float, again: bool) -> bytes:
        """The answer to a GraphQL request. `headers`: complete lines. `again`: it only reads, and may be sent once more."""
        begun = time.monotonic()
        if self.breaker.state != CLOSED and not self.breaker.lets(begun, seconds):
            raise SubgraphUnavailable("its circuit breaker is open", "breaker")
        tail = b"%bContent-Length: %d\r\n\r\n%b" % (headers, len(body), body)
        try:
            response = await self._within(self._post, tail, seconds, again)
            if response.status in LOST:
                raise LOST[response.status](f"HTTP {response.status}", "status")
        except BaseException as trouble:
            self._judge(trouble, begun, seconds)
            raise
        if self.breaker.failures:
            self.breaker.succeeded()
        if response.status >= 500 or not response.body.startswith(b"{"):
            raise SubgraphUnavailable(f"HTTP {response.status}", "status")
        return response.body

    def _judge(self, trouble: BaseException, begun: float, seconds: float) -> None:
        known = isinstance(trouble, SubgraphUnavailable) and not isinstance(trouble, SubgraphCrowded)
        if known and (seconds >= FAIR_SECONDS or not isinstance(trouble, SubgraphSlow)):
            self.breaker.failed(begun, time.monotonic())
        else:  # such as a client that has gone
            self.breaker.unheard(begun)

    async def get(self, path: str, *, seconds: float) -> Response:
        return await self._within(self._get.format(path).encode(), b"\r\n", seconds, again=True)

    async def fetch(self, path: str, headers: bytes, *, seconds: float) -> Response:
        """A file, with its headers. `headers`: complete lines."""
        found: dict[str, str] = {}
        response = await self._within(self._get.format(path).encode(), headers + b"\r\n", seconds, again=True, headers=found)
        return response._replace(headers=found)

    async def pass_on(self, path: str, body: bytes, headers: bytes, *, seconds: float) -> Response:
        """What somebody else sent, as it came. `headers`: complete lines. Never twice: whoever sent it does that."""
        head = self._get.format(path).encode().replace(b"GET ", b"POST ", 1)
        return await self._within(head, b"%bContent-Length: %d\r\n\r\n%b" % (headers, len(body), body), seconds, again=False)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    async def _within(self, head: bytes, tail: bytes, seconds: float, again: bool, headers: dict[str, str] | None = None) -> Response:
        """`head` and `tail` of the request: between them stands how much time is left."""
        if seconds <= 0:
            raise SubgraphSlow("no time was left to ask it")
        end = time.monotonic() + seconds  # the loop's clock, too
        self.retries.earn()
        try:
            if self._under_way < self.most_connections:
                self._under_way += 1
            else:
                await self._turn(end)
            try:
                return await self._asked(head, tail, end, again, headers)
            finally:
                self._next()
        except TimeoutError as error:
            raise SubgraphSlow(f"no answer in {seconds:g} s") from error
        except OSError as error:
            raise SubgraphUnavailable(str(error) or type(error).__name__) from error

    async def _turn(self, end: float) -> None:
        if self._crowd >= MOST_WAITING * self.most_connections:
            raise SubgraphCrowded
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._crowd += 1
        try:
            async with asyncio.timeout_at(end):
                await turn
        except BaseException:
            if not turn.cancelled():  # it has come in the same moment
                self._next()
            raise
        finally:
            self._crowd -= 1

    def _next(self) -> None:
        """One is through: its place is for who has waited longest, if anybody waits."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._under_way -= 1

    async def _asked(self, head: bytes, tail: bytes, end: float, again: bool, headers: dict[str, str] | None) -> Response:
        try:
            response = await self._exchange(head, tail, end, headers, self._rested())
            if response.status not in AWAY or not self._once_more(again):
                return response
        except TimeoutError:
            raise
        except OSError:
            if not self._once_more(again):
                raise
        # Over a new connection, for those that wait may be lost as well, and it may lead to another process.
        return await self._exchange(head, tail, end, headers, None)

    def _once_more(self, again: bool) -> bool:
        if not again or not self.retries.spend():
            return False
        RETRIES.labels(self.name).inc()
        return True

    async def _exchange(self, head: bytes, tail: bytes, end: float, headers: dict[str, str] | None, rested: Connection | None) -> Response:
        connection = rested or await self._connect(end)
        try:
            response = await connection.send(_timed(head, tail, end), end, headers)
        except BaseException:
            # Also when nobody waits any more: its answer must not become the next request's.
            connection.close()
            raise
        if connection.reusable and not connection.closed:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
        else:
            connection.close()
        return response

    def _rested(self) -> Connection | None:
        """The connection used last, if it is still good."""
        oldest = time.monotonic() - IDLE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    async def _connect(self, end: float) -> Connection:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout_at(end):
            _, connection = await loop.create_connection(lambda: Connection(loop), self._host, self._port, ssl=self._ssl)
        return connection


@cache
def _trusted() -> ssl.SSLContext:
    """The system's authorities, read once a process. `services.certificates.trusted` has httpx2's, which the gateway does without."""
    return ssl.create_default_context()


def _timed(head: bytes, tail: bytes, end: float) -> bytes:
    """Says until when somebody waits: what is not done by then need not be done."""
    return b"%bX-Time-Left-Ms: %d\r\n%b" % (head, max(1, (end - time.monotonic()) * 1000), tail)


@dataclass(slots=True)
class Subgraphs:
    """All of them, by the service's name."""

    by_name: Mapping[str, Subgraph]

    @classmethod
    def at(cls, urls: Mapping[str, str], most_connections: int = MOST_CONNECTIONS) -> "Subgraphs":
        return cls({name: Subgraph(url, most_connections, name) for name, url in urls.items()})

    def __call__(self, service: str, body: bytes, headers: bytes, *, seconds: float, again: bool) -> Coroutine[Any, Any, bytes]:
        return self.by_name[service].post(body, headers, seconds=seconds, again=again)

    def close(self) -> None:
        for subgraph in self.by_name.values():
            subgraph.close()
