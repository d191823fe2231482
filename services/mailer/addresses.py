"""Who a family's mail goes to, and how it greets them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from email.errors import MessageError
from email.headerregistry import Address

DAILY = "daily"  #: One mail a day.
LONGEST = 254  #: Characters of an address (RFC 5321, 4.5.3.1.3).
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
#: What nearly all addresses look like: known at a glance, where the parser of the rest takes a while.
_USUAL = re.compile(rf"{_ATOM}(\.{_ATOM})*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


@dataclass(frozen=True, slots=True)
class Adult:
    account: str
    title: str | None
    first_name: str
    last_name: str
    email: str | None
    language: str
    reports: str = "at_once"  #: How they want to hear what became of requests: "at_once", or DAILY.
    announcements: bool = True  #: Whether they want the structure's by mail.

    @property
    def name(self) -> str:
        """As letters write it: "DUPONT Jean-Paul"."""
        return one_line(f"{self.last_name} {self.first_name}")

    @property
    def greeting(self) -> str:
        """ "M. DUPONT Jean-Paul"."""
        return one_line(f"{self.title or ''} {self.name}")


def one_line(text: str) -> str:
    """Names end up in headers and headings: a line break in one must not start another."""
    return " ".join(text.split())


def addressee(adults: Iterable[Adult], account: str | None = None, email: str | None = None) -> Adult | None:
    """The one adult a mail goes to: that account's, if a mail can reach it, or else the first whom one can reach.

    `email`: where that account wants this mail; where the account is nobody's of the family, it is the first adult's.
    """
    in_order = sorted(adults, key=lambda adult: adult.account != account)
    if email is not None:
        in_order = [*(replace(adult, email=email) for adult in in_order[:1]), *in_order]
    return next((adult for adult in in_order if adult.email and is_address(adult.email)), None)


def is_address(text: str) -> bool:
    """Whether it can stand in a To header and a RCPT command. One with accents cannot: few mail servers take it."""
    if len(text) > LONGEST or not text.isascii() or not text.isprintable():
        return False
    if _USUAL.fullmatch(text):
        return True
    try:
        parsed = Address(addr_spec=text)
    except (MessageError, ValueError, IndexError):
        return False
    return bool(parsed.username and parsed.domain)
