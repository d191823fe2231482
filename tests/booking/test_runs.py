"""Scheduled allocation (S35): requests stay SUBMITTED until the run, which ranks them by the published policy."""

import datetime as dt
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from services.booking import commands
from services.booking.activity import DaysBefore, Immediate, Scheduled
from services.booking.allocation_run import decide, from_json
from services.booking.allocator import allocate
from services.booking.ranking import draw_of
from services.booking.runs import NotYet
from services.booking.tables import partition_of
from services.clock import Clock
from services.refusal import Refused
from tests.booking.run_town import LOISIRS, POINTS, TWO_OCLOCK, RunTown, days
from tests.booking.town import CANTINE, CLOCK, MONDAY, NOW, TUESDAY, books, cancels

FAMILIES = [f"f{n}" for n in range(6)]


@pytest.fixture
async def town(running: Any) -> RunTown:
    made = RunTown(await running("booking", clock=CLOCK, start=False))
    await made.opens()
    return made


async def test_s35_a_run_by_arrival_answers_in_order_of_arrival(town: RunTown) -> None:
    await town.founds(*FAMILIES, allocation=Scheduled("02:00", "arrival"), waiting_list=3)
    await town.wishes(*FAMILIES)
    run = await town.holds_run()
    assert run is not None
    assert (run.id, run.due_at, run.accepted, run.waitlisted, run.refused) == ("loisirs/1", TWO_OCLOCK, 2, 3, 1)
    assert await town.line_up(activity="loisirs") == {"ACCEPTED": ["f0", "f1"], "WAITLISTED": ["f2", "f3", "f4"]}
    decided = [body for _, body in await town.told("request_decided")]
    assert [(body["family"], body["movements"][0]["outcome"], body["movements"][0]["rank"]) for body in decided] == [
        ("f0", "ACCEPTED", None),
        ("f1", "ACCEPTED", None),
        ("f2", "WAITLISTED", 1),
        ("f3", "WAITLISTED", 2),
        ("f4", "WAITLISTED", 3),
        ("f5", "REFUSED", None),
    ]
    await town.is_sound()
    assert await town.replays() == []


async def test_s35_a_lottery_is_drawn_with_the_seed_that_was_drawn_before_anybody_asked(town: RunTown) -> None:
    await town.founds(*FAMILIES, waiting_list=None)
    ((seed, published),) = await town.rows("SELECT seed, commitment FROM allocation_run WHERE activity = 'loisirs'")
    assert published == hashlib.sha256(seed.encode()).hexdigest()
    await town.wishes(*FAMILIES)
    await town.holds_run()
    expected = sorted(FAMILIES, key=lambda child: draw_of(seed, "loisirs/1", child))
    assert await town.order_of() == expected
    line = await town.line_up(activity="loisirs")
    assert (sorted(line["ACCEPTED"]), line["WAITLISTED"]) == (sorted(expected[:2]), expected[2:])
    assert [body["rank"] for _, body in await town.told("waitlisted")] == [1, 2, 3, 4]
    ((number, next_seed),) = await town.rows("SELECT number, seed FROM allocation_run WHERE activity = 'loisirs' AND ran_at IS NULL")
    assert number == 2
    assert next_seed != seed
    await town.is_sound()


async def test_s35_a_family_cannot_move_its_lot_by_asking_again_or_for_more(town: RunTown) -> None:
    await town.founds(*FAMILIES[:3], waiting_list=None)
    await town.wishes(*FAMILIES[:3])
    await town.asks("f0", cancels("f0", MONDAY, "loisirs"))
    await town.decides()
    for _ in range(3):
        await town.wishes("f0")
    await town.wishes("f0", date=TUESDAY)
    await town.holds_run()
    ((seed,),) = await town.rows("SELECT seed FROM allocation_run WHERE number = 1")
    assert await town.lots() == {child: draw_of(seed, "loisirs/1", child) for child in FAMILIES[:3]}
    rows = await town.rows(
        "SELECT outcome, code, rank, \"of\" FROM allocation_decision WHERE child = 'f0' AND date = :d ORDER BY place_order", d=day(town)
    )
    assert [tuple(row[:2]) for row in rows[1:]] == [("REFUSED", "ALREADY_BOOKED")] * 2
    told = [movement for _, body in await town.told("request_explained") for movement in body["movements"]]
    assert [one["held"] for one in told if one["code"] == "ALREADY_BOOKED"] == [rows[0][0]] * 2
    assert (rows[0][3], rows[1][2:]) == (3, (None, None))  # of three demands: the same one again is none
    await town.is_sound()
    assert await town.replays() == []


