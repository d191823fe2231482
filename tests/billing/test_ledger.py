"""Money never appears and never disappears."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.ledger import CARD_CLEARING, CASH, OPENING, Entry, EntryKind, PaymentMode, balances, opening_charge, payment

names = st.sampled_from(["dupont", "martin", "bernard"])
wallets = st.sampled_from(["periscolaire", "multiaccueil"])
causes = st.integers(0, 10_000).map(str)
amounts = st.integers(1, 1_000_000)
entries = st.one_of(
    st.builds(payment, causes.map("payment {}".format), names, wallets, st.sampled_from(PaymentMode), amounts),
    st.builds(opening_charge, causes.map("charge {}".format), names, wallets, amounts),
)
books = st.lists(entries, unique_by=lambda entry: entry.cause)


@given(books)
def test_the_sum_of_all_accounts_is_always_zero(book: list[Entry]) -> None:
    assert sum(balances(book).values()) == 0


@given(books, st.randoms())
def test_entries_heard_twice_and_in_any_order_give_the_same_balances(book: list[Entry], random: st.DataObject) -> None:
    again = [*book, *book]
    random.shuffle(again)  # type: ignore[attr-defined]
    assert balances(again) == balances(book)


def test_one_cause_cannot_name_two_movements() -> None:
    first, second = (payment("cheque 2578012", "dupont", "periscolaire", PaymentMode.CHEQUE, cents) for cents in (50_00, 60_00))
    with pytest.raises(ValueError, match="cheque 2578012"):
        balances([first, second])


@given(st.integers(max_value=0))
def test_an_entry_moves_a_positive_amount(cents: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        Entry("anything", EntryKind.PAYMENT, CASH, "wallet:dupont:periscolaire", cents)


def test_an_entry_needs_two_accounts_and_a_cause() -> None:
    with pytest.raises(ValueError, match="two accounts"):
        Entry("anything", EntryKind.ADJUSTMENT, CASH, CASH, 1)
    with pytest.raises(ValueError, match="cause"):
        Entry("", EntryKind.PAYMENT, CASH, OPENING, 1)


def test_s11_the_guides_two_payments_feed_the_wallet_from_the_desk_and_from_the_card_company() -> None:
    book = [
        payment("a", "guide", "periscolaire", PaymentMode.CHEQUE, 50_00),
        payment("b", "guide", "periscolaire", PaymentMode.INTERNET, 150_00),
        opening_charge("c", "guide", "periscolaire", 149_94),
    ]
    assert balances(book) == {"wallet:guide:periscolaire": 50_06, CASH: -50_00, CARD_CLEARING: -150_00, OPENING: 149_94}
