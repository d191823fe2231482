"""Asks the GraphQL API within this process: as a client from outside would, under the same limits, without a network between."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.headers import FORM
from services.refusal import Language

#: Codes of errors -> what they mean for a page. Whatever else went wrong is an outage.
SIGN_IN_FIRST = frozenset({"UNAUTHENTICATED", "UNAUTHORIZED_FIELD_OR_TYPE"})
NOT_THERE = frozenset({"BAD_USER_INPUT", "FORBIDDEN"})
#: A service denies somebody whom identity tells of: it has not heard of him yet, as events come later than whoever waits for a page.
UNHEARD = "UNHEARD"
#: What identity tells of, as pages call it: who is signed in, and a town's families.
TOLD_OF = frozenset({"me", "money", "booking", "enrolled", "families"})
TOO_MUCH = frozenset({"TOO_MANY_REQUESTS", "RATE_LIMITED", "OPERATION_TOO_EXPENSIVE"})
#: Nothing is wrong, but it cannot be done this very moment: its message says so.
BUSY = "RUN_BUSY"
#: Whoever asked has left, so nothing was answered: nobody reads the page that is made of this.
GONE = "GONE"


@dataclass(frozen=True, slots=True)
class Answer:
    data: Mapping[str, Any]
    errors: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def codes(self) -> frozenset[str]:
        return frozenset(map(_code, self.errors))

    def said(self, code: str) -> str:
        """The message of the error with that code. Empty: there is none."""
        return next((str(each["message"]) for each in self.errors if (each.get("extensions") or {}).get("code") == code), "")

    @property
    def away(self) -> frozenset[str]:
        """Services that did not answer their part."""
        told = [(error.get("extensions") or {}, _code(error)) for error in self.errors]
        return frozenset(each["serviceName"] for each, code in told if "serviceName" in each and code not in NOT_THERE)


def _code(error: Mapping[str, Any]) -> str:
    more, (root, *deeper) = error.get("extensions") or {}, error.get("path") or ("",)
    denied = more.get("code") == "FORBIDDEN" and more.get("serviceName") not in (None, "identity")
    return UNHEARD if denied and deeper and root in TOLD_OF else str(more.get("code"))


@dataclass(frozen=True, slots=True)
class Api:
    endpoint: ASGIApp

    async def ask(
        self,
        request: Request | None,
        language: Language,
        document: str,
        variables: Mapping[str, Any],
        token: str | None,
        *,
        to_the_end: bool = False,
    ) -> Answer:
        """`request`: whose address and browser are told; None: nobody's. `to_the_end`: also if whoever asks hangs up."""
        said: list[bytes] = []

        async def send(message: Message) -> None:
            said.append(message.get("body", b""))

        await self.endpoint(_scope(request, language, token), _receive(None if to_the_end else request, document, variables), send)
        if not any(said):
            return Answer({}, [{"extensions": {"code": GONE}}])
        told = msgspec.json.decode(b"".join(said))
        return Answer(told.get("data") or {}, told.get("errors") or [])

    async def follow(
        self, request: Request, language: Language, document: str, variables: Mapping[str, Any], token: str | None, send: Send
    ) -> None:
        """A subscription's events, passed on as they come: server-sent events, `next` with each result, then `complete`."""
        await self.endpoint(_scope(request, language, token, b"text/event-stream"), _receive(request, document, variables), send)


def _scope(request: Request | None, language: Language, token: str | None, accept: bytes = b"application/json") -> dict[str, Any]:
    scope: Scope = {"type": "http", "headers": []} if request is None else request.scope
    passed = [(name, value) for name, value in scope["headers"] if name in FORM and name != b"accept-language"]
    passed += [(b"content-type", b"application/json"), (b"accept", accept), (b"accept-language", language.encode())]
    if token is not None:
        passed.append((b"authorization", b"Bearer " + token.encode()))
    told = {name: scope[name] for name in ("type", "asgi", "http_version", "server", "client", "scheme") if name in scope}
    return {**told, "method": "POST", "path": "/graphql", "raw_path": b"/graphql", "query_string": b"", "headers": passed, "root_path": ""}


def _receive(request: Request | None, document: str, variables: Mapping[str, Any]) -> Receive:
    body = msgspec.json.encode({"query": document, "variables": variables})
    parts = _messages(request, body)

    async def receive() -> Message:
        return await anext(parts)

    return receive


async def _messages(request: Request | None, body: bytes) -> AsyncIterator[Message]:
    """Ours, and then that the browser has gone, once it has. `request`: None: nobody is told that."""
    yield {"type": "http.request", "body": body, "more_body": False}
    if request is None:
        await asyncio.Event().wait()
        return
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            yield message
