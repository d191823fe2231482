"""Days on which all of a town is closed: they reach every activity, also those that agents make, before and after."""

import datetime as dt
from dataclasses import replace
from typing import Any

from services.booking import commands
from services.booking.activity import DaysBefore, from_json, to_json
from services.booking.deadlines import booking_closes_at
from services.booking.invariants import violations
from services.booking.season import Closed, Holidays, why_closed
from services.booking.tables import DayOff
from tests.booking.screens import AGENT, Screens
from tests.booking.test_activity import APS_MATIN
from tests.booking.test_agents import AS_IT_IS, CANTINE, MONDAY, TUESDAY, WHOLE, books, carteville, does, is_sound

__all__ = ["carteville"]

#: Open each Monday and Tuesday, and booked until 9 o'clock, two working days before.
NEW = WHOLE | {"allocation": None, "hours": {"arrival": "16:30", "departure": "18:30"}, "closedOn": [], "capacity": 1, "waitingList": 5}
SETTINGS = '{ activities(structure: "carteville") { id settings { version closedOn daysOff { date because } } } }'


async def closes(town: Screens, *days: dt.date, because: str | None = "Pont", structure: str = "carteville") -> None:
    async with town.running.database.transaction() as session:
        await commands.put_days_off(session, town.running.clock, structure, dict.fromkeys(days, because))


async def creates(town: Screens) -> None:
    created = await does(town, "createActivity", structure="carteville", code="aps-soir", pricedLike="cantine", settings=NEW)
    assert created["__typename"] == "Activity", created
    await town.enrolls("zoe", "carteville.aps-soir", family="durand")


async def seen(town: Screens, day: dt.date = MONDAY, activity: str = "carteville.aps-soir") -> tuple[str, str | None]:
    query = f'calendar(month: "2026-09", activity: "{activity}") {{ days {{ state reason }} }}'
    shown = (await town.of_child("zoe", query, AGENT))["calendar"]["days"][day.day - 1]
    return shown["state"], shown["reason"]


async def settings(town: Screens) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {one["id"]: one["settings"] for one in (await town.asks(SETTINGS, AGENT))["activities"]}
    return found["carteville.aps-soir"]


def test_a_day_off_closes_an_activity_that_does_not_open_it_and_is_no_working_day() -> None:
    spec = replace(APS_MATIN, closed_on=frozenset(), open_on=frozenset(), days_off={MONDAY: "Pont", TUESDAY: None})
    assert [why_closed(spec, day, Holidays()) for day in (MONDAY, TUESDAY)] == [Closed.CLOSED_DAY, Closed.CLOSED_DAY]
    assert why_closed(replace(spec, open_on=frozenset({MONDAY})), MONDAY, Holidays()) is None
    assert spec.because(MONDAY) == "Pont"
    assert replace(spec, closed_because={MONDAY: "Travaux"}).because(MONDAY) == "Travaux", "its own reason goes before"
    # Two working days before Wednesday: neither Tuesday nor Monday is one, nor the weekend.
    spec = replace(spec, booking_deadline=DaysBefore(2, "09:00", working_days=True))
    assert booking_closes_at(spec, dt.date(2026, 9, 16), Holidays()) == dt.datetime(2026, 9, 10, 7, tzinfo=dt.UTC)
    assert from_json(to_json(spec)) == spec
    assert "days_off" not in to_json(APS_MATIN), "a document from before there were any stays as it is"


async def test_an_activity_that_an_agent_creates_is_closed_on_the_towns_days_off(carteville: Screens) -> None:
    await closes(carteville, MONDAY)
    await creates(carteville)
    assert await seen(carteville) == ("CLOSED", "Fermé : Pont")
    assert await seen(carteville, TUESDAY) == ("AVAILABLE", None)
    assert await settings(carteville) == {"version": 1, "closedOn": [], "daysOff": [{"date": "2026-09-14", "because": "Pont"}]}
    hours = {"child": "zoe", "date": "2026-09-14", "activity": "carteville.aps-soir"}
    asked = await does(carteville, "bookForFamily", family="durand", bookings=[hours], idempotencyKey="1", reason="Accord de la directrice")
    assert [movement["refusal"]["code"] for movement in asked["movements"]] == ["CLOSED"]


