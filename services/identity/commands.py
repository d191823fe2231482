"""What identity can be asked to do: what a town puts in (register.py), and what somebody does at the door.

Each runs in its caller's transaction. Passwords never come here, only what became of them (hashing.py).
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson
from sqlalchemy import delete, or_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.claims import Caller
from services.clock import Clock
from services.events import EmailChanged, PasswordResetRequested, ResetLinkMade, SigningKeyPublished
from services.identity import attempts, queries, sessions
from services.identity.attempts import Patience
from services.identity.credentials import plain_login
from services.identity.hashing import DUMMY, Checked, new_token, token_sum
from services.identity.register import end_sessions, hash_ahead, put_account, put_announcement, put_family, put_structure, tell_contacts
from services.identity.tables import Account, AccountSession, Attempt, Credential, RefreshToken, ResetToken, Secret, SigningKey
from services.identity.tokens import Signer, new_key
from services.mail_addresses import is_email
from services.outbox import Outgoing, record
from services.refusal import Refused, Unauthenticated
from services.visitors import household_of

__all__ = ["hash_ahead", "put_account", "put_announcement", "put_family", "put_structure"]

EVERYBODY = "all"  #: The structure of events about the installation itself, and of accounts that belong to none yet.


# ------------------------------------------------------------------------------------------------------- failed tries
@dataclass(frozen=True, slots=True)
class Tried:
    """What the failures of one kind, by one login or address, are counted under, and how many are borne."""

    key: str
    patience: Patience


def _tried(what: str, login: str, address: str | None, by_login: Patience, by_address: Patience) -> list[Tried]:
    tried = [Tried(token_sum(f"{what} login {plain_login(login)}"), by_login)]
    if household := household_of(address):
        tried.append(Tried(token_sum(f"{what} address {household}"), by_address))
    return tried


def _at_the_door(login: str, address: str | None) -> list[Tried]:
    return _tried("door", login, address, attempts.ACCOUNT, attempts.ADDRESS)


async def _wait_left(session: AsyncSession, now: dt.datetime, tried: list[Tried]) -> dt.timedelta:
    known = await queries.tries(session, [one.key for one in tried])
    return max(attempts.wait_left(known.get(one.key), now, one.patience) for one in tried)


async def _bear(session: AsyncSession, now: dt.datetime, tried: list[Tried]) -> None:
    """Raises Refused while there were too many failures."""
    if wait := await _wait_left(session, now, tried):
        raise Refused("TOO_MANY_ATTEMPTS", wait_seconds=int(wait.total_seconds()) + 1)


async def _count(session: AsyncSession, now: dt.datetime, tried: list[Tried]) -> None:
    for one in sorted(tried, key=lambda one: one.key):  # always in one order, so that two never wait for each other
        row = await session.get(Attempt, one.key, with_for_update=True)
        if row is None:
            await _insert_if_new(session, Attempt, key=one.key, count=1, last_at=now)
            continue
        more = attempts.one_more(attempts.Tries(row.count, row.last_at), now)
        row.count, row.last_at = more.count, more.last_at
        session.add(row)


async def _insert_if_new(session: AsyncSession, table: type[SQLModel], **values: Any) -> bool:
    """Whether it was not there: two replicas may try at the same moment."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    result = await session.exec(insert(table).values(**values).on_conflict_do_nothing())
    return bool(result.rowcount)


# ---------------------------------------------------------------------------------------------------------- sign in
@dataclass(frozen=True, slots=True)
class Door:
    """Somebody wants in. An unknown login finds a door too: it only has no key."""

    login: str
    address: str | None
    account: str | None
    stored_hash: str


@dataclass(frozen=True, slots=True)
class Opened:
    """Somebody is signed in."""

    account: Account
    caller: Caller
    refresh_token: str


async def knock(session: AsyncSession, clock: Clock, login: str, address: str | None) -> Door:
    """Changes nothing. Raises Refused where there were too many failures: then nothing is to be checked."""
    await _bear(session, clock.now(), _at_the_door(login, address))
    found = await queries.account_with_password(session, plain_login(login))
    account, stored_hash = found or (None, DUMMY)
    return Door(login, address, account.id if account else None, stored_hash)


async def sign_in(session: AsyncSession, clock: Clock, door: Door, checked: Checked) -> Opened | None:
    """None: the password was wrong, which is counted."""
    credential = await _right_key(session, clock, door, checked)
    if credential is None:
        return None
    if checked.better_hash is not None:
        credential.password_hash = checked.better_hash
        session.add(credential)
    account = await session.get_one(Account, credential.account_id)
    return await _begin(session, clock, account)


