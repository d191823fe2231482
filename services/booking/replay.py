"""Decides a run again from what was kept of it, and says where the tables disagree: `preau replay-allocation`."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking import run_queries
from services.booking.allocation_run import Decision, decide, digest_of, from_json
from services.booking.queries import BOOKED, B, Booked
from services.booking.ranking import commitment
from services.booking.status import BookingStatus
from services.booking.tables import AllocationDecision, AllocationInput, AllocationRun
from services.booking.tables import run as run_statement
from services.bulk import one_of

BOOKINGS = select(*BOOKED, B.version).where(one_of(B.id, "ids"))
COMPARED = ("place_order", "outcome", "code", "rank", "of", "points", "criteria", "draw", "grouped", "position")

#: What may have become of a booking since it was decided so.
SINCE: Mapping[str, frozenset[BookingStatus]] = {
    "ACCEPTED": frozenset({BookingStatus.ACCEPTED, BookingStatus.CANCELLED}),
    "WAITLISTED": frozenset({BookingStatus.WAITLISTED, BookingStatus.ACCEPTED, BookingStatus.CANCELLED, BookingStatus.EXPIRED}),
    "REFUSED": frozenset({BookingStatus.REFUSED}),
}


class Found(NamedTuple):
    """A booking as it is now."""

    booking: Booked
    version: int


async def differences(session: AsyncSession, run: AllocationRun) -> list[str]:
    """One sentence each; empty if everything is as the run's inputs have it."""
    kept = await session.get(AllocationInput, run.id)
    if kept is None:
        return ["its inputs are not there"]
    inputs = from_json(kept.document)
    found = []
    if digest_of(kept.document) != kept.digest:
        found.append("its inputs are not those that it saw")
    if commitment(run.seed) != run.commitment or inputs.seed != run.seed:
        found.append("its seed is not the one whose SHA-256 was published")
    decided = await run_queries.decisions_of(session, run.id)
    rows = await run_statement(session, BOOKINGS, {"ids": [one.booking for one in decided]})
    bookings = {row.id: Found(Booked(*row[:-1]), row.version) for row in rows}
    return found + _compare(decide(inputs).decisions, {one.booking: one for one in decided}, bookings)


def _compare(wanted: Sequence[Decision], decided: Mapping[str, AllocationDecision], bookings: Mapping[str, Found]) -> list[str]:
    found = []
    for decision in wanted:
        written = decided.get(decision.booking)
        if written is None:
            found.append(f"booking {decision.booking}: the run decided {decision.outcome}, and no decision is kept")
            continue
        found += [f"booking {decision.booking}: {trouble}" for trouble in _troubles(decision, written, bookings.get(decision.booking))]
    strangers = decided.keys() - {decision.booking for decision in wanted}
    return (
        found
        + [f"booking {booking} has a decision, and was not in the run" for booking in sorted(strangers)]
        + _out_of_line(wanted, bookings)
    )


def _troubles(decision: Decision, written: AllocationDecision, found_now: Found | None) -> list[str]:
    found = []
    for name in COMPARED:
        computed, stored = getattr(decision, name), getattr(written, name)
        if name == "criteria":
            computed = [list(pair) for pair in computed]
        if computed != stored:
            found.append(f"{name} is {computed} by its inputs, and {stored} in the decision")
    if found_now is None:
        return [*found, "it is not there"]
    booking, moved = found_now.booking, found_now.version > written.version
    may_be = SINCE[decision.outcome] if moved else {decision.outcome}
    if booking.status not in may_be or (decision.outcome == "REFUSED" and booking.code != decision.code):
        found.append(f"the run decided {_named(decision.outcome, decision.code)}, and it is {_named(booking.status, booking.code)}")
    return found


def _named(status: str, code: str | None) -> str:
    return f"{status} {code}" if code else str(status)


def _out_of_line(wanted: Sequence[Decision], bookings: Mapping[str, Found]) -> list[str]:
    """Whoever still waits stands where the run put them."""
    found = []
    for decision in wanted:
        now = bookings.get(decision.booking)
        if now is not None and now.booking.status is BookingStatus.WAITLISTED and now.booking.position != decision.position:
            found.append(f"booking {decision.booking} waits at {now.booking.position}, and the run put it at {decision.position}")
    return found
