"""Second factors are begun, shown to work, shown at sign-in, and taken away. Each runs in its caller's transaction."""

from typing import Literal
from uuid import uuid4

from sqlalchemy import delete, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.claims import Caller
from services.clock import Clock
from services.identity import attempts, challenges, totp
from services.identity.challenges import Purpose
from services.identity.door import Opened, let_in
from services.identity.ending import end_sessions, lock_account, outdate_tokens
from services.identity.keyring import Keyring
from services.identity.second_factor import FactorKind, SecondFactor
from services.identity.tables import Account, AccountSession, Attempt, Factor
from services.identity.telling import notice
from services.identity.trying import Tried, bear, count, tried_by

MOST = 10  #: Of one account.


def at_the_second_door(account: str, address: str | None) -> list[Tried]:
    return tried_by("factor", account, address, attempts.ACCOUNT, attempts.ADDRESS)


# ------------------------------------------------------------------------------------------------------------- codes
async def start_totp(session: AsyncSession, clock: Clock, keyring: Keyring, caller: Caller) -> str:
    """A new secret, which counts once a code of it was shown; one begun before is forgotten."""
    await lock_account(session, caller.account)
    secret, id = totp.new_secret(), uuid4().hex
    await session.exec(delete(Factor).where(col(Factor.account_id) == caller.account, col(Factor.added_at).is_(None)))
    sealed = keyring.seal(_about(id), secret)
    session.add(Factor(id=id, account_id=caller.account, kind=FactorKind.TOTP, begun_at=clock.now(), sealed_secret=sealed))
    return secret


async def confirm_totp(session: AsyncSession, clock: Clock, keyring: Keyring, caller: Caller, code: str, address: str | None) -> bool:
    """The factor counts from now on, and was shown here. False: the code is wrong, or none was begun; it is counted."""
    now = clock.now()
    await lock_account(session, caller.account)
    await bear(session, now, at_the_second_door(caller.account, address))
    begun = select(Factor).where(Factor.account_id == caller.account, col(Factor.added_at).is_(None), Factor.kind == FactorKind.TOTP)
    factor = (await session.exec(begun.with_for_update())).first()
    if factor is None or not _shows(factor, keyring, clock, code):
        await count(session, now, at_the_second_door(caller.account, address))
        return False
    await add(session, clock, caller, factor)
    return True


def _about(factor: str) -> str:
    return f"totp {factor}"


def _shows(factor: Factor, keyring: Keyring, clock: Clock, code: str) -> bool:
    """Whether the code is good; it is not a second time."""
    if factor.sealed_secret is None:
        return False
    step = totp.accepted_step(keyring.open(_about(factor.id), factor.sealed_secret), code, clock.now(), factor.last_step)
    if step is None:
        return False
    factor.last_step, factor.used_at = step, clock.now()
    return True


# ---------------------------------------------------------------------------------------------------------- all kinds
async def add(session: AsyncSession, clock: Clock, caller: Caller, factor: Factor) -> None:
    """In force at once: who is signed in elsewhere is out, who is here has shown it. The account is locked."""
    now = clock.now()
    account = await session.get_one(Account, caller.account)
    factor.added_at = factor.used_at = now
    session.add(factor)
    await _forget_failures(session, caller.account)
    await end_sessions(session, clock, caller.account, but=caller.session)
    here = update(AccountSession).where(col(AccountSession.id) == caller.session)
    await session.exec(here.values(factor_at=now))
    await notice(session, clock, account, "FACTOR_ADDED", factor.label)


async def remove(session: AsyncSession, clock: Clock, caller: Caller, factor: str) -> None:
    """One that is not the account's is not there, and nothing changes."""
    account = await lock_account(session, caller.account)
    own = await challenges.factors_of(session, caller.account)
    gone = next((one for one in own if one.id == factor), None)
    if gone is None:
        return
    await session.delete(gone)
    await session.flush()
    await end_sessions(session, clock, caller.account, but=caller.session)
    if len(own) == 1:  # the last one: ranks that need one end with it
        here = update(AccountSession).where(col(AccountSession.id) == caller.session)
        await session.exec(here.values(factor_at=None))
        await outdate_tokens(session, clock, caller.account)
    await notice(session, clock, account, "FACTOR_REMOVED", gone.label)


async def finish(
    session: AsyncSession, clock: Clock, keyring: Keyring, challenge: str, code: str, address: str | None, asked: SecondFactor
) -> Opened | Literal["INVALID_TOKEN", "INVALID_CODE"]:
    """The second half of a sign-in, or the code of a refusal: the challenge is not, or no longer, good; the code is wrong, and counted."""
    now = clock.now()
    whose = await challenges.whose(session, challenge)
    if whose is None:
        return "INVALID_TOKEN"
    account = await lock_account(session, whose)
    half = await challenges.live(session, now, Purpose.SIGN_IN, challenge)
    if half is None:
        return "INVALID_TOKEN"
    tried = at_the_second_door(account.id, address)
    await bear(session, now, tried)
    own = await challenges.factors_of(session, account.id)
    if not any(_shows(factor, keyring, clock, code) for factor in own):
        half.tries += 1
        session.add(half)
        await count(session, now, tried)
        return "INVALID_CODE"
    session.add_all(own)
    await session.delete(half)
    await _forget_failures(session, account.id)
    return await let_in(session, clock, account, asked, shown=True)


async def _forget_failures(session: AsyncSession, account: str) -> None:
    await session.exec(delete(Attempt).where(col(Attempt.key) == at_the_second_door(account, None)[0].key))
