"""Billing as GraphQL: balances, histories, prices, payments."""

import datetime as dt
from collections.abc import AsyncGenerator
from enum import StrEnum
from typing import Annotated, Any

import strawberry
from strawberry import UNSET
from strawberry.federation.schema_directives import Key
from strawberry.federation.types import FieldSet

from services import topics
from services.billing import commands, loading, queries, tables, tariff
from services.billing.balance import Balance as Page
from services.billing.balance import WalletBalance as PageLine
from services.billing.hold import BookingStatus, HoldKind
from services.billing.ledger import PaymentMode
from services.billing.online import OnlinePaymentStatus
from services.billing.prices import PreviewLine as Line
from services.billing.texts import say
from services.graphql import SCALARS, Info, Language, LocalTime, Refusal, Watch, YearMonth, hidden, subgraph, told_at_the_gateway
from services.refusal import CodedError, Refused

strawberry.enum(HoldKind, description="What is held for: accepted bookings, or waiting and submitted ones.")
strawberry.enum(PaymentMode)
strawberry.enum(BookingStatus)
strawberry.enum(OnlinePaymentStatus)

CONFIRMED_ONLY = [HoldKind.CONFIRMED]  #: A waiting place is not owed (S13).


@strawberry.enum
class DraftChange(StrEnum):
    """What a line of a draft asks for."""

    BOOK = "BOOK"
    CANCEL = "CANCEL"


# ------------------------------------------------------------------------------------------------- entities of others
ELSEWHERE = Key(fields=FieldSet("id"), resolvable=False)  #: Another subgraph says what it is.


@strawberry.federation.type(keys=[ELSEWHERE])
class Child:
    id: strawberry.ID


@strawberry.federation.type(keys=[ELSEWHERE])
class Activity:
    id: strawberry.ID


# -------------------------------------------------------------------------------------------------------------- wallets
@strawberry.federation.type(keys=["id"])
class Wallet:
    """A prepaid purse of each family for a group of activities ("porte-monnaie", S12)."""

    id: strawberry.ID
    name: str

    @classmethod
    def of(cls, row: tables.Wallet) -> "Wallet":
        return cls(id=strawberry.ID(row.id), name=row.name)

    @classmethod
    async def resolve_reference(cls, info: Info, **key: Any) -> "Wallet | None":
        row = await loading.wallet(info.context, _id(key))
        return None if row is None else cls.of(row)


@strawberry.type
class WalletBalance:
    """One line of the balances page (S14)."""

    wallet: Wallet
    balance_cents: int = strawberry.field(description="Solde: credit is positive, debt negative.")
    estimated_cost_cents: int = strawberry.field(description="Coût estimé: bookings not yet debited.")
    new_balance_cents: int = strawberry.field(description="Balance minus estimated cost.")
    suggested_payment_cents: int = strawberry.field(description="max(0, estimated cost - balance) (S16).")

    @classmethod
    def of(cls, line: PageLine) -> "WalletBalance":
        return cls(
            wallet=Wallet(id=strawberry.ID(line.wallet), name=line.name),
            balance_cents=line.balance_cents,
            estimated_cost_cents=line.estimated_cost_cents,
            new_balance_cents=line.new_balance_cents,
            suggested_payment_cents=line.suggested_payment_cents,
        )


@strawberry.type
class Balance:
    """All wallets of a family, with totals (S13 to S15)."""

    until: dt.date | None
    lines: list[WalletBalance] = strawberry.field(description="One per wallet of the structure, by name.")
    balance_cents: int
    estimated_cost_cents: int
    new_balance_cents: int
    in_debit: bool = strawberry.field(description="S21: the posted balance is below the limit (the family's own, or the structure's).")

    @classmethod
    def of(cls, page: Page) -> "Balance":
        return cls(
            until=page.until,
            lines=[WalletBalance.of(line) for line in page.lines],
            balance_cents=page.balance_cents,
            estimated_cost_cents=page.estimated_cost_cents,
            new_balance_cents=page.new_balance_cents,
            in_debit=page.in_debit,
        )


# ------------------------------------------------------------------------------------------------------------- histories
@strawberry.type
class Payment:
    """One payment, as the history shows it (S11)."""

    id: strawberry.ID
    date: dt.date
    mode: PaymentMode
    reference: str | None
    payer: str
    bank: str | None
    wallet: Wallet
    amount_cents: int


@strawberry.type
class PaymentHistory:
    """A month's payments, newest first (S9)."""

    month: YearMonth
    payments: list[Payment]
    total_cents: int