async def _right_key(session: AsyncSession, clock: Clock, door: Door, checked: Checked) -> Credential | None:
    """The account's credential, if it was opened with the right password; counts a failure, forgets them after a success."""
    tried = _at_the_door(door.login, door.address)
    if checked.right and door.account is not None:
        credential = await session.get_one(Credential, door.account, with_for_update=True)
        if credential.password_hash == door.stored_hash:  # else it was changed while we checked
            await session.exec(delete(Attempt).where(col(Attempt.key) == tried[0].key))
            return credential
    await _count(session, clock.now(), tried)
    return None


async def _begin(session: AsyncSession, clock: Clock, account: Account) -> Opened:
    now = clock.now()
    agent_of = frozenset(structure.id for structure in await queries.agent_of(session, account.id))
    stay = _stay(agent_of)
    row = AccountSession(id=uuid4().hex, account_id=account.id, started_at=now, ends_at=now + stay.longest)
    session.add(row)
    await session.flush()
    return await _admit(session, clock, account, row, agent_of)


def _stay(agent_of: frozenset[str]) -> sessions.Stay:
    return sessions.AGENT if agent_of else sessions.FAMILY


async def _admit(session: AsyncSession, clock: Clock, account: Account, row: AccountSession, agent_of: frozenset[str]) -> Opened:
    """A new refresh token of this session, and what the access token says."""
    now = clock.now()
    token = new_token()
    session.add(RefreshToken(token_sum=token_sum(token), session_id=row.id, expires_at=sessions.expiry(now, row.ends_at, _stay(agent_of))))
    families = await queries.families_of(session, account.id)
    caller = Caller(
        account=account.id,
        session=row.id,
        families={family.id: family.structure_id for family in families},
        agent_of=agent_of,
        language=account.language,
        expires_at=int((now + sessions.ACCESS_TOKEN_LIFE).timestamp()),
    )
    return Opened(account, caller, token)


async def refresh(session: AsyncSession, clock: Clock, token: str) -> Opened | None:
    """None: it is not, or no longer, good. One that was used before ends its session: somebody has a copy."""
    now = clock.now()
    row = await session.get(RefreshToken, token_sum(token), with_for_update=True)
    if row is None:
        return None
    of_account = await session.get_one(AccountSession, row.session_id, with_for_update=True)
    match sessions.worth(sessions.Shown(row.expires_at, row.used_at, of_account.ends_at, of_account.ended_at), now):
        case sessions.Worth.NOTHING:
            return None
        case sessions.Worth.ENDS_THE_SESSION:
            of_account.ended_at = now
            session.add(of_account)
            return None
    row.used_at = now
    session.add(row)
    account = await session.get_one(Account, of_account.account_id)
    agent_of = frozenset(structure.id for structure in await queries.agent_of(session, account.id))
    return await _admit(session, clock, account, of_account, agent_of)


async def sign_out(session: AsyncSession, clock: Clock, caller: Caller) -> None:
    row = await session.get(AccountSession, caller.session, with_for_update=True)
    if row is not None and row.ended_at is None:
        row.ended_at = clock.now()
        session.add(row)


# ------------------------------------------------------------------------------------------------------------- profile
async def change_password(session: AsyncSession, clock: Clock, caller: Caller, door: Door, checked: Checked, new_hash: str) -> bool:
    """In force at once (S8); signs the account out everywhere else. False: the current password was wrong."""
    credential = await _right_key(session, clock, door, checked)
    if credential is None:
        return False
    credential.password_hash, credential.changed_at = new_hash, clock.now()
    session.add(credential)
    await end_sessions(session, caller.account, clock.now(), but=caller.session)
    return True


async def change_security_question(
    session: AsyncSession, clock: Clock, door: Door, checked: Checked, question: str, answer_hash: str
) -> bool:
    """False: the password was wrong."""
    credential = await _right_key(session, clock, door, checked)
    if credential is None:
        return False
    credential.answer_hash = answer_hash
    account = await session.get_one(Account, credential.account_id, with_for_update=True)
    account.security_question = question
    account.version += 1
    session.add_all([credential, account])
    return True


