"""Uvicorn's HTTP, but for one thing: the head of an answer goes out together with its body.

Uvicorn writes the two one after the other. Each write is a packet that wakes up whoever reads it, and costs what all the framing costs.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Wire(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(Together(transport, self.loop))  # type: ignore[arg-type]  # a transport in all that is asked of it


class Together:
    """A connection's transport, which keeps the head of an answer until its body comes, or else until the loop's next turn."""

    __slots__ = ("_flush", "_head", "_loop", "_transport", "is_closing")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""
        self._flush: asyncio.Handle | None = None
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
            self._transport.writelines((self._head, data))
        elif data.startswith(b"HTTP/1."):
            self._head = data
            self._flush = self._loop.call_soon(self.flush)
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """What is kept goes out."""
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
            self._transport.write(self._head)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        self.flush()
        return getattr(self._transport, name)
