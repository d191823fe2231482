"""What can be asked of the mailer: keep a copy, queue a letter, take mails in hand, note what became of them."""

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from sqlalchemy import Update, case, insert, update
from sqlmodel.ext.asyncio.session import AsyncSession

from services.events import MailFailed, MailSent
from services.mailer import letters, queries
from services.mailer.addresses import Adult, addressee, one_line
from services.mailer.attempts import given_up, wait_after
from services.mailer.envelope import Parts
from services.mailer.letters import PORTAL, Act, Letter, LowBalance, Received
from services.mailer.queries import MAIL, Home, Names
from services.mailer.report import Movement, Outcome, gather
from services.mailer.tables import Activity, Family, Mail, MailKind, MailState, Structure
from services.mailer.texts import long_day, say, short_day, span, spoken, tell, time_of_day
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
    code: str | None = None
    booking: str = ""
    hours: tuple[str, str] | None = None
    was: str | None = None  #: What was given back: ACCEPTED, WAITLISTED, SUBMITTED.
    because: str | None = None  #: The booking that stood in the way of its group.
    held: str | None = None  #: What the child had there already: ACCEPTED, WAITLISTED.
    run: "AwaitedRun | None" = None


@dataclass(frozen=True, slots=True)
class AwaitedRun:
    """The run that will decide a line."""

    activity: str
    date: dt.date
    at: str  #: "HH:MM"


@dataclass(frozen=True, slots=True)
class Wish:
    """A letter that a family is to get, in ids."""

    kind: MailKind
    about: str  #: The request or the booking: there is one letter of the kind about each.
    structure: str
    family: str
    movements: Sequence[Decided]
    account: str | None = None  #: Who asked, if that is known.
    act: Act | None = None  #: An agent of the structure asked for the family.
    low: LowBalance | None = None  #: Of the letter about it.
    received: Received | None = None  #: Of the letter about it.
    email: str | None = None  #: Where whoever asked wants it, if they said so.
    goes_on: bool = False  #: It tells of lines that a first report said would be answered later.

    @property
    def cause(self) -> str:
        return f"{self.kind}:{self.about}"


async def queue(session: AsyncSession, now: dt.datetime, wishes: Iterable[Wish]) -> None:
    """Write these letters, each once. Raises NotYetKnown while a name is missing: none of them is written then."""
    wanted = {wish.cause: wish for wish in wishes}
    for cause in await queries.queued(session, wanted):
        del wanted[cause]
    if not wanted:
        return
    names = await queries.names(
        session,
        {wish.structure for wish in wanted.values()},
        {id_ for wish in wanted.values() for line in wish.movements for id_ in _activities(line)},
        {wish.family for wish in wanted.values()},
    )
    mails = [_to_family(wish, names, now) for wish in wanted.values()]
    await (await session.connection()).execute(insert(MAIL), mails)


def _to_family(wish: Wish, names: Names, now: dt.datetime) -> dict[str, Any]:
    home = names.families.get(wish.family)
    if home is None or home.structure != wish.structure:
        raise NotYetKnown(f"family {wish.family} of {wish.structure}")
    to = addressee(home.adults, wish.account, wish.email)
    letter = _write(wish, to, home, names) if to else None
    return {**_mail(wish.cause, wish.kind, wish.structure, now, to, letter), "family": wish.family}


def _write(wish: Wish, to: Adult, home: Home, names: Names) -> Letter:
    structure = _known(names.structures, wish.structure)
    if wish.kind is MailKind.PLACE_GIVEN:
        (line,) = wish.movements
        activity, child = _known(names.activities, line.activity), _known(home.children, line.child)
        return letters.place_given_letter(
            to.language, greeting=to.greeting, structure=structure, activity=activity, child=child, date=line.date
        )
    if wish.low is not None:
        return letters.balance_low_letter(to.language, greeting=to.greeting, structure=structure, low=wish.low)
    if wish.received is not None:
        return letters.payment_received_letter(to.language, greeting=to.greeting, structure=structure, received=wish.received)
    report = gather(Telling(wish, home, names, spoken(to.language)).movements())
    if wish.kind is MailKind.PLACE_EXPIRED:
        return letters.place_expired_letter(to.language, greeting=to.greeting, structure=structure, report=report)
    return letters.report_letter(to.language, greeting=to.greeting, structure=structure, report=report, act=wish.act, goes_on=wish.goes_on)


