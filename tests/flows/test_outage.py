"""One service is dead, or alive and mute: the others' part of an answer comes in its time, and who does not need that service notices nothing."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from tests.facts import until
from tests.flows.conftest import Found
from tests.flows.system import System
from tests.flows.town import activity, family

BILLING_SECONDS = 0.5
TOLERANCE_SECONDS = 0.25
WITH_BILLING = '{ me { login } onlinePayment(id: "none") { id } }'
WITHOUT = "{ me { login } }"


@asynccontextmanager
async def entered(system: System, token: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A gateway that waits half a second for billing."""
    name = await asyncio.to_thread(system.start_another, "gateway", PREAU_SUBGRAPH_SECONDS=f"billing={BILLING_SECONDS}")
    headers = {"authorization": f"Bearer {token}"}
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{system.ports[name]}", headers=headers, timeout=60) as client:
            yield client
    finally:
        await asyncio.to_thread(system.terminate, name)


async def asked(client: httpx2.AsyncClient, query: str) -> tuple[float, dict[str, Any]]:
    """-> seconds, the answer."""
    begun = time.perf_counter()
    answer: dict[str, Any] = (await client.post("/graphql", json={"query": query})).json()
    return time.perf_counter() - begun, answer


def check_partial(answer: dict[str, Any]) -> None:
    assert answer["data"]["me"]["login"]
    assert answer["data"]["onlinePayment"] is None
    (error,) = answer["errors"]
    assert error["path"] == ["onlinePayment"]
    assert error["extensions"] == {"code": "SUBGRAPH_UNAVAILABLE", "serviceName": "billing"}


@pytest.mark.one_database
async def test_a_service_that_is_mute_costs_its_time_and_then_none(found: Found, system: System) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    async with entered(system, (await town.sign_in("dupont")).token) as client:

        async def breaker() -> str:
            return str((await client.get("/readyz")).json()["breakers"]["billing"])

        assert "errors" not in (await asked(client, WITH_BILLING))[1]
        billing = system.processes["billing"]
        billing.send_signal(signal.SIGSTOP)
        try:
            times, overtaken = [], []
            for _ in range(3):  # The machine may be crowded now and then.
                waiting = asyncio.create_task(asked(client, WITH_BILLING))
                for _ in range(2):  # By the second, the other is surely under way.
                    assert (await asked(client, WITHOUT))[1]["data"]["me"]["login"]
                overtaken.append(not waiting.done())
                seconds, answer = await waiting
                check_partial(answer)
                times.append(seconds)
            assert times[0] >= BILLING_SECONDS
            assert any(overtaken), "who does not need billing waits for it"
            assert min(times) < BILLING_SECONDS + TOLERANCE_SECONDS, times

            await asyncio.gather(*(asked(client, WITH_BILLING) for _ in range(5)))
            assert await breaker() == "open"
            assert (await client.get("/readyz")).json()["ready"], "one service is no reason to take the others away"
            assert 'preau_gateway_breaker{service="billing"} 2.0' in (await client.get("/metrics")).text
            at_once = [await asked(client, WITH_BILLING) for _ in range(3)]
            check_partial(at_once[0][1])
            assert min(seconds for seconds, _ in at_once) < BILLING_SECONDS / 2, "an open breaker answers at once"
        finally:
            billing.send_signal(signal.SIGCONT)

        async def back() -> bool:
            return "errors" not in (await asked(client, WITH_BILLING))[1]

        await until(back)
        assert await breaker() == "closed"


@pytest.mark.one_database
async def test_a_service_that_is_dead_costs_its_part_alone(found: Found, system: System) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    async with entered(system, (await town.sign_in("dupont")).token) as client:
        assert "errors" not in (await asked(client, WITH_BILLING))[1]
        await asyncio.to_thread(system.kill, "billing")
        times = []
        for _ in range(3):
            seconds, answer = await asked(client, WITH_BILLING)
            check_partial(answer)
            times.append(seconds)
        assert min(times) < BILLING_SECONDS, times
        await asyncio.to_thread(system.start, "billing")

        async def back() -> bool:
            return "errors" not in (await asked(client, WITH_BILLING))[1]

        await until(back)
