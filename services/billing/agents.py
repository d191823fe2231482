"""What agents can ask and do about money. Whatever is not of a structure of theirs is Forbidden, whether it exists or not."""

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import strawberry
from sqlmodel.ext.asyncio.session import AsyncSession
from strawberry import ID

from services.billing import audit, files, queries, tables, till, unsettled
from services.billing.agent_types import (
    AdjustWalletInput,
    AdjustWalletResult,
    Closing,
    Debtor,
    DebtorConnection,
    EndedPayment,
    EndOnlinePaymentInput,
    EndOnlinePaymentResult,
    JournalFileResult,
    MoneyAct,
    MoneyActConnection,
    RecordPaymentInput,
    RecordPaymentResult,
    RefundInput,
    RefundResult,
    ReversePaymentInput,
    ReversePaymentResult,
    Transfer,
    TransferInput,
    TransferResult,
    UnsettledPayment,
    UnsettledPaymentConnection,
)
from services.billing.audit import ActRow
from services.billing.loading import saw
from services.billing.refusals import refusal_of
from services.billing.texts import malformed
from services.billing.till import Agent
from services.billing.types import Adjustment, Family, OnlinePayment, Payment
from services.files import FileFormat, unavailable
from services.graphql import Info
from services.idempotency import key_of
from services.paging import cursor_of, moment_of, number_of, place_in, position_of, size_of, stays
from services.refusal import Forbidden, Refused
from services.viewing import Whose

MOST_DAYS = 400  #: Of one journal.
OLDEST = cursor_of("1970-01-01T00:00:00+00:00", "")  #: The cursor of what comes before all online payments.
DEEPEST = cursor_of(-(10**16), "")  #: The cursor of what comes before all debts.

T = TypeVar("T")


# --------------------------------------------------------------------------------------------------------- who may do what
def acts_for(info: Info, structure: str) -> str:
    """Raises Unauthenticated or Forbidden."""
    if structure not in info.context.signed_in().agent_of:
        raise Forbidden
    return structure


async def _agent(info: Info, family: str) -> Agent:
    """Of the family's structure: its own members are no agents there. Raises Forbidden."""
    async with info.context.database.reading() as session:
        structure = (await queries.structures_of(session, [family])).get(family, "")
    return Agent(info.context.signed_in().account, acts_for(info, structure))


async def _online_agent(info: Info, payment: str) -> Agent:
    async with info.context.database.reading() as session:
        row = await session.get(tables.OnlinePayment, payment)
    return Agent(info.context.signed_in().account, acts_for(info, "" if row is None else row.structure))


async def _payments_agent(info: Info, payment: str) -> Agent:
    async with info.context.database.reading() as session:
        structure = await queries.structure_of_payment(session, payment)
    return Agent(info.context.signed_in().account, acts_for(info, structure or ""))


