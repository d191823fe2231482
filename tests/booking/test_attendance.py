"""What may be recorded of a child, and what becomes of a day when it is closed: decided without any table."""

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.booking.activity import AttendanceRules
from services.booking.attendance import (
    Attendance,
    Came,
    Expected,
    Record,
    Settled,
    by_hour,
    check,
    event_id,
    has_begun,
    has_come,
    last_day_over,
    opened_before,
    presence_id,
    settle,
    stays,
)
from tests.booking.test_activity import APS_MATIN, MULTI

DAY = dt.date(2026, 9, 14)
PRESENT, ILL, AWAY, NOTHING = (
    Attendance.PRESENT,
    Attendance.ABSENT_JUSTIFIED,
    Attendance.ABSENT_UNJUSTIFIED,
    Attendance.NOT_RECORDED,
)
AMALIA = Expected("b1", "amalia", "dupont", "07:30", "08:45")
PAOLO = Expected("b2", "paolo", "dupont", "07:30", "08:45")


def at(day: int, hour: int, minute: int = 0) -> dt.datetime:
    """In September, in CarteVille's summer time."""
    return dt.datetime(2026, 9, day, hour, minute, tzinfo=dt.timezone(dt.timedelta(hours=2)))


def came(child: str, attendance: Attendance = PRESENT, *hours: str, family: str = "dupont") -> dict[str, Came]:
    return {child: Came(child, family, Record(attendance, *hours))}


# ------------------------------------------------------------------------------------------------------------- the time
def test_attendance_is_recorded_from_midnight_on_and_the_day_closed_once_its_opening_has_started() -> None:
    assert not has_come(APS_MATIN, DAY, at(13, 23, 59))
    assert has_come(APS_MATIN, DAY, at(14, 0))
    assert not has_begun(APS_MATIN, DAY, at(14, 7, 29))
    assert has_begun(APS_MATIN, DAY, at(14, 7, 30))
    assert has_begun(APS_MATIN, DAY, at(15, 0))


def test_a_day_is_over_at_the_structures_own_midnight() -> None:
    assert last_day_over(APS_MATIN, at(14, 23, 59)) == dt.date(2026, 9, 13)
    assert last_day_over(APS_MATIN, at(15, 0)) == DAY
    far = replace(APS_MATIN, timezone="Indian/Reunion")  # two hours further east in summer
    assert last_day_over(far, at(14, 22)) == DAY


def test_a_town_that_wants_more_time_has_it_also_after_opening_a_day_again() -> None:
    slow = replace(APS_MATIN, attendance=AttendanceRules(close_after_days=3))
    assert last_day_over(slow, at(17, 23, 59)) == dt.date(2026, 9, 13)
    assert last_day_over(slow, at(18, 0)) == DAY
    assert opened_before(slow, at(18, 0)) == at(15, 0)
    assert opened_before(APS_MATIN, at(18, 12)) == at(18, 0)


# ------------------------------------------------------------------------------------------------------------ recording
@pytest.mark.parametrize(
    ("record", "booked", "code"),
    [
        (Record(PRESENT), True, None),
        (Record(PRESENT, "07:41"), True, None),
        (Record(PRESENT, "06:50", "19:40"), True, None),  # long before and after what was booked: so it was
        (Record(PRESENT, "08:00", "08:00"), True, None),
        (Record(PRESENT, "08:45", "07:30"), True, "DEPARTURE_FIRST"),
        (Record(PRESENT), False, None),
        (Record(ILL), True, None),
        (Record(AWAY, note="Pas prévenus"), True, None),
        (Record(ILL), False, "NOT_BOOKED"),
        (Record(AWAY, "07:30"), True, "HOURS_OF_AN_ABSENCE"),
        (Record(NOTHING), False, None),
        (Record(NOTHING, None, "08:45"), True, "HOURS_OF_AN_ABSENCE"),
        (Record(PRESENT, note="x" * 500), True, None),
        (Record(PRESENT, note="x" * 501), True, "NOTE_TOO_LONG"),
    ],
)
def test_what_may_be_recorded(record: Record, booked: bool, code: str | None) -> None:
    assert check(APS_MATIN, record, booked=booked) == code


def test_of_who_came_without_a_booking_the_arrival_must_be_known_where_families_choose_the_hours() -> None:
    assert check(MULTI, Record(PRESENT), booked=False) == "HOURS_REQUIRED"
    assert check(MULTI, Record(PRESENT, None, "12:00"), booked=False) == "HOURS_REQUIRED"
    assert check(MULTI, Record(PRESENT, "08:10"), booked=False) is None
    assert check(MULTI, Record(PRESENT), booked=True) is None


