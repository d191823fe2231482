"""Money as tables: a family's payments and consumptions of a month (S9 to S11), and a structure's journal for the treasury.

The journal has two rows for each entry: the account that the money comes from is debited, the one that it goes to is credited. Both
columns come to the same.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from services.billing.charged import Attendance
from services.billing.ledger import EntryKind, PaymentMode, is_wallet
from services.billing.texts import say
from services.spreadsheets import Cell, Column, Euros, Sheet

#: The headings' texts, and how wide their columns are.
PAYMENT_COLUMNS = (
    ("DATE", 12),
    ("MODE", 14),
    ("REFERENCE", 22),
    ("PAYER", 28),
    ("BANK", 22),
    ("WALLET", 24),
    ("REASON", 40),
    ("AMOUNT", 12),
)
CONSUMPTION_COLUMNS = (
    ("DATE", 12),
    ("CHILD", 24),
    ("ACTIVITY", 26),
    ("ARRIVAL", 9),
    ("DEPARTURE", 9),
    ("ATTENDANCE", 20),
    ("WALLET", 22),
    ("PRICE", 40),
    ("AMOUNT", 12),
)
JOURNAL_COLUMNS = (
    ("POSTED_AT", 18),
    ("DATE", 12),
    ("ENTRY", 34),
    ("KIND", 16),
    ("ACCOUNT", 20),
    ("FAMILY", 18),
    ("WALLET", 24),
    ("MODE", 14),
    ("REFERENCE", 22),
    ("PAYER", 28),
    ("LABEL", 40),
    ("DEBIT", 12),
    ("CREDIT", 12),
)


@dataclass(frozen=True, slots=True)
class Paid:
    """One payment; a refund where it is negative."""

    date: dt.date
    mode: PaymentMode
    reference: str | None
    payer: str
    bank: str | None
    wallet: str  #: Its name.
    reason: str | None
    cents: int


@dataclass(frozen=True, slots=True)
class Consumed:
    """One day or month that was charged."""

    date: dt.date  #: Of a month, its first day.
    child: str  #: Its name, as the next three.
    activity: str
    wallet: str
    arrival: str | None
    departure: str | None
    attendance: Attendance | None  #: None: a month.
    price: str  #: Why it costs that, in words.
    cents: int


@dataclass(frozen=True, slots=True)
class Booked:
    """One entry of the ledger, with what belongs to it elsewhere."""

    id: str
    posted_at: dt.datetime
    date: dt.date
    kind: EntryKind
    from_account: str
    to_account: str
    family: str
    wallet: str  #: Its name.
    mode: PaymentMode | None
    reference: str | None
    payer: str | None
    label: str | None
    cents: int


def payments_sheet(payments: Sequence[Paid], language: str) -> Sheet:
    """With their total below (S11)."""
    rows = [
        (
            paid.date,
            say(f"MODE_{paid.mode.value}", language),
            paid.reference,
            paid.payer,
            paid.bank,
            paid.wallet,
            paid.reason,
            Euros(paid.cents),
        )
        for paid in payments
    ]
    total = _total(PAYMENT_COLUMNS, sum(paid.cents for paid in payments), language)
    return Sheet(say("PAYMENTS", language), _columns(PAYMENT_COLUMNS, language), rows, total)


def consumptions_sheet(consumptions: Sequence[Consumed], language: str) -> Sheet:
    """With their total below (S9)."""
    rows = [
        (
            one.date,
            one.child,
            one.activity,
            one.arrival and dt.time.fromisoformat(one.arrival),
            one.departure and dt.time.fromisoformat(one.departure),
            say("FLAT_MONTH" if one.attendance is None else f"ATTENDED_{one.attendance.value}", language),
            one.wallet,
            one.price,
            Euros(one.cents),
        )
        for one in consumptions
    ]
    total = _total(CONSUMPTION_COLUMNS, sum(one.cents for one in consumptions), language)
    return Sheet(say("CONSUMPTIONS", language), _columns(CONSUMPTION_COLUMNS, language), rows, total)


def _total(columns: Sequence[tuple[str, int]], cents: int, language: str) -> Sequence[Cell]:
    return (say("TOTAL", language), *[None] * (len(columns) - 2), Euros(cents))


def journal_sheet(entries: Iterable[Booked], timezone: str, language: str) -> Sheet:
    zone = ZoneInfo(timezone)
    rows = (row for entry in entries for row in _both_sides(entry, zone, language))
    return Sheet(say("JOURNAL", language), _columns(JOURNAL_COLUMNS, language), rows)


def _columns(columns: Iterable[tuple[str, int]], language: str) -> list[Column]:
    return [Column(say(f"COLUMN_{name}", language), width) for name, width in columns]


def _both_sides(entry: Booked, zone: ZoneInfo, language: str) -> Iterator[Sequence[Cell]]:
    posted = entry.posted_at.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0)
    amount = Euros(entry.cents)
    for account, debit, credit in ((entry.from_account, amount, None), (entry.to_account, None, amount)):
        yield (
            posted,
            entry.date,
            entry.id,
            say(f"KIND_{entry.kind.value}", language),
            say(f"ACCOUNT_{'WALLET' if is_wallet(account) else account.upper()}", language),
            entry.family,
            entry.wallet,
            None if entry.mode is None else say(f"MODE_{entry.mode.value}", language),
            entry.reference,
            entry.payer,
            entry.label,
            debit,
            credit,
        )
