"""Work that only looks is done for as long as somebody waits for it: until their time is over, or they have gone.

What changes something is never left half way: whoever asked may have gone because they had waited long enough, and asks again.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final

from services.alarms import Alarm, Alarms, alarms_of

#: How much longer whoever asks will wait, in milliseconds: so the gateway tells the services.
HEADER: Final = "x-time-left-ms"
#: Only what takes longer is worth looking whether somebody still waits.
LOOK_AFTER_SECONDS: Final = 0.25

Receive = Callable[[], Awaitable[Any]]


def seconds_left(header: str | None) -> float | None:
    """None: nobody says."""
    return int(header) / 1000 if header is not None and re.fullmatch(r"[0-9]{1,9}", header) else None


class Within:
    """`with Within(seconds):` raises TimeoutError when the time is over. As `asyncio.timeout`, at a quarter of its cost."""

    __slots__ = ("_alarm", "_begun", "_cancelled_before", "_loop", "_over", "_seconds", "_task")

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._over = False

    def __enter__(self) -> None:
        self._loop = loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        self._task, self._cancelled_before = task, task.cancelling()
        self._begun = time.monotonic()
        self._alarm = self._first(alarms_of(loop))

    def _first(self, alarms: Alarms) -> Alarm:
        assert self._seconds is not None
        return alarms.at(self._begun + self._seconds, self._end_it)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._alarm.put_off()
        if self._over and self._task.uncancel() <= self._cancelled_before and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _end_it(self) -> None:
        if not self._over:
            self._over = True
            self._task.cancel()


class Waited(Within):
    """`with Waited(receive, seconds):` raises TimeoutError when the time is over, or the client has gone.

    `receive`: of the ASGI request, whose body has been read.
    """

    __slots__ = ("_looking", "_receive")

    def __init__(self, receive: Receive, seconds: float | None = None) -> None:
        super().__init__(seconds)
        self._receive = receive
        self._looking: asyncio.Task[None] | None = None

    def _first(self, alarms: Alarms) -> Alarm:
        if self._seconds is not None and self._seconds <= LOOK_AFTER_SECONDS:
            return super()._first(alarms)
        return alarms.at(self._begun + LOOK_AFTER_SECONDS, self._look)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._looking is not None:
            self._looking.cancel()
        super().__exit__(kind, error, trace)

    def _look(self) -> None:
        self._looking = self._loop.create_task(self._until_gone())
        if self._seconds is not None:
            self._alarm = super()._first(alarms_of(self._loop))

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._end_it()
