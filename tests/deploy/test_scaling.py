"""The simulation of an opening, and the operators' page that shows what it prints."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.scaling import ANSWERING, STATIONS, Opening, costs, measured_rush, needed, of_a_family, simulate, tables

ROOT = Path(__file__).resolve().parents[2]
MARGIN = 0.15  #: Between the simulated rush and the measured one.
UNIT = costs()
openings = st.builds(
    Opening,
    families=st.integers(1, 200_000),
    first_minute=st.floats(0, 1),
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
    """All come at once, to one process of booking."""
    rush = measured_rush()
    work = rush["requests"] * UNIT["request"]["booking"]
    assert work == pytest.approx(rush["seconds"], rel=MARGIN)
    assert rush["requests"] * UNIT["request"]["counter"] == pytest.approx(rush["seconds"], rel=MARGIN)


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


def test_the_operators_page_shows_what_the_simulation_prints() -> None:
    page = (ROOT / "deploy" / "SCALING.md").read_text()
    for table in tables(UNIT).strip().split("\n\n"):
        assert table in page, f"python -m deploy.scaling\n{table}"
