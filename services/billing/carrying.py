"""What billing keeps of a town that moves to another installation: its rules as they were, its books, what is still open.

Here and there the same is charged for what comes later: a price that was frozen stays what it was, and whatever is charged again is
compared with what was posted for it. The audit trail stays where its seals are.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.billing.hold import HoldKind, HoldState
from services.billing.ledger import is_wallet, wallet_account
from services.billing.posting import lock_standings, lock_towns, weigh
from services.billing.queries import ONLINE
from services.billing.settlement import ATTENDANCE, FLAT
from services.billing.tables import (
    BalanceAlert,
    ClosedDay,
    Consumption,
    Deposit,
    Deposited,
    EntryReason,
    Hold,
    LedgerEntry,
    OnlinePayment,
    PaymentDetail,
    PaymentEnd,
    Quotient,
    Residence,
    Tariff,
    core,
)
from services.bulk import one_of
from services.carrying import Carried, Of, Row, found, not_there, write
from services.clock import Clock
from services.events import EntryPosted
from services.outbox import record
from services.refusal import Refused
from services.saying import made

#: An older rule is looked at where something was frozen with it; an older quotient where a day of then is priced now.
TARIFFS = Carried("tariffs", core(Tariff), ("activity",))
QUOTIENTS = Carried("quotients", core(Quotient), ("family",))
RESIDENCES = Carried("residences", core(Residence), ("family",), frozenset({"version"}))
RULES = TARIFFS, QUOTIENTS, RESIDENCES

ENTRIES = Carried("entries", core(LedgerEntry), ("cause",))
REASONS = Carried("reasons", core(EntryReason), ("entry",))  #: In the file they are the entries' labels.
PAYMENTS = Carried("payments", core(PaymentDetail), ("entry",))
DEPOSITS = Carried("deposits", core(Deposit), ("id",))
DEPOSITED = Carried("deposited", core(Deposited), ("entry",))
CONSUMPTIONS = Carried("consumptions", core(Consumption), ("cause",))
CLOSED_DAYS = Carried("closed_days", core(ClosedDay), ("activity", "date"), frozenset({"structure", "version"}))
HOLDS = Carried("holds", core(Hold), ("booking",), frozenset({"structure", "kind", "version"}))
ONLINE_PAYMENTS = Carried("online_payments", core(OnlinePayment), ("id",))
PAYMENT_ENDS = Carried("payment_ends", core(PaymentEnd), ("key",))
ALERTS = Carried("balance_alerts", core(BalanceAlert), ("family",))
BOOKS = ENTRIES, PAYMENTS, DEPOSITS, DEPOSITED, CONSUMPTIONS, CLOSED_DAYS, HOLDS, ONLINE_PAYMENTS, PAYMENT_ENDS, ALERTS

CARRIED = (*RULES, *BOOKS)
#: How causes begin that closing days and payment sites are going to post by themselves.
OWN_CAUSES = ATTENDANCE, FLAT, ONLINE
A_WALLET = "wallet"  #: In the file, for the ledger account of the entry's own wallet.


@dataclass(frozen=True, slots=True)
class Bookings:
    """What booking says at that moment: what billing has heard since, or has not heard yet, it will hear there."""

    live: Collection[str]  #: Those that have a place or wait for one.
    closings: Mapping[tuple[str, dt.date], int]  #: (activity, date) -> how often a day that is closed was closed.


async def leaves(
    session: AsyncSession, structure: str, families: Collection[str], activities: Collection[str], bookings: Bookings, of: Of
) -> dict[str, list[Row]]:
    """All of it, as the file has it."""
    own = [(carried, carried.table.c.structure == structure) for carried in BOOKS if carried not in (PAYMENTS, DEPOSITED, PAYMENT_ENDS)]
    entries = select(col(LedgerEntry.id)).where(col(LedgerEntry.structure) == structure)
    rows = {carried.name: await found(session, carried, mine) for carried, mine in own}
    reasons = await found(session, REASONS, col(EntryReason.entry).in_(entries))
    _say_why(rows[ENTRIES.name], {row["entry"]: row["reason"] for row in reasons})
    rows[PAYMENTS.name] = await found(session, PAYMENTS, col(PaymentDetail.entry).in_(entries))
    rows[DEPOSITED.name] = await found(session, DEPOSITED, col(Deposited.entry).in_(entries))
    online = select(col(OnlinePayment.id)).where(col(OnlinePayment.structure) == structure)
    rows[PAYMENT_ENDS.name] = await found(session, PAYMENT_ENDS, col(PaymentEnd.payment).in_(online))
    rows[TARIFFS.name] = await found(session, TARIFFS, one_of(TARIFFS.table.c.activity, "ids"), ids=list(activities))
    for carried in (QUOTIENTS, RESIDENCES):
        rows[carried.name] = await found(session, carried, one_of(carried.table.c.family, "ids"), ids=list(families))
    rows[HOLDS.name] = [row for row in rows[HOLDS.name] if row["booking"] in bookings.live and row["state"] is not HoldState.RELEASED]
    same = {day for day, version in (await _charged(session, structure)).items() if bookings.closings.get(day) == version}
    rows[CLOSED_DAYS.name] = [row for row in rows[CLOSED_DAYS.name] if (row["activity"], row["date"]) in same]
    return {carried.name: [_renamed(carried, row, of) for row in rows[carried.name]] for carried in CARRIED}


def _say_why(entries: Sequence[Row], reasons: Mapping[str, str]) -> None:
    """In the file an entry has its words with it."""
    for row in entries:
        row["label"] = reasons.get(row["id"], row["label"])


async def _charged(session: AsyncSession, structure: str) -> dict[tuple[str, dt.date], int]:
    """(activity, date) -> the version in which that day was charged."""
    query = select(col(ClosedDay.activity), col(ClosedDay.date), col(ClosedDay.version)).where(col(ClosedDay.structure) == structure)
    return {(activity, date): version for activity, date, version in await (await session.connection()).execute(query)}


def arriving(rows: Mapping[str, Sequence[Row]], of: Of) -> dict[str, list[Row]]:
    """Of a file, with the ids that things have here."""
    return {carried.name: [_renamed(carried, row, of) for row in rows.get(carried.name, ())] for carried in CARRIED}


async def carry_rules(session: AsyncSession, rows: Mapping[str, list[Row]]) -> None:
    """Before the town says what holds today: nothing of an activity or a family of which something is known here."""
    for carried in RULES:
        more = {"version": 0} if carried is RESIDENCES else {}
        await write(session, carried, await not_there(session, carried, rows[carried.name]), **more)


async def carry_books(session: AsyncSession, clock: Clock, structure: str, rows: Mapping[str, list[Row]]) -> None:
    """What is not here yet. Raises Refused IDEMPOTENCY_KEY_REUSED where an entry here has the cause of another one there.

    Holds are estimates until booking tells what became of their bookings, as of any that was asked for.
    """
    new = {carried.name: await not_there(session, carried, rows[carried.name]) for carried in BOOKS}
    entries = new[ENTRIES.name]
    await _check_known(session, rows[ENTRIES.name])
    posted = {row["id"] for row in entries}
    for carried in (PAYMENTS, DEPOSITED):
        new[carried.name] = [row for row in new[carried.name] if row["entry"] in posted]
    towns = await lock_towns(session, [structure])
    standings = await lock_standings(session, {row["family"]: structure for row in entries})
    reasons = [{"entry": row["id"], "reason": row["label"]} for row in entries if row.get("label") is not None]
    new[ENTRIES.name] = [row | {"label": None} for row in entries]
    for carried in (ENTRIES, DEPOSITS, CONSUMPTIONS, ONLINE_PAYMENTS):
        await write(session, carried, new[carried.name], structure=structure)
    await write(session, REASONS, reasons)
    for carried in (PAYMENTS, DEPOSITED, PAYMENT_ENDS):
        await write(session, carried, new[carried.name])
    await write(session, CLOSED_DAYS, new[CLOSED_DAYS.name], structure=structure, version=1)
    for state, kind in ((HoldState.LIVE, HoldKind.PENDING), (HoldState.SETTLED, HoldKind.CONFIRMED)):
        some = [row for row in new[HOLDS.name] if row["state"] is state]
        await write(session, HOLDS, some, structure=structure, kind=kind, version=0)
    record(session, *(_told(row, structure, clock) for row in entries))
    await weigh(session, clock, towns, standings)
    await write(session, ALERTS, new[ALERTS.name], structure=structure)  # Last: it was told there what these entries come to.


async def _check_known(session: AsyncSession, rows: list[Row]) -> None:
    told = {row["cause"]: _moved(row) for row in rows}
    known = await found(session, ENTRIES, one_of(ENTRIES.table.c.cause, "causes"), causes=list(told))
    for row in known:
        if _moved(row) != told[row["cause"]]:
            raise Refused("IDEMPOTENCY_KEY_REUSED", cause=row["cause"])


def _moved(row: Row) -> tuple[Any, ...]:
    return row["from_account"], row["to_account"], row["amount_cents"]


def _told(row: Row, structure: str, clock: Clock) -> EntryPosted:
    what = {name: row[name] for name in ("family", "wallet", "amount_cents")}
    return made(EntryPosted, occurred_at=clock.now(), structure=structure, entry=row["id"], kind=row["kind"].value, **what)


# ------------------------------------------------------------------------------------------------------- ids within names
def _renamed(carried: Carried, row: Row, of: Of) -> Row:
    """Also where an id stands within a cause or an account."""
    there = carried.renamed(row, of)
    if carried is ENTRIES:
        purses = {wallet_account(row["family"], row["wallet"]): A_WALLET, A_WALLET: wallet_account(there["family"], there["wallet"])}
        for account in ("from_account", "to_account"):
            there[account] = purses.get(row[account], row[account])
            assert not is_wallet(row[account]) or there[account] == A_WALLET, f"entry {row['id']} moves another wallet than it says"
    if carried is ONLINE_PAYMENTS:
        for name in ("lines", "credited"):
            there[name] = row[name] and [[of("wallet", wallet), cents] for wallet, cents in row[name]]
    for name in ("cause", "settles"):
        if row.get(name) is not None:
            there[name] = renamed_cause(row[name], of)
    return there


def renamed_cause(cause: str, of: Of) -> str:
    """Ids have no colon: `flat:<child>:<activity>:<month>`, `online:<payment>:<wallet>`, and all others as they are."""
    match cause.split(":"):
        case ["flat", child, activity, month]:
            return f"{FLAT}{of('child', child)}:{of('activity', activity)}:{month}"
        case ["online", payment, wallet]:
            return f"{ONLINE}{payment}:{of('wallet', wallet)}"
    return cause
