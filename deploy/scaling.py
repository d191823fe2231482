"""What an opening at 08:00 needs: families arrive, each does some acts, and each act is work for several stations with so many cores.

A fluid: in each second a station does as much as its cores can, and what is left waits. All figures are cores of the kind that
unit_costs.yaml was measured on. `python -m deploy.scaling` prints the tables of SCALING.md, `--families 40000` what so many need.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import yaml

COSTS = Path(__file__).with_name("unit_costs.yaml")
#: Whoever is answered waits for these, and for the others nobody does.
ANSWERING = ("gateway", "identity", "booking", "counter", "postgresql")
AFTERWARDS = ("billing", "mailer", "nats")
STATIONS = (*ANSWERING, *AFTERWARDS)
COUNTER = "counter"  #: Requests are numbered one after the other in a database, whatever it runs on.
NODE = "node"  #: All cores of one machine, which its processes share.
HASHING = 2  #: Passwords that one process of identity proves at a time.
REQUESTS_A_YEAR = 12  #: Of a family: what is planned with where growth is reckoned.
LEAST = 2  #: Processes of each service, so that one may die.
STANDBYS = 2  #: Of each database server.
BROKERS = 3
MINUTE, HOUR = 60, 3600

MOVES = {
    "gateway": "replicas: `services.gateway.autoscaling.minReplicas` before the hour, not `maxReplicas` during it",
    "identity": "replicas: `services.identity.autoscaling.minReplicas`; who is still signed in proves no password",
    "booking": "replicas: `services.booking.autoscaling.minReplicas`",
    COUNTER: "nothing inside a system: one more system (a cell), with some of the towns",
    "postgresql": "cores of the four clusters: `database.cnpg.resources`; booking's and billing's on machines of their own",
    "billing": "replicas; nobody waits for it, wallets show estimated costs later",
    "mailer": "replicas; nobody waits for it, reports come later",
    "nats": "cores and disks of the three servers; nobody waits for it",
}


@dataclass(frozen=True, slots=True)
class Opening:
    """Who comes, and when."""

    families: float
    first_minute: float = 0.3  #: Share that comes evenly within the first seconds; the others ever fewer, within the hour.
    first_seconds: int = MINUTE  #: From 1 on.
    fading_seconds: float = 600.0  #: After which a third of those others is still to come.
    acts: Mapping[str, float] = field(default_factory=lambda: {"sign_in": 1, "home": 1, "month": 2, "request": 1})  #: Of each family.

    def arrivals(self) -> list[float]:
        """Families in each second of the hour; all have come in the end."""
        return [self.families * share for share in self.shares()]

    def shares(self) -> tuple[float, ...]:
        """Of the families, in each second."""
        return _shares(self.first_minute, self.first_seconds, self.fading_seconds)


@cache
def _shares(first: float, seconds: int, fading_seconds: float) -> tuple[float, ...]:
    weights = [math.exp(-second / fading_seconds) for second in range(HOUR - seconds)]
    later = (1 - first) / sum(weights)
    return (*[first / seconds] * seconds, *(later * weight for weight in weights))


@dataclass(frozen=True, slots=True)
class Station:
    """What came of it."""

    work: float  #: Core-seconds that came in.
    done: float  #: Core-seconds that it did.
    longest_wait: float  #: Seconds.
    empty_at: float  #: Seconds after 08:00, when nothing waits any more and nobody comes.
    busy: float  #: Share of its cores in the busiest minute.


def costs(path: Path = COSTS) -> dict[str, dict[str, float]]:
    """Act -> station -> seconds of a core."""
    acts: dict[str, dict[str, float]] = yaml.safe_load(path.read_text(encoding="utf-8"))["acts"]
    return {act: {station: ms / 1000 for station, ms in theirs.items()} for act, theirs in acts.items()}


def several(path: Path = COSTS) -> dict[str, float]:
    """Station -> what the same work costs it where there are several processes and brokers: times so much."""
    factors: dict[str, float] = yaml.safe_load(path.read_text(encoding="utf-8"))["several"]
    return factors


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays of requests, bytes on each server that keeps them."""

    events: float
    stream_bytes: float
    database_bytes: float

    def times(self, requests: float) -> "Kept":
        return Kept(self.events * requests, self.stream_bytes * requests, self.database_bytes * requests)


def kept(path: Path = COSTS) -> Kept:
    """Of one request."""
    return Kept(**yaml.safe_load(path.read_text(encoding="utf-8"))["kept"])


