"""What booking knows of children, and what is left of it when their family is erased.

Bookings and attendance stay as what places, days and statistics are made of, under ids that nobody can put a name to any more; what the
town said of the family, notes about a child, enrollments and calendar links go. Bookings to come are cancelled: others get the places.
"""

import datetime as dt
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlmodel import col
from sqlmodel import select as select_rows
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking import audit
from services.booking.docket import B, take_turn
from services.booking.intake import COUNT
from services.booking.office import STANDING, Agent, cancel_all_of
from services.booking.tables import (
    Act,
    Activity,
    AllocationDecision,
    Booking,
    CalendarFeed,
    Cancellation,
    Enrollment,
    Erasing,
    FamilyCriterion,
    Presence,
    Request,
    Residence,
    StructureCopy,
    core,
    run,
)
from services.booking.texts import say
from services.bulk import insert_unknown
from services.clock import Clock
from services.events import (
    BookingDataTold,
    BookingErased,
    BookingErasureWeighed,
    DataRequested,
    ErasureAsked,
    ErasureRefused,
    FamilyErasing,
)
from services.outbox import record
from services.personal import UNANSWERED, Fate, Fates, forget_what_was_said
from services.retention import overdue
from services.telling import Whose, in_parts, told

#: Table -> column -> fate; a fate alone is that of all columns.
FATES: Fates = {
    "activity": Fate.NOBODY,
    "day_off": Fate.NOBODY,
    "opening": Fate.NOBODY,
    "enrollment": Fate.DELETED,
    "structure_copy": Fate.NOBODY,
    "family_copy": Fate.NUMBER,
    "child_copy": Fate.DELETED,
    "standing": Fate.NUMBER,
    "counter": Fate.NOBODY,
    "partition": Fate.NOBODY,
    "request": {
        "agent": Fate.EMPTIED,
        **dict.fromkeys(
            (
                *(
                    "id",
                    "seq",
                    "number",
                    "family",
                    "structure",
                    "account",
                    "idempotency_key",
                    "fingerprint",
                    "accept_waiting_list",
                    "lines",
                ),
                *("cause", "language", "traceparent", "partition", "submitted_at", "served_at", "decided_at", "set_aside_at", "reports"),
            ),
            Fate.NUMBER,
        ),
    },
    "booking": Fate.NUMBER,
    "cancellation": Fate.NUMBER,
    "presence": {
        "note": Fate.EMPTIED,
        **dict.fromkeys(
            ("activity", "date", "child", "family", "booking", "attendance", "arrival", "departure", "recorded_by", "recorded_at"),
            Fate.NUMBER,
        ),
    },
    "criterion": Fate.NOBODY,
    "family_criterion": Fate.DELETED,
    "residence": Fate.DELETED,
    "allocation_run": Fate.NOBODY,
    "allocation_input": Fate.NUMBER,
    "allocation_decision": Fate.NUMBER,
    "act": {
        "reason": Fate.EMPTIED,
        "before": Fate.EMPTIED,
        "after": Fate.EMPTIED,
        **dict.fromkeys(
            ("position", "structure", "account", "at", "kind", "activity", "date", "family", "child", "booking", "seal", "emptied"),
            Fate.TRAIL,
        ),
    },
    "calendar_feed": Fate.DELETED,
    "link_key": Fate.NOBODY,
    "erasing": Fate.PASSING,
}


async def weigh(session: AsyncSession, event: ErasureAsked, clock: Clock) -> None:
    """Say whether the family has, waits for, or asks for places to come. From then on it asks for none, until it is decided."""
    if clock.now() - event.occurred_at > UNANSWERED:
        return
    await take_turn(session, event.structure)
    await run(session, COUNT, {"more": 0})  # Whoever asks meanwhile has committed, or will see what we write.
    await run(session, insert_unknown(session, core(Erasing), [{"family": event.family, "erasure": event.erasure}]))
    today = await _today(session, event.structure, clock)
    ahead = select(func.count()).where(B.family == event.family, B.date >= today, B.status.in_(STANDING))
    has_some = (await run(session, ahead)).scalar_one() > 0
    about = {"structure": event.structure, "occurred_at": clock.now(), "erasure": event.erasure, "family": event.family}
    record(session, BookingErasureWeighed(**about, obstacles=["HAS_BOOKINGS"] if has_some else []))


async def go_on(session: AsyncSession, event: ErasureRefused, clock: Clock) -> None:
    await session.exec(delete(Erasing).where(col(Erasing.erasure) == event.erasure))


async def _today(session: AsyncSession, structure: str, clock: Clock) -> dt.date:
    town = await session.get(StructureCopy, structure)
    return clock.today(town.timezone if town else "Europe/Paris")


async def erase(session: AsyncSession, event: FamilyErasing, clock: Clock) -> None:
    """Give back what is to come, and forget. Twice is as good as once."""
    family = event.family
    await take_turn(session, event.structure)
    await _forget_reasons(session, family)
    await audit.empty(session, family)
    await audit.note(session, clock.now(), event.structure, event.by, audit.Done(audit.EMPTIED, family=family))
    today = await _today(session, event.structure, clock)
    await cancel_all_of(session, clock, Agent(event.by, event.structure, say("FAMILY_ERASED", "fr")), family, today)
    for table in (Enrollment, FamilyCriterion, Residence, CalendarFeed, Erasing):
        await session.exec(delete(table).where(col(table.family) == family))
    await session.exec(update(Presence).where(col(Presence.family) == family).values(note=None))
    await forget_what_was_said(session, [family], event.accounts)
    about = {"structure": event.structure, "occurred_at": clock.now(), "erasure": event.erasure, "family": family}
    record(session, BookingErased(**about))


async def _forget_reasons(session: AsyncSession, family: str) -> None:
    """What agents told the family with their requests."""
    asked = select_rows(Request).where(Request.family == family, col(Request.agent).is_not(None))
    for request in (await session.exec(asked)).all():
        said: dict[str, Any] = {**(request.agent or {}), "reason": ""}
        request.agent = said
        session.add(request)
    await session.flush()


async def tell(session: AsyncSession, event: DataRequested, clock: Clock) -> None:
    """All that booking knows of the family's children."""
    family = event.family
    requests = select(col(Request.id)).where(col(Request.family) == family)
    of_family = (Enrollment, Request, Booking, Presence, FamilyCriterion, Residence, AllocationDecision, CalendarFeed, Act)
    whose: Whose = {
        **{table: col(table.family) == family for table in of_family},
        Cancellation: col(Cancellation.request).in_(requests),
    }
    found = await told(session, whose, but=("seal", "loaded", "emptied", "secret_hash", "fingerprint", "traceparent", "partition"))
    record(session, *await in_parts(BookingDataTold, event, found, clock.now()))


async def forget_old(session: AsyncSession, now: dt.datetime) -> None:
    """Notes about children, when their time has come."""
    said = select_rows(StructureCopy.id, StructureCopy.retention).where(col(StructureCopy.retention).is_not(None))
    towns = dict((await session.exec(said)).all())
    whose = select(col(Activity.structure)).where(col(Activity.id) == col(Presence.activity)).scalar_subquery()
    old = overdue("notes_days", col(Presence.date), whose, now.date(), towns)
    await session.exec(update(Presence).where(old, col(Presence.note).is_not(None)).values(note=None))
