"""Holds a scheduled run: reads what waits for it, has it decided (allocation_run.py), and writes it all in one transaction.

First its list is closed, in a transaction of its own, for as long as it takes to count: that takes numbers from the counter of requests,
and nobody can be counted meanwhile. So it is sure who was in time, families need not wait while the run is written, and who waits after
it stands, in the run's order, behind all who waited before it and in front of all who ask later. Then the run holds the turn of its
structure's partition, so it happens once, whoever else has the same idea at the same hour. It decides a second time, on the docket, what
allocation_run.py decided from its inputs, and compares: what could not be recomputed is never committed.
"""

import datetime as dt
import secrets
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, bindparam, exists, func, insert, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking import next_run, run_queries
from services.booking.activity import ActivitySpec, Scheduled
from services.booking.allocation import Answer, Opening
from services.booking.allocation_run import (
    Decision,
    Inputs,
    Place,
    Result,
    Served,
    Stock,
    Waiter,
    Wish,
    WishedLine,
    decide,
    digest_of,
    to_json,
)
from services.booking.allocator import (
    ENROLLED,
    GIVINGS,
    HELD,
    IN_DEBIT,
    LINES,
    UNKNOWN,
    Batch,
    R,
    write,
)
from services.booking.deadlines import starts_at
from services.booking.docket import BOOKING, IS_SUBMITTED, B, Case, Docket, open_docket, take_turn
from services.booking.intake import COUNT
from services.booking.lines import Enrolled, Rules, check_booking
from services.booking.ranking import Rule
from services.booking.reporting import Holding
from services.booking.rulebook import RuleBook
from services.booking.schedule import hour_come, run_of
from services.booking.status import BookingStatus
from services.booking.tables import (
    LINES_PER_REQUEST,
    AllocationDecision,
    AllocationInput,
    AllocationRun,
    core,
    partition_of,
    run,
)
from services.booking.tables import Counter as CounterRow
from services.booking.tickets import GIVING, TICKET, Giving, Ticket, ticket_of, units
from services.clock import Clock
from services.refusal import Refused

NEW_DECISION = insert(core(AllocationDecision))
NEW_PLACE = update(BOOKING).where(B.id == bindparam("b")).values(position=bindparam("p"))
RUN = core(AllocationRun)
COUNTED = select(core(CounterRow).c.value).where(core(CounterRow).c.name == "request")
REHEARSAL = "rehearsal"  #: In the place of a run's number: its lots are of no other use.

OUTCOMES = {Answer.ACCEPTED: "ACCEPTED", Answer.WAITLISTED: "WAITLISTED", Answer.FULL: "REFUSED"}


class NotYet(Exception):
    """The allocator has not looked yet at all that was asked before the run, which comes first; or another run came in between."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An agent asks for a run now. The same key is the same run, however often it arrives."""

    account: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Until:
    """Who is in a run: whoever had asked before its hour, or by the instant at which an agent asked for it, and was counted by then."""

    moment: dt.datetime
    counted: int  #: Requests.
    is_hour: bool = False

    @property
    def position(self) -> int:
        """The last one that such a request may have. After it begin the numbers that were taken for those who will wait."""
        return self.counted * LINES_PER_REQUEST + LINES_PER_REQUEST - 1

    @property
    def in_time(self) -> tuple[ColumnElement[bool], ...]:
        """Of a request."""
        return R.seq <= self.counted, R.submitted_at < self.moment if self.is_hour else R.submitted_at <= self.moment


@dataclass(slots=True)
class Hearing:
    """Whoever waits for a run, with all that the decisions depend on."""

    spec: ActivitySpec
    rule: Rule
    docket: Docket
    tickets: list[Ticket]
    wishes: list[Wish]
    enrolled: dict[tuple[str, str], Enrolled]
    in_debit: set[str]
    held: dict[Place, Holding]
    holds: dict[str, tuple[str, ...]]

    def inputs(self, run_id: str, seed: str, first_position: int) -> Inputs:
        openings = tuple(_stock(key, opening) for key, opening in sorted(self.docket.board.openings.items()))
        return Inputs(run_id, self.rule, seed, first_position, tuple(self.wishes), openings, frozenset(self.held), self.holds)


