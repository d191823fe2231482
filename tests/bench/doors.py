"""A rush at the door beside calendars, and what time tells of who has an account (SEC4).

Families sign in, more at once than may wait; meanwhile others look at calendars. Then wrong passwords are tried, in turn for known and for
unknown logins: the difference of the medians, and how well a wait tells one from the other (AUC: 0.5 is not at all, 1 is always).
"""

import asyncio
import statistics
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from typing import Any

import orjson

from tests.bench import calendars
from tests.bench.stage import Stage, Watch, at_once, percentiles, say
from tests.flows.town import PASSWORD, SIGN_IN

LANES = 300
TRIES = 4  #: Of each known login: one less than makes it wait.
SAMPLES = 2_000


async def measure(stage: Stage, families: Sequence[str]) -> list[dict[str, Any]]:
    return [{**await rush(stage, families), **await telling(stage, families)}]


async def knock(stage: Stage, login: str, password: str, waits: list[float]) -> str:
    body = orjson.dumps({"query": SIGN_IN, "variables": {"login": login, "password": password}})
    begun = time.perf_counter()
    data = orjson.loads(await stage.gateway.post(body, b"", seconds=60, again=False))["data"]
    waits.append(time.perf_counter() - begun)
    return str(data["signIn"].get("code", "IN")) if data else "NO ANSWER IN TIME"


async def rush(stage: Stage, families: Sequence[str]) -> dict[str, Any]:
    looking = [f"rush-{name}" for name in calendars.FAMILIES]
    await stage.sign_in(looking)
    asked = calendars.query(calendars.ACTIVITIES, [calendars.month()], together=True)
    await calendars.look(stage, looking, asked, 50, [])
    say("a rush at the door ...")
    told: Counter[str] = Counter()
    knocks: list[float] = []
    waits: list[float] = []
    watch = Watch(stage)

    async def one(login: str) -> None:
        told[await knock(stage, login, PASSWORD, knocks)] += 1

    _, _ = await asyncio.gather(at_once(LANES, families, one), calendars.look(stage, looking, asked, 200, waits))
    seconds, cpu = watch.seconds(), watch.cpu()
    return {
        "let in": told["IN"],
        "told to come back": told["TOO_MANY_ATTEMPTS"],
        "without an answer in time": told["NO ANSWER IN TIME"],
        "seconds": round(seconds, 1),
        "identity CPU ms/sign-in": round(1000 * cpu["identity"] / max(told["IN"], 1), 1),
        **percentiles(knocks, "sign-in "),
        **percentiles(waits, "calendars beside "),
    }


async def telling(stage: Stage, families: Sequence[str]) -> dict[str, Any]:
    say("wrong passwords, for known and unknown logins in turn ...")
    known: list[float] = []
    unknown: list[float] = []
    for n in range(min(SAMPLES, TRIES * len(families))):
        for login, waits in ((families[n % len(families)], known), (f"nobody-{n % len(families)}", unknown)):
            code = await knock(stage, login, "a-wrong-password", waits)
            assert code == "INVALID_CREDENTIALS", code
    return {
        "samples": len(known),
        "known median ms": round(1000 * statistics.median(known), 2),
        "unknown median ms": round(1000 * statistics.median(unknown), 2),
        "AUC": round(auc(known, unknown), 3),
    }


def auc(some: Sequence[float], others: Sequence[float]) -> float:
    """How often one of the first is longer than one of the others, or the other way about, whichever is more."""
    ordered = sorted(others)
    longer = sum(bisect_left(ordered, one) + (bisect_right(ordered, one) - bisect_left(ordered, one)) / 2 for one in some)
    share = longer / (len(some) * len(others))
    return max(share, 1 - share)
