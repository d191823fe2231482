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

WORDS: dict[str, tuple[str, str]] = {
    # Of a day.
    "GROUPED_WITH": ("groupée avec une demande refusée : {other}", "together with a request that was refused: {other}"),
    "THESE_HOURS_NOT_ALLOWED": ("horaires non autorisés : {hours}", "hours not allowed: {hours}"),
    "ALREADY_WAITLISTED": ("déjà en liste d'attente", "already on the waiting list"),
    "WAITLISTED": ("était en liste d'attente", "was on the waiting list"),
    "SUBMITTED": ("demande encore sans réponse", "not answered yet"),
    "RENEWED": ("{hours} au lieu de {before}", "{hours} instead of {before}"),
    "RENEWED_AS_IT_WAS": ("annulée, puis réservée à nouveau", "cancelled, then booked again"),
    # When lines that wait are answered.
    "RUN": ("Réponse après la répartition du {day} à {at}.", "Answered after the run of {day} at {at}."),
    "RUN_OF": ("Réponse après la répartition de {activity}, {day} à {at}.", "Answered after the run of {activity}, {day} at {at}."),
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


def tell(word: str, language: str, **details: str) -> str:
    """What else a report says."""
    return WORDS[word][LANGUAGES.index(language)].format(**details)


def euros(cents: int, language: str) -> str:
    """ "-12,34 €", "-€12.34"."""
    amount = f"{abs(cents) / 100:.2f}"
    sign = "-" if cents < 0 else ""
    return f"{sign}{amount.replace('.', ',')} €" if language == "fr" else f"{sign}€{amount}"


def span(hours: tuple[str, str]) -> str:
    """ "07:30-08:45"."""
    return "-".join(hours)


def renewed(hours: tuple[str, str], before: tuple[str, str], language: str) -> str:
    """Of a day that was given back and booked in one request."""
    if hours == before:
        return tell("RENEWED_AS_IT_WAS", language)
    return tell("RENEWED", language, hours=span(hours), before=span(before))


@lru_cache(maxsize=2000)
def short_day(date: dt.date, language: str) -> str:
    """As reports write days: "lun. 15/05", "Mon 15/05"."""
    return f"{WEEKDAYS[LANGUAGES.index(language)][date.weekday()]} {date:%d/%m}"


def time_of_day(local_time: str, language: str) -> str:
    """ "02:00" -> "2 h", "12:30" -> "12 h 30"; English keeps "02:00"."""
    if language != "fr":
        return local_time
    hours, minutes = local_time.split(":")
    return f"{int(hours)} h" if minutes == "00" else f"{int(hours)} h {minutes}"


def long_day(date: dt.date, language: str) -> str:
    """ "lundi 15/05/2026", "Monday 15/05/2026"."""
    return f"{WEEKDAYS_IN_FULL[LANGUAGES.index(language)][date.weekday()]} {date:%d/%m/%Y}"
