"""What families see of their money: wallets, balances, histories, and why a price is what it is."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any

import strawberry
from strawberry import UNSET
from strawberry.federation.schema_directives import Key
from strawberry.federation.types import FieldSet

from services.billing import cashier, files, loading, queries, tables, tariff
from services.billing.balance import Balance as Page
from services.billing.balance import WalletBalance as PageLine
from services.billing.certificate import Certificate
from services.billing.hold import BookingStatus, HoldKind
from services.billing.ledger import EntryKind, PaymentMode
from services.billing.online import OnlinePaymentStatus
from services.billing.refusals import refusal_of
from services.billing.texts import malformed, say
from services.files import DocumentsUnavailable, FileFormat, FileLink, unavailable
from services.graphql import Context, Info, LocalTime, Refusal, YearMonth
from services.refusal import CodedError, Language, Refused
from services.viewing import Whose

strawberry.enum(HoldKind, description="What is held for: accepted bookings, or waiting and submitted ones.")
strawberry.enum(PaymentMode)
strawberry.enum(EntryKind, description="What moved a wallet.")
strawberry.enum(BookingStatus)
strawberry.enum(OnlinePaymentStatus)

FLAT_MONTH = "FLAT_MONTH"  #: Where other consumptions say what became of the day.
FIRST_YEAR = 2000  #: Of certificates.
CONFIRMED_ONLY = [HoldKind.CONFIRMED]  #: A waiting place is not owed (S13).


def id_of(key: Any) -> str:
    """The id in an entity's key. Whatever is not one is somebody's mistake, not ours."""
    if isinstance(key, dict) and isinstance(key.get("id"), str):
        return str(key["id"])
    raise CodedError("BAD_USER_INPUT", "An entity is given by its id.")


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
        row = await loading.wallet(info.context, id_of(key))
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
HistoryFileResult = Annotated[FileLink | DocumentsUnavailable, strawberry.union("HistoryFileResult")]
DocumentResult = Annotated[FileLink | DocumentsUnavailable, strawberry.union("DocumentResult")]


@strawberry.type
class Payment:
    """One payment, as the history shows it (S11); or a refund, whose amount is negative."""

    whose: strawberry.Private[Whose]
    id: strawberry.ID
    kind: EntryKind = strawberry.field(description="PAYMENT or REFUND.")
    date: dt.date
    mode: PaymentMode
    reference: str | None
    payer: str
    bank: str | None
    wallet: Wallet
    amount_cents: int
    reason: str | None = strawberry.field(description="Why it was paid back, in the agent's words.")

    @classmethod
    def of(cls, line: queries.PaymentLine) -> "Payment":
        return cls(
            whose=Whose(line.entry.structure, line.entry.family),
            id=strawberry.ID(line.entry.id),
            kind=line.entry.kind,
            date=line.entry.date,
            mode=line.detail.mode,
            reference=line.detail.reference,
            payer=line.detail.payer,
            bank=line.detail.bank,
            wallet=Wallet.of(line.wallet),
            amount_cents=line.cents,
            reason=line.reason,
        )

    @strawberry.field
    async def reversed_on(self, info: Info) -> dt.date | None:
        """When an agent took it back, as a cheque that bounced. Null: it stands."""
        return await loading.reversed_on(info.context, self.id)

    @strawberry.field
    async def receipt(self, info: Info) -> DocumentResult:
        """For paper, by a link that lasts some minutes: of the whole payment, whatever wallets it fed. Of a refund, a notice.

        Of a payment that was reversed it says that nothing was received.
        """
        return await receipt_of(info, self.whose, self.id)


async def receipt_of(info: Info, whose: Whose, entry: str) -> FileLink | DocumentsUnavailable:
    """Whoever asks sees the payment."""
    context = info.context
    loading.saw(context, "FILE", [whose])
    return unavailable(FileFormat.PDF, context.language) or await files.receipt_link(context.running, entry, context.language)


@strawberry.type
class Adjustment:
    """What an agent gave a wallet, or took from it where the amount is negative: a correction, or half of a transfer."""

    id: strawberry.ID
    date: dt.date
    wallet: Wallet
    amount_cents: int
    reason: str = strawberry.field(description="In the agent's words.")

    @classmethod
    def of(cls, line: queries.AdjustmentLine) -> "Adjustment":
        return cls(
            id=strawberry.ID(line.entry.id),
            date=line.entry.date,
            wallet=Wallet.of(line.wallet),
            amount_cents=line.cents,
            reason=line.reason or "",
        )


@strawberry.type
class PaymentHistory:
    """A month's payments, newest first (S9)."""

    family: strawberry.Private[str]
    month: YearMonth
    payments: list[Payment] = strawberry.field(description="Refunds stand among them, with negative amounts.")
    total_cents: int = strawberry.field(description="What the town received: payments less refunds.")

    @strawberry.field
    async def adjustments(self, info: Info) -> list[Adjustment]:
        """What else agents moved that month, newest first: no payments, and not in the total."""
        return [Adjustment.of(line) for line in await loading.adjustments(info.context, self.family, self.month)]


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
    """A day that was charged, or a month that is due at a flat rate."""

    id: strawberry.ID
    date: dt.date = strawberry.field(description="Of a month, its first day.")
    child: Child
    activity: Activity
    wallet: Wallet
    arrival: LocalTime | None
    departure: LocalTime | None
    attendance: str = strawberry.field(description="PRESENT, ABSENT_JUSTIFIED, ABSENT_UNJUSTIFIED; FLAT_MONTH: a month.")
    amount_cents: int
    explanation: list[PriceStep]

    @classmethod
    def of(cls, line: queries.ConsumptionLine, language: Language) -> "Consumption":
        row = line.consumption
        return cls(
            id=strawberry.ID(row.cause),
            date=row.date,
            child=Child(id=strawberry.ID(row.child)),
            activity=Activity(id=strawberry.ID(row.activity)),
            wallet=Wallet.of(line.wallet),
            arrival=None if row.arrival is None else LocalTime(row.arrival),
            departure=None if row.departure is None else LocalTime(row.departure),
            attendance=FLAT_MONTH if row.attendance is None else row.attendance.value,
            amount_cents=row.amount_cents,
            explanation=[PriceStep.of(tariff.Step.from_data(step), language) for step in row.explanation],
        )


