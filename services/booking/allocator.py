"""Decides: takes what waits in the tables, in order of arrival, and answers all of it in one transaction.

The tables are the queue, so a lost, late or doubled wake-up changes nothing: a request is served while its `served_at` is empty, by
whoever holds the turn of its partition, once. Everything is read before the first decision and written after the last one.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sqlalchemy import String, bindparam, select, type_coerce, update
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.activity import Scheduled
from services.booking.allocation import GROUP_INCOMPLETE, NOT_MOVED, Answer, Key
from services.booking.audit import Done, note_all, noted
from services.booking.docket import BOOKING, CASE, IS_LIVE, B, Case, Docket, open_docket, take_turn_of
from services.booking.expiry import end_line, tell_who_waited
from services.booking.lines import Enrolled, Rules, check_booking, check_cancelling
from services.booking.order import ForFamily
from services.booking.reporting import Holding, Reports, Where
from services.booking.rulebook import RuleBook
from services.booking.status import LIVE, BookingStatus
from services.booking.tables import Cancellation, Enrollment, Request, Standing, core, run
from services.booking.tickets import GIVING, TICKET, Giving, Ticket, ticket_of, units
from services.bulk import one_of
from services.clock import Clock
from services.outbox import record

MOST_REQUESTS = 300  #: In one transaction.
MOST_LINES = 6000
UNKNOWN = "UNKNOWN_BOOKING"
BOOK_FOR_FAMILY = "BOOK_FOR_FAMILY"
REVOCABLE = LIVE | {BookingStatus.SUBMITTED}

REQUEST, CANCELLATION, ENROLLMENT, STANDING = core(Request), core(Cancellation), core(Enrollment), core(Standing)
R, X = REQUEST.c, CANCELLATION.c


NEXT = select(*TICKET).where(R.partition == bindparam("partition"), R.served_at.is_(None)).order_by(R.seq).limit(bindparam("most"))
LINES = select(*CASE).where(one_of(B.request, "requests")).order_by(B.position)
GIVINGS = (
    select(*GIVING, *CASE)
    .join_from(CANCELLATION, BOOKING, B.id == X.booking)
    .where(one_of(X.request, "requests"))
    .order_by(X.request, X.line)
)
E = ENROLLMENT.c
ENROLLED = select(E.child, E.activity, E.starts_on, E.ends_on).where(one_of(E.child, "children"), one_of(E.activity, "activities"))
IN_DEBIT = select(STANDING.c.family).where(one_of(STANDING.c.family, "families"), STANDING.c.in_debit)
HELD = select(B.activity, B.date, B.child, B.id, type_coerce(B.status, String)).where(
    one_of(B.child, "children"), one_of(B.date, "dates"), IS_LIVE
)
SERVED = (
    update(REQUEST)
    .where(one_of(R.id, "requests"))
    .values(
        served_at=bindparam("served"),
        decided_at=bindparam("decided"),
        set_aside_at=bindparam("aside"),
        reports=R.reports + bindparam("told"),
    )
)


@dataclass(slots=True)
class Batch:
    """All that the decisions on some requests depend on."""

    docket: Docket
    tickets: list[Ticket]
    enrolled: dict[tuple[str, str], Enrolled]  #: (child, activity)
    in_debit: set[str]  #: Families (S21).
    held: Mapping[Where, Holding]  #: What these children held before.
    reopened: set[str] = field(default_factory=set)  #: Requests served before, of which a line that waited for its run is gone.
    live: set[Where] = field(default_factory=set)  #: Where they hold a place or a rank, as more is decided.
    _closings: list[tuple[dt.datetime, Key]] = field(default_factory=list)  #: The booking deadlines to come, the next one last.

    def __post_init__(self) -> None:
        self.live.update(self.held)
        rules = self.docket.rules
        self._closings = [(rules[key[0]].on(key[1]).booking_closes_at, key) for key in self.docket.board.openings]
        self._closings.sort(reverse=True)

    def decide(self) -> None:
        for together in _cancelling_together(self.tickets):
            self._time_passes(together[0].submitted_at)
            # Whoever leaves a line leaves first: a place that is given back with it must not be given to them.
            for ticket in together:
                self._give_back_all(ticket, BookingStatus.WAITLISTED)
            for ticket in together:
                self._decide(ticket)

    def _decide(self, ticket: Ticket) -> None:
        if ticket.agent is not None and ticket.agent.moves:
            (giving,), (case,) = ticket.givings, ticket.cases
            self._move(ticket, giving, case)
            return
        for giving, case in self._with_other_hours(ticket):
            self._move(ticket, giving, case)
        # What a family gives back first, so that another child may have it in the same request.
        self._give_back_all(ticket)
        for unit in units(ticket.cases):
            if not any(self._waits_for_a_run(case) for case in unit):
                self._serve(ticket, unit)

    def _give_back_all(self, ticket: Ticket, only: BookingStatus | None = None) -> None:
        """`only`: bookings that have this status now."""
        for giving in ticket.givings if ticket.agent is None or not ticket.agent.moves else ():
            if giving.status == BookingStatus.SUBMITTED and only in (None, self.docket.cases[giving.booking].status):
                self._give_back(ticket, giving)

    def _time_passes(self, now: dt.datetime) -> None:
        """Between two requests the deadline may have passed of a day on which a party waits, that waits elsewhere too."""
        while self._closings and self._closings[-1][0] <= now:
            self.docket.board.openings[self._closings.pop()[1]].bookable = False

    def _waits_for_a_run(self, case: Case) -> bool:
        return isinstance(self.docket.rules[case.activity].spec.allocation, Scheduled)

    def _give_back(self, ticket: Ticket, giving: Giving) -> None:
        case = self.docket.cases[giving.booking]
        giving.was = case.status
        giving.code = self._why_kept(ticket, case, REVOCABLE)
        giving.status = (BookingStatus.CANCELLED if giving.code is None else BookingStatus.REFUSED).value
        if giving.code is None:
            if case.status in LIVE:
                self.live.discard((case.activity, case.date, case.child))
            elif case.request is not None:
                self.reopened.add(case.request)
            self._as_of(ticket, case)
            self.docket.cancel(case, ticket.id, ticket.by)

    def _why_kept(self, ticket: Ticket, case: Case, statuses: Container[str]) -> str | None:
        """Why it cannot be given back, or None."""
        if case.status not in statuses:
            return UNKNOWN
        if self.docket.is_closed(case.key):
            return "TOO_LATE_TO_CANCEL"
        return check_cancelling(ticket.sees(self.docket.rules[case.activity].on(case.date)), case.status, now=ticket.submitted_at)

    def _serve(self, ticket: Ticket, unit: Sequence[Case]) -> None:
        if ticket.reports:
            ticket.answered.update(case.id for case in unit)
        codes = self._why_not(ticket, unit)
        if not any(codes):
            if self._ask(ticket, unit) is not Answer.FULL:
                self.live.update((case.activity, case.date, case.child) for case in unit)
                return
            codes = self.docket.short(unit, may_wait=self._may_wait(ticket, unit))
        for case, code in zip(unit, codes, strict=True):
            self.docket.refuse(case, code or GROUP_INCOMPLETE)

    def _ask(self, ticket: Ticket, unit: Sequence[Case]) -> Answer:
        if ticket.agent is None:
            return self.docket.ask(unit, may_wait=ticket.accept_waiting_list)
        late, may_wait = self._late(unit), self._may_wait(ticket, unit)
        # Past the deadline nobody is promoted any more: whoever still waits there waits in vain, and nobody joins them.
        for key in late:
            self.live.difference_update((case.activity, case.date, case.child) for case in end_line(self.docket, key))
            self.docket.board.openings[key].bookable = True
        answer = self.docket.ask(unit, may_wait=may_wait)
        for key in late:
            self.docket.board.openings[key].bookable = False
        return answer

    def _late(self, unit: Sequence[Case]) -> list[Key]:
        return [case.key for case in unit if not self.docket.board.openings[case.key].bookable]

    def _may_wait(self, ticket: Ticket, unit: Sequence[Case]) -> bool:
        return ticket.accept_waiting_list and (ticket.agent is None or not (ticket.agent.moves or self._late(unit)))

    def _with_other_hours(self, ticket: Ticket) -> list[tuple[Giving, Case]]:
        """What a family gives back to have it at other hours (S26): it keeps its place, which nobody in the line was promised."""
        if ticket.agent is not None:
            return []
        alone = (case for case in ticket.cases if case.party is None and case.status == BookingStatus.SUBMITTED)
        # Of two wishes for one place the first, as the recap has it.
        wanted = {(case.key, case.child): case for case in reversed(list(alone)) if not self._waits_for_a_run(case)}
        held = [(giving, self.docket.cases[giving.booking]) for giving in ticket.givings]
        pairs = [(giving, old, wanted.pop((old.key, old.child), None)) for giving, old in held if old.status == BookingStatus.ACCEPTED]
        return [(giving, new) for giving, old, new in pairs if new is not None and not _is_there(old, new)]

    def _move(self, ticket: Ticket, giving: Giving, case: Case) -> None:
        """Both lines, or none: a place is left only for another one."""
        if giving.status != BookingStatus.SUBMITTED:
            return
        old = self.docket.cases[giving.booking]
        giving.was = old.status
        kept = self._why_kept(ticket, old, LIVE)
        code = None if kept else self._why_not_there(ticket, old, case)
        if kept or code:
            giving.status, giving.code = BookingStatus.REFUSED.value, kept or NOT_MOVED
            self.docket.refuse(case, code or NOT_MOVED)
        else:
            giving.status = BookingStatus.CANCELLED.value

    def _why_not_there(self, ticket: Ticket, old: Case, case: Case) -> str | None:
        """None: the child has moved."""
        left = old.activity, old.date, old.child
        self.live.discard(left)
        (code,) = self._why_not(ticket, [case])
        if code is None:
            code = "ALREADY_BOOKED" if _is_there(old, case) else None if self._moved(ticket, old, case) else "FULL"
        if code is not None:
            self.live.add(left)
        return code

    def _moved(self, ticket: Ticket, old: Case, case: Case) -> bool:
        if old.key == case.key and old.status == BookingStatus.ACCEPTED:
            self.docket.keep_place(old, case, ticket.id, ticket.by)
        elif not self._moved_elsewhere(ticket, old, case):
            return False
        self.live.add((case.activity, case.date, case.child))
        return True

    def _moved_elsewhere(self, ticket: Ticket, old: Case, case: Case) -> bool:
        there = self.docket.board.openings[case.key]
        if not there.bookable and not there.free:
            return False
        # Past the deadline the line there ends with this: whoever is moved out of it must have left it before, and not expire.
        leaves_first = not there.bookable and old.status == BookingStatus.WAITLISTED
        if not leaves_first and self._ask(ticket, [case]) is Answer.FULL:
            return False
        if old.key != case.key:
            self._as_of(ticket, old)
        self.docket.cancel(old, ticket.id, "agent")
        if leaves_first:
            self._ask(ticket, [case])
        return True

    def _why_not(self, ticket: Ticket, unit: Sequence[Case]) -> list[str | None]:
        """Of each line. One reason in the unit refuses all of it."""
        wanted = set[Where]()
        codes = []
        for case in unit:
            place = case.activity, case.date, case.child
            codes.append("ALREADY_BOOKED" if place in self.live or place in wanted else self._forbidden(ticket, case))
            wanted.add(place)
        return codes

    def _forbidden(self, ticket: Ticket, case: Case) -> str | None:
        self._as_of(ticket, case)
        code = check_booking(
            ticket.sees(self.docket.rules[case.activity].on(case.date)),
            case.arrival,
            case.departure,
            now=ticket.submitted_at,
            enrolled=self.enrolled.get((case.child, case.activity)),
            in_debit=case.family in self.in_debit and not ticket.despite_debt,
        )
        # The intake looked at the hours as the family chose them; the booking has them filled in.
        return code or case.code or ("TOO_LATE" if self.docket.is_closed(case.key) else None)

    def _as_of(self, ticket: Ticket, case: Case) -> None:
        """Waiting for the answer makes nobody late: the opening is as bookable as when the family confirmed."""
        opening = self.docket.board.openings[case.key]
        opening.bookable = self.docket.rules[case.activity].on(case.date).bookable(ticket.submitted_at)


def _is_there(old: Case, case: Case) -> bool:
    """With a place, and at these hours: there is nothing to move."""
    same = (old.key, old.arrival, old.departure) == (case.key, case.arrival, case.departure)
    return same and old.status == BookingStatus.ACCEPTED


def _cancelling_together(tickets: Iterable[Ticket]) -> Iterable[list[Ticket]]:
    """Each request by itself; but those with which an agent cancels, at one moment, for many families, are one."""
    together: list[Ticket] = []
    for ticket in tickets:
        if together and not (_cancels_as(together[-1]) and _cancels_as(together[-1]) == _cancels_as(ticket)):
            yield together
            together = []
        together.append(ticket)
    if together:
        yield together


def _cancels_as(ticket: Ticket) -> tuple[str, dt.datetime] | None:
    return (ticket.account, ticket.submitted_at) if ticket.agent is not None and not ticket.cases else None


# ---------------------------------------------------------------------------------------------------------------- reading
async def partitions_at_work(session: AsyncSession) -> list[int]:
    """Those with requests that wait to be served."""
    rows = await run(session, select(R.partition).where(R.served_at.is_(None)).distinct())
    return sorted(rows.scalars())


async def _next(session: AsyncSession, partition: int, most: int) -> tuple[list[Ticket], bool]:
    """Those that have waited longest, as many as one transaction should serve; and whether more wait."""
    tickets = [ticket_of(row) for row in await run(session, NEXT, {"partition": partition, "most": most + 1})]
    lines = 0
    for count, ticket in enumerate(tickets):
        lines += ticket.lines
        if count == most or (count and lines > MOST_LINES):
            return tickets[:count], True
    return tickets, False


async def _load(session: AsyncSession, book: RuleBook, tickets: list[Ticket], now: dt.datetime) -> Batch:
    ids = [ticket.id for ticket in tickets]
    by_id = {ticket.id: ticket for ticket in tickets}
    cases: dict[str, Case] = {}
    for row in await run(session, LINES, {"requests": ids}):
        # One that a CANCEL line invented, to have something to show, is no wish for a place.
        if row.code != UNKNOWN:
            case = cases[row.id] = Case(*row)
            by_id[case.request or ""].cases.append(case)
    lined = {case.key for case in cases.values() if case.status == BookingStatus.WAITLISTED}
    # Whoever comes past the deadline ends the line that still waits there, be there a place or not.
    lined |= {case.key for ticket in tickets if ticket.agent and ticket.agent.past_deadlines for case in ticket.cases}
    if len(cases) < sum(ticket.lines for ticket in tickets):
        lined |= await _load_givings(session, by_id, cases)
    return await gather(session, book, tickets, cases, lined, now)


async def gather(
    session: AsyncSession,
    book: RuleBook,
    tickets: list[Ticket],
    cases: dict[str, Case],
    lined: Set[Key],
    now: dt.datetime,
    rules: Mapping[str, Rules] = MappingProxyType({}),
    in_debit: set[str] | None = None,
) -> Batch:
    """What the decisions on these tickets depend on besides. `cases`: theirs, which grow; `lined`: openings with their lines.

    `rules` and `in_debit`: what this transaction has read of them already.
    """
    asked = [case for ticket in tickets for case in ticket.cases]
    docket = await open_docket(session, book, now, cases, {case.key for case in asked}, lined, rules)
    docket.traces = {ticket.id: ticket.trace for ticket in tickets}
    return Batch(
        docket,
        tickets,
        await _enrolled(session, asked),
        await _in_debit(session, {ticket.family for ticket in tickets}) if in_debit is None else in_debit,
        await _held(session, asked),
    )


async def _load_givings(session: AsyncSession, tickets: dict[str, Ticket], cases: dict[str, Case]) -> set[tuple[str, dt.date]]:
    """The CANCEL lines with their bookings. Returns the openings where a place may become free."""
    freed = set()
    for row in await run(session, GIVINGS, {"requests": tickets}):
        one = Giving(*row[:5])
        tickets[one.request].givings.append(one)
        freed.add(cases.setdefault(one.booking, Case(*row[5:])).key)
    return freed


async def _enrolled(session: AsyncSession, cases: Collection[Case]) -> dict[tuple[str, str], Enrolled]:
    wanted = {"children": sorted({case.child for case in cases}), "activities": sorted({case.activity for case in cases})}
    return {(child, activity): Enrolled(start, end) for child, activity, start, end in await run(session, ENROLLED, wanted)}


async def _in_debit(session: AsyncSession, families: set[str]) -> set[str]:
    return set((await run(session, IN_DEBIT, {"families": families})).scalars())


async def _held(session: AsyncSession, cases: Collection[Case]) -> dict[Where, Holding]:
    """What these children hold already on the days that they ask for, or give back."""
    wanted = {"children": sorted({case.child for case in cases}), "dates": sorted({case.date for case in cases})}
    return {(activity, date, child): Holding(*row) for activity, date, child, *row in await run(session, HELD, wanted)}


# ---------------------------------------------------------------------------------------------------------------- writing
async def write_decisions(session: AsyncSession, batch: Batch, now: dt.datetime) -> set[str]:
    """What became of openings and bookings, with the events that tell it. Returns the requests that are reported now."""
    reports = Reports(batch.docket, batch.tickets, batch.in_debit, batch.held, now)
    await batch.docket.write(session, reports.covers)
    record(session, *reports.events(), traces=batch.docket.traces)
    return reports.told


async def write(session: AsyncSession, batch: Batch, now: dt.datetime) -> None:
    reported = await write_decisions(session, batch, now)
    if any(ticket.agent is not None for ticket in batch.tickets):
        await _write_acts(session, batch, now)
    givings = [
        {"r": giving.request, "l": giving.line, "status": giving.status, "code": giving.code}
        for ticket in batch.tickets
        for giving in ticket.givings
    ]
    if givings:
        await run(session, update(CANCELLATION).where(X.request == bindparam("r"), X.line == bindparam("l")), givings)
    alike: dict[tuple[bool, bool], list[str]] = defaultdict(list)
    for ticket in batch.tickets:
        alike[ticket.decided, ticket.id in reported].append(ticket.id)
    for (decided, told), ids in alike.items():
        values = {"served": now, "decided": now if decided else None, "aside": None, "told": int(told)}
        await run(session, SERVED, {"requests": sorted(ids), **values})
    if batch.reopened:
        await queue_again(session, batch.reopened)


async def queue_again(session: AsyncSession, requests: Iterable[str]) -> None:
    """Serve these requests once more: something changed for a line that waited for a run."""
    again = update(REQUEST).where(R.id.in_(sorted(requests)), R.decided_at.is_(None)).values(served_at=None)
    await run(session, again)


async def _write_acts(session: AsyncSession, batch: Batch, now: dt.datetime) -> None:
    """What agents did, in the audit trail; and a letter to those who waited in vain when one came past the deadline."""
    await tell_who_waited(session, batch.docket)
    tickets = [ticket for ticket in batch.tickets if ticket.agent is not None]
    known = await noted(session, BOOK_FOR_FAMILY, [case.id for ticket in tickets for case in ticket.cases])
    acts = [(ticket, act) for ticket in tickets if ticket.agent for act in _acts(batch.docket, ticket, ticket.agent, known)]
    await note_all(session, now, [(ticket.structure, ticket.account, act) for ticket, act in acts])


def _acts(docket: Docket, ticket: Ticket, agent: ForFamily, known: Container[str]) -> Iterable[Done]:
    """`known`: bookings of the ticket that were noted when it was served before."""
    now_decided = [giving for giving in ticket.givings if giving.was]
    if agent.moves:
        for giving, case in zip(now_decided, ticket.cases, strict=False):
            before = _as_told(docket.cases[giving.booking], giving.was) | {"booking": giving.booking}
            yield _act("MOVE_BOOKING", case, agent, before, _as_told(case, case.status))
        return
    for giving in now_decided:
        after = {"status": giving.status, "code": giving.code}
        yield _act("CANCEL_FOR_FAMILY", docket.cases[giving.booking], agent, {"status": giving.was}, after)
    for case in ticket.cases:
        if case.id not in known:
            yield _act(BOOK_FOR_FAMILY, case, agent, None, _as_told(case, case.status))


def _as_told(case: Case, status: str) -> dict[str, Any]:
    told = {"activity": case.activity, "date": case.date.isoformat(), "arrival": case.arrival, "departure": case.departure}
    return told | {"status": status, "code": case.code}


def _act(kind: str, case: Case, agent: ForFamily, before: dict[str, Any] | None, after: dict[str, Any]) -> Done:
    powers = {name: True for name in ("past_deadlines", "despite_debt") if getattr(agent, name)}
    return Done(
        kind,
        activity=case.activity,
        date=case.date,
        family=case.family,
        child=case.child,
        booking=case.id,
        reason=agent.reason,
        before=before,
        after=after | powers,
    )


# ------------------------------------------------------------------------------------------------------------- everything
async def allocate(
    session: AsyncSession, book: RuleBook, clock: Clock, partition: int, most: int = MOST_REQUESTS
) -> tuple[list[str], bool]:
    """Serve the next requests of a partition, in the session's transaction. Returns their ids, and whether more wait."""
    await take_turn_of(session, partition)
    tickets, more = await _next(session, partition, most)
    if tickets:
        batch = await _load(session, book, tickets, tickets[0].submitted_at)
        batch.docket.now = now = clock.now()
        batch.decide()
        await write(session, batch, now)
        more = more or bool(batch.reopened)
    return [ticket.id for ticket in tickets], more


async def set_aside(session: AsyncSession, clock: Clock, partition: int) -> list[str]:
    """The first request that waits there cannot be served, for a mistake of ours: it stays SUBMITTED, for people to look at."""
    await take_turn_of(session, partition)
    tickets, _ = await _next(session, partition, 1)
    ids, now = [ticket.id for ticket in tickets], clock.now()
    if ids:
        await run(session, SERVED, {"requests": ids, "served": now, "decided": None, "aside": now, "told": 0})
    return ids
