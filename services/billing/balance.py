"""What a family has, what its bookings will cost, and what it should pay (rules S13 to S17, S21). All in integer cents.

Credit is positive, debt negative. The estimated cost is what the bookings not yet debited will take: negative only where a flat month that
is to come makes those of siblings cheaper that were charged, by more than it costs itself.
"""

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much debt is borne (S21)."""

    limit_cents: int = 0
    exempt: bool = False  #: No debt closes this family's bookings.


def in_debit(balance_cents: int, tolerance: Tolerance) -> bool:
    """Whether the account is in debt ("compte débiteur", S21): the posted balance alone counts, never the estimate."""
    return not tolerance.exempt and balance_cents < -tolerance.limit_cents


@dataclass(frozen=True, slots=True)
class WalletBalance:
    """One line of the balances page (S14)."""

    wallet: str
    name: str
    balance_cents: int  #: solde
    estimated_cost_cents: int  #: coût estimé

    @property
    def new_balance_cents(self) -> int:
        """ "Nouveau solde": what would be left if every booking were debited today."""
        return self.balance_cents - self.estimated_cost_cents

    @property
    def suggested_payment_cents(self) -> int:
        """What the payment screen proposes (S16)."""
        return max(0, -self.new_balance_cents)

    def after(self, payment_cents: int) -> int:
        """The new balance once that much is paid: more than suggested feeds the wallet in advance (S17)."""
        return self.new_balance_cents + payment_cents


@dataclass(frozen=True, slots=True)
class Balance:
    """The whole page, with its totals (S15)."""

    until: dt.date | None  #: Bookings up to and including this day; None: all of them.
    lines: tuple[WalletBalance, ...]
    tolerance: Tolerance

    @property
    def balance_cents(self) -> int:
        """ "Votre crédit", or "Montant dû" where negative."""
        return sum(line.balance_cents for line in self.lines)

    @property
    def estimated_cost_cents(self) -> int:
        """ "Montant des réservations"."""
        return sum(line.estimated_cost_cents for line in self.lines)

    @property
    def new_balance_cents(self) -> int:
        """ "Solde estimé": the sum of balances minus the sum of costs."""
        return self.balance_cents - self.estimated_cost_cents

    @property
    def in_debit(self) -> bool:
        """S21, by the family's own limit, or else the structure's."""
        return in_debit(self.balance_cents, self.tolerance)
