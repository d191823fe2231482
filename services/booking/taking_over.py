"""Bookings that the town had accepted before it had this system: taken over by the hundred, beside families who book meanwhile."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import insert, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking import hours
from services.booking.docket import BOOKING, IS_LIVE, B, Case, Docket, open_docket, take_turn
from services.booking.intake import COUNT, Place
from services.booking.rulebook import RuleBook
from services.booking.status import BookingStatus
from services.booking.tables import LINES_PER_REQUEST, among, filled, run
from services.clock import Clock
from services.refusal import CodedError
from services.saying import new_id

#: What the child has there, or had and gave back: a file that is loaded again does not undo what families and agents did since.
KNOWN = select(B.child, B.activity, B.date).where(
    B.child.in_(among("children")),
    B.activity.in_(among("activities")),
    B.date.in_(among("dates")),
    or_(IS_LIVE, B.status == BookingStatus.CANCELLED.value),
)


@dataclass(frozen=True, slots=True)
class TakenOver:
    """Hours stay empty where they are the activity's own."""

    child: str
    family: str
    activity: str
    date: dt.date
    arrival: str | None = None
    departure: str | None = None

    @property
    def place(self) -> Place:
        return self.child, self.activity, self.date


async def take_over(session: AsyncSession, book: RuleBook, clock: Clock, structure: str, wanted: Sequence[TakenOver]) -> list[TakenOver]:
    """Accept these, whatever the deadlines and the debts. What is there already stays as it is, and what was given back is not asked for.

    They count among the places. Returns those for which none was left, or whose day is closed; raises CodedError UNKNOWN_ACTIVITY. The
    turn of the structure and the counter of requests are held until the commit, and families wait meanwhile: give a hundred or so at a
    time.
    """
    rules = await book.of(session, {one.activity for one in wanted})
    for one in wanted:
        if one.activity not in rules or rules[one.activity].spec.structure != structure:
            raise CodedError("UNKNOWN_ACTIVITY", f"no activity {one.activity} in {structure}")
    await take_turn(session, structure)
    new = await _not_there(session, wanted)
    if not new:
        return []
    docket = await open_docket(session, book, clock.now(), {}, {(one.activity, one.date) for one in new}, set())
    placed, left_out = list[TakenOver](), list[TakenOver]()
    for one in new:
        key = one.activity, one.date
        (placed if not docket.is_closed(key) and docket.board.take(key) else left_out).append(one)
    if placed:
        await _write(session, docket, structure, placed)
    return left_out


async def _not_there(session: AsyncSession, wanted: Sequence[TakenOver]) -> list[TakenOver]:
    if not wanted:
        return []
    these = {
        "children": filled({one.child for one in wanted}),
        "activities": filled({one.activity for one in wanted}),
        "dates": filled({one.date for one in wanted}),
    }
    known: set[Place] = {(child, activity, date) for child, activity, date in await run(session, KNOWN, these)}
    new: dict[Place, TakenOver] = {}
    for one in wanted:
        if one.place not in known:
            new.setdefault(one.place, one)
    return list(new.values())


async def _write(session: AsyncSession, docket: Docket, structure: str, placed: Sequence[TakenOver]) -> None:
    last = (await run(session, COUNT, {"more": len(placed)})).scalar_one()
    rows = []
    for seq, one in enumerate(placed, last - len(placed) + 1):
        case = _case(docket, structure, one, seq)
        rows.append({name: getattr(case, name) for name in Case.__slots__} | {"number": f"{seq:06}-1", "requested_at": docket.now})
        docket.cases[case.id] = case
        docket.accept(case)
    await run(session, insert(BOOKING), rows)
    await docket.write(session)


def _case(docket: Docket, structure: str, one: TakenOver, seq: int) -> Case:
    arrival, departure = hours.resolved(docket.rules[one.activity].spec.hours, one.arrival, one.departure)
    return Case(
        id=new_id(),
        request=None,
        line=0,
        family=one.family,
        child=one.child,
        activity=one.activity,
        structure=structure,
        date=one.date,
        arrival=arrival,
        departure=departure,
        status=BookingStatus.SUBMITTED.value,
        code=None,
        position=seq * LINES_PER_REQUEST,
        party=None,
        version=1,
    )
