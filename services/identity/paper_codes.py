"""Codes that are written on paper and typed by hand (S3): short, without letters that look alike, and safe all the same.

`3K7M-Q2XR-9TDE`: the first character says which of the account's codes it is, the others are 55 bits of chance.
"""

import secrets

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  #: Crockford's: no I, L, O, U.
PRINTED = "0123456789"  #: First characters of the codes that a family prints itself.
COUNTER = "M"  #: And of the one that the town hall gives ("mairie").
SECRET_LENGTH = 11
_LOOKALIKES = str.maketrans("OIL", "011")


def new_code(place: str) -> str:
    """As it is hashed: without hyphens."""
    return place + "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))


def grouped(code: str) -> str:
    """As it is written on paper."""
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))


def plain_code(text: str) -> str:
    """The one form in which a code is hashed and compared, whatever somebody makes of it on a keyboard. Empty: it cannot be a code."""
    code = "".join(character for character in text[:100].upper() if character.isalnum()).translate(_LOOKALIKES)
    fits = len(code) == 1 + SECRET_LENGTH and all(character in ALPHABET for character in code)
    return code if fits else ""
