"""What agents bring to the bank or the treasury ("remise", "dépôt"): cheques, cash and vouchers, gathered on one slip.

A deposit moves no money of any family: in the ledger a cheque counts from the day on which it was recorded. It says where the pieces are,
so that none is forgotten in a drawer; one that bounces afterwards is taken back as any payment, and stays on its slip.
"""

import datetime as dt
import hashlib
from collections.abc import Collection, Sequence

import orjson
from sqlalchemy import ColumnElement, exists, func, literal, tuple_
from sqlalchemy import select as sa_select
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.billing import queries
from services.billing.audit import Done, note
from services.billing.commands import lock_structure
from services.billing.ledger import EntryKind, PaymentMode
from services.billing.queries import REVERSAL, PaymentLine, Sums
from services.billing.tables import Deposit, Deposited, LedgerEntry, PaymentDetail
from services.billing.till import Agent, check_date, line_of
from services.clock import Clock
from services.database import Instant
from services.refusal import Forbidden, Refused
from services.saying import new_id

#: What lies in a drawer until somebody brings it away. All else comes to the town's account by itself.
BROUGHT = frozenset({PaymentMode.CHEQUE, PaymentMode.CASH, PaymentMode.CESU, PaymentMode.VOUCHER, PaymentMode.OTHER})
MOST_PIECES = 500  #: On one slip.


# --------------------------------------------------------------------------------------------------------------- what there is
def _waiting(structure: str, mode: PaymentMode) -> tuple[ColumnElement[bool], ...]:
    """Recorded here, not deposited, not taken back."""
    reversal = aliased(LedgerEntry)
    entry = col(LedgerEntry.id)
    return (
        entry == col(PaymentDetail.entry),
        col(LedgerEntry.structure) == structure,
        col(LedgerEntry.kind) == EntryKind.PAYMENT,
        col(PaymentDetail.mode) == mode,
        col(PaymentDetail.taken_over).is_(False),
        ~exists().where(col(Deposited.entry) == entry),
        ~exists().where(col(reversal.cause) == literal(REVERSAL).concat(entry)),
    )


async def waiting(
    session: AsyncSession, structure: str, mode: PaymentMode, after: tuple[dt.datetime, str] | None, limit: int
) -> list[PaymentLine]:
    """In the order in which they were recorded. `after`: when the last one seen was posted, and its id."""
    at, id = col(LedgerEntry.posted_at), col(LedgerEntry.id)
    query = select(LedgerEntry.id).where(*_waiting(structure, mode)).order_by(at, id).limit(limit)
    if after is not None:
        query = query.where(tuple_(at, id) > tuple_(literal(after[0], Instant()), literal(after[1])))
    entries = (await session.exec(query)).all()
    lines = await queries.payment_lines(session, entries)
    return [lines[entry] for entry in entries]


async def waiting_totals(session: AsyncSession, structure: str, mode: PaymentMode) -> Sums:
    query = sa_select(func.count(), func.coalesce(func.sum(LedgerEntry.amount_cents), 0)).where(*_waiting(structure, mode))
    (row,) = await (await session.connection()).execute(query)
    return Sums(int(row[0]), int(row[1]))


async def deposits(session: AsyncSession, structure: str, before: tuple[dt.datetime, str] | None, limit: int) -> Sequence[Deposit]:
    """The newest first. `before`: when the last one seen was recorded, and its id."""
    at, id = col(Deposit.recorded_at), col(Deposit.id)
    query = select(Deposit).where(Deposit.structure == structure).order_by(at.desc(), id.desc()).limit(limit)
    if before is not None:
        query = query.where(tuple_(at, id) < tuple_(literal(before[0], Instant()), literal(before[1])))
    return (await session.exec(query)).all()


async def pieces(session: AsyncSession, deposits: Collection[str]) -> dict[str, list[PaymentLine]]:
    """Deposit -> its payments, in the order in which they were recorded."""
    found: dict[str, list[PaymentLine]] = {deposit: [] for deposit in deposits}
    deposited = dict((await session.exec(select(Deposited.entry, Deposited.deposit).where(col(Deposited.deposit).in_(deposits)))).all())
    lines = await queries.payment_lines(session, deposited)
    for line in sorted(lines.values(), key=lambda line: (line.entry.posted_at, line.entry.id)):
        found[deposited[line.entry.id]].append(line)
    return found


# ----------------------------------------------------------------------------------------------------------------- deposit
async def record_deposit(
    session: AsyncSession, clock: Clock, agent: Agent, key: str, payments: Sequence[str], date: dt.date | None, reference: str | None
) -> str:
    """Its id. The same key with the same content is the same deposit.

    Raises Refused: NOT_TO_BE_DEPOSITED, INVALID_PAYMENT, IDEMPOTENCY_KEY_REUSED; Forbidden for what is no payment of the structure.
    """
    town = await lock_structure(session, agent.structure)
    wanted = sorted(set(payments))
    number = line_of("reference", reference)
    name = _digest([agent.structure, agent.account, key])
    content = _digest([wanted, date, number])
    known = (await session.exec(select(Deposit).where(Deposit.key == name))).first()
    if known is not None:
        if known.content != content:
            raise Refused("IDEMPOTENCY_KEY_REUSED")
        return known.id
    today = clock.today(town.timezone)
    check_date(date, today)
    cents, mode = await _check(session, agent.structure, wanted)
    row = Deposit(
        id=new_id(),
        key=name,
        content=content,
        structure=agent.structure,
        date=date or today,
        mode=mode,
        reference=number,
        recorded_at=clock.now(),
    )
    session.add(row)
    await session.flush()
    session.add_all(Deposited(entry=entry, deposit=row.id) for entry in wanted)
    await session.flush()
    told = {"deposit": row.id, "mode": mode, "date": row.date, "reference": number, "payments": len(wanted), "cents": cents}
    await note(session, clock.now(), agent.structure, agent.account, Done("RECORD_DEPOSIT", after=told))
    return row.id


async def _check(session: AsyncSession, structure: str, payments: Sequence[str]) -> tuple[int, PaymentMode]:
    """What they come to, and their mode: all of one."""
    if not 0 < len(payments) <= MOST_PIECES:
        raise Refused("NOT_TO_BE_DEPOSITED", text="PIECES_NOT_POSSIBLE", most=MOST_PIECES)
    lines = await queries.payment_lines(session, payments)
    entries = [line.entry for line in lines.values()]
    if len(lines) < len(payments) or any(one.structure != structure or one.kind is not EntryKind.PAYMENT for one in entries):
        raise Forbidden
    modes = {line.detail.mode for line in lines.values()}
    if len(modes) > 1 or not modes <= BROUGHT:
        raise Refused("NOT_TO_BE_DEPOSITED", text="MODES_NOT_POSSIBLE")
    (mode,) = modes
    free = set((await session.exec(select(LedgerEntry.id).where(*_waiting(structure, mode), col(LedgerEntry.id).in_(payments)))).all())
    if len(free) < len(payments):
        raise Refused("NOT_TO_BE_DEPOSITED", count=len(payments) - len(free))
    return sum(one.amount_cents for one in entries), mode


def _digest(what: object) -> str:
    return hashlib.sha256(orjson.dumps(what)).hexdigest()
