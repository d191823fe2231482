"""Reads what prices a batch of days, and the holds there are: a few statements whatever the size of the batch. Nothing here writes."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from sqlalchemy import bindparam, func
from sqlalchemy import select as sa_select
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.billing.hold import COUNTING, HoldKind, HoldState
from services.billing.quote import Catalogue, Day, Presence, PricedActivity, Quote, Unpriced, no_activity
from services.billing.tables import Activity, Child, Family, Hold, Quotient, Residence, Tariff, Wallet, core
from services.billing.tariff import Price, Step, TariffVersion
from services.bulk import one_of

ACTIVITY, CHILD, FAMILY, HOLD, QUOTIENT, TARIFF, WALLET = (core(rows) for rows in (Activity, Child, Family, Hold, Quotient, Tariff, Wallet))
A, C, F, H, Q, T, W = (table.c for table in (ACTIVITY, CHILD, FAMILY, HOLD, QUOTIENT, TARIFF, WALLET))
R = core(Residence).c

# Built once: building one takes as long as running it.
NEWEST = sa_select(func.max(T.revision)).where(T.activity == A.id).correlate(ACTIVITY).scalar_subquery()
TARIFFS = (
    sa_select(A.id, A.structure, A.wallet, T.revision, T.versions)
    .join_from(ACTIVITY, WALLET, W.id == A.wallet)
    .join(TARIFF, (T.activity == A.id) & (T.revision == NEWEST))
    .where(one_of(A.id, "activities"))
)
REVISIONS = sa_select(T.activity, T.revision, T.versions).where(one_of(T.activity, "activities"))
CHILDREN = (
    sa_select(F.id, C.id).join_from(FAMILY, CHILD, C.family == F.id, isouter=True).where(one_of(F.id, "families")).order_by(C.position)
)
QUOTIENTS = sa_select(Q.family, Q.starts_on, Q.hundredths).where(one_of(Q.family, "families")).order_by(Q.starts_on)
RESIDENCES = sa_select(R.family, R.starts_on, R.resident).where(one_of(R.family, "families")).order_by(R.starts_on)
PRESENT = sa_select(H.family, H.activity, H.date, H.booking, H.child).where(
    one_of(H.family, "families"),
    H.state.in_(COUNTING),
    H.date.between(bindparam("first"), bindparam("last")),
    one_of(H.activity, "activities"),
)


async def catalogue(session: AsyncSession, days: Sequence[Day], draft: TariffVersion | None = None) -> Catalogue:
    """Everything that prices these days. What was not heard of yet is simply absent: Catalogue.quote says so.

    `draft`: as if it were the tariff of them all.
    """
    families = {day.family for day in days}
    activities = await _activities(session, {day.activity for day in days})
    if draft is not None:
        activities = {id: replace(activity, versions=(draft,)) for id, activity in activities.items()}
    counting = {id for id, activity in activities.items() if any(version.counts_siblings for version in activity.versions)}
    together = [day for day in days if day.activity in counting]
    asking = {id for id, activity in activities.items() if any(version.outside_town for version in activity.versions)}
    return Catalogue(
        activities=activities,
        children=await _children(session, {day.family for day in together}),
        quotients=await _quotients(session, families),
        present=await _present(session, together),
        residences=await _residences(session, {day.family for day in days if day.activity in asking}),
    )


async def households(session: AsyncSession, activities: Collection[str], families: Collection[str]) -> Catalogue:
    """All that may price a day of those families by any rule, an older one too: who comes, and by which rule, the caller knows."""
    return Catalogue(
        activities=await _activities(session, activities),
        children=await _children(session, families),
        quotients=await _quotients(session, families),
        residences=await _residences(session, families),
    )


async def frozen(session: AsyncSession, rules: Collection[tuple[str, str]]) -> dict[tuple[str, str], TariffVersion | None]:
    """(activity, "<revision>/<first day>") -> the rule that prices were frozen with. None: the activity was free."""
    revisions = {(activity, int(name.partition("/")[0])) for activity, name in rules}
    rows = await (await session.connection()).execute(REVISIONS, {"activities": {activity for activity, _ in revisions}})
    known = {(activity, revision): versions for activity, revision, versions in rows if (activity, revision) in revisions}

    def rule(activity: str, name: str) -> TariffVersion | None:
        revision, _, first_day = name.partition("/")
        if not first_day:
            return None
        return TariffVersion.from_data(next(data for data in known[activity, int(revision)] if data["from"] == first_day))

    return {(activity, name): rule(activity, name) for activity, name in rules}


async def _activities(session: AsyncSession, ids: Collection[str]) -> dict[str, PricedActivity]:
    """Only those whose wallet and tariff are known."""
    rows = await (await session.connection()).execute(TARIFFS, {"activities": ids})
    return {
        id: PricedActivity(structure, wallet, revision, tuple(TariffVersion.from_data(data) for data in versions))
        for id, structure, wallet, revision, versions in rows
    }


async def _children(session: AsyncSession, families: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Family -> its children, the eldest first. A family that was heard of and has none is there too."""
    found: dict[str, list[str]] = {}
    for family, child in await (await session.connection()).execute(CHILDREN, {"families": families}):
        found.setdefault(family, []).append(child)
    return {family: tuple(child for child in children if child is not None) for family, children in found.items()}


async def _quotients(session: AsyncSession, families: Collection[str]) -> dict[str, list[tuple[dt.date, Decimal | None]]]:
    found: dict[str, list[tuple[dt.date, Decimal | None]]] = defaultdict(list)
    for family, starts_on, hundredths in await (await session.connection()).execute(QUOTIENTS, {"families": families}):
        found[family].append((starts_on, None if hundredths is None else Decimal(hundredths) / 100))
    return found


