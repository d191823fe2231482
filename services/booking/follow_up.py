"""What a family follows: whether it may book (S21), its bookings (S35), its requests and their answers (S34)."""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self, cast

import strawberry
from strawberry import ID, Private

from services.booking import files, queries
from services.booking.draft import DraftChange
from services.booking.file_types import BookingsFileResult
from services.booking.observing import observed
from services.booking.queries import Booked, MovementRow, Wanted
from services.booking.refusals import refusal, told
from services.booking.run_types import Criterion, named, runs_of
from services.booking.status import BookingStatus
from services.booking.tables import Request as RequestRow
from services.booking.texts import say
from services.booking.types import Booking, Child, reading_of
from services.files import FileFormat, unavailable
from services.graphql import Info, Refusal
from services.paging import cursor_of, number_of, place_in, position_of, size_of, stays
from services.refusal import Forbidden

#: A link has room for so many names, and for so many letters of each.
MOST_NAMES, LONGEST_NAME = 40, 40
FIRST_BOOKING = cursor_of(dt.date.min.isoformat(), 0)  #: The cursor of what comes before all bookings.


@strawberry.type
class BookingAccess:
    """Whether the family may book (S21). Cancelling stays possible."""

    open: bool
    refusal: Refusal | None


@strawberry.type
class BookingConnection:
    wanted: Private[Wanted]
    nodes: list[Booking]
    end_cursor: str | None
    has_next_page: bool

    @strawberry.field
    async def total_count(self, info: Info) -> int:
        async with info.context.database.reading() as session:
            return await queries.bookings_count(session, self.wanted)


@strawberry.type
class Movement:
    """One line of a request with its answer."""

    change: DraftChange
    booking: Booking
    refusal: Refusal | None


@strawberry.federation.type(keys=["id"])
class Request:
    """One confirmed draft (S25)."""

    row: Private[RequestRow]
    id: ID
    number: str
    submitted_at: dt.datetime
    decided: bool = strawberry.field(description="Every movement has its answer.")
    by_agent: bool = strawberry.field(description="An agent of the structure acted for the family.")
    reason: str | None = strawberry.field(description="Why, in the agent's words.")

    @classmethod
    def of(cls, row: RequestRow) -> Self:
        return cls(
            row=row,
            id=ID(row.id),
            number=row.number,
            submitted_at=row.submitted_at,
            decided=row.decided_at is not None,
            by_agent=row.agent is not None,
            reason=row.agent["reason"] if row.agent else None,
        )

    @classmethod
    async def resolve_reference(cls, info: Info, id: ID) -> Self | None:
        row = await reading_of(info.context).request(str(id))
        return None if row is None else cls.of(row)

    @strawberry.field
    async def movements(self, info: Info) -> list[Movement]:
        """In the lines' order."""
        rows = await reading_of(info.context).movements(self.row.id)
        already = [row for row in rows if row.code == "ALREADY_BOOKED"]
        words = await asyncio.gather(*(_words(info, row.booking) for row in already))
        said = {row.line: text for row, text in zip(already, words, strict=True)}
        return [_movement(row, said.get(row.line), info.context.language) for row in rows]


async def _words(info: Info, row: Booked) -> str:
    return await observed(reading_of(info.context), "ALREADY_BOOKED", row.child, row.activity, row.date, info.context.language)


def _movement(row: MovementRow, words: str | None, language: str) -> Movement:
    return Movement(
        change=DraftChange.CANCEL if row.cancels else DraftChange.BOOK,
        booking=Booking.of(row.booking, row.rank),
        refusal=None if row.code is None else told(row.code, words or say(row.code, language)),
    )


@strawberry.type
class RequestConnection:
    family: Private[str]
    nodes: list[Request]
    end_cursor: str | None
    has_next_page: bool

    @strawberry.field
    async def total_count(self, info: Info) -> int:
        async with info.context.database.reading() as session:
            return await queries.requests_count(session, self.family)


