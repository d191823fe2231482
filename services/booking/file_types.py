"""Links as families see them: to a child's calendar, and to files."""

import datetime as dt
from typing import Annotated

import strawberry

from services.booking.refusals import TooManyRows, UnknownActivity, UnknownChild
from services.files import DocumentsUnavailable, FileLink


@strawberry.type
class CalendarFeed:
    """The secret link to a child's calendar, for programs that subscribe to it."""

    created_at: dt.datetime
    url: str | None = strawberry.field(default=None, description="Told once, when the link is made: we keep no copy of it.")


@strawberry.type
class CalendarFeedRevoked:
    revoked: bool = strawberry.field(description="False: there was none.")


BookingsFileResult = Annotated[
    FileLink | UnknownChild | UnknownActivity | TooManyRows | DocumentsUnavailable, strawberry.union("BookingsFileResult")
]
RenewCalendarFeedResult = Annotated[CalendarFeed | UnknownChild, strawberry.union("RenewCalendarFeedResult")]
RevokeCalendarFeedResult = Annotated[CalendarFeedRevoked | UnknownChild, strawberry.union("RevokeCalendarFeedResult")]
