"""What agents of a structure do at the town hall: activities, single days, enrollments. Each act leaves its trace (audit.py).

Who may act was checked before. Everything holds the turn of the structure from its first statement, so that of two agents the second
sees what the first one did. Nobody loses a place silently: what would leave bookings on days without a place for them is refused, or
cancels them through requests, which the allocator answers and the mailer reports like any other.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking import run_queries
from services.booking.activity import ActivitySpec, Allocation, Scheduled, from_json, to_json
from services.booking.audit import Done, note
from services.booking.commands import book_of, put_activity, put_enrollment
from services.booking.docket import B, take_turn
from services.booking.draft import DraftChange
from services.booking.intake import Asked, take_in
from services.booking.lines import Enrolled
from services.booking.order import MOST_LINES, Cause, ForFamily, Line, Order
from services.booking.ranking import KNOWN_OF_FAMILIES, SEEN_BY_THE_RUN
from services.booking.season import why_closed
from services.booking.soundness import flaw
from services.booking.status import BookingStatus
from services.booking.tables import Activity, ChildCopy, Enrollment, StructureCopy, run
from services.clock import Clock
from services.refusal import Refused
from services.saying import new_id

STANDING = (BookingStatus.SUBMITTED, BookingStatus.ACCEPTED, BookingStatus.WAITLISTED)
SETTINGS_NOT_TOLD = frozenset({"id", "structure", "timezone", "school_zone"})


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays as it is, of what an agent sends as a whole."""

    points: bool = True  #: What each criterion counts, as long as the policy is by points.
    attendance: bool = True


Cancelling = list[str]  #: Requests that were written to cancel bookings: they are answered after the commit.


@dataclass(frozen=True, slots=True)
class Agent:
    """Who acts, for which structure, and why."""

    account: str
    structure: str
    reason: str | None = None
    language: str = "fr"


@dataclass(frozen=True, slots=True)
class Standing:
    """A booking that has, waits for, or asks for a place."""

    id: str
    family: str
    child: str
    date: dt.date


# ------------------------------------------------------------------------------------------------------------- activities
async def create_activity(session: AsyncSession, clock: Clock, agent: Agent, spec: ActivitySpec, priced_like: str) -> None:
    """`spec` without its wallet draws on that of `priced_like`, whose tariff it shares until it has its own.

    Raises Refused: UNKNOWN_ACTIVITY, UNKNOWN_WALLET, UNKNOWN_CRITERION, ACTIVITY_EXISTS, INVALID_ACTIVITY.
    """
    await take_turn(session, agent.structure)
    like = await session.get(Activity, priced_like)
    if like is None or like.structure != agent.structure:
        raise Refused("UNKNOWN_ACTIVITY", text="PRICED_LIKE_UNKNOWN", given=priced_like)
    if await session.get(Activity, spec.id) is not None:
        raise Refused("ACTIVITY_EXISTS", id=spec.id)
    place = await session.get(StructureCopy, agent.structure)
    assert place is not None, "a structure with activities was heard of"
    spec = replace(spec, timezone=place.timezone, school_zone=place.school_zone, wallet=spec.wallet or like.wallet)  # type: ignore[arg-type]  # A, B or C
    await _check(session, spec)
    await put_activity(session, clock, spec, priced_like=priced_like)
    after = {key: value for key, value in to_json(spec).items() if key not in SETTINGS_NOT_TOLD}
    await _note(session, clock, agent, Done("CREATE_ACTIVITY", activity=spec.id, after=after | {"priced_like": priced_like}))


async def change_activity(
    session: AsyncSession, clock: Clock, agent: Agent, wanted: ActivitySpec, version: int, kept: Kept, *, cancel_bookings: bool = False
) -> Cancelling:
    """`version` is that of what the agent changes. `wanted` without its wallet keeps the one it has.

    Raises Refused: CHANGED_MEANWHILE, INVALID_ACTIVITY, UNKNOWN_WALLET, UNKNOWN_CRITERION, BOOKINGS_OUTSIDE.
    """
    stored = await _held(session, agent, wanted.id)
    if stored.version != version:
        raise Refused("CHANGED_MEANWHILE")
    before = from_json(dict(stored.rules))
    spec = replace(
        wanted,
        timezone=before.timezone,
        school_zone=before.school_zone,
        wallet=wanted.wallet or before.wallet,
        closed_because={day: because for day, because in before.closed_because.items() if day in wanted.closed_on},
        days_off=before.days_off,
        attendance=before.attendance if kept.attendance else wanted.attendance,
        allocation=_with_points(wanted.allocation, before.allocation) if kept.points else wanted.allocation,
    )
    await _check(session, spec)
    outside = await _outside(session, clock, before, spec)
    if outside and not cancel_bookings:
        raise Refused("BOOKINGS_OUTSIDE", count=len(outside), date=min(one.date for one in outside))
    if spec == before:
        return []
    await put_activity(session, clock, spec)
    told = _differences(to_json(before), to_json(spec))
    await _note(session, clock, agent, Done("CHANGE_ACTIVITY", activity=spec.id, before=told[0], after=told[1]))
    return await _cancel(session, clock, agent, spec.id, outside, "ACTIVITY_CHANGED")


