"""A rehearsal: what a month would have cost each family under another tariff."""

import datetime as dt

from services.billing import commands
from services.billing.draft import Compared, compare
from services.billing.rate import Effort, QuotientBand
from services.billing.tariff import Per, Surcharge, TariffVersion
from tests.billing.conftest import MONDAY, SEPTEMBER, Booking, Town, lives, request

DECEMBER = "2026-12"
#: The guide's meal by an effort rate: 0,5108 % of 742 is 3,79.
EFFORT = TariffVersion(SEPTEMBER, Per.PRESENCE, (), (0, 20), effort=Effort("0.5108", 4_65, 1_95), outside_town=Surcharge(cents=1_00))


async def compared(town: Town, draft: TariffVersion, month: str = DECEMBER) -> dict[str, tuple[int, int, int]]:
    """Family -> days, cents now, cents under the draft, all at APS MATIN."""
    async with town.running.database.reading() as session:
        found = await compare(session, "carteville", {"aps-matin": draft}, month)
    assert {one.activity for one in found} <= {"aps-matin"}
    return {one.family: (one.days, one.now_cents, one.draft_cents) for one in found}


async def booked(town: Town, *bookings: Booking) -> None:
    await town.hears(request(*bookings), *(one.accepted() for one in bookings))


def days(name: str, count: int, child: str = "amalia", family: str = "dupont", first: dt.date = MONDAY) -> list[Booking]:
    return [Booking(f"{name}{n}", child, family=family, date=first + dt.timedelta(n)) for n in range(count)]


async def test_each_family_is_compared_by_what_its_accepted_bookings_were_frozen_at(town: Town) -> None:
    """S33: three mornings at 1,31, one of which Paolo has too; what waits, is given back, or is another month's does not count."""
    await booked(town, *days("a", 3), *days("p", 1, "paolo"))
    await booked(town, *days("z", 2, "zoe", "martin"))
    waits, gone, january = Booking("w", date=MONDAY + dt.timedelta(7)), Booking("g", date=MONDAY + dt.timedelta(8)), Booking("j")
    january = Booking("j", date=dt.date(2027, 1, 4))
    await town.hears(request(waits, gone, january), waits.waitlisted(), gone.accepted(), gone.cancelled(), january.accepted())
    await booked(town, Booking("m", activity="multi"))
    # A dearer tariff since then: what was frozen stays, and is compared.
    async with town.running.database.transaction() as session:
        dear = (TariffVersion(SEPTEMBER, Per.PRESENCE, (QuotientBand(None, 9_99),)),)
        await commands.put_tariff(session, town.running.clock, "aps-matin", "carteville", "periscolaire", dear)
    await town.hears(lives("martin", resident=False))
    # 3 x 3,79 and 3,79 less 20 %: the elder counts, although the tariff of today asks for no siblings; zoe lives elsewhere.
    assert await compared(town, EFFORT) == {"dupont": (4, 5_24, 14_40), "martin": (2, 2_62, 9_58)}
    assert await compared(town, EFFORT, "2027-01") == {"dupont": (1, 1_31, 3_79)}
    assert await compared(town, EFFORT, "2026-11") == {}
    await town.is_sound()


async def test_a_flat_month_is_compared_once_for_each_child_on_either_side(town: Town) -> None:
    """S33: 45,00, and 36,00 for the younger, whatever the days."""
    flat = TariffVersion(SEPTEMBER, Per.FLAT_MONTH, (QuotientBand(1000, 45_00), QuotientBand(None, 60_00)), (0, 20))
    await booked(town, *days("a", 3), *days("p", 1, "paolo"))
    assert await compared(town, flat) == {"dupont": (4, 5_24, 81_00)}
    async with town.running.database.transaction() as session:
        await commands.put_tariff(session, town.running.clock, "aps-matin", "carteville", "periscolaire", (flat,))
    await booked(town, *days("z", 2, "zoe", "martin"))
    presence = TariffVersion(SEPTEMBER, Per.PRESENCE, (QuotientBand(None, 2_00),))
    assert (await compared(town, presence))["martin"] == (2, 45_00, 4_00)


async def test_a_draft_for_another_town_sees_nothing_of_this_one(town: Town) -> None:
    await booked(town, *days("a", 1))
    async with town.running.database.reading() as session:
        assert await compare(session, "otherville", {"aps-matin": EFFORT}, DECEMBER) == []
    assert Compared("dupont", "aps-matin", 1, 1_31, 3_79).difference_cents == 2_48
