"""What billing can tell. Nothing here writes."""

import datetime as dt
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, false, func, literal, true, tuple_, union_all
from sqlalchemy import select as sa_select
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.audit import EMPTIED
from services.billing.balance import Balance, Tolerance, WalletBalance
from services.billing.bookkeeping import Booked
from services.billing.certificate import Certificate, Move, Moved, certificate, settled
from services.billing.hold import HoldKind, HoldState
from services.billing.ledger import ADJUSTMENTS, OPENING, EntryKind, PaymentMode, is_wallet
from services.billing.online import OnlinePaymentStatus
from services.billing.tables import (
    Act,
    Activity,
    Consumption,
    EntryReason,
    Erasing,
    Family,
    Hold,
    LedgerEntry,
    OnlinePayment,
    Payer,
    PaymentDetail,
    Purse,
    Standing,
    Structure,
    Wallet,
    core,
)
from services.bulk import one_of
from services.retention import Kept


async def retention(session: AsyncSession) -> dict[str, Kept | None]:
    """Of those structures that say something of it."""
    found = select(Structure.id, Structure.retention).where(col(Structure.retention).is_not(None))
    return dict((await session.exec(found)).all())


# -------------------------------------------------------------------------------------------------------------- balances
@dataclass(frozen=True, slots=True)
class BalanceAsked:
    """What one Family.balance wants to know (S13)."""

    family: str
    structure: str
    until: dt.date | None
    include: frozenset[HoldKind]


async def wallets_of(session: AsyncSession, structure: str) -> set[str]:
    """Their ids."""
    return set((await session.exec(select(Wallet.id).where(Wallet.structure == structure))).all())


