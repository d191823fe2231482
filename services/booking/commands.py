"""What the town, other services and time itself ask of booking. Families' requests go by the desk (intake.py, desk.py)."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import replace
from typing import Any

from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.activity import ActivitySpec, Immediate, Scheduled, from_json, to_json
from services.booking.allocation import Key, Offer
from services.booking.allocator import REQUEST, R, queue_again
from services.booking.docket import IS_SUBMITTED, IS_WAITING, OPENING, B, open_docket, take_turn, take_turn_of
from services.booking.expiry import end_line, tell_who_waited
from services.booking.next_run import prepare
from services.booking.queries import days_off
from services.booking.rulebook import RuleBook
from services.booking.tables import (
    Activity,
    BookingTable,
    ChildCopy,
    DayOff,
    Enrollment,
    FamilyCopy,
    Standing,
    StructureCopy,
    core,
    partition_of,
    run,
)
from services.bulk import upsert
from services.clock import Clock
from services.events import ActivityChanged, EnrollmentChanged, FamilyChanged, StandingChanged, StructureChanged
from services.outbox import record
from services.refusal import CodedError

NAMED = "booking.families"  #: In a session: the families that it heard of, with the news.


def book_of(session: AsyncSession) -> RuleBook:
    """One per transaction: a town that is loaded asks for the same rules thousands of times."""
    book: RuleBook = session.info.setdefault("booking.rules", RuleBook())
    return book


# --------------------------------------------------------------------------------------------------------------- the town
async def put_activity(
    session: AsyncSession, clock: Clock, spec: ActivitySpec, *, priced_like: str | None = None, emptied: Container[dt.date] = ()
) -> None:
    """Create or change an activity. The same one again changes nothing; its days off are its structure's, whatever it says.

    More places are given at once to those who wait, but on days that are `emptied`; fewer take nothing from anybody. Days that are
    opened, closed or given other places are announced one by one, even where nobody has booked yet. Raises CodedError ID_TAKEN.
    """
    await take_turn(session, spec.structure)
    await _put(session, clock, spec.structure, [spec], priced_like, emptied)


async def put_days_off(
    session: AsyncSession, clock: Clock, structure: str, wanted: Mapping[dt.date, str | None], along: Iterable[ActivitySpec] = ()
) -> None:
    """On these days all of the structure is closed, whoever made its activities, and why. The same ones again change nothing.

    `along`: activities that are put in the same moment. One after another, somebody might be given a place on a day that closes next.
    """
    await take_turn(session, structure)
    known = await days_off(session, structure)
    if wanted != known:
        await session.exec(delete(DayOff).where(col(DayOff.structure) == structure, col(DayOff.date).in_(known.keys() - wanted.keys())))
        for date, because in wanted.items():
            await session.merge(DayOff(structure=structure, date=date, because=because))
        await session.flush()
    activities = select(Activity).where(Activity.structure == structure).order_by(Activity.id)
    stored = {row.id: from_json(dict(row.rules)) for row in (await session.exec(activities)).all()}
    await _put(session, clock, structure, (stored | {spec.id: spec for spec in along}).values())


async def _put(
    session: AsyncSession,
    clock: Clock,
    structure: str,
    specs: Iterable[ActivitySpec],
    priced_like: str | None = None,
    emptied: Container[dt.date] = (),
) -> None:
    """All rules first, then all places: whoever waits for places of several is served by the rules that all of them have now."""
    off = await days_off(session, structure)
    changed: list[tuple[ActivitySpec, Collection[dt.date]]] = []
    for spec in [replace(spec, days_off=off) for spec in specs]:
        known = await _keep_rules(session, clock, spec, priced_like)
        await prepare(session, spec, clock.now(), moved=known is not None and _hour(known) != _hour(spec))
        if known is not None and known != spec:
            changed.append((spec, days_that_differ(known, spec)))
    await session.flush()
    if changed:
        await _resize(session, clock, changed, emptied)
    for spec, _ in changed:
        await _answer_at_once(session, spec)


async def _keep_rules(session: AsyncSession, clock: Clock, spec: ActivitySpec, priced_like: str | None) -> ActivitySpec | None:
    """Returns those of before."""
    stored = await session.get(Activity, spec.id)
    if stored is None:
        session.add(_row(spec, 1))
        _tell(session, clock, spec, 1, priced_like)
        return None
    if stored.structure != spec.structure:
        raise CodedError("ID_TAKEN", f"activity {spec.id} is another structure's")
    known = from_json(dict(stored.rules))
    if known != spec:
        version = stored.version + 1
        await session.merge(_row(spec, version, stored.loaded))
        _tell(session, clock, spec, version)
    return known


def _hour(spec: ActivitySpec) -> tuple[str, str] | None:
    """Of its runs."""
    return (spec.allocation.at, spec.timezone) if isinstance(spec.allocation, Scheduled) else None


def _row(spec: ActivitySpec, version: int, loaded: dict[str, Any] | None = None) -> Activity:
    return Activity(
        id=spec.id,
        structure=spec.structure,
        wallet=spec.wallet,
        name=spec.name,
        scheduled=isinstance(spec.allocation, Scheduled),
        rules=to_json(spec),
        version=version,
        loaded=loaded,
    )


def _tell(session: AsyncSession, clock: Clock, spec: ActivitySpec, version: int, priced_like: str | None = None) -> None:
    event = ActivityChanged(
        occurred_at=clock.now(),
        structure=spec.structure,
        version=version,
        activity=spec.id,
        wallet=spec.wallet,
        title=spec.name,
        capacity=spec.capacity,
        waiting_list=spec.waiting_list,
        opens_on=spec.opens_on,
        closes_on=spec.closes_on,
        priced_like=priced_like,
    )
    record(session, event)


def days_that_differ(before: ActivitySpec, after: ActivitySpec) -> frozenset[dt.date]:
    """Days of the season of which one of the two says something else than the other, for themselves alone."""
    named = (before.shut ^ after.shut) | (before.open_on ^ after.open_on)
    named |= {day for day in after.shut if before.because(day) != after.because(day)}
    named |= {day for day in (*before.capacity_on, *after.capacity_on) if before.offer(day)[0] != after.offer(day)[0]}
    named |= {day for day in (*before.waiting_list_on, *after.waiting_list_on) if before.offer(day)[1] != after.offer(day)[1]}
    return frozenset(day for day in named if after.opens_on <= day <= after.closes_on)


async def _resize(
    session: AsyncSession, clock: Clock, changed: Iterable[tuple[ActivitySpec, Collection[dt.date]]], emptied: Container[dt.date]
) -> None:
    """The activities' openings offer what they offer now: from today on, for what past days offered is history."""
    offers: dict[Key, Offer] = {}
    shown_anew = set[Key]()
    for spec, days in changed:
        today = clock.today(spec.timezone)
        rows = (await run(session, select(OPENING.c.date).where(OPENING.c.activity == spec.id, OPENING.c.date >= today))).scalars()
        to_come = {date for date in days if date >= today}
        offers |= {(spec.id, date): spec.offer(date) for date in {*rows, *to_come}}
        shown_anew |= {(spec.id, date) for date in to_come}
    docket = await open_docket(session, book_of(session), clock.now(), {}, offers.keys(), offers.keys())
    for key in offers:
        docket.board.openings[key].bookable &= key[1] not in emptied
    docket.resize(offers)
    docket.shown_anew |= shown_anew
    await docket.write(session)


