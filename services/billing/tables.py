"""The rows of billing.

The ledger only grows: the database itself refuses to change or delete an entry. Everything that billing needs of other services'
data is a copy of what their events said (structure, family, child, activity), each with the version it was heard with.
"""

import datetime as dt
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Column, ForeignKey, Index, LargeBinary, Table, Text, UniqueConstraint, false, text, true
from sqlmodel import Field, SQLModel

from services.billing.charged import Attendance
from services.billing.hold import HoldKind, HoldState
from services.billing.ledger import EntryKind, PaymentMode
from services.billing.online import End, Heard, OnlinePaymentStatus
from services.database import BIGINT, Instant, as_text, new_metadata


class BillingTable(SQLModel):
    metadata = new_metadata()


def core(rows: type[BillingTable]) -> Table:
    """The table itself, for statements that must not pass through the ORM."""
    return rows.metadata.tables[str(rows.__tablename__)]


# ------------------------------------------------------------------------------------------------ copies of others' data
class Structure(BillingTable, table=True):
    """The town, and how deep in debt a family may be before bookings close (S21)."""

    __tablename__ = "structure"

    id: str = Field(primary_key=True)
    debt_limit_cents: int = Field(default=0, sa_type=BIGINT)
    timezone: str = "Europe/Paris"
    title: str = Field(default="", sa_column_kwargs={"server_default": ""})  #: Its name, for what is printed.
    address: str = Field(default="", sa_column_kwargs={"server_default": ""})  #: On one line, for the same.
    version: int = 0  #: Of the copy; 0: not heard of yet.
    #: What it says of services/retention.py.
    retention: dict[str, int] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


class Family(BillingTable, table=True):
    """To know whose balance an agent may see."""

    __tablename__ = "family"

    id: str = Field(primary_key=True)
    structure: str
    version: int = 0


class Child(BillingTable, table=True):
    """To know whose day is being priced, and its rank among the siblings."""

    __tablename__ = "child"

    id: str = Field(primary_key=True)
    family: str = Field(primary_key=True, index=True)
    position: int  #: By birth, the eldest 0.


class Activity(BillingTable, table=True):
    """What draws on which wallet."""

    __tablename__ = "activity"

    id: str = Field(primary_key=True)
    structure: str
    wallet: str
    title: str = Field(default="", sa_column_kwargs={"server_default": ""})  #: Its name, for what is printed.
    childcare: bool = Field(default=False, sa_column_kwargs={"server_default": false()})  #: What it costs is certified for taxes.
    version: int = 0  #: Of the copy; 0: only its tariff is known so far.


class Payer(BillingTable, table=True):
    """In whose name a family pays online (S11), and at which address (S18); who its children are, for what is printed."""

    __tablename__ = "payer"

    id: str = Field(primary_key=True)  #: The family's.
    adults: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))  #: account, name, email of each, in order.
    #: Child -> name and birth_date. Those who have left stay: what they consumed does.
    children: dict[str, dict[str, Any]] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}"))
    version: int = Field(default=0, sa_type=BIGINT)


# ------------------------------------------------------------------------------------------------ what the town has set
class Wallet(BillingTable, table=True):
    """A purse that every family of the structure has ("porte-monnaie", S12)."""

    __tablename__ = "wallet"

    id: str = Field(primary_key=True)
    structure: str = Field(index=True)
    name: str


class Tariff(BillingTable, table=True):
    """An activity's tariff as it was at one time. A change is a new revision: what a price came from can always be shown."""

    __tablename__ = "tariff"

    activity: str = Field(primary_key=True)
    revision: int = Field(primary_key=True)
    versions: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))  #: TariffVersion.as_data, by date.


class Quotient(BillingTable, table=True):
    """A family's quotient from a day on."""

    __tablename__ = "quotient"

    family: str = Field(primary_key=True)
    starts_on: dt.date = Field(primary_key=True)
    hundredths: int | None = Field(default=None, sa_type=BIGINT)  #: Null: the family tells none any more.


class Residence(BillingTable, table=True):
    """Whether a family lives in the town from a day on, as booking told: whoever does not may pay more."""

    __tablename__ = "residence"

    family: str = Field(primary_key=True)
    starts_on: dt.date = Field(primary_key=True)
    resident: bool
    version: int = Field(default=0, sa_column_kwargs={"server_default": "0"})  #: Of the telling; 0: it was known before any.


