"""A plain TCP proxy, as a Service of Kubernetes is one: each connection goes to the next process, and stays with it.

python -m tests.bench.balancer PORT TARGET_PORT ...
"""

import asyncio
import sys
from collections.abc import Iterator
from itertools import chain, cycle, islice

READ = 65536


class Balancer:
    """Connections to 127.0.0.1, in turn; a target that is not there is passed over."""

    def __init__(self, targets: list[int]) -> None:
        self._targets = targets
        self._turns = cycle(range(len(targets)))

    async def serve(self, port: int) -> None:
        server = await asyncio.start_server(self._join, "127.0.0.1", port)
        async with server:
            await server.serve_forever()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for target in self._from(next(self._turns)):
                try:
                    there = await asyncio.open_connection("127.0.0.1", target)
                except OSError:
                    continue
                await asyncio.gather(_carry(reader, there[1]), _carry(there[0], writer))
                return
        finally:
            writer.close()

    def _from(self, first: int) -> Iterator[int]:
        return islice(chain(self._targets[first:], self._targets[:first]), len(self._targets))


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(READ):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


if __name__ == "__main__":
    _, own, *others = map(int, ["0", *sys.argv[1:]])
    asyncio.run(Balancer(others).serve(own))