async def _answer_at_once(session: AsyncSession, spec: ActivitySpec) -> None:
    """Requests that waited for a run wait for none any more."""
    if isinstance(spec.allocation, Immediate):
        undecided = R.structure == spec.structure, R.decided_at.is_(None)
        waiting = select(B.request).join(REQUEST, R.id == B.request).where(*undecided, IS_SUBMITTED, B.activity == spec.id).distinct()
        await queue_again(session, (await run(session, waiting)).scalars())


async def put_enrollment(
    session: AsyncSession,
    clock: Clock,
    child: str,
    family: str,
    structure: str,
    activity: str,
    from_: dt.date | None = None,
    until: dt.date | None = None,
) -> None:
    """Admit a child to an activity, both days included. The same again changes nothing. The caller holds the turn of the structure.

    Raises CodedError UNKNOWN_ACTIVITY.
    """
    await _known(session, activity, structure)
    about: dict[str, Any] = {"family": family, "starts_on": from_, "ends_on": until}
    known = await session.get(Enrollment, (child, activity))
    if known is not None and all(getattr(known, name) == value for name, value in about.items()):
        return
    version = 1 if known is None else known.version + 1
    loaded = None if known is None else known.loaded
    changed = await session.merge(Enrollment(child=child, activity=activity, structure=structure, version=version, loaded=loaded, **about))
    _tell_enrollment(session, clock.now(), changed)
    await session.flush()


def _tell_enrollment(session: AsyncSession, now: dt.datetime, one: Enrollment) -> None:
    event = EnrollmentChanged(
        occurred_at=now,
        structure=one.structure,
        version=one.version,
        child=one.child,
        family=one.family,
        activity=one.activity,
        starts_on=one.starts_on,
        ends_on=one.ends_on,
    )
    record(session, event)