@strawberry.type
class ConsumptionHistory:
    """A month's charged days, newest first (S9)."""

    month: YearMonth
    consumptions: list[Consumption]
    total_cents: int


# ---------------------------------------------------------------------------------------------------------- certificates
@strawberry.type
class TaxCertificateActivity:
    activity: Activity
    paid_cents: int


@strawberry.type
class TaxCertificateChild:
    """What was paid for one child that was younger than six on 1 January."""

    child: Child
    birth_date: dt.date
    activities: list[TaxCertificateActivity]
    paid_cents: int


@strawberry.type
class TaxCertificate:
    """What a family paid in a year for the care of its youngest children ("attestation fiscale", crédit d'impôt pour frais de garde).

    Paid, not billed, for activities that the town calls childcare: an advance counts in the year of the care, a debt when it is paid.
    """

    family: strawberry.Private[str]
    year: int
    provisional: bool = strawberry.field(description="The year is not over.")
    as_of: dt.date
    children: list[TaxCertificateChild] = strawberry.field(description="The eldest first.")
    children_without_birth_date: list[Child] = strawberry.field(description="Something was paid for them; whether it counts, nobody knows.")
    total_cents: int

    @classmethod
    def of(cls, family: str, found: Certificate, births: Mapping[str, dt.date]) -> "TaxCertificate":
        return cls(
            family=family,
            year=found.year,
            provisional=found.provisional,
            as_of=found.as_of,
            children=[
                TaxCertificateChild(
                    child=Child(id=strawberry.ID(part.child)),
                    birth_date=births[part.child],
                    activities=[
                        TaxCertificateActivity(activity=Activity(id=strawberry.ID(activity)), paid_cents=cents)
                        for activity, cents in part.activities
                    ],
                    paid_cents=part.cents,
                )
                for part in found.children
            ],
            children_without_birth_date=[Child(id=strawberry.ID(child)) for child in found.without_birth_date],
            total_cents=found.cents,
        )

    @strawberry.field
    async def document(self, info: Info) -> DocumentResult:
        """For paper, by a link that lasts some minutes."""
        context = info.context
        await loading.saw_file(context, self.family, names_children=True)
        return unavailable(FileFormat.PDF, context.language) or await files.certificate_link(
            context.running, self.family, self.year, context.language
        )


