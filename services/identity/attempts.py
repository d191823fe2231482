"""How long somebody waits before the next try: longer each time, never for ever (S3).

Nobody is locked out for good: otherwise a stranger could lock a parent out on purpose.
"""

import datetime as dt
from dataclasses import dataclass

GROWTH = 1.8
LONGEST = dt.timedelta(hours=1)
FORGOTTEN_AFTER = dt.timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Patience:
    """How many failed tries are free, and how long the first wait after them is."""

    free: int
    first_wait: dt.timedelta
    fades: dt.timedelta | None = None  #: How long it takes until one failure is forgiven.


#: One account may fail five times; then 10 s, 18 s, 32 s... at most 20 tries in any hour. A failure is forgiven each quarter of an hour:
#: whoever only wants to keep its owner out must go on trying, and keeps him waiting for twenty minutes at most.
ACCOUNT = Patience(free=5, first_wait=dt.timedelta(seconds=10), fades=dt.timedelta(minutes=15))
#: Many families may share one address: a school, a town hall, a telephone company.
ADDRESS = Patience(free=100, first_wait=dt.timedelta(seconds=10))
#: Letters with a way back in: three a day, then one an hour.
RESET = Patience(free=3, first_wait=LONGEST)
RESET_ADDRESS = Patience(free=30, first_wait=dt.timedelta(minutes=1))
#: Links that put a new address in force: they go to addresses that may be anybody's.
NEW_EMAIL = Patience(free=5, first_wait=LONGEST)

#: Invitations to one address, by one town; and by one agent, to whomever: they go to addresses that may be anybody's.
INVITED = Patience(free=3, first_wait=LONGEST)
INVITING = Patience(free=50, first_wait=dt.timedelta(minutes=1))
#: Logins that an agent's town cannot have, for somebody of another has them: each of them tells that there is somebody.
TAKEN = Patience(free=20, first_wait=dt.timedelta(minutes=10))


@dataclass(frozen=True, slots=True)
class Tries:
    """How often something failed since it last went well, and when it last did."""

    count: int
    last_at: dt.datetime


def wait_after(count: int, patience: Patience) -> dt.timedelta:
    """After that many failed tries."""
    if count < patience.free:
        return dt.timedelta()
    # From 30 on the power has long passed the cap, and would one day be too large for a float.
    steps = min(count - patience.free, 30)
    return min(patience.first_wait * GROWTH**steps, LONGEST)


def wait_left(tries: Tries | None, now: dt.datetime, patience: Patience) -> dt.timedelta:
    """Zero where another try is welcome."""
    if tries is None or now - tries.last_at >= FORGOTTEN_AFTER:
        return dt.timedelta()
    return max(dt.timedelta(), tries.last_at + wait_after(tries.count, patience) - now)


def one_more(tries: Tries | None, now: dt.datetime, patience: Patience) -> Tries:
    """The tries with one more failure."""
    if tries is None or now - tries.last_at >= FORGOTTEN_AFTER:
        return Tries(1, now)
    forgiven = (now - tries.last_at) // patience.fades if patience.fades else 0
    return Tries(max(0, tries.count - forgiven) + 1, now)