async def _known(session: AsyncSession, activity: str, structure: str) -> Activity:
    found = await session.get(Activity, activity)
    if found is None or found.structure != structure:
        raise CodedError("UNKNOWN_ACTIVITY", f"no activity {activity} in {structure}")
    return found


# ------------------------------------------------------------------------------------------------------------------- time
async def passed(session: AsyncSession, book: RuleBook, now: dt.datetime) -> dict[str, set[Key]]:
    """Structure -> its openings where somebody waits although the booking deadline has passed."""
    rows = (await run(session, select(B.activity, B.date).where(IS_WAITING).distinct())).all()
    rules = await book.of(session, {activity for activity, _ in rows})
    found: dict[str, set[Key]] = defaultdict(set)
    for activity, date in rows:
        if rules[activity].on(date).booking_closes_at <= now:
            found[rules[activity].spec.structure].add((activity, date))
    return found


async def expire(session: AsyncSession, book: RuleBook, clock: Clock, structure: str, keys: set[Key]) -> None:
    """Those who wait there wait no longer: the booking deadline has passed."""
    await take_turn(session, structure)
    docket = await open_docket(session, book, clock.now(), {}, keys, keys)
    for key in sorted(keys):
        if docket.rules[key[0]].on(key[1]).booking_closes_at <= docket.now:
            end_line(docket, key)
    await docket.write(session)
    await tell_who_waited(session, docket)


# --------------------------------------------------------------------------------------------------- what others told us
# Two replicas may hear of the same thing at the same moment: one statement each both compares and writes.
async def hear_structure(session: AsyncSession, event: StructureChanged) -> None:
    told = {"id": event.structure, "name": event.title, "timezone": event.timezone, "school_zone": event.school_zone}
    await _keep_if_newer(session, StructureCopy, told | {"version": event.version, "retention": event.retention or None})


async def hear_family(session: AsyncSession, event: FamilyChanged) -> None:
    """Whose children they are now. A child may have come from another family, or gone to one, in whatever order we hear it:
    of the families that named it, the one that did so last has it.
    """
    is_news = await _keep_if_newer(session, FamilyCopy, {"family": event.family, "structure": event.structure, "version": event.version})
    if not is_news:
        return
    gone = delete(ChildCopy).where(col(ChildCopy.family) == event.family, col(ChildCopy.child).not_in(event.children))
    await run(session, gone)
    for child in sorted(event.children):  # always in one order, so that two never wait for each other
        told = {"child": child, "family": event.family, "structure": event.structure, "listed_at": event.occurred_at}
        await run(session, upsert(session, core(ChildCopy), told, lambda known, news: known.listed_at <= news.listed_at))
    named: dict[str, FamilyChanged] = session.info.setdefault(NAMED, {})
    if not named:
        session.info.setdefault("before_commit", []).append(_take_enrollments_along)
    named[event.family] = event


async def _take_enrollments_along(session: AsyncSession) -> None:
    """Those of children that were another family's. Whoever follows such a child is told, and asks again whose it is.

    Under the turns of their structures: an agent who admits such a child at this moment has read whose it was.
    """
    named: dict[str, FamilyChanged] = session.info.pop(NAMED)
    await _take_turns(session, {event.structure for event in named.values()})
    hers = col(ChildCopy.child) == Enrollment.child
    query = select(Enrollment, ChildCopy.family).join(ChildCopy, hers).where(col(ChildCopy.family).in_(named))
    elsewhere = query.where(Enrollment.family != ChildCopy.family).order_by(Enrollment.child, Enrollment.activity)
    for enrollment, family in (await session.exec(elsewhere)).all():
        enrollment.family, enrollment.version = family, enrollment.version + 1
        _tell_enrollment(session, named[family].occurred_at, enrollment)
    await session.flush()


async def _take_turns(session: AsyncSession, structures: Collection[str]) -> None:
    """Always in one order, so that two never wait for each other."""
    for partition in sorted({partition_of(structure) for structure in structures}):
        await take_turn_of(session, partition)


async def hear_standing(session: AsyncSession, event: StandingChanged) -> None:
    await _keep_if_newer(session, Standing, {"family": event.family, "in_debit": event.in_debit, "version": event.version})


async def _keep_if_newer(session: AsyncSession, rows: type[BookingTable], told: dict[str, Any]) -> bool:
    """Insert or overwrite our copy, unless it is as new as what we are told. Returns whether we did."""
    return (await run(session, upsert(session, core(rows), told, lambda known, news: known.version < news.version))).rowcount > 0
