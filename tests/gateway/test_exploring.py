"""The page to try the API with: ours alone, with a strict policy, and only where the town wants it. In a real browser, where there is one."""

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Route, request_response

from gateway import exploring
from gateway.app import application
from gateway.browsers import Browsers
from gateway.http import GraphQLEndpoint
from services.settings import Settings
from tests.chromium import ABSENT, CHROMIUM
from tests.gateway.fakes import Gateway
from tests.gateway.test_headers import behind_a_server

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


async def client(**environment: str) -> httpx2.AsyncClient:
    app = application(Settings.from_environment(environment))
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://preau.test")


async def test_who_opens_the_address_gets_a_page_of_three_files_and_nothing_from_elsewhere() -> None:
    async with await client() as browser:
        page = await browser.get("/graphql", headers=HTML)
        parts = {name: await browser.get(f"/graphql/{name}") for name in exploring.KINDS}

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r'(?:src|href)="([^"]+)"', page.text) == ["/graphql/explorer.css", "/graphql/explorer.js"]
    assert not re.search(r"<script[^>]*>[^<]|style=|\son\w+=|https?://", page.text)
    for name, part in parts.items():
        assert part.status_code == 200
        assert part.headers["content-type"].startswith(exploring.KINDS[name])
        assert not re.search(r"https?://|innerHTML|eval\(", part.text)
    assert sum(len(part.content) for part in (page, *parts.values())) < 30_000


async def test_the_page_about_events_is_two_files_in_the_visitors_language_and_nothing_from_elsewhere() -> None:
    async with await client() as browser:
        page = await browser.get("/evenements", headers=HTML)
        english = await browser.get("/evenements", headers=HTML | {"accept-language": "en"})
        style = await browser.get("/evenements/events.css")
        assert (await browser.get("/evenements/fr.html")).status_code == 404

    assert '<html lang="fr">' in page.text
    assert '<html lang="en">' in english.text
    assert "L'enfant a une place (accepté)." in page.text.replace("&#x27;", "'")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "<script" not in page.text
    assert re.findall(r'(?:src|href)="([^#"][^"]*)"', page.text) == ["/evenements/events.css"]
    assert style.headers["content-type"].startswith("text/css")


async def test_the_page_is_in_the_visitors_language() -> None:
    async with await client() as browser:
        french = await browser.get("/graphql", headers=HTML)
        english = await browser.get("/graphql", headers=HTML | {"accept-language": "en-GB"})

    assert '<html lang="fr">' in french.text
    assert "Exécuter" in french.text
    assert '<html lang="en">' in english.text
    assert "accept-language" in english.headers["vary"]


async def test_what_asks_something_is_answered_as_ever_and_other_files_are_not_there() -> None:
    async with await client() as browser:
        told = await browser.get("/graphql", params={"query": "{ __typename }"}, headers=HTML)
        missing = [await browser.get(f"/graphql/{name}") for name in ("explorer.html", "..%2fapp.py", "x")]

    assert told.json() == {"data": {"__typename": "Query"}}
    assert [each.status_code for each in missing] == [404] * 3


async def test_where_the_town_wants_no_page_there_is_none() -> None:
    async with await client(PREAU_EXPLORER="false") as browser:
        page = await browser.get("/graphql", headers=HTML)
        part = await browser.get("/graphql/explorer.js")

    assert "errors" in page.json()
    assert part.status_code == 404


@pytest.fixture
async def served_page(entrance: Gateway) -> AsyncIterator[str]:
    graphql = Browsers(GraphQLEndpoint(entrance.streams), page=request_response(exploring.page))
    app: Any = Starlette(routes=[Route("/graphql", graphql), Route("/graphql/{name}", exploring.part)])
    async with behind_a_server(app) as url:
        yield f"{url}/graphql"


@pytest.mark.skipif(CHROMIUM is None, reason=ABSENT)
async def test_a_browser_runs_it_under_its_policy_and_shows_the_schema(served_page: str) -> None:
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory() as profile:
        options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--virtual-time-budget=10000"]
        running = await asyncio.create_subprocess_exec(
            CHROMIUM, *options, "--dump-dom", served_page, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        page, _ = await asyncio.wait_for(running.communicate(), 60)

    shown = re.findall(r"<li><button type=\"button\">(\w+)</button></li>", page.decode())
    assert shown[:3] == ["Query", "Mutation", "Subscription"]
    assert {"Account", "Family", "CalendarDay"} <= set(shown)
