"""What of a family's payments was for the care of its youngest children: paid, not billed; each cent in one year, once."""

import datetime as dt
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.certificate import Move, Moved, certificate, counts, settled

JAN, MAR, JUN, DEC = (dt.date(2026, month, 10) for month in (1, 3, 6, 12))
NEXT_JAN = dt.date(2027, 1, 10)
PAOLO, LEA = dt.date(2022, 5, 1), dt.date(2017, 9, 5)
WALLET = "periscolaire"


def paid(date: dt.date, cents: int, wallet: str = WALLET) -> Moved:
    return Moved(wallet, date, Move.PAID, cents)


def given_by_town(date: dt.date, cents: int) -> Moved:
    return Moved(WALLET, date, Move.GIVEN, cents)


def taken(date: dt.date, cents: int, into: str | None = None) -> Moved:
    return Moved(WALLET, date, Move.TAKEN, cents, into=into)


def care(date: dt.date, cents: int, child: str = "paolo", wallet: str = WALLET) -> Moved:
    return Moved(wallet, date, Move.CHARGED, cents, child=child, activity="aps")


def meal(date: dt.date, cents: int) -> Moved:
    return Moved(WALLET, date, Move.CHARGED, cents)


def years(*moves: Moved, child: str = "paolo") -> dict[int, int]:
    found: Counter[int] = Counter()
    for part in settled(moves):
        if part.child == child:
            found[part.date.year] += part.cents
    return dict(found)


def test_care_that_is_covered_counts_in_its_year() -> None:
    assert years(paid(JAN, 100_00), care(MAR, 40_00), care(JUN, 10_00)) == {2026: 50_00}


def test_what_is_billed_and_not_paid_does_not_count() -> None:
    assert years(care(MAR, 40_00)) == {}
    assert years(paid(JAN, 15_00), care(MAR, 40_00)) == {2026: 15_00}


def test_an_advance_counts_in_the_year_of_the_care_and_a_debt_in_the_year_in_which_it_is_paid() -> None:
    assert years(paid(DEC, 100_00), care(NEXT_JAN, 40_00)) == {2027: 40_00}
    assert years(care(DEC, 40_00), paid(NEXT_JAN, 100_00)) == {2027: 40_00}
    assert years(paid(DEC, 15_00), care(DEC, 40_00), paid(NEXT_JAN, 100_00)) == {2026: 15_00, 2027: 25_00}


def test_a_wallet_for_care_and_meals_pays_what_was_due_first() -> None:
    moves = [meal(JAN, 30_00), care(MAR, 40_00), meal(JUN, 30_00)]
    assert years(*moves, paid(DEC, 50_00)) == {2026: 20_00}
    assert years(paid(JAN.replace(day=1), 50_00), *moves) == {2026: 20_00}
    assert years(*moves, paid(DEC, 50_00), paid(NEXT_JAN, 50_00)) == {2026: 20_00, 2027: 20_00}


def test_children_of_several_ages_have_each_what_was_theirs() -> None:
    moves = [paid(JAN, 100_00), care(MAR, 10_00), care(MAR, 20_00, "lea"), care(JUN, 5_00)]
    assert (years(*moves), years(*moves, child="lea")) == ({2026: 15_00}, {2026: 20_00})
    found = certificate(2026, NEXT_JAN, settled(moves), {"paolo": PAOLO, "lea": LEA})
    assert [(child.child, child.cents, child.activities) for child in found.children] == [("paolo", 15_00, (("aps", 15_00),))]
    assert (found.cents, found.provisional, found.without_birth_date) == (15_00, False, ())


def test_what_the_town_gave_was_not_paid() -> None:
    assert years(given_by_town(JAN, 30_00), paid(JAN, 100_00), care(MAR, 40_00)) == {2026: 40_00}, "in the order in which it came"
    assert years(given_by_town(JAN.replace(day=1), 30_00), paid(JAN, 100_00), care(MAR, 40_00)) == {2026: 10_00}
    assert years(care(MAR, 40_00), given_by_town(JUN, 30_00), paid(DEC, 100_00)) == {2026: 10_00}


