"""Money never appears and never disappears: every entry moves cents from one ledger account to another, and is final.

A balance is what came into an account minus what left it, so the sum over all accounts is zero whatever happens. A mistake is
put right by a new entry. An entry names its cause (a cheque, a day that was attended, a line of the old system's books): the same
cause never moves money twice. What stands outside the town (the cash desk, the card company, the old system) goes below zero
as it feeds the wallets.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

CASH = "cash"  #: Cheques, coins, transfers: whatever reaches the town's treasury directly.
CARD_CLEARING = "card_clearing"  #: Paid by card, not yet on the town's account.
REVENUE = "revenue"  #: Earned by days that were attended.
ADJUSTMENTS = "adjustments"  #: Corrections by an agent, with a reason.
OPENING = "opening"  #: Debts and credits taken over from the old system.


class EntryKind(StrEnum):
    """What moved a wallet."""

    PAYMENT = "PAYMENT"  #: règlement
    CHARGE = "CHARGE"  #: consommation
    REFUND = "REFUND"  #: remboursement
    ADJUSTMENT = "ADJUSTMENT"  #: régularisation


class PaymentMode(StrEnum):
    """How a family paid."""

    CARD = "CARD"  #: carte bancaire
    INTERNET = "INTERNET"  #: paiement en ligne
    CHEQUE = "CHEQUE"  #: chèque
    CASH = "CASH"  #: espèces
    TRANSFER = "TRANSFER"  #: virement
    DIRECT_DEBIT = "DIRECT_DEBIT"  #: prélèvement
    CESU = "CESU"  #: chèque emploi service universel
    VOUCHER = "VOUCHER"  #: bon
    OTHER = "OTHER"  #: autre


#: How the ledger accounts of all wallets begin.
WALLETS = "wallet:"


def wallet_account(family: str, wallet: str) -> str:
    """The ledger account of one family's wallet."""
    return f"{WALLETS}{family}:{wallet}"


def is_wallet(account: str) -> bool:
    """Whether it is a family's."""
    return account.startswith(WALLETS)


@dataclass(frozen=True, slots=True)
class Entry:
    """One movement. Raises ValueError for anything but a positive amount between two accounts, with a cause."""

    cause: str
    kind: EntryKind
    from_account: str
    to_account: str
    amount_cents: int
    settles: str | None = None  #: Of a day or month that is charged: the cause that all its entries have in common.

    def __post_init__(self) -> None:
        if self.amount_cents <= 0:
            raise ValueError(f"an entry moves a positive amount, not {self.amount_cents}")
        if self.from_account == self.to_account:
            raise ValueError(f"an entry moves money between two accounts, not within {self.to_account}")
        if not self.cause:
            raise ValueError("an entry names its cause")


def payment(cause: str, family: str, wallet: str, mode: PaymentMode, cents: int) -> Entry:
    """The family feeds its wallet (S11, S17)."""
    return Entry(cause, EntryKind.PAYMENT, _source(mode), wallet_account(family, wallet), cents)


def _source(mode: PaymentMode) -> str:
    return CARD_CLEARING if mode in (PaymentMode.CARD, PaymentMode.INTERNET) else CASH


def refund(cause: str, family: str, wallet: str, mode: PaymentMode, cents: int) -> Entry:
    """Money goes back to the family, by that mode ("remboursement")."""
    return Entry(cause, EntryKind.REFUND, wallet_account(family, wallet), _source(mode), cents)


def adjustment(cause: str, family: str, wallet: str, cents: int) -> Entry:
    """An agent gives a wallet so much; takes it, where it is negative ("régularisation")."""
    purse = wallet_account(family, wallet)
    from_account, to_account = (ADJUSTMENTS, purse) if cents > 0 else (purse, ADJUSTMENTS)
    return Entry(cause, EntryKind.ADJUSTMENT, from_account, to_account, abs(cents))


def opening_charge(cause: str, family: str, wallet: str, cents: int) -> Entry:
    """A debt taken over from the old system ("reprise de solde")."""
    return Entry(cause, EntryKind.CHARGE, wallet_account(family, wallet), OPENING, cents)


def charge(cause: str, purse: str, cents: int) -> Entry:
    """A day or month is due, and is taken from a wallet's account (`purse`)."""
    return Entry(cause, EntryKind.CHARGE, purse, REVENUE, cents, settles=cause)


def correction(cause: str, number: int, purse: str, cents: int) -> Entry:
    """So much more is due than was charged for that cause ("régularisation"); less, where it is negative, and goes back to the wallet."""
    from_account, to_account = (purse, REVENUE) if cents > 0 else (REVENUE, purse)
    return Entry(f"{cause}#{number}", EntryKind.ADJUSTMENT, from_account, to_account, abs(cents), settles=cause)


def balances(entries: Iterable[Entry]) -> dict[str, int]:
    """Account -> cents. A cause counts once, however often its entry is given; their sum is always zero.

    Raises ValueError where one cause names two different entries.
    """
    by_cause: dict[str, Entry] = {}
    totals: dict[str, int] = defaultdict(int)
    for entry in entries:
        if entry == by_cause.setdefault(entry.cause, entry):
            continue
        raise ValueError(f"{entry.cause} is the cause of two different entries")
    for entry in by_cause.values():
        totals[entry.from_account] -= entry.amount_cents
        totals[entry.to_account] += entry.amount_cents
    return dict(totals)
