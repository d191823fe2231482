"""GraphQL over WebSocket, by the protocol `graphql-transport-ws`: one socket carries several operations, each with an id of the client's.

The token comes with the handshake, or in the payload of `connection_init`. There is no cookie, so no page of another site acts for a
family; all the same such a page is refused by its Origin.
"""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec
from prometheus_client import Gauge
from starlette.types import Message, Receive, Scope, Send

from gateway.asking import Asked, PassedOn, asked_of, passed_on, visitor_of
from gateway.following import Interrupted
from gateway.headers import LARGEST, OPERATION
from gateway.metrics import STREAMS
from gateway.sse import return_milliseconds
from gateway.streams import Streams
from gateway.trouble import RequestError
from services.ending import told_to_end
from services.telemetry import log

PROTOCOL = "graphql-transport-ws"
MOST_OPERATIONS = 10  #: At once on one socket: a screen follows two or three.
MOST_SOCKETS = 5000
LARGEST_MESSAGE = 256_000  #: bytes; the longest document that limits.py lets pass, and its variables
LONGEST_ID = 200
LONGEST_REASON = 123  #: bytes, of a closing frame
INIT_SECONDS = 5.0
#: Pings that we send; the server's own (ws_ping_interval) tell it whether the other side still lives.
HEARTBEAT_SECONDS = 12.0
#: A socket that carries nothing.
IDLE_SECONDS = 60.0
#: For one message to be taken. Whoever takes longer connects again.
SEND_SECONDS = 20.0

#: For the answers to what was asked once, when the process ends: less than it waits for its streams (live.py).
LAST_SECONDS = 0.8

SOCKETS = Gauge("preau_gateway_sockets", "WebSockets that are open now")

_decode = msgspec.json.decode
_encode = msgspec.json.encode


