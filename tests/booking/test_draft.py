"""One click (S27-S30) and one copy (S31) give the draft that the rules say."""

import datetime as dt
from collections.abc import Iterable

from services.booking.calendar import DayState
from services.booking.draft import Choice, Day, DraftChange, DraftLine, Skipped, Source, ToggleScope, copy, days_of, shown, to_copy, toggle

HOURS = ("07:30", "08:45")
AMALIA = Choice("amalia", "aps-matin", HOURS)
MARCH = [dt.date(2027, 3, day) for day in range(1, 32)]  # the 1st is a Monday
C, F, A, W, B, Q, BL, QL = DayState  # 1..8


def march(day: int) -> dt.date:
    return dt.date(2027, 3, day)


def days(*states: DayState, first: int = 1) -> list[Day]:
    """Consecutive days of March in these states."""
    reserved = (B, Q, BL, QL)
    return [Day(march(first + offset), state, booked_hours=HOURS if state in reserved else None) for offset, state in enumerate(states)]


def line(change: str, day: int, child: str = "amalia", activity: str = "aps-matin") -> DraftLine:
    return DraftLine(DraftChange(change), child, activity, march(day), *HOURS)


def changes(draft: Iterable[DraftLine]) -> dict[int, str]:
    return {line.date.day: line.change.value for line in draft}


# ------------------------------------------------------------------------------------------------------ which days
def test_s27_a_week_row_is_the_visible_days_of_that_month() -> None:
    assert days_of(ToggleScope.WEEK, MARCH, march(31)) == [march(29), march(30), march(31)]
    # Any day of the week will do, even one of the next month.
    assert days_of(ToggleScope.WEEK, MARCH, dt.date(2027, 4, 2)) == [march(29), march(30), march(31)]


def test_s28_a_column_is_every_such_weekday() -> None:
    assert [day.day for day in days_of(ToggleScope.WEEKDAY, MARCH, march(9))] == [2, 9, 16, 23, 30]


def test_s29_the_whole_month_and_one_day() -> None:
    assert days_of(ToggleScope.MONTH, MARCH, None) == MARCH
    assert days_of(ToggleScope.DAY, MARCH, march(9)) == [march(9)]


def test_s27_a_week_row_at_the_turn_of_the_year_is_one_row_in_each_of_the_two_months() -> None:
    december = [dt.date(2026, 12, day) for day in range(1, 32)]
    january = [dt.date(2027, 1, day) for day in range(1, 32)]
    silvester, new_year = dt.date(2026, 12, 31), dt.date(2027, 1, 1)  # Thursday and Friday of ISO week 53 of 2026
    for clicked in (silvester, new_year):
        assert days_of(ToggleScope.WEEK, december, clicked) == [dt.date(2026, 12, day) for day in (28, 29, 30, 31)]
        assert days_of(ToggleScope.WEEK, january, clicked) == [dt.date(2027, 1, day) for day in (1, 2, 3)]
    # The last week of 2024 is, for ISO, the first of 2025; a year later its number comes back.
    assert days_of(ToggleScope.WEEK, [dt.date(2025, 12, day) for day in range(1, 32)], dt.date(2024, 12, 31)) == []


# --------------------------------------------------------------------------------------------------------- toggling
def test_s27_if_the_first_actionable_day_is_free_every_actionable_day_is_reserved() -> None:
    outcome = toggle(AMALIA, days(C, F, A, W, B, Q, BL, QL), [])
    assert changes(outcome.draft) == {3: "BOOK", 4: "BOOK"}
    assert [line.arrival for line in outcome.draft] == ["07:30", "07:30"]


def test_s27_if_the_first_actionable_day_is_reserved_every_one_is_cancelled() -> None:
    outcome = toggle(AMALIA, days(C, F, BL, B, A, W, Q, QL), [])
    assert changes(outcome.draft) == {4: "CANCEL", 7: "CANCEL"}


def test_s27_states_1_2_7_8_are_skipped_and_told_with_their_reason() -> None:
    outcome = toggle(AMALIA, [Day(march(1), C, "TOO_LATE"), *days(F, A, BL, QL, first=2)], [])
    assert outcome.skipped == (
        Skipped(march(1), "TOO_LATE"),
        Skipped(march(2), "FULL"),
        Skipped(march(4), "ALREADY_BOOKED"),
        Skipped(march(5), "ALREADY_BOOKED"),
    )
    assert toggle(AMALIA, days(C, F, B, BL, QL), []).skipped == (
        Skipped(march(4), "TOO_LATE_TO_CANCEL"),
        Skipped(march(5), "TOO_LATE_TO_CANCEL"),
    )


