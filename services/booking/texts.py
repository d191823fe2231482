"""Every sentence that booking says to a family, in French first, then in English."""

TEXTS: dict[str, tuple[str, str]] = {
    # Refusals of a whole demand.
    "ACCOUNT_IN_DEBIT": (
        "Votre compte famille est débiteur : vous ne pouvez pas réserver. L'annulation reste possible.",
        "Your family account is in debt: you cannot book. You can still cancel.",
    ),
    "NOTHING_TO_SUBMIT": ("Aucune demande à transmettre.", "There is nothing to submit."),
    "TOO_MANY_LINES": ("Trop de demandes à la fois : {limit} au plus.", "Too many lines at once: {limit} at most."),
    "IDEMPOTENCY_KEY_REUSED": (
        "Cette clé a déjà servi pour d'autres demandes.",
        "This key was already used for a different set of lines.",
    ),
    "UNKNOWN_FAMILY": ("Ce compte famille n'existe pas.", "There is no such family account."),
    "UNKNOWN_CHILD": ("Cet enfant n'existe pas.", "There is no such child."),
    "UNKNOWN_ACTIVITY": ("Cette activité n'existe pas.", "There is no such activity."),
    # Refusals of a line: its observation (S34).
    "FULL": ("Non traitée, activité complète", "Not booked: the activity is full"),
    "CLOSED": ("Activité non ouverte ce jour", "The activity is not open that day"),
    "TOO_LATE": ("Hors délai pour réserver", "Too late to book"),
    "ALREADY_BOOKED": ("Déjà réservée", "Already booked"),
    "HOURS_NOT_ALLOWED": ("Horaires non autorisés pour cette activité", "These hours are not allowed for this activity"),
    "HOURS_REQUIRED": ("Horaires à préciser", "Hours are needed"),
    "NOT_ENROLLED": ("Enfant non inscrit à cette activité", "The child is not enrolled in this activity"),
    "TOO_LATE_TO_CANCEL": ("Hors délai pour annuler", "Too late to cancel"),
    "UNKNOWN_BOOKING": ("Aucune réservation à annuler", "There is no booking to cancel"),
    # Attendance.
    "TOO_EARLY": ("Cette journée n'a pas encore commencé.", "That day has not begun yet."),
    "DAY_CLOSED": ("Cette journée est clôturée.", "That day is closed."),
    "NOT_BOOKED": ("L'enfant n'a pas de réservation ce jour", "The child has no booking that day"),
    "NOTE_TOO_LONG": ("Observation trop longue : {limit} caractères au plus", "The note is too long: {limit} characters at most"),
    "REASON_NEEDED": ("Un motif est nécessaire, de {limit} caractères au plus.", "A reason is needed, of {limit} characters at most."),
    # States of a booking that are not a plain yes.
    "SUBMITTED": ("En attente de réponse", "Waiting for an answer"),
    "WAITLISTED": ("Mise en liste d'attente", "On the waiting list"),
    "CANCELLED": ("Annulée", "Cancelled"),
    "EXPIRED": ("Date limite passée pendant l'attente", "The deadline passed while waiting"),
    # Why a day is closed.
    "OUT_OF_SEASON": ("Hors de la période de l'activité", "Outside the activity's season"),
    "WEEKDAY": ("Pas d'activité ce jour de la semaine", "Not on this day of the week"),
    "CLOSED_DAY": ("Fermeture exceptionnelle", "Closed that day"),
    "PUBLIC_HOLIDAY": ("Jour férié", "Public holiday"),
    "SCHOOL_HOLIDAY": ("Vacances scolaires", "School holidays"),
    "SCHOOL_DAY": ("Ouverte pendant les vacances scolaires seulement", "Open in the school holidays only"),
    # Deadlines in words.
    "RULE_UNTIL_START": ("jusqu'au début de l'activité", "until it starts"),
    "RULE_SAME_DAY": ("le jour même avant {at}", "on the day, before {at}"),
    "RULE_DAY_BEFORE": ("la veille avant {at}", "the day before, by {at}"),
    "RULE_WORKING_DAY_BEFORE": ("le jour ouvré précédent avant {at}", "the working day before, by {at}"),
    "RULE_DAYS_BEFORE": ("{days} jours avant, avant {at}", "{days} days before, by {at}"),
    "RULE_WORKING_DAYS_BEFORE": ("{days} jours ouvrés avant, avant {at}", "{days} working days before, by {at}"),
    "RULE_HOUR_BEFORE": ("1 h avant le début", "1 hour before it starts"),
    "RULE_HOURS_BEFORE": ("{hours} h avant le début", "{hours} hours before it starts"),
    "RULE_WEEKDAY_SAME_WEEK": ("le {weekday} de la même semaine avant {at}", "{weekday} of the same week, by {at}"),
    "RULE_WEEKDAY_WEEK_BEFORE": ("le {weekday} de la semaine précédente avant {at}", "{weekday} of the week before, by {at}"),
    "RULE_WEEKDAY_WEEKS_BEFORE": ("le {weekday}, {weeks} semaines avant, avant {at}", "{weekday}, {weeks} weeks before, by {at}"),
    # The follow-up (S35), in files.
    "STATUS_SUBMITTED": ("Non transmis", "Not answered yet"),
    "STATUS_ACCEPTED": ("Accepté", "Accepted"),
    "STATUS_WAITLISTED": ("Liste d'attente", "Waiting list"),
    "STATUS_WAITLISTED_RANK": ("Liste d'attente, rang {rank}", "Waiting list, place {rank}"),
    "STATUS_REFUSED": ("Refusé", "Refused"),
    "STATUS_CANCELLED": ("Annulé", "Cancelled"),
    "STATUS_EXPIRED": ("Expiré", "Expired"),
    "AGENDA": ("Réservations", "Bookings"),
    "AGENDA_NUMBER": ("Réservation n° {number}", "Booking no. {number}"),
    "LISTING": ("Réservations", "Bookings"),
    "COLUMN_NUMBER": ("Numéro", "Number"),
    "COLUMN_CHILD": ("Enfant", "Child"),
    "COLUMN_ACTIVITY": ("Activité", "Activity"),
    "COLUMN_DATE": ("Date", "Date"),
    "COLUMN_ARRIVAL": ("Arrivée", "Arrival"),
    "COLUMN_DEPARTURE": ("Départ", "Departure"),
    "COLUMN_STATUS": ("État", "Status"),
    "COLUMN_RANK": ("Rang", "Place"),
    "COLUMN_OBSERVATION": ("Observation", "Remark"),
    "COLUMN_REQUESTED_AT": ("Demandée le", "Requested at"),
    "TOO_MANY_ROWS": (
        "Trop de réservations pour un fichier : {limit} au plus. Choisissez une période plus courte.",
        "Too many bookings for one file: {limit} at most. Choose a shorter period.",
    ),
    "LINK_UNKNOWN": ("Ce lien n'existe pas, ou plus.", "This link does not exist, or no longer."),
    "LINK_EXPIRED": (
        "Ce lien a expiré. Demandez le fichier à nouveau.",
        "This link has expired. Ask for the file again.",
    ),
    # Mistakes of a client.
    "BAD_USER_INPUT": ("La demande est mal formée.", "The request is malformed."),
}

WEEKDAYS = (
    ("lundi", "Monday"),
    ("mardi", "Tuesday"),
    ("mercredi", "Wednesday"),
    ("jeudi", "Thursday"),
    ("vendredi", "Friday"),
    ("samedi", "Saturday"),
    ("dimanche", "Sunday"),
)


def say(code: str, language: str, **details: object) -> str:
    """The text of a code in "fr" or "en". Raises KeyError for a code without a text: that is a bug."""
    return TEXTS[code][0 if language == "fr" else 1].format(**details)


def weekday(number: int, language: str) -> str:
    """0 = lundi."""
    return WEEKDAYS[number][0 if language == "fr" else 1]


def time_of_day(local_time: str, language: str) -> str:
    """ "09:00" -> "9 h", "12:30" -> "12 h 30"; English keeps "09:00"."""
    if language != "fr":
        return local_time
    hours, minutes = local_time.split(":")
    return f"{int(hours)} h" if minutes == "00" else f"{int(hours)} h {minutes}"
