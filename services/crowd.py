"""When families crowd at the counter, they go first: what nobody at a screen waits for waits until they have their answers.

Whoever serves families tells of a crowd, and whoever can wait lets it pass: in the same process at once, in others by a call that may be
lost, which costs nothing but some speed. Patience ends: a rush lasts seconds, and what lasts longer is an ordinary day with much to do.
"""

import asyncio
import math
import time

from services.bus import Bus

CALL = "crowd"
CALL_SECONDS = 0.2  #: Between two calls.
HEARD_SECONDS = 1.0  #: So long after the last word of it there is still a crowd: on a slow machine a transaction takes that long.
PEACE_SECONDS = 2.0  #: Only after that another crowd is a new one.
PATIENCE_SECONDS = 5.0  #: From a crowd's beginning on.


class Crowd:
    """One per process."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._since = self._last = self._called = -math.inf

    async def tell(self) -> None:
        """There is one now."""
        self._notice()
        if self._last - self._called >= CALL_SECONDS:
            self._called = self._last
            await self._bus.call(CALL)

    async def listen(self) -> None:
        """From now on, hear of it from other processes, too."""
        await self._bus.connected.wait()
        await self._bus.overhear(CALL, lambda _: self._notice())

    async def let_pass(self, most: float = PATIENCE_SECONDS) -> None:
        """Wait until the families have gone, or patience has; at most so many seconds."""
        end = time.monotonic() + most
        while (seconds := min(self._stays(), end - time.monotonic())) > 0:  # noqa: ASYNC110 -- nobody tells when nobody comes any more
            await asyncio.sleep(seconds)

    @property
    def is_here(self) -> bool:
        return self._stays() > 0

    def _stays(self) -> float:
        """For so many seconds, unless there is more word of it."""
        return min(self._last + HEARD_SECONDS, self._since + PATIENCE_SECONDS) - time.monotonic()

    def _notice(self) -> None:
        now = time.monotonic()
        if now - self._last >= PEACE_SECONDS:
            self._since = now
        self._last = now
