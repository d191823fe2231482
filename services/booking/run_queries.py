"""Selects about scheduled runs and what counts in them. None ever writes."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Sequence

from sqlalchemy import func, literal_column
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.ranking import REFUSED_LAST_TIME, SIBLING_IN
from services.booking.status import BookingStatus
from services.booking.tables import Activity, AllocationDecision, AllocationRun, Booking, Criterion, FamilyCriterion, core
from services.bulk import one_of


# --------------------------------------------------------------------------------------------------------------- the runs
async def next_runs(session: AsyncSession, activities: Collection[str]) -> dict[str, AllocationRun]:
    """Activity -> the run that comes next."""
    query = select(AllocationRun).where(col(AllocationRun.activity).in_(activities), col(AllocationRun.ran_at).is_(None))
    return {row.activity: row for row in await session.exec(query)}


async def last_runs(session: AsyncSession, activities: Collection[str], most: int) -> dict[str, list[AllocationRun]]:
    """Activity -> so many of its runs at most, newest first."""
    newest = func.row_number().over(partition_by=col(AllocationRun.activity), order_by=col(AllocationRun.number).desc())
    ran = select(AllocationRun.id, newest.label("place")).where(
        col(AllocationRun.activity).in_(activities), col(AllocationRun.ran_at).is_not(None)
    )
    places = ran.subquery()
    query = select(AllocationRun).join(places, places.c.id == AllocationRun.id).where(places.c.place <= most)
    found: dict[str, list[AllocationRun]] = {activity: [] for activity in activities}
    for row in await session.exec(query.order_by(col(AllocationRun.number).desc())):
        found[row.activity].append(row)
    return found


async def runs(session: AsyncSession, ids: Collection[str]) -> dict[str, AllocationRun]:
    return {row.id: row for row in await session.exec(select(AllocationRun).where(col(AllocationRun.id).in_(ids)))}


async def run_asked(session: AsyncSession, activity: str, account: str, key: str | None) -> AllocationRun | None:
    """The run of the activity that the agent has asked for by this key. None: by none, or none was held."""
    if key is None:
        return None
    by_key = AllocationRun.account == account, AllocationRun.idempotency_key == key
    return (await session.exec(select(AllocationRun).where(AllocationRun.activity == activity, *by_key))).one_or_none()


async def scheduled(session: AsyncSession) -> list[str]:
    """The activities whose requests wait for runs."""
    return list((await session.exec(select(Activity.id).where(Activity.scheduled).order_by(Activity.id))).all())


# ---------------------------------------------------------------------------------------------------------- the decisions
async def decisions(session: AsyncSession, bookings: Collection[str]) -> dict[str, AllocationDecision]:
    """Of those bookings that a run decided."""
    query = select(AllocationDecision).where(col(AllocationDecision.booking).in_(bookings))
    return {row.booking: row for row in await session.exec(query)}


async def decisions_of(session: AsyncSession, run: str, after: int = 0, most: int | None = None) -> Sequence[AllocationDecision]:
    """In the order in which the run served them."""
    query = select(AllocationDecision).where(AllocationDecision.run == run, AllocationDecision.place_order > after)
    return (await session.exec(query.order_by(col(AllocationDecision.place_order)).limit(most))).all()


# --------------------------------------------------------------------------------------------------- what counts by points
async def criteria(session: AsyncSession, structure: str) -> dict[str, str]:
    """Those that the town names itself: id -> name."""
    rows = await session.exec(select(Criterion.id, Criterion.name).where(Criterion.structure == structure).order_by(Criterion.id))
    return dict(rows.all())


async def family_criteria(session: AsyncSession, families: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Family -> what the town says is true of it, by id."""
    found: dict[str, list[str]] = defaultdict(list)
    query = select(FamilyCriterion.family, FamilyCriterion.criterion).where(one_of(core(FamilyCriterion).c.family, "families"))
    for family, criterion in await session.exec(query.order_by(FamilyCriterion.criterion), params={"families": families}):
        found[family].append(criterion)
    return {family: tuple(found[family]) for family in families}


async def seen_of(session: AsyncSession, activity: str, children: dict[str, str], today: dt.date) -> dict[str, tuple[str, ...]]:
    """Child -> what its bookings say of it. `children` names the family of each; `today` is where the activity is."""
    placed = await _placed(session, activity, today)
    refused = await _refused_last_time(session, activity)
    return {
        child: (
            *((SIBLING_IN,) if placed.get(family, set()) - {child} else ()),
            *((REFUSED_LAST_TIME,) if child in refused else ()),
        )
        for child, family in children.items()
    }


async def _placed(session: AsyncSession, activity: str, today: dt.date) -> dict[str, set[str]]:
    """Family -> its children with a place in the activity, today or later."""
    # The status as a literal: only then can the index of what is held be used.
    is_accepted = col(Booking.status) == literal_column("'ACCEPTED'")
    query = select(Booking.family, Booking.child).where(Booking.activity == activity, Booking.date >= today, is_accepted).distinct()
    found: dict[str, set[str]] = defaultdict(set)
    for family, child in await session.exec(query):
        found[family].add(child)
    return found


async def _refused_last_time(session: AsyncSession, activity: str) -> set[str]:
    """The children who were ranked in the activity's last run and have nothing of it: neither then nor since."""
    last = (await last_runs(session, [activity], 1))[activity]
    if not last:
        return set()
    query = select(AllocationDecision.child, AllocationDecision.outcome, Booking.status).join(
        Booking, col(Booking.id) == col(AllocationDecision.booking)
    )
    rows = (await session.exec(query.where(AllocationDecision.run == last[0].id, col(AllocationDecision.rank).is_not(None)))).all()
    has_got = {child for child, outcome, status in rows if BookingStatus.ACCEPTED in (outcome, status)}
    return {child for child, _, _ in rows} - has_got
