"""What somebody does at the door: signs in, stays in, signs out. Each runs in its caller's transaction.

Passwords never come here, only what became of them (hashing.py).
"""

import datetime as dt
from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import delete
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.claims import Caller
from services.clock import Clock
from services.identity import attempts, challenges, queries, sessions
from services.identity.challenges import Halfway
from services.identity.credentials import plain_login
from services.identity.devices import Visit, counted_under
from services.identity.ending import end_session, end_sessions, forget_devices, lock_account
from services.identity.hashing import DUMMY, Checked, new_token, token_sum
from services.identity.queries import Standing
from services.identity.second_factor import SecondFactor, kept_back
from services.identity.tables import Account, AccountSession, Attempt, Credential, RefreshToken
from services.identity.telling import notice
from services.identity.trying import Tried, bear, count
from services.refusal import Unauthenticated


@dataclass(frozen=True, slots=True)
class Door:
    """Somebody wants in. An unknown login finds a door too: it only has no key."""

    account: str | None
    stored_hash: str
    tried: list[Tried]  #: What a failure is counted under; a success forgets those of the first.


@dataclass(frozen=True, slots=True)
class Opened:
    """Somebody is signed in."""

    account: Account
    caller: Caller
    refresh_token: str
    refresh_until: dt.datetime
    device_token: str | None = None  #: By which the account is known on this device.


async def knock(session: AsyncSession, clock: Clock, login: str, visit: Visit) -> Door:
    """Changes nothing. Raises Refused where there were too many failures: then nothing is to be checked."""
    tried = await counted_under(session, login, visit)
    await bear(session, clock.now(), tried)
    found = await queries.account_with_password(session, plain_login(login))
    account, stored_hash = found or (None, DUMMY)
    return Door(account.id if account else None, stored_hash, tried)


async def knock_inside(session: AsyncSession, clock: Clock, caller: Caller) -> Door:
    """Somebody who is signed in proves once more who he is. Counted by itself: strangers at the door do not keep him waiting."""
    tried = [Tried(token_sum(f"inside session {caller.session}"), attempts.ACCOUNT)]
    await bear(session, clock.now(), tried)
    found = await queries.signed_in_with_password(session, caller)
    if found is None:
        raise Unauthenticated
    account, stored_hash = found
    return Door(account.id, stored_hash, tried)


async def sign_in(session: AsyncSession, clock: Clock, door: Door, checked: Checked, asked: SecondFactor) -> Opened | Halfway | None:
    """None: the password was wrong, which is counted. `asked` of agents, where their structure does not say."""
    credential = await right_key(session, clock, door, checked)
    if credential is None:
        return None
    if checked.better_hash is not None:
        if credential.loaded_hash == credential.password_hash:  # it is still the one that was handed out
            credential.loaded_hash = checked.better_hash
        credential.password_hash = checked.better_hash
        session.add(credential)
    account = await session.get_one(Account, credential.account_id)
    return await begin(session, clock, account, asked)


async def right_key(session: AsyncSession, clock: Clock, door: Door, checked: Checked) -> Credential | None:
    """The account's credential, if it was opened with the right password; counts a failure, forgets them after a success."""
    if checked.right and door.account is not None:
        await lock_account(session, door.account)
        credential = await session.get_one(Credential, door.account, with_for_update=True)
        if credential.password_hash == door.stored_hash:  # else it was changed while we checked
            await session.exec(delete(Attempt).where(col(Attempt.key) == door.tried[0].key))
            return credential
    await count(session, clock.now(), door.tried)
    return None


async def begin(session: AsyncSession, clock: Clock, account: Account, asked: SecondFactor) -> Opened | Halfway:
    """In, or as far as the second factor, for whoever has one: whichever way they came here."""
    await lock_account(session, account.id)
    half = await challenges.halfway(session, clock.now(), account.id)
    return half or await let_in(session, clock, account, asked, shown=False)


