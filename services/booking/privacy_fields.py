"""Families of whom nothing was heard for years, for administrators: identity erases those that they choose."""

import datetime as dt

import strawberry
from sqlalchemy import and_, exists, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession
from strawberry import ID

from services.booking.follow_up import Family
from services.booking.tables import Activity, Booking, ChildCopy, Enrollment, FamilyCopy, Presence, StructureCopy, core, run
from services.booking.texts import malformed
from services.booking.viewing import LOG
from services.graphql import Info
from services.refusal import Forbidden
from services.retention import PERIODS, length_of
from services.viewing import Whose

YEARS = PERIODS["families_years"]
MOST = 500  #: Families in one answer.

A, B, C, E, F, P = (core(rows).c for rows in (Activity, Booking, ChildCopy, Enrollment, FamilyCopy, Presence))


@strawberry.type
class PrivacyQueries:
    @strawberry.field
    async def families_to_erase(self, info: Info, structure: ID, years: int | None = None, after_family: ID | None = None) -> list[Family]:
        """Of whom for so many years no day was booked, attended or admitted to, for the structure's administrators: the first 500, by id.

        `years`: left out, what the town's file says, or 3.
        None is erased by itself: what is owed, or left in a wallet, `eraseFamily` says. Who never booked anything is not among them.
        `afterFamily`: the last one seen.
        """
        if structure not in info.context.signed_in().admin_of:
            raise Forbidden
        if years is not None and not YEARS.least <= years <= YEARS.most:
            raise malformed("YEARS_NOT_POSSIBLE", info.context.language, least=YEARS.least, most=YEARS.most)
        async with info.context.database.reading() as session:
            town = await session.get(StructureCopy, str(structure))
            since = years or length_of("families_years", town.retention if town else None)
            today = info.context.clock.today(town.timezone if town else "Europe/Paris")
            found = await dormant(session, str(structure), years_before(today, since), str(after_family or ""))
        LOG.saw(info.context.running, info.context.signed_in(), "BOOKINGS", (Whose(str(structure), family) for family in found))
        return [Family(id=ID(family)) for family in found]


def years_before(day: dt.date, years: int) -> dt.date:
    """The same day then; of 29 February, the day after it."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return dt.date(day.year - years, 3, 1)


async def dormant(session: AsyncSession, structure: str, since: dt.date, after: str = "") -> list[str]:
    """Families with children that were active once, and not since that day. Those that are erased have no children any more.

    Who is admitted without an end is so for as long as the activity's season lasts.
    """
    runs = exists().where(A.id == E.activity, A.rules["closes_on"].as_string() >= since.isoformat())
    admitted = or_(E.ends_on >= since, and_(E.ends_on.is_(None), runs))
    active = (
        exists().where(B.family == F.family, B.date >= since),
        exists().where(P.family == F.family, P.date >= since),
        exists().where(E.family == F.family, admitted),
    )
    once = exists().where(B.family == F.family) | exists().where(E.family == F.family)
    found = select(F.family).where(F.structure == structure, exists().where(C.family == F.family), once, ~or_(*active))
    return list((await run(session, found.where(F.family > after).order_by(F.family).limit(MOST))).scalars())
