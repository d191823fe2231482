"""What agents, and time, do to a day: record who came, close it, open it again. Each in one transaction that holds the structure's turn.

A closed day is told in `booking.day_settled`, once for each closing, with a version that grows: billing charges by it. Nothing
changes a closed day: not a family, not an agent, not the allocator with a request that was on its way (docket.is_closed).
"""

import datetime as dt
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, exists, func, insert, or_, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking import attendance, audit, commands
from services.booking.activity import ActivitySpec
from services.booking.allocation import Key
from services.booking.attendance import Attendance, Record, Settled
from services.booking.audit import Done
from services.booking.docket import take_turn
from services.booking.lines import Rules
from services.booking.rulebook import RuleBook
from services.booking.sheet import OPENING, PRESENCE, Noted, O, P, Sheet, bookings_of, sheet
from services.booking.tables import ChildCopy, core, run
from services.clock import Clock
from services.events import Attendance as Attended
from services.events import DaySettled
from services.outbox import record
from services.refusal import Refused

MOST_ENTRIES = 1000  #: In one batch of a tablet.
MOST_IN_EVENT = 2000  #: Attendances: the broker takes no message above a megabyte.

CHILD = core(ChildCopy).c
NEW_PRESENCE = insert(PRESENCE)
CHANGED_PRESENCE = update(PRESENCE).where(P.activity == bindparam("a"), P.date == bindparam("d"), P.child == bindparam("c"))


@dataclass(frozen=True, slots=True)
class Entry:
    """What an agent saw. The booking, or the child if it has none; a booking that was given back means its child."""

    booking: str | None
    child: str | None
    record: Record


@dataclass(frozen=True, slots=True)
class Answer:
    child: str | None  #: None: we do not know whom the entry means.
    code: str | None  #: Why it was not recorded.


# ------------------------------------------------------------------------------------------------------------ recording
async def record_attendance(
    session: AsyncSession, book: RuleBook, clock: Clock, key: Key, account: str, entries: Sequence[Entry]
) -> list[Answer]:
    """Each entry by itself, in its order; of two about one child the later one counts, as it does between two tablets.

    Repeating what is recorded already changes nothing. The account is an agent of the activity's structure.
    Raises Refused: TOO_MANY_LINES, TOO_EARLY, CLOSED, DAY_CLOSED.
    """
    if len(entries) > MOST_ENTRIES:
        raise Refused("TOO_MANY_LINES", limit=MOST_ENTRIES)
    day = await _take(session, book, key)
    if not attendance.has_come(day.rules.spec, day.date, clock.now()):
        raise Refused("TOO_EARLY")
    _check_open(day)
    if day.closed_at is not None:
        raise Refused("DAY_CLOSED")
    register = await _Register.of(session, day, entries)
    answers = [register.take(entry, account, clock.now()) for entry in entries]
    await register.write(session)
    await audit.note(session, clock.now(), day.rules.spec.structure, account, *register.acts)
    return answers


async def _take(session: AsyncSession, book: RuleBook, key: Key) -> Sheet:
    """The day, which is ours until the commit."""
    activity, date = key
    rules = (await book.of(session, [activity]))[activity]
    await take_turn(session, rules.spec.structure)
    return await sheet(session, (await book.of(session, [activity]))[activity], date)


def _check_open(day: Sheet) -> None:
    """There is something to record: it is open that day, or was when it was booked. Raises Refused CLOSED."""
    if day.rules.on(day.date).closed is not None and not day.accepted and not day.noted:
        raise Refused("CLOSED")


