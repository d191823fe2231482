"""What agents of a structure can ask and do. Whatever is not of a structure of theirs is Forbidden, whether it exists or not."""

import asyncio
import datetime as dt
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any

import strawberry
from sqlmodel.ext.asyncio.session import AsyncSession
from strawberry import ID, UNSET

from services.booking import audit, office, queries
from services.booking.activity import ActivitySpec, ChosenHours, Scheduled
from services.booking.agent_types import (
    Act,
    ActConnection,
    ActivityInput,
    BookForFamilyInput,
    BookForFamilyResult,
    CancelForFamilyInput,
    ChangeActivityInput,
    ChangeActivityResult,
    CreateActivityInput,
    CreateActivityResult,
    EndEnrollmentInput,
    EnrollChildInput,
    EnrollChildResult,
    EnrolledChild,
    EnrolledChildConnection,
    MoveBookingInput,
    MoveBookingResult,
    Opening,
    SetOpeningInput,
    SetOpeningResult,
)
from services.booking.audit import ActRow, reason_of
from services.booking.desk import Receipt
from services.booking.draft import DraftChange
from services.booking.follow_up import Request
from services.booking.lines import Enrolled
from services.booking.observing import observed
from services.booking.office import Agent, Cancelling, DayChange, Kept
from services.booking.order import MOST_LINES, ForFamily, Line, Order
from services.booking.queries import Booked
from services.booking.refusals import refusal_of
from services.booking.rulebook import RuleBook
from services.booking.soundness import Flaw
from services.booking.texts import malformed
from services.booking.types import Activity, Booking, Child, Enrollment, answers_of, reading_of
from services.graphql import Context, Info
from services.idempotency import key_of
from services.paging import cursor_of, place_in, position_of, size_of, stays
from services.refusal import Forbidden, Refused
from services.viewing import Whose

POSSIBLE_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
MOST_OPENINGS = 400  #: Days.
FIRST_OF_ALL = cursor_of("", "")  #: The cursor of what comes before all enrolled children.


# --------------------------------------------------------------------------------------------------------- who may do what
def _acts_for(info: Info, structure: str | None) -> str:
    """Raises Unauthenticated or Forbidden."""
    if structure is None or structure not in info.context.signed_in().agent_of:
        raise Forbidden
    return structure


async def _activity(info: Info, activity: str) -> ActivitySpec:
    """Of a structure whose agent the caller is. Raises Forbidden."""
    rules = await reading_of(info.context).rules(activity)
    _acts_for(info, None if rules is None else rules.spec.structure)
    assert rules is not None, "or it would be forbidden"
    return rules.spec


async def _family(info: Info, family: str) -> str:
    """Its structure, if the caller is an agent there. Raises Forbidden."""
    return _acts_for(info, await reading_of(info.context).structure_of(family))


def _agent(info: Info, structure: str, reason: str | None, *, needs_reason: bool = False) -> Agent:
    """Raises Refused REASON_REQUIRED, where there must be one, or it is none."""
    said = reason_of(reason, needed=needs_reason)
    return Agent(info.context.signed_in().account, structure, said, info.context.language)


async def _done(info: Info, structure: str, work: Callable[[AsyncSession], Awaitable[Cancelling]]) -> None:
    """In one transaction; what it cancels is answered when this returns, or soon after."""
    context = info.context
    async with context.database.transaction() as session:
        requests = await work(session)
    context.running.outbox_written()
    if requests:
        await context.running.resources["desk"].answered(structure, requests)
    context.loaders.clear()


async def _ordered(info: Info, structure: str, order: Order) -> str:
    """The request's id, once it is answered, or after a while as it stands. Raises Refused."""
    context = info.context
    receipt: Receipt = await context.running.resources["desk"].take(context.signed_in().account, structure, order)
    answer = receipt.answer or await answers_of(context).to(receipt.request)
    context.loaders.clear()
    reading_of(context).know(answer)
    return receipt.request


def _key(info: Info, key: str) -> str:
    """The agent's own: it never meets a key that the family, or another agent, has chosen."""
    return f"{info.context.signed_in().account}/{key_of(key)}"


