"""What the owner of an account changes of it (S7). Each runs in its caller's transaction."""

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.claims import Caller
from services.clock import Clock
from services.events import AddressCancelMade, AddressLinkMade, EmailChanged
from services.identity import attempts, queries, sessions
from services.identity.door import Door, right_key
from services.identity.ending import end_sessions, forget_links, lock_account, password_changed
from services.identity.hashing import Checked, new_token, token_sum
from services.identity.register import tell_contacts
from services.identity.tables import Account, AccountSession, AddressToken
from services.identity.telling import main_structure, notice
from services.identity.trying import Tried, bear, count
from services.mail_addresses import masked
from services.outbox import record
from services.refusal import Refused, Unauthenticated


async def change_password(session: AsyncSession, clock: Clock, caller: Caller, door: Door, checked: Checked, new_hash: str) -> bool:
    """In force at once (S8); signs the account out everywhere else. False: the current password was wrong."""
    credential = await right_key(session, clock, door, checked)
    if credential is None:
        return False
    credential.password_hash, credential.changed_at = new_hash, clock.now()
    session.add(credential)
    await password_changed(session, clock, caller.account, but=caller.session)
    await notice(session, clock, await session.get_one(Account, caller.account), "PASSWORD_CHANGED")
    return True


async def change_security_question(
    session: AsyncSession, clock: Clock, door: Door, checked: Checked, question: str, answer_hash: str
) -> bool:
    """False: the password was wrong."""
    credential = await right_key(session, clock, door, checked)
    if credential is None:
        return False
    credential.answer_hash = answer_hash
    account = await lock_account(session, credential.account_id)
    account.security_question = question
    account.version += 1
    session.add_all([credential, account])
    await notice(session, clock, account, "QUESTION_CHANGED")
    return True


# -------------------------------------------------------------------------------------------------- the e-mail address
async def change_email(session: AsyncSession, clock: Clock, caller: Caller, email: str, *, proven: bool) -> None:
    """Makes it pending and mails a link there; the address in force is told (S7). The one in force: gives the change up.

    `proven`: by the password. So is whoever has just signed in, or shown a second factor; else the address in force has a day to object.
    Raises Refused: TOO_MANY_ATTEMPTS, PASSWORD_ASKED where no address is in force that could.
    """
    if await queries.signed_in_account(session, caller) is None:
        raise Unauthenticated
    account = await lock_account(session, caller.account)
    if email == account.email:
        await _give_up(session, clock, account)
        return
    now = clock.now()
    here = await session.get_one(AccountSession, caller.session)
    proven = proven or sessions.is_fresh(now, here.started_at, here.factor_at)
    if account.email is None and not proven:
        raise Refused("PASSWORD_ASKED")
    tried = [Tried(token_sum(f"new email of {account.id}"), attempts.NEW_EMAIL)]
    await bear(session, now, tried)
    await count(session, now, tried)
    await _drop_links(session, clock, account)
    if email == account.pending_email:
        account.pending_proven |= proven
    else:
        account.pending_email, account.pending_proven, account.pending_due_at = email, proven, None
        if proven:
            await notice(session, clock, account, "EMAIL_CHANGING", masked(email))
        else:
            await _tell_how_to_object(session, clock, account)
    session.add(account)
    token, expires_at = new_token(), now + sessions.ADDRESS_TOKEN_LIFE
    session.add(AddressToken(token_sum=token_sum(token), account_id=account.id, email=email, expires_at=expires_at))
    about = {"structure": await main_structure(session, account.id), "occurred_at": now, "account": account.id}
    record(session, AddressLinkMade(**about, email=email, language=account.language, token=token, expires_at=expires_at))


