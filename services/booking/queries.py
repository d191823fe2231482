"""Selects with a name. Each answers for many at once, so that a screen costs a handful of them. None ever writes."""

import calendar
import datetime as dt
import unicodedata
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, fields
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, bindparam, func, literal_column, or_, tuple_
from sqlalchemy import select as select_columns
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.activity import ActivitySpec, from_json
from services.booking.calendar import Places
from services.booking.lines import Enrolled
from services.booking.month import ANYBODY, OpeningNow
from services.booking.status import BookingStatus
from services.booking.tables import (
    Activity,
    Booking,
    CalendarFeed,
    Cancellation,
    ChildCopy,
    DayOff,
    Enrollment,
    FamilyCopy,
    Opening,
    Request,
    Standing,
    StructureCopy,
    core,
    run,
)
from services.bulk import one_of
from services.projection import LATER, Later

STANDING = (BookingStatus.SUBMITTED, BookingStatus.ACCEPTED, BookingStatus.WAITLISTED)


@dataclass(slots=True)
class Booked:
    """A booking as it is read: screens show them by the hundred, and the ORM's objects would cost ten times as much."""

    id: str
    number: str
    request: str | None
    line: int
    family: str
    child: str
    activity: str
    structure: str
    date: dt.date
    arrival: str
    departure: str
    status: BookingStatus
    code: str | None
    position: int
    requested_at: dt.datetime
    decided_at: dt.datetime | None


#: Select these, and `Booked(*row)`.
BOOKED = tuple(core(Booking).c[field.name] for field in fields(Booked))
B, C, E, A, O, R, X = (core(rows).c for rows in (Booking, ChildCopy, Enrollment, Activity, Opening, Request, Cancellation))  # noqa: E741 -- like the tables

# Built once: building one takes as long as running it.
OWNERS = select_columns(C.child, C.family, C.structure).where(one_of(C.child, "children"))
CHILDREN = (
    select_columns(C.child, C.family, C.structure, E.activity, E.starts_on, E.ends_on, A.name, A.version)
    .outerjoin_from(C.child.table, E.child.table, E.child == C.child)
    .outerjoin(A.id.table, A.id == E.activity)
    .where(one_of(C.child, "children"))
)
ENROLLMENTS = (
    select_columns(E.child, E.activity, E.starts_on, E.ends_on, A.name)
    .join_from(E.child.table, A.id.table, A.id == E.activity)
    .where(one_of(E.child, "children"))
)
OPENINGS = select_columns(O.activity, O.date, O.places, O.waiting_places, O.taken, O.waiting, O.revision, O.changed_at).where(
    one_of(O.activity, "activities"), O.date.between(bindparam("first"), bindparam("last"))
)
STANDING_ONES = (
    select_columns(*BOOKED)
    .where(one_of(B.child, "children"), B.date.between(bindparam("first"), bindparam("last")), B.status.in_(STANDING))
    .order_by(B.position.desc())
)
OF_REQUESTS = select_columns(*BOOKED).where(one_of(B.request, "requests"))
REQUESTS = select(Request).where(one_of(R.id, "requests"))
GIVEN_BACK = (
    select_columns(X.request, X.line, X.status, X.code, *BOOKED)
    .join_from(X.line.table, B.id.table, B.id == X.booking)
    .where(one_of(X.request, "requests"))
)
AHEAD = core(Booking).alias("ahead").c
# The status as a literal: with a parameter neither database would see that the index of the line-up is enough.
WAITS: ColumnElement[str] = literal_column("'WAITLISTED'")
HOW_MANY_AHEAD = (
    select_columns(func.count())
    .where(AHEAD.activity == B.activity, AHEAD.date == B.date, AHEAD.status == WAITS, AHEAD.position <= B.position)
    .correlate(core(Booking))
    .scalar_subquery()
)
RANKS = select_columns(B.id, HOW_MANY_AHEAD).where(one_of(B.id, "bookings"), B.status == WAITS)
STANDING_COUNTS = (
    select_columns(B.activity, B.date, func.count())
    .where(one_of(B.activity, "activities"), one_of(B.date, "dates"), B.status.in_(STANDING))
    .where(or_(B.status != BookingStatus.SUBMITTED, B.code.is_(None)))
    .group_by(B.activity, B.date)
)


# ------------------------------------------------------------------------------------------------------ whose is what
class Owned(NamedTuple):
    """Whose child it is."""

    child: str
    family: str
    structure: str


async def owners(session: AsyncSession, children: Collection[str]) -> dict[str, Owned]:
    """Child -> whose it is, for those that are known."""
    return {row.child: Owned(*row) for row in await run(session, OWNERS, {"children": sorted(children)})}


