"""What replicas, towns side by side, gateways and a cluster of brokers cost and change: an opening rush and a family's home on PostgreSQL.

Each shape is a system of its own: booking's processes behind a plain proxy (balancer.py), gateways behind another one, and one nats-server
or three that keep each stream three times. Families of several towns ask at once; no two towns share a partition.

On a machine with too few cores for all of them only the CPU seconds of each service say something, which `/proc` counts: they are what
deploy/scaling.py reckons with. Requests a second then say how the families fared beside everything else, and are good for comparing only.
"""

import argparse
import asyncio
import json
import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg

from deploy.backlog import connect
from services.booking.tables import partition_of
from services.bus import STREAM
from services.settings import SERVICES
from tests.bench import home
from tests.bench.rush import DAYS, EACH, Order, activities, rush
from tests.bench.stage import Stage, Watch, opened, say
from tests.flows.system import System
from tests.flows.town import family, next_days, renamed
from tests.forked import Forked
from tests.nats_server import NatsServer, free_port

READS = 200  #: Family homes looked at, in each shape.
LOOK_SECONDS = 0.02
#: CPU is what counts here, so that nothing is given up on a machine that is busy with other things.
PATIENT = {"PREAU_SUBGRAPH_SECONDS": ",".join(f"{service}=100" for service in SERVICES), "PREAU_REQUEST_SECONDS": "110"}
#: Whoever has written in the counter of requests holds it until the commit, and who waits for it has it in sight.
COUNTER = """SELECT count(DISTINCT pid) FROM pg_locks WHERE granted AND mode = 'RowExclusiveLock' AND relation = 'counter'::regclass"""


@dataclass(frozen=True, slots=True)
class Shape:
    """How many of each."""

    bookings: int = 1
    towns: int = 4
    gateways: int = 1
    brokers: int = 1

    def __str__(self) -> str:
        return f"booking x{self.bookings}, towns x{self.towns}, gateway x{self.gateways}, NATS x{self.brokers}"


SHAPES = (
    Shape(),
    Shape(towns=1),
    Shape(bookings=2),
    Shape(bookings=4),
    Shape(bookings=4, towns=1),
    Shape(bookings=2, gateways=2),
    Shape(2, 4, 2, 3),
)


@dataclass
class NatsCluster(NatsServer):
    """Several servers; clients that reach this one are told of the others."""

    size: int = 3
    others: list[NatsServer] = field(init=False)

    def __post_init__(self) -> None:
        self.others = []
        for _ in range(self.size - 1):
            folder = self.folder / f"server-{len(self.others)}"
            folder.mkdir()
            self.others.append(NatsServer(folder))
        routes = {server.port: free_port() for server in (self, *self.others)}
        for server in (self, *self.others):
            server.settings = _clustered(server, self.accounts, routes)

    @property
    def pids(self) -> list[int]:
        return [pid for server in self.others for pid in server.pids] + super().pids

    def start(self) -> None:
        with ThreadPoolExecutor() as pool:  # none is ready before most of them are there
            for starting in [pool.submit(server.start) for server in self.others] + [pool.submit(super().start)]:
                starting.result()

    def stop(self, *, kill: bool = False) -> None:
        for server in self.others:
            server.stop(kill=kill)
        super().stop(kill=kill)


def _clustered(server: NatsServer, accounts: Path | None, routes: Mapping[int, int]) -> str:
    known = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes.values())
    # A file is included by a path from the configuration's own folder.
    included = f"include {os.path.relpath(accounts, server.folder)!r}\n" if accounts else ""
    return (
        f'server_name: "nats-{server.port}"\nlisten: "127.0.0.1:{server.port}"\nhttp: "127.0.0.1:{server.monitor}"\n'
        f'cluster {{ name: preau, listen: "127.0.0.1:{routes[server.port]}", routes: [{known}] }}\n'
        f'jetstream {{ store_dir: "{server.store}", sync_interval: {server.sync} }}\n' + included
    )


