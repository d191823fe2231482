"""Drafts as clients send and get them: lines, clicks, copies, recaps (S25-S33)."""

import asyncio
import datetime as dt
from collections.abc import Iterable
from typing import Annotated, Self

import strawberry
from strawberry import ID, Private

from services.booking.draft import DraftChange, DraftLine, Skipped, ToggleScope
from services.booking.follow_up import Request
from services.booking.observing import observed
from services.booking.order import Line
from services.booking.recap import Forecast
from services.booking.refusals import (
    AccountInDebit,
    HoursNotAllowed,
    HoursRequired,
    IdempotencyKeyReused,
    NotEnrolled,
    NothingToSubmit,
    TooLateToCancel,
    TooManyLines,
    UnknownActivity,
    UnknownBooking,
    UnknownChild,
    UnknownFamily,
    told,
)
from services.booking.status import BookingStatus
from services.booking.types import Activity, Booking, Child, activity_of, reading_of
from services.graphql import Info, LocalTime, Refusal, YearMonth


@strawberry.input
class BookingLineInput:
    change: DraftChange
    child: ID
    activity: ID
    date: dt.date
    arrival: LocalTime | None = None
    departure: LocalTime | None = None

    def line(self) -> Line:
        return Line(self.change, str(self.child), str(self.activity), self.date, self.arrival, self.departure)


def lines_of(inputs: Iterable[BookingLineInput]) -> list[Line]:
    return [one.line() for one in inputs]


@strawberry.type
class BookingLine:
    name: Private[str]
    change: DraftChange
    child: Child
    date: dt.date
    arrival: LocalTime
    departure: LocalTime

    @classmethod
    def of(cls, line: DraftLine) -> Self:
        return cls(
            name=line.activity,
            change=line.change,
            child=Child(id=ID(line.child)),
            date=line.date,
            arrival=LocalTime(line.arrival),
            departure=LocalTime(line.departure),
        )

    @strawberry.field
    async def activity(self, info: Info) -> Activity:
        return await activity_of(info, self.name)


@strawberry.type
class SkippedDay:
    """A day that could not be toggled or copied, and why."""

    date: dt.date
    code: str
    message: str

    @classmethod
    async def of(cls, info: Info, skipped: Skipped, child: str, activity: str) -> Self:
        """Of this child, whose bookings the caller may see."""
        message = await observed(reading_of(info.context), skipped.code, child, activity, skipped.date, info.context.language)
        return cls(date=skipped.date, code=skipped.code, message=message)


@strawberry.input
class ToggleInput:
    scope: ToggleScope
    child: ID
    activity: ID
    month: YearMonth
    day: dt.date | None = strawberry.field(default=None, description="The day itself; any day of the week; any such weekday; none.")
    arrival: LocalTime | None = None
    departure: LocalTime | None = None
    draft: list[BookingLineInput] = strawberry.field(default_factory=list)


@strawberry.type
class Toggled:
    draft: list[BookingLine]
    skipped: list[SkippedDay]


@strawberry.input
class CopyInput:
    from_child: ID
    from_activity: ID
    to_child: ID
    to_activity: ID
    from_: dt.date = strawberry.field(name="from")
    to: dt.date
    arrival: LocalTime | None = strawberry.field(
        default=None, description="For a target whose hours are chosen, when the source's are not."
    )
    departure: LocalTime | None = None
    include_booked: bool = False
    draft: list[BookingLineInput] = strawberry.field(default_factory=list)


@strawberry.type
class CopyPlan:
    draft: list[BookingLine]
    skipped: list[SkippedDay]


@strawberry.federation.type(keys=["change child { id } activity { id } date arrival departure"])
class PreviewLine:
    """One line of the recap, with what sending it now would give (S33)."""

    change: DraftChange
    child: Child
    name: Private[str]
    date: dt.date
    arrival: LocalTime
    departure: LocalTime
    forecast: BookingStatus = strawberry.field(description="ACCEPTED, WAITLISTED, REFUSED; CANCELLED; SUBMITTED if it waits for a run.")
    rank: int | None
    refusal: Refusal | None

    @classmethod
    async def of(cls, info: Info, line: Forecast) -> Self:
        return cls(
            change=line.line.change,
            child=Child(id=ID(line.line.child)),
            name=line.line.activity,
            date=line.line.date,
            arrival=LocalTime(line.arrival),
            departure=LocalTime(line.departure),
            forecast=line.status,
            rank=line.rank,
            refusal=None if line.code is None else told(line.code, await _words(info, line.line, line.code)),
        )

    @classmethod
    def resolve_reference(cls, **_: object) -> None:
        """A recap is asked for as a whole: one line of it cannot be found again."""
        return

    @strawberry.field
    async def activity(self, info: Info) -> Activity:
        return await activity_of(info, self.name)


async def _words(info: Info, line: Line, code: str) -> str:
    return await observed(reading_of(info.context), code, line.child, line.activity, line.date, info.context.language)


@strawberry.type
class Preview:
    """Each ordered by date, child, activity."""

    bookings: list[PreviewLine]
    cancellations: list[PreviewLine]

    @classmethod
    async def of(cls, info: Info, lines: Iterable[Forecast]) -> Self:
        both = await asyncio.gather(*(PreviewLine.of(info, line) for line in lines))
        return cls(
            bookings=[line for line in both if line.change is DraftChange.BOOK],
            cancellations=[line for line in both if line.change is DraftChange.CANCEL],
        )


@strawberry.input
class SubmitInput:
    family: ID
    idempotency_key: str
    lines: list[BookingLineInput]
    accept_waiting_list: bool = strawberry.field(default=True, description="False: a line without a place is refused instead.")
    together: list[list[int]] = strawberry.field(
        default_factory=list, description="Groups of line indexes to be decided all or none (siblings)."
    )


ToggleResult = Annotated[
    Toggled | UnknownChild | UnknownActivity | NotEnrolled | HoursNotAllowed | HoursRequired | TooManyLines,
    strawberry.union("ToggleResult"),
]
CopyResult = Annotated[
    CopyPlan | UnknownChild | UnknownActivity | NotEnrolled | HoursNotAllowed | HoursRequired | TooManyLines,
    strawberry.union("CopyResult"),
]
PreviewResult = Annotated[
    Preview | AccountInDebit | UnknownChild | UnknownActivity | UnknownFamily | TooManyLines, strawberry.union("PreviewResult")
]
SubmitResult = Annotated[
    Request | AccountInDebit | NothingToSubmit | TooManyLines | IdempotencyKeyReused | UnknownChild | UnknownActivity | UnknownFamily,
    strawberry.union("SubmitResult"),
]
CancelResult = Annotated[Booking | UnknownBooking | TooLateToCancel, strawberry.union("CancelResult")]
