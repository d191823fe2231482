"""A day as the town's agents see it: the roster, recording who came, closing the day. Of their own structures' activities alone."""

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Self

import strawberry
from sqlmodel.ext.asyncio.session import AsyncSession
from strawberry import ID, Private

from services.booking import attendance, attending
from services.booking.attendance import Attendance, Record
from services.booking.attending import Entry
from services.booking.lines import Rules
from services.booking.queries import Booked
from services.booking.refusals import Closed, DayClosed, ReasonRequired, TooEarly, TooManyLines, refusal, refusal_of
from services.booking.rulebook import RuleBook
from services.booking.sheet import Noted, Sheet, sheet
from services.booking.texts import say_closed
from services.booking.types import Activity, Booking, Child, reading_of
from services.graphql import Info, LocalTime, Refusal
from services.refusal import Forbidden, Refused
from services.viewing import Whose

strawberry.enum(Attendance)


# ---------------------------------------------------------------------------------------------------------------- roster
@strawberry.type
class RosterEntry:
    """A child that comes, or came without a booking."""

    child: Child
    booking: Booking | None
    enrolled: bool = strawberry.field(description="The child is enrolled in the activity on that day.")
    attendance: Attendance
    arrival: LocalTime | None = strawberry.field(description="When it really came, if somebody said so; `booking` has what was booked.")
    departure: LocalTime | None
    note: str | None
    recorded_at: dt.datetime | None
    presumed: bool = strawberry.field(description="Nobody recorded it: when the day was closed, the activity's rule decided.")

    @classmethod
    def of(cls, day: Sheet, child: str, booked: Booked | None, noted: Noted | None) -> Self:
        return cls(
            child=Child(id=ID(child)),
            booking=None if booked is None else Booking.of(booked),
            enrolled=day.is_enrolled(child),
            attendance=Attendance.NOT_RECORDED if noted is None else noted.attendance,
            arrival=None if noted is None or noted.arrival is None else LocalTime(noted.arrival),
            departure=None if noted is None or noted.departure is None else LocalTime(noted.departure),
            note=None if noted is None else noted.note,
            recorded_at=None if noted is None else noted.recorded_at,
            presumed=noted is not None and noted.recorded_by is None,
        )


@strawberry.type
class RosterWaiting:
    """A child that waits for a place."""

    rank: int
    child: Child
    booking: Booking
    enrolled: bool


@strawberry.type
class HourCount:
    """How many children are there, or are to come, at some time of that hour."""

    at: LocalTime
    children: int


@strawberry.type
class RosterCounts:
    places: int | None = strawberry.field(description="Null where they are not counted.")
    taken: int
    waiting: int
    present: int
    absent: int
    not_recorded: int
    without_booking: int
    by_hour: list[HourCount] = strawberry.field(description="Without those who are absent.")


@strawberry.type
class Roster:
    """One activity on one day: who comes, who waits, who came."""

    day: Private[Sheet]
    activity: Activity
    date: dt.date
    reason: str | None = strawberry.field(description="Why the activity is not open that day.")
    closed: bool = strawberry.field(description="Attendance is final.")
    closed_at: dt.datetime | None
    version: int = strawberry.field(description="How often the day was closed.")
    entries: list[RosterEntry] = strawberry.field(description="Bookings in order of arrival, then those who came without one.")
    waiting: list[RosterWaiting] = strawberry.field(description="In order.")

    @classmethod
    def of(cls, day: Sheet, language: str) -> Self:
        rules = day.rules.on(day.date)
        booked = {row.child for row in day.accepted}
        others = sorted((noted for child, noted in day.noted.items() if child not in booked), key=lambda noted: noted.recorded_at)
        return cls(
            day=day,
            activity=Activity.of(day.rules.spec, language),
            date=day.date,
            reason=None if rules.closed is None else say_closed(rules.closed, rules.because, language),
            closed=day.closed_at is not None,
            closed_at=day.closed_at,
            version=day.closings,
            entries=[
                *(RosterEntry.of(day, row.child, row, day.noted.get(row.child)) for row in day.accepted),
                *(RosterEntry.of(day, noted.child, None, noted) for noted in others),
            ],
            waiting=[
                RosterWaiting(rank=rank, child=Child(id=ID(row.child)), booking=Booking.of(row), enrolled=day.is_enrolled(row.child))
                for rank, row in enumerate(day.waiting, 1)
            ],
        )

    @strawberry.field
    def counts(self) -> RosterCounts:
        kinds = [entry.attendance for entry in self.entries]
        spec = self.day.rules.spec
        stays = attendance.stays(spec, self.date, self.day.expected, self.day.came)
        return RosterCounts(
            places=self.day.places.capacity,
            taken=len(self.day.accepted),
            waiting=len(self.waiting),
            present=kinds.count(Attendance.PRESENT),
            absent=kinds.count(Attendance.ABSENT_JUSTIFIED) + kinds.count(Attendance.ABSENT_UNJUSTIFIED),
            not_recorded=kinds.count(Attendance.NOT_RECORDED),
            without_booking=sum(entry.booking is None for entry in self.entries),
            by_hour=[HourCount(at=LocalTime(at), children=count) for at, count in attendance.by_hour(spec, stays)],
        )


async def _as_agent(info: Info, activity: str) -> Rules:
    """Of an activity of the caller's own structures. Raises Unauthenticated; Forbidden: not an agent there, or no such activity."""
    reading = reading_of(info.context)
    rules = await reading.rules(activity)
    if rules is None or rules.spec.structure not in reading.caller.agent_of:
        raise Forbidden
    return rules


