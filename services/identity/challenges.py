"""Half a sign-in: the first factor was shown, the second is awaited. Each runs in its caller's transaction.

Only the sum of a challenge is kept.
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.identity.hashing import new_token, token_sum
from services.identity.second_factor import FactorKind
from services.identity.tables import Challenge, Factor

LIFE = dt.timedelta(minutes=5)
MOST_TRIES = 5  #: Wrong ones; then it is over, and the password is asked again.


class Purpose(StrEnum):
    """What a challenge is good for."""

    SIGN_IN = "SIGN_IN"  #: The second factor of one who showed the first.
    ADD_PASSKEY = "ADD_PASSKEY"
    PASSKEY_SIGN_IN = "PASSKEY_SIGN_IN"  #: A passkey without a password.


@dataclass(frozen=True, slots=True)
class Halfway:
    """The first factor was right: the second is awaited."""

    challenge: str
    kinds: tuple[FactorKind, ...]
    passkeys: tuple[str, ...] = ()  #: Credential ids.


async def pose(session: AsyncSession, now: dt.datetime, purpose: Purpose, account: str | None) -> str:
    challenge = new_token()
    session.add(Challenge(token_sum=token_sum(challenge), purpose=purpose, account_id=account, expires_at=now + LIFE))
    await session.flush()
    return challenge


async def halfway(session: AsyncSession, now: dt.datetime, account: str) -> Halfway | None:
    """None: the account has no second factor, so there is no second half."""
    own = await factors_of(session, account)
    if not own:
        return None
    challenge = await pose(session, now, Purpose.SIGN_IN, account)
    passkeys = tuple(factor.credential_id for factor in own if factor.credential_id is not None)
    return Halfway(challenge, tuple(sorted({factor.kind for factor in own})), passkeys)


async def posed(session: AsyncSession, challenge: str) -> Challenge | None:
    """To see whose account is to be locked before the challenge is."""
    return await session.get(Challenge, token_sum(challenge))


async def live(session: AsyncSession, now: dt.datetime, purpose: str, challenge: str) -> Challenge | None:
    """The challenge, locked, while it is good for this."""
    row = await session.get(Challenge, token_sum(challenge), with_for_update=True, populate_existing=True)
    if row is None or row.purpose != purpose or row.expires_at <= now or row.tries >= MOST_TRIES:
        return None
    return row


async def factors_of(session: AsyncSession, account: str) -> list[Factor]:
    """Those that count, the oldest first; locked, so that one code is never good twice."""
    found = select(Factor).where(Factor.account_id == account, col(Factor.added_at).is_not(None))
    return list((await session.exec(found.order_by(col(Factor.added_at), Factor.id).with_for_update())).all())
