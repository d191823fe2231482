"""What agents of a structure see and send: settings of activities, single days, acts of the audit trail."""

import datetime as dt
from collections.abc import Iterable
from typing import Annotated, Self

import strawberry
from strawberry import ID, Private
from strawberry.federation.schema_directives import Key
from strawberry.federation.types import FieldSet

from services.audit import differences
from services.booking.activity import (
    ActivitySpec,
    AttendanceRules,
    ChosenHours,
    DaysBefore,
    Deadline,
    FixedHours,
    Hours,
    HoursBefore,
    Immediate,
    Scheduled,
    WeekdayBefore,
)
from services.booking.activity_types import SchoolHolidays, Unrecorded, Weekday
from services.booking.audit import ActRow
from services.booking.follow_up import Family, Request
from services.booking.lines import OpeningRules
from services.booking.month import OpeningNow
from services.booking.queries import EnrolledRow
from services.booking.refusals import (
    AccountInDebit,
    ActivityExists,
    AllocatedByRun,
    AlreadyBooked,
    BookingsOutside,
    ChangedMeanwhile,
    Closed,
    DayIsPast,
    Full,
    HoursNotAllowed,
    HoursRequired,
    IdempotencyKeyReused,
    InvalidActivity,
    NotEnrolled,
    NothingToSubmit,
    NotMoved,
    OutOfSeason,
    PeriodReversed,
    ReasonRequired,
    TooLate,
    TooLateToCancel,
    TooManyLines,
    UnknownActivity,
    UnknownBooking,
    UnknownChild,
    UnknownCriterion,
    UnknownWallet,
)
from services.booking.run_types import AllocationPolicy
from services.booking.soundness import Flaw
from services.booking.texts import say, say_closed
from services.booking.types import Activity, Booking, Child, Enrollment, reading_of
from services.graphql import Info, LocalTime


@strawberry.type
class Opening:
    """One activity on one day, as its agents see it ("ouverture")."""

    spec: Private[ActivitySpec]
    rules: Private[OpeningRules]
    date: dt.date
    open: bool
    capacity: int | None
    waiting_list: int | None
    taken: int
    waiting: int
    revision: int

    @classmethod
    def of(cls, spec: ActivitySpec, rules: OpeningRules, now: OpeningNow | None) -> Self:
        capacity, waiting_list = spec.offer(rules.date)
        return cls(
            spec=spec,
            rules=rules,
            date=rules.date,
            open=rules.closed is None,
            capacity=capacity,
            waiting_list=waiting_list,
            taken=now.places.taken if now else 0,
            waiting=now.places.waiting if now else 0,
            revision=now.revision if now else 0,
        )

    @strawberry.field
    def activity(self, info: Info) -> Activity:
        return Activity.of(self.spec, info.context.language)

    @strawberry.field
    def reason(self, info: Info) -> str | None:
        """Why it is closed, in words, as families read it."""
        return None if self.rules.closed is None else say_closed(self.rules.closed, self.rules.because, info.context.language)

    @strawberry.field
    async def standing(self, info: Info) -> int:
        """How many bookings stand that day: those that have a place, wait for one, or are not answered yet."""
        return await self._standing(info)

    @strawberry.field
    async def notice(self, info: Info) -> str | None:
        """What the agent should know, in words: that bookings stand although the day is closed. They do until an agent cancels them."""
        standing = 0 if self.open else await self._standing(info)
        if not standing:
            return None
        return say("BOOKINGS_STAND" if standing > 1 else "BOOKING_STANDS", info.context.language, count=standing)

    async def _standing(self, info: Info) -> int:
        return await reading_of(info.context).standing_on(self.spec.id, self.date)


@strawberry.type
class EnrolledChild:
    """A child admitted to an activity, both days included ("inscription"), as the activity's agents see it."""

    child: Child | None = strawberry.field(description="Null: identity knows it no longer.")
    family: Family | None = strawberry.field(description="Null: identity knows it no longer.")
    from_: dt.date | None = strawberry.field(name="from")
    until: dt.date | None

    @classmethod
    def of(cls, row: EnrolledRow) -> Self:
        return cls(child=Child(id=ID(row.child)), family=Family(id=ID(row.family)), from_=row.starts_on, until=row.ends_on)


