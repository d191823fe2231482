"""The process as others meet it: over HTTP, with a broker, and silent about passwords."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from sqlmodel import select

from deploy.migrate import differs
from services.claims import PublicKey, Verifier
from services.clock import Clock
from services.identity.app import app
from services.identity.tables import IdentityTable
from services.outbox import MailroomTable, VerificationKey
from tests.identity.town import DUPONT, DUPONTS, IN, PASSWORD, SIGN_IN, RunFixture, Town

CANARY = "Canari-tres-secret-2026"
NEW_CANARY = "Un-autre-canari-2027"


async def post(town: Town, query: str, bearer: str | None = None, **variables: str) -> httpx2.Response:
    """To the ASGI application itself, around the town's running service."""
    application = app(town.running.settings)
    application.state.running = town.running
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    transport = httpx2.ASGITransport(app=application)
    async with httpx2.AsyncClient(transport=transport, base_url="http://identity") as client:
        return await client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)


async def test_s1_over_http_with_the_published_keys(running: RunFixture) -> None:
    town = await Town.of(running)
    answer = (await post(town, SIGN_IN + IN, login="dupont", password=PASSWORD)).json()
    token = answer["data"]["signIn"]["accessToken"]
    assert (await post(town, "{ me { login } }", token)).json() == {"data": {"me": {"login": "dupont"}}}
    assert (await post(town, "{ me { login } }", "forged")).json() == {"data": {"me": None}}
    application = app(town.running.settings)
    application.state.running = town.running
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=application), base_url="http://identity") as client:
        jwks = (await client.get("/.well-known/jwks.json")).json()
    verifier = Verifier(town.running.clock)
    for key in jwks["keys"]:
        assert (key["kty"], key["crv"]) == ("OKP", "Ed25519")
        assert "d" not in key
        verifier.trust(PublicKey(key["kid"], key, 0.0))
    assert verifier.caller(f"Bearer {token}") is not None


async def test_the_key_goes_out_over_the_broker(running: RunFixture) -> None:
    service = await running("identity", clock=Clock())

    async def heard() -> bool:
        async with service.database.reading() as session:
            return (await session.exec(select(VerificationKey))).first() is not None

    async with asyncio.timeout(20):
        while not await heard():
            await asyncio.sleep(0.05)
    async with service.database.reading() as session:
        key = (await session.exec(select(VerificationKey))).one()
    assert service.verifier.public_keys()["keys"] == [key.jwk]


async def test_no_password_is_in_any_answer_event_log_or_row(running: RunFixture, capfd: pytest.CaptureFixture[str]) -> None:
    town = await Town.of(running)
    await town.puts(replace(DUPONT, password=CANARY), DUPONTS)
    said = []
    token = None
    mutations = [
        (SIGN_IN + IN, {"login": "dupont", "password": CANARY}),
        (SIGN_IN + IN, {"login": CANARY, "password": "x"}),
        (f'mutation {{ signIn(login: "dupont", password: "{CANARY}") {{ nonsense }} }}', {}),
        (f'mutation {{ signIn(login: "{CANARY}", password: "{CANARY}") {{ __typename }} }}', {}),
        (f'mutation {{ signIn(login: "dupont", password: "{CANARY}" ', {}),
        ("mutation ($current: String!, $new: String!) { changePassword(current: $current, new: $new) { __typename } }",
         {"current": CANARY, "new": NEW_CANARY}),
        ("mutation ($a: String!) { answerRecoveryQuestion(login: \"dupont\", answer: $a) { __typename } }", {"a": CANARY}),
        ("mutation ($l: String!) { requestPasswordReset(login: $l) }", {"l": CANARY}),
    ]  # fmt: skip
    for query, variables in mutations:
        response = await post(town, query, token, **variables)
        said.append(response.text)
        data = response.json().get("data") or {}
        token = (data.get("signIn") or {}).get("accessToken") or token
    assert '"changePassword":{"__typename":"Account"}' in said[5], "control: it was in use"
    said += [event.body for event in await town.events()]
    captured = capfd.readouterr()
    said += [captured.out, captured.err, await _dump(town)]
    for text in said:
        assert CANARY not in text
        assert NEW_CANARY not in text
        assert CANARY.lower() not in text


async def _dump(town: Town) -> str:
    """Every row of every table."""
    rows: list[str] = []
    async with town.running.database.engine.connect() as connection:
        for metadata in (IdentityTable.metadata, MailroomTable.metadata):
            for table in metadata.sorted_tables:
                rows += [str(tuple(row)) for row in await connection.execute(table.select())]
    assert any("argon2id" in row for row in rows), "control: it is a dump"
    return "\n".join(rows)


async def test_the_migrations_make_the_tables_that_the_code_has(database_url: Callable[[str], Awaitable[str]]) -> None:
    assert await differs("identity", await database_url("identity")) == []


def test_the_wiring_is_short() -> None:
    source = Path(app.__code__.co_filename).read_text()
    assert len(source.splitlines()) <= 30
