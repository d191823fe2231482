"""The eight day states, by the table of the rules; and the 255 ways in which they meet on one day."""

import datetime as dt
import itertools

import pytest

from services.booking.calendar import TELLING, DayState, Places, Shown, aggregate, day_state, most_telling, show
from services.booking.lines import Enrolled, Rules
from services.booking.season import Closed, Holidays
from services.booking.status import BookingStatus
from tests.booking.test_activity import APS_MATIN

EVER = Enrolled()


def test_s32_a_day_that_is_closed_everywhere_has_its_most_telling_reason() -> None:
    assert set(TELLING) == {*Closed, "TOO_LATE", "NOT_ENROLLED"}
    assert most_telling(["WEEKDAY", "PUBLIC_HOLIDAY"]) == "PUBLIC_HOLIDAY"
    assert most_telling(["SCHOOL_HOLIDAY", "CLOSED_DAY", "OUT_OF_SEASON"]) == "CLOSED_DAY"
    assert most_telling(["PUBLIC_HOLIDAY", "TOO_LATE"]) == "TOO_LATE", "something was open"


ROOMY = Places(capacity=50, waiting_list=10, taken=47)


def state(places: Places = ROOMY, status: BookingStatus | None = None, **facts: bool) -> DayState:
    return day_state(places, status, **{"is_open": True, "booking_closed": False, "cancelling_closed": False} | facts)


def test_state_5_booked_and_cancellation_still_possible() -> None:
    assert state(status=BookingStatus.ACCEPTED) is DayState.BOOKED
    # Whatever became of the day: it is booked.
    assert state(status=BookingStatus.ACCEPTED, is_open=False, booking_closed=True) is DayState.BOOKED


def test_state_7_booked_and_too_late_to_cancel() -> None:
    assert state(status=BookingStatus.ACCEPTED, cancelling_closed=True) is DayState.BOOKED_LOCKED


@pytest.mark.parametrize("status", [BookingStatus.WAITLISTED, BookingStatus.SUBMITTED])
def test_states_6_and_8_waiting(status: BookingStatus) -> None:
    assert state(status=status) is DayState.WAITING
    assert state(status=status, cancelling_closed=True) is DayState.WAITING_LOCKED


@pytest.mark.parametrize("status", [BookingStatus.REFUSED, BookingStatus.CANCELLED, BookingStatus.EXPIRED])
def test_what_does_not_stand_any_more_is_not_shown(status: BookingStatus) -> None:
    assert state(status=status) is DayState.AVAILABLE


def test_state_1_not_open_or_too_late_to_book() -> None:
    assert state(is_open=False) is DayState.CLOSED
    assert state(booking_closed=True) is DayState.CLOSED
    assert state(Places(50, 10, 50, 10), booking_closed=True) is DayState.CLOSED


def test_state_3_there_is_a_place_and_nobody_waits() -> None:
    assert state() is DayState.AVAILABLE
    assert ROOMY.left == 3  # the guide: "il reste 3 places disponibles"
    assert state(Places(None, 0)) is DayState.AVAILABLE
    assert Places(None, 0).left is None  # not counted: never shown


def test_state_4_full_but_the_waiting_list_is_not() -> None:
    assert state(Places(50, 10, 50)) is DayState.WAITLIST_OPEN
    assert state(Places(50, None, 50, 1_000)) is DayState.WAITLIST_OPEN


def test_state_2_full_waiting_list_included() -> None:
    assert state(Places(50, 10, 50, 10)) is DayState.FULL
    assert state(Places(50, 0, 50)) is DayState.FULL  # no waiting list at all


def test_nobody_overtakes_the_queue() -> None:
    freed = Places(50, 10, taken=49, waiting=1)
    assert state(freed) is DayState.WAITLIST_OPEN
    assert freed.left == 0


def test_a_town_that_took_places_back_has_none_left() -> None:
    assert Places(40, 0, taken=47).left == 0