# -------------------------------------------------------------------------------------------------------------- closing
def test_a_booking_about_which_nobody_said_anything_is_presumed_present_for_its_hours() -> None:
    assert settle(APS_MATIN, DAY, [AMALIA], {}) == [
        Settled("b1", "b1", "amalia", "dupont", Record(PRESENT, "07:30", "08:45"), presumed=True)
    ]


def test_or_absent_where_the_town_has_it_so() -> None:
    strict = replace(APS_MATIN, attendance=AttendanceRules(unrecorded="absent"))
    assert settle(strict, DAY, [AMALIA], {})[0].record == Record(AWAY)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ((), ("07:30", "08:45")),
        (("07:41",), ("07:41", "08:45")),
        (("09:10",), ("09:10", "09:10")),  # it came after the end: that is all we know
        (("07:41", "19:02"), ("07:41", "19:02")),
        ((None, "08:00"), ("07:30", "08:00")),
        ((None, "07:00"), ("07:00", "07:00")),
    ],
)
def test_hours_that_nobody_said_are_those_of_the_booking(said: tuple[str, ...], told: tuple[str, str]) -> None:
    (line,) = settle(APS_MATIN, DAY, [AMALIA], came("amalia", PRESENT, *said))
    assert (line.record.arrival, line.record.departure, line.presumed) == (*told, False)


def test_who_came_without_a_booking_has_a_name_of_its_own_that_stays() -> None:
    lines = settle(APS_MATIN, DAY, [AMALIA], came("zoe", PRESENT, "08:00", family="durand"))
    assert [(line.id, line.booking, line.child, line.family) for line in lines] == [
        ("b1", "b1", "amalia", "dupont"),
        (presence_id("aps-matin", DAY, "zoe"), None, "zoe", "durand"),
    ]
    assert lines[1].record == Record(PRESENT, "08:00", "08:45")
    assert settle(APS_MATIN, DAY, [], came("zoe", PRESENT, "08:00", family="durand"))[0].id == lines[1].id
    assert presence_id("aps-matin", DAY, "leo") != lines[1].id


def test_the_absence_of_a_child_whose_booking_was_given_back_is_nothing() -> None:
    assert settle(APS_MATIN, DAY, [PAOLO], came("amalia", ILL))[0].child == "paolo"
    assert settle(APS_MATIN, DAY, [], came("amalia", ILL)) == []


TIMES = st.one_of(st.none(), st.times().map(lambda time: f"{time:%H:%M}"))


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(list(Attendance)[1:]), TIMES, TIMES, st.booleans())))
def test_every_booking_has_one_line_and_every_child_one_at_most(drawn: list[tuple[str, Attendance, str | None, str | None, bool]]) -> None:
    expected = {child: Expected(f"b-{child}", child, "f", "07:30", "08:45") for child, *_, booked in drawn if booked}
    recorded = {
        child: Came(child, "f", record)
        for child, kind, arrival, departure, _ in drawn
        for record in [Record(kind, arrival, departure) if kind is PRESENT else Record(kind)]
        if check(APS_MATIN, record, booked=child in expected) is None
    }
    lines = settle(APS_MATIN, DAY, expected.values(), recorded)
    assert [line.booking for line in lines if line.booking] == [one.booking for one in expected.values()]
    assert len({line.child for line in lines}) == len(lines)
    for line in lines:
        arrival, departure = line.record.arrival, line.record.departure
        if line.record.attendance is PRESENT:
            assert arrival is not None
            assert departure is not None
            assert arrival <= departure
        else:
            assert (arrival, departure) == (None, None)


def test_each_closing_is_told_under_an_id_of_its_own() -> None:
    told = {event_id("aps-matin", day, version, part) for day in (DAY, DAY + dt.timedelta(1)) for version in (1, 2) for part in (1, 2)}
    assert len(told) == 8
    assert all(len(one) <= 64 for one in told)


# --------------------------------------------------------------------------------------------------------------- counts
def test_how_many_are_there_in_each_hour() -> None:
    assert by_hour(APS_MATIN, [("07:30", "08:45"), ("07:30", "08:00"), ("08:00", "19:00")]) == [("07:00", 2), ("08:00", 2)]
    hours = by_hour(replace(MULTI), [("07:30", "12:00"), ("12:00", "18:30"), ("12:15", "12:15")])
    assert (hours[0], hours[4], hours[5], hours[-1]) == (("07:00", 1), ("11:00", 1), ("12:00", 2), ("18:00", 1))
    assert len(hours) == 12


def test_whoever_was_not_recorded_is_still_to_come_whatever_the_rule() -> None:
    strict = replace(APS_MATIN, attendance=AttendanceRules(unrecorded="absent"))
    recorded = came("paolo", ILL) | came("zoe", PRESENT, "08:10", family="durand")
    assert stays(strict, DAY, [AMALIA, PAOLO], recorded) == [("07:30", "08:45"), ("08:10", "08:45")]
