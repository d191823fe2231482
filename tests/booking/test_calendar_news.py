"""Whatever changes a calendar that is followed rings its bell: an event about one of the topics that it waits for (services/topics.py)."""

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from services import topics
from tests.booking.screens import AGENT, Screens
from tests.booking.test_activity import MULTI
from tests.booking.test_agents import AS_IT_IS, BOOKED, MONDAY, carteville, does

__all__ = ["carteville"]

WATCH = 'query ($activity: ID) { calendarChangedWatch(child: "amalia", month: "2026-09", activity: $activity) { topics } }'
SHOWN = """query ($activity: ID) { calendarChanged(child: "amalia", month: "2026-09", activity: $activity) {
  activity { name bookingRule } days { date state placesLeft reason booking { status rank } } } }"""
CRITERIA = 'mutation { setFamilyCriteria(family: "dupont", criteria: ["resident"]) { __typename } }'
CLUB = replace(MULTI, id="club", name="Club", weekdays=frozenset({0, 1, 2, 3, 4}), booking_deadline=None)
DAY = {"activity": "cantine", "date": MONDAY.isoformat()}

Act = Callable[[Screens], Awaitable[Any]]


async def rings(town: Screens, act: Act, activity: str | None = None) -> tuple[bool, bool]:
    """Whether the act changes what Amalia's family sees, and whether it is told."""
    asked: dict[str, Any] = {"variables": {"activity": activity}}
    before, waits_for = await town.asks(SHOWN, **asked), (await town.asks(WATCH, **asked))["calendarChangedWatch"]["topics"]
    seen = await _told(town)
    await act(town)
    told = {topic for subject, body in (await _told(town))[len(seen) :] for topic in topics.told(subject, body.encode())}
    return await town.asks(SHOWN, **asked) != before, not told.isdisjoint(waits_for)


async def _told(town: Screens) -> list[tuple[str, str]]:
    async with town.running.database.reading() as session:
        connection = await session.connection()
        return [(row.subject, row.body) for row in await connection.execute(text("SELECT subject, body FROM outgoing ORDER BY position"))]


async def admit(town: Screens) -> None:
    await does(town, "enrollChild", child="amalia", activity="club")


async def end(town: Screens) -> None:
    await does(town, "endEnrollment", child="amalia", activity="multi", lastDay="2026-09-10")


async def close(town: Screens) -> None:
    await does(town, "setOpening", **DAY, open=False)


async def open_(town: Screens) -> None:
    await does(town, "setOpening", activity="cantine", date="2026-09-19", open=True)


async def shrink(town: Screens) -> None:
    await does(town, "setOpening", **DAY, capacity=0, waitingList=0)


async def change(town: Screens) -> None:
    await does(town, "changeActivity", activity="cantine", version=1, settings=AS_IT_IS | {"weekdays": ["WEDNESDAY"]})


async def take_the_place(town: Screens) -> None:
    line = {"child": "zoe", "activity": "cantine", "date": MONDAY.isoformat()}
    await does(town, "bookForFamily", family="durand", bookings=[line], **BOOKED)


async def book(town: Screens) -> None:
    line = {"child": "amalia", "activity": "cantine", "date": MONDAY.isoformat()}
    await does(town, "bookForFamily", family="dupont", bookings=[line], **BOOKED)


async def take_over(town: Screens) -> None:
    await town.has_booked("amalia", "cantine", MONDAY)


@pytest.mark.parametrize("act", [admit, end, close, open_, shrink, change, take_the_place, book, take_over])
async def test_s24_s32_what_changes_a_month_is_told_to_those_who_look_at_it(carteville: Screens, act: Act) -> None:
    await carteville.opens(CLUB)
    shown = "club" if act is admit else "multi" if act is end else "cantine"
    assert await rings(carteville, act, shown) == (True, True)


async def test_s32_a_child_that_is_admitted_to_an_activity_sees_it_in_its_aggregated_month(carteville: Screens) -> None:
    await carteville.opens(CLUB)
    assert await rings(carteville, admit) == (True, True)
    assert await rings(carteville, admit) == (False, False)  # the same again is no news


async def test_s21_debts_and_criteria_change_no_calendar(carteville: Screens) -> None:
    async def owe(town: Screens) -> None:
        await town.owes("dupont")

    async def say(town: Screens) -> None:
        await town.asks(CRITERIA, AGENT)

    assert await rings(carteville, owe, "cantine") == (False, False)
    assert await rings(carteville, say, "cantine") == (False, False)


async def test_whoever_follows_a_child_that_goes_to_another_family_is_asked_again_whose_it_is(carteville: Screens) -> None:
    async def enrollments(child: str) -> int:
        return sum(topics.enrollments(child) in topics.told(subject, body.encode()) for subject, body in await _told(carteville))

    await carteville.enrolls("paolo", "multi", "cantine")
    before = {child: await enrollments(child) for child in ("amalia", "paolo")}
    await carteville.household("dupont", "amalia", "paolo")
    assert {child: await enrollments(child) for child in before} == before
    await carteville.household("durand", "zoe", "paolo")
    await carteville.household("dupont", "amalia")
    assert {child: await enrollments(child) for child in before} == before | {"paolo": before["paolo"] + 2}
    assert all('"family":"durand"' in body for _, body in (await _told(carteville))[-2:])


async def test_an_enrollment_says_each_time_how_often_it_changed(carteville: Screens) -> None:
    last = dt.date(2026, 12, 18)
    await carteville.enrolls("amalia", "multi", until=last)
    await carteville.enrolls("amalia", "multi", until=last)
    rows = [
        body for subject, body in await _told(carteville) if subject == "preau.carteville.booking.enrollment_changed" and "multi" in body
    ]
    assert [f'"version":{n}' in body for n, body in enumerate(rows, 1)] == [True, True]
    assert '"starts_on":null,"ends_on":"2026-12-18"' in rows[-1]
