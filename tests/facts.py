"""Waiting for facts, never for time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(fact: Callable[[], Awaitable[T]], *, within: float = 60.0) -> T:
    """The first truthy value of `fact()`. Fails after `within` seconds, showing the last one.

    A busy machine is slow, and no test is to fail for that: a shorter time is for what is to happen within it.
    """
    deadline = time.monotonic() + within
    while True:
        value = await fact()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {within} s: {fact.__doc__ or fact}; last: {value!r}")
        await asyncio.sleep(0.02)
