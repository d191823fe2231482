"""The gateway's whole process over real HTTP: all services on ports of their own, and what operators look at."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from deploy import doctor
from gateway import app as gateway_app
from gateway.app import application
from gateway.headers import are_too_large
from services.settings import SERVICES, Settings
from tests.gateway.fakes import Town


@dataclass
class Service:
    """One subgraph behind a real server."""

    name: str
    town: Town
    alive: bool = True
    keys_asked: int = 0
    says: dict[str, Any] | None = None  #: whatever it is asked
    server: Any = field(default=None, repr=False)

    async def graphql(self, request: Request) -> JSONResponse:
        if self.says is not None:
            return JSONResponse(self.says)
        asked = await request.json()
        return JSONResponse(await self.town.subgraphs[self.name].answer(asked["query"], asked.get("variables") or {}))

    async def livez(self, _: Request) -> PlainTextResponse:
        return PlainTextResponse("ok", 200 if self.alive else 500)

    async def keys(self, _: Request) -> JSONResponse:
        self.keys_asked += 1
        return JSONResponse({"keys": [{"kid": "1"}]}, 200 if self.alive else 500)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """-> its address."""
        routes = [
            Route("/graphql", self.graphql, methods=["POST"]),
            Route("/livez", self.livez),
            Route("/.well-known/jwks.json", self.keys),
        ]
        self.server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=0, log_level="error", lifespan="off"))
        self.server.install_signal_handlers = lambda: None
        running = asyncio.create_task(self.server.serve())
        while not self.server.started:
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"
        self.server.should_exit = True
        await running


@pytest.fixture
def services(carteville: Town) -> dict[str, Service]:
    return {name: Service(name, carteville) for name in SERVICES}


@pytest.fixture
def settings() -> dict[str, Any]:
    """What a test has otherwise."""
    return {}


@pytest.fixture
async def client(services: dict[str, Service], settings: dict[str, Any]) -> AsyncIterator[httpx2.AsyncClient]:
    async with AsyncExitStack() as stack:
        urls = {f"{name.upper()}_URL": await stack.enter_async_context(service.served()) for name, service in services.items()}
        app = application(replace(Settings.from_environment(urls), **settings))
        await stack.enter_async_context(app.router.lifespan_context(app))
        yield await stack.enter_async_context(httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://preau.test"))


QUERY = '{ me { firstName families { balance { newBalanceCents } children { calendar(month: "2026-11") { days { date state } } } } } }'


async def test_one_question_is_answered_by_three_services(client: httpx2.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.post("/graphql", json={"query": QUERY}) for _ in range(20)))

    for answer in answers:
        (family,) = answer.json()["data"]["me"]["families"]
        assert family["balance"] == {"newBalanceCents": -52_55}
        assert family["children"][1]["calendar"]["days"][0] == {"date": "2026-11-23", "state": "BOOKED"}


@pytest.mark.parametrize(
    ("settings", "told"), [({}, None), ({"checked_subgraphs": frozenset({"identity"})}, "INVALID_ANSWER")], ids=["trusted", "checked"]
)
async def test_a_subgraph_that_the_settings_name_is_held_against_its_schema(
    client: httpx2.AsyncClient, services: dict[str, Service], told: str | None
) -> None:
    services["identity"].says = {"data": {"me": {"login": 3}}}

    answer = (await client.post("/graphql", json={"query": "{ me { login } }"})).json()

    assert answer["data"] == ({"me": {"login": 3}} if told is None else {"me": None})
    assert [error["extensions"]["code"] for error in answer.get("errors", ())] == ([] if told is None else [told])


@pytest.mark.parametrize(("settings", "code"), [({}, "SUBGRAPH_ERROR"), ({"production": True}, "INTERNAL_SERVER_ERROR")])
async def test_in_production_nobody_is_told_of_the_inside(client: httpx2.AsyncClient, services: dict[str, Service], code: str) -> None:
    services["identity"].says = {"data": {"me": None}, "errors": [{"message": "SELECT 1", "path": ["me"]}]}

    answer = await client.post("/graphql", json={"query": "{ me { login } }"})

    assert answer.json()["errors"][0]["extensions"]["code"] == code
    assert ("SELECT" in answer.text) == (code == "SUBGRAPH_ERROR")


async def test_a_service_that_is_gone_costs_its_part(client: httpx2.AsyncClient, services: dict[str, Service]) -> None:
    services["billing"].server.should_exit = True
    while services["billing"].server.servers[0].is_serving():
        await asyncio.sleep(0.01)

    answer = await client.post("/graphql", json={"query": '{ me { login } onlinePayment(id: "1") { id } }'})

    assert answer.json()["data"] == {"me": {"login": "dupont"}, "onlinePayment": None}
    assert answer.json()["errors"][0]["extensions"] == {"code": "SUBGRAPH_UNAVAILABLE", "serviceName": "billing"}
    ready = (await client.get("/readyz")).json()
    assert ready["ready"]
    assert [each.partition(":")[0] for each in ready["away"]] == ["billing"]


async def test_ready_is_as_long_as_any_service_lives(client: httpx2.AsyncClient, services: dict[str, Service]) -> None:
    closed = dict.fromkeys(services, "closed")
    assert (await client.get("/readyz")).json() == {"ready": True, "reasons": [], "away": [], "breakers": closed}

    services["identity"].alive = False
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["away"]) == (200, ["identity: HTTP 500"])

    services["billing"].alive = services["booking"].alive = services["mailer"].alive = False
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["reasons"]) == (
        503,
        [f"{name}: HTTP 500" for name in ("billing", "booking", "identity", "mailer")],
    )
    assert (await client.get("/livez")).text == "ok"


async def test_public_keys_are_identitys_remembered_for_a_while(client: httpx2.AsyncClient, services: dict[str, Service]) -> None:
    for _ in range(3):
        assert (await client.get("/.well-known/jwks.json")).json() == {"keys": [{"kid": "1"}]}

    assert services["identity"].keys_asked == 1


async def test_public_keys_seen_last_serve_while_identity_cannot_be_asked(
    client: httpx2.AsyncClient, services: dict[str, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_app, "KEYS_SECONDS", 0.0)
    services["identity"].alive = False
    assert (await client.get("/.well-known/jwks.json")).status_code == 503

    services["identity"].alive = True
    assert (await client.get("/.well-known/jwks.json")).status_code == 200

    services["identity"].alive = False
    assert (await client.get("/.well-known/jwks.json")).json() == {"keys": [{"kid": "1"}]}


async def test_whoever_comes_to_the_portal_is_led_to_its_door_and_back_again(client: httpx2.AsyncClient) -> None:
    away = await client.get("/")
    assert (away.status_code, away.headers["location"]) == (303, "/connexion?suite=%2F")

    page = await client.get(away.headers["location"])
    assert page.headers["content-type"].startswith("text/html")
    assert '<html lang="fr">' in page.text
    assert '<html lang="en">' in (await client.get("/connexion", headers={"accept-language": "en"})).text
    assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("method", "path", "status", "french", "english"),
    [
        ("GET", "/nowhere", 404, "Cette page n’existe pas.\n", "There is no such page.\n"),
        ("GET", "/graphql/nowhere", 404, "Cette page n’existe pas.\n", "There is no such page.\n"),
        ("POST", "/nowhere", 404, "Cette page n’existe pas.\n", "There is no such page.\n"),
        ("POST", "/livez", 405, "Cette adresse ne s’utilise pas ainsi.\n", "This address is not used that way.\n"),
    ],
)
async def test_what_is_not_there_is_said_in_french_and_in_english_to_whoever_asks_for_it(
    client: httpx2.AsyncClient, method: str, path: str, status: int, french: str, english: str
) -> None:
    for language, words in (("fr-FR,fr;q=0.9,en;q=0.8", french), ("", french), ("en-GB,en;q=0.9", english)):
        answer = await client.request(method, path, headers={"accept-language": language})
        assert (answer.status_code, answer.text) == (status, words)
    assert ("allow" in answer.headers) is (status == 405)


@pytest.mark.parametrize("path", ["/graphql", "/files/booking/a"])
@pytest.mark.parametrize("language", ["fr", "en"])
async def test_headers_without_an_end_are_refused_before_anything_remembers_them(
    client: httpx2.AsyncClient, path: str, language: str
) -> None:
    """The server takes any number of them."""
    for size, refused in ((30_000, False), (40_000, True)):
        sent = {"accept-encoding": "a" * size, "accept-language": language}
        answer = await client.post(path, json={"query": "{ __typename }"}, headers=sent)
        assert (answer.status_code == 431) is refused
    (error,) = answer.json()["errors"]
    assert error["extensions"] == {"code": "REQUEST_HEADERS_TOO_LARGE"}
    assert error["message"].startswith({"fr": "Les en-têtes", "en": "The headers"}[language])
    assert answer.headers["cache-control"] == "no-store"


def test_an_address_without_an_end_is_refused_before_it_is_read() -> None:
    longest = urlencode({"query": "{ __typename } #" + "é" * 31_900}).encode()
    assert not are_too_large({"headers": [], "query_string": longest})
    assert are_too_large({"headers": [], "query_string": b"query=" + b"%61" * 100_000})


async def test_metrics_tell_of_operations_and_of_each_service(client: httpx2.AsyncClient) -> None:
    await client.post("/graphql", json={"query": QUERY})

    text = (await client.get("/metrics")).text
    assert 'preau_graphql_seconds_count{service="gateway"}' in text
    assert 'preau_gateway_operations_total{kind="query",outcome="whole"}' in text
    for name in ("identity", "billing", "booking"):
        assert f'preau_gateway_fetch_seconds_count{{service="{name}"}}' in text


async def test_nothing_of_the_inside_is_reachable_from_outside(client: httpx2.AsyncClient) -> None:
    for query in ("{ _service { sdl } }", '{ _entities(representations: [{__typename: "Family", id: "dupont"}]) { __typename } }'):
        body = (await client.post("/graphql", json={"query": query})).json()
        assert "data" not in body
        assert json.dumps(body).count("sdl") == 0


async def test_the_doctor_says_what_the_gateway_answers_without(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"ready": True, "reasons": [], "away": ["billing: no answer in 0.7 s"], "breakers": {}}
    answer, real = httpx2.MockTransport(lambda _: httpx2.Response(200, json=told)), httpx2.AsyncClient
    monkeypatch.setattr(doctor.httpx2, "AsyncClient", lambda **how: real(transport=answer, **how))

    with pytest.raises(doctor.Sick, match=r"ready at .* but answers without billing: no answer in 0\.7 s"):
        await doctor._process("gateway", "http://gateway.test")
    told["away"] = []
    assert await doctor._process("gateway", "http://gateway.test") == "ready at http://gateway.test"
