"""Until when an opening may be booked, and a booking cancelled: as an instant, and in words."""

import datetime as dt
from functools import lru_cache
from zoneinfo import ZoneInfo

from services.booking.activity import ActivitySpec, DaysBefore, Deadline, HoursBefore, WeekdayBefore
from services.booking.season import Holidays
from services.booking.texts import say, time_of_day, weekday

DAY = dt.timedelta(days=1)
WEEK = dt.timedelta(weeks=1)

#: Calendars and time zones cannot reckon with the ends of time, which anybody may ask for: their deadlines passed long ago.
RECKONED = range(1900, 2200)
LONG_AGO = dt.datetime(1900, 1, 1, tzinfo=dt.UTC)


def booking_closes_at(spec: ActivitySpec, day: dt.date, holidays: Holidays) -> dt.datetime:
    """Booking that day's opening is possible before this instant (UTC), not at it."""
    return _instant(spec, spec.booking_deadline, day, holidays)


def cancelling_closes_at(spec: ActivitySpec, day: dt.date, holidays: Holidays) -> dt.datetime:
    """Cancelling a booking of that day's opening is possible before this instant (UTC), not at it."""
    return _instant(spec, spec.cancellation_deadline, day, holidays)


def starts_at(spec: ActivitySpec, day: dt.date) -> dt.datetime:
    """When that day's opening starts (UTC)."""
    return _moment(day, spec.arrival, spec.timezone)


def ends_at(spec: ActivitySpec, day: dt.date) -> dt.datetime:
    """When that day is over where the activity is (UTC)."""
    return _moment(day + DAY, "00:00", spec.timezone) if day.year in RECKONED else LONG_AGO


@lru_cache(maxsize=1000)
def in_words(deadline: Deadline, language: str) -> str:
    """The rule, as Activity.bookingRule and cancellationRule give it."""
    match deadline:
        case None:
            return say("RULE_UNTIL_START", language)
        case HoursBefore(hours):
            return say(_hours_code(hours), language, hours=hours)
        case DaysBefore(days, at, working_days):
            return say(_days_code(days, working_days), language, days=days, at=time_of_day(at, language))
        case WeekdayBefore(number, at, weeks):
            return say(_weeks_code(weeks), language, weekday=weekday(number, language), weeks=weeks, at=time_of_day(at, language))


def _hours_code(hours: int) -> str:
    return {0: "RULE_UNTIL_START", 1: "RULE_HOUR_BEFORE"}.get(hours, "RULE_HOURS_BEFORE")


def _days_code(days: int, working_days: bool) -> str:
    if days == 0:
        return "RULE_SAME_DAY"
    if working_days:
        return "RULE_WORKING_DAY_BEFORE" if days == 1 else "RULE_WORKING_DAYS_BEFORE"
    return "RULE_DAY_BEFORE" if days == 1 else "RULE_DAYS_BEFORE"


def _weeks_code(weeks: int) -> str:
    return {0: "RULE_WEEKDAY_SAME_WEEK", 1: "RULE_WEEKDAY_WEEK_BEFORE"}.get(weeks, "RULE_WEEKDAY_WEEKS_BEFORE")


def _instant(spec: ActivitySpec, deadline: Deadline, day: dt.date, holidays: Holidays) -> dt.datetime:
    if day.year not in RECKONED:
        return LONG_AGO
    start = starts_at(spec, day)
    match deadline:
        case None:
            return start
        case HoursBefore(hours):
            # Hours that really pass: on the night when clocks change, 48 of them are not two civil days.
            return start - dt.timedelta(hours=hours)
        case DaysBefore(days, at, working_days):
            last = _working_days_before(spec, day, days, holidays) if working_days else day - days * DAY
            return min(start, _moment(last, at, spec.timezone))
        case WeekdayBefore(number, at, weeks):
            # "Thursday of the same week" comes after Monday: what has begun is neither booked nor given back.
            monday = day - day.weekday() * DAY
            return min(start, _moment(monday - weeks * WEEK + number * DAY, at, spec.timezone))


def _working_days_before(spec: ActivitySpec, day: dt.date, days: int, holidays: Holidays) -> dt.date:
    shut = spec.shut
    while days > 0:
        day -= DAY
        if day.weekday() < 5 and day not in holidays.public and (day not in shut or day in spec.open_on):
            days -= 1
    return day


def _moment(day: dt.date, at: str, timezone: str) -> dt.datetime:
    return dt.datetime.combine(day, dt.time.fromisoformat(at), ZoneInfo(timezone)).astimezone(dt.UTC)
