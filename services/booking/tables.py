"""The rows of booking.

Three ideas carry the rest. The tables are the queue: a request whose `served_at` is empty waits for the allocator. `seq` is the
order of arrival: it comes from a counter that stays locked until the commit, so that what is seen first was first. And a
rank is never stored: it is the order by `position` of those who wait, so it cannot have holes.
"""

import datetime as dt
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    BindParameter,
    CheckConstraint,
    Column,
    CursorResult,
    Executable,
    ForeignKey,
    Index,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.attendance import Attendance
from services.booking.status import BookingStatus
from services.database import BIGINT, Instant, as_text, new_metadata

PARTITIONS = 16  #: Never change it: a request remembers the partition it was given.
LINES_PER_REQUEST = 1000  #: Room between the positions of two requests.


def partition_of(structure: str) -> int:
    """Which allocator's turn a structure belongs to. The same in every process and for ever."""
    return zlib.crc32(structure.encode()) % PARTITIONS


class BookingTable(SQLModel):
    metadata = new_metadata()


def core(rows: type[BookingTable]) -> Table:
    """The table itself, for statements that must not pass through the ORM."""
    table = rows.metadata.tables[str(rows.__tablename__)]
    return table


async def run(
    session: AsyncSession, statement: Executable, values: Sequence[dict[str, Any]] | dict[str, Any] | None = None
) -> CursorResult[*tuple[Any, ...]]:
    """Execute a Core statement in the session's transaction, past the ORM; with a list of `values`, once for each, in bulk."""
    connection: AsyncConnection | None = session.info.get("connection")
    if connection is None:
        connection = session.info["connection"] = await session.connection()
    return await connection.execute(statement, values)


def among(name: str) -> BindParameter[Any]:
    """A list to be given later, for column.in_(): a statement built once costs a third of one built each time."""
    return bindparam(name, expanding=True)


def filled(values: Iterable[Any]) -> list[Any]:
    """For `among`: sorted, and filled up to a power of two by repeating one, so that the database meets few different statements."""
    some = sorted(values)
    return some + some[-1:] * ((1 << max(len(some) - 1, 0).bit_length()) - len(some))


# ------------------------------------------------------------------------------------------------ what the town has set
class Activity(BookingTable, table=True):
    """What can be booked. `rules` is an ActivitySpec (activity.py) as JSON; the other columns repeat what statements need."""

    __tablename__ = "activity"

    id: str = Field(primary_key=True)
    structure: str = Field(index=True)
    wallet: str
    name: str
    scheduled: bool = False  #: Requests wait for a run instead of being answered at once.
    rules: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    version: int = 1
    #: The rules that the town's file said last.
    loaded: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


class DayOff(BookingTable, table=True):
    """All of the structure is closed. Each of its activities' rules repeat it (ActivitySpec.days_off)."""

    __tablename__ = "day_off"

    structure: str = Field(primary_key=True)
    date: dt.date = Field(primary_key=True)
    because: str | None = Field(default=None, sa_type=Text)  #: What families read.


class Opening(BookingTable, table=True):
    """One activity on one day, with its places. The row is made when a booking first touches it; absent = untouched.

    `places` and `waiting_places` are what the town offers now (null = not limited). The limits are what the counters may
    reach: the same, or what was already given when the town took places back, for nobody loses a place by that.
    """

    __tablename__ = "opening"
    __table_args__ = (
        CheckConstraint("taken >= 0 AND taken <= taken_limit", name="taken"),
        CheckConstraint("waiting >= 0 AND waiting <= waiting_limit", name="waiting"),
        Index("ix_opening_not_closed", "date", sqlite_where=text("closed_at IS NULL"), postgresql_where=text("closed_at IS NULL")),
    )

    activity: str = Field(sa_column=Column(ForeignKey("activity.id"), primary_key=True))
    date: dt.date = Field(primary_key=True)
    places: int | None
    waiting_places: int | None
    taken: int = 0
    waiting: int = 0
    taken_limit: int | None
    waiting_limit: int | None
    revision: int = 1  #: Grows with each change of the places or the counts.
    changed_at: dt.datetime = Field(sa_type=Instant)
    closed_at: dt.datetime | None = Field(default=None, sa_type=Instant)  #: Attendance is final: nothing changes that day any more.
    closings: int = Field(default=0, sa_column_kwargs={"server_default": "0"})  #: How often it was closed.
    reopened_at: dt.datetime | None = Field(default=None, sa_type=Instant)  #: When an agent last opened it again.


