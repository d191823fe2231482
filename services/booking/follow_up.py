"""What a family follows: whether it may book (S21), its bookings (S35), its requests and their answers (S34)."""

import base64
import binascii
import datetime as dt
from typing import Annotated, Self

import strawberry
from strawberry import ID, Private

from services.booking import queries
from services.booking.draft import DraftChange
from services.booking.queries import MovementRow, Wanted
from services.booking.refusals import refusal
from services.booking.status import BookingStatus
from services.booking.tables import Request as RequestRow
from services.booking.texts import say
from services.booking.types import Booking, reading_of
from services.graphql import Info, Refusal
from services.refusal import CodedError, Forbidden

MOST_PER_PAGE = 500


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

    @classmethod
    def of(cls, row: RequestRow) -> Self:
        return cls(row=row, id=ID(row.id), number=row.number, submitted_at=row.submitted_at, decided=row.decided_at is not None)

    @classmethod
    async def resolve_reference(cls, info: Info, id: ID) -> Self | None:
        row = await reading_of(info.context).request(str(id))
        return None if row is None else cls.of(row)

    @strawberry.field
    async def movements(self, info: Info) -> list[Movement]:
        """In the lines' order."""
        rows = await reading_of(info.context).movements(self.row.id)
        return [_movement(row, info.context.language) for row in rows]


def _movement(row: MovementRow, language: str) -> Movement:
    return Movement(
        change=DraftChange.CANCEL if row.cancels else DraftChange.BOOK,
        booking=Booking.of(row.booking),
        refusal=None if row.code is None else refusal(row.code, language),
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

    @classmethod
    def resolve_reference(cls, id: ID) -> Self:
        return cls(id=id)

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
        size, cursor = _size(first, 50, info), _date_and_position(after, info)
        async with info.context.database.reading() as session:
            rows = await queries.bookings_page(session, wanted, cursor, size + 1)
        page = rows[:size]
        return BookingConnection(
            wanted=wanted,
            nodes=[Booking.of(row) for row in page],
            end_cursor=_cursor(page[-1].date.isoformat(), page[-1].position) if page else None,
            has_next_page=len(rows) > size,
        )

    @strawberry.field
    async def requests(self, info: Info, first: int | None = 10, after: str | None = None) -> RequestConnection:
        """Newest first."""
        family = await self.mine(info)
        size, cursor = _size(first, 10, info), _seq(after, info)
        async with info.context.database.reading() as session:
            rows = await queries.requests_page(session, family, cursor, size + 1)
        page = rows[:size]
        return RequestConnection(
            family=family,
            nodes=[Request.of(row) for row in page],
            end_cursor=_cursor(page[-1].seq) if page else None,
            has_next_page=len(rows) > size,
        )


# ------------------------------------------------------------------------------------------------------------- cursors
def _malformed(info: Info) -> CodedError:
    return CodedError("BAD_USER_INPUT", say("BAD_USER_INPUT", info.context.language))


def _size(first: int | None, usual: int, info: Info) -> int:
    size = usual if first is None else first
    if not 0 <= size <= MOST_PER_PAGE:
        raise _malformed(info)
    return size


def _cursor(*key: object) -> str:
    return base64.urlsafe_b64encode("|".join(map(str, key)).encode()).decode()


def _read(cursor: str) -> list[str]:
    """Raises ValueError."""
    try:
        return base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode().split("|")
    except binascii.Error as error:
        raise ValueError(cursor) from error


def _number(text: str) -> int:
    """Raises ValueError, also for what no column of ours can hold."""
    if len(text) > 18:
        raise ValueError(text)
    return int(text)


def _date_and_position(cursor: str | None, info: Info) -> tuple[dt.date, int] | None:
    if cursor is None:
        return None
    try:
        date, position = _read(cursor)
        return dt.date.fromisoformat(date), _number(position)
    except ValueError:
        raise _malformed(info) from None


def _seq(cursor: str | None, info: Info) -> int | None:
    if cursor is None:
        return None
    try:
        (seq,) = _read(cursor)
        return _number(seq)
    except ValueError:
        raise _malformed(info) from None
