"""What may be an e-mail address, wherever somebody writes one."""

import re

LONGEST = 254
EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f,;:<>()\[\]\\\"]+@[^@\s\x00-\x1f\x7f,;:<>()\[\]\\\"]+\.[^@\s\x00-\x1f\x7f,;:<>()\[\]\\\".]+")


def is_email(text: str) -> bool:
    """One address, which any mail server takes: few take accents. Line breaks and lists would let a caller write headers of his own."""
    return len(text) <= LONGEST and text.isascii() and EMAIL.fullmatch(text) is not None


def masked(email: str) -> str:
    """p***@example.org: enough to know one's own by."""
    name, _, host = email.rpartition("@")
    return f"{name[:1]}***@{host}"
