"""Does the cost grow faster than the work? Ten times the families, the days, the activities: each day's cost beside that of a small town.

1.0: a day costs what it costs in the small town; 10: the cost grows with the square of the work. CPU is that of all processes.
"""

from collections.abc import Sequence
from typing import Any

from tests.bench import calendars
from tests.bench.rush import Order, Rush, rush
from tests.bench.stage import Stage, Watch, say
from tests.flows.town import activity, next_days

FEW, FEW_DAYS = 50, 3
BASE = [f"small-{n}" for n in range(4)]  #: So little is measured four times.
MANY = [f"many-{n}" for n in range(10)]
TEN_TIMES = {"10x families": ["crowd"], "10x days": ["long"], "10x activities": MANY}


def activities() -> list[dict[str, Any]]:
    """The places grow with the families that want them."""
    return [activity(name, capacity=300 if name == "crowd" else 30, waiting_list=10) for name in (*BASE, "crowd", "long", *MANY)]


def orders(families: Sequence[str], names: Sequence[str], days: int) -> list[Order]:
    dates = [day.isoformat() for day in next_days(days)]

    def lines(family: str) -> list[dict[str, str]]:
        places = [(name, date) for name in names for date in dates]
        return [{"change": "BOOK", "child": f"{family}-child", "activity": f"rush-{name}", "date": date} for name, date in places]

    return [Order(family, f"{names[0]}-growth", lines(family)) for family in families]


def per_day(*rushes: Rush) -> tuple[float, float]:
    """Seconds of CPU, and of the clock, for one day-request."""
    asked = sum(sum(one.answers.values()) for one in rushes)
    return sum(sum(one.cpu.values()) for one in rushes) / asked, sum(one.seconds for one in rushes) / asked


async def of_rushes(stage: Stage, families: Sequence[str]) -> dict[str, Any]:
    few = _few(families)
    say("rushes of ten times the size ...")
    small = per_day(*[await rush(stage, orders(few, [name], FEW_DAYS)) for name in BASE])
    sizes = {
        "10x families": orders(families[: 10 * len(few)], TEN_TIMES["10x families"], FEW_DAYS),
        "10x days": orders(few, TEN_TIMES["10x days"], 10 * FEW_DAYS),
        "10x activities": orders(few, TEN_TIMES["10x activities"], FEW_DAYS),
    }
    return _ratios(small, {name: per_day(await rush(stage, these)) for name, these in sizes.items()})


async def of_calendars(stage: Stage, families: Sequence[str]) -> dict[str, Any]:
    say("calendars of ten times the size ...")
    year = int(calendars.month()[:4])
    one, months = [calendars.month()], [f"{year}-{n:02}" for n in range(1, 11)]

    async def cost(who: Sequence[str], names: Sequence[str], when: Sequence[str]) -> tuple[float, float]:
        asked = calendars.query(names, when)
        await calendars.look(stage, who[:20], asked, 20, [])
        watch = Watch(stage)
        days = await calendars.look(stage, who, asked, 500 if len(names) == len(when) == 1 else 100, [])
        return sum(watch.cpu().values()) / days, watch.seconds() / days

    few, single = _few(families), calendars.ACTIVITIES[:1]
    return _ratios(
        await cost(few, single, one),
        {
            "10x families": await cost(families[: 10 * len(few)], ["warm-up"], one),
            "10x days": await cost(few, single, months),
            "10x activities": await cost(few, calendars.ACTIVITIES, one),
        },
    )


def _few(families: Sequence[str]) -> Sequence[str]:
    """A tenth of them, at most FEW."""
    return families[: min(FEW, len(families) // 10)]


def _ratios(small: tuple[float, float], large: dict[str, tuple[float, float]]) -> dict[str, Any]:
    figures: dict[str, Any] = {"small: CPU ms/day": round(1000 * small[0], 3), "small: wall ms/day": round(1000 * small[1], 3)}
    for name, (cpu, wall) in large.items():
        figures |= {f"{name}: CPU ratio": round(cpu / small[0], 2), f"{name}: wall ratio": round(wall / small[1], 2)}
    return figures
