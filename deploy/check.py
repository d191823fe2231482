"""`preau check`: what must always be true, verified on the live databases, within each service and between them.

Between services things are true a moment later: what one knows, another is about to hear. So a difference counts only if it is
still there when nothing is on its way any more, or after more time than a service needs that was killed while it listened: the
broker gives it what it had in hand again after half a minute.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from importlib import import_module

import nats.js.errors
from sqlalchemy import and_, case, func
from sqlmodel import col, select

from deploy.backlog import OURS, connect
from services.billing.hold import HoldKind, HoldState
from services.billing.tables import ClosedDay, Consumption, Hold
from services.billing.tables import Standing as Weighed
from services.booking.school_calendar import follow
from services.booking.status import BookingStatus
from services.booking.tables import Booking, Opening, Presence, Request, StructureCopy
from services.booking.tables import Standing as Heard
from services.bus import BROKER_TROUBLE, STREAM, Bus
from services.clock import Clock
from services.database import Database
from services.mailer.tables import DigestLine, Family, Mail, MailKind
from services.outbox import DeadLetter, Outgoing
from services.settings import SERVICES, Settings

LOOKS = 3  #: How often a difference is looked at, once nothing is on its way any more, before it counts.
BETWEEN_SECONDS = 1.0
PATIENCE_SECONDS = 75.0  #: For what is on its way.
SHOWN = 20

Databases = dict[str, Database]
Look = Callable[[Databases], Awaitable[set[str]]]

OUTBOXES = "outboxes: every event leaves"
CONSUMERS = "consumers: every event is heard"
ON_ITS_WAY = (OUTBOXES, CONSUMERS)

#: What each service keeps by itself, in words.
WITHIN = {
    "identity": "every account can be proved, nobody acts where he does not belong",
    "billing": "the ledger sums to zero, wallets hold what it says, holds, charges and standings are sound, online payments come once",
    "booking": "nobody is over capacity, ranks have no holes, nobody overtook, every request is answered once, closed days are told",
    "mailer": "every mail goes to its own family, and says something",
}


async def check(settings: Settings) -> bool:
    """Print a line for each promise, with what breaks it. True if all are kept."""
    follow(settings.school_holidays)
    async with AsyncExitStack() as stack:
        databases = {service: Database(settings.database_urls[service]) for service in SERVICES}
        for database in databases.values():
            stack.push_async_callback(database.close)
        results = [_tell(f"{service}: {WITHIN[service]}", await _within(service, databases[service])) for service in SERVICES]
        bus = await _bus(settings, stack)
        looks: dict[str, Look] = {
            "holds: each place to come has its estimated cost, and nothing else has one": lambda found: _holds(found, settings.clock),
            "closed days: each is charged as it was last closed": _closed_days,
            "standings: whoever is in debt cannot book, and nobody else is kept from it": _standings,
            "reports: a family with an address has one of each request, and of each run that decided lines of it": _reports,
            OUTBOXES: _unsent,
            CONSUMERS: lambda _: _unheard(bus),
        }
        if bus is None:
            del looks[CONSUMERS]
        results += [_tell(promise, found) for promise, found in (await _between(looks, databases)).items()]
        results.append(_tell("dead letters: there are none", await _dead_letters(databases)))
        if bus is None:
            print(f"?       {CONSUMERS} (no broker at {settings.nats_place} to ask)")
    return all(results)


async def _bus(settings: Settings, stack: AsyncExitStack) -> Bus | None:
    try:
        bus = await connect(settings)
    except BROKER_TROUBLE:
        return None
    stack.push_async_callback(bus.close)
    return bus


def _tell(promise: str, broken: set[str] | list[str]) -> bool:
    print(f"{'BROKEN' if broken else 'ok    '}  {promise}", flush=True)
    for sentence in sorted(broken)[:SHOWN]:
        print(f"          {sentence}")
    if len(broken) > SHOWN:
        print(f"          ... and {len(broken) - SHOWN} more")
    return not broken


async def _within(service: str, database: Database) -> list[str]:
    invariants = import_module(f"services.{service}.invariants")
    async with database.reading() as session:
        found: list[str] = await invariants.violations(session)
    return found


async def _between(looks: dict[str, Look], databases: Databases) -> dict[str, set[str]]:
    """Only what every look finds: the rest was on its way."""
    broken = {promise: await look(databases) for promise, look in looks.items()}
    looked = 1
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while any(broken.values()) and looked < LOOKS and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(BETWEEN_SECONDS)
        now = {promise: await looks[promise](databases) for promise, found in broken.items() if found or promise in ON_ITS_WAY}
        for promise, found in now.items():
            broken[promise] &= found
        looked = looked + 1 if not any(now.get(promise) for promise in ON_ITS_WAY) else 1
    return broken


# --------------------------------------------------------------------------------------------- booking against billing
async def _holds(databases: Databases, clock: Clock) -> set[str]:
    """Days that have begun where they are may have been debited: there only the absence of strangers counts."""
    async with databases["booking"].reading() as session:
        zones = (await session.exec(select(StructureCopy.id, StructureCopy.timezone))).all()
        today = {structure: clock.today(zone) for structure, zone in zones}
        rows = await session.exec(select(col(Booking.id), col(Booking.status), col(Booking.date), col(Booking.structure)))
        bookings = {id: (status, date, date > today.get(structure, clock.today("UTC"))) for id, status, date, structure in rows}
    async with databases["billing"].reading() as session:
        live = select(Hold.booking, Hold.kind).where(Hold.state == HoldState.LIVE)
        holds = dict((await session.exec(live)).all())
    found = set()
    for id, (status, date, is_future) in bookings.items():
        kind = holds.pop(id, None)
        if sentence := _hold_trouble(status, kind, is_future=is_future):
            found.add(f"booking {id} on {date} {sentence}")
    return found | {f"a hold is kept for booking {id}, which does not exist" for id in holds}


def _hold_trouble(status: str, kind: str | None, *, is_future: bool) -> str | None:
    match status:
        case BookingStatus.ACCEPTED:
            wanted = kind == HoldKind.CONFIRMED or (kind is None and not is_future)
            return None if wanted else f"is accepted; its hold is {kind or 'missing'}"
        case BookingStatus.WAITLISTED:
            return None if kind == HoldKind.PENDING else f"waits; its hold is {kind or 'missing'}"
        case BookingStatus.SUBMITTED:
            return None if kind in (HoldKind.PENDING, None) else f"is not decided; its hold is {kind}"
    return None if kind is None else f"is {status}, and a hold is kept for it"


async def _closed_days(databases: Databases) -> set[str]:
    """In its newest version, with the very children that it names."""
    async with databases["booking"].reading() as session:
        told = select(col(Opening.activity), col(Opening.date), col(Opening.closings)).where(col(Opening.closed_at).is_not(None))
        closed = {(activity, date): closings for activity, date, closings in await session.exec(told)}
        named = set((await session.exec(select(col(Presence.activity), col(Presence.date), col(Presence.child)))).all())
    async with databases["billing"].reading() as session:
        heard = select(col(ClosedDay.activity), col(ClosedDay.date), col(ClosedDay.version))
        charged = {(activity, date): version for activity, date, version in await session.exec(heard)}
        line = col(Consumption.activity), col(Consumption.date), col(Consumption.child)
        lines = select(*line).where(col(Consumption.due), col(Consumption.attendance).is_not(None))
        children = set((await session.exec(lines)).all())
    found = {
        f"{activity} on {date} was closed {closings} times; charged is number {charged.get((activity, date), 0)}"
        for (activity, date), closings in closed.items()
        if charged.get((activity, date), 0) != closings
    }
    differ = {(activity, date) for activity, date, _ in named ^ children if (activity, date) in closed}
    return found | {
        f"{activity} on {date} is not charged to the children that were there, or should have been" for activity, date in differ
    }


async def _standings(databases: Databases) -> set[str]:
    """What billing weighed is what booking goes by (S21)."""
    async with databases["billing"].reading() as session:
        weighed = set((await session.exec(select(Weighed.family).where(col(Weighed.in_debit)))).all())
    async with databases["booking"].reading() as session:
        heard = set((await session.exec(select(Heard.family).where(col(Heard.in_debit)))).all())
    late = {f"family {family} is in debt; booking takes it to be in order" for family in weighed - heard}
    return late | {f"family {family} is in order; booking takes it to be in debt" for family in heard - weighed}


# ---------------------------------------------------------------------------------------------- booking against mailer
async def _reports(databases: Databases) -> set[str]:
    async with databases["booking"].reading() as session:
        # Requests that were answered before reports were counted have one; of an agent's, nobody knows whether anything came of it.
        once = and_(col(Request.decided_at).is_not(None), col(Request.agent).is_(None))
        told = case((and_(col(Request.reports) == 0, once), 1), else_=col(Request.reports))
        rows = (await session.exec(select(Request.id, Request.family, told).where(told > 0))).all()
    async with databases["mailer"].reading() as session:
        with_address = {family.id for family in await session.exec(select(Family)) if any(adult.get("email") for adult in family.adults)}
        reports = set((await session.exec(select(Mail.cause).where(Mail.kind == MailKind.REPORT))).all())
        reports |= set((await session.exec(select(DigestLine.cause))).all())  # for whoever wants one mail a day
    return {
        f"request {id} of family {family} has no report {part + 1} of {count}"
        for id, family, count in rows
        if family in with_address
        for part in range(count)
        if (f"report:{id}/{part}" if part else f"report:{id}") not in reports
    }


# ------------------------------------------------------------------------------------------------------ what must move
async def _unsent(databases: Databases) -> set[str]:
    """The oldest event that waits in each outbox: another one at the next look means that it moves."""
    found = set()
    for service, database in databases.items():
        async with database.reading() as session:
            oldest = (await session.exec(select(func.min(Outgoing.position)).where(col(Outgoing.published).is_(False)))).one()
        if oldest is not None:
            found.add(f"{service}: event {oldest} and those after it do not leave: is the broker there, does {service} run?")
    return found


async def _dead_letters(databases: Databases) -> list[str]:
    found = []
    for service, database in databases.items():
        async with database.reading() as session:
            found += [f"{service}/{letter.id} {letter.subject}: {letter.error[:120]}" for letter in await session.exec(select(DeadLetter))]
    return found


async def _unheard(bus: Bus | None) -> set[str]:
    """The place of each consumer that has not heard everything: another one at the next look means that it moves."""
    found = set()
    for stream in STREAM.values() if bus is not None else ():
        try:
            consumers = await bus.jetstream.consumers_info(stream) if bus is not None else []
        except nats.js.errors.NotFoundError:
            continue
        for one in consumers:
            if one.name in OURS and (one.num_pending or one.num_ack_pending):
                place = one.ack_floor.stream_seq if one.ack_floor else 0
                found.add(f"{one.name} stays at event {place} of {stream}, and there are more: does it run?")
    return found