async def change_email(session: AsyncSession, clock: Clock, caller: Caller, email: str) -> None:
    """In force at once (S7, S8)."""
    email = email.strip()
    if not is_email(email):
        raise Refused("INVALID_EMAIL")
    if await queries.signed_in_account(session, caller) is None:
        raise Unauthenticated
    account = await session.get_one(Account, caller.account, with_for_update=True, populate_existing=True)
    if account.email == email:
        return
    account.email = email
    account.version += 1
    session.add(account)
    for structure in await queries.structures_joined(session, account.id):
        record(session, EmailChanged(structure=structure, occurred_at=clock.now(), account=account.id))
    await tell_contacts(session, clock, account.id)


# ------------------------------------------------------------------------------------------------------------ recovery
async def request_password_reset(session: AsyncSession, clock: Clock, login: str, address: str | None) -> None:
    """Says nothing, whether or not the account exists, and writes as much for the one as for the other (S3)."""
    now = clock.now()
    tried = _tried("reset", login, address, attempts.RESET, attempts.RESET_ADDRESS)
    if await _wait_left(session, now, tried):
        return
    await _count(session, now, tried)
    found = await queries.account_with_password(session, plain_login(login))
    account = found[0] if found and found[0].email else None
    token, expires_at = new_token(), now + sessions.RESET_TOKEN_LIFE
    session.add(ResetToken(token_sum=token_sum(token), account_id=account.id if account else None, expires_at=expires_at))
    if account is None or account.email is None:
        return
    structure = (*await queries.structures_joined(session, account.id), EVERYBODY)[0]
    about = {"structure": structure, "occurred_at": now, "account": account.id}
    record(
        session,
        PasswordResetRequested(**about),
        ResetLinkMade(**about, email=account.email, language=account.language, token=token, expires_at=expires_at),
    )


async def reset_password(session: AsyncSession, clock: Clock, token: str, new_hash: str) -> Opened | None:
    """Uses the token up, signs the account out everywhere and in here. None: the token is not, or no longer, good."""
    now = clock.now()
    row = await session.get(ResetToken, token_sum(token), with_for_update=True)
    if row is None or row.account_id is None or row.used_at is not None or row.expires_at <= now:
        return None
    account = await session.get_one(Account, row.account_id)
    # The letters before this one are worth nothing any more either.
    unused = update(ResetToken).where(col(ResetToken.account_id) == account.id, col(ResetToken.used_at).is_(None))
    await session.exec(unused.values(used_at=now))
    credential = await session.get_one(Credential, account.id, with_for_update=True)
    credential.password_hash, credential.changed_at = new_hash, now
    session.add(credential)
    await end_sessions(session, account.id, now)
    await session.exec(delete(Attempt).where(col(Attempt.key) == _at_the_door(account.login, None)[0].key))
    return await _begin(session, clock, account)


async def answer_recovery_question(session: AsyncSession, clock: Clock, login: str, address: str | None) -> None:
    """Secret questions are off: no answer is right, and each is counted. Raises Refused where there were too many."""
    now = clock.now()
    tried = _tried("answer", login, address, attempts.ACCOUNT, attempts.ADDRESS)
    await _bear(session, now, tried)
    await _count(session, now, tried)


# -------------------------------------------------------------------------------------------------------- installation
async def keep_secret(session: AsyncSession, name: str, new: str) -> str:
    """The installation's secret of that name: `new` if there is none yet."""
    await _insert_if_new(session, Secret, name=name, value=new)
    return (await session.get_one(Secret, name)).value


async def announce_key(session: AsyncSession, clock: Clock, signing_key: str | None) -> Signer:
    """The signer of this installation, with the key from the settings or its own; its public part is told once."""
    signer = Signer(signing_key or await keep_secret(session, "signing_key", new_key()))
    row = {"kid": signer.kid, "public_jwk": signer.public_jwk, "created_at": clock.now()}
    if await _insert_if_new(session, SigningKey, **row):
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
    await _forget_links(session, now)


async def _forget_links(session: AsyncSession, now: dt.datetime) -> None:
    """The outbox keeps all it ever said: take the token and the address out of links that went out and are worth nothing any more."""
    links = select(col(Outgoing.position), Outgoing.body).where(
        Outgoing.type == ResetLinkMade.type_name(),
        col(Outgoing.published),
        col(Outgoing.occurred_at) <= now - sessions.RESET_TOKEN_LIFE,
        col(Outgoing.body).not_like('%"token":""%'),
    )
    for position, body in (await session.exec(links)).all():
        rest = orjson.dumps(orjson.loads(body) | {"token": "", "email": ""}).decode()
        await session.exec(update(Outgoing).where(col(Outgoing.position) == position).values(body=rest))