@strawberry.type
class PriceStep:
    """One line of why a price is what it is; the amounts add up to the price."""

    label: str
    amount_cents: int | None

    @classmethod
    def of(cls, step: tariff.Step, language: Language) -> "PriceStep":
        return cls(label=say(step.code, language, **step.details), amount_cents=step.amount_cents)


@strawberry.type
class Consumption:
    """A day that was charged."""

    id: strawberry.ID
    date: dt.date
    child: Child
    activity: Activity
    wallet: Wallet
    arrival: LocalTime | None
    departure: LocalTime | None
    attendance: str
    amount_cents: int
    explanation: list[PriceStep]


@strawberry.type
class ConsumptionHistory:
    """A month's charged days, newest first (S9)."""

    month: YearMonth
    consumptions: list[Consumption]
    total_cents: int


@strawberry.federation.type(keys=["id"])
class Family:
    """The money side of a family."""

    id: strawberry.ID

    @classmethod
    def resolve_reference(cls, **key: Any) -> "Family":
        return cls(id=strawberry.ID(_id(key)))

    @strawberry.field
    async def balance(self, info: Info, until: dt.date | None = UNSET, include: list[HoldKind] = CONFIRMED_ONLY) -> Balance:
        """S13 to S15. `until` is inclusive; null: all bookings not yet debited."""
        structure = await loading.structure_of(info.context, self.id)
        return Balance.of(await loading.balance(info.context, queries.BalanceAsked(self.id, structure, until or None, frozenset(include))))

    @strawberry.field
    async def payments(self, info: Info, month: YearMonth) -> PaymentHistory:
        await loading.structure_of(info.context, self.id)
        lines = await loading.payments(info.context, self.id, month)
        return PaymentHistory(
            month=month, payments=[_payment(line) for line in lines], total_cents=sum(x.entry.amount_cents for x in lines)
        )

    @strawberry.field
    async def consumptions(self, info: Info, month: YearMonth) -> ConsumptionHistory:
        await loading.structure_of(info.context, self.id)
        # Days are not settled yet: nothing was ever consumed.
        return ConsumptionHistory(month=month, consumptions=[], total_cents=0)


def _payment(line: queries.PaymentLine) -> Payment:
    return Payment(
        id=strawberry.ID(line.entry.id),
        date=line.entry.date,
        mode=line.detail.mode,
        reference=line.detail.reference,
        payer=line.detail.payer,
        bank=line.detail.bank,
        wallet=Wallet.of(line.wallet),
        amount_cents=line.entry.amount_cents,
    )


# ---------------------------------------------------------------------------------------------------------------- prices
@strawberry.federation.type(keys=["change child { id } activity { id } date arrival departure"])
class PreviewLine:
    """A line of a recap, priced: booking costs, a cancellation gives back what its hold was, a waiting place 0 (S33)."""

    change: DraftChange
    child: Child
    activity: Activity
    date: dt.date
    arrival: LocalTime
    departure: LocalTime

    @classmethod
    def resolve_reference(cls, **key: Any) -> "PreviewLine":
        date, time = SCALARS[dt.date].parse_value, SCALARS[LocalTime].parse_value
        change = key.get("change")
        if not isinstance(change, str) or change not in DraftChange.__members__:
            raise CodedError("BAD_USER_INPUT", f"DraftChange: BOOK or CANCEL, not {change!r}")
        return cls(
            change=DraftChange(change),
            child=Child(id=strawberry.ID(_id(key.get("child")))),
            activity=Activity(id=strawberry.ID(_id(key.get("activity")))),
            date=date(key.get("date")),
            arrival=time(key.get("arrival")),
            departure=time(key.get("departure")),
        )

    @strawberry.field
    async def price_cents(self, info: Info) -> int:
        return (await loading.preview(info.context, self._line)).cents

    @strawberry.field
    async def explanation(self, info: Info) -> list[PriceStep]:
        price = await loading.preview(info.context, self._line)
        return [PriceStep.of(step, info.context.language) for step in price.steps]

    @property
    def _line(self) -> Line:
        return Line(self.change is DraftChange.BOOK, self.child.id, self.activity.id, self.date, self.arrival, self.departure)


