"""What a month would have cost each family under another tariff: a rehearsal for those who vote on one. Nothing here writes.

Days that are closed are priced as they were attended, absences and late pick-ups too, and all others as if everybody came who has a place.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.billing import prices
from services.billing.charged import Attendance
from services.billing.hold import HoldKind, HoldState
from services.billing.quote import Catalogue, Day
from services.billing.settlement import ClosedDay, FlatDay, Line, Quoted, consume, flat_months
from services.billing.tables import Consumption, Hold, core
from services.billing.tariff import Per, TariffVersion


@dataclass(frozen=True, slots=True)
class Compared:
    """One family in one activity."""

    family: str
    activity: str
    days: int
    now_cents: int  #: As closed days and months were charged, and the others will be.
    draft_cents: int
    open_days: int = 0  #: Of the days, those that are not closed yet.

    @property
    def difference_cents(self) -> int:
        return self.draft_cents - self.now_cents


async def compare(session: AsyncSession, structure: str, drafts: Mapping[str, TariffVersion], month: str) -> list[Compared]:
    """Every family that had bookings in that month "YYYY-MM" in one of these activities, or came without one, activity by activity.

    Priced with the quotients, residences and siblings of those days.
    """
    return [one for activity, draft in drafts.items() for one in await _activity(session, structure, activity, draft, month)]


@dataclass(frozen=True, slots=True)
class Seen:
    """One child's day."""

    line: Line
    day: Day  #: With the hours that make its price: those booked, or of who came without a booking those that it stayed.
    cents: int  #: As it was charged, or will be.
    tariff_version: str
    wallet: str
    is_open: bool

    @property
    def flat(self) -> FlatDay:
        day = self.day
        return FlatDay(day.child, day.family, day.activity, day.date, self.wallet, self.tariff_version)


async def _activity(session: AsyncSession, structure: str, activity: str, draft: TariffVersion, month: str) -> list[Compared]:
    seen = await _seen(session, structure, activity, month)
    count, still_open = Counter(one.day.family for one in seen), Counter(one.day.family for one in seen if one.is_open)
    then = await prices.catalogue(session, [one.day for one in seen], draft)
    for one in seen:
        if one.line.booked:
            then.comes(one.line.id, one.day)
    now_cents, draft_cents = await _months_now(session, seen, structure, activity, month), _months_then(then, seen, draft)
    together = _together(seen)
    for one in seen:
        now_cents[one.day.family] += one.cents
        draft_cents[one.day.family] += _cents_then(then, one, draft, together)
    return [Compared(name, activity, count[name], now_cents[name], draft_cents[name], still_open[name]) for name in sorted(count)]


def _cents_then(catalogue: Catalogue, one: Seen, draft: TariffVersion, together: Mapping[dt.date, ClosedDay]) -> int:
    closed = together[one.day.date]
    if one.line.booked:
        quote = catalogue.quote(one.day)
    else:
        quote = catalogue.quote_by(catalogue.rule(one.day.activity, one.day.date), one.day, closed.together(one.day.family))
    quoted = Quoted(quote.wallet, quote.price, draft.charged, one.day.departure if one.line.booked else None)
    return consume(closed, one.line, quoted).price.cents


def _together(seen: Iterable[Seen]) -> dict[dt.date, ClosedDay]:
    lines: dict[dt.date, list[Line]] = defaultdict(list)
    for one in seen:
        lines[one.day.date].append(one.line)
    return {date: ClosedDay("", date, 0, tuple(some)) for date, some in lines.items()}


# ------------------------------------------------------------------------------------------------------------ flat months
async def _months_now(session: AsyncSession, seen: Sequence[Seen], structure: str, activity: str, month: str) -> Counter[str]:
    """Family -> what was charged of its children's flat months; where days are open, what will be."""
    rows = core(Consumption).c
    due = rows.structure == structure, rows.activity == activity, rows.date == _first(month), rows.attendance.is_(None), rows.due
    charged = Counter[str]()
    for family, cents in await (await session.connection()).execute(select(rows.family, rows.amount_cents).where(*due)):
        charged[family] += cents
    rules = await prices.frozen(session, {(activity, one.tariff_version) for one in seen})
    flat = [one for one in seen if _is_flat(rules[activity, one.tariff_version])]
    will_be = {one.day.family for one in flat if one.is_open}
    if not will_be:
        return charged
    catalogue = await prices.households(session, (), {one.day.family for one in flat})
    found = Counter({family: cents for family, cents in charged.items() if family not in will_be})
    for one in flat_months(each.flat for each in flat):
        if one.family in will_be:
            rule = rules[activity, one.tariff_version]
            found[one.family] += catalogue.month_by(rule, one.family, one.child, month, one.together).cents
    return found


def _is_flat(version: TariffVersion | None) -> bool:
    return version is not None and version.per is Per.FLAT_MONTH


def _months_then(catalogue: Catalogue, seen: Sequence[Seen], draft: TariffVersion) -> Counter[str]:
    found = Counter[str]()
    for one in flat_months(each.flat for each in seen) if _is_flat(draft) else ():
        found[one.family] += catalogue.month_by(draft, one.family, one.child, one.month, one.together).cents
    return found


# ---------------------------------------------------------------------------------------------------------------- the days
async def _seen(session: AsyncSession, structure: str, activity: str, month: str) -> list[Seen]:
    first = _first(month)
    last = (first + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)
    connection = await session.connection()
    held = core(Hold).c
    where = held.structure == structure, held.activity == activity, held.date.between(first, last), held.kind == HoldKind.CONFIRMED
    holds = {row.booking: row for row in await connection.execute(select(core(Hold)).where(*where, held.state != HoldState.RELEASED))}
    used = core(Consumption).c
    days = used.structure == structure, used.activity == activity, used.date.between(first, last), used.attendance.is_not(None)
    closed = (await connection.execute(select(core(Consumption)).where(*days, used.due).order_by(used.cause))).all()
    coming = [row for row in holds.values() if row.state is HoldState.LIVE]
    return [_attended(row, holds.get(row.booking)) for row in closed] + [_to_come(row) for row in coming]


def _attended(row: Row[Any], hold: Any) -> Seen:
    hours = (hold.arrival, hold.departure) if hold is not None else (row.arrival or "00:00", row.departure or "00:00")
    id_ = row.booking or row.cause
    line = Line(id_, row.child, row.family, row.attendance, row.arrival, row.departure, booked=row.booking is not None)
    return Seen(line, Day(row.family, row.child, row.activity, row.date, *hours), row.amount_cents, row.tariff_version, row.wallet, False)


def _to_come(row: Any) -> Seen:
    hours = row.arrival, row.departure
    line = Line(row.booking, row.child, row.family, Attendance.PRESENT, *hours)
    return Seen(line, Day(row.family, row.child, row.activity, row.date, *hours), row.amount_cents, row.tariff_version, row.wallet, True)


def _first(month: str) -> dt.date:
    return dt.date.fromisoformat(f"{month}-01")
