"""The months of activities, kept as long as the tables say that nothing in them has changed.

A look at a child's calendars reads, in one session: whose child it is and where it is enrolled, a mark of each month (`month.Mark`), and
the child's bookings. Only a month whose mark is another than the kept one's is read again, whichever process changed it.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import is_
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import and_, bindparam, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking import queries
from services.booking.lines import Enrolled, Rules
from services.booking.month import Face, Mark, Month
from services.booking.queries import Booked, Days, KnownChild, Owned
from services.booking.rulebook import RuleBook
from services.booking.tables import Activity, Opening, core, run
from services.bulk import one_of

KEPT = 1000  #: Months: a few of each activity of a large town.
KEPT_TOGETHER = 300  #: Months of several activities: as many as there are different sets of them that children are enrolled in.
V = TypeVar("V")
A, O = core(Activity).c, core(Opening).c  # noqa: E741 -- like the tables
MARKS = (
    select(A.id, A.version, func.count(O.date), func.coalesce(func.sum(O.revision), 0), func.max(O.changed_at))
    .outerjoin_from(A.id.table, O.date.table, and_(O.activity == A.id, O.date.between(bindparam("first"), bindparam("last"))))
    .where(one_of(A.id, "activities"))
    .group_by(A.id, A.version)
)


class PageKey(NamedTuple):
    """One child's days, of one activity, or of all that it is enrolled in."""

    child: str
    days: Days
    activity: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A child's part of a calendar. Whoever is to see it must be asked first whether he may."""

    owned: Owned
    enrolled: Mapping[str, Enrolled]  #: By activity, by their names.
    months: Mapping[str, Month]  #: Of the activities that the page is about, those that exist.
    bookings: Mapping[str, Sequence[Booked]]  #: By activity: those that stand, of all activities.


@dataclass(frozen=True, slots=True)
class Attended:
    """What a child is enrolled in. Whoever is to see it must be asked first whether he may."""

    owned: Owned
    activities: Sequence[Rules]  #: By name.


class Almanac:
    """One per process. What it keeps is about activities alone, never about a child."""

    def __init__(self, book: RuleBook) -> None:
        self.book = book
        self._kept: OrderedDict[tuple[str, Days], Month] = OrderedDict()
        self._together: OrderedDict[tuple[tuple[str, ...], Days, str], tuple[Sequence[Face], Any]] = OrderedDict()

    async def pages(self, session: AsyncSession, keys: Collection[PageKey]) -> dict[PageKey, Page]:
        """Those of children that are known."""
        found = await _children(session, {key.child for key in keys})
        known = [key for key in keys if key.child in found]
        about = {key: [key.activity] if key.activity is not None else list(found[key.child].enrolled) for key in known}
        months = await self.months(session, {(activity, key.days) for key in known for activity in about[key]})
        standing = await queries.standing_bookings(session, {(key.child, key.days) for key in known})
        bookings = {of: _by_activity(found.values()) for of, found in standing.items()}
        return {
            key: Page(
                found[key.child].owned,
                found[key.child].enrolled,
                {activity: month for activity in about[key] if (month := months.get((activity, key.days))) is not None},
                bookings[key.child, key.days],
            )
            for key in known
        }

    async def attended(self, session: AsyncSession, children: Collection[str]) -> dict[str, Attended]:
        """Of those that are known."""
        found = await _children(session, children)
        rules = await self.book.at(session, {activity: version for one in found.values() for activity, version in one.versions.items()})
        return {
            child: Attended(one.owned, [rules[activity][1] for activity in one.enrolled if activity in rules])
            for child, one in found.items()
        }

    async def months(self, session: AsyncSession, asked: Collection[tuple[str, Days]]) -> dict[tuple[str, Days], Month]:
        """Those of the activities that exist."""
        marks: dict[tuple[str, Days], Mark] = {}
        for days, activities in queries.by_period(asked).items():
            for row in await run(session, MARKS, {"activities": activities, "first": days[0], "last": days[1]}):
                marks[row[0], days] = Mark(*row[1:])
        found = {key: month for key, mark in marks.items() if (month := self._kept.get(key)) is not None and month.mark == mark}
        for key in found:
            self._kept.move_to_end(key)
        stale = {key: mark.version for key, mark in marks.items() if key not in found}
        return found | (await self._read(session, stale) if stale else {})

    def together(self, activities: tuple[str, ...], days: Days, language: str, faces: Sequence[Face], make: Callable[[], V]) -> V:
        """What `make` made of these faces together, for whoever reads this language: as long as they are the same."""
        key = activities, days, language
        known = self._together.pop(key, None)
        if known is None or not all(map(is_, known[0], faces)):
            known = faces, make()
        self._together[key] = known
        if len(self._together) > KEPT_TOGETHER:
            self._together.popitem(last=False)
        made: V = known[1]
        return made

    async def _read(self, session: AsyncSession, stale: Mapping[tuple[str, Days], int]) -> dict[tuple[str, Days], Month]:
        """What is read now may be newer than its mark said a moment ago: a month is marked by what was read."""
        openings = await queries.openings(session, stale)
        rules = await self.book.at(session, {activity: version for (activity, _), version in stale.items()})
        found = {}
        for key in stale:
            version, theirs = rules[key[0]]
            found[key] = Month(Mark.of(version, openings[key]), theirs, queries.dates(key[1]), openings[key])
            self._kept.pop(key, None)
            if found[key].is_in_season:  # Nobody fills the memory by asking for the calendars of centuries.
                self._kept[key] = found[key]
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found


async def _children(session: AsyncSession, ids: Collection[str]) -> dict[str, KnownChild]:
    """Those that are known. A screen asks for their months and their activities, in one session: they are looked up once."""
    known: dict[str, KnownChild | None] = session.info.setdefault("children", {})
    if missing := set(ids) - known.keys():
        known |= dict.fromkeys(missing) | await queries.known_children(session, missing)
    return {id_: child for id_ in ids if (child := known[id_]) is not None}


def _by_activity(bookings: Iterable[Booked]) -> dict[str, list[Booked]]:
    found: dict[str, list[Booked]] = {}
    for row in bookings:
        found.setdefault(row.activity, []).append(row)
    return found