@strawberry.federation.type(keys=["id"])
class Family:
    id: ID
    #: Identity's. They come along, by their first names, where a field requires them.
    children: list[Child] = strawberry.federation.field(default_factory=list, external=True)

    @classmethod
    def resolve_reference(cls, id: ID, children: Sequence[Mapping[str, Any]] = ()) -> Self:
        return cls(id=id, children=[Child(id=ID(str(one["id"])), first_name=str(one["firstName"])) for one in children])

    async def mine(self, info: Info) -> str:
        """Raises Forbidden: not the caller's, or no such family."""
        if await reading_of(info.context).family(str(self.id)) is None:
            raise Forbidden
        return str(self.id)

    @strawberry.field
    async def booking_access(self, info: Info) -> BookingAccess:
        """Whether the family may book (S21)."""
        in_debit = await reading_of(info.context).in_debit(await self.mine(info))
        return BookingAccess(open=not in_debit, refusal=refusal("ACCOUNT_IN_DEBIT", info.context.language) if in_debit else None)

    @strawberry.field
    async def criteria(self, info: Info) -> list[Criterion]:
        """What the town says is true of the family, for rankings by points."""
        structure = await reading_of(info.context).family(str(self.id))
        if structure is None:
            raise Forbidden
        told = await runs_of(info.context).family_criteria.load(str(self.id))
        return await named(info, structure, told)

    @strawberry.field
    async def bookings(
        self,
        info: Info,
        from_: Annotated[dt.date | None, strawberry.argument(name="from")] = None,
        to: dt.date | None = None,
        child: ID | None = None,
        activity: ID | None = None,
        status: list[BookingStatus] | None = None,
        first: int | None = 50,
        after: str | None = None,
    ) -> BookingConnection:
        """By date, then in order of request (S35)."""
        wanted = Wanted(await self.mine(info), from_, to, child, activity, None if status is None else frozenset(status))
        size, cursor = size_of(first), place_in(after, dt.date.fromisoformat, number_of)
        async with info.context.database.reading() as session:
            rows = await queries.bookings_page(session, wanted, cursor, size + 1)
        page = rows[:size]
        reading_of(info.context).saw("BOOKINGS", page)
        return BookingConnection(
            wanted=wanted,
            nodes=[Booking.of(row) for row in page],
            end_cursor=cursor_of(page[-1].date.isoformat(), page[-1].position) if page else stays(rows, after, FIRST_BOOKING),
            has_next_page=len(rows) > size,
        )

    @strawberry.federation.field(requires=["children { id firstName }"])  # type: ignore[untyped-decorator]  # it has no types for it
    async def bookings_file(
        self,
        info: Info,
        format: FileFormat,
        from_: Annotated[dt.date | None, strawberry.argument(name="from")] = None,
        to: dt.date | None = None,
        child: ID | None = None,
        activity: ID | None = None,
        status: list[BookingStatus] | None = None,
    ) -> BookingsFileResult:
        """The same as a file for spreadsheets or for paper, by a link that lasts some minutes; in the language of this question."""
        context = info.context
        wanted = Wanted(await self.mine(info), from_, to, child, activity, None if status is None else frozenset(status))
        if no := unavailable(format, context.language):
            return no
        if code := await _foreign(info, wanted):
            return cast(BookingsFileResult, refusal(code, context.language))
        async with context.database.reading() as session:
            if await queries.bookings_count(session, wanted) > (limit := files.most_rows(format)):
                return cast(BookingsFileResult, refusal("TOO_MANY_ROWS", context.language, limit=limit))
            if context.signed_in().agent_of:
                reading_of(context).saw("FILE", await queries.children_in(session, wanted))
        names = {str(one.id): one.first_name[:LONGEST_NAME] for one in self.children[:MOST_NAMES]}
        return await files.link_to(context.running, wanted, format, context.language, names)

    @strawberry.field
    async def requests(self, info: Info, first: int | None = 10, after: str | None = None) -> RequestConnection:
        """Newest first."""
        family = await self.mine(info)
        size, cursor = size_of(first, usual=10), position_of(after)
        async with info.context.database.reading() as session:
            rows = await queries.requests_page(session, family, cursor, size + 1)
        page = rows[:size]
        return RequestConnection(
            family=family,
            nodes=[Request.of(row) for row in page],
            end_cursor=cursor_of(page[-1].seq) if page else stays(rows, after),
            has_next_page=len(rows) > size,
        )


async def _foreign(info: Info, wanted: Wanted) -> str | None:
    """The code, if it is about a child or an activity that the caller does not know: no link should repeat what anybody sends."""
    reading = reading_of(info.context)
    if wanted.child is not None and await reading.child(wanted.child) is None:
        return "UNKNOWN_CHILD"
    return "UNKNOWN_ACTIVITY" if wanted.activity is not None and await reading.rules(wanted.activity) is None else None