class _Register:
    """The entries of one batch, on their way into the table."""

    def __init__(self, day: Sheet, families: Mapping[str, str], bookings: Mapping[str, str]) -> None:
        self.day = day
        self.acts: list[Done] = []
        self._families = families  #: Child -> family, of this structure's children.
        self._bookings = bookings  #: Booking of this day -> child.
        self._booked = {row.child: row for row in day.accepted}
        self._now = dict(day.noted)

    @classmethod
    async def of(cls, session: AsyncSession, day: Sheet, entries: Sequence[Entry]) -> "_Register":
        ids = {entry.booking for entry in entries if entry.booking is not None}
        rows = await bookings_of(session, day.rules.spec.id, day.date, ids)
        children = {row.child for row in rows.values()} | {entry.child for entry in entries if entry.child is not None}
        query = select(CHILD.child, CHILD.family).where(CHILD.structure == day.rules.spec.structure, CHILD.child.in_(sorted(children)))
        families = {row.child: row.family for row in await run(session, query)}
        # A booking says whose it is, also where the child has left the town since.
        families |= {row.child: row.family for row in day.accepted}
        return cls(day, families, {row.id: row.child for row in rows.values()})

    def take(self, entry: Entry, account: str, now: dt.datetime) -> Answer:
        child, code = self._whom(entry)
        if child is None or code is not None:
            return Answer(child, code)
        code = attendance.check(self.day.rules.spec, entry.record, booked=child in self._booked)
        if code is None:
            self._note(child, entry.record, account, now)
        return Answer(child, code)

    def _whom(self, entry: Entry) -> tuple[str | None, str | None]:
        """The child that is meant, or why none is."""
        child = entry.child
        if entry.booking is not None:
            child = self._bookings.get(entry.booking)
            if child is None or entry.child not in (None, child):
                return None, "NOT_ON_THE_ROSTER"
        return (child, None) if child is not None and child in self._families else (None, "UNKNOWN_CHILD")

    def _note(self, child: str, wanted: Record, account: str, now: dt.datetime) -> None:
        before = self._now.get(child)
        if wanted == (before.record if before else Record(Attendance.NOT_RECORDED)):
            return
        booked = self._booked.get(child)
        family = booked.family if booked else self._families[child]
        if wanted.attendance is Attendance.NOT_RECORDED:
            self._now.pop(child, None)
        else:
            hours = wanted.arrival, wanted.departure
            self._now[child] = Noted(child, family, None, wanted.attendance, *hours, wanted.note, account, now)
        after = self._now.get(child)
        act = Done(
            "RECORD_ATTENDANCE",
            activity=self.day.rules.spec.id,
            date=self.day.date,
            family=family,
            child=child,
            booking=booked.id if booked else None,
            before=_told(before),
            after=_told(after),
        )
        self.acts.append(act)

    async def write(self, session: AsyncSession) -> None:
        was, now = self.day.noted, self._now
        changed = [row for child, row in now.items() if child in was and row is not was[child]]
        await _write(session, self.day, [row for child, row in now.items() if child not in was], changed, was.keys() - now.keys())
        if now and self.day.opening is None:
            await _make_opening(session, self.day, next(iter(now.values())).recorded_at)


def _told(noted: Noted | None) -> dict[str, Any] | None:
    """For the audit trail."""
    if noted is None:
        return None
    return {"attendance": noted.attendance.value, "arrival": noted.arrival, "departure": noted.departure, "note": _digest(noted.note)}


async def _write(session: AsyncSession, day: Sheet, new: Iterable[Noted], changed: Iterable[Noted], gone: Collection[str]) -> None:
    key = {"activity": day.rules.spec.id, "date": day.date}
    if rows := [{**key, **_columns(one), "child": one.child} for one in new]:
        await run(session, NEW_PRESENCE, rows)
    if rows := [{"a": key["activity"], "d": day.date, "c": one.child, **_columns(one)} for one in changed]:
        await run(session, CHANGED_PRESENCE, rows)
    if gone:
        await run(session, delete(PRESENCE).where(P.activity == key["activity"], P.date == day.date, P.child.in_(sorted(gone))))


def _digest(note: str | None) -> str | None:
    """That there was one, and whether it was another: what it says of a child is not for a trail that never forgets."""
    return note and f"sha256:{hashlib.sha256(note.encode()).hexdigest()[:16]}"


def _columns(noted: Noted) -> dict[str, Any]:
    return {name: getattr(noted, name) for name in Noted.__slots__ if name != "child"}


async def _make_opening(session: AsyncSession, day: Sheet, now: dt.datetime, **more: Any) -> None:
    """Nobody ever booked that day: its row is made, so that the day can be found and closed."""
    spec = day.rules.spec
    places, waiting_places = spec.offer(day.date)
    offered = {"places": places, "waiting_places": waiting_places}
    limits = {"taken_limit": places, "waiting_limit": waiting_places}
    counts = {"taken": 0, "waiting": 0, "revision": 1, "changed_at": now}
    await run(session, insert(OPENING).values(activity=spec.id, date=day.date, **offered, **limits, **counts, **more))


# -------------------------------------------------------------------------------------------------------------- closing
async def close_day(session: AsyncSession, book: RuleBook, clock: Clock, key: Key, account: str | None = None) -> None:
    """Attendance is final from now on, and told. Closing twice is as good as once. `account`: the agent's; None: time does it.

    Raises Refused: TOO_EARLY, CLOSED.
    """
    day = await _take(session, book, key)
    spec, now = day.rules.spec, clock.now()
    if day.closed_at is not None:
        return
    if account is not None:
        _check_open(day)
    if not attendance.has_begun(spec, day.date, now):
        raise Refused("TOO_EARLY")
    if day.waiting:
        await commands.expire(session, book, clock, spec.structure, {key})
    settled = attendance.settle(spec, day.date, day.expected, day.came)
    await _keep(session, day, settled, now)
    await _close(session, day, now)
    record(session, *told(spec, day.date, day.closings + 1, settled, now))
    if account is not None:
        counts = {kind.value: sum(one.record.attendance is kind for one in settled) for kind in list(Attendance)[1:]}
        done = Done("CLOSE_DAY", activity=spec.id, date=day.date, after={"version": day.closings + 1, **counts})
        await audit.note(session, now, spec.structure, account, done)


