"""The audit trail of booking (services/audit.py): what an act here is about. Who notes one holds the turn of its structure."""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.audit import EMPTIED, Trail, reason_of
from services.booking.tables import Act, core, run
from services.bulk import one_of

__all__ = ["EMPTIED", "ActRow", "Done", "broken_seals", "empty", "note", "note_all", "noted", "page", "reason_of"]

A = core(Act).c
NOTED = select(A.booking).where(A.kind == bindparam("kind"), one_of(A.booking, "bookings"))

TRAIL = Trail(core(Act))
note, note_all, page, empty, broken_seals = TRAIL.note, TRAIL.note_all, TRAIL.page, TRAIL.empty, TRAIL.broken_seals


@dataclass(frozen=True, slots=True)
class Done:
    """What an agent did. `before` and `after` hold what changed, as JSON has it; ids are the public ones."""

    kind: str  #: UPPER_SNAKE, such as CHANGE_ACTIVITY.
    activity: str | None = None
    date: dt.date | None = None
    family: str | None = None
    child: str | None = None
    booking: str | None = None
    reason: str | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ActRow:
    """One act, as it is read."""

    position: int
    account: str
    at: dt.datetime
    kind: str
    activity: str | None
    date: dt.date | None
    family: str | None
    child: str | None
    booking: str | None
    reason: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


async def noted(session: AsyncSession, kind: str, bookings: Collection[str]) -> set[str]:
    """Those of the bookings about which an act of this kind was written already."""
    return set((await run(session, NOTED, {"kind": kind, "bookings": sorted(bookings)})).scalars())
