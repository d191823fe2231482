"""What the mailer does when it hears something: keep a copy, or queue a letter.

Families' letters are gathered and queued together, just before the transaction of the batch commits: hundreds of reports then cost a
handful of statements.
"""

from collections.abc import Sequence
from functools import partial

from sqlmodel.ext.asyncio.session import AsyncSession

from services.clock import Clock
from services.events import (
    AccountErased,
    ActivityChanged,
    AddressCancelMade,
    AddressLinkMade,
    AnnouncementDue,
    AnnouncementWithdrawn,
    AwaitedMovement,
    BalanceLow,
    ContactsChanged,
    DataRequested,
    DecidedMovement,
    FamilyErasing,
    InvitationMade,
    LinkEvent,
    PaymentFailed,
    PaymentReceived,
    PlaceExpired,
    PlaceGiven,
    RequestDecided,
    RequestDelayed,
    RequestExplained,
    ResetLinkMade,
    SecurityNoticeMade,
    StructureChanged,
)
from services.mailer import commands, personal
from services.mailer.addresses import Adult, one_line
from services.mailer.commands import Notice
from services.mailer.letters import Act, Delayed, Failed, LowBalance, Received
from services.mailer.report import Outcome
from services.mailer.tables import MailerTable, MailKind
from services.mailer.telling import AwaitedRun, Decided, Wish
from services.personal import wipe_soon
from services.service import Service

service = Service("mailer", MailerTable.metadata)
service.reacts_to(DataRequested)(personal.tell)
service.reacts_to(FamilyErasing)(personal.erase)
service.reacts_to(AccountErased)(personal.forget_account)
service.after(FamilyErasing)(wipe_soon)
service.after(AccountErased)(wipe_soon)

WISHES = "mailer.wishes"


@service.reacts_to(StructureChanged)
async def keep_structure(session: AsyncSession, event: StructureChanged, clock: Clock) -> None:
    await commands.keep_structure(session, event.structure, event.version, event.title, event.timezone, event.retention)


@service.reacts_to(ContactsChanged)
async def keep_contacts(session: AsyncSession, event: ContactsChanged, clock: Clock) -> None:
    adults = [Adult(**contact.model_dump()) for contact in event.adults]
    await commands.keep_contacts(session, event.structure, event.family, event.version, adults, event.children)


@service.reacts_to(ActivityChanged)
async def keep_activity(session: AsyncSession, event: ActivityChanged, clock: Clock) -> None:
    await commands.keep_activity(session, event.structure, event.activity, event.version, event.title)


@service.reacts_to(RequestDecided)
async def report_request(session: AsyncSession, event: RequestDecided, clock: Clock) -> None:
    """What wants more words than these, an agent's for instance, comes with them: below."""
    if event.by == "family" and not event.explained:
        movements = _decided(event.movements)
        _gather(
            session,
            clock,
            Wish(MailKind.REPORT, event.request, event.structure, event.family, movements, event.account, at=event.occurred_at),
        )


@service.reacts_to(RequestExplained)
async def report_in_words(session: AsyncSession, event: RequestExplained, clock: Clock) -> None:
    about = f"{event.request}/{event.part}" if event.part else event.request
    act = Act(one_line(event.reason), event.cause, event.overrode) if event.by == "agent" else None
    movements = [*_decided(event.movements), *map(_awaited, event.awaited)]
    reader = event.structure, event.family, movements, event.account
    _gather(session, clock, Wish(MailKind.REPORT, about, *reader, act, at=event.occurred_at, goes_on=event.part > 0))


@service.reacts_to(RequestDelayed)
async def ask_for_patience(session: AsyncSession, event: RequestDelayed, clock: Clock) -> None:
    delayed = Delayed(one_line(event.number), event.requested_at, event.movements)
    _gather(session, clock, Wish(MailKind.DELAYED, event.request, event.structure, event.family, (), event.account, delayed=delayed))


def _decided(movements: Sequence[DecidedMovement]) -> list[Decided]:
    return [
        Decided(
            cancellation=line.kind == "CANCEL",
            outcome=Outcome(line.outcome),
            child=line.child,
            activity=line.activity,
            date=line.date,
            code=line.code,
            booking=line.booking,
            hours=(line.arrival, line.departure) if line.arrival and line.departure else None,
            was=line.was,
            because=line.because,
            held=line.held,
        )
        for line in movements
    ]


def _awaited(line: AwaitedMovement) -> Decided:
    run = AwaitedRun(line.run_of, line.run_on, line.run_at)
    return Decided(False, Outcome.AWAITED, line.child, line.activity, line.date, booking=line.booking, run=run)


@service.reacts_to(PlaceGiven)
async def announce_place(session: AsyncSession, event: PlaceGiven, clock: Clock) -> None:
    place = Decided(False, Outcome.ACCEPTED, event.child, event.activity, event.date)
    _gather(session, clock, Wish(MailKind.PLACE_GIVEN, event.booking, event.structure, event.family, [place]))


