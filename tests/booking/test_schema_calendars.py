"""What families see: activities, calendars, days; and what nobody else does."""

import datetime as dt
from dataclasses import replace

import pytest
from sqlalchemy import event

from services.booking.activity import ActivitySpec
from services.booking.schema import schema
from services.graphql import Context
from tests.booking.screens import AGENT, DUPONT, DURAND, OTHER_AGENT, Screens, entities, screens, signed_in
from tests.booking.test_activity import APS_MATIN, MULTI

__all__ = ["screens"]

CANTINE = replace(APS_MATIN, id="cantine", name="Restauration", capacity=1, waiting_list=0)
DAYS = "days { date state placesLeft reason revision booking { id status rank reason cancellable } } asOf"


@pytest.fixture
async def carteville(screens: Screens) -> Screens:
    await screens.opens(APS_MATIN, CANTINE, MULTI)
    await screens.household("dupont", "amalia", "paolo")
    await screens.household("durand", "zoe")
    await screens.enrolls("amalia", "aps-matin", "cantine")
    await screens.enrolls("paolo", "multi")
    await screens.enrolls("zoe", "cantine", family="durand")
    return screens


def on(days: list[dict[str, object]], day: int) -> dict[str, object]:
    return next(one for one in days if str(one["date"]).endswith(f"-{day:02}"))


async def test_a_child_has_the_activities_it_is_enrolled_in_by_name(carteville: Screens) -> None:
    found = await carteville.of_child("amalia", "activities { id name category opensOn closesOn limited arrival departure choosesHours }")
    assert [activity["name"] for activity in found["activities"]] == ["APS MATIN", "Restauration"]
    assert found["activities"][0] == {
        "id": "aps-matin",
        "name": "APS MATIN",
        "category": "Périscolaire",
        "opensOn": "2026-09-01",
        "closesOn": "2027-07-06",
        "limited": True,
        "arrival": "07:30",
        "departure": "08:45",
        "choosesHours": False,
    }


async def test_a_family_asks_for_one_of_its_children(carteville: Screens) -> None:
    found = await carteville.asks('{ mine: child(id: "amalia") { id } theirs: child(id: "zoe") { id } }')
    assert found == {"mine": {"id": "amalia"}, "theirs": None}


async def test_names_are_sorted_as_people_do_on_every_database(carteville: Screens) -> None:
    for number, name in enumerate(["Zoo", "École des arts", "ecole du cirque", "Échecs", "échecs"]):
        await carteville.opens(replace(APS_MATIN, id=f"club-{number}", name=name))
        await carteville.enrolls("zoe", f"club-{number}")
    found = await carteville.of_child("zoe", "activities { name }", DURAND)
    names = [activity["name"] for activity in found["activities"]]
    assert names == ["Échecs", "échecs", "École des arts", "ecole du cirque", "Restauration", "Zoo"]


async def test_an_activity_says_its_rules_in_the_callers_language(carteville: Screens) -> None:
    query = entities("Activity", "multi", "name limited choosesHours hourStepMinutes minimumMinutes bookingRule cancellationRule")
    french = (await carteville.asks(query))["_entities"][0]
    assert french == {
        "name": "Multi-accueil",
        "limited": False,
        "choosesHours": True,
        "hourStepMinutes": 15,
        "minimumMinutes": 60,
        "bookingRule": "le jeudi de la semaine précédente avant 12 h",
        "cancellationRule": "plus de 48 h avant le début",
    }
    english = (await carteville.asks(query, language="en"))["_entities"][0]
    assert english["bookingRule"] == "before 12:00 on Thursday of the week before"


async def test_s24_a_month_shows_every_day_with_its_places_and_why_it_is_closed(carteville: Screens) -> None:
    await carteville.has_booked("amalia", "aps-matin", dt.date(2026, 9, 14))
    found = await carteville.of_child("amalia", f'calendar(month: "2026-09", activity: "aps-matin") {{ month activity {{ id }} {DAYS} }}')
    calendar = found["calendar"]
    assert (calendar["month"], calendar["activity"]) == ("2026-09", {"id": "aps-matin"})
    assert [day["date"] for day in calendar["days"]] == [f"2026-09-{day:02}" for day in range(1, 31)]
    booked = on(calendar["days"], 14)
    assert booked["state"] == "BOOKED"
    assert booked["placesLeft"] == 39
    assert booked["revision"] == 1
    assert booked["booking"] == {"id": booked["booking"]["id"], "status": "ACCEPTED", "rank": None, "reason": None, "cancellable": True}  # type: ignore[index]
    assert on(calendar["days"], 15) == {
        "date": "2026-09-15",
        "state": "AVAILABLE",
        "placesLeft": 40,
        "reason": None,
        "revision": 0,
        "booking": None,
    }
    assert [(on(calendar["days"], day)["state"], on(calendar["days"], day)["reason"]) for day in (1, 2, 8)] == [
        ("CLOSED", "Hors délai pour réserver"),
        ("CLOSED", "Pas d’activité ce jour de la semaine"),
        ("CLOSED", "Fermeture exceptionnelle"),
    ]


