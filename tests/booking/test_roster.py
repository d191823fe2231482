"""The roster, recording attendance, closing a day and opening it again: through the graph, as the town's agents do."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest
from sqlalchemy import event, text

from services.booking.activity import AttendanceRules
from services.booking.attendance import presence_id
from services.booking.invariants import violations
from services.clock import Clock
from tests.booking.screens import AGENT, DUPONT, NOW, OTHER_AGENT, Screens, screens
from tests.booking.test_activity import APS_MATIN, MULTI

__all__ = ["screens"]

MONDAY, TUESDAY = dt.date(2026, 9, 14), dt.date(2026, 9, 15)
THE_DAY = dt.datetime(2026, 9, 14, 7, tzinfo=dt.UTC)  # Monday, 9 o'clock in CarteVille
APS = replace(APS_MATIN, capacity=3)
ENTRY = """fragment entry on RosterEntry { child { id } enrolled attendance arrival departure note presumed recordedAt
  booking { id status arrival departure } }"""
ROSTER = """fragment roster on Roster { activity { id name } date reason closed closedAt version entries { ...entry }
  waiting { rank enrolled child { id } booking { id status } }
  counts { places taken waiting present absent notRecorded withoutBooking byHour { at children } } } """
READ = f"query ($activity: ID!, $date: Date!) {{ roster(activity: $activity, date: $date) {{ ...roster }} }} {ROSTER} {ENTRY}"
RECORD = f"""mutation ($activity: ID!, $date: Date!, $entries: [AttendanceInput!]!) {{
  recordAttendance(activity: $activity, date: $date, entries: $entries) {{ __typename
    ... on AttendanceRecorded {{ answers {{ child {{ id }} entry {{ ...entry }} refusal {{ code message }} }} roster {{ ...roster }} }}
    ... on Refusal {{ code message }} }} }} {ROSTER} {ENTRY}"""
CLOSE = f"""mutation ($activity: ID!, $date: Date!) {{ closeDay(activity: $activity, date: $date) {{ __typename
  ... on Roster {{ ...roster }} ... on Refusal {{ code message }} }} }} {ROSTER} {ENTRY}"""
REOPEN = f"""mutation ($activity: ID!, $date: Date!, $reason: String!) {{
  reopenDay(activity: $activity, date: $date, reason: $reason) {{ __typename
    ... on Roster {{ ...roster }} ... on Refusal {{ code message }} }} }} {ROSTER} {ENTRY}"""


class School:
    """The morning care of CarteVille, with its agent."""

    def __init__(self, screens: Screens) -> None:
        self.screens = screens
        self.database = screens.running.database

    def at(self, moment: dt.datetime) -> None:
        self.screens.running.clock = Clock(frozen_at=moment)

    async def asks(self, query: str, caller: Any = AGENT, **variables: Any) -> Any:
        given = {"activity": "aps-matin", "date": MONDAY.isoformat(), **variables}
        (found,) = (await self.screens.asks(query, caller, variables=given)).values()
        return found

    async def is_refused(self, query: str, caller: Any = AGENT, **variables: Any) -> str:
        return await self.screens.is_refused(query, caller, **{"activity": "aps-matin", "date": MONDAY.isoformat(), **variables})

    async def roster(self, **variables: Any) -> Any:
        return await self.asks(READ, **variables)

    async def records(self, *entries: dict[str, Any], **variables: Any) -> list[str]:
        """The answers, such as "amalia PRESENT 07:41-None", "zoe NOT_BOOKED"."""
        found = await self.asks(RECORD, entries=list(entries), **variables)
        return [_answer(one) for one in found["answers"]] if "answers" in found else [found["code"]]

    async def closes(self, **variables: Any) -> Any:
        return await self.asks(CLOSE, **variables)

    async def reopens(self, reason: str = "Erreur de saisie", **variables: Any) -> Any:
        return await self.asks(REOPEN, reason=reason, **variables)

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        async with self.database.reading() as session:
            return [tuple(row) for row in await (await session.connection()).execute(text(query))]

    async def told(self, kind: str = "day_settled") -> list[dict[str, Any]]:
        rows = await self.rows(f"SELECT body FROM outgoing WHERE type = 'fr.preau.booking.{kind}.v1' ORDER BY position")
        return [orjson.loads(body) for (body,) in rows]

    async def acts(self) -> list[tuple[str, str | None, Any, Any]]:
        rows = await self.rows("SELECT kind, child, before, after FROM act ORDER BY position")
        return [(kind, child, _json(before), _json(after)) for kind, child, before, after in rows]

    async def booking(self, child: str) -> str:
        ((found,),) = await self.rows(
            f"SELECT id FROM booking WHERE child = '{child}' AND activity = 'aps-matin' ORDER BY position DESC LIMIT 1"
        )
        return str(found)

    async def is_sound(self) -> None:
        async with self.database.reading() as session:
            assert await violations(session, self.screens.running.clock.now()) == []


def _json(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str) else value


def _answer(one: dict[str, Any]) -> str:
    child = one["child"]["id"] if one["child"] else "?"
    if one["refusal"]:
        return f"{child} {one['refusal']['code']}"
    entry = one["entry"]
    return f"{child} {entry['attendance']} {entry['arrival']}-{entry['departure']}" if entry else f"{child} gone"


def present(child: str, *hours: str | None, **more: Any) -> dict[str, Any]:
    return {"child": child, "attendance": "PRESENT", **dict(zip(("arrival", "departure"), hours, strict=False)), **more}


def absent(child: str, kind: str = "JUSTIFIED", **more: Any) -> dict[str, Any]:
    return {"child": child, "attendance": f"ABSENT_{kind}", **more}


def lines(event: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(one["child"], one["attendance"], one["arrival"], one["departure"], one["booked"]) for one in event["attendances"]]


def attendances(roster: dict[str, Any]) -> dict[str, str]:
    return {entry["child"]["id"]: entry["attendance"] for entry in roster["entries"]}


@pytest.fixture
async def school(screens: Screens) -> School:
    """On Monday Amalia and Paolo Dupont and Zoé Durand have the three places. Léo is enrolled, Max is not."""
    await screens.opens(APS, MULTI)
    await screens.household("dupont", "amalia", "paolo")
    await screens.household("durand", "zoe", "leo", "max")
    await screens.household("loin", "far", structure="autreville")
    await screens.enrolls("amalia", "aps-matin", "multi")
    await screens.enrolls("paolo", "aps-matin")
    await screens.enrolls("zoe", "aps-matin", family="durand")
    await screens.enrolls("leo", "aps-matin", family="durand")
    await screens.has_booked("amalia", "aps-matin", MONDAY, TUESDAY)
    await screens.has_booked("paolo", "aps-matin", MONDAY)
    await screens.has_booked("zoe", "aps-matin", MONDAY, family="durand")
    found = School(screens)
    found.at(THE_DAY)
    return found


async def waits(school: School, child: str, family: str = "durand") -> None:
    """As the last of the line."""
    async with school.database.transaction() as session:
        connection = await session.connection()
        new = f"""INSERT INTO booking (id, number, line, family, child, activity, structure, date, arrival, departure, status, position,
              requested_at, decided_at, version) SELECT 'w-{child}', 'w-{child}', 0, '{family}', '{child}', activity, structure, date, arrival,
              departure, 'WAITLISTED', (SELECT max(position) + 1 FROM booking), requested_at, decided_at, 1
            FROM booking WHERE child = 'zoe'"""
        await connection.execute(text(new))
        await connection.execute(text("UPDATE opening SET waiting = waiting + 1 WHERE taken = 3"))


# ---------------------------------------------------------------------------------------------------------------- roster
async def test_the_roster_says_who_comes_who_waits_and_how_many(school: School) -> None:
    await waits(school, "leo")
    await waits(school, "max")
    roster = await school.roster()
    assert (roster["activity"], roster["date"], roster["reason"], roster["closed"], roster["version"]) == (
        {"id": "aps-matin", "name": "APS MATIN"}, "2026-09-14", None, False, 0,
    )  # fmt: skip
    assert roster["entries"][0] == {
        "child": {"id": "amalia"},
        "enrolled": True,
        "attendance": "NOT_RECORDED",
        "arrival": None,
        "departure": None,
        "note": None,
        "presumed": False,
        "recordedAt": None,
        "booking": {"id": await _first_booking(school, "amalia"), "status": "ACCEPTED", "arrival": "07:30", "departure": "08:45"},
    }
    assert attendances(roster) == dict.fromkeys(("amalia", "paolo", "zoe"), "NOT_RECORDED")
    assert [(one["rank"], one["child"]["id"], one["enrolled"], one["booking"]["status"]) for one in roster["waiting"]] == [
        (1, "leo", True, "WAITLISTED"),
        (2, "max", False, "WAITLISTED"),
    ]
    assert roster["counts"] == {
        "places": 3, "taken": 3, "waiting": 2, "present": 0, "absent": 0, "notRecorded": 3, "withoutBooking": 0,
        "byHour": [{"at": "07:00", "children": 3}, {"at": "08:00", "children": 3}],
    }  # fmt: skip


async def _first_booking(school: School, child: str) -> str:
    ((found,),) = await school.rows(f"SELECT id FROM booking WHERE child = '{child}' ORDER BY date LIMIT 1")
    return str(found)


async def test_the_roster_of_a_day_on_which_nothing_is_open_says_why(school: School) -> None:
    roster = await school.roster(date="2026-09-16")
    assert (roster["reason"], roster["entries"], roster["counts"]["places"]) == ("Pas d’activité ce jour de la semaine", [], 3)
    for day in ("0001-01-01", "9999-12-31"):
        assert (await school.roster(date=day))["reason"] == "Hors de la période de l’activité"


async def test_a_roster_of_five_hundred_costs_as_many_selects_as_one_of_three(school: School) -> None:
    selects: list[str] = []

    def count(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().startswith("SELECT"):
            selects.append(statement)

    async def cost() -> int:
        selects.clear()
        await school.roster()
        return len(selects)

    await school.roster()  # the rules are read once
    event.listen(school.database.engine.sync_engine, "before_cursor_execute", count)
    small = await cost()
    await school.screens.opens(replace(APS, capacity=None))
    many = [f"enfant-{n}" for n in range(497)]
    await school.screens.household("foule", *many)
    async with school.database.transaction() as session:
        connection = await session.connection()
        rows = [{"c": child} for child in many]
        await connection.execute(
            text(
                """INSERT INTO booking (id, number, line, family, child, activity, structure, date, arrival, departure, status, position,
              requested_at, decided_at, version) SELECT :c, :c, 0, 'foule', :c, activity, structure, date, arrival, departure, status,
              (SELECT max(position) + 1 FROM booking), requested_at, decided_at, 1 FROM booking WHERE child = 'zoe'"""
            ),
            rows,
        )
    await school.roster()  # their new version too
    assert await cost() == small
    assert len((await school.roster())["entries"]) == 500


# ------------------------------------------------------------------------------------------------------------ recording
async def test_each_child_is_recorded_and_a_late_pick_up_is_a_fact(school: School) -> None:
    amalia = await _first_booking(school, "amalia")
    assert await school.records(
        {"booking": amalia, "attendance": "PRESENT", "arrival": "07:41"},
        present("paolo", "07:10", "19:05", note=" Parents en retard "),
        absent("zoe", note="Malade"),
    ) == ["amalia PRESENT 07:41-None", "paolo PRESENT 07:10-19:05", "zoe ABSENT_JUSTIFIED None-None"]
    roster = await school.roster()
    assert [entry["note"] for entry in roster["entries"]] == [None, "Parents en retard", "Malade"]
    counts = roster["counts"]
    assert (counts["present"], counts["absent"], counts["notRecorded"]) == (2, 1, 0)
    assert counts["byHour"] == [{"at": "07:00", "children": 2}, {"at": "08:00", "children": 2}]
    await school.is_sound()


async def test_who_comes_without_a_booking_is_recorded_once_and_it_is_said_who_is_not_enrolled(school: School) -> None:
    assert await school.records(present("leo", "07:50"), present("max"), present("leo", "07:50")) == [
        "leo PRESENT 07:50-None",
        "max PRESENT None-None",
        "leo PRESENT 07:50-None",
    ]
    extra = (await school.roster())["entries"][3:]
    assert [(one["child"]["id"], one["booking"], one["enrolled"]) for one in extra] == [("leo", None, True), ("max", None, False)]
    assert (await school.roster())["counts"]["withoutBooking"] == 2


async def test_one_wrong_entry_keeps_no_other(school: School) -> None:
    tuesday = await school.booking("amalia")
    assert await school.records(
        present("nobody"),
        present("far"),  # of another town
        {"attendance": "PRESENT"},
        {"booking": "nothing", "attendance": "PRESENT"},
        {"booking": tuesday, "attendance": "PRESENT"},  # of another day
        {"booking": await school.booking("zoe"), "child": "paolo", "attendance": "PRESENT"},
        absent("leo"),
        present("amalia", "08:45", "07:30"),
        absent("amalia", arrival="07:30"),
        present("zoe", note="x" * 501),
        present("' OR 1=1 --"),
        present("paolo"),
    ) == [
        "? UNKNOWN_CHILD",
        "? UNKNOWN_CHILD",
        "? UNKNOWN_CHILD",
        "? UNKNOWN_BOOKING",
        "? UNKNOWN_BOOKING",
        "? UNKNOWN_BOOKING",
        "leo NOT_BOOKED",
        "amalia HOURS_NOT_ALLOWED",
        "amalia HOURS_NOT_ALLOWED",
        "zoe NOTE_TOO_LONG",
        "? UNKNOWN_CHILD",
        "paolo PRESENT None-None",
    ]  # fmt: skip
    assert await school.rows("SELECT child FROM presence") == [("paolo",)]
    entries = [present("zoe", note="x" * 501), present("amalia", "08:45", "07:30"), absent("amalia", arrival="07:30")]
    assert [one["refusal"]["message"] for one in (await school.asks(RECORD, entries=entries))["answers"]] == [
        "Observation trop longue : 500 caractères au plus",
        "Le départ (07:30) précède l’arrivée (08:45).",
        "Un enfant absent n’a ni arrivée ni départ.",
    ]


async def test_of_two_tablets_the_later_word_counts_and_the_trail_keeps_both(school: School) -> None:
    await school.records(present("amalia", "07:41"))
    await school.records(present("amalia", "07:41"))  # sent again: nothing
    school.at(THE_DAY + dt.timedelta(minutes=5))
    await school.records(absent("amalia"))
    await school.records({"child": "amalia", "attendance": "NOT_RECORDED"})
    was = {"attendance": "PRESENT", "arrival": "07:41", "departure": None, "note": None}
    ill = {"attendance": "ABSENT_JUSTIFIED", "arrival": None, "departure": None, "note": None}
    kind = "RECORD_ATTENDANCE"
    assert await school.acts() == [(kind, "amalia", None, was), (kind, "amalia", was, ill), (kind, "amalia", ill, None)]
    assert attendances(await school.roster())["amalia"] == "NOT_RECORDED"
    assert await school.rows("SELECT booking, family, account FROM act WHERE position = 1") == [
        (await _first_booking(school, "amalia"), "dupont", "agent")
    ]
    await school.is_sound()


async def test_a_walk_in_recorded_by_mistake_is_taken_back(school: School) -> None:
    await school.records(present("max"))
    assert await school.records({"child": "max", "attendance": "NOT_RECORDED"}) == ["max gone"]
    assert [entry["child"]["id"] for entry in (await school.roster())["entries"]] == ["amalia", "paolo", "zoe"]


async def test_a_child_whose_booking_was_given_back_and_comes_nevertheless_comes_without_one(school: School) -> None:
    zoe = await school.booking("zoe")
    await _cancelled(school, "zoe")
    assert await school.records({"booking": zoe, "attendance": "PRESENT", "arrival": "07:35"}) == ["zoe PRESENT 07:35-None"]
    assert await school.records({"booking": zoe, "attendance": "ABSENT_JUSTIFIED"}) == ["zoe NOT_BOOKED"]
    (zoes,) = [entry for entry in (await school.roster())["entries"] if entry["child"]["id"] == "zoe"]
    assert zoes["booking"] is None


async def _cancelled(school: School, child: str) -> None:
    async with school.database.transaction() as session:
        connection = await session.connection()
        await connection.execute(text(f"UPDATE booking SET status = 'CANCELLED' WHERE child = '{child}'"))
        await connection.execute(text("UPDATE opening SET taken = taken - 1 WHERE taken = 3"))


async def test_before_its_day_nothing_is_recorded_and_on_a_closed_one_neither(school: School) -> None:
    assert await school.records(present("amalia"), date=TUESDAY.isoformat()) == ["TOO_EARLY"]
    assert await school.records(present("amalia"), date="9999-12-31") == ["TOO_EARLY"]
    assert await school.records(present("amalia"), date="2026-09-09") == ["CLOSED"]
    assert await school.records(present("amalia"), date="0001-01-01") == ["CLOSED"]
    assert await school.records(*[present("amalia")] * 1001) == ["TOO_MANY_LINES"]
    assert await school.rows("SELECT child FROM presence") == []


# -------------------------------------------------------------------------------------------------------------- closing
async def test_closing_tells_the_whole_day_once(school: School) -> None:
    await waits(school, "leo")
    await school.records(present("amalia", "07:41"), absent("zoe"), present("max", "07:50", "08:20"))
    roster = await school.closes()
    assert (roster["closed"], roster["closedAt"], roster["version"], roster["waiting"]) == (True, "2026-09-14T07:00:00Z", 1, [])
    (event,) = await school.told()
    assert (event["activity"], event["date"], event["version"], event["part"], event["parts"]) == ("aps-matin", "2026-09-14", 1, 1, 1)
    assert lines(event) == [
        ("amalia", "PRESENT", "07:41", "08:45", True),
        ("paolo", "PRESENT", "07:30", "08:45", True),
        ("zoe", "ABSENT_JUSTIFIED", None, None, True),
        ("max", "PRESENT", "07:50", "08:20", False),
    ]
    assert [one["family"] for one in event["attendances"]] == ["dupont", "dupont", "durand", "durand"]
    assert event["attendances"][0]["booking"] == await _first_booking(school, "amalia")
    assert event["attendances"][3]["booking"] == presence_id("aps-matin", MONDAY, "max")
    assert [entry["presumed"] for entry in roster["entries"]] == [False, True, False, False]
    assert [body["child"] for body in await school.told("expired")] == ["leo"]

    again = await school.closes()
    assert again == roster
    assert len(await school.told()) == 1
    counts = {"version": 1, "PRESENT": 3, "ABSENT_JUSTIFIED": 1, "ABSENT_UNJUSTIFIED": 0}
    assert [act for act in await school.acts() if act[0] == "CLOSE_DAY"] == [("CLOSE_DAY", None, None, counts)]
    await school.is_sound()


async def test_a_closed_day_takes_nothing_any_more(school: School) -> None:
    await school.closes()
    assert await school.records(absent("amalia")) == ["DAY_CLOSED"]
    assert attendances(await school.roster()) == dict.fromkeys(("amalia", "paolo", "zoe"), "PRESENT")
    await school.is_sound()


async def test_a_day_closes_once_its_opening_has_started_and_where_there_was_one(school: School) -> None:
    school.at(dt.datetime(2026, 9, 14, 5, 29, tzinfo=dt.UTC))
    assert (await school.closes())["code"] == "TOO_EARLY"
    assert (await school.closes(date="9999-12-31"))["code"] == "CLOSED"
    assert (await school.closes(date="0001-01-01"))["code"] == "CLOSED"
    assert (await school.closes(date="2026-09-09"))["code"] == "CLOSED"
    school.at(dt.datetime(2026, 9, 14, 5, 30, tzinfo=dt.UTC))
    assert (await school.closes())["closed"] is True
    assert (await school.closes(date="2026-09-11"))["closed"] is True  # open that day, and nobody came
    assert [len(event["attendances"]) for event in await school.told()] == [3, 0]
    await school.is_sound()


async def test_a_day_with_places_of_its_own_keeps_them(school: School) -> None:
    """Nobody had booked that Friday: recording who came makes its opening."""
    friday = dt.date(2026, 9, 11)
    await school.screens.opens(replace(APS, capacity_on={friday: 1}, waiting_list_on={friday: 0}))
    assert (await school.roster(date=friday.isoformat()))["counts"]["places"] == 1
    assert await school.records(present("leo"), present("max"), date=friday.isoformat()) == [
        "leo PRESENT None-None",
        "max PRESENT None-None",
    ]
    assert await school.rows("SELECT places, waiting_places, taken FROM opening WHERE taken = 0") == [(1, 0, 0)]
    await school.is_sound()


async def test_a_town_may_presume_absence(school: School) -> None:
    await school.screens.opens(replace(APS, attendance=AttendanceRules(unrecorded="absent")))
    await school.records(present("zoe"))
    await school.closes()
    (event,) = await school.told()
    assert [line[:2] for line in lines(event)] == [("amalia", "ABSENT_UNJUSTIFIED"), ("paolo", "ABSENT_UNJUSTIFIED"), ("zoe", "PRESENT")]


async def test_cancelled_bookings_are_not_in_it(school: School) -> None:
    await school.records(absent("zoe"))
    await _cancelled(school, "zoe")
    await school.closes()
    (event,) = await school.told()
    assert [line[0] for line in lines(event)] == ["amalia", "paolo"]
    await school.is_sound()


async def test_a_day_that_was_opened_again_is_told_again_as_a_whole(school: School) -> None:
    await school.records(present("zoe", "07:45"), present("max"))
    await school.closes()
    reopened = await school.reopens("  Zoé était malade  ")
    assert (reopened["closed"], reopened["version"]) == (False, 1)
    assert attendances(reopened) == {"amalia": "NOT_RECORDED", "paolo": "NOT_RECORDED", "zoe": "PRESENT", "max": "PRESENT"}
    assert await school.records(absent("zoe"), present("paolo", "08:00")) == ["zoe ABSENT_JUSTIFIED None-None", "paolo PRESENT 08:00-None"]
    await school.closes()
    first, second = await school.told()
    assert (first["version"], second["version"]) == (1, 2)
    assert [line[:3] for line in lines(second)] == [
        ("amalia", "PRESENT", "07:30"),
        ("paolo", "PRESENT", "08:00"),
        ("zoe", "ABSENT_JUSTIFIED", None),
        ("max", "PRESENT", "07:30"),
    ]
    assert first["attendances"][3]["booking"] == second["attendances"][3]["booking"]
    assert await school.rows("SELECT reason FROM act WHERE kind = 'REOPEN_DAY'") == [("Zoé était malade",)]
    await school.is_sound()


async def test_opening_again_needs_a_reason_and_an_open_day_stays_as_it_is(school: School) -> None:
    assert (await school.reopens())["closed"] is False
    assert await school.acts() == []
    for reason in ("", "   ", "x" * 501):
        assert (await school.reopens(reason))["code"] == "REASON_REQUIRED"


async def test_a_whole_city_at_lunch_is_told_in_parts(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.booking.attending.MOST_IN_EVENT", 2)
    await school.closes()
    events = await school.told()
    assert [(event["version"], event["part"], event["parts"], len(event["attendances"])) for event in events] == [
        (1, 1, 2, 2),
        (1, 2, 2, 1),
    ]
    await school.is_sound()


async def test_bookings_that_are_loaded_come_too_late_for_a_closed_day(school: School) -> None:
    await school.screens.opens(replace(APS, capacity=9))
    await school.closes()
    with pytest.raises(AssertionError):
        await school.screens.has_booked("leo", "aps-matin", MONDAY, family="durand")
    await school.is_sound()


# -------------------------------------------------------------------------------------------------------- who may not
async def test_only_the_agents_of_the_structure_may(school: School) -> None:
    for query, more in ((READ, {}), (RECORD, {"entries": [present("amalia")]}), (CLOSE, {}), (REOPEN, {"reason": "Pour voir"})):
        assert await school.is_refused(query, None, **more) == "UNAUTHENTICATED"
        for caller in (DUPONT, OTHER_AGENT):
            assert await school.is_refused(query, caller, **more) == "FORBIDDEN"
        for activity in ("nothing", "", "x" * 100_000):
            assert await school.is_refused(query, activity=activity, **more) == "FORBIDDEN"
    assert await school.rows("SELECT child FROM presence") == await school.acts() == await school.told() == []


#: What is done to the tables, one after the other, and what `preau check` then says.
SABOTAGE: Sequence[tuple[str, str]] = (
    ("DELETE FROM presence WHERE child = 'paolo'", "aps-matin on 2026-09-14 is closed, but says nothing of booking"),
    ("UPDATE booking SET status = 'CANCELLED' WHERE child = 'zoe'", "which is CANCELLED"),
    ("DELETE FROM outgoing WHERE type = 'fr.preau.booking.day_settled.v1'", "aps-matin on 2026-09-14 was closed 1 times and told 0 times"),
)


async def test_what_is_broken_about_a_closed_day_is_named(school: School) -> None:
    await school.closes()
    for statement, words in SABOTAGE:
        async with school.database.transaction() as session:
            await (await session.connection()).execute(text(statement))
        async with school.database.reading() as session:
            found = await violations(session, NOW)
        assert any(words in sentence for sentence in found), found
