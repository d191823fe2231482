"""What billing knows of people, and what is left of it when a family is erased.

Accounting law wants amounts, dates, how it was paid and the number of the piece for ten years (Code de commerce, art. L123-22): entries,
payments, charges and slips stay under the family's number; why agents made them, in words, does not. Whose name was on a cheque is in the
town's own vouchers; here it goes. Of a child the year of birth stays, by which a tax certificate counts.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, func, or_, select, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.billing import audit, queries
from services.billing.commands import lock_standing, lock_structure
from services.billing.hold import HoldKind, HoldState
from services.billing.online import OnlinePaymentStatus
from services.billing.tables import (
    Act,
    BalanceAlert,
    Consumption,
    Deposited,
    EntryReason,
    Erasing,
    Hold,
    LedgerEntry,
    OnlinePayment,
    Payer,
    PaymentDetail,
    PaymentEnd,
    PaymentNotice,
    Purse,
    Quotient,
    Residence,
    Standing,
    Structure,
    core,
)
from services.bulk import insert_unknown
from services.clock import Clock
from services.events import (
    AccountErased,
    BillingDataTold,
    BillingErased,
    BillingErasureWeighed,
    DataRequested,
    ErasureAsked,
    ErasureObstacle,
    ErasureRefused,
    FamilyErasing,
)
from services.outbox import record
from services.personal import UNANSWERED, Fate, Fates, forget_what_was_said
from services.retention import overdue
from services.telling import Whose, in_parts, told

#: Table -> column -> fate; a fate alone is that of all columns.
FATES: Fates = {
    "structure": Fate.NOBODY,
    "family": Fate.NUMBER,
    "child": Fate.NUMBER,
    "activity": Fate.NOBODY,
    "payer": {"id": Fate.NUMBER, "adults": Fate.EMPTIED, "children": Fate.EMPTIED, "version": Fate.NOBODY},
    "wallet": Fate.NOBODY,
    "tariff": Fate.NOBODY,
    "quotient": Fate.DELETED,
    "residence": Fate.DELETED,
    "ledger_entry": Fate.BOOKS,
    "entry_reason": Fate.DELETED,
    "purse": Fate.BOOKS,
    "payment_detail": {
        "entry": Fate.BOOKS,
        "mode": Fate.BOOKS,
        "reference": Fate.BOOKS,
        "payer": Fate.EMPTIED,
        "bank": Fate.BOOKS,
        "taken_over": Fate.BOOKS,
    },
    "deposit": Fate.BOOKS,
    "deposited": Fate.BOOKS,
    "standing": Fate.BOOKS,
    "act": {
        "reason": Fate.EMPTIED,
        "before": Fate.EMPTIED,
        "after": Fate.EMPTIED,
        **dict.fromkeys(("position", "structure", "account", "at", "kind", "family", "wallet", "entry", "seal", "emptied"), Fate.TRAIL),
    },
    "link_key": Fate.NOBODY,
    "erasing": Fate.PASSING,
    "balance_alert": Fate.DELETED,
    "online_payment": {
        "payer": Fate.EMPTIED,
        "email": Fate.EMPTIED,
        "url": Fate.EMPTIED,
        **dict.fromkeys(
            (
                *("id", "key", "content", "structure", "family", "account", "lines", "amount_cents", "language", "provider", "session"),
                *("status", "reference", "trouble", "trouble_since", "came_cents", "came_currency", "came_order", "came_reference"),
                *("ended_at", "credited", "heard", "heard_at", "started_at", "status_since", "looked_at", "look_at"),
            ),
            Fate.BOOKS,
        ),
    },
    "payment_end": Fate.BOOKS,
    "payment_notice": {"id": Fate.BOOKS, "payment": Fate.BOOKS, "body": Fate.EMPTIED, "received_at": Fate.BOOKS},
    "hold": Fate.NUMBER,
    "closed_day": Fate.NOBODY,
    "day_part": Fate.PASSING,
    "consumption": Fate.BOOKS,
}


async def weigh(session: AsyncSession, event: ErasureAsked, clock: Clock) -> None:
    """Say what money has against it. From then on nobody begins to pay, and no agent moves its money, until it is decided."""
    if clock.now() - event.occurred_at > UNANSWERED:
        return
    await lock_structure(session, event.structure)
    await lock_standing(session, event.structure, event.family)
    rows = [{"family": event.family, "erasure": event.erasure}]
    await (await session.connection()).execute(insert_unknown(session, core(Erasing), rows))
    obstacles = await _obstacles(session, event.family, await _today(session, event.structure, clock))
    about = {"structure": event.structure, "occurred_at": clock.now(), "erasure": event.erasure, "family": event.family}
    record(session, BillingErasureWeighed(**about, obstacles=obstacles))


async def go_on(session: AsyncSession, event: ErasureRefused, clock: Clock) -> None:
    await session.exec(delete(Erasing).where(col(Erasing.erasure) == event.erasure))


async def _today(session: AsyncSession, structure: str, clock: Clock) -> dt.date:
    town = await session.get(Structure, structure)
    return clock.today(town.timezone if town else "Europe/Paris")


async def _obstacles(session: AsyncSession, family: str, today: dt.date) -> list[ErasureObstacle]:
    purses = (await queries.purse_cents(session, [family])).values()
    uncharged = select(func.count()).where(
        col(Hold.family) == family,
        col(Hold.state) == HoldState.LIVE,
        col(Hold.kind) == HoldKind.CONFIRMED,
        col(Hold.date) < today,
    )
    open_ones = select(func.count()).where(
        col(OnlinePayment.family) == family,
        or_(col(OnlinePayment.status) == OnlinePaymentStatus.STARTED, col(OnlinePayment.trouble).is_not(None)),
    )
    connection = await session.connection()
    found: dict[ErasureObstacle, bool] = {
        "OWES_MONEY": any(cents < 0 for cents in purses),
        "HAS_CREDIT": any(cents > 0 for cents in purses),
        "DAYS_NOT_CHARGED": bool((await connection.execute(uncharged)).scalar_one()),
        "PAYMENT_UNDER_WAY": bool((await connection.execute(open_ones)).scalar_one()),
    }
    return [obstacle for obstacle, stands in found.items() if stands]


async def erase(session: AsyncSession, event: FamilyErasing, clock: Clock) -> None:
    """Leave what the books must say. Twice is as good as once."""
    family = event.family
    await lock_structure(session, event.structure)
    payer = await session.get(Payer, family, with_for_update=True)
    if payer is not None:
        payer.adults, payer.children = [], {child: _nameless(told) for child, told in payer.children.items()}
        session.add(payer)
    entries = select(col(LedgerEntry.id)).where(col(LedgerEntry.family) == family)
    await session.exec(update(PaymentDetail).where(col(PaymentDetail.entry).in_(entries)).values(payer=event.number))
    await session.exec(delete(EntryReason).where(col(EntryReason.entry).in_(entries)))
    payments = select(col(OnlinePayment.id)).where(col(OnlinePayment.family) == family)
    await session.exec(update(PaymentNotice).where(col(PaymentNotice.payment).in_(payments)).values(body=b""))
    nobody = {"payer": event.number, "email": None, "url": None}
    await session.exec(update(OnlinePayment).where(col(OnlinePayment.family) == family).values(**nobody))
    for table in (Quotient, Residence, BalanceAlert, Erasing):
        await session.exec(delete(table).where(col(table.family) == family))
    await audit.empty(session, family)
    await audit.note(session, clock.now(), event.structure, event.by, audit.Done(audit.EMPTIED, family, after={"number": event.number}))
    await forget_what_was_said(session, [family], event.accounts)
    about = {"structure": event.structure, "occurred_at": clock.now(), "erasure": event.erasure, "family": family}
    record(session, BillingErased(**about))


async def forget_account(session: AsyncSession, event: AccountErased, clock: Clock) -> None:
    """What it paid is the family's; below which balance it wanted to be told, and where, is nobody's."""
    await session.exec(delete(BalanceAlert).where(col(BalanceAlert.account) == event.account))
    await session.exec(update(OnlinePayment).where(col(OnlinePayment.account) == event.account).values(email=None))
    await forget_what_was_said(session, [], [event.account])


def _nameless(told: Mapping[str, Any]) -> dict[str, Any]:
    born = told["birth_date"]
    return {"name": "", "birth_date": None if born is None else certified_by(dt.date.fromisoformat(born)).isoformat()}


def certified_by(birth_date: dt.date) -> dt.date:
    """The last day of the year by which a tax certificate counts: as young on each 1 January (CGI, art. 200 quater B).

    Who was born on 1 January is as old on each of them as if on the day before.
    """
    year = birth_date.year - (birth_date.month == 1 and birth_date.day == 1)
    return dt.date(year, 12, 31)


async def tell(session: AsyncSession, event: DataRequested, clock: Clock) -> None:
    """All that billing knows of the family. Which address another adult gave is that adult's, and what a site said of their payment."""
    family, account = event.family, event.account or ""
    entries = select(col(LedgerEntry.id)).where(col(LedgerEntry.family) == family)
    payments = select(col(OnlinePayment.id)).where(col(OnlinePayment.family) == family)
    of_family = (Quotient, Residence, LedgerEntry, Purse, Standing, BalanceAlert, OnlinePayment, Hold, Consumption, Act)
    whose: Whose = {
        **{table: col(table.family) == family for table in of_family},
        PaymentDetail: col(PaymentDetail.entry).in_(entries),
        EntryReason: col(EntryReason.entry).in_(entries),
        Deposited: col(Deposited.entry).in_(entries),
        PaymentNotice: col(PaymentNotice.payment).in_(payments.where(col(OnlinePayment.account) == account)),
        PaymentEnd: col(PaymentEnd.payment).in_(payments),
    }
    found = await told(session, whose, but=("seal", "emptied", "label", "content", "key", "url", "session"))
    for row in found["online_payment"]["rows"]:
        if row["account"] != account:
            row["email"] = None
    record(session, *await in_parts(BillingDataTold, event, found, clock.now()))


async def forget_old(session: AsyncSession, now: dt.datetime) -> None:
    """What payment sites sent, and the pages of payments that are over, when their time has come."""
    towns = await queries.retention(session)
    whose = select(col(OnlinePayment.structure)).where(col(OnlinePayment.id) == col(PaymentNotice.payment)).scalar_subquery()
    old = overdue("payment_notices_days", col(PaymentNotice.received_at), whose, now, towns)
    await session.exec(update(PaymentNotice).where(old, col(PaymentNotice.body) != b"").values(body=b""))
    old = overdue("payment_notices_days", col(OnlinePayment.started_at), col(OnlinePayment.structure), now, towns)
    pages = update(OnlinePayment).where(old, col(OnlinePayment.look_at).is_(None))
    await session.exec(pages.where(col(OnlinePayment.url).is_not(None)).values(url=None))