def test_what_was_paid_back_pays_nothing() -> None:
    assert years(paid(JAN, 50_00), taken(MAR, 30_00), care(JUN, 40_00)) == {2026: 20_00}
    assert years(care(MAR, 10_00), taken(MAR, 5_00), paid(JUN, 12_00)) == {2026: 7_00}, "the town took 5,00 first"


def test_a_transfer_takes_its_money_as_what_it_is() -> None:
    moves = [given_by_town(JAN.replace(day=1), 20_00), paid(JAN, 50_00), taken(MAR, 60_00, into="multi")]
    assert years(*moves, care(JUN, 70_00, wallet="multi")) == {2026: 50_00}
    assert years(*moves, care(JUN, 70_00)) == {}
    assert years(taken(MAR, 60_00, into="multi"), care(JUN, 70_00, wallet="multi")) == {}, "there was nothing"


@pytest.mark.parametrize(
    ("birth", "year", "does"),
    [
        (dt.date(2020, 1, 1), 2026, False),  # Six that very day.
        (dt.date(2020, 1, 2), 2026, True),
        (dt.date(2020, 2, 29), 2026, True),
        (dt.date(2026, 7, 1), 2026, True),  # Born in the year.
        (dt.date(2019, 12, 31), 2026, False),
    ],
)
def test_younger_than_six_on_the_1st_of_january(birth: dt.date, year: int, does: bool) -> None:
    assert counts(birth, year) is does


def test_a_certificate_is_provisional_until_its_year_is_over_and_says_of_whom_nothing_is_known() -> None:
    parts = settled([paid(JAN, 100_00), care(MAR, 10_00), care(MAR, 20_00, "nobody")])
    found = certificate(2026, dt.date(2026, 12, 31), parts, {"paolo": PAOLO})
    assert (found.provisional, found.cents, found.without_birth_date) == (True, 10_00, ("nobody",))
    assert not certificate(2026, dt.date(2027, 1, 1), parts, {"paolo": PAOLO}).provisional
    assert certificate(2025, NEXT_JAN, parts, {"paolo": PAOLO}).children == ()


moved = st.builds(
    Moved,
    st.sampled_from(["a", "b"]),
    st.dates(dt.date(2025, 1, 1), dt.date(2027, 12, 31)),
    st.sampled_from(Move),
    st.integers(1, 50),
    st.text("0123", min_size=1, max_size=2),
    st.sampled_from(["paolo", "lea"]) | st.none(),
    st.just("aps"),
)


@given(st.lists(moved, max_size=40))
def test_no_cent_counts_twice_or_before_it_was_paid_or_beyond_what_was(moves: list[Moved]) -> None:
    found = settled(moves)
    for child in ("paolo", "lea"):
        charged = [move for move in moves if move.move is Move.CHARGED and move.child == child]
        assert sum(part.cents for part in found if part.child == child) <= sum(move.cents for move in charged)
    for day in {part.date for part in found}:
        so_far = sum(part.cents for part in found if part.date <= day)
        assert so_far <= sum(move.cents for move in moves if move.move is Move.PAID and move.date <= day)
        assert so_far <= sum(move.cents for move in moves if move.move in (Move.CHARGED, Move.TAKEN) and move.date <= day)
    assert all(part.cents > 0 for part in found)


@given(st.lists(moved.filter(lambda move: move.move in (Move.PAID, Move.CHARGED)), max_size=40))
def test_whoever_pays_all_that_is_owed_has_all_of_it_certified_in_one_year_or_another(moves: list[Moved]) -> None:
    owed = sum(move.cents for move in moves if move.move is Move.CHARGED)
    last = dt.date(2028, 1, 1)
    found = settled([*moves, *(Moved(wallet, last, Move.PAID, owed + 1) for wallet in ("a", "b"))])
    care_of: Counter[str] = Counter()
    for part in found:
        care_of[part.child] += part.cents
    assert care_of == Counter(
        {
            child: cents
            for child in ("paolo", "lea")
            if (cents := sum(move.cents for move in moves if move.move is Move.CHARGED and move.child == child))
        }
    )
