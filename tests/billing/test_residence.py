"""Where a family lives makes its prices: it is said in one place, and heard here, in whatever order, and however often."""

import datetime as dt
from itertools import permutations

import pytest
from sqlmodel import col, select

from services.billing.rate import QuotientBand
from services.billing.tables import Residence
from services.billing.tariff import Per, Surcharge, TariffVersion
from tests.billing.conftest import MONDAY, NOW, SEPTEMBER, Booking, Town, closed, lives

DEAR = TariffVersion(SEPTEMBER, Per.PRESENCE, (QuotientBand(None, 3_79),), outside_town=Surcharge(cents=1_50))
MONTH = TariffVersion(SEPTEMBER, Per.FLAT_MONTH, (QuotientBand(None, 45_00),), outside_town=Surcharge(percent=20))
#: Elsewhere; in town from the 7th of December on; elsewhere again from the 9th.
TOLD = [
    lives("dupont", 1, NOW, resident=False),
    lives("dupont", 2, dt.datetime(2026, 12, 6, 23, 30, tzinfo=dt.UTC), resident=True),
    lives("dupont", 3, dt.datetime(2026, 12, 9, 8, tzinfo=dt.UTC), resident=False),
]


async def residences(town: Town) -> list[tuple[str, bool]]:
    async with town.running.database.reading() as session:
        rows = await session.exec(select(Residence).where(Residence.family == "dupont").order_by(col(Residence.starts_on)))
        return [(row.starts_on.isoformat(), row.resident) for row in rows]


async def price(town: Town, id: str, day: dt.date) -> int:
    await town.books(Booking(id, date=day))
    hold = await town.hold(id)
    assert hold is not None
    return int(hold["amount_cents"])


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_the_end_is_the_same_in_whatever_order_it_is_heard(town: Town, order: tuple[int, ...]) -> None:
    """Each a day of its own, by the town's clock: half past eleven in London is the next day in Paris."""
    for number in (*order, *reversed(order)):
        await town.hears(TOLD[number])
    await town.hears(*(one.model_copy(update={"event_id": f"again-{one.version}"}) for one in reversed(TOLD)))
    assert await residences(town) == [("1900-01-01", False), ("2026-12-07", True), ("2026-12-09", False)]


async def test_of_two_words_of_one_day_the_later_one_counts(town: Town) -> None:
    later = NOW + dt.timedelta(hours=1)
    await town.hears(TOLD[0], lives("dupont", 3, later, resident=False), lives("dupont", 2, later, resident=True))
    assert await residences(town) == [("1900-01-01", False), ("2026-11-23", False)]


async def test_what_was_known_before_anybody_told_it_keeps_its_days(town: Town) -> None:
    """A town that moved here, or that was loaded by an older version."""
    async with town.running.database.transaction() as session:
        session.add(Residence(family="dupont", starts_on=dt.date(1900, 1, 1), resident=False))
    await town.hears(lives("dupont", 1, resident=True))
    assert await residences(town) == [("1900-01-01", False), ("2026-11-23", True)]


async def test_a_family_moves_into_town(town: Town) -> None:
    """The surcharge is that of the booked day; a price that is frozen stays, and so does what the day is charged."""
    await town.prices("aps-matin", DEAR)
    await town.hears(TOLD[0])
    assert await price(town, "frozen", MONDAY) == 5_29
    await town.hears(TOLD[1])
    days = {"before": MONDAY - dt.timedelta(3), "since": MONDAY + dt.timedelta(1)}
    assert {name: await price(town, name, day) for name, day in days.items()} == {"before": 5_29, "since": 3_79}
    # Paolo came without a booking: by where they lived that day, not today.
    unexpected = Booking("unexpected", "paolo", date=days["before"])
    await town.hears(closed(Booking("before", date=days["before"]).attended(), unexpected.attended(booked=False), date=days["before"]))
    await town.hears(closed(Booking("frozen").attended()))
    charged = {cause: one["amount_cents"] for cause, one in (await town.charged()).items()}
    assert charged == {"attendance:before": 5_29, "attendance:unexpected": 5_29, "attendance:frozen": 5_29}
    await town.is_sound()


async def test_a_flat_month_is_that_of_its_first_day(town: Town) -> None:
    await town.prices("aps-matin", MONTH)
    january = Booking("january", date=dt.date(2027, 1, 4))
    await town.books(Booking("december"), january)
    await town.hears(*TOLD[:2])
    await town.hears(closed(Booking("december").attended()), closed(january.attended(), date=january.date))
    months = {one["date"].month: one["amount_cents"] for one in (await town.charged()).values() if one["attendance"] is None}
    assert months == {12: 54_00, 1: 45_00}
