"""What becomes of the lines of a request: the allocator over the real tables, without the desk."""

import asyncio
import datetime as dt
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from services.booking import commands
from services.booking.activity import ChosenHours, DaysBefore, Scheduled
from services.booking.counter import expire_passed
from services.booking.rulebook import RuleBook
from services.booking.taking_over import TakenOver, take_over
from services.clock import Clock
from services.events import BY_TYPE, FamilyChanged, StandingChanged
from services.refusal import CodedError
from tests.booking.town import CANTINE, CLOCK, MONDAY, NOW, TUESDAY, Town, books, cancels

DAY = dt.timedelta(days=1)
WEDNESDAY = dt.date(2026, 12, 2)


@pytest.fixture
async def town(running: Any) -> Town:
    """A canteen with 1 place and 2 waiting places a day; four families with a child each."""
    made = Town(await running("booking", clock=CLOCK, start=False))
    await made.opens()
    for family in ("dupont", "durand", "petit", "moreau"):
        await made.household(family)
    return made


# ------------------------------------------------------------------------------------------------------------- each line
async def test_s34_the_first_is_in_the_next_wait_and_the_last_is_told_full(town: Town) -> None:
    assert [await town.asks(family) for family in ("dupont", "durand", "petit", "moreau")] == [
        ["ACCEPTED"],
        ["WAITLISTED"],
        ["WAITLISTED"],
        ["REFUSED FULL"],
    ]
    assert await town.line_up() == {"ACCEPTED": ["dupont"], "WAITLISTED": ["durand", "petit"]}
    await town.is_sound()


async def test_what_arrives_together_is_decided_in_order_of_arrival(town: Town) -> None:
    await town.writes(town.order("petit"), town.order("dupont"))
    await town.writes(town.order("durand"))
    await town.decides()
    assert await town.line_up() == {"ACCEPTED": ["petit"], "WAITLISTED": ["dupont", "durand"]}
    await town.is_sound()


async def test_s26_refused_hours_are_kept_as_they_were_asked_for(town: Town) -> None:
    assert await town.asks("dupont", books("dupont", arrival="09:00")) == ["REFUSED HOURS_NOT_ALLOWED"]
    assert await town.rows("SELECT arrival, departure FROM booking") == [("09:00", "15:20")]
    ((_, told),) = await town.told("request_decided")
    assert [(line["arrival"], line["departure"]) for line in told["movements"]] == [("09:00", "15:20")]


async def test_a_line_of_a_refused_group_is_told_which_one_stood_in_the_way(town: Town) -> None:
    await town.asks("dupont", books("dupont"), books("dupont", WEDNESDAY), together=[[0, 1]])
    ((_, told),) = await town.told("request_decided")
    first, second = told["movements"]
    assert (first["code"], first["because"], second["because"]) == ("GROUP_INCOMPLETE", second["booking"], None)


async def test_s34_every_line_has_its_own_reason(town: Town) -> None:
    await town.opens(id="multi", hours=ChosenHours("07:30", "18:30", 15, 60), capacity=None)
    await town.opens(id="early", booking_deadline=DaysBefore(20, "09:00"))
    await town.household("dupont", "dupont", "paolo", activities=("multi", "early"), version=2)
    assert await town.asks(
        "dupont",
        books("dupont"),
        books("dupont"),
        books("dupont", WEDNESDAY),
        books("dupont", MONDAY, "early"),
        books("dupont", MONDAY, "multi"),
        books("dupont", MONDAY, "multi", arrival="06:00", departure="12:00"),
        books("dupont", MONDAY, "multi", arrival="08:00", departure="12:00"),
        books("dupont", TUESDAY, arrival="09:00"),
        books("paolo", TUESDAY),
    ) == [
        "ACCEPTED",
        "REFUSED ALREADY_BOOKED",
        "REFUSED CLOSED",
        "REFUSED TOO_LATE",
        "REFUSED HOURS_REQUIRED",
        "REFUSED HOURS_NOT_ALLOWED",
        "ACCEPTED",
        "REFUSED HOURS_NOT_ALLOWED",
        "REFUSED NOT_ENROLLED",
    ]
    await town.is_sound()


