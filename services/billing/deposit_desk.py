"""Deposits as GraphQL: what still lies in the drawer, and what was brought to the bank or the treasury. For agents."""

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Self

import strawberry
from sqlmodel.ext.asyncio.session import AsyncSession
from strawberry import ID, Private

from services.billing import deposits, tables
from services.billing.agent_types import SummedConnection
from services.billing.agents import acts_for, done
from services.billing.ledger import PaymentMode
from services.billing.loading import saw
from services.billing.queries import PaymentLine, Sums
from services.billing.refusals import IdempotencyKeyReused, InvalidPayment, NotToBeDeposited, refusal_of
from services.billing.till import Agent
from services.billing.types import Family, Payment
from services.graphql import Info
from services.idempotency import key_of
from services.paging import cursor_of, moment_of, place_in, size_of, stays
from services.refusal import Refused
from services.viewing import Whose

FIRST = cursor_of("1970-01-01T00:00:00+00:00", "")  #: The cursor of what comes before all payments.
LAST = cursor_of("9000-01-01T00:00:00+00:00", "")  #: And before all deposits, whose newest comes first.


@strawberry.type
class Piece:
    """A payment that somebody has to bring away, or has brought."""

    payment: Payment
    family: Family

    @classmethod
    def of(cls, line: PaymentLine) -> Self:
        return cls(payment=Payment.of(line), family=Family(id=ID(line.entry.family)))


@strawberry.type
class PieceConnection(SummedConnection):
    mode: Private[PaymentMode]
    nodes: list[Piece]

    async def sums(self, session: AsyncSession) -> Sums:
        return await deposits.waiting_totals(session, self.structure, self.mode)


@strawberry.type
class Deposit:
    """Pieces of one mode that were brought to the bank or the treasury together ("bordereau de remise")."""

    id: ID
    date: dt.date
    mode: PaymentMode
    reference: str | None = strawberry.field(description="The slip's number.")
    recorded_at: dt.datetime
    pieces: list[Piece]
    total_cents: int

    @classmethod
    def of(cls, row: tables.Deposit, lines: list[PaymentLine]) -> Self:
        return cls(
            id=ID(row.id),
            date=row.date,
            mode=row.mode,
            reference=row.reference,
            recorded_at=row.recorded_at,
            pieces=[Piece.of(line) for line in lines],
            total_cents=sum(line.cents for line in lines),
        )


@strawberry.type
class DepositConnection:
    nodes: list[Deposit]
    end_cursor: str | None
    has_next_page: bool


@strawberry.input
class RecordDepositInput:
    structure: ID
    payments: list[ID] = strawberry.field(description="All of one mode: cheques, cash, CESU, vouchers or others.")
    date: dt.date | None = strawberry.field(default=None, description="Null: today.")
    reference: str | None = strawberry.field(default=None, description="The slip's number.")
    idempotency_key: str


def _whose(lines: Iterable[PaymentLine]) -> Iterator[Whose]:
    return (Whose(line.entry.structure, line.entry.family) for line in lines)


RecordDepositResult = Annotated[Deposit | NotToBeDeposited | InvalidPayment | IdempotencyKeyReused, strawberry.union("RecordDepositResult")]


@strawberry.type
class DepositQueries:
    @strawberry.field
    async def undeposited_payments(
        self, info: Info, structure: ID, mode: PaymentMode, first: int | None = 50, after: str | None = None
    ) -> PieceConnection:
        """What agents recorded and nobody has brought to the bank yet, by one mode, for the structure's agents: the oldest first."""
        of = acts_for(info, str(structure))
        size, cursor = size_of(first), place_in(after, moment_of, str)
        async with info.context.database.reading() as session:
            lines = await deposits.waiting(session, of, mode, cursor, size + 1)
        page = lines[:size]
        saw(info.context, "MONEY", _whose(page))
        return PieceConnection(
            structure=of,
            mode=mode,
            nodes=[Piece.of(line) for line in page],
            end_cursor=cursor_of(page[-1].entry.posted_at.isoformat(), page[-1].entry.id) if page else stays(lines, after, FIRST),
            has_next_page=len(lines) > size,
        )

    @strawberry.field
    async def deposits(self, info: Info, structure: ID, first: int | None = 20, after: str | None = None) -> DepositConnection:
        """What was brought to the bank or the treasury, for the structure's agents: the newest first."""
        of = acts_for(info, str(structure))
        size, cursor = size_of(first, usual=20), place_in(after, moment_of, str)
        async with info.context.database.reading() as session:
            rows = await deposits.deposits(session, of, cursor, size + 1)
            page = rows[:size]
            lines = await deposits.pieces(session, [row.id for row in page])
        saw(info.context, "MONEY", _whose(line for pieces in lines.values() for line in pieces))
        return DepositConnection(
            nodes=[Deposit.of(row, lines[row.id]) for row in page],
            end_cursor=cursor_of(page[-1].recorded_at.isoformat(), page[-1].id) if page else stays(rows, after, LAST),
            has_next_page=len(rows) > size,
        )


@strawberry.type
class DepositMutations:
    @strawberry.mutation
    async def record_deposit(self, info: Info, input: RecordDepositInput) -> RecordDepositResult:
        """These pieces were brought to the bank or the treasury. No wallet moves by it. The same key is the same deposit."""
        context = info.context
        agent = Agent(context.signed_in().account, acts_for(info, str(input.structure)))
        what: Any = key_of(input.idempotency_key), list(map(str, input.payments)), input.date, input.reference
        try:
            id = await done(info, lambda session: deposits.record_deposit(session, context.clock, agent, *what))
        except Refused as no:
            refused: RecordDepositResult = refusal_of(no, context.language)
            return refused
        async with context.database.reading() as session:
            row = await session.get_one(tables.Deposit, id)
            return Deposit.of(row, (await deposits.pieces(session, [id]))[id])