class KnownChild(NamedTuple):
    """Whose it is, and where it is enrolled."""

    owned: Owned
    enrolled: dict[str, Enrolled]  #: Activity -> period, the activities by name.
    versions: dict[str, int]  #: Of these activities' rules.


async def known_children(session: AsyncSession, ids: Collection[str]) -> dict[str, KnownChild]:
    """Those that are known."""
    found: dict[str, KnownChild] = {}
    places: list[tuple[Any, ...]] = []
    for child, family, structure, activity, starts_on, ends_on, name, version in await run(session, CHILDREN, {"children": sorted(ids)}):
        if child not in found:
            found[child] = KnownChild(Owned(child, family, structure), {}, {})
        if activity is not None:
            found[child].versions[activity] = version
            places.append((alphabetically(name), activity, child, starts_on, ends_on))
    for _, activity, child, starts_on, ends_on in sorted(places, key=itemgetter(0, 1)):
        bounded = starts_on is not None or ends_on is not None
        found[child].enrolled[activity] = Enrolled(starts_on, ends_on) if bounded else ANYBODY
    return found


async def structures_of(session: AsyncSession, families: Collection[str]) -> dict[str, str]:
    """Family -> its structure, for those that are known."""
    rows = await session.exec(select(FamilyCopy.family, FamilyCopy.structure).where(col(FamilyCopy.family).in_(families)))
    return dict(rows.all())


async def town_of(session: AsyncSession, family: str) -> StructureCopy | None:
    """None: nothing was heard of it, or of the family."""
    found = select(StructureCopy).join(FamilyCopy, col(FamilyCopy.structure) == StructureCopy.id)
    return (await session.exec(found.where(FamilyCopy.family == family))).one_or_none()


async def in_debit(session: AsyncSession, families: Collection[str]) -> frozenset[str]:
    """Those of the families that billing says are in debt (S21)."""
    rows = await session.exec(select(Standing.family).where(col(Standing.family).in_(families), col(Standing.in_debit)))
    return frozenset(rows.all())


