"""Accounts that are opened from outside: by whom a provider of OpenID Connect says that somebody is. Each runs in its caller's transaction.

An account is linked by whoever is signed in to it, or could choose a new password for it; never by a name or an address that two
people may share.
"""

import datetime as dt
import hmac
from dataclasses import dataclass

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from services.claims import Caller
from services.clock import Clock
from services.identity import queries
from services.identity.challenges import Halfway, factors_of
from services.identity.door import Opened, begin, let_in
from services.identity.ending import lock_account
from services.identity.hashing import new_token, token_sum
from services.identity.keyring import Keyring
from services.identity.oidc import Half, Said
from services.identity.second_factor import SecondFactor
from services.identity.tables import Account, OidcState, OutsideIdentity, ResetToken
from services.identity.telling import notice
from services.identity.trying import insert_if_new
from services.refusal import Refused

LIFE = dt.timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Begun:
    """What somebody who comes back from a provider had gone there for."""

    half: Half
    provider: str
    reset_sum: str | None  #: Of the token that opens the account which is to be linked, by whoever is not signed in.


async def begin_half(
    session: AsyncSession, clock: Clock, keyring: Keyring, provider: str, caller: Caller | None, reset: str | None = None
) -> tuple[Half, str]:
    """What goes to the provider, and the secret that the client keeps: whoever is sent a link of somebody else's has it not.

    `caller`: who is to be linked, as is whom the token `reset` lets choose a password; neither: who is to be signed in.
    """
    half, binding = Half(new_token(), new_token(), new_token()), new_token()
    key = token_sum(half.state)
    session.add(
        OidcState(
            state_sum=key,
            provider=provider,
            binding_sum=token_sum(binding),
            session_id=caller.session if caller else None,
            reset_sum=token_sum(reset) if reset is not None else None,
            sealed=keyring.seal(f"oidc {key}", orjson.dumps([half.nonce, half.verifier]).decode()),
            expires_at=clock.now() + LIFE,
        )
    )
    await session.flush()
    return half, binding


async def take_half(session: AsyncSession, clock: Clock, keyring: Keyring, state: str, binding: str, caller: Caller | None) -> Begun | None:
    """Good once, for whoever began it. None: it is not, or no longer, good."""
    key = token_sum(state)
    row = await session.get(OidcState, key, with_for_update=True)
    if row is None:
        return None
    await session.delete(row)
    right = hmac.compare_digest(row.binding_sum, token_sum(binding))
    if not right or row.expires_at <= clock.now() or row.session_id != (caller.session if caller else None):
        return None
    nonce, verifier = orjson.loads(keyring.open(f"oidc {key}", row.sealed))
    return Begun(Half(state, nonce, verifier), row.provider, row.reset_sum)


async def sign_in(session: AsyncSession, clock: Clock, provider: str, said: Said, asked: SecondFactor) -> Opened | Halfway | None:
    """None: nobody is linked."""
    row = await session.get(OutsideIdentity, (provider, said.subject))
    if row is None:
        return None
    account = await lock_account(session, row.account_id)
    row = await session.get(OutsideIdentity, (provider, said.subject), populate_existing=True)
    if row is None or row.account_id != account.id:
        return None
    return await _open(session, clock, account, said, asked)


async def _open(session: AsyncSession, clock: Clock, account: Account, said: Said, asked: SecondFactor) -> Opened | Halfway:
    if said.sure:
        return await let_in(session, clock, account, asked, shown=True)
    return await begin(session, clock, account, asked)


async def link_by_token(
    session: AsyncSession, clock: Clock, reset_sum: str, provider: str, name: str, said: Said, asked: SecondFactor
) -> Opened | Halfway | None:
    """Links, and opens, the account of whoever could choose a new password instead: uses the token up for that.

    None: it is not, or no longer, good. Raises Refused IDENTITY_REFUSED for what is another account's, and where the account has a second
    factor, which the provider's own could replace from then on: then it stays good.
    """
    row = await session.get(ResetToken, reset_sum)
    if row is None or row.account_id is None:
        return None
    account = await lock_account(session, row.account_id)
    row = await session.get(ResetToken, reset_sum, with_for_update=True, populate_existing=True)
    if row is None or row.used_at is not None or row.expires_at <= clock.now():
        return None
    if await factors_of(session, account.id):
        raise Refused("IDENTITY_REFUSED", text="LINK_WANTS_SIGN_IN")
    row.used_at = clock.now()
    session.add(row)
    if not await link(session, clock, account.id, provider, name, said):
        raise Refused("IDENTITY_REFUSED")
    return await _open(session, clock, account, said, asked)


async def link(session: AsyncSession, clock: Clock, whose: str, provider: str, name: str, said: Said) -> bool:
    """False: it is another account's. Linking one again is no trouble; another of the same provider takes its place."""
    account = await lock_account(session, whose)
    known = await session.get(OutsideIdentity, (provider, said.subject))
    if known is not None:
        return known.account_id == account.id
    await unlink_quietly(session, account.id, provider)
    values = {"provider": provider, "subject": said.subject, "account_id": account.id, "label": said.name, "linked_at": clock.now()}
    if not await insert_if_new(session, OutsideIdentity, **values):
        return False
    await notice(session, clock, account, "IDENTITY_LINKED", name)
    return True


async def unlink(session: AsyncSession, clock: Clock, caller: Caller, provider: str, name: str) -> None:
    account = await lock_account(session, caller.account)
    if await unlink_quietly(session, account.id, provider):
        await notice(session, clock, account, "IDENTITY_UNLINKED", name)


async def unlink_quietly(session: AsyncSession, account: str, provider: str) -> bool:
    rows = [row for row in await queries.outside_identities(session, account) if row.provider == provider]
    for row in rows:
        await session.delete(row)
    await session.flush()
    return bool(rows)