def day(town: RunTown, date: dt.date = MONDAY) -> dt.date | str:
    return date.isoformat() if town.running.database.is_sqlite else date


async def test_s35_points_by_what_the_town_says_and_what_the_bookings_show(town: RunTown) -> None:
    await town.opens(LOISIRS, allocation=POINTS, waiting_list=None)
    for family, children in {"a": ("a1", "a2"), "b": ("b1",), "c": ("c1",), "d": ("d1",)}.items():
        await town.household(family, *children, activities=("loisirs",))
    await town.is_said_of("b", "both_parents_work")
    await town.is_said_of("c", "resident", "something else")
    # Last week's run, with one place: a1 has it, b1 has nothing.
    await town.opens(LOISIRS, allocation=POINTS, capacity=1, waiting_list=0)
    await town.asks("a", books("a1", TUESDAY, "loisirs"))
    await town.holds_run(TWO_OCLOCK)
    await town.asks("b", books("b1", TUESDAY, "loisirs"))
    await town.running_at(TWO_OCLOCK)
    await town.holds_run(TWO_OCLOCK + days(1))
    await town.opens(LOISIRS, allocation=POINTS, capacity=2, waiting_list=None)
    for family, child in (("a", "a2"), ("b", "b1"), ("c", "c1"), ("d", "d1")):
        await town.asks(family, books(child, MONDAY, "loisirs"))
    await town.holds_run(TWO_OCLOCK + days(2))
    rows = await town.rows("SELECT child, points, criteria FROM allocation_decision WHERE run = 'loisirs/3' ORDER BY place_order")
    assert [(child, points) for child, points, _ in rows] == [("c1", 40), ("b1", 35), ("a2", 10), ("d1", 0)]
    line = await town.line_up(activity="loisirs")
    assert (sorted(line["ACCEPTED"]), line["WAITLISTED"]) == (["b1", "c1"], ["a2", "d1"])
    await town.is_sound()
    assert await town.replays("loisirs/3") == []


# ------------------------------------------------------------------------------------------------------------ when it runs
async def test_s35_a_run_is_held_once_for_each_hour_and_a_later_request_waits_for_the_next(town: RunTown) -> None:
    await town.founds(*FAMILIES, allocation=Scheduled("02:00", "arrival"), waiting_list=None)
    assert await town.holds_run(TWO_OCLOCK - dt.timedelta(seconds=1)) is None
    assert await town.holds_run() is None, "nobody waits: there is no run"
    await town.wishes("f0", "f1", "f2")
    assert await town.holds_run() is not None
    assert await town.holds_run() is None
    await town.running_at(TWO_OCLOCK + dt.timedelta(hours=6))
    await town.wishes("f3")
    assert await town.holds_run(TWO_OCLOCK + dt.timedelta(hours=23)) is None
    assert await town.holds_run(TWO_OCLOCK + days(3)) is not None, "the process was down for two nights"
    assert await town.line_up(activity="loisirs") == {"ACCEPTED": ["f0", "f1"], "WAITLISTED": ["f2", "f3"]}
    await town.is_sound()


async def test_what_was_asked_after_the_hour_waits_for_the_next_even_if_the_run_is_late(town: RunTown) -> None:
    await town.founds(*FAMILIES, allocation=Scheduled("02:00", "arrival"))
    await town.wishes("f0")
    await town.running_at(TWO_OCLOCK + dt.timedelta(minutes=1))
    await town.wishes("f1")
    run = await town.holds_run(TWO_OCLOCK + dt.timedelta(hours=1))
    assert run is not None
    assert await town.order_of() == ["f0"]
    await town.is_sound()