@dataclass
class Wide(System):
    """The whole system with several processes of booking and of the gateway, each kind behind a proxy."""

    shape: Shape = field(default_factory=Shape)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.entrances = {"booking": free_port(), "gateway": free_port()}
        self.kinds = {"booking": self._names("booking", self.shape.bookings), "gateway": self._names("gateway", self.shape.gateways)}
        self.settings = {"BOOKING_URL": f"http://127.0.0.1:{self.entrances['booking']}", **PATIENT}
        if self.shape.brokers > 1:
            self.nats = NatsCluster(self.nats.folder, accounts=self.nats.accounts, size=self.shape.brokers)
            self.settings |= {"NATS_REPLICAS": "3"}

    def _names(self, service: str, how_many: int) -> list[str]:
        names = [service, *(f"{service}-{n}" for n in range(1, how_many))]
        self.ports |= {name: free_port() for name in names[1:]}
        return names

    @property
    def gateway(self) -> str:
        return f"http://{self.host}:{self.entrances['gateway']}"

    def start(self, *names: str, crash_at: str | None = None) -> None:
        for kind, port in self.entrances.items():
            ports = [str(self.ports[name]) for name in self.kinds[kind]]
            self.processes[f"proxy-{kind}"] = Forked("tests.bench.balancer", str(port), *ports, environ={"PATH": os.environ["PATH"]})
        super().start(*names, crash_at=crash_at)
        more = [name for theirs in self.kinds.values() for name in theirs[1:]]
        for name in more:
            self._spawn(name, {})
        for name in more:
            self.wait_until_ready(name)
        self._pin()

    def _pin(self) -> None:
        """Each process of booking has a core, where there are enough for that; without, pinning only makes them wait for one another."""
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < self.shape.bookings + self.shape.gateways + self.shape.brokers + 2:
            return
        mine = [name for theirs in self.kinds.values() for name in theirs]
        for name, core in zip(mine, cores, strict=False):
            os.sched_setaffinity(self.processes[name].pid, {core})


# ------------------------------------------------------------------------------------------------------------------ towns
def names_of_towns(how_many: int) -> list[str]:
    """The first is `rush`; no two are in one partition."""
    found: dict[int, str] = {}
    for name in ("rush", *(f"rush{n}" for n in range(2, 500))):
        found.setdefault(partition_of(name), name)
    return list(islice(found.values(), how_many))


