"""Families who come at the same moment, through both desks, to both allocators: who was first, only the town knows."""

import asyncio
from itertools import groupby

from hypothesis import strategies as st
from hypothesis.stateful import rule

from services.booking import counter
from tests.booking.family_rules import FamilyRules
from tests.booking.paper import Ask
from tests.booking.paper_days import Offer
from tests.booking.town import caller
from tests.booking.words import CHILDREN, MONDAY, TUESDAY, activities, asks


class RushRules(FamilyRules):
    @rule(drafts=st.lists(asks(), min_size=2, max_size=4, unique_by=lambda ask: ask.family), twice=st.booleans())
    def rush(self, drafts: list[Ask], twice: bool) -> None:
        """All that families do; some at both desks."""
        self._nobody_is_left_over()
        self._come(drafts, drafts[:2] if twice else [])

    @rule(
        activity=activities,
        places=st.integers(0, 4),
        ranks=st.sampled_from([0, 2, None]),
        children=st.permutations(list(CHILDREN)),
        more=st.lists(st.integers(0, 9), min_size=len(CHILDREN), max_size=len(CHILDREN)),
        leave=st.lists(st.integers(0, 9), max_size=2),
        again=st.integers(0, 3),
    )
    def crowd(
        self, activity: str, places: int, ranks: int | None, children: list[str], more: list[int], leave: list[int], again: int
    ) -> None:
        """Every child at the same few places, many orders of each family, siblings together or apart; some give back what they have.

        Those of `children` who come in two, or wait for no place, are told by `more`; `leave` gives back; the first of them come twice.
        """
        self.town_offers(activity, Offer(places, ranks, 0, 0), 0, None)
        self._nobody_is_left_over()
        held = [wish for wish in self.paper.wishes if wish.status == "ACCEPTED" and wish.family == self.paper.family_of[wish.child]]
        gone = {held[which % len(held)] for which in leave} if held else set()
        drafts = [Ask(wish.family, (("-", wish.child, *wish.key),), means=(wish,)) for wish in sorted(gone, key=lambda wish: wish.place)]
        bold = dict(zip(children, more, strict=True))
        for family, siblings in groupby(children, key=self.paper.family_of.__getitem__):
            wanted = [("+", child, activity, day) for child in siblings for day in (MONDAY, TUESDAY)[: 1 + (bold[child] > 7)]]
            if len(wanted) > 1 and bold[wanted[0][1]] % 2:
                drafts.append(Ask(family, tuple(wanted), (tuple(range(len(wanted))),), waits=bold[wanted[0][1]] != 3))
            else:
                drafts += [Ask(family, (line,), waits=bold[line[1]] != 4) for line in wanted]
        self._come(drafts, drafts[:again])

    def _nobody_is_left_over(self) -> None:
        self.decides(10**6, 0, None)
        self.deadlines_are_looked_at(1, None)
        self.everything_is_as_on_paper()

    def _come(self, drafts: list[Ask], twice: list[Ask]) -> None:
        named = [self._named(draft) for draft in drafts]
        self.asked += named
        sent = named + named[: len(twice)]
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
