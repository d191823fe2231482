"""What agents of a structure see of money, and send: payments at the counter, acts of the audit trail."""

import datetime as dt
from typing import Annotated, Any, Self

import orjson
import strawberry
from strawberry import ID, Private
from strawberry.federation.schema_directives import Key
from strawberry.federation.types import FieldSet

from services.billing import loading
from services.billing.ledger import PaymentMode
from services.billing.queries import ActRow
from services.billing.refusals import AlreadyReversed, IdempotencyKeyReused, InvalidAmount, InvalidPayment, NotEnoughCredit, ReasonRequired
from services.billing.till import Money
from services.billing.types import Adjustment, Family, Payment, Wallet
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
        before, after = self.row.before or {}, self.row.after or {}
        names = [name for name in {**after, **before} if before.get(name) != after.get(name)]
        return [MoneyActDetail(name=name, before=_text(before.get(name)), after=_text(after.get(name))) for name in names]


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()


@strawberry.type
class MoneyActConnection:
    nodes: list[MoneyAct]
    end_cursor: str | None
    has_next_page: bool


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
