"""Charges closed days, many at a time ("débit de la journée"): load what is known, decide, write the difference, record.

A day is locked by its structure (beside others) and its activity, the holds of its bookings after that, the standings of its families
at last, each in one order: two replicas that hear of the same activity take turns, and what one wrote the other sees.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, or_, select, union_all, update
from sqlmodel.ext.asyncio.session import AsyncSession

from services.billing import posting, prices
from services.billing.charged import AS_MOST_TOWNS_DO, Attendance
from services.billing.hold import HoldKind, HoldState, is_newer
from services.billing.holding import Unasked
from services.billing.ledger import Entry, EntryKind, is_wallet, wallet_account
from services.billing.posting import Movement
from services.billing.quote import Catalogue, Day, Rule, Unpriced, no_activity
from services.billing.settlement import (
    ClosedDay,
    Consumption,
    FlatDay,
    FlatMonth,
    Line,
    Posted,
    Quoted,
    cause_of,
    flat_months,
    posted,
    settle,
)
from services.billing.tables import Activity, DayPart, Hold, LedgerEntry, core
from services.billing.tables import ClosedDay as ClosedDayRow
from services.billing.tables import Consumption as ConsumptionRow
from services.billing.tariff import Per, Price, Step, TariffVersion
from services.bulk import BulkInsert, BulkUpdate, one_of, pair_of
from services.clock import Clock
from services.events import Attendance as Attended
from services.events import DaySettled, Released
from services.outbox import record
from services.saying import made

ATTENDANCES = {one.value: one for one in Attendance}
Key = tuple[str, dt.date]  #: activity, date
Rows = Mapping[str, Any]  #: As the tables have them, by their key.


@dataclass(frozen=True, slots=True)
class Told:
    """A closed day as it was told, as a whole."""

    structure: str
    activity: str
    date: dt.date
    version: int
    attendances: Sequence[Attended]

    @property
    def key(self) -> Key:
        return self.activity, self.date

    @property
    def bookings(self) -> Iterable[str]:
        return (one.booking for one in self.attendances if one.booked)


A, C, H, L = (core(rows).c for rows in (Activity, ConsumptionRow, Hold, LedgerEntry))
CLOSED, PART, D, P = core(ClosedDayRow), core(DayPart), core(ClosedDayRow).c, core(DayPart).c

LOCKED = select(A.id).where(one_of(A.id, "activities")).order_by(A.id).with_for_update()
VERSIONS = select(D.activity, D.date, D.version).where(pair_of(D.activity, D.date, "days"))
PARTS = select(PART).where(pair_of(P.activity, P.date, "days")).order_by(P.version, P.part)
CONSUMED = select(core(ConsumptionRow)).where(pair_of(C.activity, C.date, "days"), C.attendance.is_not(None))
MONTHS = select(core(ConsumptionRow)).where(
    one_of(C.activity, "activities"),
    one_of(C.date, "dates"),
    C.attendance.is_(None),
    or_(one_of(C.family, "families"), one_of(C.child, "children")),
)
#: Locked in the order in which holding locks them, where nothing else was heard of bookings.
HOLDS = (
    select(
        H.booking, H.structure, H.family, H.kind, H.state, H.version, H.wallet, H.amount_cents, H.tariff_version, H.explanation, H.departure
    )
    .where(one_of(H.booking, "bookings"))
    .order_by(H.booking)
    .with_for_update()
)
BOOKED = select(L.cause, L.kind, L.from_account, L.to_account, L.amount_cents, L.settles, L.structure, L.family, L.wallet)
ENTRIES = union_all(
    BOOKED.where(one_of(L.cause, "causes"), L.settles == L.cause), BOOKED.where(one_of(L.settles, "causes"), L.settles != L.cause)
)

FLAT = C.flat, C.due, C.attendance.is_not(None), one_of(C.activity, "activities"), C.date.between(bindparam("first"), bindparam("last"))
FAMILIES = select(C.family).where(*FLAT, one_of(C.child, "children")).distinct()
#: Of all children that those families brought, also on days when another family did.
FLAT_DAYS = select(C.child, C.family, C.activity, C.date, C.wallet, C.tariff_version).where(
    *FLAT, C.child.in_(select(C.child).where(*FLAT, one_of(C.family, "families")).scalar_subquery())
)

move_holds = BulkUpdate(core(Hold), ("booking", "kind", "state"))
#: What a closing may change of a consumption; the rest stays as it was first.
CHANGED = ("family", "wallet", "attendance", "arrival", "departure", "amount_cents", "tariff_version", "flat", "due", "explanation")
CHANGING = ("cause", *CHANGED)
STAYING = ("structure", "child", "activity", "date", "booking")
insert_consumptions = BulkInsert(core(ConsumptionRow), CHANGING + STAYING)
change_consumptions = BulkUpdate(core(ConsumptionRow), CHANGING)
insert_parts = BulkInsert(PART, ("activity", "date", "version", "part", "parts", "attendances"))
DAY = ("activity", "date", "structure", "version")
NEW_DAY = insert(CLOSED)
DAY_AGAIN = update(CLOSED).where(D.activity == bindparam("a"), D.date == bindparam("d")).values(version=bindparam("v"))
FORGET_PARTS = delete(PART).where(P.activity == bindparam("a"), P.date == bindparam("d"), P.version <= bindparam("v"))


# ---------------------------------------------------------------------------------------------------------- what was told
@dataclass(frozen=True, slots=True)
class Closing:
    """Days that are to be charged, and what was charged for them before."""

    told: Sequence[Told]
    consumed: Rows  #: Cause -> consumption, also where it is not due any more.

    @property
    def bookings(self) -> set[str]:
        """All that are named, or were."""
        earlier = {row.booking for row in self.consumed.values() if row.booking is not None}
        return earlier.union(*(one.bookings for one in self.told))


async def lock(session: AsyncSession, events: Sequence[DaySettled], activities: Collection[str] = ()) -> None:
    """What closing those days needs to itself until the commit, and these activities too, in one order, before anything else."""
    if events:
        await posting.lock_towns(session, {event.structure for event in events})
    if events or activities:
        wanted = {"activities": {event.activity for event in events}.union(activities)}
        await (await session.connection()).execute(LOCKED, wanted)


async def take(session: AsyncSession, events: Sequence[DaySettled]) -> Closing:
    """Lock the activities of those days, until the commit; what of them is complete, and newer than what was charged.

    Raises Unpriced where an activity was not heard of yet.
    """
    told = await _newest(session, events) if events else []
    if not told:
        return Closing((), {})
    keys = {one.key for one in told}
    rows = await (await session.connection()).execute(CONSUMED, _where(keys))
    return Closing(told, {row.cause: row for row in rows})


async def _newest(session: AsyncSession, told: Sequence[DaySettled]) -> list[Told]:
    where = _where({(event.activity, event.date) for event in told})
    known = await _locked(session, where)
    fresh = [event for event in told if is_newer(event.version, known.get((event.activity, event.date)))]
    found: dict[Key, Told] = {}
    for one in [*(_whole(event) for event in fresh if event.parts == 1), *await _assembled(session, fresh)]:
        if is_newer(one.version, found[one.key].version if one.key in found else None):
            found[one.key] = one
    return [found[key] for key in sorted(found)]


async def _locked(session: AsyncSession, where: Mapping[str, Any]) -> dict[Key, int]:
    """The versions of those days that were charged."""
    connection = await session.connection()
    heard_of = (await connection.execute(LOCKED, where)).scalars().all()
    for activity in sorted(set(where["activities"]).difference(heard_of)):
        raise no_activity(activity)
    return await _versions(session, where)


async def _versions(session: AsyncSession, where: Mapping[str, Any]) -> dict[Key, int]:
    rows = await (await session.connection()).execute(VERSIONS, where)
    return {(row.activity, row.date): row.version for row in rows}


def _whole(event: DaySettled) -> Told:
    return Told(event.structure, event.activity, event.date, event.version, event.attendances)


async def _assembled(session: AsyncSession, fresh: Sequence[DaySettled]) -> list[Told]:
    """Keep the parts of days that are told in several; the days of which all parts are there."""
    parts = {(event.activity, event.date, event.version, event.part): event for event in fresh if event.parts > 1}
    if not parts:
        return []
    where = _where({key[:2] for key in parts})
    connection = await session.connection()
    kept = {(row.activity, row.date, row.version, row.part) for row in await connection.execute(PARTS, where)}
    new = [(*key, event.parts, [one.model_dump() for one in event.attendances]) for key, event in parts.items() if key not in kept]
    await insert_parts(session, new)
    told: dict[tuple[str, dt.date, int], list[Row[Any]]] = defaultdict(list)
    for row in await connection.execute(PARTS, where):
        told[row.activity, row.date, row.version].append(row)
    structures = {event.activity: event.structure for event in parts.values()}
    return [
        Told(structures[activity], activity, date, version, [Attended.model_validate(one) for row in rows for one in row.attendances])
        for (activity, date, version), rows in told.items()
        if activity in structures and len(rows) == rows[0].parts
    ]


def _where(keys: Collection[Key]) -> dict[str, Any]:
    return {"activities": {activity for activity, _ in keys}, "days": keys}


# --------------------------------------------------------------------------------------------------------------- charging
@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of some days before they are charged."""

    consumed: Rows
    holds: Rows  #: Of all bookings that are named, or were.
    rules: Mapping[tuple[str, str], TariffVersion | None]  #: (activity, tariff version) that something was frozen with.
    catalogue: Catalogue  #: For children that came without a booking.


