"""The three questions about a draft (S25): after one click, after one copy, and what sending it would give. They have no effect."""

import asyncio
import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.booking import draft as drafts
from services.booking import hours
from services.booking.activity import ActivitySpec, FixedHours, LocalTime
from services.booking.draft import Choice, Day, DraftChange, DraftLine, Outcome, Source, ToggleScope
from services.booking.intake import check_groups, groups_of
from services.booking.order import MOST_LINES, Line, Order
from services.booking.queries import Booked, Owned, dates, month_around
from services.booking.reading import Reading, Span
from services.booking.recap import Facts, Forecast, Held, forecast
from services.refusal import CodedError, Refused


@dataclass(frozen=True, slots=True)
class Click:
    """A click on the calendar of one child and one activity."""

    scope: ToggleScope
    child: str
    activity: str
    month: dt.date  #: Its first day.
    day: dt.date | None
    arrival: LocalTime | None
    departure: LocalTime | None


@dataclass(frozen=True, slots=True)
class Copying:
    """From one child and activity to another, both days included."""

    from_child: str
    from_activity: str
    to_child: str
    to_activity: str
    first: dt.date
    last: dt.date
    arrival: LocalTime | None
    departure: LocalTime | None
    include_booked: bool


async def toggle(reading: Reading, click: Click, lines: Sequence[Line], now: dt.datetime) -> Outcome:
    """S27-S30. Raises Refused; CodedError: a day that the displayed month does not show."""
    _, spec = await _child_and_activity(reading, click.child, click.activity)
    if click.activity not in await reading.enrolled(click.child):
        raise Refused("NOT_ENROLLED")
    draft = await _complete(reading, lines)
    month = month_around(click.month)
    span = await reading.span(click.child, *month, click.activity)
    days = [_day(span, click.activity, day, now) for day in drafts.days_of(click.scope, dates(month), click.day)]
    if not days:
        raise CodedError("BAD_USER_INPUT", "day: no day of that month is meant", "day : aucun jour de ce mois n’est désigné")
    return _done(drafts.toggle(_choice(click.child, spec, click.arrival, click.departure), days, draft))


async def copy(reading: Reading, copying: Copying, lines: Sequence[Line], now: dt.datetime) -> Outcome:
    """S31. Raises Refused."""
    source, source_spec = await _child_and_activity(reading, copying.from_child, copying.from_activity)
    target, target_spec = await _child_and_activity(reading, copying.to_child, copying.to_activity)
    if source.family != target.family:
        raise Refused("UNKNOWN_CHILD")
    enrolled = (await reading.enrolled(copying.to_child)).get(copying.to_activity)
    if enrolled is None:
        raise Refused("NOT_ENROLLED")
    draft = await _complete(reading, lines)
    booked = await reading.span(copying.from_child, copying.first, copying.last, copying.from_activity)
    live = [(row.date, row.arrival, row.departure) for row in _bookings_of(booked, copying.from_activity)] if copying.include_booked else []
    asked = [line for line in draft if copying.first <= line.date <= copying.last]
    found = drafts.to_copy(asked, live, copying.from_child, copying.from_activity)
    choice = _choice(copying.to_child, target_spec, copying.arrival, copying.departure)
    sources = [_source(date, times, source_spec, target_spec, choice) for date, times in found.items()]
    span = await reading.span(copying.to_child, copying.first, copying.last, copying.to_activity)
    days = {date: _day(span, copying.to_activity, date, now) for date in found}
    outside = frozenset(date for date in found if not enrolled.on(date))
    return _done(drafts.copy(choice, sources, days, outside, draft))


async def preview(reading: Reading, order: Order, now: dt.datetime) -> list[Forecast]:
    """S33. Raises Refused; CodedError: groups that cannot be."""
    family, lines = order.family, order.lines
    structure = await reading.family(family)
    if structure is None:
        raise Refused("UNKNOWN_FAMILY")
    for child, spec in await _check_lines(reading, lines):
        if child.family != family:
            raise Refused("UNKNOWN_CHILD")
        assert spec.structure == structure
    in_debit = await reading.in_debit(family)
    if in_debit and lines and all(line.change is DraftChange.BOOK for line in lines):
        raise Refused("ACCOUNT_IN_DEBIT")
    if not lines:
        return []
    check_groups(order)
    facts = await _facts(reading, lines, in_debit=in_debit, now=now)
    return forecast(lines, facts, groups_of(order), may_wait=order.accept_waiting_list)