async def test_s21_in_debt_a_family_may_still_cancel_and_each_booking_says_why_not(town: Town) -> None:
    await town.asks("dupont")
    await town.owes("dupont")
    assert await town.asks("dupont", cancels("dupont"), books("dupont", TUESDAY)) == ["CANCELLED", "REFUSED ACCOUNT_IN_DEBIT"]


async def test_s21_a_family_that_falls_into_debt_between_intake_and_decision_is_refused(town: Town) -> None:
    (request,) = await town.writes(town.order("dupont"))
    await town.owes("dupont")
    await town.decides()
    assert await town.answers(str(request)) == ["REFUSED ACCOUNT_IN_DEBIT"]


async def test_a_family_may_refuse_to_wait(town: Town) -> None:
    await town.asks("dupont")
    assert await town.asks("durand", accept_waiting_list=False) == ["REFUSED FULL"]


async def test_waiting_for_the_answer_makes_nobody_late(running: Any) -> None:
    morning = Town(await running("booking", clock=CLOCK, start=False))
    url = morning.running.settings.database_urls["booking"]
    night = Town(await running("booking", clock=Clock(frozen_at=NOW + 20 * DAY), start=False, url=url))
    await morning.opens()
    await morning.household("dupont")
    (request,) = await morning.writes(morning.order("dupont"))
    await night.decides()
    assert await night.answers(str(request)) == ["ACCEPTED"]


async def test_a_group_gets_nothing_after_the_deadline_of_one_of_its_days_whoever_is_answered_with_it(town: Town) -> None:
    await town.opens(capacity=1, booking_deadline=DaysBefore(1, "09:00"))
    await town.household("petit", "ines", "tom", version=2)
    await town.asks("dupont", books("dupont", TUESDAY))
    pair = books("ines"), books("tom", TUESDAY)
    assert await town.asks("petit", *pair, together=[[0, 1]]) == ["WAITLISTED", "WAITLISTED"]
    await town.writes(town.order("durand", books("durand", WEDNESDAY)))
    town.clock = Clock(frozen_at=dt.datetime(2026, 11, 29, 8, tzinfo=dt.UTC))  # on Monday nobody books any more, on Tuesday one may
    await town.writes(town.order("dupont", cancels("dupont", TUESDAY)))
    await town.decides()
    assert await town.line_up(TUESDAY) == {"ACCEPTED": [], "WAITLISTED": ["tom"]}


# ---------------------------------------------------------------------------------------------------------- giving back
async def test_s36_a_freed_place_goes_to_the_first_in_the_line_who_is_told(town: Town) -> None:
    for family in ("dupont", "durand", "petit"):
        await town.asks(family)
    assert await town.asks("dupont", cancels("dupont")) == ["CANCELLED"]
    assert await town.line_up() == {"ACCEPTED": ["durand"], "WAITLISTED": ["petit"]}
    ((_, told),) = await town.told("place_given")
    assert (told["family"], told["child"], told["date"]) == ("durand", "durand", "2026-11-30")
    *_, (_, accepted) = await town.told("accepted")
    assert (accepted["family"], accepted["from_waiting_list"], accepted["request"]) == ("durand", True, None)
    await town.is_sound()


async def test_leaving_the_line_moves_those_behind(town: Town) -> None:
    for family in ("dupont", "durand", "petit"):
        await town.asks(family)
    assert await town.asks("durand", cancels("durand")) == ["CANCELLED"]
    assert await town.asks("moreau") == ["WAITLISTED"]
    assert await town.line_up() == {"ACCEPTED": ["dupont"], "WAITLISTED": ["petit", "moreau"]}
    assert [body["rank"] for _, body in await town.told("waitlisted")] == [1, 2, 2]
    await town.is_sound()