async def _keep(session: AsyncSession, day: Sheet, settled: Sequence[Settled], now: dt.datetime) -> None:
    """The table says what is told: with the hours filled in, and without what is nothing any more."""
    rows = {one.child: _noted(one, day.noted.get(one.child), now) for one in settled}
    changed = [row for child, row in rows.items() if child in day.noted and row != day.noted[child]]
    await _write(session, day, [row for child, row in rows.items() if child not in day.noted], changed, day.noted.keys() - rows.keys())


def _noted(one: Settled, before: Noted | None, now: dt.datetime) -> Noted:
    known = one.record
    by, at = (before.recorded_by, before.recorded_at) if before else (None, now)
    return Noted(one.child, one.family, one.booking, known.attendance, known.arrival, known.departure, known.note, by, at)


async def _close(session: AsyncSession, day: Sheet, now: dt.datetime) -> None:
    closed = {"closed_at": now, "closings": day.closings + 1}
    if day.opening is None:
        await _make_opening(session, day, now, **closed)
    else:
        await run(session, update(OPENING).where(O.activity == day.rules.spec.id, O.date == day.date).values(closed))


def told(spec: ActivitySpec, date: dt.date, version: int, settled: Sequence[Settled], now: dt.datetime) -> list[DaySettled]:
    """One; more where a whole city eats in one activity."""
    parts = [settled[start : start + MOST_IN_EVENT] for start in range(0, len(settled), MOST_IN_EVENT)] or [[]]
    return [
        DaySettled(
            event_id=attendance.event_id(spec.id, date, version, number),
            occurred_at=now,
            structure=spec.structure,
            version=version,
            activity=spec.id,
            date=date,
            part=number,
            parts=len(parts),
            attendances=[_attended(one) for one in part],
        )
        for number, part in enumerate(parts, 1)
    ]


def _attended(one: Settled) -> Attended:
    return Attended(
        booking=one.id,
        child=one.child,
        attendance=one.record.attendance.value,
        arrival=one.record.arrival,
        departure=one.record.departure,
        family=one.family,
        booked=one.booking is not None,
    )


async def reopen_day(session: AsyncSession, book: RuleBook, clock: Clock, key: Key, account: str, reason: str) -> None:
    """Attendance may be corrected again; what was only presumed is forgotten. A day that is not closed stays as it is.

    Raises Refused REASON_REQUIRED.
    """
    why = audit.reason_of(reason)
    day = await _take(session, book, key)
    if day.closed_at is None:
        return
    spec, now = day.rules.spec, clock.now()
    here = P.activity == spec.id, P.date == day.date
    await run(session, delete(PRESENCE).where(*here, P.recorded_by.is_(None)))
    await run(session, update(PRESENCE).where(*here).values(booking=None))
    again = update(OPENING).where(O.activity == spec.id, O.date == day.date).values(closed_at=None, reopened_at=now)
    await run(session, again)
    done = Done("REOPEN_DAY", activity=spec.id, date=day.date, reason=why, before={"version": day.closings})
    await audit.note(session, now, spec.structure, account, done)


# ------------------------------------------------------------------------------------------------------------------ time
#: Somebody has, or had, something to do with it: an opening of which nothing is left needs no closing.
MATTERS = or_(O.taken > 0, exists().where(P.activity == O.activity, P.date == O.date))
NOT_CLOSED = select(O.activity, func.min(O.date)).where(O.closed_at.is_(None), O.date <= bindparam("today"), MATTERS).group_by(O.activity)


async def days_over(session: AsyncSession, book: RuleBook, now: dt.datetime, most: int, but: Collection[Key] = ()) -> dict[str, list[Key]]:
    """Structure -> days that time should close now, the oldest first, so many of each activity at most. `but`: not these."""
    tomorrow = now.date() + dt.timedelta(days=1)  # Somewhere it is that already.
    oldest = {row[0]: row[1] for row in await run(session, NOT_CLOSED, {"today": tomorrow})}
    found: dict[str, list[Key]] = {}
    for activity, rules in (await book.of(session, oldest)).items():
        if oldest[activity] <= attendance.last_day_over(rules.spec, now):
            dates = await _over(session, rules, now, most, [date for name, date in but if name == activity])
            if dates:
                found.setdefault(rules.spec.structure, []).extend((activity, date) for date in dates)
    return found


async def _over(session: AsyncSession, rules: Rules, now: dt.datetime, most: int, but: Collection[dt.date]) -> list[dt.date]:
    query = select(O.date).where(
        O.activity == rules.spec.id,
        O.closed_at.is_(None),
        O.date <= attendance.last_day_over(rules.spec, now),
        O.date.not_in(but),
        or_(O.reopened_at.is_(None), O.reopened_at < attendance.opened_before(rules.spec, now)),
        MATTERS,
    )
    return list((await run(session, query.order_by(O.date).limit(most))).scalars())
