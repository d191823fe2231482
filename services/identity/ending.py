"""Ends sessions, and takes back what their tokens grant (services/revoking.py). Each runs in its caller's transaction."""

from sqlalchemy import delete, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.clock import Clock
from services.events import EVERYBODY, TokensRevoked
from services.identity import sessions
from services.identity.paper_codes import COUNTER
from services.identity.tables import Account, AccountSession, Challenge, KnownDevice, RecoveryCode, ResetToken
from services.outbox import record
from services.revoking import keep_revocation


async def end_session(session: AsyncSession, clock: Clock, row: AccountSession) -> None:
    """On one device."""
    row.ended_at = clock.now()
    session.add(row)
    await _revoke(session, clock, row.account_id, row.id)


async def end_sessions(session: AsyncSession, clock: Clock, account: str, but: str | None = None) -> None:
    """Sign the account out everywhere, `but` in one session. Half a sign-in is over too."""
    await session.exec(delete(Challenge).where(col(Challenge.account_id) == account))
    now = clock.now()
    live = update(AccountSession).where(col(AccountSession.account_id) == account, col(AccountSession.ended_at).is_(None))
    if but is not None:
        live = live.where(col(AccountSession.id) != but)
    ended = await session.exec(live.values(ended_at=now).returning(col(AccountSession.id), col(AccountSession.ends_at)))
    for id_, ends_at in ended.all():
        if ends_at + sessions.ACCESS_TOKEN_LIFE > now:
            await _revoke(session, clock, account, id_)


async def password_changed(session: AsyncSession, clock: Clock, account: str, but: str | None = None) -> None:
    """Whoever came in by the one before is out, `but` in one session, and a stranger everywhere; the counter's code is over.

    The account is locked. Codes that the family printed itself stay good.
    """
    await forget_links(session, clock, account)
    await give_up_address(session, account, proven=but is None)
    await forget_counter_code(session, account)
    await end_sessions(session, clock, account, but)
    await forget_devices(session, account)


async def forget_counter_code(session: AsyncSession, account: str) -> None:
    await session.exec(delete(RecoveryCode).where(col(RecoveryCode.account_id) == account, col(RecoveryCode.place) == COUNTER))


async def forget_links(session: AsyncSession, clock: Clock, account: str) -> None:
    """Tokens for a new password that were given before are worth nothing any more: who has them may be whom it is to keep out."""
    unused = update(ResetToken).where(col(ResetToken.account_id) == account, col(ResetToken.used_at).is_(None))
    await session.exec(unused.values(used_at=clock.now()))


async def give_up_address(session: AsyncSession, account: str, *, proven: bool) -> None:
    """The new address that waits, if any: whoever asked for it may be whom the new password is to keep out.

    `proven`: also one that was asked for by whoever had just shown who they are.
    """
    waiting = update(Account).where(col(Account.id) == account, col(Account.pending_email).is_not(None))
    if not proven:
        waiting = waiting.where(col(Account.pending_proven).is_(False))
    await session.exec(waiting.values(pending_email=None, pending_due_at=None))


async def forget_devices(session: AsyncSession, account: str) -> None:
    """Whoever knew the password until now is a stranger everywhere."""
    await session.exec(delete(KnownDevice).where(col(KnownDevice.account_id) == account))


async def lock_account(session: AsyncSession, account: str) -> Account:
    """Its tokens are given, and what they grant is taken away, one after the other: no token says what was true before.

    To be locked before the families that are to be locked, too.
    """
    return await session.get_one(Account, account, with_for_update={"key_share": True}, populate_existing=True)


async def outdate_tokens(session: AsyncSession, clock: Clock, account: str) -> None:
    """Something was taken away from the account: whoever is signed in refreshes, and goes on with what is left."""
    await lock_account(session, account)
    await _revoke(session, clock, account, None)


async def _revoke(session: AsyncSession, clock: Clock, account: str, of_session: str | None) -> None:
    now = clock.now()
    until = now + sessions.ACCESS_TOKEN_LIFE + sessions.CLOCKS_DIFFER
    event = TokensRevoked(structure=EVERYBODY, occurred_at=now, account=account, session=of_session, before=now, until=until)
    await keep_revocation(session, event, clock)
    record(session, event)