class Enrollment(BookingTable, table=True):
    """A child admitted to an activity, both days included, null = no bound."""

    __tablename__ = "enrollment"

    child: str = Field(primary_key=True)
    activity: str = Field(sa_column=Column(ForeignKey("activity.id"), primary_key=True, index=True))
    family: str
    structure: str
    starts_on: dt.date | None = None
    ends_on: dt.date | None = None
    version: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    #: From when until when, as the town's file said last.
    loaded: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


# ------------------------------------------------------------------------------------------- what other services told us
class StructureCopy(BookingTable, table=True):
    """Identity's structure, as last heard."""

    __tablename__ = "structure_copy"

    id: str = Field(primary_key=True)
    name: str
    timezone: str
    school_zone: str | None = None
    version: int
    #: What it says of services/retention.py.
    retention: dict[str, int] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


class FamilyCopy(BookingTable, table=True):
    """Identity's family, as last heard."""

    __tablename__ = "family_copy"

    family: str = Field(primary_key=True)
    structure: str
    version: int


class ChildCopy(BookingTable, table=True):
    """Whose child it is: the only thing that decides who may book for it."""

    __tablename__ = "child_copy"

    child: str = Field(primary_key=True)
    family: str = Field(index=True)
    structure: str
    listed_at: dt.datetime = Field(sa_type=Instant)  #: When the family last named it. What another family said before is old news.


class Standing(BookingTable, table=True):
    """Billing's word about a family's account (S21). No row: not in debt."""

    __tablename__ = "standing"

    family: str = Field(primary_key=True)
    in_debit: bool
    version: int


# ----------------------------------------------------------------------------------------------------- order and fencing
class Counter(BookingTable, table=True):
    """`request` counts the requests. Its row is locked from the first statement of an intake to the commit."""

    __tablename__ = "counter"

    name: str = Field(primary_key=True)
    value: int = Field(sa_type=BigInteger)


class Partition(BookingTable, table=True):
    """The turn to decide on the openings of a share of the structures: whoever has it holds the row until the commit."""

    __tablename__ = "partition"

    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    turn: int = Field(default=0, sa_type=BigInteger)


# --------------------------------------------------------------------------------------------------------------- requests
class Request(BookingTable, table=True):
    """A confirmed draft. Its BOOK lines are rows of `booking`, its CANCEL lines rows of `cancellation`, both with its `line`."""

    __tablename__ = "request"
    __table_args__ = (
        UniqueConstraint("family", "idempotency_key"),
        Index(
            "ix_request_unserved",
            "partition",
            "seq",
            sqlite_where=text("served_at IS NULL"),
            postgresql_where=text("served_at IS NULL"),
        ),
        Index(
            "ix_request_undecided",
            "structure",
            sqlite_where=text("decided_at IS NULL"),
            postgresql_where=text("decided_at IS NULL"),
        ),
        Index("ix_request_family_seq", "family", "seq"),
    )

    id: str = Field(primary_key=True)
    seq: int = Field(sa_type=BigInteger, unique=True)  #: Order of arrival.
    number: str  #: What a family reads and quotes.
    family: str
    structure: str
    account: str
    idempotency_key: str
    fingerprint: str  #: Of what was asked: the same key with another body is a mistake.
    accept_waiting_list: bool = True
    lines: int  #: How many.
    #: An order.ForFamily, where an agent acted for the family: `account` is the agent's then. Null: the family itself.
    agent: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    cause: str | None = None  #: An order.Cause: what else the agent did, of which this is a consequence.
    language: str
    traceparent: str | None = None  #: W3C trace context in which it came: the events of its answer carry it too.
    partition: int
    submitted_at: dt.datetime = Field(sa_type=Instant)
    served_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    #: Every line has its answer. Later than `served_at` if a line waits for a scheduled run.
    decided_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    #: It could not be served, for a mistake of ours: no run takes it up either, until it is served after all.
    set_aside_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    #: How often the family was told of it: once it was served, and after each run that decided lines of it. Not of an act without effect.
    reports: int = Field(default=0, sa_column_kwargs={"server_default": "0"})