async def test_s26_other_hours_keep_the_place_though_somebody_waits_and_are_given_whole_or_not_at_all(town: Town) -> None:
    await town.opens(hours=ChosenHours("07:30", "18:30", 15, 60))
    day, evening = {"arrival": "08:00", "departure": "17:00"}, {"arrival": "09:00", "departure": "18:00"}
    await town.asks("dupont", books("dupont", **day))
    assert await town.asks("durand", books("durand", **day)) == ["WAITLISTED"]
    assert await town.asks("dupont", cancels("dupont"), books("dupont", **evening)) == ["CANCELLED", "ACCEPTED"]
    assert await town.line_up() == {"ACCEPTED": ["dupont"], "WAITLISTED": ["durand"]}
    await town.is_sound()  # To have kept a place is not to have overtaken anybody.
    too_short = books("dupont", arrival="09:00", departure="09:15")
    assert await town.asks("dupont", cancels("dupont"), too_short) == ["REFUSED NOT_MOVED", "REFUSED HOURS_NOT_ALLOWED"]
    assert await town.asks("durand", cancels("durand"), books("durand", **evening)) == ["CANCELLED", "WAITLISTED"]
    assert await town.line_up() == {"ACCEPTED": ["dupont"], "WAITLISTED": ["durand"]}
    # Of two wishes for one place the first, as the recap says (test_recap.py).
    twice = books("dupont", **day), books("dupont", **evening)
    assert await town.asks("dupont", cancels("dupont"), *twice) == ["CANCELLED", "ACCEPTED", "REFUSED ALREADY_BOOKED"]
    await town.is_sound()


async def test_what_is_given_back_and_asked_for_again_as_it_was_is_a_new_request(town: Town) -> None:
    await town.asks("dupont")
    assert await town.asks("dupont", books("dupont"), cancels("dupont")) == ["ACCEPTED", "CANCELLED"]
    await town.asks("durand")
    assert await town.asks("dupont", cancels("dupont"), books("dupont")) == ["CANCELLED", "WAITLISTED"]
    assert await town.line_up() == {"ACCEPTED": ["durand"], "WAITLISTED": ["dupont"]}
    await town.is_sound()


async def test_too_late_to_cancel_changes_nothing(town: Town) -> None:
    await town.opens(cancellation_deadline=DaysBefore(20, "09:00"))
    await town.asks("dupont")
    assert await town.asks("dupont", cancels("dupont")) == ["REFUSED TOO_LATE_TO_CANCEL"]
    assert (await town.line_up())["ACCEPTED"] == ["dupont"]


async def test_what_a_cancellation_means_does_not_depend_on_who_arrives_with_it(town: Town) -> None:
    """Two taps on each button, answered late: the second cancellation means the second booking, in one transaction or in four."""
    orders = [(cancels("dupont"),), (books("dupont"),), (cancels("dupont"),)]
    for together in (True, False):
        await town.asks("dupont")
        sent = [town.order("dupont", *lines) for lines in orders]
        batches = [sent] if together else [[order] for order in sent]
        requests = [str(request) for batch in batches for request in await town.writes(*batch)]
        await town.decides()
        assert [await town.answers(request) for request in requests] == [["CANCELLED"]] * 3


async def test_of_two_wishes_for_one_place_a_cancellation_means_the_one_that_is_answered_first(town: Town) -> None:
    for _ in range(2):
        await town.writes(town.order("dupont"))
    await town.writes(town.order("dupont", cancels("dupont")))
    await town.decides()
    assert await town.line_up() == {"ACCEPTED": [], "WAITLISTED": []}


async def test_a_family_cannot_give_back_what_the_child_has_from_another_one_whoever_arrives_with_it(town: Town) -> None:
    await town.asks("dupont")
    await town.household("durand", "dupont", version=2)  # the child has moved
    await town.household("dupont", "paolo", version=2)
    others = town.order("dupont", cancels("paolo")), town.order("durand", cancels("dupont"))
    requests = await town.writes(*others)
    await town.decides()
    assert await town.answers(str(requests[1])) == ["REFUSED UNKNOWN_BOOKING"]
    assert await town.line_up() == {"ACCEPTED": ["dupont"], "WAITLISTED": []}


async def test_cancelling_nothing_is_answered_with_a_booking_that_says_so(town: Town) -> None:
    assert await town.asks("dupont", cancels("dupont")) == ["REFUSED UNKNOWN_BOOKING"]
    assert await town.rows("SELECT status, code FROM booking") == [("REFUSED", "UNKNOWN_BOOKING")]
    assert await town.told("refused", "cancelled") == []
    await town.is_sound()


