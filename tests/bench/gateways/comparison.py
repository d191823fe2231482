"""Our gateway beside others: the same question, the same subgraphs, which answer from memory; and what HTTP alone costs.

The gateway has the first core for itself, one process; subgraphs and load have the others. All answer alike, which is looked at first.
They take turns in short rounds, so that whatever else the machine does falls on all of them; figures are medians of the rounds.
"""

import argparse
import array
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from joserfc import jwt
from joserfc.jwk import OKPKey

from services.claims import Caller
from tests.bench.gateways.home import BODIES, MONTHS
from tests.bench.gateways.load import one
from tests.bench.gateways.rivals import FLOOR, OTHERS, OURS, ROOT, Rival
from tests.bench.stage import TICK, say
from tests.nats_server import NatsServer, free_port

SERVICES = ("identity", "booking", "billing")
AT_ONCE = (1, 16, 64)
SECONDS = 2.0
WARM_SECONDS = 4.0  #: Node compiles what it has run for a while.
START_SECONDS = 60.0
SMALLEST = orjson.dumps({"query": "{ __typename }"})
COLUMNS = ("requests/s", "p50 ms", "p99 ms", "CPU ms")


# ------------------------------------------------------------------------------------------------ processes
def leave_first_core() -> set[int]:
    """We, and what we start, keep to the others. -> the gateway's."""
    first, *others = sorted(os.sched_getaffinity(0))
    if others:
        os.sched_setaffinity(0, others)
    else:
        say("!!! one core alone: gateway, subgraphs and load share it, and requests/s say little")
    return {first}


def start(command: Sequence[str], environment: dict[str, str], log: Path, core: set[int] | None = None) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True
        )
    if core is not None:
        os.sched_setaffinity(process.pid, core)
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def family(parent: int) -> list[int]:
    """A process and all that it started."""
    found, known = [parent], _parents()
    for pid in found:
        found.extend(child for child, its in known.items() if its == pid)
    return found


def _parents() -> dict[int, int]:
    return {int(path.name): int(stat[1]) for path in Path("/proc").iterdir() if path.name.isdigit() and (stat := _stat(int(path.name)))}


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()
    except OSError:
        return []


def cpu_seconds(pids: Iterable[int]) -> float:
    return sum(sum(map(int, stat[11:13])) for pid in pids if (stat := _stat(pid))) / TICK


def resident_mb(pids: Iterable[int]) -> float:
    return sum(int(stat[21]) for pid in pids if (stat := _stat(pid))) * os.sysconf("SC_PAGE_SIZE") / 1e6


