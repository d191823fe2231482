"""Accounts that stand in no family and no office: closed by their owner, or by time. Each runs in its caller's transaction.

Nothing else needs them, so nothing of them is kept (RGPD, art. 5.1.e and 17): login, names, address, secrets, sessions, and what was
ever said of them.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, delete, exists, or_, select, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.bulk import insert_unknown
from services.clock import Clock
from services.events import AccountErased
from services.identity import audit, portability
from services.identity.ending import outdate_tokens
from services.identity.tables import Account, AccountSession, AgentRole, DataRequest, FamilyAdult, Operator, Unattached, core
from services.identity.telling import main_structure, notice
from services.identity.texts import day_in_words
from services.outbox import record
from services.personal import forget_what_was_said
from services.refusal import Refused

KEPT = dt.timedelta(days=2 * 365)  #: After the last sign-in, and at least since it stands alone.
TOLD_BEFORE = dt.timedelta(days=30)
MOST = 10  #: In one transaction: for each the outbox is looked through. The next ones are an hour later.

A, U = core(Account).c, core(Unattached).c
#: What it stands in: a family, an office, the installation itself.
STANDS = or_(*(exists().where(col(rows.account_id) == A.id) for rows in (FamilyAdult, AgentRole, Operator)))


async def close(session: AsyncSession, clock: Clock, account: str) -> None:
    """At once, as its owner wants, whose password was asked for. Raises Refused ACCOUNT_NEEDED while it stands in something."""
    if account not in await _alone(session, [account]):
        raise Refused("ACCOUNT_NEEDED")
    await erase(session, clock, [account])


async def erase(session: AsyncSession, clock: Clock, accounts: Collection[str]) -> None:
    """They are locked, and stand in nothing."""
    for account in accounts:
        await outdate_tokens(session, clock, account)
        about = {"structure": await main_structure(session, account), "occurred_at": clock.now()}
        record(session, AccountErased(**about, account=account))
    await forget_accounts(session, accounts)
    await audit.forget(session, accounts)
    await forget_what_was_said(session, [], accounts)


async def forget_accounts(session: AsyncSession, accounts: Collection[str]) -> None:
    """With all that hangs on them, in whatever table, and the files of data that they asked for."""
    await portability.forget_requests(session, col(DataRequest.account).in_(accounts))
    account, of_session = core(Account), core(AccountSession)
    sessions = select(of_session.c.id).where(of_session.c.account_id.in_(accounts))
    connection = await session.connection()
    for table in reversed(Account.metadata.sorted_tables):
        for column in table.columns:
            for key in column.foreign_keys:
                if _points_to(key.column.table, of_session):
                    await connection.execute(delete(table).where(column.in_(sessions)))
                elif _points_to(key.column.table, account):
                    await connection.execute(delete(table).where(column.in_(accounts)))
    await connection.execute(delete(account).where(account.c.id.in_(accounts)))


def _points_to(table: object, to: Table) -> bool:
    return table is to


# ------------------------------------------------------------------------------------------------------------------ time
async def tend(session: AsyncSession, clock: Clock) -> bool:
    """Note who stands alone, tell those whose time comes, and erase those who were told a month ago. Whether any were."""
    now = clock.now()
    await _note(session, now)
    for account in await _due(session, now):
        told = update(core(Unattached)).where(U.account_id == account)
        await (await session.connection()).execute(told.values(told_at=now))
        row = await session.get_one(Account, account)
        await notice(session, clock, row, "ACCOUNT_ENDING", day_in_words((now + TOLD_BEFORE).date(), row.language))
    # Locked, and then looked at: whoever signs in at this moment stays.
    over = select(A.id).join(U.account_id.table, U.account_id == A.id).where(U.told_at <= now - TOLD_BEFORE, ~_is_back())
    gone = await _alone(session, await _ids(session, over.order_by(A.id).limit(MOST).with_for_update(of=A.id.table)))
    if gone:
        await erase(session, clock, gone)
    return bool(gone)


async def _note(session: AsyncSession, now: dt.datetime) -> None:
    """Who stands alone, and since when; who stands in something again, or has come back, is not told that it ends."""
    connection = await session.connection()
    known = exists().where(U.account_id == A.id)
    news = await _ids(session, select(A.id).where(~STANDS, ~known).order_by(A.id).limit(MOST))
    if news:  # Another replica may look at the same moment.
        await connection.execute(insert_unknown(session, core(Unattached), [{"account_id": one, "since": now} for one in news]))
    await connection.execute(delete(core(Unattached)).where(U.account_id.in_(select(A.id).where(STANDS, known))))
    back = select(A.id).where(A.id == U.account_id, _is_back())
    await connection.execute(update(core(Unattached)).where(back.exists()).values(told_at=None))


def _is_back() -> ColumnElement[bool]:
    """Whoever was told has signed in since."""
    return and_(A.signed_in_at.is_not(None), A.signed_in_at >= U.told_at)


async def _due(session: AsyncSession, now: dt.datetime) -> Sequence[str]:
    """Who is to be told."""
    old = now - (KEPT - TOLD_BEFORE)
    unused = or_(A.signed_in_at.is_(None), A.signed_in_at <= old)
    return await _ids(session, select(A.id).where(A.id == U.account_id, U.told_at.is_(None), U.since <= old, unused).limit(MOST))


async def _alone(session: AsyncSession, accounts: Collection[str]) -> list[str]:
    """Those that stand in nothing, locked: nobody lets them into anything until the commit."""
    locked = select(A.id).where(A.id.in_(accounts)).order_by(A.id).with_for_update()
    await _ids(session, locked)
    return list(await _ids(session, select(A.id).where(A.id.in_(accounts), ~STANDS).order_by(A.id)))


async def _ids(session: AsyncSession, query: Select[Any]) -> Sequence[str]:
    return [id for (id,) in await (await session.connection()).execute(query)]
