"""What a family is told of its request, and when: at once what is decided, and which lines wait for a run; then what each run decides.

Where all lines are answered at once, `request_decided` is the report. Elsewhere it comes by `request_explained`, for the mailer alone.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeVar, cast, get_args
from zoneinfo import ZoneInfo

from services.booking.activity import Scheduled
from services.booking.allocation import GROUP_INCOMPLETE
from services.booking.docket import Case, Docket
from services.booking.schedule import next_due, run_of
from services.booking.status import LIVE, BookingStatus
from services.booking.tickets import Giving, Ticket, units
from services.events import AwaitedMovement, DecidedMovement, Event, RequestDecided, RequestExplained
from services.saying import made

Outcome = Literal["ACCEPTED", "WAITLISTED", "REFUSED", "CANCELLED"]
Overrode = Literal["DEADLINE", "DEBT"]
Stood = Literal["ACCEPTED", "WAITLISTED", "SUBMITTED"]
STOOD = frozenset(get_args(Stood))
HeldStatus = Literal["ACCEPTED", "WAITLISTED"]
Where = tuple[str, dt.date, str]  #: (activity, date, child)
M = TypeVar("M")


class Holding(NamedTuple):
    """A booking that has a place, or waits for one."""

    booking: str
    status: str


class Reports:
    """What is told of some tickets, once they are served and before anything is written."""

    def __init__(
        self, docket: Docket, tickets: Iterable[Ticket], in_debit: Collection[str], held: Mapping[Where, Holding], now: dt.datetime
    ) -> None:
        self._docket = docket
        self._in_debit = in_debit
        self._held = held
        self._now = now
        self._tickets = {ticket.id: ticket for ticket in tickets}
        self.told = {ticket.id for ticket in self._tickets.values() if _is_told(ticket)}  #: Requests that are reported now.

    def covers(self, case: Case) -> bool:
        """A report that is written now says what became of this booking: it needs no letter of its own."""
        ticket = self._tickets.get(case.request or "")
        return ticket is not None and ticket.id in self.told and (not ticket.reports or case.id in ticket.answered)

    def events(self) -> Iterable[Event]:
        for ticket in self._tickets.values():
            is_report = ticket.agent is None and not ticket.reports and ticket.decided
            if ticket.id in self.told and not is_report:
                yield self._explained(ticket)
            if ticket.decided:
                yield self._decided(ticket, explained=not is_report)

    def _decided(self, ticket: Ticket, *, explained: bool) -> RequestDecided:
        return made(
            RequestDecided,
            occurred_at=self._now,
            structure=ticket.structure,
            request=ticket.id,
            family=ticket.family,
            account=ticket.account if ticket.agent is None else None,
            by=ticket.by,
            explained=explained,
            movements=self._movements(ticket, ticket.cases, ticket.givings),
        )

    def _explained(self, ticket: Ticket) -> RequestExplained:
        agent = ticket.agent
        return made(
            RequestExplained,
            occurred_at=self._now,
            structure=ticket.structure,
            request=ticket.id,
            family=ticket.family,
            account=ticket.account if agent is None else None,
            by=ticket.by,
            part=ticket.reports,
            reason=agent.reason if agent else "",
            cause=agent.cause if agent else None,
            overrode=self._overrode(ticket),
            movements=self._movements(ticket, _news(ticket), () if ticket.reports else ticket.givings),
            awaited=_in_order(line for unit in units(ticket.cases) for line in self._awaited(ticket, unit)),
        )

    # ----------------------------------------------------------------------------------------------------------- the lines
    def _movements(self, ticket: Ticket, cases: Iterable[Case], givings: Iterable[Giving]) -> list[DecidedMovement]:
        movements = [(case.line, self._movement(ticket, case)) for case in cases]
        movements += [(giving.line, _movement_back(self._docket.cases[giving.booking], giving)) for giving in givings]
        return _in_order(movements)

    def _movement(self, ticket: Ticket, case: Case) -> DecidedMovement:
        expired = case.status == BookingStatus.EXPIRED  # while another line of the request still waited for its run
        return made(
            DecidedMovement,
            booking=case.id,
            child=case.child,
            activity=case.activity,
            date=case.date,
            kind="BOOK",
            outcome=cast(Outcome, "REFUSED" if expired else case.status),
            rank=self._docket.board.rank(case.key, case.position) if case.status == BookingStatus.WAITLISTED else None,
            code="EXPIRED" if expired else case.code,
            arrival=case.arrival,
            departure=case.departure,
            was=None,
            because=_in_the_way(ticket, case) if case.code == GROUP_INCOMPLETE else None,
            held=self._held_by(case) if case.code == "ALREADY_BOOKED" else None,
        )

    def _held_by(self, case: Case) -> HeldStatus | None:
        """What the child has there now that all is decided. None: nothing any more, or nothing outside of the request."""
        where = case.activity, case.date, case.child
        now = (one.status for one in self._docket.cases.values() if (one.activity, one.date, one.child) == where)
        status = next((status for status in now if status in LIVE), None)
        before = self._held.get(where)
        if status is None and before is not None and before.booking not in self._docket.cases:
            status = before.status
        return cast(HeldStatus | None, status)

    def _awaited(self, ticket: Ticket, unit: Sequence[Case]) -> Iterable[tuple[int, AwaitedMovement]]:
        specs = {case.activity: self._docket.rules[case.activity].spec for case in unit}
        run = run_of(specs.values(), ticket.submitted_at)
        spec = specs.get(run or "")
        if spec is None or not isinstance(spec.allocation, Scheduled):
            return  # It was set aside, or will be served again: nobody knows when.
        asked = max(ticket.submitted_at, self._now) if ticket.reports else ticket.submitted_at
        due = next_due(spec.allocation.at, spec.timezone, asked).astimezone(ZoneInfo(spec.timezone))
        for case in unit:
            line = made(
                AwaitedMovement,
                booking=case.id,
                child=case.child,
                activity=case.activity,
                date=case.date,
                run_of=spec.id,
                run_on=due.date(),
                run_at=f"{due:%H:%M}",
            )
            yield case.line, line

    # ------------------------------------------------------------------------------------------------- an agent's exceptions
    def _overrode(self, ticket: Ticket) -> list[Overrode]:
        """What would have stood in the family's own way."""
        agent = ticket.agent
        if agent is None or agent.cause is not None:
            return []
        overrode: list[Overrode] = []
        if agent.past_deadlines and any(self._late(ticket)):
            overrode.append("DEADLINE")
        if agent.despite_debt and ticket.family in self._in_debit and any(case.status in LIVE for case in ticket.cases):
            overrode.append("DEBT")
        return overrode

    def _late(self, ticket: Ticket) -> Iterable[bool]:
        for case in ticket.cases:
            if case.status in LIVE:
                yield ticket.submitted_at >= self._docket.rules[case.activity].on(case.date).booking_closes_at
        for giving in ticket.givings:
            if giving.was == BookingStatus.ACCEPTED and giving.status == BookingStatus.CANCELLED:
                case = self._docket.cases[giving.booking]
                yield ticket.submitted_at >= self._docket.rules[case.activity].on(case.date).cancelling_closes_at


