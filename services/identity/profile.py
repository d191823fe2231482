"""What the owner of an account changes of it (S7). Each runs in its caller's transaction."""

from sqlmodel.ext.asyncio.session import AsyncSession

from services.claims import Caller
from services.clock import Clock
from services.events import EmailChanged
from services.identity import queries
from services.identity.door import Door, right_key
from services.identity.hashing import Checked
from services.identity.register import end_sessions, tell_contacts
from services.identity.tables import Account
from services.mail_addresses import is_email
from services.outbox import record
from services.refusal import Refused, Unauthenticated


async def change_password(session: AsyncSession, clock: Clock, caller: Caller, door: Door, checked: Checked, new_hash: str) -> bool:
    """In force at once (S8); signs the account out everywhere else. False: the current password was wrong."""
    credential = await right_key(session, clock, door, checked)
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
    credential = await right_key(session, clock, door, checked)
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