async def test_an_hour_that_the_town_sets_after_it_has_passed_comes_tomorrow(town: RunTown) -> None:
    await town.founds("f0", allocation=Scheduled("23:00", "lottery"))
    await town.wishes("f0")
    await town.opens(LOISIRS, allocation=Scheduled("08:30", "lottery"))  # at 9 o'clock
    assert await town.holds_run(NOW + dt.timedelta(hours=2)) is None
    assert await town.holds_run(NOW + dt.timedelta(hours=23, minutes=30)) is not None


async def test_a_run_waits_until_the_allocator_has_looked_at_all_that_was_asked_before(town: RunTown) -> None:
    await town.founds("f0", "f1")
    await town.wishes("f0")
    await town.writes(town.order("f1", books("f1", MONDAY, "loisirs")))
    with pytest.raises(NotYet):
        await town.holds_run()
    await town.decides()
    assert await town.holds_run() is not None
    assert len(await town.order_of()) == 2


async def test_an_immediate_activity_has_no_runs(town: RunTown) -> None:
    with pytest.raises(Refused, match="NOT_SCHEDULED"):
        await town.holds_run(activity="cantine")


# --------------------------------------------------------------------------------------------- what changed in the meantime
async def test_what_is_cancelled_before_the_run_takes_no_part(town: RunTown) -> None:
    await town.founds("f0", "f1", capacity=1)
    await town.wishes("f0", "f1")
    assert await town.asks("f0", cancels("f0", MONDAY, "loisirs")) == ["CANCELLED"]
    await town.decides()
    await town.holds_run()
    assert await town.order_of() == ["f1"]
    await town.is_sound()


async def test_s21_debts_and_enrollments_are_those_of_the_run_deadlines_those_of_the_request(town: RunTown) -> None:
    await town.founds("owing", "gone", "late", "fine", waiting_list=None, booking_deadline=DaysBefore(13, "23:00"))
    await town.wishes("owing", "gone", "late", "fine")  # the deadline is tomorrow night
    await town.owes("owing")
    async with town.running.database.transaction() as session:
        connection = await session.connection()
        await connection.exec_driver_sql("DELETE FROM enrollment WHERE child = 'gone'")
    await town.holds_run(TWO_OCLOCK + days(1))
    rows = await town.rows("SELECT child, outcome, code, rank FROM allocation_decision ORDER BY child")
    assert [tuple(row) for row in rows if row[2]] == [
        ("gone", "REFUSED", "NOT_ENROLLED", None),
        ("owing", "REFUSED", "ACCOUNT_IN_DEBIT", None),
    ]
    assert sorted((await town.line_up(activity="loisirs"))["ACCEPTED"]) == ["fine", "late"]
    await town.is_sound()


async def test_after_the_booking_deadline_nobody_is_put_in_a_line_that_ends_at_once(town: RunTown) -> None:
    await town.founds(*FAMILIES[:3], capacity=1, waiting_list=None, booking_deadline=DaysBefore(14, "12:00"))
    await town.wishes(*FAMILIES[:3])
    await town.holds_run()
    outcomes = await town.rows("SELECT outcome, code FROM allocation_decision ORDER BY place_order")
    assert [tuple(row) for row in outcomes] == [("ACCEPTED", None), ("REFUSED", "FULL"), ("REFUSED", "FULL")]


async def test_a_run_that_comes_after_the_opening_has_begun_gives_nothing(town: RunTown) -> None:
    await town.founds("f0")
    await town.wishes("f0")
    await town.holds_run(dt.datetime(2026, 11, 30, 10, 0, tzinfo=dt.UTC))  # 11 o'clock, when it begins
    assert await town.rows("SELECT status, code FROM booking") == [("REFUSED", "TOO_LATE")]


async def test_an_activity_that_needs_no_run_any_more_answers_at_once_and_may_come_back(town: RunTown) -> None:
    await town.founds("f0", "f1")
    await town.wishes("f0")
    await town.opens(replace(CANTINE, id="loisirs"))
    await town.decides()
    await town.opens(LOISIRS)
    await town.wishes("f1")
    assert await town.holds_run() is not None
    assert await town.order_of() == ["f1"]
    await town.is_sound()