def in_a_cell(unit: Mapping[str, Mapping[str, float]], factors: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Act -> station -> seconds of a core, with several processes of each."""
    return {act: {station: seconds * factors[station] for station, seconds in theirs.items()} for act, theirs in unit.items()}


def measured_rush(path: Path = COSTS) -> dict[str, float]:
    """`requests`, and in how many `seconds` one process of booking answered them."""
    rush: dict[str, float] = yaml.safe_load(path.read_text(encoding="utf-8"))["rush"]
    return rush


def of_a_family(opening: Opening, unit: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Station -> seconds of a core, for all that one family does."""
    return {station: sum(often * unit[act].get(station, 0.0) for act, often in opening.acts.items()) for station in STATIONS}


def simulate(opening: Opening, each: Mapping[str, float], cores: Mapping[str, float]) -> dict[str, Station]:
    """`each`: seconds of a core for a family at each station."""
    arrivals = opening.arrivals()
    return {station: _flow([families * each[station] for families in arrivals], cores[station]) for station in cores}


def _flow(work: Sequence[float], cores: float) -> Station:
    """`work`: core-seconds that come in each second."""
    backlog = longest = 0.0
    did: list[float] = []
    for coming in work:
        backlog += coming
        now = min(backlog, cores)
        backlog -= now
        did.append(now)
        longest = max(longest, backlog / cores)
    done = sum(did) + backlog
    busiest = max(sum(did[begin : begin + MINUTE]) for begin in range(0, len(did), MINUTE))
    return Station(sum(work), done, longest, len(work) + backlog / cores, busiest / MINUTE / cores)


# ------------------------------------------------------------------------------------------------------------------ sizing
@dataclass(frozen=True, slots=True)
class Wish:
    """How long may what take."""

    answer_seconds: float = 10.0  #: PREAU_REQUEST_SECONDS: then the gateway gives up.
    heard_seconds: float = 600.0  #: Until reports are mailed and prices are held.

    def of(self, station: str) -> float:
        return self.heard_seconds if station in AFTERWARDS else self.answer_seconds


@dataclass(frozen=True, slots=True)
class Size:
    """What is needed."""

    cells: int  #: Whole systems.
    families: float  #: Of each cell.
    cores: Mapping[str, int]  #: Of each cell: what works.
    stations: Mapping[str, Station]  #: Of a cell.

    def reserved(self, station: str) -> int:
        """Cores of a cell that are to be there: one of each service may die, and what stands by can take over."""
        count = self.cores[station]
        return {"postgresql": count * (1 + STANDBYS), "nats": max(count, BROKERS)}.get(station, max(count, LEAST))

    @property
    def all_cores(self) -> int:
        return self.cells * sum(self.reserved(station) for station in self.cores if station != COUNTER)


def _bears(opening: Opening, load: float, seconds: float) -> bool:
    """Whether nothing waits for longer. `load`: seconds of each core for all that comes. As simulate(), and done with it sooner."""
    backlog = 0.0
    for share in opening.shares():
        backlog = max(0.0, backlog + share * load - 1)
        if backlog > seconds:
            return False
    return True


def _least(enough: Callable[[int], bool]) -> int:
    """The smallest whole number from 1 on that is enough, where every greater one is, too."""
    most = 1
    while not enough(most):
        most *= 2
    least = most // 2
    while most - least > 1:
        between = (least + most) // 2
        least, most = (least, between) if enough(between) else (between, most)
    return most


def needed(opening: Opening, unit: Mapping[str, Mapping[str, float]], wish: Wish | None = None) -> Size:
    wish, each = wish or Wish(), of_a_family(opening, unit)

    def does(station: str, families: float, cores: int) -> bool:
        return _bears(opening, families * each[station] / cores, wish.of(station))

    cells = _least(lambda count: does(COUNTER, opening.families / count, 1))
    families = opening.families / cells
    cores = {station: _least(partial(does, station, families)) for station in STATIONS if station != COUNTER}
    all_of_it = {**cores, COUNTER: 1}
    return Size(cells, families, all_of_it, simulate(replace(opening, families=families), each, all_of_it))


def carried(opening: Opening, unit: Mapping[str, Mapping[str, float]], cores: Mapping[str, float], wish: Wish | None = None) -> int:
    """Families that these stations bear; NODE is a station whose work is that of all others."""
    wish, each = wish or Wish(), of_a_family(opening, unit)
    each[NODE] = sum(seconds for station, seconds in each.items() if station != COUNTER)

    def too_many(families: int) -> bool:
        return not all(_bears(opening, families * each[station] / cores[station], wish.of(station)) for station in cores)

    return _least(too_many) - 1


def on_one_machine(cores: int) -> dict[str, float]:
    """`preau up`: one process of each."""
    one = dict.fromkeys(("gateway", "booking", COUNTER, "billing", "mailer"), 1.0)
    return {**one, "identity": float(min(HASHING, cores)), NODE: float(cores)}


# ------------------------------------------------------------------------------------------------------------------ tables
PLACES = {"a town of 10,000 families": 10_000, "a region: 500 towns": 171_000, "the nation: 35,000 towns": 12_000_000}
CORES_OF_A_NODE = 16


def table_of_stations(unit: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    yield "| station | CPU of a family | families that one core bears | what moves it |"
    yield "|---|---|---|---|"
    opening = Opening(1)
    each = of_a_family(opening, unit)
    for station in STATIONS:
        name = f"{station} (one for each system, no cores)" if station == COUNTER else station
        yield f"| {name} | {1000 * each[station]:.1f} ms | {carried(opening, unit, {station: 1}):,} | {MOVES[station]} |"


def table_of_machines(unit: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    yield "| cores of the machine | families | of which all are signed in already | first bottleneck |"
    yield "|---|---|---|---|"
    signed_in = Opening(1, acts={act: often for act, often in Opening(1).acts.items() if act != "sign_in"})
    for cores in (2, 4, 8, 16):
        machine = on_one_machine(cores)
        families = carried(Opening(1), unit, machine)
        first = _bottleneck(Opening(families), unit, machine)
        yield f"| {cores} | {families:,} | {carried(signed_in, unit, machine):,} | {first} |"


def _bottleneck(opening: Opening, unit: Mapping[str, Mapping[str, float]], cores: Mapping[str, float]) -> str:
    each = of_a_family(opening, unit)
    each[NODE] = sum(seconds for station, seconds in each.items() if station != COUNTER)
    found = simulate(opening, each, cores)
    wish = Wish()
    return max(found, key=lambda station: found[station].longest_wait / wish.of(station))


def sizes_of(unit: Mapping[str, Mapping[str, float]], places: Mapping[str, int]) -> dict[str, Size]:
    """`unit`: of one process of each."""
    return {name: needed(Opening(families), in_a_cell(unit, several())) for name, families in places.items()}


def table_of_places(sizes: Mapping[str, Size], places: Mapping[str, int]) -> Iterator[str]:
    yield "| |" + "".join(f" {name} |" for name in places)
    yield "|---|" + "---|" * len(places)

    def row(name: str, value: Callable[[str, Size], str]) -> str:
        return f"| {name} |" + "".join(f" {value(place, size)} |" for place, size in sizes.items())

    yield row("families", lambda place, _: f"{places[place]:,}")
    yield row("systems (cells)", lambda _, size: f"{size.cells:,}")
    for station in STATIONS:
        if station != COUNTER:
            yield row(f"cores of {station} in each cell", partial(_cores_of, station))
    yield row("cores in all, with what stands by", lambda _, size: f"{size.all_cores:,}")
    yield row(f"machines of {CORES_OF_A_NODE} cores", lambda _, size: f"{math.ceil(size.all_cores / CORES_OF_A_NODE):,}")
    yield row("longest wait for an answer, s", lambda _, size: f"{max(size.stations[one].longest_wait for one in ANSWERING):.0f}")
    yield row("counter busy in the busiest minute", lambda _, size: f"{size.stations[COUNTER].busy:.0%}")
    yield row("longest wait for a report, s", lambda _, size: f"{max(size.stations[one].longest_wait for one in AFTERWARDS):.0f}")


def _cores_of(station: str, _: str, size: Size) -> str:
    return f"{size.cores[station]}"


def table_of_growth(sizes: Mapping[str, Size]) -> Iterator[str]:
    each, asked = kept(), Opening(1).acts["request"]
    in_a_second = sum(Opening(1).arrivals()[:MINUTE]) / MINUTE * asked
    yield "| in each cell |" + "".join(f" {name} |" for name in sizes)
    yield "|---|" + "---|" * len(sizes)

    def row(name: str, value: Callable[[Kept], float], requests: float, digits: int = 1) -> str:
        """`requests`: of a family."""
        return f"| {name} |" + "".join(f" {value(each.times(requests * size.families)):,.{digits}f} |" for size in sizes.values())

    yield f"| families |{''.join(f' {size.families:,.0f} |' for size in sizes.values())}"
    yield row("events a second, in the first minute", lambda one: one.events, in_a_second, 0)
    yield row("streams on each broker after that morning, GB", lambda one: one.stream_bytes / 1e9, asked)
    yield row(f"after a year of {REQUESTS_A_YEAR} requests a family", lambda one: one.stream_bytes / 1e9, REQUESTS_A_YEAR)
    yield row("databases on each server after that morning, GB", lambda one: one.database_bytes / 1e9, asked)
    yield row(f"after a year of {REQUESTS_A_YEAR} requests a family", lambda one: one.database_bytes / 1e9, REQUESTS_A_YEAR)


def tables(unit: Mapping[str, Mapping[str, float]]) -> str:
    sizes = sizes_of(unit, PLACES)
    parts: list[Any] = [table_of_stations(unit), table_of_machines(unit), table_of_places(sizes, PLACES), table_of_growth(sizes)]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser("deploy.scaling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", type=int, help="what so many need, instead of the tables")
    wish = parser.parse_args()
    if not wish.families:
        print(tables(costs()))
        return
    places = {"this many": wish.families}
    sizes = sizes_of(costs(), places)
    print("\n".join((*table_of_places(sizes, places), "", *table_of_growth(sizes))))


if __name__ == "__main__":
    main()
