"""Announcements (S2): agents publish, change and withdraw them; on its day each is told, once. Each runs in its caller's transaction."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import uuid4

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.audit import reason_of
from services.clock import Clock
from services.events import AnnouncementDue, AnnouncementPublished, AnnouncementWithdrawn
from services.identity import entries, queries
from services.identity.audit import Done, note
from services.identity.office import Agent, change
from services.identity.tables import Announcement
from services.outbox import record
from services.refusal import Forbidden, Refused


class AnnouncementState(StrEnum):
    """How an announcement stands."""

    COMING = "COMING"  #: à venir
    IN_FORCE = "IN_FORCE"  #: affichée
    ENDED = "ENDED"  #: terminée
    WITHDRAWN = "WITHDRAWN"  #: retirée


def state_of(row: Announcement, now: dt.datetime) -> AnnouncementState:
    if row.withdrawn_at is not None:
        return AnnouncementState.WITHDRAWN
    if row.ends_at is not None and row.ends_at <= now:
        return AnnouncementState.ENDED
    return AnnouncementState.COMING if row.published_at > now else AnnouncementState.IN_FORCE


@dataclass(frozen=True, slots=True)
class Wording:
    """What an agent says of an announcement; what is None is not said."""

    title: str | None = None
    body: str | None = None
    publish_at: dt.datetime | None = None
    ends_at: tuple[dt.datetime | None] | None = None  #: In a tuple, for there may be no end.
    mail: bool | None = None
    public: bool | None = None  #: For everybody, also whoever is not signed in.

    def values(self) -> dict[str, Any]:
        """As it is kept. Raises Refused INVALID_ENTRY."""
        for moment in (self.publish_at, *(self.ends_at or ())):
            if moment is not None and moment.year not in entries.YEARS:
                raise Refused("INVALID_ENTRY", text="YEAR_NOT_POSSIBLE", first=entries.YEARS[0], last=entries.YEARS[-1])
        said = {
            "title": None if self.title is None else entries.title_line_of(self.title),
            "body": None if self.body is None else entries.body_of(self.body),
            "published_at": self.publish_at,
            "mail": self.mail,
            "public": self.public,
        }
        ends = {} if self.ends_at is None else {"ends_at": self.ends_at[0]}
        return {name: value for name, value in said.items() if value is not None} | ends


async def publish(session: AsyncSession, clock: Clock, agent: Agent, wording: Wording) -> str:
    """Its id. Raises Refused: REASON_REQUIRED, INVALID_ENTRY, TITLE_TAKEN."""
    reason = reason_of(agent.reason, needed=False)
    values = {"published_at": clock.now(), **wording.values()}
    if await queries.announcement_titled(session, agent.structure, values["title"]) is not None:
        raise Refused("TITLE_TAKEN", title=values["title"])
    row = Announcement(id=uuid4().hex, structure_id=agent.structure, **values)
    _in_order(row, clock.now())
    session.add(row)
    tell(session, clock, row)
    done = Done("PUBLISH_ANNOUNCEMENT", announcement=row.id, reason=reason, after=_plain(values))
    await note(session, clock.now(), agent.structure, agent.account, done)
    return row.id


async def change_announcement(session: AsyncSession, clock: Clock, agent: Agent, announcement: str, wording: Wording) -> str:
    """Its id. What was told on its day is not told again: neither when it begins nor whether it is mailed can change then.

    Raises Refused: REASON_REQUIRED, INVALID_ENTRY, TITLE_TAKEN; Forbidden.
    """
    reason = reason_of(agent.reason, needed=False)
    row = await _theirs(session, agent, announcement)
    values = wording.values()
    before, after = change(_plain({name: getattr(row, name) for name in values}), _plain(values))
    if row.told_at is not None and after.keys() & {"published_at", "mail"}:
        raise Refused("INVALID_ENTRY", text="ANNOUNCED_ALREADY")
    if "title" in after and await queries.announcement_titled(session, agent.structure, values["title"]) is not None:
        raise Refused("TITLE_TAKEN", title=values["title"])
    for name, value in values.items():
        setattr(row, name, value)
    _in_order(row, clock.now())
    session.add(row)
    tell(session, clock, row)
    if after:
        done = Done("CHANGE_ANNOUNCEMENT", announcement=row.id, reason=reason, before=before, after=after)
        await note(session, clock.now(), agent.structure, agent.account, done)
    return row.id


async def withdraw(session: AsyncSession, clock: Clock, agent: Agent, announcement: str) -> str:
    """Its id: nobody sees it any more, nor is it told; mails that did not go out yet stay here.

    Raises Refused: REASON_REQUIRED, INVALID_ENTRY; Forbidden.
    """
    reason = reason_of(agent.reason)
    row = await _theirs(session, agent, announcement)
    row.withdrawn_at = clock.now()
    session.add(row)
    if row.told_at is not None and row.mail:
        record(session, AnnouncementWithdrawn(structure=row.structure_id, occurred_at=clock.now(), announcement=row.id))
    done = Done("WITHDRAW_ANNOUNCEMENT", announcement=row.id, reason=reason, before={"title": row.title}, after={})
    await note(session, clock.now(), agent.structure, agent.account, done)
    return row.id


async def _theirs(session: AsyncSession, agent: Agent, announcement: str) -> Announcement:
    """Locked. Raises Refused INVALID_ENTRY for one that was withdrawn; Forbidden for what is not of the agent's structure."""
    row = await session.get(Announcement, announcement, with_for_update=True, populate_existing=True)
    if row is None or row.structure_id != agent.structure:
        raise Forbidden
    if row.withdrawn_at is not None:
        raise Refused("INVALID_ENTRY", text="ANNOUNCEMENT_WITHDRAWN")
    return row


def _in_order(row: Announcement, now: dt.datetime) -> None:
    """Raises Refused INVALID_ENTRY."""
    if row.ends_at is not None and row.ends_at <= max(row.published_at, now):
        raise Refused("INVALID_ENTRY", text="ENDS_TOO_SOON")


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.astimezone(dt.UTC).isoformat() if isinstance(value, dt.datetime) else value for name, value in values.items()}


# ------------------------------------------------------------------------------------------------------------- on its day
def tell(session: AsyncSession, clock: Clock, row: Announcement) -> None:
    """If its day has come, and nobody was told."""
    now = clock.now()
    if row.told_at is not None or state_of(row, now) is not AnnouncementState.IN_FORCE:
        return
    row.told_at = now
    session.add(row)
    record(session, AnnouncementPublished(structure=row.structure_id, occurred_at=now, announcement=row.id))
    if row.mail:
        due = {"structure": row.structure_id, "occurred_at": now, "announcement": row.id}
        record(session, AnnouncementDue(**due, title=row.title, text=row.body))


async def are_due(session: AsyncSession, now: dt.datetime) -> bool:
    return (await session.exec(select(Announcement.id).where(*_due(now)).limit(1))).first() is not None


async def tell_due(session: AsyncSession, clock: Clock) -> None:
    """All whose day has come, unless another replica is about it."""
    found = select(Announcement).where(*_due(clock.now())).order_by(col(Announcement.id)).with_for_update(skip_locked=True)
    for row in (await session.exec(found)).all():
        tell(session, clock, row)


def _due(now: dt.datetime) -> list[Any]:
    not_over = col(Announcement.ends_at).is_(None) | (col(Announcement.ends_at) > now)
    return [
        col(Announcement.told_at).is_(None),
        col(Announcement.withdrawn_at).is_(None),
        col(Announcement.published_at) <= now,
        not_over,
    ]
