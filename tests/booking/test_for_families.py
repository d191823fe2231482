"""Agents book, cancel and move for a family: past deadlines and debts if they say so, never past capacity or the line."""

import asyncio
import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from services.booking.activity import ChosenHours, DaysBefore, Scheduled
from services.booking.order import ForFamily, Line
from services.clock import Clock
from tests.booking.town import CANCEL, CANTINE, CLOCK, MONDAY, TUESDAY, Town, at_work, books, cancels

WHY = ForFamily("Accord de la directrice")
LATE = replace(WHY, past_deadlines=True)
SUNDAY_EVENING = Clock(frozen_at=dt.datetime(2026, 11, 29, 19, tzinfo=dt.UTC))
MONDAY_NIGHT = Clock(frozen_at=dt.datetime(2026, 11, 30, 23, 30, tzinfo=dt.UTC))  # Tuesday, in CarteVille
FAMILIES = ("dupont", "durand", "petit", "martin")


@pytest.fixture
async def town(running: Any) -> Town:
    """A canteen with one place and two ranks a day, to be booked and cancelled two days before at 9."""
    made = Town(await running("booking", clock=CLOCK, start=False))
    rule = DaysBefore(2, "09:00")
    await made.opens(booking_deadline=rule, cancellation_deadline=rule)
    for family in FAMILIES:
        await made.household(family)
    return made


async def at(town: Town, running: Any, clock: Clock) -> Town:
    """The same town at another hour."""
    later = Town(await running("booking", clock=clock, start=False, url=town.running.settings.database_urls["booking"]))
    later._keys = 1000
    return later


async def booking_of(town: Town, child: str, date: dt.date = MONDAY) -> str:
    ((id_,),) = await town.rows(
        f"SELECT id FROM booking WHERE child = '{child}' AND date = '{date}' AND status IN ('ACCEPTED', 'WAITLISTED', 'SUBMITTED')"
    )
    return str(id_)


async def moves(town: Town, child: str, to: Line, *, said: ForFamily = WHY, date: dt.date = MONDAY) -> list[str]:
    away = Line(CANCEL, child, "cantine", date, booking=await booking_of(town, child, date))
    return await town.asks(child, away, to, agent=replace(said, moves=True), accept_waiting_list=False)


# ------------------------------------------------------------------------------------------------------ deadlines and debts
async def test_an_agent_books_past_the_deadline_only_if_it_says_so(town: Town, running: Any) -> None:
    evening = await at(town, running, SUNDAY_EVENING)
    assert await evening.asks("dupont", agent=WHY) == ["REFUSED TOO_LATE"]
    assert await evening.asks("dupont", agent=LATE) == ["ACCEPTED"]
    assert await evening.asks("dupont", cancels("dupont"), agent=WHY) == ["REFUSED TOO_LATE_TO_CANCEL"]
    assert await evening.asks("dupont", cancels("dupont"), agent=LATE) == ["CANCELLED"]
    assert [body["by"] for _, body in await evening.told("cancelled")] == ["agent"]
    await evening.is_sound()


async def test_a_day_that_is_over_is_past_for_agents_too(town: Town, running: Any) -> None:
    night = await at(town, running, MONDAY_NIGHT)
    assert await night.asks("dupont", agent=LATE) == ["REFUSED TOO_LATE"]
    assert await night.asks("dupont", books("dupont", TUESDAY), agent=LATE) == ["ACCEPTED"]


async def test_past_the_deadline_nobody_joins_a_line_and_nobody_is_promoted(town: Town, running: Any) -> None:
    await town.asks("dupont")
    evening = await at(town, running, SUNDAY_EVENING)
    assert await evening.asks("durand", agent=LATE) == ["REFUSED FULL"]
    await town.asks("petit")
    assert await evening.asks("dupont", cancels("dupont"), agent=LATE) == ["CANCELLED"]
    assert await evening.line_up() == {"ACCEPTED": [], "WAITLISTED": ["petit"]}, "too late for a line to move"


