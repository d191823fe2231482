"""What browsers make of /graphql: pages of other sites are let in where the town says so, and kept out elsewhere.

A POST is JSON and a token is a header, so no page of another site can send either without its browser asking here first. What it
can do unasked is a bare GET, which changes nothing and carries no token; all the same it is refused, unless the document is trusted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.asking import bad_request
from gateway.headers import ASKED_FIRST, READ
from gateway.trouble import RequestError
from services.refusal import language_of

PREFLIGHT_SECONDS = 7200  #: As long as browsers remember it at most.
#: With one of these a browser asks first (apart from the content type, whose value matters).
FORCING = (b"authorization", b"apollo-require-preflight", b"x-apollo-operation-name")
VARY = (b"vary", b"origin")  #: Wherever origins matter: no cache may mix them.
SIMPLE = (b"", b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data")


@dataclass(frozen=True, slots=True)
class Browsers:
    """An ASGI application before another."""

    app: ASGIApp
    origins: frozenset[bytes] = frozenset()  #: https://portail.example.fr
    page: ASGIApp | None = None  #: For who opens the address without asking anything (exploring.py).

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        if self.page is not None and _wants_a_page(scope, headers):
            await self.page(scope, receive, send)
            return
        origin = headers.get(b"origin")
        if origin is not None and origin in self.origins:
            if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
                await _answer(send, 204, _preflight(origin))
                return
            send = _with(send, _readable(origin))
        elif scope["method"] in ("GET", "HEAD") and _comes_unasked(headers) and _brings_a_text(scope["query_string"]):
            refused = bad_request("CROSS_SITE_REQUEST", status=403)
            await _answer(send, 403, [(b"content-type", b"application/json; charset=utf-8")], _body(refused, headers))
            return
        await self.app(scope, receive, _with(send, [VARY]) if self.origins else send)


def _wants_a_page(scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
    return scope["method"] == "GET" and not scope["query_string"] and b"text/html" in headers.get(b"accept", b"")


def _comes_unasked(headers: Mapping[bytes, bytes]) -> bool:
    """From a page of another site, whose browser asked nobody whether it may."""
    if not _is_elsewhere(headers):
        return False
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    return kind in SIMPLE and not any(name in headers for name in FORCING)


def _is_elsewhere(headers: Mapping[bytes, bytes]) -> bool:
    """As the browser says; one too old to say it tells the page's address at least, unless the page forbids it."""
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site not in (b"none", b"same-origin")
    page = headers.get(b"origin") or headers.get(b"referer")
    return page is not None and page.partition(b"://")[2].partition(b"/")[0].lower() != headers.get(b"host", b"").lower()


def _brings_a_text(query_string: bytes) -> bool:
    """Not a hash alone, which names a document that changes nothing and that the town knows."""
    try:
        return b"query" in parse_qs(query_string, max_num_fields=20)
    except ValueError:
        return True


def _preflight(origin: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", b"GET, POST"),
        (b"access-control-allow-headers", ASKED_FIRST),
        (b"access-control-max-age", b"%d" % PREFLIGHT_SECONDS),
        VARY,
    ]


def _readable(origin: bytes) -> list[tuple[bytes, bytes]]:
    """Lets a page read the answer. Never with cookies: there are none."""
    return [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", READ)]


def _with(send: Send, more: list[tuple[bytes, bytes]]) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    return sending


def _body(refused: RequestError, headers: Mapping[bytes, bytes]) -> bytes:
    language = language_of(headers.get(b"accept-language", b"").decode("latin-1"))
    return msgspec.json.encode({"errors": refused.told(language)})


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> None:
    common: list[Any] = [(b"content-length", b"%d" % len(body))] if body else []
    common += [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *common]})
    await send({"type": "http.response.body", "body": body})
