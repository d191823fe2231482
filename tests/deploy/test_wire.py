"""The head of an answer goes out with its body, and alone where the body lets wait for itself."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from deploy.wire import Together, Wire
from tests.serving import at_an_address

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Recorded:
    """A transport that notes what goes out together."""

    def __init__(self) -> None:
        self.packets: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.packets.append(data)

    def writelines(self, parts: Any) -> None:
        self.packets.append(b"".join(parts))

    def close(self) -> None:
        self.packets.append("closed")

    def is_closing(self) -> bool:
        return False


@pytest.fixture
async def recorded() -> Recorded:
    return Recorded()


@pytest.fixture
async def together(recorded: Recorded) -> Together:
    return Together(recorded, asyncio.get_running_loop())  # type: ignore[arg-type]


async def test_head_and_body_are_one_packet(recorded: Recorded, together: Together) -> None:
    for body in (b"{}", b"HTTP/1.1 is no head here"):
        together.write(HEAD)
        together.write(body)
    together.write(b"more")
    await asyncio.sleep(0)
    assert recorded.packets == [HEAD + b"{}", HEAD + b"HTTP/1.1 is no head here", b"more"]


async def test_a_head_alone_waits_for_no_more_than_the_next_turn(recorded: Recorded, together: Together) -> None:
    together.write(HEAD)
    assert recorded.packets == []
    await asyncio.sleep(0)
    assert recorded.packets == [HEAD]
    together.write(HEAD)
    together.close()
    await asyncio.sleep(0)
    assert recorded.packets == [HEAD, HEAD, "closed"]


async def test_answers_of_each_kind_come_whole() -> None:
    gate = asyncio.Event()

    async def plain(_: Request) -> Response:
        return PlainTextResponse("x" * 100_000)

    async def slow(_: Request) -> Response:
        async def parts() -> AsyncIterator[str]:
            await gate.wait()
            yield "late"

        return StreamingResponse(parts())

    app = Starlette(routes=[Route("/plain", plain), Route("/slow", slow)])
    async with at_an_address(app, http=Wire) as url, httpx2.AsyncClient(base_url=url, timeout=60) as client:
        for _ in range(2):  # over one connection
            assert (await client.get("/plain")).text == "x" * 100_000
        assert (await client.head("/plain")).headers["content-length"] == "100000"
        assert (await client.get("/nowhere", headers={"connection": "close"})).status_code == 404
        async with client.stream("GET", "/slow") as answer:  # its head is here, before there is a body
            assert answer.status_code == 200
            gate.set()
            assert await answer.aread() == b"late"