# ------------------------------------------------------------------------------------------------------------------ queries
@strawberry.type
class AgentQueries:
    @strawberry.field
    async def activities(self, info: Info, structure: ID) -> list[Activity]:
        """All of the structure's, by name, for its agents."""
        of = _acts_for(info, str(structure))
        async with info.context.database.reading() as session:
            ids = await queries.activities_of(session, of)
        reading = reading_of(info.context)
        found = await asyncio.gather(*map(reading.rules, ids))
        return [Activity.of(rules.spec, info.context.language) for rules in found if rules is not None]

    @strawberry.field
    async def openings(
        self, info: Info, activity: ID, from_: Annotated[dt.date, strawberry.argument(name="from")], to: dt.date
    ) -> list[Opening]:
        """An activity's days, from the first to the last, for its agents."""
        spec = await _activity(info, str(activity))
        if not 0 <= (to - from_).days < MOST_OPENINGS:
            raise malformed("PERIOD_NOT_POSSIBLE", info.context.language, most=MOST_OPENINGS)
        return await _openings(info.context, spec, [from_ + dt.timedelta(days=n) for n in range((to - from_).days + 1)])

    @strawberry.field
    async def enrolled_children(
        self, info: Info, activity: ID, since: dt.date | None = None, first: int | None = 50, after: str | None = None
    ) -> EnrolledChildConnection:
        """Who is, was or will be admitted to an activity, for its agents: by family, since identity has the names.

        `since`: only those who are admitted on that day, or later.
        """
        spec, size, place = await _activity(info, str(activity)), size_of(first), place_in(after, str, str)
        async with info.context.database.reading() as session:
            rows = await queries.enrolled_in(session, spec.id, since, place, size + 1)
        page = rows[:size]
        reading_of(info.context).saw("BOOKINGS", page)
        return EnrolledChildConnection(
            nodes=[EnrolledChild.of(row) for row in page],
            end_cursor=cursor_of(page[-1].family, page[-1].child) if page else stays(rows, after, FIRST_OF_ALL),
            has_next_page=len(rows) > size,
        )

    @strawberry.field
    async def acts(
        self,
        info: Info,
        structure: ID,
        account: ID | None = None,
        kind: str | None = None,
        activity: ID | None = None,
        date: dt.date | None = None,
        family: ID | None = None,
        child: ID | None = None,
        booking: ID | None = None,
        first: int | None = 50,
        after: str | None = None,
    ) -> ActConnection:
        """What agents of the structure did, the newest first: the audit trail, for agents."""
        of = _acts_for(info, str(structure))
        who = {"structure": of, "account": account, "kind": kind}
        wanted = {**who, "activity": activity, "date": date, "family": family, "child": child, "booking": booking}
        size, cursor = size_of(first), position_of(after)
        async with info.context.database.reading() as session:
            rows = await audit.page(session, ActRow, wanted, cursor, size + 1)
        page = rows[:size]
        reading_of(info.context).saw("ACTS", (Whose(of, row.family, row.child or "") for row in page if row.family))
        return ActConnection(
            nodes=[Act.of(row, of) for row in page],
            end_cursor=cursor_of(page[-1].position) if page else stays(rows, after),
            has_next_page=len(rows) > size,
        )


async def _openings(context: Context, spec: ActivitySpec, days: Sequence[dt.date]) -> list[Opening]:
    book: RuleBook = context.running.resources["rules"]
    async with context.database.reading() as session:
        rules = (await book.of(session, [spec.id]))[spec.id]
        (now,) = (await queries.openings(session, [(spec.id, (days[0], days[-1]))])).values()
    return [Opening.of(rules.spec, rules.on(day), now.get(day)) for day in days]


