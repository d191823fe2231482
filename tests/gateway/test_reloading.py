"""Another supergraph while families are served: nobody notices, whatever the file is."""

import asyncio
import datetime as dt
import gc
import json
import os
import signal
import weakref
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx2
import nats
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway import headline
from gateway.documents import Documents
from gateway.http import GraphQLEndpoint
from gateway.reloading import Entrance, Loaded, Reloading, by, forget_the_old
from gateway.sockets import SocketEndpoint
from gateway.supergraph import COMMITTED, Supergraph
from services import topics
from services.settings import Settings, SettingsError
from tests.facts import until
from tests.forked import Forked
from tests.gateway.fakes import Gateway, Town
from tests.gateway.followers import events, wire
from tests.nats_server import free_port
from tests.serving import at_an_address

SERVICES = ("identity", "billing", "booking", "mailer")
FAMILIES = 4
QUERY = '{ me { firstName families { balance { newBalanceCents } children { calendar(month: "2026-11") { days { date state } } } } } }'
LOGIN = "{ me { login } }"
SLOW = "{ me { login language } }"
FOLLOW = 'subscription { calendarChanged(child: "amalia", month: "2026-11") { days { date revision } } }'
WHOLE = COMMITTED.read_text(encoding="utf-8")
#: Another schema: clients do not see the login any more.
OTHER = "# by hand\n" + WHOLE.partition("\n")[2].replace("  login: String!\n", "  login: String! @inaccessible\n", 1)


@dataclass
class Services:
    """The three subgraphs behind real servers. What was asked before they answer from memory: the load is for the gateway."""

    town: Town
    gate: asyncio.Event = field(default_factory=asyncio.Event)  #: Until then no `language` is told.
    waiting: int = 0  #: for it
    known: dict[bytes, bytes] = field(default_factory=dict)

    async def is_asked(self) -> bool:
        return self.waiting > 0

    @asynccontextmanager
    async def served(self, name: str) -> AsyncIterator[str]:
        async def answer(request: Request) -> Response:
            body = await request.body()
            if b"language" in body:
                self.waiting += 1
                await self.gate.wait()
            if b"calendarChanged" in body or body not in self.known:
                asked = json.loads(body)
                self.known[body] = json.dumps(await self.town.subgraphs[name].answer(asked["query"], asked.get("variables") or {})).encode()
            return Response(self.known[body], media_type="application/json")

        routes = [Route("/graphql", answer, methods=["POST"]), Route("/livez", lambda _: PlainTextResponse("ok"))]
        async with at_an_address(Starlette(routes=routes)) as url:
            yield url


@dataclass
class Running:
    """The gateway, a process of its own."""

    client: httpx2.AsyncClient
    services: Services
    process: Forked
    file: Path
    log: Path

    async def tells(self, metric: str) -> bool:
        return metric in (await self.client.get("/metrics")).text

    async def serves(self, text: str) -> bool:
        return await self.tells(f'preau_gateway_schema_info{{sha256="{headline.fingerprint(text)}"}} 1.0')

    async def has_login(self) -> bool:
        return "errors" not in (await self.client.post("/graphql", json={"query": LOGIN})).json()

    def put(self, text: str) -> None:
        """In one step, as one should."""
        new = self.file.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(self.file)

    def hang_up(self) -> None:
        self.process.send_signal(signal.SIGHUP)


@pytest.fixture
async def running(carteville: Town, nats_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    services, file, log = Services(carteville), tmp_path / "supergraph.graphql", tmp_path / "gateway.log"
    file.write_text(WHOLE, encoding="utf-8")
    async with AsyncExitStack() as stack:
        urls = {f"{name.upper()}_URL": await stack.enter_async_context(services.served(name)) for name in SERVICES}
        port = free_port()
        environ = {**os.environ, **urls, "NATS_URL": nats_url, "PREAU_SUPERGRAPH": str(file), "PREAU_DATA": str(tmp_path)}
        process = await asyncio.to_thread(Forked, "deploy.cli", "serve", "gateway", "--port", str(port), environ=environ, output=log)
        stack.callback(process.kill)
        client = await stack.enter_async_context(httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60))

        async def ready() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                return (await client.get("/readyz")).status_code == 200
            except httpx2.HTTPError:
                return False

        await until(ready, within=60)
        yield Running(client, services, process, file, log)
        process.terminate()
        await asyncio.to_thread(process.wait, 10)


@asynccontextmanager
async def load(running: Running) -> AsyncIterator[list[int]]:
    """Families who ask without a pause. -> how often each was answered; all answers were whole and right."""
    ending, counted = asyncio.Event(), [0] * FAMILIES

    async def family(number: int) -> None:
        async with httpx2.AsyncClient(base_url=running.client.base_url, timeout=60) as client:
            while not ending.is_set():
                answer = await client.post("/graphql", json={"query": QUERY})
                assert answer.status_code == 200, answer.text
                told = answer.json()
                assert "errors" not in told, told
                assert told["data"]["me"]["families"][0]["balance"] == {"newBalanceCents": -52_55}
                counted[number] += 1
                await asyncio.sleep(0.005)

    asking = [asyncio.create_task(family(number)) for number in range(FAMILIES)]
    try:
        yield counted
    finally:
        ending.set()
        await asyncio.gather(*asking)


BROKEN = {
    "cut off": WHOLE[:60_000],
    "cut off, by another tool": OTHER.partition("  login: String!")[0],
    "with a directive that says too little": OTHER + "union More @join__type(graph: IDENTITY) @join__unionMember = Account",
    "no supergraph": "type Query { me: ID }",
    "of a service that nobody knows": OTHER.replace('name: "booking"', 'name: "bookings"'),
}


