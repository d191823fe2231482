"""Selects with a name. Each answers for many at once, so that a screen costs a handful of them. None ever writes."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, literal_column, tuple_
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.calendar import Places
from services.booking.lines import Enrolled
from services.booking.status import BookingStatus
from services.booking.tables import Activity, Booking, Cancellation, ChildCopy, Enrollment, FamilyCopy, Opening, Request, Standing

STANDING = (BookingStatus.SUBMITTED, BookingStatus.ACCEPTED, BookingStatus.WAITLISTED)


# ------------------------------------------------------------------------------------------------------ whose is what
async def owners(session: AsyncSession, children: Collection[str]) -> dict[str, ChildCopy]:
    """Child -> whose it is, for those that are known."""
    rows = await session.exec(select(ChildCopy).where(col(ChildCopy.child).in_(children)))
    return {row.child: row for row in rows.all()}


async def structures_of(session: AsyncSession, families: Collection[str]) -> dict[str, str]:
    """Family -> its structure, for those that are known."""
    rows = await session.exec(select(FamilyCopy.family, FamilyCopy.structure).where(col(FamilyCopy.family).in_(families)))
    return dict(rows.all())


async def in_debit(session: AsyncSession, families: Collection[str]) -> frozenset[str]:
    """Those of the families that billing says are in debt (S21)."""
    rows = await session.exec(select(Standing.family).where(col(Standing.family).in_(families), col(Standing.in_debit)))
    return frozenset(rows.all())


# --------------------------------------------------------------------------------------------------------- activities
async def enrollments(session: AsyncSession, children: Collection[str]) -> dict[str, dict[str, Enrolled]]:
    """Child -> activity -> period, the activities by name."""
    rows = await session.exec(
        select(Enrollment)
        .join(Activity, col(Activity.id) == Enrollment.activity)
        .where(col(Enrollment.child).in_(children))
        .order_by(Activity.name, Activity.id)
    )
    found: dict[str, dict[str, Enrolled]] = defaultdict(dict)
    for row in rows.all():
        found[row.child][row.activity] = Enrolled(row.starts_on, row.ends_on)
    return found


# ------------------------------------------------------------------------------------------------------------- months
@dataclass(frozen=True, slots=True)
class OpeningNow:
    """How full an opening is, by its row. An opening without a row was never touched: all its places are left."""

    places: Places
    revision: int
    changed_at: dt.datetime


async def openings(
    session: AsyncSession, activities: Collection[str], first: dt.date, last: dt.date
) -> dict[tuple[str, dt.date], OpeningNow]:
    """Those that were ever touched, from `first` to `last`."""
    rows = await session.exec(select(Opening).where(col(Opening.activity).in_(activities), col(Opening.date).between(first, last)))
    return {
        (row.activity, row.date): OpeningNow(Places(row.places, row.waiting_places, row.taken, row.waiting), row.revision, row.changed_at)
        for row in rows.all()
    }


async def standing_bookings(
    session: AsyncSession, children: Collection[str], first: dt.date, last: dt.date
) -> dict[tuple[str, str, dt.date], Booking]:
    """(child, activity, date) -> the booking that stands: accepted, waiting, or not answered yet."""
    rows = await session.exec(
        select(Booking)
        .where(col(Booking.child).in_(children), col(Booking.date).between(first, last), col(Booking.status).in_(STANDING))
        .order_by(col(Booking.position).desc())
    )
    found: dict[tuple[str, str, dt.date], Booking] = {}
    for row in rows.all():
        key = (row.child, row.activity, row.date)
        # What is not answered yet never hides an answer, and what will be refused anyway never shows.
        if row.status is not BookingStatus.SUBMITTED or (key not in found and row.code is None):
            found[key] = row
    return found


async def ranks(session: AsyncSession, bookings: Collection[str]) -> dict[str, int]:
    """Booking -> its place in the waiting list, from 1, for those that wait."""
    ahead = aliased(Booking)
    # The status as a literal: with a parameter neither database would see that the index of the line-up is enough.
    waits: ColumnElement[str] = literal_column("'WAITLISTED'")
    count = (
        select(func.count())
        .where(col(ahead.activity) == Booking.activity, col(ahead.date) == Booking.date)
        .where(col(ahead.status) == waits, col(ahead.position) <= col(Booking.position))
        .correlate(Booking)
        .scalar_subquery()
    )
    rows = await session.exec(select(Booking.id, count).where(col(Booking.id).in_(bookings), col(Booking.status) == waits))
    return dict(rows.all())


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


async def bookings_page(session: AsyncSession, wanted: Wanted, after: tuple[dt.date, int] | None, limit: int) -> list[Booking]:
    """By date, then in order of arrival. `after` is the (date, position) of the last one seen."""
    query = select(Booking).where(*wanted.conditions()).order_by(col(Booking.date), col(Booking.position)).limit(limit)
    if after is not None:
        query = query.where(tuple_(col(Booking.date), col(Booking.position)) > tuple_(*after))
    return list((await session.exec(query)).all())


async def bookings_count(session: AsyncSession, wanted: Wanted) -> int:
    return (await session.exec(select(func.count()).select_from(Booking).where(*wanted.conditions()))).one()


async def bookings(session: AsyncSession, ids: Collection[str]) -> dict[str, Booking]:
    rows = await session.exec(select(Booking).where(col(Booking.id).in_(ids)))
    return {row.id: row for row in rows.all()}


async def requests_page(session: AsyncSession, family: str, before: int | None, limit: int) -> list[Request]:
    """Newest first. `before` is the seq of the last one seen."""
    query = select(Request).where(Request.family == family).order_by(col(Request.seq).desc()).limit(limit)
    if before is not None:
        query = query.where(col(Request.seq) < before)
    return list((await session.exec(query)).all())


async def requests_count(session: AsyncSession, family: str) -> int:
    return (await session.exec(select(func.count()).select_from(Request).where(Request.family == family))).one()


async def requests(session: AsyncSession, ids: Collection[str]) -> dict[str, Request]:
    rows = await session.exec(select(Request).where(col(Request.id).in_(ids)))
    return {row.id: row for row in rows.all()}


@dataclass(frozen=True, slots=True)
class MovementRow:
    """One line of a request: a booking asked for, or one to be cancelled with the answer to that."""

    line: int
    cancels: bool
    booking: Booking
    code: str | None  #: Why it was refused, if it was.


async def movements(session: AsyncSession, ids: Collection[str]) -> dict[str, list[MovementRow]]:
    """Request -> its movements in the lines' order."""
    found: dict[str, list[MovementRow]] = {id_: [] for id_ in ids}
    for booking in (await session.exec(select(Booking).where(col(Booking.request).in_(ids)))).all():
        assert booking.request is not None
        unknown = booking.code == "UNKNOWN_BOOKING"
        code = booking.code if booking.status is BookingStatus.REFUSED else None
        found[booking.request].append(MovementRow(booking.line, unknown, booking, code))
    pairs = await session.exec(
        select(Cancellation, Booking).join(Booking, col(Booking.id) == Cancellation.booking).where(col(Cancellation.request).in_(ids))
    )
    for cancellation, booking in pairs.all():
        code = cancellation.code if cancellation.status is BookingStatus.REFUSED else None
        found[cancellation.request].append(MovementRow(cancellation.line, True, booking, code))
    return {id_: _one_per_line(rows) for id_, rows in found.items()}


def _one_per_line(rows: Iterable[MovementRow]) -> list[MovementRow]:
    by_line: dict[int, MovementRow] = {}
    for row in rows:
        if row.line not in by_line or row.code != "UNKNOWN_BOOKING":
            by_line[row.line] = row
    return [by_line[line] for line in sorted(by_line)]