class Close(Exception):
    """The socket ends, with this code. The protocol's own are 44xx."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def _invalid(reason: str) -> Close:
    return Close(4400, reason)


@dataclass(slots=True)
class SocketEndpoint:
    """An ASGI application."""

    streams: Streams
    public_url: str
    origins: frozenset[bytes] = frozenset()  #: Other sites whose pages may connect.
    _open: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        visitor = visitor_of(scope)
        refused = self._why_not(scope, visitor)
        if refused is not None:
            await _refuse(scope, send, refused)
            return
        if PROTOCOL not in scope["subprotocols"]:
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 4406, "reason": "Subprotocol not acceptable"})
            return
        await send({"type": "websocket.accept", "subprotocol": PROTOCOL})
        self._open += 1
        try:
            with SOCKETS.track_inprogress(), STREAMS.of("websocket").one_more(), self.streams.live.streaming(visitor):
                await Socket(self, scope, receive, send).serve()
        finally:
            self._open -= 1

    def _why_not(self, scope: Scope, visitor: str | None) -> int | None:
        """The status that says why it may not connect."""
        if not self._is_at_home(scope):
            return 403
        if self._open >= MOST_SOCKETS or self.streams.live.ending.is_set() or told_to_end(scope["app"].state):
            return 503
        return 429 if self.streams.live.is_crowded(visitor) else None

    def _is_at_home(self, scope: Scope) -> bool:
        """Only browsers say where a page is from: what is no page of ours may not connect."""
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        if origin is None or origin in self.origins:
            return True
        page = urlsplit(origin.decode("latin-1")).netloc
        return page in (headers.get(b"host", b"").decode("latin-1"), urlsplit(self.public_url).netloc)


async def _refuse(scope: Scope, send: Send, status: int) -> None:
    """Before it is a socket."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})  # HTTP 403
        return
    await send({"type": "websocket.http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "websocket.http.response.body", "body": b""})


@dataclass(slots=True)
class Socket:
    """One connection."""

    endpoint: SocketEndpoint
    scope: Scope
    receive: Receive
    send: Send
    _passing: PassedOn | None = None  #: None until `connection_init`.
    _operations: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _since: float = 0.0  #: When it began to carry nothing.
    _failed: asyncio.Event = field(default_factory=asyncio.Event)  #: It takes no messages any more.

    @property
    def streams(self) -> Streams:
        """Those of now: what the socket is asked later, another supergraph may answer."""
        return self.endpoint.streams

    async def serve(self) -> None:
        self._since = asyncio.get_running_loop().time()
        waits = [asyncio.ensure_future(each) for each in (self._read(), self._beat(), self._ended(), self._failed.wait())]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            await self._close(next((each.exception() for each in done if each.exception()), None))
        finally:
            for task in (*waits, *self._operations.values()):
                task.cancel()
            await asyncio.gather(*waits, *self._operations.values(), return_exceptions=True)

    async def _close(self, why: BaseException | None) -> None:
        if why is None:
            return
        if not isinstance(why, Close):
            log().error("socket failed", error=repr(why), exc_info=why)
            why = Close(1011, "Something went wrong on our side.")
        reason = why.reason.encode()[:LONGEST_REASON].decode(errors="ignore")
        await self._write({"type": "websocket.close", "code": why.code, "reason": reason})

    # ------------------------------------------------------------------------------------------- what ends it
    async def _ended(self) -> None:
        await self.streams.live.ending.wait()
        if self._operations:  # What is followed ends now by itself.
            await asyncio.wait([*self._operations.values()], timeout=LAST_SECONDS)
        raise Close(1012, f"Service restart: come back in {return_milliseconds()} ms")

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(INIT_SECONDS)
        if self._passing is None:
            raise Close(4408, "Connection initialisation timeout")
        while self._operations or loop.time() < self._since + IDLE_SECONDS:
            await self._tell({"type": "ping"})
            await asyncio.sleep(HEARTBEAT_SECONDS)
        raise Close(1000, "Idle")

    # ------------------------------------------------------------------------------------------- what comes in
    async def _read(self) -> None:
        while True:
            message = await self.receive()
            if message["type"] == "websocket.disconnect":
                return
            await self._take(_message(message))

    async def _take(self, told: dict[str, Any]) -> None:
        match told["type"]:
            case "connection_init":
                await self._init(told.get("payload"))
            case "ping":
                await self._tell({"type": "pong"} | ({"payload": told["payload"]} if "payload" in told else {}))
            case "pong":
                pass
            case "subscribe":
                await self._subscribe(_id(told), told.get("payload"))
            case "complete":
                self._stop(_id(told))
            case other:
                raise _invalid(f"There is no message {str(other)[:40]!r}")

    async def _init(self, payload: Any) -> None:
        if self._passing is not None:
            raise Close(4429, "Too many initialisation requests")
        if not isinstance(payload, dict | None):
            raise _invalid("The payload of connection_init is an object")
        self._passing = passed_on(self.scope, dict(self.scope["headers"]) | _headers(payload or {}))
        await self._tell({"type": "connection_ack"})

    async def _subscribe(self, id: str, payload: Any) -> None:
        if self._passing is None:
            raise Close(4401, "Unauthorized")
        if id in self._operations:
            raise Close(4409, f"Subscriber for {id} already exists")
        try:
            if not isinstance(payload, dict):
                raise _invalid("The payload of subscribe is an object")
            asked = asked_of(payload)
        except RequestError as error:
            raise _invalid(str(error)) from error
        if len(self._operations) >= MOST_OPERATIONS:
            refused = RequestError.said("TOO_MANY_SUBSCRIPTIONS", "TOO_MANY_OPERATIONS", most=MOST_OPERATIONS)
            await self._tell({"type": "error", "id": id, "payload": refused.told(self._passing.language)})
            return
        self._operations[id] = asyncio.create_task(self._carry(id, asked, self._passing))

    def _stop(self, id: str) -> None:
        """The client wants no more of it."""
        task = self._operations.pop(id, None)
        if task is not None:
            task.cancel()
            self._rested()

    # ------------------------------------------------------------------------------------------- what goes out
    async def _carry(self, id: str, asked: Asked, passing: PassedOn) -> None:
        """One operation, until it is complete."""
        end: dict[str, Any] = {"type": "complete", "id": id}
        try:
            with self.streams.seen(passing):
                await self._results(id, asked, passing, end)
        except Interrupted:  # not complete: the socket is closed, and says why
            return
        self._operations.pop(id, None)  # from here on the client may use the id again
        self._rested()
        await self._tell(end)

    async def _results(self, id: str, asked: Asked, passing: PassedOn, end: dict[str, Any]) -> None:
        async with aclosing(self.streams.results(asked, passing)) as results:
            async for result in results:
                if result.refused:
                    end |= {"type": "error", "payload": result.refused}
                else:
                    await self._tell({"type": "next", "id": id, "payload": msgspec.Raw(result.body)})

    def _rested(self) -> None:
        if not self._operations:
            self._since = asyncio.get_running_loop().time()

    async def _tell(self, message: Mapping[str, Any]) -> None:
        await self._write({"type": "websocket.send", "text": _encode(message).decode()})

    async def _write(self, message: Message) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self.send(message)
        except (TimeoutError, OSError) as error:
            log().info("socket cut", error=repr(error))
            self._failed.set()


def _message(message: Message) -> dict[str, Any]:
    """Raises Close."""
    text = message.get("text")
    if text is None or len(text) > LARGEST_MESSAGE:
        raise _invalid("Messages are JSON objects, in text, not too large")
    try:
        told = _decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise _invalid("The message is not JSON") from error
    if not isinstance(told, dict) or not isinstance(told.get("type"), str):
        raise _invalid("A message is an object with a type")
    return told


def _id(told: Mapping[str, Any]) -> str:
    """Raises Close."""
    id = told.get("id")
    if not isinstance(id, str) or not 0 < len(id) <= LONGEST_ID:
        raise _invalid("The id is a text, neither empty nor too long")
    return id


def _headers(payload: Mapping[str, Any]) -> dict[bytes, bytes]:
    """Those of the payload that the services are told, as if they had come with the handshake. Raises Close."""
    found = {}
    for name, value in payload.items():
        if name.lower().encode() in OPERATION:
            if not isinstance(value, str) or not value.isascii() or not value.isprintable() or len(value) > LARGEST:
                raise _invalid(f"{name} is a text of printable characters, not too long")
            found[name.lower().encode()] = value.encode()
    return found
