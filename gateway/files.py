"""Files: what browsers and calendar programs fetch by a link that is its own permission, passed to the service that made the link.

`/ics/...` is booking's; `/files/<service>/...` is for each service that writes files. The gateway knows nothing of what is in them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gateway.asking import passed_on
from gateway.client import Subgraphs, SubgraphUnavailable
from gateway.headers import FILE, FILE_ANSWERED, lines
from gateway.texts import say
from services.refusal import language_of
from services.telemetry import log

SECONDS = 30.0  #: A large file takes a while to write, and may wait for others.
AT_ONCE = 8  #: Files of one service; further ones wait, on connections of their own, so that nobody who books waits behind them.
LONGEST = 16_000  #: characters of a path
_PATH = re.compile(rb"(/[\w~-][\w.~-]*)+", re.ASCII)
#: A link is a secret: no page may learn it as where somebody came from, and no search engine keeps it.
SECURITY = {
    "content-security-policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex",
}


@dataclass(frozen=True, slots=True)
class Files:
    subgraphs: Subgraphs

    @classmethod
    def at(cls, urls: Mapping[str, str]) -> "Files":
        return cls(Subgraphs.at(urls, AT_ONCE))

    async def calendar(self, request: Request) -> Response:
        return await self._fetch("booking", request)

    async def file(self, request: Request) -> Response:
        service = request.path_params["service"]
        return await self._fetch(service, request) if service in self.subgraphs.by_name else _no(request, "NO_FILE", 404)

    async def _fetch(self, service: str, request: Request) -> Response:
        path = request.scope["raw_path"]
        if len(path) > LONGEST or not _PATH.fullmatch(path):
            return _no(request, "NO_FILE", 404)
        try:
            answer = await self.subgraphs.by_name[service].fetch(path.decode(), _lines(request), seconds=SECONDS)
        except SubgraphUnavailable as error:
            log().warning("file unavailable", subgraph=service, reason=str(error))
            return _no(request, "AWAY", 503)
        if answer.status >= 500:
            return _no(request, "AWAY", 503)
        if answer.status == 404 and "cache-control" not in answer.headers:  # No word of a file: it has no such pages at all.
            return _no(request, "NO_FILE", 404)
        passed = {name: value for name, value in answer.headers.items() if name in FILE_ANSWERED}
        return Response(answer.body, answer.status, headers={**passed, **SECURITY})


def _lines(request: Request) -> bytes:
    """Header lines for the service: the client's own two, its trace and its address."""
    return passed_on(request.scope, {}).lines + lines(request.scope["headers"], FILE)


def _no(request: Request, code: str, status: int) -> Response:
    text = say(code, language_of(request.headers.get("accept-language")))
    more: Mapping[str, str] = {"retry-after": "10"} if status == 503 else {}
    return PlainTextResponse(text, status, headers={"cache-control": "no-store", **SECURITY, **more})