async def test_booked_and_cancelled_before_anybody_looked(town: Town) -> None:
    first, second = await town.writes(town.order("dupont"), town.order("dupont", cancels("dupont")))
    await town.decides()
    assert (await town.answers(str(first)), await town.answers(str(second))) == (["CANCELLED"], ["CANCELLED"])
    assert [name for name, _ in await town.told("accepted", "cancelled")] == ["accepted", "cancelled"]
    await town.is_sound()


async def test_whose_place_came_before_the_report_gets_no_second_mail(town: Town) -> None:
    await town.asks("dupont")
    await town.writes(town.order("durand"), town.order("dupont", cancels("dupont")))
    await town.decides()
    assert await town.told("place_given") == []
    decided = {body["family"]: body["movements"][0] for _, body in (await town.told("request_decided"))[1:]}
    assert (decided["durand"]["outcome"], decided["dupont"]["outcome"]) == ("ACCEPTED", "CANCELLED")


# --------------------------------------------------------------------------------------------------------------- together
async def test_siblings_are_decided_all_or_none(town: Town) -> None:
    await town.household("dupont", "amalia", "paolo", version=2)
    both = books("amalia"), books("paolo")
    assert await town.asks("dupont", *both, together=[[0, 1]]) == ["WAITLISTED", "WAITLISTED"]
    assert await town.asks("durand") == ["ACCEPTED"]
    await town.opens(capacity=3)
    assert await town.line_up() == {"ACCEPTED": ["amalia", "paolo", "durand"], "WAITLISTED": []}
    await town.is_sound()


async def test_siblings_on_two_days_wait_for_both(town: Town) -> None:
    await town.household("dupont", "amalia", "paolo", version=2)
    await town.asks("durand", books("durand", TUESDAY))
    pair = books("amalia"), books("paolo", TUESDAY)
    assert await town.asks("dupont", *pair, together=[[0, 1]]) == ["WAITLISTED", "WAITLISTED"]
    assert await town.asks("durand", cancels("durand", TUESDAY)) == ["CANCELLED"]
    assert ((await town.line_up())["ACCEPTED"], (await town.line_up(TUESDAY))["ACCEPTED"]) == (["amalia"], ["paolo"])
    await town.is_sound()


@pytest.mark.parametrize("all_of_it", [True, False], ids=["the town's days off", "its activities' days"])
async def test_nobody_is_given_a_place_on_a_day_that_closes_as_another_one_opens(town: Town, all_of_it: bool) -> None:
    """A town's file changes both in one moment; what it says of "multi" comes after what it says of "cantine"."""
    specs = CANTINE, replace(CANTINE, id="multi")

    async def closes(*days: dt.date) -> None:
        said = [replace(spec, closed_on=frozenset(() if all_of_it else days)) for spec in specs]
        async with town.running.database.transaction() as session:
            await commands.put_days_off(session, town.clock, "carteville", dict.fromkeys(days if all_of_it else ()), said)

    await closes()
    await town.household("dupont", "amalia", "paolo", activities=("cantine", "multi"), version=2)
    await town.asks("durand")
    pair = books("amalia"), books("paolo", TUESDAY, "multi")
    assert await town.asks("dupont", *pair, together=[[0, 1]]) == ["WAITLISTED", "WAITLISTED"]
    await closes(MONDAY)
    assert await town.asks("durand", cancels("durand")) == ["CANCELLED"]
    await closes(TUESDAY)
    assert await town.line_up() == {"ACCEPTED": [], "WAITLISTED": ["amalia"]}
    await closes()
    assert ((await town.line_up())["ACCEPTED"], (await town.line_up(TUESDAY, "multi"))["ACCEPTED"]) == (["amalia"], ["paolo"])
    await town.is_sound()


async def test_one_line_that_may_not_be_refuses_its_whole_group_and_only_that_one_has_the_reason(town: Town) -> None:
    answers = await town.asks("dupont", books("dupont"), books("dupont", WEDNESDAY), together=[[0, 1]])
    assert answers == ["REFUSED GROUP_INCOMPLETE", "REFUSED CLOSED"]
    answers = await town.asks("dupont", books("dupont"), books("dupont"), together=[[0, 1]])
    assert answers == ["REFUSED GROUP_INCOMPLETE", "REFUSED ALREADY_BOOKED"]