def _is_told(ticket: Ticket) -> bool:
    """An agent's act that changed nothing is no news to the family; nor is a run for whoever left before."""
    if ticket.reports:
        return bool(ticket.answered)
    if ticket.agent is None:
        return True
    lines = [*(case.status for case in ticket.cases), *(giving.status for giving in ticket.givings)]
    return any(status != BookingStatus.REFUSED for status in lines)


def _news(ticket: Ticket) -> list[Case]:
    """The lines that the next report tells of."""
    if ticket.reports:
        return [case for case in ticket.cases if case.id in ticket.answered]
    return [case for case in ticket.cases if case.status != BookingStatus.SUBMITTED]


def _in_order(numbered: Iterable[tuple[int, M]]) -> list[M]:
    """As the lines stand in the request."""
    return [movement for _, movement in sorted(numbered, key=lambda pair: pair[0])]


def _in_the_way(ticket: Ticket, case: Case) -> str | None:
    """The first line of its group that could not be."""
    refused = (one for one in ticket.cases if one.party == case.party and one.status == BookingStatus.REFUSED)
    return next((one.id for one in refused if one.code != GROUP_INCOMPLETE), None)


def _movement_back(case: Case, giving: Giving) -> DecidedMovement:
    return made(
        DecidedMovement,
        booking=case.id,
        child=case.child,
        activity=case.activity,
        date=case.date,
        kind="CANCEL",
        outcome=cast(Outcome, giving.status),
        rank=None,
        code=giving.code,
        arrival=case.arrival,
        departure=case.departure,
        was=cast(Stood | None, giving.was if giving.was in STOOD else None),
        because=None,
        held=None,
    )
