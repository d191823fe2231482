"""GraphQL over HTTP, as a client meets it: always GraphQL, never a 500, nothing of the inside."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from gateway.asking import LARGEST_BODY
from gateway.http import GraphQLEndpoint
from services import waited
from tests.gateway.fakes import Gateway, Town

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"


@pytest.fixture
async def client(entrance: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    app = Starlette(routes=[Route("/graphql", GraphQLEndpoint(entrance.streams))])
    transport = httpx2.ASGITransport(app=app, client=("192.0.2.7", 4242))
    async with httpx2.AsyncClient(transport=transport, base_url="http://preau.test") as client:
        yield client


def code(response: httpx2.Response) -> str:
    body = response.json()
    assert "data" not in body
    return str(body["errors"][0]["extensions"]["code"])


async def post(client: httpx2.AsyncClient, body: Any, **headers: str) -> httpx2.Response:
    return await client.post("/graphql", json=body, headers={"accept": GRAPHQL, **headers})


async def test_a_query_by_post(client: httpx2.AsyncClient) -> None:
    response = await post(client, {"query": "{ me { login } }"})

    assert response.status_code == 200
    assert response.headers["content-type"] == f"{GRAPHQL}; charset=utf-8"
    assert response.json() == {"data": {"me": {"login": "dupont"}}}


async def test_a_query_by_get_with_variables(client: httpx2.AsyncClient) -> None:
    query = "query A($x: Boolean!) { me { login @include(if: $x) id } } query B { me { number: id } }"
    response = await client.get("/graphql", params={"query": query, "variables": '{"x": true}', "operationName": "A"})

    assert response.json() == {"data": {"me": {"login": "dupont", "id": "a1"}}}


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        (None, JSON),
        ("*/*", JSON),
        (JSON, JSON),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}, {JSON};q=0.9", GRAPHQL),
        (f"{JSON}, {GRAPHQL}", JSON),
        ("text/html, */*;q=0.1", JSON),
        (f"text/event-stream, {JSON}", JSON),
    ],
)
async def test_the_answers_form_is_the_clients_choice(client: httpx2.AsyncClient, accept: str | None, answered: str) -> None:
    del client.headers["accept"]
    response = await client.post("/graphql", json={"query": "{ __typename }"}, headers={"accept": accept} if accept else {})

    assert response.headers["content-type"] == f"{answered}; charset=utf-8"


async def test_a_form_that_we_do_not_speak_is_406(client: httpx2.AsyncClient) -> None:
    response = await post(client, {"query": "{ __typename }"}, accept="text/html")

    assert (response.status_code, code(response)) == (406, "NOT_ACCEPTABLE")


@pytest.mark.parametrize("accept", ["*/*", JSON, GRAPHQL])
async def test_a_subscription_is_answered_only_where_a_stream_is_expected(client: httpx2.AsyncClient, accept: str) -> None:
    response = await post(client, {"query": 'subscription { balanceChanged(family: "f") { inDebit } }'}, accept=accept)

    assert (response.status_code, code(response)) == (406, "NOT_ACCEPTABLE")


async def test_a_request_for_a_stream_that_cannot_be_read_is_told_so_in_json(client: httpx2.AsyncClient) -> None:
    for accept in ("text/event-stream", "text/event-stream, application/json"):
        response = await client.post("/graphql", content="{", headers={"content-type": JSON, "accept": accept})

        assert (response.status_code, code(response)) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"query": "{ me { "}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ nobody }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "query ($m: YearMonth!) { me { families { payments(month: $m) { totalCents } } } }"}, "BAD_USER_INPUT"),
        ({"query": "query A { __typename } query B { __typename }"}, "OPERATION_RESOLUTION_FAILURE"),
        ({"query": "query A { __typename }", "operationName": "C"}, "OPERATION_RESOLUTION_FAILURE"),
    ],
)
@pytest.mark.parametrize(("accept", "status"), [(GRAPHQL, 400), (JSON, 200)])
async def test_a_request_that_is_graphql_but_wrong(
    client: httpx2.AsyncClient, body: dict[str, Any], wanted: str, accept: str, status: int
) -> None:
    response = await post(client, body, accept=accept)

    assert (response.status_code, code(response)) == (status, wanted)


@pytest.mark.parametrize(("language", "says"), [("fr", "x : une valeur est attendue."), ("en", "non-null type 'Boolean!'")])
async def test_a_value_that_does_not_fit_is_told_in_the_clients_language(client: httpx2.AsyncClient, language: str, says: str) -> None:
    query = "query($x: Boolean!) { me { login @include(if: $x) } }"
    response = await post(client, {"query": query}, **{"accept-language": language})

    assert code(response) == "BAD_USER_INPUT"
    assert says in response.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "body",
    [
        *("null", "3", "{}", "{", '{"query": 3}', '{"query": "  "}', '{"query": "{a}", "variables": []}'),
        *('{"query": "{a}", "operationName": 3}', '{"query": "{a}", "extensions": 3}', '{"query": "\\ud800"}'),
        *("[" * 5000, '{"query": "{a}", "variables": ' + '{"a":' * 5000),
    ],
)
@pytest.mark.parametrize("accept", [GRAPHQL, JSON])
async def test_what_is_no_graphql_request_is_400_for_everybody(client: httpx2.AsyncClient, body: str, accept: str) -> None:
    response = await client.post("/graphql", content=body, headers={"content-type": JSON, "accept": accept})

    assert (response.status_code, code(response)) == (400, "BAD_REQUEST")


async def test_batches_are_refused(client: httpx2.AsyncClient) -> None:
    response = await post(client, [{"query": "{ __typename }"}] * 2)

    assert (response.status_code, code(response)) == (400, "BATCHES_REFUSED")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/graphql", ""]
)
async def test_other_sites_pages_cannot_post_because_only_json_is_read(client: httpx2.AsyncClient, kind: str) -> None:
    response = await client.post("/graphql", content=b'{"query": "{ __typename }"}', headers={"content-type": kind} if kind else {})

    assert (response.status_code, code(response)) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_json_in_another_charset_is_not_read(client: httpx2.AsyncClient) -> None:
    response = await client.post("/graphql", content=b"{}", headers={"content-type": "application/json; charset=utf-16"})

    assert (response.status_code, code(response)) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_a_body_has_a_largest_size_told_or_not(client: httpx2.AsyncClient) -> None:
    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * (LARGEST_BODY // 10)

    for content in (b" " * (LARGEST_BODY + 1), unannounced()):
        response = await client.post("/graphql", content=content, headers={"content-type": JSON})
        assert (response.status_code, code(response)) == (413, "REQUEST_TOO_LARGE")


async def test_a_mutation_by_get_is_refused_and_not_done(client: httpx2.AsyncClient, carteville: Town) -> None:
    response = await client.get("/graphql", params={"query": "mutation { signOut }"})

    assert (response.status_code, code(response)) == (405, "METHOD_NOT_ALLOWED")
    assert "POST" in response.headers["allow"]
    assert carteville.asked() == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_refused(client: httpx2.AsyncClient, method: str) -> None:
    response = await client.request(method, "/graphql")

    assert (response.status_code, code(response)) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("query", ["", "query=", "query={__typename}&variables=[", "query={__typename}&variables=3", "query=%ff%fe"])
async def test_parameters_that_nobody_can_read(client: httpx2.AsyncClient, query: str) -> None:
    response = await client.get(f"/graphql?{query}")

    assert response.status_code in (400, 200)
    assert code(response) in ("BAD_REQUEST", "GRAPHQL_PARSE_FAILED")


async def test_the_services_hear_who_asks_in_which_language_with_what_and_nothing_else_of_the_client(
    client: httpx2.AsyncClient, carteville: Town
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    said = {
        "authorization": "Bearer abc",
        "accept-language": "en",
        "traceparent": trace,
        "x-request-id": "req-1",
        "user-agent": "Firefox/140.0",
        "cookie": "secret=1",
        "x-user-id": "mayor",
        "x-forwarded-for": "203.0.113.1",
    }
    response = await post(client, {"query": "{ me { login } }"}, **said)

    assert response.headers["x-request-id"] == "req-1"
    lines = dict(line.split(": ", 1) for line in carteville.of("identity").headers.strip().split("\r\n"))
    assert lines == {
        "Authorization": "Bearer abc",
        "Accept-Language": "en",
        "User-Agent": "Firefox/140.0",
        "traceparent": trace,
        "X-Request-Id": "req-1",
        "X-Forwarded-For": "192.0.2.7",  # as this process saw it
    }


@pytest.mark.parametrize(
    "brought",
    [
        "nonsense",
        f"00-{'0' * 32}-{'c' * 16}-01",
        f"00-{'a' * 32}-{'0' * 16}-01",
        f"ff-{'a' * 32}-{'c' * 16}-01",
        f"00-{'A' * 32}-{'c' * 16}-01",
    ],
)
async def test_a_trace_begins_here_if_the_client_brought_none(client: httpx2.AsyncClient, carteville: Town, brought: str) -> None:
    response = await post(client, {"query": "{ me { login } }"}, traceparent=brought, **{"x-request-id": "no good\x7f"})

    headers = carteville.of("identity").headers
    assert "traceparent: 00-" in headers
    assert brought not in headers
    assert f"X-Request-Id: {response.headers['x-request-id']}\r\n" in headers
    assert response.headers["x-request-id"] != "no good"


async def test_a_bug_of_ours_is_a_coded_error_with_a_number_and_no_trace_of_the_inside(
    client: httpx2.AsyncClient, carteville: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def bug(*_: object, **__: object) -> bytes:
        raise RuntimeError("secret path /etc")

    monkeypatch.setattr(Town, "__call__", bug)
    response = await post(client, {"query": "{ me { login } }"})

    assert response.status_code == 200
    assert response.json()["data"] is None
    assert response.json()["errors"][0]["extensions"] == {"code": "INTERNAL_SERVER_ERROR"}
    assert "secret" not in response.text


async def test_validation_complains_a_few_times_and_says_where(client: httpx2.AsyncClient) -> None:
    response = await post(client, {"query": "{ " + " ".join(f"nobody{n}" for n in range(200)) + " }"})

    errors = response.json()["errors"]
    assert 1 < len(errors) < 10
    assert errors[0]["locations"] == [{"line": 1, "column": 3}]


@pytest.mark.parametrize(("query", "ended"), [("{ me { login } }", "given up"), ("mutation { signOut }", "done")])
async def test_whoever_goes_away_is_asked_for_no_more_but_a_mutation_is_done(
    entrance: Gateway, monkeypatch: pytest.MonkeyPatch, query: str, ended: str
) -> None:
    monkeypatch.setattr(waited, "LOOK_AFTER_SECONDS", 0.01)
    noted: list[str] = []

    async def slowly(*_: object, **__: object) -> bytes:
        try:
            await asyncio.sleep(0.2 if query.startswith("mutation") else 3600)
            noted.append("done")
        except asyncio.CancelledError:
            noted.append("given up")
            raise
        return b'{"data":{"signOut":true}}'

    monkeypatch.setattr(Town, "__call__", slowly)
    endpoint = GraphQLEndpoint(entrance.streams)
    body = json.dumps({"query": query}).encode()
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": body}, {"type": "http.disconnect"}]

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if len(messages) > 1 else messages[0]

    async def send(message: Any) -> None:
        """To nobody."""

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "headers": headers, "query_string": b"", "client": ("192.0.2.7", 4242)}
    await asyncio.wait_for(endpoint(scope, receive, send), 10)

    assert noted == [ended]
