"""Writes entries of the ledger, one or thousands, and what follows from them for the families whose wallets they move.

Whoever moves money holds, until the commit, first the structures (so that no limit changes meanwhile; many hold them together), then
the standings of the families, each in one order.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select, text
from sqlmodel.ext.asyncio.session import AsyncSession

from services.billing import queries
from services.billing.alerts import watch
from services.billing.balance import Tolerance, in_debit
from services.billing.ledger import Entry
from services.billing.tables import EntryReason, LedgerEntry, Standing, Structure, core
from services.bulk import BulkInsert, BulkUpdate, one_of
from services.clock import Clock
from services.events import EntryPosted, StandingChanged
from services.outbox import record
from services.refusal import Refused
from services.saying import made, new_id


@dataclass(frozen=True, slots=True)
class Movement:
    """An entry and the wallet that it moves."""

    entry: Entry
    structure: str
    family: str
    wallet: str
    date: dt.date | None  #: None: today in the town.
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Posted:
    """An entry of the ledger."""

    id: str
    is_new: bool  #: False: its cause was posted before, with the same content.


@dataclass(frozen=True, slots=True)
class Town:
    """What postings need to know of a structure."""

    timezone: str
    limit_cents: int  #: How deep in debt its families may be (S21).


@dataclass(frozen=True, slots=True)
class Weighed:
    """A family's standing, as it was when it was locked."""

    family: str
    structure: str
    in_debit: bool
    version: int
    limit_cents: int | None
    exempt: bool


TOWN, STANDING, LEDGER, REASONS = core(Structure), core(Standing), core(LedgerEntry), core(EntryReason)
T, S, L = TOWN.c, STANDING.c, LEDGER.c
#: Together with others who post, and with agents' acts; not with whoever changes the limit.
TOWNS = (
    select(T.id, T.timezone, T.debt_limit_cents).where(one_of(T.id, "structures")).order_by(T.id).with_for_update(read=True, key_share=True)
)
#: Of which nothing was heard yet.
NEW_TOWN = text("INSERT INTO structure (id, debt_limit_cents, timezone, version) VALUES (:id, 0, 'Europe/Paris', 0) ON CONFLICT DO NOTHING")
#: In one order, as whoever else locks several of them.
LOCKED = select(S.family, S.structure, S.in_debit, S.version, S.limit_cents, S.exempt).order_by(S.family).with_for_update()
THOSE, ALL = LOCKED.where(one_of(S.family, "families")), LOCKED.where(one_of(S.structure, "structures"))
NEW = text(
    "INSERT INTO standing (family, structure, in_debit, exempt, version) VALUES (:family, :structure, false, false, 0) "
    "ON CONFLICT DO NOTHING"
)
change_standings = BulkUpdate(STANDING, ("family", "in_debit", "version"))
ENTRY = ("cause", "kind", "from_account", "to_account", "amount_cents", "settles")
WHOSE = ("structure", "family", "wallet")
insert_entries = BulkInsert(LEDGER, ("id", *ENTRY, *WHOSE, "date", "posted_at"))
insert_reasons = BulkInsert(REASONS, ("entry", "reason"))
KNOWN = select(L.id, L.date, *(L[name] for name in ENTRY + WHOSE), queries.REASON).where(one_of(L.cause, "causes"))


# --------------------------------------------------------------------------------------------------------------- posting
async def post(session: AsyncSession, clock: Clock, movements: Sequence[Movement]) -> None:
    """All of them, under the locks of their families. The database refuses a cause that was posted before."""
    if movements:
        await _write(session, clock, movements, *await _lock(session, movements))


async def post_once(session: AsyncSession, clock: Clock, movements: Sequence[Movement]) -> list[Posted]:
    """One for each, in order: a cause that was posted before, with the same content, is not posted again.

    Raises Refused IDEMPOTENCY_KEY_REUSED where it was posted with other content; a date that is None is that of the first time.
    """
    towns, standings = await _lock(session, movements)
    rows = await (await session.connection()).execute(KNOWN, {"causes": [one.entry.cause for one in movements]})
    known = {row.cause: row for row in rows}
    for one in movements:
        row = known.get(one.entry.cause)
        if row is not None and ((*_content(one), one.label) != tuple(row[2:]) or one.date not in (None, row.date)):
            raise Refused("IDEMPOTENCY_KEY_REUSED")
    new = [one for one in movements if one.entry.cause not in known]
    ids = await _write(session, clock, new, towns, standings) if new else {}
    return [Posted(ids.get(cause) or known[cause].id, is_new=cause in ids) for cause in (one.entry.cause for one in movements)]


