"""S33: the recap says what sending the draft now would give."""

import datetime as dt
from dataclasses import replace

from services.booking.activity import ActivitySpec, ChosenHours, Scheduled
from services.booking.calendar import Places
from services.booking.draft import DraftChange
from services.booking.lines import Enrolled, opening_rules
from services.booking.order import Line
from services.booking.recap import Facts, Forecast, Held, forecast
from services.booking.season import Holidays
from services.booking.status import BookingStatus
from tests.booking.test_activity import APS_MATIN

MONDAY, TUESDAY = dt.date(2026, 9, 14), dt.date(2026, 9, 15)
ACCEPTED, WAITLISTED, REFUSED = BookingStatus.ACCEPTED, BookingStatus.WAITLISTED, BookingStatus.REFUSED
CANCELLED, SUBMITTED = BookingStatus.CANCELLED, BookingStatus.SUBMITTED


def line(change: str, child: str = "amalia", day: dt.date = MONDAY) -> Line:
    return Line(DraftChange(change), child, "aps-matin", day)


def facts(places: Places, spec: ActivitySpec = APS_MATIN, in_debit: bool = False, **held: BookingStatus) -> Facts:
    return Facts(
        specs={"aps-matin": spec},
        rules={("aps-matin", day): opening_rules(spec, day, Holidays()) for day in (MONDAY, TUESDAY)},
        places={("aps-matin", day): places for day in (MONDAY, TUESDAY)},
        held={(child, "aps-matin", MONDAY): Held(status, "07:30", "08:45") for child, status in held.items()},
        enrolled={(child, "aps-matin"): Enrolled() for child in ("amalia", "paolo")},
        in_debit=in_debit,
        now=dt.datetime(2026, 9, 1, tzinfo=dt.UTC),
    )


def answers(lines: list[Line], given: Facts) -> list[tuple[str, BookingStatus, int | None, str | None]]:
    return [(one.line.child, one.status, one.rank, one.code) for one in forecast(lines, given)]


def test_s33_lines_are_ordered_by_date_child_and_activity_with_their_hours() -> None:
    lines = [line("BOOK", day=TUESDAY), line("BOOK", "paolo"), line("BOOK")]
    found = forecast(lines, facts(Places(40, 10)))
    assert [(one.line.date, one.line.child) for one in found] == [(MONDAY, "amalia"), (MONDAY, "paolo"), (TUESDAY, "amalia")]
    assert found[0] == Forecast(lines[2], "07:30", "08:45", ACCEPTED)


def test_two_children_of_one_draft_do_not_get_the_same_last_place() -> None:
    both = [line("BOOK"), line("BOOK", "paolo")]
    assert answers(both, facts(Places(40, 10, 39))) == [("amalia", ACCEPTED, None, None), ("paolo", WAITLISTED, 1, None)]
    assert answers(both, facts(Places(40, 10, 40, 3))) == [("amalia", WAITLISTED, 4, None), ("paolo", WAITLISTED, 5, None)]
    assert answers(both, facts(Places(40, 0, 39))) == [("amalia", ACCEPTED, None, None), ("paolo", REFUSED, None, "FULL")]


def test_a_line_between_two_that_belong_together_stands_between_them_in_the_waiting_list() -> None:
    children = "amalia", "paolo", "zoe"
    given = replace(facts(Places(40, 10, 40)), enrolled={(child, "aps-matin"): Enrolled() for child in children})
    found = forecast([line("BOOK", child) for child in children], given, {0: 0, 2: 0})
    assert [(one.line.child, one.rank) for one in found] == [("amalia", 1), ("paolo", 2), ("zoe", 3)]


def test_a_place_given_back_goes_to_who_waits_and_only_then_to_the_draft() -> None:
    swap = [line("BOOK", "paolo"), line("CANCEL")]
    nobody_waits = facts(Places(40, 10, 40), amalia=ACCEPTED)
    assert answers(swap, nobody_waits) == [("amalia", CANCELLED, None, None), ("paolo", ACCEPTED, None, None)]
    somebody_waits = facts(Places(40, 10, 40, 1), amalia=ACCEPTED)
    assert answers(swap, somebody_waits)[1] == ("paolo", WAITLISTED, 1, None)
    leaving_the_line = facts(Places(40, 10, 40, 2), amalia=WAITLISTED)
    assert answers(swap, leaving_the_line)[1] == ("paolo", WAITLISTED, 2, None)


