"""Hive Gateway in our gateway's place: whatever the contract lets clients ask, it answers the same. What differs is named here."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway import headers
from gateway.client import SubgraphUnavailable
from tests.gateway import hive
from tests.gateway.everything import API, ROOTS, operation, values
from tests.gateway.fakes import SUPERGRAPH, sdl
from tests.gateway.hive import Hive
from tests.gateway.worlds import Federation, World, answered
from tests.serving import at_an_address

installed = pytest.mark.skipif(not hive.ready(), reason=hive.ABSENT)
SERVICES = ("identity", "billing", "booking", "mailer")


@dataclass
class Subgraphs:
    """All three behind one real server, each under its name. They answer from one world, and refuse what their schema does not have."""

    federation: Federation
    trouble: list[str] = field(default_factory=list)
    told: dict[str, dict[str, str]] = field(default_factory=dict)  #: What each was told last.

    async def answer(self, request: Request) -> Response:
        service = request.path_params["service"]
        self.told[service] = dict(request.headers)
        try:
            return Response(
                await self.federation(service, await request.body(), b"", seconds=1, again=False), media_type="application/json"
            )
        except SubgraphUnavailable:
            return Response(status_code=503)
        except AssertionError as error:
            self.trouble.append(str(error))
            return Response(status_code=500)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        app = Starlette(routes=[Route("/{service}/graphql", self.answer, methods=["POST"])])
        async with at_an_address(app) as url:
            yield url


@dataclass
class Scene:
    subgraphs: Subgraphs
    hive: Hive
    client: httpx2.AsyncClient

    @property
    def world(self) -> World:
        return self.subgraphs.federation.world

    async def ask(self, query: str, variables: dict[str, Any] | None = None, **headers: str) -> dict[str, Any]:
        return await self.post(headers, query=query, variables=variables or {})

    async def post(self, headers: dict[str, str] | None = None, **body: Any) -> dict[str, Any]:
        told: dict[str, Any] = (await self.client.post("/graphql", json=body, headers=headers)).json()
        return told

    async def codes(self, query: str) -> list[str]:
        return [error["extensions"]["code"] for error in (await self.ask(query))["errors"]]


@asynccontextmanager
async def scene(tmp_path: Path, **settings: str) -> AsyncIterator[Scene]:
    subgraphs = Subgraphs(Federation(World(SUPERGRAPH), {service: sdl(service) for service in SERVICES}))
    async with subgraphs.served() as url:
        one = Hive({service: f"{url}/{service}" for service in SERVICES}, tmp_path / "hive.log", settings)
        await asyncio.to_thread(one.start)
        try:
            async with httpx2.AsyncClient(base_url=one.url, timeout=60) as client:
                yield Scene(subgraphs, one, client)
        finally:
            await asyncio.to_thread(one.stop)


def test_it_is_set_up_to_pass_on_what_ours_passes_on() -> None:
    config = (hive.FOLDER / "gateway.config.js").read_text(encoding="utf-8")
    (told,) = re.findall(r"PASSED_ON = (\[.*\]);", config)

    assert set(json.loads(told)) == {name.decode() for name in headers.OPERATION} | {"traceparent", "x-request-id"}


@installed
async def test_whatever_the_contract_lets_clients_ask_is_answered_alike(tmp_path: Path) -> None:
    async with scene(tmp_path) as one:
        different = {}
        for kind, name in ROOTS:
            for depth in () if kind == "subscription" else (1, 3):
                query, variables = operation(kind, name, depth)
                told = values(variables, f"{name} {depth}")
                expected = answered(API, query, told, one.world.resolve)
                answer = await one.ask(query, told)
                if answer != {"data": expected.data} or json.dumps(answer["data"]) != json.dumps(expected.data):
                    different[f"{name} {depth}"] = answer.get("errors"), one.subgraphs.trouble

    assert different == {}


@installed
async def test_services_are_told_who_asks_and_nothing_else_of_what_a_client_sends(tmp_path: Path) -> None:
    trace = f"00-{'1' * 32}-{'2' * 16}-01"
    sent = {"authorization": "Bearer x", "accept-language": "en", "user-agent": "portal", "traceparent": trace, "x-request-id": "abc"}
    async with scene(tmp_path) as one:
        await one.ask(
            "{ me { families { balance { inDebit } } } }", **sent, cookie="a=b", **{"x-forwarded-for": "192.0.2.7", "x-other": "1"}
        )

        for service in ("identity", "billing"):
            told = one.subgraphs.told[service]
            assert {name: told[name] for name in sent} == sent
            assert told["x-forwarded-for"] == "127.0.0.1", "who connected, whatever a client says"
            assert not told.keys() & {"cookie", "x-other"}

        # Whoever just came in asks the rest of the answer.
        query = 'mutation ($l: String!) { signIn(login: $l, password: "") { ... on SignedIn { accessToken account { families { balance { inDebit } } } } } }'
        known = (answered(API, query, {"l": str(number)}, one.world.resolve).data for number in range(1000))
        login, expected = next((number, data) for number, data in enumerate(known) if data["signIn"].get("account", {}).get("families"))
        assert await one.ask(query, {"l": str(login)}, authorization="Bearer old") == {"data": expected}
        assert one.subgraphs.told["identity"]["authorization"] == "Bearer old"
        assert one.subgraphs.told["billing"]["authorization"] == f"Bearer {expected['signIn']['accessToken']}"


@installed
async def test_what_goes_wrong_has_our_codes_and_what_is_not_for_clients_is_not_there(tmp_path: Path) -> None:
    async with scene(tmp_path) as one:
        world, federation = one.world, one.subgraphs.federation
        world.failing = 0.9
        assert await one.codes("{ me { login } }") == ["FAILED"]  # a service's own
        world.failing = 0.0

        federation.down = {"billing"}
        answer = await one.ask("{ me { login families { balance { inDebit } } } }")
        assert answer["errors"] == [
            {
                "message": "The service billing cannot answer at the moment.",
                "path": ["me", "families"],
                "extensions": {"code": "SUBGRAPH_UNAVAILABLE", "serviceName": "billing"},
            }
        ]
        # Ours makes `me` null, for neither `families` nor what is in it may be.
        assert set(answer["data"]["me"]["families"]) == {None}
        federation.down = set()

        for query in ("{ _service { sdl } }", '{ calendarChangedWatch(child: "a", month: "2026-11") { account } }', "{ nothing }"):
            assert await one.codes(query) == ["GRAPHQL_VALIDATION_FAILED"]
        assert await one.codes("query ($id: ID!) { onlinePayment(id: $id) { id } }") == ["BAD_USER_INPUT"]
        # Nobody follows: the subgraphs hold no connections, and Hive Gateway hears none of our events.
        assert await one.codes('subscription { calendarChanged(child: "a", month: "2026-11") { month } }') == ["SUBGRAPH_UNAVAILABLE"]


@installed
async def test_documents_that_a_town_trusts_are_known_by_their_hash(tmp_path: Path) -> None:
    known = "{ me { login } }"
    listed = tmp_path / "manifest.json"
    listed.write_text(
        json.dumps({"format": "apollo-persisted-query-manifest", "version": 1, "operations": [{"id": "a" * 64, "body": known}]})
    )
    async with scene(tmp_path, PREAU_TRUSTED_DOCUMENTS=str(listed), PREAU_ONLY_TRUSTED="true") as one:
        expected = {"data": answered(API, known, {}, one.world.resolve).data}

        assert await one.post(extensions={"persistedQuery": {"version": 1, "sha256Hash": "a" * 64}}) == expected
        assert await one.post(query=known) == expected
        assert await one.codes("{ me { id } }") == ["QUERY_NOT_IN_SAFELIST"]
        unknown = await one.post(extensions={"persistedQuery": {"version": 1, "sha256Hash": "b" * 64}})
        assert unknown["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