async def _roster(info: Info, activity: str, date: dt.date) -> Roster:
    """As it is now."""
    rules = await _as_agent(info, activity)
    async with info.context.database.reading() as session:
        found = await sheet(session, rules, date)
    noted = (Whose(rules.spec.structure, one.family, one.child) for one in found.noted.values())
    reading_of(info.context).saw("ATTENDANCE", [*found.accepted, *found.waiting, *noted])
    return Roster.of(found, info.context.language)


@strawberry.type
class RosterQueries:
    @strawberry.field
    async def roster(self, info: Info, activity: ID, date: dt.date) -> Roster:
        """For agents of the activity's structure."""
        return await _roster(info, activity, date)


# ------------------------------------------------------------------------------------------------------------ recording
@strawberry.input
class AttendanceInput:
    """What an agent saw of one child: that of a booking of the day, or one that came without."""

    booking: ID | None = None
    child: ID | None = None
    attendance: Attendance = strawberry.field(description="NOT_RECORDED takes back what was recorded.")
    arrival: LocalTime | None = strawberry.field(default=None, description="When it really came: any time of the day, booked or not.")
    departure: LocalTime | None = None
    note: str | None = None

    def entry(self) -> Entry:
        note = (self.note or "").strip() or None
        return Entry(self.booking, self.child, Record(self.attendance, self.arrival, self.departure, note))


@strawberry.type
class AttendanceAnswer:
    """What became of one entry."""

    child: Child | None = strawberry.field(description="Null: we do not know whom the entry means.")
    entry: RosterEntry | None = strawberry.field(description="As the roster has it now.")
    refusal: Refusal | None = strawberry.field(description="Why it was not recorded.")


@strawberry.type
class AttendanceRecorded:
    answers: list[AttendanceAnswer] = strawberry.field(description="In the entries' order: what is wrong with one keeps no other.")
    roster: Roster


RecordAttendanceResult = Annotated[
    AttendanceRecorded | TooEarly | Closed | DayClosed | TooManyLines, strawberry.union("RecordAttendanceResult")
]
CloseDayResult = Annotated[Roster | TooEarly | Closed, strawberry.union("CloseDayResult")]
ReopenDayResult = Annotated[Roster | ReasonRequired, strawberry.union("ReopenDayResult")]

Work = Callable[[AsyncSession, RuleBook], Awaitable[Any]]


@strawberry.type
class AttendanceMutations:
    @strawberry.mutation
    async def record_attendance(self, info: Info, activity: ID, date: dt.date, entries: list[AttendanceInput]) -> RecordAttendanceResult:
        """From the day itself until it is closed, again and again: the last word about a child counts.

        Two tablets that disagree: whoever is heard later is believed, and the audit trail keeps both. A tablet that was offline
        sends all it has: entries are answered one by one, and those that are known already change nothing.
        """
        await _as_agent(info, activity)
        context = info.context
        account = context.signed_in().account
        given = [one.entry() for one in entries]

        async def work(session: AsyncSession, book: RuleBook) -> list[attending.Answer]:
            return await attending.record_attendance(session, book, context.clock, (activity, date), account, given)

        try:
            answers = await _in_one_transaction(info, work)
        except Refused as no:
            refused: RecordAttendanceResult = refusal_of(no, context.language)
            return refused
        roster = await _roster(info, activity, date)
        known = {str(entry.child.id): entry for entry in roster.entries}
        told = [_answer(one, entry, known, context.language) for one, entry in zip(answers, given, strict=True)]
        return AttendanceRecorded(answers=told, roster=roster)

    @strawberry.mutation
    async def close_day(self, info: Info, activity: ID, date: dt.date) -> CloseDayResult:
        """Attendance is final, and told: whoever waits has waited in vain, and whoever was not recorded is presumed present, or
        absent, as the activity has it. Closing twice is as good as once."""
        await _as_agent(info, activity)
        account = info.context.signed_in().account

        async def work(session: AsyncSession, book: RuleBook) -> None:
            await attending.close_day(session, book, info.context.clock, (activity, date), account)

        try:
            await _in_one_transaction(info, work)
        except Refused as no:
            refused: CloseDayResult = refusal_of(no, info.context.language)
            return refused
        return await _roster(info, activity, date)

    @strawberry.mutation
    async def reopen_day(self, info: Info, activity: ID, date: dt.date, reason: str) -> ReopenDayResult:
        """To correct it and close it again: then all of it is told again. A day that is not closed stays as it is."""
        await _as_agent(info, activity)
        account = info.context.signed_in().account

        async def work(session: AsyncSession, book: RuleBook) -> None:
            await attending.reopen_day(session, book, info.context.clock, (activity, date), account, reason)

        try:
            await _in_one_transaction(info, work)
        except Refused as no:
            refused: ReopenDayResult = refusal_of(no, info.context.language)
            return refused
        return await _roster(info, activity, date)


async def _in_one_transaction(info: Info, work: Work) -> Any:
    running = info.context.running
    async with running.database.transaction() as session:
        result = await work(session, running.resources["rules"])
    running.outbox_written()
    return result


def _answer(one: attending.Answer, given: Entry, known: dict[str, RosterEntry], language: str) -> AttendanceAnswer:
    facts = {"limit": attendance.LONGEST_NOTE, "arrival": given.record.arrival, "departure": given.record.departure}
    return AttendanceAnswer(
        child=None if one.child is None else Child(id=ID(one.child)),
        entry=None if one.child is None else known.get(one.child),
        refusal=None if one.code is None else refusal(one.code, language, **facts),
    )
