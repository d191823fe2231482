"""Any story that can be told of a town: families, agents, time, deaths and repeats in any order, against the town on paper.

Two processes' worth of booking stand on one real database, and each step is done by one of them (in a rush, by both at once): it
may die before, in, or after its transaction, as SIGKILL would have it, and is born again knowing nothing. After every step the
tables, the news told and all invariants must be exactly what paper.py has. PREAU_EXAMPLES=1000 tells more stories than CI has time for.
"""

import asyncio
import datetime as dt
import os
import random
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg
import orjson
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import event

from services.booking import commands, counter
from services.booking.activity import ActivitySpec, DaysBefore
from services.booking.allocator import MOST_REQUESTS, allocate
from services.booking.app import service
from services.booking.draft import DraftChange
from services.booking.intake import Asked, take_in
from services.booking.invariants import violations
from services.booking.order import Line, Order
from services.booking.tables import BookingTable, partition_of
from services.booking.taking_over import TakenOver, take_over
from services.clock import Clock
from services.events import Event, FamilyChanged, StandingChanged
from services.listening import react
from services.outbox import MailroomTable
from services.refusal import Refused
from services.service import Running
from services.settings import Settings
from tests.booking.paper import Ask, Giving, Offer, Paper, Sheet, Wish
from tests.booking.town import CANTINE, caller

EXAMPLES = int(os.environ.get("PREAU_EXAMPLES", "0"))
MONDAY, TUESDAY, WEDNESDAY = dt.date(2026, 11, 30), dt.date(2026, 12, 1), dt.date(2026, 12, 2)  # on Wednesdays it is closed
BEGIN = dt.datetime(2026, 11, 27, 8, tzinfo=dt.UTC)
HOUSEHOLDS = {"dupont": ("amalia", "paolo", "zoe"), "durand": ("lea", "hugo"), "petit": ("ines",), "moreau": ("tom", "emma")}
CHILDREN = {child: family for family, children in HOUSEHOLDS.items() for child in children}
ACTIVITIES = ("cantine", "aps")
TOWN = "carteville"
KEPT = ("counter", "partition", "act")


# ------------------------------------------------------------------------------------------------------------------ dying
class Death(BaseException):
    """The process is gone: no `except Exception` of the product sees it."""


@dataclass
class Fate:
    """Where the next transaction of a process ends it: at a crash point, or at its n-th statement."""

    at: str | int | None = None
    committed: bool = False

    def crash_point(self, name: str) -> None:
        self.committed |= name.endswith("after_commit")
        if isinstance(self.at, str) and name.endswith(self.at):
            self.strikes()

    def statement(self, *_: object) -> None:
        if isinstance(self.at, int):
            self.at -= 1
            if self.at == 0:
                self.strikes()

    def strikes(self) -> None:
        self.at = None
        raise Death


# ------------------------------------------------------------------------------------------------------------ the real one
Row = Any  #: Its columns by name, on both databases.