async def charge(session: AsyncSession, clock: Clock, closing: Closing) -> None:
    """Bring holds, histories and the ledger to what the days are told to be now.

    Raises Unpriced or Unasked where more needs to be known.
    """
    told = closing.told
    if not told:
        return
    known = await _known(session, closing)
    days = [_closed(one, known) for one in told]
    quoted = {line.id: _quoted(day, line, known) for day in days for line in day.lines}
    months, old_months = await _months(session, days, quoted, known)
    consumed = {**known.consumed, **old_months}
    books, purses = await _books(session, consumed)
    settled = settle(days, quoted, months, books)
    structures = {one.activity: one.structure for one in told}
    await _write(session, settled.consumptions, consumed, structures)
    await _move_holds(session, clock, settled.consumptions, known)
    await _mark_closed(session, told)
    purses |= {one.purse: (structures[one.activity], one.family, one.wallet) for one in settled.consumptions}
    dates = {cause: row.date for cause, row in consumed.items()} | {one.cause: one.date for one in settled.consumptions}
    await posting.post(session, clock, [_movement(entry, purses, dates) for entry in settled.entries])


async def _known(session: AsyncSession, closing: Closing) -> _Known:
    told, consumed = closing.told, closing.consumed
    rows = await (await session.connection()).execute(HOLDS, {"bookings": closing.bookings})
    holds: Rows = {row.booking: row for row in rows}
    named = {booking: one.activity for one in told for booking in one.bookings}
    strangers = {(one.activity, seen.family) for one in told for seen in one.attendances if not seen.booked and seen.family is not None}
    frozen = {(activity, _priced(holds, booking).tariff_version) for booking, activity in named.items()}
    frozen |= {(row.activity, row.tariff_version) for row in consumed.values()}
    catalogue = await prices.households(session, {activity for activity, _ in strangers}, {family for _, family in strangers})
    return _Known(consumed, holds, await prices.frozen(session, frozen), catalogue)


