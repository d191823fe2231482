"""What flat months are going to cost ("forfait mensuel"): once for each child, activity and month, as settling will charge them (S13, S14).

A day that was booked by a flat rate holds nothing by itself: it makes its month due. So the estimate says what the books would say if all
days that are held were closed, less what was charged for these months already; a sibling's month may make another one cheaper.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.billing import prices, queries
from services.billing.balance import Balance
from services.billing.hold import HoldKind, HoldState
from services.billing.queries import BalanceAsked
from services.billing.quote import Catalogue
from services.billing.settlement import FlatDay, FlatMonth, flat_months
from services.billing.settling import FAMILIES, FLAT_DAYS, MONTHS
from services.billing.tables import Hold, core
from services.billing.tariff import FLAT_DAY, Price, TariffVersion
from services.bulk import one_of

H = core(Hold).c
#: Of a flat rate are some of those that hold nothing.
HELD = select(H.booking, H.child, H.family, H.activity, H.date, H.wallet, H.tariff_version, H.kind, H.explanation).where(
    one_of(H.family, "families"), H.state == HoldState.LIVE, H.amount_cents == 0, H.tariff_version.is_not(None)
)

Of = tuple[str, str]  #: activity, "YYYY-MM"


@dataclass(frozen=True, slots=True)
class HeldDay:
    """A day that is held by a flat rate, and not charged yet."""

    booking: str
    kind: HoldKind
    day: FlatDay


@dataclass(frozen=True, slots=True)
class Outlook:
    """All that says what flat months come to, of some families, whatever else is booked in these months."""

    held: Sequence[HeldDay]
    closed: Sequence[FlatDay]
    charged: Sequence[Any]  #: Rows of the months' consumptions, due ones.
    rules: Mapping[tuple[str, str], TariffVersion | None]
    catalogue: Catalogue

    def months(self, days: Iterable[FlatDay]) -> list[FlatMonth]:
        """What is due, if beside the closed days those are closed too."""
        return flat_months([*days, *self.closed])

    def price(self, month: FlatMonth) -> Price:
        rule = self.rules[month.activity, month.tariff_version]
        return self.catalogue.month_by(rule, month.family, month.child, month.month, month.together)

    def costs(self, days: Sequence[FlatDay]) -> Counter[tuple[str, str]]:
        """(family, wallet) -> what these days make due, less what was charged of their months."""
        touched: dict[str, set[Of]] = defaultdict(set)
        for day in days:
            touched[day.family].add((day.activity, f"{day.date:%Y-%m}"))
        found: Counter[tuple[str, str]] = Counter()
        for month in self.months(days):
            if (month.activity, month.month) in touched[month.family]:
                found[month.family, month.wallet] += self.price(month).cents
        for row in self.charged:
            if (row.activity, f"{row.date:%Y-%m}") in touched[row.family]:
                found[row.family, row.wallet] -= row.amount_cents
        return found


async def balances(session: AsyncSession, asked: Sequence[BalanceAsked]) -> list[Balance]:
    """As queries.balances, with the flat months in the estimated cost."""
    pages = await queries.balances(session, asked)
    held = await _held(session, {one.family for one in asked})
    if not held:
        return pages
    outlook = await look(session, held)
    views = {(one.until, one.include) for one in asked}
    costs = {view: outlook.costs([one.day for one in outlook.held if _counts(one, *view)]) for view in views}
    return [_with(page, one.family, costs[one.until, one.include]) for page, one in zip(pages, asked, strict=True)]


def _counts(one: HeldDay, until: dt.date | None, include: Collection[HoldKind]) -> bool:
    return one.kind in include and (until is None or one.day.date <= until)


def _with(page: Balance, family: str, costs: Mapping[tuple[str, str], int]) -> Balance:
    lines = (replace(line, estimated_cost_cents=line.estimated_cost_cents + costs.get((family, line.wallet), 0)) for line in page.lines)
    return replace(page, lines=tuple(lines))


async def look(session: AsyncSession, held: Sequence[HeldDay], coming: Sequence[FlatDay] = ()) -> Outlook:
    """Whatever else concerns the months of those days, and of those that may come."""
    days = [*(one.day for one in held), *coming]
    children, families = {day.child for day in days}, {day.family for day in days}
    others = {family for homes in (await prices.families_of(session, children)).values() for family, _ in homes} - families
    if others:  # A child of two families: whose day is the first pays.
        held = [*held, *(one for one in await _held(session, others) if one.day.child in children)]
        days = [*(one.day for one in held), *coming]
    months = {day.date.replace(day=1) for day in days}
    where = {"activities": {day.activity for day in days}, "dates": months, "children": children, "families": families | others}
    where |= {"first": min(months), "last": max(months) + dt.timedelta(days=31)}
    connection = await session.connection()
    where["families"] = {*families, *others, *(await connection.execute(FAMILIES, where)).scalars()}
    closed = [FlatDay(*row) for row in await connection.execute(FLAT_DAYS, where)]
    charged = [row for row in await connection.execute(MONTHS, where) if row.due]
    rules = await prices.frozen(session, {(day.activity, day.tariff_version) for day in (*days, *closed)})
    families = {day.family for day in (*days, *closed)}
    return Outlook(held, closed, charged, rules, await prices.households(session, (), families))


async def _held(session: AsyncSession, families: Collection[str]) -> list[HeldDay]:
    rows = await (await session.connection()).execute(HELD, {"families": families})
    return [
        HeldDay(row.booking, row.kind, FlatDay(row.child, row.family, row.activity, row.date, row.wallet, row.tariff_version))
        for row in rows
        if any(step["code"] == FLAT_DAY for step in row.explanation)
    ]