def _as_people_sort(name: str) -> str:
    """Without regard to accents and case; not left to the databases, which differ."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter)).casefold()


async def wallets(session: AsyncSession, ids: Collection[str]) -> dict[str, Wallet]:
    return {wallet.id: wallet for wallet in (await session.exec(select(Wallet).where(col(Wallet.id).in_(ids)))).all()}


async def wallets_by_activity(session: AsyncSession, activities: Collection[str]) -> dict[str, Wallet]:
    """Activity -> what it draws on (S12)."""
    found = select(Activity.id, Wallet).where(Activity.wallet == Wallet.id, col(Activity.id).in_(activities))
    return dict((await session.exec(found)).all())


async def structures_of(session: AsyncSession, families: Collection[str]) -> dict[str, str]:
    """Family -> structure, of those that were heard of."""
    found = await session.exec(select(Family.id, Family.structure).where(col(Family.id).in_(families)))
    return dict(found.all())


PURSE, TOWN, STANDING, HELD, WALLET = (core(rows).c for rows in (Purse, Structure, Standing, Hold, Wallet))

# Built once: building one takes as long as running it.
PURSES = sa_select(PURSE.family, PURSE.wallet, PURSE.cents).where(one_of(PURSE.family, "families"))
POSTED = sa_select(PURSE.family, func.sum(PURSE.cents)).where(one_of(PURSE.family, "families")).group_by(PURSE.family)
#: Every wallet of the towns, and what is in it for each of the families that it ever moved for.
WALLETS = (
    sa_select(WALLET.structure, WALLET.id, WALLET.name, PURSE.family, PURSE.cents)
    .outerjoin_from(WALLET.id.table, PURSE.family.table, and_(PURSE.wallet == WALLET.id, one_of(PURSE.family, "families")))
    .where(one_of(WALLET.structure, "structures"))
)
#: Of towns, then of families.
LIMITS = union_all(
    sa_select(false(), TOWN.id, TOWN.debt_limit_cents, false()).where(one_of(TOWN.id, "structures")),
    sa_select(true(), STANDING.family, STANDING.limit_cents, STANDING.exempt).where(one_of(STANDING.family, "families")),
)
#: What bookings hold; and whether some that hold nothing have a tariff, as those of a flat rate do.
COSTS = (
    sa_select(
        HELD.family,
        HELD.wallet,
        func.sum(HELD.amount_cents),
        func.max(case((and_(HELD.amount_cents == 0, HELD.tariff_version.is_not(None)), 1), else_=0)),
    )
    .where(one_of(HELD.family, "families"), HELD.state == HoldState.LIVE, one_of(HELD.kind, "kinds"))
    .group_by(HELD.family, HELD.wallet)
)
COSTS_UNTIL = COSTS.where(HELD.date <= bindparam("until"))


async def balances(session: AsyncSession, asked: Collection[BalanceAsked]) -> tuple[dict[BalanceAsked, Balance], bool]:
    """In three statements whatever their number (S12 to S15). Also whether days may be held that are paid by the month."""
    towns = {one.family: one.structure for one in asked}
    wallets = await _wallets(session, towns)
    borne = await tolerances(session, towns)
    found, may_be_flat = {}, False
    for view in {(one.until, one.include) for one in asked}:
        these = [one for one in asked if (one.until, one.include) == view]
        costs, flat = await _held_cents(session, {one.family for one in these}, *view)
        may_be_flat = may_be_flat or flat
        for one in these:
            lines = (
                WalletBalance(held.id, held.name, held.cents.get(one.family, 0), costs.get((one.family, held.id), 0))
                for held in wallets[one.structure]
            )
            found[one] = Balance(until=one.until, lines=tuple(lines), tolerance=borne[one.family])
    return found, may_be_flat


class Held(NamedTuple):
    """A wallet."""

    id: str
    name: str
    cents: dict[str, int]  #: By family.


async def _wallets(session: AsyncSession, towns: Mapping[str, str]) -> dict[str, list[Held]]:
    """Those of each of the towns, by name, with what they hold. `towns` says whose each family is."""
    connection = await session.connection()
    found: dict[str, dict[str, Held]] = {structure: {} for structure in towns.values()}
    for structure, wallet, name, family, cents in await connection.execute(WALLETS, {"structures": found.keys(), "families": towns}):
        held = found[structure].setdefault(wallet, Held(wallet, name, {}))
        if family is not None:
            held.cents[family] = cents
    return {
        structure: sorted(theirs.values(), key=lambda wallet: (_as_people_sort(wallet.name), wallet.id))
        for structure, theirs in found.items()
    }


async def tolerances(session: AsyncSession, towns: Mapping[str, str]) -> dict[str, Tolerance]:
    """Family -> how much debt is borne: its own limit, or else its structure's. `towns` says whose each family is."""
    rows = (await (await session.connection()).execute(LIMITS, {"structures": set(towns.values()), "families": towns})).all()
    limits = {structure: limit_cents for of_family, structure, limit_cents, _ in rows if not of_family}
    found = {family: Tolerance(limits.get(structure, 0)) for family, structure in towns.items()}
    for of_family, family, limit_cents, exempt in rows:
        if of_family:
            found[family] = Tolerance(found[family].limit_cents if limit_cents is None else limit_cents, bool(exempt))
    return found


async def purse_cents(session: AsyncSession, families: Collection[str]) -> dict[tuple[str, str], int]:
    """(family, wallet) -> what it holds, where it was ever moved."""
    rows = await (await session.connection()).execute(PURSES, {"families": families})
    return {(family, wallet): cents for family, wallet, cents in rows}


async def posted_cents(session: AsyncSession, families: Collection[str]) -> dict[str, int]:
    """Family -> what its wallets hold together: what its standing is judged by (S21)."""
    return {family: int(cents) for family, cents in await (await session.connection()).execute(POSTED, {"families": families})}


