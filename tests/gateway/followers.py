"""Clients that follow subscriptions, over server-sent events and over WebSocket, and a gateway to follow them at."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from deploy.serving import Server
from gateway.http import GraphQLEndpoint
from gateway.sockets import PROTOCOL, SocketEndpoint
from tests.gateway.fakes import Gateway

PATIENCE = 15.0


@dataclass
class Events:
    """An open stream of server-sent events."""

    response: httpx2.Response
    comments: int = 0
    retry: str = ""  #: When to come back, in milliseconds.
    _lines: AsyncIterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self._lines = self.response.aiter_lines()

    async def one(self) -> tuple[str, Any]:
        """The next event: its name and its data. ("end", None) when the stream ends."""
        async with asyncio.timeout(PATIENCE):
            name, data = "end", ""
            async for line in self._lines:
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data:"):
                    data = line.removeprefix("data:").strip()
                elif line.startswith(":"):
                    self.comments += 1
                elif line.startswith("retry:"):
                    self.retry = line.removeprefix("retry:").strip()
                elif not line and name != "end":
                    return name, json.loads(data) if data else None
            return "end", None

    async def next(self) -> Any:
        """The result that comes next."""
        name, data = await self.one()
        assert name == "next", (name, data)
        return data

    async def data(self) -> Any:
        result = await self.next()
        assert "errors" not in result, result
        return result["data"]

    async def refusal(self) -> str:
        """The code with which it ends."""
        result = await self.next()
        assert "data" not in result, result
        assert await self.one() == ("complete", None)
        return str(result["errors"][0]["extensions"]["code"])


@asynccontextmanager
async def events(
    url: str,
    query: str,
    variables: dict[str, Any] | None = None,
    *,
    token: str | None = None,
    method: str = "POST",
    last: str | None = None,
) -> AsyncIterator[Events]:
    """`last`: the Last-Event-ID of whoever comes back."""
    headers = {"accept": "text/event-stream"} | ({"authorization": f"Bearer {token}"} if token else {})
    headers |= {"last-event-id": last} if last else {}
    asked: dict[str, Any] = {"json": {"query": query, "variables": variables or {}}}
    if method == "GET":
        asked = {"params": {"query": query, "variables": json.dumps(variables or {})}}
    async with (
        httpx2.AsyncClient(base_url=url, timeout=PATIENCE, verify=False) as client,
        client.stream(method, "/graphql", headers=headers, **asked) as response,
    ):
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Events(response)


@dataclass
class Wire:
    """An open WebSocket."""

    connection: ClientConnection

    async def say(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def hear(self) -> dict[str, Any]:
        """The next message, pings aside."""
        async with asyncio.timeout(PATIENCE):
            while True:
                told: dict[str, Any] = json.loads(await self.connection.recv())
                if told["type"] != "ping":
                    return told

    async def begin(self, token: str | None = None) -> "Wire":
        await self.say(type="connection_init", payload={"Authorization": f"Bearer {token}"} if token else {})
        assert await self.hear() == {"type": "connection_ack"}
        return self

    async def follow(self, id: str, query: str, variables: dict[str, Any] | None = None) -> None:
        await self.say(type="subscribe", id=id, payload={"query": query, "variables": variables or {}})

    async def data(self, id: str) -> Any:
        """Of the result that comes next, which is this operation's."""
        told = await self.hear()
        assert (told["type"], told["id"]) == ("next", id), told
        assert "errors" not in told["payload"], told
        return told["payload"]["data"]

    async def refusal(self, id: str) -> str:
        """The code with which it ends."""
        told = await self.hear()
        assert (told["type"], told["id"]) == ("error", id), told
        return str(told["payload"][0]["extensions"]["code"])

    async def closed(self) -> int:
        """The code with which the other side closes, after whatever it says before."""
        async with asyncio.timeout(PATIENCE):
            await self.connection.wait_closed()
        assert self.connection.close_code is not None
        return self.connection.close_code


@asynccontextmanager
async def wire(url: str, *, protocol: str | None = PROTOCOL, **more: Any) -> AsyncIterator[Wire]:
    protocols = [Subprotocol(protocol)] if protocol else None
    async with connect(f"{url.replace('http', 'ws', 1)}/graphql", subprotocols=protocols, proxy=None, **more) as connection:
        yield Wire(connection)


@dataclass
class Served:
    """A gateway in this process, behind a real server."""

    gateway: Gateway
    url: str = ""
    server: Server = field(init=False)
    _running: asyncio.Task[None] = field(init=False)

    async def start(self) -> None:
        routes = [
            Route("/graphql", GraphQLEndpoint(self.gateway.streams)),
            WebSocketRoute("/graphql", SocketEndpoint(self.gateway.streams, "https://portail.example.org")),
        ]
        app = Starlette(routes=routes)
        app.state.drain = self.gateway.live.drain
        more = {"ws": "websockets-sansio", "ws_max_size": 256_000, "ws_per_message_deflate": False, "timeout_graceful_shutdown": 2}
        self.server = Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off", **more))
        self._running = asyncio.create_task(self.server.serve())
        while not self.server.started:
            await asyncio.sleep(0.01)
        self.url = f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """As SIGTERM does."""
        self.server.should_exit = True
        await self._running


@asynccontextmanager
async def served(gateway: Gateway) -> AsyncIterator[Served]:
    one = Served(gateway)
    async with gateway.live.connected():
        await one.start()
        yield one
        await one.stop()
