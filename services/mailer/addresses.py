"""Who a family's mail goes to, and how it greets them."""

from collections.abc import Iterable
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address

LONGEST = 254  #: Characters of an address (RFC 5321, 4.5.3.1.3).


@dataclass(frozen=True, slots=True)
class Adult:
    account: str
    title: str | None
    first_name: str
    last_name: str
    email: str | None
    language: str

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


def reachable(adults: Iterable[Adult]) -> list[Adult]:
    """Those with an address that a mail can go to, in their order. Parents who share one appear once."""
    by_address: dict[str, Adult] = {}
    for adult in adults:
        if adult.email and is_address(adult.email):
            by_address.setdefault(adult.email.casefold(), adult)
    return list(by_address.values())


def is_address(text: str) -> bool:
    """Whether it can stand in a To header and a RCPT command."""
    if len(text) > LONGEST or not text.isprintable():
        return False
    try:
        parsed = Address(addr_spec=text)
    except (MessageError, ValueError, IndexError):
        return False
    return bool(parsed.username and parsed.domain)
