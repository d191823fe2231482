"""Where the gateway's own CPU time goes for one answer: its stages in one process without HTTP, warm, each at its quickest.

What a process of it uses beyond that is HTTP: the floor that stands beside it in the comparison.
"""

import inspect
import json
import time
from collections.abc import Callable
from typing import Any

import msgspec
import orjson
import uvloop

from deploy.serving import look_for_garbage_less_often
from gateway import asking, engine
from gateway.bounds import Bounds, Buckets
from gateway.browsers import Browsers
from gateway.documents import Documents
from gateway.http import GraphQLEndpoint
from gateway.live import Live
from gateway.seen import Fetching
from gateway.streams import Streams
from gateway.supergraph import Supergraph
from services.bus import Bus
from services.settings import Settings
from tests.bench.gateways.family import subgraphs
from tests.bench.gateways.home import BODIES

BODY = BODIES[9]
HEADERS = {
    b"host": b"gateway",
    b"content-type": b"application/json",
    b"accept": b"application/json",
    b"authorization": b"Bearer " + b"t" * 400,
    b"accept-language": b"fr",
    b"content-length": b"%d" % len(BODY),
}
SCOPE = {"type": "http", "method": "POST", "headers": [*HEADERS.items()], "client": ("127.0.0.1", 4444), "query_string": b""}
TIMES, BATCHES = 50, 60


class Remembered:
    """Subgraphs without HTTP between, which answer at once what they were asked before."""

    def __init__(self) -> None:
        self.town = subgraphs()
        self.known: dict[bytes, bytes] = {}

    async def __call__(self, service: str, body: bytes, headers: bytes, *, seconds: float, again: bool) -> bytes:
        if body not in self.known:
            asked = orjson.loads(body)
            self.known[body] = orjson.dumps(await self.town[service].answer(asked["query"], asked.get("variables") or {}))
        return self.known[body]


async def receive() -> dict[str, Any]:
    return {"type": "http.request", "body": BODY, "more_body": False}


async def send(_: Any) -> None:
    """To nobody."""


async def cpu_us(do: Callable[[], Any]) -> float:
    """Of the quickest batch: the others had company."""
    best = float("inf")
    for _ in range(BATCHES):
        begun = time.thread_time()
        for _ in range(TIMES):
            found = do()
            if inspect.isawaitable(found):
                await found
        best = min(best, (time.thread_time() - begun) / TIMES)
    return round(best * 1_000_000, 1)


async def measure() -> dict[str, float]:
    """Microseconds."""
    supergraph, fetcher, settings = Supergraph.committed(), Remembered(), Settings.from_environment({})
    bounds = Bounds(accounts=Buckets(10**12), addresses=Buckets(10**12))  # one family asks for all
    running = engine.Engine(supergraph.api, Fetching(fetcher))
    streams = Streams(Documents(supergraph), running, Live(Bus(settings, "gateway")), settings.clock, bounds=bounds)
    endpoint: Any = Browsers(GraphQLEndpoint(streams))

    passing, asked = asking.passed_on(SCOPE, HEADERS), await asking.read_post(HEADERS, receive)
    operation = streams.operation(asked, passing)
    plan = streams.documents.plan(operation, asked.variables)
    answer = await running.run(plan, asked.variables, passing.lines)
    longest = max(fetcher.known.values(), key=len)
    look_for_garbage_less_often()

    stages: dict[str, Callable[[], Any]] = {
        "headers": lambda: (asking.passed_on(SCOPE, HEADERS), asking.media_type(b"application/json")),
        "body": lambda: asking.read_post(HEADERS, receive),
        "bounds": lambda: (bounds.spend(passing), bounds.admit(plan.cost, asked.variables, passing)),
        "document, variables, plan": lambda: streams.documents.plan(streams.operation(asked, passing), asked.variables),
        "carrying out the plan": lambda: running.run(plan, asked.variables, passing.lines),
        "encoding": lambda: msgspec.json.encode({"data": answer.data}),
    }
    found = {name: await cpu_us(do) for name, do in stages.items()}
    whole = await cpu_us(lambda: endpoint(SCOPE, receive, send))
    # Together they push one another out of the processor's caches: the rest is also what each costs more than alone.
    found["metrics, spans, the rest"] = round(whole - sum(found.values()), 1)
    scanning = await cpu_us(lambda: engine._decode_unread_joined(longest))
    return {"all": whole, **found, f"of it looking through {len(longest) // 1000} KB of answer": scanning}


def main() -> None:
    print("the gateway's own CPU us for one answer, without HTTP:", json.dumps(uvloop.run(measure())), flush=True)


if __name__ == "__main__":
    main()