async def test_s34_a_line_that_is_already_booked_says_what_the_child_has_there(town: Town) -> None:
    """Once all of the transaction is decided: whoever waits may have a place by then, or have left."""

    async def held() -> list[str | None]:
        _, told = (await town.told("request_decided"))[-1]
        return [movement["held"] for movement in told["movements"] if movement["kind"] == "BOOK"]

    await town.asks("dupont")
    await town.asks("durand")
    await town.asks("dupont", books("dupont"))
    assert await held() == ["ACCEPTED"]
    await town.asks("durand", books("durand"), books("durand", TUESDAY))
    assert await held() == ["WAITLISTED", None]
    await town.writes(town.order("durand", books("durand")), town.order("dupont", cancels("dupont")))
    await town.decides()
    told = [body["movements"][0] for _, body in (await town.told("request_decided"))[-2:]]
    assert [(one["outcome"], one["held"]) for one in told] == [("REFUSED", "ACCEPTED"), ("CANCELLED", None)]
    await town.asks("petit", books("petit"), books("petit"), together=[[0, 1]])
    assert await held() == [None, None]


async def test_where_places_are_short_the_lines_that_would_have_had_one_are_not_told_that_it_is_full(town: Town) -> None:
    await town.household("dupont", "amalia", "paolo", version=2)
    await town.asks("durand", books("durand", TUESDAY))
    both = books("amalia"), books("paolo", TUESDAY), books("paolo")
    answers = await town.asks("dupont", *both, together=[[0, 1, 2]], accept_waiting_list=False)
    assert answers == ["REFUSED GROUP_INCOMPLETE", "REFUSED FULL", "REFUSED FULL"]
    assert {body["code"] for _, body in await town.told("refused")} == {"GROUP_INCOMPLETE", "FULL"}
    await town.is_sound()


# --------------------------------------------------------------------------------------------------------------- the town
async def test_more_places_are_given_to_the_line_and_fewer_take_nothing(town: Town) -> None:
    for family in ("dupont", "durand", "petit"):
        await town.asks(family)
    await town.opens(capacity=2)
    assert await town.line_up() == {"ACCEPTED": ["dupont", "durand"], "WAITLISTED": ["petit"]}
    await town.opens(capacity=1)
    assert await town.line_up() == {"ACCEPTED": ["dupont", "durand"], "WAITLISTED": ["petit"]}
    await town.asks("dupont", cancels("dupont"))
    assert await town.line_up() == {"ACCEPTED": ["durand"], "WAITLISTED": ["petit"]}
    await town.asks("durand", cancels("durand"))
    assert await town.line_up() == {"ACCEPTED": ["petit"], "WAITLISTED": []}
    await town.is_sound()


async def test_the_same_activity_again_is_no_change(town: Town) -> None:
    before = len(await town.told())
    await town.opens()
    assert len(await town.told()) == before
    await town.opens(name="Cantine")
    (_, first), (_, second) = await town.told("activity_changed")
    assert (first["version"], second["version"], second["title"]) == (1, 2, "Cantine")


async def test_an_id_belongs_to_one_structure(town: Town) -> None:
    with pytest.raises(CodedError):
        await town.opens(structure="autreville")


DUPONT, PETIT = ("dupont", "dupont"), ("petit", "petit")


async def test_bookings_taken_over_count_places_whatever_the_deadline_and_the_debt(town: Town) -> None:
    await town.owes("dupont")
    past = dt.date(2026, 11, 9)

    async def takes_over(*wanted: TakenOver) -> list[TakenOver]:
        async with town.running.database.transaction() as session:
            return await take_over(session, town.book, CLOCK, "carteville", wanted)

    before, then, too_many = (TakenOver(*who, "cantine", date) for who, date in ((DUPONT, past), (DUPONT, MONDAY), (PETIT, MONDAY)))
    for _ in range(2):
        assert await takes_over(before, then, then, too_many) == [too_many]
    assert len(await town.told("accepted")) == 2
    assert await town.rows("SELECT count(DISTINCT number) FROM booking") == [(2,)]
    assert await town.asks("durand") == ["WAITLISTED"]
    with pytest.raises(CodedError, match="no activity nothing in carteville"):
        await takes_over(TakenOver(*PETIT, "nothing", MONDAY))
    await town.is_sound()


