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
    "ALREADY_WAITLISTED": ("Déjà en liste d'attente, au rang {rank}", "Already on the waiting list, place {rank}"),
    "ALREADY_SUBMITTED": ("Déjà demandée, en attente de réponse", "Already asked for, waiting for an answer"),
    "ALREADY_ASKED": ("Déjà réservée ou demandée", "Already booked or asked for"),
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
    # Scheduled runs.
    "NOT_SCHEDULED": (
        "Les demandes de cette activité reçoivent une réponse immédiate.",
        "Requests for this activity are answered at once.",
    ),
    "NOBODY_WAITS": ("Aucune demande n'attend de répartition.", "No request waits for a run."),
    "UNKNOWN_CRITERION": ("Le critère « {criterion} » n'existe pas.", "There is no criterion {criterion}."),
    "RUN_BUSY": ("Des demandes arrivent encore : réessayez dans un instant.", "Requests are still coming in: try again in a moment."),
    "ALLOCATED_AT_ONCE": ("Réponse immédiate, par ordre d'arrivée", "Answered at once, in order of arrival"),
    "ALLOCATED_BY_ARRIVAL": ("Répartition chaque jour à {at}, par ordre d'arrivée", "A run every day at {at}, in order of arrival"),
    "ALLOCATED_BY_POINTS": (
        "Répartition chaque jour à {at}, par points de priorité, puis par tirage au sort",
        "A run every day at {at}, by priority points, then by lot",
    ),
    "ALLOCATED_BY_LOTTERY": ("Répartition chaque jour à {at}, par tirage au sort", "A run every day at {at}, by lot"),
    "CRITERION_RESIDENT": ("réside dans la commune", "lives in the town"),
    "CRITERION_BOTH_PARENTS_WORK": ("les deux parents travaillent", "both parents work"),
    "CRITERION_SIBLING_IN": ("un frère ou une sœur y a déjà une place", "a sibling has a place there already"),
    "CRITERION_REFUSED_LAST_TIME": ("rien obtenu à la répartition précédente", "got nothing in the run before"),
    # Why a run answered so.
    "RANKED": ("Classée {rank} sur {of} demandes pour ce jour", "Ranked {rank} of {of} requests for that day"),
    "RANKED_ALONE": ("Seule demande pour ce jour", "The only request for that day"),
    "BY_ARRIVAL": ("Par ordre d'arrivée", "In order of arrival"),
    "POINTS": ("{points} points : {criteria}", "{points} points: {criteria}"),
    "POINTS_NONE": ("Aucun point de priorité", "No priority points"),
    "DRAWN": ("Tirage au sort : {draw} (les plus petits passent d'abord)", "Lot: {draw} (the lowest come first)"),
    "GROUPED": (
        "Demandes groupées : classées ensemble, comme la moins prioritaire d'entre elles",
        "Requests that belong together: ranked together, as the last of them would be",
    ),
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
    # Refusals of an agent's act.
    "REASON_REQUIRED": ("Indiquez un motif, de 3 à 500 caractères.", "Give a reason, in 3 to 500 characters."),
    "INVALID_ACTIVITY": ("{what}", "{what}"),
    "UNKNOWN_WALLET": ("Aucune activité ne relève de ce porte-monnaie.", "No activity draws on such a wallet."),
    "ACTIVITY_EXISTS": ("Une activité a déjà ce code.", "There is an activity with this code already."),
    "CHANGED_MEANWHILE": (
        "Quelqu'un l'a modifiée entre-temps : relisez-la avant de la modifier.",
        "Somebody changed it meanwhile: look at it again before you change it.",
    ),
    "BOOKINGS_OUTSIDE": (
        "Réservations qui ne seraient plus possibles : {count}, la première le {date}. Annulez-les d'abord, ou avec ce changement.",
        "Bookings that would not be possible any more: {count}, the first on {date}. Cancel them before, or with this change.",
    ),
    "DAY_IS_PAST": ("Ce jour est passé.", "That day is over."),
    "PERIOD_REVERSED": ("La période se termine avant de commencer.", "The period ends before it begins."),
    "ALLOCATED_BY_RUN": (
        "Les places de cette activité sont attribuées à date fixe : réservez, puis annulez l'autre jour.",
        "Places of this activity are given by a run: book there, and cancel the other day.",
    ),
    "NOT_MOVED": ("Non déplacée : rien n'a changé", "Not moved: nothing has changed"),
    # What cannot be in an activity.
    "NAME_NOT_POSSIBLE": (
        "Le nom et la catégorie ont 200 caractères au plus, sur une ligne.",
        "Name and category are one line of 200 characters at most.",
    ),
    "CODE_NOT_POSSIBLE": (
        "Le code a 40 caractères au plus : lettres sans accent, chiffres, - et _.",
        "The code has 40 characters at most: letters without accents, digits, - and _.",
    ),
    "SEASON_REVERSED": ("La saison se termine avant de commencer.", "The season ends before it begins."),
    "SEASON_TOO_LONG": ("La saison dure trois ans au plus.", "A season lasts three years at most."),
    "NEVER_OPEN": ("L'activité n'ouvre aucun jour.", "The activity is never open."),
    "TOO_MANY_DAYS": ("Trop de jours particuliers.", "Too many single days."),
    "HOURS_UNCLEAR": (
        "Donnez l'arrivée et le départ, ou bien les bornes entre lesquelles la famille choisit.",
        "Give arrival and departure, or else the bounds between which families choose.",
    ),
    "HOURS_REVERSED": ("Le départ précède l'arrivée.", "Departure comes before arrival."),
    "STEP_NOT_POSSIBLE": ("Le pas est de 1 à 240 minutes.", "The step is of 1 to 240 minutes."),
    "MINIMUM_NOT_POSSIBLE": ("La durée minimale ne tient pas dans les horaires.", "The minimum does not fit into the hours."),
    "PLACES_NOT_POSSIBLE": ("Un nombre de places va de 0 à 100 000.", "A number of places is from 0 to 100,000."),
    "DEADLINE_NOT_POSSIBLE": ("Un délai n'est pas possible.", "A deadline is not possible."),
    "NOTHING_TO_ALLOCATE": (
        "Sans nombre de places, il n'y a rien à attribuer.",
        "Without a number of places there is nothing to allocate.",
    ),
    "POINTS_NOT_POSSIBLE": (
        "Avec des points de priorité, chaque critère compte une fois, de 1 à 10 000 points.",
        "Where places are given by points, each criterion counts once, from 1 to 10,000 points.",
    ),
    "ATTENDANCE_NOT_POSSIBLE": (
        "Une journée se clôture d'elle-même au plus tard après 366 jours.",
        "A day closes by itself after 366 days at the latest.",
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


def ordinal(number: int, language: str) -> str:
    """Of a request, which is feminine in French: 1re, 2e; 1st, 2nd, 3rd, 11th."""
    if language == "fr":
        return "1re" if number == 1 else f"{number}e"
    teen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def weekday(number: int, language: str) -> str:
    """0 = lundi."""
    return WEEKDAYS[number][0 if language == "fr" else 1]


def time_of_day(local_time: str, language: str) -> str:
    """ "09:00" -> "9 h", "12:30" -> "12 h 30"; English keeps "09:00"."""
    if language != "fr":
        return local_time
    hours, minutes = local_time.split(":")
    return f"{int(hours)} h" if minutes == "00" else f"{int(hours)} h {minutes}"
