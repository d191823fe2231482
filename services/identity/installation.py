"""What an installation makes up for itself, and what it forgets in time. Each runs in its caller's transaction."""

import datetime as dt
from typing import Any

from sqlalchemy import delete, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.clock import Clock
from services.events import EVERYBODY, KeyWithdrawn, SigningKeyPublished
from services.identity import attempts, inviting, portability, privacy, queries, viewing
from services.identity.devices import FORGOTTEN_AFTER
from services.identity.tables import (
    AccountSession,
    AddressToken,
    AskedOnce,
    Attempt,
    Challenge,
    Factor,
    KnownDevice,
    OidcState,
    ResetToken,
    Secret,
    SigningKey,
)
from services.identity.tokens import Signer, new_key
from services.identity.trying import insert_if_new
from services.outbox import WithdrawnKey, forget_secrets, record
from services.settings import SettingsError

ASKED_AGAIN_WITHIN = dt.timedelta(days=30)  #: What an agent asks for with the same key later than that is another act.


async def keep_secret(session: AsyncSession, name: str, new: str) -> str:
    """The installation's secret of that name: `new` if there is none yet."""
    await insert_if_new(session, Secret, name=name, value=new)
    return (await session.get_one(Secret, name)).value


async def announce_key(session: AsyncSession, clock: Clock, signing_key: str | None) -> Signer:
    """The signer of this installation, with the key from the settings or its own; its public part is told, if it is not the newest.

    Raises SettingsError: the key of the settings was withdrawn.
    """
    signer = Signer(signing_key or await keep_secret(session, "signing_key", new_key()))
    if await session.get(WithdrawnKey, signer.kid) is not None:
        raise SettingsError("PREAU_SIGNING_KEY was withdrawn, and signs nothing any more: give identity a new one")
    now = clock.now()
    row: dict[str, Any] = {"kid": signer.kid, "public_jwk": signer.public_jwk, "created_at": now}
    is_new = await insert_if_new(session, SigningKey, **row)
    since = (await session.get_one(SigningKey, signer.kid)).created_at
    if (await session.exec(select(SigningKey.kid).where(SigningKey.created_at > since))).first() is not None:
        # Taken back into service: else it would be too old to be trusted.
        await session.merge(SigningKey(**row))
        is_new = True
    if is_new:
        record(session, SigningKeyPublished(structure=EVERYBODY, occurred_at=now, kid=signer.kid, jwk=signer.public_jwk))
    return signer


async def withdraw_key(session: AsyncSession, clock: Clock, kid: str | None) -> str | None:
    """The key of that id, or the newest, verifies nothing any more, in any service. Returns its id; None: there is no such key.

    One that the installation made for itself is forgotten: identity makes another one.
    """
    found = select(SigningKey).where(col(SigningKey.kid).not_in(select(WithdrawnKey.kid))).order_by(col(SigningKey.created_at).desc())
    key = (await session.exec(found.where(SigningKey.kid == kid) if kid else found)).first()
    if key is None:
        return None
    own = await session.get(Secret, "signing_key")
    if own is not None and Signer(own.value).kid == key.kid:
        await session.delete(own)
    await session.merge(WithdrawnKey(kid=key.kid))
    record(session, KeyWithdrawn(structure=EVERYBODY, occurred_at=clock.now(), kid=key.kid))
    return key.kid


async def tidy(session: AsyncSession, clock: Clock) -> None:
    """Forget failures, sessions and tokens that mean nothing any more."""
    now = clock.now()
    long_ago = now - attempts.FORGOTTEN_AFTER
    await session.exec(delete(Attempt).where(col(Attempt.last_at) < long_ago))
    await session.exec(delete(ResetToken).where(col(ResetToken.expires_at) < long_ago))
    await session.exec(delete(Challenge).where(col(Challenge.expires_at) < now))
    await session.exec(delete(OidcState).where(col(OidcState.expires_at) < now))
    await session.exec(delete(Factor).where(col(Factor.added_at).is_(None), col(Factor.begun_at) < long_ago))
    over = or_(col(AccountSession.ends_at) < long_ago, col(AccountSession.ended_at) < long_ago)
    await session.exec(delete(AccountSession).where(over))
    await session.exec(delete(AddressToken).where(col(AddressToken.expires_at) < long_ago))
    await session.exec(delete(KnownDevice).where(col(KnownDevice.last_used_at) < now - FORGOTTEN_AFTER))
    await session.exec(delete(AskedOnce).where(col(AskedOnce.at) < now - ASKED_AGAIN_WITHIN))
    await inviting.forget_old(session, now)
    await viewing.forget_old(session, now, await queries.retention(session))
    await forget_secrets(session, now)
    await privacy.refuse_late(session, clock)
    await portability.forget(session, now)
