"""What only looks is done for as long as somebody waits; what changes something is done to its end."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
import strawberry
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.routing import Route

from services import waited
from services.graphql import Info, endpoint, subgraph
from services.service import Running
from services.waited import HEADER, seconds_left
from tests.facts import until

MILLION = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000000) SELECT count(*) FROM n"
noted: list[str] = []


@strawberry.type
class Query:
    @strawberry.field
    async def million(self, info: Info) -> int:
        async with info.context.database.reading() as session:
            return int((await (await session.connection()).execute(text(MILLION))).scalar_one())

    @strawberry.field
    async def one(self, info: Info) -> int:
        async with info.context.database.reading() as session:
            return int((await (await session.connection()).execute(text("SELECT 1"))).scalar_one())

    @strawberry.field
    async def forever(self) -> int:
        noted.append("begun")
        try:
            await asyncio.sleep(3600)
        finally:
            noted.append("given up")
        return 1


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def write(self, info: Info) -> int:
        async with info.context.database.transaction() as session:
            await (await session.connection()).execute(text("CREATE TABLE written (x integer)"))
            await asyncio.sleep(0.1)
            await (await session.connection()).execute(text("INSERT INTO written VALUES (1)"))
        noted.append("written")
        return 1


SCHEMA = subgraph(query=Query, mutation=Mutation)


@pytest.fixture
async def app(running: Callable[..., Awaitable[Running]]) -> Starlette:
    noted.clear()
    one = Starlette(routes=[Route("/graphql", endpoint(SCHEMA, "toy"), methods=["POST"])])
    one.state.running = await running("identity", start=False)
    return one


@pytest.fixture
async def client(app: Starlette) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://toy.test") as client:
        yield client


async def ask(client: httpx2.AsyncClient, query: str, left: int | None = None) -> httpx2.Response:
    headers = {} if left is None else {HEADER: str(left)}
    return await client.post("/graphql", json={"query": query}, headers=headers)


@pytest.mark.parametrize(
    ("header", "seconds"), [(None, None), ("", None), ("x", None), ("-1", None), ("1e3", None), ("1500", 1.5), ("0", 0.0), ("9" * 12, None)]
)
def test_how_much_time_is_left(header: str | None, seconds: float | None) -> None:
    assert seconds_left(header) == seconds


async def test_a_query_ends_when_nobody_waits_for_it_any_more(client: httpx2.AsyncClient) -> None:
    begun = time.monotonic()
    answer = await ask(client, "{ forever }", left=30)

    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (504, "DEADLINE_EXCEEDED")
    assert noted == ["begun", "given up"]
    assert time.monotonic() - begun < 10


async def test_in_time_or_without_any_word_of_it_nothing_changes(client: httpx2.AsyncClient) -> None:
    assert (await ask(client, "{ one }", left=5000)).json() == {"data": {"one": 1}}
    assert (await ask(client, "{ one }")).json() == {"data": {"one": 1}}


async def test_the_database_is_as_good_as_before_after_many_that_were_given_up(client: httpx2.AsyncClient) -> None:
    """More than the pool has connections, at any point of what they do."""
    rest = random.Random(7)
    answers = await asyncio.gather(*(ask(client, "{ million }", left=rest.randrange(1, 60)) for _ in range(24)))
    assert 504 in {answer.status_code for answer in answers}

    after = await asyncio.gather(*(ask(client, "{ one }") for _ in range(24)))
    assert [answer.json() for answer in after] == [{"data": {"one": 1}}] * 24


async def test_what_changes_something_is_done_to_its_end(client: httpx2.AsyncClient) -> None:
    answer = await ask(client, "mutation { write }", left=1)

    assert (answer.status_code, answer.json(), noted) == (200, {"data": {"write": 1}}, ["written"])


@pytest.mark.parametrize(("query", "ends"), [("{ forever }", ["begun", "given up"]), ("mutation { write }", ["written"])])
async def test_whoever_has_gone_waits_no_more(app: Starlette, monkeypatch: pytest.MonkeyPatch, query: str, ends: list[str]) -> None:
    monkeypatch.setattr(waited, "LOOK_AFTER_SECONDS", 0.01)
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": json.dumps({"query": query}).encode()}, {"type": "http.disconnect"}]

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if len(messages) > 1 else messages[0]

    async def send(message: Any) -> None:
        """To nobody."""

    scope = {"type": "http", "method": "POST", "path": "/graphql", "headers": [], "query_string": b"", "client": ("192.0.2.1", 1)}
    await asyncio.wait_for(app(scope, receive, send), 10)

    async def over() -> bool:
        return noted == ends

    await until(over)