@dataclass
class World:
    """Two processes' worth of booking on one database, a loop to run them in, and somebody who only looks."""

    runner: asyncio.Runner
    replicas: list[Running]
    rows: Callable[[str], list[Row]]
    fate: Fate = field(default_factory=Fate)

    def run(self, what: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(what)

    async def begins_again(self) -> None:
        """An empty town. Numbers go on where they were: only their order matters. The audit trail lets nobody empty it."""
        async with self.replicas[0].database.transaction() as session:
            connection = await session.connection()
            for table in [*reversed(BookingTable.metadata.sorted_tables), *MailroomTable.metadata.sorted_tables]:
                if table.name not in KEPT:
                    await connection.exec_driver_sql(f'DELETE FROM "{table.name}"')
        for replica in self.replicas:
            await counter.open_counter(replica)

    async def violations(self) -> list[str]:
        async with self.replicas[0].database.reading() as session:
            return await violations(session, self.replicas[0].clock.now())


@contextmanager
def the_world(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    base = Settings.from_environment({})
    chosen = replace(base, database_urls={**base.database_urls, "booking": url}, clock=Clock(frozen_at=BEGIN))
    with asyncio.Runner() as runner, somebody_who_looks(url, runner) as rows:
        world = World(runner, [Running.of(service, chosen) for _ in range(2)], rows)
        monkeypatch.setattr("services.database.crash_point", world.fate.crash_point)
        # What one process does not tell the other, it finds by looking: often, so that a story does not take long.
        monkeypatch.setattr("services.booking.desk.LOOK_SECONDS", 0.02)
        monkeypatch.setattr("services.booking.counter.SWEEP_SECONDS", 0.05)
        for replica in world.replicas:
            event.listen(replica.database.engine.sync_engine, "before_cursor_execute", world.fate.statement)
            if replica.database.is_sqlite:  # These stories know no power cuts.
                event.listen(replica.database.engine.sync_engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = OFF"))
        yield world
        for replica in world.replicas:
            runner.run(replica.database.close())


@contextmanager
def somebody_who_looks(url: str, runner: asyncio.Runner) -> Iterator[Callable[[str], list[Row]]]:
    """At the tables, past everything of ours."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.partition("///")[2], isolation_level=None)) as reader:
            reader.row_factory = sqlite3.Row
            yield lambda query: reader.execute(query).fetchall()
        return
    connection = runner.run(asyncpg.connect(url.replace("+asyncpg", "")))
    yield lambda query: runner.run(connection.fetch(query))
    runner.run(connection.close())


# ----------------------------------------------------------------------------------------------------------- random words
replicas = st.sampled_from([0, 1])
fates = st.sampled_from([*[None] * 12, "before_commit", "after_commit", "after_commit", *range(1, 13)])
activities = st.sampled_from(["cantine", "cantine", "aps"])
deadlines = st.sampled_from([0, 0, 1, 1, 2])
offers = st.builds(
    Offer,
    places=st.sampled_from([0, 1, 1, 2, 2, 3, None]),
    waiting=st.sampled_from([0, 2, 3, None, None]),
    books_until=deadlines,
    cancels_until=deadlines,
)


@st.composite
def lines(draw: st.DrawFn, family: str) -> tuple[str, str, str, dt.date]:
    """Mostly what makes sense: an own child, a day that it has not got yet; to be given back, one that it has."""
    paper: Paper = draw(st.runner()).paper
    children = [child for child in CHILDREN if paper.family_of[child] == family]
    held = [(wish.child, *wish.key) for wish in paper.wishes if wish.family == family and wish.status in ("ACCEPTED", "WAITLISTED")]
    every = [(child, activity, day) for child in children for activity in ACTIVITIES for day in (MONDAY, TUESDAY)]
    if draw(st.integers(0, 25)) == 0 or not children:
        every = [(child, "cantine", day) for child in CHILDREN for day in (TUESDAY, WEDNESDAY)]
    sign = draw(st.sampled_from("+++-"))
    wanted = [one for one in every if (one in held) is (sign == "-")] or every
    # Always one number of the same range: what a rush leaves may differ from one telling to the next, what is drawn may not.
    return sign, *wanted[draw(st.integers(0, 23)) % len(wanted)]


@st.composite
def asks(draw: st.DrawFn) -> Ask:
    """One family's draft."""
    family = draw(st.sampled_from([*HOUSEHOLDS, "dupont", "durand", "moreau"]))
    wanted = draw(st.lists(lines(family), min_size=1, max_size=4))
    numbers = st.integers(0, len(wanted) - 1)
    groups = st.lists(st.sets(numbers, min_size=2, max_size=3).map(lambda some: tuple(sorted(some))), max_size=2, unique=True)
    together = draw(groups) if len(wanted) > 1 else []
    return Ask(family, tuple(wanted), tuple(together), waits=draw(st.integers(0, 5)) > 0)


@dataclass(frozen=True)
class Owes:
    family: str
    in_debt: bool


@dataclass(frozen=True)
class Moves:
    child: str
    to: str


news = st.one_of(
    st.builds(Owes, st.sampled_from(list(HOUSEHOLDS)), st.sampled_from([False, False, True])),
    st.builds(Moves, st.sampled_from(["zoe", "hugo"]), st.sampled_from(["dupont", "durand", "petit"])),
)


class AnyStory(RuleBasedStateMachine):
    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.paper = Paper(BEGIN, lambda day: day != WEDNESDAY)
        self.requests: dict[str, Sheet] = {}
        self.bookings: dict[str, Wish] = {}
        self.asked: list[Ask] = []
        self.news: list[Event] = []
        self.versions: dict[str, int] = {}
        self.revisions: dict[str, int] = {}
        self.keys = self.steps = 0
        self.told_until = 0
        world.run(world.begins_again())
        self._moment(BEGIN)

    # -------------------------------------------------------------------------------------------------- doing and dying
    def does(self, replica: int, fate: str | int | None, what: Callable[[Running], Awaitable[Any]]) -> tuple[bool, Any]:
        """One process does it, and may die of it. Returns whether it was done, and what came of it, if anybody lived to say."""
        self.world.fate.at, self.world.fate.committed = fate, False
        try:
            result = self.world.run(what(self.world.replicas[replica]))  # type: ignore[arg-type]
        except Death:
            self.world.run(counter.open_counter(self.world.replicas[replica]))
            return self.world.fate.committed, None
        finally:
            self.world.fate.at = None
        return True, result

    def insists(self, replica: int, fate: str | int | None, what: Callable[[Running], Awaitable[Any]]) -> None:
        """As somebody does who must be sure: again, by the other process, if the first died before it was done."""
        done, _ = self.does(replica, fate, what)
        if not done:
            assert self.does(1 - replica, None, what)[0]

    def _moment(self, now: dt.datetime) -> None:
        self.paper.now = now
        for replica in self.world.replicas:
            replica.clock = Clock(frozen_at=now)

    # ------------------------------------------------------------------------------------------------------- the story
    @initialize(first=offers, second=offers)
    def a_town(self, first: Offer, second: Offer) -> None:
        for activity, offer in zip(ACTIVITIES, (first, second), strict=True):
            self.town_offers(activity, offer, 0, None)
        self.paper.family_of |= CHILDREN
        self.news = [self._family(family) for family in HOUSEHOLDS]
        self._hear(self.news, 0, None)
        self.paper.admitted = {(child, activity): (None, None) for child in CHILDREN for activity in ACTIVITIES}
        del self.paper.admitted["tom", "aps"]

        async def admits(running: Running) -> None:
            async with running.database.transaction() as session:
                for child, activity in self.paper.admitted:
                    await commands.put_enrollment(session, running.clock, child, CHILDREN[child], TOWN, activity)

        self.does(0, None, admits)

    @rule(drafts=st.lists(asks(), min_size=1, max_size=3), replica=replicas, fate=fates)
    def confirm(self, drafts: list[Ask], replica: int, fate: str | int | None) -> None:
        """What arrives together is taken in together; nobody has decided yet."""
        self._takes_in([self._named(draft) for draft in drafts], replica, fate)

    @rule(drafts=st.lists(asks(), min_size=1, max_size=4), replica=replicas, fate=fates)
    def ask(self, drafts: list[Ask], replica: int, fate: str | int | None) -> None:
        """One after the other, each with its answer, if nobody dies."""
        for draft in drafts:
            self._takes_in([self._named(draft)], replica, None)
            self.decide(MOST_REQUESTS, 1 - replica, fate)

    @rule(drafts=st.lists(asks(), min_size=1, max_size=4), meanwhile=st.lists(news, max_size=2), replica=replicas, fate=fates)
    def wait_for_the_answer(self, drafts: list[Ask], meanwhile: list[Owes | Moves], replica: int, fate: str | int | None) -> None:
        """An hour passes, and things change; then all is answered in one transaction."""
        self.confirm(drafts[1:], replica, None)
        self.time_passes(1)
        self.news_come(meanwhile, 1, len(self.news), replica, None)
        self.confirm(drafts[:1], 1 - replica, None)
        self.decide(MOST_REQUESTS, replica, fate)

    @rule(drafts=st.lists(asks(), min_size=1, max_size=4), activity=activities, offer=offers, replica=replicas, fate=fates)
    def open_again(self, drafts: list[Ask], activity: str, offer: Offer, replica: int, fate: str | int | None) -> None:
        """For a while nobody is let in, and everybody may wait: a line of singles and parties, then places for some of them."""
        self.town_offers(activity, replace(offer, places=0, waiting=None), replica, None)
        self.ask(drafts, replica, None)
        self.town_offers(activity, offer, 1 - replica, fate)

    @precondition(lambda self: self.asked)
    @rule(which=st.integers(0, 10), other=st.booleans(), replica=replicas, fate=fates)
    def send_again(self, which: int, other: bool, replica: int, fate: str | int | None) -> None:
        """A double click, or a lost answer; or the same key with another draft, which is a mistake."""
        ask = self.asked[which % len(self.asked)]
        self._takes_in([replace(ask, waits=not ask.waits) if other else ask] * 2, replica, fate)

    @rule(which=st.integers(0, 20), replica=replicas, fate=fates, at_once=st.booleans())
    def give_back(self, which: int, replica: int, fate: str | int | None, at_once: bool) -> None:
        """One booking by its id, sometimes long after it was given back."""
        mine = [wish for wish in self.paper.wishes if self.paper.family_of[wish.child] == wish.family]
        wishes = [wish for wish in mine if wish.status == "ACCEPTED"] * 3 + [wish for wish in mine if wish.status != "REFUSED"]
        if wishes:
            wish = wishes[which % len(wishes)]
            ask = Ask(wish.family, (("-", wish.child, *wish.key),), means=wish)
            self._takes_in([self._named(ask)], replica, fate)
        if at_once:
            self.decide(MOST_REQUESTS, replica, fate)

    @rule(most=st.sampled_from([1, 2, MOST_REQUESTS, MOST_REQUESTS]), replica=replicas, fate=fates)
    def decide(self, most: int, replica: int, fate: str | int | None) -> None:
        async def decides(running: Running) -> None:
            async with running.database.transaction("allocator") as session:
                await allocate(session, running.resources["rules"], running.clock, partition_of(TOWN), most)

        if self.does(replica, fate, decides)[0]:
            self.paper.decides(most)

    @rule(more=st.sampled_from([1, 6, 12]))
    def time_passes(self, more: int) -> None:
        self._moment(self.paper.now + dt.timedelta(hours=more))

    @rule(replica=replicas, fate=fates, looked_at=st.booleans())
    def a_deadline_passes(self, replica: int, fate: str | int | None, looked_at: bool) -> None:
        """For somebody who waits, if anybody does, to the second."""
        self._moment(min(self.paper.closings(), default=self.paper.now))
        if looked_at:
            self.deadlines_are_looked_at(replica, fate)

    @rule(replica=replicas, fate=fates)
    def deadlines_are_looked_at(self, replica: int, fate: str | int | None) -> None:
        if self.does(replica, fate, counter.expire_passed)[0]:
            self.paper.expires()

    @rule(activity=activities, offer=offers, replica=replicas, fate=fates)
    def town_offers(self, activity: str, offer: Offer, replica: int, fate: str | int | None) -> None:
        async def puts(running: Running) -> None:
            async with running.database.transaction() as session:
                await commands.put_activity(session, running.clock, spec_of(activity, offer))

        if self.does(replica, fate, puts)[0]:
            self.paper.puts(activity, offer)

    @rule(
        child=st.sampled_from(list(CHILDREN)),
        activity=st.sampled_from(ACTIVITIES),
        first=st.sampled_from([None, None, None, TUESDAY]),
        last=st.sampled_from([None, None, None, MONDAY]),
        replica=replicas,
        fate=fates,
    )
    def admits(self, child: str, activity: str, first: dt.date | None, last: dt.date | None, replica: int, fate: str | int | None) -> None:
        async def enrolls(running: Running) -> None:
            async with running.database.transaction() as session:
                family = self.paper.family_of[child]
                await commands.put_enrollment(session, running.clock, child, family, TOWN, activity, first, last)

        if self.does(replica, fate, enrolls)[0]:
            self.paper.admitted[child, activity] = first, last

    @rule(
        children=st.lists(st.sampled_from(list(CHILDREN)), max_size=3, unique=True),
        day=st.sampled_from([MONDAY, TUESDAY, WEDNESDAY]),
        replica=replicas,
        fate=fates,
    )
    def are_taken_over(self, children: list[str], day: dt.date, replica: int, fate: str | int | None) -> None:
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
    def news_come(self, changes: list[Owes | Moves], repeats: int, seed: int, replica: int, fate: str | int | None) -> None:
        """From other services: out of order, twice, in several deliveries, and with some that are long known."""
        chance = random.Random(seed)
        fresh = [told for change in changes for told in self._facts(change)]
        self.news += fresh
        heard = fresh + chance.choices(self.news, k=repeats)
        chance.shuffle(heard)
        cut = chance.randint(0, len(heard))
        self._hear(heard[:cut], replica, fate)
        self._hear(heard[cut:], 1 - replica, None)

    @rule(drafts=st.lists(asks(), min_size=2, max_size=4, unique_by=lambda ask: ask.family), twice=st.booleans())
    def rush(self, drafts: list[Ask], twice: bool) -> None:
        """Through both desks and both allocators at once; some at both. Who was first, only the town knows."""
        self.decide(10**6, 0, None)
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

    # ---------------------------------------------------------------------------------------------- how the story is told
    def _named(self, draft: Ask) -> Ask:
        self.keys += 1
        return replace(draft, key=f"key-{self.keys}")

    def _order(self, ask: Ask) -> Order:
        change = {"+": DraftChange.BOOK, "-": DraftChange.CANCEL}
        means = next((id_ for id_, wish in self.bookings.items() if wish is ask.means), None)
        lines = [Line(change[sign], child, activity, day, booking=means) for sign, child, activity, day in ask.lines]
        return Order(ask.family, ask.key, lines, accept_waiting_list=ask.waits, together=ask.together)

    def _takes_in(self, asks: list[Ask], replica: int, fate: str | int | None) -> None:
        self.asked += [ask for ask in asks if ask not in self.asked]

        async def takes_in(running: Running) -> list[str | Exception]:
            async with running.database.transaction("intake") as session:
                asked = [Asked(ask.family, TOWN, self._order(ask)) for ask in asks]
                return await take_in(session, running.resources["rules"], running.clock, asked)

        done, results = self.does(replica, fate, takes_in)
        if done:
            expected = [self.paper.takes(ask) for ask in asks]
            for sheet, result in zip(expected, results or [None] * len(asks), strict=True):
                self._agree(sheet, result)

    def _agree(self, sheet: Sheet | str, result: str | Exception | None) -> None:
        if isinstance(result, Refused):
            assert result.code == sheet
        elif result is not None:
            assert isinstance(result, str), result
            assert self.requests.setdefault(result, sheet) is sheet, "the same key has another request"  # type: ignore[arg-type]

    def _facts(self, change: Owes | Moves) -> list[Event]:
        if isinstance(change, Owes):
            (self.paper.in_debt.add if change.in_debt else self.paper.in_debt.discard)(change.family)
            version = self._version(f"standing {change.family}")
            return [
                StandingChanged(occurred_at=self._tick(), structure=TOWN, version=version, family=change.family, in_debit=change.in_debt)
            ]
        before = self.paper.family_of[change.child]
        if before == change.to:
            return []
        self.paper.family_of[change.child] = change.to
        return [self._family(change.to), self._family(before)]

    def _family(self, family: str) -> FamilyChanged:
        children = [child for child, its in self.paper.family_of.items() if its == family]
        version = self._version(family)
        return FamilyChanged(occurred_at=self._tick(), structure=TOWN, version=version, family=family, adults=[], children=children)

    def _version(self, of: str) -> int:
        self.versions[of] = self.versions.get(of, 0) + 1
        return self.versions[of]

    def _tick(self) -> dt.datetime:
        """Other services' time: each of their facts has its own."""
        return BEGIN + dt.timedelta(seconds=sum(self.versions.values()))

    def _hear(self, events: list[Event], replica: int, fate: str | int | None) -> None:
        async def hears(running: Running) -> None:
            async with running.database.transaction("reaction") as session:
                await react(service, session, events, running.clock)

        self.insists(replica, fate, hears)

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

    # ------------------------------------------------------------------------------------------------- what must be true
    @invariant()
    def everything_is_as_on_paper(self) -> None:
        self._look_who_is_who()
        self._the_answers_agree()
        self._the_counts_agree()
        self._the_news_agree()
        self.steps += 1
        if self.steps % 5 == 0:
            assert self.world.run(self.world.violations()) == []

    def _look_who_is_who(self) -> None:
        """A request whose answer died with its process is known by its key."""
        sheets = {(sheet.ask.family, sheet.ask.key): sheet for sheet in self.paper.sheets}
        rows = self._rows("SELECT id, family, idempotency_key, served_at, decided_at FROM request")
        assert len(rows) == len(sheets)
        for row in rows:
            sheet = sheets[row["family"], row["idempotency_key"]]
            assert self.requests.setdefault(row["id"], sheet) is sheet
            assert ((row["served_at"] is not None), (row["decided_at"] is not None)) == (sheet.served, sheet.served), sheet

    def _the_answers_agree(self) -> None:
        rows = self._rows(
            """SELECT id, request, line, family, child, activity, date, status, code, version FROM booking
               WHERE coalesce(code, '') <> 'UNKNOWN_BOOKING' ORDER BY position"""
        )
        found = []
        for wish, row in zip(sorted(self.paper.wishes, key=lambda wish: wish.place), rows, strict=True):
            assert self.bookings.setdefault(row["id"], wish) is wish
            assert (row["child"], row["activity"], str(row["date"])) == (wish.child, wish.key[0], str(wish.key[1]))
            found.append((wish, row["status"], row["code"], row["version"]))
        assert found == [(wish, wish.status, wish.code, wish.version) for wish, *_ in found]
        given = {
            (self.requests[row["request"]], row["line"]): (row["status"], row["code"])
            for row in self._rows("SELECT request, line, status, code FROM cancellation")
        }
        assert given == {
            (sheet, number): (line.status, line.code)
            for sheet in self.paper.sheets
            for number, line in enumerate(sheet.lines)
            if isinstance(line, Giving)
        }

    def _the_counts_agree(self) -> None:
        rows = self._rows("SELECT activity, date, places, waiting_places, taken, waiting, revision FROM opening")
        self.openings = {(row["activity"], dt.date.fromisoformat(str(row["date"]))): row for row in rows}
        for key, row in self.openings.items():
            offer = self.paper.offers[key[0]]
            assert (row["places"], row["waiting_places"]) == (offer.places, offer.waiting), key
            assert (row["taken"], row["waiting"]) == (len(self.paper.among("ACCEPTED", key)), len(self.paper.among("WAITLISTED", key))), key

    def _the_news_agree(self) -> None:
        told = []
        for name, body in self._outgoing():
            if name == "capacity_changed":
                self._latest_is_the_table(body)
            elif name not in ("activity_changed", "children_moved", "enrollment_changed"):
                told.append(self._as_on_paper(name, body))
        self.told_until = max((row["position"] for row in self._news), default=self.told_until)
        told, expected = sorted(map(str, told)), sorted(map(str, self.paper.told))
        self.paper.told = []
        assert told == expected
        assert {key: row["revision"] for key, row in self.openings.items()} == self.revisions

    def _latest_is_the_table(self, body: dict[str, Any]) -> None:
        key = body["activity"], dt.date.fromisoformat(body["date"])
        assert body["version"] == self.revisions.get(key, 0) + 1
        self.revisions[key] = body["version"]
        row = self.openings[key]
        if body["version"] == row["revision"]:
            assert (body["capacity"], body["taken"], body["waiting"]) == (row["places"], row["taken"], row["waiting"])

    def _as_on_paper(self, name: str, body: dict[str, Any]) -> tuple[object, ...]:
        """An event, as the paper tells it."""
        if name == "requested":
            wishes = tuple(self.bookings.get(movement["booking"]) for movement in body["movements"])
            return name, self.requests[body["request"]], wishes
        if name == "request_decided":
            answers = tuple((movement["outcome"], movement["rank"], movement["code"]) for movement in body["movements"])
            return name, self.requests[body["request"]], answers
        if name == "place_given":
            return name, self.bookings[body["booking"]]
        if name == "place_expired":
            return name, body["family"], tuple(self.bookings[wait["booking"]] for wait in body["waits"])
        more = [body[word] for word in MORE[name]]
        because = self.requests[body["request"]] if body["request"] else None
        return name, self.bookings[body["booking"]], body["version"], because, *more

    # ------------------------------------------------------------------------------------------------------- the tables
    def _rows(self, query: str) -> list[Row]:
        return self.world.rows(query)

    def _outgoing(self) -> list[tuple[str, dict[str, Any]]]:
        """What was told since the last step."""
        self._news = self._rows(f"SELECT position, type, body FROM outgoing WHERE position > {self.told_until} ORDER BY position")
        return [(row["type"].split(".")[3], orjson.loads(row["body"])) for row in self._news]

    def _batches(self) -> Iterator[set[str]]:
        """The keys of the requests that were decided in one transaction: their answers are the last that it tells."""
        keys = {row["id"]: row["idempotency_key"] for row in self._rows("SELECT id, idempotency_key FROM request")}
        batch: set[str] = set()
        for name, body in self._outgoing():
            if name == "request_decided":
                batch.add(keys[body["request"]])
            elif name != "requested" and batch:
                yield batch
                batch = set()
        if batch:
            yield batch


#: What an event says beside whose booking it is about, and why.
MORE = {
    "accepted": ("from_waiting_list",),
    "waitlisted": ("rank",),
    "refused": ("code",),
    "cancelled": ("by", "was"),
    "expired": (),
}


def spec_of(activity: str, offer: Offer) -> ActivitySpec:
    return replace(
        CANTINE,
        id=activity,
        weekdays=frozenset({0, 1}),
        capacity=offer.places,
        waiting_list=offer.waiting,
        booking_deadline=DaysBefore(offer.books_until, "09:00"),
        cancellation_deadline=DaysBefore(offer.cancels_until, "09:00"),
    )


def test_any_story_of_the_town_is_as_on_paper(
    database_url: Callable[[str], Coroutine[Any, Any, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = asyncio.run(database_url("booking"))
    told = settings(
        max_examples=EXAMPLES or 10,
        stateful_step_count=30,
        derandomize=not EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    with the_world(url, monkeypatch) as world:
        run_state_machine_as_test(lambda: AnyStory(world), settings=told)
