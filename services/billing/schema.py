"""Billing as GraphQL: balances, histories, prices, payments."""

import datetime as dt
from collections.abc import AsyncGenerator
from enum import StrEnum
from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from services import topics
from services.billing import cashier, commands, loading, queries, tariff
from services.billing.agents import AgentMutations, AgentQueries
from services.billing.dead_letter_fields import DeadLetterMutations, DeadLetterQueries
from services.billing.deposit_desk import DepositMutations, DepositQueries
from services.billing.hold import BookingStatus
from services.billing.paying import Intent
from services.billing.prices import PreviewLine as Line
from services.billing.refusals import (
    EmailRequired,
    IdempotencyKeyReused,
    InvalidAmount,
    PaymentUnavailable,
    TooManyOpenPayments,
    refusal_of,
)
from services.billing.types import CONFIRMED_ONLY, Activity, Balance, Child, Family, OnlinePayment, PriceStep, Wallet, id_of
from services.graphql import SCALARS, Info, LocalTime, Watch, hidden, subgraph, told_at_the_gateway
from services.refusal import CodedError, Forbidden, Refused


@strawberry.enum
class DraftChange(StrEnum):
    """What a line of a draft asks for."""

    BOOK = "BOOK"
    CANCEL = "CANCEL"


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
            child=Child(id=strawberry.ID(id_of(key.get("child")))),
            activity=Activity(id=strawberry.ID(id_of(key.get("activity")))),
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

    @strawberry.field
    async def wallet(self, info: Info) -> Wallet | None:
        """What its activity draws on (S12)."""
        await loading.preview(info.context, self._line)  # Of whose child nothing is told, nothing is told of its wallets.
        row = await loading.wallet_of_activity(info.context, self.activity.id)
        return None if row is None else Wallet.of(row)

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
        return cls(id=strawberry.ID(id_of(key)), status=_status(key.get("status")))

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


# -------------------------------------------------------------------------------------------------------- online payment
StartPaymentResult = Annotated[
    OnlinePayment | EmailRequired | InvalidAmount | PaymentUnavailable | IdempotencyKeyReused | TooManyOpenPayments,
    strawberry.union("StartPaymentResult"),
]


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
class Query(AgentQueries, DeadLetterQueries, DepositQueries):
    @strawberry.field
    async def online_payment(self, info: Info, id: strawberry.ID) -> OnlinePayment | None:
        """Null: no such payment, or not the caller's."""
        return await OnlinePayment.load(info.context, id)

    @hidden
    async def balance_changed(self, info: Info, family: strawberry.ID) -> Balance:
        """As it is now, as `Family.balance` without arguments: for the gateway, hidden from clients."""
        structure = await loading.structure_of(info.context, family)
        return Balance.of(await loading.balance(info.context, queries.BalanceAsked(family, structure, None, frozenset(CONFIRMED_ONLY))))

    @hidden
    async def balance_changed_watch(self, info: Info, family: strawberry.ID) -> Watch:
        structure = await loading.structure_of(info.context, family)
        return Watch.of(info.context, structure, [topics.family(family)])


SetBalanceAlertResult = Annotated[Family | InvalidAmount, strawberry.union("SetBalanceAlertResult")]


@strawberry.type
class Mutation(AgentMutations, DeadLetterMutations, DepositMutations):
    @strawberry.mutation
    async def set_balance_alert(self, info: Info, family: strawberry.ID, below_cents: int | None = None) -> SetBalanceAlertResult:
        """A mail to whoever asks, when the family's balance falls below that; once, until it has recovered. Null: no mails any more."""
        caller = info.context.signed_in()
        if family not in caller.families:
            raise Forbidden
        try:
            async with info.context.database.transaction() as session:
                wanted = caller.families[family], str(family), caller.account, below_cents
                await commands.set_balance_alert(session, info.context.clock, *wanted)
        except Refused as no:
            refused: SetBalanceAlertResult = refusal_of(no, info.context.language)
            return refused
        info.context.loaders.clear()
        return Family(id=family)

    @strawberry.mutation
    async def start_payment(self, info: Info, input: StartPaymentInput) -> StartPaymentResult:
        """Hands the family over to the payment site (S16 to S19). The same key gives the same payment again, never a second one.

        What is paid stands in the wallets once the provider says so, whatever the browser does meanwhile.
        """
        context = info.context
        structure = await loading.structure_of(context, input.family)
        lines = tuple((line.wallet, line.amount_cents) for line in input.lines)
        account = context.signed_in().account
        intent = Intent(structure, input.family, account, input.idempotency_key, lines, input.email or None, context.language)
        try:
            return OnlinePayment.of(await cashier.start(context.running, intent))
        except Refused as no:
            refused: StartPaymentResult = refusal_of(no, context.language)
            return refused


@strawberry.type
class Subscription:
    """Served by the gateway (services/graphql.py says how)."""

    @strawberry.subscription
    async def balance_changed(self, info: Info, family: strawberry.ID) -> AsyncGenerator[Balance, None]:
        """The balance as it is, and again after any change of the family's money."""
        raise told_at_the_gateway()
        yield  # makes it the generator that GraphQL expects


schema = subgraph(Query, Mutation, Subscription, types=[Family, Booking, PreviewLine, Wallet])
