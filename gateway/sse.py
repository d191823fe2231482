"""Server-sent events, as graphql-sse has them in its "distinct connections" mode: `next` with each result, then `complete`.

A stream that ends without `complete` was cut, by the network or because this process ends, which says after how many milliseconds to
come back (`retry`): the client connects again and gets what is true then, so no event has an id, and a `Last-Event-ID` means nothing.
"""

import asyncio
import random
from collections.abc import AsyncGenerator

from starlette.types import Receive, Send

from gateway.following import Interrupted, Result
from services.telemetry import log

#: Comments between results: proxies close what is silent for half a minute or so, and a client that has gone is noticed.
HEARTBEAT_SECONDS = 12.0
#: For one result to be taken. Whoever takes longer connects again.
SEND_SECONDS = 20.0

#: After which clients of a process that ends come back: not all in the same moment.
RETURN_MILLISECONDS = (500, 3000)

END = object()


def return_milliseconds() -> int:
    return random.randint(*RETURN_MILLISECONDS)


async def send_events(results: AsyncGenerator[Result, None], receive: Receive, send: Send, request_id: bytes) -> None:
    """Until the results end, or the client has gone."""
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),  # proxies would gather results for us
        (b"x-content-type-options", b"nosniff"),
        (b"x-request-id", request_id),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    pumping, gone = asyncio.ensure_future(_pump(results, send)), asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((pumping, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        pumping.cancel()
        gone.cancel()
        failed, _ = await asyncio.gather(pumping, gone, return_exceptions=True)
    if isinstance(failed, Exception):
        log().info("stream cut", error=repr(failed))


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _pump(results: AsyncGenerator[Result, None], send: Send) -> None:
    """Raises TimeoutError: the client takes nothing."""
    upcoming = asyncio.ensure_future(anext(results, END))
    try:
        while True:
            done, _ = await asyncio.wait((upcoming,), timeout=HEARTBEAT_SECONDS)
            if not done:
                await _write(send, b":\n\n")
                continue
            result = upcoming.result()
            if not isinstance(result, Result):
                break
            await _write(send, b"event: next\ndata: %b\n\n" % result.body)
            upcoming = asyncio.ensure_future(anext(results, END))
        await _write(send, b"event: complete\ndata:\n\n", more=False)
    except Interrupted:
        await _write(send, b"retry: %d\n\n" % return_milliseconds(), more=False)
    finally:
        upcoming.cancel()
        await asyncio.gather(upcoming, return_exceptions=True)
        await results.aclose()


async def _write(send: Send, body: bytes, *, more: bool = True) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await send({"type": "http.response.body", "body": body, "more_body": more})