async def _tell_how_to_object(session: AsyncSession, clock: Clock, account: Account) -> None:
    """By a link that goes to the address in force, and is good for as long as the new one may wait."""
    assert account.email is not None, "else nothing waits"
    assert account.pending_email is not None, "that is what is told"
    now, due_at = clock.now(), account.pending_due_at
    token, expires_at = new_token(), due_at or now + sessions.ADDRESS_TOKEN_LIFE + sessions.ADDRESS_WAITS
    row = AddressToken(token_sum=token_sum(token), account_id=account.id, email=account.pending_email, cancels=True, expires_at=expires_at)
    session.add(row)
    about = {"structure": await main_structure(session, account.id), "occurred_at": now, "account": account.id}
    what = {"email": account.email, "language": account.language, "new_email": masked(account.pending_email), "due_at": due_at}
    record(session, AddressCancelMade(**about, **what, token=token, expires_at=expires_at))


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A new address that its reader has confirmed."""

    email: str
    in_force_at: dt.datetime


async def confirm_email(session: AsyncSession, clock: Clock, token: str) -> Confirmed:
    """In force from now on (S8), or in a day. Raises Refused where the token is not, or no longer, good."""
    account, row = await _shown(session, clock, token, cancels=False)
    row.used_at = now = clock.now()
    session.add(row)
    if account.pending_proven or account.email is None:
        await _put_in_force(session, clock, account)
        return Confirmed(row.email, now)
    if account.pending_due_at is None:
        account.pending_due_at = now + sessions.ADDRESS_WAITS
        session.add(account)
        await _tell_how_to_object(session, clock, account)
    return Confirmed(row.email, account.pending_due_at)


async def cancel_email(session: AsyncSession, clock: Clock, token: str) -> str:
    """The address that is given up, by whoever reads the one in force: whoever asked for it is signed out, too.

    Raises Refused where the token is not, or no longer, good.
    """
    account, row = await _shown(session, clock, token, cancels=True)
    await _give_up(session, clock, account)
    await end_sessions(session, clock, account.id)
    return row.email


async def _shown(session: AsyncSession, clock: Clock, token: str, *, cancels: bool) -> tuple[Account, AddressToken]:
    """The account, locked, and what the token says of its pending address. Raises Refused."""
    key = token_sum(token)
    row = await session.get(AddressToken, key)
    if row is None:
        raise Refused("INVALID_TOKEN")
    account = await lock_account(session, row.account_id)
    row = await session.get(AddressToken, key, with_for_update=True, populate_existing=True)
    if row is None or row.cancels != cancels or row.used_at is not None or row.expires_at <= clock.now():
        raise Refused("INVALID_TOKEN")
    if account.pending_email != row.email:
        raise Refused("INVALID_TOKEN")
    return account, row


async def put_due_in_force(session: AsyncSession, clock: Clock, account: str) -> None:
    """The new address, if nobody objected to it for a day."""
    row = await lock_account(session, account)
    if row.pending_email is not None and row.pending_due_at is not None and row.pending_due_at <= clock.now():
        await _put_in_force(session, clock, row)


async def _put_in_force(session: AsyncSession, clock: Clock, account: Account) -> None:
    """The pending address. The account is locked."""
    assert account.pending_email is not None, "it was confirmed"
    await forget_links(session, clock, account.id)  # They went to the old one.
    await notice(session, clock, account, "EMAIL_CHANGED", masked(account.pending_email))
    account.email, account.pending_email, account.pending_due_at = account.pending_email, None, None
    account.version += 1
    session.add(account)
    for structure in await queries.structures_joined(session, account.id):
        record(session, EmailChanged(structure=structure, occurred_at=clock.now(), account=account.id))
    await tell_contacts(session, clock, account.id)


async def _give_up(session: AsyncSession, clock: Clock, account: Account) -> None:
    await _drop_links(session, clock, account)
    account.pending_email, account.pending_due_at = None, None
    session.add(account)


async def _drop_links(session: AsyncSession, clock: Clock, account: Account) -> None:
    """Of those that were mailed, only the last is worth anything. Those that give up a change are good for as long as it waits."""
    unused = update(AddressToken).where(col(AddressToken.account_id) == account.id, col(AddressToken.used_at).is_(None))
    await session.exec(unused.where(col(AddressToken.cancels).is_(False)).values(used_at=clock.now()))
