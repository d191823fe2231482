"""The secret questions that recovery asks, without telling who has an account (S3).

Secret questions are off: every login, known or not, gets a decoy, always the same one, and no answer is right.
"""

import hashlib
import hmac
import unicodedata

from services.identity.credentials import plain_login

#: French, English.
QUESTIONS: tuple[tuple[str, str], ...] = (
    ("Quel est le prénom de votre plus ancien ami d'enfance ?", "What is the first name of your oldest childhood friend?"),
    ("Quel était le nom de votre premier animal ?", "What was the name of your first pet?"),
    ("Dans quelle rue habitiez-vous à dix ans ?", "Which street did you live in when you were ten?"),
    ("Quel était le nom de votre première école ?", "What was the name of your first school?"),
    ("Quel était le métier de votre grand-père ?", "What was your grandfather's profession?"),
    ("Quel est le titre de votre livre préféré ?", "What is the title of your favourite book?"),
    ("Dans quelle ville vos parents se sont-ils rencontrés ?", "In which town did your parents meet?"),
    ("Quel était le surnom de votre enfance ?", "What was your nickname as a child?"),
)
LONGEST = 200


def decoy(login: str, secret: bytes, language: str) -> str:
    """The same for the same login, and not to be foretold without the installation's secret."""
    digest = hmac.digest(secret, plain_login(login).encode(), hashlib.sha256)
    french, english = QUESTIONS[int.from_bytes(digest[:8]) % len(QUESTIONS)]
    return english if language == "en" else french


def plain_answer(text: str) -> str:
    """The one form in which an answer is hashed: capitals, accents' spelling and spaces mean nothing."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
