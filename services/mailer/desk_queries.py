"""Mails as agents of a structure look at them: selects with a name, each along an index that mails in a rush do not pay for."""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Text, and_, case, cast, func, or_, select, text, tuple_
from sqlmodel.ext.asyncio.session import AsyncSession

from services.mailer.addresses import Adult
from services.mailer.queries import FAMILY, MAIL
from services.mailer.standing import Standing
from services.mailer.tables import IS_TROUBLED, MailKind, MailState

M, F = MAIL.c, FAMILY.c
#: As their indexes say it: SQLite takes a partial index for no less.
TROUBLED, WAITS, HAS_WORDS = text(IS_TROUBLED), text("state = 'QUEUED'"), text("state <> 'QUEUED' AND subject <> ''")
#: What went out is listed until what it said is forgotten.
FOUND = {
    Standing.WAITING: and_(WAITS, M.attempts == 0),
    Standing.FAILED: and_(WAITS, M.attempts > 0),
    Standing.GIVEN_UP: and_(TROUBLED, M.state == MailState.FAILED),
    Standing.NO_ADDRESS: and_(TROUBLED, M.state == MailState.UNADDRESSED),
    Standing.WITHDRAWN: and_(TROUBLED, M.state == MailState.WITHDRAWN),
    Standing.SENT: and_(HAS_WORDS, M.state == MailState.SENT),
}
STATES = {state: standing for standing, state in zip(list(Standing)[2:], ("FAILED", "UNADDRESSED", "WITHDRAWN", "SENT"), strict=True)}


class MailRow(NamedTuple):
    """One mail, without what it says."""

    id: str
    kind: MailKind
    structure: str
    family: str | None
    account: str | None
    own_address: bool
    to_address: str | None
    subject: str
    state: MailState
    attempts: int
    created_at: dt.datetime
    next_attempt_at: dt.datetime | None
    sent_at: dt.datetime | None
    last_error: str | None

    @property
    def standing(self) -> Standing:
        if self.state is MailState.QUEUED:
            return Standing.FAILED if self.attempts else Standing.WAITING
        return STATES[self.state]

    @property
    def place(self) -> tuple[dt.datetime, str]:
        return self.created_at, self.id


ROW = select(*(M[name] for name in MailRow._fields))


async def page(
    session: AsyncSession, structure: str, wanted: Iterable[Standing], after: tuple[dt.datetime, str] | None, limit: int
) -> list[MailRow]:
    """The newest first. `after`: the place of the last one seen."""
    found: list[MailRow] = []
    for standing in wanted:
        rows = ROW.where(M.structure == structure, FOUND[standing]).order_by(M.created_at.desc(), M.id.desc()).limit(limit)
        if after is not None:
            rows = rows.where(tuple_(M.created_at, M.id) < after)
        found += [MailRow(*row) for row in await (await session.connection()).execute(rows)]
    return sorted(found, key=lambda row: row.place, reverse=True)[:limit]


async def mail(session: AsyncSession, id: str) -> MailRow | None:
    row = (await (await session.connection()).execute(ROW.where(M.id == id))).first()
    return None if row is None else MailRow(*row)


async def counts(session: AsyncSession, structure: str) -> dict[Standing, int]:
    """Of those that did not go out: two statements."""
    tried = case((M.attempts > 0, 1), else_=0)
    connection = await session.connection()
    waiting = await connection.execute(select(tried, func.count()).where(M.structure == structure, WAITS).group_by(tried))
    troubled = await connection.execute(select(M.state, func.count()).where(M.structure == structure, TROUBLED).group_by(M.state))
    found = {(Standing.FAILED if is_tried else Standing.WAITING): many for is_tried, many in waiting}
    return found | {STATES[state]: many for state, many in troubled}


class Member(NamedTuple):
    """An adult in a family."""

    family: str
    adult: Adult


async def members(session: AsyncSession, structure: str, accounts: Collection[str]) -> dict[str, Member]:
    """By account, in one of its families, for those who stand in any. Looks through all families of the structure."""
    if not accounts:
        return {}
    adults = cast(F.adults, Text)
    named = [adults.contains(account, autoescape=True) for account in sorted(accounts)]
    rows: Sequence[Any] = (
        await (await session.connection()).execute(select(F.id, F.adults).where(F.structure == structure, or_(*named)).order_by(F.id))
    ).all()
    found = [Member(row.id, Adult(**fields)) for row in rows for fields in row.adults]
    return {member.adult.account: member for member in reversed(found) if member.adult.account in accounts}


async def adult_of(session: AsyncSession, structure: str, family: str | None, account: str) -> Adult | None:
    """As the structure knows them now: in that family, or, for a mail that is about none, in any."""
    if family is None:
        member = (await members(session, structure, [account])).get(account)
        return member and member.adult
    row = (await (await session.connection()).execute(select(F.adults).where(F.id == family, F.structure == structure))).first()
    adults = [Adult(**fields) for fields in row.adults] if row else []
    return next((adult for adult in adults if adult.account == account), None)
