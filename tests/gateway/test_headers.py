"""Which headers go through, in both directions, whatever is sent: through a real server, to services that note what they got."""

import asyncio
import json
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway.app import application
from services.settings import SERVICES, Settings
from tests.gateway.fakes import Gateway, Town
from tests.gateway.followers import events, served, wire
from tests.serving import at_an_address

#: What some gateways and servers believe, and ours must not.
HOSTILE = {
    "X-Forwarded-For": "203.0.113.1",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "gopher",
    "Forwarded": "for=203.0.113.1",
    "X-Real-IP": "203.0.113.1",
    "Cookie": "session=1",
    "Keep-Alive": "timeout=1",
    "TE": "trailers",
    "Proxy-Authorization": "Basic eDp5",
    "Traceparent": "00-junk",
    "Tracestate": "x=1",
    "Baggage": "account=mayor",
    "X-Request-Id": "a b",
    "X-User-Id": "mayor",
    "X-Hasura-Role": "admin",
    "X-Time-Left-Ms": "99999999",
    "Expect": "nothing",
    "Range": "bytes=0-1",
    "If-Match": "*",
    "Accept-Encoding": "gzip",
    "X-HTTP-Method-Override": "DELETE",
    "Apollo-Require-Preflight": "1",
}
ANSWERED = {"Set-Cookie": "a=b", "Server": "x", "X-Powered-By": "x", "Access-Control-Allow-Origin": "*", "Location": "//evil.example"}
#: What each service is told, beside what it is asked with.
ALWAYS = {"host", "accept", "x-time-left-ms", "traceparent", "x-request-id", "x-forwarded-for"}
WITH_BODY = {"content-length", "content-type"}


@dataclass
class Noting:
    """All services at once: they note the headers that they got, and answer with more than is wanted."""

    heard: list[list[tuple[str, str]]] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        self.heard.append([(name.decode(), value.decode("latin-1")) for name, value in request.scope["headers"]])
        body = json.dumps({"data": {"me": {"login": "x"}, "isLiveLink": True}})
        return Response(body, media_type="application/json", headers={**ANSWERED, "etag": '"1"', "cache-control": "private"})

    def names(self) -> set[str]:
        (heard,) = self.heard
        names = [name for name, _ in heard]
        assert len(names) == len(set(names)), names
        told = dict(heard)
        assert told["x-forwarded-for"] == "127.0.0.1"
        assert told["host"].startswith("127.0.0.1:")
        assert told["traceparent"] != HOSTILE["Traceparent"]
        assert told["x-request-id"] != HOSTILE["X-Request-Id"]
        assert int(told["x-time-left-ms"]) < 60_000
        self.heard.clear()
        return set(names)


def behind_a_server(app: ASGIApp) -> AbstractAsyncContextManager[str]:
    """As deploy/serving.py has it."""
    return at_an_address(app, http="httptools", proxy_headers=False, server_header=False)


async def send(url: str, line: str, headers: dict[str, str], body: bytes = b"") -> tuple[bytes, bytes]:
    """A request, byte by byte as it is written here. -> head and body of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    if body:
        told += f"Content-Length: {len(body)}\r\n"
    writer.write(f"{line} HTTP/1.1\r\n{told}\r\n".encode() + body)
    head, _, rest = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
    writer.close()
    return head.lower(), rest


async def test_the_services_get_what_the_table_names_and_clients_what_is_ours() -> None:
    services = Noting()
    everything = Starlette(routes=[Route("/{path:path}", services.answer, methods=["GET", "POST"])])
    async with behind_a_server(everything) as url:
        urls = {f"{service.upper()}_URL": url for service in SERVICES}
        async with behind_a_server(application(Settings.from_environment(urls))) as gateway:
            mine = {"Host": "evil.example", "Connection": "close, authorization", "Authorization": "Bearer t", "Accept-Language": "en"}
            sent = {**HOSTILE, **mine, "User-Agent": "x", "Content-Type": "application/json"}
            query = b'{"query": "{ me { login } }"}'

            head, body = await send(gateway, "POST /graphql", sent, query)
            assert json.loads(body) == {"data": {"me": {"login": "x"}}}
            assert services.names() == ALWAYS | WITH_BODY | {"authorization", "accept-language", "user-agent"}
            for name in ANSWERED:
                assert name.lower().encode() + b":" not in head, head

            await send(gateway, "GET /graphql?query={me{login}}", sent)
            assert services.names() == ALWAYS | WITH_BODY | {"authorization", "accept-language", "user-agent"}

            head, _ = await send(gateway, "GET /files/billing/x.pdf", {**sent, "If-None-Match": '"0"'})
            assert services.names() == ALWAYS | {"accept-language", "if-none-match"}
            assert b'etag: "1"' in head
            for name in ANSWERED:
                assert name.lower().encode() + b":" not in head, head

            await send(gateway, "POST /payments/notices/stripe", {**sent, "Stripe-Signature": "s"}, b"{}")
            assert services.names() == ALWAYS | WITH_BODY | {"stripe-signature"}

            await send(gateway, f"GET /courriel/confirmer?jeton={'a' * 43}", sent)
            assert services.names() == ALWAYS | WITH_BODY | {"accept-language", "user-agent"}


async def test_over_a_stream_or_a_socket_no_more_goes_through(carteville: Town) -> None:
    async with served(Gateway(carteville)) as one:
        async with wire(one.url, additional_headers={"Cookie": "a=b", "X-User-Id": "mayor", "Accept-Language": "en"}) as socket:
            hostile = {"Host": "evil", "X-Forwarded-For": "203.0.113.1", "Cookie": "a=b", "traceparent": "junk", "Content-Length": "0"}
            await socket.say(type="connection_init", payload={"Authorization": "Bearer t", **hostile})
            assert await socket.hear() == {"type": "connection_ack"}
            await socket.follow("1", "{ me { login } }")
            assert await socket.data("1") == {"me": {"login": "dupont"}}
        over_socket = carteville.calls.pop()
        async with events(one.url, "{ me { login } }", token="t") as stream:
            assert await stream.data() == {"me": {"login": "dupont"}}
        over_stream = carteville.calls.pop()

    for call in (over_socket, over_stream):
        told = dict(line.split(": ", 1) for line in call.headers.strip().split("\r\n"))
        assert told.keys() <= {"Authorization", "Accept-Language", "User-Agent", "traceparent", "X-Request-Id", "X-Forwarded-For"}
        assert (told["Authorization"], told["X-Forwarded-For"]) == ("Bearer t", "127.0.0.1")
        assert told["traceparent"].startswith("00-")


@pytest.mark.parametrize("value", ["a\r\nX-Admin: 1", "a\nb", "a\0"])
async def test_no_header_is_smuggled_in_another(carteville: Town, value: str) -> None:
    async with served(Gateway(carteville)) as one, wire(one.url) as socket:
        await socket.say(type="connection_init", payload={"Authorization": value})
        assert await socket.closed() == 4400
