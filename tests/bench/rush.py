"""The opening rush, through the gateway: 500 families each ask 20 of 30 days of one activity, 32 at a time.

50 places a day and a waiting list of 10. Sign-in happens before the clock starts.
"""

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.bench.stage import Stage, Watch, at_once, percentiles, say
from tests.flows.town import activity, next_days

AT_ONCE = 32
DAYS, EACH, PLACES, WAITING = 30, 20, 50, 10
SUBMIT = """mutation($input: SubmitInput!) { submitBookings(input: $input) {
  ... on Request { id decided movements { booking { id date status rank } refusal { code } } } ... on Refusal { code message } } }"""


def activities(rounds: int) -> list[dict[str, Any]]:
    """One for each round, and one before."""
    return [activity(name, capacity=PLACES, waiting_list=WAITING) for name in ("warm-up", *(f"rush-{n}" for n in range(rounds)))]


@dataclass(frozen=True, slots=True)
class Order:
    """What one family asks for."""

    family: str
    key: str
    lines: Sequence[dict[str, str]]

    def body(self) -> bytes:
        order = {"family": self.family, "idempotencyKey": self.key, "lines": self.lines}
        return orjson.dumps({"query": SUBMIT, "variables": {"input": order}})


@dataclass(slots=True)
class Rush:
    """What came of many orders."""

    waits: list[float] = field(default_factory=list)  #: Seconds that each family waited for its whole answer.
    answers: Counter[str] = field(default_factory=Counter)
    per_day: Counter[tuple[str, str]] = field(default_factory=Counter)
    lost: int = 0
    seconds: float = 0.0  #: Until the last answer.
    drained: float = 0.0  #: From then until every event was handled.
    cpu: dict[str, float] = field(default_factory=dict)  #: Seconds of each process, all that included.

    def note(self, asked: int, answer: dict[str, Any]) -> None:
        movements = (answer.get("data") or {}).get("submitBookings", {}).get("movements", ())
        self.lost += asked - len(movements)
        for movement in movements:
            status = movement["booking"]["status"]
            self.answers[status] += 1
            self.per_day[status, movement["booking"]["date"]] += 1
            self.lost += status == "SUBMITTED"

    def report(self, places: int = PLACES) -> dict[str, Any]:
        return {
            "day-requests/s": round(sum(self.answers.values()) / self.seconds),
            "accepted places/s": round(self.answers["ACCEPTED"] / self.seconds),
            **percentiles(self.waits),
            "oversold": sum(max(0, count - places) for (status, _), count in self.per_day.items() if status == "ACCEPTED"),
            "lost": self.lost,
            "all events handled after s": round(self.drained, 1),
            **{f"{name} CPU ms/request": round(1000 * seconds / len(self.waits), 2) for name, seconds in self.cpu.items()},
        }


async def rush(stage: Stage, orders: Sequence[Order]) -> Rush:
    found = Rush()
    bodies = [(order, order.body()) for order in orders]

    async def one(asked: tuple[Order, bytes]) -> None:
        order, body = asked
        begun = time.perf_counter()
        answer = orjson.loads(await stage.post(order.family, body))
        found.waits.append(time.perf_counter() - begun)
        found.note(len(order.lines), answer)

    watch = Watch(stage)
    await at_once(AT_ONCE, bodies, one)
    found.seconds = watch.seconds()
    await stage.settle()
    found.drained, found.cpu = watch.seconds() - found.seconds, watch.cpu()
    return found


def opening(families: Sequence[str], name: str) -> list[Order]:
    """Which days a family wants does not change from run to run."""
    days = [day.isoformat() for day in next_days(DAYS)]

    def lines(n: int, family: str) -> list[dict[str, str]]:
        chosen = sorted(random.Random(1000 + n).sample(range(DAYS), EACH))
        return [{"change": "BOOK", "child": f"{family}-child", "activity": f"rush-{name}", "date": days[day]} for day in chosen]

    return [Order(family, f"{name}-{n}", lines(n, family)) for n, family in enumerate(families)]


async def measure(stage: Stage, families: Sequence[str], rounds: int) -> list[dict[str, Any]]:
    await rush(stage, opening(families[:50], "warm-up"))
    reports = []
    for n in range(rounds):
        say(f"rush {n + 1} of {rounds} ...")
        reports.append((await rush(stage, opening(families, f"rush-{n}"))).report())
    return reports
