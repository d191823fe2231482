"""GraphQL over HTTP: POST with JSON, GET for queries; subscriptions by both, as server-sent events.

Whatever is sent, the answer is GraphQL; what went wrong inside stays in the log.
"""

import time
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from gateway.asking import EVENTS, JSON, Asked, PassedOn, bad_request, media_type, passed_on, read_get, read_post, takes_events, visitor_of
from gateway.sse import send_events
from gateway.streams import ANSWERED, Streams
from gateway.trouble import RequestError, masked
from services.telemetry import OPERATIONS, traceparent

ALLOWED = b"GET, POST"
_SECONDS = OPERATIONS.labels("gateway")

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class GraphQLEndpoint:
    """An ASGI application."""

    streams: Streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = time.perf_counter()
        headers = dict(scope["headers"])
        passing = passed_on(scope, headers)
        token = traceparent.set(passing.traceparent)
        media = JSON
        try:
            accept = headers.get(b"accept")
            media = media_type(accept)
            asked = await self._read(scope, headers, receive)
            if media == EVENTS or (takes_events(accept) and self.streams.operation(asked).kind == "subscription"):
                await self._stream(asked, passing, scope, receive, send)
                return
            status, answer = 200, await self._answer(asked, passing, post=scope["method"] == "POST")
        except RequestError as error:
            # Clients of the older media type expect 200 for what a well-formed request asks wrongly.
            media = JSON if media == EVENTS else media
            status = error.status if error.malformed or media != JSON else 200
            answer = {"errors": error.told(passing.language)}
            ANSWERED.labels("unknown", "refused").inc()
        except Exception as error:
            status, answer = 200, {"errors": [masked(error)], "data": None}
            ANSWERED.labels("unknown", "failed").inc()
        finally:
            traceparent.reset(token)
        await _send(send, status, media, _encode(answer), passing.request_id)
        _SECONDS.observe(time.perf_counter() - begun)

    async def _stream(self, asked: Asked, passing: PassedOn, scope: Scope, receive: Receive, send: Send) -> None:
        visitor = visitor_of(scope)
        if self.streams.live.is_crowded(visitor):
            raise bad_request("TOO_MANY_CONNECTIONS", status=429)
        results = self.streams.results(asked, passing, post=scope["method"] == "POST")
        with self.streams.live.streaming(visitor):
            await send_events(results, receive, send, passing.request_id)

    async def _read(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive) -> Asked:
        if scope["method"] == "POST":
            return await read_post(headers, receive)
        if scope["method"] == "GET":
            return read_get(scope["query_string"])
        raise bad_request("NO_METHOD", code="METHOD_NOT_ALLOWED", status=405)

    async def _answer(self, asked: Asked, passing: PassedOn, *, post: bool) -> dict[str, Any]:
        operation = self.streams.operation(asked)
        if operation.kind == "subscription":
            raise bad_request("NO_STREAM", code="NOT_ACCEPTABLE", status=406)
        if operation.kind != "query" and not post:
            raise bad_request("NO_CHANGE_BY_GET", code="METHOD_NOT_ALLOWED", status=405)
        plan = await self.streams.plan(operation, asked, passing)
        answer = await self.streams.engine.run(plan, asked.variables, passing.lines, passing.language)
        ANSWERED.labels(operation.kind, "partial" if answer.errors else "whole").inc()
        return {"errors": answer.errors, "data": answer.data} if answer.errors else {"data": answer.data}


async def _send(send: Send, status: int, media: bytes, body: bytes, request_id: bytes) -> None:
    headers = [
        (b"content-type", media + b"; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-request-id", request_id),
    ]
    if status == 405:
        headers.append((b"allow", ALLOWED))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