async def test_reasons_are_said_in_english_too(carteville: Screens) -> None:
    found = await carteville.of_child("amalia", f'calendar(month: "2026-11", activity: "cantine") {{ {DAYS} }}', language="en")
    assert on(found["calendar"]["days"], 1)["reason"] == "Not on this day of the week"
    found = await carteville.of_child("amalia", f'calendar(month: "2026-10", activity: "cantine") {{ {DAYS} }}', language="en")
    assert on(found["calendar"]["days"], 19)["reason"] == "School holidays"


async def test_s6_the_calendar_says_when_what_it_shows_last_changed(carteville: Screens) -> None:
    later = dt.datetime(2026, 9, 5, 6, tzinfo=dt.UTC)
    calendar = 'calendar(month: "2026-09", activity: "aps-matin") { asOf }'
    untouched = await carteville.of_child("amalia", calendar, now=later)
    assert untouched["calendar"]["asOf"] == "2026-09-05T06:00:00Z"
    await carteville.has_booked("amalia", "aps-matin", dt.date(2026, 9, 14))
    touched = await carteville.of_child("amalia", calendar, now=later)
    assert touched["calendar"]["asOf"] == "2026-09-01T06:00:00Z"


async def test_a_full_day_is_full_and_a_booked_one_locks_when_its_deadline_passes(carteville: Screens) -> None:
    await carteville.has_booked("zoe", "cantine", dt.date(2026, 9, 14), family="durand")
    await carteville.has_booked("amalia", "aps-matin", dt.date(2026, 9, 14))
    days = f'calendar(month: "2026-09", activity: "cantine") {{ {DAYS} }}'
    full = on((await carteville.of_child("amalia", days))["calendar"]["days"], 14)
    assert (full["state"], full["placesLeft"], full["booking"]) == ("FULL", 0, None)
    theirs = on((await carteville.of_child("zoe", days, DURAND))["calendar"]["days"], 14)
    assert theirs["state"] == "BOOKED"
    late = dt.datetime(2026, 9, 13, 7, tzinfo=dt.UTC)
    locked = on((await carteville.of_child("zoe", days, DURAND, now=late))["calendar"]["days"], 14)
    assert locked["state"] == "BOOKED_LOCKED"
    assert locked["booking"]["cancellable"] is False  # type: ignore[index]


async def test_s32_the_aggregated_calendar_and_the_list_of_a_day(carteville: Screens) -> None:
    await carteville.has_booked("zoe", "cantine", dt.date(2026, 9, 14), family="durand")
    await carteville.has_booked("amalia", "aps-matin", dt.date(2026, 9, 15))
    found = await carteville.of_child(
        "amalia",
        f'calendar(month: "2026-09") {{ activity {{ id }} {DAYS} codes: days {{ date reasonCode }} }} '
        'day(date: "2026-09-14") { activity { id } date state placesLeft reason revision booking { id } }',
    )
    days = found["calendar"]["days"]
    assert found["calendar"]["activity"] is None
    assert on(days, 14) == {"date": "2026-09-14", "state": "AVAILABLE", "placesLeft": None, "reason": None, "revision": 1, "booking": None}
    assert on(days, 15)["state"] == "BOOKED"  # and the canteen can still be booked
    assert (on(days, 2)["state"], on(days, 2)["reason"]) == ("CLOSED", "Pas d’activité ce jour de la semaine")
    assert (on(found["calendar"]["codes"], 2)["reasonCode"], on(found["calendar"]["codes"], 14)["reasonCode"]) == ("WEEKDAY", None)
    assert found["day"] == [
        {
            "activity": {"id": "aps-matin"},
            "date": "2026-09-14",
            "state": "AVAILABLE",
            "placesLeft": 40,
            "reason": None,
            "revision": 0,
            "booking": None,
        },
        {
            "activity": {"id": "cantine"},
            "date": "2026-09-14",
            "state": "FULL",
            "placesLeft": 0,
            "reason": None,
            "revision": 1,
            "booking": None,
        },
    ]