async def test_a_day_off_that_comes_later_reaches_what_agents_made_and_goes_from_it_again(carteville: Screens) -> None:
    await creates(carteville)
    await closes(carteville, MONDAY, TUESDAY)
    assert [await seen(carteville, day) for day in (MONDAY, TUESDAY)] == [("CLOSED", "Fermé : Pont")] * 2
    assert [(await seen(carteville, MONDAY, "cantine"))[1]] == ["Fermé : Pont"], "of every activity, whoever made it"
    changed = await settings(carteville)
    assert changed["version"] == 2
    await closes(carteville, MONDAY, TUESDAY)
    assert await settings(carteville) == changed, "the same again changes nothing"
    await closes(carteville, TUESDAY, because=None)
    assert [await seen(carteville, day) for day in (MONDAY, TUESDAY)] == [("AVAILABLE", None), ("CLOSED", "Fermeture exceptionnelle")]


async def test_an_activity_that_forgot_its_towns_days_off_is_told_to_operators(carteville: Screens) -> None:
    await closes(carteville, MONDAY)
    async with carteville.running.database.transaction() as session:
        assert await violations(session, carteville.running.clock.now()) == []
        await session.merge(DayOff(structure="carteville", date=TUESDAY))
        await session.flush()
        found = await violations(session, carteville.running.clock.now())
        assert found == [f"activity {one} keeps other days off than carteville has" for one in ("aps-matin", "cantine", "multi")]
        await commands.put_days_off(session, carteville.running.clock, "carteville", {MONDAY: "Pont", TUESDAY: None})
        assert await violations(session, carteville.running.clock.now()) == [], "until its file is loaded again"


async def test_a_day_off_is_its_towns_alone(carteville: Screens) -> None:
    await creates(carteville)
    await closes(carteville, MONDAY, structure="autreville")
    assert await seen(carteville) == ("AVAILABLE", None)


async def test_what_an_agent_changes_stays_closed_on_days_off_without_naming_them(carteville: Screens) -> None:
    await closes(carteville, MONDAY)
    unchanged = await does(carteville, "changeActivity", activity="cantine", version=2, settings=AS_IT_IS)
    assert unchanged["settings"]["version"] == 2, "what the town says is nothing that an agent would have to send back"
    changed = await does(carteville, "changeActivity", activity="cantine", version=2, settings=AS_IT_IS | {"capacity": 7})
    assert (changed["settings"]["version"], changed["settings"]["closedOn"]) == (3, ["2026-09-08", "2026-10-02"])
    assert await seen(carteville, activity="cantine") == ("CLOSED", "Fermé : Pont")


async def test_an_agent_opens_one_activity_on_a_day_off_and_closes_it_again(carteville: Screens) -> None:
    await closes(carteville, MONDAY)
    day = {"activity": "cantine", "date": "2026-09-14"}
    await does(carteville, "setOpening", **day, open=True)
    assert await seen(carteville, activity="cantine") == ("AVAILABLE", None)
    await does(carteville, "setOpening", **day, open=False)
    assert await seen(carteville, activity="cantine") == ("CLOSED", "Fermé : Pont")
    await closes(carteville)
    assert await seen(carteville, activity="cantine") == ("CLOSED", "Fermeture exceptionnelle"), "what the agent said holds by itself"
    await does(carteville, "setOpening", **day, open=True)
    assert await seen(carteville, activity="cantine") == ("AVAILABLE", None)
    await closes(carteville, MONDAY)
    assert await seen(carteville, activity="cantine") == ("CLOSED", "Fermé : Pont"), "to open what is open anyway says nothing of days off"


async def test_bookings_on_a_day_off_stay_and_nobody_is_given_more(carteville: Screens) -> None:
    await books(carteville, "amalia")
    await books(carteville, "zoe", family="durand", key="2")
    await closes(carteville, MONDAY)
    amalia = await carteville.of_child("amalia", 'day(date: "2026-09-14") { activity { id } state reason }')
    (its,) = (one for one in amalia["day"] if one["activity"]["id"] == "cantine")
    assert (its["state"], its["reason"]) == ("BOOKED", "Fermé : Pont")
    assert (await seen(carteville, activity="cantine"))[0] == "WAITING", "she keeps her rank as amalia keeps her place"
    async with carteville.running.database.transaction() as session:
        await commands.put_activity(session, carteville.running.clock, replace(CANTINE, capacity=5))
    assert (await seen(carteville, activity="cantine"))[0] == "WAITING", "a closed day gives no places"
    await closes(carteville)
    assert (await seen(carteville, activity="cantine"))[0] == "BOOKED", "open again, it does"
    await is_sound(carteville)
