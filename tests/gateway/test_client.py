"""The gateway's HTTP client against servers that misbehave: an answer or a reason in time, and no mutation twice."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from gateway import client
from gateway.breaker import CLOSED, MOST_FAILURES, OPEN
from gateway.client import Subgraph, SubgraphSlow, SubgraphUnavailable
from gateway.retries import MOST_SAVED

Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """A server whose every connection goes as the test says."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.conversation: Conversation = self.polite
        self.writers: list[asyncio.StreamWriter] = []

    async def start(self) -> Subgraph:
        self.server = await asyncio.start_server(self.connected, "127.0.0.1", 0)
        return Subgraph(f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}")

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            await self.conversation(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def request(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        self.requests.append(head + await reader.readexactly(length))
        return self.requests[-1]

    async def polite(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await self.request(reader)
            writer.write(ANSWER)

    async def stop(self) -> None:
        self.server.close()
        for writer in self.writers:
            writer.close()
        await self.server.wait_closed()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    yield server
    await server.stop()


@pytest.fixture
async def subgraph(server: Server) -> AsyncIterator[Subgraph]:
    subgraph = await server.start()
    yield subgraph
    subgraph.close()


async def test_a_connection_serves_one_request_after_another(server: Server, subgraph: Subgraph) -> None:
    for _ in range(3):
        assert await subgraph.post(b'{"query":"{a}"}', b"X-Request-Id: 7\r\n", seconds=5, again=True) == b"{}"

    assert server.connections == 1
    assert server.requests[0].startswith(b"POST /graphql HTTP/1.1\r\n")
    assert b"X-Request-Id: 7\r\n" in server.requests[0]
    assert server.requests[0].endswith(b'\r\n\r\n{"query":"{a}"}')


async def test_requests_at_once_have_connections_of_their_own_up_to_the_limit(server: Server, subgraph: Subgraph) -> None:
    few = Subgraph(subgraph.url, most_connections=3)
    await asyncio.gather(*(few.post(b"{}", b"", seconds=5, again=False) for _ in range(20)))

    assert len(server.requests) == 20
    assert server.connections <= 3
    few.close()


async def test_more_than_so_many_do_not_wait_for_a_connection_and_tell_nothing_of_the_subgraph(
    server: Server, monkeypatch: pytest.MonkeyPatch, subgraph: Subgraph
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        await reader.read()

    monkeypatch.setattr(client, "MOST_WAITING", 2)
    server.conversation, one = silent, Subgraph(subgraph.url, most_connections=3)
    asking = [asyncio.create_task(one.post(b"{}", b"", seconds=30, again=False)) for _ in range(9)]
    while len(server.requests) < 3:
        await asyncio.sleep(0)
    for _ in range(2 * MOST_FAILURES):
        with pytest.raises(SubgraphUnavailable, match="too many wait"):
            await one.post(b"{}", b"", seconds=30, again=False)
    assert one.breaker.state == CLOSED
    asking[-1].cancel()  # Who leaves makes room.
    asking[-2].cancel()
    await asyncio.wait(asking[-2:])
    with pytest.raises(SubgraphSlow):
        await one.post(b"{}", b"", seconds=0.05, again=False)
    for each in asking:
        each.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    assert (one._under_way, one._crowd) == (0, 0)
    one.close()


async def test_a_silent_server_is_given_up_in_time_and_its_connection_not_used_again(server: Server, subgraph: Subgraph) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        await reader.read()

    server.conversation = silent
    with pytest.raises(SubgraphUnavailable, match=r"no answer in 0\.05 s"):
        await subgraph.post(b"{}", b"", seconds=0.05, again=True)

    server.conversation = server.polite
    assert await subgraph.post(b"{}", b"", seconds=5, again=False) == b"{}"
    assert server.connections == 2


async def hang_up_once(server: Server) -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        server.conversation = server.polite

    server.conversation = rude


async def test_a_query_whose_connection_is_lost_is_sent_once_more(server: Server, subgraph: Subgraph) -> None:
    await hang_up_once(server)

    assert await subgraph.post(b"{}", b"", seconds=5, again=True) == b"{}"
    assert len(server.requests) == 2


async def test_a_mutation_whose_connection_is_lost_is_not(server: Server, subgraph: Subgraph) -> None:
    await hang_up_once(server)

    with pytest.raises(SubgraphUnavailable):
        await subgraph.post(b"{}", b"", seconds=5, again=False)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [502, 503])
async def test_a_query_that_nobody_is_there_for_is_sent_once_more_over_another_connection(
    server: Server, subgraph: Subgraph, status: int
) -> None:
    async def away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        writer.write(b"HTTP/1.1 %d Away\r\nContent-Length: 0\r\n\r\n" % status)
        server.conversation = server.polite
        await reader.read()

    server.conversation = away
    assert await subgraph.post(b"{}", b"", seconds=5, again=True) == b"{}"
    assert (len(server.requests), server.connections) == (2, 2)
    server.conversation = away
    subgraph.close()
    with pytest.raises(SubgraphUnavailable, match=str(status)):
        await subgraph.post(b"{}", b"", seconds=5, again=False)
    assert len(server.requests) == 3


async def test_retries_never_double_a_load(server: Server, subgraph: Subgraph) -> None:
    async def away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await server.request(reader)
            writer.write(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")

    async def lost(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)

    server.conversation = lost
    for _ in range(100):
        subgraph.breaker.succeeded()
        with pytest.raises(SubgraphUnavailable):
            await subgraph.post(b"{}", b"", seconds=5, again=True)
    assert len(server.requests) <= 100 * 1.1 + MOST_SAVED
    server.requests.clear()
    server.conversation = away  # an answer, however bad, is one
    with pytest.raises(SubgraphUnavailable):
        await subgraph.post(b"{}", b"", seconds=5, again=True)
    assert len(server.requests) == 1


async def test_a_subgraph_is_told_how_much_time_is_left(server: Server, subgraph: Subgraph) -> None:
    async def slowly_lost(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        server.conversation = server.polite
        await asyncio.sleep(0.1)

    server.conversation = slowly_lost
    await subgraph.post(b"{}", b"", seconds=5, again=True)
    await subgraph.get("/livez", seconds=2)

    first, second, other = (int(re.findall(rb"\r\nX-Time-Left-Ms: (\d+)\r\n", request)[0]) for request in server.requests)
    assert 4500 < first <= 5000
    assert second <= first - 100
    assert other <= 2000


async def test_without_any_time_left_nothing_is_sent(server: Server, subgraph: Subgraph) -> None:
    with pytest.raises(SubgraphUnavailable):
        await subgraph.post(b"{}", b"", seconds=0, again=False)
    assert server.connections == 0


async def test_an_open_breaker_answers_at_once_and_closes_when_the_subgraph_is_back(server: Server, subgraph: Subgraph) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        await reader.read()

    server.conversation = silent
    lost = await asyncio.gather(*(subgraph.post(b"{}", b"", seconds=0.5, again=True) for _ in range(MOST_FAILURES)), return_exceptions=True)
    assert {type(each).__name__ for each in lost} == {"SubgraphSlow"}
    assert subgraph.breaker.state == OPEN
    asked = len(server.requests)
    with pytest.raises(SubgraphUnavailable, match="circuit breaker"):
        await subgraph.post(b"{}", b"", seconds=5, again=True)
    assert len(server.requests) == asked

    server.conversation = server.polite
    subgraph.breaker._next_try = 0.0  # a second later
    assert await subgraph.post(b"{}", b"", seconds=5, again=True) == b"{}"
    assert subgraph.breaker.state == CLOSED


async def test_who_was_given_no_time_to_speak_of_opens_no_breaker(server: Server, subgraph: Subgraph) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        await reader.read()

    server.conversation = silent
    many = (subgraph.post(b"{}", b"", seconds=0.01, again=True) for _ in range(3 * MOST_FAILURES))
    await asyncio.gather(*many, return_exceptions=True)
    assert subgraph.breaker.state == CLOSED


async def test_who_hears_just_before_the_end_that_it_took_too_long_opens_none_either(server: Server, subgraph: Subgraph) -> None:
    """Subgraphs look at the clock themselves, and may come first."""

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        writer.write(b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 2\r\n\r\n{}")

    server.conversation = late
    for _ in range(2 * MOST_FAILURES):
        with pytest.raises(SubgraphSlow):
            await subgraph.post(b"{}", b"", seconds=0.4, again=True)
    assert subgraph.breaker.state == CLOSED
    for _ in range(MOST_FAILURES):
        with pytest.raises(SubgraphSlow):
            await subgraph.post(b"{}", b"", seconds=5, again=True)
    assert subgraph.breaker.state == OPEN


async def test_who_tries_and_leaves_keeps_nobody_else_from_trying(server: Server, subgraph: Subgraph) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        await reader.read()

    server.conversation = silent
    subgraph.breaker.state, subgraph.breaker.failures = OPEN, MOST_FAILURES
    trying = asyncio.create_task(subgraph.post(b"{}", b"", seconds=5, again=True))
    while not server.requests:
        await asyncio.sleep(0)
    trying.cancel()
    await asyncio.wait([trying])
    with pytest.raises(SubgraphSlow):
        await subgraph.post(b"{}", b"", seconds=0, again=True)  # nothing was asked, and nothing is known

    server.conversation = server.polite
    assert await subgraph.post(b"{}", b"", seconds=5, again=True) == b"{}"
    assert subgraph.breaker.state == CLOSED


async def test_nobody_there_is_a_reason(server: Server, subgraph: Subgraph) -> None:
    await server.stop()

    with pytest.raises(SubgraphUnavailable):
        await subgraph.post(b"{}", b"", seconds=5, again=True)


@pytest.mark.parametrize(
    "answer",
    [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}", b"HTTP/1.1 503 Draining\r\nContent-Length: 0\r\n\r\n"],
)
async def test_nonsense_and_server_errors_are_no_answers(server: Server, subgraph: Subgraph, answer: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        writer.write(answer)
        await reader.read()

    server.conversation = speak
    with pytest.raises(SubgraphUnavailable):
        await subgraph.post(b"{}", b"", seconds=5, again=False)


async def test_an_answer_in_pieces_is_put_together(server: Server, subgraph: Subgraph) -> None:
    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        for piece in (b"HTTP/1.1 200 OK\r\nTransfer-", b"Encoding: chunked\r\n\r\n2\r\n{", b'"\r\n4\r\na":1\r\n1\r\n}\r\n0', b"\r\n\r\n"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read()

    server.conversation = slowly
    assert await subgraph.post(b"{}", b"", seconds=5, again=False) == b'{"a":1}'


@pytest.mark.parametrize("pieces", [[b"HTTP/1.1 200 OK\r\n\r\n{}"], [b"HTTP/1.1 200 OK\r\nServer: old\r\n", b"\r\n{", b"}"]])
async def test_an_answer_that_ends_with_its_connection_is_one(server: Server, subgraph: Subgraph, pieces: list[bytes]) -> None:
    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)

    server.conversation = old
    for _ in range(2):
        assert await subgraph.post(b"{}", b"", seconds=5, again=True) == b"{}"
    assert (len(server.requests), server.connections) == (2, 2)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", b"HTTP/1.1 200 OK\r\nServer: o"])
async def test_an_answer_whose_connection_ends_before_it_does_is_lost(server: Server, subgraph: Subgraph, answer: bytes) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        writer.write(answer)

    server.conversation = cut
    with pytest.raises(SubgraphUnavailable):
        await subgraph.post(b"{}", b"", seconds=5, again=False)


def test_the_authorities_are_read_once_and_not_for_each_connection() -> None:
    one, other = Subgraph("https://identity.example"), Subgraph("https://billing.example")

    assert isinstance(one._ssl, ssl.SSLContext)
    assert one._ssl is other._ssl
    assert Subgraph("http://identity.example")._ssl is None


async def test_an_answer_that_comes_too_late_is_never_the_next_requests(server: Server, subgraph: Subgraph) -> None:
    late = asyncio.Event()

    async def lagging(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        await late.wait()
        writer.write(ANSWER.replace(b"{}", b"[]"))
        await server.polite(reader, writer)

    server.conversation = lagging
    with pytest.raises(SubgraphUnavailable):
        await subgraph.post(b"{}", b"", seconds=0.05, again=False)
    server.conversation = server.polite
    late.set()
    assert await subgraph.post(b"{}", b"", seconds=5, again=False) == b"{}"
    assert server.connections == 2