def _with_points(wanted: Allocation, before: Allocation) -> Allocation:
    if isinstance(wanted, Scheduled) and isinstance(before, Scheduled):
        return replace(wanted, points=before.points if wanted.policy == "points" else ())
    return wanted


async def _check(session: AsyncSession, spec: ActivitySpec) -> None:
    wrong = flaw(spec)
    if wrong is not None:
        raise wrong.refused()
    # Wallets are billing's: those that booking has heard of are those that the town's activities draw on.
    known = select(Activity.id).where(Activity.structure == spec.structure, Activity.wallet == spec.wallet).limit(1)  # type: ignore[call-overload]
    if (await run(session, known)).first() is None:
        raise Refused("UNKNOWN_WALLET", wallet=spec.wallet)
    if isinstance(spec.allocation, Scheduled):
        await _check_criteria(session, spec.structure, [criterion for criterion, _ in spec.allocation.points])


async def _check_criteria(session: AsyncSession, structure: str, criteria: Iterable[str]) -> None:
    known = {*KNOWN_OF_FAMILIES, *SEEN_BY_THE_RUN, *await run_queries.criteria(session, structure)}
    for criterion in criteria:
        if criterion not in known:
            raise Refused("UNKNOWN_CRITERION", criterion=criterion[:64])


async def _held(session: AsyncSession, agent: Agent, activity: str) -> Activity:
    """The activity as it is now, and stays until the commit. It exists, and is the structure's."""
    await take_turn(session, agent.structure)
    stored = await session.get(Activity, activity)
    assert stored is not None, "looked up before"
    assert stored.structure == agent.structure, "looked up before"
    return stored


async def _outside(session: AsyncSession, clock: Clock, before: ActivitySpec, after: ActivitySpec) -> list[Standing]:
    """Bookings from today on whose day would not be open any more."""
    school = book_of(session).holidays(after)
    days = await _standing(session, B.activity == after.id, B.date >= clock.today(after.timezone))
    return [one for one in days if why_closed(after, one.date, school) and not why_closed(before, one.date, school)]


# ------------------------------------------------------------------------------------------------------------ single days
@dataclass(frozen=True, slots=True)
class DayChange:
    """What an agent sets for one day; what is not in `places` or `waiting_places` stays as it is."""

    date: dt.date
    open: bool | None = None
    usual_places: bool = False  #: Forget what was set for that day before.
    places: tuple[int | None, ...] = ()  #: One number, or none to leave it.
    waiting_places: tuple[int | None, ...] = ()
    cancel_bookings: bool = False
    because: str | None = None  #: Why it is closed: families read it. Without one, what was said before stays.


async def set_opening(session: AsyncSession, clock: Clock, agent: Agent, activity: str, change: DayChange) -> Cancelling:
    """Raises Refused: OUT_OF_SEASON, DAY_IS_PAST, INVALID_ACTIVITY."""
    stored = await _held(session, agent, activity)
    before = from_json(dict(stored.rules))
    if not before.opens_on <= change.date <= before.closes_on:
        raise Refused("OUT_OF_SEASON", text="NOT_IN_SEASON", day=change.date, first=before.opens_on, last=before.closes_on)
    if change.date < clock.today(before.timezone):
        raise Refused("DAY_IS_PAST")
    holidays = book_of(session).holidays(before)
    after = with_day(before, change, is_open=lambda spec: why_closed(spec, change.date, holidays) is None)
    wrong = flaw(after, before)  # What a town's file may say, and agents may not, keeps nobody from closing a day.
    if wrong is not None:
        raise wrong.of_a_day().refused()
    await put_activity(session, clock, after, emptied={change.date} if change.cancel_bookings else ())
    cancelled = await _standing(session, B.activity == activity, B.date == change.date) if change.cancel_bookings else []
    told = [_day(spec, change.date, why_closed(spec, change.date, holidays) is None) for spec in (before, after)]
    gone = {"cancelled": len(cancelled)} if cancelled else {}
    done = Done("SET_OPENING", activity=activity, date=change.date, before=told[0], after=told[1] | gone)
    if after != before or cancelled:
        await _note(session, clock, agent, done)
    return await _cancel(session, clock, agent, activity, cancelled, None if told[1]["open"] else "DAY_CLOSED")