async def test_the_line_expires_with_the_booking_deadline(town: Town, running: Any) -> None:
    for family in ("dupont", "durand", "petit"):
        await town.asks(family)
    later = await running("booking", clock=Clock(frozen_at=NOW + 20 * DAY), start=False, url=town.running.settings.database_urls["booking"])
    await expire_passed(town.running)
    assert await town.told("expired") == []
    await expire_passed(later)
    assert [body["family"] for _, body in await town.told("expired")] == ["durand", "petit"]
    assert await town.line_up() == {"ACCEPTED": ["dupont"], "WAITLISTED": []}
    await town.is_sound()


async def test_after_the_deadline_a_place_that_is_given_back_stays_free(town: Town) -> None:
    await town.asks("dupont")
    await town.asks("durand")
    await town.opens(booking_deadline=DaysBefore(20, "09:00"))
    await town.asks("dupont", cancels("dupont"))
    assert await town.line_up() == {"ACCEPTED": [], "WAITLISTED": ["durand"]}
    await town.is_sound()


# -------------------------------------------------------------------------------------------------------- scheduled runs
async def test_s35_where_a_run_decides_a_request_stays_submitted(town: Town) -> None:
    await town.opens(id="loisirs", allocation=Scheduled("02:00", "arrival"), capacity=1)
    await town.household("dupont", activities=("loisirs",), version=2)
    assert await town.asks("dupont", books("dupont"), books("dupont", MONDAY, "loisirs")) == ["ACCEPTED", "SUBMITTED"]
    assert await town.told("request_decided") == []
    assert await town.asks("dupont", cancels("dupont", MONDAY, "loisirs")) == ["CANCELLED"]
    await town.decides()
    first, second = [body["movements"] for _, body in await town.told("request_decided")]
    assert [movement["outcome"] for movement in second] == ["ACCEPTED", "CANCELLED"]
    assert [movement["outcome"] for movement in first] == ["CANCELLED"]
    await town.is_sound()


async def test_s35_an_activity_that_needs_no_run_any_more_answers_at_once(town: Town) -> None:
    run = replace(CANTINE, id="loisirs", allocation=Scheduled("02:00", "arrival"))
    await town.opens(run)
    for family in ("dupont", "durand"):
        await town.household(family, activities=("loisirs",), version=2)
        assert await town.asks(family, books(family, MONDAY, "loisirs")) == ["SUBMITTED"]
    await town.opens(replace(CANTINE, id="loisirs"))
    await town.decides()
    assert await town.line_up(MONDAY, "loisirs") == {"ACCEPTED": ["dupont"], "WAITLISTED": ["durand"]}
    await town.is_sound()


# ------------------------------------------------------------------------------------------------------------ the events
async def test_a_request_is_decided_once_however_often_it_is_delivered(town: Town) -> None:
    await town.writes(town.order("dupont", books("dupont"), books("dupont", TUESDAY)))
    assert len(await town.decides()) == 1
    assert await town.decides() == []
    names = [name for name, _ in await town.told() if name not in ("activity_changed", "enrollment_changed")]
    assert names == ["requested", "accepted", "accepted", "capacity_changed", "capacity_changed", "request_decided"]
    ((_, decided),) = await town.told("request_decided")
    assert (decided["family"], decided["account"]) == ("dupont", "dupont")  # the adult who asked, whom the mailer answers


async def test_each_booking_tells_its_story_with_growing_versions(town: Town) -> None:
    await town.asks("dupont")
    await town.asks("durand")
    await town.asks("dupont", cancels("dupont"))
    stories: dict[str, list[tuple[str, int]]] = {}
    for name, body in await town.told("accepted", "waitlisted", "cancelled"):
        stories.setdefault(body["family"], []).append((name, body["version"]))
    assert stories == {"dupont": [("accepted", 2), ("cancelled", 3)], "durand": [("waitlisted", 2), ("accepted", 3)]}
    assert [body["version"] for _, body in await town.told("capacity_changed")] == [1, 2, 3]


