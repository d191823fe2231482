"""Where figures are measured: the whole system as real processes on a durable database, a town, and its families, signed in beforehand.

Everything runs on this machine, the families included: the four services, the gateway, NATS (`sync_interval: always`), and SQLite
(`synchronous=FULL`) or PostgreSQL (`fsync` on). Nothing is switched off: prices are held and reports are mailed meanwhile.
"""

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import yaml

from deploy.backlog import settled
from deploy.migrate import migrate
from gateway.client import Subgraph
from services.settings import SERVICES, Settings
from tests.conftest import create_database
from tests.flows.system import System
from tests.flows.town import PASSWORD, SIGN_IN, load_file
from tests.postgresql_server import PostgresServer

KINDS = ("sqlite", "postgresql")
TICK = os.sysconf("SC_CLK_TCK")


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


@dataclass(slots=True)
class Stage:
    kind: str
    folder: Path
    system: System
    gateway: Subgraph
    settings: Settings
    server: PostgresServer | None
    tokens: dict[str, str] = field(default_factory=dict)  #: Of each family's adult.

    async def ask(self, family: str, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The data of an answer without errors."""
        answer = orjson.loads(await self.post(family, orjson.dumps({"query": query, "variables": variables})))
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    async def post(self, family: str, body: bytes) -> bytes:
        header = b"authorization: Bearer %b\r\n" % self.tokens[family].encode()
        return await self.gateway.post(body, header, seconds=60, again=False)

    async def sign_in(self, families: Sequence[str]) -> None:
        async def one(login: str) -> None:
            body = orjson.dumps({"query": SIGN_IN, "variables": {"login": login, "password": PASSWORD}})
            answer = orjson.loads(await self.gateway.post(body, b"", seconds=120, again=False))
            self.tokens[login] = answer["data"]["signIn"]["accessToken"]

        say(f"{len(families)} families sign in ...")
        await at_once(16, families, one)

    async def settle(self) -> None:
        """Until every event was handled."""
        await settled(self.settings, 120)

    def cpu_seconds(self) -> dict[str, float]:
        """Of each service, since its processes began, however many they are."""
        used: dict[str, float] = {}
        for name, process in self.system.processes.items():
            service = name.partition("-")[0]
            used[service] = used.get(service, 0.0) + _used(process.pid, 2)
        used["nats"] = sum(_used(pid, 2) for pid in self.system.nats.pids)
        if self.server is not None:
            postmaster = self.server.pid
            used["postgresql"] = _used(postmaster, 4) + sum(_used(pid, 2) for pid in _children(postmaster))
        return used


async def at_once(lanes: int, things: Iterable[Any], do: Callable[[Any], Awaitable[None]]) -> None:
    """Each lane takes the next thing when it is through with one."""
    waiting = iter(things)

    async def lane() -> None:
        for thing in waiting:
            await do(thing)

    await asyncio.gather(*(lane() for _ in range(lanes)))


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()
    except OSError:
        return []


def _used(pid: int, fields: int) -> float:
    """User and system time; with 4 fields also that of the children that ended."""
    return sum(map(int, _stat(pid)[11 : 11 + fields])) / TICK


def _children(parent: int) -> list[int]:
    pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [pid for pid in pids if (stat := _stat(pid)) and int(stat[1]) == parent]


def percentiles(seconds: Sequence[float], name: str = "", digits: int | None = None) -> dict[str, float]:
    """In milliseconds."""
    ordered = sorted(seconds)
    return {f"{name}p{n} ms": round(1000 * ordered[min(len(ordered) * n // 100, len(ordered) - 1)], digits) for n in (50, 95, 99)}


class Watch:
    """Wall time, and the CPU time of each process, from its making on."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._cpu = stage.cpu_seconds()
        self._begun = time.perf_counter()

    def seconds(self) -> float:
        return time.perf_counter() - self._begun

    def cpu(self) -> dict[str, float]:
        return {name: after - self._cpu[name] for name, after in self._stage.cpu_seconds().items()}


@asynccontextmanager
async def opened(
    kind: str, towns: Sequence[Mapping[str, Any]], families: Sequence[str], make: Callable[[Path, Mapping[str, str]], System] = System
) -> AsyncIterator[Stage]:
    """The system with these towns, and these families signed in."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="preau-bench-"))
        stack.callback(shutil.rmtree, folder)
        server = None
        if kind == "postgresql":
            server = PostgresServer(durable=True)
            server.start()
            stack.callback(server.stop)
        urls = {service: await _database(service, folder, server) for service in SERVICES}
        for service in SERVICES:
            await migrate(service, urls[service])
        system = make(folder / "run", urls)
        gateway = Subgraph(system.gateway)
        try:
            await asyncio.to_thread(system.start)
            for town in towns:
                path = folder / "town.yaml"
                path.write_text(yaml.safe_dump(dict(town), allow_unicode=True))
                await load_file(system, path)
            stage = Stage(kind, folder / "run", system, gateway, Settings.from_environment(system.environment), server)
            await stage.sign_in(families)
            yield stage
        finally:
            gateway.close()
            await asyncio.to_thread(system.stop)


async def _database(service: str, folder: Path, server: PostgresServer | None) -> str:
    if server is None:
        return f"sqlite+aiosqlite:///{folder / service}.sqlite"
    return await create_database(server.url, service)
