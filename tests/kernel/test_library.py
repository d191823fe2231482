"""What many requests ask for at the same time is looked up together, and nobody's mistake is anybody else's."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from services.library import Library
from services.service import Running

Run = Callable[..., Awaitable[Running]]


class Shelf:
    """Looks up the length of words, and notes which it was asked for together."""

    def __init__(self) -> None:
        self.asked: list[set[str]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def lengths(self, session: AsyncSession, words: list[str]) -> dict[str, int]:
        self.asked.append(set(words))
        await self.open.wait()
        if "bad" in words:
            raise ValueError("bad")
        return {word: len(word) for word in words if word != "missing"}


@pytest.fixture
async def library(running: Run) -> Library:
    return Library((await running("booking", start=False)).database)


async def test_who_asks_at_the_same_time_is_answered_by_one_look(library: Library) -> None:
    shelf = Shelf()
    one, two = await asyncio.gather(library.find(shelf.lengths, ["a", "bb"]), library.find(shelf.lengths, ["bb", "missing"]))
    assert shelf.asked == [{"a", "bb", "missing"}]
    assert (one["a"], two["bb"], two.get("missing")) == (1, 2, None)


async def test_who_asks_while_others_are_answered_is_answered_by_a_later_look(library: Library) -> None:
    """What somebody has just written is never missing in what he reads then."""
    shelf = Shelf()
    shelf.open.clear()
    first = asyncio.create_task(library.find(shelf.lengths, ["a"]))
    while not shelf.asked:
        await asyncio.sleep(0)
    second = asyncio.create_task(library.find(shelf.lengths, ["a"]))
    await asyncio.sleep(0)
    shelf.open.set()
    await asyncio.gather(first, second)
    assert shelf.asked == [{"a"}, {"a"}]


async def test_keys_that_nobody_can_look_up_hurt_nobody_else(library: Library) -> None:
    shelf = Shelf()
    found: list[Any] = await asyncio.gather(
        *(library.find(shelf.lengths, [word]) for word in ("good", "bad", "fine")), return_exceptions=True
    )
    assert (found[0]["good"], found[2]["fine"]) == (4, 4)
    assert isinstance(found[1], ValueError)
    assert (await library.find(shelf.lengths, ["again"]))["again"] == 5


async def test_who_gives_up_leaves_the_others_their_answer(library: Library) -> None:
    shelf = Shelf()
    gone = asyncio.create_task(library.find(shelf.lengths, ["gone"]))
    stays = asyncio.create_task(library.find(shelf.lengths, ["stays"]))
    await asyncio.sleep(0)
    gone.cancel()
    assert (await stays)["stays"] == 5
