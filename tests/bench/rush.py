"""The opening rush, through the gateway: 500 families each ask 20 of 30 days of one activity, 32 at a time.

50 places a day and a waiting list of 10. Everything runs on this machine, the families included: the four services, the gateway,
NATS (`sync_interval: always`), and SQLite (`synchronous=FULL`) or PostgreSQL (`fsync` on). Sign-in happens before the clock starts.
Nothing is switched off: prices are held and reports are mailed meanwhile.

    python -m tests.bench.rush [--families 500] [--rounds 3] [--database sqlite|postgresql|both]
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
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
from tests.flows.town import PASSWORD, SIGN_IN, activity, family, load_file, next_days, renamed
from tests.postgresql_server import PostgresServer

AT_ONCE = 32
DAYS, EACH, PLACES, WAITING = 30, 20, 50, 10
SUBMIT = """mutation($input: SubmitInput!) { submitBookings(input: $input) {
  ... on Request { id decided movements { booking { id date status rank } refusal { code } } } ... on Refusal { code message } } }"""


@dataclass(frozen=True)
class Round:
    """One rush."""

    seconds: float
    waits: Sequence[float]  #: Seconds that each family waited for its whole answer.
    answers: Counter[str]
    per_day: Counter[tuple[str, str]]
    lost: int
    drained_seconds: float
    cpu_seconds: dict[str, float]  #: Of each process, until every event was handled.

    def report(self) -> dict[str, Any]:
        waits = sorted(self.waits)
        return {
            "day-requests/s": round(sum(self.answers.values()) / self.seconds),
            "accepted places/s": round(self.answers["ACCEPTED"] / self.seconds),
            "p50 ms": round(1000 * waits[len(waits) // 2]),
            "p95 ms": round(1000 * waits[int(len(waits) * 0.95)]),
            "p99 ms": round(1000 * waits[int(len(waits) * 0.99)]),
            "oversold": sum(max(0, count - PLACES) for (status, _), count in self.per_day.items() if status == "ACCEPTED"),
            "lost": self.lost,
            "all events handled after s": round(self.drained_seconds, 1),
            **{f"{name} CPU ms/request": round(1000 * seconds / len(waits), 1) for name, seconds in self.cpu_seconds.items()},
        }


def town_file(families: int, rounds: int) -> dict[str, Any]:
    names = ["warm-up", *(f"rush-{n}" for n in range(rounds))]
    activities = [activity(name, capacity=PLACES, waiting_list=WAITING) for name in names]
    return renamed("rush", activities, [family(f"f{n}", activities=names) for n in range(families)])


async def tokens(gateway: Subgraph, families: int) -> list[str]:
    async def sign_in(n: int) -> str:
        body = orjson.dumps({"query": SIGN_IN, "variables": {"login": f"rush-f{n}", "password": PASSWORD}})
        answer = orjson.loads(await gateway.post(body, b"", seconds=120, again=False))
        token: str = answer["data"]["signIn"]["accessToken"]
        return token

    print(f"{families} families sign in ...", file=sys.stderr, flush=True)
    found: list[str] = []
    for start in range(0, families, AT_ONCE):
        found += await asyncio.gather(*(sign_in(n) for n in range(start, min(start + AT_ONCE, families))))
    return found


def cpu_seconds(system: System) -> dict[str, float]:
    pids = {name: process.pid for name, process in system.processes.items()} | {
        "nats": system.nats.process.pid if system.nats.process else 0
    }
    tick = os.sysconf("SC_CLK_TCK")
    return {name: sum(map(int, Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[11:13])) / tick for name, pid in pids.items()}


async def rush(system: System, gateway: Subgraph, settings: Settings, signed_in: Sequence[str], name: str) -> Round:
    days = [day.isoformat() for day in next_days(DAYS)]
    waits: list[float] = []
    answers: Counter[str] = Counter()
    per_day: Counter[tuple[str, str]] = Counter()
    lost = 0
    bodies = [_body(n, name, days) for n in range(len(signed_in))]
    waiting = iter(range(len(signed_in)))

    async def one_by_one() -> None:
        nonlocal lost
        for n in waiting:
            begun = time.perf_counter()
            answer = orjson.loads(
                await gateway.post(bodies[n], b"authorization: Bearer %b\r\n" % signed_in[n].encode(), seconds=60, again=False)
            )
            waits.append(time.perf_counter() - begun)
            movements = (answer.get("data") or {}).get("submitBookings", {}).get("movements", ())
            lost += EACH - len(movements)
            for movement in movements:
                status = movement["booking"]["status"]
                answers[status] += 1
                per_day[status, movement["booking"]["date"]] += 1
                lost += status == "SUBMITTED"

    print(f"{name} ...", file=sys.stderr, flush=True)
    before = cpu_seconds(system)
    begun = time.perf_counter()
    await asyncio.gather(*(one_by_one() for _ in range(AT_ONCE)))
    seconds = time.perf_counter() - begun
    await settled(settings, 120)
    drained = time.perf_counter() - begun - seconds
    used = {name: after - before[name] for name, after in cpu_seconds(system).items()}
    return Round(seconds, waits, answers, per_day, lost, drained, used)


def _body(n: int, name: str, days: Sequence[str]) -> bytes:
    chosen = sorted(random.Random(1000 + n).sample(range(DAYS), EACH))
    lines = [{"change": "BOOK", "child": f"rush-f{n}-child", "activity": f"rush-{name}", "date": days[day]} for day in chosen]
    order = {"family": f"rush-f{n}", "idempotencyKey": f"{name}-{n}", "lines": lines}
    return orjson.dumps({"query": SUBMIT, "variables": {"input": order}})


async def measure(folder: Path, urls: dict[str, str], families: int, rounds: int) -> list[Round]:
    for service in SERVICES:
        await migrate(service, urls[service])
    system = System(folder / "run", urls)
    gateway = Subgraph(system.gateway)
    try:
        await asyncio.to_thread(system.start)
        path = folder / "rush.yaml"
        path.write_text(yaml.safe_dump(town_file(families, rounds), allow_unicode=True))
        await load_file(system, path)
        settings = Settings.from_environment(system.environment)
        signed_in = await tokens(gateway, families)
        await rush(system, gateway, settings, signed_in[:50], "warm-up")
        return [await rush(system, gateway, settings, signed_in, f"rush-{n}") for n in range(rounds)]
    finally:
        gateway.close()
        await asyncio.to_thread(system.stop)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    wish = parser.parse_args()
    for kind in ["sqlite", "postgresql"] if wish.database == "both" else [wish.database]:
        with ExitStack() as stack:
            folder = Path(tempfile.mkdtemp(prefix="preau-bench-"))
            stack.callback(shutil.rmtree, folder)
            rounds = asyncio.run(measure(folder, _databases(kind, folder, stack), wish.families, wish.rounds))
        reports = [one.report() for one in rounds]
        for report in reports:
            print(kind, json.dumps(report))
        print(kind, "median", json.dumps({key: statistics.median(report[key] for report in reports) for key in reports[0]}))


def _databases(kind: str, folder: Path, stack: ExitStack) -> dict[str, str]:
    if kind == "sqlite":
        return {service: f"sqlite+aiosqlite:///{folder / service}.sqlite" for service in SERVICES}
    server = PostgresServer(durable=True)
    server.start()
    stack.callback(server.stop)
    return {service: asyncio.run(create_database(server.url, service)) for service in SERVICES}


if __name__ == "__main__":
    main()
