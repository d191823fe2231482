"""What booking keeps of a town that moves to another installation: who has a place, who waits in which order, what was recorded.

A day moves as a whole, or not at all where something is known of it there. Requests, runs and the audit trail stay where they are:
a booking that moved is one that the town took over.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking import attending
from services.booking.allocation import Key
from services.booking.attendance import Record, Settled, presence_id
from services.booking.docket import IS_LIVE, IS_SUBMITTED, B, take_turn
from services.booking.intake import COUNT
from services.booking.rulebook import RuleBook
from services.booking.status import BookingStatus
from services.booking.tables import LINES_PER_REQUEST, Booking, Opening, Presence, core, run
from services.bulk import one_of
from services.carrying import NAMES, Carried, Of, Row, found, not_there, write
from services.clock import Clock
from services.events import BookingAccepted, BookingWaitlisted, CapacityChanged, Event
from services.outbox import record
from services.saying import made

DAY = ("activity", "date")
OPENINGS = Carried("openings", core(Opening), DAY, frozenset({"closings"}))
BOOKINGS = Carried("bookings", core(Booking), ("id",), frozenset({"structure", "request", "line", "code"}))
PRESENCES = Carried("presences", core(Presence), (*DAY, "child"), frozenset(), NAMES | {"recorded_by": "account"})
CARRIED = OPENINGS, BOOKINGS, PRESENCES


async def leaves(session: AsyncSession, structure: str, activities: Collection[str], of: Of) -> dict[str, list[Row]]:
    """All of it, as the file has it: days of which nothing is left are none."""
    bookings = await found(session, BOOKINGS, B.structure == structure, IS_LIVE)
    here = {carried.name: one_of(carried.table.c.activity, "ids") for carried in (OPENINGS, PRESENCES)}
    presences = await found(session, PRESENCES, here[PRESENCES.name], ids=list(activities))
    touched = {_key(row) for row in (*bookings, *presences)}
    openings = await found(session, OPENINGS, here[OPENINGS.name], ids=list(activities))
    openings = [row for row in openings if row["closed_at"] is not None or _key(row) in touched]
    rows = {OPENINGS.name: openings, BOOKINGS.name: bookings, PRESENCES.name: presences}
    return {carried.name: [carried.renamed(row, of) for row in rows[carried.name]] for carried in CARRIED}


async def undecided(session: AsyncSession, structure: str) -> int:
    """How many lines wait for a run, and stay behind."""
    query = select(func.count()).select_from(BOOKINGS.table).where(B.structure == structure, IS_SUBMITTED)
    return int((await run(session, query)).scalar_one())


async def live_and_closings(session: AsyncSession, structure: str) -> tuple[set[str], dict[Key, int]]:
    """The bookings that stand, and how often each day that is closed now was closed."""
    live = set((await run(session, select(B.id).where(B.structure == structure, IS_LIVE))).scalars())
    o = OPENINGS.table.c
    closed = await run(session, select(o.activity, o.date, o.closings).where(o.closed_at.is_not(None)))
    return live, {(activity, date): closings for activity, date, closings in closed}


def arriving(rows: Mapping[str, Sequence[Row]], of: Of) -> dict[str, list[Row]]:
    """Of a file, with the ids that things have here."""
    return {carried.name: [carried.renamed(row, of) for row in rows.get(carried.name, ())] for carried in CARRIED}


async def carry(session: AsyncSession, book: RuleBook, clock: Clock, structure: str, rows: Mapping[str, list[Row]]) -> set[Key]:
    """Write the days of which nothing is known here, and tell of them. Returns those of which something was, and more is in the file.

    In one transaction: time would close a day of which half is there.
    """
    await take_turn(session, structure)
    openings = await not_there(session, OPENINGS, rows[OPENINGS.name])
    new = {_key(row) for row in openings}
    bookings = [row for row in rows[BOOKINGS.name] if _key(row) in new]
    presences = [row for row in rows[PRESENCES.name] if _key(row) in new]
    elsewhere = [row for row in await not_there(session, BOOKINGS, rows[BOOKINGS.name]) if _key(row) not in new]
    if new:
        bookings = await _in_turn(session, bookings)
        closings = [row | {"closings": int(row["closed_at"] is not None)} for row in openings]
        await write(session, OPENINGS, closings)
        await write(session, BOOKINGS, bookings, structure=structure, request=None, line=0, code=None)
        await write(session, PRESENCES, presences)
        record(session, *await _told(session, book, clock, structure, openings, bookings, presences))
    return {_key(row) for row in elsewhere}


async def _in_turn(session: AsyncSession, bookings: Sequence[Row]) -> list[Row]:
    """Behind whoever asked here, in the order that they had there."""
    if not bookings:
        return []
    more = max(row["position"] for row in bookings) // LINES_PER_REQUEST + 1
    first = ((await run(session, COUNT, {"more": more})).scalar_one() - more) * LINES_PER_REQUEST
    return [
        row | {"position": first + row["position"], "party": None if row["party"] is None else first + row["party"]} for row in bookings
    ]


async def _told(
    session: AsyncSession,
    book: RuleBook,
    clock: Clock,
    structure: str,
    openings: Sequence[Row],
    bookings: Sequence[Row],
    presences: Sequence[Row],
) -> list[Event]:
    rules = await book.of(session, {row["activity"] for row in openings})
    here: dict[Key, list[Row]] = defaultdict(list)
    for row in sorted(bookings, key=lambda row: row["position"]):
        here[_key(row)].append(row)
    came: dict[Key, list[Row]] = defaultdict(list)
    for row in presences:
        came[_key(row)].append(row)
    events: list[Event] = []
    for day in openings:
        events += _of_day(day, here[_key(day)], structure, clock)
        if day["closed_at"] is not None:
            settled = _settled(here[_key(day)], came[_key(day)])
            events += attending.told(rules[day["activity"]].spec, day["date"], 1, settled, clock.now())
    return events


def _of_day(day: Row, bookings: Sequence[Row], structure: str, clock: Clock) -> Iterable[Event]:
    rank = 0
    where = {"occurred_at": clock.now(), "structure": structure}
    for row in bookings:
        what = {name: row[name] for name in ("family", "child", "activity", "date", "arrival", "departure", "version")}
        if row["status"] is BookingStatus.ACCEPTED:
            yield made(BookingAccepted, **where, **what, booking=row["id"], request=None, from_waiting_list=False)
        else:
            rank += 1
            yield made(BookingWaitlisted, **where, **what, booking=row["id"], request=None, rank=rank)
    counts = {"capacity": day["places"], "taken": day["taken"], "waiting": day["waiting"]}
    yield made(CapacityChanged, **where, version=day["revision"], activity=day["activity"], date=day["date"], **counts)


def _settled(bookings: Sequence[Row], presences: Sequence[Row]) -> list[Settled]:
    """As when the day was closed: who had a booking, in order of arrival, then who came without one."""
    by_booking = {row["booking"]: row for row in presences}
    booked = [by_booking[row["id"]] for row in bookings if row["id"] in by_booking]
    others = sorted((row for row in presences if row["booking"] is None), key=lambda row: row["child"])
    return [_line(row) for row in (*booked, *others)]


def _line(row: Row) -> Settled:
    known = Record(row["attendance"], row["arrival"], row["departure"], row["note"])
    id_ = row["booking"] or presence_id(row["activity"], row["date"], row["child"])
    return Settled(id_, row["booking"], row["child"], row["family"], known)


def _key(row: Mapping[str, Any]) -> Key:
    return row["activity"], row["date"]
