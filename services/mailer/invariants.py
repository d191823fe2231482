"""What must always be true of the mailer's tables: `preau check` says what is not."""

import datetime as dt

from sqlmodel import col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.mailer.attempts import PATIENCE
from services.mailer.audit import broken_seals
from services.mailer.tables import SECRET, DigestLine, Family, Mail, MailKind, MailState

#: A report that was queued while everything stood still may be a little older than its patience before somebody looks at it.
GRACE = dt.timedelta(days=1)


async def violations(session: AsyncSession) -> list[str]:
    """One sentence each; empty if all is well. That a cause has one mail only is kept by the table itself."""
    return [
        *await _unsaid(session),
        *await _mistimed(session),
        *await _misdirected(session),
        *await _secrets_kept(session),
        *await _untold(session),
        *await broken_seals(session),
    ]


async def _unsaid(session: AsyncSession) -> list[str]:
    says_nothing = or_(Mail.subject == "", Mail.text == "", Mail.html == "")
    nothing = await session.exec(select(Mail.id).where(Mail.state == MailState.QUEUED, says_nothing))
    nowhere = await session.exec(select(Mail.id).where(Mail.state == MailState.QUEUED, col(Mail.to_address).is_(None)))
    return [f"mail {mail} is queued and says nothing" for mail in nothing] + [f"mail {mail} goes to nobody" for mail in nowhere]


async def _mistimed(session: AsyncSession) -> list[str]:
    stuck = await session.exec(select(Mail.id).where(Mail.state == MailState.QUEUED, col(Mail.next_attempt_at).is_(None)))
    unsent = await session.exec(select(Mail.id).where(Mail.state == MailState.SENT, col(Mail.sent_at).is_(None)))
    since = func.coalesce(col(Mail.again_at), col(Mail.created_at))
    old = await session.exec(select(Mail.id).where(Mail.state == MailState.QUEUED, since < dt.datetime.now(dt.UTC) - PATIENCE - GRACE))
    return [
        *(f"mail {mail} is queued and will never be tried" for mail in stuck),
        *(f"mail {mail} is sent, at no time" for mail in unsent),
        *(f"mail {mail} is still queued after more than {PATIENCE.days} days" for mail in old),
    ]


async def _misdirected(session: AsyncSession) -> list[str]:
    """A family's mail goes to one of its own accounts, in its own structure."""
    queued = select(Mail, Family).join(Family, col(Family.id) == col(Mail.family)).where(Mail.state == MailState.QUEUED)
    rows = await session.exec(queued.where(Mail.kind != MailKind.INVITATION))  # That goes to whoever is none yet.
    return [
        f"mail {mail.id} goes to another family"
        for mail, family in rows
        if mail.structure != family.structure or mail.account not in {adult["account"] for adult in family.adults}
    ]


async def _secrets_kept(session: AsyncSession) -> list[str]:
    kept = await session.exec(
        select(Mail.id).where(col(Mail.kind).in_(SECRET), Mail.state != MailState.QUEUED, or_(Mail.text != "", Mail.html != ""))
    )
    return [f"mail {mail} still holds a link that was used or lost" for mail in kept]


async def _untold(session: AsyncSession) -> list[str]:
    """What waited for an evening was told then, by a mail that is there."""
    late = select(DigestLine.cause).where(col(DigestLine.told_by).is_(None), DigestLine.due_at < dt.datetime.now(dt.UTC) - GRACE)
    lost = select(DigestLine.cause).where(col(DigestLine.told_by).is_not(None), col(DigestLine.told_by).not_in(select(Mail.id)))
    return [
        *(f"{cause} waits for an evening that is long past" for cause in await session.exec(late)),
        *(f"{cause} was told by a mail that is not there" for cause in await session.exec(lost)),
    ]