def test_s27_the_first_actionable_day_is_looked_at_as_the_draft_shows_it() -> None:
    # Day 1 is free in the tables but the draft books it: the click takes the draft back and cancels what is booked.
    outcome = toggle(AMALIA, days(A, A, B), [line("BOOK", 1)])
    assert changes(outcome.draft) == {3: "CANCEL"}
    # Day 1 is booked in the tables but the draft cancels it: the click keeps it after all and books the rest.
    outcome = toggle(AMALIA, days(B, A, B), [line("CANCEL", 1)])
    assert changes(outcome.draft) == {2: "BOOK"}


def test_s30_what_the_draft_changes_is_shown_changed() -> None:
    assert shown(A, DraftChange.BOOK) is B
    assert shown(W, DraftChange.BOOK) is Q
    assert shown(B, DraftChange.CANCEL) is A
    assert shown(Q, DraftChange.CANCEL) is A
    assert shown(BL, DraftChange.CANCEL) is BL
    assert shown(F, DraftChange.BOOK) is F
    assert [shown(state, None) for state in DayState] == list(DayState)


def test_clicking_twice_gives_the_first_draft_back() -> None:
    other = line("BOOK", 2, child="paolo")
    states = days(C, A, W, F, A)
    once = toggle(AMALIA, states, [other])
    assert changes(once.draft) == {2: "BOOK", 3: "BOOK", 5: "BOOK"}
    assert toggle(AMALIA, states, once.draft).draft == (other,)


def test_lines_of_other_children_and_activities_are_left_alone() -> None:
    others = [line("BOOK", 1, child="paolo"), line("CANCEL", 1, activity="cantine")]
    outcome = toggle(AMALIA, days(A), others)
    assert outcome.draft == (*others, line("BOOK", 1))


def test_s26_hours_are_needed_to_reserve_and_not_to_cancel_or_to_keep() -> None:
    nobody_chose = Choice("amalia", "aps-matin", None, "HOURS_REQUIRED")
    assert toggle(nobody_chose, days(A), []).refusal == "HOURS_REQUIRED"
    assert changes(toggle(nobody_chose, days(B), []).draft) == {1: "CANCEL"}
    assert toggle(nobody_chose, days(B), [line("CANCEL", 1)]).draft == ()


def test_s30_new_hours_for_a_booked_day_are_undone_by_cancelling_it() -> None:
    """The draft cancels day 1 and books it again: it looks reserved, so a click cancels it, whatever the order of its lines."""
    for again in ([line("CANCEL", 1), line("BOOK", 1)], [line("BOOK", 1), line("CANCEL", 1)]):
        once = toggle(AMALIA, days(B), again)
        assert once.draft == (line("CANCEL", 1),)
        assert toggle(AMALIA, days(B), once.draft).draft == ()


def test_s30_a_line_that_means_nothing_any_more_does_not_keep_a_click_from_doing_what_it_says() -> None:
    # Somebody else has cancelled day 1 meanwhile, and booked day 2: the lines for that are left over.
    assert changes(toggle(AMALIA, days(A, A), [line("CANCEL", 1)]).draft) == {1: "BOOK", 2: "BOOK"}
    assert changes(toggle(AMALIA, days(B, B), [line("BOOK", 2)]).draft) == {1: "CANCEL", 2: "CANCEL"}


def test_a_day_that_closed_since_can_be_taken_out_of_the_draft() -> None:
    outcome = toggle(AMALIA, [Day(march(1), C, "TOO_LATE")], [line("BOOK", 1), line("BOOK", 2)])
    assert changes(outcome.draft) == {2: "BOOK"}
    assert outcome.skipped == (Skipped(march(1), "TOO_LATE"),)


