"""Which days an activity is open, for bookings that a town file takes over: by booking's own calendar."""

import datetime as dt
from itertools import islice

from services.booking.activity import ActivitySpec
from services.booking.school_calendar import followed
from services.booking.season import Closed, why_closed

WORDS = {
    Closed.OUT_OF_SEASON: "out of season",
    Closed.WEEKDAY: "not on that weekday",
    Closed.CLOSED_DAY: "listed in closed_on",
    Closed.PUBLIC_HOLIDAY: "a public holiday",
    Closed.SCHOOL_HOLIDAY: "school holidays",
    Closed.SCHOOL_DAY: "not in school holidays",
}


def why_not_open(spec: ActivitySpec, day: dt.date) -> str | None:
    reason = why_closed(spec, day, followed().holidays(spec.school_zone, spec.timezone))
    return None if reason is None else WORDS[reason]


def open_days(spec: ActivitySpec, start: dt.date, count: int) -> list[dt.date]:
    """The next `count` open days from `start` on, or as many as the season has left."""
    days = (start + dt.timedelta(days=number) for number in range((spec.closes_on - start).days + 1))
    return list(islice((day for day in days if why_not_open(spec, day) is None), count))
