"""An activity survives its journey through the table unchanged."""

import datetime as dt

import orjson
import pytest

from services.booking.activity import (
    ActivitySpec,
    ChosenHours,
    DaysBefore,
    FixedHours,
    HoursBefore,
    Scheduled,
    WeekdayBefore,
    from_json,
    to_json,
)

APS_MATIN = ActivitySpec(
    id="aps-matin",
    structure="carteville",
    timezone="Europe/Paris",
    school_zone="B",
    wallet="periscolaire",
    name="APS MATIN",
    category="Périscolaire",
    opens_on=dt.date(2026, 9, 1),
    closes_on=dt.date(2027, 7, 6),
    weekdays=frozenset({0, 1, 3, 4}),
    closed_on=frozenset({dt.date(2026, 10, 2), dt.date(2026, 9, 8)}),
    open_on=frozenset({dt.date(2026, 11, 11)}),
    capacity=40,
    waiting_list=10,
    hours=FixedHours("07:30", "08:45"),
    booking_deadline=DaysBefore(2, "09:00", working_days=True),
    cancellation_deadline=DaysBefore(1, "09:00"),
)
MULTI = ActivitySpec(
    id="multi",
    structure="carteville",
    timezone="Europe/Paris",
    school_zone=None,
    wallet="multiaccueil",
    name="Multi-accueil",
    opens_on=dt.date(2026, 9, 1),
    closes_on=dt.date(2027, 7, 31),
    weekdays=frozenset(range(5)),
    school_holidays="any",
    hours=ChosenHours("07:30", "18:30", 15, 60),
    booking_deadline=WeekdayBefore(3, "12:00", 1),
    cancellation_deadline=HoursBefore(48),
    allocation=Scheduled("02:00", "lottery"),
)


@pytest.mark.parametrize("spec", [APS_MATIN, MULTI])
def test_an_activity_comes_back_from_json_as_it_went(spec: ActivitySpec) -> None:
    assert from_json(orjson.loads(orjson.dumps(to_json(spec)))) == spec


def test_the_same_activity_always_gives_the_same_document() -> None:
    again = from_json(to_json(APS_MATIN))
    assert orjson.dumps(to_json(again)) == orjson.dumps(to_json(APS_MATIN))


def test_an_opening_starts_and_ends_with_its_hours_or_their_bounds() -> None:
    assert (APS_MATIN.arrival, APS_MATIN.departure) == ("07:30", "08:45")
    assert (MULTI.arrival, MULTI.departure) == ("07:30", "18:30")
    assert APS_MATIN.limited
    assert not MULTI.limited
