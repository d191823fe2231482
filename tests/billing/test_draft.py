"""A rehearsal: what a month would have cost each family under another tariff."""

import datetime as dt

import pytest

from services.billing import commands
from services.billing.charged import Charged, LatePickup
from services.billing.draft import Compared, compare
from services.billing.rate import Effort, QuotientBand
from services.billing.tariff import Per, Surcharge, TariffVersion
from tests.billing.conftest import APS, MONDAY, SEPTEMBER, Booking, Town, closed, lives, request

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


# ------------------------------------------------------------------------------------------- as a treasurer would look at it
TUESDAY = MONDAY + dt.timedelta(1)
TWO_EUROS = (QuotientBand(None, 2_00),)


async def test_closed_days_are_compared_as_they_were_attended_and_open_ones_as_booked(town: Town) -> None:
    """Present, 1,31; excused, nothing; not closed yet, 1,31. In the draft, who is excused pays half."""
    one, two, three = days("a", 3)
    await booked(town, one, two, three)
    await town.hears(closed(one.attended()), closed(two.attended("ABSENT_JUSTIFIED"), date=two.date))
    draft = TariffVersion(SEPTEMBER, Per.PRESENCE, TWO_EUROS, charged=Charged(absent_justified_percent=50))
    assert await compared(town, draft) == {"dupont": (3, 2_62, 5_00)}
    async with town.running.database.reading() as session:
        (found,) = await compare(session, "carteville", {"aps-matin": draft}, DECEMBER)
    assert found.open_days == 1
    # What the treasurer is told that it cost is what the books say of it, once all is closed.
    await town.hears(closed(three.attended(departure="09:30"), date=three.date))
    assert await compared(town, draft) == {"dupont": (3, 2_62, 5_00)}
    assert await town.cents() == {"periscolaire": -2_62}


async def test_who_came_without_a_booking_or_left_late_is_compared_too(town: Town) -> None:
    """Amalia leaves 35 minutes late, Paolo comes without a booking: as the younger of two that are there, 2,00 less 20 %, and 20 % more."""
    amalia, paolo = Booking("a"), Booking("p", "paolo")
    await booked(town, amalia)
    await town.hears(closed(amalia.attended(departure="09:20"), paolo.attended(booked=False)))
    charged = Charged(unexpected_percent=120, late=LatePickup(5_00, 10))
    draft = TariffVersion(SEPTEMBER, Per.PRESENCE, TWO_EUROS, (0, 20), charged=charged)
    assert await compared(town, draft) == {"dupont": (2, 2_62, 2_00 + 5_00 + 1_92)}
    # By the hour: what was booked is paid for, however long it was; who had no booking pays for the time it stayed.
    hourly = TariffVersion(SEPTEMBER, Per.HOUR, (QuotientBand(None, 4_00),))
    await town.hears(closed(amalia.attended(departure="09:20"), paolo.attended(departure="08:30", booked=False), version=2))
    assert await compared(town, hourly) == {"dupont": (2, 2_62, 5_00 + 4_00)}


async def test_a_booking_that_the_closed_day_does_not_name_any_more_is_no_day(town: Town) -> None:
    amalia, paolo = Booking("a"), Booking("p", "paolo")
    await booked(town, amalia, paolo)
    await town.hears(closed(amalia.attended(), paolo.attended()))
    await town.hears(amalia.cancelled(), closed(paolo.attended(), version=2))
    assert await compared(town, TariffVersion(SEPTEMBER, Per.PRESENCE, TWO_EUROS)) == {"dupont": (1, 1_31, 2_00)}


FLAT = TariffVersion(SEPTEMBER, Per.FLAT_MONTH, (QuotientBand(1000, 45_00), QuotientBand(None, 60_00)), (0, 20))


@pytest.mark.parametrize("is_closed", [False, True])
async def test_a_month_that_was_booked_by_another_kind_of_tariff_costs_what_it_was_frozen_at(town: Town, is_closed: bool) -> None:
    """Dupont booked by the flat rate, Martin when it was presences already: neither pays twice."""
    draft = TariffVersion(SEPTEMBER, Per.PRESENCE, TWO_EUROS)
    flat, zoe = days("a", 2), days("z", 2, "zoe", "martin")
    await town.prices("aps-matin", FLAT)
    await booked(town, *flat)
    await town.prices("aps-matin", *APS)
    await booked(town, *zoe)
    await town.prices("aps-matin", FLAT)
    if is_closed:
        await town.hears(*(closed(a.attended(), z.attended(), date=a.date) for a, z in zip(flat, zoe, strict=True)))
        assert (await town.cents(), await town.cents("martin")) == ({"periscolaire": -45_00}, {"periscolaire": -2_62})
    assert await compared(town, draft) == {"dupont": (2, 45_00, 4_00), "martin": (2, 2_62, 4_00)}
    assert (await compared(town, FLAT))["martin"] == (2, 2_62, 45_00)


async def test_a_flat_month_of_which_days_are_still_open_is_what_it_will_be(town: Town) -> None:
    """Amalia's month is charged; Paolo's, with 20 % less, will be."""
    await town.prices("aps-matin", FLAT)
    amalia, paolo = Booking("a"), Booking("p", "paolo", date=TUESDAY)
    await booked(town, amalia, paolo)
    await town.hears(closed(amalia.attended()))
    dearer = TariffVersion(SEPTEMBER, Per.FLAT_MONTH, (QuotientBand(None, 50_00),), outside_town=Surcharge(cents=5_00))
    await town.hears(lives("dupont", resident=False))
    assert await compared(town, dearer) == {"dupont": (2, 45_00 + 36_00, 2 * 55_00)}
    await town.hears(closed(paolo.attended(), date=TUESDAY))
    assert await compared(town, dearer) == {"dupont": (2, 81_00, 110_00)}
    assert await town.cents() == {"periscolaire": -81_00}
    await town.is_sound()


async def test_the_quotient_in_force_on_each_day_prices_it_in_the_draft(town: Town) -> None:
    """An effort rate of 0,5 %: 3,71 for 742, at most 4,65, at least 1,50."""
    one, two = Booking("a", date=dt.date(2026, 11, 16)), Booking("b", date=dt.date(2026, 11, 30))
    async with town.running.database.transaction() as session:
        await commands.put_quotient(session, town.running.clock, "dupont", "carteville", 200)
        await commands.put_quotient(session, town.running.clock, "martin", "carteville", 2000)
    await booked(town, one, two)
    await booked(town, Booking("z", "zoe", family="martin", date=two.date))
    draft = TariffVersion(SEPTEMBER, Per.PRESENCE, effort=Effort("0.5", 4_65, 1_50))
    assert await compared(town, draft, "2026-11") == {"dupont": (2, 1_31 + 80, 3_71 + 1_50), "martin": (1, 1_90, 4_65)}
