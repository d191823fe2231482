"""Agents at the town hall: activities, single days, enrollments, families' bookings and the audit trail, through the graph."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import product
from typing import Any

import orjson
import pytest

from services.booking import commands
from services.booking.activity import Immediate, Scheduled
from services.booking.invariants import violations
from services.clock import Clock
from services.events import StructureChanged
from tests.booking.screens import AGENT, DUPONT, NOW, OTHER_AGENT, Screens
from tests.booking.test_activity import APS_MATIN, MULTI
from tests.booking.test_schema_drafts import line
from tests.booking.test_schema_requests import submits
from tests.booking.town import at_work

CANTINE = replace(APS_MATIN, id="cantine", name="Restauration", capacity=1, waiting_list=2)
SETTINGS = """settings { version wallet { id } weekdays schoolHolidays closedOn openOn capacity waitingList capacityOn { date places }
  waitingListOn { date places } hours { arrival departure earliest latest stepMinutes minimumMinutes }
  bookingDeadline { daysBefore workingDays at hoursBefore weekday weeksBefore } cancellationDeadline { hoursBefore daysBefore at }
  allocation { scheduledAt policy points { criterion { id } points } } attendance { closeAfterDays unrecorded } }"""
ACTIVITY = f"... on Activity {{ id name category opensOn closesOn {SETTINGS} }}"
OPENING = "... on Opening { activity { id } date open reason capacity waitingList taken waiting revision }"
REQUEST = """... on Request { id byAgent reason decided movements { change booking { id status rank child { id } }
  refusal { code } } }"""
RESULTS = {
    "createActivity": ("CreateActivityInput", ACTIVITY),
    "changeActivity": ("ChangeActivityInput", ACTIVITY),
    "setOpening": ("SetOpeningInput", OPENING),
    "enrollChild": ("EnrollChildInput", "... on Enrollment { child { id } activity { id } from until }"),
    "endEnrollment": ("EndEnrollmentInput", "... on Enrollment { child { id } activity { id } from until }"),
    "bookForFamily": ("BookForFamilyInput", REQUEST),
    "cancelForFamily": ("CancelForFamilyInput", REQUEST),
    "moveBooking": ("MoveBookingInput", "... on Booking { id status date arrival activity { id } }"),
}
ACTS = """query ($structure: ID!, $first: Int, $after: String, $family: ID, $kind: String) {
  acts(structure: $structure, first: $first, after: $after, family: $family, kind: $kind) { endCursor hasNextPage
    nodes { id at account kind date reason family { id } child { id } activity { name } booking { id } details { name before after } } } }"""
#: A week in the season, months ahead.
MONDAY, TUESDAY = dt.date(2026, 9, 14), dt.date(2026, 9, 15)
WHOLE: dict[str, Any] = {
    "name": "APS SOIR",
    "category": "Périscolaire",
    "opensOn": "2026-09-01",
    "closesOn": "2027-07-06",
    "weekdays": ["MONDAY", "TUESDAY"],
    "schoolHolidays": "ANY",
    "closedOn": ["2026-10-02"],
    "openOn": ["2026-11-11"],
    "capacity": 30,
    "waitingList": None,
    "capacityOn": [{"date": "2026-12-14", "places": 12}],
    "waitingListOn": [{"date": "2026-12-14", "places": 0}],
    "hours": {"earliest": "16:30", "latest": "18:30", "stepMinutes": 30, "minimumMinutes": 30},
    "bookingDeadline": {"daysBefore": 2, "at": "09:00", "workingDays": True},
    "cancellationDeadline": {"hoursBefore": 48},
    "allocation": {"scheduledAt": "02:00", "policy": "POINTS", "points": [{"criterion": "resident", "points": 40}]},
    "attendance": {"closeAfterDays": 3, "unrecorded": "ABSENT"},
}
#: The canteen as it is, as an agent sends it back.
AS_IT_IS: dict[str, Any] = {
    "name": "Restauration",
    "category": "Périscolaire",
    "opensOn": "2026-09-01",
    "closesOn": "2027-07-06",
    "weekdays": ["MONDAY", "TUESDAY", "THURSDAY", "FRIDAY"],
    "schoolHolidays": "CLOSED",
    "closedOn": ["2026-10-02", "2026-09-08"],
    "openOn": ["2026-11-11"],
    "capacity": 1,
    "waitingList": 2,
    "hours": {"arrival": "07:30", "departure": "08:45"},
    "bookingDeadline": {"daysBefore": 2, "at": "09:00", "workingDays": True},
    "cancellationDeadline": {"daysBefore": 1, "at": "09:00"},
}
BOOKED = {"idempotencyKey": "1", "reason": "Accord de la directrice"}


@pytest.fixture
async def carteville(running: Any) -> AsyncIterator[Screens]:
    """With the desk and the allocator at work, and no broker."""
    town = Screens(await running("booking", clock=Clock(frozen_at=NOW), start=False))
    heard = StructureChanged(
        occurred_at=NOW, structure="carteville", version=1, title="CarteVille", timezone="Europe/Paris", school_zone="B"
    )
    async with town.running.database.transaction() as session:
        await commands.hear_structure(session, heard)
    await town.opens(APS_MATIN, CANTINE, MULTI, replace(APS_MATIN, id="ailleurs", structure="autreville"))
    await town.household("dupont", "amalia", "paolo")
    await town.household("durand", "zoe")
    await town.household("ailleurs", "bob", structure="autreville")
    await town.enrolls("amalia", "aps-matin", "cantine", "multi")
    await town.enrolls("paolo", "cantine")
    await town.enrolls("zoe", "cantine", family="durand")
    async with at_work(town):
        yield town


def mutation(name: str) -> str:
    kind, fields = RESULTS[name]
    return f"mutation ($input: {kind}!) {{ {name}(input: $input) {{ __typename {fields} ... on Refusal {{ code message }} }} }}"


async def does(town: Screens, name: str, caller: Any = AGENT, **given: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await town.asks(mutation(name), caller, variables={"input": given}))[name]
    return found


async def acts(town: Screens, caller: Any = AGENT, **wanted: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await town.asks(ACTS, caller, variables={"structure": "carteville", **wanted}))["acts"]
    return found


async def is_sound(town: Screens) -> None:
    async with town.running.database.reading() as session:
        assert await violations(session, NOW) == []


def answers(request: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(one["change"], one["booking"]["status"], one["refusal"] and one["refusal"]["code"]) for one in request["movements"]]


async def books(town: Screens, child: str, day: dt.date = MONDAY, *, family: str = "dupont", key: str = "1", **more: Any) -> Any:
    wanted = [{"child": child, "activity": "cantine", "date": day.isoformat()}]
    return await does(town, "bookForFamily", family=family, bookings=wanted, **BOOKED | {"idempotencyKey": key} | more)


# ------------------------------------------------------------------------------------------------------------- activities
async def test_an_agent_creates_an_activity_with_all_that_a_town_file_can_say(carteville: Screens) -> None:
    made = await does(carteville, "createActivity", structure="carteville", code="aps-soir", pricedLike="multi", settings=WHOLE)
    settings = made.pop("settings")
    assert made == {
        "__typename": "Activity",
        "id": "carteville.aps-soir",
        "name": "APS SOIR",
        "category": "Périscolaire",
        "opensOn": "2026-09-01",
        "closesOn": "2027-07-06",
    }
    assert settings == {
        "version": 1,
        "wallet": {"id": "multiaccueil"},
        **{key: WHOLE[key] for key in ("weekdays", "schoolHolidays", "closedOn", "openOn", "capacity", "waitingList")},
        **{key: WHOLE[key] for key in ("capacityOn", "waitingListOn", "attendance")},
        "allocation": WHOLE["allocation"] | {"points": [{"criterion": {"id": "resident"}, "points": 40}]},
        "hours": {"arrival": None, "departure": None, **WHOLE["hours"]},
        "bookingDeadline": {"hoursBefore": None, "weekday": None, "weeksBefore": None, **WHOLE["bookingDeadline"]},
        "cancellationDeadline": {"hoursBefore": 48, "daysBefore": None, "at": None},
    }
    again = await does(carteville, "createActivity", structure="carteville", code="aps-soir", pricedLike="multi", settings=WHOLE)
    assert again["code"] == "ACTIVITY_EXISTS"
    (act,) = (await acts(carteville))["nodes"]
    assert (act["kind"], act["account"], act["activity"]) == ("CREATE_ACTIVITY", "agent", {"name": "APS SOIR"})


async def test_activities_are_listed_by_name_and_settings_are_for_agents(carteville: Screens) -> None:
    query = 'query { activities(structure: "carteville") { name settings { version } } }'
    found = (await carteville.asks(query, AGENT))["activities"]
    assert found == [{"name": name, "settings": {"version": 1}} for name in ("APS MATIN", "Multi-accueil", "Restauration")]
    assert await carteville.is_refused(query, DUPONT) == "FORBIDDEN"
    assert await carteville.of_child("amalia", "activities { name settings { version } }") == {
        "activities": [{"name": name, "settings": None} for name in ("APS MATIN", "Multi-accueil", "Restauration")]
    }


BY_POINTS: dict[str, Any] = WHOLE["allocation"]
CANNOT_BE: list[tuple[dict[str, Any], str]] = [
    ({"name": " "}, "name : une ligne de 1 à 200 caractères est attendue, et non «  »."),
    ({"category": "Péri\nscolaire"}, "category : une ligne"),
    ({"closesOn": "2026-08-31"}, "closesOn : la saison se termine (31/08/2026) avant de commencer (01/09/2026)."),
    ({"closesOn": "9999-12-31"}, "opensOn, closesOn : une saison de trois ans au plus"),
    ({"opensOn": "0001-01-01", "closesOn": "0001-02-01"}, "du 01/01/1 au 01/02/1"),
    ({"weekdays": [], "openOn": []}, "weekdays, openOn : l’activité n’ouvre aucun jour"),
    ({"hours": {"arrival": "09:00", "departure": "08:00"}}, "hours : un départ après l’arrivée (09:00) est attendu, et non 08:00."),
    ({"hours": {"arrival": "09:00"}}, "hours : arrival et departure sont attendus"),
    ({"hours": {"arrival": "09:00", "departure": "10:00", "earliest": "09:00", "latest": "10:00"}}, "hours : arrival et departure"),
    ({"hours": {"earliest": "09:00", "latest": "10:00", "stepMinutes": 0}}, "hours.stepMinutes : un pas de 1 à 240 minutes"),
    ({"hours": {"earliest": "09:00", "latest": "10:00", "minimumMinutes": 61}}, "hours.minimumMinutes : une durée minimale de 1 à 60"),
    ({"capacity": -1}, "capacity : un nombre de places de 0 à 100 000 est attendu, et non -1."),
    ({"waitingList": 100_001}, "waitingList : un nombre de places"),
    ({"capacityOn": [{"date": "2026-12-14", "places": -1}]}, "capacityOn : un nombre de places"),
    ({"waitingListOn": [{"date": "2026-12-14", "places": -1}]}, "waitingListOn : un nombre de places"),
    *[
        ({"capacityOn": [{"date": day, "places": 1}]}, f"capacityOn : le {said} est hors de la saison, qui va du 01/09/2026 au 06/07/2027.")
        for day, said in (("2027-07-07", "07/07/2027"), ("2026-08-31", "31/08/2026"), ("0001-01-01", "01/01/1"))
    ],
    ({"waitingListOn": [{"date": "9999-12-31", "places": 1}]}, "waitingListOn : le 31/12/9999 est hors de la saison"),
    ({"bookingDeadline": {"daysBefore": 2}}, "bookingDeadline : un seul des délais"),
    ({"bookingDeadline": {"daysBefore": 2, "hoursBefore": 2, "at": "09:00"}}, "bookingDeadline : un seul des délais"),
    ({"bookingDeadline": {"daysBefore": -1, "at": "09:00"}}, "bookingDeadline : de 0 à 366 jours"),
    ({"cancellationDeadline": {"hoursBefore": 2**31 - 1}}, "cancellationDeadline : de 0 à 366 jours"),
    ({"closedOn": [(dt.date(2020, 1, 1) + dt.timedelta(days=n)).isoformat() for n in range(1501)]}, "closedOn : 1500 jours au plus"),
    ({"capacity": None, "capacityOn": []}, "allocation : sans nombre de places"),
    ({"allocation": BY_POINTS | {"policy": "LOTTERY"}}, "allocation.points : un critère ne compte que si policy est POINTS."),
    *[
        ({"allocation": BY_POINTS | {"points": [{"criterion": "resident", "points": count}]}}, f"et non : resident {count}.")
        for count in (0, -1, 10_001)
    ],
    ({"allocation": BY_POINTS | {"points": 2 * BY_POINTS["points"]}}, "allocation.points : chaque critère est attendu une fois"),
    *[({"attendance": {"closeAfterDays": days}}, f"de 0 à 366 est attendu, et non {days}.") for days in (-1, 367, 2**31 - 1)],
]


async def test_an_activity_that_cannot_be_is_refused_with_what_is_wrong(carteville: Screens) -> None:
    for change, word in CANNOT_BE:
        made = await does(carteville, "createActivity", structure="carteville", code="soir", pricedLike="multi", settings=WHOLE | change)
        assert (made["code"], word in made["message"]) == ("INVALID_ACTIVITY", True), (change, made)
    for code in ("", "é", "a" * 41, "a/b"):
        made = await does(carteville, "createActivity", structure="carteville", code=code, pricedLike="multi", settings=WHOLE)
        assert (made["code"], made["message"][:7]) == ("INVALID_ACTIVITY", "code : "), code
    like = await does(carteville, "createActivity", structure="carteville", code="soir", pricedLike="nothing", settings=WHOLE)
    assert (like["code"], like["message"]) == ("UNKNOWN_ACTIVITY", "pricedLike : la structure n’a pas d’activité « nothing ».")
    assert (await acts(carteville))["nodes"] == []


async def test_a_changed_activity_is_another_version_and_tells_what_changed(carteville: Screens) -> None:
    settings = AS_IT_IS | {"name": "Cantine", "capacity": 2}
    changed = await does(carteville, "changeActivity", activity="cantine", version=1, settings=settings, reason="Plus de tables")
    assert (changed["name"], changed["settings"]["version"], changed["settings"]["capacity"]) == ("Cantine", 2, 2)
    (act,) = (await acts(carteville))["nodes"]
    assert (act["kind"], act["reason"]) == ("CHANGE_ACTIVITY", "Plus de tables")
    assert {one["name"]: (one["before"], one["after"]) for one in act["details"]} == {
        "name": ("Restauration", "Cantine"),
        "capacity": ("1", "2"),
    }
    same = await does(carteville, "changeActivity", activity="cantine", version=2, settings=settings)
    assert same["settings"]["version"] == 2
    settings |= {"attendance": {"closeAfterDays": 2}}
    later = await does(carteville, "changeActivity", activity="cantine", version=2, settings=settings)
    assert later["settings"]["attendance"] == {"closeAfterDays": 2, "unrecorded": "PRESENT"}
    (act, _) = (await acts(carteville))["nodes"]
    assert [one["name"] for one in act["details"]] == ["attendance"]
    assert len((await acts(carteville))["nodes"]) == 2, "nothing was done between the two"


async def test_points_and_rules_of_attendance_that_are_not_sent_stay_as_they_are(carteville: Screens) -> None:
    made = await does(carteville, "createActivity", structure="carteville", code="soir", pricedLike="multi", settings=WHOLE)
    about = {"activity": made["id"], "settings": WHOLE | {"capacity": 31, "attendance": None}}
    about["settings"]["allocation"] = {"scheduledAt": "03:00", "policy": "POINTS"}
    kept = (await does(carteville, "changeActivity", version=1, **about))["settings"]
    assert (kept["capacity"], kept["attendance"]) == (31, WHOLE["attendance"])
    assert kept["allocation"] == {**about["settings"]["allocation"], "points": [{"criterion": {"id": "resident"}, "points": 40}]}
    about["settings"] |= {"allocation": BY_POINTS | {"points": []}, "attendance": {"unrecorded": "PRESENT"}}
    emptied = (await does(carteville, "changeActivity", version=2, **about))["settings"]
    assert (emptied["allocation"]["points"], emptied["attendance"]) == ([], {"closeAfterDays": 0, "unrecorded": "PRESENT"})


async def test_a_criterion_that_counts_is_one_of_the_towns(carteville: Screens) -> None:
    allocation = BY_POINTS | {"points": [{"criterion": "blue_eyes", "points": 1}]}
    settings = WHOLE | {"allocation": allocation}
    made = await does(carteville, "createActivity", structure="carteville", code="soir", pricedLike="multi", settings=settings)
    changed = await does(carteville, "changeActivity", activity="cantine", version=1, settings=AS_IT_IS | {"allocation": allocation})
    assert [made["code"], changed["code"]] == ["UNKNOWN_CRITERION", "UNKNOWN_CRITERION"]


async def test_a_reason_that_is_none_is_refused_where_none_is_needed(carteville: Screens) -> None:
    made = await does(carteville, "createActivity", structure="carteville", code="soir", pricedLike="multi", settings=WHOLE, reason="x")
    changed = await does(carteville, "changeActivity", activity="cantine", version=1, settings=AS_IT_IS | {"capacity": 2}, reason="x")
    assert [made["code"], changed["code"]] == ["REASON_REQUIRED", "REASON_REQUIRED"]


async def test_of_two_agents_who_change_the_same_at_once_the_second_is_refused(carteville: Screens) -> None:
    both = [
        does(carteville, "changeActivity", activity="cantine", version=1, settings=AS_IT_IS | {"capacity": places}) for places in (5, 6)
    ]
    results = await asyncio.gather(*both)
    assert sorted(result.get("code", "changed") for result in results) == ["CHANGED_MEANWHILE", "changed"]
    winner = next(result for result in results if "code" not in result)
    now = (await carteville.asks('{ activities(structure: "carteville") { id settings { version capacity } } }', AGENT))["activities"]
    assert {"id": "cantine", "settings": {"version": 2, "capacity": winner["settings"]["capacity"]}} in now
    assert len((await acts(carteville))["nodes"]) == 1


async def test_a_shorter_season_leaves_nobody_silently_without_a_place(carteville: Screens) -> None:
    await books(carteville, "amalia")
    await books(carteville, "zoe", family="durand")
    shorter = AS_IT_IS | {"closesOn": "2026-09-13"}
    refused = await does(carteville, "changeActivity", activity="cantine", version=1, settings=shorter)
    assert (refused["code"], "2, la première le 14/09/2026" in refused["message"]) == ("BOOKINGS_OUTSIDE", True)
    unsaid = await does(carteville, "changeActivity", activity="cantine", version=1, settings=shorter, cancelBookings=True)
    assert unsaid["code"] == "REASON_REQUIRED"
    done = await does(
        carteville, "changeActivity", activity="cantine", version=1, settings=shorter, cancelBookings=True, reason="Travaux d'été"
    )
    assert done["closesOn"] == "2026-09-13"
    query = "requests { nodes { byAgent reason movements { change booking { status } } } }"
    for family in ("dupont", "durand"):
        newest = (await carteville.of_family(family, query, AGENT))["requests"]["nodes"][0]
        assert newest == {
            "byAgent": True,
            "reason": "Travaux d'été",
            "movements": [{"change": "CANCEL", "booking": {"status": "CANCELLED"}}],
        }
    await is_sound(carteville)


async def test_a_wallet_is_one_that_the_towns_activities_draw_on(carteville: Screens) -> None:
    settings = AS_IT_IS | {"wallet": "multiaccueil"}
    changed = await does(carteville, "changeActivity", activity="cantine", version=1, settings=settings)
    assert changed["settings"]["wallet"] == {"id": "multiaccueil"}
    unknown = await does(carteville, "changeActivity", activity="cantine", version=2, settings=AS_IT_IS | {"wallet": "autre"})
    assert unknown["code"] == "UNKNOWN_WALLET"
    like = await does(carteville, "createActivity", structure="carteville", code="x", pricedLike="ailleurs", settings=WHOLE)
    assert like["code"] == "UNKNOWN_ACTIVITY"


# ------------------------------------------------------------------------------------------------------------ single days
async def test_a_day_is_given_places_and_its_usual_ones_again(carteville: Screens) -> None:
    for child, family in (("amalia", "dupont"), ("paolo", "dupont"), ("zoe", "durand")):
        await books(carteville, child, family=family, key=child)
    day = {"activity": "cantine", "date": "2026-09-14"}
    more = await does(carteville, "setOpening", **day, capacity=2)
    assert more == {
        "__typename": "Opening",
        "activity": {"id": "cantine"},
        "date": "2026-09-14",
        "open": True,
        "reason": None,
        "capacity": 2,
        "waitingList": 2,
        "taken": 2,
        "waiting": 1,
        "revision": more["revision"],
    }
    unlimited = await does(carteville, "setOpening", **day, capacity=None, waitingList=0)
    assert (unlimited["capacity"], unlimited["waitingList"], unlimited["taken"], unlimited["waiting"]) == (None, 0, 3, 0)
    usual = await does(carteville, "setOpening", **day, usualPlaces=True)
    assert (usual["capacity"], usual["waitingList"], usual["taken"]) == (1, 2, 3)
    assert unlimited["revision"] < usual["revision"]
    await is_sound(carteville)


async def test_a_day_closes_and_opens_and_the_calendar_shows_it(carteville: Screens) -> None:
    query = 'calendar(month: "2026-09", activity: "cantine") { days { date state reason placesLeft revision } }'

    async def shown(day: int) -> dict[str, Any]:
        found: dict[str, Any] = (await carteville.of_child("amalia", query))["calendar"]["days"][day - 1]
        return found

    assert (await shown(14))["revision"] == 0
    closed = await does(carteville, "setOpening", activity="cantine", date="2026-09-14", open=False)
    assert (closed["open"], closed["reason"]) == (False, "Fermeture exceptionnelle")
    assert await shown(14) == {
        "date": "2026-09-14",
        "state": "CLOSED",
        "reason": "Fermeture exceptionnelle",
        "placesLeft": None,
        "revision": 1,
    }
    await does(carteville, "setOpening", activity="cantine", date="2026-09-14", open=True, capacity=9)
    assert (await shown(14))["placesLeft"] == 9
    await does(carteville, "setOpening", activity="cantine", date="2026-09-16", open=True)
    again = await does(carteville, "setOpening", activity="cantine", date="2026-09-16", open=True)
    assert again["open"], "and leaves no second act"
    assert (await shown(16))["state"] == "AVAILABLE", "a Wednesday"
    kinds = [(act["kind"], act["date"]) for act in (await acts(carteville))["nodes"]]
    assert kinds == [("SET_OPENING", "2026-09-16"), ("SET_OPENING", "2026-09-14"), ("SET_OPENING", "2026-09-14")]
    days = 'openings(activity: "cantine", from: "2026-09-14", to: "2026-09-16") { date open capacity }'
    assert (await carteville.asks(f"{{ {days} }}", AGENT))["openings"] == [
        {"date": "2026-09-14", "open": True, "capacity": 9},
        {"date": "2026-09-15", "open": True, "capacity": 1},
        {"date": "2026-09-16", "open": True, "capacity": 1},
    ]


async def test_families_read_where_they_look_why_the_town_closed_a_day(carteville: Screens) -> None:
    await books(carteville, "amalia")
    day = {"activity": "cantine", "date": "2026-09-14", "open": False}
    query = """calendar(month: "2026-09", activity: "cantine") { days { date state reason } }
      day(date: "2026-09-14") { activity { id } state reason }"""

    async def seen(**more: Any) -> list[tuple[str, str | None]]:
        found = await carteville.of_child("amalia", query, **more)
        (its,) = (one for one in found["day"] if one["activity"]["id"] == "cantine")
        shown = found["calendar"]["days"][13]
        assert (shown["state"], shown["reason"]) == (its["state"], its["reason"])
        zoe = await carteville.of_child("zoe", query, AGENT, **more)
        return [(shown["state"], shown["reason"]), (zoe["calendar"]["days"][13]["state"], zoe["calendar"]["days"][13]["reason"])]

    closed = await does(carteville, "setOpening", **day, reason="grève du personnel")
    assert closed["reason"] == "Fermé : grève du personnel"
    assert await seen() == [(state, "Fermé : grève du personnel") for state in ("BOOKED", "CLOSED")], "also where a booking stands"
    assert (await seen(language="en"))[1] == ("CLOSED", "Closed: grève du personnel")
    aggregated = (await carteville.of_child("zoe", 'calendar(month: "2026-09") { days { reason } }', AGENT))["calendar"]
    assert aggregated["days"][13]["reason"] == "Fermé : grève du personnel"
    await does(carteville, "setOpening", **day)
    assert (await seen())[1][1] == "Fermé : grève du personnel", "closing it again takes nothing back"
    await does(carteville, "changeActivity", activity="cantine", version=2, settings=AS_IT_IS | {"closedOn": ["2026-09-14"], "capacity": 3})
    assert (await seen())[1][1] == "Fermé : grève du personnel"
    await does(carteville, "setOpening", **day, reason="Travaux")
    assert (await seen())[1][1] == "Fermé : Travaux"
    await does(carteville, "setOpening", **day | {"open": True})
    assert await seen() == [("BOOKED", None), ("AVAILABLE", None)]
    await does(carteville, "setOpening", **day)
    assert (await seen())[1][1] == "Fermeture exceptionnelle"
    newest = (await acts(carteville, kind="SET_OPENING"))["nodes"]
    assert [{one["name"] for one in act["details"]} for act in newest[:3]] == [{"open"}, {"open", "because"}, {"because"}], "what changed"


async def test_whoever_closes_a_day_is_told_how_many_bookings_stand(carteville: Screens) -> None:
    await carteville.enrolls("zoe", "multi", family="durand")
    for child, family in (("amalia", "dupont"), ("zoe", "durand")):
        await books(carteville, child, family=family, key=child)
        hours = {"activity": "multi", "arrival": "08:00", "departure": "17:00"}
        wanted = [{"child": child, "date": "2026-09-14", **hours}]
        asked = await does(carteville, "bookForFamily", family=family, bookings=wanted, **BOOKED | {"idempotencyKey": f"m{child}"})
        assert answers(asked) == [("BOOK", "SUBMITTED", None)]
    asks = "mutation($input: SetOpeningInput!) { setOpening(input: $input) { ... on Opening { taken waiting standing notice } } }"

    async def told(**given: Any) -> dict[str, Any]:
        found: dict[str, Any] = (await carteville.asks(asks, AGENT, variables={"input": {"date": "2026-09-14", **given}}))["setOpening"]
        return found

    assert await told(activity="cantine", capacity=1) == {"taken": 1, "waiting": 1, "standing": 2, "notice": None}
    notice = "Ce jour est fermé, mais 2 réservations y restent : elles tiennent jusqu’à ce que vous les annuliez, avec un motif."
    assert await told(activity="cantine", open=False) == {"taken": 1, "waiting": 1, "standing": 2, "notice": notice}
    assert await told(activity="multi", open=False) == {"taken": 0, "waiting": 0, "standing": 2, "notice": notice}, "not answered yet"
    gone = await told(activity="cantine", open=False, cancelBookings=True, reason="Grève")
    assert gone == {"taken": 0, "waiting": 0, "standing": 0, "notice": None}
    days = '{ openings(activity: "multi", from: "2026-09-14", to: "2026-09-15") { standing notice } }'
    assert (await carteville.asks(days, AGENT))["openings"] == [{"standing": 2, "notice": notice}, {"standing": 0, "notice": None}]


async def test_an_agent_who_says_nothing_of_school_holidays_means_what_a_towns_file_does_then(carteville: Screens) -> None:
    """Open in them, too: `any`."""
    settings = {name: value for name, value in WHOLE.items() if name != "schoolHolidays"}
    made = await does(carteville, "createActivity", structure="carteville", code="foot", pricedLike="multi", settings=settings)
    assert made["settings"]["schoolHolidays"] == "ANY"


async def test_bookings_of_a_day_that_closes_stay_until_an_agent_cancels_them(carteville: Screens) -> None:
    for child, family in (("amalia", "dupont"), ("paolo", "dupont"), ("zoe", "durand")):
        await books(carteville, child, family=family, key=child)
    day = {"activity": "cantine", "date": "2026-09-14", "open": False}
    assert (await does(carteville, "setOpening", **day))["taken"] == 1
    assert (await does(carteville, "setOpening", **day, cancelBookings=True, reason="x"))["code"] == "REASON_REQUIRED"
    emptied = await does(carteville, "setOpening", **day, cancelBookings=True, reason="Chauffage en panne")
    assert (emptied["open"], emptied["taken"], emptied["waiting"]) == (False, 0, 0)
    async with carteville.running.database.reading() as session:
        connection = await session.connection()
        told = (await connection.exec_driver_sql("SELECT type, body FROM outgoing ORDER BY position")).all()
    cancelled = [body for type_, body in told if type_ == "fr.preau.booking.cancelled.v1"]
    assert len(cancelled) == 3
    assert all('"by":"agent"' in body for body in cancelled)
    assert not [body for type_, body in told if type_ == "fr.preau.booking.place_given.v1"], "nobody is promoted to be cancelled"
    explained = [orjson.loads(body) for type_, body in told if type_ == "fr.preau.booking.request_explained.v1"][-2:]
    assert [(body["reason"], body["cause"], body["overrode"]) for body in explained] == [("Chauffage en panne", "DAY_CLOSED", [])] * 2
    assert {line["was"] for body in explained for line in body["movements"]} == {"ACCEPTED", "WAITLISTED"}
    (act, *_) = (await acts(carteville, kind="SET_OPENING"))["nodes"]
    assert {"name": "cancelled", "before": None, "after": "3"} in act["details"]
    await is_sound(carteville)


async def test_a_day_closes_also_where_the_towns_file_says_what_agents_may_not(carteville: Screens) -> None:
    await carteville.opens(replace(APS_MATIN, id="sans-limite", capacity=None, allocation=Scheduled("02:00", "lottery")))
    closed = await does(carteville, "setOpening", activity="sans-limite", date=MONDAY.isoformat(), open=False)
    assert closed["open"] is False
    wrong = await does(carteville, "setOpening", activity="sans-limite", date=MONDAY.isoformat(), capacity=-1)
    assert wrong["code"] == "INVALID_ACTIVITY"


async def test_a_day_that_cannot_be_set_is_refused(carteville: Screens) -> None:
    for date, more, code in (
        ("2026-08-31", {}, "OUT_OF_SEASON"),
        ("9999-12-31", {"open": True}, "OUT_OF_SEASON"),
        ("2026-09-14", {"capacity": -1}, "INVALID_ACTIVITY"),
        ("2026-09-14", {"waitingList": 2**31 - 1}, "INVALID_ACTIVITY"),
    ):
        refused = await does(carteville, "setOpening", activity="cantine", date=date, **more)
        assert refused["code"] == code
        assert code != "INVALID_ACTIVITY" or refused["message"].split(" : ")[0] in more, "it names the field that was sent"
    late = await does(carteville, "setOpening", activity="cantine", date="2027-07-07", capacity=3)
    assert late["message"] == "Le 07/07/2027 est hors de la saison, qui va du 01/09/2026 au 06/07/2027."
    assert (await acts(carteville))["nodes"] == []


# ------------------------------------------------------------------------------------------------------------ enrollments
async def test_an_agent_admits_a_child_and_ends_that(carteville: Screens) -> None:
    admitted = await does(carteville, "enrollChild", child="zoe", activity="aps-matin", **{"from": "2026-09-14"})
    assert admitted == {
        "__typename": "Enrollment",
        "child": {"id": "zoe"},
        "activity": {"id": "aps-matin"},
        "from": "2026-09-14",
        "until": None,
    }
    backwards = await does(carteville, "endEnrollment", child="zoe", activity="aps-matin", lastDay="2026-09-13")
    assert backwards["code"] == "PERIOD_REVERSED"
    assert (await does(carteville, "endEnrollment", child="zoe", activity="multi", lastDay="2026-09-30"))["code"] == "NOT_ENROLLED"
    assert (await does(carteville, "enrollChild", child="bob", activity="aps-matin"))["code"] == "UNKNOWN_CHILD"
    kinds = [(act["kind"], act["child"]) for act in (await acts(carteville, family="durand"))["nodes"]]
    assert kinds == [("ENROLL_CHILD", {"id": "zoe"})]


async def test_what_changes_nothing_leaves_no_trace(carteville: Screens) -> None:
    enrolls = {"child": "zoe", "activity": "aps-matin", "from": "2026-09-14"}
    ends = {"child": "zoe", "activity": "aps-matin", "lastDay": "2026-12-18"}
    for field, wanted in (("enrollChild", enrolls), ("endEnrollment", ends)):
        for _ in range(2):
            assert (await does(carteville, field, **wanted))["__typename"] == "Enrollment"
    kinds = [act["kind"] for act in (await acts(carteville, family="durand"))["nodes"]]
    assert kinds == ["END_ENROLLMENT", "ENROLL_CHILD"]


async def test_an_enrollment_does_not_end_before_a_booking_unless_that_is_cancelled(carteville: Screens) -> None:
    await books(carteville, "amalia", TUESDAY)
    leaves = {"child": "amalia", "activity": "cantine", "lastDay": "2026-09-14"}
    assert (await does(carteville, "endEnrollment", **leaves))["code"] == "BOOKINGS_OUTSIDE"
    ended = await does(carteville, "endEnrollment", **leaves, cancelBookings=True, reason="Déménagement")
    assert ended["until"] == "2026-09-14"
    page = await carteville.of_family("dupont", "bookings(status: [CANCELLED]) { nodes { date } }", AGENT)
    assert page["bookings"]["nodes"] == [{"date": "2026-09-15"}]
    await is_sound(carteville)


# ---------------------------------------------------------------------------------------------------------- for a family
async def test_an_agent_books_cancels_and_moves_for_a_family_with_a_reason(carteville: Screens) -> None:
    request = await books(carteville, "amalia")
    assert (request["byAgent"], request["reason"], answers(request)) == (True, BOOKED["reason"], [("BOOK", "ACCEPTED", None)])
    assert (await books(carteville, "amalia"))["id"] == request["id"], "the same key is the same request"
    booking = request["movements"][0]["booking"]["id"]
    moved = await does(carteville, "moveBooking", booking=booking, date="2026-09-15", **BOOKED | {"idempotencyKey": "2"})
    assert (moved["status"], moved["date"]) == ("ACCEPTED", "2026-09-15")
    gone = await does(carteville, "cancelForFamily", family="dupont", bookings=[moved["id"]], **BOOKED | {"idempotencyKey": "3"})
    assert answers(gone) == [("CANCEL", "CANCELLED", None)]
    trail = (await acts(carteville))["nodes"]
    assert [act["kind"] for act in trail] == ["CANCEL_FOR_FAMILY", "MOVE_BOOKING", "BOOK_FOR_FAMILY"]
    changed = [{one["name"]: (one["before"], one["after"]) for one in act["details"]} for act in trail]
    assert changed[0] == {"status": ("ACCEPTED", "CANCELLED")}
    assert changed[1] == {"date": ("2026-09-14", "2026-09-15"), "booking": (booking, None)}, "and no power was used"
    await is_sound(carteville)


async def test_a_family_sees_which_requests_an_agent_made_and_why(carteville: Screens) -> None:
    await books(carteville, "amalia")
    await submits(carteville, line("BOOK", "amalia", "aps-matin", 14), key="own")
    found = await carteville.of_family("dupont", "requests { nodes { byAgent reason } }")
    assert found["requests"]["nodes"] == [{"byAgent": False, "reason": None}, {"byAgent": True, "reason": BOOKED["reason"]}]


async def test_an_agent_says_why_in_3_to_500_characters(carteville: Screens) -> None:
    for reason in ("", "  x ", "é" * 501, "a\tb\x07c"):
        assert (await books(carteville, "amalia", reason=reason))["code"] == "REASON_REQUIRED"


async def test_an_agents_keys_are_no_familys_and_no_other_agents(carteville: Screens) -> None:
    await submits(carteville, line("BOOK", "amalia", "cantine", 14), key="1")
    assert "id" in await books(carteville, "paolo", key="1")


async def test_s21_a_debt_is_told_to_agents_as_the_familys(carteville: Screens) -> None:
    booking = (await books(carteville, "amalia"))["movements"][0]["booking"]["id"]
    await carteville.owes("dupont")
    told = ("ACCOUNT_IN_DEBIT", "Ce compte famille est débiteur : il faut une exception pour réserver.")
    asked = await books(carteville, "amalia", TUESDAY, key="2")
    moved = await does(carteville, "moveBooking", booking=booking, date="2026-09-15", **BOOKED | {"idempotencyKey": "3"})
    assert [(one["code"], one["message"]) for one in (asked, moved)] == [told, told]


async def test_a_move_that_cannot_be_says_why(carteville: Screens) -> None:
    booking = (await books(carteville, "amalia"))["movements"][0]["booking"]["id"]
    await books(carteville, "zoe", TUESDAY, family="durand")

    async def moves(key: str, **to: Any) -> str:
        found = await does(carteville, "moveBooking", **{"booking": booking, "date": "2026-09-15", **BOOKED, "idempotencyKey": key, **to})
        return str(found.get("code"))

    assert await moves("a") == "FULL"
    assert await moves("same", date="2026-09-14") == "ALREADY_BOOKED", "it is there: no new booking, and no mail"
    assert await moves("b", date="2026-09-16") == "CLOSED"
    assert await moves("c", date="0001-01-01") == "CLOSED"
    assert await moves("d", activity="ailleurs") == "UNKNOWN_ACTIVITY"
    assert await moves("e", activity="nonsense") == "UNKNOWN_ACTIVITY"
    assert await moves("f", activity="multi") == "ALLOCATED_BY_RUN"
    waits = await books(carteville, "amalia", TUESDAY, key="2")
    assert answers(waits) == [("BOOK", "WAITLISTED", None)]
    there = await does(carteville, "moveBooking", booking=booking, date="2026-09-15", **BOOKED | {"idempotencyKey": "g"})
    assert (there["code"], there["message"]) == ("ALREADY_BOOKED", "Déjà en liste d’attente, au rang 1")
    assert await moves("a", date="2026-09-17") == "IDEMPOTENCY_KEY_REUSED"
    page = await carteville.of_family("dupont", "bookings(status: [ACCEPTED]) { nodes { id } }", AGENT)
    assert page["bookings"]["nodes"] == [{"id": booking}]
    await is_sound(carteville)


async def test_s26_of_chosen_hours_a_move_keeps_what_is_not_said(carteville: Screens) -> None:
    nursery = replace(MULTI, id="nursery", allocation=Immediate(), capacity=2)
    await carteville.opens(nursery)
    await carteville.enrolls("amalia", "nursery")
    wanted = [{"child": "amalia", "activity": "nursery", "date": MONDAY.isoformat(), "arrival": "08:00", "departure": "17:00"}]
    request = await does(carteville, "bookForFamily", family="dupont", bookings=wanted, **BOOKED)
    booking = request["movements"][0]["booking"]["id"]

    async def moves(key: str, **to: Any) -> Any:
        given = {"booking": booking, "date": TUESDAY.isoformat(), **BOOKED, "idempotencyKey": key, **to}
        query = mutation("moveBooking").replace("arrival activity", "arrival departure activity")
        return (await carteville.asks(query, AGENT, variables={"input": given}))["moveBooking"]

    assert (await moves("late", arrival="18:00"))["code"] == "HOURS_NOT_ALLOWED"
    for key, to in (("one", {"arrival": "09:00"}), ("none", {"date": MONDAY.isoformat()})):
        moved = await moves(key, **to)
        assert (moved.get("arrival"), moved.get("departure")) == ("09:00", "17:00"), moved
        assert (await moves(key, **to))["id"] == moved["id"], "the same key is the same move"
        booking = moved["id"]
    await is_sound(carteville)


async def test_only_bookings_of_that_family_are_cancelled_for_it(carteville: Screens) -> None:
    theirs = (await books(carteville, "zoe", family="durand"))["movements"][0]["booking"]["id"]
    for wrong in ([theirs], ["nonsense"], [theirs] * 501):
        found = await does(carteville, "cancelForFamily", family="dupont", bookings=wrong, **BOOKED | {"idempotencyKey": "2"})
        assert found["code"] in ("UNKNOWN_BOOKING", "TOO_MANY_LINES")
    assert (await does(carteville, "cancelForFamily", family="dupont", bookings=[], **BOOKED))["code"] == "NOTHING_TO_SUBMIT"


async def test_a_booking_that_is_named_twice_is_cancelled_once_and_told_once(carteville: Screens) -> None:
    booking = (await books(carteville, "amalia"))["movements"][0]["booking"]["id"]
    gone = await does(carteville, "cancelForFamily", family="dupont", bookings=[booking, booking], **BOOKED | {"idempotencyKey": "2"})
    assert answers(gone) == [("CANCEL", "CANCELLED", None)]


async def test_what_waits_for_a_run_waits_for_agents_too(carteville: Screens) -> None:
    await carteville.opens(replace(CANTINE, allocation=Scheduled("02:00", "points")))
    assert answers(await books(carteville, "amalia")) == [("BOOK", "SUBMITTED", None)]


# ------------------------------------------------------------------------------------------------------------------- trail
async def test_the_trail_is_read_page_by_page_the_newest_first(carteville: Screens) -> None:
    for number in range(5):
        await does(carteville, "setOpening", activity="cantine", date="2026-09-14", capacity=number)
    first = await acts(carteville, first=2)
    second = await acts(carteville, first=2, after=first["endCursor"])
    third = await acts(carteville, first=2, after=second["endCursor"])
    pages = [
        [next(one["after"] for one in act["details"] if one["name"] == "capacity") for act in page["nodes"]]
        for page in (first, second, third)
    ]
    assert pages == [["4", "3"], ["2", "1"], ["0"]]
    assert [page["hasNextPage"] for page in (first, second, third)] == [True, True, False]
    assert await carteville.is_refused(ACTS, AGENT, structure="carteville", after="nonsense") == "BAD_USER_INPUT"
    assert await carteville.is_refused(ACTS, AGENT, structure="carteville", first=-1) == "BAD_USER_INPUT"


# --------------------------------------------------------------------------------------------------------------- isolation
async def test_whoever_is_no_agent_of_the_town_does_nothing_and_learns_nothing(carteville: Screens) -> None:
    booking = (await books(carteville, "amalia"))["movements"][0]["booking"]["id"]
    wanted = [{"child": "amalia", "activity": "cantine", "date": "2026-09-15"}]
    deeds: dict[str, dict[str, Any]] = {
        "createActivity": {"structure": "carteville", "code": "x", "pricedLike": "multi", "settings": WHOLE},
        "changeActivity": {"activity": "cantine", "version": 1, "settings": WHOLE},
        "setOpening": {"activity": "cantine", "date": "2026-09-14", "open": False, "cancelBookings": True, "reason": "parce que"},
        "enrollChild": {"child": "amalia", "activity": "cantine"},
        "endEnrollment": {"child": "amalia", "activity": "cantine", "lastDay": "2026-09-10"},
        "bookForFamily": {"family": "dupont", "bookings": wanted, **BOOKED},
        "cancelForFamily": {"family": "dupont", "bookings": [booking], **BOOKED},
        "moveBooking": {"booking": booking, "date": "2026-09-15", **BOOKED},
    }
    assert deeds.keys() == RESULTS.keys()

    async def everything() -> list[Any]:
        tables = ("activity", "opening", "enrollment", "booking", "request", "act", "outgoing")
        async with carteville.running.database.reading() as session:
            connection = await session.connection()
            return [(await connection.exec_driver_sql(f"SELECT count(*) FROM {table}")).scalar() for table in tables]

    before = await everything()
    for name, given in deeds.items():
        assert await carteville.is_refused(mutation(name), None, input=given) == "UNAUTHENTICATED"
        unknown = given | {key: "nobody" for key in ("structure", "activity", "family", "booking") if key in given}
        for caller, said in product((DUPONT, OTHER_AGENT), (given, unknown)):
            assert await carteville.is_refused(mutation(name), caller, input=said) == "FORBIDDEN", (name, caller)
    questions = [f'{{ activities(structure: "{structure}") {{ id }} }}' for structure in ("carteville", "nowhere")]
    questions += [f'{{ acts(structure: "{structure}") {{ hasNextPage }} }}' for structure in ("carteville", "nowhere")]
    questions += [f'{{ openings(activity: "{id_}", from: "2026-09-14", to: "2026-09-16") {{ date }} }}' for id_ in ("cantine", "nothing")]
    for question, caller in product(questions, (DUPONT, OTHER_AGENT)):
        assert await carteville.is_refused(question, caller) == "FORBIDDEN"
    assert [await carteville.is_refused(question, None) for question in questions] == ["UNAUTHENTICATED"] * 6
    assert await everything() == before
    await is_sound(carteville)


async def test_an_agent_books_no_child_of_another_town(carteville: Screens) -> None:
    wanted = [{"child": "bob", "activity": "cantine", "date": "2026-09-14"}]
    assert (await does(carteville, "bookForFamily", family="dupont", bookings=wanted, **BOOKED))["code"] == "UNKNOWN_CHILD"
    elsewhere = [{"child": "amalia", "activity": "ailleurs", "date": "2026-09-14"}]
    assert (await does(carteville, "bookForFamily", family="dupont", bookings=elsewhere, **BOOKED))["code"] == "UNKNOWN_ACTIVITY"