async def test_who_still_waits_past_the_deadline_waits_in_vain_and_is_told_before_an_agent_fills_the_place(
    town: Town, running: Any
) -> None:
    for family in ("dupont", "petit"):
        await town.asks(family)
    evening = await at(town, running, SUNDAY_EVENING)
    await evening.asks("dupont", cancels("dupont"), agent=LATE)
    assert await evening.asks("durand", agent=LATE) == ["ACCEPTED"]
    assert await evening.line_up() == {"ACCEPTED": ["durand"], "WAITLISTED": []}
    assert [body["family"] for _, body in await evening.told("place_expired")] == ["petit"]
    await evening.is_sound()


async def test_whoever_has_just_waited_in_vain_has_nothing_there_that_would_stand_in_an_agents_way(town: Town, running: Any) -> None:
    """Paolo waits. The agent gives Dupont's place to Amalia, which ends the line, and asks for Paolo in the same request."""
    await town.household("martin", "amalia", "paolo", version=2)
    await town.asks("dupont")
    assert await town.asks("martin", books("paolo")) == ["WAITLISTED"]
    evening = await at(town, running, SUNDAY_EVENING)
    await evening.writes(evening.order("dupont", cancels("dupont"), agent=LATE))
    assert await evening.asks("martin", books("amalia"), books("paolo"), agent=LATE) == ["ACCEPTED", "REFUSED FULL"]
    assert await evening.line_up() == {"ACCEPTED": ["amalia"], "WAITLISTED": []}
    await evening.is_sound()


async def test_a_line_ends_with_the_agent_who_comes_past_the_deadline_be_there_a_place_or_not(town: Town, running: Any) -> None:
    await town.asks("dupont")
    assert await town.asks("durand") == ["WAITLISTED"]
    evening = await at(town, running, SUNDAY_EVENING)
    assert await evening.asks("petit", agent=LATE) == ["REFUSED FULL"]
    assert await evening.line_up() == {"ACCEPTED": ["dupont"], "WAITLISTED": []}
    assert [body["family"] for _, body in await evening.told("place_expired")] == ["durand"]
    await evening.is_sound()


async def test_an_agent_overtakes_nobody(town: Town) -> None:
    await town.asks("dupont")
    await town.asks("durand")
    assert await town.asks("petit", agent=replace(LATE, despite_debt=True)) == ["WAITLISTED"]
    assert await town.asks("martin", agent=LATE) == ["REFUSED FULL"]
    await town.asks("dupont", cancels("dupont"))
    assert await town.line_up() == {"ACCEPTED": ["durand"], "WAITLISTED": ["petit"]}
    await town.is_sound()


async def test_s21_a_debt_stands_in_an_agents_way_too_unless_it_says_so(town: Town) -> None:
    await town.owes("dupont")
    (no,) = await town.writes(town.order("dupont", agent=WHY))
    assert getattr(no, "code", None) == "ACCOUNT_IN_DEBIT"
    assert await town.asks("dupont", agent=replace(WHY, despite_debt=True)) == ["ACCEPTED"]


async def test_s21_nobody_is_moved_despite_a_debt_unless_the_agent_says_so(town: Town) -> None:
    await town.asks("dupont")
    await town.owes("dupont")
    there = books("dupont", TUESDAY)
    assert await moves(town, "dupont", there, said=LATE) == ["REFUSED NOT_MOVED", "REFUSED ACCOUNT_IN_DEBIT"]
    assert await moves(town, "dupont", there, said=replace(WHY, despite_debt=True)) == ["CANCELLED", "ACCEPTED"]


async def test_what_is_closed_or_not_for_the_child_stays_so_for_agents(town: Town) -> None:
    everything = replace(LATE, despite_debt=True)
    wednesday = MONDAY + dt.timedelta(days=2)
    await town.opens(id="loisirs", weekdays=frozenset(range(5)))
    answers = await town.asks("dupont", books("dupont", wednesday), books("dupont", MONDAY, "loisirs"), agent=everything)
    assert answers == ["REFUSED CLOSED", "REFUSED NOT_ENROLLED"]


async def test_an_agents_request_for_a_run_waits_for_it_like_any_other(town: Town) -> None:
    await town.opens(allocation=Scheduled("02:00", "arrival"), booking_deadline=None)
    assert await town.asks("dupont", agent=WHY) == ["SUBMITTED"]
    await town.opens(booking_deadline=None)
    await town.decides()
    assert await town.line_up() == {"ACCEPTED": ["dupont"], "WAITLISTED": []}
    acts = await town.rows("SELECT kind, booking FROM act")
    assert [kind for kind, _ in acts] == ["BOOK_FOR_FAMILY"], "one act, however often the request is served"