async def _lock(session: AsyncSession, movements: Iterable[Movement]) -> tuple[dict[str, Town], list[Weighed]]:
    families = {one.family: one.structure for one in movements}
    return await lock_towns(session, set(families.values())), await lock_standings(session, families)


async def _write(
    session: AsyncSession, clock: Clock, movements: Sequence[Movement], towns: Mapping[str, Town], standings: Sequence[Weighed]
) -> dict[str, str]:
    """Cause -> entry."""
    now = clock.now()
    today = {structure: clock.today(town.timezone) for structure, town in towns.items()}
    rows = [(new_id(), one) for one in movements]
    await insert_entries(session, [(id, *_content(one), one.date or today[one.structure], now) for id, one in rows])
    await insert_reasons(session, [(id, one.label) for id, one in rows if one.label is not None])
    record(session, *(_said(id, one, now) for id, one in rows))
    await weigh(session, clock, towns, standings)
    return {one.entry.cause: id for id, one in rows}


def _content(one: Movement) -> tuple[object, ...]:
    entry = one.entry
    moved = entry.cause, entry.kind, entry.from_account, entry.to_account, entry.amount_cents, entry.settles
    return *moved, one.structure, one.family, one.wallet


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


# ----------------------------------------------------------------------------------------------------------------- locks
async def lock_towns(session: AsyncSession, structures: Collection[str]) -> dict[str, Town]:
    """Before anything else is locked. Their limits stay as they are until the commit: who is new to the books is judged by them."""
    connection = await session.connection()
    rows = list(await connection.execute(TOWNS, {"structures": structures}))
    if missing := sorted(set(structures).difference(row.id for row in rows)):
        await connection.execute(NEW_TOWN, [{"id": structure} for structure in missing])
        rows += await connection.execute(TOWNS, {"structures": missing})
    return {row.id: Town(row.timezone, row.debt_limit_cents) for row in rows}


async def lock_standings(session: AsyncSession, families: Mapping[str, str]) -> list[Weighed]:
    """`families`: whose structure each is in. One posting at a time per family: two that did not see each other's entries would both
    misjudge the balance.
    """
    connection = await session.connection()
    known = [Weighed(*row) for row in await connection.execute(THOSE, {"families": families})]
    missing = sorted(families.keys() - {standing.family for standing in known})
    if missing:
        await connection.execute(NEW, [{"family": family, "structure": families[family]} for family in missing])
        known += [Weighed(*row) for row in await connection.execute(THOSE, {"families": missing})]
    return known


async def lock_all_standings(session: AsyncSession, structure: str) -> list[Weighed]:
    """Of a structure that nobody else can post to now."""
    rows = await (await session.connection()).execute(ALL, {"structures": [structure]})
    return [Weighed(*row) for row in rows]


# -------------------------------------------------------------------------------------------------------------- standings
async def weigh(session: AsyncSession, clock: Clock, towns: Mapping[str, Town], standings: Sequence[Weighed]) -> None:
    """Say which families fell into debt or came out of it (S21), and which fell below what they chose. The caller holds them all."""
    posted = await queries.posted_cents(session, [standing.family for standing in standings])
    balances = {standing.family: posted.get(standing.family, 0) for standing in standings}
    await watch(session, clock, balances)
    turned = [one for one in standings if in_debit(balances[one.family], _tolerance(one, towns[one.structure])) != one.in_debit]
    await change_standings(session, [(one.family, not one.in_debit, one.version + 1) for one in turned])
    now = clock.now()
    for one in turned:
        what = {"structure": one.structure, "family": one.family}
        record(session, StandingChanged(occurred_at=now, version=one.version + 1, in_debit=not one.in_debit, **what))


def _tolerance(standing: Weighed, town: Town) -> Tolerance:
    return Tolerance(town.limit_cents if standing.limit_cents is None else standing.limit_cents, standing.exempt)
