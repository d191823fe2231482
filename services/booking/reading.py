"""What one caller may see, loaded in batches: a hundred children of one answer cost as many selects as one.

Whatever is not the caller's looks exactly like what does not exist.
"""

import asyncio
import datetime as dt
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from sqlmodel.ext.asyncio.session import AsyncSession
from strawberry.dataloader import DataLoader

from services.booking import queries
from services.booking.activity import ActivitySpec
from services.booking.almanac import Almanac, Page, PageKey
from services.booking.calendar import Places, Shown, show
from services.booking.lines import Enrolled, Rules
from services.booking.month import Month, OpeningNow
from services.booking.queries import Answer, Booked, Days, MovementRow, Owned
from services.booking.tables import CalendarFeed, Request
from services.booking.viewing import LOG
from services.claims import Caller
from services.database import Database
from services.library import Library, Select
from services.service import Running
from services.viewing import OfFamily, Whose

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class ShownDay:
    """One day of one activity for one child, with the rows behind it."""

    date: dt.date
    shown: Shown
    booking: Booked | None
    revision: int  #: 0: no place was ever given or taken.


@dataclass(frozen=True, slots=True)
class Span:
    """A child's days, for the activities it is enrolled in and the one that was asked for."""

    child: str
    enrolled: Mapping[str, Enrolled]
    rules: Mapping[str, Rules]
    openings: Mapping[str, Mapping[dt.date, OpeningNow]]  #: By activity.
    bookings: Mapping[tuple[str, dt.date], Booked]  #: By activity and date.

    def places(self, activity: str, date: dt.date) -> Places:
        opening = self.openings[activity].get(date)
        if opening is not None:
            return opening.places
        return Places(*self.rules[activity].spec.offer(date))

    def day(self, activity: str, date: dt.date, now: dt.datetime) -> ShownDay:
        opening = self.openings[activity].get(date)
        booking = self.bookings.get((activity, date))
        shown = show(
            self.rules[activity].on(date),
            self.places(activity, date),
            booking.status if booking else None,
            now=now,
            enrolled=self.enrolled.get(activity),
        )
        return ShownDay(date, shown, booking, opening.revision if opening else 0)


@dataclass(frozen=True, slots=True)
class SpanKey:
    child: str
    first: dt.date
    last: dt.date
    activity: str | None = None

    @property
    def days(self) -> Days:
        return self.first, self.last


