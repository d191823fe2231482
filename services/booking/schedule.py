"""When the runs of an activity are due: once a day, at an hour of its structure's time zone."""

import datetime as dt
from collections.abc import Iterable
from zoneinfo import ZoneInfo

from services.booking.activity import ActivitySpec, LocalTime, Scheduled

DAY = dt.timedelta(days=1)


def last_due(at: LocalTime, timezone: str, now: dt.datetime) -> dt.datetime:
    """The latest hour set that has come (UTC); `now` counts.

    Where clocks go forward over it, it is that much later by the clock; where they go back over it, it is the first of the two.
    """
    today = now.astimezone(ZoneInfo(timezone)).date()
    return next(due for day in (today + DAY, today, today - DAY, today - 2 * DAY) if (due := _due(day, at, timezone)) <= now)


def next_due(at: LocalTime, timezone: str, now: dt.datetime) -> dt.datetime:
    """The first hour set that is still to come (UTC); `now` does not count."""
    today = now.astimezone(ZoneInfo(timezone)).date()
    return next(due for day in (today - DAY, today, today + DAY, today + 2 * DAY) if (due := _due(day, at, timezone)) > now)


def hour_come(spec: ActivitySpec, since: dt.datetime, now: dt.datetime) -> dt.datetime | None:
    """The hour of the activity's runs that came after `since`, if one did: the latest."""
    if not isinstance(spec.allocation, Scheduled):
        return None
    hour = last_due(spec.allocation.at, spec.timezone, now)
    return hour if hour > since else None


def run_of(specs: Iterable[ActivitySpec], sent: dt.datetime) -> str | None:
    """Which activity's run decides lines that belong together, all or none. None: all these activities answer at once.

    The one whose first run after they were sent comes last: so whoever asked for one of these places alone is not decided after
    the group. At the same hour, the last by id.
    """
    scheduled = [(spec.allocation, spec) for spec in specs if isinstance(spec.allocation, Scheduled)]
    runs = [(next_due(allocation.at, spec.timezone, sent), spec.id) for allocation, spec in scheduled]
    return max(runs)[1] if runs else None


def _due(day: dt.date, at: LocalTime, timezone: str) -> dt.datetime:
    return dt.datetime.combine(day, dt.time.fromisoformat(at), ZoneInfo(timezone)).astimezone(dt.UTC)
