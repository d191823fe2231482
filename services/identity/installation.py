"""What an installation makes up for itself, and what it forgets in time. Each runs in its caller's transaction."""

from sqlalchemy import delete, or_
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.clock import Clock
from services.events import EVERYBODY, SigningKeyPublished
from services.identity import attempts
from services.identity.tables import AccountSession, AddressToken, Attempt, ResetToken, Secret, SigningKey
from services.identity.tokens import Signer, new_key
from services.identity.trying import insert_if_new
from services.outbox import forget_secrets, record


async def keep_secret(session: AsyncSession, name: str, new: str) -> str:
    """The installation's secret of that name: `new` if there is none yet."""
    await insert_if_new(session, Secret, name=name, value=new)
    return (await session.get_one(Secret, name)).value


async def announce_key(session: AsyncSession, clock: Clock, signing_key: str | None) -> Signer:
    """The signer of this installation, with the key from the settings or its own; its public part is told once."""
    signer = Signer(signing_key or await keep_secret(session, "signing_key", new_key()))
    row = {"kid": signer.kid, "public_jwk": signer.public_jwk, "created_at": clock.now()}
    if await insert_if_new(session, SigningKey, **row):
        record(session, SigningKeyPublished(structure=EVERYBODY, occurred_at=clock.now(), kid=signer.kid, jwk=signer.public_jwk))
    return signer


async def tidy(session: AsyncSession, clock: Clock) -> None:
    """Forget failures, sessions and tokens that mean nothing any more."""
    now = clock.now()
    long_ago = now - attempts.FORGOTTEN_AFTER
    await session.exec(delete(Attempt).where(col(Attempt.last_at) < long_ago))
    await session.exec(delete(ResetToken).where(col(ResetToken.expires_at) < long_ago))
    over = or_(col(AccountSession.ends_at) < long_ago, col(AccountSession.ended_at) < long_ago)
    await session.exec(delete(AccountSession).where(over))
    await session.exec(delete(AddressToken).where(col(AddressToken.expires_at) < long_ago))
    await forget_secrets(session, now)
