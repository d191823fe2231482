"""S13, S14: the estimated cost counts a flat month once per child, activity and month; what settling then charges is what was estimated."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from services.billing.tariff import Surcharge
from services.events import FamilyChanged
from tests.billing.conftest import JEAN_PAUL, MONDAY, STRANGER, WHERE, Booking, Town, closed
from tests.billing.test_settling import FLAT

DUPONT = {"__typename": "Family", "id": "dupont"}
MARTIN = {"__typename": "Family", "id": "martin"}
JANUARY = dt.date(2027, 1, 4)


async def page(town: Town, arguments: str = "", family: Any = DUPONT) -> tuple[int, int, int]:
    """Balance, estimated cost, new balance."""
    fields = "balanceCents estimatedCostCents newBalanceCents"
    caller = JEAN_PAUL if family is DUPONT else STRANGER
    answer = await town.represents(f"balance{arguments} {{ {fields} lines {{ {fields} }} }}", family, caller=caller)
    told = answer.data[0]["balance"]
    assert told["estimatedCostCents"] == sum(line["estimatedCostCents"] for line in told["lines"])
    return told["balanceCents"], told["estimatedCostCents"], told["newBalanceCents"]


def flat(id: str, child: str = "amalia", date: dt.date = MONDAY, **how: Any) -> Booking:
    return Booking(id, child, "forfait", date, **how)


async def closes(town: Town, *bookings: Booking) -> None:
    for one in bookings:
        await town.hears(closed(one.attended(), activity=one.activity, date=one.date))


async def test_s14_a_flat_month_is_estimated_once_whatever_its_days_and_charged_so(town: Town) -> None:
    """45,00 for December, however many days; 45,00 for January; beside a day of 1,31."""
    await town.prices("forfait", FLAT)
    december = [flat(f"d{n}", date=MONDAY + dt.timedelta(days=n)) for n in range(3)]
    day = Booking("aps")
    await town.books(*december, day)
    assert await page(town) == (0, 46_31, -46_31)
    january = flat("j", date=JANUARY)
    await town.books(january)
    assert await page(town) == (0, 91_31, -91_31)
    await closes(town, december[0])
    assert await page(town) == (-45_00, 46_31, -91_31), "its other days cost nothing more"
    await closes(town, *december[1:], day, january)
    assert await page(town) == (-91_31, 0, -91_31)
    await town.is_sound()


async def test_s13_a_month_counts_from_its_first_day_up_to_the_date(town: Town) -> None:
    await town.prices("forfait", FLAT)
    await town.books(flat("d", date=MONDAY + dt.timedelta(days=2)), flat("j", date=JANUARY))
    found = [await page(town, f'(until: "{day}")') for day in ("2026-12-08", "2026-12-09", "2027-01-03", "2027-01-04")]
    assert [cost for _, cost, _ in found] == [0, 45_00, 45_00, 90_00]


async def test_s13_a_waiting_place_makes_a_month_pending_not_owed(town: Town) -> None:
    await town.prices("forfait", FLAT)
    waiting = flat("w")
    await town.hears(waiting.requested(), waiting.waitlisted())
    both = "(include: [CONFIRMED, PENDING])"
    assert [cost for _, cost, _ in (await page(town), await page(town, both))] == [0, 45_00]
    await town.books(flat("d", date=MONDAY + dt.timedelta(days=1)))
    assert [cost for _, cost, _ in (await page(town), await page(town, both))] == [45_00, 45_00], "one month all the same"


async def test_s14_siblings_pay_less_for_their_months_also_for_one_that_was_charged(town: Town) -> None:
    """Paolo alone 45,00; with his elder sister's month to come, 20 % less: 36,00 more to pay, not 45,00."""
    await town.prices("forfait", FLAT)
    paolo, amalia = flat("p", "paolo"), flat("a", "amalia", MONDAY + dt.timedelta(days=1))
    await town.books(paolo, amalia)
    assert await page(town) == (0, 81_00, -81_00)
    await closes(town, paolo)
    assert await page(town) == (-45_00, 36_00, -81_00)
    await closes(town, amalia)
    assert await page(town) == (-81_00, 0, -81_00)
    await town.is_sound()


async def test_s14_what_is_given_back_or_changed_later_is_estimated_no_more(town: Town) -> None:
    await town.prices("forfait", FLAT)
    one, other = flat("a"), flat("b", date=MONDAY + dt.timedelta(days=1))
    await town.books(one, other)
    await town.hears(one.cancelled())
    assert await page(town) == (0, 45_00, -45_00)
    await town.prices("forfait", *(FLAT,), wallet="multiaccueil")
    assert await page(town) == (0, 45_00, -45_00), "frozen when it was booked"
    await town.hears(other.cancelled())
    assert await page(town) == (0, 0, 0)


async def test_s14_a_child_of_two_families_costs_the_one_whose_day_is_the_first(town: Town) -> None:
    await town.prices("forfait", FLAT)
    await town.hears(FamilyChanged(**WHERE, version=2, family="martin", adults=["martin"], children=["amalia", "zoe"]))
    monday, tuesday = flat("m", family="martin"), flat("t", date=MONDAY + dt.timedelta(days=1))
    await town.books(tuesday)
    assert await page(town) == (0, 45_00, -45_00)
    await town.books(monday)
    assert (await page(town), await page(town, family=MARTIN)) == ((0, 0, 0), (0, 45_00, -45_00))
    await closes(town, monday, tuesday)
    assert (await page(town), await page(town, family=MARTIN)) == ((0, 0, 0), (-45_00, 0, -45_00))
    await town.is_sound()


