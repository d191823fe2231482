"""The secret links to children's calendars: made, renewed and revoked by their families; and what they show."""

import datetime as dt
import hashlib
import secrets
from collections.abc import Mapping

from sqlmodel import col, delete
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking import queries
from services.booking.agenda import Agenda, Appointment
from services.booking.rulebook import RuleBook
from services.booking.status import BookingStatus
from services.booking.tables import CalendarFeed, core, run
from services.bulk import upsert

SECRET_BYTES = 24  #: 192 bits: nobody guesses one.
LONGEST_TITLE = 80
PAST = dt.timedelta(days=62)  #: What is longer ago is not shown any more.
FOR_EVER = dt.date(9999, 12, 31)  #: Bookings end with their season.


def hash_of(secret: str) -> str:
    """Plain SHA-256: a secret that nobody can guess needs no slow one. It is looked up by this, never compared letter by letter."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def renew(session: AsyncSession, now: dt.datetime, child: str, family: str, title: str | None, language: str) -> str:
    """The new secret, which is told this once. The one before it, if any, opens nothing any more."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    told = {"child": child, "family": family, "secret_hash": hash_of(secret), "title": title, "language": language, "created_at": now}
    await run(session, upsert(session, core(CalendarFeed), told))  # in one statement: two adults may do so at once
    return secret


async def revoke(session: AsyncSession, child: str, family: str) -> bool:
    """Whether there was one."""
    gone = delete(CalendarFeed).where(col(CalendarFeed.child) == child, col(CalendarFeed.family) == family)
    return (await run(session, gone)).rowcount > 0


async def opened(session: AsyncSession, book: RuleBook, secret: str, now: dt.datetime) -> Agenda | None:
    """What this secret shows, or None: it is none of ours, or not any more."""
    feed = await queries.calendar_feed(session, hash_of(secret))
    if feed is None:
        return None
    asked = feed.child, ((now - PAST).date(), FOR_EVER)
    found = await queries.standing_bookings(session, [asked])
    mine = {row.id: row for row in found[asked].values() if row.family == feed.family and row.code is None}
    rules = await book.of(session, {row.activity for row in mine.values()}) if mine else {}
    ranks, versions = await _ranks(session, mine), await queries.versions(session, mine)
    appointments = [
        Appointment(
            booking=row.id,
            structure=row.structure,
            activity=rules[row.activity].spec.name,
            timezone=rules[row.activity].spec.timezone,
            date=row.date,
            arrival=row.arrival,
            departure=row.departure,
            status=row.status,
            rank=ranks.get(row.id),
            number=row.number,
            changed_at=row.decided_at or row.requested_at,
            version=versions[row.id],
        )
        for row in mine.values()
    ]
    return Agenda(feed.title, feed.language, sorted(appointments, key=lambda one: (one.date, one.arrival, one.booking)))


async def _ranks(session: AsyncSession, bookings: Mapping[str, queries.Booked]) -> dict[str, int]:
    waiting = [id_ for id_, row in bookings.items() if row.status is BookingStatus.WAITLISTED]
    return await queries.ranks(session, waiting) if waiting else {}
