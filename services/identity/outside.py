"""Accounts that are opened from outside: by whom a provider of OpenID Connect says that somebody is. Each runs in its caller's transaction.

An account is linked by whoever is signed in to it, never by a name or an address that two people may share.
"""

import datetime as dt
import hmac

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from services.claims import Caller
from services.clock import Clock
from services.identity import queries
from services.identity.challenges import Halfway
from services.identity.door import Opened, begin, let_in
from services.identity.ending import lock_account
from services.identity.hashing import new_token, token_sum
from services.identity.keyring import Keyring
from services.identity.oidc import Half, Said
from services.identity.second_factor import SecondFactor
from services.identity.tables import OidcState, OutsideIdentity
from services.identity.telling import notice
from services.identity.trying import insert_if_new

LIFE = dt.timedelta(minutes=10)


async def begin_half(session: AsyncSession, clock: Clock, keyring: Keyring, provider: str, caller: Caller | None) -> tuple[Half, str]:
    """What goes to the provider, and the secret that the client keeps: whoever is sent a link of somebody else's has it not.

    `caller`: who is to be linked; None: who is to be signed in.
    """
    half, binding = Half(new_token(), new_token(), new_token()), new_token()
    key = token_sum(half.state)
    session.add(
        OidcState(
            state_sum=key,
            provider=provider,
            binding_sum=token_sum(binding),
            session_id=caller.session if caller else None,
            sealed=keyring.seal(f"oidc {key}", orjson.dumps([half.nonce, half.verifier]).decode()),
            expires_at=clock.now() + LIFE,
        )
    )
    await session.flush()
    return half, binding


async def take_half(
    session: AsyncSession, clock: Clock, keyring: Keyring, state: str, binding: str, caller: Caller | None
) -> tuple[Half, str] | None:
    """With the provider's id; good once, for whoever began it. None: it is not, or no longer, good."""
    key = token_sum(state)
    row = await session.get(OidcState, key, with_for_update=True)
    if row is None:
        return None
    await session.delete(row)
    right = hmac.compare_digest(row.binding_sum, token_sum(binding))
    if not right or row.expires_at <= clock.now() or row.session_id != (caller.session if caller else None):
        return None
    nonce, verifier = orjson.loads(keyring.open(f"oidc {key}", row.sealed))
    return Half(state, nonce, verifier), row.provider


async def sign_in(session: AsyncSession, clock: Clock, provider: str, said: Said, asked: SecondFactor) -> Opened | Halfway | None:
    """None: nobody is linked."""
    row = await session.get(OutsideIdentity, (provider, said.subject))
    if row is None:
        return None
    account = await lock_account(session, row.account_id)
    row = await session.get(OutsideIdentity, (provider, said.subject), populate_existing=True)
    if row is None or row.account_id != account.id:
        return None
    if said.sure:
        return await let_in(session, clock, account, asked, shown=True)
    return await begin(session, clock, account, asked)


async def link(session: AsyncSession, clock: Clock, caller: Caller, provider: str, name: str, said: Said) -> bool:
    """False: it is another account's. Linking one again is no trouble; another of the same provider takes its place."""
    account = await lock_account(session, caller.account)
    known = await session.get(OutsideIdentity, (provider, said.subject))
    if known is not None:
        return known.account_id == account.id
    await unlink_quietly(session, caller, provider)
    values = {"provider": provider, "subject": said.subject, "account_id": account.id, "label": said.name, "linked_at": clock.now()}
    if not await insert_if_new(session, OutsideIdentity, **values):
        return False
    await notice(session, clock, account, "IDENTITY_LINKED", name)
    return True


async def unlink(session: AsyncSession, clock: Clock, caller: Caller, provider: str, name: str) -> None:
    account = await lock_account(session, caller.account)
    if await unlink_quietly(session, caller, provider):
        await notice(session, clock, account, "IDENTITY_UNLINKED", name)


async def unlink_quietly(session: AsyncSession, caller: Caller, provider: str) -> bool:
    rows = [row for row in await queries.outside_identities(session, caller.account) if row.provider == provider]
    for row in rows:
        await session.delete(row)
    await session.flush()
    return bool(rows)