class Reading:
    """One per request. Not for a mutation's own decisions: what it loaded once, it does not load again."""

    def __init__(self, running: Running, library: Library, almanac: Almanac, caller: Caller) -> None:
        self._running = running
        self._library = library
        self.caller = caller
        self._almanac = almanac
        self._loaders: dict[Select[Any, Any], DataLoader[Any, Any]] = {}

    def _of(self, select: Select[K, V]) -> DataLoader[K, V | None]:
        """Made when it is first needed: an answer needs few of them, and making one costs as much as using it."""
        found = self._loaders.get(select)
        if found is None:

            async def load(keys: list[K]) -> list[V | None]:
                found = await self._library.find(select, keys)
                return [found.get(key) for key in keys]

            found = self._loaders[select] = DataLoader(load)
        return found

    @cached_property
    def _spans(self) -> DataLoader[SpanKey, Span]:
        return DataLoader(self._load_spans)

    # --------------------------------------------------------------------------------------------------- may be seen
    def sees(self, one: OfFamily) -> bool:
        """Also notes it, where it is an agent who does."""
        if one.family in self.caller.families:
            return True
        if one.structure not in self.caller.agent_of:
            return False
        self.saw("BOOKINGS", [one])
        return True

    def saw(self, what: str, those: Iterable[OfFamily]) -> None:
        """What an agent is shown that does not pass `sees`. Of what a family sees of its own nothing is noted."""
        LOG.saw(self._running, self.caller, what, those)

    async def family(self, family: str) -> str | None:
        """Its structure."""
        structure = self.caller.families.get(family) or await self._of(queries.structures_of).load(family)
        return structure if structure is not None and self.sees(Whose(structure, family)) else None

    async def structure_of(self, family: str) -> str | None:
        """Of any family: ask whether the caller may know."""
        return await self._of(queries.structures_of).load(family)

    async def child(self, child: str) -> Owned | None:
        found = await self._of(queries.owners).load(child)
        return found if found is not None and self.sees(found) else None

    async def activities(self, child: str) -> Sequence[Rules] | None:
        """Those that it is enrolled in, by name."""
        found = (await self._library.find(self._almanac.attended, [child])).get(child)
        if found is None or not self.sees(found.owned) or not all(self._belongs_to(one.spec.structure) for one in found.activities):
            return None
        return found.activities

    async def rules(self, activity: str) -> Rules | None:
        """Of an activity of one of the caller's structures."""
        found = await self._of(self._almanac.book.of).load(activity)
        if found is None:
            return None
        return found if self._belongs_to(found.spec.structure) else None

    def _belongs_to(self, structure: str) -> bool:
        return structure in self.caller.agent_of or structure in self.caller.families.values()

    async def settings(self, activity: str) -> tuple[ActivitySpec, int] | None:
        """What an activity's agents may set, and which version of it this is."""
        return await self._of(queries.settings).load(activity)

    async def booking(self, booking: str) -> Booked | None:
        found = await self._of(queries.bookings).load(booking)
        return found if found is not None and self.sees(found) else None

    async def request(self, request: str) -> Request | None:
        found = await self._of(queries.requests).load(request)
        return found if found is not None and self.sees(Whose(found.structure, found.family)) else None

    # ------------------------------------------------------------------- what belongs to what was seen: ask for that first
    async def enrolled(self, child: str) -> Mapping[str, Enrolled]:
        """Activity -> period, by the activities' names."""
        return await self._of(queries.enrollments).load(child) or {}

    async def movements(self, request: str) -> list[MovementRow]:
        found = await self._of(queries.movements).load(request) or []
        self.saw("BOOKINGS", (row.booking for row in found))
        return found

    async def rank(self, booking: str) -> int | None:
        return await self._of(queries.ranks).load(booking)

    async def standing(self, child: str, first: dt.date, last: dt.date) -> Mapping[tuple[str, dt.date], Booked]:
        """(activity, date) -> the child's booking there that is accepted, waits, or is not answered yet."""
        return await self._of(queries.standing_bookings).load((child, (first, last))) or {}

    async def standing_on(self, activity: str, date: dt.date) -> int:
        """How many bookings."""
        return await self._of(queries.standing_counts).load((activity, date)) or 0

    async def feed(self, child: str) -> CalendarFeed | None:
        return await self._of(queries.calendar_feeds).load(child)

    async def in_debit(self, family: str) -> bool:
        return await self._of(_debts).load(family) is not None

    async def span(self, child: str, first: dt.date, last: dt.date, activity: str | None = None) -> Span:
        """`activity`, if given, exists."""
        return await self._spans.load(SpanKey(child, first, last, activity))

    async def page(self, child: str, days: Days, activity: str | None) -> Page | None:
        """None: not the caller's child, or no activity of its town."""
        key = PageKey(child, days, activity)
        found = (await self._library.find(self._almanac.pages, [key])).get(key)
        if found is None or not self.sees(found.owned):
            return None
        if activity is not None and not self._of_town(found.months.get(activity), found.owned.structure):
            return None
        return found

    def _of_town(self, month: Month | None, structure: str) -> bool:
        return month is not None and month.rules.spec.structure == structure and self._belongs_to(structure)

    def know(self, answer: Answer) -> None:
        """What was just loaded for this caller need not be loaded again."""
        self._of(queries.requests).prime(answer.request.id, answer.request)
        self._of(queries.movements).prime(answer.request.id, answer.movements)

    async def _load_spans(self, keys: list[SpanKey]) -> list[Span]:
        """Two selects for each different period, however many children and activities."""
        enrolled = dict(zip(keys, await self._of(queries.enrollments).load_many([key.child for key in keys]), strict=True))
        wanted = {key: {*(enrolled[key] or {}), *([key.activity] if key.activity else [])} for key in keys}
        activities = sorted(set().union(*wanted.values()))
        rules = dict(zip(activities, await self._of(self._almanac.book.of).load_many(activities), strict=True))
        openings, bookings = await asyncio.gather(
            self._library.find(queries.openings, {(activity, key.days) for key in keys for activity in wanted[key]}),
            self._library.find(queries.standing_bookings, {(key.child, key.days) for key in keys}),
        )
        return [
            Span(
                key.child,
                enrolled[key] or {},
                {activity: found for activity in wanted[key] if (found := rules[activity]) is not None},
                {activity: openings[activity, key.days] for activity in wanted[key]},
                bookings[key.child, key.days],
            )
            for key in keys
        ]


class Answers:
    """One per process: those whom one transaction of the allocator answered all ask in the same instant, and are told together."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._loader: DataLoader[str, Answer] = DataLoader(self._load, cache=False)

    async def to(self, request: str) -> Answer:
        """The request exists."""
        return await self._loader.load(request)

    async def _load(self, requests: list[str]) -> list[Answer]:
        async with self._database.reading() as session:
            found = await queries.answers(session, requests)
        return [found[request] for request in requests]


async def _debts(session: AsyncSession, families: list[str]) -> Mapping[str, bool]:
    return dict.fromkeys(await queries.in_debit(session, families), True)
