"""What agents of the town do in a story: for families, whatever stands in the way, and to single days."""

import datetime as dt
from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import rule

from services.booking import office
from services.booking.allocator import MOST_REQUESTS
from services.booking.office import Agent, Cancelling, DayChange
from services.refusal import Refused
from services.service import Running
from tests.booking.family_rules import FamilyRules
from tests.booking.paper import ANNE, LIVE, Ask, Power, Wish
from tests.booking.paper_days import Key, Offer, Setting
from tests.booking.story import REASON, Fated
from tests.booking.words import HOUSEHOLDS, TUESDAY, activities, asks, day_settings, days, fates, powers, replicas
from tests.booking.world import TOWN


class OfficeRules(FamilyRules):
    @rule(draft=asks(), power=powers, replica=replicas, fate=fates)
    def an_agent_books(self, draft: Ask, power: Power, replica: int, fate: Fated) -> None:
        lines = tuple(line for line in draft.lines if line[0] == "+")
        if lines:
            together = draft.together if lines == draft.lines else ()
            self._takes_in([self._named(replace(draft, lines=lines, together=together, by=power))], replica, None)
            self.decides(MOST_REQUESTS, replica, fate)

    @rule(which=st.lists(st.integers(0, 20), min_size=1, max_size=3), power=powers, replica=replicas, fate=fates)
    def an_agent_cancels(self, which: list[int], power: Power, replica: int, fate: Fated) -> None:
        """Bookings of one family, some of which are gone already."""
        first = self._one_of(which[0])
        if first is None:
            return
        theirs = [wish for wish in self.paper.wishes if wish.family == first.family and wish.status != "REFUSED"]
        wishes = dict.fromkeys([first, *(theirs[one % len(theirs)] for one in which[1:])])
        power = replace(power, despite_debt=False)
        ask = Ask(first.family, tuple(("-", wish.child, *wish.key) for wish in wishes), means=tuple(wishes), by=power)
        self._takes_in([self._named(ask)], replica, fate)
        self.decides(MOST_REQUESTS, 1 - replica, None)

    @rule(which=st.integers(0, 20), activity=activities, day=days, power=powers, replica=replicas, fate=fates, at_once=st.booleans())
    def an_agent_moves(self, which: int, activity: str, day: dt.date, power: Power, replica: int, fate: Fated, at_once: bool) -> None:
        """One booking to another day or activity, or to where it is."""
        wish = self._one_of(which)
        if wish is None or activity in self.paper.scheduled:
            return
        lines = ("-", wish.child, *wish.key), ("+", wish.child, activity, day)
        ask = Ask(wish.family, lines, waits=False, means=(wish,), by=replace(power, moves=True))
        self._takes_in([self._named(ask)], replica, fate)
        if at_once:
            self.decides(MOST_REQUESTS, replica, None)

    @rule(family=st.sampled_from(list(HOUSEHOLDS)), activity=activities, gives_back=st.booleans(), replica=replicas, fate=fates)
    def an_agent_comes_past_the_deadline(self, family: str, activity: str, gives_back: bool, replica: int, fate: Fated) -> None:
        """Two places, for which everybody asks; when those who wait have waited in vain, an agent books for somebody after all."""
        key = activity, TUESDAY
        self.town_offers(activity, Offer(2, None, 1, 1), replica, None)
        for each in (*(name for name in HOUSEHOLDS if name != family), family):
            self._books_for_all(each, key, None, replica)
        self.decides(MOST_REQUESTS, replica, None)
        self._moment(max(self.paper.books_until(key), self.paper.now))
        self.everything_is_as_on_paper()  # and each booking has its id, by which the agent names it
        power = Power(past_deadlines=True, despite_debt=True)
        for wish in self.paper.among("ACCEPTED", key)[: int(gives_back)]:
            ask = Ask(wish.family, (("-", wish.child, *key),), means=(wish,), by=power)
            self._takes_in([self._named(ask)], replica, None)
        self._books_for_all(family, key, power, 1 - replica)
        self.decides(MOST_REQUESTS, replica, fate)

    def _books_for_all(self, family: str, key: Key, power: Power | None, replica: int) -> None:
        lines = tuple(("+", child, *key) for child, its in sorted(self.paper.family_of.items()) if its == family)
        self._takes_in([self._named(Ask(family, lines, by=power))] if lines else [], replica, None)

    @rule(replica=replicas, setting=day_settings, fate=fates)
    def an_agent_empties_the_fullest_day(self, replica: int, setting: Setting, fate: Fated) -> None:
        keys = [wish.key for wish in self.paper.wishes if wish.status in LIVE]
        if keys:
            activity, day = max(sorted(set(keys)), key=keys.count)
            self.an_agent_sets_a_day(activity, day, replace(setting, cancels=True), replica, None, at_once=False)
            self.decides(MOST_REQUESTS, 1 - replica, fate)

    def _one_of(self, which: int) -> Wish | None:
        live = [wish for wish in self.paper.wishes if wish.status in LIVE]
        wishes = live * 3 + [wish for wish in self.paper.wishes if wish.status not in ("REFUSED", *LIVE)]
        return wishes[which % len(wishes)] if wishes else None

    @rule(activity=activities, day=days, setting=day_settings, replica=replicas, fate=fates, at_once=st.booleans())
    def an_agent_sets_a_day(self, activity: str, day: dt.date, setting: Setting, replica: int, fate: Fated, at_once: bool) -> None:
        change = DayChange(day, setting.open, setting.usual, setting.places, setting.waiting, setting.cancels)

        async def sets(running: Running) -> Cancelling | None:
            try:
                async with running.database.transaction() as session:
                    return await office.set_opening(session, running.clock, Agent(ANNE, TOWN, REASON), activity, change)
            except Refused:
                return None

        done, requests = self.does(replica, fate, sets)
        if done:
            cancelled = self.paper.sets_day((activity, day), setting)
            assert self.died or (cancelled is None) == (requests is None)
            self._takes_cancellations(cancelled or [])
        if at_once:
            self.decides(MOST_REQUESTS, replica, None)

    def _takes_cancellations(self, asks: list[Ask]) -> None:
        """Their keys are drawn: the tables have them."""
        rows = self._rows(f"SELECT family, idempotency_key FROM request ORDER BY seq DESC LIMIT {len(asks)}")
        for ask, row in zip(asks, reversed(rows), strict=True):
            assert row["family"] == ask.family
            self.paper.takes(replace(ask, key=row["idempotency_key"]))