def _priced(holds: Rows, booking: str) -> Any:
    hold = holds.get(booking)
    if hold is None or hold.tariff_version is None:
        raise Unasked(f"the price of booking {booking}")
    return hold


def _closed(told: Told, known: _Known) -> ClosedDay:
    """Whoever booked pays: a booking's family is its hold's."""
    return ClosedDay(told.activity, told.date, told.version, tuple(_line(one, known) for one in told.attendances))


def _line(one: Attended, known: _Known) -> Line:
    family = known.holds[one.booking].family if one.booked else one.family
    if family is None:
        raise Unpriced(f"the family of {one.child}, which came without a booking")
    return Line(one.booking, one.child, family, ATTENDANCES[one.attendance], one.arrival, one.departure, one.booked)


def _quoted(day: ClosedDay, line: Line, known: _Known) -> Quoted:
    if line.booked:
        hold = _priced(known.holds, line.id)
        price = Price(hold.amount_cents, tuple(Step.from_data(step) for step in hold.explanation))
        return _by(known.rules[day.activity, hold.tariff_version], hold.wallet, price, hold.tariff_version, hold.departure)
    first = known.consumed.get(cause_of(line.id))
    if first is None:
        rule = known.catalogue.rule(day.activity, day.date)
    else:
        rule = Rule(first.wallet, first.tariff_version, known.rules[day.activity, first.tariff_version])
    assert line.arrival is not None, f"{line.child} came, nobody knows when"
    assert line.departure is not None, f"{line.child} left, nobody knows when"
    hours = line.arrival, line.departure
    quote = known.catalogue.quote_by(rule, Day(line.family, line.child, day.activity, day.date, *hours), day.together(line.family))
    return _by(rule.version, quote.wallet, quote.price, quote.tariff_version, None)


