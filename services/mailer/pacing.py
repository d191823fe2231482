"""How fast mails go to one provider: many refuse, or take for spam, what comes from one sender all at once."""

import datetime as dt
from collections.abc import Mapping

SECOND = dt.timedelta(seconds=1)

Rates = Mapping[str, float]  #: Domain of an address -> mails per second; any other goes as fast as the mail server takes it.


def take(free_at: dt.datetime | None, now: dt.datetime, rate: float, wanted: int) -> tuple[int, dt.datetime]:
    """How many of those that wait may go now, a second's worth at most, and from when the next one may."""
    gap = SECOND / rate
    next_at = min(now, now - SECOND + gap)
    if free_at is not None:
        next_at = max(next_at, free_at)
    taken = 0
    while taken < wanted and next_at <= now:
        taken += 1
        next_at += gap
    return taken, next_at


def domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower()
