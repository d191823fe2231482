"""What the owner of an account changes of it (S7). Each runs in its caller's transaction."""

from sqlalchemy import update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.claims import Caller
from services.clock import Clock
from services.events import AddressLinkMade, EmailChanged
from services.identity import attempts, queries, sessions
from services.identity.door import Door, right_key
from services.identity.ending import forget_links, lock_account, password_changed
from services.identity.hashing import Checked, new_token, token_sum
from services.identity.register import tell_contacts
from services.identity.tables import Account, AddressToken
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
async def change_email(session: AsyncSession, clock: Clock, caller: Caller, email: str) -> None:
    """Makes it pending and mails a link there; the address in force is told (S7). The one in force: gives the change up."""
    if await queries.signed_in_account(session, caller) is None:
        raise Unauthenticated
    account = await lock_account(session, caller.account)
    if email == account.email:
        await _drop_links(session, clock, account)
        account.pending_email = None
        session.add(account)
        return
    now = clock.now()
    tried = [Tried(token_sum(f"new email of {account.id}"), attempts.NEW_EMAIL)]
    await bear(session, now, tried)
    await count(session, now, tried)
    await _drop_links(session, clock, account)
    if email != account.pending_email:
        await notice(session, clock, account, "EMAIL_CHANGING", masked(email))
        account.pending_email = email
        session.add(account)
    token, expires_at = new_token(), now + sessions.ADDRESS_TOKEN_LIFE
    session.add(AddressToken(token_sum=token_sum(token), account_id=account.id, email=email, expires_at=expires_at))
    about = {"structure": await main_structure(session, account.id), "occurred_at": now, "account": account.id}
    record(session, AddressLinkMade(**about, email=email, language=account.language, token=token, expires_at=expires_at))


async def confirm_email(session: AsyncSession, clock: Clock, token: str) -> str:
    """The address, which is in force from now on (S8). Raises Refused where the token is not, or no longer, good."""
    now, key = clock.now(), token_sum(token)
    row = await session.get(AddressToken, key)
    if row is None:
        raise Refused("INVALID_TOKEN")
    account = await lock_account(session, row.account_id)
    row = await session.get(AddressToken, key, with_for_update=True, populate_existing=True)
    if row is None or row.used_at is not None or row.expires_at <= now or account.pending_email != row.email:
        raise Refused("INVALID_TOKEN")
    row.used_at = now
    await forget_links(session, clock, account.id)  # They went to the old one.
    await notice(session, clock, account, "EMAIL_CHANGED", masked(row.email))
    account.email, account.pending_email = row.email, None
    account.version += 1
    session.add_all([row, account])
    for structure in await queries.structures_joined(session, account.id):
        record(session, EmailChanged(structure=structure, occurred_at=now, account=account.id))
    await tell_contacts(session, clock, account.id)
    return row.email


async def _drop_links(session: AsyncSession, clock: Clock, account: Account) -> None:
    """Of those that were mailed, only the last is worth anything."""
    unused = update(AddressToken).where(col(AddressToken.account_id) == account.id, col(AddressToken.used_at).is_(None))
    await session.exec(unused.values(used_at=clock.now()))
