"""What a family has and owes: the guide's own figures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.balance import Balance, Tolerance, WalletBalance, in_debit

cents = st.integers(-1_000_000, 1_000_000)
costs = st.integers(0, 1_000_000)


def wallet(balance_cents: int, estimated_cost_cents: int) -> WalletBalance:
    return WalletBalance("periscolaire", "PERISCOLAIRE", balance_cents, estimated_cost_cents)


@pytest.mark.parametrize(("balance", "cost", "new"), [(50_06, 102_61, -52_55), (0, 0, 0)])
def test_s14_the_new_balance_is_the_balance_minus_the_estimated_cost(balance: int, cost: int, new: int) -> None:
    assert wallet(balance, cost).new_balance_cents == new


@pytest.mark.parametrize(
    ("balance", "cost", "suggested", "after"),
    [(-51_65, 11_75, 63_40, 0), (0, 0, 0, 0), (50_06, 102_61, 52_55, 0), (60_00, 10_00, 0, 50_00)],
)
def test_s16_the_payment_screen_suggests_what_is_missing_and_never_less_than_nothing(
    balance: int, cost: int, suggested: int, after: int
) -> None:
    line = wallet(balance, cost)
    assert line.suggested_payment_cents == suggested
    assert line.after(suggested) == after


def test_s16_a_wallet_with_more_than_enough_is_left_alone() -> None:
    assert wallet(60_00, 10_00).suggested_payment_cents == 0


@given(cents, costs, costs)
def test_s16_the_new_balance_after_paying_is_balance_minus_cost_plus_payment(balance: int, cost: int, paid: int) -> None:
    assert wallet(balance, cost).after(paid) == balance - cost + paid


@given(cents, costs)
def test_s17_paying_what_is_suggested_never_leaves_a_debt_and_paying_more_stays_in_the_wallet(balance: int, cost: int) -> None:
    line = wallet(balance, cost)
    assert line.after(line.suggested_payment_cents) >= 0
    assert line.after(line.suggested_payment_cents + 10_00) >= 10_00


@given(st.lists(st.tuples(cents, costs)), st.integers(0, 100_000))
def test_s15_totals_are_the_sum_of_balances_minus_the_sum_of_costs(lines: list[tuple[int, int]], limit: int) -> None:
    page = Balance(None, tuple(wallet(*line) for line in lines), Tolerance(limit))
    assert page.balance_cents == sum(balance for balance, _ in lines)
    assert page.estimated_cost_cents == sum(cost for _, cost in lines)
    assert page.new_balance_cents == sum(line.new_balance_cents for line in page.lines)


@pytest.mark.parametrize(("balance", "limit", "expected"), [(0, 0, False), (-1, 0, True), (-20_00, 20_00, False), (-20_01, 20_00, True)])
def test_s21_an_account_is_in_debt_below_the_limit_and_not_at_it(balance: int, limit: int, expected: bool) -> None:
    assert in_debit(balance, Tolerance(limit)) is expected
    assert not in_debit(balance, Tolerance(limit, exempt=True))


def test_s21_the_estimate_never_makes_a_debt_but_one_wallet_pays_for_another() -> None:
    assert not Balance(None, (wallet(50_06, 102_61),), Tolerance()).in_debit
    assert not Balance(None, (wallet(-10_00, 0), wallet(10_00, 0)), Tolerance()).in_debit
    assert Balance(None, (wallet(-10_01, 0), wallet(10_00, 0)), Tolerance()).in_debit
