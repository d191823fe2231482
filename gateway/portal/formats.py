"""Dates, times and money as people read them, in French and English (CLDR, by Babel)."""

import datetime as dt
import re
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.numbers import format_currency

from services.refusal import Language

LOCALES: Final = {"fr": "fr_FR", "en": "en_GB"}
#: Patterns of dates:
#: lundi 2 novembre · lun. 2 nov. 2026 · 2 novembre 2026 · novembre 2026 · lundi · 2 nov. · 2 novembre · lun. 2 nov. · 02/11/2026
PATTERNS: Final = {
    "day": "EEEE d MMMM",
    "short": "EEE d MMM y",
    "full": "EEEE d MMMM y",
    "date": "d MMMM y",
    "month": "LLLL y",
    "weekday": "EEEE",
    "brief": "d MMM",
    "day_month": "d MMMM",
    "weekday_brief": "EEE d MMM",
    "numbers": "dd/MM/y",
}
MINUS: Final = "−"
_FIRST: Final = re.compile(r"\b1 (?=[a-zé])")  #: French says "1er novembre".


@lru_cache(20_000)
def date(value: dt.date | str, pattern: str, language: Language) -> str:
    """`pattern`: of PATTERNS. A text is ISO 8601; a month alone ("2026-11") is its first day."""
    if isinstance(value, str):
        value = dt.date.fromisoformat(value if len(value) == 10 else f"{value}-01")
    told = format_date(value, PATTERNS[pattern], locale=LOCALES[language])
    return _FIRST.sub("1er ", told) if language == "fr" else told


@lru_cache(20_000)
def money(cents: int, language: Language) -> str:
    return format_currency(cents / 100, "EUR", locale=LOCALES[language]).replace("-", MINUS)


def plain_money(cents: int, language: Language) -> str:
    """For a field that somebody changes: 12,50"""
    text = f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02}"
    return text.replace(".", ",") if language == "fr" else text


_AMOUNT = re.compile(r"([0-9]{1,7})(?:[.,]([0-9]{1,2}))?")


def cents(text: str) -> int | None:
    """What somebody wrote as an amount, such as "1 250,5 €". None: it is none, below zero, or more than the API can tell (Int).

    "5€50" is none either: without its sign it would be a hundred times as much.
    """
    found = _AMOUNT.fullmatch("".join(text.split()).removeprefix("€").removesuffix("€"))
    return None if found is None else int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0"))


def time(value: str, language: Language) -> str:
    """`value`: HH:MM. -> 7 h 30, 7:30"""
    hours, minutes = value[:2].lstrip("0") or "0", value[3:5]
    return f"{hours} h {minutes}" if language == "fr" else f"{hours}:{minutes}"


_TIME = re.compile(r"([01]?[0-9]|2[0-3])[:hH]([0-5][0-9])(?::[0-5][0-9])?")


def time_of(text: str) -> str | None:
    """A time of day out of a form, which may tell anything -> HH:MM. None: it is none."""
    found = _TIME.fullmatch("".join(text.split()))
    return None if found is None else f"{int(found[1]):02}:{found[2]}"


_TYPED = re.compile(r"([0-9]{1,2})[/. -]([0-9]{1,2})[/. -]([0-9]{4})")


def day_of(text: str) -> dt.date | None:
    """A date out of an address or a form, which may tell anything: ISO 8601, or 24/12/2026. None: it is no date."""
    found = _TYPED.fullmatch(text.strip())
    try:
        return dt.date(int(found[3]), int(found[2]), int(found[1])) if found else dt.date.fromisoformat(text)
    except ValueError:
        return None


def local(value: str | dt.datetime, timezone: str) -> dt.datetime:
    """An instant, RFC 3339, where the structure is."""
    return (dt.datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(ZoneInfo(timezone))


def moment(value: str | dt.datetime, timezone: str, language: Language) -> str:
    """-> 3 novembre 2026 à 06:15"""
    at = local(value, timezone)
    return f"{date(at.date(), 'date', language)} {'à' if language == 'fr' else 'at'} {at:%H:%M}"


def clock(value: str | dt.datetime, timezone: str) -> str:
    """-> 08:00:03"""
    return f"{local(value, timezone):%H:%M:%S}"
