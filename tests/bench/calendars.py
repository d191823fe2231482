"""The month calendars of one child over 10 activities, and the one of all of them together, in one request at the gateway; 16 at a time."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import orjson

from tests.bench.stage import Stage, Watch, at_once, percentiles, say
from tests.flows.town import activity, next_days

AT_ONCE = 16
ACTIVITIES = [f"club-{n}" for n in range(10)]
FAMILIES = [f"months-{n}" for n in range(20)]  #: With a child in these activities and in no others.
REQUESTS = 600
MEASURED = ("gateway", "identity", "booking", "postgresql")
DAYS = "days { date state placesLeft reason revision booking { id status } }"


def activities() -> list[dict[str, Any]]:
    return [activity(name, capacity=50, waiting_list=10) for name in ACTIVITIES]


def query(names: Sequence[str], months: Sequence[str], *, together: bool = False) -> str:
    """Of each of these activities in each of these months; `together`: of all of them as one, too."""
    fields = [
        f'c{n}_{m}: calendar(month: "{month}", activity: "rush-{name}") {{ {DAYS} }}'
        for n, name in enumerate(names)
        for m, month in enumerate(months)
    ]
    fields += [f'all{m}: calendar(month: "{month}") {{ asOf {DAYS} }}' for m, month in enumerate(months) if together]
    return f"{{ me {{ families {{ children {{ id {' '.join(fields)} }} }} }} }}"


def month() -> str:
    return f"{next_days(1)[0]:%Y-%m}"


async def look(stage: Stage, families: Sequence[str], asked: str, requests: int, waits: list[float]) -> int:
    """So many requests of these families in turn. Returns how many days were shown."""
    body = orjson.dumps({"query": asked})
    shown: Counter[str] = Counter()

    async def one(n: int) -> None:
        begun = time.perf_counter()
        answer = orjson.loads(await stage.post(families[n % len(families)], body))
        waits.append(time.perf_counter() - begun)
        assert "errors" not in answer, answer["errors"]
        (family,) = answer["data"]["me"]["families"]
        for child in family["children"]:
            shown["days"] += sum(len(calendar["days"]) for name, calendar in child.items() if name != "id")

    await at_once(AT_ONCE, range(requests), one)
    return shown["days"]


async def measure(stage: Stage, rounds: int) -> list[dict[str, Any]]:
    families = [f"rush-{name}" for name in FAMILIES]
    await stage.sign_in(families)
    asked = query(ACTIVITIES, [month()], together=True)
    await look(stage, families, asked, 50, [])
    reports = []
    for n in range(rounds):
        say(f"calendars {n + 1} of {rounds} ...")
        waits: list[float] = []
        watch = Watch(stage)
        await look(stage, families, asked, REQUESTS, waits)
        seconds, cpu = watch.seconds(), watch.cpu()
        used = {f"{name} CPU ms/request": round(1000 * cpu[name] / REQUESTS, 2) for name in MEASURED if name in cpu}
        reports.append({"requests/s": round(REQUESTS / seconds), **percentiles(waits), **used})
    return reports