# ------------------------------------------------------------------------------------------------------ nobody overtakes
async def test_who_waits_stands_in_the_runs_order_before_all_who_come_later(town: RunTown) -> None:
    await town.founds(*FAMILIES, capacity=1, waiting_list=None)
    await town.wishes(*FAMILIES[:4])
    await town.holds_run()
    first = await town.order_of()
    await town.running_at(TWO_OCLOCK)
    await town.wishes(*FAMILIES[4:])
    await town.asks(first[0], cancels(first[0], MONDAY, "loisirs"))
    assert (await town.line_up(activity="loisirs"))["ACCEPTED"] == [first[1]], "a place freed between runs goes to the line"
    await town.opens(LOISIRS, capacity=2, waiting_list=None)
    await town.holds_run(TWO_OCLOCK + days(1))
    second = await town.order_of(number=2)
    line = await town.line_up(activity="loisirs")
    assert (set(line["ACCEPTED"]), line["WAITLISTED"]) == ({first[1], first[2]}, [first[3], *second])
    await town.is_sound()
    assert await town.replays("loisirs/1") == []
    assert await town.replays("loisirs/2") == []


async def test_s34_a_family_that_does_not_want_to_wait_is_refused_by_the_run(town: RunTown) -> None:
    await town.founds("f0", capacity=0, waiting_list=None)
    assert await town.asks("f0", books("f0", MONDAY, "loisirs"), accept_waiting_list=False) == ["SUBMITTED"]
    await town.holds_run()
    assert await town.rows("SELECT status, code FROM booking") == [("REFUSED", "FULL")]


# ------------------------------------------------------------------------------------------------------ what is together
async def test_siblings_are_ranked_as_the_weakest_of_them_and_all_or_none(town: RunTown) -> None:
    await town.opens(LOISIRS, allocation=Scheduled("02:00", "lottery"), waiting_list=0)
    await town.household("pair", "p1", "p2", activities=("loisirs",))
    for family in FAMILIES:
        await town.household(family, activities=("loisirs",))
    await town.wishes(*FAMILIES)
    await town.asks("pair", books("p1", MONDAY, "loisirs"), books("p2", MONDAY, "loisirs"), together=[[0, 1]])
    await town.holds_run()
    ((seed,),) = await town.rows("SELECT seed FROM allocation_run WHERE number = 1")
    lots = {child: draw_of(seed, "loisirs/1", child) for child in [*FAMILIES, "p1", "p2"]}
    weakest = max(lots["p1"], lots["p2"])
    earlier = sum(lots[family] < weakest for family in FAMILIES)
    order = await town.order_of()
    assert set(order[earlier : earlier + 2]) == {"p1", "p2"}
    assert (await town.lots())["p1"] == (await town.lots())["p2"] == weakest
    statuses = {status for (status,) in await town.rows("SELECT status FROM booking WHERE family = 'pair'")}
    assert statuses == {"ACCEPTED" if earlier == 0 else "REFUSED"}
    await town.is_sound()
    assert await town.replays() == []


async def test_of_a_group_that_a_run_refuses_only_the_lines_in_its_way_have_the_reason(town: RunTown) -> None:
    await town.founds("group", "alone", allocation=Scheduled("02:00", "arrival"), capacity=1, waiting_list=0)
    await town.wishes("alone")
    lines = books("group", MONDAY, "loisirs"), books("group", TUESDAY, "loisirs")
    assert await town.asks("group", *lines, together=[[0, 1]]) == ["SUBMITTED"] * 2
    await town.holds_run()
    rows = await town.rows(
        "SELECT b.status, b.code, d.rank FROM booking b JOIN allocation_decision d ON d.booking = b.id WHERE b.family = 'group' ORDER BY line"
    )
    assert rows == [("REFUSED", "FULL", 2), ("REFUSED", "GROUP_INCOMPLETE", 1)]
    await town.is_sound()
    assert await town.replays() == []


