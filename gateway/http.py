"""GraphQL over HTTP: POST with JSON, GET for queries; subscriptions by both, as server-sent events.

Whatever is sent, the answer is GraphQL; what went wrong inside stays in the log.
"""

import time
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from gateway.answering import PLAIN, Form, send_answer, send_options
from gateway.asking import EVENTS, JSON, Asked, PassedOn, bad_request, media_type, passed_on, read_get, read_post, takes_events, visitor_of
from gateway.documents import Operation
from gateway.metrics import STREAMS
from gateway.seen import UNKNOWN, Seen, answered, ended, refused
from gateway.sse import send_events
from gateway.streams import Streams
from gateway.trouble import RequestError, masked
from services.telemetry import OPERATIONS
from services.waited import Waited

_SECONDS = OPERATIONS.of("gateway")

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class GraphQLEndpoint:
    """An ASGI application."""

    streams: Streams
    compresses: bool = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        passing = passed_on(scope, headers)
        if scope["method"] == "OPTIONS":
            await send_options(send, passing.request_id)
            return
        with self.streams.seen(passing, scope["method"]) as seen:
            await self._respond(seen, headers, scope, receive, send)

    async def _respond(self, seen: Seen, headers: dict[bytes, bytes], scope: Scope, receive: Receive, send: Send) -> None:
        passing = seen.passing
        begun = time.perf_counter()
        media, form = JSON, PLAIN
        try:
            accept = headers.get(b"accept")
            media = media_type(accept)
            self.streams.bounds.spend(passing)
            asked = await self._read(scope, headers, receive)
            if media == EVENTS or (takes_events(accept) and self.streams.operation(asked, passing).kind == "subscription"):
                await self._stream(asked, passing, scope, receive, send)
                return
            status = 200
            answer, form = await self._answer(asked, passing, receive, post=scope["method"] == "POST")
        except RequestError as error:
            # Clients of the older media type expect 200 for what a well-formed request asks wrongly.
            media = JSON if media == EVENTS else media
            status = error.status if error.malformed or media != JSON else 200
            answer, form = {"errors": error.told(passing.language)}, Form(wait_seconds=error.wait_seconds)
            refused(error)
        except TimeoutError:
            ended("query", "left")
            return
        except Exception as error:
            status, answer = 200, {"errors": [masked(error, passing.language)], "data": None}
            ended(UNKNOWN, "failed")
        seen.status = status
        await send_answer(send, status, media, _encode(answer), passing.request_id, headers, form)
        _SECONDS.observe(time.perf_counter() - begun)

    async def _stream(self, asked: Asked, passing: PassedOn, scope: Scope, receive: Receive, send: Send) -> None:
        visitor = visitor_of(scope)
        if self.streams.live.is_crowded(visitor):
            raise bad_request("TOO_MANY_CONNECTIONS", status=429)
        results = self.streams.results(asked, passing, post=scope["method"] == "POST")
        with STREAMS.of("sse").one_more(), self.streams.live.streaming(visitor):
            await send_events(results, receive, send, passing.request_id)

    async def _read(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive) -> Asked:
        if scope["method"] == "POST":
            return await read_post(headers, receive)
        if scope["method"] in ("GET", "HEAD"):
            return read_get(scope["query_string"])
        raise bad_request("NO_METHOD", code="METHOD_NOT_ALLOWED", status=405)

    async def _answer(self, asked: Asked, passing: PassedOn, receive: Receive, *, post: bool) -> tuple[dict[str, Any], Form]:
        """Raises RequestError. Raises TimeoutError: it was a query, and whoever asked has gone."""
        operation = self.streams.operation(asked, passing)
        if operation.kind == "subscription":
            raise bad_request("NO_STREAM", code="NOT_ACCEPTABLE", status=406)
        if operation.kind != "query" and not post:
            raise bad_request("NO_CHANGE_BY_GET", code="METHOD_NOT_ALLOWED", status=405)
        plan = await self.streams.plan(operation, asked, passing)
        running = self.streams.engine.run(plan, asked.variables, passing.lines, passing.language)
        if operation.kind == "query":
            with Waited(receive):
                answer = await running
        else:
            answer = await running
        answered(operation.kind, answer)
        if answer.errors:
            return {"errors": answer.errors, "data": answer.data} | self.streams.cost(asked, plan), self._form(operation)
        public = operation.public and not post and asked.hash is not None and passing.authorization is None
        return {"data": answer.data} | self.streams.cost(asked, plan), self._form(operation, public=public)

    def _form(self, operation: Operation, *, public: bool = False) -> Form:
        return Form(self.compresses and operation.kind == "query", public)