def _activities(line: Decided) -> Iterable[str]:
    yield line.activity
    if line.run:
        yield line.run.activity


@dataclass(frozen=True, slots=True)
class Telling:
    """The movements of a wish in the words of its letter."""

    wish: Wish
    home: Home
    names: Names
    language: str

    def movements(self) -> Iterable[Movement]:
        for line in self.wish.movements:
            yield Movement(
                cancellation=line.cancellation,
                outcome=_section(line),
                activity=_known(self.names.activities, line.activity),
                child=_known(self.home.children, line.child),
                date=line.date,
                reason=self._reason(line),
                booking=line.booking,
                hours=line.hours,
                note=self._note(line),
            )

    def _reason(self, line: Decided) -> str | None:
        if line.outcome is Outcome.REFUSED:
            return self._why_not(line)
        if self.wish.act and line.was in ("WAITLISTED", "SUBMITTED"):
            return tell(line.was, self.language)
        return None

    def _why_not(self, line: Decided) -> str:
        other = next((one for one in self.wish.movements if line.because and one.booking == line.because), None)
        if other is not None and (named := self._named(other, line)):
            return tell("GROUPED_WITH", self.language, other=named)
        if line.code == "HOURS_NOT_ALLOWED" and line.hours:
            return tell("THESE_HOURS_NOT_ALLOWED", self.language, hours=span(line.hours))
        if line.code == "ALREADY_BOOKED" and line.held == "WAITLISTED":
            return tell("ALREADY_WAITLISTED", self.language)
        return say(line.code or "OTHER", self.language)

    def _named(self, other: Decided, line: Decided) -> str:
        """As short as it can be beside the line itself."""
        words = [_known(self.home.children, other.child)] if other.child != line.child else []
        words += [_known(self.names.activities, other.activity)] if other.activity != line.activity else []
        words += [short_day(other.date, self.language)] if other.date != line.date else []
        return ", ".join(words)

    def _note(self, line: Decided) -> str | None:
        run = line.run
        if run is None:
            return None
        when = {"day": long_day(run.date, self.language), "at": time_of_day(run.at, self.language)}
        if run.activity == line.activity:
            return tell("RUN", self.language, **when)
        return tell("RUN_OF", self.language, activity=_known(self.names.activities, run.activity), **when)


def _section(line: Decided) -> Outcome:
    if line.cancellation and line.outcome is Outcome.REFUSED:
        return Outcome.POINTLESS if line.code == "UNKNOWN_BOOKING" else Outcome.KEPT
    return line.outcome


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
    cause = f"{MailKind.PASSWORD_LINK}:{event_id}"
    if await queries.queued(session, [cause]):
        return
    timezone = await queries.timezone(session, structure)
    if timezone is None:
        raise NotYetKnown(f"structure {structure}")
    to = addressee([Adult(account, None, "", "", address, language)])
    link = f"{PORTAL}{letters.PASSWORD_PATH}{quote(token, safe='')}"
    letter = letters.password_link_letter(language, address=link, expires_at=expires_at, timezone=timezone) if to else None
    mail = {**_mail(cause, MailKind.PASSWORD_LINK, structure, now, to, letter), "account": account}
    await (await session.connection()).execute(insert(MAIL), mail)


def _mail(cause: str, kind: MailKind, structure: str, now: dt.datetime, to: Adult | None, letter: Letter | None) -> dict[str, Any]:
    """A row of Mail: with nobody to write to, it says that there was something to tell."""
    return {
        "id": hashlib.sha256(cause.encode()).hexdigest()[:32],
        "kind": kind,
        "cause": cause,
        "structure": structure,
        "family": None,
        "account": to and to.account,
        "language": spoken(to.language if to else "fr"),
        "to_name": to and to.name,
        "to_address": to and to.email,
        "subject": letter.subject if letter else "",
        "text": letter.text if letter else "",
        "html": letter.html if letter else "",
        "state": MailState.QUEUED if to else MailState.UNADDRESSED,
        "attempts": 0,
        "created_at": now,
        "next_attempt_at": now if to else None,
    }


