"""Whether one line of a draft may be: every rule but the places (allocation.py) and what is booked already.

What a rule says of an opening is the same for all families: `opening_rules` works it out once, and the checks, which run for
every line of a rush, only compare.
"""

import datetime as dt
from dataclasses import dataclass, replace
from typing import Self

from services.booking import deadlines, hours
from services.booking.activity import ActivitySpec, Hours, LocalTime
from services.booking.season import Closed, Holidays, why_closed
from services.booking.status import BookingStatus

OF_HOURS = ("HOURS_REQUIRED", "HOURS_NOT_ALLOWED")  #: Why a line cannot be as it is, though it could be at other hours.
REMEMBERED = 800  #: Days by activity: two years and a margin.


@dataclass(frozen=True, slots=True)
class OpeningRules:
    """One activity on one day, as its rules have it."""

    date: dt.date
    hours: Hours
    closed: Closed | None  #: Why it is not open; None: it is.
    because: str | None  #: Why the town closed that very day, in its own words.
    booking_closes_at: dt.datetime  #: UTC; not possible at that instant any more.
    cancelling_closes_at: dt.datetime
    ends_at: dt.datetime  #: When the day is over: whatever the deadlines, an agent books and cancels before that.

    def bookable(self, now: dt.datetime) -> bool:
        """Whether a place may be given to somebody who waits."""
        return self.closed is None and now < self.booking_closes_at

    def past_deadlines(self) -> Self:
        """As they are for an agent who overrides the deadlines."""
        return replace(self, booking_closes_at=self.ends_at, cancelling_closes_at=self.ends_at)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The period in which a child is admitted to an activity: both days included, None = no bound."""

    starts_on: dt.date | None = None
    ends_on: dt.date | None = None

    def on(self, day: dt.date) -> bool:
        return (self.starts_on is None or self.starts_on <= day) and (self.ends_on is None or day <= self.ends_on)


class Rules:
    """An activity's rules with the days off of its place: remembers each day it was asked for."""

    def __init__(self, spec: ActivitySpec, holidays: Holidays) -> None:
        self.spec = spec
        self._holidays = holidays
        self._days: dict[dt.date, OpeningRules] = {}

    def on(self, day: dt.date) -> OpeningRules:
        known = self._days.get(day)
        if known is None:
            if len(self._days) >= REMEMBERED:  # Nobody fills the memory by asking for the calendars of centuries.
                self._days.clear()
            known = self._days[day] = opening_rules(self.spec, day, self._holidays)
        return known


def opening_rules(spec: ActivitySpec, day: dt.date, holidays: Holidays) -> OpeningRules:
    closed = why_closed(spec, day, holidays)
    return OpeningRules(
        date=day,
        hours=spec.hours,
        closed=closed,
        because=spec.because(day) if closed is Closed.CLOSED_DAY else None,
        booking_closes_at=deadlines.booking_closes_at(spec, day, holidays),
        cancelling_closes_at=deadlines.cancelling_closes_at(spec, day, holidays),
        ends_at=deadlines.ends_at(spec, day),
    )


def check_booking(
    rules: OpeningRules,
    arrival: LocalTime | None,
    departure: LocalTime | None,
    *,
    now: dt.datetime,
    enrolled: Enrolled | None,
    in_debit: bool,
) -> str | None:
    """Why a BOOK line cannot be, or None: ACCOUNT_IN_DEBIT (S21), NOT_ENROLLED, CLOSED, TOO_LATE, HOURS_REQUIRED, HOURS_NOT_ALLOWED.

    `now` is when the family confirmed it: waiting for the answer makes nobody late.
    """
    if in_debit:
        return "ACCOUNT_IN_DEBIT"
    if enrolled is None or not enrolled.on(rules.date):
        return "NOT_ENROLLED"
    if rules.closed is not None:
        return "CLOSED"
    if now >= rules.booking_closes_at:
        return "TOO_LATE"
    return hours.check(rules.hours, arrival, departure)


def check_cancelling(rules: OpeningRules, status: str, *, now: dt.datetime) -> str | None:
    """Why a booking cannot be given back, or None: TOO_LATE_TO_CANCEL. Debt forbids nothing here (S21).

    Whoever has no place yet, but waits for one or for an answer, may leave at any time (S36): that costs nobody anything.
    """
    return "TOO_LATE_TO_CANCEL" if status == BookingStatus.ACCEPTED and now >= rules.cancelling_closes_at else None
