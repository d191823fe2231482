"""Background tasks of a process: whatever they stumble over, they begin again, and soon if it is new trouble."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from services import service


class Work:
    """It works for so many seconds each time, and then stumbles; after that it is done. Time is what it says."""

    def __init__(self, *seconds: float) -> None:
        self.now = 0.0
        self.waits: list[float] = []
        self._seconds: Iterator[float] = iter(seconds)

    async def __call__(self) -> None:
        for seconds in self._seconds:
            self.now += seconds
            raise ZeroDivisionError

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


@pytest.fixture
def begins_again(monkeypatch: pytest.MonkeyPatch) -> Any:
    async def run(*seconds: float) -> list[float]:
        work = Work(*seconds)
        monkeypatch.setattr(service.time, "monotonic", lambda: work.now)
        monkeypatch.setattr(service.asyncio, "sleep", work.sleep)
        await asyncio.wait_for(service._forever("work", work), 5)
        return work.waits

    return run


async def test_a_task_that_stumbles_begins_again_later_each_time(begins_again: Any) -> None:
    assert await begins_again(*[0] * 8) == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


async def test_a_task_that_worked_for_long_begins_again_as_soon_as_the_first_time(begins_again: Any) -> None:
    assert await begins_again(0, 0, 0, 3600, 0, 59) == [0.1, 0.2, 0.4, 0.1, 0.2, 0.4]
