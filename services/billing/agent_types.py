"""What agents of a structure see of money, and send: payments at the counter, acts of the audit trail."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Self

import strawberry
from strawberry import ID, Private
from strawberry.federation.schema_directives import Key
from strawberry.federation.types import FieldSet

from services.audit import differences
from services.billing import loading, queries
from services.billing.ledger import EntryKind, PaymentMode
from services.billing.queries import ActRow, Debts
from services.billing.queries import ModeTotal as Totalled
from services.billing.refusals import (
    AlreadyReversed,
    IdempotencyKeyReused,
    InvalidAmount,
    InvalidPayment,
    NotEnoughCredit,
    ReasonRequired,
    TooManyRows,
)
from services.billing.till import Money
from services.billing.types import Adjustment, Family, Payment, Wallet
from services.files import DocumentsUnavailable, FileLink
from services.graphql import Info


# ------------------------------------------------------------------------------------------------------- the audit trail
@strawberry.federation.type(name="Agent", keys=[Key(fields=FieldSet("id"), resolvable=False)])
class ActingAgent:
    """Identity's: it knows the name."""

    id: ID


@strawberry.type
class MoneyActDetail:
    name: str
    before: str | None
    after: str | None


@strawberry.type
class MoneyAct:
    """One thing that an agent did with a family's money."""

    row: Private[ActRow]
    structure: Private[str]
    id: ID
    at: dt.datetime
    account: ID = strawberry.field(description="The agent's.")
    kind: str = strawberry.field(description="RECORD_PAYMENT, REFUND, REVERSE_PAYMENT, ADJUST_WALLET or TRANSFER.")
    reason: str | None

    @classmethod
    def of(cls, row: ActRow, structure: str) -> Self:
        return cls(
            row=row, structure=structure, id=ID(str(row.position)), at=row.at, account=ID(row.account), kind=row.kind, reason=row.reason
        )

    @strawberry.field
    def agent(self) -> ActingAgent | None:
        """By name. Null: identity knows nobody by that account any more."""
        return ActingAgent(id=ID(f"{self.structure}/{self.row.account}"))

    @strawberry.field
    def family(self) -> Family | None:
        return Family(id=ID(self.row.family)) if self.row.family else None

    @strawberry.field
    async def wallet(self, info: Info) -> Wallet | None:
        row = await loading.wallet(info.context, self.row.wallet) if self.row.wallet else None
        return None if row is None else Wallet.of(row)

    @strawberry.field
    def details(self) -> list[MoneyActDetail]:
        """What was asked for, by name; texts as they are, everything else as JSON."""
        return [
            MoneyActDetail(name=name, before=before, after=after) for name, before, after in differences(self.row.before, self.row.after)
        ]


@strawberry.type
class MoneyActConnection:
    nodes: list[MoneyAct]
    end_cursor: str | None
    has_next_page: bool


# --------------------------------------------------------------------------------------------------------------- the office
@strawberry.type
class Debtor:
    """A family whose wallets come to less than nothing."""

    family: Family
    balance_cents: int = strawberry.field(description="Below zero.")
    in_debit: bool = strawberry.field(description="S21: more than is borne; its bookings are closed.")


@strawberry.type
class DebtorConnection:
    structure: Private[str]
    nodes: list[Debtor]
    end_cursor: str | None
    has_next_page: bool

    @strawberry.field
    async def total_count(self, info: Info) -> int:
        return (await self._all(info)).count

    @strawberry.field
    async def total_cents(self, info: Info) -> int:
        """What all of them owe, below zero."""
        return (await self._all(info)).cents

    async def _all(self, info: Info) -> Debts:
        async with info.context.database.reading() as session:
            return await queries.debts(session, self.structure)


@strawberry.type
class ModeTotal:
    """What came in by one mode of payment, and was paid back by it."""

    mode: PaymentMode
    payments: int
    payments_cents: int
    refunds: int
    refunds_cents: int
    total_cents: int = strawberry.field(description="Payments less refunds.")