def town(name: str, families: int, rounds: int) -> dict[str, Any]:
    opening = [one | {"capacity": max(1, families * EACH // DAYS // 6), "waiting_list": 2} for one in activities(rounds)]
    these = [family(f"f{n}", activities=[one["id"] for one in opening]) for n in range(families)]
    if name != "rush":
        return renamed(name, opening, these)
    return renamed(name, [*opening, *home.activities()], [*these, *home.families()])


def orders(towns: Sequence[str], families: int, name: str) -> Iterator[Order]:
    """One family of each town after the other."""
    days = [day.isoformat() for day in next_days(DAYS)]
    for n in range(families):
        for one in towns:
            chosen = [days[(7 * n + step) % DAYS] for step in range(EACH)]
            lines = [{"change": "BOOK", "child": f"{one}-f{n}-child", "activity": f"{one}-{name}", "date": day} for day in chosen]
            yield Order(f"{one}-f{n}", f"{name}-{n}", lines)


# --------------------------------------------------------------------------------------------------------------- measuring
@dataclass(slots=True)
class Told:
    """How much there is of what is kept."""

    events: int
    stream_bytes: int
    database_bytes: int
    mails: int


async def told(stage: Stage) -> Told:
    bus = await connect(stage.settings)
    try:
        states = [(await bus.jetstream.stream_info(stream)).state for stream in STREAM.values()]
    finally:
        await bus.close()
    sizes = [await _value(stage, name, "SELECT pg_database_size(current_database())") for name in stage.system.databases]
    mails = await _value(stage, "mailer", "SELECT count(*) FROM mail")
    return Told(sum(one.messages for one in states), sum(one.bytes for one in states), sum(sizes), mails)


async def _value(stage: Stage, service: str, query: str) -> int:
    connection = await asyncpg.connect(stage.system.databases[service].replace("+asyncpg", ""))
    try:
        return int(await connection.fetchval(query))
    finally:
        await connection.close()


@dataclass(slots=True)
class Queue:
    """How the counter of requests, one for all towns of a database, was found at each look."""

    looks: list[int] = field(default_factory=list)  #: Transactions that hold it, or wait for it.

    async def watch(self, url: str) -> None:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            while True:
                self.looks.append(int(await connection.fetchval(COUNTER)))
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await connection.close()

    def report(self, seconds: float, requests: int) -> dict[str, float]:
        looks = self.looks or [0]
        held = sum(map(bool, looks)) / len(looks)
        return {
            "counter held": round(held, 2),
            "counter held ms/request": round(1000 * held * seconds / requests, 2),
            "transactions at it": round(statistics.mean(looks), 2),
        }


async def opening(stage: Stage, towns: Sequence[str], families: int, name: str) -> dict[str, Any]:
    before = await told(stage)
    queue = Queue()
    watching = asyncio.create_task(queue.watch(stage.system.databases["booking"]))
    try:
        found = await rush(stage, list(orders(towns, families, name)))
    finally:
        watching.cancel()
    requests, after = len(found.waits), await told(stage)
    # A look of the queue goes on until every event was handled: it is not held any more then.
    held = queue.report(found.seconds + found.drained, requests)
    return {
        "requests/s": round(requests / found.seconds, 1),
        **held,
        "lost": found.lost,
        "events/request": round((after.events - before.events) / requests, 2),
        "mails/request": round((after.mails - before.mails) / requests, 2),
        "stream bytes/request": round((after.stream_bytes - before.stream_bytes) / requests),
        "database bytes/request": round((after.database_bytes - before.database_bytes) / requests),
        **{f"{service} CPU ms/request": round(1000 * used / requests, 2) for service, used in found.cpu.items()},
        "CPU ms/event": round(1000 * sum(found.cpu.values()) / max(after.events - before.events, 1), 2),
    }


async def measure(stage: Stage, shape: Shape, towns: Sequence[str], families: int, rounds: int) -> dict[str, dict[str, float]]:
    """What is measured -> the median of each figure."""
    watch = Watch(stage)
    signing = [f"{one}-f{n}" for one in towns for n in range(families)]
    await stage.sign_in(signing)
    entering = {f"{service} CPU ms/sign-in": round(1000 * used / len(signing), 2) for service, used in watch.cpu().items()}
    await opening(stage, towns, min(families, 10), "warm-up")
    rushes = []
    for n in range(rounds):
        say(f"{shape}: rush {n + 1} of {rounds} ...")
        rushes.append(await opening(stage, towns, families, f"rush-{n}"))
    names = [f"rush-{name}" for name in home.FAMILIES]
    await stage.sign_in(names)
    await home.look(stage, names, home.AT_ONCE, 50)
    reads = []
    for n in range(rounds):
        say(f"{shape}: homes {n + 1} of {rounds} ...")
        watch = Watch(stage)
        seen = await home.look(stage, names, home.AT_ONCE, READS)
        used = {f"{service} CPU ms/home": round(1000 * used / READS, 2) for service, used in watch.cpu().items()}
        reads.append({"homes/s": seen["requests/s"], **used})
    sound = await asyncio.to_thread(stage.system.preau, "check", check=False)
    if sound.returncode:
        say(sound.stdout)
    return {"sign-in": entering, "rush": medians(rushes) | {"preau check": sound.returncode}, "home": medians(reads)}


def medians(reports: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: statistics.median(report[name] for report in reports) for name in reports[0]}


async def on_stage(shape: Shape, families: int, rounds: int) -> dict[str, dict[str, float]]:
    """`families`: of all towns together."""
    towns = names_of_towns(shape.towns)
    each = families // len(towns)
    files = [town(name, each, rounds) for name in towns]
    async with opened("postgresql", files, [], lambda folder, urls: Wide(folder, urls, shape=shape)) as stage:
        return await measure(stage, shape, towns, each, rounds)


def table(found: Mapping[Shape, Mapping[str, Mapping[str, float]]]) -> Iterator[str]:
    """Each figure in a row, each shape in a column."""
    yield "| |" + "".join(f" {shape} |" for shape in found)
    yield "|---|" + "---|" * len(found)
    names = dict.fromkeys((part, name) for parts in found.values() for part, figures in parts.items() for name in figures)
    for part, name in names:
        yield f"| {part}: {name} |" + "".join(f" {parts[part].get(name, '')} |" for parts in found.values())


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser("tests.bench scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", type=int, default=120, help="of all towns together")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shapes", type=int, nargs="*", help="which, from 0 on (default all)", choices=range(len(SHAPES)))
    wish = parser.parse_args(arguments)
    found = {}
    for n, shape in enumerate(SHAPES):
        if wish.shapes is None or n in wish.shapes:
            found[shape] = asyncio.run(on_stage(shape, wish.families, wish.rounds))
            print(shape, json.dumps(found[shape]), flush=True)
    print("\n".join(table(found)), flush=True)
