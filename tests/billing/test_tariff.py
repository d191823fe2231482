"""What a day costs, and why."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.billing.tariff import (
    Per,
    Price,
    QuotientBand,
    TariffError,
    TariffVersion,
    exact_quotient,
    in_order,
    price,
    quotient_on,
    sibling_rank,
    version_on,
)
from services.billing.texts import say

SEPTEMBER = dt.date(2026, 9, 1)
JANUARY = dt.date(2027, 1, 1)
APS_MATIN = TariffVersion(SEPTEMBER, Per.PRESENCE, (QuotientBand(500, 80), QuotientBand(1000, 131), QuotientBand(None, 190)))
MULTI = TariffVersion(SEPTEMBER, Per.HOUR, (QuotientBand(1000, 210), QuotientBand(None, 335)), (0, 20, 30))

quotients = st.decimals(0, 5000, places=2)
bounds = st.lists(st.decimals("0.01", 3000, places=2), unique=True, max_size=5).map(sorted)
cents = st.integers(0, 100_000)
percents = st.lists(st.integers(0, 100), max_size=4).map(tuple)


@st.composite
def versions(draw: st.DrawFn) -> TariffVersion:
    bands = [QuotientBand(bound, draw(cents)) for bound in draw(bounds)] + [QuotientBand(None, draw(cents))]
    return TariffVersion(SEPTEMBER, draw(st.sampled_from(Per)), tuple(bands), draw(percents))


def labels(price: Price, language: str = "fr") -> list[tuple[str, int | None]]:
    return [(say(step.code, language, **step.details), step.amount_cents) for step in price.steps]


def test_s33_the_guides_morning_costs_1_31_in_the_second_band() -> None:
    answer = price(APS_MATIN, Decimal(742), "07:30", "08:45")
    assert answer.cents == 1_31
    assert labels(answer) == [("Tranche 2 (QF 742)", 1_31)]
    assert labels(answer, "en") == [("Band 2 (family quotient 742)", 1_31)]


def test_an_hour_and_a_quarter_of_the_second_child_is_rounded_half_up_at_each_step() -> None:
    answer = price(MULTI, Decimal(742), "07:30", "08:45", rank=2)
    # 2,10 x 1 h 15 = 2,625 -> 2,63; less 20 % = 2,104 -> 2,10.
    assert labels(answer) == [("Tranche 1 (QF 742)", None), ("1 h 15", 2_63), ("2e enfant -20 %", -53)]
    assert answer.cents == 2_10


@pytest.mark.parametrize(("departure", "label"), [("08:00", "30 min"), ("08:30", "1 h"), ("09:35", "2 h 05")])
def test_hours_read_as_people_say_them(departure: str, label: str) -> None:
    assert labels(price(MULTI, Decimal(742), "07:30", departure))[1][0] == label


@given(versions(), st.none() | quotients, st.integers(0, 1438), st.integers(1, 200), st.integers(1, 6))
def test_steps_add_up_to_the_price_to_the_cent(
    version: TariffVersion, quotient: Decimal | None, arrival: int, minutes: int, rank: int
) -> None:
    departure = min(arrival + minutes, 1439)
    answer = price(version, quotient, *(f"{m // 60:02}:{m % 60:02}" for m in (arrival, departure)), rank=rank)
    assert sum(step.amount_cents or 0 for step in answer.steps) == answer.cents
    assert answer.cents >= 0
    assert all(text for text, _ in labels(answer))
    assert all(text for text, _ in labels(answer, "en"))


@given(versions(), quotients)
def test_every_quotient_belongs_to_exactly_one_band(version: TariffVersion, quotient: Decimal) -> None:
    edges = [Decimal(-1), *(band.up_to for band in version.bands[:-1]), Decimal("Infinity")]
    holding = [i for i in range(len(version.bands)) if edges[i] < quotient <= edges[i + 1]]
    assert holding == [version.band(quotient)]


def test_500_5_belongs_to_one_band_and_500_to_the_one_that_ends_there() -> None:
    assert [APS_MATIN.band(exact_quotient(q)) for q in (0, 500, 500.5, "500.01", 1000, 1000.01)] == [0, 0, 1, 1, 1, 2]
    assert labels(price(APS_MATIN, Decimal("500.5"), "07:30", "08:45")) == [("Tranche 2 (QF 500,5)", 1_31)]


def test_a_family_that_told_no_quotient_pays_the_last_band() -> None:
    assert labels(price(APS_MATIN, None, "07:30", "08:45")) == [("Tranche 3 (QF non communiqué)", 1_90)]


band = QuotientBand


@pytest.mark.parametrize(
    ("bands", "trouble"),
    [
        (
            [band(500, 80), band(300, 131), band(None, 190)],
            r"overlap: band 1 \(up to 500\) and band 2 \(up to 300\)",
        ),
        (
            [band(500, 80), band(500, 131), band(None, 190)],
            r"overlap: band 1 \(up to 500\) and band 2 \(up to 500\)",
        ),
        ([band(None, 80), band(None, 190)], r"overlap: band 1 \(without end\) and band 2 \(without end\)"),
        ([band(500, 80), band(1000, 131)], r"hole: no band after band 2 \(up to 1000\)"),
        ([band(500, 80), band(None, 190, above=501)], r"hole: band 1 \(up to 500\) and band 2 \(above 501 without end\)"),
        (
            [band(500, 80), band(None, 190, above=499)],
            r"overlap: band 1 \(up to 500\) and band 2 \(above 499 without end\)",
        ),
        ([band(None, 80, above=10)], r"hole: no band before band 1 \(above 10 without end\)"),
        ([], "at least one band"),
    ],
)
def test_holes_and_overlaps_are_errors_that_name_the_bands(bands: list[QuotientBand], trouble: str) -> None:
    with pytest.raises(TariffError, match=trouble):
        TariffVersion(SEPTEMBER, Per.PRESENCE, tuple(bands))


@given(bounds, st.randoms())
def test_bands_out_of_order_are_never_accepted(limits: list[Decimal], random: st.DataObject) -> None:
    shuffled = list(limits)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assume(shuffled != limits)
    with pytest.raises(TariffError):
        TariffVersion(SEPTEMBER, Per.PRESENCE, (*(QuotientBand(limit, 1) for limit in shuffled), QuotientBand(None, 1)))


@pytest.mark.parametrize("percents", [(0, 101), (-1,)])
def test_a_reduction_is_between_nothing_and_everything(percents: tuple[int, ...]) -> None:
    with pytest.raises(TariffError, match="0 and 100"):
        TariffVersion(SEPTEMBER, Per.PRESENCE, (QuotientBand(None, 1),), percents)


def test_a_tariff_changes_on_its_day_and_the_first_serves_the_days_before() -> None:
    dearer = TariffVersion(JANUARY, Per.PRESENCE, (QuotientBand(None, 200),))
    both = in_order([dearer, APS_MATIN])
    assert version_on(both, dt.date(2026, 12, 31)) is APS_MATIN
    assert version_on(both, JANUARY) is dearer
    assert version_on(both, dt.date(2026, 8, 31)) is APS_MATIN


def test_two_versions_of_one_day_are_an_error() -> None:
    with pytest.raises(TariffError, match="2026-09-01"):
        in_order([APS_MATIN, MULTI])


def test_the_quotient_is_that_of_the_booked_day() -> None:
    told = [(SEPTEMBER, Decimal(742)), (JANUARY, Decimal(1200))]
    assert [quotient_on(told, day) for day in (dt.date(2026, 8, 31), dt.date(2026, 12, 31), JANUARY)] == [None, Decimal(742), Decimal(1200)]


@pytest.mark.parametrize("wrong", [-1, "NaN", "Infinity"])
def test_a_quotient_is_a_number_from_zero(wrong: object) -> None:
    with pytest.raises(ValueError, match="quotient"):
        exact_quotient(wrong)  # type: ignore[arg-type]


def test_siblings_are_ranked_by_birth_among_those_who_come() -> None:
    children = ["eldest", "middle", "youngest"]
    assert sibling_rank("youngest", children, {"eldest", "youngest"}) == 2
    assert sibling_rank("youngest", children, {"eldest", "middle"}) == 3
    assert sibling_rank("eldest", children, {"middle", "youngest"}) == 1
    assert sibling_rank("stranger", children, set(children)) == 1


def test_the_last_reduction_goes_on_for_all_further_children() -> None:
    assert [MULTI.reduction_percent(rank) for rank in (1, 2, 3, 4, 9)] == [0, 20, 30, 30, 30]


def test_half_days_meals_and_flat_rates() -> None:
    def of(per: Per, arrival: str, departure: str) -> list[tuple[str, int | None]]:
        return labels(price(TariffVersion(SEPTEMBER, per, (QuotientBand(None, 400),)), None, arrival, departure))

    assert of(Per.HALF_DAY, "07:30", "12:00") == [("Tarif unique", 4_00)]
    assert of(Per.HALF_DAY, "12:00", "18:00") == [("Tarif unique", 4_00)]
    assert of(Per.HALF_DAY, "07:30", "18:00") == [("Tarif unique", None), ("2 demi-journées", 8_00)]
    assert of(Per.MEAL, "11:00", "15:20") == [("Tarif unique", 4_00)]
    assert of(Per.FLAT_MONTH, "07:30", "18:00") == [("Tarif unique", None), ("Forfait mensuel", 0)]


@given(versions())
def test_a_tariff_is_stored_as_it_is(version: TariffVersion) -> None:
    assert TariffVersion.from_data(version.as_data()) == version