async def _held_cents(
    session: AsyncSession, families: Collection[str], until: dt.date | None, include: Collection[HoldKind]
) -> tuple[dict[tuple[str, str | None], int], bool]:
    """(family, wallet) -> estimated cost: live holds of those kinds, up to and including the day (S13). Also whether any may be flat."""
    wanted: dict[str, Any] = {"families": families, "kinds": include}
    statement = COSTS
    if until is not None:
        statement, wanted["until"] = COSTS_UNTIL, until
    rows = (await (await session.connection()).execute(statement, wanted)).all()
    return {(family, wallet): int(cents) for family, wallet, cents, _ in rows}, any(flat for *_, flat in rows)


# ------------------------------------------------------------------------------------------------------- online payments
#: How the causes of entries of online payments begin: "online:<payment>:<wallet>".
ONLINE = "online:"


def online_payment_of(cause: str) -> str | None:
    return cause.removeprefix(ONLINE).split(":")[0] if cause.startswith(ONLINE) else None


async def online_payments(session: AsyncSession, ids: Collection[str]) -> dict[str, OnlinePayment]:
    """Those whose page somebody was given."""
    found = select(OnlinePayment).where(col(OnlinePayment.id).in_(ids), col(OnlinePayment.url).is_not(None))
    return {row.id: row for row in (await session.exec(found)).all()}


def under_way(since: dt.datetime) -> tuple[Any, ...]:
    """Conditions: it was started after `since`, and neither ended nor is in trouble."""
    started = OnlinePayment.status == OnlinePaymentStatus.STARTED
    return started, col(OnlinePayment.started_at) > since, col(OnlinePayment.trouble).is_(None)


async def payments_under_way(session: AsyncSession, families: Collection[str], since: dt.datetime) -> dict[str, list[OnlinePayment]]:
    """Family -> its payments that somebody was given a page for, newest first."""
    found: dict[str, list[OnlinePayment]] = {family: [] for family in families}
    those = select(OnlinePayment).where(col(OnlinePayment.family).in_(families), col(OnlinePayment.url).is_not(None), *under_way(since))
    for row in (await session.exec(those.order_by(col(OnlinePayment.started_at).desc(), col(OnlinePayment.id)))).all():
        found[row.family].append(row)
    return found


# ------------------------------------------------------------------------------------------------------------- histories
#: In the words of whoever had to say why.
REASON: Any = func.coalesce(
    sa_select(col(EntryReason.reason)).where(col(EntryReason.entry) == col(LedgerEntry.id)).correlate(LedgerEntry).scalar_subquery(),
    col(LedgerEntry.label),
)


@dataclass(frozen=True, slots=True)
class PaymentLine:
    """One line of the payment history (S11)."""

    entry: LedgerEntry
    detail: PaymentDetail
    wallet: Wallet
    reason: str | None

    @property
    def cents(self) -> int:
        """What was paid back is negative: the lines add up to what the town received."""
        return -self.entry.amount_cents if self.entry.kind is EntryKind.REFUND else self.entry.amount_cents


async def payments(session: AsyncSession, months: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[PaymentLine]]:
    """(family, "YYYY-MM") -> its payments and refunds, newest first (S9, S11). One statement for each different month."""
    found: dict[tuple[str, str], list[PaymentLine]] = {asked: [] for asked in months}
    for month in {month for _, month in months}:
        statement = (
            select(LedgerEntry, PaymentDetail, Wallet, REASON)
            .where(LedgerEntry.id == PaymentDetail.entry, LedgerEntry.wallet == Wallet.id)
            .where(*_in(month, [family for family, wanted in months if wanted == month]))
            .order_by(*NEWEST_FIRST)
        )
        for entry, detail, wallet, reason in (await session.exec(statement)).all():
            found[entry.family, month].append(PaymentLine(entry, detail, wallet, reason))
    return found


