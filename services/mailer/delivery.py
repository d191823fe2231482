"""What can be asked of the mailer about mails: take some in hand, note what became of them."""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Update, case, select, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.bulk import insert_unknown
from services.events import MailFailed, MailSent
from services.mailer import queries
from services.mailer.attempts import given_up, wait_after
from services.mailer.envelope import Parts
from services.mailer.pacing import SECOND, Rates, domain_of, take
from services.mailer.queries import MAIL
from services.mailer.tables import SECRET, Mail, MailKind, MailState, Pace, core
from services.outbox import record
from services.retention import overdue

#: What is left of a mail's words and address when they are forgotten.
SILENT = {"subject": "", "text": "", "html": "", "to_name": None, "to_address": None, "last_error": None}


async def claim(
    session: AsyncSession, sender: str, now: dt.datetime, real_now: dt.datetime, until: dt.datetime, limit: int, rates: Rates
) -> Sequence[Parts]:
    """Take mails that are due in hand: until then nobody else sends them. To each provider no more than its rate lets go now."""
    paces = await _lock_paces(session, real_now, rates)
    mails = await queries.due(session, now, real_now, limit, [domain for domain, free_at in paces.items() if free_at > real_now])
    mails = await _keep_pace(session, mails, real_now, rates, paces)
    if mails:
        taken = update(MAIL).where(MAIL.c.id.in_([mail.id for mail in mails])).values(claimed_by=sender, claimed_until=until)
        await (await session.connection()).execute(taken)
    return mails


async def _lock_paces(session: AsyncSession, real_now: dt.datetime, rates: Rates) -> dict[str, dt.datetime]:
    if not rates:
        return {}
    rows = [{"domain": domain, "free_at": real_now - SECOND} for domain in sorted(rates)]
    await (await session.connection()).execute(insert_unknown(session, core(Pace), rows))
    return await queries.paces(session, rates, lock=True)


async def _keep_pace(
    session: AsyncSession, mails: Sequence[Parts], real_now: dt.datetime, rates: Rates, paces: dict[str, dt.datetime]
) -> list[Parts]:
    """Those of the mails that may go now."""
    waiting = Counter(domain_of(mail.to_address) for mail in mails)
    left = {}
    for domain in rates.keys() & waiting.keys():
        left[domain], free_at = take(paces[domain], real_now, rates[domain], waiting[domain])
        await (await session.connection()).execute(update(core(Pace)).where(col(Pace.domain) == domain).values(free_at=free_at))
    going = []
    for mail in mails:
        domain = domain_of(mail.to_address)
        if left.get(domain, 1) > 0:
            going.append(mail)
            if domain in left:
                left[domain] -= 1
    return going


async def renew(session: AsyncSession, sender: str, until: dt.datetime) -> None:
    """Still at work on what is in hand."""
    await (await session.connection()).execute(_in_hand(sender).values(claimed_until=until))


async def release(session: AsyncSession, sender: str) -> None:
    """Give back what is in hand, untried."""
    await (await session.connection()).execute(_in_hand(sender).values(claimed_by=None, claimed_until=None))


def _in_hand(sender: str) -> Update:
    return update(MAIL).where(MAIL.c.claimed_by == sender, MAIL.c.state == MailState.QUEUED)


async def withdraw(session: AsyncSession, announcement: str) -> None:
    """Its mails that did not go out are not sent. Who has some in hand finds out: `withdrawn`."""
    theirs = col(Mail.cause).startswith(f"{MailKind.ANNOUNCEMENT}:{announcement}/", autoescape=True)
    await _withdraw(session, theirs)


async def _withdraw(session: AsyncSession, theirs: ColumnElement[bool]) -> None:
    gone = {"state": MailState.WITHDRAWN, "next_attempt_at": None, "claimed_by": None, "claimed_until": None}
    await (await session.connection()).execute(update(MAIL).where(theirs, MAIL.c.state == MailState.QUEUED).values(**gone))


