"""Which mails an account wants, and whether they reach it. Each runs in its caller's transaction."""

import datetime as dt
from collections.abc import Collection

from sqlalchemy import delete
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.claims import Caller
from services.clock import Clock
from services.identity import entries, queries
from services.identity.ending import lock_account
from services.identity.households import ReportsWanted
from services.identity.register import change_profile, tell_contacts
from services.identity.tables import Account, Undeliverable
from services.refusal import Unauthenticated


async def choose(
    session: AsyncSession, clock: Clock, caller: Caller, reports: ReportsWanted | None = None, announcements: bool | None = None
) -> Account:
    """In force at once: the mailer is told. None: as it was."""
    if await queries.signed_in_account(session, caller) is None:
        raise Unauthenticated
    account = await lock_account(session, caller.account)
    wanted = reports or account.reports, account.announcements_by_mail if announcements is None else announcements
    if wanted != (account.reports, account.announcements_by_mail):
        account.reports, account.announcements_by_mail = wanted
        account.version += 1
        session.add(account)
        await tell_contacts(session, clock, account.id)
    return account


async def speak(session: AsyncSession, clock: Clock, caller: Caller, language: str) -> Account:
    """In force at once: the next mail is in it. What the town's file said last is kept, so that it undoes nothing when it is loaded again.

    Raises Refused INVALID_ENTRY.
    """
    if await queries.signed_in_account(session, caller) is None:
        raise Unauthenticated
    account = await lock_account(session, caller.account)
    loaded = account.loaded_language or account.language
    await change_profile(session, clock, account, {"language": entries.language_of(language), "loaded_language": loaded})
    return account


async def note_failure(session: AsyncSession, account_id: str, kind: str, at: dt.datetime) -> None:
    """A mail to the account's own address was given up."""
    account = await session.get(Account, account_id)
    if account is None or account.email is None:
        return
    row = await session.get(Undeliverable, account_id, with_for_update=True)
    if row is None or row.email != account.email:
        await session.merge(Undeliverable(account_id=account_id, email=account.email, kind=kind, since=at))


async def note_arrivals(session: AsyncSession, accounts: Collection[str]) -> None:
    """Mails to these accounts' own addresses were taken."""
    await session.exec(delete(Undeliverable).where(col(Undeliverable.account_id).in_(accounts)))


async def undeliverable(session: AsyncSession, account_id: str) -> dt.datetime | None:
    """Since when mails to the account's address have been given up. Of an address that it had before, nothing is said."""
    found = select(Undeliverable.since).where(
        Undeliverable.account_id == account_id, Account.id == account_id, Undeliverable.email == Account.email
    )
    return (await session.exec(found)).first()
