"""The family home, through the gateway: whose family it is, its wallets, and for each of 3 children 3 activities and their month together.

One family after another, alone and 16 at a time. Some days are booked, so that there are estimated costs, and days that differ.
"""

import time
from collections.abc import Sequence
from typing import Any

import orjson

from tests.bench.calendars import month
from tests.bench.rush import SUBMIT
from tests.bench.stage import Stage, Watch, at_once, percentiles, say
from tests.flows.town import activity, family, next_days

AT_ONCE = 16
ACTIVITIES = ["canteen", "morning", "evening"]
FAMILIES = [f"home-{n}" for n in range(20)]
BOOKED = 6  #: Days of each child in each activity.
REQUESTS = 600
MEASURED = ("gateway", "identity", "booking", "billing", "nats", "postgresql")
HOME = """query ($month: YearMonth!) { me { families { number
  children { firstName activities { id name bookingRule } calendar(month: $month) { days { date state placesLeft } } }
  balance { lines { wallet { name } balanceCents estimatedCostCents newBalanceCents } } } } }"""


def activities() -> list[dict[str, Any]]:
    return [activity(name, capacity=500) for name in ACTIVITIES]


def families() -> list[dict[str, Any]]:
    return [family(name, children=[f"{name}-{child}" for child in "abc"], activities=ACTIVITIES) for name in FAMILIES]


async def book(stage: Stage, name: str) -> None:
    """What is booked already changes nothing."""
    lines = [
        {"change": "BOOK", "child": f"{name}-{child}", "activity": f"rush-{one}", "date": day.isoformat()}
        for child in "abc"
        for one in ACTIVITIES
        for day in next_days(BOOKED)
    ]
    await stage.ask(name, SUBMIT, {"input": {"family": name, "idempotencyKey": name, "lines": lines}})


async def look(stage: Stage, names: Sequence[str], lanes: int, requests: int) -> dict[str, Any]:
    body = orjson.dumps({"query": HOME, "variables": {"month": month()}})
    waits: list[float] = []

    async def one(n: int) -> None:
        begun = time.perf_counter()
        answer = orjson.loads(await stage.post(names[n % len(names)], body))
        waits.append(time.perf_counter() - begun)
        assert "errors" not in answer, answer["errors"]
        assert [len(child["activities"]) for child in answer["data"]["me"]["families"][0]["children"]] == [len(ACTIVITIES)] * 3

    watch = Watch(stage)
    await at_once(lanes, range(requests), one)
    seconds, cpu = watch.seconds(), watch.cpu()
    used = {f"{name} CPU ms/request": round(1000 * cpu[name] / requests, 2) for name in MEASURED if name in cpu}
    return {"requests/s": round(requests / seconds), **percentiles(waits, digits=1), **used}


async def measure(stage: Stage, rounds: int) -> dict[int, list[dict[str, Any]]]:
    """How many at a time -> a report of each round."""
    names = [f"rush-{name}" for name in FAMILIES]
    await stage.sign_in(names)
    for name in names:
        await book(stage, name)
    await stage.settle()
    await look(stage, names, AT_ONCE, 50)
    reports: dict[int, list[dict[str, Any]]] = {1: [], AT_ONCE: []}
    for n in range(rounds):
        for lanes, theirs in reports.items():
            say(f"family home {n + 1} of {rounds}, {lanes} at a time ...")
            theirs.append(await look(stage, names, lanes, REQUESTS))
    return reports
