"""A request while it is being served: what was asked for, what became of it, and how much of that the family was told."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sqlalchemy import String, type_coerce

from services.booking.docket import Case
from services.booking.lines import OpeningRules
from services.booking.order import ForFamily
from services.booking.status import BookingStatus
from services.booking.tables import Cancellation, Request, core

R, X = core(Request).c, core(Cancellation).c


@dataclass(slots=True)
class Giving:
    """A CANCEL line."""

    request: str
    line: int
    booking: str
    status: str
    code: str | None
    was: str = ""  #: What the booking was before.


@dataclass(slots=True)
class Ticket:
    """A request while it is being served."""

    id: str
    lines: int
    family: str
    structure: str
    accept_waiting_list: bool
    submitted_at: dt.datetime
    account: str
    trace: str | None
    reports: int  #: How often the family was told of it.
    agent: ForFamily | None = None  #: None: the family acted itself.
    cases: list[Case] = field(default_factory=list)
    givings: list[Giving] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)  #: Bookings that waited for a run, and have their answer in this transaction.

    @property
    def by(self) -> Literal["family", "agent"]:
        return "family" if self.agent is None else "agent"

    @property
    def despite_debt(self) -> bool:
        return self.agent is not None and self.agent.despite_debt

    def sees(self, rules: OpeningRules) -> OpeningRules:
        """The rules as they are for whoever asked."""
        return rules.past_deadlines() if self.agent is not None and self.agent.past_deadlines else rules

    @property
    def decided(self) -> bool:
        return all(case.status != BookingStatus.SUBMITTED for case in self.cases)


#: Select these, in this order, and `ticket_of(row)`; or `Giving(*row)`.
TICKET = (
    R.id,
    R.lines,
    R.family,
    R.structure,
    R.accept_waiting_list,
    R.submitted_at,
    R.account,
    R.traceparent,
    R.reports,
    R.agent,
    R.cause,
)
GIVING = (X.request, X.line, X.booking, type_coerce(X.status, String), X.code)


def ticket_of(row: Any) -> Ticket:
    ticket = Ticket(*row[:-1])
    if row.agent is not None:
        ticket.agent = ForFamily(**row.agent, cause=row.cause)
    return ticket


def as_row(agent: ForFamily | None) -> dict[str, Any]:
    """The columns of a request that say for an agent why it acted: the inverse of `ticket_of`."""
    if agent is None:
        return {"agent": None, "cause": None}
    told = asdict(agent)
    return {"cause": told.pop("cause"), "agent": told}


def units(cases: Iterable[Case]) -> Iterable[list[Case]]:
    """Single lines and whole parties, in the lines' order, without those that have their answer."""
    parties: dict[int, list[Case]] = {}
    for case in cases:
        if case.status != BookingStatus.SUBMITTED:
            continue
        if case.party is None:
            parties[-case.position] = [case]
        else:
            parties.setdefault(case.party, []).append(case)
    return parties.values()
