"""What can be asked of the mailer: keep a copy, queue a letter, take mails in hand, note what became of them."""

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from urllib.parse import quote

from sqlalchemy import update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.events import MailFailed, MailSent
from services.mailer import letters, queries
from services.mailer.addresses import Adult, one_line, reachable
from services.mailer.attempts import given_up, wait_after
from services.mailer.letters import PORTAL, Letter
from services.mailer.report import Movement, Outcome, gather
from services.mailer.tables import Activity, Family, Mail, MailKind, MailState, Structure
from services.mailer.texts import say, spoken
from services.outbox import record
from services.service import NotYetKnown

# ------------------------------------------------------------------------------------------------------------- copies


async def keep_structure(session: AsyncSession, structure: str, version: int, title: str, timezone: str) -> None:
    known = await session.get(Structure, structure, with_for_update=True)
    if known is None or known.version < version:
        await session.merge(Structure(id=structure, version=version, title=one_line(title), timezone=timezone))


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
@dataclass(frozen=True, slots=True)
class Decided:
    """One movement of a request with its answer, in ids."""

    cancellation: bool
    outcome: Outcome
    child: str
    activity: str
    date: dt.date
    code: str | None


async def queue_report(
    session: AsyncSession, now: dt.datetime, structure: str, family: str, request: str, movements: Sequence[Decided]
) -> None:
    """The report of a request (S37), once. Raises NotYetKnown while a name is missing."""
    mail = _new(MailKind.REPORT, request, structure, now)
    if await queries.is_queued(session, mail.cause):
        return
    home = await _family(session, structure, family)
    if addressee := _address(mail, home):
        titles = await queries.activity_titles(session, {line.activity for line in movements})
        report = gather(
            Movement(
                cancellation=line.cancellation,
                outcome=line.outcome,
                activity=_known(titles, line.activity),
                child=_known(home.children, line.child),
                date=line.date,
                reason=say(line.code or "OTHER", mail.language) if line.outcome is Outcome.REFUSED else None,
            )
            for line in movements
        )
        town = await _structure(session, structure)
        _say(
            mail,
            letters.report_letter(mail.language, greeting=addressee.greeting, structure=town.title, report=report),
        )
    session.add(mail)


async def queue_place_given(
    session: AsyncSession, now: dt.datetime, structure: str, family: str, booking: str, child: str, activity: str, date: dt.date
) -> None:
    """A child that waited has a place (S36): told once per booking. Raises NotYetKnown while a name is missing."""
    mail = _new(MailKind.PLACE_GIVEN, booking, structure, now)
    if await queries.is_queued(session, mail.cause):
        return
    home = await _family(session, structure, family)
    if addressee := _address(mail, home):
        titles = await queries.activity_titles(session, {activity})
        town = await _structure(session, structure)
        letter = letters.place_given_letter(
            mail.language,
            greeting=addressee.greeting,
            structure=town.title,
            activity=_known(titles, activity),
            child=_known(home.children, child),
            date=date,
        )
        _say(mail, letter)
    session.add(mail)


async def queue_password_link(
    session: AsyncSession,
    now: dt.datetime,
    structure: str,
    account: str,
    address: str,
    language: str,
    token: str,
    expires_at: dt.datetime,
    event_id: str,
) -> None:
    """The single-use link for a new password (S3), to the account's own address. Raises NotYetKnown before the structure is."""
    mail = _new(MailKind.PASSWORD_LINK, event_id, structure, now)
    if await queries.is_queued(session, mail.cause):
        return
    town = await _structure(session, structure)
    mail.language = spoken(language)
    mail.account = account
    _to(mail, reachable([Adult(account, None, "", "", address, language)]))
    link = f"{PORTAL}{letters.PASSWORD_PATH}{quote(token, safe='')}"
    _say(mail, letters.password_link_letter(mail.language, address=link, expires_at=expires_at, timezone=town.timezone))
    _forget_secret(mail)
    session.add(mail)


def _new(kind: MailKind, about: str, structure: str, now: dt.datetime) -> Mail:
    cause = f"{kind}:{about}"
    return Mail(
        id=hashlib.sha256(cause.encode()).hexdigest()[:32],
        kind=kind,
        cause=cause,
        structure=structure,
        language="fr",
        subject="",
        text="",
        html="",
        state=MailState.UNADDRESSED,
        created_at=now,
    )


def _address(mail: Mail, home: Family) -> Adult | None:
    """Address it to the family: the first adult who can be reached, whom the letter greets, and the others in copy."""
    adults = reachable(Adult(**fields) for fields in home.adults)
    mail.family = home.id
    _to(mail, adults)
    if not adults:
        return None
    mail.account = adults[0].account
    mail.language = spoken(adults[0].language)
    return adults[0]


def _to(mail: Mail, adults: Sequence[Adult]) -> None:
    addresses = [adult.email for adult in adults if adult.email]
    if not addresses:
        return
    mail.to_name, mail.to_address = adults[0].name, addresses[0]
    mail.copies = [[adult.name, address] for adult, address in zip(adults[1:], addresses[1:], strict=True)]
    mail.awaited = addresses
    mail.state = MailState.QUEUED
    mail.next_attempt_at = mail.created_at