async def test_s32_the_aggregated_calendar_says_why_all_are_closed(carteville: Screens) -> None:
    """11 November 2026 is a Wednesday, and Armistice Day; the canteen never opens on Wednesdays."""
    always = replace(APS_MATIN, open_on=frozenset(), weekdays=frozenset(range(7)), school_holidays="any")
    closing = dt.date(2026, 11, 10)
    await carteville.opens(
        replace(always, closed_on=frozenset([closing]), closed_because={closing: "grève"}),
        replace(CANTINE, open_on=frozenset(), closed_on=frozenset([closing]), closed_because={closing: "travaux"}),
    )
    days = (await carteville.of_child("amalia", 'calendar(month: "2026-11") { days { date state reason } }'))["calendar"]["days"]
    assert on(days, 11) == {"date": "2026-11-11", "state": "CLOSED", "reason": "Jour férié"}
    assert on(days, 10)["reason"] == "Fermé : grève ; Fermé : travaux"
    assert (on(days, 18)["state"], on(days, 18)["reason"]) == ("AVAILABLE", None)


async def test_days_outside_the_enrollment_are_closed(carteville: Screens) -> None:
    await carteville.enrolls("amalia", "cantine", until=dt.date(2026, 9, 14))
    days = (await carteville.of_child("amalia", f'calendar(month: "2026-09", activity: "cantine") {{ {DAYS} }}'))["calendar"]["days"]
    assert on(days, 14)["state"] == "AVAILABLE"
    assert (on(days, 15)["state"], on(days, 15)["reason"]) == ("CLOSED", "Enfant non inscrit à cette activité")


# ---------------------------------------------------------------------------------------------------------- who may see
async def test_nobody_sees_anothers_child_and_it_looks_like_no_child_at_all(carteville: Screens) -> None:
    for fields in ("activities { id }", 'calendar(month: "2026-09") { asOf }', 'day(date: "2026-09-14") { state }'):
        for child in ("zoe", "nobody"):
            assert await carteville.is_refused(entities("Child", child, fields)) == "FORBIDDEN"
        assert await carteville.is_refused(entities("Child", "amalia", fields), OTHER_AGENT) == "FORBIDDEN"
        assert await carteville.is_refused(entities("Child", "amalia", fields), None) == "UNAUTHENTICATED"
        assert await carteville.asks(entities("Child", "amalia", fields), AGENT)


async def test_another_towns_activity_looks_like_no_activity_at_all(carteville: Screens) -> None:
    elsewhere: ActivitySpec = replace(APS_MATIN, id="ailleurs", structure="autreville")
    await carteville.opens(elsewhere)
    for activity in ("ailleurs", "nothing"):
        fields = f'calendar(month: "2026-09", activity: "{activity}") {{ asOf }}'
        assert await carteville.is_refused(entities("Child", "amalia", fields)) == "FORBIDDEN"
        assert (await carteville.asks(entities("Activity", activity, "name")))["_entities"] == [None]


async def test_a_family_of_two_towns_does_not_mix_them(carteville: Screens) -> None:
    await carteville.opens(replace(APS_MATIN, id="ailleurs", structure="autreville"))
    both = replace(signed_in("dupont"), families={"dupont": "carteville", "dupont-2": "autreville"})
    fields = 'calendar(month: "2026-09", activity: "ailleurs") { asOf }'
    assert await carteville.is_refused(entities("Child", "amalia", fields), both) == "FORBIDDEN"


async def test_a_booking_is_found_by_its_family_and_agents_only(carteville: Screens) -> None:
    await carteville.has_booked("amalia", "aps-matin", dt.date(2026, 9, 14))
    found = await carteville.of_child("amalia", 'day(date: "2026-09-14") { booking { id } }')
    query = entities("Booking", found["day"][0]["booking"]["id"], "number child { id } activity { name } date")
    theirs = {"number": "000001-1", "child": {"id": "amalia"}, "activity": {"name": "APS MATIN"}, "date": "2026-09-14"}
    assert (await carteville.asks(query, DUPONT))["_entities"] == [theirs]
    assert (await carteville.asks(query, AGENT))["_entities"] == [theirs]
    for stranger in (DURAND, OTHER_AGENT):
        assert (await carteville.asks(query, stranger))["_entities"] == [None]
    assert (await carteville.asks(entities("Booking", "nothing", "number")))["_entities"] == [None]
    assert await carteville.is_refused(query, None) == "UNAUTHENTICATED"


