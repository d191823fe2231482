"""Pages of other sites: let in where the town says so, kept out elsewhere; what is no browser is not concerned."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from gateway.browsers import Browsers
from gateway.http import GraphQLEndpoint
from gateway.trusted import Trusted
from services.settings import Settings, SettingsError
from tests.gateway.fakes import Gateway, Town
from tests.gateway.test_trusted import by_hash, code, file, sum_of

PORTAL, EVIL = "https://portail.example.fr", "https://evil.example"
ME = "{ me { login } }"
__all__ = ["file"]


@pytest.fixture
async def client(carteville: Town, file: Any) -> AsyncIterator[httpx2.AsyncClient]:
    endpoint = GraphQLEndpoint(Gateway(carteville, trusted=Trusted(file)).streams)
    app = Starlette(routes=[Route("/graphql", Browsers(endpoint, frozenset({PORTAL.encode()})))])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://preau.test") as client:
        yield client


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_page_of_another_site_asks_nothing_by_a_bare_get(client: httpx2.AsyncClient, carteville: Town, site: str) -> None:
    for query in ({"query": ME}, {"%71uery": ME}):
        told = "&".join(f"{name}={value}" for name, value in query.items())
        response = await client.get(f"/graphql?{told}", headers={"sec-fetch-site": site, "origin": EVIL})
        assert (response.status_code, code(response)) == (403, "CROSS_SITE_REQUEST")
    assert carteville.asked() == []


@pytest.mark.parametrize("page", [{"origin": EVIL}, {"origin": "null"}, {"referer": f"{EVIL}/page"}, {"referer": "http://[", "origin": ""}])
async def test_nor_does_one_whose_browser_is_too_old_to_say_whose_page_it_is(
    client: httpx2.AsyncClient, carteville: Town, page: dict[str, str]
) -> None:
    response = await client.get("/graphql", params={"query": ME}, headers=page)

    assert (response.status_code, code(response)) == (403, "CROSS_SITE_REQUEST")
    assert carteville.asked() == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://preau.test"},
        {"referer": "http://preau.test/page"},
        {"referer": f"{EVIL}/page", "apollo-require-preflight": "1"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "cross-site", "apollo-require-preflight": "1"},
        {"sec-fetch-site": "cross-site", "x-apollo-operation-name": "Me"},
        {"sec-fetch-site": "cross-site", "authorization": "Bearer t"},
        {"sec-fetch-site": "cross-site", "content-type": "application/json"},
        {"sec-fetch-site": "cross-site", "origin": PORTAL},
    ],
)
async def test_a_get_is_answered_for_whoever_is_at_home_was_asked_first_or_is_no_browser(
    client: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    response = await client.get("/graphql", params={"query": ME}, headers=headers)

    assert response.json() == {"data": {"me": {"login": "dupont"}}}


async def test_a_trusted_document_may_be_asked_for_from_anywhere(client: httpx2.AsyncClient) -> None:
    import json  # noqa: PLC0415 -- only here

    told = {"extensions": json.dumps(by_hash(sum_of(ME))["extensions"])}
    response = await client.get("/graphql", params=told, headers={"sec-fetch-site": "cross-site"})

    assert response.json() == {"data": {"me": {"login": "dupont"}}}


async def test_an_allowed_sites_browser_is_told_what_it_may_send_and_read(client: httpx2.AsyncClient) -> None:
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    before = await client.options("/graphql", headers={"origin": PORTAL, **asks})
    after = await client.post("/graphql", json={"query": ME}, headers={"origin": PORTAL})

    assert before.status_code == 204
    assert before.headers["access-control-allow-origin"] == after.headers["access-control-allow-origin"] == PORTAL
    assert {"authorization", "content-type"} <= set(before.headers["access-control-allow-headers"].split(", "))
    assert before.headers["access-control-allow-methods"] == "GET, POST"
    assert "x-request-id" in after.headers["access-control-expose-headers"]
    assert "origin" in before.headers["vary"]
    assert "origin" in after.headers["vary"]
    assert "access-control-allow-credentials" not in {*before.headers, *after.headers}


@pytest.mark.parametrize("origin", [EVIL, "null", PORTAL + ".evil.example", PORTAL + ":444", PORTAL.upper()])
async def test_no_other_site_is_told_anything(client: httpx2.AsyncClient, origin: str) -> None:
    before = await client.options("/graphql", headers={"origin": origin, "access-control-request-method": "POST"})
    after = await client.post("/graphql", json={"query": ME}, headers={"origin": origin})

    for response in (before, after):
        assert not [name for name in response.headers if name.startswith("access-control")]
        assert "origin" in response.headers["vary"], "a cache must not give it to the allowed one"


def test_only_origins_are_allowed() -> None:
    assert Settings.from_environment({}).allowed_origins == frozenset()
    assert Settings.from_environment({"PREAU_ALLOWED_ORIGINS": f"{PORTAL}, http://localhost:5173"}).allowed_origins == {
        PORTAL,
        "http://localhost:5173",
    }
    for wrong in ("*", "portail.example.fr", PORTAL + "/", "null"):
        with pytest.raises(SettingsError, match="PREAU_ALLOWED_ORIGINS"):
            Settings.from_environment({"PREAU_ALLOWED_ORIGINS": wrong})
