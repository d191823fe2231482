"""The portal's words: one for each thing, and the signs that French and English are printed with."""

import datetime as dt
import re

import pytest

from gateway.portal.formats import day_of
from gateway.portal.texts import COUNTED, TEXTS
from services.events import BY_TYPE

FRENCH = [words[0] for words in TEXTS.values()] + [each for words in COUNTED.values() for each in words[0]]
ENGLISH = [words[1] for words in TEXTS.values()] + [each for words in COUNTED.values() for each in words[1]]
#: What else a thing might be called -> what it is called here.
OTHERWISE = {
    r"courriel|adresse électronique|courrier électronique": "e-mail",
    r"double authentification|second facteur|deuxième facteur|seconde étape": "deuxième étape",
    r"vaut aussitôt": "s’applique immédiatement",
}


def test_an_apostrophe_is_the_printed_one() -> None:
    assert [each for each in FRENCH + ENGLISH if re.search(r"\w'|'\w", each)] == []


@pytest.mark.parametrize("other", OTHERWISE)
def test_a_thing_has_one_name(other: str) -> None:
    assert [each for each in FRENCH if re.search(other, each, re.IGNORECASE)] == [], OTHERWISE[other]
    assert [each for each in ENGLISH if re.search(r"second factor|two-factor", each, re.IGNORECASE)] == []


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-12-24", 24),
        ("24/12/2026", 24),
        ("4/12/2026", 4),
        ("24.12.2026", 24),
        ("31/11/2026", None),
        ("24/12/26", None),
        ("12/24/2026", None),
        ("", None),
    ],
)
def test_a_day_is_understood_as_people_write_it(text: str, day: int | None) -> None:
    assert day_of(text) == (dt.date(2026, 12, day) if day else None)


def test_every_event_has_words_for_an_agent() -> None:
    events = {f"{each.service}.{each.name}" for each in BY_TYPE.values()}
    assert {code.removeprefix("EVENT_") for code in TEXTS if code.startswith("EVENT_")} == events | {"UNKNOWN"}