def _by(version: TariffVersion | None, wallet: str, price: Price, tariff_version: str, departure: str | None) -> Quoted:
    if version is None:
        return Quoted(wallet, price, AS_MOST_TOWNS_DO, departure, tariff_version)
    return Quoted(wallet, price, version.charged, departure, tariff_version, flat=version.per is Per.FLAT_MONTH)


# ------------------------------------------------------------------------------------------------------------ flat months
async def _months(
    session: AsyncSession, days: Sequence[ClosedDay], quoted: Mapping[str, Quoted], known: _Known
) -> tuple[dict[FlatMonth, Price], Rows]:
    """All flat months that those days may have moved, and what was charged for these: cause -> consumption.

    One more child whose month is due changes the rank of all its siblings.
    """
    now: list[Any] = [
        FlatDay(line.child, line.family, day.activity, day.date, quoted[line.id].wallet, quoted[line.id].tariff_version)
        for day in days
        for line in day.lines
        if quoted[line.id].flat
    ]
    then: list[Any] = [row for row in known.consumed.values() if row.flat and row.due]
    moved = {(one.activity, one.date.replace(day=1)) for one in (*now, *then)}
    if not moved:
        return {}, {}
    closed = {(day.activity, day.date) for day in days}
    where = {**_spanning(moved), "children": {one.child for one in (*now, *then)}, "families": {one.family for one in (*now, *then)}}
    where |= {"first": min(where["dates"]), "last": max(where["dates"]) + dt.timedelta(days=31)}
    connection = await session.connection()
    where["families"] |= set((await connection.execute(FAMILIES, where)).scalars())
    others = [FlatDay(*row) for row in await connection.execute(FLAT_DAYS, where)]
    due = flat_months([*now, *(one for one in others if (one.activity, one.date) not in closed)])
    ours = [month for month in due if month.family in where["families"] and (month.activity, month.first_day) in moved]
    # Also what another family was once charged for a child that it brought then.
    where["children"] = {month.child for month in ours}
    causes = {month.cause for month in ours}
    before: Rows = {
        row.cause: row
        for row in await connection.execute(MONTHS, where)
        if (row.activity, row.date) in moved and (row.family in where["families"] or row.cause in causes)
    }
    rules = await prices.frozen(session, {(month.activity, month.tariff_version) for month in ours})
    catalogue = await prices.households(session, (), where["families"])

    def price(month: FlatMonth) -> Price:
        rule = rules[month.activity, month.tariff_version]
        return catalogue.month_by(rule, month.family, month.child, month.month, month.together)

    return {month: price(month) for month in ours}, before


def _spanning(months: Collection[Key]) -> dict[str, Any]:
    """A few months too many of activities that are closed in different ones: what is loaded of them is not used."""
    return {"activities": {activity for activity, _ in months}, "dates": {first for _, first in months}}


# -------------------------------------------------------------------------------------------------------------- the books
Purses = dict[str, tuple[str, str, str]]  #: Ledger account -> structure, family, wallet


