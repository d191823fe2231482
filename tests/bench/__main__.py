"""All figures, one database after the other, each on one stage; those of the ledger need none.

python -m tests.bench [rush home calendars promotion doors growth ledger] [--families 500] [--rounds 3] [--database sqlite|postgresql|both]
python -m tests.bench gateways [--rounds 3] [--alone]
python -m tests.bench scale [--families 120] [--rounds 3]
"""

import argparse
import asyncio
import json
import statistics
import sys
from collections.abc import Sequence
from typing import Any

from tests.bench import calendars, doors, growth, home, ledger, promotion, rush, scale
from tests.bench.gateways import comparison
from tests.bench.stage import KINDS, Stage, opened
from tests.flows.town import family, renamed

FIGURES = ("rush", "home", "calendars", "promotion", "doors", "growth", "ledger")


def town(families: int, rounds: int) -> dict[str, Any]:
    everybody = [*rush.activities(rounds), *(one for one in growth.activities() if one["id"] == "crowd")]
    some = [*calendars.activities(), *promotion.activities(), *(one for one in growth.activities() if one["id"] != "crowd")]

    def named(n: int) -> dict[str, Any]:
        activities = [*everybody, *some] if n < growth.FEW else everybody
        return family(f"f{n}", activities=[one["id"] for one in activities])

    looking = [family(name, activities=calendars.ACTIVITIES) for name in calendars.FAMILIES]
    return renamed("rush", [*everybody, *some, *home.activities()], [*(named(n) for n in range(families)), *looking, *home.families()])


def show(kind: str, figure: str, reports: Sequence[dict[str, Any]]) -> None:
    for report in reports:
        print(kind, figure, json.dumps(report), flush=True)
    if len(reports) > 1:
        print(
            kind,
            figure,
            "median",
            json.dumps({key: statistics.median(report[key] for report in reports) for key in reports[0]}),
            flush=True,
        )


async def measure(kind: str, stage: Stage, families: Sequence[str], rounds: int, figures: Sequence[str]) -> None:
    if "rush" in figures:
        show(kind, "rush", await rush.measure(stage, families, rounds))
    if "home" in figures:
        for lanes, reports in (await home.measure(stage, rounds)).items():
            show(kind, f"family home, {lanes} at a time", reports)
    if "calendars" in figures:
        show(kind, "calendars", await calendars.measure(stage, rounds))
    if "promotion" in figures:
        show(kind, "promotion", [await promotion.measure(stage, families)])
    if "doors" in figures:
        show(kind, "doors", await doors.measure(stage, families))
    if "growth" in figures:
        show(kind, "growth of rushes", [await growth.of_rushes(stage, families)])
        show(kind, "growth of calendars", [await growth.of_calendars(stage, families)])


async def on_stage(kind: str, count: int, rounds: int, figures: Sequence[str]) -> None:
    if "ledger" in figures:
        show(kind, "ledger", await ledger.measure(kind))
    if set(figures) <= {"ledger"}:
        return
    families = [f"rush-f{n}" for n in range(count)]
    async with opened(kind, [town(count, rounds)], families) as stage:
        await measure(kind, stage, families, rounds, figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", choices=[*FIGURES, []])
    parser.add_argument("--families", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", choices=[*KINDS, "both"], default="both")
    wish = parser.parse_args()
    for kind in KINDS if wish.database == "both" else [wish.database]:
        asyncio.run(on_stage(kind, wish.families, wish.rounds, wish.figures or FIGURES))


if __name__ == "__main__":
    if sys.argv[1:2] == ["gateways"]:
        comparison.main(sys.argv[2:])
    elif sys.argv[1:2] == ["scale"]:
        scale.main(sys.argv[2:])
    else:
        main()