def with_day(spec: ActivitySpec, change: DayChange, is_open: Callable[[ActivitySpec], bool]) -> ActivitySpec:
    """The activity with one day changed. `is_open` says whether it opens that day, by all its rules."""
    if change.open is not None:
        spec = _opened(spec, change, is_open) if change.open else _closed(spec, change, is_open)
    return replace(
        spec,
        capacity_on=_with(spec.capacity_on, change, change.places),
        waiting_list_on=_with(spec.waiting_list_on, change, change.waiting_places),
    )


def _opened(spec: ActivitySpec, change: DayChange, is_open: Callable[[ActivitySpec], bool]) -> ActivitySpec:
    spec = _usual(spec, change.date)
    return spec if is_open(spec) else replace(spec, open_on=spec.open_on | {change.date})


def _closed(spec: ActivitySpec, change: DayChange, is_open: Callable[[ActivitySpec], bool]) -> ActivitySpec:
    because = change.because or spec.closed_because.get(change.date)
    spec = _usual(spec, change.date)
    if not is_open(replace(spec, days_off={})):  # A day off may be none any more one day: then it is closed all the same.
        return spec
    reasons = {**spec.closed_because, change.date: because} if because else spec.closed_because
    return replace(spec, closed_on=spec.closed_on | {change.date}, closed_because=reasons)


def _usual(spec: ActivitySpec, day: dt.date) -> ActivitySpec:
    """As if nothing had ever been said of whether it opens that day."""
    reasons = {date: because for date, because in spec.closed_because.items() if date != day}
    return replace(spec, closed_on=spec.closed_on - {day}, open_on=spec.open_on - {day}, closed_because=reasons)


def _with(days: Mapping[dt.date, int | None], change: DayChange, number: Sequence[int | None]) -> dict[dt.date, int | None]:
    kept = {day: places for day, places in days.items() if not (change.usual_places and day == change.date)}
    return kept | dict.fromkeys([change.date], number[0]) if number else kept


def _day(spec: ActivitySpec, date: dt.date, is_open: bool) -> dict[str, Any]:
    places, waiting_places = spec.offer(date)
    because = spec.because(date)
    return {"open": is_open, "capacity": places, "waiting_list": waiting_places} | ({"because": because} if because else {})


# ------------------------------------------------------------------------------------------------------------ enrollments
async def enroll(
    session: AsyncSession, clock: Clock, agent: Agent, child: str, activity: str, period: Enrolled, *, cancel_bookings: bool = False
) -> Cancelling:
    """Admit a child, or change for how long. Raises Refused: UNKNOWN_CHILD, PERIOD_REVERSED, BOOKINGS_OUTSIDE."""
    await _held(session, agent, activity)
    found = await session.get(ChildCopy, child)
    if found is None or found.structure != agent.structure:
        raise Refused("UNKNOWN_CHILD")
    return await _enroll(session, clock, agent, found, activity, period, "ENROLL_CHILD", cancel_bookings)


async def end_enrollment(
    session: AsyncSession, clock: Clock, agent: Agent, child: str, activity: str, last_day: dt.date, *, cancel_bookings: bool = False
) -> Cancelling:
    """After that day the child is admitted no more. Raises Refused: UNKNOWN_CHILD, NOT_ENROLLED, PERIOD_REVERSED, BOOKINGS_OUTSIDE."""
    await _held(session, agent, activity)
    found = await session.get(ChildCopy, child)
    if found is None or found.structure != agent.structure:
        raise Refused("UNKNOWN_CHILD")
    enrollment = await session.get(Enrollment, (child, activity))
    if enrollment is None:
        raise Refused("NOT_ENROLLED")
    period = Enrolled(enrollment.starts_on, last_day)
    return await _enroll(session, clock, agent, found, activity, period, "END_ENROLLMENT", cancel_bookings)