def test_a_set_without_an_actionable_day_changes_nothing() -> None:
    draft = [line("BOOK", 9)]
    outcome = toggle(AMALIA, days(C, F, BL, QL), draft)
    assert outcome.draft == tuple(draft)
    assert [skipped.code for skipped in outcome.skipped] == ["CLOSED", "FULL", "TOO_LATE_TO_CANCEL", "TOO_LATE_TO_CANCEL"]


# ---------------------------------------------------------------------------------------------------------- copying
def sources(*numbers: int) -> list[Source]:
    return [Source(march(day), HOURS) for day in numbers]


def by_date(*calendars: list[Day]) -> dict[dt.date, Day]:
    return {day.date: day for calendar in calendars for day in calendar}


PAOLO = Choice("paolo", "aps-matin", HOURS)


def test_s31_the_default_source_is_what_the_draft_books() -> None:
    draft = [line("BOOK", 2), line("CANCEL", 3), line("BOOK", 4, child="paolo")]
    assert list(to_copy(draft, [], "amalia", "aps-matin")) == [march(2)]


def test_s31_live_bookings_are_added_on_demand_but_not_those_being_cancelled() -> None:
    draft = [line("BOOK", 2), line("CANCEL", 3)]
    booked = [(march(3), "07:30", "08:45"), (march(1), "07:45", "08:45")]
    assert to_copy(draft, booked, "amalia", "aps-matin") == {march(1): ("07:45", "08:45"), march(2): HOURS}


def test_s31_what_could_not_be_copied_is_listed_with_its_reason() -> None:
    target = by_date(days(C, F, A, W, B, Q, BL, QL), [Day(march(9), C, "TOO_LATE"), Day(march(10), A), Day(march(11), A)])
    bad_hours = Source(march(10), ("06:00", "07:00"), "HOURS_NOT_ALLOWED")
    outcome = copy(PAOLO, [*sources(1, 2, 3, 4, 5, 6, 7, 8, 9), bad_hours, *sources(11)], target, frozenset({march(11)}), [])
    assert changes(outcome.draft) == {3: "BOOK", 4: "BOOK"}
    assert {skipped.date.day: skipped.code for skipped in outcome.skipped} == {
        1: "CLOSED",
        2: "FULL",
        5: "ALREADY_BOOKED",
        6: "ALREADY_BOOKED",
        7: "ALREADY_BOOKED",
        8: "ALREADY_BOOKED",
        9: "TOO_LATE",
        10: "HOURS_NOT_ALLOWED",
        11: "NOT_ENROLLED",
    }


def test_s31_what_the_target_would_cancel_is_kept_and_what_it_would_book_is_not_booked_twice() -> None:
    draft = [line("BOOK", 1), line("BOOK", 2), line("CANCEL", 1, child="paolo"), line("BOOK", 2, child="paolo")]
    outcome = copy(PAOLO, sources(1, 2), by_date(days(B, A)), frozenset(), draft)
    assert outcome.draft == (draft[0], draft[1], draft[3])
    assert outcome.skipped == (Skipped(march(2), "ALREADY_BOOKED"),)


def test_s31_hours_are_asked_for_only_where_something_is_to_be_booked() -> None:
    nobody_chose = Choice("paolo", "multi", None, "HOURS_REQUIRED")
    without = [Source(march(day), None) for day in (1, 2)]
    kept = copy(nobody_chose, without, by_date(days(B, C)), frozenset(), [line("CANCEL", 1, "paolo", "multi")])
    assert (kept.draft, kept.refusal, [one.code for one in kept.skipped]) == ((), None, ["CLOSED"])
    assert copy(nobody_chose, without, by_date(days(A, C)), frozenset(), []).refusal == "HOURS_REQUIRED"


def test_s31_a_left_over_cancellation_is_replaced_by_the_copy() -> None:
    outcome = copy(PAOLO, sources(1), by_date(days(A)), frozenset(), [line("CANCEL", 1, child="paolo")])
    assert outcome.draft == (line("BOOK", 1, child="paolo"),)


def test_s31_onto_itself_everything_is_there_already() -> None:
    draft = [line("BOOK", 1), line("CANCEL", 2)]
    outcome = copy(AMALIA, sources(1, 3), by_date(days(A, B, BL)), frozenset(), draft)
    assert outcome.draft == tuple(draft)
    assert outcome.skipped == (Skipped(march(1), "ALREADY_BOOKED"), Skipped(march(3), "ALREADY_BOOKED"))
