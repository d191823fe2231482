"""Structures, accounts and families as a town describes them, and how letters name people."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field

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


@dataclass(frozen=True, slots=True)
class AccountSpec:
    """A login of one adult, with the password that the town hands out."""

    login: str
    password: str | None = field(repr=False)  #: None: as it is. A new account needs one.
    title: str | None
    first_name: str
    last_name: str
    email: str | None = None
    agent_of: str | None = None  #: A structure's id.
    language: str = "fr"
    structure: str | None = None  #: Whose file this is. An account that was its agent, and is not any more, stops being one.


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
