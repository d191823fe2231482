"""What agents of a structure see of money, and send: payments at the counter, acts of the audit trail."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Self

import strawberry
from sqlmodel.ext.asyncio.session import AsyncSession
from strawberry import ID, Private
from strawberry.federation.schema_directives import Key
from strawberry.federation.types import FieldSet

from services.audit import differences
from services.billing import loading, queries, tables, unsettled
from services.billing.audit import ActRow
from services.billing.ledger import EntryKind, PaymentMode
from services.billing.online import CURRENCY, End, Heard, Trouble, may_end
from services.billing.queries import ModeTotal as Totalled
from services.billing.queries import Sums
from services.billing.refusals import (
    AlreadyReversed,
    IdempotencyKeyReused,
    InvalidAmount,
    InvalidPayment,
    NotEnoughCredit,
    NothingToEnd,
    ReasonRequired,
    TooManyRows,
)
from services.billing.texts import say
from services.billing.till import Money
from services.billing.types import Adjustment, Family, OnlinePayment, Payment, Wallet
from services.billing.unsettled import Lines
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
    kind: str = strawberry.field(
        description="RECORD_PAYMENT, REFUND, REVERSE_PAYMENT, ADJUST_WALLET, TRANSFER, END_ONLINE_PAYMENT or RECORD_DEPOSIT."
    )
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
class SummedConnection:
    """A page of what has a sum, whatever page it is."""

    structure: Private[str]
    end_cursor: str | None
    has_next_page: bool

    @strawberry.field
    async def total_count(self, info: Info) -> int:
        """Of all, on whatever page they are."""
        return (await self._all(info)).count

    @strawberry.field
    async def total_cents(self, info: Info) -> int:
        """What all of them come to, on whatever page they are; debts are below zero."""
        return (await self._all(info)).cents

    async def _all(self, info: Info) -> Sums:
        async with info.context.database.reading() as session:
            return await self.sums(session)

    async def sums(self, session: AsyncSession) -> Sums:
        raise NotImplementedError


@strawberry.type
class DebtorConnection(SummedConnection):
    nodes: list[Debtor]

    async def sums(self, session: AsyncSession) -> Sums:
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


# ------------------------------------------------------------------------------------------------------- paid online
strawberry.enum(Heard, description="What the payment site said when it was last asked: a status, nothing certain, or nothing at all.")
strawberry.enum(Trouble, description="Why money that came online credits nobody, until an agent has ended it.")
strawberry.enum(End, description="How an agent ends an online payment that cannot end by itself.")


@strawberry.type
class OnlinePaymentLine:
    wallet_id: Private[str]
    amount_cents: int

    @strawberry.field
    async def wallet(self, info: Info) -> Wallet | None:
        row = await loading.wallet(info.context, self.wallet_id)
        return None if row is None else Wallet.of(row)


@strawberry.type
class PaymentTrouble:
    """Money came that credits nobody."""

    code: Trouble
    message: str
    since: dt.datetime | None
    amount_cents: int | None = strawberry.field(description="What came, in hundredths of its currency, as the payment site says.")
    currency: str | None
    order: str | None = strawberry.field(description="The payment that the site says it is for.")
    reference: str | None = strawberry.field(description="The bank's.")

    @classmethod
    def of(cls, row: tables.OnlinePayment, language: str) -> Self | None:
        if row.trouble is None:
            return None
        came = say("NO_AMOUNT", language) if row.came_cents is None else _money(row.came_cents, row.came_currency or "?", language)
        if row.came_order != row.id:
            came = say("MONEY_FOR", language, money=came, order=row.came_order or "?")
        # What an older version of this code told in words was about other money, nearly always.
        code = Trouble(row.trouble) if row.trouble in Trouble.__members__ else Trouble.OTHER_MONEY
        return cls(
            code=code,
            message=say(f"TROUBLE_{code.value}", language, came=came, asked=_money(row.amount_cents, CURRENCY, language)),
            since=row.trouble_since,
            amount_cents=row.came_cents,
            currency=row.came_currency,
            order=row.came_order,
            reference=row.came_reference,
        )


def _money(cents: int, currency: str, language: str) -> str:
    amount = f"{cents / 100:.2f}"
    return f"{amount if language == 'en' else amount.replace('.', ',')} {'€' if currency == CURRENCY else currency}"


@strawberry.type
class UnsettledPayment:
    """An online payment that is open, or of which nothing certain is known, or that is in trouble ("paiement en suspens")."""

    payment: OnlinePayment
    family: Family
    lines: list[OnlinePaymentLine] = strawberry.field(description="The wallets that it is to feed.")
    provider: str
    started_at: dt.datetime
    age_seconds: int
    heard: Heard | None = strawberry.field(description="What the payment site said when it was last asked. Null: nobody asked yet.")
    heard_at: dt.datetime | None
    noticed_at: dt.datetime | None = strawberry.field(
        description="When the site last told something unasked, of which nothing is believed."
    )
    asked_next_at: dt.datetime | None = strawberry.field(description="Null: never again, unless the site tells something.")
    trouble: PaymentTrouble | None
    waits_for_agent: bool = strawberry.field(description="`endOnlinePayment` takes it: its money credits nobody, or its site is silent.")

    @classmethod
    def of(cls, row: tables.OnlinePayment, noticed_at: dt.datetime | None, now: dt.datetime, language: str) -> Self:
        return cls(
            payment=OnlinePayment.of(row),
            family=Family(id=ID(row.family)),
            lines=[OnlinePaymentLine(wallet_id=wallet, amount_cents=cents) for wallet, cents in row.lines],
            provider=row.provider,
            started_at=row.started_at,
            age_seconds=int((now - row.started_at).total_seconds()),
            heard=row.heard,
            heard_at=row.heard_at,
            noticed_at=noticed_at,
            asked_next_at=row.look_at,
            trouble=PaymentTrouble.of(row, language),
            waits_for_agent=may_end(row.status, row.trouble, row.heard, row.started_at, now),
        )


@strawberry.type
class UnsettledPaymentConnection(SummedConnection):
    troubled: Private[bool]
    nodes: list[UnsettledPayment]

    async def sums(self, session: AsyncSession) -> Sums:
        """What was asked for."""
        return await unsettled.totals(session, self.structure, troubled=self.troubled)


@strawberry.input
class CreditedLineInput:
    wallet: ID
    amount_cents: int


@strawberry.input
class EndOnlinePaymentInput:
    online_payment: ID
    end: End
    lines: list[CreditedLineInput] | None = strawberry.field(
        default=None,
        description="Where CREDITED: what came, by wallet. Null: those that were asked for, if that amount came, or it was one.",
    )
    reason: str = strawberry.field(description="3 to 500 characters, which the family reads where it is credited.")
    idempotency_key: str

    def credited(self) -> Lines | None:
        return None if self.lines is None else tuple((str(line.wallet), line.amount_cents) for line in self.lines)


@strawberry.type
class EndedPayment:
    """An online payment that an agent ended."""

    payment: OnlinePayment
    payments: list[Payment] = strawberry.field(description="What its wallets were credited with.")


EndOnlinePaymentResult = Annotated[
    EndedPayment | InvalidAmount | ReasonRequired | NothingToEnd | IdempotencyKeyReused, strawberry.union("EndOnlinePaymentResult")
]


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
