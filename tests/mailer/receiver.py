"""Another system's web server, which says what a test has it say: yes, no, something else, slowly or nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from services.standard_webhooks import is_standard

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"


@dataclass
class Call:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.body)
        return found

    def is_signed_by(self, secret: str) -> bool:
        return is_standard(secret, self.headers, self.body, float(self.headers["webhook-timestamp"]))


@dataclass
class Receiver:
    url: str = ""
    calls: list[Call] = field(default_factory=list)
    #: What it answers to a call: bytes, or None for nothing at all, ever.
    answer: Callable[[Call], bytes | None] = lambda _: OK

    def ids(self) -> list[str]:
        return [call.headers["webhook-id"] for call in self.calls]

    async def has(self, count: int) -> bool:
        return len(self.calls) >= count

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
            call = Call(head[0].split()[1], headers, await reader.readexactly(int(headers["content-length"])))
            self.calls.append(call)
            answer = self.answer(call)
            if answer is None:
                await reader.read()  # until the other has had enough
                return
            writer.write(answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


def status(code: int, *headers: str) -> bytes:
    more = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {code} As You Like\r\n{more}content-length: 0\r\nconnection: close\r\n\r\n".encode()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    one = Receiver()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/preau"
    try:
        yield one
    finally:
        server.close()
