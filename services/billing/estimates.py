"""What flat months are going to cost ("forfait mensuel"): once for each child, activity and month, as settling will charge them (S13, S14).

A day that was booked by a flat rate holds nothing by itself: it makes its month due. So the estimate says what the books would say if all
days that are held were closed, less what was charged for these months already; a sibling's month may make another one cheaper. Of a child
of two families, what a day of the other one would take over is told when it is charged.
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
from services.billing.prices import PreviewLine
from services.billing.queries import BalanceAsked
from services.billing.quote import Catalogue, Day, Quote, Unpriced
from services.billing.settlement import FlatDay, FlatMonth, flat_months
from services.billing.settling import FAMILIES, FLAT_DAYS, MONTHS
from services.billing.tables import Hold, core
from services.billing.tariff import FLAT_DAY, Price, Step, TariffVersion
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


async def balances(session: AsyncSession, asked: Collection[BalanceAsked]) -> dict[BalanceAsked, Balance]:
    """As queries.balances, with the flat months in the estimated cost."""
    pages, may_be_flat = await queries.balances(session, asked)
    held = await _held(session, {one.family for one in asked}) if may_be_flat else []
    if not held:
        return pages
    outlook = await look(session, held)
    views = {(one.until, one.include) for one in asked}
    costs = {view: outlook.costs([one.day for one in outlook.held if _counts(one, *view)]) for view in views}
    return {one: _with(page, one.family, costs[one.until, one.include]) for one, page in pages.items()}


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


# -------------------------------------------------------------------------------------------------------------- previews
async def preview(
    session: AsyncSession, lines: Sequence[PreviewLine], families: Collection[str], structures: Collection[str]
) -> list[Price | Unpriced | None]:
    """As prices.preview. What a flat month costs stands in the first line that makes it due, or gives it back: once, as it is charged."""
    answers = await prices.preview(session, lines, families, structures)
    coming = {number: _coming(one.day, one.quote) for number, one in enumerate(answers) if one.day and one.quote and _is_flat(one.price)}
    leaving = {number: one.hold.booking for number, one in enumerate(answers) if one.hold is not None and _is_flat(one.price)}
    if not coming and not leaving:
        return [one.price for one in answers]
    held = await _held(session, {one.day.family for one in answers if one.day is not None})
    outlook = await look(session, held, list(coming.values()))
    confirmed = [one for one in outlook.held if one.kind is HoldKind.CONFIRMED]
    gone = {one.booking: one.day for one in confirmed if one.booking in leaving.values()}
    moving = [*coming.items(), *((number, gone[booking]) for number, booking in leaving.items() if booking in gone)]
    before = outlook.months(one.day for one in confirmed)
    after = outlook.months([*(one.day for one in confirmed if one.booking not in gone), *coming.values()])
    shown = _shown(outlook, sorted(moving, key=lambda line: (line[1].date, line[0])), set(coming), before, after)
    return [shown.get(number, one.price) for number, one in enumerate(answers)]


def _is_flat(price: Price | Unpriced | None) -> bool:
    return isinstance(price, Price) and any(step.code == FLAT_DAY for step in price.steps)


def _coming(day: Day, quote: Quote) -> FlatDay:
    return FlatDay(day.child, day.family, day.activity, day.date, quote.wallet, quote.tariff_version)


def _shown(
    outlook: Outlook, moving: Sequence[tuple[int, FlatDay]], booked: Collection[int], *states: Sequence[FlatMonth]
) -> dict[int, Price]:
    """Number of a line -> the month that it bears. `moving`: the lines that book days of flat months, or give them back, by date.

    `states`: what is due before, and after.
    """
    was, will = ({(month.family, month.child, month.activity, month.month): month for month in months} for months in states)
    shown: dict[int, Price] = {}
    borne: set[tuple[str, str, str, str]] = set()
    corrected: set[tuple[str, str, str]] = set()
    for number, day in moving:
        key = day.family, day.child, day.activity, f"{day.date:%Y-%m}"
        there, elsewhere = (will, was) if number in booked else (was, will)
        if key in borne or key not in there or key in elsewhere:
            continue
        borne.add(key)
        shown[number] = outlook.price(there[key])
        group = day.family, day.activity, f"{day.date:%Y-%m}"
        if group not in corrected:
            corrected.add(group)
            both = [one for one in was.keys() & will.keys() if (one[0], *one[2:]) == group]
            more = sum(outlook.price(there[one]).cents - outlook.price(elsewhere[one]).cents for one in both)
            if more:
                steps = (*shown[number].steps, Step("FLAT_MONTH_SIBLINGS", {}, more))
                shown[number] = Price(shown[number].cents + more, steps)
    return shown
