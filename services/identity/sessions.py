"""How long somebody stays signed in, and what a refresh token is worth when it is shown."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

ACCESS_TOKEN_LIFE = dt.timedelta(minutes=15)
CLOCKS_DIFFER = dt.timedelta(minutes=5)  #: Of two machines, at most.
RESET_TOKEN_LIFE = dt.timedelta(minutes=30)
COUNTER_CODE_LIFE = dt.timedelta(days=7)
ADDRESS_TOKEN_LIFE = dt.timedelta(hours=24)  #: The letter may come late; it opens nothing but what its owner asked for.
FRESH = dt.timedelta(minutes=15)  #: So long whoever showed who they are need not do so again.
ADDRESS_WAITS = dt.timedelta(hours=24)  #: A new address, confirmed, that was asked for by whoever did not: time to object.


def is_fresh(now: dt.datetime, *shown_at: dt.datetime | None) -> bool:
    """`shown_at`: when somebody signed in, and when they last showed a second factor."""
    return any(at is not None and now - at <= FRESH for at in shown_at)


@dataclass(frozen=True, slots=True)
class Stay:
    """A session ends when it is not used for `idle`, and in any case after `longest`."""

    idle: dt.timedelta
    longest: dt.timedelta


FAMILY = Stay(idle=dt.timedelta(hours=12), longest=dt.timedelta(days=30))
#: An agent sees everybody's children: a forgotten screen must not stay open.
AGENT = Stay(idle=dt.timedelta(hours=1), longest=dt.timedelta(hours=12))


@dataclass(frozen=True, slots=True)
class Shown:
    """A refresh token that somebody shows, and its session."""

    expires_at: dt.datetime
    used_at: dt.datetime | None
    session_ends_at: dt.datetime
    session_ended_at: dt.datetime | None


class Worth(StrEnum):
    """What a shown refresh token gives."""

    RENEWS = "RENEWS"
    NOTHING = "NOTHING"
    ENDS_THE_SESSION = "ENDS_THE_SESSION"  #: It was used before: one of the two who have it is a thief, and we cannot tell which.


def worth(shown: Shown, now: dt.datetime) -> Worth:
    if shown.session_ended_at is not None or shown.session_ends_at <= now:
        return Worth.NOTHING
    if shown.used_at is not None:
        return Worth.ENDS_THE_SESSION
    if shown.expires_at <= now:
        return Worth.NOTHING
    return Worth.RENEWS


def expiry(now: dt.datetime, session_ends_at: dt.datetime, stay: Stay) -> dt.datetime:
    """Of a refresh token given now."""
    return min(now + stay.idle, session_ends_at)


def ends(
    started_at: dt.datetime, ends_at: dt.datetime, last_used_at: dt.datetime | None, expires_at: dt.datetime, stay: Stay
) -> tuple[dt.datetime, dt.datetime]:
    """When a session ends and when its refresh token runs out, for whoever has this stay now: never later than was said before."""
    idle_until = expires_at if last_used_at is None else last_used_at + stay.idle
    return min(ends_at, started_at + stay.longest), min(expires_at, idle_until)