# ---------------------------------------------------------------------------------------------------------------- mutations
@strawberry.type
class AgentMutations:
    @strawberry.mutation
    async def create_activity(self, info: Info, input: CreateActivityInput) -> CreateActivityResult:
        """Its id is `<structure>.<code>`. It costs what `pricedLike` costs, until it has a tariff of its own."""
        structure = _acts_for(info, str(input.structure))
        id_ = f"{structure}.{input.code}"

        async def work(session: AsyncSession) -> Cancelling:
            if not POSSIBLE_CODE.fullmatch(input.code):
                raise Flaw("CODE_NOT_POSSIBLE", "code", {"given": input.code}).refused()
            spec = input.settings.spec(id_, structure)
            agent = _agent(info, structure, input.reason)
            await office.create_activity(session, info.context.clock, agent, spec, str(input.priced_like))
            return []

        answer: CreateActivityResult = await _described(info, structure, id_, work)
        return answer

    @strawberry.mutation
    async def change_activity(self, info: Info, input: ChangeActivityInput) -> ChangeActivityResult:
        """All its settings, as they shall be. More places are given at once to those who wait; fewer take none from anybody."""
        activity = str(input.activity)
        structure = (await _activity(info, activity)).structure

        async def work(session: AsyncSession) -> Cancelling:
            spec = input.settings.spec(activity, structure)
            agent = _agent(info, structure, input.reason, needs_reason=input.cancel_bookings)
            cancels = input.cancel_bookings
            kept = _kept(input.settings)
            return await office.change_activity(session, info.context.clock, agent, spec, input.version, kept, cancel_bookings=cancels)

        answer: ChangeActivityResult = await _described(info, structure, activity, work)
        return answer

    @strawberry.mutation
    async def set_opening(self, info: Info, input: SetOpeningInput) -> SetOpeningResult:
        """Open or close one day, or give it other places. Bookings of a day that is closed stay, unless they are to be cancelled:
        `standing` and `notice` say so."""
        activity = str(input.activity)
        structure = (await _activity(info, activity)).structure
        change = DayChange(
            date=input.date,
            open=input.open,
            usual_places=input.usual_places,
            places=() if input.capacity is UNSET else (input.capacity,),
            waiting_places=() if input.waiting_list is UNSET else (input.waiting_list,),
            cancel_bookings=input.cancel_bookings,
        )

        async def work(session: AsyncSession) -> Cancelling:
            agent = _agent(info, structure, input.reason, needs_reason=input.cancel_bookings)
            wanted = replace(change, because=agent.reason)
            return await office.set_opening(session, info.context.clock, agent, activity, wanted)

        try:
            await _done(info, structure, work)
        except Refused as no:
            refused: SetOpeningResult = refusal_of(no, info.context.language)
            return refused
        (opening,) = await _openings(info.context, await _activity(info, activity), [input.date])
        return opening

    @strawberry.mutation
    async def enroll_child(self, info: Info, input: EnrollChildInput) -> EnrollChildResult:
        """Admit a child to an activity, or change for how long."""
        period = Enrolled(input.from_, input.until)

        async def work(session: AsyncSession, agent: Agent) -> Cancelling:
            known = str(input.child), str(input.activity), period
            return await office.enroll(session, info.context.clock, agent, *known, cancel_bookings=input.cancel_bookings)

        return await _enrollment(info, input, work)

    @strawberry.mutation
    async def end_enrollment(self, info: Info, input: EndEnrollmentInput) -> EnrollChildResult:
        """After the last day the child is admitted no more."""

        async def work(session: AsyncSession, agent: Agent) -> Cancelling:
            known = str(input.child), str(input.activity), input.last_day
            return await office.end_enrollment(session, info.context.clock, agent, *known, cancel_bookings=input.cancel_bookings)

        return await _enrollment(info, input, work)

    @strawberry.mutation
    async def book_for_family(self, info: Info, input: BookForFamilyInput) -> BookForFamilyResult:
        """As the family would, but that deadlines or a debt need not stand in the way. Nobody who waits is overtaken."""
        structure, key = await _family(info, str(input.family)), _key(info, input.idempotency_key)
        try:
            said = ForFamily(_reason(info, structure, input.reason), input.past_deadlines, input.despite_debt)
            order = Order(
                family=str(input.family),
                idempotency_key=key,
                lines=[
                    Line(DraftChange.BOOK, str(one.child), str(one.activity), one.date, one.arrival, one.departure)
                    for one in input.bookings
                ],
                accept_waiting_list=input.accept_waiting_list,
                together=input.together,
                language=info.context.language,
                agent=said,
            )
            request = await _ordered(info, structure, order)
        except Refused as no:
            refused: BookForFamilyResult = refusal_of(_to_an_agent(no), info.context.language)
            return refused
        return await _request(info, request)

    @strawberry.mutation
    async def cancel_for_family(self, info: Info, input: CancelForFamilyInput) -> BookForFamilyResult:
        """Bookings or waiting places of one family."""
        structure, key = await _family(info, str(input.family)), _key(info, input.idempotency_key)
        try:
            said = ForFamily(_reason(info, structure, input.reason), input.past_deadlines)
            lines = await _cancellations(info, str(input.family), [str(one) for one in input.bookings])
            order = Order(str(input.family), key, lines, language=info.context.language, agent=said)
            request = await _ordered(info, structure, order)
        except Refused as no:
            refused: BookForFamilyResult = refusal_of(no, info.context.language)
            return refused
        return await _request(info, request)

    @strawberry.mutation
    async def move_booking(self, info: Info, input: MoveBookingInput) -> MoveBookingResult:
        """To another day, activity or hours: to a place, never to a line. Where that cannot be, nothing changes.

        Returns the booking that the child has now. With other hours at the same opening it keeps its place. Of chosen hours, what is
        not said stays as it is booked, in the same activity.
        """
        row = await reading_of(info.context).booking(str(input.booking))
        structure, key = _acts_for(info, None if row is None else row.structure), _key(info, input.idempotency_key)
        assert row is not None, "or it would be forbidden"
        try:
            said = ForFamily(_reason(info, structure, input.reason), input.past_deadlines, input.despite_debt, moves=True)
            activity = str(input.activity or row.activity)
            await _is_immediate(info, activity)
            hours = await _hours(info, row, activity, input)
            lines = [_cancellation(row), Line(DraftChange.BOOK, row.child, activity, input.date, *hours)]
            order = Order(row.family, key, lines, accept_waiting_list=False, language=info.context.language, agent=said)
            return await _moved(info, await _ordered(info, structure, order))
        except Refused as no:
            refused: MoveBookingResult = refusal_of(_to_an_agent(no), info.context.language)
            return refused