async def payment_lines(session: AsyncSession, entries: Collection[str]) -> dict[str, PaymentLine]:
    """Entry -> its line, of those that have one."""
    statement = select(LedgerEntry, PaymentDetail, Wallet, REASON).where(
        LedgerEntry.id == PaymentDetail.entry, LedgerEntry.wallet == Wallet.id, col(LedgerEntry.id).in_(entries)
    )
    found = (await session.exec(statement)).all()
    return {entry.id: PaymentLine(entry, detail, wallet, reason) for entry, detail, wallet, reason in found}


async def online_lines(session: AsyncSession, payment: str) -> list[PaymentLine]:
    """What an online payment posted, by wallet."""
    entries = (await session.exec(select(LedgerEntry.id).where(col(LedgerEntry.cause).startswith(f"{ONLINE}{payment}:")))).all()
    return sorted((await payment_lines(session, entries)).values(), key=lambda line: line.wallet.id)


#: How the causes of entries that take a payment back begin: "reversal/<its entry>".
REVERSAL = "reversal/"


async def lines_of_payment(session: AsyncSession, entry: str) -> list[PaymentLine]:
    """All lines of the payment that this entry is of, by wallet: what was paid online may feed several. Empty: there is none."""
    of = select(LedgerEntry.cause).where(LedgerEntry.id == entry)
    cause = (await session.exec(of)).first() or ""
    if (payment := online_payment_of(cause)) is not None:
        return await online_lines(session, payment)
    return list((await payment_lines(session, [entry])).values())


async def reversals(session: AsyncSession, entries: Collection[str]) -> dict[str, tuple[dt.date, str | None]]:
    """Payment -> when it was taken back, and why."""
    causes = {f"{REVERSAL}{entry}": entry for entry in entries}
    statement = sa_select(col(LedgerEntry.cause), col(LedgerEntry.date), REASON).where(col(LedgerEntry.cause).in_(causes))
    return {causes[cause]: (date, reason) for cause, date, reason in await (await session.connection()).execute(statement)}


async def structure_of_payment(session: AsyncSession, entry: str) -> str | None:
    """None: there is no such payment."""
    return (await session.exec(select(LedgerEntry.structure).where(LedgerEntry.id == entry, LedgerEntry.kind == EntryKind.PAYMENT))).first()


@dataclass(frozen=True, slots=True)
class AdjustmentLine:
    """What an agent gave a wallet or took from it, as by a transfer: no payment, but it moved the balance."""

    entry: LedgerEntry
    wallet: Wallet
    reason: str | None

    @property
    def cents(self) -> int:
        """Negative: taken."""
        return self.entry.amount_cents if self.entry.from_account == ADJUSTMENTS else -self.entry.amount_cents


BY_AGENTS = (col(LedgerEntry.from_account) == ADJUSTMENTS) | (col(LedgerEntry.to_account) == ADJUSTMENTS)


async def adjustments(session: AsyncSession, months: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[AdjustmentLine]]:
    """(family, "YYYY-MM") -> what agents moved, newest first. One statement for each different month."""
    found: dict[tuple[str, str], list[AdjustmentLine]] = {asked: [] for asked in months}
    for month in {month for _, month in months}:
        statement = (
            select(LedgerEntry, Wallet, REASON)
            .where(LedgerEntry.wallet == Wallet.id, BY_AGENTS)
            .where(*_in(month, [family for family, wanted in months if wanted == month]))
            .order_by(*NEWEST_FIRST)
        )
        for entry, wallet, reason in (await session.exec(statement)).all():
            found[entry.family, month].append(AdjustmentLine(entry, wallet, reason))
    return found


async def adjustment_lines(session: AsyncSession, entries: Collection[str]) -> dict[str, AdjustmentLine]:
    """Entry -> its line, of those that are an agent's."""
    statement = select(LedgerEntry, Wallet, REASON).where(LedgerEntry.wallet == Wallet.id, BY_AGENTS, col(LedgerEntry.id).in_(entries))
    return {entry.id: AdjustmentLine(entry, wallet, reason) for entry, wallet, reason in (await session.exec(statement)).all()}


