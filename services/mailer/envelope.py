"""A mail as it travels: the same bytes at every attempt, headers that no name can break."""

import datetime as dt
import re
from binascii import b2a_qp
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.headerregistry import Address
from email.utils import format_datetime, formataddr, parseaddr
from functools import lru_cache
from textwrap import wrap

_LABEL = re.compile(r"(?!all$)[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?")  # of a town; "all" is none
LINE = 76  #: Characters of a header's line (RFC 2047, 2): up to here there is nothing to fold.


@dataclass(frozen=True, slots=True)
class Sender:
    """Whom mails come from, such as "Préau <no-reply@carteville.fr>"."""

    name: str
    address: str

    @classmethod
    def read(cls, text: str) -> "Sender":
        """Raises ValueError if there is no address in it."""
        name, address = parseaddr(text)
        if not address.isascii() or not Address(addr_spec=address).domain:
            raise ValueError(f"a sender needs an address, such as `Mairie <no-reply@example.org>`, not {text!r}")
        return cls(name, address)

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a message is made of."""

    id: str
    to_name: str
    to_address: str
    subject: str
    language: str
    text: str
    html: str
    written_at: dt.datetime
    structure: str = ""  #: Whose mail it is.
    trace: str | None = None  #: Of what brought it about.


def message_id(mail: str, sender: Sender) -> str:
    """The same at every attempt: a mailbox that gets a mail twice can tell."""
    return f"<{mail}@{sender.domain}>"


def seal(parts: Parts, sender: Sender) -> bytes:
    """ASCII alone, so that any server can pass it on as it is."""
    return b"".join(_message(parts, sender))


def _message(parts: Parts, sender: Sender) -> Iterator[bytes]:
    boundary = f"=_{parts.id}"  # in quoted-printable no line can begin so
    yield f"Message-ID: {message_id(parts.id, sender)}\r\nDate: {format_datetime(parts.written_at)}\r\n".encode()
    yield _address("From", sender.name, sender.address)
    yield _address("To", parts.to_name, parts.to_address)
    yield _subject(parts.subject)
    yield f"Content-Language: {parts.language}\r\n".encode()
    if _LABEL.fullmatch(parts.structure):
        # What a mailbox sorts by, whatever the subject (RFC 2919). Nobody can leave it: it is about their own account.
        yield f"List-Id: <{parts.structure}.{sender.domain}>\r\n".encode()
    # No answer from a holiday responder: nobody reads it (RFC 3834).
    yield b"Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
    yield f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'.encode()
    for kind, body in (("plain", parts.text), ("html", parts.html)):
        yield f'--{boundary}\r\nContent-Type: text/{kind}; charset="utf-8"\r\n'.encode()
        yield b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        yield b2a_qp(body.replace("\r\n", "\n").encode()).replace(b"\n", b"\r\n")
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


@lru_cache(maxsize=64)
def _address(header: str, name: str, address: str) -> bytes:
    """What fits on one line and is quite harmless goes past the parser, which takes longer than all the rest."""
    if address.isascii() and name.isprintable():
        line = f"{header}: {formataddr((name, address))}"
        if len(line) <= LINE and line.isascii():
            return f"{line}\r\n".encode()
    return _folded(header, Address(name, addr_spec=address))


@lru_cache(maxsize=64)
def _subject(subject: str) -> bytes:
    if subject.isascii() and subject.isprintable():
        # The library leaves the first line empty where the second one has room for all: some readers take that for no subject.
        lines = wrap(f"Subject: {subject}", LINE, break_long_words=False, break_on_hyphens=False)
        if lines[0] != "Subject:" and max(map(len, lines)) <= LINE and " ".join(lines) == f"Subject: {subject}":
            return ("\r\n ".join(lines) + "\r\n").encode()
    return _folded("Subject", subject)


def _folded(header: str, value: str | Address) -> bytes:
    """Encoded. Raises ValueError for a value with a line break, which would start a header of its own."""
    return policy.SMTP.fold_binary(*policy.SMTP.header_store_parse(header, value))
