"""A mail as it travels: the same bytes at every attempt, headers that no name can break."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr


@dataclass(frozen=True, slots=True)
class Sender:
    """Whom mails come from, such as "Préau <no-reply@carteville.fr>"."""

    name: str
    address: str

    @classmethod
    def read(cls, text: str) -> "Sender":
        """Raises ValueError if there is no address in it."""
        name, address = parseaddr(text)
        if not Address(addr_spec=address).domain:
            raise ValueError(f"a sender needs an address, such as `Mairie <no-reply@example.org>`, not {text!r}")
        return cls(name, address)

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a message is made of."""

    id: str
    to: Sequence[tuple[str, str]]  #: (name, address): the first is written to, the others are in copy.
    subject: str
    language: str
    text: str
    html: str
    written_at: dt.datetime


def message_id(mail: str, sender: Sender) -> str:
    """The same at every attempt: a mailbox that gets a mail twice can tell."""
    return f"<{mail}@{sender.domain}>"


def seal(parts: Parts, sender: Sender) -> EmailMessage:
    message = EmailMessage(policy.default)
    message["Message-ID"] = message_id(parts.id, sender)
    message["Date"] = format_datetime(parts.written_at)
    message["From"] = Address(sender.name, addr_spec=sender.address)
    first, *others = (Address(name, addr_spec=address) for name, address in parts.to)
    message["To"] = first
    if others:
        message["Cc"] = others
    message["Subject"] = parts.subject
    message["Content-Language"] = parts.language
    # No answer from a holiday responder: nobody reads it (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(parts.text)
    message.add_alternative(parts.html, subtype="html")
    message.set_boundary(f"part-{parts.id}")
    return message
