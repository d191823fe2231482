"""The audit trail of identity (services/audit.py): what an act here is about. Who notes one has locked the structure.

Nothing in the trail can be changed, and it speaks of names and birth dates, which must be erased one day. So what an act says is sealed
with a key of whom it is about (`subject_key`): erasing a family, or an account, destroys its key, and the trail still holds.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.audit import Trail, reason_of
from services.bulk import insert_unknown
from services.identity.sealing import new_key, seal, unseal
from services.identity.tables import Act, Structure, SubjectKey, core

__all__ = ["ActRow", "Done", "broken_seals", "forget", "lock_structure", "note", "page", "reason_of"]

TRAIL = Trail(core(Act))
broken_seals = TRAIL.broken_seals

K = core(SubjectKey).c


@dataclass(frozen=True, slots=True)
class Done:
    """What an agent did. `before` and `after` hold what changed, as JSON has it."""

    kind: str  #: UPPER_SNAKE, such as CHANGE_CHILD.
    family: str | None = None
    child: str | None = None
    adult: str | None = None  #: The account that it is about.
    announcement: str | None = None
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
    family: str | None
    child: str | None
    adult: str | None
    announcement: str | None
    changed: list[str]  #: Names of what changed.
    reason: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    erased: bool  #: Whom it is about was erased: what was said and changed cannot be read any more.


@dataclass(frozen=True, slots=True)
class _Written:
    """One act, as the table has it."""

    kind: str
    family: str | None
    child: str | None
    adult: str | None
    announcement: str | None
    changed: list[str]
    subject: str
    sealed: str


@dataclass(frozen=True, slots=True)
class _Row:
    position: int
    account: str
    at: dt.datetime
    kind: str
    family: str | None
    child: str | None
    adult: str | None
    announcement: str | None
    changed: list[str]
    subject: str
    sealed: str


async def lock_structure(session: AsyncSession, structure: str) -> Structure:
    """What every act of the structure locks, first of all. It is there."""
    return await session.get_one(Structure, structure, with_for_update={"key_share": True}, populate_existing=True)


async def note(session: AsyncSession, now: dt.datetime, structure: str, account: str, *acts: Done) -> None:
    """Write these acts of one agent, whose structure is locked."""
    subjects = [_subject(act, structure) for act in acts]
    keys = await _keys_for(session, subjects)
    written = [_written(act, subject, keys[subject]) for act, subject in zip(acts, subjects, strict=True)]
    await TRAIL.note(session, now, structure, account, *written)


def _subject(act: Done, structure: str) -> str:
    """By whose erasure it becomes unreadable: a family before an account before nobody."""
    return act.family or act.adult or structure


def _written(act: Done, subject: str, key: str) -> _Written:
    changed = list({**(act.before or {}), **(act.after or {})})
    sealed = seal({"reason": act.reason, "before": act.before, "after": act.after}, key)
    return _Written(act.kind, act.family, act.child, act.adult, act.announcement, changed, subject, sealed)


async def page(session: AsyncSession, wanted: Mapping[str, Any], before: int | None, limit: int) -> list[ActRow]:
    """Acts, the newest first. `wanted`: column -> its value; None: whatever. `before` is the position of the last one seen."""
    rows = await TRAIL.page(session, _Row, wanted, before, limit)
    keys = await _keys_of(session, {row.subject for row in rows})
    return [_opened(row, keys.get(row.subject)) for row in rows]


def _opened(row: _Row, key: str | None) -> ActRow:
    said = None if key is None else unseal(row.sealed, key)
    words = said or {"reason": None, "before": None, "after": None}
    about = row.family, row.child, row.adult, row.announcement
    return ActRow(row.position, row.account, row.at, row.kind, *about, row.changed, **words, erased=said is None)


async def forget(session: AsyncSession, subjects: Collection[str]) -> None:
    """What was ever said of these families and accounts cannot be read any more; that something was done remains."""
    await (await session.connection()).execute(delete(K.subject.table).where(K.subject.in_(subjects)))


async def _keys_for(session: AsyncSession, subjects: Collection[str]) -> dict[str, str]:
    """Those there are, and new ones. Two structures may need one for the same account at the same moment."""
    keys = await _keys_of(session, set(subjects))
    if new := sorted({*subjects} - keys.keys()):
        rows = [{"subject": subject, "key": new_key()} for subject in new]
        await (await session.connection()).execute(insert_unknown(session, K.subject.table, rows))
        keys |= await _keys_of(session, new)
    return keys


async def _keys_of(session: AsyncSession, subjects: Collection[str]) -> dict[str, str]:
    found = select(K.subject, K.key).where(K.subject.in_(sorted(subjects)))
    return {row.subject: row.key for row in await (await session.connection()).execute(found)}
