"""Runs in a story: at their hour, when an agent asks for one, and rehearsed; each can be decided again from what it kept."""

import hashlib
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from services.booking import runs
from services.booking.allocator import MOST_REQUESTS
from services.booking.conductor import Conductor
from services.booking.replay import differences
from services.booking.tables import AllocationRun, FamilyCriterion
from services.service import Running
from tests.booking.family_rules import FamilyRules
from tests.booking.paper import ANNE
from tests.booking.paper_days import Offer
from tests.booking.paper_runs import RunPaper
from tests.booking.story import Fated
from tests.booking.words import fates, offers, replicas
from tests.booking.world import BEGIN, TOWN

CRITERIA = {"dupont": ("resident", "both_parents_work"), "durand": ("both_parents_work",), "petit": ("resident",)}
THERE = "cantine"  #: The activity that has runs.


class RunRules(FamilyRules):
    papers = RunPaper
    paper: RunPaper

    @initialize(first=offers, second=offers, policy=st.sampled_from(["arrival", "points", "lottery"]))
    def a_town(self, first: Offer, second: Offer, policy: str) -> None:
        self.paper.scheduled, self.paper.criteria, self.paper.counts_from = {THERE: policy}, CRITERIA, BEGIN
        super().a_town(first, second)

        async def says(running: Running) -> None:
            async with running.database.transaction() as session:
                for family, criteria in CRITERIA.items():
                    for criterion in criteria:
                        session.add(FamilyCriterion(family=family, criterion=criterion, structure=TOWN))

        self.does(0, None, says)
        self.commitments = {row["id"]: row["commitment"] for row in self._runs()}

    @rule(replica=replicas, fate=fates, first_seen=st.booleans(), tomorrow=st.booleans())
    def the_hour_comes(self, replica: int, fate: Fated, first_seen: bool, tomorrow: bool) -> None:
        if first_seen:
            self.decides(MOST_REQUESTS, replica, None)
        if tomorrow:
            self._moment(self.paper.next_hour())
        hour = self.paper.hour_come()
        held = hour is not None and self.paper.may_be_held(THERE, hour)

        async def looks(running: Running) -> None:
            await self._conductor(running).look()

        if self.does(replica, fate, looks, done_at="run.after_commit")[0] and held:
            self._agree_on_run(self.paper.holds_run(THERE, hour, *self._latest()))

    @rule(replica=replicas, fate=fates)
    def an_agent_asks_for_a_run(self, replica: int, fate: Fated) -> None:
        while any(not sheet.served for sheet in self.paper.sheets):
            self.decides(MOST_REQUESTS, replica, None)
        held = self.paper.may_be_held(THERE, None)

        async def asks(running: Running) -> AllocationRun | None:
            return await self._conductor(running).run_now(THERE, TOWN, runs.Asked(ANNE))

        done, run = self.does(1 - replica, fate, asks, done_at="run.after_commit")
        assert self.died or (run is not None) is held
        if done and held:
            self._agree_on_run(self.paper.holds_run(THERE, None, *self._latest()))
            self.paper.told.append(("RUN_ALLOCATION", THERE, None))

    @rule(replica=replicas)
    def an_agent_rehearses_a_run(self, replica: int) -> None:
        """Which changes nothing: what is on paper, and in the tables, stays as it is."""
        paper, bookings = deepcopy((self.paper, self.bookings))
        paper.sheets = [sheet for sheet in paper.sheets if sheet.served]
        paper.holds_run(THERE, None, "", "")

        async def rehearses(running: Running) -> Any:
            async with running.database.reading() as session:
                return await runs.rehearse(session, running.resources["rules"], running.clock, THERE)

        _, found = self.does(replica, None, rehearses)
        waiting = {wish for wish in self.paper.wishes if wish.status == "SUBMITTED" and wish.sheet and wish.sheet.served}
        assert {self.bookings[line.booking] for line, _, _ in found} == waiting
        if self.paper.scheduled[THERE] == "arrival":
            assert {line.booking: one.outcome for line, _, one in found} == {
                line.booking: bookings[line.booking].status for line, _, _ in found
            }

    def _conductor(self, running: Running) -> Conductor:
        return Conductor(running, running.resources["rules"], running.resources["allocator"])

    def _agree_on_run(self, lines: list[Any]) -> None:
        run, _ = self._latest()
        rows = self._rows(f"SELECT booking FROM allocation_decision WHERE run = '{run}' ORDER BY place_order")
        assert [self.bookings[row["booking"]] for row in rows] == lines
        for row in self._runs():
            self.commitments.setdefault(row["id"], row["commitment"])
            assert self.commitments[row["id"]] == row["commitment"] == hashlib.sha256(row["seed"].encode()).hexdigest()

    def _latest(self) -> tuple[str, str]:
        """The last run that was held, and its seed."""
        row = [row for row in self._runs() if row["ran_at"] is not None][-1]
        return row["id"], row["seed"]

    def _runs(self) -> list[Any]:
        return self._rows("SELECT id, seed, commitment, ran_at FROM allocation_run ORDER BY number")

    def teardown(self) -> None:
        """Whatever became of the bookings since, each run can be decided again."""
        held = [row["id"] for row in self._runs() if row["ran_at"] is not None]

        async def replays(running: Running) -> list[str]:
            async with running.database.reading() as session:
                rows = [await session.get(AllocationRun, run) for run in held]
                return [sentence for row in rows if row for sentence in await differences(session, row)]

        differs = self.world.run(replays(self.world.replicas[0]))
        assert differs == [], differs
