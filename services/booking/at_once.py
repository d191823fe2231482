"""Takes orders in and decides them in one transaction: half as many commits, and each booking is written once, as it was decided.

Only where that comes to the same as one after the other: nobody who came before them is still to be looked at, nobody else decides in
their partitions, and all they do is ask for places, as families do. Else they are taken in, and the allocator finds them in the tables.
And only where they are few: until the commit nobody else is taken in, of no town, and whoever is taken in later may be too late.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import exists, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.allocation import Board
from services.booking.allocator import R, gather, write_decisions
from services.booking.docket import PARTITION, Case
from services.booking.intake import COUNT, Asked, BookingRow, Known, Written, examine, insert_rows
from services.booking.queries import Answer, Booked, MovementRow
from services.booking.rulebook import RuleBook
from services.booking.status import BookingStatus
from services.booking.tables import Request, partition_of, run
from services.booking.tickets import Ticket
from services.bulk import one_of
from services.clock import Clock

READ = len(fields(Booked))
MOST_LINES = 1000  #: In one transaction: a quarter of a second's work.

SOMEBODY_WAITS = exists().where(R.partition == PARTITION.c.number, R.served_at.is_(None))
#: PostgreSQL looks for who waits as all was when the statement began, also where it finds a turn that has moved on since, and whoever
#: had it may have left somebody who waits.
BEFORE = PARTITION.alias("before")
NOBODY_SINCE = PARTITION.c.turn == select(BEFORE.c.turn).where(BEFORE.c.number == PARTITION.c.number).scalar_subquery()
#: Whoever has a turn may wait for the counter of requests, which we hold: we do not wait for turns.
OURS = (
    select(PARTITION.c.number)
    .where(one_of(PARTITION.c.number, "partitions"), ~SOMEBODY_WAITS, NOBODY_SINCE)
    .with_for_update(skip_locked=True, of=PARTITION)
)


async def take_in_and_decide(
    session: AsyncSession, book: RuleBook, clock: Clock, asked: Sequence[Asked]
) -> tuple[list[str | Exception], dict[str, Answer | None]]:
    """What `take_in` returns; and of those that are served, the answers as they can be read after the commit: to all that are new, or
    to none; None: to those that were served before, and are sent again.
    """
    last = (await run(session, COUNT, {"more": len(asked)})).scalar_one()
    may_be = {partition_of(one.structure) for one in asked if one.order.agent is None and one.order.only_books}
    # The turns before the rules: whoever changes them has the turn, and does not see what we are about to write.
    are_next = await _are_next(session, may_be)
    results, written, known = await examine(session, book, clock, asked, last)
    answers = await _decide(session, book, clock, written, known) if are_next and _only_ask(written) else {}
    await insert_rows(session, written)
    return results, {**dict.fromkeys(written.answered), **answers}


def _only_ask(written: Written) -> bool:
    by_families = all(row["agent"] is None for row in written.requests)
    return by_families and not written.cancellations and 0 < len(written.bookings) <= MOST_LINES


async def _are_next(session: AsyncSession, partitions: set[int]) -> bool:
    """Holds the turns until the commit. Whoever asked before has committed: the counter of requests is ours."""
    ours = (await run(session, OURS, {"partitions": sorted(partitions)})).all() if partitions else ()
    return 0 < len(ours) == len(partitions)


async def _decide(session: AsyncSession, book: RuleBook, clock: Clock, written: Written, known: Known) -> dict[str, Answer]:
    """Changes `written` to what the tables would have after the allocator. Returns request -> answer."""
    tickets = {row["id"]: _ticket(row) for row in written.requests}
    cases = {row.id: _case(row) for row in written.bookings}
    for case in cases.values():
        tickets[case.request or ""].cases.append(case)
    mine = list(cases.values())
    since = written.requests[0]["submitted_at"]
    batch = await gather(session, book, list(tickets.values()), cases, set(), since, known.rules, known.in_debit)
    batch.docket.unwritten = {case.id for case in mine}
    batch.docket.now = now = clock.now()
    batch.decide()
    reported = await write_decisions(session, batch, now)
    written.bookings = [_decided(row, case, now) for row, case in zip(written.bookings, mine, strict=True)]
    for row in written.requests:
        ticket = tickets[row["id"]]
        row |= {"served_at": now, "decided_at": now if ticket.decided else None, "reports": int(ticket.id in reported)}
    return _answers(written, batch.docket.board)


def _answers(written: Written, board: Board) -> dict[str, Answer]:
    answers = {row["id"]: Answer(Request(**row), []) for row in written.requests}
    for row in written.bookings:
        refused = row.code if row.status is BookingStatus.REFUSED else None
        rank = board.rank((row.activity, row.date), row.position) if row.status is BookingStatus.WAITLISTED else None
        read: tuple[Any, ...] = row[:READ]
        answers[row.request].movements.append(MovementRow(row.line, False, Booked(*read), refused, rank))
    return answers


def _ticket(row: dict[str, Any]) -> Ticket:
    return Ticket(
        id=row["id"],
        lines=row["lines"],
        family=row["family"],
        structure=row["structure"],
        accept_waiting_list=row["accept_waiting_list"],
        submitted_at=row["submitted_at"],
        account=row["account"],
        trace=row["traceparent"],
        reports=0,
    )


def _case(row: BookingRow) -> Case:
    return Case(
        id=row.id,
        request=row.request,
        line=row.line,
        family=row.family,
        child=row.child,
        activity=row.activity,
        structure=row.structure,
        date=row.date,
        arrival=row.arrival,
        departure=row.departure,
        status=row.status.value,
        code=row.code,
        position=row.position,
        party=row.party,
        version=row.version,
    )


def _decided(row: BookingRow, case: Case, now: dt.datetime) -> BookingRow:
    answered = now if case.version > row.version else None
    return row._replace(status=BookingStatus(case.status), code=case.code, decided_at=answered, version=case.version)
