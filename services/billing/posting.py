"""Writes many entries of the ledger at once, and what follows from them for the families whose wallets they move."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select, text
from sqlmodel.ext.asyncio.session import AsyncSession

from services.billing import queries
from services.billing.alerts import watch
from services.billing.balance import in_debit
from services.billing.ledger import Entry
from services.billing.tables import LedgerEntry, Standing, core
from services.bulk import BulkInsert, BulkUpdate, one_of
from services.clock import Clock
from services.events import EntryPosted, StandingChanged
from services.outbox import record
from services.saying import made, new_id


@dataclass(frozen=True, slots=True)
class Movement:
    """An entry and the wallet that it moves."""

    entry: Entry
    structure: str
    family: str
    wallet: str
    date: dt.date


STANDING = core(Standing)
S = STANDING.c
#: In one order, as whoever else locks several of them.
THOSE = select(S.family, S.structure, S.in_debit, S.version).where(one_of(S.family, "families")).order_by(S.family).with_for_update()
NEW = text(
    "INSERT INTO standing (family, structure, in_debit, exempt, version) VALUES (:family, :structure, false, false, 0) "
    "ON CONFLICT DO NOTHING"
)
change_standings = BulkUpdate(STANDING, ("family", "in_debit", "version"))
ENTRY = ("cause", "kind", "from_account", "to_account", "amount_cents", "settles")
insert_entries = BulkInsert(core(LedgerEntry), ("id", *ENTRY, "structure", "family", "wallet", "date", "posted_at"))


async def post(session: AsyncSession, clock: Clock, movements: Sequence[Movement]) -> None:
    """All of them, under the locks of their families. The database refuses a cause that was posted before."""
    if not movements:
        return
    standings = await _lock(session, {one.family: one.structure for one in movements})
    now = clock.now()
    rows = [(new_id(), one) for one in movements]
    await insert_entries(session, [(id, *_columns(one), now) for id, one in rows])
    record(session, *(_said(id, one, now) for id, one in rows))
    await _weigh(session, clock, standings)


def _columns(one: Movement) -> tuple[object, ...]:
    return *(getattr(one.entry, name) for name in ENTRY), one.structure, one.family, one.wallet, one.date


def _said(id: str, one: Movement, now: dt.datetime) -> EntryPosted:
    return made(
        EntryPosted,
        occurred_at=now,
        structure=one.structure,
        entry=id,
        wallet=one.wallet,
        family=one.family,
        kind=one.entry.kind.value,
        amount_cents=one.entry.amount_cents,
    )


@dataclass(frozen=True, slots=True)
class _Standing:
    family: str
    structure: str
    in_debit: bool
    version: int


async def _lock(session: AsyncSession, towns: Mapping[str, str]) -> list[_Standing]:
    """One posting at a time per family: two that did not see each other's entries would both misjudge the balance."""
    connection = await session.connection()
    known = [_Standing(*row) for row in await connection.execute(THOSE, {"families": towns})]
    missing = sorted(towns.keys() - {standing.family for standing in known})
    if missing:
        await connection.execute(NEW, [{"family": family, "structure": towns[family]} for family in missing])
        known += [_Standing(*row) for row in await connection.execute(THOSE, {"families": missing})]
    return known


async def _weigh(session: AsyncSession, clock: Clock, standings: Sequence[_Standing]) -> None:
    """Say which families fell into debt or came out of it (S21), and which fell below what they chose."""
    towns = {standing.family: standing.structure for standing in standings}
    posted = await queries.posted_cents(session, list(towns))
    await watch(session, clock, {family: posted.get(family, 0) for family in towns})
    borne = await queries.tolerances(session, towns)
    for standing in standings:
        now_in_debit = in_debit(posted.get(standing.family, 0), borne[standing.family])
        if now_in_debit == standing.in_debit:
            continue
        version = standing.version + 1
        await change_standings(session, [(standing.family, now_in_debit, version)])
        what = {"structure": standing.structure, "family": standing.family}
        record(session, StandingChanged(occurred_at=clock.now(), version=version, in_debit=now_in_debit, **what))
