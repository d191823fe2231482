"""Ends background tasks, for sure; and knows of a process that it was told to end."""

import asyncio
from collections.abc import Iterable
from typing import Any

ENDING = "it ends"  #: Why it is not ready.
AGAIN_SECONDS = 0.5  #: Long enough for a transaction to be rolled back.


async def ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel these tasks until they are done: one word may be lost. `asyncio.wait_for`, which the broker's client is full of, loses it
    when what it waits for ends in the same moment (before Python 3.12)."""
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_SECONDS)


def told_to_end(state: object) -> bool:
    """`state`: of the ASGI application. Its server (deploy/serving.py) said so there; it answers on for a moment."""
    return bool(getattr(state, "ending", False))
