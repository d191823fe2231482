"""Payment providers' notices reach billing byte for byte, with what their signatures are made of, and nothing else (S19)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway.app import application
from gateway.notices import LARGEST, bounded_body
from services.settings import Settings
from tests.serving import at_an_address

BODY = b'{"session":  "s1", "\xc3\xa9": 1}\r\n\x00'
SIGNED = {"webhook-id": "m1", "webhook-timestamp": "1764000000", "webhook-signature": "v1,abc= v1,def=", "stripe-signature": "t=1,v1=0"}


@dataclass
class Billing:
    """Hears notices."""

    status: int = 200
    heard: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        self.heard.append((request.url.path, dict(request.headers), await request.body()))
        return PlainTextResponse("noted\n", self.status, headers={"set-cookie": "a=b"})


@pytest.fixture
def billing() -> Billing:
    return Billing()


@pytest.fixture
async def client(billing: Billing) -> AsyncIterator[httpx2.AsyncClient]:
    routes = [Route("/{path:path}", billing.answer, methods=["POST"])]
    async with at_an_address(Starlette(routes=routes)) as url:
        app = application(Settings.from_environment({"BILLING_URL": url}))
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://preau.test") as one,
        ):
            yield one


async def test_a_notice_comes_as_it_was_sent(client: httpx2.AsyncClient, billing: Billing) -> None:
    sent = {**SIGNED, "content-type": "application/json", "authorization": "Bearer mine", "cookie": "a=b", "x-user": "town hall"}
    answer = await client.post("/payments/notices/sandbox-unsigned", content=BODY, headers=sent)
    assert (answer.status_code, answer.text) == (200, "noted\n")
    assert "set-cookie" not in answer.headers
    ((path, headers, body),) = billing.heard
    assert (path, body) == ("/payments/notices/sandbox-unsigned", BODY)
    assert SIGNED.items() <= headers.items()
    assert headers["content-type"] == "application/json"
    assert not {"authorization", "cookie", "x-user"} & set(headers)


async def test_what_billing_refuses_is_passed_on_and_what_fails_is_to_be_told_again(client: httpx2.AsyncClient, billing: Billing) -> None:
    for status, passed in ((400, 400), (404, 404), (500, 503)):
        billing.status = status
        assert (await client.post("/payments/notices/sandbox", content=b"x")).status_code == passed


async def test_while_billing_is_away_it_is_to_be_told_again() -> None:
    app = application(Settings.from_environment({"BILLING_URL": "http://127.0.0.1:9"}))
    async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://x") as client:
        answer = await client.post("/payments/notices/sandbox", content=b"x")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")


@pytest.mark.parametrize("name", ["", "a/b", "..%2f..%2fgraphql", "A", "x" * 41, "a%0d%0ab", "é"])
async def test_what_is_no_provider_reaches_nobody(client: httpx2.AsyncClient, billing: Billing, name: str) -> None:
    assert (await client.post(f"/payments/notices/{name}", content=b"x")).status_code == 404
    assert billing.heard == []


async def test_only_so_much_and_only_by_post(client: httpx2.AsyncClient, billing: Billing) -> None:
    assert (await client.post("/payments/notices/sandbox", content=b"x" * 65_537)).status_code == 413
    assert (await client.get("/payments/notices/sandbox")).status_code == 405
    assert billing.heard == []
    assert (await client.post("/payments/notices/sandbox", content=b"x" * 65_536)).status_code == 200


async def test_what_begins_to_come_and_does_not_is_waited_for_no_longer(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_body, "__defaults__", (LARGEST, 0.05))
    app = application(Settings.from_environment({"BILLING_URL": "http://127.0.0.1:9"}))
    async with app.router.lifespan_context(app), at_an_address(app) as url:
        address = urlsplit(url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(b"POST /payments/notices/sandbox HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc")
        async with asyncio.timeout(30):
            assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
        writer.close()