# ------------------------------------------------------------------------------------------------ one gateway
@dataclass(slots=True)
class Running:
    """A gateway that answers."""

    name: str
    port: int
    path: str
    headers: str
    pids: list[int]
    ready_seconds: float
    lengths: list[int] = field(default_factory=list)
    figures: dict[int, list[dict[str, float]]] = field(default_factory=dict)  #: By connections, one of each round.

    def answers(self) -> list[Any]:
        """To each question. What they measure is that they say the same again."""
        raw = [one(self.port, self.path, self.headers, body) for body in BODIES]
        self.lengths = [len(each) for each in raw]
        return [orjson.loads(each) for each in raw]

    def load(self, connections: int, seconds: float) -> dict[str, float]:
        told = orjson.dumps({"headers": self.headers, "lengths": self.lengths})
        command = [sys.executable, "-m", "tests.bench.gateways.load", str(self.port), self.path, str(connections), str(seconds)]
        before = cpu_seconds(self.pids)
        done = subprocess.run(command, input=told, stdout=subprocess.PIPE, cwd=ROOT, check=True)
        used = cpu_seconds(self.pids) - before
        waits = sorted(array.array("d", done.stdout))
        p50, p99 = (1000 * waits[min(len(waits) * n // 100, len(waits) - 1)] for n in (50, 99))
        return dict(zip(COLUMNS, (len(waits) / seconds, p50, p99, 1000 * used / len(waits)), strict=True))

    def measure(self, connections: int) -> None:
        self.figures.setdefault(connections, []).append(self.load(connections, SECONDS))

    def median(self, connections: int) -> dict[str, float]:
        rounds = self.figures[connections]
        return {name: statistics.median(each[name] for each in rounds) for name in COLUMNS}


def until_it_answers(port: int, path: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            if b"__typename" in one(port, path, "", SMALLEST):
                return
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"no answer ({error}); it says:\n{log.read_text()[-2000:]}") from error
            time.sleep(0.005)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a gateway is started."""

    folder: Path
    core: set[int]
    headers: str  #: Header lines of whoever asks.
    environment: dict[str, str]  #: Says where the subgraphs and the broker are.


@contextmanager
def running(rival: Rival, place: Place) -> Iterator[Running]:
    port, log = free_port(), place.folder / f"{rival.name}.log"
    begun = time.monotonic()
    process = start(rival.command(port), place.environment | dict(rival.environment), log, place.core)
    try:
        until_it_answers(port, rival.path, process, log)
        ready_seconds = time.monotonic() - begun
        yield Running(rival.name, port, rival.path, place.headers, family(process.pid), ready_seconds)
    finally:
        end(process)


# ------------------------------------------------------------------------------------------------ what they stand before
@contextmanager
def town(folder: Path, core: set[int]) -> Iterator[Place]:
    """Subgraphs and a broker, and a family that is signed in."""
    key = OKPKey.generate_key("Ed25519", auto_kid=True)
    keys = json.dumps({"keys": [key.as_dict(private=False)]})
    ports = [free_port() for _ in SERVICES]
    trusted = folder / "trusted.json"
    trusted.write_bytes(orjson.dumps(listed(str(orjson.loads(BODIES[0])["query"]))))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PREAU_DATA": str(folder),
        "PREAU_ACCOUNT_POINTS": str(10**12),  # counted, but one family at one address asks for all
        "PREAU_ADDRESS_POINTS": str(10**12),
        "PREAU_TRUSTED_DOCUMENTS": str(trusted),
        "MAILER_URL": "http://127.0.0.1:1",  # production wants one; nothing is asked of it
        **{f"{name.upper()}_URL": f"http://127.0.0.1:{port}" for name, port in zip(SERVICES, ports, strict=True)},
    }
    nats = NatsServer(folder)
    nats.start()
    command = [sys.executable, "-m", "tests.bench.gateways.subgraphs", *map(str, ports), keys]
    subgraphs = start(command, environment, folder / "subgraphs.log")
    headers = f"authorization: {token(key)}\r\naccept-language: fr\r\n"
    try:
        yield Place(folder, core, headers, environment | {"NATS_URL": nats.url})
    finally:
        end(subgraphs)
        nats.stop()


def listed(document: str) -> dict[str, str]:
    """A town's list of trusted documents, as Relay writes it."""
    return {hashlib.sha256(document.encode()).hexdigest(): document}


def token(key: OKPKey) -> str:
    claims = Caller("dupont", "session", {"dupont": "carteville"}, frozenset(), "fr", 0).claims()
    now = int(time.time())
    header = {"alg": "Ed25519", "kid": key.kid}
    return "Bearer " + jwt.encode(header, {**claims, "iat": now, "exp": now + 3600}, key, algorithms=["Ed25519"])


# ------------------------------------------------------------------------------------------------ all of them
def wanted(*, alone: bool) -> list[Rival]:
    """Those that can be started here."""
    found = [OURS]
    for rival in () if alone else OTHERS:
        if rival.needs is None or rival.needs.exists():
            found.append(rival)
        else:
            say(f"!!! {rival.name} is NOT measured: {rival.needs} is missing. `npm install` in tests/bench/gateways fetches it (700 MB).")
    return found


def compare(gateways: Sequence[Running]) -> None:
    """Raises SystemExit where one does not answer as the first does."""
    expected = gateways[0].answers()
    if any("errors" in answer for answer in expected):
        raise SystemExit(f"{gateways[0].name}: {next(answer['errors'] for answer in expected if 'errors' in answer)}")
    for gateway in gateways[1:]:
        for month, ours, theirs in zip(MONTHS, expected, gateway.answers(), strict=True):
            if ours["data"] != theirs.get("data") or "errors" in theirs:
                raise SystemExit(f"{gateway.name} answers otherwise about {month}: {json.dumps(theirs)[:500]}")
    say(f"{len(gateways)} answer alike to {len(MONTHS)} questions, {statistics.mean(gateways[0].lengths) / 1000:.0f} KB each")


def table(gateways: Sequence[Running]) -> Iterator[str]:
    heads = [f"{n} at once: {', '.join(COLUMNS)}" for n in AT_ONCE]
    yield f"| | {' | '.join(heads)} | MB | ready after |"
    yield f"|---|{'---|' * len(heads)}---|---|"
    for gateway in gateways:
        cells = ["{requests/s:,.0f}, {p50 ms:.2f}, {p99 ms:.2f}, {CPU ms:.3f}".format(**gateway.median(n)) for n in AT_ONCE]
        yield f"| {gateway.name} | {' | '.join(cells)} | {resident_mb(gateway.pids):.0f} | {gateway.ready_seconds:.1f} s |"


def ratios(gateways: Sequence[Running]) -> Iterator[str]:
    ours = gateways[0].median(16)
    for gateway in gateways[1:]:
        theirs = gateway.median(16)
        yield (
            f"16 at once, beside {gateway.name}: {ours['requests/s'] / theirs['requests/s']:.1f} times the requests/s, "
            f"{theirs['CPU ms'] / ours['CPU ms']:.1f} times less CPU"
        )


def floors(stack: ExitStack, place: Place) -> list[Running]:
    """One process, by what it is asked to do."""
    floor = Rival("floor", lambda port: [sys.executable, "-m", "tests.bench.gateways.floor", str(port)])
    base = stack.enter_context(running(floor, place))
    return [Running(name, base.port, path, place.headers, base.pids, base.ready_seconds) for name, path in FLOOR.items()]


def measure(rounds: int, *, alone: bool) -> None:
    core = leave_first_core()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="preau-bench-")))
        place = stack.enter_context(town(folder, core))
        say("starting ...")
        gateways = [stack.enter_context(running(rival, place)) for rival in wanted(alone=alone)]
        everything = [*gateways, *floors(stack, place)]
        compare(everything)
        for each in everything:
            each.load(16, WARM_SECONDS if each in gateways[1:] else 1)
        for n in range(rounds):
            say(f"round {n + 1} of {rounds} ...")
            for each in everything:
                for connections in AT_ONCE:
                    each.measure(connections)
        print(*table(everything), *ratios(gateways), sep="\n", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench gateways", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help="ours and the floor alone")
    wish = parser.parse_args(arguments)
    measure(wish.rounds, alone=wish.alone)
    subprocess.run([sys.executable, "-m", "tests.bench.gateways.stages"], cwd=ROOT, check=True)
