"""What payment providers tell the town, passed on to billing as it came: only there is it known whether it is genuine."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gateway.asking import BODY_SECONDS, passed_on
from gateway.client import Subgraphs, SubgraphUnavailable
from gateway.headers import NOTICE, lines
from services.telemetry import log
from services.waited import Within

SECONDS = 10.0
AT_ONCE = 8  #: On connections of their own: nobody who books waits behind them.
LARGEST = 65_536  #: bytes
_NAME = re.compile(r"[a-z0-9-]{1,40}")


@dataclass(frozen=True, slots=True)
class Notices:
    subgraphs: Subgraphs

    @classmethod
    def at(cls, urls: Mapping[str, str]) -> "Notices":
        return cls(Subgraphs.at({"billing": urls["billing"]}, AT_ONCE))

    async def take(self, request: Request) -> Response:
        """As billing answers. 503, so that the provider tells it again, where billing cannot be told."""
        provider = request.path_params["provider"]
        if not _NAME.fullmatch(provider):
            return _say("no such provider\n", 404)
        try:
            body = await bounded_body(request)
        except TimeoutError:
            return _say("it took too long to come\n", 408)
        if body is None:
            return _say("too large\n", 413)
        try:
            path = f"/payments/notices/{provider}"
            answer = await self.subgraphs.by_name["billing"].pass_on(path, body, _lines(request), seconds=SECONDS)
        except SubgraphUnavailable as error:
            log().warning("a payment notice could not be passed on", provider=provider, reason=str(error))
            return _say("not now, tell it again\n", 503)
        if answer.status >= 500:
            return _say("not now, tell it again\n", 503)
        return _say(answer.body.decode(errors="replace"), answer.status)


async def bounded_body(request: Request, largest: int = LARGEST, seconds: float = BODY_SECONDS) -> bytes | None:
    """None: too large. Raises TimeoutError: it does not come."""
    body = b""
    with Within(seconds):
        async for part in request.stream():
            body += part
            if len(body) > largest:
                return None
    return body


def _lines(request: Request) -> bytes:
    """Header lines for billing: what it needs to judge the signature, the trace, and the sender's address."""
    return passed_on(request.scope, {}).lines + lines(request.scope["headers"], NOTICE)


def _say(text: str, status: int) -> Response:
    more = {"retry-after": "30"} if status == 503 else {}
    return PlainTextResponse(text, status, headers={"cache-control": "no-store", "x-content-type-options": "nosniff", **more})
