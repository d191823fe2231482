"""What families may follow live: a child's month, and a request until it is decided. services/graphql.py says how it is served."""

from collections.abc import AsyncGenerator

import strawberry
from strawberry import ID

from services import topics
from services.booking.follow_up import Request
from services.booking.tables import Request as RequestRow
from services.booking.types import Calendar, calendar_of, child_of, reading_of, selected_of
from services.graphql import Info, Watch, YearMonth, hidden, told_at_the_gateway
from services.refusal import Forbidden


async def _request_of(info: Info, request: str) -> RequestRow:
    """Raises Forbidden: not the caller's, or no such request."""
    row = await reading_of(info.context).request(str(request))
    if row is None:
        raise Forbidden
    return row


@strawberry.type
class LiveQueries:
    """For the gateway, hidden from clients."""

    @hidden
    async def calendar_changed(self, info: Info, child: ID, month: YearMonth, activity: ID | None = None) -> Calendar:
        """As it is now."""
        return await calendar_of(info, str(child), month, activity)

    @hidden
    async def calendar_changed_watch(self, info: Info, child: ID, month: YearMonth, activity: ID | None = None) -> Watch:
        """The child's own bookings and enrollments, and the places and rules of each activity that the calendar shows."""
        its = await child_of(info, child)
        selected = await selected_of(info, its, activity)
        shown = [selected.spec.id] if selected else await reading_of(info.context).enrolled(its.child)
        places = [name for each in shown for name in (topics.openings(each, month), topics.activity(each))]
        return Watch.of(info.context, its.structure, [topics.child(its.child, month), topics.enrollments(its.child), *places])

    @hidden
    async def request_decided(self, info: Info, request: ID) -> Request:
        """As it is now, decided or not."""
        return Request.of(await _request_of(info, request))

    @hidden
    async def request_decided_watch(self, info: Info, request: ID) -> Watch:
        """Told once, when every movement has its answer. What becomes of a waiting place later is the calendar's news."""
        row = await _request_of(info, request)
        return Watch.of(info.context, row.structure, [topics.request(row.id)], due=row.decided_at is not None, last=True)


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def calendar_changed(self, info: Info, child: ID, month: YearMonth, activity: ID | None = None) -> AsyncGenerator[Calendar, None]:
        """The month as it is, and again after any change that this child would see."""
        raise told_at_the_gateway()
        yield  # what makes it a subscription

    @strawberry.subscription
    async def request_decided(self, info: Info, request: ID) -> AsyncGenerator[Request, None]:
        """The request, once every movement has its answer; that ends it."""
        raise told_at_the_gateway()
        yield  # what makes it a subscription
