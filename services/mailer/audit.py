"""The audit trail of the mailer (services/audit.py): what an act here is about. Who notes one has locked the structure.

An act has no words, and names ids alone: when a family is erased, nothing of it needs to be taken out.
"""

import datetime as dt
from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from services.audit import Trail
from services.mailer.tables import Act, Structure, core

__all__ = ["ActRow", "Done", "broken_seals", "lock_structure", "note", "page"]

TRAIL = Trail(core(Act))
note, page, broken_seals = TRAIL.note, TRAIL.page, TRAIL.broken_seals


@dataclass(frozen=True, slots=True)
class Done:
    """What an agent did; ids are the public ones."""

    kind: str  #: SEND_MAIL_AGAIN, GIVE_UP_MAIL or RETRY_DEAD_LETTER.
    mail: str | None = None
    family: str | None = None  #: The mail's.
    dead_letter: str | None = None


@dataclass(frozen=True, slots=True)
class ActRow:
    """One act, as it is read."""

    position: int
    account: str
    at: dt.datetime
    kind: str
    mail: str | None
    family: str | None
    dead_letter: str | None


async def lock_structure(session: AsyncSession, structure: str) -> None:
    """What every act of the structure locks, first of all."""
    await session.get(Structure, structure, with_for_update={"key_share": True}, populate_existing=True)