@strawberry.type
class EnrolledChildConnection:
    nodes: list[EnrolledChild]
    end_cursor: str | None
    has_next_page: bool


# ------------------------------------------------------------------------------------------------------- the audit trail
@strawberry.type
class ActDetail:
    name: str
    before: str | None
    after: str | None


@strawberry.federation.type(name="Agent", keys=[Key(fields=FieldSet("id"), resolvable=False)])
class ActingAgent:
    """Identity's: it knows the name."""

    id: ID


@strawberry.type
class Act:
    """One thing that an agent did."""

    row: Private[ActRow]
    structure: Private[str]
    id: ID
    at: dt.datetime
    account: ID = strawberry.field(description="The agent's.")
    kind: str = strawberry.field(description="Such as CHANGE_ACTIVITY or BOOK_FOR_FAMILY.")
    date: dt.date | None
    reason: str | None

    @classmethod
    def of(cls, row: ActRow, structure: str) -> Self:
        return cls(
            row=row,
            structure=structure,
            id=ID(str(row.position)),
            at=row.at,
            account=ID(row.account),
            kind=row.kind,
            date=row.date,
            reason=row.reason,
        )

    @strawberry.field
    def agent(self) -> ActingAgent | None:
        """By name. Null: identity knows nobody by that account any more."""
        return ActingAgent(id=ID(f"{self.structure}/{self.row.account}"))

    @strawberry.field
    def family(self) -> Family | None:
        return Family(id=ID(self.row.family)) if self.row.family else None

    @strawberry.field
    def child(self) -> Child | None:
        return Child(id=ID(self.row.child)) if self.row.child else None

    @strawberry.field
    async def activity(self, info: Info) -> Activity | None:
        rules = await reading_of(info.context).rules(self.row.activity) if self.row.activity else None
        return None if rules is None else Activity.of(rules.spec, info.context.language)

    @strawberry.field
    async def booking(self, info: Info) -> Booking | None:
        row = await reading_of(info.context).booking(self.row.booking) if self.row.booking else None
        return None if row is None else Booking.of(row)

    @strawberry.field
    def details(self) -> list[ActDetail]:
        """What changed, by name, as it was before and is after; texts as they are, everything else as JSON."""
        return [ActDetail(name=name, before=before, after=after) for name, before, after in differences(self.row.before, self.row.after)]


@strawberry.type
class ActConnection:
    nodes: list[Act]
    end_cursor: str | None
    has_next_page: bool


# --------------------------------------------------------------------------------------------------------- as they are sent
@strawberry.input
class PlacesOnInput:
    date: dt.date
    places: int | None = None


@strawberry.input
class HoursInput:
    """Arrival and departure, or else the bounds within which families choose."""

    arrival: LocalTime | None = None
    departure: LocalTime | None = None
    earliest: LocalTime | None = None
    latest: LocalTime | None = None
    step_minutes: int = 15
    minimum_minutes: int = 15

    def hours(self) -> Hours:
        """Raises Refused: neither the one nor the other."""
        fixed, chosen = (self.arrival, self.departure), (self.earliest, self.latest)
        if all(fixed) and not any(chosen):
            return FixedHours(str(self.arrival), str(self.departure))
        if all(chosen) and not any(fixed):
            return ChosenHours(str(self.earliest), str(self.latest), self.step_minutes, self.minimum_minutes)
        raise Flaw("HOURS_UNCLEAR", "hours").refused()


@strawberry.input
class DeadlineInput:
    """Days before with a time, or hours before, or a weekday of an earlier week with a time."""

    days_before: int | None = None
    working_days: bool = False
    at: LocalTime | None = None
    hours_before: int | None = None
    weekday: Weekday | None = None
    weeks_before: int = 1

    def deadline(self, where: str) -> Deadline:
        """Raises Refused: it is not one of the three."""
        match (self.days_before, self.hours_before, self.weekday, self.at):
            case (int() as days, None, None, str() as at):
                return DaysBefore(days, at, self.working_days)
            case (None, int() as hours, None, None):
                return HoursBefore(hours)
            case (None, None, Weekday() as weekday, str() as at):
                return WeekdayBefore(weekday.value, at, self.weeks_before)
        raise Flaw("DEADLINE_UNCLEAR", where).refused()


