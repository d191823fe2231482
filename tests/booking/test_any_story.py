"""Any story that can be told of a town: families, agents, time, deaths and repeats in any order, against the town on paper.

Two processes' worth of booking stand on one real database, and each step is done by one of them (in a rush, by both at once): it
may die before, in, or after its transaction, as SIGKILL would have it, and is born again knowing nothing. After every step the
tables, the news told and all invariants must be exactly what paper.py has. PREAU_EXAMPLES=1000 tells more stories than CI has time for.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from services.booking import counter
from tests.booking.attendance_rules import AttendanceRules
from tests.booking.family_rules import FamilyRules
from tests.booking.office_rules import OfficeRules
from tests.booking.paper import Ask
from tests.booking.paper_attendance import AttendedPaper
from tests.booking.run_rules import RunRules
from tests.booking.story import tell
from tests.booking.town import caller
from tests.booking.words import asks


class AnyStory(FamilyRules):
    @rule(drafts=st.lists(asks(), min_size=2, max_size=4, unique_by=lambda ask: ask.family), twice=st.booleans())
    def rush(self, drafts: list[Ask], twice: bool) -> None:
        """Through both desks and both allocators at once; some at both. Who was first, only the town knows."""
        self.decides(10**6, 0, None)
        self.deadlines_are_looked_at(1, None)
        self.everything_is_as_on_paper()
        named = [self._named(draft) for draft in drafts]
        self.asked += named
        sent = named + named[:2] if twice else named
        results = self.world.run(self._at_once(sent))
        arrived = [row["idempotency_key"] for row in self._rows("SELECT idempotency_key FROM request ORDER BY seq")]
        first_come = sorted(named, key=lambda ask: arrived.index(ask.key) if ask.key in arrived else len(arrived))
        sheets = {ask.key: self.paper.takes(ask) for ask in first_come}
        for ask, result in zip(sent, results, strict=True):
            self._agree(sheets[ask.key], result)
        for batch in self._batches():
            assert {sheet.ask.key for sheet in self.paper.decides(len(batch))} == batch

    async def _at_once(self, asks: list[Ask]) -> list[str | BaseException]:
        work = counter.take_orders, counter.allocate, counter.find_answers
        tasks = [asyncio.ensure_future(task(replica)) for replica in self.world.replicas for task in work]
        desks = [replica.resources["desk"] for replica in self.world.replicas]
        sent = [asyncio.ensure_future(desks[n % 2].submit(caller(ask.family), self._order(ask))) for n, ask in enumerate(asks)]
        answered = asyncio.gather(*sent, return_exceptions=True)
        try:
            await asyncio.wait([answered, *tasks], timeout=20, return_when=asyncio.FIRST_COMPLETED)
            assert answered.done(), "somebody is never answered"
            return answered.result()
        finally:
            for task in (answered, *tasks):
                task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                assert isinstance(result, asyncio.CancelledError), result


class AnyOfficeStory(OfficeRules, AttendanceRules):
    """Agents act too, and days end."""

    papers = AttendedPaper
    paper: AttendedPaper


class AnyRunStory(OfficeRules, RunRules):
    """One activity's requests wait for runs."""


def test_any_story_of_the_town_is_as_on_paper(
    database_url: Callable[[str], Coroutine[Any, Any, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(AnyStory, 5, asyncio.run(database_url("booking")), monkeypatch)


def test_any_story_in_which_agents_act_is_as_on_paper(
    database_url: Callable[[str], Coroutine[Any, Any, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(AnyOfficeStory, 4, asyncio.run(database_url("booking")), monkeypatch)


def test_any_story_with_runs_is_as_on_paper(
    database_url: Callable[[str], Coroutine[Any, Any, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(AnyRunStory, 4, asyncio.run(database_url("booking")), monkeypatch)