def _say(mail: Mail, letter: Letter) -> None:
    mail.subject, mail.text, mail.html = letter.subject, letter.text, letter.html


async def _structure(session: AsyncSession, structure: str) -> Structure:
    known = await session.get(Structure, structure)
    if known is None:
        raise NotYetKnown(f"structure {structure}")
    return known


async def _family(session: AsyncSession, structure: str, family: str) -> Family:
    known = await session.get(Family, family)
    if known is None or known.structure != structure:
        raise NotYetKnown(f"family {family} of {structure}")
    return known


def _known(names: dict[str, str], key: str) -> str:
    if key not in names:
        raise NotYetKnown(f"the name of {key}")
    return names[key]


# ------------------------------------------------------------------------------------------------------------ sending
async def claim(
    session: AsyncSession, sender: str, now: dt.datetime, real_now: dt.datetime, until: dt.datetime, limit: int
) -> Sequence[Mail]:
    """Take mails that are due in hand: until then nobody else sends them."""
    mails = await queries.due(session, now, real_now, limit)
    for mail in mails:
        mail.claimed_by, mail.claimed_until = sender, until
    return mails


async def renew(session: AsyncSession, sender: str, until: dt.datetime) -> None:
    """Still at work on what is in hand."""
    await session.exec(update(Mail).where(col(Mail.claimed_by) == sender, col(Mail.state) == MailState.QUEUED).values(claimed_until=until))


async def release(session: AsyncSession, sender: str) -> None:
    """Give back what is in hand, untried."""
    await session.exec(
        update(Mail).where(col(Mail.claimed_by) == sender, col(Mail.state) == MailState.QUEUED).values(claimed_by=None, claimed_until=None)
    )


async def mark_sent(session: AsyncSession, mail_id: str, now: dt.datetime, note: str | None = None) -> None:
    """The mail server has it for at least one of its addresses. Announced once, even if two senders had it."""
    mail = await _unfinished(session, mail_id)
    if mail is not None:
        mail.attempts += 1
        mail.sent_at, mail.last_error = now, note
        _finish(mail, MailState.SENT)
        record(session, MailSent(occurred_at=now, **_about(mail)))


async def mark_partly_sent(session: AsyncSession, mail_id: str, now: dt.datetime, awaited: list[str], note: str) -> None:
    """Some addresses have it; those that were told to come again later are tried alone."""
    mail = await _unfinished(session, mail_id)
    if mail is not None:
        mail.sent_at = mail.sent_at or now
        await postpone(session, mail_id, now, awaited, note)


async def postpone(session: AsyncSession, mail_id: str, now: dt.datetime, awaited: list[str], note: str) -> None:
    """These addresses are tried again later, or never again once patience has run out."""
    mail = await _unfinished(session, mail_id)
    if mail is None:
        return
    if given_up(mail.created_at, now):
        await give_up(session, mail_id, now, note)
        return
    mail.attempts += 1
    mail.awaited = awaited
    mail.next_attempt_at = now + wait_after(mail.attempts)
    mail.last_error = note
    mail.claimed_by = mail.claimed_until = None


async def lose_patience(session: AsyncSession, mail_id: str, now: dt.datetime, note: str) -> None:
    """There is no mail server to try it on: give it up if that has lasted too long."""
    mail = await _unfinished(session, mail_id)
    if mail is not None and given_up(mail.created_at, now):
        await give_up(session, mail_id, now, note)


async def give_up(session: AsyncSession, mail_id: str, now: dt.datetime, note: str) -> None:
    """It will not be tried again. A mail that reached at least one of its addresses was sent, not failed."""
    mail = await _unfinished(session, mail_id)
    if mail is None:
        return
    if mail.sent_at is not None:
        await mark_sent(session, mail_id, mail.sent_at, note)
        return
    mail.attempts += 1
    mail.last_error = note
    _finish(mail, MailState.FAILED)
    record(session, MailFailed(occurred_at=now, **_about(mail)))


async def _unfinished(session: AsyncSession, mail_id: str) -> Mail | None:
    mail = await session.get(Mail, mail_id, with_for_update=True)
    return mail if mail is not None and mail.state is MailState.QUEUED else None


def _finish(mail: Mail, state: MailState) -> None:
    mail.state = state
    mail.awaited = []
    mail.next_attempt_at = mail.claimed_by = mail.claimed_until = None
    _forget_secret(mail)


def _forget_secret(mail: Mail) -> None:
    """A link that was sent, or never will be, has no business in our tables."""
    if mail.kind is MailKind.PASSWORD_LINK and mail.state is not MailState.QUEUED:
        mail.text = mail.html = ""


def _about(mail: Mail) -> dict[str, object]:
    return {
        "structure": mail.structure,
        "mail": mail.id,
        "kind": mail.kind.value,
        "family": mail.family,
        "account": mail.account,
        "attempts": mail.attempts,
    }
