"""Structures, accounts and families as a town describes them, and how letters name people."""

import datetime as dt
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from services.identity.second_factor import SecondFactor


@dataclass(frozen=True, slots=True)
class StructureSpec:
    """A town or body whose activities are shown."""

    id: str
    name: str
    timezone: str  #: IANA
    school_zone: str | None = None  #: A, B or C
    second_factor: SecondFactor | None = None  #: Of its agents. None: as the installation asks.
    secret_questions: bool = False  #: Whether they open a way back in (S3).
    #: What it says of services/retention.py.
    retention: Mapping[str, int] | None = field(default=None, hash=False)


class ReportsWanted(StrEnum):
    """How an adult hears what became of requests ("comptes rendus")."""

    AT_ONCE = "at_once"  #: dès la réponse
    DAILY = "daily"  #: un seul message par jour


@dataclass(frozen=True, slots=True)
class AccountSpec:
    """A login of one adult, with the password that the town hands out."""

    login: str
    password: str | None = field(repr=False)  #: None: as it is. A new account needs one, unless it `may_wait`.
    title: str | None
    first_name: str
    last_name: str
    email: str | None = None
    agent_of: str | None = None  #: A structure's id.
    language: str = "fr"
    structure: str | None = None  #: Whose file this is. An account that was its agent, and is not any more, stops being one.
    administrator: bool | None = None  #: Of `agent_of`; None: as it is.
    reports: ReportsWanted | None = None  #: None: as it is, as announcements.
    announcements_by_mail: bool | None = None
    may_wait: bool = False  #: A new account may have no password yet: its owner chooses one, with a code from the town hall.


@dataclass(frozen=True, slots=True)
class ChildSpec:
    id: str
    first_name: str
    last_name: str
    birth_date: dt.date | None = None


@dataclass(frozen=True, slots=True)
class FamilySpec:
    """A household's account in one structure: who may act for it, and its children."""

    id: str
    structure: str
    number: str
    accounts: tuple[str, ...]  #: Logins.
    children: tuple[ChildSpec, ...]


def eldest_first(children: Iterable[ChildSpec]) -> list[ChildSpec]:
    """In order of birth; twins and those without a date stay in the order given, the latter last."""
    return sorted(children, key=lambda child: child.birth_date or dt.date.max)


def age_on(day: dt.date, birth_date: dt.date) -> int | None:
    """In whole years: born on 29 February, one has one's birthday on 1 March of other years. None: not born yet."""
    years = day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))
    return years if years >= 0 else None


def name_in_letters(first_name: str, last_name: str) -> str:
    """DUPONT Amalia (S37)."""
    return f"{last_name.upper()} {first_name}"


# ---------------------------------------------------------------------------------------------------------- looking for one
MOST_TERMS = 6  #: Of one search.
LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d"})


def words_of(text: str) -> list[str]:
    """In the form in which they are looked for: without accents and capitals, parted at whatever is no letter or digit."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold().translate(LIGATURES))
    kept = "".join(character for character in plain if not unicodedata.combining(character))
    return "".join(character if character.isalnum() else " " for character in kept).split()


def looked_for_by(number: str, people: Iterable[str]) -> str:
    """What a family is found by: its number, also without leading zeros, and each word of what its people are called."""
    texts = [number, number.lstrip("0"), *people]
    return "".join(f" {word}" for word in dict.fromkeys(word for text in texts for word in words_of(text)))
