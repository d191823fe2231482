"""Which agents saw bookings of which children: told to identity in batches, once an hour, without names; families cost nothing."""

import datetime as dt
from dataclasses import replace
from typing import Any

import orjson
import pytest

from services.booking.viewing import LOG
from services.events import BookingLooksTaken
from services.outbox import Outgoing
from tests.booking.run_town import RunTown
from tests.booking.screens import AGENT, DUPONT, OTHER_AGENT, Screens, entities, screens, signed_in
from tests.booking.test_activity import APS_MATIN
from tests.booking.test_emptied_days import counted
from tests.booking.test_files import CANTINE, DAY
from tests.booking.test_schema_runs import REPORT, town
from tests.booking.town import at_work

__all__ = ["screens", "town"]

Seen = set[tuple[str, str | None, str]]
ATTENDANCE: Seen = {("dupont", "amalia", "ATTENDANCE"), ("durand", "zoe", "ATTENDANCE")}
BOOKINGS: Seen = {("dupont", None, "BOOKINGS")}
ROSTER = f'{{ roster(activity: "cantine", date: "{DAY}") {{ entries {{ child {{ id }} }} }} }}'


async def told(one: Any) -> Seen:
    """All that was told so far: (family, child, what)."""
    await LOG.of(one.running).write()
    looks = await looks_of(one)
    assert {look["account"] for look in looks} <= {"agent"}
    return {(seen["family"], seen["child"], look["what"]) for look in looks for seen in look["seen"]}


async def looks_of(one: Any) -> list[Any]:
    async with one.running.database.reading() as session:
        query = Outgoing.__table__.select().where(Outgoing.type == BookingLooksTaken.type_name())
        return [orjson.loads(row.body) for row in await (await session.connection()).execute(query)]


@pytest.fixture
async def carteville(screens: Screens) -> Screens:
    await screens.opens(APS_MATIN, replace(CANTINE, capacity=3))
    await screens.household("dupont", "amalia", "paolo")
    await screens.household("durand", "zoe")
    await screens.enrolls("amalia", "aps-matin", "cantine")
    await screens.enrolls("zoe", "cantine", family="durand")
    await screens.has_booked("amalia", "cantine", DAY)
    await screens.has_booked("zoe", "cantine", DAY, family="durand")
    return screens


@pytest.mark.parametrize(
    ("of", "fields", "what"),
    [
        ("Family", "bookingAccess { open }", BOOKINGS),
        ("Family", "criteria { id }", BOOKINGS),
        ("Family", "bookings { nodes { number } }", BOOKINGS | {("dupont", "amalia", "BOOKINGS")}),
        ("Family", "requests { totalCount }", BOOKINGS),
        ("Family", "bookingsFile(format: CSV) { __typename }", BOOKINGS | {("dupont", "amalia", "FILE")}),
        ("Child", "activities { id }", {("dupont", "amalia", "BOOKINGS")}),
        ("Child", 'calendar(month: "2026-09") { days { state } }', {("dupont", "amalia", "BOOKINGS")}),
        ("Child", f'day(date: "{DAY}") {{ state }}', {("dupont", "amalia", "BOOKINGS")}),
        ("Child", "calendarFeed { createdAt }", {("dupont", "amalia", "BOOKINGS")}),
    ],
)
async def test_what_an_agent_sees_of_a_family_is_told_and_what_the_family_sees_is_not(
    carteville: Screens, of: str, fields: str, what: Seen
) -> None:
    """A link is a look: whoever asked for it has seen what it opens, or could. As the gateway asks, or anybody at booking's own door."""
    asked = entities(of, {"Family": "dupont", "Child": "amalia"}[of], fields)
    assert (await carteville.asks(asked, DUPONT))["_entities"] != [None]
    assert await carteville.is_refused(asked, OTHER_AGENT) == "FORBIDDEN"
    assert await told(carteville) == set()
    assert (await carteville.asks(asked, AGENT))["_entities"] != [None]
    assert await told(carteville) == what


async def test_a_roster_is_a_look_at_each_child_that_stands_there(carteville: Screens) -> None:
    await carteville.asks(ROSTER, AGENT)
    assert await told(carteville) == ATTENDANCE


