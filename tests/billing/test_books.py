"""Whatever comes in whatever order, and however often: money, bookings, closed days. The books are sound at each moment, and right in the end."""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select

from services.billing.rate import QuotientBand
from services.billing.tables import Standing
from services.billing.tariff import Per, TariffVersion
from services.events import DaySettled, Event, FamilyChanged
from services.service import NotYetKnown
from tests.billing.conftest import MONDAY, SEPTEMBER, WHERE, Booking, Town, closed

PRESENCE = TariffVersion(SEPTEMBER, Per.PRESENCE, (QuotientBand(None, 190),))
FLAT = TariffVersion(SEPTEMBER, Per.FLAT_MONTH, (QuotientBand(None, 60_00),), (0, 20))
DAYS = (MONDAY, MONDAY + dt.timedelta(days=1))
ATTENDANCES = ("PRESENT", "ABSENT_JUSTIFIED", "ABSENT_UNJUSTIFIED")
numbers = count()


@dataclass(frozen=True)
class Money:
    """A cheque, or a debt from the old system where it is negative."""

    cause: str
    cents: int


@dataclass(frozen=True)
class Story:
    """All that happens to one family, whose elder child is named first; both activities are its own."""

    family: str
    children: tuple[str, str]
    aps: str
    flat: str
    happenings: Sequence[Event | Money]

    @property
    def newest(self) -> list[DaySettled]:
        found: dict[tuple[str, dt.date], DaySettled] = {}
        for one in self.happenings:
            if isinstance(one, DaySettled) and one.version >= found.get((one.activity, one.date), one).version:
                found[one.activity, one.date] = one
        return list(found.values())

    @property
    def due_cents(self) -> int:
        """Each presence and unjustified absence 1,90; each child's month 60,00, and 20 % less for the younger of two."""
        lines = [(day.activity, line) for day in self.newest for line in day.attendances]
        days = sum(190 for activity, line in lines if activity == self.aps and line.attendance != "ABSENT_JUSTIFIED")
        months = {line.child for activity, line in lines if activity == self.flat}
        return days + 60_00 * len(months) - (12_00 if len(months) == 2 else 0)

    @property
    def balance_cents(self) -> int:
        money = {one.cause: one.cents for one in self.happenings if isinstance(one, Money)}
        return sum(money.values()) - self.due_cents


@st.composite
def stories(draw: st.DrawFn) -> Story:
    name = f"s{next(numbers)}"
    children, aps, flat = (f"{name}-elder", f"{name}-younger"), f"{name}-aps", f"{name}-flat"
    happenings: list[Event | Money] = [Money(f"{name}-{n}", draw(st.integers(-50_00, 50_00))) for n in range(draw(st.integers(0, 3)))]
    for activity in (aps, flat):
        for date in DAYS:
            bookings = [Booking(f"{activity}-{child}-{date}", child, activity, date, family=name) for child in children]
            asked = [one for one in bookings if draw(st.booleans())]
            for one in asked:
                news = [one.requested(), one.waitlisted(2), one.accepted(3), one.cancelled(4)]
                happenings += news[: draw(st.integers(3, 4))]
            for version in range(1, draw(st.integers(0, 3)) + 1):
                named = [one.attended(draw(st.sampled_from(ATTENDANCES))) for one in asked if draw(st.booleans())]
                named += [
                    Booking(f"{one.id}-unexpected", one.child, activity, date, family=name).attended(booked=False)
                    for one in bookings
                    if one not in asked and draw(st.booleans())
                ]
                happenings.append(closed(*named, version=version, activity=activity, date=date))
    return Story(name, children, aps, flat, happenings)


async def begins(town: Town, story: Story) -> None:
    await town.prices(story.aps, PRESENCE)
    await town.prices(story.flat, FLAT)
    await town.hears(FamilyChanged(**WHERE, version=1, family=story.family, adults=[], children=list(story.children)))


async def happens(town: Town, story: Story, some: Sequence[Event | Money]) -> list[Event | Money]:
    """All events in one transaction; if that fails, each alone, as the listener has it. Returns what must come again later."""
    for one in some:
        if isinstance(one, Money) and one.cents > 0:
            await town.pays(story.family, "periscolaire", one.cents, one.cause)
        elif isinstance(one, Money):
            await town.owes(story.family, "periscolaire", -one.cents, one.cause)
    events = [one for one in some if isinstance(one, Event)]
    try:
        await town.hears(*events)
    except NotYetKnown:
        return list(events) if len(events) == 1 else [late for one in events for late in await happens(town, story, [one])]
    return []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(story=stories(), data=st.data())
async def test_the_books_are_sound_at_each_moment_and_right_in_the_end(town: Town, story: Story, data: st.DataObject) -> None:
    await begins(town, story)
    to_come = data.draw(st.permutations([*story.happenings, *data.draw(st.lists(st.sampled_from(story.happenings or [None])))]))
    to_come = [one for one in to_come if one is not None]
    while to_come:
        size = data.draw(st.integers(1, len(to_come)))
        some, to_come = to_come[:size], to_come[size:]
        late = await happens(town, story, some)
        await town.is_sound()
        assert to_come or len(late) < len(some), "what waits for something that was heard long ago"
        to_come += late
    assert sum((await town.cents(story.family)).values()) == story.balance_cents
    charged = Counter(one["activity"] for one in (await town.charged()).values() if one["family"] == story.family and one["attendance"])
    assert charged == Counter({day.activity: 0 for day in story.newest}) + Counter(
        day.activity for day in story.newest for _ in day.attendances
    )
    async with town.running.database.reading() as session:
        standing = (await session.exec(select(Standing.in_debit).where(Standing.family == story.family))).first()
    assert bool(standing) == (story.balance_cents < 0)


@pytest.mark.parametrize("cents", [60_00, 59_99])
async def test_s21_a_closed_day_brings_a_family_into_debt(town: Town, cents: int) -> None:
    """Nothing left is no debt; a cent less is one."""
    one = Booking("b", "x-elder", "x-flat", family="x")
    story = Story("x", ("x-elder", "x-younger"), "x-aps", "x-flat", [Money("cheque", cents), one.requested(), one.accepted()])
    await begins(town, story)
    await happens(town, story, story.happenings)
    await town.hears(closed(one.attended(), activity="x-flat"))
    async with town.running.database.reading() as session:
        standing = await session.get_one(Standing, "x")
    assert standing.in_debit == (cents < 60_00)
