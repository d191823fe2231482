"""Second factors are begun, shown to work, shown at sign-in, and taken away. Each runs in its caller's transaction."""

from dataclasses import dataclass
from typing import Literal
from uuid import uuid4

from sqlalchemy import delete, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.claims import Caller
from services.clock import Clock
from services.identity import attempts, challenges, passkeys, queries, totp
from services.identity.challenges import Purpose
from services.identity.door import Opened, let_in
from services.identity.ending import end_sessions, lock_account, outdate_tokens
from services.identity.keyring import Keyring, SealBroken
from services.identity.passkeys import Site
from services.identity.second_factor import FactorKind, SecondFactor
from services.identity.tables import Account, AccountSession, Attempt, Challenge, Factor
from services.identity.telling import notice
from services.identity.trying import Tried, bear, count, insert_if_new, tried_by
from services.refusal import Refused
from services.settings import SettingsError

MOST_FACTORS = 10  #: Of an account: each is looked at when one is shown.

No = Literal["INVALID_TOKEN", "INVALID_CODE", "INVALID_PASSKEY"]


@dataclass(frozen=True, slots=True)
class Tools:
    """What second factors are checked with."""

    keyring: Keyring
    site: Site | None  #: What passkeys are made for; None: there are none here.


@dataclass(frozen=True, slots=True)
class Started:
    """What a browser is to make or show a passkey with: `options` as JSON."""

    challenge: str
    options: str


def at_the_second_door(account: str, address: str | None) -> list[Tried]:
    return tried_by("factor", account, address, attempts.ACCOUNT, attempts.ADDRESS)


async def check_keyring(session: AsyncSession, keyring: Keyring) -> None:
    """Raises SettingsError where the newest secret does not open: better not to begin than to let nobody with a second factor in."""
    newest = select(Factor).where(col(Factor.sealed_secret).is_not(None)).order_by(col(Factor.begun_at).desc()).limit(1)
    factor = (await session.exec(newest)).first()
    if factor is None or factor.sealed_secret is None:
        return
    try:
        keyring.open(_about(factor.id), factor.sealed_secret)
    except SealBroken as error:
        raise SettingsError("PREAU_FIELD_KEY is not the key that second factors were sealed with: put that one after a comma") from error


# ------------------------------------------------------------------------------------------------------------- codes
async def start_totp(session: AsyncSession, clock: Clock, keyring: Keyring, caller: Caller) -> str:
    """A new secret, which counts once a code of it was shown; one begun before is forgotten. Raises Refused TOO_MANY_FACTORS."""
    await lock_account(session, caller.account)
    await _refuse_one_more(session, caller.account)
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


# ---------------------------------------------------------------------------------------------------------- passkeys
async def start_passkey(session: AsyncSession, clock: Clock, site: Site, caller: Caller) -> Started:
    """Raises Refused TOO_MANY_FACTORS."""
    account = await lock_account(session, caller.account)
    own = await _refuse_one_more(session, account.id)
    known = [factor.credential_id for factor in own if factor.credential_id]
    challenge = await challenges.pose(session, clock.now(), Purpose.ADD_PASSKEY, account.id)
    return Started(challenge, passkeys.options_to_make(site, challenge, account.id, account.login, known))


async def start_passkey_sign_in(session: AsyncSession, clock: Clock, site: Site) -> Started:
    challenge = await challenges.pose(session, clock.now(), Purpose.PASSKEY_SIGN_IN, None)
    return Started(challenge, passkeys.options_to_show(site, challenge))


async def add_passkey(
    session: AsyncSession, clock: Clock, site: Site, caller: Caller, challenge: str, credential: str, label: str
) -> No | None:
    """It counts from now on, and was shown here. Otherwise the code of a refusal."""
    await lock_account(session, caller.account)
    half = await challenges.live(session, clock.now(), Purpose.ADD_PASSKEY, challenge)
    if half is None or half.account_id != caller.account:
        return "INVALID_TOKEN"
    await session.delete(half)
    made = passkeys.made(site, challenge, credential)
    if made is None:
        return "INVALID_PASSKEY"
    values = {"credential_id": made.credential_id, "public_key": made.public_key, "sign_count": made.sign_count}
    id, begun = uuid4().hex, {"account_id": caller.account, "kind": FactorKind.PASSKEY, "label": label, "begun_at": clock.now()}
    if not await insert_if_new(session, Factor, id=id, last_step=0, **begun, **values):
        return "INVALID_PASSKEY"  # it is somebody's already
    await add(session, clock, caller, await session.get_one(Factor, id))
    return None


