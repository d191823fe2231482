"""Files pass through the gateway: by their link alone, with the headers that matter, and nothing of the inside."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.app import application
from gateway.files import AT_ONCE
from services.settings import Settings
from tests.facts import until
from tests.serving import at_an_address

CONTENT = b"\xef\xbb\xbfNum\xc3\xa9ro;Enfant\r\n"


class Writer:
    """A service that writes files: what it was asked, and what it answers."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.status = 200
        self.knows = True
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def answer(self, request: Request) -> Response:
        if request.url.path == "/graphql":
            return Response(b'{"data": {"request": null}}', media_type="application/json")
        self.asked.append({"path": request.url.path, **request.headers})
        await self.goes_on.wait()
        if not self.knows:
            return Response("Not Found", 404, media_type="text/plain")
        if request.headers.get("if-none-match") == '"same"':
            return Response(status_code=304, headers={"etag": '"same"', "cache-control": "private, max-age=300"})
        headers = {
            "etag": '"same"',
            "cache-control": "private, no-store",
            "content-disposition": 'attachment; filename="reservations.csv"',
            "set-cookie": "inside=1",
            "x-inside": "secret",
        }
        return Response(CONTENT * 50_000, self.status, media_type="text/csv; charset=utf-8", headers=headers)


@pytest.fixture
def writer() -> Writer:
    return Writer()


@pytest.fixture
async def client(writer: Writer) -> AsyncIterator[httpx2.AsyncClient]:
    async with at_an_address(Starlette(routes=[Route("/{path:path}", writer.answer, methods=["GET", "POST"])])) as booking:
        app = application(Settings.from_environment({"BOOKING_URL": booking, "BILLING_URL": "http://127.0.0.1:9"}))
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://preau.test") as one,
        ):
            yield one


async def test_a_file_comes_as_its_service_wrote_it_and_is_nobodys_to_keep(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/files/booking/abc.def-_~/reservations.csv")
    assert (answer.status_code, answer.content) == (200, CONTENT * 50_000)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="reservations.csv"'
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers
    assert "x-inside" not in answer.headers


async def test_the_service_hears_the_path_and_the_language_but_no_token(client: httpx2.AsyncClient, writer: Writer) -> None:
    sent = {"authorization": "Bearer mine", "cookie": "a=b", "accept-language": "en", "if-none-match": '"same"'}
    answer = await client.get("/ics/s3cret.ics", headers=sent)
    assert (answer.status_code, answer.headers["etag"], answer.content) == (304, '"same"', b"")
    (asked,) = writer.asked
    assert (asked["path"], asked["accept-language"], asked["if-none-match"]) == ("/ics/s3cret.ics", "en", '"same"')
    assert not {"authorization", "cookie"} & set(asked)
    assert asked["x-request-id"]


@pytest.mark.parametrize(
    "path",
    ["/files/nobody/abc/x.csv", "/files/booking/%2e%2e/graphql", "/files/booking//x", "/files/booking/a%0d%0ab",
     "/files/booking/" + "a" * 17_000, "/ics/..ics", "/ics/%41.ics", "/files/booking/é"],
)  # fmt: skip
async def test_what_is_no_path_of_ours_reaches_no_service(client: httpx2.AsyncClient, writer: Writer, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404
    assert writer.asked == []


async def test_only_get(client: httpx2.AsyncClient, writer: Writer) -> None:
    assert (await client.post("/files/booking/abc/x.csv")).status_code == 405
    assert writer.asked == []


async def test_a_service_that_fails_or_is_away_says_so_without_its_words(client: httpx2.AsyncClient, writer: Writer) -> None:
    writer.status = 500
    for path in ("/files/booking/abc/x.csv", "/files/billing/abc/x.csv"):
        answer = await client.get(path)
        assert (answer.status_code, answer.headers["retry-after"], answer.headers["cache-control"]) == (503, "10", "no-store")
        assert answer.text == "Momentanément indisponible, réessayez.\n"
        english = await client.get(path, headers={"accept-language": "en-GB"})
        assert english.text == "Not available at the moment, try again.\n"


async def test_what_a_service_refuses_is_passed_on(client: httpx2.AsyncClient, writer: Writer) -> None:
    writer.status = 410
    assert (await client.get("/files/booking/abc/x.csv")).status_code == 410


async def test_a_link_that_was_cut_off_is_answered_in_words_for_people(client: httpx2.AsyncClient, writer: Writer) -> None:
    """A service that knows no such path says nothing of a file; one that does not know the link says so itself."""
    writer.knows = False
    for path in ("/files/booking/abc", "/ics/abc"):
        answer = await client.get(path)
        assert (answer.status_code, answer.text) == (404, "Ce fichier n’existe pas.\n"), path
        assert (await client.get(path, headers={"accept-language": "en"})).text == "There is no such file.\n", path
    writer.knows, writer.status = True, 404
    assert (await client.get("/ics/abc.ics")).content == CONTENT * 50_000


async def test_nobody_who_books_waits_behind_files(client: httpx2.AsyncClient, writer: Writer) -> None:
    writer.goes_on.clear()
    waiting = [asyncio.create_task(client.get(f"/files/booking/abc/{number}.csv")) for number in range(150)]

    async def eight_are_being_written() -> bool:
        return len(writer.asked) == AT_ONCE

    await until(eight_are_being_written)
    asked = await client.post("/graphql", json={"query": '{ request(id: "1") { id } }'})
    assert asked.json() == {"data": {"request": None}}
    assert len(writer.asked) == AT_ONCE
    writer.goes_on.set()
    assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {200}
    assert len(writer.asked) == 150