# ------------------------------------------------------------------------------------------------- what remains of an act
async def test_an_act_for_a_family_is_in_the_audit_trail_and_in_the_answer(town: Town) -> None:
    await town.asks("dupont", books("dupont"), books("dupont", TUESDAY), agent=replace(WHY, despite_debt=True))
    await town.asks("dupont", cancels("dupont"), agent=WHY)
    rows = await town.rows("SELECT kind, family, child, activity, reason FROM act ORDER BY position")
    assert rows == [(kind, "dupont", "dupont", "cantine", WHY.reason) for kind in ("BOOK_FOR_FAMILY",) * 2 + ("CANCEL_FOR_FAMILY",)]
    first, second = [body for _, body in await town.told("request_decided")]
    assert (first["by"], first["account"], second["by"]) == ("agent", None, "agent")
    assert "reason" not in first, "an agent's words are for the family alone"
    assert [body["reason"] for _, body in await town.told("request_explained")] == [WHY.reason] * 2
    await town.asks("durand")
    assert (await town.told("request_decided"))[-1][1]["by"] == "family"
    assert len(await town.told("request_explained")) == 2
    await town.is_sound()


async def test_the_same_words_are_the_same_order_and_others_another(town: Town) -> None:
    order = town.order("dupont", key="one")
    orders = [order, replace(order, agent=WHY), replace(order, agent=replace(WHY, reason="Autre motif"))]
    assert len({one.fingerprint() for one in orders}) == 3


async def test_an_act_of_which_nothing_came_is_no_news_to_the_family(town: Town) -> None:
    await town.asks("durand")
    await town.asks("dupont", agent=WHY, accept_waiting_list=False)
    await town.asks("dupont", cancels("dupont"), agent=WHY)
    assert [(body["by"], body["explained"]) for _, body in (await town.told("request_decided"))[1:]] == [("agent", True)] * 2
    assert await town.told("request_explained") == []
    assert await town.rows("SELECT reports FROM request ORDER BY seq") == [(1,), (0,), (0,)]
    await town.asks("dupont", books("dupont", TUESDAY), cancels("dupont"), agent=WHY)
    ((_, told),) = await town.told("request_explained")
    assert [line["outcome"] for line in told["movements"]] == ["ACCEPTED", "REFUSED"], "some came of it: all is told"


async def test_a_family_is_told_of_a_deadline_or_a_debt_only_where_it_would_have_stood_in_its_way(town: Town, running: Any) -> None:
    everything = replace(LATE, despite_debt=True)
    await town.asks("dupont", books("dupont", TUESDAY), agent=everything)
    evening = await at(town, running, SUNDAY_EVENING)
    await evening.asks("dupont", agent=everything)
    await evening.owes("dupont")
    await evening.asks("dupont", cancels("dupont"), agent=everything)
    await evening.asks("dupont", agent=everything)
    assert [body["overrode"] for _, body in await evening.told("request_explained")] == [
        [],
        ["DEADLINE"],
        ["DEADLINE"],
        ["DEADLINE", "DEBT"],
    ]


# ------------------------------------------------------------------------------------------------------------------ moving
async def test_a_move_takes_the_new_place_and_serves_the_line_of_the_old_one(town: Town) -> None:
    for family in ("dupont", "durand"):
        await town.asks(family)
    assert await moves(town, "dupont", books("dupont", TUESDAY)) == ["CANCELLED", "ACCEPTED"]
    assert await town.line_up() == {"ACCEPTED": ["durand"], "WAITLISTED": []}
    assert await town.line_up(TUESDAY) == {"ACCEPTED": ["dupont"], "WAITLISTED": []}
    assert [kind for (kind,) in await town.rows("SELECT kind FROM act")] == ["MOVE_BOOKING"]
    await town.is_sound()


