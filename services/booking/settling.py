"""Time closes the days that nobody closed: in the background of booking's process, a few at a time, whatever it finds at its start."""

from collections.abc import Sequence

from services.booking import attending
from services.booking.allocation import Key
from services.booking.rulebook import RuleBook
from services.database import OUTAGE
from services.service import Running
from services.telemetry import log

SETTLE_SECONDS = 30.0
DAYS_TOGETHER = 10  #: Of one activity, in one transaction: families of the town wait so long.
PAUSE_SECONDS = 0.15  #: Then the others have their turn, also on SQLite, where they look every 100 ms whether the lock is free.


async def settle_days(running: Running) -> None:
    while True:
        await close_days_over(running)
        await running.rest(SETTLE_SECONDS)


async def close_days_over(running: Running) -> None:
    """Until none is left, but those that a mistake of ours keeps from being closed: they must not hold up the others."""
    book: RuleBook = running.resources["rules"]
    stuck: set[Key] = set()
    while True:
        async with running.database.reading() as session:
            over = await attending.days_over(session, book, running.clock.now(), DAYS_TOGETHER, stuck)
        if not over:
            return
        for keys in over.values():
            for start in range(0, len(keys), DAYS_TOGETHER):
                stuck |= await _close(running, keys[start : start + DAYS_TOGETHER])
                await running.rest(PAUSE_SECONDS)


async def _close(running: Running, keys: Sequence[Key]) -> set[Key]:
    """Returns those that could not be closed."""
    try:
        async with running.database.transaction("settling") as session:
            for key in keys:
                await attending.close_day(session, running.resources["rules"], running.clock, key)
    except OUTAGE:
        raise
    except Exception as trouble:
        if len(keys) == 1:
            log().error("a day could not be closed", activity=keys[0][0], date=keys[0][1].isoformat(), exc_info=trouble)
            return set(keys)
        return {key for one in keys for key in await _close(running, [one])}
    running.outbox_written()
    return set()
