"""When a mail that could not be sent is tried again, and when it is given up."""

import datetime as dt

FIRST_WAIT = dt.timedelta(minutes=1)
LONGEST_WAIT = dt.timedelta(hours=6)
#: What a mail server out of order is allowed: the usual patience of mail (RFC 5321, 4.5.4.1).
PATIENCE = dt.timedelta(days=5)


def wait_after(attempts: int) -> dt.timedelta:
    """After that many attempts in vain: 1 minute, then twice as long each time, up to 6 hours."""
    doublings = min(attempts - 1, 16)  # more would not fit into a timedelta
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)


def given_up(queued_at: dt.datetime, now: dt.datetime) -> bool:
    return now - queued_at >= PATIENCE
