"""What a receipt says of a payment: only what was really received; of a refund, and of what came to nothing, that it is that (S11, S19).

Nothing here decides what was received: the ledger does.
"""

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.billing.ledger import EntryKind, PaymentMode
from services.billing.texts import say
from services.documents import day, euros, short


@dataclass(frozen=True, slots=True)
class Reversal:
    """That a payment came to nothing."""

    date: dt.date
    reason: str


@dataclass(frozen=True, slots=True)
class Line:
    """What one wallet got, or lost."""

    wallet: str  #: Its name.
    cents: int  #: Positive, whichever way it went.
    reversal: Reversal | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """One payment, whatever wallets it fed; or what was paid back."""

    id: str  #: The payment's.
    kind: EntryKind  #: PAYMENT or REFUND.
    date: dt.date
    mode: PaymentMode
    reference: str | None
    payer: str
    bank: str | None
    lines: Sequence[Line]
    reason: str | None = None  #: Of what was paid back, or taken back.
    takes_back: bool = False  #: A refund by which nothing was paid: it takes back a payment that was none.
    taken_over: bool = False  #: From the old system's books.

    @property
    def number(self) -> str:
        """The same each time."""
        return f"{self.date:%Y%m%d}-{hashlib.sha256(self.id.encode()).hexdigest()[:8].upper()}"

    @property
    def what(self) -> str:
        """RECEIPT, REVERSED, REFUND or REVERSAL."""
        if self.kind is EntryKind.REFUND:
            return "REVERSAL" if self.takes_back else "REFUND"
        return "RECEIPT" if self.cents else "REVERSED"

    @property
    def cents(self) -> int:
        """What is left of it."""
        return sum(line.cents for line in self.lines if line.reversal is None)

    @property
    def whole_cents(self) -> int:
        return sum(line.cents for line in self.lines)


def told(receipt: Receipt, language: str) -> dict[str, Any]:
    """For the template."""
    what, total = receipt.what, receipt.cents
    shown = receipt.whole_cents if what == "REVERSED" else total
    facts = (
        ("NUMBER", receipt.number),
        ("DATE", day(receipt.date)),
        ("MODE", say(f"MODE_{receipt.mode.value}", language)),
        ("REFERENCE", receipt.reference),
        ("PAYEE" if receipt.kind is EntryKind.REFUND else "PAYER", receipt.payer),
        ("BANK", receipt.bank),
        ("REASON", receipt.reason),
    )
    notes = [say("RECEIPT_TAKEN_OVER", language)] if receipt.taken_over else []
    notes += [say("RECEIPT_IS_NO_CERTIFICATE", language)] if what == "RECEIPT" else []
    return {
        "title": say(f"{what}_TITLE", language, number=receipt.number),
        "says": say(f"{what}_SAYS", language, amount=euros(shown, language), payer=short(receipt.payer), day=day(receipt.date)),
        "facts": [[say(f"COLUMN_{name}", language), short(value)] for name, value in facts if value],
        "headings": [say("COLUMN_WALLET", language), say("COLUMN_AMOUNT", language)],
        "rows": [row for line in receipt.lines for row in _rows(line, language)],
        "total": [say("TOTAL", language), euros(total, language)],
        "notes": notes,
    }


def _rows(line: Line, language: str) -> list[list[str]]:
    rows = [[short(line.wallet), euros(line.cents, language)]]
    if line.reversal is not None:
        words = say("TAKEN_BACK", language, day=day(line.reversal.date), reason=short(line.reversal.reason))
        rows.append([words, euros(-line.cents, language)])
    return rows
