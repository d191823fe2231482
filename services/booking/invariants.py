"""What must always be true of booking's tables: `preau check` says what is not."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select, text
from sqlmodel import col
from sqlmodel import select as select_rows
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.activity import ActivitySpec, from_json
from services.booking.audit import broken_seals
from services.booking.docket import IS_SUBMITTED, IS_WAITING, B, open_docket
from services.booking.rulebook import RuleBook
from services.booking.schedule import hour_come, run_of
from services.booking.status import BookingStatus
from services.booking.tables import Activity, AllocationRun, Cancellation, DayOff, Request, core, run

REQUEST, X = core(Request), core(Cancellation).c
LATE = dt.timedelta(minutes=10)  #: A run that is so late will not be held by itself.

#: What each select finds is a broken promise; the columns fill the sentence.
SELECTS: dict[str, str] = {
    "more places of {activity} on {date} are taken ({accepted}) than it may give ({taken_limit})": """
        SELECT o.activity, o.date, count(*) AS accepted, o.taken_limit FROM opening o
        JOIN booking b ON b.activity = o.activity AND b.date = o.date AND b.status = 'ACCEPTED'
        GROUP BY o.activity, o.date, o.taken_limit HAVING count(*) > o.taken_limit""",
    "more children wait for {activity} on {date} ({waiting}) than may ({waiting_limit})": """
        SELECT o.activity, o.date, count(*) AS waiting, o.waiting_limit FROM opening o
        JOIN booking b ON b.activity = o.activity AND b.date = o.date AND b.status = 'WAITLISTED'
        GROUP BY o.activity, o.date, o.waiting_limit HAVING count(*) > o.waiting_limit""",
    "{activity} on {date} counts {taken} taken and {waiting} waiting, but its bookings are {accepted} and {waitlisted}": """
        SELECT * FROM (
          SELECT o.activity, o.date, o.taken, o.waiting,
            (SELECT count(*) FROM booking b
              WHERE b.activity = o.activity AND b.date = o.date AND b.status = 'ACCEPTED') AS accepted,
            (SELECT count(*) FROM booking b
              WHERE b.activity = o.activity AND b.date = o.date AND b.status = 'WAITLISTED') AS waitlisted
          FROM opening o) counted
        WHERE taken <> accepted OR waiting <> waitlisted""",
    "booking {id} is {status} on {date}, but {activity} has no opening then": """
        SELECT b.id, b.status, b.activity, b.date FROM booking b
        LEFT JOIN opening o ON o.activity = b.activity AND o.date = b.date
        WHERE b.status IN ('ACCEPTED', 'WAITLISTED') AND o.activity IS NULL""",
    "child {child} holds {held} bookings of {activity} on {date}": """
        SELECT child, activity, date, count(*) AS held FROM booking WHERE status IN ('ACCEPTED', 'WAITLISTED')
        GROUP BY child, activity, date HAVING count(*) > 1""",
    "booking {id} of {activity} on {date} overtook {waiting}, which still waits": """
        SELECT later.id, later.activity, later.date, min(earlier.id) AS waiting FROM booking earlier
        JOIN booking later ON later.activity = earlier.activity AND later.date = earlier.date
        WHERE earlier.status = 'WAITLISTED' AND earlier.party IS NULL
          AND later.status = 'ACCEPTED' AND later.request IS NOT NULL AND later.position > earlier.position
          AND NOT EXISTS (
            SELECT 1 FROM request r JOIN cancellation x ON x.request = r.id JOIN booking old ON old.id = x.booking
            WHERE r.id = later.request AND (r.agent IS NOT NULL OR old.arrival <> later.arrival OR old.departure <> later.departure)
              AND x.status = 'CANCELLED'
              AND old.activity = later.activity AND old.date = later.date AND old.child = later.child)
        GROUP BY later.id, later.activity, later.date""",
    "the party {party} is not together: {statuses} of its bookings are answered differently": """
        SELECT party, count(DISTINCT status) AS statuses FROM booking
        WHERE party IS NOT NULL AND status IN ('ACCEPTED', 'WAITLISTED', 'SUBMITTED')
        GROUP BY party HAVING count(DISTINCT status) > 1""",
    "request {id} is decided, but {open} of its lines are not": """
        SELECT r.id, count(*) AS open FROM request r
        JOIN (SELECT request, status FROM booking UNION ALL SELECT request, status FROM cancellation) line ON line.request = r.id
        WHERE r.decided_at IS NOT NULL AND line.status = 'SUBMITTED' GROUP BY r.id""",
    "request {id} was sent with {lines} lines and has {found}": """
        SELECT r.id, r.lines, count(line.request) AS found FROM request r
        LEFT JOIN (
          SELECT request, line FROM booking WHERE request IS NOT NULL AND (code IS NULL OR code <> 'UNKNOWN_BOOKING')
          UNION ALL SELECT request, line FROM cancellation) line ON line.request = r.id
        GROUP BY r.id, r.lines HAVING count(line.request) <> r.lines""",
    "request {id} was set aside: its line {line} on {activity} was never answered": """
        SELECT r.id, b.line, b.activity FROM request r
        JOIN booking b ON b.request = r.id AND b.status = 'SUBMITTED'
        JOIN activity a ON a.id = b.activity
        WHERE r.decided_at IS NULL AND (r.set_aside_at IS NOT NULL
          OR r.served_at IS NOT NULL AND b.party IS NULL AND NOT a.scheduled)""",
    "request {id} was told of {reports} times, but {runs} runs decided lines of it": """
        SELECT r.id, r.reports, count(DISTINCT d.run) AS runs FROM request r
        JOIN booking b ON b.request = r.id JOIN allocation_decision d ON d.booking = b.id
        WHERE r.reports > 0 GROUP BY r.id, r.reports HAVING count(DISTINCT d.run) > r.reports""",
    "request {id} is decided, but was never served": """
        SELECT id FROM request WHERE decided_at IS NOT NULL AND served_at IS NULL""",
    "booking {booking} was cancelled by request {request}, and is {status}": """
        SELECT x.booking, x.request, b.status FROM cancellation x LEFT JOIN booking b ON b.id = x.booking
        WHERE x.status = 'CANCELLED' AND (b.status IS NULL OR b.status <> 'CANCELLED')""",
    "{activity} on {date} is closed, but says nothing of booking {id}": """
        SELECT b.id, b.activity, b.date FROM opening o
        JOIN booking b ON b.activity = o.activity AND b.date = o.date AND b.status = 'ACCEPTED'
        LEFT JOIN presence p ON p.activity = b.activity AND p.date = b.date AND p.child = b.child AND p.booking = b.id
        WHERE o.closed_at IS NOT NULL AND p.child IS NULL""",
    "the attendance of {child} at {activity} on {date} belongs to booking {booking}, which is {status}": """
        SELECT p.child, p.activity, p.date, p.booking, b.status FROM presence p LEFT JOIN booking b ON b.id = p.booking
        WHERE p.booking IS NOT NULL AND (b.status IS NULL OR b.status <> 'ACCEPTED')""",
    "{activity} on {date} was closed {closings} times and told {told} times": """
        SELECT o.activity, o.date, o.closings, coalesce(e.told, 0) AS told FROM opening o
        LEFT JOIN (
          SELECT about, count(*) AS told FROM outgoing WHERE type = 'fr.preau.booking.day_settled.v1' GROUP BY about) e
          ON e.about = o.activity || '/' || CAST(o.date AS TEXT)
        WHERE o.closings > 0 AND coalesce(e.told, 0) < o.closings""",
    "booking {booking} is {status} {code}, but run {run} decided {outcome}": """
        SELECT d.booking, d.run, d.outcome, b.status, coalesce(b.code, '') AS code FROM allocation_decision d
        LEFT JOIN booking b ON b.id = d.booking
        WHERE b.status IS NULL
          OR (d.outcome = 'ACCEPTED' AND b.status NOT IN ('ACCEPTED', 'CANCELLED'))
          OR (d.outcome = 'WAITLISTED' AND b.status NOT IN ('WAITLISTED', 'ACCEPTED', 'CANCELLED', 'EXPIRED'))
          OR (d.outcome = 'REFUSED' AND (b.status <> 'REFUSED' OR coalesce(b.code, '') <> coalesce(d.code, '')))
          OR (d.version = b.version AND d.outcome <> b.status)""",
    "run {run} counts {counted} answers, and {kept} are kept": """
        SELECT r.id AS run, r.accepted + r.waitlisted + r.refused AS counted, count(d.booking) AS kept FROM allocation_run r
        LEFT JOIN allocation_decision d ON d.run = r.id
        WHERE r.ran_at IS NOT NULL GROUP BY r.id, r.accepted, r.waitlisted, r.refused
        HAVING r.accepted + r.waitlisted + r.refused <> count(d.booking)""",
    "activity {activity} has {coming} runs that come next": """
        SELECT activity, count(*) AS coming FROM allocation_run WHERE ran_at IS NULL GROUP BY activity HAVING count(*) > 1""",
    "booking {id} is {status}, but nothing says when": """
        SELECT id, status FROM booking WHERE (status = 'SUBMITTED') <> (decided_at IS NULL)""",
}


async def violations(session: AsyncSession, now: dt.datetime | None = None) -> list[str]:
    """One sentence each; empty if all is well. `now` decides which lines are still to be served."""
    found = [
        sentence.format(**row._mapping)  # the public name for it, in SQLAlchemy's words
        for sentence, query in SELECTS.items()
        for row in await run(session, text(query))
    ]
    now = now or dt.datetime.now(dt.UTC)
    found += await broken_seals(session) + await _days_off_not_kept(session)
    return found + await _waiting_in_vain(session, now) + await _left_out(session, now)


async def _days_off_not_kept(session: AsyncSession) -> list[str]:
    """Activities whose rules repeat other days off than their town has."""
    towns: dict[str, dict[dt.date, str | None]] = defaultdict(dict)
    for day in await session.exec(select_rows(DayOff)):
        towns[day.structure][day.date] = day.because
    rules = [from_json(dict(row.rules)) for row in await session.exec(select_rows(Activity).order_by(Activity.id))]
    return [
        f"activity {spec.id} keeps other days off than {spec.structure} has" for spec in rules if spec.days_off != towns[spec.structure]
    ]


async def _waiting_in_vain(session: AsyncSession, now: dt.datetime) -> list[str]:
    """Whoever would be given a place if the lines were served now."""
    lines = await run(session, select(B.activity, B.date).where(IS_WAITING).distinct())
    keys = {(activity, date) for activity, date in lines}
    docket = await open_docket(session, RuleBook(), now, {}, keys, keys)
    # Of an emptied day nothing is given to those whose cancellation is on its way.
    leaving = set((await run(session, select(X.booking).where(X.status == BookingStatus.SUBMITTED))).scalars())
    given = [claim for key in sorted(keys) for claim in docket.board.serve(key) if claim.booking not in leaving]
    return [f"booking {claim.booking} waits for {claim.opening[0]} on {claim.opening[1]}, where a place is free" for claim in given]


async def _left_out(session: AsyncSession, now: dt.datetime) -> list[str]:
    """Lines that wait for a run although they were in time for one that was held, or one that should have been."""
    waiting = await _wishes(session)
    rules = await RuleBook().of(session, {line.activity for unit in waiting for line in unit})
    runs: dict[str, list[AllocationRun]] = defaultdict(list)  # the last one, then the next
    for one in await session.exec(select_rows(AllocationRun).order_by(col(AllocationRun.number))):
        runs[one.activity] = [*runs[one.activity][-1:], one]
    found = []
    for unit in waiting:
        activity = run_of([rules[line.activity].spec for line in unit], unit[0].requested_at)
        for missed in _missed(unit[0], runs[activity], rules[activity].spec, now) if activity else ():
            found += [f"booking {line.id} waits, and was in time for {missed}" for line in unit]
    return found


async def _wishes(session: AsyncSession) -> list[list[Row[Any]]]:
    """What is not answered yet of the requests that the allocator has seen: single lines, and those that belong together."""
    query = select(B.id, B.activity, B.party, B.position, B.requested_at).join(REQUEST, REQUEST.c.id == B.request)
    asked = REQUEST.c.decided_at.is_(None), REQUEST.c.served_at.is_not(None), REQUEST.c.set_aside_at.is_(None)
    units: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in await run(session, query.where(IS_SUBMITTED, *asked)):
        units[-row.position if row.party is None else row.party].append(row)
    return list(units.values())


def _missed(line: Row[Any], runs: Sequence[AllocationRun], spec: ActivitySpec, now: dt.datetime) -> list[str]:
    found = []
    for one in runs:
        if one.ran_at is not None and _in_time(line, one, one.ran_at) and line.position <= (one.through or 0):
            found.append(f"run {one.id}, which was held")
        hour = hour_come(spec, one.counts_from, now - LATE) if one.ran_at is None else None
        if hour is not None and line.requested_at < hour:
            found.append(f"run {one.id} of {hour:%Y-%m-%d %H:%M} UTC, which was not held")
    return found


def _in_time(line: Row[Any], one: AllocationRun, ran_at: dt.datetime) -> bool:
    """Before its hour; or, where an agent asked for it, by that instant."""
    until: dt.datetime = one.due_at or ran_at
    return bool(line.requested_at < until or (one.account is not None and line.requested_at == until))