async def test_every_event_of_ours_passes_the_checks_that_a_rush_leaves_out(town: Town) -> None:
    await town.asks("dupont")
    await town.asks("durand")
    await town.asks("petit", accept_waiting_list=False)
    await town.asks("dupont", cancels("dupont"), cancels("dupont", TUESDAY))
    rows = await town.rows("SELECT type, body FROM outgoing")
    assert {type_.split(".")[3] for type_, _ in rows} >= {"requested", "accepted", "waitlisted", "refused", "cancelled", "place_given"}
    for type_, body in rows:
        BY_TYPE[type_].model_validate_json(body[:-1] + ',"occurred_at":"2026-11-16T08:00:00Z","event_id":"e"}')


# --------------------------------------------------------------------------------------------------- what others told us
async def test_old_news_of_a_family_or_its_debt_changes_nothing(town: Town) -> None:
    async def hear(*events: FamilyChanged | StandingChanged) -> None:
        async with town.running.database.transaction() as session:
            for event in events:
                await (commands.hear_family if isinstance(event, FamilyChanged) else commands.hear_standing)(session, event)  # type: ignore[arg-type]

    def family(version: int, *children: str) -> FamilyChanged:
        return FamilyChanged(occurred_at=NOW, structure="carteville", version=version, family="dupont", adults=[], children=list(children))

    def standing(version: int, in_debit: bool) -> StandingChanged:
        return StandingChanged(occurred_at=NOW, structure="carteville", version=version, family="dupont", in_debit=in_debit)

    await hear(family(3, "paolo"), family(2, "amalia"), standing(3, True), standing(2, False))
    assert await town.rows("SELECT child FROM child_copy WHERE family = 'dupont'") == [("paolo",)]
    assert [row[0] for row in await town.rows("SELECT in_debit FROM standing")] == [True]


async def test_a_child_that_moved_to_another_family_is_not_taken_back_by_late_news(town: Town) -> None:
    await town.household("durand", "dupont", version=2)
    await town.household("dupont", "paolo", version=2)
    assert await town.rows("SELECT family FROM child_copy WHERE child = 'dupont'") == [("durand",)]


@pytest.mark.parametrize("order", list(permutations(["A3", "A4", "A5", "B2"])), ids="-".join)
async def test_a_child_belongs_to_the_family_that_named_it_last_in_whatever_order_we_hear(town: Town, order: tuple[str, ...]) -> None:
    """A had it, and gave it up (A5) when B took it (B2); A4 is older than that, and may be heard later."""
    minutes = {"A3": 0, "A4": 1, "B2": 2, "A5": 2}
    for one in order:
        heard = FamilyChanged(
            occurred_at=NOW + dt.timedelta(minutes=minutes[one]),
            structure="carteville",
            version=int(one[1]),
            family=one[0],
            adults=[],
            children=[] if one == "A5" else ["zoe"],
        )
        async with town.running.database.transaction() as session:
            await commands.hear_family(session, heard)
    assert await town.rows("SELECT family FROM child_copy WHERE child = 'zoe'") == [("B",)]


async def test_two_replicas_that_hear_at_once_keep_the_newest(town: Town) -> None:
    await town.owes("dupont", version=1)

    async def until_somebody_waits(task: asyncio.Task[None]) -> None:
        """SQLite lets nobody begin before the other is done; on PostgreSQL the second has looked, and waits for the row."""
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        while not (task.done() or town.running.database.is_sqlite or (await town.rows(waits))[0][0]):
            await asyncio.sleep(0.01)

    async with town.running.database.transaction() as session:
        newest = StandingChanged(occurred_at=NOW, structure="carteville", version=3, family="dupont", in_debit=False)
        await commands.hear_standing(session, newest)
        await session.flush()
        older = asyncio.create_task(town.owes("dupont", version=2))
        await until_somebody_waits(older)
    await older
    assert await town.rows("SELECT version FROM standing WHERE family = 'dupont'") == [(3,)]


async def test_the_rule_book_never_answers_with_old_rules(town: Town) -> None:
    book = RuleBook()
    for capacity in (1, 7):
        await town.opens(capacity=capacity)
        async with town.running.database.reading() as session:
            assert (await book.of(session, ["cantine", "nothing"]))["cantine"].spec.capacity == capacity