def by_the_table(places: Places, status: BookingStatus | None, is_open: bool, booking_closed: bool, cancelling_closed: bool) -> int:
    """The table of the rules, row by row: the first that applies."""
    rows = [
        (status == "ACCEPTED" and not cancelling_closed, 5),
        (status == "ACCEPTED", 7),
        (status in ("WAITLISTED", "SUBMITTED") and not cancelling_closed, 6),
        (status in ("WAITLISTED", "SUBMITTED"), 8),
        (not is_open or booking_closed, 1),
        (places.capacity is None or (places.taken < places.capacity and places.waiting == 0), 3),
        (places.waiting_list is None or places.waiting < places.waiting_list, 4),
        (True, 2),
    ]
    return next(number for applies, number in rows if applies)


def test_every_day_has_the_state_of_the_first_row_of_the_table_that_applies() -> None:
    counts = (0, 1, 2, 3)
    fills = [Places(*fill) for fill in itertools.product((None, *counts), (None, *counts), counts, counts)]
    seen = set()
    for places, status, *facts in itertools.product(fills, (None, *BookingStatus), *[(False, True)] * 3):
        is_open, booking_closed, cancelling_closed = facts
        found = day_state(places, status, is_open=is_open, booking_closed=booking_closed, cancelling_closed=cancelling_closed)
        assert found == by_the_table(places, status, *facts), (places, status, facts)
        seen.add(found)
    assert seen == set(DayState)


def expected(found: set[int]) -> int:
    """The rule's own words, as rules.md writes them."""
    booked, actionable, waiting = found & {5, 6, 7, 8}, found & {3, 4, 5, 6}, found & {4, 6, 8}
    if booked and actionable:
        return 6 if waiting else 5
    if booked:
        return 8 if 8 in found else 7
    return 4 if 4 in found else 3 if 3 in found else 2 if 2 in found else 1


def test_s32_all_255_sets_of_states_have_their_aggregate() -> None:
    sets = [set(chosen) for size in range(1, 9) for chosen in itertools.combinations(range(1, 9), size)]
    assert len(sets) == 255
    for found in sets:
        assert aggregate(DayState(number) for number in found) == expected(found), found


def test_s32_a_child_with_no_activity_sees_closed_days() -> None:
    assert aggregate([]) is DayState.CLOSED


# ------------------------------------------------------------------------------------------- why a day shows as it does
MONDAY = dt.date(2026, 9, 14)
BEFORE = dt.datetime(2026, 9, 1, tzinfo=dt.UTC)
MORNINGS = Rules(APS_MATIN, Holidays())


def shown(day: dt.date = MONDAY, now: dt.datetime = BEFORE, enrolled: Enrolled | None = EVER, places: Places = ROOMY) -> Shown:
    return show(MORNINGS.on(day), places, None, now=now, enrolled=enrolled)


def test_s24_an_open_day_shows_its_places_left() -> None:
    assert shown() == Shown(DayState.AVAILABLE, 3, None)
    assert shown(places=Places(None, 0)) == Shown(DayState.AVAILABLE, None, None)


def test_a_closed_day_says_why_and_counts_no_places() -> None:
    assert shown(dt.date(2026, 9, 16)) == Shown(DayState.CLOSED, None, "WEEKDAY")
    assert shown(now=dt.datetime(2026, 9, 10, 7, tzinfo=dt.UTC)) == Shown(DayState.CLOSED, None, "TOO_LATE")
    assert shown(enrolled=None) == Shown(DayState.CLOSED, None, "NOT_ENROLLED")
    assert shown(enrolled=Enrolled(ends_on=dt.date(2026, 9, 13))) == Shown(DayState.CLOSED, None, "NOT_ENROLLED")


def test_a_booking_is_shown_whatever_became_of_the_enrollment() -> None:
    stays = show(MORNINGS.on(MONDAY), ROOMY, BookingStatus.ACCEPTED, now=BEFORE, enrolled=None)
    assert stays.state is DayState.BOOKED
