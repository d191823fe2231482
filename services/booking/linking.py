"""Making and revoking the secret link to a child's calendar. For its family alone: agents see that there is one."""

import unicodedata

import strawberry
from strawberry import ID

from services.booking import feeds
from services.booking.file_types import CalendarFeed, CalendarFeedRevoked, RenewCalendarFeedResult, RevokeCalendarFeedResult
from services.booking.queries import Owned
from services.booking.refusals import refusal
from services.booking.texts import malformed
from services.booking.types import reading_of
from services.graphql import Info


@strawberry.type
class LinkMutations:
    @strawberry.mutation
    async def renew_calendar_feed(self, info: Info, child: ID, title: str | None = None) -> RenewCalendarFeedResult:
        """A new link to the child's calendar; the one before it, if any, opens nothing any more.

        `title` is what programs call the calendar, such as the child's first name. One link for each child: all of its adults use it.
        """
        context = info.context
        mine, words = await _own(info, child), _title(info, title)
        if mine is None:
            unknown: RenewCalendarFeedResult = refusal("UNKNOWN_CHILD", context.language)  # type: ignore[assignment]  # by its code
            return unknown
        async with context.database.transaction() as session:
            secret = await feeds.renew(session, context.now, mine.child, mine.family, words, context.language)
        context.loaders.clear()
        return CalendarFeed(created_at=context.now, url=f"{context.running.settings.public_url}/ics/{secret}.ics")

    @strawberry.mutation
    async def revoke_calendar_feed(self, info: Info, child: ID) -> RevokeCalendarFeedResult:
        """The link opens nothing any more. Twice is as good as once."""
        context = info.context
        mine = await _own(info, child)
        if mine is None:
            unknown: RevokeCalendarFeedResult = refusal("UNKNOWN_CHILD", context.language)  # type: ignore[assignment]  # by its code
            return unknown
        async with context.database.transaction() as session:
            revoked = await feeds.revoke(session, mine.child, mine.family)
        context.loaders.clear()
        return CalendarFeedRevoked(revoked=revoked)


async def _own(info: Info, child: str) -> Owned | None:
    reading = reading_of(info.context)
    found = await reading.child(str(child))
    return found if found is not None and found.family in reading.caller.families else None


def _title(info: Info, title: str | None) -> str | None:
    """Raises CodedError."""
    words = (title or "").strip()
    if len(words) > feeds.LONGEST_TITLE or any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in words):
        raise malformed("TITLE_NOT_POSSIBLE", info.context.language, most=feeds.LONGEST_TITLE)
    return words or None