async def done(info: Info, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """In one transaction. Raises Refused."""
    async with info.context.database.transaction() as session:
        done = await work(session)
    info.context.running.outbox_written()
    info.context.loaders.clear()
    return done


async def _payment(info: Info, work: Callable[[AsyncSession], Awaitable[str]]) -> Any:
    """The payment or refund that was posted, or why not."""
    try:
        entry = await done(info, work)
    except Refused as no:
        return refusal_of(no, info.context.language)
    async with info.context.database.reading() as session:
        return Payment.of((await queries.payment_lines(session, [entry]))[entry])


async def _adjustments(info: Info, *entries: str) -> list[Adjustment]:
    async with info.context.database.reading() as session:
        found = await queries.adjustment_lines(session, entries)
    return [Adjustment.of(found[entry]) for entry in entries]


# ------------------------------------------------------------------------------------------------------------------ queries
@strawberry.type
class AgentQueries:
    @strawberry.field
    async def money_acts(
        self,
        info: Info,
        structure: ID,
        account: ID | None = None,
        kind: str | None = None,
        family: ID | None = None,
        first: int | None = 50,
        after: str | None = None,
    ) -> MoneyActConnection:
        """What agents of the structure did with money, the newest first: the audit trail, for agents."""
        of = acts_for(info, str(structure))
        wanted = {"structure": of, "account": account, "kind": kind, "family": family}
        size, cursor = size_of(first), position_of(after)
        async with info.context.database.reading() as session:
            rows = await audit.page(session, ActRow, wanted, cursor, size + 1)
        page = rows[:size]
        saw(info.context, "ACTS", (Whose(of, row.family) for row in page if row.family))
        return MoneyActConnection(
            nodes=[MoneyAct.of(row, of) for row in page],
            end_cursor=cursor_of(page[-1].position) if page else stays(rows, after),
            has_next_page=len(rows) > size,
        )

    @strawberry.field
    async def debtors(self, info: Info, structure: ID, first: int | None = 50, after: str | None = None) -> DebtorConnection:
        """Families that owe the structure something, for its agents: the deepest in debt first."""
        of = acts_for(info, str(structure))
        size, cursor = size_of(first), place_in(after, number_of, str)
        async with info.context.database.reading() as session:
            rows = await queries.debtors(session, of, cursor, size + 1)
            said = await queries.in_debt(session, [row.family for row in rows])
        page = rows[:size]
        saw(info.context, "MONEY", (Whose(of, row.family) for row in page))
        return DebtorConnection(
            structure=of,
            nodes=[Debtor(family=Family(id=ID(row.family)), balance_cents=row.cents, in_debit=row.family in said) for row in page],
            end_cursor=cursor_of(page[-1].cents, page[-1].family) if page else stays(rows, after, DEEPEST),
            has_next_page=len(rows) > size,
        )

    @strawberry.field
    async def unsettled_payments(
        self, info: Info, structure: ID, troubled: bool = False, first: int | None = 50, after: str | None = None
    ) -> UnsettledPaymentConnection:
        """Online payments that have not ended, or not well, for the structure's agents: the oldest first.

        `troubled`: only those whose money credits nobody, which wait for an agent (`endOnlinePayment`).
        """
        of, context = acts_for(info, str(structure)), info.context
        size, cursor = size_of(first), place_in(after, moment_of, str)
        async with context.database.reading() as session:
            rows = await unsettled.payments(session, of, cursor, size + 1, troubled=troubled)
            page = rows[:size]
            noticed = await unsettled.noticed(session, [row.id for row in page])
        saw(context, "MONEY", (Whose(of, row.family) for row in page))
        now = context.clock.now()
        return UnsettledPaymentConnection(
            structure=of,
            troubled=troubled,
            nodes=[UnsettledPayment.of(row, noticed.get(row.id), now, context.language) for row in page],
            end_cursor=cursor_of(page[-1].started_at.isoformat(), page[-1].id) if page else stays(rows, after, OLDEST),
            has_next_page=len(rows) > size,
        )

    @strawberry.field
    async def closing(self, info: Info, structure: ID, date: dt.date) -> Closing:
        """What agents and families paid that day, by mode, for the structure's agents."""
        of = acts_for(info, str(structure))
        async with info.context.database.reading() as session:
            days = _days(date, date, await queries.timezone_of(session, of), info)
            return Closing.of(date, await queries.totals_by_mode(session, of, *days))

    @strawberry.field
    async def journal_file(
        self,
        info: Info,
        structure: ID,
        from_: Annotated[dt.date, strawberry.argument(name="from")],
        to: dt.date,
        format: FileFormat,
    ) -> JournalFileResult:
        """All that was posted on these days, debit and credit, for the treasury; by a link that lasts some minutes."""
        of, context = acts_for(info, str(structure)), info.context
        if unavailable_here := unavailable(format, context.language):
            return unavailable_here
        async with context.database.reading() as session:
            days = _days(from_, to, await queries.timezone_of(session, of), info)
            count = await queries.entries_count(session, of, *days)
        if count > (limit := files.most_entries(format)):
            no: JournalFileResult = refusal_of(Refused("TOO_MANY_ROWS", limit=limit), context.language)
            return no
        async with context.database.reading() as session:
            saw(context, "FILE", [Whose(of, family) for family in await queries.families_in(session, of, *days)])
        return await files.journal_link(context.running, of, from_, to, format, context.language)


def _days(first: dt.date, last: dt.date, timezone: str, info: Info) -> tuple[dt.datetime, dt.datetime]:
    if not 0 <= (last - first).days < MOST_DAYS or not dt.date.min < first <= last < dt.date.max:
        raise malformed("PERIOD_NOT_POSSIBLE", info.context.language, most=MOST_DAYS)
    return files.period(first, last, timezone)


# ---------------------------------------------------------------------------------------------------------------- mutations
@strawberry.type
class AgentMutations:
    @strawberry.mutation
    async def record_payment(self, info: Info, input: RecordPaymentInput) -> RecordPaymentResult:
        """A family paid at the counter, or by post (S11). The same key with the same content is the same payment."""
        agent, key = await _agent(info, str(input.family)), key_of(input.idempotency_key)
        clock = info.context.clock
        answer: RecordPaymentResult = await _payment(info, lambda session: till.record_payment(session, clock, agent, key, input.money()))
        return answer

    @strawberry.mutation
    async def refund(self, info: Info, input: RefundInput) -> RefundResult:
        """Pay back what a wallet holds, or a part of it."""
        agent, key = await _agent(info, str(input.family)), key_of(input.idempotency_key)
        clock, money, reason = info.context.clock, input.money(), input.reason
        answer: RefundResult = await _payment(info, lambda session: till.refund_family(session, clock, agent, key, money, reason))
        return answer

    @strawberry.mutation
    async def reverse_payment(self, info: Info, input: ReversePaymentInput) -> ReversePaymentResult:
        """A payment that came to nothing, as a cheque that bounced, is taken back: whole, once, even into debt."""
        payment = str(input.payment)
        agent, clock = await _payments_agent(info, payment), info.context.clock
        answer: ReversePaymentResult = await _payment(
            info, lambda session: till.reverse_payment(session, clock, agent, payment, input.reason)
        )
        return answer

    @strawberry.mutation
    async def adjust_wallet(self, info: Info, input: AdjustWalletInput) -> AdjustWalletResult:
        """Give a wallet so much, or take it: a correction, no payment."""
        family, wallet = str(input.family), str(input.wallet)
        agent, key = await _agent(info, family), key_of(input.idempotency_key)
        clock, cents, reason = info.context.clock, input.amount_cents, input.reason
        try:
            entry = await done(info, lambda session: till.adjust_wallet(session, clock, agent, key, family, wallet, cents, reason))
        except Refused as no:
            refused: AdjustWalletResult = refusal_of(no, info.context.language)
            return refused
        (adjusted,) = await _adjustments(info, entry)
        return adjusted

    @strawberry.mutation
    async def transfer(self, info: Info, input: TransferInput) -> TransferResult:
        """From one of a family's wallets to another, of what the first one holds."""
        family, wallets = str(input.family), (str(input.from_wallet), str(input.to_wallet))
        agent, key = await _agent(info, family), key_of(input.idempotency_key)
        clock, cents, reason = info.context.clock, input.amount_cents, input.reason
        try:
            entries = await done(info, lambda session: till.transfer(session, clock, agent, key, family, wallets, cents, reason))
        except Refused as no:
            refused: TransferResult = refusal_of(no, info.context.language)
            return refused
        gone, come = await _adjustments(info, *entries)
        return Transfer(from_=gone, to=come)

    @strawberry.mutation
    async def end_online_payment(self, info: Info, input: EndOnlinePaymentInput) -> EndOnlinePaymentResult:
        """Say how an online payment ended, where the payment site cannot: its money credits nobody (`trouble`), or nobody answers any more.

        What came is credited, or was given back at the payment site, or nothing came. The same key with the same content is the same act.
        """
        context, payment = info.context, str(input.online_payment)
        agent, key = await _online_agent(info, payment), key_of(input.idempotency_key)
        said = payment, input.end, input.credited(), input.reason
        try:
            await done(info, lambda session: unsettled.end_payment(session, context.clock, agent, key, *said))
        except Refused as no:
            refused: EndOnlinePaymentResult = refusal_of(no, context.language)
            return refused
        async with context.database.reading() as session:
            row = await session.get_one(tables.OnlinePayment, payment)
            lines = await queries.online_lines(session, payment)
        return EndedPayment(payment=OnlinePayment.of(row), payments=[Payment.of(line) for line in lines])