def _to_an_agent(no: Refused) -> Refused:
    """The same no: a debt is not that of whoever reads it here."""
    return Refused(no.code, text="FAMILY_IN_DEBIT") if no.code == "ACCOUNT_IN_DEBIT" else no


def _kept(settings: ActivityInput) -> Kept:
    return Kept(points=settings.allocation is None or settings.allocation.points is None, attendance=settings.attendance is None)


def _reason(info: Info, structure: str, reason: str) -> str:
    return _agent(info, structure, reason, needs_reason=True).reason or ""


async def _described(info: Info, structure: str, activity: str, work: Callable[[AsyncSession], Awaitable[Cancelling]]) -> Any:
    """The activity as it is after this work, or why nothing was done."""
    try:
        await _done(info, structure, work)
    except Refused as no:
        return refusal_of(no, info.context.language)
    return Activity.of(await _activity(info, activity), info.context.language)


async def _enrollment(
    info: Info, input: EnrollChildInput | EndEnrollmentInput, work: Callable[[AsyncSession, Agent], Awaitable[Cancelling]]
) -> EnrollChildResult:
    spec = await _activity(info, str(input.activity))

    async def in_office(session: AsyncSession) -> Cancelling:
        return await work(session, _agent(info, spec.structure, input.reason, needs_reason=input.cancel_bookings))

    try:
        await _done(info, spec.structure, in_office)
    except Refused as no:
        refused: EnrollChildResult = refusal_of(no, info.context.language)
        return refused
    period = (await reading_of(info.context).enrolled(str(input.child)))[spec.id]
    return Enrollment(spec=spec, child=Child(id=input.child), from_=period.starts_on, until=period.ends_on)


async def _request(info: Info, request: str) -> Request:
    row = await reading_of(info.context).request(request)
    assert row is not None, "an agent sees the requests of the structure"
    return Request.of(row)


async def _cancellations(info: Info, family: str, bookings: Sequence[str]) -> list[Line]:
    """One of each: what is named twice is given back once. Raises Refused."""
    if len(bookings) > MOST_LINES:
        raise Refused("TOO_MANY_LINES", limit=MOST_LINES)
    rows = await asyncio.gather(*map(reading_of(info.context).booking, dict.fromkeys(bookings)))
    lines = [_cancellation(row) for row in rows if row is not None and row.family == family]
    if len(lines) < len(rows):
        raise Refused("UNKNOWN_BOOKING")
    return lines


def _cancellation(row: Booked) -> Line:
    return Line(DraftChange.CANCEL, row.child, row.activity, row.date, row.arrival, row.departure, row.id)


async def _hours(info: Info, row: Booked, activity: str, input: MoveBookingInput) -> tuple[str | None, str | None]:
    """Arrival and departure of a booking that is moved."""
    rules = await reading_of(info.context).rules(activity)
    if activity != row.activity or rules is None or not isinstance(rules.spec.hours, ChosenHours):
        return input.arrival, input.departure
    return input.arrival or row.arrival, input.departure or row.departure


async def _is_immediate(info: Info, activity: str) -> None:
    """What does not exist is refused with the rest of the order."""
    rules = await reading_of(info.context).rules(activity)
    if rules is not None and isinstance(rules.spec.allocation, Scheduled):
        raise Refused("ALLOCATED_BY_RUN")


async def _moved(info: Info, request: str) -> Booking:
    """Raises Refused: the first half of the move that could not be says why."""
    movements = await reading_of(info.context).movements(request)
    codes = [row.code for row in movements if row.code is not None]
    wanted = movements[-1].booking
    if codes:
        code = next((code for code in codes if code != "NOT_MOVED"), "NOT_MOVED")
        place = wanted.child, wanted.activity, wanted.date
        raise Refused(code, words=await observed(reading_of(info.context), code, *place, info.context.language))
    return Booking.of(wanted)