@strawberry.federation.type(keys=["id"])
class Family:
    """The money side of a family."""

    id: strawberry.ID

    @classmethod
    def resolve_reference(cls, **key: Any) -> "Family":
        return cls(id=strawberry.ID(id_of(key)))

    @strawberry.field
    async def balance(self, info: Info, until: dt.date | None = UNSET, include: list[HoldKind] = CONFIRMED_ONLY) -> Balance:
        """S13 to S15. `until` is inclusive; null: all bookings not yet debited."""
        structure = await loading.structure_of(info.context, self.id)
        return Balance.of(await loading.balance(info.context, queries.BalanceAsked(self.id, structure, until or None, frozenset(include))))

    @strawberry.field
    async def balance_alert_cents(self, info: Info) -> int | None:
        """Below this posted balance, all wallets together, the family is told by mail. Null: it does not want to be."""
        await loading.structure_of(info.context, self.id)
        return await loading.threshold(info.context, self.id)

    @strawberry.field
    async def payment_access(self, info: Info) -> "PaymentAccess":
        """Whether the family can pay online, and what it has begun to pay."""
        await loading.structure_of(info.context, self.id)
        return await PaymentAccess.load(info.context, self.id)

    @strawberry.field
    async def payments(self, info: Info, month: YearMonth) -> PaymentHistory:
        await loading.structure_of(info.context, self.id)
        lines = await loading.payments(info.context, self.id, month)
        total = sum(line.cents for line in lines)
        return PaymentHistory(family=self.id, month=month, payments=[Payment.of(line) for line in lines], total_cents=total)

    @strawberry.field
    async def payments_file(self, info: Info, month: YearMonth, format: FileFormat) -> HistoryFileResult:
        """The same for spreadsheets or for paper, by a link that lasts some minutes (S10); in the language of this question."""
        return await self._history_file(info, files.PAYMENTS, month, format)

    @strawberry.field
    async def consumptions(self, info: Info, month: YearMonth) -> ConsumptionHistory:
        await loading.structure_of(info.context, self.id)
        lines = await loading.consumptions(info.context, self.id, month)
        return ConsumptionHistory(
            month=month,
            consumptions=[Consumption.of(line, info.context.language) for line in lines],
            total_cents=sum(line.consumption.amount_cents for line in lines),
        )

    @strawberry.field
    async def consumptions_file(self, info: Info, month: YearMonth, format: FileFormat) -> HistoryFileResult:
        """The same for spreadsheets or for paper, as `paymentsFile`."""
        return await self._history_file(info, files.CONSUMPTIONS, month, format)

    async def _history_file(self, info: Info, what: str, month: str, format: FileFormat) -> HistoryFileResult:
        context = info.context
        await loading.saw_file(context, self.id, names_children=what == files.CONSUMPTIONS)
        return unavailable(format, context.language) or await files.history_link(
            context.running, what, self.id, month, format, context.language
        )

    @strawberry.field
    async def tax_certificate(self, info: Info, year: int) -> TaxCertificate:
        """At any time; provisional while the year is not over."""
        context = info.context
        structure = await loading.structure_of(context, self.id)
        async with context.database.reading() as session:
            home = await queries.household(session, self.id)
            today = context.clock.today(home.timezone)
            if not FIRST_YEAR <= year <= today.year:
                raise malformed("YEAR_NOT_POSSIBLE", context.language, first=FIRST_YEAR, last=today.year, given=year)
            found = await queries.certificate_of(session, self.id, year, today, home.children)
        shown = (*(part.child for part in found.children), *found.without_birth_date)
        loading.saw(context, "MONEY", (Whose(structure, self.id, child) for child in shown))
        births = {id: child.birth_date for id, child in home.children.items() if child.birth_date is not None}
        return TaxCertificate.of(self.id, found, births)


# -------------------------------------------------------------------------------------------------------- online payment
@strawberry.federation.type(keys=["id"])
class OnlinePayment:
    """A payment by card, from the hand-over to its end (S19)."""

    whose: strawberry.Private[Whose]
    id: strawberry.ID
    status: OnlinePaymentStatus
    amount_cents: int
    redirect_url: str = strawberry.federation.field(description="The provider's page, where the family pays.")
    reference: str | None = strawberry.federation.field(description="The bank's, once it is paid.")

    @strawberry.field
    async def receipt(self, info: Info) -> DocumentResult | None:
        """As `Payment.receipt`. Null: it is not paid."""
        entry = await loading.entry_of_online_payment(info.context, self.id) if self.status is OnlinePaymentStatus.PAID else None
        return None if entry is None else await receipt_of(info, self.whose, entry)

    @classmethod
    def of(cls, row: tables.OnlinePayment) -> "OnlinePayment":
        return cls(
            whose=Whose(row.structure, row.family),
            id=strawberry.ID(row.id),
            status=row.status,
            amount_cents=row.amount_cents,
            redirect_url=row.url or "",
            reference=row.reference,
        )

    @classmethod
    async def resolve_reference(cls, info: Info, **key: Any) -> "OnlinePayment | None":
        return await cls.load(info.context, id_of(key))

    @classmethod
    async def load(cls, context: Context, id: str) -> "OnlinePayment | None":
        row = await loading.online_payment(context, id)
        return None if row is None else cls.of(row)


@strawberry.type
class PaymentAccess:
    """Whether the family can pay online."""

    open: bool
    refusal: Refusal | None
    least_cents: int | None = strawberry.field(description="That the payment site takes at once.")
    most_cents: int | None
    under_way: list[OnlinePayment] = strawberry.field(description="Whose pages may still be paid on, newest first.")

    @classmethod
    async def load(cls, context: Context, family: str) -> "PaymentAccess":
        provider = next(iter(cashier.providers(context.running).values()), None)
        no = None if provider else refusal_of(Refused("PAYMENT_UNAVAILABLE"), context.language)
        return cls(
            open=no is None,
            refusal=no,
            least_cents=provider.can.min_cents if provider else None,
            most_cents=provider.can.max_cents if provider else None,
            under_way=[OnlinePayment.of(row) for row in await loading.payments_under_way(context, family)],
        )
