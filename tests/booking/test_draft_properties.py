"""S27-S30 whatever the month, the draft and the click: what one click does, said without looking at how it does it."""

import calendar as months
import datetime as dt
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from services.booking.calendar import ACTIONABLE, RESERVED, DayState
from services.booking.draft import Choice, Day, DraftChange, DraftLine, Outcome, ToggleScope, days_of, shown, toggle

BOOKED, CHOSEN = ("08:00", "12:00"), ("09:00", "16:30")
MINE = Choice("amalia", "multi", CHOSEN)
BOOK, CANCEL = DraftChange.BOOK, DraftChange.CANCEL
MY, OTHERS = ("amalia", "multi"), (("paolo", "multi"), ("amalia", "cantine"))


@st.composite
def calendars(draw: st.DrawFn) -> list[Day]:
    """A whole month of any length, beginning on any weekday."""
    first = dt.date(draw(st.integers(2024, 2031)), draw(st.integers(1, 12)), 1)
    length = months.monthrange(first.year, first.month)[1]
    states = draw(st.lists(st.sampled_from(DayState), min_size=length, max_size=length))
    return [
        Day(first + dt.timedelta(days=place), state, booked_hours=BOOKED if state in RESERVED else None)
        for place, state in enumerate(states)
    ]


DOES_SOMETHING = {BOOK: (DayState.AVAILABLE, DayState.WAITLIST_OPEN), CANCEL: (DayState.BOOKED, DayState.WAITING)}


@st.composite
def drafts(draw: st.DrawFn, month: Sequence[Day], *, sound: bool) -> list[DraftLine]:
    """Lines of the child and of others, in any order. Sound: each does something. Otherwise also what the day has outlived."""
    one = st.tuples(st.sampled_from(month), st.sampled_from(DraftChange), st.sampled_from((MY, MY, MY, *OTHERS)))
    drawn = draw(st.lists(one, max_size=24, unique_by=lambda line: (line[0].date, line[1], line[2])))
    return [
        DraftLine(change, *whose, day.date, *CHOSEN)
        for day, change, whose in drawn
        if not sound or whose is not MY or day.state in DOES_SOMETHING[change]
    ]


@st.composite
def clicks(draw: st.DrawFn, *, sound: bool = False) -> tuple[list[Day], list[DraftLine]]:
    """The days that one click touches, and the draft before it."""
    month = draw(calendars())
    scope = draw(st.sampled_from(ToggleScope))
    dates = set(days_of(scope, [day.date for day in month], draw(st.sampled_from(month)).date))
    return [day for day in month if day.date in dates], draw(drafts(month, sound=sound))


def mine(draft: Sequence[DraftLine], date: dt.date) -> list[DraftLine]:
    return [line for line in draft if (line.child, line.activity, line.date) == ("amalia", "multi", date)]


def look(day: Day, draft: Sequence[DraftLine]) -> DayState:
    """As the family sees it: booked again after being cancelled is booked."""
    changes = {line.change for line in mine(draft, day.date)}
    return shown(day.state, BOOK if BOOK in changes else CANCEL if CANCEL in changes else None)


def click(days: Sequence[Day], draft: Sequence[DraftLine]) -> Outcome:
    outcome = toggle(MINE, days, draft)
    assert outcome.refusal is None
    return outcome


@settings(max_examples=200, deadline=None)
@given(clicks())
def test_s27_s28_s29_s30_what_one_click_does(given_: tuple[list[Day], list[DraftLine]]) -> None:
    days, draft = given_
    outcome = click(days, draft)
    every_actionable_day_is_what_the_first_one_was_not(days, draft, outcome)
    no_other_line_is_touched_and_new_ones_do_something(days, draft, outcome)
    what_is_skipped_is_told_once_and_is_never_actionable(days, draft, outcome)


def every_actionable_day_is_what_the_first_one_was_not(days: Sequence[Day], draft: Sequence[DraftLine], outcome: Outcome) -> None:
    actionable = [day for day in days if look(day, draft) in ACTIONABLE]
    if actionable:
        reserve = look(actionable[0], draft) not in RESERVED
        assert {look(day, outcome.draft) in RESERVED for day in actionable} == {reserve}


def no_other_line_is_touched_and_new_ones_do_something(days: Sequence[Day], draft: Sequence[DraftLine], outcome: Outcome) -> None:
    dates = {day.date: day for day in days}
    assert [line for line in outcome.draft if not _is_in(line, dates)] == [line for line in draft if not _is_in(line, dates)]
    for line in set(outcome.draft) - set(draft):
        state = dates[line.date].state
        assert (line.change, state in RESERVED, state in ACTIONABLE) in ((BOOK, False, True), (CANCEL, True, True))
        assert (line.arrival, line.departure) == (CHOSEN if line.change is BOOK else BOOKED)
    for day in days:
        if day.state not in ACTIONABLE and len(days) > 1:
            assert mine(outcome.draft, day.date) == mine(draft, day.date)


def what_is_skipped_is_told_once_and_is_never_actionable(days: Sequence[Day], draft: Sequence[DraftLine], outcome: Outcome) -> None:
    skipped = [one.date for one in outcome.skipped]
    assert skipped == sorted(set(skipped))
    assert not {day.date for day in days if look(day, draft) in ACTIONABLE} & set(skipped)


@settings(max_examples=100, deadline=None)
@given(clicks(sound=True))
def test_s30_where_all_days_looked_alike_a_second_click_gives_the_draft_back(given_: tuple[list[Day], list[DraftLine]]) -> None:
    days, draft = given_
    twice = click(days, click(days, draft).draft)
    if len({look(day, draft) in RESERVED for day in days if look(day, draft) in ACTIONABLE}) == 1:
        assert _changes(twice.draft) == _changes(draft)
    # Whatever they looked like, from then on one click and another alternate.
    once_more = click(days, twice.draft)
    assert _changes(once_more.draft) == _changes(click(days, draft).draft)


def _is_in(line: DraftLine, dates: object) -> bool:
    return (line.child, line.activity) == ("amalia", "multi") and line.date in dates  # type: ignore[operator]  # a dict


def _changes(draft: Sequence[DraftLine]) -> set[tuple[DraftChange, str, str, dt.date]]:
    return {(line.change, line.child, line.activity, line.date) for line in draft}


@given(calendars(), st.data())
def test_s27_week_rows_part_the_month_and_a_row_is_one_row_whichever_day_is_clicked(month: list[Day], data: st.DataObject) -> None:
    dates = [day.date for day in month]
    clicked = data.draw(st.sampled_from(dates))
    row = days_of(ToggleScope.WEEK, dates, clicked)
    assert clicked in row
    assert all(days_of(ToggleScope.WEEK, dates, other) == row for other in row)
    assert row == sorted(row)
    assert (row[-1] - row[0]).days == len(row) - 1 <= 6
    assert row[0].weekday() == 0 or row[0] == dates[0]
    assert row[-1].weekday() == 6 or row[-1] == dates[-1]
    column = days_of(ToggleScope.WEEKDAY, dates, clicked)
    assert column == [day for day in dates if day.weekday() == clicked.weekday()]