@strawberry.federation.type(keys=["id"])
class Booking:
    """The price of a booking: frozen when it was asked for; nothing where it was refused, even if billing has not heard of that yet."""

    id: strawberry.ID
    status: BookingStatus = strawberry.federation.field(external=True)

    @classmethod
    def resolve_reference(cls, **key: Any) -> "Booking":
        return cls(id=strawberry.ID(_id(key)), status=_status(key.get("status")))

    @strawberry.federation.field(requires=["status"])  # type: ignore[untyped-decorator]  # strawberry gives it no type
    async def price_cents(self, info: Info) -> int:
        return (await self._price(info)).cents

    @strawberry.federation.field(requires=["status"])  # type: ignore[untyped-decorator]  # strawberry gives it no type
    async def explanation(self, info: Info) -> list[PriceStep]:
        return [PriceStep.of(step, info.context.language) for step in (await self._price(info)).steps]

    async def _price(self, info: Info) -> tariff.Price:
        info.context.signed_in()
        return tariff.Price(0, ()) if self.status is BookingStatus.REFUSED else await loading.booking_price(info.context, self.id)


def _status(told: Any) -> BookingStatus:
    if told is None:
        return BookingStatus.SUBMITTED  # Not told: then the hold alone says what the booking costs.
    if isinstance(told, str) and told in BookingStatus.__members__:
        return BookingStatus(told)
    raise CodedError("BAD_USER_INPUT", f"BookingStatus: not {told!r}")


def _id(key: Any) -> str:
    """The id in an entity's key. Whatever is not one is somebody's mistake, not ours."""
    if isinstance(key, dict) and isinstance(key.get("id"), str):
        return str(key["id"])
    raise CodedError("BAD_USER_INPUT", "An entity is given by its id.")


# -------------------------------------------------------------------------------------------------------- online payment
@strawberry.federation.type(keys=["id"])
class OnlinePayment:
    """A payment by card, from the hand-over to its end (S19)."""

    id: strawberry.ID
    status: OnlinePaymentStatus
    amount_cents: int
    redirect_url: str
    reference: str | None

    @classmethod
    def resolve_reference(cls, **key: Any) -> "OnlinePayment | None":
        return None


@strawberry.federation.type(shareable=True)
class EmailRequired(Refusal):
    """An e-mail address is needed to pay online (S18)."""


@strawberry.federation.type(shareable=True)
class InvalidAmount(Refusal):
    """Each wallet once, each with an amount above zero."""


@strawberry.federation.type(shareable=True)
class PaymentUnavailable(Refusal):
    """The structure takes no payments online."""


REFUSALS: dict[str, type[EmailRequired] | type[InvalidAmount] | type[PaymentUnavailable]] = {
    "EMAIL_REQUIRED": EmailRequired,
    "INVALID_AMOUNT": InvalidAmount,
    "PAYMENT_UNAVAILABLE": PaymentUnavailable,
}

StartPaymentResult = Annotated[OnlinePayment | EmailRequired | InvalidAmount | PaymentUnavailable, strawberry.union("StartPaymentResult")]


@strawberry.input
class PaymentLineInput:
    wallet: strawberry.ID
    amount_cents: int


@strawberry.input
class StartPaymentInput:
    family: strawberry.ID
    lines: list[PaymentLineInput]
    email: str | None = UNSET
    idempotency_key: str


@strawberry.type
class Query:
    @strawberry.field
    async def online_payment(self, info: Info, id: strawberry.ID) -> OnlinePayment | None:
        return None

    @hidden
    async def balance_changed(self, info: Info, family: strawberry.ID) -> Balance:
        """As it is now, as `Family.balance` without arguments: for the gateway, hidden from clients."""
        structure = await loading.structure_of(info.context, family)
        return Balance.of(await loading.balance(info.context, queries.BalanceAsked(family, structure, None, frozenset(CONFIRMED_ONLY))))

    @hidden
    async def balance_changed_watch(self, info: Info, family: strawberry.ID) -> Watch:
        structure = await loading.structure_of(info.context, family)
        return Watch.of(info.context, structure, [topics.family(family)])


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def start_payment(self, info: Info, input: StartPaymentInput) -> StartPaymentResult:
        structure = await loading.structure_of(info.context, input.family)
        lines = [(line.wallet, line.amount_cents) for line in input.lines]
        try:
            async with info.context.database.transaction() as session:
                await commands.start_payment(session, structure, lines, input.email or None)
        except Refused as no:
            return REFUSALS[no.code](code=no.code, message=say(no.code, info.context.language, **no.details))


@strawberry.type
class Subscription:
    """Served by the gateway (services/graphql.py says how)."""

    @strawberry.subscription
    async def balance_changed(self, info: Info, family: strawberry.ID) -> AsyncGenerator[Balance, None]:
        """The balance as it is, and again after any change of the family's money."""
        raise told_at_the_gateway()
        yield  # makes it the generator that GraphQL expects


schema = subgraph(Query, Mutation, Subscription, types=[Family, Booking, PreviewLine, Wallet])