# ------------------------------------------------------------------------------------------------------------ the ledger
LATER = text("settles <> cause")


class LedgerEntry(BillingTable, table=True):
    """One positive amount from one account to another (ledger.py). Triggers refuse UPDATE and DELETE."""

    __tablename__ = "ledger_entry"
    __table_args__ = (
        CheckConstraint("amount_cents > 0", name="amount"),
        CheckConstraint("from_account <> to_account", name="accounts"),
        Index("ix_ledger_entry_family_date", "family", "date"),
        Index("ix_ledger_entry_structure_posted_at", "structure", "posted_at"),
        # The first entry of a day or month is found by its cause; few have others.
        Index("ix_ledger_entry_settles", "settles", sqlite_where=LATER, postgresql_where=LATER),
    )

    id: str = Field(primary_key=True)
    cause: str = Field(unique=True)
    settles: str | None = None  #: Of a day or month that is charged: what all its entries have in common.
    kind: EntryKind = Field(sa_type=as_text(EntryKind))
    from_account: str
    to_account: str
    amount_cents: int = Field(sa_type=BIGINT)
    structure: str
    family: str
    wallet: str
    date: dt.date
    label: str | None = None  #: Of before there was EntryReason; nothing writes it any more.
    posted_at: dt.datetime = Field(sa_type=Instant)


class EntryReason(BillingTable, table=True):
    """Why an entry was made, in somebody's words: beside it, for words can be erased, and entries are final."""

    __tablename__ = "entry_reason"

    entry: str = Field(sa_column=Column(ForeignKey("ledger_entry.id"), primary_key=True))
    reason: str = Field(sa_type=Text)


class Purse(BillingTable, table=True):
    """What a family's wallet holds: the sum of its entries, so that nobody adds up ten years to show a balance.

    The ledger's own trigger keeps it, whoever writes an entry, in the same transaction; nothing else writes here. No row: 0.
    """

    __tablename__ = "purse"

    family: str = Field(primary_key=True)
    wallet: str = Field(primary_key=True)
    structure: str = Field(index=True)
    cents: int = Field(sa_type=BIGINT)


class PaymentDetail(BillingTable, table=True):
    """What a payment's line says (S11), beside its entry."""

    __tablename__ = "payment_detail"

    entry: str = Field(sa_column=Column(ForeignKey("ledger_entry.id"), primary_key=True))
    mode: PaymentMode = Field(sa_type=as_text(PaymentMode))
    reference: str | None = None  #: "pièce"
    payer: str
    bank: str | None = None
    #: From the old system's books. All of them were, before there was anything else.
    taken_over: bool = Field(default=False, sa_column_kwargs={"server_default": true()})


class Deposit(BillingTable, table=True):
    """Pieces that were brought to the bank or the treasury together ("remise"). It moves no money of any family."""

    __tablename__ = "deposit"
    __table_args__ = (Index("ix_deposit_structure_recorded_at", "structure", "recorded_at", "id"),)

    id: str = Field(primary_key=True)
    key: str = Field(unique=True)  #: A digest of the agent and its idempotency key.
    content: str  #: A digest of what was said with it.
    structure: str
    date: dt.date
    mode: PaymentMode = Field(sa_type=as_text(PaymentMode))
    reference: str | None = None  #: The slip's number.
    recorded_at: dt.datetime = Field(sa_type=Instant)


class Deposited(BillingTable, table=True):
    """A payment on a slip: on one at most."""

    __tablename__ = "deposited"

    entry: str = Field(sa_column=Column(ForeignKey("ledger_entry.id"), primary_key=True))
    deposit: str = Field(sa_column=Column(ForeignKey("deposit.id"), nullable=False, index=True))


class Standing(BillingTable, table=True):
    """Whether a family is in debt, and what is borne of it alone (S21). No row: it never was, and is like all others.

    The row is also the lock under which its balance is summed.
    """

    __tablename__ = "standing"

    family: str = Field(primary_key=True)
    structure: str = Field(index=True)
    in_debit: bool = False
    limit_cents: int | None = Field(default=None, sa_type=BIGINT)  #: Null: the structure's.
    exempt: bool = False  #: No debt closes its bookings.
    version: int = 0


