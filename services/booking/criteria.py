"""What a town says of its families, for rankings by points: it names criteria of its own, and tells which are true of whom.

One of them, whether a family lives in the town, makes prices too: billing is told.
"""

import datetime as dt
from collections.abc import Collection, Mapping

from sqlmodel import col, delete
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking import audit, run_queries
from services.booking.docket import take_turn
from services.booking.ranking import KNOWN_OF_FAMILIES, RESIDENT
from services.booking.tables import Criterion, FamilyCriterion, Residence
from services.events import ResidenceTold
from services.outbox import record
from services.refusal import Refused


async def put_criteria(session: AsyncSession, structure: str, criteria: Mapping[str, str]) -> None:
    """Name these (id -> name), besides those that every town has. The same ones again change nothing."""
    for id_, name in criteria.items():
        await session.merge(Criterion(structure=structure, id=id_, name=name))  # writes only what differs
    await session.flush()


async def put_family_criteria(session: AsyncSession, now: dt.datetime, structure: str, family: str, criteria: Collection[str]) -> bool:
    """These are true of the family, and no others. Returns whether that is news. Raises Refused UNKNOWN_CRITERION.

    The caller holds the turn of the structure.
    """
    known = {*KNOWN_OF_FAMILIES, *await run_queries.criteria(session, structure)}
    for criterion in criteria:
        if criterion not in known:
            raise Refused("UNKNOWN_CRITERION", criterion=criterion[:64])
    before = set((await run_queries.family_criteria(session, [family]))[family])
    gone, new = before - set(criteria), set(criteria) - before
    if gone:
        rows = col(FamilyCriterion.family) == family, col(FamilyCriterion.criterion).in_(gone)
        await session.exec(delete(FamilyCriterion).where(*rows))
    session.add_all(FamilyCriterion(family=family, criterion=criterion, structure=structure) for criterion in sorted(new))
    told = await _tell_residence(session, now, structure, family, resident=RESIDENT in criteria)
    await session.flush()
    return bool(gone or new or told)


async def _tell_residence(session: AsyncSession, now: dt.datetime, structure: str, family: str, *, resident: bool) -> bool:
    known = await session.get(Residence, family)
    if known is not None and known.resident == resident:
        return False
    version = 1 if known is None else known.version + 1
    loaded = None if known is None else known.loaded
    await session.merge(Residence(family=family, structure=structure, resident=resident, version=version, loaded=loaded))
    record(session, ResidenceTold(occurred_at=now, structure=structure, version=version, family=family, resident=resident))
    return True


async def set_family_criteria(
    session: AsyncSession, now: dt.datetime, structure: str, account: str, family: str, criteria: Collection[str]
) -> None:
    """The same, by an agent: it leaves a trace. Raises Refused UNKNOWN_CRITERION."""
    await take_turn(session, structure)
    before = (await run_queries.family_criteria(session, [family]))[family]
    if await put_family_criteria(session, now, structure, family, criteria):
        act = audit.Done(
            "SET_FAMILY_CRITERIA", family=family, before={"criteria": sorted(before)}, after={"criteria": sorted(set(criteria))}
        )
        await audit.note(session, now, structure, account, act)
