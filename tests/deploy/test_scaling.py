"""The simulation of an opening, and the operators' page that shows what it prints."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.scaling import (
    ANSWERING,
    STATIONS,
    Opening,
    costs,
    in_a_cell,
    kept,
    measured_rush,
    needed,
    of_a_family,
    several,
    simulate,
    table_of_machines,
    tables,
)

ROOT = Path(__file__).resolve().parents[2]
MARGIN = 0.15  #: Between the simulated rush and the measured one.
UNIT = costs()
openings = st.builds(
    Opening,
    families=st.integers(1, 200_000),
    first_minute=st.floats(0, 1),
    first_seconds=st.integers(1, 300),
    fading_seconds=st.floats(1, 3000),
)
cores = st.fixed_dictionaries({station: st.integers(1, 200) for station in STATIONS})
few = settings(max_examples=10, deadline=None)


@few
@given(openings)
def test_every_family_arrives_within_the_hour(opening: Opening) -> None:
    assert sum(opening.arrivals()) == pytest.approx(opening.families)


@few
@given(openings, cores)
def test_what_comes_in_is_done(opening: Opening, there: dict[str, int]) -> None:
    each = of_a_family(opening, UNIT)
    for station, one in simulate(opening, each, there).items():
        assert one.work == pytest.approx(opening.families * each[station])
        assert one.done == pytest.approx(one.work)


@few
@given(openings, cores, st.sampled_from(STATIONS))
def test_more_cores_are_never_slower(opening: Opening, there: dict[str, int], station: str) -> None:
    each = of_a_family(opening, UNIT)
    before, after = (simulate(opening, each, one)[station] for one in (there, there | {station: there[station] + 1}))
    assert after.longest_wait <= before.longest_wait + 1e-9
    assert after.empty_at <= before.empty_at + 1e-9


@few
@given(openings, cores)
def test_twice_the_families_with_twice_of_everything_wait_as_long(opening: Opening, there: dict[str, int]) -> None:
    each = of_a_family(opening, UNIT)
    one = simulate(opening, each, there)
    two = simulate(replace(opening, families=2 * opening.families), each, {station: 2 * count for station, count in there.items()})
    for station in STATIONS:
        assert two[station].longest_wait == pytest.approx(one[station].longest_wait, abs=1e-6)
        assert two[station].work == pytest.approx(2 * one[station].work)


def test_the_measured_rush_takes_as_long_as_the_simulated_one() -> None:
    """All come within a second, to one process of booking."""
    rush = measured_rush()
    opening = Opening(rush["requests"], first_minute=1, first_seconds=1, acts={"request": 1})
    found = simulate(opening, of_a_family(opening, UNIT), {"booking": 1, "counter": 1})
    for station, one in found.items():
        assert 1 + one.longest_wait == pytest.approx(rush["seconds"], rel=MARGIN), station


def test_what_is_needed_is_enough_and_no_core_too_many() -> None:
    size = needed(Opening(171_000), UNIT)
    assert all(size.stations[station].longest_wait <= 10 for station in ANSWERING)
    cell = Opening(171_000 / size.cells)
    each = of_a_family(cell, UNIT)
    for station in ("gateway", "identity", "booking", "postgresql"):
        one_less = simulate(cell, each, {station: size.cores[station] - 1})[station]
        assert one_less.longest_wait > 10, station
    fewer = Opening(171_000 / (size.cells - 1))
    assert simulate(fewer, each, {"counter": 1})["counter"].longest_wait > 10


def test_several_processes_cost_no_less_than_one_of_each() -> None:
    one, more = of_a_family(Opening(1), UNIT), of_a_family(Opening(1), in_a_cell(UNIT, several()))
    assert one.keys() == more.keys()
    assert all(more[station] >= one[station] > 0 for station in STATIONS)
    assert needed(Opening(171_000), in_a_cell(UNIT, several())).all_cores > needed(Opening(171_000), UNIT).all_cores


def test_one_of_each_may_die_and_standbys_can_take_over() -> None:
    small, large = needed(Opening(1), UNIT), needed(Opening(60_000), UNIT)
    assert [small.reserved(station) for station in ("gateway", "identity", "booking", "billing", "mailer")] == [2] * 5
    assert (small.reserved("nats"), small.reserved("postgresql")) == (3, 3)
    assert large.reserved("gateway") == large.cores["gateway"] > 2
    assert large.reserved("postgresql") == 3 * large.cores["postgresql"]
    assert small.all_cores == small.cells * 16


def test_twice_the_requests_leave_twice_as_much() -> None:
    one, two = kept().times(1), kept().times(2)
    assert (two.events, two.stream_bytes, two.database_bytes) == (2 * one.events, 2 * one.stream_bytes, 2 * one.database_bytes)
    assert one.database_bytes > one.stream_bytes > one.events > 20, "a request of 20 lines is told line by line"


def test_the_operators_page_shows_what_the_simulation_prints() -> None:
    page = (ROOT / "deploy" / "SCALING.md").read_text()
    for table in tables(UNIT).strip().split("\n\n"):
        assert table in page, f"python -m deploy.scaling\n{table}"


def test_the_readme_says_of_one_machine_what_the_simulation_says() -> None:
    """Rounded down to hundreds."""
    two, four = (line.split(" | ") for line in list(table_of_machines(UNIT))[2:4])
    numbers = [f"{int(text.replace(',', '')) // 100 * 100:,}" for text in (two[1], two[2])]
    (limits,) = [line for line in (ROOT / "README.md").read_text().split("\n- ") if line.startswith("**Limits**")]
    assert [number in limits for number in numbers] == [True, True], numbers
    assert (four[2], four[3].strip(" |")) == (two[2], "gateway"), "more cores bear no more"
