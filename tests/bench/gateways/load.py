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


class Load:
    """Many lanes, each asking the next question when it has an answer."""

    def __init__(self, port: int, requests: list[bytes], lengths: list[int], connections: int) -> None:
        self._requests, self._lengths = requests, lengths
        self._turn = 0
        self._poll = select.epoll()
        self._lanes: dict[int, Lane] = {}
        self.waits = array.array("d")  #: How long each answer took, in seconds.
        for _ in range(connections):
            one = socket.create_connection(("127.0.0.1", port))
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._lanes[one.fileno()] = Lane(one)
            self._poll.register(one, select.EPOLLIN)

    def run(self, seconds: float) -> None:
        """Raises Wrong."""
        for lane in self._lanes.values():
            self._ask(lane)
        until = time.perf_counter() + seconds
        while time.perf_counter() < until or not self.waits:
            for number, _ in self._poll.poll(seconds):
                self._read(self._lanes[number])
        for lane in self._lanes.values():
            lane.socket.close()

    def _read(self, lane: Lane) -> None:
        read = lane.socket.recv_into(BUFFER)
        if not read:
            raise Wrong("the connection was closed")
        if not lane.took(read):
            return
        self.waits.append(time.perf_counter() - lane.asked_at)
        if lane.length != self._lengths[lane.question]:
            raise Wrong(f"{lane.length} bytes, where {self._lengths[lane.question]} came before")
        self._ask(lane)

    def _ask(self, lane: Lane) -> None:
        question = self._turn % len(self._requests)
        self._turn += 1
        lane.ask(question, self._requests[question])


def main() -> None:
    port, path, connections, seconds = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    told = orjson.loads(sys.stdin.buffer.read())
    requests = [request(path, told["headers"], body) for body in BODIES]
    load = Load(port, requests, told["lengths"], connections)
    load.run(seconds)
    sys.stdout.buffer.write(load.waits.tobytes())


if __name__ == "__main__":
    main()