async def _residences(session: AsyncSession, families: Collection[str]) -> dict[str, list[tuple[dt.date, bool]]]:
    found: dict[str, list[tuple[dt.date, bool]]] = defaultdict(list)
    if not families:
        return found
    for family, starts_on, resident in await (await session.connection()).execute(RESIDENCES, {"families": families}):
        found[family].append((starts_on, resident))
    return found


async def _present(session: AsyncSession, days: Sequence[Day]) -> dict[Presence, dict[str, str]]:
    """Who has a place or asks for one (booking -> child) where one of these days is, give or take some more days."""
    found: dict[Presence, dict[str, str]] = defaultdict(dict)
    if not days:
        return found
    bounds = {
        "families": {day.family for day in days},
        "activities": {day.activity for day in days},
        "first": min(day.date for day in days),
        "last": max(day.date for day in days),
    }
    for family, activity, date, booking, child in await (await session.connection()).execute(PRESENT, bounds):
        found[family, activity, date][booking] = child
    return found


# ----------------------------------------------------------------------------------------------------------------- holds
async def families_of(session: AsyncSession, children: Collection[str]) -> dict[str, list[tuple[str, str]]]:
    """Child -> its (family, structure), by billing's own copy."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    statement = (
        select(Child.id, Family.id, Family.structure).join(Family, col(Family.id) == col(Child.family)).where(col(Child.id).in_(children))
    )
    for child, family, structure in (await session.exec(statement.order_by(col(Family.id)))).all():
        found[child].append((family, structure))
    return found


async def holds(
    session: AsyncSession, bookings: Collection[str], families: Collection[str], structures: Collection[str]
) -> dict[str, Hold]:
    """Booking -> its hold, of those families, or of any family of those structures."""
    statement = select(Hold).where(col(Hold.booking).in_(bookings), col(Hold.family).in_(families) | col(Hold.structure).in_(structures))
    return {hold.booking: hold for hold in (await session.exec(statement)).all()}


async def live_holds(session: AsyncSession, days: Sequence[Day]) -> dict[tuple[str, Presence], Hold]:
    """(child, presence) -> the hold that a cancellation of that day would end: a confirmed one is given back, a pending one is not owed."""
    if not days:
        return {}
    statement = (
        select(Hold)
        .where(col(Hold.family).in_({day.family for day in days}), Hold.state == HoldState.LIVE)
        .where(col(Hold.date).in_({day.date for day in days}), col(Hold.activity).in_({day.activity for day in days}))
    )
    return {(hold.child, (hold.family, hold.activity, hold.date)): hold for hold in (await session.exec(statement)).all()}


# -------------------------------------------------------------------------------------------------------------- previews
@dataclass(frozen=True, slots=True)
class PreviewLine:
    """One line of a recap (S33): a day to be booked, or one to be given back."""

    books: bool
    child: str
    activity: str
    date: dt.date
    arrival: str
    departure: str

    def day(self, family: str) -> Day:
        return Day(family, self.child, self.activity, self.date, self.arrival, self.departure)


@dataclass(frozen=True, slots=True)
class Previewed:
    """The answer to a line, and what it came from. `price` None: the child is of none of those families."""

    day: Day | None
    price: Price | Unpriced | None
    quote: Quote | None = None  #: Of a day to be booked.
    hold: Hold | None = None  #: Of a day to be given back: what is owed for it.


async def preview(
    session: AsyncSession, lines: Sequence[PreviewLine], families: Collection[str], structures: Collection[str]
) -> list[Previewed]:
    """What sending the lines together would cost, or give back: one answer for each, in order. A day of a flat month costs nothing here.

    Only for children of those families, or of any family of those structures. An activity of another structure than the family's has no
    price for it, as if there were none.
    """
    owners = await families_of(session, {line.child for line in lines})
    days: list[Day | None] = []
    homes: dict[str, str] = {}
    for line in lines:
        mine = (owner for owner in owners.get(line.child, ()) if owner[0] in families or owner[1] in structures)
        family, structure = next(mine, (None, ""))
        days.append(None if family is None else line.day(family))
        if family is not None:
            homes[family] = structure
    booked = [day for day, line in zip(days, lines, strict=True) if day is not None and line.books]
    given_back = [day for day, line in zip(days, lines, strict=True) if day is not None and not line.books]
    held = await live_holds(session, given_back)
    prices = await catalogue(session, booked)
    for number, day in enumerate(booked):
        prices.comes(f"new {number}", day)
    leaving = {held[day.child, day.presence].booking for day in given_back if (day.child, day.presence) in held}

    def answer(line: PreviewLine, day: Day | None) -> Previewed:
        if day is None:
            return Previewed(None, None)
        if line.books:
            return _quoted(prices, day, leaving, homes[day.family])
        hold = held.get((day.child, day.presence))
        owed = hold if hold is not None and hold.kind is HoldKind.CONFIRMED else None
        return Previewed(day, price_of(owed), hold=owed)

    return [answer(line, day) for line, day in zip(lines, days, strict=True)]


def _quoted(prices: Catalogue, day: Day, leaving: Collection[str], structure: str) -> Previewed:
    known = prices.activities.get(day.activity)
    if known is not None and known.structure != structure:
        return Previewed(day, no_activity(day.activity))
    try:
        quote = prices.quote(day, leaving)
    except Unpriced as missing:
        return Previewed(day, missing)
    return Previewed(day, quote.price, quote=quote)


def price_of(hold: Hold | None) -> Price:
    """What is, or was, held; nothing where there is no hold: a waiting place, a refused booking."""
    if hold is None:
        return Price(0, ())
    return Price(hold.amount_cents, tuple(Step.from_data(data) for data in hold.explanation))
