"""The audit trail: who of the town hall did what, when, to whom and why. It only grows.

An act is written in the transaction of what it tells, so that neither exists without the other. The database refuses to change
or delete one, and each is sealed with the one before it: who takes a row out with the database's own tools breaks the chain, which
`preau check` sees. Each service keeps its own trail, with the columns that its acts need.

One thing alone can be done to an act: where its family is erased, the words go (`empty`). The seal stays, a second one takes its place
in the check, and the act that tells of the erasure has to follow.
"""

import datetime as dt
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from sqlalchemy import Table, bindparam, insert, null, or_, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from services.refusal import Refused

if TYPE_CHECKING:
    from _typeshed import DataclassInstance as Done

Row = TypeVar("Row", bound="Done")

FIRST_SEAL = ""  #: What the first act of a structure is sealed with.
REASON = range(3, 501)  #: Characters.
WORDS = ("reason", "before", "after")  #: What an act says of people. The rest is ids and days.
EMPTIED = "ERASE_FAMILY"  #: The kind of the act that follows those whose words were taken out.


def reason_of(words: str | None, *, needed: bool = True) -> str | None:
    """As it is kept. Raises Refused REASON_REQUIRED, where there must be one, or it is none."""
    said = (words or "").strip()
    if (said or needed) and (len(said) not in REASON or any(not letter.isprintable() for letter in said.replace("\n", ""))):
        raise Refused("REASON_REQUIRED")
    return said or None


def differences(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[tuple[str, str | None, str | None]]:
    """What changed, by name, as it was before and is after; texts as they are, everything else as JSON."""
    was, now = before or {}, after or {}
    names = [name for name in {**now, **was} if was.get(name) != now.get(name)]
    return [(name, _text(was.get(name)), _text(now.get(name))) for name in names]


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()


class Trail:
    """The acts of one service.

    Its table has position, structure, account, at, kind and seal, and a column for each field of what is noted: `before` and `after`,
    if it has them, hold what changed, as JSON has it. One whose words can be taken out has family and WORDS, and `emptied`.
    """

    def __init__(self, acts: Table) -> None:
        self._acts = acts
        self._sealed = [column.name for column in acts.columns if column.name not in ("position", "seal", "emptied")]
        columns = acts.c
        last = select(columns.seal).where(columns.structure == bindparam("structure"))
        self._last_seal = last.order_by(columns.position.desc()).limit(1)

    async def note(self, session: AsyncSession, now: dt.datetime, structure: str, account: str, *acts: "Done") -> None:
        """Write these acts of one agent. The caller has locked what every act of the structure locks: the seals are a chain."""
        await self.note_all(session, now, [(structure, account, act) for act in acts])

    async def note_all(self, session: AsyncSession, now: dt.datetime, acts: Collection[tuple[str, str, "Done"]]) -> None:
        """Acts of many agents, in their order, each with its structure and the agent's account. The caller has locked all of these."""
        seals = {structure: await self._last(session, structure) for structure in {structure for structure, _, _ in acts}}
        rows = []
        for structure, account, act in acts:
            row = {"structure": structure, "account": account, "at": now.astimezone(dt.UTC), **_plain(act)}
            seals[structure] = row["seal"] = self.seal(seals[structure], row)
            rows.append(row)
        if rows:
            await (await session.connection()).execute(insert(self._acts), rows)

    async def page(self, session: AsyncSession, row: type[Row], wanted: Mapping[str, Any], before: int | None, limit: int) -> list[Row]:
        """Acts, the newest first, as the fields of `row` name their columns.

        `wanted`: column -> its value; None: whatever. `before` is the position of the last one seen.
        """
        columns = self._acts.c
        named = [columns[name] == value for name, value in wanted.items() if value is not None]
        query = select(*(columns[field.name] for field in fields(row))).where(*named).order_by(columns.position.desc()).limit(limit)
        if before is not None:
            query = query.where(columns.position < before)
        return [row(*found) for found in await (await session.connection()).execute(query)]

    async def _last(self, session: AsyncSession, structure: str) -> str:
        found = await (await session.connection()).execute(self._last_seal, {"structure": structure})
        return found.scalar_one_or_none() or FIRST_SEAL

    def seal(self, before: str, row: Mapping[str, Any]) -> str:
        """Of an act as the table has it, whatever else is in the mapping."""
        told = {name: row[name] for name in self._sealed}
        return hashlib.sha256(before.encode() + orjson.dumps(told, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)).hexdigest()

    async def empty(self, session: AsyncSession, family: str) -> None:
        """Take the words out of what was ever done for this family. The caller notes EMPTIED in the same transaction."""
        acts, earlier = self._acts, self._acts.alias()
        before = select(earlier.c.seal).where(earlier.c.structure == acts.c.structure, earlier.c.position < acts.c.position)
        last = before.order_by(earlier.c.position.desc()).limit(1).scalar_subquery()
        speaking = acts.c.emptied.is_(None), or_(*(acts.c[name].is_not(None) for name in WORDS))
        connection = await session.connection()
        for row in (await connection.execute(select(acts, last.label("last")).where(acts.c.family == family, *speaking))).mappings().all():
            silent = {**row, **dict.fromkeys(WORDS)}
            without = update(acts).where(acts.c.position == row["position"]).values(**dict.fromkeys(WORDS, null()))
            await connection.execute(without.values(emptied=self._second_seal(row["last"] or FIRST_SEAL, silent)))

    def _second_seal(self, before: str, row: Mapping[str, Any]) -> str:
        """Of an act without its words: it holds the first one, whatever that was made of, where it is in the chain."""
        return self.seal(before + row["seal"], row)

    async def broken_seals(self, session: AsyncSession) -> list[str]:
        """One sentence for each act that does not follow from the one before it."""
        last: dict[str, str] = {}
        found = []
        untold: dict[tuple[str, str], int] = {}  # Whose words are gone: the first act, until an erasure is told.
        for act in (await (await session.connection()).execute(select(self._acts).order_by(self._acts.c.position))).mappings():
            row = dict(act)
            before, emptied = last.get(row["structure"], FIRST_SEAL), row.get("emptied")
            expected = self.seal(before, row) if emptied is None else self._second_seal(before, row)
            if expected != (emptied or row["seal"]):
                found.append(f"act {row['position']} of {row['structure']} was changed, or one before it is missing")
            if emptied is not None:
                untold.setdefault((row["structure"], row["family"]), row["position"])
            if row["kind"] == EMPTIED:
                untold.pop((row["structure"], row["family"]), None)
            last[row["structure"]] = row["seal"]
        return found + [f"act {position} of {structure} lost its words without an erasure" for (structure, _), position in untold.items()]


def _plain(act: "Done") -> dict[str, Any]:
    """As JSON gives it back: numbers as keys become texts, tuples lists."""
    told = asdict(act)
    for name in told.keys() & {"before", "after"}:
        told[name] = None if told[name] is None else orjson.loads(orjson.dumps(told[name], option=orjson.OPT_NON_STR_KEYS))
    return told
