"""When the day's one mail is written, for whoever wants their reports so."""

import datetime as dt
from zoneinfo import ZoneInfo

EVENING = dt.time(18, 0)  #: In the structure's time zone.


def next_evening(now: dt.datetime, timezone: str) -> dt.datetime:
    """The first evening that is still to come: what is answered at that very moment is told the next day."""
    zone = ZoneInfo(timezone)
    today = now.astimezone(zone).date()
    evening = dt.datetime.combine(today, EVENING, zone)
    if evening <= now:
        evening = dt.datetime.combine(today + dt.timedelta(days=1), EVENING, zone)
    return evening.astimezone(dt.UTC)
