"""Alarms for what must not take too long, thousands at once: nearly all are put off unheard, so that they share the loop's timers.

A timer of the loop costs as much as it costs to write a request, and each request has five things that it waits for.
"""

import asyncio
from collections.abc import Callable
from weakref import WeakKeyDictionary, proxy

#: An alarm rings so much late, at most, and the loop wakes up so often, at most.
TICK_SECONDS = 0.01


class Alarm:
    __slots__ = ("_among", "ring")

    def __init__(self, ring: Callable[[], None], among: "set[Alarm]") -> None:
        self.ring = ring
        self._among = among
        among.add(self)

    def put_off(self) -> None:
        """It rings no more. May be said twice."""
        self._among.discard(self)


class Alarms:
    """Of one event loop."""

    __slots__ = ("_by_tick", "_loop", "_next", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = proxy(loop)  # No loop lives longer for having alarms.
        self._by_tick: dict[int, set[Alarm]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0  #: The tick of the timer.

    def at(self, seconds: float, ring: Callable[[], None]) -> Alarm:
        """`seconds`: by the loop's clock, which is the monotonic one."""
        tick = int(seconds / TICK_SECONDS) + 1
        among = self._by_tick.get(tick)
        if among is None:
            among = self._by_tick[tick] = set()
            if self._timer is None or tick < self._next:
                self._wake_up_at(tick)
        return Alarm(ring, among)

    def _wake_up_at(self, tick: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = tick
        self._timer = self._loop.call_at(tick * TICK_SECONDS, self._wake_up)

    def _wake_up(self) -> None:
        self._timer = None
        now = int(self._loop.time() / TICK_SECONDS)
        due = [self._by_tick.pop(tick) for tick in sorted(self._by_tick) if tick <= max(now, self._next)]
        self._by_tick = {tick: among for tick, among in self._by_tick.items() if among}
        if self._by_tick:
            self._wake_up_at(min(self._by_tick))
        for among in due:
            for alarm in [*among]:
                if alarm in among:  # none before it has put it off
                    alarm.put_off()
                    self._ring(alarm)

    def _ring(self, alarm: Alarm) -> None:
        try:
            alarm.ring()
        except Exception as error:  # None of the others is to wait for ever.
            self._loop.call_exception_handler({"message": "an alarm failed", "exception": error})


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Alarms] = WeakKeyDictionary()


def alarms_of(loop: asyncio.AbstractEventLoop) -> Alarms:
    found = _by_loop.get(loop)
    if found is None:
        found = _by_loop[loop] = Alarms(loop)
    return found
