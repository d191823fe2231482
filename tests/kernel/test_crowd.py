"""Families go first: what can wait lets a crowd of them pass, and does not wait for ever."""

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services import crowd
from services.bus import Bus
from services.crowd import HEARD_SECONDS, PATIENCE_SECONDS, PEACE_SECONDS, Crowd
from services.settings import Settings
from tests.facts import until
from tests.kernel.toy import toy_running


class Afternoon:
    """A clock that only runs while somebody sleeps. Families come at these times, again and again."""

    def __init__(self, here: Crowd, comes_at: Iterable[float]) -> None:
        self.now = 0.0
        self._crowd = here
        self._comes_at: Iterator[float] = iter(comes_at)
        self._next = next(self._comes_at, None)

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        while self._next is not None and self._next <= until:
            self.now, self._next = self._next, next(self._comes_at, None)
            await self._crowd.tell()
        self.now = until


@pytest.fixture
def here() -> Crowd:
    return Crowd(Bus(Settings.from_environment({}), "toy"))


@pytest.fixture
def afternoon(here: Crowd, monkeypatch: pytest.MonkeyPatch) -> Any:
    def with_families_at(*times: float) -> Afternoon:
        one = Afternoon(here, times)
        monkeypatch.setattr(crowd, "time", SimpleNamespace(monotonic=lambda: one.now))
        monkeypatch.setattr(crowd, "asyncio", SimpleNamespace(sleep=one.sleep))
        return one

    return with_families_at


async def test_nobody_waits_where_no_crowd_was_told(here: Crowd, afternoon: Any) -> None:
    clock = afternoon()
    await here.let_pass()
    assert clock.now == 0


async def test_what_can_wait_waits_until_the_families_have_gone(here: Crowd, afternoon: Any) -> None:
    clock = afternoon(0.3, 0.6, 0.9)
    await here.tell()
    await here.let_pass()
    assert clock.now == pytest.approx(0.9 + HEARD_SECONDS)


async def test_it_may_look_up_in_between(here: Crowd, afternoon: Any) -> None:
    clock = afternoon(0.3, 0.6, 0.9)
    await here.tell()
    await here.let_pass(most=0.7)
    assert clock.now == pytest.approx(0.7)
    assert here.is_here


async def test_patience_ends_although_they_still_come(here: Crowd, afternoon: Any) -> None:
    clock = afternoon(*(n / 10 for n in range(1, 1000)))
    await here.tell()
    await here.let_pass()
    assert clock.now == pytest.approx(PATIENCE_SECONDS)
    await here.let_pass()  # It is not given again while the same crowd lasts.
    assert clock.now == pytest.approx(PATIENCE_SECONDS)


async def test_after_some_peace_another_crowd_is_waited_for_again(here: Crowd, afternoon: Any) -> None:
    clock = afternoon()
    await here.tell()
    await clock.sleep(PATIENCE_SECONDS + PEACE_SECONDS)
    await here.tell()
    assert here.is_here


async def test_a_crowd_is_told_to_other_processes(tmp_path: Path, nats_url: str) -> None:
    teller, listener = [await toy_running(nats_url, f"sqlite+aiosqlite:///{tmp_path / n}.sqlite", name=n) for n in ("teller", "listener")]
    try:
        await listener.crowd.listen()
        await teller.bus.connected.wait()

        async def told() -> bool:
            await teller.crowd.tell()
            return listener.crowd.is_here

        await until(told)
    finally:
        await asyncio.gather(teller.stop(), listener.stop())
