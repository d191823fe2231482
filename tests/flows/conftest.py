"""One system of real processes for all stories of a run: starting one takes seconds.

`PREAU_THROUGH_HIVE=1`: the families' questions go through Hive Gateway (deploy/hive-gateway), all else through ours.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from deploy.migrate import migrate
from services.settings import SERVICES
from tests.collector import Collector, collecting
from tests.conftest import create_database
from tests.flows import town as towns
from tests.flows.system import PROCESSES, System
from tests.flows.town import Town
from tests.gateway.hive import ABSENT, Hive, ready

Found = Callable[..., Awaitable[Town]]


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    with collecting() as one:
        yield one


@pytest.fixture(scope="session")
def host() -> str:
    """By which the system is reached."""
    return "127.0.0.1"


@pytest.fixture(scope="session")
def system(postgresql: str | None, collector: Collector, host: str) -> Iterator[System]:
    folder = Path(tempfile.mkdtemp(prefix="preau-system-"))
    urls = {}
    for service in SERVICES:
        urls[service] = f"sqlite+aiosqlite:///{folder / service}.sqlite"
        if postgresql is not None:
            urls[service] = asyncio.run(create_database(postgresql, f"{service}_{uuid4().hex[:12]}"))
        asyncio.run(migrate(service, urls[service]))
    # Seen is what asks for it: a trace that a client lets be kept, and requests whose trace's id ends as one of a million does.
    seen = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_TRACES_SAMPLER": "parentbased_always_off"}
    one = System(folder / "run", urls, {**seen, "OTEL_BSP_SCHEDULE_DELAY": "100", "PREAU_ACCESS_LOG": "0.000001"}, host=host)
    hive = _hive(one) if os.environ.get("PREAU_THROUGH_HIVE") else None
    try:
        one.start()
        if hive is not None:
            hive.start()
            one.graphql = f"{hive.url}/graphql"
        yield one
    finally:
        if hive is not None:
            hive.stop()
        one.stop()
    shutil.rmtree(folder)


def _hive(system: System) -> Hive:
    assert ready(), ABSENT
    return Hive({name: f"http://127.0.0.1:{system.ports[name]}" for name in SERVICES}, system.folder / "hive.log")


@pytest.fixture
async def found(system: System, tmp_path: Path) -> AsyncIterator[Found]:
    """`await found(activities=[...], families=[...])`: a new town in the running system."""
    async with founding(system, tmp_path) as make:
        yield make


@asynccontextmanager
async def founding(system: System, folder: Path) -> AsyncIterator[Found]:
    everywhere, before = list[Town](), {*PROCESSES, *system.processes}

    async def make(*, activities: Sequence[dict[str, Any]], families: Sequence[dict[str, Any]]) -> Town:
        one = await towns.found(system, folder, activities=activities, families=families)
        everywhere.append(one)
        return one

    yield make
    system.revive(before)  # whatever a test left dead, or running, after a failure of its own
    for one in everywhere:
        await one.client.aclose()