def _known(names: dict[str, str], key: str) -> str:
    if key not in names:
        raise NotYetKnown(f"the name of {key}")
    return names[key]


# ------------------------------------------------------------------------------------------------------------ sending
async def claim(
    session: AsyncSession, sender: str, now: dt.datetime, real_now: dt.datetime, until: dt.datetime, limit: int
) -> Sequence[Parts]:
    """Take mails that are due in hand: until then nobody else sends them."""
    mails = await queries.due(session, now, real_now, limit)
    if mails:
        taken = update(MAIL).where(MAIL.c.id.in_([mail.id for mail in mails])).values(claimed_by=sender, claimed_until=until)
        await (await session.connection()).execute(taken)
    return mails


async def renew(session: AsyncSession, sender: str, until: dt.datetime) -> None:
    """Still at work on what is in hand."""
    await (await session.connection()).execute(_in_hand(sender).values(claimed_until=until))


async def release(session: AsyncSession, sender: str) -> None:
    """Give back what is in hand, untried."""
    await (await session.connection()).execute(_in_hand(sender).values(claimed_by=None, claimed_until=None))


def _in_hand(sender: str) -> Update:
    return update(MAIL).where(MAIL.c.claimed_by == sender, MAIL.c.state == MailState.QUEUED)


async def mark_sent(session: AsyncSession, mails: Sequence[str], now: dt.datetime) -> None:
    """The mail server has them. Announced once, even if two senders had one."""
    if mails:
        await _finish(session, mails, MailSent, now, state=MailState.SENT, sent_at=now, last_error=None)


async def give_up(session: AsyncSession, mail_id: str, now: dt.datetime, note: str) -> None:
    """It will not be tried again."""
    await _finish(session, [mail_id], MailFailed, now, state=MailState.FAILED, last_error=note)


async def _finish(
    session: AsyncSession, mails: Sequence[str], news: type[MailSent | MailFailed], now: dt.datetime, **values: object
) -> None:
    """Past the ORM: a rush ends in thousands of these."""
    m = MAIL.c
    end = update(MAIL).where(m.id.in_(mails), m.state == MailState.QUEUED)
    # A link that was sent, or never will be, has no business in our tables.
    secret = m.kind == MailKind.PASSWORD_LINK
    rows = await (await session.connection()).execute(
        end.values(
            attempts=m.attempts + 1,
            next_attempt_at=None,
            claimed_by=None,
            claimed_until=None,
            text=case((secret, ""), else_=m.text),
            html=case((secret, ""), else_=m.html),
            **values,
        ).returning(m.structure, m.id, m.kind, m.family, m.account, m.attempts)
    )
    for structure, mail, kind, family, account, attempts in rows:
        about = {"family": family, "account": account, "attempts": attempts}
        record(session, news(occurred_at=now, structure=structure, mail=mail, kind=kind.value, **about))


async def postpone(session: AsyncSession, mail_id: str, now: dt.datetime, note: str) -> None:
    """It is tried again later, or never again once patience has run out."""
    mail = await _unfinished(session, mail_id)
    if mail is None:
        return
    if given_up(mail.created_at, now):
        await give_up(session, mail_id, now, note)
        return
    mail.attempts += 1
    mail.next_attempt_at = now + wait_after(mail.attempts)
    mail.last_error = note
    mail.claimed_by = mail.claimed_until = None


async def lose_patience(session: AsyncSession, mail_id: str, now: dt.datetime, note: str) -> None:
    """There is no mail server to try it on: give it up if that has lasted too long."""
    mail = await _unfinished(session, mail_id)
    if mail is not None and given_up(mail.created_at, now):
        await give_up(session, mail_id, now, note)


async def _unfinished(session: AsyncSession, mail_id: str) -> Mail | None:
    mail = await session.get(Mail, mail_id, with_for_update=True)
    return mail if mail is not None and mail.state is MailState.QUEUED else None
