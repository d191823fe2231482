"""Ways back in for whoever forgot the password (S3). None tells whether there is an account. Each runs in its caller's transaction."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import delete
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.audit import reason_of
from services.claims import Caller
from services.clock import Clock
from services.events import PasswordResetRequested, ResetLinkMade
from services.identity import attempts, audit, queries, sessions
from services.identity.challenges import Halfway
from services.identity.credentials import plain_login
from services.identity.door import Opened, begin
from services.identity.ending import lock_account, password_changed
from services.identity.hashing import DUMMY, Checked, new_token, token_sum
from services.identity.office import Agent, once
from services.identity.paper_codes import COUNTER, plain_code
from services.identity.second_factor import SecondFactor
from services.identity.tables import Account, Attempt, Credential, RecoveryCode, ResetToken
from services.identity.telling import main_structure, notice
from services.identity.trying import Tried, at_the_door, bear, count, tried_by, wait_left
from services.outbox import record
from services.refusal import Forbidden

COUNTER_CODE = "ISSUE_COUNTER_CODE"  #: What the audit trail calls it.


async def request_password_reset(session: AsyncSession, clock: Clock, login: str, address: str | None) -> None:
    """Says nothing, whether or not the account exists, and writes as much for the one as for the other (S3)."""
    now = clock.now()
    tried = tried_by("reset", login, address, attempts.RESET, attempts.RESET_ADDRESS)
    if await wait_left(session, now, tried):
        return
    await count(session, now, tried)
    found = await queries.account_with_password(session, plain_login(login))
    account = found[0] if found and found[0].email else None
    token, expires_at = grant(session, account.id if account else None, now), now + sessions.RESET_TOKEN_LIFE
    if account is None or account.email is None:
        return
    about = {"structure": await main_structure(session, account.id), "occurred_at": now, "account": account.id}
    record(
        session,
        PasswordResetRequested(**about),
        ResetLinkMade(**about, email=account.email, language=account.language, token=token, expires_at=expires_at),
    )


async def reset_password(session: AsyncSession, clock: Clock, token: str, new_hash: str, asked: SecondFactor) -> Opened | Halfway | None:
    """Uses the token up, signs the account out everywhere, and in here: as far as the second factor, which a letter never replaces.

    None: the token is not, or no longer, good.
    """
    now, key = clock.now(), token_sum(token)
    row = await session.get(ResetToken, key)
    if row is None or row.account_id is None:
        return None
    account = await lock_account(session, row.account_id)
    row = await session.get(ResetToken, key, with_for_update=True, populate_existing=True)
    if row is None or row.used_at is not None or row.expires_at <= now:
        return None
    credential = await session.get_one(Credential, account.id, with_for_update=True)
    credential.password_hash, credential.changed_at = new_hash, now
    session.add(credential)
    await password_changed(session, clock, account.id)
    await notice(session, clock, account, "PASSWORD_CHANGED")
    await session.exec(delete(Attempt).where(col(Attempt.key) == at_the_door(account.login, None)[0].key))
    return await begin(session, clock, account, asked)


# ------------------------------------------------------------------------------------------------------ codes on paper
@dataclass(frozen=True, slots=True)
class Paper:
    """Somebody shows a code. An unknown login, or one that has no such code, finds a hash too: no code has it."""

    code: str  #: As `plain_code` gives it.
    account: str | None
    stored_hash: str
    tried: list[Tried]


async def show_code(session: AsyncSession, clock: Clock, login: str, code: str, address: str | None) -> Paper:
    """Changes nothing. Raises Refused where there were too many failures."""
    code = plain_code(code)
    tried = tried_by("code", login, address, attempts.ACCOUNT, attempts.ADDRESS)
    await bear(session, clock.now(), tried)
    found = await queries.paper_code(session, plain_login(login), code[:1])
    account, stored_hash = found or (None, DUMMY)
    return Paper(code, account, stored_hash, tried)


async def use_code(session: AsyncSession, clock: Clock, paper: Paper, checked: Checked) -> str | None:
    """A token for a new password. None: the code is not, or no longer, good, which is counted."""
    now = clock.now()
    if checked.right and paper.account is not None:
        row = await session.get(RecoveryCode, (paper.account, paper.code[:1]), with_for_update=True)
        if row is not None and row.code_hash == paper.stored_hash and _is_good(row, now):
            row.used_at = now
            session.add(row)
            await session.exec(delete(Attempt).where(col(Attempt.key) == paper.tried[0].key))
            await notice(session, clock, await session.get_one(Account, paper.account), "RECOVERY_CODE_USED")
            return grant(session, paper.account, now)
    await count(session, now, paper.tried)
    return None


def _is_good(row: RecoveryCode, now: dt.datetime) -> bool:
    return row.used_at is None and (row.expires_at is None or row.expires_at > now)


def grant(session: AsyncSession, account: str | None, now: dt.datetime) -> str:
    """A token that gives a new password, once. No account: to nobody, so that the work is the same."""
    token = new_token()
    session.add(ResetToken(token_sum=token_sum(token), account_id=account, expires_at=now + sessions.RESET_TOKEN_LIFE))
    return token


async def keep_codes(session: AsyncSession, clock: Clock, caller: Caller, hashes: Collection[tuple[str, str]]) -> None:
    """The account's printed codes are these from now on. `hashes`: place -> hash."""
    now = clock.now()
    account = await lock_account(session, caller.account)
    await session.exec(delete(RecoveryCode).where(col(RecoveryCode.account_id) == account.id, col(RecoveryCode.place) != COUNTER))
    session.add_all(RecoveryCode(account_id=account.id, place=place, code_hash=hashed, made_at=now) for place, hashed in hashes)
    await notice(session, clock, account, "RECOVERY_CODES_MADE")