async def test_who_is_enrolled_is_told_to_agents_page_by_page_and_noted_of_each_who_was_shown(carteville: Screens) -> None:
    await carteville.enrolls("paolo", "cantine", from_=DAY, until=DAY)
    listed = """query($since: Date, $after: String) { enrolledChildren(activity: "cantine", since: $since, first: 1, after: $after) {
      endCursor hasNextPage nodes { from until child { id } family { id } } } }"""
    for caller in (DUPONT, OTHER_AGENT):
        assert await carteville.is_refused(listed, caller) == "FORBIDDEN"
    assert await carteville.is_refused(listed.replace("cantine", "nothing"), AGENT) == "FORBIDDEN"

    async def pages(**asked: Any) -> list[tuple[Any, ...]]:
        found, after, more = list[tuple[Any, ...]](), None, True
        while more:
            page = (await carteville.asks(listed, AGENT, variables={**asked, "after": after}))["enrolledChildren"]
            found += [(one["family"]["id"], one["child"]["id"], one["from"], one["until"]) for one in page["nodes"]]
            after, more = page["endCursor"], page["hasNextPage"]
        return found

    day, next_day = DAY.isoformat(), (DAY + dt.timedelta(days=1)).isoformat()
    everybody = [("dupont", "amalia", None, None), ("dupont", "paolo", day, day), ("durand", "zoe", None, None)]
    assert await pages(since=next_day) == [everybody[0], everybody[2]]
    assert await told(carteville) == {("dupont", "amalia", "BOOKINGS"), ("durand", "zoe", "BOOKINGS")}
    assert await pages(since=day) == await pages() == everybody


async def test_what_is_read_of_acts_is_a_look_at_whom_they_are_about(carteville: Screens) -> None:
    enroll = 'mutation { enrollChild(input: {child: "paolo", activity: "cantine"}) { __typename } }'
    async with at_work(carteville):
        await carteville.asks(enroll, AGENT)
    await carteville.asks('{ acts(structure: "carteville") { nodes { kind } } }', AGENT)
    assert ("dupont", "paolo", "ACTS") in await told(carteville)


async def test_a_run_is_a_look_at_each_candidate_that_is_shown(town: RunTown) -> None:
    await town.holds_run()
    await Screens(town.running).asks(f'{{ allocationRun(id: "loisirs/1") {{ {REPORT.split("...")[1][22:].rsplit("}", 1)[0]} }} }}', AGENT)
    assert {(family, what) for family, _, what in await told(town)} >= {(family, "ALLOCATION") for family in ("dupont", "durand", "petit")}


async def test_a_look_waits_for_no_writer_and_is_told_once_an_hour_whoever_looks_how_often(carteville: Screens) -> None:
    with counted(carteville) as statements:  # type: ignore[arg-type]  # it has a database, too
        for _ in range(5):
            await carteville.asks(ROSTER, AGENT)
        assert not [one for one in statements if one.startswith(("INSERT", "UPDATE"))]
    await told(carteville)
    await told(carteville)
    assert len(await looks_of(carteville)) == 1, "all children in one event"


async def test_who_works_for_the_town_sees_their_own_family_as_a_parent(carteville: Screens) -> None:
    both = signed_in("dupont", agent_of="carteville")
    await carteville.asks(ROSTER, both)
    await carteville.of_family("dupont", "bookings { nodes { number } }", both)
    await LOG.of(carteville.running).write()
    (look,) = await looks_of(carteville)
    assert look["seen"] == [{"family": "durand", "child": "zoe"}]


async def test_a_look_costs_no_statement_whoever_looks(carteville: Screens) -> None:
    for fields in ('calendar(month: "2026-09") { days { state } }', "activities { id }", f'day(date: "{DAY}") {{ state }}'):
        costs = []
        for caller in (DUPONT, DUPONT, AGENT):  # What a first answer learns, the next ones know.
            with counted(carteville) as statements:  # type: ignore[arg-type]  # it has a database, too
                await carteville.of_child("amalia", fields, caller)
            costs.append(len(statements))
        assert costs[1] == costs[2]