@strawberry.input
class PointsInput:
    criterion: ID
    points: int


@strawberry.input
class AllocationInput:
    scheduled_at: LocalTime
    policy: AllocationPolicy
    points: list[PointsInput] | None = strawberry.field(
        default=None, description="What each criterion counts, where the policy is by points. Null: as it is."
    )

    def scheduled(self) -> Scheduled:
        return Scheduled(str(self.scheduled_at), self.policy.value, tuple((str(one.criterion), one.points) for one in self.points or ()))


@strawberry.input
class AttendanceRulesInput:
    close_after_days: int = strawberry.field(default=0, description="0: at the day's end.")
    unrecorded: Unrecorded = strawberry.field(
        default=Unrecorded.PRESENT, description="What becomes then of bookings about which nobody said anything."
    )


@strawberry.input
class ActivityInput:
    """All of an activity: what is left out is as it would be in a new one."""

    name: str
    opens_on: dt.date
    closes_on: dt.date
    weekdays: list[Weekday]
    hours: HoursInput
    category: str | None = None
    wallet: ID | None = strawberry.field(default=None, description="Null: it keeps its own, or takes that of the one it is priced like.")
    school_holidays: SchoolHolidays = strawberry.field(default=SchoolHolidays.ANY, description="Left out: any, as in a town's file.")
    closed_on: list[dt.date] = strawberry.field(default_factory=list)
    open_on: list[dt.date] = strawberry.field(default_factory=list)
    capacity: int | None = strawberry.field(default=None, description="Null: places are not counted.")
    waiting_list: int | None = strawberry.field(default=0, description="0: none; null: without end.")
    capacity_on: list[PlacesOnInput] = strawberry.field(default_factory=list)
    waiting_list_on: list[PlacesOnInput] = strawberry.field(default_factory=list)
    booking_deadline: DeadlineInput | None = None
    cancellation_deadline: DeadlineInput | None = None
    allocation: AllocationInput | None = None
    attendance: AttendanceRulesInput | None = strawberry.field(default=None, description="Null: as it is.")

    def spec(self, id_: str, structure: str) -> ActivitySpec:
        """Where and in which zone it is, its structure says later. Raises Refused INVALID_ACTIVITY."""
        return ActivitySpec(
            id=id_,
            structure=structure,
            timezone="",
            school_zone=None,
            wallet=str(self.wallet or ""),
            name=self.name.strip(),
            category=(self.category or "").strip() or None,
            opens_on=self.opens_on,
            closes_on=self.closes_on,
            weekdays=frozenset(one.value for one in self.weekdays),
            hours=self.hours.hours(),
            school_holidays=self.school_holidays.value,
            closed_on=frozenset(self.closed_on),
            open_on=frozenset(self.open_on),
            capacity=self.capacity,
            waiting_list=self.waiting_list,
            capacity_on=_places(self.capacity_on),
            waiting_list_on=_places(self.waiting_list_on),
            booking_deadline=None if self.booking_deadline is None else self.booking_deadline.deadline("bookingDeadline"),
            cancellation_deadline=None
            if self.cancellation_deadline is None
            else self.cancellation_deadline.deadline("cancellationDeadline"),
            allocation=Immediate() if self.allocation is None else self.allocation.scheduled(),
            attendance=AttendanceRules()
            if self.attendance is None
            else AttendanceRules(self.attendance.close_after_days, self.attendance.unrecorded.value),
        )


def _places(days: Iterable[PlacesOnInput]) -> dict[dt.date, int | None]:
    return {one.date: one.places for one in days}


@strawberry.input
class CreateActivityInput:
    structure: ID
    code: str = strawberry.field(description="The end of its id, such as aps-soir: letters without accents, digits, - and _.")
    priced_like: ID = strawberry.field(description="The activity whose tariff, and wallet unless another is named, it shares.")
    settings: ActivityInput
    reason: str | None = None


@strawberry.input
class ChangeActivityInput:
    activity: ID
    version: int = strawberry.field(description="Of the settings that were changed.")
    settings: ActivityInput
    cancel_bookings: bool = strawberry.field(
        default=False, description="Bookings on days that would not be open any more are cancelled, and their families told why."
    )
    reason: str | None = None