# -------------------------------------------------------------------------------------------------------- many for one
async def test_a_hundred_children_cost_as_many_selects_as_one(carteville: Screens, monkeypatch: pytest.MonkeyPatch) -> None:
    children = [f"child-{number}" for number in range(100)]
    await carteville.household("dupont", "amalia", *children)
    for child in children:
        await carteville.enrolls(child, "aps-matin", "cantine")
    opened: list[str] = []
    reading = carteville.running.database.reading
    monkeypatch.setattr(carteville.running.database, "reading", lambda: (opened.append("session"), reading())[1])
    query = (
        "query ($who: [_Any!]!) { _entities(representations: $who) { ... on Child { "
        'activities { name } calendar(month: "2026-09") { days { state } } day(date: "2026-09-14") { state activity { name } } } } }'
    )
    counts = []
    for some in (children[:1], children):
        opened.clear()
        who = [{"__typename": "Child", "id": child} for child in some]
        assert len((await carteville.asks(query, variables={"who": who}))["_entities"]) == len(some)
        counts.append(len(opened))
    assert counts[0] == counts[1] <= 8


async def test_a_family_home_costs_three_selects(carteville: Screens) -> None:
    """Whose children they are and where they go, the marks of the months, what is booked: once the months are known."""
    statements: list[str] = []
    event.listen(carteville.running.database.engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    for _ in range(2):
        statements.clear()
        await carteville.of_child("amalia", 'activities { id name bookingRule } calendar(month: "2026-09") { days { date state } }')
    assert len(statements) == 3, statements


def test_the_graph_keeps_the_contracts_names() -> None:
    sdl = schema.as_str()
    for line in (
        'type PreviewLine @key(fields: "change child { id } activity { id } date arrival departure") {',
        "first: Int = 50, after: String = null): BookingConnection!",
        "draft: [BookingLineInput!]! = []",
        "together: [[Int!]!]! = []",
        "acceptWaitingList: Boolean! = true",
        "enum DayState {\n  CLOSED\n  FULL\n  AVAILABLE\n  WAITLIST_OPEN\n  BOOKED\n  WAITING\n  BOOKED_LOCKED\n  WAITING_LOCKED\n}",
    ):
        assert line in sdl


async def test_who_follows_a_calendar_is_woken_by_the_childs_bookings_and_by_each_activity_shown(carteville: Screens) -> None:
    query = """query($activity: ID) { calendarChangedWatch(child: "amalia", month: "2026-09", activity: $activity) {
      account until structure topics due last } }"""
    told = (await carteville.asks(query))["calendarChangedWatch"]
    enrolled = (await carteville.of_child("amalia", "activities { id }"))["activities"]
    assert len(enrolled) > 1
    assert set(told.pop("topics")) == {
        "child/amalia/2026-09",
        "enrollments/amalia",
        *(f"openings/{one['id']}/2026-09" for one in enrolled),
        *(f"activity/{one['id']}" for one in enrolled),
    }
    assert told == {"account": "dupont", "until": "2096-10-02T07:06:40Z", "structure": "carteville", "due": True, "last": False}
    one = (await carteville.asks(query, variables={"activity": "aps-matin"}))["calendarChangedWatch"]
    assert one["topics"] == ["child/amalia/2026-09", "enrollments/amalia", "openings/aps-matin/2026-09", "activity/aps-matin"]


async def test_what_is_followed_is_what_the_child_says(carteville: Screens) -> None:
    for arguments in ('month: "2026-09"', 'month: "2026-09", activity: "aps-matin"'):
        followed = await carteville.asks(f'{{ calendarChanged(child: "amalia", {arguments}) {{ days {{ date state revision }} }} }}')
        child = await carteville.of_child("amalia", f"calendar({arguments}) {{ days {{ date state revision }} }}")
        assert followed["calendarChanged"] == child["calendar"]


@pytest.mark.parametrize(
    "asked",
    [
        'calendarChanged(child: "amalia", month: "2026-09") { asOf }',
        'calendarChangedWatch(child: "amalia", month: "2026-09") { topics }',
    ],
)
async def test_nobody_follows_anothers_child(carteville: Screens, asked: str) -> None:
    for caller, code in ((DURAND, "FORBIDDEN"), (OTHER_AGENT, "FORBIDDEN"), (None, "UNAUTHENTICATED")):
        assert await carteville.is_refused(f"{{ {asked} }}", caller) == code
        assert await carteville.is_refused(f"{{ {asked.replace('amalia', 'nobody')} }}", caller) == code
    await carteville.asks(f"{{ {asked} }}", AGENT)


async def test_the_subgraph_itself_streams_nothing(carteville: Screens) -> None:
    for subscription in ('calendarChanged(child: "amalia", month: "2026-09") { asOf }', 'requestDecided(request: "x") { id }'):
        answers = await schema.subscribe(
            f"subscription {{ {subscription} }}", context_value=Context(running=carteville.running, caller=DUPONT, language="en")
        )
        first = await anext(aiter(answers))  # type: ignore[arg-type]
        assert [getattr(error.original_error, "code", None) for error in first.errors or []] == ["SUBSCRIBE_AT_THE_GATEWAY"]