NEWEST_FIRST = (col(LedgerEntry.date).desc(), col(LedgerEntry.posted_at).desc(), col(LedgerEntry.id))


def _in(month: str, families: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    first, next_first = _bounds(month)
    return col(LedgerEntry.family).in_(families), col(LedgerEntry.date) >= first, col(LedgerEntry.date) < next_first


@dataclass(frozen=True, slots=True)
class ConsumptionLine:
    """One line of the consumption history (S9)."""

    consumption: Consumption
    wallet: Wallet


async def consumptions(session: AsyncSession, months: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[ConsumptionLine]]:
    """(family, "YYYY-MM") -> what was charged, newest first (S9). One statement for each different month."""
    found: dict[tuple[str, str], list[ConsumptionLine]] = {asked: [] for asked in months}
    for month in {month for _, month in months}:
        first, next_first = _bounds(month)
        statement = (
            select(Consumption, Wallet)
            .where(Consumption.wallet == Wallet.id, Consumption.due)
            .where(col(Consumption.family).in_([family for family, wanted in months if wanted == month]))
            .where(col(Consumption.date) >= first, col(Consumption.date) < next_first)
            .order_by(col(Consumption.date).desc(), col(Consumption.activity), col(Consumption.child), col(Consumption.cause))
        )
        for consumption, wallet in (await session.exec(statement)).all():
            found[consumption.family, month].append(ConsumptionLine(consumption, wallet))
    return found


@dataclass(frozen=True, slots=True)
class ChildFacts:
    """Who a child is, as far as billing was told."""

    name: str
    birth_date: dt.date | None


@dataclass(frozen=True, slots=True)
class Household:
    """Whom a document is for: a family with its names."""

    structure: str  #: Its name; nothing while it was not told, as all of these.
    address: str
    timezone: str
    adults: tuple[str, ...]
    children: Mapping[str, ChildFacts]

    @property
    def names(self) -> str:
        return ", ".join(self.adults)

    def child(self, id: str) -> str:
        """By name, or by its id where that was never told."""
        return self.children[id].name if id in self.children else id


async def household(session: AsyncSession, family: str) -> Household:
    of = select(Structure).join(Family, col(Family.structure) == col(Structure.id)).where(Family.id == family)
    structure = (await session.exec(of)).first() or Structure(id="")
    payer = await session.get(Payer, family) or Payer(id=family, adults=[])
    children = {
        id: ChildFacts(told["name"], None if told["birth_date"] is None else dt.date.fromisoformat(told["birth_date"]))
        for id, told in payer.children.items()
    }
    return Household(structure.title, structure.address, structure.timezone, tuple(adult["name"] for adult in payer.adults), children)


async def activity_titles(session: AsyncSession, ids: Collection[str]) -> dict[str, str]:
    """Activity -> its name, or its id where that was never told."""
    found = select(Activity.id, Activity.title).where(col(Activity.id).in_(ids))
    return {id: title or id for id, title in (await session.exec(found)).all()}


async def structure_title(session: AsyncSession, id: str) -> str:
    return (await session.exec(select(Structure.title).where(Structure.id == id))).first() or ""


# ---------------------------------------------------------------------------------------------------------- certificates
#: What a transfer's second half adds to the cause of the first.
TRANSFERRED = "/to"


async def certificate_of(session: AsyncSession, family: str, year: int, today: dt.date, children: Mapping[str, ChildFacts]) -> Certificate:
    births = {id: child.birth_date for id, child in children.items()}
    return certificate(year, today, settled(await moves(session, family)), births)


async def moves(session: AsyncSession, family: str) -> list[Moved]:
    """All that ever moved its wallets, as the tax certificate sees it: charges as they stand now, payments that were not reversed."""
    charges = (
        select(Consumption, Activity.childcare)
        .where(Consumption.family == family, Consumption.due, Consumption.amount_cents > 0)
        .join(Activity, col(Activity.id) == col(Consumption.activity), isouter=True)
    )
    found = [_charged(row, is_childcare is True) for row, is_childcare in (await session.exec(charges)).all()]
    entries = select(LedgerEntry).where(LedgerEntry.family == family, col(LedgerEntry.settles).is_(None))
    rows = (await session.exec(entries)).all()
    by_cause = {row.cause: row for row in rows}
    never_were = {id for row in rows if (cause := f"{REVERSAL}{row.id}") in by_cause for id in (row.id, by_cause[cause].id)}
    for row in rows:
        if row.id in never_were or _first_half(row, by_cause) is not None:
            continue
        found.append(_moved(row, by_cause.get(row.cause + TRANSFERRED)))
    return found


def _charged(row: Consumption, is_childcare: bool) -> Moved:
    whose = (row.child, row.activity) if is_childcare else (None, None)
    return Moved(row.wallet, row.date, Move.CHARGED, row.amount_cents, row.cause, *whose)


def _first_half(row: LedgerEntry, by_cause: Mapping[str, LedgerEntry]) -> LedgerEntry | None:
    """Of the transfer that this entry ends."""
    if row.kind is not EntryKind.ADJUSTMENT or not row.cause.endswith(TRANSFERRED):
        return None
    return by_cause.get(row.cause.removesuffix(TRANSFERRED))


def _moved(row: LedgerEntry, transferred: LedgerEntry | None) -> Moved:
    order = f"{row.posted_at:%Y%m%d%H%M%S%f}{row.id}"
    if row.kind is EntryKind.PAYMENT:
        return Moved(row.wallet, row.date, Move.PAID, row.amount_cents, order)
    if is_wallet(row.to_account):
        return Moved(row.wallet, row.date, Move.GIVEN, row.amount_cents, order)
    move = Move.CHARGED if row.kind is EntryKind.CHARGE else Move.TAKEN
    return Moved(row.wallet, row.date, move, row.amount_cents, order, into=None if transferred is None else transferred.wallet)


def _bounds(month: str) -> tuple[dt.date, dt.date]:
    first = dt.date.fromisoformat(f"{month}-01")
    return first, (first + dt.timedelta(days=31)).replace(day=1)


# -------------------------------------------------------------------------------------------------------------- the office
@dataclass(frozen=True, slots=True)
class Debt:
    """What a family's wallets come to, below zero."""

    family: str
    cents: int


@dataclass(frozen=True, slots=True)
class Sums:
    """How many there are of something, and what they come to."""

    count: int
    cents: int


def _debts(structure: str) -> Select[tuple[str, int]]:
    cents = func.sum(PURSE.cents)
    return sa_select(PURSE.family, cents.label("cents")).where(PURSE.structure == structure).group_by(PURSE.family).having(cents < 0)


async def debtors(session: AsyncSession, structure: str, after: tuple[int, str] | None, limit: int) -> list[Debt]:
    """The deepest in debt first. `after`: the cents and the family of the last one seen."""
    found = _debts(structure).subquery()
    query = sa_select(found.c.family, found.c.cents).order_by(found.c.cents, found.c.family).limit(limit)
    if after is not None:
        query = query.where(tuple_(found.c.cents, found.c.family) > tuple_(*map(literal, after)))
    return [Debt(family, int(cents)) for family, cents in await (await session.connection()).execute(query)]


async def debts(session: AsyncSession, structure: str) -> Sums:
    found = _debts(structure).subquery()
    (row,) = await (await session.connection()).execute(
        sa_select(func.count(), func.coalesce(func.sum(found.c.cents), 0)).select_from(found)
    )
    return Sums(int(row[0]), int(row[1]))


async def in_debt(session: AsyncSession, families: Collection[str]) -> set[str]:
    """Those of whom it is said (S21)."""
    return set((await session.exec(select(Standing.family).where(col(Standing.family).in_(families), col(Standing.in_debit)))).all())


async def is_being_erased(session: AsyncSession, family: str) -> bool:
    """Whether that is about to be decided. The family's standing is locked."""
    return (await session.exec(select(Erasing.family).where(Erasing.family == family))).first() is not None


async def erased_number(session: AsyncSession, family: str) -> str | None:
    """Of a family that was erased: what stands where its names stood."""
    told = select(Act.after).where(Act.family == family, Act.kind == EMPTIED).order_by(col(Act.position).desc()).limit(1)
    return ((await session.exec(told)).first() or {}).get("number")


async def timezone_of(session: AsyncSession, structure: str) -> str:
    return (await session.exec(select(Structure.timezone).where(Structure.id == structure))).first() or "Europe/Paris"


def _posted_within(structure: str, since: dt.datetime, before: dt.datetime) -> tuple[ColumnElement[bool], ...]:
    """By when they were posted, so that a day that was told never changes. What the old system's books tell is left to them."""
    ours = col(PaymentDetail.taken_over).is_not(True), col(LedgerEntry.from_account) != OPENING, col(LedgerEntry.to_account) != OPENING
    posted_at = col(LedgerEntry.posted_at)
    return col(LedgerEntry.structure) == structure, posted_at >= since, posted_at < before, *ours


@dataclass(frozen=True, slots=True)
class ModeTotal:
    """What came in, or was paid back, by one mode."""

    mode: PaymentMode
    kind: EntryKind
    count: int
    cents: int


async def totals_by_mode(session: AsyncSession, structure: str, since: dt.datetime, before: dt.datetime) -> list[ModeTotal]:
    mode, kind = col(PaymentDetail.mode), col(LedgerEntry.kind)
    query = (
        sa_select(mode, kind, func.count(), func.sum(col(LedgerEntry.amount_cents)))
        .join(PaymentDetail, col(PaymentDetail.entry) == col(LedgerEntry.id))
        .where(*_posted_within(structure, since, before))
        .group_by(mode, kind)
    )
    return [ModeTotal(*row[:3], int(row[3])) for row in await (await session.connection()).execute(query)]


async def entries_count(session: AsyncSession, structure: str, since: dt.datetime, before: dt.datetime) -> int:
    query = sa_select(func.count(col(LedgerEntry.id))).join(PaymentDetail, col(PaymentDetail.entry) == col(LedgerEntry.id), isouter=True)
    return int((await (await session.connection()).execute(query.where(*_posted_within(structure, since, before)))).scalar_one())


async def families_in(session: AsyncSession, structure: str, since: dt.datetime, before: dt.datetime) -> list[str]:
    """Those of which the journal tells."""
    query = sa_select(col(LedgerEntry.family)).join(PaymentDetail, col(PaymentDetail.entry) == col(LedgerEntry.id), isouter=True)
    found = await (await session.connection()).execute(query.where(*_posted_within(structure, since, before)).distinct())
    return list(found.scalars())


async def entries(session: AsyncSession, structure: str, since: dt.datetime, before: dt.datetime) -> list[Booked]:
    """In the order in which they were posted."""
    query = (
        sa_select(*JOURNAL)
        .join(PaymentDetail, col(PaymentDetail.entry) == col(LedgerEntry.id), isouter=True)
        .join(Wallet, col(Wallet.id) == col(LedgerEntry.wallet))
        .where(*_posted_within(structure, since, before))
        .order_by(col(LedgerEntry.posted_at), col(LedgerEntry.id))
    )
    return [Booked(*row) for row in await (await session.connection()).execute(query)]


#: As Booked has them.
JOURNAL = (
    *(col(getattr(LedgerEntry, name)) for name in ("id", "posted_at", "date", "kind", "from_account", "to_account", "family")),
    col(Wallet.name),
    *(col(getattr(PaymentDetail, name)) for name in ("mode", "reference", "payer")),
    REASON,
    col(LedgerEntry.amount_cents),
)