@pytest.mark.parametrize(
    ("to", "said", "answer"),
    [
        (books("dupont", TUESDAY), WHY, "REFUSED FULL"),
        (books("dupont", MONDAY + dt.timedelta(days=2)), LATE, "REFUSED CLOSED"),
        (books("dupont", TUESDAY, "loisirs"), LATE, "REFUSED NOT_ENROLLED"),
        (books("dupont", TUESDAY, arrival="09:00"), LATE, "REFUSED HOURS_NOT_ALLOWED"),
    ],
)
async def test_a_move_to_what_cannot_be_had_changes_nothing(town: Town, to: Line, said: ForFamily, answer: str) -> None:
    await town.opens(id="loisirs")
    await town.asks("petit", books("petit", TUESDAY))
    for family in ("dupont", "durand"):
        await town.asks(family)
    before = await booking_of(town, "dupont")
    assert await moves(town, "dupont", to, said=said) == ["REFUSED NOT_MOVED", answer]
    assert await booking_of(town, "dupont") == before
    assert await town.line_up() == {"ACCEPTED": ["dupont"], "WAITLISTED": ["durand"]}
    assert await town.line_up(TUESDAY) == {"ACCEPTED": ["petit"], "WAITLISTED": []}
    assert await town.told("cancelled") == []
    await town.is_sound()


async def test_a_move_past_the_deadline_wants_to_be_told_so(town: Town, running: Any) -> None:
    await town.asks("dupont")
    evening = await at(town, running, SUNDAY_EVENING)
    assert await moves(evening, "dupont", books("dupont", TUESDAY)) == ["REFUSED TOO_LATE_TO_CANCEL", "REFUSED NOT_MOVED"]
    assert await moves(evening, "dupont", books("dupont", TUESDAY), said=LATE) == ["CANCELLED", "ACCEPTED"]
    await evening.is_sound()


async def test_other_hours_at_the_same_opening_keep_the_place_though_others_wait(town: Town) -> None:
    await town.opens(hours=ChosenHours("07:30", "18:30", 15, 60))
    hours = {"arrival": "09:00", "departure": "17:00"}
    for family in ("dupont", "durand"):
        await town.asks(family, books(family, **hours))
    assert await moves(town, "dupont", books("dupont", arrival="10:00", departure="16:00")) == ["CANCELLED", "ACCEPTED"]
    assert await town.line_up() == {"ACCEPTED": ["dupont"], "WAITLISTED": ["durand"]}
    assert await town.rows("SELECT arrival FROM booking WHERE child = 'dupont' AND status = 'ACCEPTED'") == [("10:00",)]
    told = len(await town.told("accepted", "cancelled", "request_explained"))
    same = await moves(town, "dupont", books("dupont", arrival="10:00", departure="16:00"))
    assert same == ["REFUSED NOT_MOVED", "REFUSED ALREADY_BOOKED"], "to where it is at the hours that it has is no move"
    assert len(await town.told("accepted", "cancelled", "request_explained")) == told, "nobody is written to"
    assert await town.told("place_given") == []
    await town.is_sound()


async def test_a_family_that_gives_back_and_takes_again_has_no_such_right(town: Town) -> None:
    """The negative control of the one above: the line is served in between."""
    for family in ("dupont", "durand"):
        await town.asks(family)
    assert await town.asks("dupont", cancels("dupont"), books("dupont")) == ["CANCELLED", "WAITLISTED"]
    assert await town.line_up() == {"ACCEPTED": ["durand"], "WAITLISTED": ["dupont"]}


async def test_who_waits_is_moved_to_a_place_and_not_to_another_line(town: Town) -> None:
    for family in ("dupont", "durand"):
        await town.asks(family)
    await town.asks("petit", books("petit", TUESDAY))
    thursday = MONDAY + dt.timedelta(days=3)
    assert await moves(town, "durand", books("durand", TUESDAY)) == ["REFUSED NOT_MOVED", "REFUSED FULL"]
    assert await moves(town, "durand", books("durand")) == ["REFUSED NOT_MOVED", "REFUSED FULL"], "other hours win no place"
    assert await moves(town, "durand", books("durand", thursday)) == ["CANCELLED", "ACCEPTED"]
    assert await town.line_up() == {"ACCEPTED": ["dupont"], "WAITLISTED": []}
    await town.is_sound()