# --------------------------------------------------------------------------------------------------------- activities
@lru_cache(maxsize=4096)
def alphabetically(name: str) -> tuple[str, str]:
    """What names are sorted by: as people do, "École" beside "ecole" and before "Zoo". Each database has its own idea of that."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))
    return plain.casefold(), name


async def settings(session: AsyncSession, ids: Collection[str]) -> dict[str, tuple[ActivitySpec, int]]:
    """Activity -> all that the town has set, with its version."""
    rows = await session.exec(select(Activity).where(col(Activity.id).in_(ids)))
    return {row.id: (from_json(dict(row.rules)), row.version) for row in rows.all()}


async def activities_of(session: AsyncSession, structure: str) -> list[str]:
    """By name."""
    rows = (await session.exec(select(Activity.id, Activity.name).where(Activity.structure == structure))).all()
    return [id_ for id_, name in sorted(rows, key=lambda row: (*alphabetically(row[1]), row[0]))]


async def days_off(session: AsyncSession, structure: str) -> dict[dt.date, str | None]:
    """When all of the structure is closed, and why."""
    rows = await session.exec(select(DayOff).where(DayOff.structure == structure).order_by(col(DayOff.date)))
    return {row.date: row.because for row in rows}


async def enrollments(session: AsyncSession, children: Collection[str]) -> dict[str, dict[str, Enrolled]]:
    """Child -> activity -> period, the activities by name."""
    rows = (await run(session, ENROLLMENTS, {"children": sorted(children)})).all()
    found: dict[str, dict[str, Enrolled]] = defaultdict(dict)
    for row in sorted(rows, key=lambda row: (*alphabetically(row.name), row.activity)):
        found[row.child][row.activity] = Enrolled(row.starts_on, row.ends_on)
    return found


class EnrolledRow(NamedTuple):
    """Who is admitted to an activity, and for how long."""

    family: str
    child: str
    structure: str
    starts_on: dt.date | None
    ends_on: dt.date | None


async def enrolled_in(
    session: AsyncSession, activity: str, since: dt.date | None, after: tuple[str, str] | None, limit: int
) -> list[EnrolledRow]:
    """By family and child. `since`: only those who are admitted on that day, or later; `after`: the last ones seen."""
    query = select_columns(E.family, E.child, E.structure, E.starts_on, E.ends_on).where(E.activity == activity)
    if since is not None:
        query = query.where(or_(E.ends_on.is_(None), E.ends_on >= since))
    if after is not None:
        query = query.where(tuple_(E.family, E.child) > tuple_(*after))
    return [EnrolledRow(*row) for row in await run(session, query.order_by(E.family, E.child).limit(limit))]


# ------------------------------------------------------------------------------------------------------------- months
Days = tuple[dt.date, dt.date]  #: The first and the last of a period.


def month_around(date: dt.date) -> Days:
    """The whole month of a date."""
    return date.replace(day=1), date.replace(day=calendar.monthrange(date.year, date.month)[1])


def dates(days: Days) -> list[dt.date]:
    """All of them."""
    first, last = days
    return [first + dt.timedelta(days=offset) for offset in range((last - first).days + 1)]


async def openings(session: AsyncSession, asked: Collection[tuple[str, Days]]) -> dict[tuple[str, Days], dict[dt.date, OpeningNow]]:
    """Of each activity in its period, those that were ever touched."""
    found: dict[tuple[str, Days], dict[dt.date, OpeningNow]] = {one: {} for one in asked}
    for days, activities in by_period(asked).items():
        for row in await run(session, OPENINGS, {"activities": sorted(activities), "first": days[0], "last": days[1]}):
            places = Places(row.places, row.waiting_places, row.taken, row.waiting)
            found[row.activity, days][row.date] = OpeningNow(places, row.revision, row.changed_at)
    return found


async def standing_bookings(
    session: AsyncSession, asked: Collection[tuple[str, Days]]
) -> dict[tuple[str, Days], dict[tuple[str, dt.date], Booked]]:
    """Of each child in its period: (activity, date) -> the booking that stands: accepted, waiting, or not answered yet."""
    found: dict[tuple[str, Days], dict[tuple[str, dt.date], Booked]] = {one: {} for one in asked}
    for days, children in by_period(asked).items():
        for values in await run(session, STANDING_ONES, {"children": sorted(children), "first": days[0], "last": days[1]}):
            row = Booked(*values)
            theirs, key = found[row.child, days], (row.activity, row.date)
            # What is not answered yet never hides an answer, and what will be refused anyway never shows.
            if row.status is not BookingStatus.SUBMITTED or (key not in theirs and row.code is None):
                theirs[key] = row
    return found


def by_period(asked: Collection[tuple[str, Days]]) -> dict[Days, list[str]]:
    """One select answers for all who ask about the same days."""
    periods: dict[Days, list[str]] = defaultdict(list)
    for one, days in asked:
        periods[days].append(one)
    return periods


async def _booked(session: AsyncSession, query: Select[Any], wanted: dict[str, Any] | None = None) -> list[Booked]:
    return [Booked(*row) for row in await run(session, query, wanted)]


async def standing_counts(session: AsyncSession, openings: Collection[tuple[str, dt.date]]) -> dict[tuple[str, dt.date], int]:
    """(activity, date) -> how many bookings stand there: accepted, waiting, or not answered yet, unless they will be refused anyway."""
    these = {"activities": sorted({activity for activity, _ in openings}), "dates": sorted({date for _, date in openings})}
    return {(activity, date): count for activity, date, count in await run(session, STANDING_COUNTS, these)}


async def ranks(session: AsyncSession, bookings: Collection[str]) -> dict[str, int]:
    """Booking -> its place in the waiting list, from 1, for those that wait."""
    return dict((await run(session, RANKS, {"bookings": list(bookings)})).all())


# ----------------------------------------------------------------------------------------------------------- follow-up
@dataclass(frozen=True, slots=True)
class Wanted:
    """Which bookings of a family (S35)."""

    family: str
    first_day: dt.date | None = None
    last_day: dt.date | None = None
    child: str | None = None
    activity: str | None = None
    statuses: frozenset[BookingStatus] | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        # A CANCEL line that named nothing keeps a row, for its request to show: it is nobody's booking.
        found: list[ColumnElement[bool]] = [
            col(Booking.family) == self.family,
            func.coalesce(Booking.code, "") != "UNKNOWN_BOOKING",
        ]
        if self.first_day is not None:
            found.append(col(Booking.date) >= self.first_day)
        if self.last_day is not None:
            found.append(col(Booking.date) <= self.last_day)
        if self.child is not None:
            found.append(col(Booking.child) == self.child)
        if self.activity is not None:
            found.append(col(Booking.activity) == self.activity)
        if self.statuses is not None:
            found.append(col(Booking.status).in_(self.statuses))
        return found


async def bookings_page(session: AsyncSession, wanted: Wanted, after: tuple[dt.date, int] | None, limit: int) -> list[Booked]:
    """By date, then in order of arrival. `after` is the (date, position) of the last one seen."""
    query = select_columns(*BOOKED).where(*wanted.conditions()).order_by(B.date, B.position).limit(limit)
    if after is not None:
        query = query.where(tuple_(B.date, B.position) > tuple_(*after))
    return await _booked(session, query)


async def bookings_count(session: AsyncSession, wanted: Wanted) -> int:
    return (await session.exec(select(func.count()).select_from(Booking).where(*wanted.conditions()))).one()


async def children_in(session: AsyncSession, wanted: Wanted) -> list[Owned]:
    """Those whose bookings these are."""
    return [
        Owned(*row) for row in await run(session, select_columns(B.child, B.family, B.structure).where(*wanted.conditions()).distinct())
    ]


async def bookings(session: AsyncSession, ids: Collection[str]) -> dict[str, Booked]:
    return {row.id: row for row in await _booked(session, select_columns(*BOOKED).where(B.id.in_(ids)))}


async def requests_page(session: AsyncSession, family: str, before: int | None, limit: int) -> list[Request]:
    """Newest first. `before` is the seq of the last one seen."""
    query = select(Request).where(Request.family == family).order_by(col(Request.seq).desc()).limit(limit)
    if before is not None:
        query = query.where(col(Request.seq) < before)
    return list((await session.exec(query)).all())


async def requests_count(session: AsyncSession, family: str) -> int:
    return (await session.exec(select(func.count()).select_from(Request).where(Request.family == family))).one()


async def requests(session: AsyncSession, ids: Collection[str]) -> dict[str, Request]:
    rows = await session.exec(REQUESTS, params={"requests": list(ids)})
    return {row.id: row for row in rows.all()}


@dataclass(slots=True)
class MovementRow:
    """One line of a request: a booking asked for, or one to be cancelled with the answer to that."""

    line: int
    cancels: bool
    booking: Booked
    code: str | None  #: Why it was refused, if it was.
    rank: int | Later | None = LATER  #: Of the booking, where that is known already.


async def movements(session: AsyncSession, ids: Collection[str]) -> dict[str, list[MovementRow]]:
    """Request -> its movements in the lines' order."""
    found: dict[str, dict[int, MovementRow]] = {id_: {} for id_ in ids}
    these = {"requests": list(ids)}
    for booking in await _booked(session, OF_REQUESTS, these):
        # A row with this code was made by a CANCEL line that named nothing.
        cancels = booking.code == "UNKNOWN_BOOKING"
        code = booking.code if booking.status is BookingStatus.REFUSED else None
        found[booking.request or ""][booking.line] = MovementRow(booking.line, cancels, booking, code)
    for request, line, status, code, *booked in await run(session, GIVEN_BACK, these):
        refused = code if status is BookingStatus.REFUSED else None
        found[request][line] = MovementRow(line, True, Booked(*booked), refused)
    return {id_: [lines[line] for line in sorted(lines)] for id_, lines in found.items()}