async def _books(session: AsyncSession, causes: Collection[str]) -> tuple[dict[str, Posted], Purses]:
    """What is posted for each of the causes."""
    if not causes:
        return {}, {}
    rows = (await (await session.connection()).execute(ENTRIES, {"causes": causes})).all()
    purses = {wallet_account(row.family, row.wallet): (row.structure, row.family, row.wallet) for row in rows}
    return posted(Entry(row.cause, row.kind, row.from_account, row.to_account, row.amount_cents, row.settles) for row in rows), purses


def _movement(entry: Entry, purses: Purses, dates: Mapping[str, dt.date]) -> Movement:
    """A charge bears the date of what is charged; a correction that of its posting: months that were accounted for stay as they are."""
    structure, family, wallet = purses[entry.from_account if is_wallet(entry.from_account) else entry.to_account]
    date = dates[entry.cause] if entry.kind is EntryKind.CHARGE else None
    return Movement(entry, structure, family, wallet, date)


# ---------------------------------------------------------------------------------------------------------------- writing
async def _write(session: AsyncSession, due: Sequence[Consumption], before: Rows, structures: Mapping[str, str]) -> None:
    """What is new, what changed, and what is nothing any more."""
    wanted = {one.cause: _changing(one) for one in due}
    new = [(*wanted[one.cause], *_staying(one, structures[one.activity])) for one in due if one.cause not in before]
    await insert_consumptions(session, new)
    gone = [_withdrawn(row) for cause, row in before.items() if cause not in wanted]
    rows = [*(wanted[one.cause] for one in due if one.cause in before), *gone]
    await change_consumptions(session, [row for row in rows if row != tuple(getattr(before[row[0]], name) for name in CHANGING)])


def _changing(one: Consumption) -> tuple[Any, ...]:
    line = one.line
    seen = (line.attendance, line.arrival, line.departure) if line is not None else (None, None, None)
    steps = [step.as_data() for step in one.price.steps]
    return one.cause, one.family, one.wallet, *seen, one.price.cents, one.tariff_version, one.flat, True, steps


def _staying(one: Consumption, structure: str) -> tuple[Any, ...]:
    booking = one.line.id if one.line is not None and one.line.booked else None
    return structure, one.child, one.activity, one.date, booking


def _withdrawn(row: Any) -> tuple[Any, ...]:
    nothing = {"amount_cents": 0, "due": False, "explanation": []}
    return tuple(nothing.get(name, getattr(row, name)) for name in CHANGING)


async def _move_holds(session: AsyncSession, clock: Clock, due: Sequence[Consumption], known: _Known) -> None:
    """Those whose booking is charged are settled; of one that is not named any more nothing is left."""
    named = {one.line.id for one in due if one.line is not None and one.line.booked}
    settled = [known.holds[booking] for booking in sorted(named) if known.holds[booking].state is not HoldState.SETTLED]
    gone = [hold for booking, hold in known.holds.items() if booking not in named and hold.state is HoldState.SETTLED]
    rows = [(hold.booking, HoldKind.CONFIRMED, HoldState.SETTLED) for hold in settled]
    await move_holds(session, rows + [(hold.booking, hold.kind, HoldState.RELEASED) for hold in gone])
    record(session, *(_released(hold, clock) for hold in settled if (hold.state, hold.kind) == (HoldState.LIVE, HoldKind.CONFIRMED)))


def _released(hold: Any, clock: Clock) -> Released:
    return made(
        Released,
        occurred_at=clock.now(),
        structure=hold.structure,
        version=hold.version + 1,  # Newer than all that was said of it, and the last word: what is settled is never held again.
        hold=hold.booking,
        booking=hold.booking,
        wallet=hold.wallet,
        family=hold.family,
        amount_cents=hold.amount_cents,
    )


async def _mark_closed(session: AsyncSession, told: Sequence[Told]) -> None:
    """And forget the parts that they, or their earlier versions, were told in."""
    connection = await session.connection()
    known = await _versions(session, _where({one.key for one in told}))
    new = [{name: getattr(one, name) for name in DAY} for one in told if one.key not in known]
    if new:
        await connection.execute(NEW_DAY, new)
    keys = [{"a": one.activity, "d": one.date, "v": one.version} for one in told]
    if again := [key for key in keys if (key["a"], key["d"]) in known]:
        await connection.execute(DAY_AGAIN, again)
    await connection.execute(FORGET_PARTS, keys)
