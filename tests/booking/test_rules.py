"""The product rules S20 to S36: what families meet, told as they meet it, and that no rule is without a test that carries its number."""

import datetime as dt
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.booking.activity import DaysBefore, FixedHours
from services.clock import Clock
from tests.booking.screens import DURAND, Screens, screens
from tests.booking.test_activity import APS_MATIN, MULTI
from tests.booking.test_schema_drafts import COPY, PREVIEW, TOGGLE, line
from tests.booking.test_schema_requests import CANCEL, answers, submits
from tests.booking.town import at_work

__all__ = ["screens"]

TESTS = Path(__file__).resolve().parents[1]
RULES = range(20, 37)
APS_SOIR = replace(APS_MATIN, id="aps-soir", name="APS SOIR", hours=FixedHours("16:30", "18:30"))
CANTINE = replace(APS_MATIN, id="cantine", name="Restauration", capacity=1, waiting_list=5)


def test_every_rule_has_tests_that_carry_its_number() -> None:
    told = "\n".join(path.read_text(encoding="utf-8") for folder in ("booking", "flows") for path in (TESTS / folder).glob("test_*.py"))
    carried = {int(number) for name in re.findall(r"def (test_\w+)", told) for number in re.findall(r"_s(\d+)(?=_)", name)}
    assert set(RULES) <= carried, f"no test is named after S{', S'.join(map(str, sorted(set(RULES) - carried)))}"


@pytest.fixture
async def carteville(screens: Screens) -> AsyncIterator[Screens]:
    await screens.opens(APS_MATIN, APS_SOIR, CANTINE, MULTI)
    await screens.household("dupont", "amalia", "paolo")
    await screens.household("durand", "zoe")
    await screens.enrolls("amalia", "aps-matin", "aps-soir", "cantine")
    await screens.enrolls("paolo", "aps-matin", "multi")
    await screens.enrolls("zoe", "cantine", family="durand")
    async with at_work(screens):
        yield screens


