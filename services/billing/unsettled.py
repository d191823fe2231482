"""Online payments that did not end by themselves: agents see them, and end those that wait for an agent (S19).

Ending one locks the structure, as every act, then the payment, as whoever settles it: of an agent and a payment site that say how it ended
at the same moment, the second one finds that it has.
"""

import datetime as dt
import hashlib
from collections.abc import Collection
from dataclasses import dataclass

import orjson
from sqlalchemy import func, literal, text, tuple_
from sqlalchemy import select as sa_select
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.billing import queries
from services.billing.audit import Done, note, reason_of
from services.billing.commands import lock_structure
from services.billing.online import CURRENCY, End, OnlinePaymentStatus, may_end, next_look
from services.billing.paying import come_to, look_again
from services.billing.queries import Sums
from services.billing.tables import UNSETTLED, OnlinePayment, PaymentEnd, PaymentNotice
from services.billing.till import Agent, check_cents
from services.clock import Clock
from services.database import Instant
from services.refusal import Forbidden, Refused

Lines = tuple[tuple[str, int], ...]  #: (wallet, cents) of each.


# --------------------------------------------------------------------------------------------------------------- what there is
def _wanted(structure: str | None, *, troubled: bool) -> list[object]:
    wanted: list[object] = [text(f"({UNSETTLED})")]
    if structure is not None:
        wanted.append(col(OnlinePayment.structure) == structure)
    return [*wanted, col(OnlinePayment.trouble).is_not(None)] if troubled else wanted


async def payments(
    session: AsyncSession, structure: str, after: tuple[dt.datetime, str] | None, limit: int, *, troubled: bool = False
) -> list[OnlinePayment]:
    """The oldest first. `after`: when the last one seen was started, and its id."""
    started_at, id = col(OnlinePayment.started_at), col(OnlinePayment.id)
    query = select(OnlinePayment).where(*_wanted(structure, troubled=troubled)).order_by(started_at, id).limit(limit)  # type: ignore[arg-type]
    if after is not None:
        query = query.where(tuple_(started_at, id) > tuple_(literal(after[0], Instant()), literal(after[1])))
    return list((await session.exec(query)).all())


async def totals(session: AsyncSession, structure: str, *, troubled: bool = False) -> Sums:
    """What was asked for."""
    query = sa_select(func.count(), func.coalesce(func.sum(OnlinePayment.amount_cents), 0)).select_from(OnlinePayment)
    (row,) = await (await session.connection()).execute(query.where(*_wanted(structure, troubled=troubled)))  # type: ignore[arg-type]
    return Sums(int(row[0]), int(row[1]))


async def noticed(session: AsyncSession, payments: Collection[str]) -> dict[str, dt.datetime]:
    """Payment -> when its provider last told something unasked."""
    newest = select(PaymentNotice.payment, func.max(PaymentNotice.received_at)).group_by(PaymentNotice.payment)
    return dict((await session.exec(newest.where(col(PaymentNotice.payment).in_(payments)))).all())


@dataclass(frozen=True, slots=True)
class State:
    """Of all structures, for operators."""

    open: int
    oldest_at: dt.datetime | None
    troubled: int


async def state(session: AsyncSession) -> State:
    query = sa_select(col(OnlinePayment.started_at), col(OnlinePayment.trouble)).where(*_wanted(None, troubled=False))  # type: ignore[arg-type]
    rows = (await (await session.connection()).execute(query)).all()
    oldest_at = min((row.started_at for row in rows), default=None)
    return State(sum(row.trouble is None for row in rows), oldest_at, sum(row.trouble is not None for row in rows))


