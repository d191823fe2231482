"""What agents write into the register, and files bring: as it is kept, or why it cannot be."""

import datetime as dt
import re

from services.identity.credentials import plain_login
from services.mail_addresses import is_email
from services.refusal import Refused

LONGEST_NAME = 100
LONGEST_LOGIN = 100
LONGEST_NUMBER = 40
LONGEST_TITLE = 200
LONGEST_BODY = 10_000
SHORTEST_LOGIN = 3
OLDEST = dt.timedelta(days=25 * 366)  #: Nobody older is a child of a town's activities.
UNBORN = dt.timedelta(days=366)  #: Until then a child may be expected.
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
LANGUAGES = ("fr", "en")
#: In which announcements begin and end: so far from the edges of the calendar, every place on earth has a day for them.
YEARS = range(1900, 9001)


def name_of(text: str, what: str) -> str:
    """`what`: as INVALID_ENTRY names it, FIRST_NAME or LAST_NAME. Raises Refused INVALID_ENTRY."""
    return _line(text, what, LONGEST_NAME)


def number_of(text: str) -> str:
    """Raises Refused INVALID_ENTRY."""
    return _line(text, "NUMBER", LONGEST_NUMBER)


def title_of(text: str | None) -> str | None:
    """M., Mme. Raises Refused INVALID_ENTRY."""
    return _line(text, "TITLE", LONGEST_NAME) if text and text.strip() else None


def identifier_of(text: str, *, besides: str) -> str:
    """Of a structure: it stands in addresses and in events' subjects; `besides` is no structure's. Raises Refused INVALID_ENTRY."""
    if not IDENTIFIER.fullmatch(text) or text == besides:
        raise Refused("INVALID_ENTRY", text="IDENTIFIER_NOT_POSSIBLE")
    return text


def title_line_of(text: str) -> str:
    """Of an announcement. Raises Refused INVALID_ENTRY."""
    return _line(text, "TITLE_LINE", LONGEST_TITLE)


def body_of(text: str) -> str:
    """Of an announcement: plain, blank lines part paragraphs. Raises Refused INVALID_ENTRY."""
    said = text.replace("\r\n", "\n").strip()
    if not 0 < len(said) <= LONGEST_BODY or any(not letter.isprintable() for letter in said if letter not in "\n\t"):
        raise Refused("INVALID_ENTRY", text="BODY_NOT_POSSIBLE", most=LONGEST_BODY)
    return said


def login_of(text: str) -> str:
    """Raises Refused INVALID_ENTRY."""
    login = plain_login(_line(text, "LOGIN", LONGEST_LOGIN))
    if len(login) < SHORTEST_LOGIN or any(character.isspace() for character in login):
        raise Refused("INVALID_ENTRY", text="LOGIN_NOT_POSSIBLE", least=SHORTEST_LOGIN)
    return login


def email_of(text: str | None) -> str | None:
    """Raises Refused INVALID_EMAIL."""
    said = (text or "").strip()
    if said and not is_email(said):
        raise Refused("INVALID_EMAIL")
    return said or None


def language_of(text: str) -> str:
    """Raises Refused INVALID_ENTRY."""
    if text not in LANGUAGES:
        raise Refused("INVALID_ENTRY", text="LANGUAGE_NOT_POSSIBLE", known=", ".join(LANGUAGES))
    return text


def birth_date_of(day: dt.date | None, today: dt.date) -> dt.date | None:
    """Raises Refused INVALID_ENTRY."""
    if day is not None and not is_childs(day, today):
        raise Refused("INVALID_ENTRY", text="BIRTH_DATE_NOT_POSSIBLE", years=25)
    return day


def is_childs(birth_date: dt.date, today: dt.date) -> bool:
    return today - OLDEST < birth_date <= today + UNBORN


def _line(text: str, what: str, most: int) -> str:
    said = text.strip()
    if not 0 < len(said) <= most or not said.isprintable():
        raise Refused("INVALID_ENTRY", text="LINE_NOT_POSSIBLE", what=what, most=most)
    return said