async def toggles(town: Screens, scope: str, draft: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    given = {"scope": scope, "child": "amalia", "activity": "aps-matin", "month": "2026-09", "draft": lines_again(draft), **more}
    found: dict[str, Any] = (await town.asks(TOGGLE, variables={"input": given}))["toggleBookings"]
    return found


def lines_again(draft: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The draft as a client sends back what it was given."""
    return [
        {**one, "child": one["child"]["id"], "activity": one["activity"]["id"]} if isinstance(one["child"], dict) else one for one in draft
    ]


async def state(town: Screens, day: int, activity: str = "cantine", **more: Any) -> str:
    shown = (await town.of_child("amalia", f'day(date: "2026-09-{day:02}") {{ activity {{ id }} state }}', **more))["day"]
    return next(one["state"] for one in shown if one["activity"]["id"] == activity)


# ------------------------------------------------------------------------------------------------- S22, S23: three ways
async def test_s22_one_activity_over_many_days_many_activities_on_one_day_and_a_copy_make_one_draft(carteville: Screens) -> None:
    week = await toggles(carteville, "WEEK", [], day="2026-09-14")
    day = await toggles(carteville, "DAY", week["draft"], day="2026-09-14", activity="cantine")
    day = await toggles(carteville, "DAY", day["draft"], day="2026-09-14", activity="aps-soir")
    ways = {"fromChild": "amalia", "fromActivity": "aps-matin", "toChild": "paolo", "toActivity": "aps-matin"}
    given = {**ways, "from": "2026-09-01", "to": "2026-09-30", "draft": lines_again(day["draft"])}
    copied = (await carteville.asks(COPY, variables={"input": given}))["copyBookings"]
    assert [(one["child"]["id"], one["activity"]["id"], one["date"][-2:]) for one in copied["draft"]] == [
        *(("amalia", "aps-matin", day) for day in ("14", "15", "17", "18")),
        ("amalia", "cantine", "14"),
        ("amalia", "aps-soir", "14"),
        *(("paolo", "aps-matin", day) for day in ("14", "15", "17", "18")),
    ]
    request = await submits(carteville, *lines_again(copied["draft"]))
    assert {answer[1] for answer in answers(request)} == {"ACCEPTED"}


async def test_s23_each_child_has_its_own_activities_and_nothing_is_booked_for_a_child_that_was_not_chosen(carteville: Screens) -> None:
    for child, activities in (("amalia", ["APS MATIN", "APS SOIR", "Restauration"]), ("paolo", ["APS MATIN", "Multi-accueil"])):
        assert [one["name"] for one in (await carteville.of_child(child, "activities { name }"))["activities"]] == activities
    assert (await toggles(carteville, "DAY", [], day="2026-09-14", child="paolo", activity="cantine"))["code"] == "NOT_ENROLLED"


# ------------------------------------------------------------------------------------------- S25: nothing before the recap
async def test_s25_nothing_is_booked_before_the_recap_is_confirmed(carteville: Screens) -> None:
    async def everything() -> list[Any]:
        async with carteville.running.database.reading() as session:
            connection = await session.connection()
            return [(await connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1")).all() for table in
                    ("booking", "request", "opening", "cancellation", "outgoing")]  # fmt: skip

    await carteville.has_booked("amalia", "aps-matin", dt.date(2026, 9, 17))
    before = await everything()
    draft = (await toggles(carteville, "MONTH", []))["draft"]
    draft = (await toggles(carteville, "DAY", draft, day="2026-09-14", activity="cantine"))["draft"]
    recap = (await carteville.asks(PREVIEW, variables={"family": "dupont", "lines": lines_again(draft)}))["previewBookings"]
    assert len(recap["bookings"]) + len(recap["cancellations"]) == len(draft) > 10
    assert await everything() == before
    # Giving up is forgetting the draft; confirming it is the only thing that books.
    assert (await submits(carteville, *lines_again(draft)))["decided"]
    assert await everything() != before


async def test_s25_undoing_all_is_an_empty_draft_and_the_calendar_is_as_before(carteville: Screens) -> None:
    draft = (await toggles(carteville, "DAY", [], day="2026-09-14"))["draft"]
    assert len(draft) == 1
    assert await state(carteville, 14, "aps-matin") == "AVAILABLE"


# ----------------------------------------------------------------------------------------------------- S26: hours by day
async def test_s26_hours_chosen_once_serve_all_days_and_a_day_may_have_its_own(carteville: Screens) -> None:
    multi = {"child": "paolo", "activity": "multi", "month": "2026-10"}
    one = await toggles(carteville, "DAY", [], **multi, day="2026-10-13", arrival="10:00", departure="11:00")
    week = await toggles(carteville, "WEEK", one["draft"], **multi, day="2026-10-12", arrival="08:00", departure="17:00")
    hours = {line["date"][-2:]: (line["arrival"], line["departure"]) for line in week["draft"]}
    assert hours == {"13": ("10:00", "11:00")} | dict.fromkeys(("12", "14", "15", "16"), ("08:00", "17:00"))
    # The day's own hours are nobody's business when the week is taken back.
    assert (await toggles(carteville, "WEEK", week["draft"], **multi, day="2026-10-12"))["draft"] == []


async def test_s26_a_month_is_not_booked_with_hours_that_are_not_allowed(carteville: Screens) -> None:
    multi = {"child": "paolo", "activity": "multi", "month": "2026-10"}
    for hours in (("07:15", "12:00"), ("08:10", "12:00"), ("08:00", "08:45"), ("12:00", "08:00"), ("08:00", "18:45")):
        refused = await toggles(carteville, "MONTH", [], **multi, arrival=hours[0], departure=hours[1])
        assert refused["code"] == "HOURS_NOT_ALLOWED", hours
    fixed = await toggles(carteville, "DAY", [], day="2026-09-14", arrival="08:00", departure="08:45")
    assert fixed["code"] == "HOURS_NOT_ALLOWED"


async def test_s27_a_click_on_a_day_that_the_month_does_not_show_is_a_mistake(carteville: Screens) -> None:
    given = {"child": "amalia", "activity": "aps-matin", "month": "2026-09"}
    for scope, day in (("DAY", "2026-10-01"), ("WEEK", "2026-10-05")):
        assert await carteville.is_refused(TOGGLE, input={**given, "scope": scope, "day": day}) == "BAD_USER_INPUT"
    # Thursday 1 October stands in the row of 28 to 30 September.
    row = await toggles(carteville, "WEEK", [], day="2026-10-01")
    assert [one["date"][-2:] for one in row["draft"]] == ["28", "29"]


# ------------------------------------------------------------------------------------------------------ S31: every reason
async def test_s31_every_reason_for_what_is_not_copied(carteville: Screens) -> None:
    await carteville.opens(
        replace(CANTINE, waiting_list=0, closes_on=dt.date(2026, 9, 25), closed_on=frozenset({dt.date(2026, 9, 18)}), open_on=frozenset())
    )
    await carteville.enrolls("amalia", "cantine", **{"from_": dt.date(2026, 9, 1), "until": dt.date(2026, 9, 28)})
    await carteville.has_booked("zoe", "cantine", dt.date(2026, 9, 14), family="durand")
    await carteville.has_booked("amalia", "cantine", dt.date(2026, 9, 15))
    days = (2, 14, 15, 17, 18, 21, 28, 29)
    draft = [line("BOOK", "amalia", "aps-matin", day) for day in days]
    ways = {"fromChild": "amalia", "fromActivity": "aps-matin", "toChild": "amalia", "toActivity": "cantine"}
    given = {**ways, "from": "2026-09-01", "to": "2026-09-30", "draft": draft}
    # The 2nd, a Wednesday, is too late as well: it is closed first of all.
    result = (await carteville.asks(COPY, variables={"input": given}))["copyBookings"]
    assert {one["date"][-2:]: one["code"] for one in result["skipped"]} == {
        "02": "CLOSED",
        "14": "FULL",
        "15": "ALREADY_BOOKED",
        "18": "CLOSED",
        "28": "CLOSED",  # out of season
        "29": "NOT_ENROLLED",
    }
    assert [one["date"][-2:] for one in result["draft"][len(days) :]] == ["17", "21"]


async def test_s31_hours_outside_the_targets_bounds_are_listed_day_by_day(carteville: Screens) -> None:
    await carteville.opens(replace(MULTI, id="creche", name="Crèche", hours=replace(MULTI.hours, latest="16:00")))
    await carteville.enrolls("paolo", "creche")
    draft = [line("BOOK", "paolo", "multi", 14, "08:00", "12:00"), line("BOOK", "paolo", "multi", 15, "08:00", "17:00")]
    ways = {"fromChild": "paolo", "fromActivity": "multi", "toChild": "paolo", "toActivity": "creche"}
    given = {**ways, "from": "2026-09-14", "to": "2026-09-15", "draft": draft}
    result = (await carteville.asks(COPY, variables={"input": given}))["copyBookings"]
    assert [(one["date"][-2:], one["arrival"], one["departure"]) for one in result["draft"][2:]] == [("14", "08:00", "12:00")]
    assert result["skipped"] == [
        {"date": "2026-09-15", "code": "HOURS_NOT_ALLOWED", "message": "Horaires non autorisés pour cette activité"}
    ]


# ----------------------------------------------------------------------------------------- S36: the line, at any time
async def test_s36_a_family_leaves_the_line_even_when_a_place_could_not_be_given_back_any_more(carteville: Screens) -> None:
    """State 8 says that the place, once given, stays; until then the wish for it is the family's own."""
    await carteville.opens(replace(CANTINE, booking_deadline=None, cancellation_deadline=DaysBefore(20, "09:00")))
    await carteville.has_booked("zoe", "cantine", dt.date(2026, 9, 14), family="durand")
    (waiting,) = (await submits(carteville, line("BOOK", "amalia", "cantine", 14)))["movements"]
    assert (waiting["booking"]["status"], waiting["booking"]["cancellable"]) == ("WAITLISTED", True)
    assert await state(carteville, 14) == "WAITING_LOCKED"
    stuck = await toggles(carteville, "DAY", [], day="2026-09-14", activity="cantine")
    assert (stuck["draft"], [one["code"] for one in stuck["skipped"]]) == ([], ["TOO_LATE_TO_CANCEL"])
    left = (await carteville.asks(CANCEL, variables={"booking": waiting["booking"]["id"]}))["cancelBooking"]
    assert left["status"] == "CANCELLED"
    # The control: who has the place keeps it.
    theirs = (await carteville.of_child("zoe", 'day(date: "2026-09-14") { booking { id } }', DURAND))["day"][0]["booking"]["id"]
    assert (await carteville.asks(CANCEL, DURAND, variables={"booking": theirs}))["cancelBooking"]["__typename"] == "TooLateToCancel"


async def test_s36_more_places_after_the_booking_deadline_are_nobodys(carteville: Screens) -> None:
    await carteville.opens(replace(CANTINE, booking_deadline=DaysBefore(5, "09:00")))
    await carteville.has_booked("zoe", "cantine", dt.date(2026, 9, 14), dt.date(2026, 9, 21), family="durand")
    await submits(carteville, line("BOOK", "amalia", "cantine", 14), line("BOOK", "amalia", "cantine", 21))
    carteville.running.clock = Clock(frozen_at=dt.datetime(2026, 9, 9, 7, tzinfo=dt.UTC))  # the deadline of the 14th, to the second
    await carteville.opens(replace(CANTINE, booking_deadline=DaysBefore(5, "09:00"), capacity=2))
    found = (await carteville.of_family("dupont", "bookings { nodes { date status } }"))["bookings"]["nodes"]
    assert {one["date"][-2:]: one["status"] for one in found} in (
        {"14": "WAITLISTED", "21": "ACCEPTED"},
        {"14": "EXPIRED", "21": "ACCEPTED"},  # if time was quicker than we
    )


async def test_s24_a_draft_holds_no_place_and_what_was_free_is_checked_again(carteville: Screens) -> None:
    mine = line("BOOK", "amalia", "cantine", 14)
    forecast = (await carteville.asks(PREVIEW, variables={"family": "dupont", "lines": [mine]}))["previewBookings"]
    assert forecast["bookings"][0]["forecast"] == "ACCEPTED"
    await carteville.has_booked("zoe", "cantine", dt.date(2026, 9, 14), family="durand")
    assert answers(await submits(carteville, mine)) == [("BOOK", "WAITLISTED", 1, None)]
