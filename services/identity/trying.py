"""What fails is counted, in the database, by login and by address: so that replicas share it, and nobody guesses faster by asking two."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from services.bulk import insert_unknown
from services.identity import attempts, queries
from services.identity.attempts import Patience
from services.identity.credentials import plain_login
from services.identity.hashing import token_sum
from services.identity.tables import Attempt
from services.refusal import Refused
from services.visitors import household_of


@dataclass(frozen=True, slots=True)
class Tried:
    """What the failures of one kind, by one login or address, are counted under, and how many are borne."""

    key: str
    patience: Patience


def tried_by(what: str, login: str, address: str | None, by_login: Patience, by_address: Patience) -> list[Tried]:
    tried = [Tried(token_sum(f"{what} login {plain_login(login)}"), by_login)]
    if household := household_of(address):
        tried.append(Tried(token_sum(f"{what} address {household}"), by_address))
    return tried


def at_the_door(login: str, address: str | None) -> list[Tried]:
    return tried_by("door", login, address, attempts.ACCOUNT, attempts.ADDRESS)


async def wait_left(session: AsyncSession, now: dt.datetime, tried: list[Tried]) -> dt.timedelta:
    known = await queries.tries(session, [one.key for one in tried])
    return max(attempts.wait_left(known.get(one.key), now, one.patience) for one in tried)


async def bear(session: AsyncSession, now: dt.datetime, tried: list[Tried]) -> None:
    """Raises Refused while there were too many failures."""
    if wait := await wait_left(session, now, tried):
        raise Refused("TOO_MANY_ATTEMPTS", wait_seconds=int(wait.total_seconds()) + 1)


async def count(session: AsyncSession, now: dt.datetime, tried: list[Tried]) -> None:
    for one in sorted(tried, key=lambda one: one.key):  # always in one order, so that two never wait for each other
        row = await session.get(Attempt, one.key, with_for_update=True)
        if row is None:
            await insert_if_new(session, Attempt, key=one.key, count=1, last_at=now)
            continue
        more = attempts.one_more(attempts.Tries(row.count, row.last_at), now, one.patience)
        row.count, row.last_at = more.count, more.last_at
        session.add(row)


async def insert_if_new(session: AsyncSession, table: type[SQLModel], **values: Any) -> bool:
    """Whether it was not there: two replicas may try at the same moment."""
    result = await session.exec(insert_unknown(session, table.metadata.tables[str(table.__tablename__)], [values]))
    return bool(result.rowcount)
