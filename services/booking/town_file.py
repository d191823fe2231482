"""What a town's file says of activities, enrollments and criteria, where it says otherwise than last time, and nowhere else.

Each runs in its caller's transaction, which holds the turn of the structure.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking import run_queries
from services.booking.activity import ActivitySpec, from_json, to_json
from services.booking.commands import put_enrollment
from services.booking.criteria import put_family_criteria
from services.booking.soundness import flaw
from services.booking.tables import Activity, Enrollment, Residence
from services.clock import Clock
from services.file_words import Words, members, renewed

#: Rules of single days: what an agent did with one stands, whatever the file says anew of another.
BY_DAY = frozenset({"closed_on", "closed_because", "open_on", "capacity_on", "waiting_list_on"})


def _said(spec: ActivitySpec) -> Words:
    """Days off are the structure's."""
    return {name: value for name, value in to_json(spec).items() if name != "days_off"}


async def activities(session: AsyncSession, specs: Iterable[ActivitySpec]) -> list[ActivitySpec]:
    """As they are to be: as they are, but for what the file says otherwise than last time.

    One that could not be so, for agents changed what does not fit to what is new, is to be as the file says.
    """
    wanted = {spec.id: spec for spec in specs}
    rows = {row.id: row for row in (await session.exec(select(Activity).where(col(Activity.id).in_(wanted)))).all()}
    return [_activity(spec, rows.get(spec.id)) for spec in wanted.values()]


def _activity(spec: ActivitySpec, row: Activity | None) -> ActivitySpec:
    if row is None or row.structure != spec.structure:
        return spec
    there = {name: value for name, value in row.rules.items() if name != "days_off"}
    found = replace(from_json(renewed(_said(spec), row.loaded, there, BY_DAY)), days_off=spec.days_off)
    return found if flaw(found, spec) is None else spec


async def note_activities(session: AsyncSession, specs: Iterable[ActivitySpec]) -> None:
    """What the file said of them, once they are put in."""
    wanted = {spec.id: _said(spec) for spec in specs}
    for row in (await session.exec(select(Activity).where(col(Activity.id).in_(wanted)))).all():
        if row.loaded != wanted[row.id]:
            row.loaded = wanted[row.id]
            session.add(row)


async def enroll(
    session: AsyncSession,
    clock: Clock,
    child: str,
    family: str,
    structure: str,
    activity: str,
    since: dt.date | None,
    until: dt.date | None,
) -> None:
    """Raises CodedError UNKNOWN_ACTIVITY."""
    said = {"from": since and since.isoformat(), "until": until and until.isoformat()}
    row = await session.get(Enrollment, (child, activity))
    if row is not None and row.loaded == said:
        since, until = row.starts_on, row.ends_on
    await put_enrollment(session, clock, child, family, structure, activity, since, until)
    row = await session.get_one(Enrollment, (child, activity))
    if row.loaded != said:
        row.loaded = said
        session.add(row)


async def tell_criteria(session: AsyncSession, now: dt.datetime, structure: str, family: str, criteria: Collection[str]) -> None:
    """Raises Refused UNKNOWN_CRITERION."""
    said = sorted(criteria)
    row = await session.get(Residence, family)
    before: Sequence[str] | None = None if row is None else row.loaded
    if said == before:
        return
    there = (await run_queries.family_criteria(session, [family]))[family]
    await put_family_criteria(session, now, structure, family, members(said, before, sorted(there)))
    row = await session.get_one(Residence, family)
    row.loaded = said
    session.add(row)