def test_what_stands_already_is_not_booked_twice_but_may_be_given_back_and_taken_again() -> None:
    booked = facts(Places(40, 10, 1), amalia=ACCEPTED)
    assert answers([line("BOOK")], booked) == [("amalia", REFUSED, None, "ALREADY_BOOKED")]
    assert answers([line("BOOK"), line("BOOK")], facts(Places(40, 10))) == [
        ("amalia", ACCEPTED, None, None),
        ("amalia", REFUSED, None, "ALREADY_BOOKED"),
    ]
    assert [status for _, status, *_ in answers([line("BOOK"), line("CANCEL")], booked)] == [CANCELLED, ACCEPTED]


def test_s26_other_hours_keep_the_place_though_somebody_waits_and_are_given_whole_or_not_at_all() -> None:
    chosen = replace(APS_MATIN, hours=ChosenHours("07:30", "18:30", 15, 60))
    full = facts(Places(40, 10, 40, 1), chosen, amalia=ACCEPTED)
    other, short = (replace(line("BOOK"), arrival="09:00", departure=until) for until in ("18:00", "09:15"))
    assert answers([line("CANCEL"), other], full) == [("amalia", CANCELLED, None, None), ("amalia", ACCEPTED, None, None)]
    assert answers([line("CANCEL"), short], full) == [
        ("amalia", REFUSED, None, "NOT_MOVED"),
        ("amalia", REFUSED, None, "HOURS_NOT_ALLOWED"),
    ]
    assert answers([line("CANCEL"), other], facts(Places(40, 10, 40, 2), chosen, amalia=WAITLISTED))[1][:3] == ("amalia", WAITLISTED, 2)
    twice = answers([line("CANCEL"), other, replace(other, arrival="10:00")], full)  # As the allocator (test_allocator.py).
    assert [(status, code) for _, status, _, code in twice] == [(CANCELLED, None), (ACCEPTED, None), (REFUSED, "ALREADY_BOOKED")]


def test_cancelling_what_is_not_there_or_too_late() -> None:
    assert answers([line("CANCEL")], facts(Places(40, 10))) == [("amalia", REFUSED, None, "UNKNOWN_BOOKING")]
    late = replace(facts(Places(40, 10, 1), amalia=ACCEPTED), now=dt.datetime(2026, 9, 13, 7, tzinfo=dt.UTC))
    assert answers([line("CANCEL")], late) == [("amalia", REFUSED, None, "TOO_LATE_TO_CANCEL")]


def test_s36_the_recap_lets_a_family_leave_the_line_when_a_place_could_not_be_given_back_any_more() -> None:
    late = replace(facts(Places(40, 10, 40, 2), amalia=WAITLISTED), now=dt.datetime(2026, 9, 13, 7, tzinfo=dt.UTC))
    assert answers([line("CANCEL")], late) == [("amalia", CANCELLED, None, None)]


def test_a_place_given_back_where_the_town_has_taken_places_away_goes_to_nobody() -> None:
    fewer = facts(Places(40, 10, 47, 2), amalia=ACCEPTED)
    assert answers([line("BOOK", "paolo"), line("CANCEL")], fewer)[1] == ("paolo", WAITLISTED, 3, None)


def test_s21_in_debt_only_cancellations_are_forecast_to_succeed() -> None:
    owing = facts(Places(40, 10, 1), in_debit=True, amalia=ACCEPTED)
    assert answers([line("CANCEL"), line("BOOK", "paolo")], owing) == [
        ("amalia", CANCELLED, None, None),
        ("paolo", REFUSED, None, "ACCOUNT_IN_DEBIT"),
    ]


def test_a_wish_for_a_scheduled_run_is_not_answered_now() -> None:
    lottery = replace(APS_MATIN, allocation=Scheduled("02:00", "lottery"))
    assert answers([line("BOOK")], facts(Places(1, 0), lottery)) == [("amalia", SUBMITTED, None, None)]
