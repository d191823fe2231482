"""The three subgraphs as one process that costs next to nothing: what was asked once is answered from memory, by the request's bytes.

python -m tests.bench.gateways.subgraphs IDENTITY_PORT BOOKING_PORT BILLING_PORT KEYS
"""

import asyncio
import signal
import sys
from typing import cast

import httptools
import orjson
import uvloop

from tests.bench.gateways.family import subgraphs
from tests.gateway.fakes import Subgraph

SERVICES = ("identity", "booking", "billing")


def response(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


class Memory:
    """Of one subgraph. `keys`: identity's public keys, for GET; whatever else is got is alive."""

    def __init__(self, subgraph: Subgraph, keys: bytes) -> None:
        self._subgraph = subgraph
        self._keys = response(keys)
        self._known: dict[bytes, bytes] = {}

    def known(self, method: bytes, body: bytes) -> bytes | None:
        return self._known.get(body) if method == b"POST" else self._keys

    async def find(self, body: bytes) -> bytes:
        asked = orjson.loads(body)
        answer = await self._subgraph.answer(asked["query"], asked.get("variables") or {})
        found = self._known[body] = response(orjson.dumps(answer))
        return found


class Connection(asyncio.Protocol):
    """One request at a time, as gateways send them."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._parser = httptools.HttpRequestParser(self)
        self._chunks: list[bytes] = []
        self._work: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        body, self._chunks = b"".join(self._chunks), []
        known = self._memory.known(self._parser.get_method(), body)
        if known is not None:
            self._transport.write(known)
        else:
            self._work = asyncio.get_running_loop().create_task(self._find(body))

    async def _find(self, body: bytes) -> None:
        self._transport.write(await self._memory.find(body))


async def main(ports: list[int], keys: bytes) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    towns = subgraphs()
    for name, port in zip(SERVICES, ports, strict=True):
        memory = Memory(towns[name], keys)
        await loop.create_server(lambda memory=memory: Connection(memory), "127.0.0.1", port)  # type: ignore[misc]
    await ended.wait()


if __name__ == "__main__":
    uvloop.run(main([int(port) for port in sys.argv[1:4]], sys.argv[4].encode()))