# ---------------------------------------------------------------------------------------------------------- all kinds
async def add(session: AsyncSession, clock: Clock, caller: Caller, factor: Factor) -> None:
    """In force at once: who is signed in elsewhere is out, who is here has shown it. The account is locked.

    Raises Refused TOO_MANY_FACTORS.
    """
    now = clock.now()
    await _refuse_one_more(session, caller.account)
    account = await session.get_one(Account, caller.account)
    factor.added_at = factor.used_at = now
    session.add(factor)
    await _forget_failures(session, caller.account)
    await end_sessions(session, clock, caller.account, but=caller.session)
    here = update(AccountSession).where(col(AccountSession.id) == caller.session)
    await session.exec(here.values(factor_at=now))
    await notice(session, clock, account, "FACTOR_ADDED", factor.label)


async def _refuse_one_more(session: AsyncSession, account: str) -> list[Factor]:
    """Those that the account has. Raises Refused where there are enough of them."""
    own = await challenges.factors_of(session, account)
    if len(own) >= MOST_FACTORS:
        raise Refused("TOO_MANY_FACTORS", most=MOST_FACTORS)
    return own


async def remove(session: AsyncSession, clock: Clock, caller: Caller, factor: str, asked: SecondFactor) -> None:
    """One that is not the account's is not there, and nothing changes. Whoever loses a rank with the last one refreshes."""
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
        if await queries.rank_waits(session, caller.account, caller.session, asked):
            await outdate_tokens(session, clock, caller.account)
    await notice(session, clock, account, "FACTOR_REMOVED", gone.label)


async def clear(session: AsyncSession, clock: Clock, account: str) -> int:
    """All that the account has, for whoever lost them: it is signed out everywhere. Returns how many there were."""
    row = await lock_account(session, account)
    own = await challenges.factors_of(session, account)
    if not own:
        return 0
    for factor in own:
        await session.delete(factor)
    await session.flush()
    await end_sessions(session, clock, account)
    await _forget_failures(session, account)
    await notice(session, clock, row, "FACTOR_REMOVED", ", ".join(factor.label for factor in own if factor.label))
    return len(own)


# ------------------------------------------------------------------------------------------------------------ at sign-in
@dataclass(frozen=True, slots=True)
class Shown:
    """A code, or what a passkey answered, as JSON."""

    code: str
    assertion: str | None


async def finish(
    session: AsyncSession, clock: Clock, tools: Tools, challenge: str, shown: Shown, address: str | None, asked: SecondFactor
) -> Opened | No:
    """The second half of a sign-in, or all of it with a passkey alone; or the code of a refusal. What is wrong is counted."""
    now = clock.now()
    half = await challenges.posed(session, challenge)
    whose = await _whose(session, half, shown) if half else None
    if half is None or whose is None:
        return "INVALID_TOKEN"
    account = await lock_account(session, whose)
    half = await challenges.live(session, now, half.purpose, challenge)
    if half is None:
        return "INVALID_TOKEN"
    tried = at_the_second_door(account.id, address)
    await bear(session, now, tried)
    own = await challenges.factors_of(session, account.id)
    if not any(_fits(factor, half, challenge, shown, tools, clock) for factor in own):
        half.tries += 1
        session.add(half)
        await count(session, now, tried)
        return "INVALID_PASSKEY" if shown.assertion is not None else "INVALID_CODE"
    session.add_all(own)
    await session.delete(half)
    await _forget_failures(session, account.id)
    return await let_in(session, clock, account, asked, shown=True)


async def _whose(session: AsyncSession, half: Challenge, shown: Shown) -> str | None:
    if half.purpose == Purpose.SIGN_IN:
        return half.account_id
    holder = passkeys.holder(shown.assertion or "") if half.purpose == Purpose.PASSKEY_SIGN_IN else None
    if holder is None:
        return None
    factor = (await session.exec(select(Factor).where(Factor.credential_id == holder.credential_id))).first()
    return factor.account_id if factor and factor.account_id == holder.account else None


def _fits(factor: Factor, half: Challenge, challenge: str, shown: Shown, tools: Tools, clock: Clock) -> bool:
    alone = half.purpose == Purpose.PASSKEY_SIGN_IN
    if shown.assertion is not None:
        return _signs(factor, tools.site, challenge, shown.assertion, clock, alone=alone)
    return not alone and _shows(factor, tools.keyring, clock, shown.code)


def _signs(factor: Factor, site: Site | None, challenge: str, assertion: str, clock: Clock, *, alone: bool) -> bool:
    holder = passkeys.holder(assertion)
    if site is None or holder is None or factor.public_key is None or holder.credential_id != factor.credential_id:
        return False
    if holder.account not in (None, factor.account_id):
        return False
    sign_count = passkeys.shown(site, challenge, assertion, factor.public_key, factor.sign_count, alone=alone)
    if sign_count is None:
        return False
    factor.sign_count, factor.used_at = sign_count, clock.now()
    return True


async def _forget_failures(session: AsyncSession, account: str) -> None:
    await session.exec(delete(Attempt).where(col(Attempt.key) == at_the_second_door(account, None)[0].key))