async def let_in(session: AsyncSession, clock: Clock, account: Account, asked: SecondFactor, *, shown: bool) -> Opened:
    """The account is locked. `shown`: with a second factor."""
    now = clock.now()
    standing = await queries.standing(session, account.id)
    row = AccountSession(id=uuid4().hex, account_id=account.id, started_at=now, ends_at=now + _stay(standing).longest)
    row.factor_at = now if shown else None
    account.signed_in_at = now
    session.add_all([row, account])
    await session.flush()
    return await admit(session, clock, account, row, standing, asked)


def _stay(standing: Standing) -> sessions.Stay:
    return sessions.AGENT if standing.agent_of or standing.operator else sessions.FAMILY


async def admit(
    session: AsyncSession, clock: Clock, account: Account, row: AccountSession, standing: Standing, asked: SecondFactor
) -> Opened:
    """A new refresh token of this session, and what the access token says: no rank that waits for a second factor."""
    now = clock.now()
    row.last_used_at = now
    session.add(row)
    shown = row.factor_at is not None
    waits = kept_back(standing.second_factor, asked, shown=shown)
    token = new_token()
    until = sessions.expiry(now, row.ends_at, _stay(standing))
    session.add(RefreshToken(token_sum=token_sum(token), session_id=row.id, expires_at=until))
    families = await queries.families_of(session, account.id)
    caller = Caller(
        account=account.id,
        session=row.id,
        families={family.id: family.structure_id for family in families},
        agent_of=standing.agent_of - waits,
        language=account.language,
        expires_at=int((now + sessions.ACCESS_TOKEN_LIFE).timestamp()),
        issued_at=now.timestamp(),
        admin_of=standing.admin_of - waits,
        operator=standing.operator and (shown or asked is SecondFactor.OPTIONAL),
    )
    return Opened(account, caller, token, until)


async def refresh(session: AsyncSession, clock: Clock, token: str, asked: SecondFactor) -> Opened | None:
    """None: it is not, or no longer, good. One that was used before ends its session: somebody has a copy."""
    whose = await queries.account_of_refresh(session, token_sum(token))
    if whose is None:
        return None
    account = await lock_account(session, whose)
    now = clock.now()
    row = await session.get_one(RefreshToken, token_sum(token), with_for_update=True)
    of_account = await session.get_one(AccountSession, row.session_id, with_for_update=True)
    standing = await queries.standing(session, of_account.account_id)
    # By the rank of today: a family's long stay ends for whoever became an agent meanwhile.
    stay = _stay(standing)
    ends_at, expires_at = sessions.ends(of_account.started_at, of_account.ends_at, of_account.last_used_at, row.expires_at, stay)
    match sessions.worth(sessions.Shown(expires_at, row.used_at, ends_at, of_account.ended_at), now):
        case sessions.Worth.NOTHING:
            if ends_at <= now < of_account.ends_at and of_account.ended_at is None:
                await end_session(session, clock, of_account)
            return None
        case sessions.Worth.ENDS_THE_SESSION:
            await end_session(session, clock, of_account)
            return None
    row.used_at, of_account.ends_at = now, ends_at
    session.add(row)
    return await admit(session, clock, account, of_account, standing, asked)


async def sign_out(session: AsyncSession, clock: Clock, caller: Caller) -> None:
    await end_own(session, clock, caller, caller.session)


async def end_own(session: AsyncSession, clock: Clock, caller: Caller, ending: str) -> None:
    """One session of the caller's account, by its id. What is no session of his is none: nothing happens."""
    row = await session.get(AccountSession, ending, with_for_update=True)
    if row is not None and row.account_id == caller.account and row.ended_at is None:
        await end_session(session, clock, row)


async def sign_out_everywhere(session: AsyncSession, clock: Clock, caller: Caller) -> None:
    """Here too; no device is known any more. Raises Unauthenticated where this session was ended already."""
    account = await queries.signed_in_account(session, caller)
    if account is None:
        raise Unauthenticated
    await lock_account(session, account.id)
    await end_sessions(session, clock, account.id)
    await forget_devices(session, account.id)
    await notice(session, clock, account, "SIGNED_OUT_EVERYWHERE")
