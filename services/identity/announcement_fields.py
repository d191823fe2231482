"""Announcements as GraphQL (S2): for everybody, those that are; for agents, to publish, change, withdraw, and see what is to come."""

import datetime as dt

import strawberry
from strawberry import ID

from services.graphql import Info
from services.identity import announcing, queries, tables
from services.identity.agent_types import (
    AnnouncementConnection,
    AnnouncementResult,
    ChangeAnnouncementInput,
    OfficeAnnouncement,
    PublishAnnouncementInput,
    WithdrawAnnouncementInput,
)
from services.identity.announcing import Wording
from services.identity.office import Agent
from services.identity.office_fields import Work, acts_for, agent_of, done
from services.identity.refusals import or_refusal
from services.paging import cursor_of, moment_of, place_in, size_of, stays

USUAL_PUBLIC, MOST_PUBLIC = 5, 20  #: Of announcements for everybody, at once: whoever asks is nobody's family, and pages are none.
NEWEST = cursor_of("9999-12-31T00:00:00+00:00", "")  #: The cursor of what comes before all announcements.


@strawberry.type
class PublicAnnouncement:
    """What a structure says to everybody. Of the structure no more than who speaks: the rest of it is for those who belong there."""

    id: ID
    title: str
    body: str = strawberry.field(description="Plain text; blank lines part paragraphs.")
    published_at: dt.datetime
    ends_at: dt.datetime | None = strawberry.field(description="Null: until it is withdrawn.")
    structure: ID
    structure_name: str
    timezone: str = strawberry.field(description="Of the structure.")

    @classmethod
    def of(cls, row: tables.Announcement, structure: tables.Structure) -> "PublicAnnouncement":
        return cls(
            id=ID(row.id),
            title=row.title,
            body=row.body,
            published_at=row.published_at,
            ends_at=row.ends_at,
            structure=ID(structure.id),
            structure_name=structure.name,
            timezone=structure.timezone,
        )


@strawberry.type
class AnnouncementQueries:
    @strawberry.field
    async def public_announcements(
        self, info: Info, structure: ID | None = None, first: int | None = USUAL_PUBLIC
    ) -> list[PublicAnnouncement]:
        """For everybody, signed in or not: those in force that are for everybody, the newest first, of one structure or of all.

        `first`: 20 at most. The names of structures are told, for a door may be that of several.
        """
        size, of = size_of(first, USUAL_PUBLIC, MOST_PUBLIC), None if structure is None else str(structure)
        async with info.context.database.reading() as session:
            rows = await queries.public_announcements(session, of, info.context.now, size)
        return [PublicAnnouncement.of(*row) for row in rows]

    @strawberry.field
    async def announcements_of(self, info: Info, structure: ID, first: int | None = 50, after: str | None = None) -> AnnouncementConnection:
        """All of a structure, for its agents: the newest first, those to come before all."""
        of, context = acts_for(info, str(structure)), info.context
        size, cursor = size_of(first), place_in(after, moment_of, str)
        async with context.database.reading() as session:
            rows = await queries.announcements_of(session, of, cursor, size + 1)
        page = rows[:size]
        return AnnouncementConnection(
            nodes=[OfficeAnnouncement.of(row, context.now) for row in page],
            end_cursor=cursor_of(page[-1].published_at.isoformat(), page[-1].id) if page else stays(rows, after, NEWEST),
            has_next_page=len(rows) > size,
        )


def _content(wording: Wording, unsaid: bool | None = None) -> list[object]:
    """`public` was not there at first: where it was not said, or as much as that, an order is the one that it was then."""
    later = [] if wording.public is unsaid else [wording.public]
    return [wording.title, wording.body, wording.publish_at, wording.ends_at, wording.mail, *later]


async def _of_announcement(info: Info, announcement: str, reason: str | None) -> Agent:
    async with info.context.database.reading() as session:
        row = await session.get(tables.Announcement, announcement)
    return agent_of(info, "" if row is None else row.structure_id, reason)


async def _announcement(info: Info, agent: Agent, key: str, content: list[object], work: Work) -> OfficeAnnouncement:
    id_ = await done(info, agent, key, content, work)
    async with info.context.database.reading() as session:
        return OfficeAnnouncement.of(await session.get_one(tables.Announcement, id_), info.context.clock.now())


@strawberry.type
class AnnouncementMutations:
    @strawberry.mutation
    async def publish_announcement(self, info: Info, input: PublishAnnouncementInput) -> AnnouncementResult:
        """It appears at once, or on its day."""
        agent, wording, clock = agent_of(info, str(input.structure), input.reason), input.wording(), info.context.clock
        doing = _announcement(
            info, agent, input.idempotency_key, ["PUBLISH", *_content(wording, unsaid=False)],
            lambda session, who: announcing.publish(session, clock, who, wording),
        )  # fmt: skip
        return await or_refusal(info, doing)

    @strawberry.mutation
    async def change_announcement(self, info: Info, input: ChangeAnnouncementInput) -> AnnouncementResult:
        """A correction: once it has appeared, neither its date nor whether it is mailed changes."""
        id_, wording, clock = str(input.announcement), input.wording(), info.context.clock
        agent = await _of_announcement(info, id_, input.reason)
        doing = _announcement(
            info, agent, input.idempotency_key, ["CHANGE", id_, *_content(wording)],
            lambda session, who: announcing.change_announcement(session, clock, who, id_, wording),
        )  # fmt: skip
        return await or_refusal(info, doing)

    @strawberry.mutation
    async def withdraw_announcement(self, info: Info, input: WithdrawAnnouncementInput) -> AnnouncementResult:
        """Families see it no longer. Letters that went out already stay with their readers; no others follow."""
        id_, clock = str(input.announcement), info.context.clock
        agent = await _of_announcement(info, id_, input.reason)
        doing = _announcement(
            info, agent, input.idempotency_key, ["WITHDRAW", id_], lambda session, who: announcing.withdraw(session, clock, who, id_)
        )  # fmt: skip
        return await or_refusal(info, doing)
