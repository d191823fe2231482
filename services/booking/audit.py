"""The audit trail: who of the town hall did what, when, to whom and why. It only grows.

An act is written in the transaction of what it tells, so that neither exists without the other. The database refuses to change
or delete one, and each is sealed with the one before it: who takes a row out with the database's own tools breaks the chain, which
`preau check` sees.
"""

import datetime as dt
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from sqlalchemy import bindparam, insert, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.tables import Act, core, run
from services.bulk import one_of
from services.refusal import Refused

ACT = core(Act)
A = ACT.c
LAST_SEAL = select(A.seal).where(A.structure == bindparam("structure")).order_by(A.position.desc()).limit(1)
NOTED = select(A.booking).where(A.kind == bindparam("kind"), one_of(A.booking, "bookings"))
FIRST_SEAL = ""  #: What the first act of a structure is sealed with.
REASON = range(3, 501)  #: Characters.


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


def reason_of(words: str | None, *, needed: bool = True) -> str | None:
    """As it is kept. Raises Refused REASON_REQUIRED, where there must be one, or it is none."""
    said = (words or "").strip()
    if (said or needed) and (len(said) not in REASON or any(not letter.isprintable() for letter in said.replace("\n", ""))):
        raise Refused("REASON_REQUIRED")
    return said or None


async def note(session: AsyncSession, now: dt.datetime, structure: str, account: str, *acts: Done) -> None:
    """Write these acts of one agent. The caller holds the turn of the structure (docket.take_turn): the seals are a chain."""
    await note_all(session, now, [(structure, account, act) for act in acts])


async def note_all(session: AsyncSession, now: dt.datetime, acts: Collection[tuple[str, str, Done]]) -> None:
    """Acts of many agents, in their order, each with its structure and the agent's account. The caller holds the structures' turns."""
    seals = {structure: await _last_seal(session, structure) for structure in {structure for structure, _, _ in acts}}
    rows = []
    for structure, account, act in acts:
        row = {"structure": structure, "account": account, "at": now.astimezone(dt.UTC), **_plain(act)}
        seals[structure] = row["seal"] = seal(seals[structure], row)
        rows.append(row)
    if rows:
        await run(session, insert(ACT), rows)


async def _last_seal(session: AsyncSession, structure: str) -> str:
    return (await run(session, LAST_SEAL, {"structure": structure})).scalar_one_or_none() or FIRST_SEAL


async def noted(session: AsyncSession, kind: str, bookings: Collection[str]) -> set[str]:
    """Those of the bookings about which an act of this kind was written already."""
    return set((await run(session, NOTED, {"kind": kind, "bookings": sorted(bookings)})).scalars())


def seal(before: str, row: Mapping[str, Any]) -> str:
    """Of an act as the table has it, whatever else is in the mapping."""
    told = {column.name: row[column.name] for column in ACT.columns if column.name not in ("position", "seal")}
    return hashlib.sha256(before.encode() + orjson.dumps(told, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)).hexdigest()


async def broken_seals(session: AsyncSession) -> list[str]:
    """One sentence for each act that does not follow from the one before it."""
    last: dict[str, str] = {}
    found = []
    for row in (await run(session, select(ACT).order_by(A.position))).mappings():
        if seal(last.get(row["structure"], FIRST_SEAL), dict(row)) != row["seal"]:
            found.append(f"act {row['position']} of {row['structure']} was changed, or one before it is missing")
        last[row["structure"]] = row["seal"]
    return found


def _plain(act: Done) -> dict[str, Any]:
    """As JSON gives it back: numbers as keys become texts, tuples lists."""
    told = asdict(act)
    for name in ("before", "after"):
        told[name] = None if told[name] is None else orjson.loads(orjson.dumps(told[name], option=orjson.OPT_NON_STR_KEYS))
    return told
