"""The sheet of one activity on one day ("feuille de pointage"): who comes, who waits, what was recorded. Read in five selects."""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import RowMapping, literal_column, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.attendance import Attendance, Came, Expected, Record
from services.booking.calendar import Places
from services.booking.lines import Enrolled, Rules
from services.booking.queries import BOOKED, Booked
from services.booking.status import BookingStatus
from services.booking.tables import Booking, Enrollment, Opening, Presence, core, run

OPENING, PRESENCE = core(Opening), core(Presence)
B, E, O, P = core(Booking).c, core(Enrollment).c, OPENING.c, PRESENCE.c  # noqa: E741 -- B, E, O and P, like the tables
#: As literals: only then can the partial index be used.
LIVE = B.status.in_([literal_column("'ACCEPTED'"), literal_column("'WAITLISTED'")])


@dataclass(frozen=True, slots=True)
class Noted:
    """What the table has of one child."""

    child: str
    family: str
    booking: str | None
    attendance: Attendance
    arrival: str | None
    departure: str | None
    note: str | None
    recorded_by: str | None
    recorded_at: dt.datetime

    @property
    def record(self) -> Record:
        return Record(self.attendance, self.arrival, self.departure, self.note)


NOTED = tuple(P[field.name] for field in fields(Noted))


@dataclass(frozen=True, slots=True)
class Sheet:
    rules: Rules
    date: dt.date
    opening: RowMapping | None  #: None: nobody ever booked.
    accepted: list[Booked]  #: In order of arrival.
    waiting: list[Booked]
    noted: dict[str, Noted]  #: By child.
    enrolled: Mapping[str, Enrolled]  #: Child -> period, of all these children.

    @property
    def closed_at(self) -> dt.datetime | None:
        return None if self.opening is None else self.opening["closed_at"]

    @property
    def closings(self) -> int:
        return 0 if self.opening is None else self.opening["closings"]

    @property
    def places(self) -> Places:
        here = self.opening
        if here is None:
            return Places(*self.rules.spec.offer(self.date))
        return Places(here["places"], here["waiting_places"], here["taken"], here["waiting"])

    @property
    def expected(self) -> list[Expected]:
        return [Expected(row.id, row.child, row.family, row.arrival, row.departure) for row in self.accepted]

    @property
    def came(self) -> dict[str, Came]:
        """What agents recorded."""
        return {child: Came(child, row.family, row.record) for child, row in self.noted.items()}

    def is_enrolled(self, child: str) -> bool:
        period = self.enrolled.get(child)
        return period is not None and period.on(self.date)


async def sheet(session: AsyncSession, rules: Rules, date: dt.date) -> Sheet:
    activity = rules.spec.id
    opening = (await run(session, select(OPENING).where(O.activity == activity, O.date == date))).mappings().one_or_none()
    live = await _booked(session, LIVE, B.activity == activity, B.date == date)
    rows = await run(session, select(*NOTED).where(P.activity == activity, P.date == date))
    noted = {row.child: Noted(*row) for row in rows}
    return Sheet(
        rules,
        date,
        opening,
        [row for row in live if row.status is BookingStatus.ACCEPTED],
        [row for row in live if row.status is BookingStatus.WAITLISTED],
        noted,
        await enrolled(session, activity, {*noted, *(row.child for row in live)}),
    )


async def enrolled(session: AsyncSession, activity: str, children: Collection[str]) -> dict[str, Enrolled]:
    """Child -> period, for those of the children that are."""
    query = select(E.child, E.starts_on, E.ends_on).where(E.activity == activity, E.child.in_(sorted(children)))
    return {child: Enrolled(start, end) for child, start, end in await run(session, query)}


async def bookings_of(session: AsyncSession, activity: str, date: dt.date, ids: Collection[str]) -> dict[str, Booked]:
    """Those of the ids that are bookings of this day, whatever became of them."""
    return {row.id: row for row in await _booked(session, B.id.in_(sorted(ids)), B.activity == activity, B.date == date)}


async def _booked(session: AsyncSession, *where: Any) -> list[Booked]:
    return [Booked(*row) for row in await run(session, select(*BOOKED).where(*where).order_by(B.position))]
