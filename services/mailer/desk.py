"""What agents do about a mail of their structure: have it sent again, or give it up. Each act leaves its trace (audit.py).

Whose structure it is was checked before. Asked twice, both do once what they do: how the mail stands says whether there is anything to do.
"""

from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from services.clock import Clock
from services.mailer import desk_queries
from services.mailer.addresses import is_address
from services.mailer.audit import Done, lock_structure, note
from services.mailer.tables import SECRET, Mail, MailKind, MailState
from services.refusal import Refused


@dataclass(frozen=True, slots=True)
class Agent:
    """Who acts, for which structure."""

    account: str
    structure: str


async def send_again(session: AsyncSession, clock: Clock, agent: Agent, id: str) -> None:
    """Now, to the address that the account has by now, and with as much patience as a new one. Raises Refused MAIL_NOT_SENDABLE."""
    mail, now = await _locked(session, agent, id), clock.now()
    if mail.state is MailState.QUEUED and mail.next_attempt_at is not None and mail.next_attempt_at <= now:
        return  # It is being sent.
    _must_be_sendable(mail)
    await _address(session, mail)
    mail.state, mail.attempts, mail.next_attempt_at, mail.again_at = MailState.QUEUED, 0, now, now
    session.add(mail)
    await note(session, now, agent.structure, agent.account, Done("SEND_MAIL_AGAIN", mail=mail.id, family=mail.family))


async def give_up(session: AsyncSession, clock: Clock, agent: Agent, id: str) -> None:
    """It is not tried any more. Whoever has it in hand finds out; if it went out all the same, it is sent.

    Raises Refused MAIL_NOT_WAITING.
    """
    mail = await _locked(session, agent, id)
    if mail.state is MailState.SENT:
        raise Refused("MAIL_NOT_WAITING")
    if mail.state is not MailState.QUEUED:
        return
    mail.state, mail.next_attempt_at, mail.claimed_by, mail.claimed_until = MailState.WITHDRAWN, None, None, None
    if mail.kind in SECRET:
        mail.text = mail.html = ""
    session.add(mail)
    await note(session, clock.now(), agent.structure, agent.account, Done("GIVE_UP_MAIL", mail=mail.id, family=mail.family))


async def _locked(session: AsyncSession, agent: Agent, id: str) -> Mail:
    await lock_structure(session, agent.structure)
    return await session.get_one(Mail, id, with_for_update=True, populate_existing=True)


def _must_be_sendable(mail: Mail) -> None:
    if mail.state is MailState.SENT:
        raise Refused("MAIL_NOT_SENDABLE", text="SENT_ALREADY")
    if mail.state is MailState.WITHDRAWN and mail.kind is MailKind.ANNOUNCEMENT:
        raise Refused("MAIL_NOT_SENDABLE", text="WITHDRAWN_FOR_GOOD")
    if not mail.text:
        raise Refused("MAIL_NOT_SENDABLE", text="LINK_IS_OVER" if mail.kind in SECRET else "SAYS_NOTHING")


async def _address(session: AsyncSession, mail: Mail) -> None:
    """Who put their address right gets it there. Raises Refused MAIL_NOT_SENDABLE: there is none."""
    if not mail.own_address or mail.account is None:
        return
    adult = await desk_queries.adult_of(session, mail.structure, mail.family, mail.account)
    if adult is None and mail.family is None:
        return  # An account that stands in no family: only identity knows its address.
    if adult is None or not (adult.email and is_address(adult.email)):
        raise Refused("MAIL_NOT_SENDABLE", text="NO_ADDRESS_YET")
    mail.to_address, mail.to_name = adult.email, adult.name
