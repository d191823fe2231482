"""Booking's subgraph: what families can ask and do. Resolvers translate; drafting.py and the desk decide."""

import asyncio
import datetime as dt

import strawberry
from strawberry import ID

from services.booking import drafting
from services.booking.activity_types import Weekday
from services.booking.agents import AgentMutations, AgentQueries
from services.booking.dead_letter_fields import DeadLetterMutations, DeadLetterQueries
from services.booking.draft import Outcome, ToggleScope
from services.booking.draft_types import (
    BookingLine,
    BookingLineInput,
    CancelResult,
    CopyInput,
    CopyPlan,
    CopyResult,
    Preview,
    PreviewLine,
    PreviewResult,
    SkippedDay,
    SubmitInput,
    SubmitResult,
    Toggled,
    ToggleInput,
    ToggleResult,
    lines_of,
)
from services.booking.drafting import Click, Copying
from services.booking.follow_up import Family, Request
from services.booking.linking import LinkMutations
from services.booking.live import LiveQueries, Subscription
from services.booking.order import Order
from services.booking.privacy_fields import PrivacyQueries
from services.booking.refusals import REFUSALS, refusal_of
from services.booking.roster import AttendanceMutations, RosterQueries
from services.booking.run_desk import RunMutations, RunQueries
from services.booking.texts import malformed
from services.booking.types import Activity, Booking, Child, answers_of, month_of, reading_of
from services.graphql import Info, subgraph
from services.idempotency import key_of
from services.refusal import Refused

LONGEST_COPY = dt.timedelta(days=400)


async def _skipped(info: Info, outcome: Outcome, child: str, activity: str) -> list[SkippedDay]:
    return await asyncio.gather(*(SkippedDay.of(info, skipped, child, activity) for skipped in outcome.skipped))


@strawberry.type
class Query(DeadLetterQueries, LiveQueries, RosterQueries, AgentQueries, RunQueries, PrivacyQueries):
    """Drafts live in the client: none of these has an effect."""

    @strawberry.field
    async def toggle_bookings(self, info: Info, input: ToggleInput) -> ToggleResult:
        """The draft after one click (S27-S30)."""
        if input.day is None and input.scope is not ToggleScope.MONTH:
            raise malformed("DAY_MISSING", info.context.language)
        context = info.context
        first, _ = month_of(input.month)
        click = Click(input.scope, input.child, input.activity, first, input.day, input.arrival, input.departure)
        try:
            outcome = await drafting.toggle(reading_of(context), click, lines_of(input.draft), context.now)
        except Refused as no:
            refused: ToggleResult = refusal_of(no, context.language)
            return refused
        return Toggled(
            draft=[BookingLine.of(line) for line in outcome.draft],
            skipped=await _skipped(info, outcome, click.child, click.activity),
        )

    @strawberry.field
    async def copy_bookings(self, info: Info, input: CopyInput) -> CopyResult:
        """What can be copied, and why the rest cannot (S31)."""
        if not dt.timedelta() <= input.to - input.from_ <= LONGEST_COPY:
            raise malformed("PERIOD_NOT_POSSIBLE", info.context.language, most=LONGEST_COPY.days + 1)
        context = info.context
        copying = Copying(
            from_child=input.from_child,
            from_activity=input.from_activity,
            to_child=input.to_child,
            to_activity=input.to_activity,
            first=input.from_,
            last=input.to,
            arrival=input.arrival,
            departure=input.departure,
            include_booked=input.include_booked,
        )
        try:
            outcome = await drafting.copy(reading_of(context), copying, lines_of(input.draft), context.now)
        except Refused as no:
            refused: CopyResult = refusal_of(no, context.language)
            return refused
        return CopyPlan(
            draft=[BookingLine.of(line) for line in outcome.draft],
            skipped=await _skipped(info, outcome, copying.to_child, copying.to_activity),
        )

    @strawberry.field
    async def preview_bookings(
        self,
        info: Info,
        family: ID,
        lines: list[BookingLineInput],
        accept_waiting_list: bool = True,
        together: list[list[int]] | None = None,
    ) -> PreviewResult:
        """The recap of a draft (S33), with the same `together` and `acceptWaitingList` as it will be sent with."""
        context = info.context
        order = Order(str(family), "", lines_of(lines), accept_waiting_list, together or (), context.language)
        try:
            answers = await drafting.preview(reading_of(context), order, context.now)
        except Refused as no:
            refused: PreviewResult = refusal_of(no, context.language)
            return refused
        return await Preview.of(info, answers)

    @strawberry.field
    async def child(self, info: Info, id: ID) -> Child | None:
        """One of the caller's. Null: no such child, or not theirs."""
        found = await reading_of(info.context).child(str(id))
        return None if found is None else Child(id=ID(found.child))

    @strawberry.field
    async def request(self, info: Info, id: ID) -> Request | None:
        """Null: no such request, or not the caller's."""
        row = await reading_of(info.context).request(id)
        return None if row is None else Request.of(row)


@strawberry.type
class Mutation(DeadLetterMutations, LinkMutations, AttendanceMutations, AgentMutations, RunMutations):
    @strawberry.mutation
    async def submit_bookings(self, info: Info, input: SubmitInput) -> SubmitResult:
        """Answers when every movement on an IMMEDIATE activity is decided, or after 5 s with what is known (SUBMITTED).

        The same key from the same family gives the same Request again, never a second one.
        """
        context = info.context
        order = Order(
            family=input.family,
            idempotency_key=key_of(input.idempotency_key),
            lines=lines_of(input.lines),
            accept_waiting_list=input.accept_waiting_list,
            together=input.together,
            language=context.language,
        )
        try:
            id_, _, answer = await context.running.resources["desk"].ask(context.signed_in(), order)
        except Refused as no:
            refused: SubmitResult = refusal_of(no, context.language)
            return refused
        answer = answer or await answers_of(context).to(id_)
        _forget(info)
        reading_of(context).know(answer)
        return Request.of(answer.request)

    @strawberry.mutation
    async def cancel_booking(self, info: Info, booking: ID) -> CancelResult:
        """One booking or waiting place, without a draft."""
        context = info.context
        try:
            await context.running.resources["desk"].cancel(context.signed_in(), booking, context.language)
        except Refused as no:
            refused: CancelResult = refusal_of(no, context.language)
            return refused
        _forget(info)
        row = await reading_of(context).booking(booking)
        assert row is not None, f"booking {booking} was cancelled but is not there"
        return Booking.of(row)


def _forget(info: Info) -> None:
    """What was read before the change."""
    info.context.loaders.clear()


schema = subgraph(Query, Mutation, Subscription, types=[Activity, Booking, Child, Family, PreviewLine, Request, Weekday, *REFUSALS])