async def _enroll(
    session: AsyncSession, clock: Clock, agent: Agent, child: ChildCopy, activity: str, period: Enrolled, kind: str, cancels: bool
) -> Cancelling:
    if period.starts_on and period.ends_on and period.ends_on < period.starts_on:
        raise Refused("PERIOD_REVERSED")
    known = await session.get(Enrollment, (child.child, activity))
    before = None if known is None else _period(Enrolled(known.starts_on, known.ends_on))
    is_news = before != _period(period) or (known is not None and known.family != child.family)
    rules = (await book_of(session).of(session, [activity]))[activity]
    standing = await _standing(session, B.activity == activity, B.child == child.child, B.date >= clock.today(rules.spec.timezone))
    outside = [one for one in standing if not period.on(one.date)]
    if outside and not cancels:
        raise Refused("BOOKINGS_OUTSIDE", count=len(outside), date=min(one.date for one in outside))
    await put_enrollment(session, clock, child.child, child.family, agent.structure, activity, period.starts_on, period.ends_on)
    done = Done(kind, activity=activity, family=child.family, child=child.child, before=before, after=_period(period))
    if is_news or outside:
        await _note(session, clock, agent, done)
    return await _cancel(session, clock, agent, activity, outside, "ENROLLMENT_CHANGED")


def _period(period: Enrolled) -> dict[str, Any]:
    return {name: day and day.isoformat() for name, day in (("from", period.starts_on), ("until", period.ends_on))}


# ---------------------------------------------------------------------------------------------------------- what all share
async def _note(session: AsyncSession, clock: Clock, agent: Agent, done: Done) -> None:
    await note(session, clock.now(), agent.structure, agent.account, replace(done, reason=agent.reason))


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What changed, as it was and as it is."""
    changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return {key: before.get(key) for key in changed}, {key: after.get(key) for key in changed}


async def _standing(session: AsyncSession, *where: Any) -> list[Standing]:
    """Whoever waits comes first: if they are many, the allocator must see them leave before it sees places given back."""
    first = B.status == BookingStatus.ACCEPTED, B.position
    rows = await run(session, select(B.id, B.family, B.child, B.date).where(*where, B.status.in_(STANDING)).order_by(*first))
    return [Standing(*row) for row in rows]


async def _cancel(
    session: AsyncSession, clock: Clock, agent: Agent, activity: str, bookings: Iterable[Standing], cause: Cause | None
) -> Cancelling:
    """One request for each family, so that each gets one report. They are written with what caused them; the allocator answers."""
    by_family: dict[str, list[Line]] = defaultdict(list)
    for one in bookings:
        by_family[one.family].append(Line(DraftChange.CANCEL, one.child, activity, one.date, booking=one.id))
    return await _order(session, clock, agent, by_family, cause)


async def _order(
    session: AsyncSession, clock: Clock, agent: Agent, by_family: Mapping[str, Sequence[Line]], cause: Cause | None
) -> Cancelling:
    said = ForFamily(agent.reason or "", past_deadlines=True, cause=cause)
    orders = [
        Order(family, f"{agent.account}/{new_id()}", lines[start : start + MOST_LINES], language=agent.language, agent=said)
        for family, lines in by_family.items()
        for start in range(0, len(lines), MOST_LINES)
    ]
    if not orders:
        return []
    results = await take_in(session, book_of(session), clock, [Asked(agent.account, agent.structure, one) for one in orders])
    return [_written(result) for result in results]


async def cancel_all_of(session: AsyncSession, clock: Clock, agent: Agent, family: str, since: dt.date) -> Cancelling:
    """What the family has, waits or asks for from that day on. The caller holds the turn of the structure."""
    first = B.status == BookingStatus.ACCEPTED, B.position
    about = B.child, B.activity, B.date, B.id
    rows = await run(session, select(*about).where(B.family == family, B.date >= since, B.status.in_(STANDING)).order_by(*first))
    lines = [Line(DraftChange.CANCEL, child, activity, date, booking=id_) for child, activity, date, id_ in rows]
    return await _order(session, clock, agent, {family: lines}, None)


def _written(result: str | Exception) -> str:
    if isinstance(result, Exception):
        raise result
    return result