@dataclass(frozen=True, slots=True)
class CounterCode:
    """What an agent gives to an adult who stands before him."""

    expires_at: dt.datetime
    is_new: bool  #: False: the same was asked before, and the code was shown then.


async def issue_counter_code(
    session: AsyncSession, clock: Clock, caller: Caller, account: str, reason: str, key: str, code_hash: str
) -> CounterCode:
    """Takes the place of one that was given before. The same key again is the same code.

    Raises Refused REASON_REQUIRED, IDEMPOTENCY_KEY_REUSED; Forbidden for whoever is no adult of a structure of the agent's.
    """
    why = reason_of(reason)
    counters = await queries.counters_of(session, caller, account)
    if not counters:
        raise Forbidden
    now, is_new = clock.now(), False
    expires_at = now + sessions.COUNTER_CODE_LIFE

    async def issue() -> str:
        nonlocal is_new
        is_new = True
        row = await session.get(RecoveryCode, (account, COUNTER), with_for_update=True)
        row = row or RecoveryCode(account_id=account, place=COUNTER, code_hash=code_hash, made_at=now)
        row.code_hash, row.made_at, row.expires_at, row.used_at = code_hash, now, expires_at, None
        session.add(row)
        await audit.note(session, now, counters[0], caller.account, audit.Done(COUNTER_CODE, adult=account, reason=why, after={}))
        await notice(session, clock, await session.get_one(Account, account), "COUNTER_CODE_MADE")
        return expires_at.isoformat()

    said = await once(session, clock, Agent(caller.account, counters[0], why), key, [COUNTER_CODE, account], issue)
    return CounterCode(dt.datetime.fromisoformat(said), is_new=is_new)


# ---------------------------------------------------------------------------------------------------- secret questions
@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody answers a question. Where it is no way in there is a hash too: no answer has it."""

    account: str | None
    stored_hash: str
    tried: list[Tried]


async def ask_question(session: AsyncSession, clock: Clock, login: str, address: str | None) -> Asked:
    """Changes nothing. Raises Refused where there were too many wrong answers."""
    tried = tried_by("answer", login, address, attempts.ACCOUNT, attempts.ADDRESS)
    await bear(session, clock.now(), tried)
    found = await queries.secret_question(session, plain_login(login))
    account, _, stored_hash = found or (None, "", DUMMY)
    return Asked(account, stored_hash, tried)


async def answer_question(session: AsyncSession, clock: Clock, asked: Asked, checked: Checked) -> str | None:
    """A token for a new password. None: the answer is wrong, which is counted."""
    now = clock.now()
    if checked.right and asked.account is not None:
        credential = await session.get_one(Credential, asked.account, with_for_update=True)
        if credential.answer_hash == asked.stored_hash:
            await session.exec(delete(Attempt).where(col(Attempt.key) == asked.tried[0].key))
            return grant(session, asked.account, now)
    await count(session, now, asked.tried)
    return None
