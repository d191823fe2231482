"""Devices that somebody signed in on: how the list of sessions names them, and on which of them the account is known.

What strangers try elsewhere keeps nobody waiting on a device of his own: its failures are counted by themselves (SEC4).
Each runs in its caller's transaction.
"""

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import delete
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.clock import Clock
from services.identity import attempts, queries
from services.identity.credentials import plain_login
from services.identity.hashing import new_token, token_sum
from services.identity.tables import AccountSession, KnownDevice
from services.identity.trying import Tried, at_the_door

MOST_DEVICES = 20  #: Of an account: another takes the place of the one that was used least recently.
FORGOTTEN_AFTER = dt.timedelta(days=400)  #: Of not being used.


@dataclass(frozen=True, slots=True)
class Visit:
    """Who knocks, as far as it shows."""

    address: str | None = None  #: None where it is not known.
    device: str | None = None  #: Browser and system, in words.
    token: str | None = None  #: By which a device is known, as it was given there.


async def counted_under(session: AsyncSession, login: str, visit: Visit) -> list[Tried]:
    """What failures of this visitor are counted under."""
    if visit.token is not None:
        device = token_sum(visit.token)
        if await queries.is_known_device(session, plain_login(login), device):
            return [Tried(token_sum(f"door device {device}"), attempts.ACCOUNT)]
    return at_the_door(login, visit.address)


async def greet(session: AsyncSession, clock: Clock, account: str, of_session: str, visit: Visit) -> str:
    """Somebody came in: names the session's device. Returns the token by which the account is known there from now on."""
    row = await session.get_one(AccountSession, of_session)
    row.device = visit.device
    token = visit.token
    known = await session.get(KnownDevice, token_sum(token)) if token is not None else None
    if token is None or known is None or known.account_id != account:
        token = new_token()
        await _make_room(session, account)
        known = KnownDevice(token_sum=token_sum(token), account_id=account, last_used_at=clock.now())
    known.last_used_at = clock.now()
    session.add_all([row, known])
    return token


async def _make_room(session: AsyncSession, account: str) -> None:
    """For one more."""
    own = col(KnownDevice.account_id) == account
    kept = select(KnownDevice.token_sum).where(own).order_by(col(KnownDevice.last_used_at).desc(), col(KnownDevice.token_sum))
    await session.exec(delete(KnownDevice).where(own, col(KnownDevice.token_sum).not_in(kept.limit(MOST_DEVICES - 1))))
