"""The three questions about a draft, through the graph: a click (S27-S30), a copy (S31), the recap (S33)."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from tests.booking.screens import AGENT, DURAND, Screens, screens
from tests.booking.test_activity import APS_MATIN, MULTI

__all__ = ["screens"]

CANTINE = replace(APS_MATIN, id="cantine", name="Restauration", capacity=1, waiting_list=1)
TOGGLE = """query ($input: ToggleInput!) { toggleBookings(input: $input) { __typename
  ... on Toggled { draft { change child { id } activity { id name } date arrival departure } skipped { date code message } }
  ... on Refusal { code message } } }"""
COPY = """query ($input: CopyInput!) { copyBookings(input: $input) { __typename
  ... on CopyPlan { draft { change child { id } activity { id } date arrival departure } skipped { date code message } }
  ... on Refusal { code message } } }"""
PREVIEW = """query ($family: ID!, $lines: [BookingLineInput!]!, $together: [[Int!]!], $waits: Boolean! = true) {
  previewBookings(family: $family, lines: $lines, together: $together, acceptWaitingList: $waits) { __typename
  ... on Preview { bookings { ...line } cancellations { ...line } } ... on Refusal { code message } } }
  fragment line on PreviewLine { change child { id } activity { id name } date arrival departure forecast rank refusal { code message } }"""


@pytest.fixture
async def carteville(screens: Screens) -> Screens:
    await screens.opens(APS_MATIN, CANTINE, MULTI)
    await screens.household("dupont", "amalia", "paolo")
    await screens.household("durand", "zoe")
    await screens.enrolls("amalia", "aps-matin", "cantine", "multi")
    await screens.enrolls("paolo", "aps-matin", "multi")
    await screens.enrolls("zoe", "cantine", family="durand")
    return screens


def line(change: str, child: str, activity: str, day: int, *hours: str) -> dict[str, Any]:
    times = dict(zip(("arrival", "departure"), hours, strict=False))
    return {"change": change, "child": child, "activity": activity, "date": f"2026-09-{day:02}", **times}


async def toggles(town: Screens, scope: str, day: int | None = None, **more: Any) -> dict[str, Any]:
    given = {"scope": scope, "child": "amalia", "activity": "aps-matin", "month": "2026-09", **more}
    if day is not None:
        given["day"] = f"2026-09-{day:02}"
    found: dict[str, Any] = (await town.asks(TOGGLE, variables={"input": given}))["toggleBookings"]
    return found


def days_of(result: dict[str, Any]) -> list[tuple[str, int]]:
    return [(one["change"], int(one["date"][-2:])) for one in result["draft"]]


# ------------------------------------------------------------------------------------------------------------- a click
async def test_s27_a_click_on_a_week_books_its_open_days(carteville: Screens) -> None:
    result = await toggles(carteville, "WEEK", 16)  # a Wednesday, when it is closed
    assert days_of(result) == [("BOOK", 14), ("BOOK", 15), ("BOOK", 17), ("BOOK", 18)]
    assert result["draft"][0] == {
        "change": "BOOK",
        "child": {"id": "amalia"},
        "activity": {"id": "aps-matin", "name": "APS MATIN"},
        "date": "2026-09-14",
        "arrival": "07:30",
        "departure": "08:45",
    }
    assert result["skipped"][0] == {"date": "2026-09-16", "code": "CLOSED", "message": "Activité non ouverte ce jour"}


async def test_s27_a_second_click_takes_it_back(carteville: Screens) -> None:
    draft = [line("BOOK", "amalia", "aps-matin", day) for day in (14, 15, 17, 18)]
    assert days_of(await toggles(carteville, "WEEK", 14, draft=draft)) == []


async def test_s28_s29_a_column_and_a_month(carteville: Screens) -> None:
    await carteville.has_booked("amalia", "aps-matin", dt.date(2026, 9, 7))
    assert days_of(await toggles(carteville, "WEEKDAY", 14)) == [("CANCEL", 7)]
    draft = [line("CANCEL", "amalia", "aps-matin", 7)]
    month = await toggles(carteville, "MONTH", draft=draft)
    # The first actionable day is the 3rd, for another hour: all is booked, and the 7th is kept after all.
    assert days_of(month) == [("BOOK", day) for day in (3, 4, 10, 11, 14, 15, 17, 18, 21, 22, 24, 25, 28, 29)]
    skipped = {int(one["date"][-2:]): one["code"] for one in month["skipped"]}
    assert skipped[1] == "TOO_LATE"
    assert skipped[2] == skipped[8] == "CLOSED"


async def test_s30_one_day_and_the_other_childs_lines_stay(carteville: Screens) -> None:
    await carteville.has_booked("amalia", "aps-matin", dt.date(2026, 9, 14))
    result = await toggles(carteville, "DAY", 14, draft=[line("BOOK", "paolo", "multi", 14, "08:00", "17:00")])
    assert [(one["change"], one["child"]["id"], one["arrival"]) for one in result["draft"]] == [
        ("BOOK", "paolo", "08:00"),
        ("CANCEL", "amalia", "07:30"),
    ]


async def test_s26_a_click_on_an_activity_with_chosen_hours_needs_them(carteville: Screens) -> None:
    asked = {"child": "paolo", "activity": "multi"}
    assert (await toggles(carteville, "DAY", 14, **asked))["code"] == "HOURS_REQUIRED"
    off = await toggles(carteville, "DAY", 14, **asked, arrival="06:00", departure="17:00")
    assert off == {
        "__typename": "HoursNotAllowed",
        "code": "HOURS_NOT_ALLOWED",
        "message": "Horaires non autorisés pour cette activité",
    }
    fine = await toggles(carteville, "DAY", 14, **asked, arrival="08:00", departure="17:00")
    assert (fine["draft"][0]["arrival"], fine["draft"][0]["departure"]) == ("08:00", "17:00")


async def test_a_click_is_refused_for_what_the_family_does_not_have(carteville: Screens) -> None:
    for child in ("zoe", "nobody"):
        assert (await toggles(carteville, "DAY", 14, child=child))["__typename"] == "UnknownChild"
        strangers = [line("BOOK", child, "aps-matin", 14)]
        assert (await toggles(carteville, "DAY", 14, draft=strangers))["__typename"] == "UnknownChild"
    assert (await toggles(carteville, "DAY", 14, activity="nothing"))["__typename"] == "UnknownActivity"
    assert (await toggles(carteville, "DAY", 14, child="paolo", activity="cantine"))["__typename"] == "NotEnrolled"
    too_many = [line("BOOK", "amalia", "aps-matin", 14)] * 501
    assert (await toggles(carteville, "DAY", 14, draft=too_many))["__typename"] == "TooManyLines"


async def test_a_click_says_which_day(carteville: Screens) -> None:
    given = {"scope": "WEEK", "child": "amalia", "activity": "aps-matin", "month": "2026-09"}
    assert await carteville.is_refused(TOGGLE, input=given) == "BAD_USER_INPUT"
    assert await carteville.is_refused(TOGGLE, input={**given, "month": "2026-13"}) == "BAD_USER_INPUT"
    assert await carteville.is_refused(TOGGLE, None, input={**given, "scope": "MONTH"}) == "UNAUTHENTICATED"


# -------------------------------------------------------------------------------------------------------------- a copy
async def copies(town: Screens, source: tuple[str, str], target: tuple[str, str], **more: Any) -> dict[str, Any]:
    given = {"fromChild": source[0], "fromActivity": source[1], "toChild": target[0], "toActivity": target[1]}
    period = {"from": "2026-09-01", "to": "2026-09-30"}
    found: dict[str, Any] = (await town.asks(COPY, variables={"input": {**given, **period, **more}}))["copyBookings"]
    return found


async def test_s31_what_the_draft_books_is_copied_and_the_rest_listed_with_its_reason(carteville: Screens) -> None:
    await carteville.has_booked("paolo", "aps-matin", dt.date(2026, 9, 15))
    draft = [line("BOOK", "amalia", "aps-matin", day) for day in (14, 15, 16, 1)]
    result = await copies(carteville, ("amalia", "aps-matin"), ("paolo", "aps-matin"), draft=draft)
    assert [(one["child"]["id"], one["date"]) for one in result["draft"][4:]] == [("paolo", "2026-09-14")]
    assert result["skipped"] == [
        {"date": "2026-09-01", "code": "TOO_LATE", "message": "Hors délai pour réserver"},
        {"date": "2026-09-15", "code": "ALREADY_BOOKED", "message": "Déjà réservée"},
        {"date": "2026-09-16", "code": "CLOSED", "message": "Activité non ouverte ce jour"},
    ]


async def test_s31_the_period_is_kept_and_live_bookings_come_on_demand(carteville: Screens) -> None:
    await carteville.has_booked("amalia", "aps-matin", dt.date(2026, 9, 14), dt.date(2026, 9, 28))
    ways = ("amalia", "aps-matin"), ("paolo", "aps-matin")
    draft = [line("BOOK", "amalia", "aps-matin", 15), line("BOOK", "amalia", "aps-matin", 29)]
    period = {"from": "2026-09-14", "to": "2026-09-20", "draft": draft}
    assert days_of(await copies(carteville, *ways, **period))[2:] == [("BOOK", 15)]
    assert days_of(await copies(carteville, *ways, **period, includeBooked=True))[2:] == [("BOOK", 14), ("BOOK", 15)]


async def test_s31_full_days_and_days_outside_the_enrollment_are_not_copied(carteville: Screens) -> None:
    await carteville.opens(replace(CANTINE, waiting_list=0))
    await carteville.has_booked("zoe", "cantine", dt.date(2026, 9, 14), family="durand")
    await carteville.enrolls("amalia", "cantine", until=dt.date(2026, 9, 15))
    draft = [line("BOOK", "amalia", "aps-matin", day) for day in (14, 15, 17)]
    result = await copies(carteville, ("amalia", "aps-matin"), ("amalia", "cantine"), draft=draft)
    assert days_of(result)[3:] == [("BOOK", 15)]
    assert [(one["date"], one["code"]) for one in result["skipped"]] == [("2026-09-14", "FULL"), ("2026-09-17", "NOT_ENROLLED")]


async def test_s31_hours_come_from_the_source_or_are_asked_for(carteville: Screens) -> None:
    mornings = [line("BOOK", "amalia", "aps-matin", 14)]
    ways = ("amalia", "aps-matin"), ("paolo", "multi")
    assert (await copies(carteville, *ways, draft=mornings))["__typename"] == "HoursRequired"
    given = await copies(carteville, *ways, draft=mornings, arrival="08:00", departure="12:00")
    assert (given["draft"][1]["arrival"], given["draft"][1]["departure"]) == ("08:00", "12:00")
    assert (await copies(carteville, *ways, draft=mornings, arrival="08:07", departure="12:00"))["__typename"] == "HoursNotAllowed"
    chosen = [line("BOOK", "amalia", "multi", 14, "09:00", "16:00")]
    copied = await copies(carteville, ("amalia", "multi"), ("paolo", "multi"), draft=chosen)
    assert (copied["draft"][1]["arrival"], copied["draft"][1]["departure"]) == ("09:00", "16:00")


async def test_a_copy_is_refused_for_what_the_family_does_not_have(carteville: Screens) -> None:
    mine = ("amalia", "aps-matin")
    assert (await copies(carteville, mine, ("zoe", "cantine")))["__typename"] == "UnknownChild"
    assert (await copies(carteville, ("zoe", "cantine"), mine))["__typename"] == "UnknownChild"
    assert (await copies(carteville, mine, ("amalia", "nothing")))["__typename"] == "UnknownActivity"
    assert (await copies(carteville, mine, ("paolo", "cantine")))["__typename"] == "NotEnrolled"
    given = {"fromChild": "amalia", "fromActivity": "aps-matin", "toChild": "paolo", "toActivity": "aps-matin"}
    assert await carteville.is_refused(COPY, input={**given, "from": "2026-09-30", "to": "2026-09-01"}) == "BAD_USER_INPUT"


# ----------------------------------------------------------------------------------------------------------- the recap
async def previews(town: Screens, *lines: dict[str, Any], family: str = "dupont", **more: Any) -> dict[str, Any]:
    variables = {"family": family, "lines": list(lines)}
    found: dict[str, Any] = (await town.asks(PREVIEW, variables=variables, **more))["previewBookings"]
    return found


async def test_s33_the_recap_has_two_tables_with_what_sending_now_would_give(carteville: Screens) -> None:
    await carteville.has_booked("zoe", "cantine", dt.date(2026, 9, 14), family="durand")
    await carteville.has_booked("amalia", "aps-matin", dt.date(2026, 9, 17))
    result = await previews(
        carteville,
        line("CANCEL", "amalia", "aps-matin", 17),
        line("BOOK", "paolo", "multi", 14),
        line("BOOK", "amalia", "cantine", 14),
        line("BOOK", "amalia", "aps-matin", 14),
        line("BOOK", "amalia", "aps-matin", 16),
    )
    assert [(one["date"][-2:], one["activity"]["id"], one["forecast"], one["rank"]) for one in result["bookings"]] == [
        ("14", "aps-matin", "ACCEPTED", None),
        ("14", "cantine", "WAITLISTED", 1),
        ("14", "multi", "REFUSED", None),
        ("16", "aps-matin", "REFUSED", None),
    ]
    assert result["bookings"][0]["arrival"] == "07:30"
    assert result["bookings"][0]["refusal"] is None
    assert [one["refusal"] and one["refusal"]["code"] for one in result["bookings"][2:]] == ["HOURS_REQUIRED", "CLOSED"]
    assert result["cancellations"] == [
        {
            "change": "CANCEL",
            "child": {"id": "amalia"},
            "activity": {"id": "aps-matin", "name": "APS MATIN"},
            "date": "2026-09-17",
            "arrival": "07:30",
            "departure": "08:45",
            "forecast": "CANCELLED",
            "rank": None,
            "refusal": None,
        }
    ]


@pytest.mark.parametrize("together", [[[0, 9]], [[0]] * 3, [[0, 0, 0, 0, 0]]])
async def test_s33_groups_that_cannot_be_are_no_groups_of_a_recap_either(carteville: Screens, together: list[list[int]]) -> None:
    given = {"family": "dupont", "lines": [line("BOOK", "amalia", "aps-matin", 14), line("BOOK", "paolo", "aps-matin", 14)]}
    assert await carteville.is_refused(PREVIEW, together=together, **given) == "BAD_USER_INPUT"


async def test_s21_a_family_in_debt_only_previews_cancellations(carteville: Screens) -> None:
    await carteville.has_booked("amalia", "aps-matin", dt.date(2026, 9, 17))
    await carteville.owes("dupont")
    only_books = await previews(carteville, line("BOOK", "amalia", "aps-matin", 14))
    assert only_books["__typename"] == "AccountInDebit"
    assert only_books["message"].startswith("Votre compte famille est débiteur")
    mixed = await previews(carteville, line("BOOK", "amalia", "aps-matin", 14), line("CANCEL", "amalia", "aps-matin", 17))
    assert mixed["bookings"][0]["refusal"]["code"] == "ACCOUNT_IN_DEBIT"
    assert mixed["cancellations"][0]["forecast"] == "CANCELLED"
    await carteville.owes("dupont", in_debit=False)
    assert (await previews(carteville, line("BOOK", "amalia", "aps-matin", 14)))["bookings"][0]["forecast"] == "ACCEPTED"


async def test_a_recap_is_refused_for_what_the_family_does_not_have(carteville: Screens) -> None:
    mine = line("BOOK", "amalia", "aps-matin", 14)
    for family in ("durand", "nobody"):
        assert (await previews(carteville, mine, family=family))["__typename"] == "UnknownFamily"
    assert (await previews(carteville, line("BOOK", "zoe", "cantine", 14)))["__typename"] == "UnknownChild"
    assert (await previews(carteville, line("BOOK", "amalia", "nothing", 14)))["__typename"] == "UnknownActivity"
    assert (await previews(carteville, *[mine] * 501))["__typename"] == "TooManyLines"
    assert await previews(carteville) == {"__typename": "Preview", "bookings": [], "cancellations": []}


async def test_an_agent_of_the_town_may_look_but_not_mix_families(carteville: Screens) -> None:
    mine = line("BOOK", "amalia", "aps-matin", 14)
    assert (await previews(carteville, mine, caller=AGENT))["__typename"] == "Preview"
    assert (await previews(carteville, mine, family="durand", caller=AGENT))["__typename"] == "UnknownChild"
    assert (await previews(carteville, mine, caller=DURAND))["__typename"] == "UnknownFamily"
