"""What a login and a password may be (S1, S7)."""

import unicodedata
from enum import StrEnum
from itertools import pairwise

MINIMUM_LENGTH = 12
MAXIMUM_LENGTH = 256  #: Hashing must stay cheap whatever is sent.
DISTINCT_CHARACTERS = 5

#: Passwords that guessers try first, without the digits and signs that people add to them. French ones first.
COMMON = frozenset(
    """
    motdepasse monmotdepasse nouveaumotdepasse motdepassefamille espacefamille portailfamille bonjour bonjourbonjour azerty azertyuiop
    azertyuiopqsdfghjklm azertyqwerty aqwzsxedcrfv qsdfghjklm jetaime jetaimejetaime soleilsoleil doudou doudoudoudou loulou chouchou
    marseille olympiquedemarseille parissaintgermain mairie mairiemairie famille mafamille enfants mesenfants ecole ecoleprimaire
    bienvenue administrateur utilisateur changemoi changezmoi password passwordpassword mypassword newpassword passwort letmein
    qwerty qwertyuiop qwertyuiopasdfghjkl qwertyqwerty qazwsxedc iloveyou iloveyoutoo welcome welcomehome administrator admin changeme
    superman princess sunshine football baseball dragon monkey master trustno abcdefghijkl abcdefghijklmnop
    """.split()
)


class Weakness(StrEnum):
    """Why a password is refused."""

    TOO_SHORT = "TOO_SHORT"
    TOO_LONG = "TOO_LONG"
    TOO_COMMON = "TOO_COMMON"
    CONTAINS_LOGIN = "CONTAINS_LOGIN"
    GUESSABLE = "GUESSABLE"
    SAME = "SAME"


def plain_login(text: str) -> str:
    """The one form in which a login is kept and compared: typed capitals and spaces around it mean nothing."""
    # PostgreSQL keeps no NUL in a text; nobody has one in a login.
    return unicodedata.normalize("NFKC", text).strip().casefold().replace("\0", "\ufffd")


def plain_password(text: str) -> str:
    """The one form in which a password is hashed: the same keys give the same password on every keyboard and system."""
    return unicodedata.normalize("NFKC", text)


def weakness(password: str, login: str) -> Weakness | None:
    """What is wrong with a password that somebody chooses, or None. No rules about kinds of characters: length is what counts."""
    password = plain_password(password)
    folded = password.casefold()
    if len(password) < MINIMUM_LENGTH:
        return Weakness.TOO_SHORT
    if len(password) > MAXIMUM_LENGTH:
        return Weakness.TOO_LONG
    if len(login) >= 3 and plain_login(login) in folded:
        return Weakness.CONTAINS_LOGIN
    if len(set(folded)) < DISTINCT_CHARACTERS or _letters(folded) in COMMON or _is_a_run(folded):
        return Weakness.TOO_COMMON
    return None


def _letters(text: str) -> str:
    """Without accents, digits and signs."""
    return "".join(character for character in unicodedata.normalize("NFKD", text) if character.isalpha())


def _is_a_run(text: str) -> bool:
    """Such as 123456789012 or mlkjihgfedcba: each character is the neighbour of the one before."""
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    return steps <= {1, -9} or steps <= {-1, 9}
