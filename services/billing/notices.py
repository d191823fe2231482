"""Where payment providers tell that something happened: noted first, answered then, and never believed (S19)."""

import time

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from services.billing import cashier, paying
from services.billing.provider import LARGEST_NOTICE
from services.service import Running


async def take_notice(request: Request) -> Response:
    """200 for what is genuine, also about nothing of ours: it would only come again. 400: forged, too old, or nothing at all."""
    running: Running = request.app.state.running
    provider = cashier.providers(running).get(request.path_params["provider"])
    if provider is None:
        return PlainTextResponse("no such provider\n", 404)
    body = await _body(request)
    if body is None:
        return PlainTextResponse("too large\n", 413)
    notice = provider.read(request.headers, body, time.time())
    if notice is None or not notice.session.isascii() or not notice.session.isprintable():
        return PlainTextResponse("not understood, or not believed\n", 400)
    async with running.database.transaction("notice") as session:
        known = await paying.keep_notice(session, running.clock, provider.name, notice.session, body)
    if known:
        cashier.wake(running)
    return PlainTextResponse("noted\n")


async def _body(request: Request) -> bytes | None:
    """None: too large."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_NOTICE:
            return None
    return body


ROUTES = [Route("/payments/notices/{provider}", take_notice, methods=["POST"])]
