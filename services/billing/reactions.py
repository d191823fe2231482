"""What billing does when it hears something.

What is said about bookings and closed days is gathered and digested once, just before the transaction of the batch commits:
thousands of bookings then cost a handful of statements.
"""

from dataclasses import dataclass, field
from functools import partial

from sqlmodel.ext.asyncio.session import AsyncSession

from services.billing import commands, holding, personal, residence, settling
from services.billing.hold import ACCEPTED, EXPIRED, REFUSED, REQUESTED, REQUESTED_VERSION, WAITLISTED, News, cancelled
from services.billing.holding import Heard, Unasked, Word
from services.billing.quote import Day, Unpriced
from services.billing.tables import BillingTable
from services.clock import Clock
from services.events import (
    AccountErased,
    ActivityChanged,
    BookingAccepted,
    BookingCancelled,
    BookingEvent,
    BookingExpired,
    BookingRefused,
    BookingRequested,
    BookingWaitlisted,
    ContactsChanged,
    DataRequested,
    DaySettled,
    ErasureAsked,
    ErasureRefused,
    Event,
    FamilyChanged,
    FamilyErasing,
    RequestedMovement,
    ResidenceTold,
    StructureChanged,
)
from services.personal import wipe_soon
from services.service import NotYetKnown, Service

billing = Service("billing", BillingTable.metadata)
billing.reacts_to(DataRequested)(personal.tell)
billing.reacts_to(ErasureAsked)(personal.weigh)
billing.reacts_to(ErasureRefused)(personal.go_on)
billing.reacts_to(FamilyErasing)(personal.erase)
billing.reacts_to(AccountErased)(personal.forget_account)
billing.after(FamilyErasing)(wipe_soon)
billing.after(AccountErased)(wipe_soon)

GATHERED = "billing.gathered"

#: In the order in which they are copied, each by whose copy it is.
COPIES: dict[type[Event], str] = {
    StructureChanged: "structure",
    ActivityChanged: "activity",
    FamilyChanged: "family",
    ContactsChanged: "family",
    ResidenceTold: "family",
}


@dataclass(slots=True)
class Gathered:
    """What one batch said: of others' data, of bookings, and the days that it closed."""

    copied: list[Event] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    closed: list[DaySettled] = field(default_factory=list)


# ---------------------------------------------------------------------------------------------------------------- copies
async def copy(session: AsyncSession, event: Event, clock: Clock) -> None:
    """Not at once: each is locked in its turn, and replicas hear of them in any order."""
    _gathered(session, clock).copied.append(event)


for _kind in COPIES:
    billing.reacts_to(_kind)(copy)


def _turn(event: Event) -> tuple[int, str]:
    return list(COPIES).index(type(event)), getattr(event, COPIES[type(event)])


async def _copy(session: AsyncSession, event: Event) -> None:
    match event:
        case StructureChanged():
            await commands.copy_structure(session, event.structure, event.title, event.timezone, event.version, event.retention)
        case ActivityChanged():
            await commands.copy_activity(session, event.activity, event.structure, event.wallet, event.title, event.version)
        case FamilyChanged():
            await commands.copy_family(session, event.family, event.structure, event.children, event.version)
        case ContactsChanged():
            adults = [
                {"account": one.account, "name": f"{one.last_name} {one.first_name}".strip(), "email": one.email} for one in event.adults
            ]
            born = {child: date.isoformat() for child, date in event.birth_dates.items()}
            children = {child: {"name": name, "birth_date": born.get(child)} for child, name in event.children.items()}
            await commands.copy_contacts(session, event.family, adults, children, event.version)
        case ResidenceTold():
            await residence.hear_residence(session, event)


# ----------------------------------------------------------------------------------------------------------------- holds
ABOUT_BOOKINGS = (BookingRequested, BookingAccepted, BookingWaitlisted, BookingRefused, BookingCancelled, BookingExpired)


@billing.reacts_to(BookingRequested)
async def estimate(session: AsyncSession, event: BookingRequested, clock: Clock) -> None:
    """What a family asks for is an estimate at once; what it gives back stays held until that is decided."""
    booked = [movement for movement in event.movements if movement.kind == "BOOK"]
    words = tuple(Word(movement.booking, _day(event.family, movement), REQUESTED_VERSION, REQUESTED) for movement in booked)
    given_back = frozenset(movement.booking for movement in event.movements if movement.kind == "CANCEL")
    _gathered(session, clock).heard.append(Heard(event.structure, words, given_back, opens=True))


@billing.reacts_to(BookingAccepted)
async def confirm(session: AsyncSession, event: BookingAccepted, clock: Clock) -> None:
    """Only what the town took over from another system was never asked for here."""
    _gathered(session, clock).heard.append(_heard(event, ACCEPTED, opens=event.request is None and not event.from_waiting_list))


@billing.reacts_to(BookingWaitlisted)
async def wait(session: AsyncSession, event: BookingWaitlisted, clock: Clock) -> None:
    _gathered(session, clock).heard.append(_heard(event, WAITLISTED, opens=event.request is None))


@billing.reacts_to(BookingRefused)
async def forget(session: AsyncSession, event: BookingRefused, clock: Clock) -> None:
    _gathered(session, clock).heard.append(_heard(event, REFUSED))


@billing.reacts_to(BookingCancelled)
async def release(session: AsyncSession, event: BookingCancelled, clock: Clock) -> None:
    _gathered(session, clock).heard.append(_heard(event, cancelled(event.was)))


@billing.reacts_to(BookingExpired)
async def expire(session: AsyncSession, event: BookingExpired, clock: Clock) -> None:
    _gathered(session, clock).heard.append(_heard(event, EXPIRED))


def _day(family: str, movement: RequestedMovement | BookingEvent) -> Day:
    return Day(family, movement.child, movement.activity, movement.date, movement.arrival, movement.departure)


def _heard(event: BookingEvent, news: News, *, opens: bool = False) -> Heard:
    return Heard(event.structure, (Word(event.booking, _day(event.family, event), event.version, news),), opens=opens)


@billing.reacts_to(DaySettled)
async def charge(session: AsyncSession, event: DaySettled, clock: Clock) -> None:
    """What was an estimate is due now, by what really happened."""
    _gathered(session, clock).closed.append(event)


def _gathered(session: AsyncSession, clock: Clock) -> Gathered:
    gathered: Gathered | None = session.info.get(GATHERED)
    if gathered is None:
        gathered = session.info[GATHERED] = Gathered()
        session.info.setdefault("before_commit", []).append(partial(_digest, clock=clock))
    return gathered


async def _digest(session: AsyncSession, clock: Clock) -> None:
    """First what others own, then what the bookings are, then what the days that name them cost.

    Replicas, agents and a town's file lock rows in one order: structures, activities, holds, standings, of each kind by name.
    """
    gathered: Gathered = session.info.pop(GATHERED)
    await settling.lock(session, gathered.closed, {event.activity for event in gathered.copied if isinstance(event, ActivityChanged)})
    for event in sorted(gathered.copied, key=_turn):
        await _copy(session, event)
    for event in gathered.copied:
        if isinstance(event, ActivityChanged) and event.priced_like is not None:
            await commands.price_like(session, event.activity, event.priced_like)
    try:
        closing = await settling.take(session, gathered.closed)
        await holding.digest(session, clock, gathered.heard, closing.bookings)
        await settling.charge(session, clock, closing)
    except (Unpriced, Unasked) as missing:
        raise NotYetKnown(str(missing)) from missing
