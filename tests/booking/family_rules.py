"""What happens in any story: families ask and give back, the town changes its mind, others tell news, time passes."""

import datetime as dt
import random
from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from services.booking import commands, counter
from services.booking.allocator import MOST_REQUESTS
from services.booking.taking_over import TakenOver, take_over
from services.service import Running
from tests.booking.paper import Ask
from tests.booking.paper_days import Offer
from tests.booking.story import Fated, Story, spec_of
from tests.booking.words import (
    ACTIVITIES,
    CHILDREN,
    HOUSEHOLDS,
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    Moves,
    Owes,
    activities,
    asks,
    fates,
    news,
    offers,
    replicas,
)
from tests.booking.world import TOWN


class FamilyRules(Story):
    # ------------------------------------------------------------------------------------------------------- the story
    @initialize(first=offers, second=offers)
    def a_town(self, first: Offer, second: Offer) -> None:
        for activity, offer in zip(ACTIVITIES, (first, second), strict=True):
            self.town_offers(activity, offer, 0, None)
        self.paper.family_of |= CHILDREN
        self.news = [self._family(family) for family in HOUSEHOLDS]
        self._hear(self.news, 0, None)
        admitted = [(child, activity) for child in CHILDREN for activity in ACTIVITIES if (child, activity) != ("tom", "aps")]
        for one in admitted:
            self.paper.admits(*one, None, None)

        async def admits(running: Running) -> None:
            async with running.database.transaction() as session:
                for child, activity in admitted:
                    await commands.put_enrollment(session, running.clock, child, CHILDREN[child], TOWN, activity)

        self.does(0, None, admits)

    @rule(drafts=st.lists(asks(), min_size=1, max_size=3), replica=replicas, fate=fates, at_once=st.booleans())
    def confirm(self, drafts: list[Ask], replica: int, fate: Fated, at_once: bool = False) -> None:
        """What arrives together is taken in together; nobody has decided yet, or it is done at once."""
        self._takes_in([self._named(draft) for draft in drafts], replica, fate, at_once=at_once)

    @rule(drafts=st.lists(asks(), min_size=1, max_size=4), replica=replicas, fate=fates)
    def ask(self, drafts: list[Ask], replica: int, fate: Fated) -> None:
        """One after the other, each with its answer, if nobody dies."""
        for draft in drafts:
            self._takes_in([self._named(draft)], replica, None)
            self.decides(MOST_REQUESTS, 1 - replica, fate)

    @rule(drafts=st.lists(asks(), min_size=1, max_size=4), meanwhile=st.lists(news, max_size=2), replica=replicas, fate=fates)
    def wait_for_the_answer(self, drafts: list[Ask], meanwhile: list[Owes | Moves], replica: int, fate: Fated) -> None:
        """An hour passes, and things change; then all is answered in one transaction."""
        self.confirm(drafts[1:], replica, None)
        self.time_passes(1)
        self.news_come(meanwhile, 1, len(self.news), replica, None)
        self.confirm(drafts[:1], 1 - replica, None)
        self.decides(MOST_REQUESTS, replica, fate)

    @rule(drafts=st.lists(asks(), min_size=1, max_size=4), activity=activities, offer=offers, replica=replicas, fate=fates)
    def open_again(self, drafts: list[Ask], activity: str, offer: Offer, replica: int, fate: Fated) -> None:
        """For a while nobody is let in, and everybody may wait: a line of singles and parties, then places for some of them."""
        self.town_offers(activity, replace(offer, places=0, waiting=None), replica, None)
        self.ask(drafts, replica, None)
        self.town_offers(activity, offer, 1 - replica, fate)

    @precondition(lambda self: self.asked)
    @rule(which=st.integers(0, 10), other=st.booleans(), replica=replicas, fate=fates, at_once=st.booleans())
    def send_again(self, which: int, other: bool, replica: int, fate: Fated, at_once: bool) -> None:
        """A double click, or a lost answer; or the same key with another draft, which is a mistake."""
        ask = self.asked[which % len(self.asked)]
        self._takes_in([replace(ask, waits=not ask.waits) if other else ask] * 2, replica, fate, at_once=at_once)

    @rule(which=st.integers(0, 20), replica=replicas, fate=fates, at_once=st.booleans())
    def give_back(self, which: int, replica: int, fate: Fated, at_once: bool) -> None:
        """One booking by its id, sometimes long after it was given back."""
        mine = [wish for wish in self.paper.wishes if self.paper.family_of[wish.child] == wish.family]
        wishes = [wish for wish in mine if wish.status == "ACCEPTED"] * 3 + [wish for wish in mine if wish.status != "REFUSED"]
        if wishes:
            wish = wishes[which % len(wishes)]
            ask = Ask(wish.family, (("-", wish.child, *wish.key),), means=(wish,))
            self._takes_in([self._named(ask)], replica, fate)
        if at_once:
            self.decides(MOST_REQUESTS, replica, fate)

    @rule(most=st.sampled_from([1, 2, MOST_REQUESTS, MOST_REQUESTS]), replica=replicas, fate=fates)
    def decide(self, most: int, replica: int, fate: Fated) -> None:
        self.decides(most, replica, fate)

    @rule(more=st.sampled_from([1, 6, 12]))
    def time_passes(self, more: int) -> None:
        self._moment(self.paper.now + dt.timedelta(hours=more))

    @rule(replica=replicas, fate=fates, looked_at=st.booleans())
    def a_deadline_passes(self, replica: int, fate: Fated, looked_at: bool) -> None:
        """For somebody who waits, if anybody does, to the second."""
        self._moment(min(self.paper.closings(), default=self.paper.now))
        if looked_at:
            self.deadlines_are_looked_at(replica, fate)

    @rule(replica=replicas, fate=fates)
    def deadlines_are_looked_at(self, replica: int, fate: Fated) -> None:
        if self.does(replica, fate, counter.expire_passed)[0]:
            self.paper.expires()

    @rule(activity=activities, offer=offers, replica=replicas, fate=fates)
    def town_offers(self, activity: str, offer: Offer, replica: int, fate: Fated) -> None:
        if activity in self.paper.scheduled and offer.places is None:
            offer = replace(offer, places=3)  # A run without limits is none.

        async def puts(running: Running) -> None:
            async with running.database.transaction() as session:
                await commands.put_activity(session, running.clock, spec_of(activity, offer, self.paper))

        if self.does(replica, fate, puts)[0]:
            self.paper.puts(activity, offer)

    @rule(days=st.sampled_from([{MONDAY}, {TUESDAY}, {TUESDAY}, {MONDAY, TUESDAY}]), replica=replicas, fate=fates)
    def the_town_takes_days_off_or_not_after_all(self, days: set[dt.date], replica: int, fate: Fated) -> None:
        wanted = self.paper.days_off ^ days

        async def takes_off(running: Running) -> None:
            async with running.database.transaction() as session:
                await commands.put_days_off(session, running.clock, TOWN, dict.fromkeys(sorted(wanted)))

        if self.does(replica, fate, takes_off)[0]:
            self.paper.takes_off(wanted)

    @rule(
        child=st.sampled_from(list(CHILDREN)),
        activity=st.sampled_from(ACTIVITIES),
        first=st.sampled_from([None, None, None, TUESDAY]),
        last=st.sampled_from([None, None, None, MONDAY]),
        replica=replicas,
        fate=fates,
    )
    def admits(self, child: str, activity: str, first: dt.date | None, last: dt.date | None, replica: int, fate: Fated) -> None:
        async def enrolls(running: Running) -> None:
            async with running.database.transaction() as session:
                family = self.paper.family_of[child]
                await commands.put_enrollment(session, running.clock, child, family, TOWN, activity, first, last)

        if self.does(replica, fate, enrolls)[0]:
            self.paper.admits(child, activity, first, last)

    @rule(
        children=st.lists(st.sampled_from(list(CHILDREN)), max_size=3, unique=True),
        day=st.sampled_from([MONDAY, TUESDAY, WEDNESDAY]),
        replica=replicas,
        fate=fates,
    )
    def are_taken_over(self, children: list[str], day: dt.date, replica: int, fate: Fated) -> None:
        """Bookings from before the town had this system."""
        wanted = [TakenOver(child, self.paper.family_of[child], "cantine", day) for child in children]

        async def takes_over(running: Running) -> list[TakenOver]:
            async with running.database.transaction() as session:
                return await take_over(session, running.resources["rules"], running.clock, TOWN, wanted)

        done, left_out = self.does(replica, fate, takes_over)
        if done:
            expected = [one for one in wanted if not self.paper.takes_over(one.child, ("cantine", day))]
            assert left_out in (None, expected)

    @rule(changes=st.lists(news, min_size=1, max_size=3), repeats=st.integers(0, 3), seed=st.integers(0, 999), replica=replicas, fate=fates)
    def news_come(self, changes: list[Owes | Moves], repeats: int, seed: int, replica: int, fate: Fated) -> None:
        """From other services: out of order, twice, in several deliveries, and with some that are long known."""
        chance = random.Random(seed)
        fresh = [told for change in changes for told in self._facts(change)]
        self.news += fresh
        heard = fresh + chance.choices(self.news, k=repeats)
        chance.shuffle(heard)
        cut = chance.randint(0, len(heard))
        self._hear(heard[:cut], replica, fate)
        self._hear(heard[cut:], 1 - replica, None)
