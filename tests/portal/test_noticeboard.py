"""What everybody is told is asked for once for all, stands for seconds, and keeps nobody waiting."""

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.portal.api import Api
from gateway.portal.noticeboard import AGAIN_SECONDS, KEPT_SECONDS, MOST_CHARACTERS, NONE, Noticeboard, that_fit
from tests.facts import until

PATIENCE_SECONDS = 60


def announcement(title: str, characters: int = 10) -> dict[str, Any]:
    town = {"structureName": "Mairie de CarteVille", "timezone": "Europe/Paris"}
    return {"title": title, "body": "é" * (characters - len(title)), "publishedAt": "2026-11-30T08:00:00Z", **town}


@dataclass
class Endpoint:
    """Tells what is announced now, once it may; counts who asks."""

    told: list[Any] | None = field(default_factory=lambda: [announcement("Grève")])
    asked: list[dict[str, Any]] = field(default_factory=list)
    speaks: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append({**scope, **await receive()})
        await self.speaks.wait()
        data = None if self.told is None else {"publicAnnouncements": self.told, "secretQuestionsOpen": bool(self.told)}
        errors = [{"message": "", "extensions": {"code": "SUBGRAPH_UNAVAILABLE"}}] if data is None else []
        await send({"type": "http.response.body", "body": json.dumps({"data": data, "errors": errors}).encode()})


@dataclass
class Board:
    """One before that, whose time is told."""

    endpoint: Endpoint
    now: float = 1_000.0

    def __post_init__(self) -> None:
        self.board = Noticeboard(Api(self.endpoint), clock=lambda: self.now)

    async def shows(self) -> list[str]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return [each["title"] for each in (await self.board.read()).announcements]

    def was_asked(self, times: int) -> Callable[[], Awaitable[bool]]:
        async def so() -> bool:
            return len(self.endpoint.asked) == times

        return so

    async def is_told(self) -> None:
        """What it asks for, as far as it may be told."""
        asking = self.board._asking
        assert asking is not None
        await asking


@asynccontextmanager
async def board(*, speaks: bool = True) -> AsyncIterator[Board]:
    one = Board(Endpoint())
    if speaks:
        one.endpoint.speaks.set()
    yield one
    one.endpoint.speaks.set()
    await one.is_told()


async def test_one_question_answers_a_thousand_visitors_and_is_nobodys() -> None:
    async with board() as one:
        shown = await asyncio.gather(*(one.shows() for _ in range(1_000)))
        assert (shown, len(one.endpoint.asked)) == ([["Grève"]] * 1_000, 1)
        (asked,) = one.endpoint.asked
        names = {name for name, _ in asked["headers"]}
        assert ("client" in asked, b"authorization" in names, json.loads(asked["body"])["variables"]) == (False, False, {})


async def test_what_was_withdrawn_stands_no_longer_once_it_is_asked_again() -> None:
    async with board() as one:
        assert await one.shows() == ["Grève"]
        one.endpoint.told = []
        one.now += AGAIN_SECONDS - 0.1
        assert (await one.shows(), len(one.endpoint.asked)) == (["Grève"], 1)
        one.now += 0.1
        assert await one.shows() == ["Grève"], "whoever comes now waits for nobody"
        await one.is_told()
        assert (await one.shows(), (await one.board.read()).secret_questions, len(one.endpoint.asked)) == ([], False, 2)


async def test_what_nobody_confirms_any_more_stands_for_seconds() -> None:
    async with board() as one:
        assert await one.shows() == ["Grève"]
        one.endpoint.told = None
        one.now += AGAIN_SECONDS
        assert await one.shows() == ["Grève"]
        await one.is_told()
        one.endpoint.speaks.clear()
        one.now += AGAIN_SECONDS
        assert await one.shows() == ["Grève"]
        await until(one.was_asked(3))
        one.now += KEPT_SECONDS - 2 * AGAIN_SECONDS
        assert await one.board.read() == NONE
        one.endpoint.told = [announcement("Fin")]
        one.endpoint.speaks.set()
        await one.is_told()
        one.now += AGAIN_SECONDS
        assert await one.shows() == ["Fin"]
        await until(one.was_asked(4))


async def test_while_nobody_answers_it_is_asked_no_second_time_and_nothing_is_shown() -> None:
    async with board(speaks=False) as one:
        for _ in range(3):
            assert await one.shows() == []
            one.now += AGAIN_SECONDS
        assert len(one.endpoint.asked) == 1


def test_the_newest_are_shown_that_are_not_too_much_together() -> None:
    longest = announcement("Longue", 10_200)
    for told, shown in (
        ([], []),
        ([longest], [0]),
        ([longest, longest], [0]),
        ([longest, longest, announcement("Courte")], [0, 2]),
        ([announcement("Une"), longest, announcement("Autre", MOST_CHARACTERS)], [0, 1]),
        ([announcement(f"{n}", MOST_CHARACTERS // 5) for n in range(5)], [0, 1, 2, 3, 4]),
    ):
        assert that_fit(told) == [told[place] for place in shown]


async def test_one_that_cannot_be_drawn_is_left_out_and_no_other() -> None:
    async with board() as one:
        edge = {"publishedAt": "0001-01-01T00:00:00Z", "timezone": "America/Martinique"}
        nowhere = {"timezone": "Europe/Carteville"}
        one.endpoint.told = [announcement("Une"), announcement("Antan") | edge, announcement("Où") | nowhere, announcement("Deux")]
        assert await one.shows() == ["Une", "Deux"]
        assert [each["day"] for each in (await one.board.read()).announcements] == [dt.date(2026, 11, 30)] * 2
