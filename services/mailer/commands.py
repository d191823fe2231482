"""What can be asked of the mailer: keep a copy, queue a letter."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from sqlalchemy import insert
from sqlmodel.ext.asyncio.session import AsyncSession

from services.events import EVERYBODY
from services.mailer import delivery, gathering, letters, queries
from services.mailer.addresses import Adult, addressee, one_line
from services.mailer.letters import PORTAL, Letter
from services.mailer.mails import new_mail
from services.mailer.queries import MAIL, Home, Names
from services.mailer.tables import Activity, Announcement, Family, MailKind, Structure
from services.mailer.telling import Wish, activities, write
from services.service import NotYetKnown

#: Where nobody knows which town's time an account lives by.
SOMEWHERE = "Europe/Paris"

# ------------------------------------------------------------------------------------------------------------- copies


async def keep_structure(
    session: AsyncSession, structure: str, version: int, title: str, timezone: str, retention: Mapping[str, int]
) -> None:
    known = await session.get(Structure, structure, with_for_update=True)
    if known is None or known.version < version:
        row = Structure(id=structure, version=version, title=one_line(title), timezone=timezone)
        row.retention = dict(retention) or None
        await session.merge(row)


async def keep_activity(session: AsyncSession, structure: str, activity: str, version: int, title: str) -> None:
    known = await session.get(Activity, activity, with_for_update=True)
    if known is None or known.version < version:
        await session.merge(Activity(id=activity, structure=structure, version=version, title=one_line(title)))


async def keep_contacts(
    session: AsyncSession, structure: str, family: str, version: int, adults: Iterable[Adult], children: dict[str, str]
) -> None:
    known = await session.get(Family, family, with_for_update=True)
    if known is None or known.version < version:
        names = {child: one_line(name) for child, name in children.items()}
        rows = [asdict(adult) for adult in adults]
        await session.merge(Family(id=family, structure=structure, version=version, adults=rows, children=names))


# ------------------------------------------------------------------------------------------------------------ letters
async def queue(session: AsyncSession, now: dt.datetime, wishes: Iterable[Wish]) -> None:
    """Write these letters, each once, or keep them for the evening where the reader wants that.

    Raises NotYetKnown while a name is missing: none of them is written then.
    """
    wanted = {wish.cause: wish for wish in wishes}
    for cause in await queries.queued(session, wanted):
        del wanted[cause]
    if not wanted:
        return
    names = await queries.names(
        session,
        {wish.structure for wish in wanted.values()},
        {id_ for wish in wanted.values() for line in wish.movements for id_ in activities(line)},
        {wish.family for wish in wanted.values()},
    )
    mails, lines = [], []
    for wish in wanted.values():
        home = names.families.get(wish.family)
        if home is None or home.structure != wish.structure:
            raise NotYetKnown(f"family {wish.family} of {wish.structure}")
        to = addressee(home.adults, wish.account, wish.email)
        if to and gathering.waits_for_evening(wish, to):
            lines.append(gathering.line(wish, to, home, names, now))
        else:
            mails.append(_to_family(wish, to, home, names, now))
    if lines:
        await gathering.keep(session, lines)
    if mails:
        await (await session.connection()).execute(insert(MAIL), mails)


def _to_family(wish: Wish, to: Adult | None, home: Home, names: Names, now: dt.datetime) -> dict[str, Any]:
    letter = write(wish, to, home, names) if to else None
    own = to is not None and any(adult.account == to.account and adult.email == to.email for adult in home.adults)
    about = {"family": wish.family, "own_address": own, "traceparent": wish.trace}
    return {**new_mail(wish.cause, wish.kind, wish.structure, now, to, letter), **about}


@dataclass(frozen=True, slots=True)
class Notice:
    """A letter to an account at its door, or to whoever has an address: it holds no name, an address may have been typed wrongly."""

    kind: MailKind
    event_id: str
    structure: str  #: EVERYBODY, where the account belongs to none.
    account: str | None  #: None: nobody looked whose address it is.
    address: str
    language: str
    at: dt.datetime  #: Until when the link is good, or when it happened.
    token: str = ""
    happened: str = ""  #: What, in a security notice, and what else there is to say of it.
    detail: str = ""
    gives: str = ""  #: What is offered, in an invitation, and of which family.
    family: str | None = None
    due_at: dt.datetime | None = None  #: When a new address comes into force, if that is known.

    @property
    def is_own_address(self) -> bool:
        """Whether it goes to the address that the account has, and not to one that it had or may have."""
        return self.kind not in (MailKind.ADDRESS_LINK, MailKind.INVITATION) and self.happened != "EMAIL_CHANGED"


PATHS = {
    MailKind.PASSWORD_LINK: letters.PASSWORD_PATH,
    MailKind.ADDRESS_LINK: letters.ADDRESS_PATH,
    MailKind.INVITATION: letters.INVITATION_PATH,
    MailKind.ADDRESS_CANCEL: letters.CANCEL_PATH,
}


async def queue_notice(session: AsyncSession, now: dt.datetime, notice: Notice) -> None:
    """To that address and no other, once. Raises NotYetKnown before the structure is."""
    cause = f"{notice.kind}:{notice.event_id}"
    if await queries.queued(session, [cause]):
        return
    timezone = SOMEWHERE if notice.structure == EVERYBODY else await queries.timezone(session, notice.structure)
    if timezone is None:
        raise NotYetKnown(f"structure {notice.structure}")
    to = addressee([Adult(notice.account or "", None, "", "", notice.address, notice.language)])
    title = await queries.title(session, notice.structure) if notice.gives else None
    letter = _notify(notice, timezone, title or "") if to else None
    about = {"account": notice.account, "family": notice.family, "own_address": notice.is_own_address}
    mail = {**new_mail(cause, notice.kind, notice.structure, now, to, letter), **about}
    await (await session.connection()).execute(insert(MAIL), mail)


def _notify(notice: Notice, timezone: str, structure: str) -> Letter:
    said_in, at = notice.language, notice.at
    if notice.kind is MailKind.SECURITY_NOTICE:
        return letters.security_letter(said_in, happened=notice.happened, detail=one_line(notice.detail), at=at, timezone=timezone)
    link = f"{PORTAL}{PATHS[notice.kind]}{quote(notice.token, safe='')}"
    if notice.kind is MailKind.INVITATION:
        offered = {"structure": structure, "gives": notice.gives}
        return letters.invitation_letter(said_in, **offered, address=link, at=at, timezone=timezone)
    if notice.kind is MailKind.ADDRESS_CANCEL:
        asked = letters.AddressAsked(one_line(notice.detail), notice.due_at)
        return letters.cancel_letter(said_in, address=link, asked=asked, at=at, timezone=timezone)
    return letters.link_letter(notice.kind, said_in, address=link, at=at, timezone=timezone)


# ------------------------------------------------------------------------------------------------------ announcements
PORTION = 200  #: Families that are told in one transaction.


async def keep_announcement(session: AsyncSession, structure: str, id: str, title: str, text: str, now: dt.datetime) -> None:
    """To be told to all families, once. Raises NotYetKnown before the structure is."""
    if await queries.title(session, structure) is None:
        raise NotYetKnown(f"structure {structure}")
    if await session.get(Announcement, id) is None:
        session.add(Announcement(id=id, structure=structure, title=one_line(title), text=text, due_at=now))


async def withdraw_announcement(session: AsyncSession, structure: str, id: str, now: dt.datetime) -> None:
    """Nobody else is told, even if it is heard of only later that it was due."""
    row = await session.get(Announcement, id, with_for_update=True, populate_existing=True)
    if row is None:
        session.add(Announcement(id=id, structure=structure, title="", text="", due_at=now, told_at=now))
    elif row.told_at is None:
        row.told_at = now
    await delivery.withdraw(session, id)


async def announce(session: AsyncSession, now: dt.datetime) -> bool:
    """Write the next portion of mails about an announcement; whether there was one. Whoever belongs to two families gets one mail."""
    row = await queries.untold(session)
    if row is None:
        return False
    structure = await queries.title(session, row.structure) or row.structure
    homes = await queries.homes_after(session, row.structure, row.after_family, PORTION)
    readers = {adult.account: adult for home in homes.values() for adult in home.adults if adult.announcements and addressee([adult])}
    causes = {f"{MailKind.ANNOUNCEMENT}:{row.id}/{account}": adult for account, adult in readers.items()}
    for cause in await queries.queued(session, causes):
        del causes[cause]
    mails = []
    for cause, adult in causes.items():
        words = {"structure": structure, "title": row.title, "text": row.text}
        letter = letters.announcement_letter(adult.language, greeting=adult.greeting, **words)
        mails.append(new_mail(cause, MailKind.ANNOUNCEMENT, row.structure, now, adult, letter))
    if mails:
        await (await session.connection()).execute(insert(MAIL), mails)
    row.after_family = max(homes, default=row.after_family)
    if len(homes) < PORTION:
        row.told_at = now
    return True