async def silence(session: AsyncSession, accounts: Collection[str]) -> None:
    """Mails to these accounts, which are gone: none is sent any more, and none says what it said. That there was one remains."""
    theirs = MAIL.c.account.in_(accounts)
    await _withdraw(session, theirs)
    await (await session.connection()).execute(update(MAIL).where(theirs).values(**SILENT))


async def withdrawn(session: AsyncSession, mails: Sequence[str]) -> set[str]:
    """Those of them that are not to be sent any more."""
    query = select(MAIL.c.id).where(MAIL.c.id.in_(mails), MAIL.c.state == MailState.WITHDRAWN)
    return set((await (await session.connection()).execute(query)).scalars())


async def mark_sent(session: AsyncSession, mails: Sequence[str], now: dt.datetime) -> None:
    """The mail server has them, whatever was withdrawn meanwhile. Announced once, even if two senders had one."""
    if mails:
        await _finish(
            session, mails, MailSent, now, (MailState.QUEUED, MailState.WITHDRAWN), state=MailState.SENT, sent_at=now, last_error=None
        )


async def give_up(session: AsyncSession, mail_id: str, now: dt.datetime, note: str) -> None:
    """It will not be tried again."""
    await _finish(session, [mail_id], MailFailed, now, (MailState.QUEUED,), state=MailState.FAILED, last_error=note)


async def _finish(
    session: AsyncSession,
    mails: Sequence[str],
    news: type[MailSent | MailFailed],
    now: dt.datetime,
    was: Sequence[MailState],
    **values: object,
) -> None:
    """Past the ORM: a rush ends in thousands of these."""
    m = MAIL.c
    end = update(MAIL).where(m.id.in_(mails), m.state.in_(was))
    # A link that was sent, or never will be, has no business in our tables.
    secret = m.kind.in_(SECRET)
    rows = await (await session.connection()).execute(
        end.values(
            attempts=m.attempts + 1,
            next_attempt_at=None,
            claimed_by=None,
            claimed_until=None,
            text=case((secret, ""), else_=m.text),
            html=case((secret, ""), else_=m.html),
            **values,
        ).returning(m.structure, m.id, m.kind, m.family, m.account, m.attempts, m.own_address, m.created_at)
    )
    for structure, mail, kind, family, account, attempts, own_address, written_at in rows:
        about = {"family": family, "account": account, "attempts": attempts, "own_address": own_address, "written_at": written_at}
        record(session, news(occurred_at=now, structure=structure, mail=mail, kind=kind.value, **about))


async def postpone(session: AsyncSession, mail_id: str, now: dt.datetime, note: str) -> None:
    """It is tried again later, or never again once patience has run out."""
    mail = await _unfinished(session, mail_id)
    if mail is None:
        return
    if given_up(mail.again_at or mail.created_at, now):
        await give_up(session, mail_id, now, note)
        return
    mail.attempts += 1
    mail.next_attempt_at = now + wait_after(mail.attempts)
    mail.last_error = note
    mail.claimed_by = mail.claimed_until = None


async def lose_patience(session: AsyncSession, mail_id: str, now: dt.datetime, note: str) -> None:
    """There is no mail server to try it on: give it up if that has lasted too long."""
    mail = await _unfinished(session, mail_id)
    if mail is not None and given_up(mail.again_at or mail.created_at, now):
        await give_up(session, mail_id, now, note)


async def _unfinished(session: AsyncSession, mail_id: str) -> Mail | None:
    mail = await session.get(Mail, mail_id, with_for_update=True)
    return mail if mail is not None and mail.state is MailState.QUEUED else None


async def forget(session: AsyncSession, now: dt.datetime, most: int) -> int:
    """What so many mails said whose time has come, and to which address they went: how many those were."""
    m = MAIL.c
    past = overdue("mails_days", m.created_at, m.structure, now, await queries.retention(session))
    old = select(m.id).where(m.state != MailState.QUEUED, m.subject != "", past).order_by(m.created_at).limit(most)
    ids = (await (await session.connection()).execute(old)).scalars().all()
    if ids:
        await (await session.connection()).execute(update(MAIL).where(m.id.in_(ids)).values(**SILENT))
    return len(ids)
