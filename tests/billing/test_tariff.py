"""What a day costs, and why."""

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from math import floor

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from services.billing.charged import Charged, LatePickup
from services.billing.rate import Effort, QuotientBand, TariffError, exact_quotient
from services.billing.tariff import (
    Per,
    Price,
    Rounding,
    RoundTo,
    Step,
    Surcharge,
    TariffVersion,
    half_up,
    in_order,
    lives_outside,
    month_price,
    price,
    quotient_on,
    share,
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


efforts = st.builds(
    lambda percent, floor, more: Effort(percent, floor + more, floor), st.decimals("0.0001", 100, places=4), cents, st.integers(0, 100_000)
)
surcharges = st.builds(Surcharge, percent=st.integers(1, 200)) | st.builds(Surcharge, cents=st.integers(1, 10_000))
lates = st.builds(LatePickup, st.integers(1, 10_000), st.integers(0, 60), st.none() | st.integers(1, 60))
shares = st.builds(Charged, st.integers(0, 100), st.integers(0, 100), st.integers(0, 300), st.none() | lates)


@st.composite
def versions(draw: st.DrawFn, *, rising: bool = False) -> TariffVersion:
    """`rising`: no band costs less than the one before it."""
    per = draw(st.sampled_from(Per))
    more = {
        "rounding": draw(st.none() | st.builds(Rounding, st.integers(1, 60), st.sampled_from(RoundTo))) if per is Per.HOUR else None,
        "outside_town": draw(st.none() | surcharges),
        "charged": draw(shares),
    }
    if draw(st.booleans()):
        return TariffVersion(SEPTEMBER, per, (), draw(percents), effort=draw(efforts), **more)
    limits = [*draw(bounds), None]
    prices = draw(st.lists(cents, min_size=len(limits), max_size=len(limits)).map(sorted if rising else list))
    return TariffVersion(SEPTEMBER, per, tuple(map(QuotientBand, limits, prices)), draw(percents), **more)


hours = st.tuples(st.integers(0, 1438), st.integers(1, 200)).map(lambda stay: (clock(stay[0]), clock(min(sum(stay), 1439))))


def clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


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


@settings(max_examples=50, deadline=None)
@given(versions(), st.none() | quotients, hours, st.integers(1, 6), st.booleans())
def test_steps_add_up_to_the_price_to_the_cent(
    version: TariffVersion, quotient: Decimal | None, stay: tuple[str, str], rank: int, outside: bool
) -> None:
    """S33: what a family reads adds up to what it pays, of a day and of a flat month."""
    for answer in (
        price(version, quotient, *stay, rank=rank, outside_town=outside),
        month_price(version, quotient, "2026-11", rank, outside_town=outside),
    ):
        assert sum(step.amount_cents or 0 for step in answer.steps) == answer.cents
        assert answer.cents >= 0
        assert all(text for text, _ in labels(answer))
        assert all(text for text, _ in labels(answer, "en"))


@settings(max_examples=50, deadline=None)
@given(versions(rising=True), quotients, quotients, hours, st.integers(1, 6), st.booleans())
def test_whoever_has_the_higher_quotient_never_pays_less(
    version: TariffVersion, one: Decimal, other: Decimal, stay: tuple[str, str], rank: int, outside: bool
) -> None:
    """S33, where no band costs less than the one before it; and who told no quotient pays as much as anybody."""
    lower, higher = sorted((one, other))
    known = [price(version, quotient, *stay, rank=rank, outside_town=outside).cents for quotient in (lower, higher, None)]
    assert known == sorted(known)
    months = [month_price(version, quotient, "2026-11", rank, outside_town=outside).cents for quotient in (lower, higher, None)]
    assert months == sorted(months)


@given(bounds, quotients)
def test_every_quotient_belongs_to_exactly_one_band(limits: list[Decimal], quotient: Decimal) -> None:
    """S33: 500.5 too."""
    version = TariffVersion(SEPTEMBER, Per.PRESENCE, tuple(QuotientBand(limit, 100) for limit in (*limits, None)))
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
    assert of(Per.FLAT_MONTH, "07:30", "18:00") == [
        ("Tarif unique", None),
        ("Forfait de 4,00 € par mois, débité une seule fois", 0),
    ]


@settings(max_examples=50, deadline=None)
@given(versions())
def test_a_tariff_is_stored_as_it_is(version: TariffVersion) -> None:
    assert TariffVersion.from_data(version.as_data()) == version


# ------------------------------------------------------------------------------------------------------------ effort rates
@pytest.mark.parametrize(("percent", "cents"), [("0.1765", 1_31), ("0.5108", 3_79), ("1.0566", 7_84)])
def test_s33_the_guides_three_prices_by_an_effort_rate(percent: str, cents: int) -> None:
    """0.5108 % of 742 is 3,790136: 3,79."""
    version = TariffVersion(SEPTEMBER, Per.MEAL, effort=Effort(percent, 10_00, 50))
    answer = price(version, Decimal(742), "11:00", "15:20")
    assert labels(answer) == [(f"Taux d’effort {percent.replace('.', ',')} % (QF 742)", cents)]


def test_an_effort_rate_keeps_to_its_floor_and_ceiling_and_says_so() -> None:
    """S33: 0,5 % of the quotient, between 1,50 and 4,65."""
    version = TariffVersion(SEPTEMBER, Per.MEAL, effort=Effort("0.5", 4_65, 1_50))
    found = {quotient: labels(price(version, quotient, "11:00", "15:20")) for quotient in map(Decimal, (0, 298, 300, 301, 742, 930, 931))}
    assert [steps[0][1] for steps in found.values()] == [1_50, 1_50, 1_50, 1_51, 3_71, 4_65, 4_65]
    assert found[Decimal(298)][0][0] == "Tarif plancher (taux d’effort 0,5 %, QF 298)"
    assert found[Decimal(300)][0][0] == "Taux d’effort 0,5 % (QF 300)"
    assert found[Decimal(931)][0][0] == "Tarif plafond (taux d’effort 0,5 %, QF 931)"
    assert labels(price(version, None, "11:00", "15:20")) == [("Tarif plafond (QF non communiqué)", 4_65)]


def test_an_effort_rate_by_the_hour_is_rounded_half_up_at_each_step() -> None:
    """0,0619 % of 742 is 0,459298 an hour: 0,46; 1 h 15 of it is 0,575: 0,58; the second child less 20 %: 0,464, 0,46."""
    version = TariffVersion(SEPTEMBER, Per.HOUR, (), (0, 20), effort=Effort("0.0619", 3_00))
    answer = price(version, Decimal(742), "07:30", "08:45", rank=2)
    assert labels(answer) == [("Taux d’effort 0,0619 % (QF 742)", None), ("1 h 15", 58), ("2e enfant -20 %", -12)]


@pytest.mark.parametrize(
    ("effort", "trouble"),
    [
        (("0", 465, 0), "above 0 %"),
        (("100.01", 465, 0), "at most 100 %"),
        (("0.00001", 465, 0), "four decimals"),
        (("NaN", 465, 0), "effort rate"),
        (("0.5", 100, 150), "a floor of 150 cents"),
        (("0.5", 100, -1), "a floor of -1 cents"),
    ],
)
def test_what_is_no_effort_rate(effort: tuple[str, int, int], trouble: str) -> None:
    with pytest.raises(TariffError, match=trouble):
        Effort(*effort)


def test_a_tariff_has_bands_or_an_effort_rate_and_not_both() -> None:
    with pytest.raises(TariffError, match="not both"):
        TariffVersion(SEPTEMBER, Per.MEAL, (QuotientBand(None, 100),), effort=Effort("0.5", 465))
    with pytest.raises(TariffError, match="at least one band"):
        TariffVersion(SEPTEMBER, Per.MEAL)


# ---------------------------------------------------------------------------------------------------------- rounded hours
@pytest.mark.parametrize(
    ("rounding", "counted"),
    [
        (Rounding(30, RoundTo.UP), [0, 30, 30, 60, 60, 90]),
        (Rounding(30, RoundTo.NEAREST), [0, 0, 30, 30, 60, 90]),
        (Rounding(30, RoundTo.DOWN), [0, 0, 0, 30, 30, 60]),
        (Rounding(1), [0, 14, 15, 31, 45, 75]),
    ],
)
def test_s26_a_stay_is_counted_in_the_towns_steps(rounding: Rounding, counted: list[int]) -> None:
    assert [rounding.counted(minutes) for minutes in (0, 14, 15, 31, 45, 75)] == counted


@given(st.integers(0, 1439), st.integers(1, 240))
def test_a_rounded_stay_is_never_a_whole_step_away(minutes: int, step: int) -> None:
    up, nearest, down = (Rounding(step, to).counted(minutes) for to in (RoundTo.UP, RoundTo.NEAREST, RoundTo.DOWN))
    assert down <= minutes <= up < down + 2 * step
    assert abs(nearest - minutes) * 2 <= step
    assert nearest in (up, down)


def test_a_rounded_stay_says_both_lengths() -> None:
    version = TariffVersion(SEPTEMBER, Per.HOUR, (QuotientBand(None, 210),), rounding=Rounding(30))
    assert labels(price(version, None, "07:30", "08:45")) == [("Tarif unique", None), ("1 h 15, compté 1 h 30", 3_15)]
    assert labels(price(version, None, "07:30", "09:00")) == [("Tarif unique", None), ("1 h 30", 3_15)]


def test_only_hours_are_rounded() -> None:
    with pytest.raises(TariffError, match="only hours are rounded"):
        TariffVersion(SEPTEMBER, Per.MEAL, (QuotientBand(None, 210),), rounding=Rounding(30))
    for minutes in (0, 241):
        with pytest.raises(TariffError, match="1 to 240 minutes"):
            Rounding(minutes)


# ------------------------------------------------------------------------------------------------------ outside the town
def test_who_lives_elsewhere_pays_more_and_siblings_take_off_first() -> None:
    """S33: 3,79; less 20 % is 3,03; 25 % more is 0,7575: 3,79 again. Or 1,50 more, which no sibling makes less."""
    bands = (QuotientBand(500, 195), QuotientBand(1000, 379), QuotientBand(None, 465))

    def of(surcharge: Surcharge, outside: bool) -> list[tuple[str, int | None]]:
        version = TariffVersion(SEPTEMBER, Per.MEAL, bands, (0, 20), outside_town=surcharge)
        return labels(price(version, Decimal(742), "11:00", "15:20", rank=2, outside_town=outside))

    at_home = [("Tranche 2 (QF 742)", 3_79), ("2e enfant -20 %", -76)]
    assert of(Surcharge(percent=25), False) == of(Surcharge(cents=1_50), False) == at_home
    assert of(Surcharge(percent=25), True) == [*at_home, ("Majoration hors commune +25 %", 76)]
    assert of(Surcharge(cents=1_50), True) == [*at_home, ("Majoration hors commune", 1_50)]


@pytest.mark.parametrize(
    "wrong", [{}, {"percent": 20, "cents": 150}, {"percent": -20}, {"cents": -1}, {"percent": 1001}, {"percent": 5, "cents": -5}]
)
def test_a_surcharge_is_one_of_two_kinds(wrong: dict[str, int]) -> None:
    with pytest.raises(TariffError, match="a surcharge is a percentage up to 1000, or cents"):
        Surcharge(**wrong)


def test_where_a_family_lived_on_the_booked_day_counts() -> None:
    told = [(SEPTEMBER, True), (JANUARY, False)]
    assert [lives_outside(told, day) for day in (dt.date(2026, 12, 31), JANUARY)] == [False, True]
    assert not lives_outside([], JANUARY), "of whom nothing was said pays no surcharge"


# ----------------------------------------------------------------------------------------------------------- flat months
def test_a_flat_month_is_priced_once_with_all_its_steps() -> None:
    version = TariffVersion(
        SEPTEMBER, Per.FLAT_MONTH, (QuotientBand(1000, 45_00), QuotientBand(None, 60_00)), (0, 20), outside_town=Surcharge(cents=5_00)
    )
    assert labels(month_price(version, Decimal(742), "2026-11", 2, outside_town=True)) == [
        ("Forfait du mois 11/2026", None),
        ("Tranche 1 (QF 742)", 45_00),
        ("2e enfant -20 %", -9_00),
        ("Majoration hors commune", 5_00),
    ]
    assert labels(price(version, Decimal(742), "07:30", "08:45", 2, outside_town=True)) == [
        ("Tranche 1 (QF 742)", None),
        ("Forfait de 41,00 € par mois, débité une seule fois", 0),
    ]
    assert month_price(APS_MATIN, Decimal(742), "2026-11") == Price(0, ())


# --------------------------------------------------------------------------------------------------- what becomes of a day
@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        (Charged, {"absent_justified_percent": 101}),
        (Charged, {"absent_unjustified_percent": -1}),
        (Charged, {"unexpected_percent": 1001}),
        (LatePickup, {"cents": 0}),
        (LatePickup, {"cents": 1, "after_minutes": -1}),
        (LatePickup, {"cents": 1, "every_minutes": 0}),
    ],
)
def test_what_is_no_rule_of_what_is_charged(rule: type, wrong: dict[str, int]) -> None:
    with pytest.raises(TariffError):
        rule(**wrong)


# ---------------------------------------------------------------------------------------------------------------- rounding
@given(st.integers(0, 10**9), st.integers(1, 10_000))
def test_half_a_cent_is_rounded_up(numerator: int, denominator: int) -> None:
    exact = Fraction(numerator, denominator)
    assert half_up(numerator, denominator) == floor(exact + Fraction(1, 2))


@given(st.integers(0, 10**6), st.integers(0, 1000))
def test_a_share_and_what_it_leaves_out_are_the_whole(cents: int, percent: int) -> None:
    """S33: 100 % is the price itself, and says nothing."""
    whole = Price(cents, (Step("SINGLE_RATE", {}, cents),))
    part = share(whole, percent, "UNEXPECTED")
    assert sum(step.amount_cents or 0 for step in part.steps) == part.cents
    assert abs(100 * part.cents - cents * percent) <= 50
    assert share(whole, 100, "UNEXPECTED") is whole
