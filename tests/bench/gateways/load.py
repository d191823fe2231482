"""Asks a gateway the same questions in turn over so many connections, and costs little itself: no HTTP library, no event loop.

    python -m tests.bench.gateways.load PORT PATH CONNECTIONS SECONDS < headers, the lengths that the answers must have
"""

import array
import select
import socket
import sys
import time
from dataclasses import dataclass, field

import orjson

from tests.bench.gateways.home import BODIES

BUFFER = bytearray(1 << 20)


class Wrong(Exception):
    """Not the answer that it gave before."""


@dataclass(slots=True)
class Lane:
    """A connection, and the answer that is coming over it."""

    socket: socket.socket
    question: int = 0
    asked_at: float = 0.0
    head: bytearray = field(default_factory=bytearray)  #: Until it is whole.
    missing: int | None = None  #: Bytes of the body; None: the head is not in yet.
    length: int = 0

    def ask(self, question: int, request: bytes) -> None:
        self.question, self.missing = question, None
        self.head.clear()
        self.asked_at = time.perf_counter()
        self.socket.sendall(request)

    def took(self, read: int) -> bool:
        """So many bytes are in BUFFER. -> the answer is whole."""
        if self.missing is not None:
            self.missing -= read
            return self.missing <= 0
        self.head += memoryview(BUFFER)[:read]
        end = self.head.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self.head[:end]).lower()
        if not head.startswith(b"http/1.1 200"):
            raise Wrong(bytes(self.head[:2000]).decode(errors="replace"))
        at = head.find(b"content-length:")
        if at < 0:
            raise Wrong(f"no content-length: {head.decode()}")
        self.length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        self.missing = end + 4 + self.length - len(self.head)
        return self.missing <= 0


def request(path: str, headers: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\naccept: application/json\r\n{headers}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def one(port: int, path: str, headers: str, body: bytes) -> bytes:
    """The answer to one question."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        lane = Lane(connection)
        lane.ask(0, request(path, headers, body))
        told = b""
        while True:
            read = connection.recv_into(BUFFER)
            if not read:
                raise ConnectionResetError(told.decode(errors="replace") or "the connection was closed")
            told += BUFFER[:read]
            if lane.took(read):
                return told[-lane.length :]


def drive(port: int, requests: list[bytes], lengths: list[int], connections: int, seconds: float) -> "array.array[float]":
    """-> how long each took, in seconds. Raises Wrong."""
    waits = array.array("d")
    poll = select.epoll()
    lanes: dict[int, Lane] = {}
    turn = 0
    for _ in range(connections):
        one = socket.create_connection(("127.0.0.1", port))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lanes[one.fileno()] = Lane(one)
        poll.register(one, select.EPOLLIN)
    for lane in lanes.values():
        lane.ask(turn % len(requests), requests[turn % len(requests)])
        turn += 1
    until = time.perf_counter() + seconds
    now = 0.0
    while now < until:
        for number, _ in poll.poll(seconds):
            lane = lanes[number]
            read = lane.socket.recv_into(BUFFER)
            if not read:
                raise Wrong("the connection was closed")
            if lane.took(read):
                now = time.perf_counter()
                waits.append(now - lane.asked_at)
                if lane.length != lengths[lane.question]:
                    raise Wrong(f"{lane.length} bytes, where {lengths[lane.question]} came before")
                lane.ask(turn % len(requests), requests[turn % len(requests)])
                turn += 1
        now = time.perf_counter()
    for lane in lanes.values():
        lane.socket.close()
    return waits


def main() -> None:
    port, path, connections, seconds = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    told = orjson.loads(sys.stdin.buffer.read())
    requests = [request(path, told["headers"], body) for body in BODIES]
    sys.stdout.buffer.write(drive(port, requests, told["lengths"], connections, seconds).tobytes())


if __name__ == "__main__":
    main()