async def _facts(reading: Reading, lines: Sequence[Line], *, in_debit: bool, now: dt.datetime) -> Facts:
    spans = await _spans(reading, lines)
    facts = Facts({}, {}, {}, {}, {}, in_debit, now)
    for line in lines:
        span, key = spans[line.child, line.activity], (line.activity, line.date)
        facts.specs[line.activity] = span.rules[line.activity].spec
        facts.rules[key] = span.rules[line.activity].on(line.date)
        facts.places[key] = span.places(*key)
        if booking := span.bookings.get(key):
            facts.held[line.child, *key] = Held(booking.status, booking.arrival, booking.departure)
        if line.activity in span.enrolled:
            facts.enrolled[line.child, line.activity] = span.enrolled[line.activity]
    return facts


async def _spans(reading: Reading, lines: Iterable[Line]) -> dict[tuple[str, str], Span]:
    """(child, activity) -> the days from the first line's to the last one's."""
    dates = [line.date for line in lines]
    pairs = sorted({(line.child, line.activity) for line in lines})
    spans = await asyncio.gather(*(reading.span(child, min(dates), max(dates), activity) for child, activity in pairs))
    return dict(zip(pairs, spans, strict=True))


async def _child_and_activity(reading: Reading, child_id: str, activity_id: str) -> tuple[Owned, ActivitySpec]:
    child = await reading.child(child_id)
    if child is None:
        raise Refused("UNKNOWN_CHILD")
    rules = await reading.rules(activity_id)
    if rules is None or rules.spec.structure != child.structure:
        raise Refused("UNKNOWN_ACTIVITY")
    return child, rules.spec


async def _check_lines(reading: Reading, lines: Sequence[Line]) -> list[tuple[Owned, ActivitySpec]]:
    """Each child of the draft with an activity that the draft wants for it."""
    if len(lines) > MOST_LINES:
        raise Refused("TOO_MANY_LINES", limit=MOST_LINES)
    pairs = sorted({(line.child, line.activity) for line in lines})
    return await asyncio.gather(*(_child_and_activity(reading, child, activity) for child, activity in pairs))


async def _complete(reading: Reading, lines: Sequence[Line]) -> list[DraftLine]:
    """The draft with its hours filled in: a client need not repeat those that it cannot choose."""
    await _check_lines(reading, lines)
    spans = await _spans(reading, [line for line in lines if line.change is DraftChange.CANCEL and line.arrival is None])
    return [await _completed(reading, line, spans.get((line.child, line.activity))) for line in lines]


async def _completed(reading: Reading, line: Line, span: Span | None) -> DraftLine:
    rules = await reading.rules(line.activity)
    assert rules is not None, "checked before"
    times = hours.resolved(rules.spec.hours, line.arrival, line.departure)
    booking = span.bookings.get((line.activity, line.date)) if span and line.change is DraftChange.CANCEL else None
    if booking is not None:
        times = booking.arrival, booking.departure
    return DraftLine(line.change, line.child, line.activity, line.date, *times)


def _choice(child: str, spec: ActivitySpec, arrival: LocalTime | None, departure: LocalTime | None) -> Choice:
    refusal = hours.check(spec.hours, arrival, departure)
    times = None if refusal else hours.resolved(spec.hours, arrival, departure)
    return Choice(child, spec.id, times, refusal)


def _day(span: Span, activity: str, date: dt.date, now: dt.datetime) -> Day:
    found = span.day(activity, date, now)
    times = (found.booking.arrival, found.booking.departure) if found.booking else None
    why = found.shown.why_closed
    return Day(date, found.shown.state, why if why in (None, "TOO_LATE", "NOT_ENROLLED") else "CLOSED", times)


def _bookings_of(span: Span, activity: str) -> list[Booked]:
    return [row for (booked, _), row in span.bookings.items() if booked == activity]


def _source(date: dt.date, times: tuple[LocalTime, LocalTime], source: ActivitySpec, target: ActivitySpec, choice: Choice) -> Source:
    """The hours that the target gets: its own, those chosen for the source, or those chosen for the copy."""
    if isinstance(target.hours, FixedHours):
        return Source(date, hours.resolved(target.hours, None, None))
    if isinstance(source.hours, FixedHours):
        return Source(date, choice.hours)
    return Source(date, times, hours.check(target.hours, *times))


def _done(outcome: Outcome) -> Outcome:
    if outcome.refusal is not None:
        raise Refused(outcome.refusal)
    return outcome