async def test_a_schema_reload_under_load_fails_no_request(running: Running, carteville: Town, nats_url: str) -> None:
    until_then = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).isoformat()
    watch = {"account": "dupont", "until": until_then, "structure": "carteville", "topics": [topics.openings("aps-matin", "2026-11")]}
    calendar = {"month": "2026-11", "days": [{"date": "2026-11-23", "state": "BOOKED", "revision": 1}]}
    carteville.subgraphs["booking"].roots |= {
        "calendarChangedWatch": {**watch, "due": True, "last": False},
        "calendarChanged": calendar,
    }
    url = str(running.client.base_url)
    async with load(running) as counted, events(url, FOLLOW) as stream, wire(url) as socket:
        await stream.data()
        await (await socket.begin()).follow("1", LOGIN)
        assert await socket.data("1") == {"me": {"login": "dupont"}}
        assert (await socket.hear())["type"] == "complete"
        # Begun by the schema of before, and still on its way when there is another.
        slow = asyncio.create_task(running.client.post("/graphql", json={"query": SLOW}))
        await until(running.services.is_asked)

        running.put(OTHER)  # nobody says so: it is seen
        await until(lambda: running.serves(OTHER))
        assert not await running.has_login()
        assert not slow.done()
        running.services.gate.set()
        assert (await slow).json()["data"]["me"]["login"] == "dupont"
        await socket.follow("2", LOGIN)
        assert await socket.refusal("2") == "GRAPHQL_VALIDATION_FAILED"

        for number, text in enumerate(BROKEN.values(), 1):
            running.put(text)
            running.hang_up()
            await until(lambda number=number: running.tells(f'preau_gateway_schema_loads_total{{outcome="refused"}} {number}.0'))  # type: ignore[misc]
            assert await running.serves(OTHER)

        for text in (WHOLE, OTHER, WHOLE):
            running.put(text)
            running.hang_up()
            await until(lambda text=text: running.serves(text))  # type: ignore[misc]
            assert await running.has_login() == (text == WHOLE)

        calendar["days"] = [{"date": "2026-11-23", "state": "BOOKED", "revision": 2}]
        await happens(nats_url)
        assert (await stream.data())["calendarChanged"]["days"][0]["revision"] == 2  # who followed follows

    assert min(counted) > 20
    assert await running.tells('preau_gateway_schema_loads_total{outcome="served"} 4.0')
    log = running.log.read_text()
    for why in (
        "it is cut off",
        "Syntax Error",
        "this is no supergraph",
        "no address is known of its subgraph bookings",
        "lacks an argument: 'graph'",
    ):
        assert log.count(why) == 1, log


async def happens(nats_url: str) -> None:
    client = await nats.connect(nats_url)
    event = {"structure": "carteville", "activity": "aps-matin", "date": "2026-11-23", "version": 2}
    await client.publish("preau.carteville.booking.capacity_changed", json.dumps(event).encode())
    await client.flush()
    await client.close()


# ------------------------------------------------------------------------------------------------------------- at start
def test_a_supergraph_that_cannot_be_served_lets_nobody_start(tmp_path: Path) -> None:
    file = tmp_path / "supergraph.graphql"

    for text in BROKEN.values():
        file.write_text(text)
        with pytest.raises(SettingsError, match=r"PREAU_SUPERGRAPH: .*supergraph.graphql cannot be served: \w"):
            Loaded.first(file, SERVICES)
    with pytest.raises(SettingsError, match="No such file"):
        Loaded.first(tmp_path / "nowhere", SERVICES)


def test_by_default_it_is_ours() -> None:
    assert Settings.from_environment({}).supergraph is None
    assert Settings.from_environment({"PREAU_SUPERGRAPH": "other.graphql"}).supergraph == Path("other.graphql")
    assert Loaded.first(COMMITTED, SERVICES).sha256 == headline.fingerprint(WHOLE)


# ---------------------------------------------------------------------------------------------------------- of the rest
async def test_a_file_is_read_once_it_rests_and_a_broken_one_once(entrance: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "supergraph.graphql"
    file.write_text(WHOLE)
    one = Reloading(file, SERVICES, Entrance(GraphQLEndpoint(entrance.streams), SocketEndpoint(entrance.streams, "")), lambda _: None, "")

    assert not one._is_due()
    for written in (WHOLE[:1000], WHOLE[:2000]):  # somebody writes to it
        file.write_text(written)
        assert not one._is_due()
    assert one._is_due()
    assert not one._is_due()
    file.unlink()
    assert not one._is_due()
    assert one._is_due(), "that it is gone is told, too"
    one.asked.set()
    assert one._is_due(), "whoever asks is answered"
    assert not one._is_due()


def test_the_schema_of_before_does_not_stay_in_memory(entrance: Gateway) -> None:
    maze, corners = (Supergraph.load((Path(__file__).parent / name / "supergraph.graphql").read_text()) for name in ("maze", "corners"))
    old = replace(entrance.streams, documents=Documents(maze), engine=replace(entrance.engine, api=maze.api))
    kinds = [weakref.ref(kind) for name, kind in maze.api.type_map.items() if name in maze.types]  # they know one another
    del maze
    gc.freeze()  # as at the start of a process

    now = by(corners, old, lambda _: None)
    del old
    forget_the_old()

    assert kinds
    assert [kind() for kind in kinds if kind() is not None] == []
    assert (now.documents.supergraph, now.engine.api) == (corners, corners.api)
    assert (now.live, now.engine.fetcher) == (entrance.streams.live, entrance.engine.fetcher)
