"""Work that only looks is done for as long as somebody waits for it: until their time is over, or they have gone.

What changes something is never left half way: whoever asked may have gone because they had waited long enough, and asks again.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final

#: How much longer whoever asks will wait, in milliseconds: so the gateway tells the services.
HEADER: Final = "x-time-left-ms"
#: Only what takes longer is worth looking whether somebody still waits.
LOOK_AFTER_SECONDS: Final = 0.25

Receive = Callable[[], Awaitable[Any]]


def seconds_left(header: str | None) -> float | None:
    """None: nobody says."""
    return int(header) / 1000 if header is not None and re.fullmatch(r"[0-9]{1,9}", header) else None


class Waited:
    """`with Waited(receive, seconds):` raises TimeoutError when the time is over, or the client has gone.

    `receive`: of the ASGI request, whose body has been read. As `asyncio.timeout`, with one timer for both: it is there for each request.
    """

    __slots__ = ("_cancelled_before", "_looking", "_over", "_receive", "_seconds", "_task", "_timer")

    def __init__(self, receive: Receive, seconds: float | None = None) -> None:
        self._receive = receive
        self._seconds = seconds
        self._over = False
        self._looking: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self._task, self._cancelled_before = task, task.cancelling()
        if self._seconds is None or self._seconds > LOOK_AFTER_SECONDS:
            self._timer = loop.call_later(LOOK_AFTER_SECONDS, self._look)
        else:
            self._timer = loop.call_later(self._seconds, self._end_it)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._timer.cancel()
        if self._looking is not None:
            self._looking.cancel()
        if self._over and self._task.uncancel() <= self._cancelled_before and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._looking = loop.create_task(self._until_gone())
        if self._seconds is not None:
            self._timer = loop.call_later(self._seconds - LOOK_AFTER_SECONDS, self._end_it)

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._end_it()

    def _end_it(self) -> None:
        if not self._over:
            self._over = True
            self._task.cancel()