# ------------------------------------------------------------------------------------------------------- the audit trail
class Act(BillingTable, table=True):
    """One thing that an agent did with money. Rows are only ever added: the database refuses to change or delete one (audit.py).

    But for its words, which go with its family.
    """

    __tablename__ = "act"
    __table_args__ = (Index("ix_act_structure_position", "structure", "position"), Index("ix_act_family_position", "family", "position"))

    position: int | None = Field(default=None, sa_column=Column(BIGINT, primary_key=True, autoincrement=True))
    structure: str
    account: str  #: The agent's.
    at: dt.datetime = Field(sa_type=Instant)
    kind: str  #: UPPER_SNAKE of what was asked, such as RECORD_PAYMENT.
    family: str | None = None
    wallet: str | None = None
    entry: str | None = None  #: Of the ledger.
    reason: str | None = Field(default=None, sa_type=Text)
    before: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    after: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    seal: str  #: SHA-256 of this row and of the structure's seal before it: a chain that shows a missing or changed link.
    emptied: str | None = None  #: The seal that counts since its words were taken out.


class Erasing(BillingTable, table=True):
    """We said what stands in the way of erasing a family: until that is decided nobody pays for it, nor moves its money."""

    family: str = Field(primary_key=True)
    erasure: str = Field(primary_key=True)


# ------------------------------------------------------------------------------------------------------------------ links
class LinkKey(BillingTable, table=True):
    """What the links to files are sealed with (services/links.py). One row, made by the migration."""

    __tablename__ = "link_key"

    name: str = Field(primary_key=True)
    key: str


class BalanceAlert(BillingTable, table=True):
    """Below which balance a family wants to be told. Changed under the lock of its standing, as its balance is."""

    __tablename__ = "balance_alert"

    family: str = Field(primary_key=True)
    structure: str
    account: str  #: Who asked for it, and gets the mail.
    below_cents: int = Field(sa_type=BIGINT)
    is_below: bool  #: It was told, or was so when the family asked: not again before the balance has recovered.
    times: int = 0  #: How often it was told.


# ------------------------------------------------------------------------------------------------------- online payments
#: An online payment that did not end, or did not end well: literally so wherever it is asked for, or no index of them is used.
UNSETTLED = "status = 'STARTED' OR trouble IS NOT NULL"


class OnlinePayment(BillingTable, table=True):
    """One payment by card, from a family's intention to its end (online.py). What it moves is in the ledger."""

    __tablename__ = "online_payment"
    __table_args__ = (
        CheckConstraint("amount_cents > 0", name="amount"),
        UniqueConstraint("provider", "session"),
        Index(
            "ix_online_payment_look_at",
            "look_at",
            sqlite_where=text("look_at IS NOT NULL"),
            postgresql_where=text("look_at IS NOT NULL"),
        ),
        Index(
            "ix_online_payment_unsettled",
            "structure",
            "started_at",
            "id",
            sqlite_where=text(UNSETTLED),
            postgresql_where=text(UNSETTLED),
        ),
    )

    id: str = Field(primary_key=True)
    key: str = Field(unique=True)  #: Of the family, the account and its idempotency key.
    content: str  #: A digest of what was asked for with it.
    structure: str
    family: str = Field(index=True)
    account: str
    lines: list[list[Any]] = Field(sa_column=Column(JSON, nullable=False))  #: [wallet, cents] of each.
    amount_cents: int = Field(sa_type=BIGINT)
    payer: str  #: As the history will say it (S11).
    language: str
    email: str | None = None  #: For the provider and the receipt (S18). Null: it was received, or nothing can come any more.
    provider: str
    session: str | None = None  #: What the provider calls it. Null: it never gave a page that anybody saw.
    url: str | None = Field(default=None, sa_type=Text)
    status: OnlinePaymentStatus = Field(sa_type=as_text(OnlinePaymentStatus))
    reference: str | None = None  #: The bank's.
    #: A Trouble, while one waits for an agent: money came that credits nobody.
    trouble: str | None = Field(default=None, sa_type=Text)
    trouble_since: dt.datetime | None = Field(default=None, sa_type=Instant)
    came_cents: int | None = Field(default=None, sa_type=BIGINT)  #: What came, as the provider said it.
    came_currency: str | None = None
    came_order: str | None = None
    came_reference: str | None = None
    #: By an agent; from then on nothing is credited but by one.
    ended_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    credited: list[list[Any]] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))  #: By an agent: as `lines`.
    heard: Heard | None = Field(default=None, sa_type=as_text(Heard))  #: Null: nobody was asked yet.
    heard_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    started_at: dt.datetime = Field(sa_type=Instant)
    status_since: dt.datetime = Field(sa_type=Instant)
    looked_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    look_at: dt.datetime | None = Field(default=None, sa_type=Instant)  #: When the provider is asked next. Null: never again.