async def test_a_run_of_before_is_decided_again_as_it_was_then(town: RunTown) -> None:
    """All lines of a group had the reason of the first."""
    await town.founds("group", "alone", allocation=Scheduled("02:00", "arrival"), capacity=1, waiting_list=0)
    await town.wishes("alone")
    lines = books("group", MONDAY, "loisirs"), books("group", TUESDAY, "loisirs")
    await town.asks("group", *lines, together=[[0, 1]])
    await town.holds_run()
    ((document,),) = await town.rows("SELECT document FROM allocation_input")
    kept = json.loads(document) if isinstance(document, str) else document
    del kept["one_reason"]
    codes = [one.code for one in decide(from_json(kept)).decisions]
    assert codes == [None, "FULL", "FULL"]


async def test_a_group_of_several_activities_is_decided_once_with_the_last_of_their_runs(town: RunTown) -> None:
    await town.opens(LOISIRS, allocation=Scheduled("02:00", "arrival"), capacity=1)
    await town.opens(LOISIRS, id="etude", allocation=Scheduled("03:00", "arrival"), capacity=1)
    for family in ("alone", "group"):
        await town.household(family, activities=("cantine", "loisirs", "etude"))
    lines = (books("group"), books("group", MONDAY, "loisirs"), books("group", MONDAY, "etude"))
    assert await town.asks("group", *lines, together=[[0, 1, 2]]) == ["SUBMITTED"] * 3
    await town.wishes("alone")  # later, and yet decided first: the group waits for etude's run
    assert await town.holds_run() is not None
    await town.is_sound()
    assert await town.order_of() == ["alone"]
    await town.holds_run(TWO_OCLOCK + dt.timedelta(hours=1), "etude")
    assert await town.order_of("etude") == ["group"] * 3
    statuses = {status for (status,) in await town.rows("SELECT status FROM booking WHERE family = 'group'")}
    assert statuses == {"WAITLISTED"}
    await town.asks("alone", cancels("alone", MONDAY, "loisirs"))
    assert (await town.line_up())["ACCEPTED"] == ["group"], "all of it, as soon as all of it fits"
    await town.is_sound()
    assert await town.replays("etude/1") == []


async def test_s37_a_family_is_told_at_once_what_is_decided_and_after_each_run_what_it_decided(town: RunTown) -> None:
    await town.opens(LOISIRS, id="etude", allocation=Scheduled("03:00", "arrival"))
    await town.founds("f0")
    await town.household("f0", activities=("cantine", "loisirs", "etude"), version=2)
    lines = books("f0"), books("f0", MONDAY, "loisirs"), books("f0", MONDAY, "etude"), books("f0", TUESDAY, "loisirs")
    await town.asks("f0", *lines, together=[[2, 3]])
    ((_, first),) = await town.told("request_explained")
    assert (first["part"], first["by"], first["account"], first["reason"]) == (0, "family", "f0", "")
    assert [(line["activity"], line["outcome"]) for line in first["movements"]] == [("cantine", "ACCEPTED")]
    assert [(line["activity"], line["run_of"], line["run_on"], line["run_at"]) for line in first["awaited"]] == [
        ("loisirs", "loisirs", "2026-11-17", "02:00"),
        ("etude", "etude", "2026-11-17", "03:00"),
        ("loisirs", "etude", "2026-11-17", "03:00"),
    ]
    await town.holds_run()
    *_, (_, second) = await town.told("request_explained")
    assert (second["part"], [(line["activity"], line["date"]) for line in second["movements"]]) == (1, [("loisirs", MONDAY.isoformat())])
    assert [line["run_of"] for line in second["awaited"]] == ["etude", "etude"]
    assert await town.told("request_decided") == []
    await town.holds_run(TWO_OCLOCK + dt.timedelta(hours=1), "etude")
    *_, (_, third) = await town.told("request_explained")
    assert (third["part"], len(third["movements"]), third["awaited"]) == (2, 2, [])
    ((_, decided),) = await town.told("request_decided")
    assert (decided["explained"], len(decided["movements"])) == (True, 4)
    assert await town.rows("SELECT reports FROM request") == [(3,)]
    await town.is_sound()


