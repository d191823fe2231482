"""The secret questions by which some structures let families back in, without telling who has an account (S3).

Every login is asked something: a known one its own question, where that is a way in, any other a decoy, always the same one.
"""

import hashlib
import hmac
import unicodedata

from services.identity.credentials import plain_login

#: Code -> French, English. The code is what is kept: it is shown in the reader's language.
QUESTIONS: dict[str, tuple[str, str]] = {
    "FRIEND": ("Quel est le prénom de votre plus ancien ami d’enfance ?", "What is the first name of your oldest childhood friend?"),
    "PET": ("Quel était le nom de votre premier animal ?", "What was the name of your first pet?"),
    "STREET": ("Dans quelle rue habitiez-vous à dix ans ?", "Which street did you live in when you were ten?"),
    "SCHOOL": ("Quel était le nom de votre première école ?", "What was the name of your first school?"),
    "GRANDFATHER": ("Quel était le métier de votre grand-père ?", "What was your grandfather’s profession?"),
    "BOOK": ("Quel est le titre de votre livre préféré ?", "What is the title of your favourite book?"),
    "PARENTS": ("Dans quelle ville vos parents se sont-ils rencontrés ?", "In which town did your parents meet?"),
    "NICKNAME": ("Quel était le surnom de votre enfance ?", "What was your nickname as a child?"),
}
LONGEST = 200


def decoy(login: str, secret: bytes) -> str:
    """A code: the same for the same login, and not to be foretold without the installation's secret."""
    digest = hmac.digest(secret, plain_login(login).encode(), hashlib.sha256)
    return list(QUESTIONS)[int.from_bytes(digest[:8]) % len(QUESTIONS)]


def asked(code: str, language: str) -> str:
    """In words. What is no code is somebody's own words, from before there was a list."""
    return QUESTIONS[code][language == "en"] if code in QUESTIONS else code


def offered(login: str, secret: bytes) -> list[str]:
    """Codes, the login's decoy first: whoever takes that is asked what was asked before, and nobody sees that there is an account."""
    first = decoy(login, secret)
    return [first, *(code for code in QUESTIONS if code != first)]


def code_of(text: str) -> str | None:
    """Of a question in either language, or of its code. None: it is none of ours."""
    text = text.strip()
    return next((code for code, words in QUESTIONS.items() if text == code or text in words), None)


def plain_answer(text: str) -> str:
    """The one form in which an answer is hashed: capitals, accents, spaces and signs mean nothing."""
    letters = unicodedata.normalize("NFKD", text).casefold()
    return "".join(character for character in letters if character.isalnum())
