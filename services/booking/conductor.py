"""Holds scheduled runs when their hour has come, and when an agent asks for one.

Every replica looks: the turn of the partition lets one of them hold a run, and shows the others that it was held.
"""

import datetime as dt

from services.booking import audit, run_queries, runs
from services.booking.counter import Allocator
from services.booking.rulebook import RuleBook
from services.booking.runs import Asked
from services.booking.tables import AllocationRun, partition_of
from services.refusal import Refused
from services.service import Running
from services.telemetry import log

LOOK_SECONDS = 1.0
#: An hour at which nobody waited is looked at again, for the lines that a change of the town, or of a party, brings to it.
AGAIN = dt.timedelta(minutes=1)
MOST_TRIES = 20  #: Requests of before that the allocator has not looked at yet are served first.


class Conductor:
    """One per process, in `running.resources["conductor"]`."""

    def __init__(self, running: Running, book: RuleBook, allocator: Allocator) -> None:
        self._running = running
        self._book = book
        self._allocator = allocator
        self._looked: dict[tuple[str, dt.datetime], dt.datetime] = {}  #: (activity, hour) -> when nobody waited for it.

    async def work(self) -> None:
        """For as long as the process lives."""
        while True:
            await self.look()
            await self._running.rest(LOOK_SECONDS)

    async def look(self) -> None:
        """Hold the runs that are due. One that fails must not keep the others from theirs: it is tried again at the next look."""
        now = self._running.clock.now()
        async with self._running.database.reading() as session:
            due = await runs.due_now(session, self._book, now)
            unprepared = await runs.unprepared(session)
        for activity in unprepared:
            async with self._running.database.transaction() as session:
                await runs.prepare(session, self._book, self._running.clock, activity)
        self._looked = {key: when for key, when in self._looked.items() if now - when < AGAIN}
        for activity, hour in due.items():
            if (activity, hour) not in self._looked:
                await self._try(activity, hour, now)

    async def _try(self, activity: str, hour: dt.datetime, now: dt.datetime) -> None:
        try:
            held = await self._hold(activity)
        except runs.NotYet:
            return
        except Refused:
            return  # Its requests wait for no run any more: the town changed that meanwhile.
        except Exception as trouble:
            log().error("run not held", activity=activity, hour=hour.isoformat(), error=repr(trouble), exc_info=trouble)
            return
        if held is None:
            self._looked[activity, hour] = now

    async def _hold(self, activity: str, asked: Asked | None = None) -> AllocationRun | None:
        """`asked`: by an agent."""
        running = self._running
        async with running.database.transaction() as session:
            until = await runs.close_list(session, self._book, running.clock, activity, asked)
        if until is None:
            return None
        async with running.database.transaction("run") as session:
            held = await runs.hold(session, self._book, running.clock, activity, until, asked)
            if held is not None and asked is not None:
                await audit.note(session, running.clock.now(), held.structure, asked.account, _act(held))
        running.outbox_written()
        return held

    # --------------------------------------------------------------------------------------------------------- for agents
    async def run_now(self, activity: str, structure: str, asked: Asked) -> AllocationRun | None:
        """The run that an agent asks for, held now or by the same key before. None: nobody waits for it.

        Raises Refused NOT_SCHEDULED; runs.NotYet.
        """
        # Whoever asks at the same time as its double may be held up until that one is through, and find nobody who waits.
        return await self._known(activity, asked) or await self._run_now(activity, structure, asked) or await self._known(activity, asked)

    async def _known(self, activity: str, asked: Asked) -> AllocationRun | None:
        async with self._running.database.reading() as session:
            return await run_queries.run_asked(session, activity, asked.account, asked.key)

    async def _run_now(self, activity: str, structure: str, asked: Asked) -> AllocationRun | None:
        for left in reversed(range(MOST_TRIES)):
            await self._allocator.serve([partition_of(structure)])
            try:
                return await self._hold(activity, asked)
            except runs.NotYet:
                if not left:
                    raise
        raise AssertionError("it returns or raises")


def _act(held: AllocationRun) -> audit.Done:
    counts = {"accepted": held.accepted, "waitlisted": held.waitlisted, "refused": held.refused}
    return audit.Done("RUN_ALLOCATION", activity=held.activity, after={"run": held.id, **counts})


async def conduct(running: Running) -> None:
    conductor: Conductor = running.resources["conductor"]
    await conductor.work()


def engage(running: Running) -> None:
    """Before anything is served, once the counter is open."""
    running.resources["conductor"] = Conductor(running, running.resources["rules"], running.resources["allocator"])
