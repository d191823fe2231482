"""Alarms ring in time, in their order and once; and what is put off costs the loop no timer."""

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from services.alarms import TICK_SECONDS, alarms_of


async def test_alarms_ring_in_their_order_and_never_early() -> None:
    loop, rung = asyncio.get_running_loop(), asyncio.Queue[tuple[int, float]]()
    alarms, begun = alarms_of(loop), loop.time()
    for n in (3, 1, 2):
        alarms.at(begun + n * 0.05, lambda n=n: rung.put_nowait((n, loop.time() - begun)))  # type: ignore[misc]

    heard = [await rung.get() for _ in range(3)]

    assert [n for n, _ in heard] == [1, 2, 3]
    assert all(seconds >= n * 0.05 - 0.001 for n, seconds in heard), heard  # uvloop's clock counts milliseconds
    assert rung.empty()


async def test_an_alarm_is_put_off_even_by_one_that_rings_in_the_same_moment() -> None:
    loop, rung, over = asyncio.get_running_loop(), list[str](), asyncio.Event()
    alarms, at = alarms_of(loop), loop.time() + 0.02
    pair = {}

    def ring(name: str, other: str) -> Callable[[], None]:
        def ringing() -> None:
            rung.append(name)
            pair[other].put_off()

        return ringing

    pair["one"] = alarms.at(at, ring("one", "two"))
    pair["two"] = alarms.at(at, ring("two", "one"))
    alarms.at(at + 2 * TICK_SECONDS, over.set)
    await over.wait()

    assert len(rung) == 1


async def test_one_that_fails_is_told_of_and_keeps_no_other_from_ringing() -> None:
    loop, failed, rung = asyncio.get_running_loop(), list[str](), asyncio.Event()
    loop.set_exception_handler(lambda _, told: failed.append(repr(told["exception"])))
    alarms, at = alarms_of(loop), loop.time() + 0.02

    def fails() -> None:
        raise RuntimeError("no")

    alarms.at(at, fails)
    alarms.at(at, rung.set)
    async with asyncio.timeout(5):
        await rung.wait()
    assert failed == ["RuntimeError('no')"]


def test_no_loop_lives_longer_for_having_alarms() -> None:
    loop = asyncio.new_event_loop()
    alarms_of(loop)
    loop.close()
    gone = weakref.ref(loop)
    del loop
    gc.collect()
    assert gone() is None


async def test_a_thousand_that_are_put_off_share_one_timer_and_leave_none(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, timers = asyncio.get_running_loop(), []
    call_at = loop.call_at

    def counted(when: float, do: Callable[..., Any], *told: Any, **more: Any) -> asyncio.TimerHandle:
        timers.append(getattr(do, "__name__", ""))
        return call_at(when, do, *told, **more)

    monkeypatch.setattr(loop, "call_at", counted)
    alarms, at = alarms_of(loop), loop.time() + 0.02
    for _ in range(1000):
        alarms.at(at, lambda: pytest.fail("it was put off")).put_off()
    await asyncio.sleep(0.02 + 3 * TICK_SECONDS)

    assert timers.count("_wake_up") == 1
    assert alarms._timer is None, "and nothing wakes the loop up any more"
    assert not alarms._by_tick
