"""How soon somebody who knows people's habits would guess a password (S7): zxcvbn, with French words and what is known of the account."""

import unicodedata
from collections.abc import Iterable
from pathlib import Path
from threading import Lock

from zxcvbn import matching, zxcvbn

LOOKED_AT = 72  #: Characters: the time grows with their square. What follows makes nothing weaker.
STRONG = 3  #: Of 4: 10^8 guesses or more, which a door that slows guessers down turns into thousands of years.

#: The library tries every reading of every sign: a password of nothing but signs would take it ten seconds. One reading each.
_READINGS = {"a": ["4", "@"], "e": ["3"], "i": ["1", "!"], "l": ["|"], "o": ["0"], "s": ["$", "5"], "t": ["7"], "z": ["2"]}
_WORDS = Path(__file__).with_name("french_words.txt")

_one_at_a_time = Lock()  #: The library keeps what it is told of the account in one place.


def _prepare() -> None:
    lines = _WORDS.read_text(encoding="utf-8").splitlines()
    words = [word for line in lines if not line.startswith("#") for word in line.split()]
    matching.add_frequency_lists({"french": list(dict.fromkeys(words))})
    matching.L33T_TABLE.clear()
    matching.L33T_TABLE.update(_READINGS)


_prepare()


def is_guessable(password: str, about: Iterable[str] = ()) -> bool:
    """Takes milliseconds, at most a tenth of a second. `about`: words that a guesser would try for this account first."""
    inputs = [part for words in about for part in (_letters(words), *_letters(words).replace("-", " ").split()) if len(part) > 2]
    with _one_at_a_time:
        found = zxcvbn(_letters(password)[:LOOKED_AT], user_inputs=inputs)
    return int(found["score"]) < STRONG


def _letters(text: str) -> str:
    """Without accents, which nobody who guesses is stopped by."""
    return "".join(character for character in unicodedata.normalize("NFKD", text) if not unicodedata.combining(character))