@strawberry.type
class Closing:
    """What was recorded on one day, whatever date a payment bears: told again later, it is the same ("arrêté de caisse")."""

    date: dt.date
    modes: list[ModeTotal] = strawberry.field(description="Those that there were.")
    total_cents: int

    @classmethod
    def of(cls, date: dt.date, totals: Sequence[Totalled]) -> Self:
        found = {(one.mode, one.kind): one for one in totals}
        modes = [
            _mode_total(mode, found.get((mode, EntryKind.PAYMENT)), found.get((mode, EntryKind.REFUND)))
            for mode in PaymentMode
            if any(one.mode is mode for one in totals)
        ]
        return cls(date=date, modes=modes, total_cents=sum(mode.total_cents for mode in modes))


def _mode_total(mode: PaymentMode, paid: Totalled | None, refunded: Totalled | None) -> ModeTotal:
    came, went = (one.cents if one else 0 for one in (paid, refunded))
    return ModeTotal(
        mode=mode,
        payments=paid.count if paid else 0,
        payments_cents=came,
        refunds=refunded.count if refunded else 0,
        refunds_cents=went,
        total_cents=came - went,
    )


JournalFileResult = Annotated[FileLink | TooManyRows | DocumentsUnavailable, strawberry.union("JournalFileResult")]


# ------------------------------------------------------------------------------------------------------- at the counter
@strawberry.input
class RecordPaymentInput:
    family: ID
    wallet: ID
    mode: PaymentMode = strawberry.field(description="Whatever but INTERNET.")
    amount_cents: int
    payer: str
    reference: str | None = strawberry.field(default=None, description="The piece's number. A cheque has one.")
    bank: str | None = None
    date: dt.date | None = strawberry.field(default=None, description="Null: today.")
    idempotency_key: str

    def money(self) -> Money:
        return Money(str(self.family), str(self.wallet), self.mode, self.amount_cents, self.reference, self.payer, self.bank, self.date)


@strawberry.input
class RefundInput:
    family: ID
    wallet: ID
    mode: PaymentMode = strawberry.field(description="Whatever but INTERNET.")
    amount_cents: int
    payee: str
    reference: str | None = strawberry.field(default=None, description="The piece's number. A cheque has one.")
    bank: str | None = None
    reason: str = strawberry.field(description="3 to 500 characters, which the family reads.")
    idempotency_key: str

    def money(self) -> Money:
        return Money(str(self.family), str(self.wallet), self.mode, self.amount_cents, self.reference, self.payee, self.bank)


@strawberry.input
class ReversePaymentInput:
    payment: ID
    reason: str = strawberry.field(description="3 to 500 characters, which the family reads.")


@strawberry.input
class AdjustWalletInput:
    family: ID
    wallet: ID
    amount_cents: int = strawberry.field(description="Negative: taken from the wallet.")
    reason: str = strawberry.field(description="3 to 500 characters, which the family reads.")
    idempotency_key: str


@strawberry.input
class TransferInput:
    family: ID
    from_wallet: ID
    to_wallet: ID
    amount_cents: int
    reason: str = strawberry.field(description="3 to 500 characters, which the family reads.")
    idempotency_key: str


@strawberry.type
class Transfer:
    """Money of a family that went from one of its wallets to another."""

    from_: Adjustment = strawberry.field(name="from")
    to: Adjustment


RecordPaymentResult = Annotated[Payment | InvalidAmount | InvalidPayment | IdempotencyKeyReused, strawberry.union("RecordPaymentResult")]
RefundResult = Annotated[
    Payment | InvalidAmount | InvalidPayment | ReasonRequired | NotEnoughCredit | IdempotencyKeyReused, strawberry.union("RefundResult")
]
ReversePaymentResult = Annotated[Payment | ReasonRequired | AlreadyReversed, strawberry.union("ReversePaymentResult")]
AdjustWalletResult = Annotated[Adjustment | InvalidAmount | ReasonRequired | IdempotencyKeyReused, strawberry.union("AdjustWalletResult")]
TransferResult = Annotated[
    Transfer | InvalidAmount | InvalidPayment | ReasonRequired | NotEnoughCredit | IdempotencyKeyReused, strawberry.union("TransferResult")
]
