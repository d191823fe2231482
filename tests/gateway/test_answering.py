"""How answers are sent: smaller to whoever takes that, kept where everybody gets the same; and what else HTTP asks for."""

import gzip
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from gateway.answering import LARGE, PUBLIC, SMALLEST, knows, takes_gzip
from gateway.http import GraphQLEndpoint
from gateway.trusted import Trusted
from tests.gateway.fakes import SUPERGRAPH, Gateway, Town

QUESTIONS = "query Questions { securityQuestions ...P } fragment P on Query { __typename }"
PRIVATE = "query Both { securityQuestions me { login } }"
LONG = "x" * 5 * SMALLEST
ME = "{ me { login firstName } }"


def hash_of(document: str) -> str:
    return hashlib.sha256(document.encode()).hexdigest()


@pytest.fixture
def gateway(carteville: Town, tmp_path: Path) -> Gateway:
    roots = carteville.subgraphs["identity"].roots
    roots |= {
        "securityQuestions": ["Quel était votre premier animal ?"],
        "me": {**roots["me"], "firstName": LONG},
        "recoveryQuestion": LONG,
    }
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({hash_of(each): each for each in (QUESTIONS, PRIVATE)}))
    return Gateway(carteville, trusted=Trusted(manifest))


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(GraphQLEndpoint(gateway.streams)) as one:
        yield one


def client_of(endpoint: GraphQLEndpoint) -> httpx2.AsyncClient:
    app = Starlette(routes=[Route("/graphql", endpoint)])
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="http://preau.test", headers={"accept-encoding": "identity"}
    )


async def ask(client: httpx2.AsyncClient, query: str, **headers: str) -> httpx2.Response:
    return await client.post("/graphql", json={"query": query}, headers=headers)


async def kept(client: httpx2.AsyncClient, document: str = QUESTIONS, method: str = "GET", **headers: str) -> httpx2.Response:
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": hash_of(document)}}
    asked: dict[str, Any] = {"params": {"extensions": json.dumps(extensions)}} if method != "POST" else {"json": {"extensions": extensions}}
    return await client.request(method, "/graphql", headers=headers, **asked)


# ------------------------------------------------------------------------------------------------------------- compression
@pytest.mark.parametrize(
    ("accept", "takes"),
    [
        (None, False),
        (b"", False),
        (b"gzip", True),
        (b"GZIP;q=0.5", True),
        (b"br, gzip, deflate", True),
        (b"br", False),
        (b"gzip;q=0", False),
        (b"gzip;q=0.000, *", False),
        (b"*", True),
        (b"*;q=0", False),
        (b"identity", False),
    ],
)
def test_who_takes_gzip(accept: bytes | None, takes: bool) -> None:
    assert takes_gzip(accept) == takes


async def test_a_long_answer_is_compressed_for_who_takes_it(client: httpx2.AsyncClient) -> None:
    plain = await ask(client, ME)
    async with client.stream("POST", "/graphql", json={"query": ME}, headers={"accept-encoding": "br, gzip"}) as packed:
        raw = b"".join([part async for part in packed.aiter_raw()])

    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) == len(raw) < len(plain.content) / 10
    assert gzip.decompress(raw) == plain.content
    for answer in (plain, packed):
        assert "accept-encoding" in answer.headers["vary"]
        assert answer.headers["cache-control"] == "no-store"


async def test_a_very_long_answer_too(client: httpx2.AsyncClient, carteville: Town) -> None:
    carteville.subgraphs["identity"].roots["me"]["firstName"] = "é" * LARGE
    answer = await ask(client, ME, **{"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.json()["data"]["me"]["firstName"] == "é" * LARGE


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("{ me { login } }", "it is short"),
        ('mutation { recoveryQuestion(login: "x") }', "tokens may stand in it beside what somebody typed"),
    ],
)
async def test_what_is_not_compressed(client: httpx2.AsyncClient, query: str, why: str) -> None:
    assert "content-encoding" not in (await ask(client, query, **{"accept-encoding": "gzip"})).headers, why


async def test_streams_are_not_compressed(client: httpx2.AsyncClient) -> None:
    answer = await ask(client, ME, **{"accept-encoding": "gzip", "accept": "text/event-stream"})
    assert LONG in answer.text
    assert "content-encoding" not in answer.headers


async def test_an_operator_has_a_proxy_compress(gateway: Gateway) -> None:
    async with client_of(GraphQLEndpoint(gateway.streams, compresses=False)) as client:
        assert "content-encoding" not in (await ask(client, ME, **{"accept-encoding": "gzip"})).headers


# ------------------------------------------------------------------------------------------------------- what may be kept
async def test_what_everybody_gets_alike_has_a_tag_and_is_not_sent_again(client: httpx2.AsyncClient) -> None:
    first = await kept(client)
    assert first.json()["data"]["__typename"] == "Query"
    assert first.headers["cache-control"] == "public, max-age=60"
    tag = first.headers["etag"]

    for told in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        again = await kept(client, **{"if-none-match": told, "x-request-id": "r-1"})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag), told
        assert (again.headers["vary"], again.headers["x-request-id"]) == (first.headers["vary"], "r-1")
        assert "content-length" not in again.headers
    assert (await kept(client, **{"if-none-match": '"other"'})).status_code == 200


async def test_another_answer_has_another_tag(client: httpx2.AsyncClient, carteville: Town) -> None:
    tag = (await kept(client)).headers["etag"]
    carteville.subgraphs["identity"].roots["securityQuestions"] = ["Another?"]
    answer = await kept(client, **{"if-none-match": tag})
    assert (answer.status_code, answer.headers["etag"] == tag) == (200, False)


async def test_what_is_somebodys_own_is_never_kept(client: httpx2.AsyncClient, carteville: Town) -> None:
    async def check(answer: httpx2.Response) -> None:
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert "etag" not in answer.headers

    await check(await kept(client, authorization="Bearer t"))
    await check(await kept(client, PRIVATE))
    await check(await kept(client, method="POST"))
    await check(await client.get("/graphql", params={"query": QUESTIONS}))
    carteville.down.add("identity")
    await check(await kept(client))


def test_what_everybody_may_see_takes_no_arguments_and_is_in_the_schema() -> None:
    assert SUPERGRAPH.api.query_type is not None
    fields = SUPERGRAPH.api.query_type.fields
    assert [(name, fields[name].args) for name in sorted(PUBLIC) if not name.startswith("__")] == [
        ("oidcProviders", {}),
        ("securityQuestions", {}),
    ]


def test_a_tag_is_known_or_not() -> None:
    assert knows(b'W/"a"', b'W/"a"')
    assert knows(b'"b" , "a"', b'W/"a"')
    assert not knows(b"a", b'W/"a"')
    assert not knows(None, b'W/"a"')


# ----------------------------------------------------------------------------------------------------------- other methods
async def test_head_is_get_without_the_answer(client: httpx2.AsyncClient) -> None:
    answer = await client.head("/graphql", params={"query": ME})
    assert (answer.status_code, int(answer.headers["content-length"]) > len(LONG)) == (200, True)
    refused = await client.head("/graphql", params={"query": "mutation { signOut }"})
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")


async def test_options_says_what_can_be_asked_and_allows_no_other_site_anything(client: httpx2.AsyncClient) -> None:
    answer = await client.options("/graphql", headers={"origin": "https://evil.example", "x-request-id": "r-2"})
    assert (answer.status_code, answer.content, answer.headers["allow"]) == (204, b"", "GET, HEAD, OPTIONS, POST")
    assert answer.headers["x-request-id"] == "r-2"
    assert not [name for name in answer.headers if name.startswith("access-control")]