class Booking(BookingTable, table=True):
    """One child at one opening.

    `code` says why it was refused. While it is SUBMITTED, a code is a reason already found at the intake, such as hours outside
    the bounds, which the allocator will answer with. A CANCEL line that names nothing has a booking too, with the code
    UNKNOWN_BOOKING: every movement of a request shows one.
    """

    __tablename__ = "booking"
    __table_args__ = (
        Index(
            "ix_booking_live",
            "activity",
            "date",
            "child",
            unique=True,
            sqlite_where=text("status IN ('ACCEPTED', 'WAITLISTED')"),
            postgresql_where=text("status IN ('ACCEPTED', 'WAITLISTED')"),
        ),
        Index(
            "ix_booking_line_up",
            "activity",
            "date",
            "position",
            sqlite_where=text("status = 'WAITLISTED'"),
            postgresql_where=text("status = 'WAITLISTED'"),
        ),
        Index("ix_booking_family_date", "family", "date"),
        Index("ix_booking_child_date", "child", "date"),
        Index("ix_booking_request_line", "request", "line"),
    )

    id: str = Field(primary_key=True)
    number: str
    request: str | None = None  #: Null where the town took the booking over from elsewhere.
    line: int = 0
    family: str
    child: str
    activity: str = Field(sa_column=Column(ForeignKey("activity.id"), nullable=False))
    structure: str
    date: dt.date
    arrival: str  #: "HH:MM"
    departure: str
    status: BookingStatus = Field(sa_column=Column(as_text(BookingStatus), nullable=False))
    code: str | None = None
    position: int = Field(sa_type=BigInteger)  #: seq * 1000 + line: unique, the place in every queue.
    party: int | None = Field(default=None, sa_type=BigInteger)  #: Lines with the same one are decided all or none.
    requested_at: dt.datetime = Field(sa_type=Instant)
    decided_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    version: int = 1


class Cancellation(BookingTable, table=True):
    """A CANCEL line: SUBMITTED, then CANCELLED, or REFUSED with a code."""

    __tablename__ = "cancellation"

    request: str = Field(primary_key=True)
    line: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    booking: str = Field(index=True)
    status: BookingStatus = Field(sa_column=Column(as_text(BookingStatus), nullable=False))
    code: str | None = None


# ------------------------------------------------------------------------------------------------------------------ attendance
class Presence(BookingTable, table=True):
    """What is known of one child at one opening: what an agent recorded, or what the town's rule made of nothing.

    `booking` is set while the day is closed, where the child had one: until then the bookings may still change.
    """

    __tablename__ = "presence"

    activity: str = Field(sa_column=Column(ForeignKey("activity.id"), primary_key=True))
    date: dt.date = Field(primary_key=True)
    child: str = Field(primary_key=True)
    family: str
    booking: str | None = None
    attendance: Attendance = Field(sa_column=Column(as_text(Attendance), nullable=False))
    arrival: str | None = None  #: "HH:MM", as it really was.
    departure: str | None = None
    note: str | None = Field(default=None, sa_type=Text)
    recorded_by: str | None = None  #: The agent's account. Null: presumed when the day was closed.
    recorded_at: dt.datetime = Field(sa_type=Instant)


# --------------------------------------------------------------------------------------------------------- scheduled runs
class Criterion(BookingTable, table=True):
    """What the town calls a criterion of its own, for rankings by points (S35). Those of ranking.py have no row."""

    __tablename__ = "criterion"

    structure: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    name: str


class FamilyCriterion(BookingTable, table=True):
    """The town says that this criterion is true of this family. No row: it is not."""

    __tablename__ = "family_criterion"

    family: str = Field(primary_key=True)
    criterion: str = Field(primary_key=True)
    structure: str


class Residence(BookingTable, table=True):
    """Whether the family lives in the town, as it was last told. No row: nobody said anything of it, which is not the same as no."""

    __tablename__ = "residence"

    family: str = Field(primary_key=True)
    structure: str = Field(index=True)
    resident: bool
    version: int
    #: The family's criteria that the town's file said last.
    loaded: list[str] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