@dataclass(frozen=True, slots=True)
class Answer:
    """A request with all that is said about it."""

    request: Request
    movements: list[MovementRow]


async def answers(session: AsyncSession, ids: Collection[str]) -> dict[str, Answer]:
    found, lines = await requests(session, ids), await movements(session, ids)
    waiting = [row.booking.id for rows in lines.values() for row in rows if row.booking.status is BookingStatus.WAITLISTED]
    theirs = await ranks(session, waiting) if waiting else {}
    for rows in lines.values():
        for row in rows:
            row.rank = theirs.get(row.booking.id)
    return {id_: Answer(request, lines[id_]) for id_, request in found.items()}


# --------------------------------------------------------------------------------------------------------------- files
async def calendar_feeds(session: AsyncSession, children: Collection[str]) -> dict[str, CalendarFeed]:
    """Child -> its feed, for those that have one in the family that they belong to."""
    mine = (col(ChildCopy.child) == CalendarFeed.child) & (col(ChildCopy.family) == CalendarFeed.family)
    rows = await session.exec(select(CalendarFeed).join(ChildCopy, mine).where(col(CalendarFeed.child).in_(children)))
    return {row.child: row for row in rows.all()}


async def calendar_feed(session: AsyncSession, secret_hash: str) -> CalendarFeed | None:
    """The one that this secret opens."""
    child = select(CalendarFeed.child).where(CalendarFeed.secret_hash == secret_hash)
    found = (await session.exec(child)).one_or_none()
    feed = None if found is None else (await calendar_feeds(session, [found])).get(found)
    return feed if feed is not None and feed.secret_hash == secret_hash else None


async def versions(session: AsyncSession, bookings: Collection[str]) -> dict[str, int]:
    """Booking -> how often it changed, from 1."""
    rows = await session.exec(select(Booking.id, Booking.version).where(col(Booking.id).in_(bookings)))
    return dict(rows.all())