class PaymentEnd(BillingTable, table=True):
    """What an agent said of an online payment that could not end by itself. Once for each key."""

    __tablename__ = "payment_end"

    key: str = Field(primary_key=True)  #: A digest of the agent and its idempotency key.
    payment: str = Field(sa_column=Column(ForeignKey("online_payment.id"), nullable=False, index=True))
    content: str  #: A digest of what was said with it.
    end: End = Field(sa_type=as_text(End))
    at: dt.datetime = Field(sa_type=Instant)


class PaymentNotice(BillingTable, table=True):
    """What a provider sent about a payment, as it came. It is never believed; it is kept for those who have to explain."""

    __tablename__ = "payment_notice"

    id: str = Field(primary_key=True)  #: A digest: the same once more is the same.
    payment: str = Field(sa_column=Column(ForeignKey("online_payment.id"), nullable=False, index=True))
    body: bytes = Field(sa_type=LargeBinary)
    received_at: dt.datetime = Field(sa_type=Instant)


# ----------------------------------------------------------------------------------------------------------------- holds
class Hold(BillingTable, table=True):
    """The estimated cost of one booking (hold.py). It stays when released, so that news that comes late finds that it is old."""

    __tablename__ = "hold"
    __table_args__ = (
        CheckConstraint("amount_cents >= 0", name="amount"),
        Index("ix_hold_family_state_date", "family", "state", "date"),
    )

    booking: str = Field(primary_key=True)
    structure: str
    family: str
    child: str
    activity: str
    date: dt.date
    arrival: str
    departure: str
    wallet: str | None = None  #: Null where nothing was ever priced.
    kind: HoldKind = Field(sa_type=as_text(HoldKind))
    state: HoldState = Field(sa_type=as_text(HoldState))
    amount_cents: int = Field(default=0, sa_type=BIGINT)
    tariff_version: str | None = Field(default=None, sa_type=Text)  #: "<revision>/<first day>": which rule the price is frozen with.
    explanation: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))  #: Step.as_data of each.
    version: int  #: Of the booking, as last heard; 0: only its request was heard.


# ------------------------------------------------------------------------------------------------------------ settlement
class ClosedDay(BillingTable, table=True):
    """A day that was charged: an activity's, in its newest version."""

    __tablename__ = "closed_day"

    activity: str = Field(primary_key=True)
    date: dt.date = Field(primary_key=True)
    structure: str
    version: int


class DayPart(BillingTable, table=True):
    """One part of a closed day that is told in several, until all of them were heard."""

    __tablename__ = "day_part"

    activity: str = Field(primary_key=True)
    date: dt.date = Field(primary_key=True)
    version: int = Field(primary_key=True)
    part: int = Field(primary_key=True)
    parts: int
    attendances: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))  #: As the event has them.


class Consumption(BillingTable, table=True):
    """A child's day, or flat month, that was charged ("consommation", S9), as the newest version of the closed day has it.

    It stays when the day is closed again without it: whatever is charged under that cause later is priced as it was then.
    """

    __tablename__ = "consumption"
    __table_args__ = (
        CheckConstraint("amount_cents >= 0", name="amount"),
        Index("ix_consumption_family_date", "family", "date"),
        Index("ix_consumption_activity_date", "activity", "date"),
    )

    cause: str = Field(primary_key=True)  #: Of its ledger entries: they settle it.
    structure: str
    family: str
    child: str
    activity: str
    date: dt.date  #: Of a month, its first day.
    wallet: str
    booking: str | None = None  #: Null: a child that came without one, or a month.
    attendance: Attendance | None = Field(default=None, sa_type=as_text(Attendance))  #: Null: a month.
    arrival: str | None = None
    departure: str | None = None
    amount_cents: int = Field(sa_type=BIGINT)
    tariff_version: str = Field(sa_type=Text)  #: As a hold's.
    flat: bool  #: A month, or a day that makes its month due.
    due: bool  #: False: the newest version of the day does not name it any more, and its amount is 0.
    explanation: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))  #: Step.as_data of each.
