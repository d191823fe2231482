"""What identity does when it hears something: of mails that do not arrive, and of families that are to be erased."""

from sqlmodel.ext.asyncio.session import AsyncSession

from services.clock import Clock
from services.events import (
    BillingDataTold,
    BillingErased,
    BillingErasureWeighed,
    BillingLooksTaken,
    BookingDataTold,
    BookingErased,
    BookingErasureWeighed,
    BookingLooksTaken,
    DataToldEvent,
    LooksEvent,
    MailerDataTold,
    MailerErased,
    MailerLooksTaken,
    MailFailed,
    MailSent,
)
from services.identity import mail_choices, portability, privacy, viewing
from services.identity.tables import IdentityTable
from services.personal import wipe_soon
from services.service import Service

service = Service("identity", IdentityTable.metadata)

service.after(BillingErased)(wipe_soon)  # Once, a little after our own rows went.

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


@service.reacts_to(BillingErasureWeighed)
async def hear_billing(session: AsyncSession, event: BillingErasureWeighed, clock: Clock) -> None:
    await privacy.hear_weighed(session, clock, event.erasure, event.service, event.obstacles)


@service.reacts_to(BookingErasureWeighed)
async def hear_booking(session: AsyncSession, event: BookingErasureWeighed, clock: Clock) -> None:
    await privacy.hear_weighed(session, clock, event.erasure, event.service, event.obstacles)


@service.reacts_to(BillingErased)
async def billing_erased(session: AsyncSession, event: BillingErased, clock: Clock) -> None:
    await privacy.hear_erased(session, clock, event.erasure, event.service)


@service.reacts_to(BookingErased)
async def booking_erased(session: AsyncSession, event: BookingErased, clock: Clock) -> None:
    await privacy.hear_erased(session, clock, event.erasure, event.service)


@service.reacts_to(MailerErased)
async def mailer_erased(session: AsyncSession, event: MailerErased, clock: Clock) -> None:
    await privacy.hear_erased(session, clock, event.erasure, event.service)


async def hear_data(session: AsyncSession, event: DataToldEvent, clock: Clock) -> None:
    await portability.hear(session, clock, event)


for _kind in (BillingDataTold, BookingDataTold, MailerDataTold):
    service.reacts_to(_kind)(hear_data)


async def hear_looks(session: AsyncSession, event: LooksEvent, clock: Clock) -> None:
    await viewing.hear(session, event)


for _looks in (BillingLooksTaken, BookingLooksTaken, MailerLooksTaken):
    service.reacts_to(_looks)(hear_looks)