class AllocationRun(BookingTable, table=True):
    """A run of a scheduled activity. The one that is next has its row already: its seed was drawn before anybody asked."""

    __tablename__ = "allocation_run"
    __table_args__ = (UniqueConstraint("activity", "number"), UniqueConstraint("activity", "account", "idempotency_key"))

    id: str = Field(primary_key=True)  #: "<activity>/<number>": part of every lot, so it is known beforehand.
    activity: str
    structure: str
    number: int  #: 1, 2, 3...
    seed: str  #: Nobody's business until `ran_at`.
    commitment: str
    drawn_at: dt.datetime = Field(sa_type=Instant)
    counts_from: dt.datetime = Field(sa_type=Instant)  #: An hour set before this is not made up for.
    due_at: dt.datetime | None = Field(default=None, sa_type=Instant)  #: Whoever had asked before then was in it.
    through: int | None = Field(default=None, sa_type=BigInteger)  #: And had a position up to this one.
    ran_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    account: str | None = None  #: The agent who asked for it; null: its hour had come.
    idempotency_key: str | None = None  #: Chosen by that agent's client, if it chose one: the same one is the same run.
    policy: str | None = None
    points: dict[str, int] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    accepted: int = 0  #: Lines.
    waitlisted: int = 0
    refused: int = 0


class AllocationInput(BookingTable, table=True):
    """All that a run saw (allocation_run.Inputs), so that anybody can decide it again."""

    __tablename__ = "allocation_input"

    run: str = Field(sa_column=Column(ForeignKey("allocation_run.id"), primary_key=True))
    digest: str  #: SHA-256 of the document.
    document: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class AllocationDecision(BookingTable, table=True):
    """How a run answered a line, with its reasons."""

    __tablename__ = "allocation_decision"
    __table_args__ = (Index("ix_allocation_decision_run_place_order", "run", "place_order"),)

    booking: str = Field(primary_key=True)
    run: str = Field(sa_column=Column(ForeignKey("allocation_run.id"), nullable=False))
    place_order: int
    family: str
    child: str
    activity: str
    date: dt.date
    outcome: str  #: ACCEPTED, WAITLISTED or REFUSED.
    code: str | None = None
    rank: int | None = None
    of: int | None = None
    points: int | None = None
    criteria: list[Any] = Field(sa_column=Column(JSON, nullable=False))  #: [criterion, points] of those that held.
    draw: str | None = None
    grouped: bool = False
    position: int = Field(sa_type=BigInteger)
    version: int  #: The booking's, after the decision.


# ------------------------------------------------------------------------------------------------------------- the audit trail
class Act(BookingTable, table=True):
    """One thing that an agent did. Rows are only ever added: the database refuses to change or delete one (audit.py).

    But for its words, which go with its family.
    """

    __tablename__ = "act"
    __table_args__ = (
        Index("ix_act_structure_position", "structure", "position"),
        Index("ix_act_booking", "booking"),
        Index("ix_act_family_position", "family", "position"),
    )

    position: int | None = Field(default=None, sa_column=Column(BIGINT, primary_key=True, autoincrement=True))
    structure: str
    account: str  #: The agent's.
    at: dt.datetime = Field(sa_type=Instant)
    kind: str  #: UPPER_SNAKE of what was asked, such as CHANGE_ACTIVITY.
    activity: str | None = None
    date: dt.date | None = None
    family: str | None = None
    child: str | None = None
    booking: str | None = None
    reason: str | None = Field(default=None, sa_type=Text)
    before: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    after: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    seal: str  #: SHA-256 of this row and of the structure's seal before it: a chain that shows a missing or changed link.
    emptied: str | None = None  #: The seal that counts since its words were taken out.


class Erasing(BookingTable, table=True):
    """We said what stands in the way of erasing a family: until that is decided no places are given to it."""

    family: str = Field(primary_key=True)
    erasure: str = Field(primary_key=True)


# ------------------------------------------------------------------------------------------------------------------ links
class CalendarFeed(BookingTable, table=True):
    """The secret link to a child's calendar: one for each child, of which only the hash is kept."""

    __tablename__ = "calendar_feed"

    child: str = Field(primary_key=True)
    family: str  #: Whose the child was when the link was made: in another family it opens nothing any more.
    secret_hash: str = Field(unique=True)
    title: str | None = None  #: As the family calls the calendar.
    language: str  #: Of whoever made it: the programs that fetch it rarely say theirs.
    created_at: dt.datetime = Field(sa_type=Instant)


class LinkKey(BookingTable, table=True):
    """What the links to files are sealed with (services/links.py). One row, made by the migration."""

    __tablename__ = "link_key"

    name: str = Field(primary_key=True)
    key: str
