"""What the mailer knows of people: all of it goes when a family is erased, but that there was one."""

from collections.abc import Collection

from sqlalchemy import and_, delete, or_
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.clock import Clock
from services.events import AccountErased, DataRequested, FamilyErasing, MailerDataTold, MailerErased
from services.mailer import delivery
from services.mailer.tables import DigestLine, Family, Mail
from services.outbox import record
from services.personal import Fate, Fates, forget_what_was_said
from services.telling import Whose, in_parts
from services.telling import told as rows_of

#: Table -> column -> fate; a fate alone is that of all columns.
FATES: Fates = {
    "structure": Fate.NOBODY,
    "activity": Fate.NOBODY,
    "family": {
        "id": Fate.NUMBER,
        "structure": Fate.NOBODY,
        "version": Fate.NOBODY,
        "adults": Fate.EMPTIED,
        "children": Fate.EMPTIED,
    },
    "mail": Fate.DELETED,
    "announcement": Fate.NOBODY,
    "digest_line": Fate.DELETED,
    "pace": Fate.NOBODY,
    "webhook": Fate.NOBODY,
    "outward_event": Fate.NUMBER,
    "act": Fate.TRAIL,  # Ids alone.
}


async def erase(session: AsyncSession, event: FamilyErasing, clock: Clock) -> None:
    """Mails that wait are not sent any more. Twice is as good as once."""
    family = await session.get(Family, event.family, with_for_update=True)
    if family is not None:
        family.adults, family.children = [], {}
        session.add(family)
    for table in (DigestLine, Mail):
        await session.exec(delete(table).where(col(table.family) == event.family))
    await _forget(session, event.accounts)
    await forget_what_was_said(session, [event.family], event.accounts)
    about = {"structure": event.structure, "occurred_at": clock.now(), "erasure": event.erasure, "family": event.family}
    record(session, MailerErased(**about))


async def forget_account(session: AsyncSession, event: AccountErased, clock: Clock) -> None:
    """Nothing is written to it any more, not even that it is gone."""
    await _forget(session, [event.account])
    await forget_what_was_said(session, [], [event.account])


async def _forget(session: AsyncSession, accounts: Collection[str]) -> None:
    """What was written to them. Where a family stays, so does that there was a mail: each of its answers has its report."""
    await session.exec(delete(DigestLine).where(col(DigestLine.account).in_(accounts), col(DigestLine.told_by).is_(None)))
    await session.exec(delete(Mail).where(col(Mail.account).in_(accounts), col(Mail.family).is_(None)))
    await delivery.silence(session, accounts)


async def tell(session: AsyncSession, event: DataRequested, clock: Clock) -> None:
    """The mails to whoever asks, of this family and of the account itself; what was written to another adult is that one's."""
    account = event.account or ""  # To an agent, what is no adult's: none.
    mine = and_(col(Mail.account) == account, or_(col(Mail.family) == event.family, col(Mail.family).is_(None)))
    line = and_(col(DigestLine.account) == account, col(DigestLine.family) == event.family)
    whose: Whose = {Mail: mine, DigestLine: line}
    found = await rows_of(session, whose, but=("html", "claimed_by", "claimed_until", "next_attempt_at", "last_error", "again_at"))
    record(session, *await in_parts(MailerDataTold, event, found, clock.now()))
