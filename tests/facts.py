"""Waiting for facts, never for time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

FIRST_SECONDS, LONGEST_SECONDS = (
    0.02,
    0.25,
)  #: Between two looks: who has waited long may be told a little later, and leaves the machine to others.


async def until(fact: Callable[[], Awaitable[T]], *, within: float = 60.0) -> T:
    """The first truthy value of `fact()`. Fails after `within` seconds, showing the last one.

    A busy machine is slow, and no test is to fail for that: a shorter time is for what is to happen within it.
    """
    deadline = time.monotonic() + within
    pause = FIRST_SECONDS
    while True:
        value = await fact()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {within} s: {fact.__doc__ or fact}; last: {value!r}")
        await asyncio.sleep(pause)
        pause = min(pause * 1.2, LONGEST_SECONDS)