async def test_s14_outside_the_town_a_month_costs_more_in_the_estimate_too(town: Town) -> None:
    await town.prices("forfait", replace(FLAT, outside_town=Surcharge(cents=5_00)))
    async with town.running.database.engine.begin() as connection:
        await connection.execute(text("INSERT INTO residence (family, starts_on, resident) VALUES ('dupont', '1900-01-01', false)"))
    one = flat("a")
    await town.books(one)
    assert await page(town) == (0, 50_00, -50_00)
    await closes(town, one)
    assert await page(town) == (-50_00, 0, -50_00)


# ---------------------------------------------------------------------------------------------------------------- recaps
async def recap(town: Town, *lines: tuple[str, Booking]) -> list[int]:
    """What each line costs, or gives back (S33)."""
    entities = [
        {"__typename": "PreviewLine", "change": change, "child": {"id": one.child}, "activity": {"id": one.activity},
         "date": one.date.isoformat(), "arrival": one.arrival, "departure": one.departure}
        for change, one in lines
    ]  # fmt: skip
    answer = await town.represents("priceCents explanation { label amountCents }", *entities)
    assert all(one["priceCents"] == sum(step["amountCents"] or 0 for step in one["explanation"]) for one in answer.data)
    return [one["priceCents"] for one in answer.data]


async def test_s33_a_recap_counts_a_flat_month_once_and_comes_to_what_the_estimate_moves_by(town: Town) -> None:
    """Also for siblings: Paolo's month is held, and becomes 9,00 cheaper by his elder sister's."""
    await town.prices("forfait", FLAT)
    paolo = [flat(f"p{n}", "paolo", MONDAY + dt.timedelta(days=n)) for n in range(2)]
    assert await recap(town, ("BOOK", paolo[1]), ("BOOK", paolo[0])) == [0, 45_00], "in the first day's line, wherever it stands"
    await town.books(*paolo)
    assert await page(town) == (0, 45_00, -45_00)
    more = flat("p9", "paolo", MONDAY + dt.timedelta(days=9))
    assert await recap(town, ("BOOK", more)) == [0], "his month is held"
    amalia = [flat(f"a{n}", date=MONDAY + dt.timedelta(days=n)) for n in range(2)]
    assert await recap(town, *(("BOOK", one) for one in amalia)) == [36_00, 0]
    await town.books(*amalia)
    assert await page(town) == (0, 81_00, -81_00)
    assert await recap(town, ("CANCEL", amalia[0])) == [0], "another day keeps her month"
    assert await recap(town, *(("CANCEL", one) for one in amalia)) == [36_00, 0]
    assert await recap(town, ("CANCEL", amalia[0]), ("CANCEL", amalia[1]), ("BOOK", flat("a", date=JANUARY))) == [36_00, 0, 45_00]
    assert await recap(town, *(("CANCEL", one) for one in (*amalia, *paolo))) == [45_00, 0, 36_00, 0]
    await closes(town, paolo[0], amalia[0])
    assert await recap(town, ("BOOK", more), ("CANCEL", amalia[1])) == [0, 0], "charged"


FAMILY_OF = {"amalia": ("dupont",), "paolo": ("dupont", "martin"), "zoe": ("martin",)}
BOOKED = st.sampled_from([(child, family) for child, families in FAMILY_OF.items() for family in families])
STORY = st.lists(st.tuples(BOOKED, st.integers(0, 40), st.sampled_from(["forfait", "aps-matin"])), min_size=1, max_size=10)


@pytest.fixture
async def shared(town: Town) -> Town:
    await town.prices("forfait", FLAT)
    await town.hears(FamilyChanged(**WHERE, version=2, family="martin", adults=["martin"], children=["paolo", "zoe"]))
    return town


@pytest.mark.one_database
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=STORY, today=st.integers(0, 41))
async def test_s14_the_new_balance_is_what_the_wallets_hold_once_all_days_are_closed(shared: Town, story: list[Any], today: int) -> None:
    """Whatever was booked by whom, and however many of the days are closed by now."""
    town, families = shared, (DUPONT, MARTIN)
    shift = dt.timedelta(days=366 * next_story())  # no two stories meet
    booked = {}
    for (child, family), after, activity in story:
        date = MONDAY + shift + dt.timedelta(days=after)
        one = Booking(f"{shift.days}{child}{family}{after}{activity}", child, activity, date, family=family)
        booked.setdefault((child, activity, date), one)  # booking lets no child in twice
    days: dict[tuple[dt.date, str], list[Booking]] = {}
    for one in booked.values():
        await town.books(one)
        days.setdefault((one.date, one.activity), []).append(one)
    estimated: list[int] = []
    for date, activity in sorted(days):
        if not estimated and date >= MONDAY + shift + dt.timedelta(days=today):
            estimated = [(await page(town, family=family))[2] for family in families]
        await town.hears(closed(*(one.attended() for one in days[date, activity]), activity=activity, date=date))
    pages = [await page(town, family=family) for family in families]
    assert [cost for _, cost, _ in pages] == [0, 0]
    assert not estimated or [balance for balance, _, _ in pages] == estimated
    await town.is_sound()


_stories = iter(range(1, 1000))


def next_story() -> int:
    return next(_stories)