async def test_whoever_leaves_before_the_run_is_not_told_of_it_again(town: RunTown) -> None:
    await town.founds("f0")
    await town.wishes("f0")
    await town.asks("f0", cancels("f0", MONDAY, "loisirs"))
    await town.decides()
    told = await town.told("request_explained", "request_decided")
    assert [(name, body.get("part"), body.get("explained")) for name, body in told] == [
        ("request_explained", 0, None),
        ("request_decided", None, False),
        ("request_decided", None, True),
    ]
    await town.is_sound()


async def test_lines_that_need_no_run_any_more_are_told_when_they_are_answered(town: RunTown) -> None:
    await town.founds("f0")
    await town.wishes("f0")
    await town.opens(LOISIRS, allocation=Immediate())
    await town.decides()
    assert [(body["part"], len(body["movements"])) for _, body in await town.told("request_explained")] == [(0, 0), (1, 1)]
    await town.is_sound()


async def test_what_is_left_of_a_group_and_has_no_run_is_awaited_by_nobody_and_answered_at_the_next_look(town: RunTown) -> None:
    await town.founds("f0")
    asked = town.order("f0", books("f0", MONDAY, "loisirs"), books("f0"), together=[[0, 1]])
    back = town.order("f0", cancels("f0", MONDAY, "loisirs"))
    request, _ = await town.writes(asked, back)  # before anybody looked at the first
    for more in (True, False):
        async with town.running.database.transaction("allocator") as session:
            assert (await allocate(session, town.book, town.clock, partition_of("carteville")))[1] is more
    told = [body for _, body in await town.told("request_explained") if body["request"] == request]
    assert [(body["part"], [line["outcome"] for line in body["movements"]], body["awaited"]) for body in told] == [
        (0, ["CANCELLED"], []),
        (1, ["ACCEPTED"], []),
    ]
    await town.is_sound()


async def test_a_place_that_frees_or_a_wait_that_ends_between_two_reports_has_its_own_letter(town: RunTown) -> None:
    """The first report said that the child waits, and the second one tells of the run alone."""
    await town.founds("f0", "f1", "f2")
    await town.asks("f1")
    for family in ("f0", "f2"):
        await town.asks(family, books(family), books(family, MONDAY, "loisirs"))
    await town.asks("f1", cancels("f1"))
    assert [body["family"] for _, body in await town.told("place_given")] == ["f0"]
    late = Clock(frozen_at=dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC))
    async with town.running.database.transaction() as session:
        await commands.expire(session, town.book, late, "carteville", {("cantine", MONDAY)})
    assert [body["family"] for _, body in await town.told("place_expired")] == ["f2"]
    await town.holds_run()
    parts = [(body["family"], body["part"], len(body["movements"])) for _, body in await town.told("request_explained")]
    assert sorted(parts) == [("f0", 0, 1), ("f0", 1, 1), ("f2", 0, 1), ("f2", 1, 1)]


async def test_a_request_is_decided_when_its_last_line_is_and_reported_once(town: RunTown) -> None:
    await town.founds("f0")
    assert await town.asks("f0", books("f0"), books("f0", MONDAY, "loisirs"), cancels("f0", TUESDAY)) == [
        "ACCEPTED",
        "SUBMITTED",
        "REFUSED UNKNOWN_BOOKING",
    ]
    assert await town.told("request_decided") == []
    await town.holds_run()
    ((_, decided),) = await town.told("request_decided")
    assert [(line["activity"], line["outcome"]) for line in decided["movements"]] == [
        ("cantine", "ACCEPTED"),
        ("loisirs", "ACCEPTED"),
        ("cantine", "REFUSED"),
    ]
    await town.is_sound()


async def test_two_wishes_for_one_day_that_are_given_back_at_once_are_both_given_back(town: RunTown) -> None:
    """Both wait for the run; each of the cancellations, which arrive together, means one of them."""
    await town.founds("f0")
    await town.wishes("f0")
    await town.wishes("f0")
    back = [town.order("f0", cancels("f0", MONDAY, "loisirs")) for _ in range(2)]
    first, second = await town.writes(*back)
    await town.decides()
    assert await town.answers(str(first)) == await town.answers(str(second)) == ["CANCELLED"]
