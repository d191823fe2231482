"""Attendance: what really happened on a day, and what becomes of it when the day is closed. Pure decisions.

What an agent records is a fact, so hours may lie outside those that were booked: a late pick-up is one. A child is recorded once
a day and activity, whether it has a booking or came without one: which of the two is decided when the day is closed, by the
bookings as they are then.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from zoneinfo import ZoneInfo

from services.booking.activity import ActivitySpec, AttendanceRules, FixedHours, LocalTime
from services.booking.deadlines import starts_at
from services.booking.hours import minutes

LONGEST_NOTE = 500


class Attendance(StrEnum):
    NOT_RECORDED = "NOT_RECORDED"  #: non pointé
    PRESENT = "PRESENT"  #: présent
    ABSENT_JUSTIFIED = "ABSENT_JUSTIFIED"  #: absent justifié
    ABSENT_UNJUSTIFIED = "ABSENT_UNJUSTIFIED"  #: absent non justifié


#: What the town's rule makes of a booking about which nobody said anything.
PRESUMED = {"present": Attendance.PRESENT, "absent": Attendance.ABSENT_UNJUSTIFIED}


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of one child on one day."""

    attendance: Attendance
    arrival: LocalTime | None = None  #: When it really came, and left; None: not said.
    departure: LocalTime | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """An accepted booking."""

    booking: str
    child: str
    family: str
    arrival: LocalTime
    departure: LocalTime


@dataclass(frozen=True, slots=True)
class Came:
    """What was recorded of a child, and whose it was then."""

    child: str
    family: str
    record: Record


@dataclass(frozen=True, slots=True)
class Settled:
    """One line of a closed day. Whoever was present has both hours."""

    id: str  #: The booking's; of a child that came without one, `presence_id`.
    booking: str | None
    child: str
    family: str
    record: Record
    presumed: bool = False  #: Nobody recorded it: the town's rule says so.


# ------------------------------------------------------------------------------------------------------------- the time
def has_come(spec: ActivitySpec, day: dt.date, now: dt.datetime) -> bool:
    """The day is today or past, where the activity is: from then on attendance may be recorded."""
    return day <= _local(spec, now)


def has_begun(spec: ActivitySpec, day: dt.date, now: dt.datetime) -> bool:
    """That day's opening has started: it may be closed, for nobody books or cancels it any more."""
    today = _local(spec, now)
    return day < today or (day == today and now >= starts_at(spec, day))


def last_day_over(spec: ActivitySpec, now: dt.datetime) -> dt.date:
    """The last day that closes by itself now, unless it was opened again since `opened_before`."""
    return _local(spec, now) - dt.timedelta(days=spec.attendance.close_after_days + 1)


def opened_before(spec: ActivitySpec, now: dt.datetime) -> dt.datetime:
    """A day that was opened again before this instant (UTC) may close by itself: the town had as much time as the first time."""
    begun = last_day_over(spec, now) + dt.timedelta(days=1)
    return dt.datetime.combine(begun, dt.time(), ZoneInfo(spec.timezone)).astimezone(dt.UTC)


def _local(spec: ActivitySpec, now: dt.datetime) -> dt.date:
    return now.astimezone(ZoneInfo(spec.timezone)).date()


# ------------------------------------------------------------------------------------------------------------ recording
def check(spec: ActivitySpec, record: Record, *, booked: bool) -> str | None:
    """Why it cannot be recorded, or None: NOT_BOOKED, NOTE_TOO_LONG, DEPARTURE_FIRST, HOURS_OF_AN_ABSENCE, HOURS_REQUIRED.

    Any hours of the day in their order are true hours. Of a child without a booking we need to know when it came, where the
    activity does not say that itself.
    """
    if record.note is not None and len(record.note) > LONGEST_NOTE:
        return "NOTE_TOO_LONG"
    if record.attendance is Attendance.PRESENT:
        return _check_hours(spec, record, booked=booked)
    if record.arrival is not None or record.departure is not None:
        return "HOURS_OF_AN_ABSENCE"
    return None if booked or record.attendance is Attendance.NOT_RECORDED else "NOT_BOOKED"


def _check_hours(spec: ActivitySpec, record: Record, *, booked: bool) -> str | None:
    arrival, departure = record.arrival, record.departure
    if arrival is not None and departure is not None and departure < arrival:
        return "DEPARTURE_FIRST"
    if arrival is None and not booked and not isinstance(spec.hours, FixedHours):
        return "HOURS_REQUIRED"
    return None


# -------------------------------------------------------------------------------------------------------------- closing
def settle(spec: ActivitySpec, day: dt.date, expected: Iterable[Expected], came: Mapping[str, Came]) -> list[Settled]:
    """What became of each accepted booking, in the given order, then who came without one. `came`: child -> what was recorded.

    A recorded absence of a child whose booking is gone is nothing any more.
    """
    lines, booked = [], set[str]()
    for one in expected:
        booked.add(one.child)
        recorded = came.get(one.child)
        record = recorded.record if recorded else Record(PRESUMED[spec.attendance.unrecorded])
        full = _with_hours(record, one.arrival, one.departure)
        lines.append(Settled(one.booking, one.booking, one.child, one.family, full, presumed=recorded is None))
    for child in sorted(came.keys() - booked):
        recorded = came[child]
        if recorded.record.attendance is Attendance.PRESENT:
            full = _with_hours(recorded.record, spec.arrival, spec.departure)
            lines.append(Settled(presence_id(spec.id, day, child), None, child, recorded.family, full))
    return lines


def _with_hours(record: Record, arrival: LocalTime, departure: LocalTime) -> Record:
    """Where nobody said when a child came or left, the usual hours hold; nobody left before it came."""
    if record.attendance is not Attendance.PRESENT:
        return record
    came = record.arrival or (arrival if record.departure is None else min(arrival, record.departure))
    left = record.departure or max(departure, came)
    return Record(record.attendance, came, left, record.note)


def presence_id(activity: str, day: dt.date, child: str) -> str:
    """What names the presence of a child without a booking: the same each time the day is closed."""
    return hashlib.sha256(f"{activity}\0{day}\0{child}".encode()).hexdigest()[:32]


def event_id(activity: str, day: dt.date, version: int, part: int) -> str:
    """The database keeps each id once: no closing is ever told twice."""
    return hashlib.sha256(f"{activity}\0{day}\0{version}\0{part}".encode()).hexdigest()[:32]


# --------------------------------------------------------------------------------------------------------------- counts
def stays(spec: ActivitySpec, day: dt.date, expected: Iterable[Expected], came: Mapping[str, Came]) -> list[tuple[LocalTime, LocalTime]]:
    """When those who are not absent come and leave, as far as it is known. Whoever was not recorded is still to come."""
    hopeful = replace(spec, attendance=AttendanceRules(unrecorded="present"))
    records = [line.record for line in settle(hopeful, day, expected, came)]
    return [(one.arrival, one.departure) for one in records if one.arrival is not None and one.departure is not None]


def by_hour(spec: ActivitySpec, stays: Sequence[tuple[LocalTime, LocalTime]]) -> list[tuple[LocalTime, int]]:
    """How many of those who stay so long are there, in each hour of the clock from the activity's first to its last."""
    spans = [(minutes(arrival), minutes(departure)) for arrival, departure in stays]
    first, last = minutes(spec.arrival) // 60, (minutes(spec.departure) - 1) // 60
    return [(f"{hour:02}:00", sum(start < (hour + 1) * 60 and end > hour * 60 for start, end in spans)) for hour in range(first, last + 1)]
