"""What a month would have cost each family under another tariff: a rehearsal for those who vote on one. Nothing here writes."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.billing import prices
from services.billing.hold import HoldKind, HoldState
from services.billing.quote import Catalogue, Day
from services.billing.tables import Hold
from services.billing.tariff import TariffVersion


@dataclass(frozen=True, slots=True)
class Compared:
    """One family in one activity."""

    family: str
    activity: str
    days: int
    now_cents: int  #: As its bookings were priced when they were made, and flat months as they are priced now.
    draft_cents: int

    @property
    def difference_cents(self) -> int:
        return self.draft_cents - self.now_cents


async def compare(session: AsyncSession, structure: str, drafts: Mapping[str, TariffVersion], month: str) -> list[Compared]:
    """Every family that had bookings in that month "YYYY-MM" in one of these activities, activity by activity.

    Priced are its accepted bookings, as if all were attended, with the quotients, residences and siblings of those days.
    """
    return [one for activity, draft in drafts.items() for one in await _activity(session, structure, activity, draft, month)]


async def _activity(session: AsyncSession, structure: str, activity: str, draft: TariffVersion, month: str) -> list[Compared]:
    booked = await _booked(session, structure, activity, month)
    days = [day for day, _ in booked.values()]
    now, then = await prices.catalogue(session, days), await prices.catalogue(session, days, draft)
    for catalogue in (now, then):
        for booking, day in zip(booked, days, strict=True):
            catalogue.comes(booking, day)
    count = Counter(day.family for day in days)
    now_cents, draft_cents = _months(now, days, activity, month), _months(then, days, activity, month)
    for day, frozen_cents in booked.values():
        now_cents[day.family] += frozen_cents
        draft_cents[day.family] += then.quote(day).price.cents
    return [Compared(family, activity, count[family], now_cents[family], draft_cents[family]) for family in sorted(count)]


def _months(catalogue: Catalogue, days: Collection[Day], activity: str, month: str) -> Counter[str]:
    """Family -> what its children's flat months cost."""
    together: dict[str, set[str]] = defaultdict(set)
    for day in days:
        together[day.family].add(day.child)
    return Counter(
        {
            family: sum(catalogue.quote_month(family, child, activity, month, children).price.cents for child in children)
            for family, children in together.items()
        }
    )


async def _booked(session: AsyncSession, structure: str, activity: str, month: str) -> dict[str, tuple[Day, int]]:
    """Booking -> its day and its frozen price."""
    first = dt.date.fromisoformat(f"{month}-01")
    last = (first + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)
    of_day = (Hold.family, Hold.child, Hold.activity, Hold.date, Hold.arrival, Hold.departure)
    statement = (
        select(col(Hold.booking), col(Hold.amount_cents), *map(col, of_day))
        .where(col(Hold.structure) == structure, col(Hold.activity) == activity, col(Hold.date).between(first, last))
        .where(col(Hold.kind) == HoldKind.CONFIRMED, col(Hold.state) != HoldState.RELEASED)
    )
    rows = await (await session.connection()).execute(statement)
    return {row.booking: (Day(row.family, row.child, row.activity, row.date, row.arrival, row.departure), row.amount_cents) for row in rows}