async def test_who_waited_in_vain_is_moved_past_the_deadline_to_the_place_that_is_free_there(town: Town, running: Any) -> None:
    """Other hours, for instance. The line ends with that, but whoever is moved has left it: nothing expires that was given back."""
    await town.asks("dupont")
    for family in ("durand", "petit"):
        await town.asks(family)
    evening = await at(town, running, SUNDAY_EVENING)
    assert await moves(evening, "petit", books("petit"), said=LATE) == ["REFUSED NOT_MOVED", "REFUSED FULL"]
    assert await evening.asks("dupont", cancels("dupont"), agent=LATE) == ["CANCELLED"]
    assert await moves(evening, "petit", books("petit"), said=LATE) == ["CANCELLED", "ACCEPTED"]
    assert await evening.line_up() == {"ACCEPTED": ["petit"], "WAITLISTED": []}
    assert [(body["family"], body["was"]) for _, body in await evening.told("cancelled")] == [
        ("dupont", "ACCEPTED"),
        ("petit", "WAITLISTED"),
    ]
    assert [body["family"] for _, body in await evening.told("expired")] == ["durand"]
    await evening.is_sound()


async def test_a_booking_that_is_gone_cannot_be_moved(town: Town) -> None:
    await town.asks("dupont")
    away = Line(CANCEL, "dupont", "cantine", MONDAY, booking=await booking_of(town, "dupont"))
    await town.asks("dupont", cancels("dupont"))
    answers = await town.asks("dupont", away, books("dupont", TUESDAY), agent=replace(WHY, moves=True))
    assert answers == ["REFUSED UNKNOWN_BOOKING", "REFUSED NOT_MOVED"]
    await town.is_sound()


async def test_what_is_told_of_a_booking_that_was_gone_already_is_what_everybody_can_read(town: Town) -> None:
    """Nothing was given back: an event with any other word in it would be readable to nobody, and the whole report lost."""
    await town.asks("dupont")
    again = Line(CANCEL, "dupont", "cantine", MONDAY, booking=await booking_of(town, "dupont"))
    await town.asks("dupont", cancels("dupont"))
    assert await town.asks("dupont", again, books("dupont", TUESDAY), agent=WHY) == ["REFUSED UNKNOWN_BOOKING", "ACCEPTED"]
    for name in ("request_decided", "request_explained"):
        _, body = (await town.told(name))[-1]
        assert [(line["outcome"], line["was"]) for line in body["movements"]] == [("REFUSED", None), ("ACCEPTED", None)]


async def test_two_agents_move_two_children_to_the_last_place_and_one_stays(running: Any) -> None:
    first = Town(await running("booking", clock=CLOCK, start=False))
    second = Town(await running("booking", clock=CLOCK, start=False, url=first.running.settings.database_urls["booking"]))
    await first.opens(replace(CANTINE, capacity=2, capacity_on={TUESDAY: 1}))
    for family in FAMILIES:
        await first.household(family)
    async with at_work(first, second):
        for family in FAMILIES:
            await first.submits(family)  # two are in, two wait
        in_, waiting = (await first.line_up()).values()
        orders = []
        for child in in_:
            away = Line(CANCEL, child, "cantine", MONDAY, booking=await booking_of(first, child))
            orders.append(first.order(child, away, books(child, TUESDAY), agent=replace(WHY, moves=True)))
        desks = (first.desk, second.desk)
        receipts = await asyncio.gather(
            *(desk.take("agent", "carteville", one) for desk, one in zip(desks, orders, strict=True)),
            *(first.submits(child, books(child, TUESDAY)) for child in waiting),
        )
    answers = sorted([await first.answers(receipt.request) for receipt in receipts[:2]])
    moved = ["CANCELLED", "ACCEPTED"] in answers
    (tuesday,) = (await first.line_up(TUESDAY))["ACCEPTED"]
    assert moved == (tuesday in in_)
    assert answers[1] == ["REFUSED NOT_MOVED", "REFUSED FULL"]
    monday = (await first.line_up())["ACCEPTED"]
    assert len(monday) == 2
    assert len(set(in_) & set(monday)) == (1 if moved else 2)
    await first.is_sound()
