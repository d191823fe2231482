"""What identity does when it hears what became of mails: the profile says where they do not arrive."""

from sqlmodel.ext.asyncio.session import AsyncSession

from services.clock import Clock
from services.events import MailFailed, MailSent
from services.identity import mail_choices
from services.identity.tables import IdentityTable
from services.service import Service

service = Service("identity", IdentityTable.metadata)

REACHED = "identity.reached"


@service.reacts_to(MailFailed)
async def note_failure(session: AsyncSession, event: MailFailed, clock: Clock) -> None:
    if event.account is None or not event.own_address:
        return
    await _note_arrivals(session)  # of mails before this one
    await mail_choices.note_failure(session, event.account, event.kind, event.occurred_at)


@service.reacts_to(MailSent)
async def note_arrival(session: AsyncSession, event: MailSent, clock: Clock) -> None:
    """Gathered: a rush ends in thousands of these, and nearly all change nothing."""
    if event.account is None or not event.own_address:
        return
    if REACHED not in session.info:
        session.info[REACHED] = set()
        session.info.setdefault("before_commit", []).append(_note_arrivals)
    session.info[REACHED].add(event.account)


async def _note_arrivals(session: AsyncSession) -> None:
    reached: set[str] = session.info.get(REACHED, set())
    if reached:
        await mail_choices.note_arrivals(session, reached)
        reached.clear()