@strawberry.input
class SetOpeningInput:
    activity: ID
    date: dt.date
    open: bool | None = strawberry.field(default=None, description="Null: as it is.")
    capacity: int | None = strawberry.field(default=strawberry.UNSET, description="Null: not counted. Left out: as it is.")
    waiting_list: int | None = strawberry.field(default=strawberry.UNSET, description="Null: without end. Left out: as it is.")
    usual_places: bool = strawberry.field(default=False, description="What was set for that day before is forgotten.")
    cancel_bookings: bool = strawberry.field(
        default=False, description="All bookings of that day are cancelled, and their families told why."
    )
    reason: str | None = strawberry.field(
        default=None,
        description="3 to 500 characters. Where a day is closed, families read it: in the calendar, and if it cancels their bookings.",
    )


@strawberry.input
class EnrollChildInput:
    child: ID
    activity: ID
    from_: dt.date | None = strawberry.field(name="from", default=None)
    until: dt.date | None = None
    cancel_bookings: bool = strawberry.field(default=False, description="Bookings outside of the period are cancelled.")
    reason: str | None = None


@strawberry.input
class EndEnrollmentInput:
    child: ID
    activity: ID
    last_day: dt.date
    cancel_bookings: bool = strawberry.field(default=False, description="Bookings after the last day are cancelled.")
    reason: str | None = None


@strawberry.input
class FamilyBookingInput:
    child: ID
    activity: ID
    date: dt.date
    arrival: LocalTime | None = None
    departure: LocalTime | None = None


@strawberry.input
class BookForFamilyInput:
    family: ID
    idempotency_key: str
    bookings: list[FamilyBookingInput]
    reason: str = strawberry.field(description="3 to 500 characters: the family reads it.")
    past_deadlines: bool = strawberry.field(default=False, description="Until the day is over. Nobody joins a line past its deadline.")
    despite_debt: bool = False
    accept_waiting_list: bool = True
    together: list[list[int]] = strawberry.field(default_factory=list, description="Groups of indexes to be decided all or none.")


@strawberry.input
class CancelForFamilyInput:
    family: ID
    idempotency_key: str
    bookings: list[ID]
    reason: str
    past_deadlines: bool = False


@strawberry.input
class MoveBookingInput:
    booking: ID
    idempotency_key: str
    activity: ID | None = strawberry.field(default=None, description="Null: the same.")
    date: dt.date
    arrival: LocalTime | None = None
    departure: LocalTime | None = None
    reason: str
    past_deadlines: bool = False
    despite_debt: bool = False


CreateActivityResult = Annotated[
    Activity | InvalidActivity | UnknownActivity | UnknownWallet | UnknownCriterion | ActivityExists | ReasonRequired,
    strawberry.union("CreateActivityResult"),
]
ChangeActivityResult = Annotated[
    Activity | InvalidActivity | UnknownWallet | UnknownCriterion | ChangedMeanwhile | BookingsOutside | ReasonRequired,
    strawberry.union("ChangeActivityResult"),
]
SetOpeningResult = Annotated[Opening | OutOfSeason | DayIsPast | InvalidActivity | ReasonRequired, strawberry.union("SetOpeningResult")]
EnrollChildResult = Annotated[
    Enrollment | UnknownChild | NotEnrolled | PeriodReversed | BookingsOutside | ReasonRequired, strawberry.union("EnrollChildResult")
]
BookForFamilyResult = Annotated[
    Request
    | AccountInDebit
    | NothingToSubmit
    | TooManyLines
    | IdempotencyKeyReused
    | UnknownChild
    | UnknownActivity
    | UnknownBooking
    | ReasonRequired,
    strawberry.union("BookForFamilyResult"),
]
MoveBookingResult = Annotated[
    Booking
    | AccountInDebit
    | AllocatedByRun
    | AlreadyBooked
    | Closed
    | Full
    | HoursNotAllowed
    | HoursRequired
    | IdempotencyKeyReused
    | NotEnrolled
    | NotMoved
    | ReasonRequired
    | TooLate
    | TooLateToCancel
    | UnknownActivity
    | UnknownBooking
    | UnknownChild,
    strawberry.union("MoveBookingResult"),
]
