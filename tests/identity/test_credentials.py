"""S1, S7: what a login and a password may be."""

import time

import pytest

from services.identity.credentials import Weakness, plain_login, plain_password, weakness
from services.identity.strength import _WORDS, LOOKED_AT, is_guessable


@pytest.mark.parametrize(
    "password",
    [
        "Amalia-et-Paolo-2026",
        "Mairie-CarteVille-2026",
        "cheval correct pile agrafe",
        "éàüöñç文字kanji",
        "x9" * 4 + "Kw!7" + "ab",
        "a" * 3 + "bcdqz" * 20,
    ],
)
def test_s7_a_long_password_is_good_whatever_it_is_made_of(password: str) -> None:
    assert weakness(password, "dupont") is None


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("", Weakness.TOO_SHORT),
        ("Kw!7x9-pQz2", Weakness.TOO_SHORT),
        ("x9Kw!7-pQz2 " * 22, Weakness.TOO_LONG),
        ("MotDePasse2026!", Weakness.TOO_COMMON),
        ("môtdepassé-123", Weakness.TOO_COMMON),
        ("Azertyuiop123", Weakness.TOO_COMMON),
        ("password12345", Weakness.TOO_COMMON),
        ("123456789012", Weakness.TOO_COMMON),
        ("1234567890123", Weakness.TOO_COMMON),
        ("abcdefghijklm", Weakness.TOO_COMMON),
        ("mlkjihgfedcba", Weakness.TOO_COMMON),
        ("aaaaaaaaaaaaaa", Weakness.TOO_COMMON),
        ("ababababababab", Weakness.TOO_COMMON),
        ("Famille-DUPONT-31", Weakness.CONTAINS_LOGIN),
    ],
)
def test_s7_a_password_that_is_easily_guessed_is_refused(password: str, why: Weakness) -> None:
    assert weakness(password, "dupont") is why


def test_s7_the_figure_of_the_rule_eleven_characters_are_too_few_and_twelve_enough() -> None:
    assert weakness("q7-Lz0.w4Vt", "dupont") is Weakness.TOO_SHORT
    assert weakness("q7-Lz0.w4Vt!", "dupont") is None


def test_a_login_of_two_letters_does_not_forbid_half_the_words() -> None:
    assert weakness("cheval correct pile", "le") is None


def test_s1_a_login_is_the_same_in_capitals_and_with_spaces_around() -> None:
    assert plain_login("  DuPont ") == plain_login("dupont") == "dupont"


def test_s1_a_password_typed_on_another_system_is_the_same_password() -> None:
    assert plain_password("caf\u00e9 au lait") == plain_password("cafe\u0301 au lait")
    assert plain_password(" Two  Spaces ") != plain_password("Two Spaces")


ABOUT = ("jp.dupont", "Jean-Paul", "DUPONT", "Mairie de CarteVille")


@pytest.mark.parametrize(
    "password",
    [
        "bonjourmonsieur",
        "motdepasse2026",
        "m0td3p@sse2026",
        "Marseille13013",
        "famillemartin",
        "soleilsoleil1",
        "azertyazerty1",
        "Jean-Paul2026",
        "CarteVille2026",
        "élodiejulie1",
    ],
)
def test_s7_french_words_and_what_is_known_of_the_account_are_guessed_first(password: str) -> None:
    assert is_guessable(password, ABOUT)


@pytest.mark.parametrize(
    "password", ["Amalia-et-Paolo-2026", "un cheval correct en pile", "q7-Lz0.w4Vt!", "éàüöñç文字kanji", "x9" * 4 + "Kw!7" + "ab"]
)
def test_s7_what_takes_a_hundred_million_guesses_is_good(password: str) -> None:
    assert not is_guessable(password, ABOUT)


def test_s7_the_words_are_written_as_they_are_compared() -> None:
    words = _WORDS.read_text(encoding="utf-8")
    assert words.isascii()
    assert words.lower().splitlines()[1:] == words.splitlines()[1:]
    assert len(words.split()) > 700


@pytest.mark.parametrize(
    "password", ["4@8({[<369&#!1/|0$5+7%2" * 11, "é" * 256, "4@3!1|0$572abcdefghijklmnopqrstuvwxy" * 7, "1/2/1999 " * 28, "aZ3" * 85]
)
def test_sec3_no_password_takes_the_processor_for_long(password: str) -> None:
    begun = time.process_time()
    is_guessable(password, ABOUT)
    assert time.process_time() - begun < 1.0, "the library alone takes ten seconds for the first of these"
    assert LOOKED_AT == 72