# ------------------------------------------------------------------------------------------------------------------- end
async def end_payment(
    session: AsyncSession, clock: Clock, agent: Agent, key: str, payment: str, end: End, lines: Lines | None, reason: str
) -> None:
    """What nobody but an agent can say of it. `lines`: who is credited; None: the wallets that were asked for, if that is certain.

    The same key with the same content is the same act. Raises Refused: REASON_REQUIRED, INVALID_AMOUNT, NOTHING_TO_END,
    IDEMPOTENCY_KEY_REUSED; Forbidden for what is not the structure's.
    """
    why = reason_of(reason)
    await lock_structure(session, agent.structure)
    row = await session.get(OnlinePayment, payment, with_for_update=True)
    if row is None or row.structure != agent.structure:
        raise Forbidden
    await _check_wallets(session, agent, lines)
    name, content = _digest([agent.structure, agent.account, key]), _digest([payment, end, lines and sorted(lines), why])
    known = await session.get(PaymentEnd, name)
    if known is not None:
        if known.content != content:
            raise Refused("IDEMPOTENCY_KEY_REUSED")
        return
    now = clock.now()
    is_credited = row.status is OnlinePaymentStatus.PAID  # An older version left the trouble there when all was well in the end.
    if not may_end(row.status, row.trouble, row.heard, row.started_at, now) or (is_credited and end is End.CREDITED):
        raise Refused("NOTHING_TO_END")
    credited = _credited(row, end, lines)
    before = {"payment": row.id, "status": row.status, "trouble": row.trouble, "asked": row.lines}
    before |= {name: getattr(row, name) for name in ("came_cents", "came_currency", "came_order", "came_reference") if getattr(row, name)}
    session.add(PaymentEnd(key=name, payment=row.id, content=content, end=end, at=now))
    entries = await _end(session, clock, row, credited, why)
    wallet, entry = (sorted(credited)[0][0], entries[0]) if credited else (None, None)
    after = {"end": end, "status": row.status, **({"credited": credited} if credited else {})}
    done = Done("END_ONLINE_PAYMENT", row.family, wallet, entry, why, before=before, after=after)
    await note(session, now, agent.structure, agent.account, done)


async def _end(session: AsyncSession, clock: Clock, row: OnlinePayment, credited: Lines, why: str | None) -> list[str]:
    row.trouble, row.ended_at = None, clock.now()
    entries: list[str] = []
    if credited:
        row.credited = [list(line) for line in credited]
        entries = await come_to(session, clock, row, OnlinePaymentStatus.PAID, row.came_reference, credited, why)
    elif row.status is OnlinePaymentStatus.STARTED:
        await come_to(session, clock, row, OnlinePaymentStatus.CANCELLED, None, ())
    look_again(row, next_look(row.status, row.status_since, clock.now()))
    await session.flush()
    return entries


async def _check_wallets(session: AsyncSession, agent: Agent, lines: Lines | None) -> None:
    known = await queries.wallets_of(session, agent.structure)
    if not known.issuperset(wallet for wallet, _ in lines or ()):
        raise Forbidden


def _credited(row: OnlinePayment, end: End, lines: Lines | None) -> Lines:
    """Raises Refused INVALID_AMOUNT: what came is credited, all of it, and nothing else."""
    if end is not End.CREDITED:
        if lines:
            raise Refused("INVALID_AMOUNT", text="NOTHING_IS_CREDITED")
        return ()
    came = row.came_cents if row.came_currency == CURRENCY else None
    if lines is None:
        lines = _as_asked(row, came)
    if not lines or len({wallet for wallet, _ in lines}) < len(lines):
        raise Refused("INVALID_AMOUNT", text="SAY_WHAT_CAME")
    for _, cents in lines:
        check_cents(cents)
    if came is not None and sum(cents for _, cents in lines) != came:
        raise Refused("INVALID_AMOUNT", text="NOT_WHAT_CAME", euros=f"{came / 100:.2f}")
    return lines


def _as_asked(row: OnlinePayment, came: int | None) -> Lines | None:
    """None: nobody but the agent knows whose that money is."""
    if came is None:
        return None
    if came == row.amount_cents:
        return tuple((wallet, cents) for wallet, cents in row.lines)
    return ((row.lines[0][0], came),) if len(row.lines) == 1 else None


def _digest(what: object) -> str:
    return hashlib.sha256(orjson.dumps(what)).hexdigest()
