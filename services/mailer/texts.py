"""The mailer's few words outside the letters: days, and why a movement was refused. French first, English second."""

import datetime as dt
from functools import lru_cache

LANGUAGES = ("fr", "en")

#: Refusal code -> how a report says it, after the day: "lun. 15/05 (activité complète)".
TEXTS: dict[str, tuple[str, str]] = {
    "FULL": ("activité complète", "activity full"),
    "GROUP_INCOMPLETE": (
        "une autre demande du même groupe n'a pas pu être acceptée",
        "another request of the same group could not be accepted",
    ),
    "CLOSED": ("activité fermée ce jour", "closed that day"),
    "TOO_LATE": ("hors délai", "too late to book"),
    "ALREADY_BOOKED": ("déjà réservé", "already booked"),
    "HOURS_NOT_ALLOWED": ("horaires non autorisés", "hours not allowed"),
    "HOURS_REQUIRED": ("horaires manquants", "hours missing"),
    "NOT_ENROLLED": ("enfant non inscrit à cette activité", "child not enrolled in this activity"),
    "ACCOUNT_IN_DEBIT": ("compte débiteur", "account in debit"),
    "TOO_LATE_TO_CANCEL": ("trop tard pour annuler", "too late to cancel"),
    "UNKNOWN_BOOKING": ("aucune réservation à annuler", "no booking to cancel"),
    "NOT_MOVED": ("non déplacée", "not moved"),
    "EXPIRED": ("date limite passée pendant l'attente", "the deadline passed while waiting"),
    # A code that is newer than this mailer must not keep a family from its report.
    "OTHER": ("non traitée", "not processed"),
}

WEEKDAYS = (
    ("lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."),
    ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
)
WEEKDAYS_IN_FULL = (
    ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
    ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
)


def spoken(language: str) -> str:
    """The letters' language for an account's language: French unless it is one we write."""
    return language if language in LANGUAGES else "fr"


def say(code: str, language: str) -> str:
    """Why, in the words of a report."""
    return TEXTS.get(code, TEXTS["OTHER"])[LANGUAGES.index(language)]


@lru_cache(maxsize=2000)
def short_day(date: dt.date, language: str) -> str:
    """As reports write days: "lun. 15/05", "Mon 15/05"."""
    return f"{WEEKDAYS[LANGUAGES.index(language)][date.weekday()]} {date:%d/%m}"


def long_day(date: dt.date, language: str) -> str:
    """ "lundi 15/05/2026", "Monday 15/05/2026"."""
    return f"{WEEKDAYS_IN_FULL[LANGUAGES.index(language)][date.weekday()]} {date:%d/%m/%Y}"
