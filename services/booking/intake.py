"""Takes orders in: what arrives together is checked and written in one transaction.

An order is checked and written in the same transaction, which holds the counter of requests from its first statement: so the order of
arrival is the order of commits, and of two equal keys that arrive at once, here or in another process, the second sees the first.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import bindparam, exists, insert, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking import hours
from services.booking.docket import BOOKING, IS_LIVE, IS_SUBMITTED, B
from services.booking.draft import DraftChange
from services.booking.lines import Rules
from services.booking.order import MOST_LINES, Line, Order, parties
from services.booking.rulebook import RuleBook
from services.booking.status import BookingStatus
from services.booking.tables import (
    LINES_PER_REQUEST,
    Cancellation,
    ChildCopy,
    Counter,
    Erasing,
    Request,
    Standing,
    core,
    partition_of,
    run,
)
from services.booking.tickets import as_row
from services.bulk import BulkInsert, one_of
from services.clock import Clock
from services.events import BookingRequested, RequestedMovement
from services.outbox import record
from services.refusal import CodedError, Refused
from services.saying import made, new_id

REQUEST, CANCELLATION, COUNTER, STANDING, CHILD, ERASING = (
    core(rows) for rows in (Request, Cancellation, Counter, Standing, ChildCopy, Erasing)
)
R, X = REQUEST.c, CANCELLATION.c
COUNT = update(COUNTER).where(COUNTER.c.name == "request").values(value=COUNTER.c.value + bindparam("more")).returning(COUNTER.c.value)
NEW_REQUEST, NEW_CANCELLATION = insert(REQUEST), insert(CANCELLATION)
ANSWERED = select(R.family, R.idempotency_key, R.id, R.fingerprint, R.served_at.is_not(None)).where(
    one_of(R.family, "families"), one_of(R.idempotency_key, "keys")
)
#: Of a family that is about to be erased none is known any more.
CHILDREN = select(CHILD.c.child, CHILD.c.family).where(
    one_of(CHILD.c.family, "families"), ~exists().where(ERASING.c.family == CHILD.c.family)
)
IN_DEBIT = select(STANDING.c.family).where(one_of(STANDING.c.family, "families"), STANDING.c.in_debit)

Place = tuple[str, str, dt.date]  #: child, activity, date
Mine = tuple[str, str, str, dt.date]  #: family, child, activity, date


@dataclass(frozen=True, slots=True)
class Asked:
    """An order, and who confirmed it."""

    account: str
    structure: str
    order: Order
    trace: str | None = None  #: W3C trace context.


@dataclass(slots=True)
class Known:
    """What the checks of some orders need."""

    earlier: dict[tuple[str, str], tuple[str, str, bool]]  #: (family, key) -> request, fingerprint, whether it is served
    children: dict[str, str]  #: child -> family
    rules: dict[str, Rules]
    in_debit: set[str]
    bookings: dict[Mine, list[str]]  #: Those that a CANCEL line may mean, in the order in which they are meant.


class BookingRow(NamedTuple):
    """A row of `booking`: what is read of a booking, in the order in which `queries.Booked` has it, and what only deciding needs."""

    id: str
    number: str
    request: str
    line: int
    family: str
    child: str
    activity: str
    structure: str
    date: dt.date
    arrival: str
    departure: str
    status: BookingStatus
    code: str | None
    position: int
    requested_at: dt.datetime
    decided_at: dt.datetime | None = None
    party: int | None = None
    version: int = 1


insert_bookings = BulkInsert(BOOKING, BookingRow._fields)


@dataclass(slots=True)
class Written:
    """Rows of one transaction, before they are inserted."""

    requests: list[dict[str, Any]] = field(default_factory=list)  #: In order of arrival.
    bookings: list[BookingRow] = field(default_factory=list)
    cancellations: list[dict[str, Any]] = field(default_factory=list)
    events: list[BookingRequested] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)  #: No rows: requests of before, sent again, that are served.

    @property
    def traces(self) -> dict[str | None, str | None]:
        return {request["id"]: request["traceparent"] for request in self.requests}


async def take_in(session: AsyncSession, book: RuleBook, clock: Clock, asked: Sequence[Asked]) -> list[str | Exception]:
    """Check these orders and write those that may be. For each the id of its request, or why there is none."""
    last = (await run(session, COUNT, {"more": len(asked)})).scalar_one()
    results, written, _ = await examine(session, book, clock, asked, last)
    await insert_rows(session, written)
    return results


async def examine(
    session: AsyncSession, book: RuleBook, clock: Clock, asked: Sequence[Asked], last: int
) -> tuple[list[str | Exception], Written, Known]:
    """What `take_in` returns; the rows that are to be inserted for it, whose events are recorded; and by what they were checked.

    `last`: of the numbers that the counter, which we hold, has given to these orders.
    """
    now = clock.now()  # Not before: who was counted later has asked later, and a run that has counted knows who was in time.
    known = await _look_up(session, book, [one.order for one in asked])
    written = Written()
    results: list[str | Exception] = []
    for seq, one in enumerate(asked, last - len(asked) + 1):
        try:
            results.append(_take(one, seq, now, known, written))
        except (Refused, CodedError) as no:
            results.append(no)
    record(session, *written.events, traces=written.traces)
    return results, written, known


def _take(asked: Asked, seq: int, now: dt.datetime, known: Known, written: Written) -> str:
    """Raises Refused or CodedError."""
    order = asked.order
    fingerprint = order.fingerprint()
    earlier = known.earlier.get((order.family, order.idempotency_key))
    if earlier is not None:
        if earlier[1] != fingerprint:
            raise Refused("IDEMPOTENCY_KEY_REUSED")
        written.answered.update(earlier[:1] if earlier[2] else ())
        return earlier[0]
    _check(asked, known)
    request = _write(asked, seq, now, fingerprint, known, written)
    known.earlier[order.family, order.idempotency_key] = request, fingerprint, False
    return request


def _check(asked: Asked, known: Known) -> None:
    order = asked.order
    if not order.lines:
        raise Refused("NOTHING_TO_SUBMIT")
    if len(order.lines) > MOST_LINES:
        raise Refused("TOO_MANY_LINES", limit=MOST_LINES)
    for line in order.lines:
        # A booking that was looked up stays its family's, even where the child has gone to another one.
        if line.booking is None and known.children.get(line.child) != order.family:
            raise Refused("UNKNOWN_CHILD")
        rules = known.rules.get(line.activity)
        if rules is None or rules.spec.structure != asked.structure:
            raise Refused("UNKNOWN_ACTIVITY")
    if order.only_books and order.family in known.in_debit and not (order.agent and order.agent.despite_debt):
        raise Refused("ACCOUNT_IN_DEBIT")


def _write(asked: Asked, seq: int, now: dt.datetime, fingerprint: str, known: Known, written: Written) -> str:
    order = asked.order
    request, number, first = new_id(), f"{seq:06}", seq * LINES_PER_REQUEST
    groups = groups_of(order)
    movements = []
    for index, line in enumerate(order.lines):
        rules = known.rules[line.activity].spec.hours
        wrong = hours.check(rules, line.arrival, line.departure)
        arrival, departure = hours.resolved(rules, line.arrival, line.departure)
        if wrong is not None:  # As they were asked for: whoever reads why not wants to know what.
            arrival, departure = line.arrival or arrival, line.departure or departure
        booking = BookingRow(
            id=new_id(),
            number=f"{number}-{index + 1}",
            request=request,
            line=index,
            family=order.family,
            child=line.child,
            activity=line.activity,
            structure=asked.structure,
            date=line.date,
            arrival=arrival,
            departure=departure,
            status=BookingStatus.SUBMITTED,
            code=wrong,
            position=first + index,
            party=first + groups[index] if index in groups else None,
            requested_at=now,
        )
        if line.change is DraftChange.BOOK:
            written.bookings.append(booking)
            known.bookings.setdefault(_mine(order, line), []).append(booking.id)
            about = booking.id
        else:
            about = _give_back(booking, _meant(order, line, known), now, written)
        movements.append(_movement(line, about, arrival, departure))
    written.requests.append(_request(asked, request, seq, number, fingerprint, now))
    written.events.append(
        made(BookingRequested, occurred_at=now, structure=asked.structure, request=request, family=order.family, movements=movements)
    )
    return request


def groups_of(order: Order) -> dict[int, int]:
    """Line index -> the first line of its party. Raises CodedError BAD_USER_INPUT."""
    try:
        return parties(order)
    except IndexError as error:
        unknown = "together: a group names a line that is not there", "together : un groupe nomme une ligne qui n’existe pas"
        raise CodedError("BAD_USER_INPUT", *unknown) from error


def check_groups(order: Order) -> None:
    """Before anybody puts them together, which takes a while. Raises CodedError BAD_USER_INPUT."""
    if order.groups_too_much:
        too_much = "together: more groups, or more in them, than there are lines"
        trop = "together : plus de groupes, ou plus dans les groupes, qu’il n’y a de lignes"
        raise CodedError("BAD_USER_INPUT", too_much, trop)


def _mine(order: Order, line: Line) -> Mine:
    return order.family, line.child, line.activity, line.date


def _meant(order: Order, line: Line, known: Known) -> str | None:
    """The booking that a CANCEL line is about; the next one means another."""
    found = known.bookings.get(_mine(order, line), [])
    meant = line.booking or next(iter(found), None)
    if meant in found:
        found.remove(meant)
    return meant


def _give_back(invented: BookingRow, found: str | None, now: dt.datetime, written: Written) -> str:
    """A CANCEL line. Where it names nothing, `invented` is a booking that says so. Returns the booking it is about."""
    about, status, code = found, BookingStatus.SUBMITTED, None
    if about is None:
        about, status, code = invented.id, BookingStatus.REFUSED, "UNKNOWN_BOOKING"
        written.bookings.append(invented._replace(status=status, code=code, decided_at=now))
    row = {"request": invented.request, "line": invented.line, "booking": about, "status": status, "code": code}
    written.cancellations.append(row)
    return about


def _movement(line: Line, booking: str, arrival: str, departure: str) -> RequestedMovement:
    # Our own values: validating them again would cost more than writing them.
    return made(
        RequestedMovement,
        booking=booking,
        child=line.child,
        activity=line.activity,
        date=line.date,
        arrival=arrival,
        departure=departure,
        kind=line.change.value,
    )


def _request(asked: Asked, id_: str, seq: int, number: str, fingerprint: str, now: dt.datetime) -> dict[str, Any]:
    order = asked.order
    return {
        "id": id_,
        "seq": seq,
        "number": number,
        "family": order.family,
        "structure": asked.structure,
        "account": asked.account,
        "idempotency_key": order.idempotency_key,
        "fingerprint": fingerprint,
        "accept_waiting_list": order.accept_waiting_list,
        "lines": len(order.lines),
        **as_row(order.agent),
        "language": order.language,
        "traceparent": asked.trace,
        "partition": partition_of(asked.structure),
        "submitted_at": now,
    }


async def insert_rows(session: AsyncSession, written: Written) -> None:
    for statement, rows in ((NEW_REQUEST, written.requests), (NEW_CANCELLATION, written.cancellations)):
        if rows:
            await run(session, statement, rows)
    await insert_bookings(session, written.bookings)


# ---------------------------------------------------------------------------------------------------------------- reading
async def _look_up(session: AsyncSession, book: RuleBook, orders: Sequence[Order]) -> Known:
    families = sorted({order.family for order in orders})
    these = {"families": families}
    return Known(
        await _earlier(session, families, [order.idempotency_key for order in orders]),
        {row.child: row.family for row in await run(session, CHILDREN, these)},
        await book.of(session, {line.activity for order in orders for line in order.lines}),
        set((await run(session, IN_DEBIT, these)).scalars()),
        await _bookings(session, [order for order in orders if not order.only_books]),
    )


async def _earlier(session: AsyncSession, families: Sequence[str], keys: Sequence[str]) -> dict[tuple[str, str], tuple[str, str, bool]]:
    rows = await run(session, ANSWERED, {"families": families, "keys": keys})
    return {(family, key): (id_, fingerprint, bool(served)) for family, key, id_, fingerprint, served in rows}


async def _bookings(session: AsyncSession, orders: Sequence[Order]) -> dict[Mine, list[str]]:
    """What each family has, or else asks for, and does not give back already."""
    families = sorted({order.family for order in orders})
    if not families:
        return {}
    dates = sorted({line.date for order in orders for line in order.lines})
    given_back = exists().where(X.booking == B.id, X.status == BookingStatus.SUBMITTED)
    query = select(B.family, B.child, B.activity, B.date, B.id).where(B.family.in_(families), B.date.in_(dates), ~given_back)
    # Above all what is held; then the wishes, the first of which is answered first.
    found: dict[Mine, list[str]] = {}
    for status in (IS_LIVE, IS_SUBMITTED):
        for *mine, id_ in await run(session, query.where(status).order_by(B.position)):
            found.setdefault(tuple(mine), []).append(id_)
    return found