async def close_list(session: AsyncSession, book: RuleBook, clock: Clock, activity: str, asked: Asked | None = None) -> Until | None:
    """From here on whoever asks is too late for the run that comes. Commit at once, then hold it: families wait for the counter.

    None: its hour has not come, or nobody waits for it. `asked`: by an agent, now, whatever the hour.
    Raises Refused NOT_SCHEDULED.
    """
    spec = await _spec(session, book, activity)
    counted = (await run(session, COUNT, {"more": 0})).scalar_one()
    now = clock.now()
    coming = await next_run.next_run(session, activity)
    hour = None if coming is None else hour_come(spec, coming.counts_from, now)
    moment = now if asked else hour
    if moment is None:
        return None
    until = Until(moment, counted, is_hour=asked is None)
    lines = (await run(session, select(func.sum(R.lines)).where(*waiting_for(spec), *until.in_time))).scalar_one()
    if not lines:
        return None
    await run(session, COUNT, {"more": -(-lines // LINES_PER_REQUEST)})
    return until


async def hold(
    session: AsyncSession, book: RuleBook, clock: Clock, activity: str, until: Until, asked: Asked | None = None
) -> AllocationRun | None:
    """Hold the run whose list is closed, in the session's transaction. None: it was held, or its hour was moved, or nobody waits any more.

    `asked`: by an agent. Raises NotYet: close the list again; Refused NOT_SCHEDULED.
    """
    spec = await _spec(session, book, activity)
    await take_turn(session, spec.structure)
    now = clock.now()
    spec = await _spec(session, book, activity)
    if asked is not None and await run_queries.run_asked(session, activity, asked.account, asked.key):
        return None
    coming = await next_run.next_run(session, activity) or await next_run.draw(session, activity, spec.structure, now)
    if until.is_hour and hour_come(spec, coming.counts_from, now) != until.moment:
        return None
    if await _unserved(session, spec.structure, until) or await _passed(session, spec.structure, until):
        raise NotYet
    hearing = await _hear(session, book, spec, until, now)
    if hearing is None:
        return None
    inputs = hearing.inputs(coming.id, coming.seed, until.position + 1)
    result = decide(inputs)
    _apply(hearing.docket, result)
    await _write(session, hearing, inputs, result, coming, now)
    coming.due_at, coming.through, coming.ran_at = until.moment, until.position, now
    coming.account, coming.idempotency_key = (asked.account, asked.key) if asked else (None, None)
    await session.flush()
    await next_run.draw(session, activity, spec.structure, now, until.moment)
    return coming


async def rehearse(session: AsyncSession, book: RuleBook, clock: Clock, activity: str) -> list[tuple[WishedLine, str, Decision]]:
    """What a run now would decide, without effect: each line with its family. The lots are drawn with a seed of its own, so that
    nobody sees the real ones in time.

    Raises Refused NOT_SCHEDULED.
    """
    spec, now = await _spec(session, book, activity), clock.now()
    until = Until(now, (await run(session, COUNTED)).scalar_one())
    hearing = await _hear(session, book, spec, until, now)
    if hearing is None:
        return []
    result = decide(hearing.inputs(f"{activity}/{REHEARSAL}", secrets.token_hex(next_run.SEED_BYTES), until.position + 1))
    lines = {line.booking: line for wish in hearing.wishes for line in wish.lines}
    return [(lines[one.booking], hearing.docket.cases[one.booking].family, one) for one in result.decisions]


async def _spec(session: AsyncSession, book: RuleBook, activity: str) -> ActivitySpec:
    spec = (await book.of(session, [activity]))[activity].spec
    if not isinstance(spec.allocation, Scheduled):
        raise Refused("NOT_SCHEDULED")
    return spec


# -------------------------------------------------------------------------------------------------------------- is it time?
async def due_now(session: AsyncSession, book: RuleBook, now: dt.datetime) -> dict[str, dt.datetime]:
    """The activities whose hour has come and that have not run since, each with its hour."""
    activities = await run_queries.scheduled(session)
    if not activities:
        return {}
    coming = await run_queries.next_runs(session, activities)
    rules = await book.of(session, activities)
    hours = {id_: hour_come(rules[id_].spec, one.counts_from, now) for id_, one in coming.items()}
    return {id_: hour for id_, hour in hours.items() if hour is not None}


async def unprepared(session: AsyncSession) -> list[str]:
    """Scheduled activities whose next seed is not drawn: they are older than the drawing of seeds."""
    activities = await run_queries.scheduled(session)
    coming = await run_queries.next_runs(session, activities)
    return [id_ for id_ in activities if id_ not in coming]


async def prepare(session: AsyncSession, book: RuleBook, clock: Clock, activity: str) -> None:
    """Draw the seed of its next run."""
    spec = (await book.of(session, [activity]))[activity].spec
    await take_turn(session, spec.structure)
    await next_run.prepare(session, spec, clock.now())


async def _unserved(session: AsyncSession, structure: str, until: Until) -> bool:
    waits = R.partition == partition_of(structure), R.served_at.is_(None), R.structure == structure
    return (await run(session, select(R.id).where(*waits, *until.in_time).limit(1))).first() is not None


async def _passed(session: AsyncSession, structure: str, until: Until) -> bool:
    """A run whose list was closed later was held before: who waits after it has higher numbers than we took."""
    later = RUN.c.structure == structure, RUN.c.through > until.position
    return (await run(session, select(RUN.c.id).where(*later).limit(1))).first() is not None


# ---------------------------------------------------------------------------------------------------------------- reading
async def _hear(session: AsyncSession, book: RuleBook, spec: ActivitySpec, until: Until, now: dt.datetime) -> Hearing | None:
    tickets, cases = await _who_asked(session, spec, until)
    rules = await book.of(session, {case.activity for case in cases.values()})
    waiting = [(ticket, unit) for ticket in tickets for unit in units(ticket.cases) if _run_for(unit, rules, ticket) == spec.id]
    if not waiting:
        return None
    ours = {ticket.id: ticket for ticket, _ in waiting}
    wished = [case for _, unit in waiting for case in unit]
    docket = await _docket(session, book, now, cases, ours.values(), wished)
    docket.rules.update(rules)  # of the lines that wait for other runs: the reports say so
    for case in wished:
        # Waiting for the run makes nobody late: who had asked in time may still be given a place, until the opening starts.
        open_ = docket.rules[case.activity].on(case.date).closed is None
        docket.board.openings[case.key].bookable = open_ and not docket.is_closed(case.key)
    allocation = spec.allocation
    assert isinstance(allocation, Scheduled), "only these have runs"
    enrolled = await _enrolled(session, wished)
    in_debit = await _in_debit(session, {ticket.family for ticket in ours.values()})
    return Hearing(
        spec,
        Rule(allocation.policy, allocation.points),
        docket,
        list(ours.values()),
        [_wish(ticket, unit, docket, enrolled, in_debit) for ticket, unit in waiting],
        enrolled,
        in_debit,
        await _held(session, wished),
        await _holds(session, spec, waiting, now) if allocation.policy == "points" else {},
    )


async def _who_asked(session: AsyncSession, spec: ActivitySpec, until: Until) -> tuple[list[Ticket], dict[str, Case]]:
    """The requests with a line that waits for this activity's runs, with all their lines."""
    query = select(*TICKET).where(*waiting_for(spec), R.served_at.is_not(None), *until.in_time)
    tickets = {row.id: ticket_of(row) for row in await run(session, query.order_by(R.seq))}
    cases: dict[str, Case] = {}
    for row in await run(session, LINES, {"requests": tickets}):
        # One that a CANCEL line invented, to have something to show, is no wish for a place.
        if row.code != UNKNOWN:
            case = cases[row.id] = Case(*row)
            tickets[case.request or ""].cases.append(case)
    for row in await run(session, GIVINGS, {"requests": tickets}):
        giving = Giving(*row[: len(GIVING)])
        tickets[giving.request].givings.append(giving)
        cases.setdefault(giving.booking, Case(*row[len(GIVING) :]))
    return list(tickets.values()), cases


def waiting_for(spec: ActivitySpec) -> tuple[ColumnElement[bool], ...]:
    """Of requests: not those of which we know that they cannot be served."""
    waits = exists().where(B.request == R.id, IS_SUBMITTED, B.activity == spec.id)
    return R.structure == spec.structure, R.decided_at.is_(None), R.set_aside_at.is_(None), waits


def _run_for(unit: Sequence[Case], rules: Mapping[str, Rules], ticket: Ticket) -> str | None:
    return run_of([rules[case.activity].spec for case in unit], ticket.submitted_at)


async def _docket(
    session: AsyncSession, book: RuleBook, now: dt.datetime, cases: dict[str, Case], tickets: Iterable[Ticket], wished: Iterable[Case]
) -> Docket:
    """With the lines in which others of these requests wait: their answers tell the rank."""
    lined = {case.key for ticket in tickets for case in ticket.cases if case.status == BookingStatus.WAITLISTED}
    docket = await open_docket(session, book, now, cases, {case.key for case in wished} | lined, lined)
    docket.traces = {ticket.id: ticket.trace for ticket in tickets}
    return docket


async def _enrolled(session: AsyncSession, cases: Collection[Case]) -> dict[tuple[str, str], Enrolled]:
    wanted = {"children": {case.child for case in cases}, "activities": {case.activity for case in cases}}
    return {(child, activity): Enrolled(start, end) for child, activity, start, end in await run(session, ENROLLED, wanted)}


async def _in_debit(session: AsyncSession, families: Collection[str]) -> set[str]:
    return set((await run(session, IN_DEBIT, {"families": families})).scalars())


async def _held(session: AsyncSession, cases: Collection[Case]) -> dict[Place, Holding]:
    """Those of the places that they wish for which the children hold, or wait for, already."""
    wished = {(case.activity, case.date, case.child) for case in cases}
    asked = {"children": {child for _, _, child in wished}, "dates": {date for _, date, _ in wished}}
    rows = [((activity, date, child), Holding(*row)) for activity, date, child, *row in await run(session, HELD, asked)]
    return {place: holding for place, holding in rows if place in wished}


async def _holds(
    session: AsyncSession, spec: ActivitySpec, waiting: Iterable[tuple[Ticket, Sequence[Case]]], now: dt.datetime
) -> dict[str, tuple[str, ...]]:
    """Child -> the criteria that are true of it, as the town and the bookings have it now."""
    families = {case.child: ticket.family for ticket, unit in waiting for case in unit}
    told = await run_queries.family_criteria(session, set(families.values()))
    seen = await run_queries.seen_of(session, spec.id, families, now.astimezone(ZoneInfo(spec.timezone)).date())
    return {child: (*told[family], *seen[child]) for child, family in families.items()}


def _wish(ticket: Ticket, unit: Sequence[Case], docket: Docket, enrolled: Mapping[tuple[str, str], Enrolled], in_debit: set[str]) -> Wish:
    def why_not(case: Case) -> str | None:
        return _why_not(ticket, case, docket, enrolled, case.family in in_debit and not ticket.despite_debt)

    lines = tuple(WishedLine(case.id, case.child, case.activity, case.date, case.position, why_not(case)) for case in unit)
    # Whoever waits when the deadline has passed would be sent away in the next seconds: better told at once.
    in_time = all(docket.now < docket.rules[case.activity].on(case.date).booking_closes_at for case in unit)
    return Wish(lines, ticket.accept_waiting_list and in_time, unit[0].party)


def _why_not(ticket: Ticket, case: Case, docket: Docket, enrolled: Mapping[tuple[str, str], Enrolled], in_debit: bool) -> str | None:
    """As the allocator sees it: as of when the family asked, with the enrollments and debts of now."""
    rules = docket.rules[case.activity]
    code = check_booking(
        ticket.sees(rules.on(case.date)),
        case.arrival,
        case.departure,
        now=ticket.submitted_at,
        enrolled=enrolled.get((case.child, case.activity)),
        in_debit=in_debit,
    )
    # The intake looked at the hours as the family chose them; the booking has them filled in.
    code = code or case.code
    if code is None and (docket.is_closed(case.key) or starts_at(rules.spec, case.date) <= docket.now):
        return "TOO_LATE"
    return code


def _stock(key: tuple[str, dt.date], opening: Opening) -> Stock:
    line = tuple(Waiter(claim.booking, claim.position, claim.party) for claim in opening.line)
    return Stock(*key, opening.places, opening.waiting_places, opening.taken, opening.ahead, opening.bookable, line)


# ---------------------------------------------------------------------------------------------------------------- writing
def _apply(docket: Docket, result: Result) -> None:
    for one in result.served:
        cases = [docket.cases[line.booking] for line in one.wish.lines]
        if one.code in (None, "FULL"):
            _ask(docket, one, cases)
        for case, code in zip(cases, one.codes, strict=True):
            if code is not None:
                docket.refuse(case, code)
    given = {case.id for case in docket.given}
    assert given == set(result.given), f"the docket gave places to {given}, the run to {result.given}"


def _ask(docket: Docket, one: Served, cases: Sequence[Case]) -> None:
    for case, position in zip(cases, one.positions, strict=True):
        case.position = position
    answer = docket.ask(cases, may_wait=one.wish.may_wait)
    assert OUTCOMES[answer] == one.outcome, f"{cases[0].id}: the docket answers {answer}, the run {one.outcome}"


async def _write(session: AsyncSession, hearing: Hearing, inputs: Inputs, result: Result, coming: AllocationRun, now: dt.datetime) -> None:
    docket = hearing.docket
    tickets = {ticket.id: ticket for ticket in hearing.tickets}
    for decision in result.decisions:
        tickets[docket.cases[decision.booking].request or ""].answered.add(decision.booking)
    await write(session, Batch(docket, hearing.tickets, hearing.enrolled, hearing.in_debit, hearing.held), now)
    places = [{"b": one.booking, "p": one.position} for one in result.decisions if one.outcome == "WAITLISTED"]
    if places:
        await run(session, NEW_PLACE, places)
    outcomes = Counter(decision.outcome for decision in result.decisions)
    coming.policy, coming.points = hearing.rule.policy, dict(hearing.rule.points) or None
    coming.accepted, coming.waitlisted, coming.refused = (outcomes[name] for name in ("ACCEPTED", "WAITLISTED", "REFUSED"))
    document = to_json(inputs)
    session.add(AllocationInput(run=coming.id, digest=digest_of(document), document=document))
    await session.flush()
    await run(session, NEW_DECISION, [_row(coming.id, decision, docket.cases[decision.booking]) for decision in result.decisions])


def _row(run_id: str, decision: Decision, case: Case) -> dict[str, Any]:
    told = {name: getattr(decision, name) for name in Decision.__slots__}
    about = {"family": case.family, "child": case.child, "activity": case.activity, "date": case.date, "version": case.version}
    return told | about | {"run": run_id, "criteria": [list(pair) for pair in decision.criteria]}