@service.reacts_to(PlaceExpired)
async def regret_places(session: AsyncSession, event: PlaceExpired, clock: Clock) -> None:
    waits = [Decided(False, Outcome.WAITLISTED, line.child, line.activity, line.date) for line in event.waits]
    # A booking waits, and expires, once: the first of them names the letter.
    _gather(session, clock, Wish(MailKind.PLACE_EXPIRED, event.waits[0].booking, event.structure, event.family, waits, event.account))


@service.reacts_to(BalanceLow)
async def warn_of_balance(session: AsyncSession, event: BalanceLow, clock: Clock) -> None:
    low = LowBalance(event.balance_cents, event.below_cents)
    about = f"{event.family}/{event.version}"
    _gather(session, clock, Wish(MailKind.BALANCE_LOW, about, event.structure, event.family, (), event.account, news=low))


@service.reacts_to(PaymentReceived)
async def send_receipt(session: AsyncSession, event: PaymentReceived, clock: Clock) -> None:
    wallets = tuple((one_line(wallet.title), wallet.amount_cents) for wallet in event.wallets)
    reference = event.reference and one_line(event.reference)
    paid = Received(event.payment, event.date, one_line(event.payer), reference, event.amount_cents, wallets)
    about = event.payment, event.structure, event.family, (), event.account
    _gather(session, clock, Wish(MailKind.PAYMENT_RECEIVED, *about, news=paid, email=event.email))


@service.reacts_to(PaymentFailed)
async def regret_payment(session: AsyncSession, event: PaymentFailed, clock: Clock) -> None:
    failed = Failed(event.payment, event.date, event.amount_cents, event.status)
    about = event.payment, event.structure, event.family, (), event.account
    _gather(session, clock, Wish(MailKind.PAYMENT_FAILED, *about, news=failed, email=event.email))


@service.reacts_to(ResetLinkMade)
async def send_link(session: AsyncSession, event: ResetLinkMade, clock: Clock) -> None:
    await _send_link(session, clock, MailKind.PASSWORD_LINK, event)


@service.reacts_to(AddressLinkMade)
async def send_address_link(session: AsyncSession, event: AddressLinkMade, clock: Clock) -> None:
    await _send_link(session, clock, MailKind.ADDRESS_LINK, event)


@service.reacts_to(InvitationMade)
async def send_invitation(session: AsyncSession, event: InvitationMade, clock: Clock) -> None:
    if not event.token:
        return  # As below.
    to = event.event_id, event.structure, None, event.email, event.language
    offer = Notice(MailKind.INVITATION, *to, event.expires_at, event.token, gives=event.gives, family=event.family)
    await commands.queue_notice(session, clock.now(), offer)


@service.reacts_to(AddressCancelMade)
async def send_address_cancel(session: AsyncSession, event: AddressCancelMade, clock: Clock) -> None:
    if not event.token:
        return  # As below.
    about = event.event_id, event.structure, event.account, event.email, event.language
    told = Notice(MailKind.ADDRESS_CANCEL, *about, event.expires_at, event.token, detail=event.new_email, due_at=event.due_at)
    await commands.queue_notice(session, clock.now(), told)


async def _send_link(session: AsyncSession, clock: Clock, kind: MailKind, event: LinkEvent) -> None:
    if not event.token:
        return  # An old link, told again to a mailer that has lost its memory: nobody can use it any more.
    about = event.event_id, event.structure, event.account, event.email, event.language
    await commands.queue_notice(session, clock.now(), Notice(kind, *about, at=event.expires_at, token=event.token))


@service.reacts_to(SecurityNoticeMade)
async def tell_owner(session: AsyncSession, event: SecurityNoticeMade, clock: Clock) -> None:
    about = event.event_id, event.structure, event.account, event.email, event.language
    notice = Notice(MailKind.SECURITY_NOTICE, *about, at=event.occurred_at, happened=event.kind, detail=event.detail)
    await commands.queue_notice(session, clock.now(), notice)


@service.reacts_to(AnnouncementDue)
async def announce(session: AsyncSession, event: AnnouncementDue, clock: Clock) -> None:
    """The mails are written portion by portion: announcing.py."""
    await commands.keep_announcement(session, event.structure, event.announcement, event.title, event.text, clock.now())


@service.reacts_to(AnnouncementWithdrawn)
async def withdraw_announcement(session: AsyncSession, event: AnnouncementWithdrawn, clock: Clock) -> None:
    await commands.withdraw_announcement(session, event.structure, event.announcement, clock.now())


def _gather(session: AsyncSession, clock: Clock, wish: Wish) -> None:
    gathered: list[Wish] = session.info.setdefault(WISHES, [])
    if not gathered:
        session.info.setdefault("before_commit", []).append(partial(_queue, clock=clock))
    gathered.append(wish)


async def _queue(session: AsyncSession, clock: Clock) -> None:
    await commands.queue(session, clock.now(), session.info.pop(WISHES))
