"""How an activity stands in a town file: season, days, places, hours, deadlines, allocation."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

from deploy.town.dates import WEEKDAYS
from deploy.town.fields import (
    Fields,
    Mistakes,
    Wrong,
    by_day,
    choice,
    date,
    describe,
    identifier,
    listing,
    mapping,
    reading,
    reference,
    text,
    time,
    whole,
    yes_or_no,
)
from deploy.town.reading import Mapping, Node, Scalar
from deploy.town.tariffs import read_tariffs
from deploy.town.town import Activity, Structure
from services.booking.activity import (
    ActivitySpec,
    Allocation,
    AttendanceRules,
    ChosenHours,
    DaysBefore,
    Deadline,
    FixedHours,
    Hours,
    HoursBefore,
    Immediate,
    Policy,
    Scheduled,
    SchoolHolidays,
    Unrecorded,
    WeekdayBefore,
)
from services.booking.hours import minutes
from services.booking.ranking import SEEN_BY_THE_RUN, Points

SCHOOL_HOLIDAYS = ("closed", "only", "any")
POLICIES = ("arrival", "points", "lottery")
UNRECORDED = ("present", "absent")
LONGEST_SEASON = dt.timedelta(days=3 * 366)
MOST_PLACES = 100_000
PLACES = "a number of places, or null where they are not counted"
RANKS = "a number of ranks, 0 for no waiting list, null for one without end"

A_DEADLINE = '{days_before: 2, at: "09:00"}, {hours_before: 48} or {weekday: thursday, at: "12:00", weeks_before: 1}'
AN_ALLOCATION = 'immediate, or {scheduled_at: "02:00", policy: arrival}'
A_WEIGHT = whole(1, 10_000, "a number of points, from 1 to 10000")
ATTENDANCE = "{close_after_days: 3, unrecorded: present}"
HOURS = '{arrival: "07:30", departure: "08:45"}, or {from: "07:30", to: "18:30", step_minutes: 15, minimum_minutes: 60}'


@dataclass(frozen=True, slots=True)
class Around:
    """What an activity may refer to."""

    structure: Structure
    wallets: Collection[str]
    today: dt.date
    criteria: Collection[str]  #: Those that may be said of families.


def read_activity(node: Node, mistakes: Mistakes, around: Around) -> Activity:
    with reading(node, mistakes, "an activity") as fields:
        opens_on, closes_on = _season(fields, around.today)
        days = listing(date(around.today))
        capacity = fields.may("capacity", whole(0, MOST_PLACES, PLACES), None)
        closed_on, reasons = closings(fields, around.today)
        spec = ActivitySpec(
            id=fields.need("id", identifier, "?"),
            structure=around.structure.id,
            timezone=around.structure.timezone,
            school_zone=around.structure.school_zone,
            wallet=fields.need("wallet", reference("wallets", around.wallets), "?"),
            name=fields.need("name", text, "?"),
            opens_on=opens_on,
            closes_on=closes_on,
            weekdays=fields.need("weekdays", _weekdays, frozenset()),
            hours=fields.need("hours", lambda hours: _hours(hours, mistakes), FixedHours("00:00", "23:59")),
            category=fields.may("category", text, None),
            school_holidays=cast(SchoolHolidays, fields.may("school_holidays", choice(SCHOOL_HOLIDAYS), "any")),
            closed_on=closed_on,
            closed_because=reasons,
            days_off=around.structure.days_off,
            open_on=frozenset(fields.may("open_on", days, ())),
            capacity=capacity,
            waiting_list=_waiting_list(fields),
            capacity_on=fields.may("capacity_on", by_day(around.today, whole(0, MOST_PLACES, PLACES)), {}),
            waiting_list_on=fields.may("waiting_list_on", by_day(around.today, whole(0, MOST_PLACES, RANKS)), {}),
            booking_deadline=fields.may("booking_deadline", lambda rule: _deadline(rule, mistakes), None),
            cancellation_deadline=fields.may("cancellation_deadline", lambda rule: _deadline(rule, mistakes), None),
            allocation=fields.may("allocation", lambda rule: _allocation(rule, mistakes, around), Immediate()),
            attendance=fields.may("attendance", lambda rules: _attendance(rules, mistakes), AttendanceRules()),
        )
        _check_days(fields, spec)
        return Activity(spec, read_tariffs(fields, mistakes, around.today), fields.may("childcare", yes_or_no, False))


# ------------------------------------------------------------------------------------------------------ season and days
def closings(fields: Fields, today: dt.date) -> tuple[frozenset[dt.date], dict[dt.date, str]]:
    """Single days on which an activity, or all of the structure, is closed; and why, of those of which that is said."""
    reasons = fields.may("closed_because", by_day(today, text), {})
    closed_on = frozenset((*fields.may("closed_on", listing(date(today)), ()), *reasons))
    return closed_on, {day: because for day, because in reasons.items() if because}


def _season(fields: Fields, today: dt.date) -> tuple[dt.date, dt.date]:
    node = fields.need("season", mapping, None)
    if node is None:
        return today, today
    with reading(node, fields.mistakes, "a season") as season:
        opens_on = season.need("from", date(today), today)
        closes_on = season.need("to", date(today), today)
        if season.good("from", "to"):
            if closes_on < opens_on:
                season.wrong("to", f"to: the season ends ({closes_on}) before it begins ({opens_on})", f"a day from {opens_on} on")
            elif closes_on - opens_on > LONGEST_SEASON:
                season.wrong("to", f"to: a season of {(closes_on - opens_on).days} days", "three years at most")
        return opens_on, closes_on


def _weekdays(node: Node) -> frozenset[int]:
    names = listing(choice(WEEKDAYS))(node)
    for name in set(names):
        if names.count(name) > 1:
            raise Wrong(f"{name} stands there twice", "each weekday once")
    return frozenset(WEEKDAYS.index(name) for name in names)


def _waiting_list(fields: Fields) -> int | None:
    """Left out there is none; null is one without end."""
    if "waiting_list" not in fields:
        return 0
    return fields.may("waiting_list", whole(0, MOST_PLACES, RANKS), None)


def _check_days(fields: Fields, spec: ActivitySpec) -> None:
    if not spec.weekdays and not spec.open_on and fields.good("weekdays"):
        fields.wrong("weekdays", "weekdays: the activity is never open", "at least one weekday, or days in open_on")


# ------------------------------------------------------------------------------------------------- hours and deadlines
def _hours(node: Node, mistakes: Mistakes) -> Hours:
    if not isinstance(node, Mapping):
        raise Wrong(f"{describe(node)} are no hours", HOURS)
    with reading(node, mistakes, "hours") as fields:
        if "arrival" in node.entries or "departure" in node.entries:
            fixed = FixedHours(fields.need("arrival", time, "00:00"), fields.need("departure", time, "23:59"))
            _in_order(fields, "arrival", fixed.arrival, "departure", fixed.departure)
            return fixed
        chosen = ChosenHours(
            earliest=fields.need("from", time, "00:00"),
            latest=fields.need("to", time, "23:59"),
            step_minutes=fields.may("step_minutes", whole(1, 240, "minutes, from 1 to 240"), 15),
            minimum_minutes=fields.may("minimum_minutes", whole(1, 24 * 60, "minutes, at least 1"), 15),
        )
        if _in_order(fields, "from", chosen.earliest, "to", chosen.latest):
            _check_minimum(fields, chosen)
        return chosen


def _in_order(fields: Fields, start_key: str, start: str, end_key: str, end: str) -> bool:
    if not fields.good(start_key, end_key):
        return False
    if end <= start:
        fields.wrong(end_key, f"{end_key}: {end} is not after {start_key} ({start})", f"a time after {start}")
    return end > start


def _check_minimum(fields: Fields, hours: ChosenHours) -> None:
    longest = minutes(hours.latest) - minutes(hours.earliest)
    if fields.good("minimum_minutes") and hours.minimum_minutes > longest:
        problem = f"minimum_minutes: {hours.minimum_minutes} do not fit between {hours.earliest} and {hours.latest}"
        fields.wrong("minimum_minutes", problem, f"at most {longest}")


def _deadline(node: Node, mistakes: Mistakes) -> Deadline:
    if not isinstance(node, Mapping):
        raise Wrong(f"{describe(node)} is no deadline", A_DEADLINE)
    kinds = [key for key in ("days_before", "hours_before", "weekday") if key in node.entries]
    if len(kinds) != 1:
        raise Wrong("a deadline is one of three kinds", A_DEADLINE, node.place)
    with reading(node, mistakes, "a deadline") as fields:
        if kinds == ["hours_before"]:
            return HoursBefore(fields.need("hours_before", whole(0, 24 * 366, "a number of hours"), 0))
        at = fields.need("at", time, "00:00")
        if kinds == ["weekday"]:
            weekday = fields.need("weekday", choice(WEEKDAYS), "monday")
            weeks_before = fields.may("weeks_before", whole(0, 52, "a number of weeks, from 0 to 52"), 1)
            return WeekdayBefore(WEEKDAYS.index(weekday), at, weeks_before)
        days = fields.need("days_before", whole(0, 366, "a number of days, from 0 to 366"), 0)
        return DaysBefore(days, at, fields.may("working_days", yes_or_no, False))


def _allocation(node: Node, mistakes: Mistakes, around: Around) -> Allocation:
    if isinstance(node, Scalar) and node.text == "immediate":
        return Immediate()
    if not isinstance(node, Mapping):
        raise Wrong(f"{describe(node)} is no way of allocating", AN_ALLOCATION)
    with reading(node, mistakes, "an allocation") as fields:
        at = fields.need("scheduled_at", time, "00:00")
        policy = cast(Policy, fields.may("policy", choice(POLICIES), "arrival"))
        points = fields.may("points", lambda weights: _points(weights, mistakes, around), ())
        if points and policy != "points":
            fields.wrong("points", f"points: they count nothing where the policy is {policy}", "policy: points")
        return Scheduled(at, policy, points)


def _points(node: Node, mistakes: Mistakes, around: Around) -> Points:
    """`{resident: 40, sibling_in: 10}`"""
    with reading(mapping(node), mistakes, "points") as fields:
        known = [criterion for criterion in (*around.criteria, *SEEN_BY_THE_RUN) if criterion in fields]
        return tuple((criterion, fields.need(criterion, A_WEIGHT, 0)) for criterion in known)


def _attendance(node: Node, mistakes: Mistakes) -> AttendanceRules:
    if not isinstance(node, Mapping):
        raise Wrong(f"{describe(node)} is no rule of attendance", ATTENDANCE)
    with reading(node, mistakes, "attendance") as fields:
        return AttendanceRules(
            close_after_days=fields.may("close_after_days", whole(0, 366, "a number of days, from 0 to 366"), 0),
            unrecorded=cast(Unrecorded, fields.may("unrecorded", choice(UNRECORDED), "present")),
        )
