"""Every sentence that booking says to a family, in French first, then in English."""

from services.refusal import CodedError

TEXTS: dict[str, tuple[str, str]] = {
    # Refusals of a whole demand.
    "ACCOUNT_IN_DEBIT": (
        "Votre compte famille est débiteur : vous ne pouvez pas réserver. L’annulation reste possible.",
        "Your family account is in debt: you cannot book. You can still cancel.",
    ),
    "FAMILY_IN_DEBIT": (
        "Ce compte famille est débiteur : il faut une exception pour réserver.",
        "This family account is in debt: booking takes an exception.",
    ),
    "NOTHING_TO_SUBMIT": ("Aucune demande à transmettre.", "There is nothing to submit."),
    "TOO_MANY_LINES": ("Trop de demandes à la fois : {limit} au plus.", "Too many lines at once: {limit} at most."),
    "IDEMPOTENCY_KEY_REUSED": (
        "Cette clé a déjà servi pour d’autres demandes.",
        "This key was already used for a different set of lines.",
    ),
    "UNKNOWN_FAMILY": ("Ce compte famille n’existe pas.", "There is no such family account."),
    "UNKNOWN_CHILD": ("Cet enfant n’existe pas.", "There is no such child."),
    "UNKNOWN_ACTIVITY": ("Cette activité n’existe pas.", "There is no such activity."),
    # Refusals of a line: its observation (S34).
    "FULL": ("Non traitée, activité complète", "Not booked: the activity is full"),
    "GROUP_INCOMPLETE": (
        "Non traitée : une autre demande du même groupe n’a pas pu être acceptée",
        "Not booked: another line of the same group could not be",
    ),
    "CLOSED": ("Activité non ouverte ce jour", "The activity is not open that day"),
    "TOO_LATE": ("Hors délai pour réserver", "Too late to book"),
    "ALREADY_BOOKED": ("Déjà réservée", "Already booked"),
    "ALREADY_WAITLISTED": ("Déjà en liste d’attente, au rang {rank}", "Already on the waiting list, place {rank}"),
    "ALREADY_SUBMITTED": ("Déjà demandée, en attente de réponse", "Already asked for, waiting for an answer"),
    "ALREADY_ASKED": ("Déjà réservée ou demandée", "Already booked or asked for"),
    "HOURS_NOT_ALLOWED": ("Horaires non autorisés pour cette activité", "These hours are not allowed for this activity"),
    "HOURS_REQUIRED": ("Horaires à préciser", "Hours are needed"),
    "NOT_ENROLLED": ("Enfant non inscrit à cette activité", "The child is not enrolled in this activity"),
    "TOO_LATE_TO_CANCEL": ("Hors délai pour annuler", "Too late to cancel"),
    "UNKNOWN_BOOKING": ("Aucune réservation à annuler", "There is no booking to cancel"),
    # Attendance.
    "TOO_EARLY": ("Cette journée n’a pas encore commencé.", "That day has not begun yet."),
    "DAY_CLOSED": ("Cette journée est clôturée.", "That day is closed."),
    "NOT_ON_THE_ROSTER": ("Aucune réservation de ce jour n’est désignée ainsi", "No booking of that day is meant by that"),
    "NOT_BOOKED": ("L’enfant n’a pas de réservation ce jour", "The child has no booking that day"),
    "DEPARTURE_FIRST": (
        "Le départ ({departure}) précède l’arrivée ({arrival}).",
        "The departure ({departure}) comes before the arrival ({arrival}).",
    ),
    "HOURS_OF_AN_ABSENCE": ("Un enfant absent n’a ni arrivée ni départ.", "A child that is absent has neither arrival nor departure."),
    "NOTE_TOO_LONG": ("Observation trop longue : {limit} caractères au plus", "The note is too long: {limit} characters at most"),
    # Scheduled runs.
    "NOT_SCHEDULED": (
        "Les demandes de cette activité reçoivent une réponse immédiate.",
        "Requests for this activity are answered at once.",
    ),
    "NOBODY_WAITS": ("Aucune demande n’attend de répartition.", "No request waits for a run."),
    "UNKNOWN_CRITERION": ("Le critère « {criterion} » n’existe pas.", "There is no criterion {criterion}."),
    "RUN_BUSY": ("Des demandes arrivent encore : réessayez dans un instant.", "Requests are still coming in: try again in a moment."),
    "ALLOCATED_AT_ONCE": ("Réponse immédiate, par ordre d’arrivée", "Answered at once, in order of arrival"),
    "ALLOCATED_BY_ARRIVAL": ("Répartition chaque jour à {at}, par ordre d’arrivée", "A run every day at {at}, in order of arrival"),
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
    "BY_ARRIVAL": ("Par ordre d’arrivée", "In order of arrival"),
    "POINTS": ("{points} points : {criteria}", "{points} points: {criteria}"),
    "POINTS_NONE": ("Aucun point de priorité", "No priority points"),
    "DRAWN": ("Tirage au sort : {draw} (les plus petits passent d’abord)", "Lot: {draw} (the lowest come first)"),
    "GROUPED": (
        "Demandes groupées : classées ensemble, comme la moins prioritaire d’entre elles",
        "Requests that belong together: ranked together, as the last of them would be",
    ),
    "GROUP_PASSED": (
        "Il ne restait pas assez de places pour tout le groupe : celles qui restaient ont pu aller à des demandes classées après lui",
        "There were not enough places left for the whole group: those that were left may have gone to requests ranked after it",
    ),
    # States of a booking that are not a plain yes.
    "SUBMITTED": ("En attente de réponse", "Waiting for an answer"),
    "WAITLISTED": ("Mise en liste d'attente", "On the waiting list"),
    "CANCELLED": ("Annulée", "Cancelled"),
    "EXPIRED": ("Date limite passée pendant l’attente", "The deadline passed while waiting"),
    # Why a day is closed.
    "OUT_OF_SEASON": ("Hors de la période de l’activité", "Outside the activity’s season"),
    "WEEKDAY": ("Pas d’activité ce jour de la semaine", "Not on this day of the week"),
    "CLOSED_DAY": ("Fermeture exceptionnelle", "Closed that day"),
    "CLOSED_BECAUSE": ("Fermé : {because}", "Closed: {because}"),
    "PUBLIC_HOLIDAY": ("Jour férié", "Public holiday"),
    "SCHOOL_HOLIDAY": ("Vacances scolaires", "School holidays"),
    "SCHOOL_DAY": ("Ouverte pendant les vacances scolaires seulement", "Open in the school holidays only"),
    # Deadlines in words.
    "RULE_UNTIL_START": ("avant le début de l’activité", "before it starts"),
    "RULE_SAME_DAY": ("le jour même avant {at}", "before {at} on the day"),
    "RULE_DAY_BEFORE": ("la veille avant {at}", "before {at} the day before"),
    "RULE_WORKING_DAY_BEFORE": ("le jour ouvré précédent avant {at}", "before {at} the working day before"),
    "RULE_DAYS_BEFORE": ("{days} jours avant, avant {at}", "before {at}, {days} days before"),
    "RULE_WORKING_DAYS_BEFORE": ("{days} jours ouvrés avant, avant {at}", "before {at}, {days} working days before"),
    "RULE_HOUR_BEFORE": ("plus d’1 h avant le début", "more than 1 hour before it starts"),
    "RULE_HOURS_BEFORE": ("plus de {hours} h avant le début", "more than {hours} hours before it starts"),
    "RULE_WEEKDAY_SAME_WEEK": ("le {weekday} de la même semaine avant {at}", "before {at} on {weekday} of the same week"),
    "RULE_WEEKDAY_WEEK_BEFORE": ("le {weekday} de la semaine précédente avant {at}", "before {at} on {weekday} of the week before"),
    "RULE_WEEKDAY_WEEKS_BEFORE": ("le {weekday}, {weeks} semaines avant, avant {at}", "before {at} on {weekday}, {weeks} weeks before"),
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
    "PERIOD": ("Du {first} au {last}", "From {first} to {last}"),
    "PERIOD_FROM": ("À partir du {first}", "From {first}"),
    "PERIOD_UNTIL": ("Jusqu’au {last}", "Until {last}"),
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
    # Refusals of an agent's act.
    "FAMILY_ERASED": ("La famille a été effacée.", "The family was erased."),
    "REASON_REQUIRED": ("Indiquez un motif, de 3 à 500 caractères.", "Give a reason, in 3 to 500 characters."),
    "INVALID_ACTIVITY": ("Cette activité n’est pas possible ainsi.", "The activity cannot be so."),
    "UNKNOWN_WALLET": (
        "wallet : aucune activité de la structure ne relève du porte-monnaie « {wallet:.64} ».",
        'wallet: no activity of the structure draws on a wallet "{wallet:.64}".',
    ),
    "ACTIVITY_EXISTS": ("code : une activité s’appelle déjà « {id} ».", 'code: there is an activity "{id}" already.'),
    "CHANGED_MEANWHILE": (
        "Quelqu’un l’a modifiée entre-temps : relisez-la avant de la modifier.",
        "Somebody changed it meanwhile: look at it again before you change it.",
    ),
    "BOOKINGS_OUTSIDE": (
        "Réservations qui ne seraient plus possibles : {count}, la première le {date:%d/%m/%Y}. "
        "Annulez-les d’abord, ou avec ce changement.",
        "Bookings that would not be possible any more: {count}, the first on {date}. Cancel them before, or with this change.",
    ),
    "BOOKING_STANDS": (
        "Ce jour est fermé, mais une réservation y reste : elle tient jusqu’à ce que vous l’annuliez, avec un motif.",
        "That day is closed, but one booking stands: it does until you cancel it, with a reason.",
    ),
    "BOOKINGS_STAND": (
        "Ce jour est fermé, mais {count} réservations y restent : elles tiennent jusqu’à ce que vous les annuliez, avec un motif.",
        "That day is closed, but {count} bookings stand: they do until you cancel them, with a reason.",
    ),
    "NOT_IN_SEASON": (
        "Le {day:%d/%m/%Y} est hors de la saison, qui va du {first:%d/%m/%Y} au {last:%d/%m/%Y}.",
        "{day} is outside of the season, which is {first} to {last}.",
    ),
    "DAY_IS_PAST": ("Ce jour est passé.", "That day is over."),
    "PERIOD_REVERSED": ("La période se termine avant de commencer.", "The period ends before it begins."),
    "ALLOCATED_BY_RUN": (
        "Les places de cette activité sont attribuées à date fixe : réservez, puis annulez l’autre jour.",
        "Places of this activity are given by a run: book there, and cancel the other day.",
    ),
    "NOT_MOVED": ("Non déplacée : rien n’a changé", "Not moved: nothing has changed"),
    # What cannot be in an activity: which field, what is expected, what was given.
    "NAME_NOT_POSSIBLE": (
        "{where} : une ligne de 1 à 200 caractères est attendue, et non « {given:.40} ».",
        '{where}: one line of 1 to 200 characters is expected, not "{given:.40}".',
    ),
    "CODE_NOT_POSSIBLE": (
        "{where} : 1 à 40 caractères sont attendus (lettres sans accent, chiffres, - et _), et non « {given:.40} ».",
        '{where}: 1 to 40 characters are expected (letters without accents, digits, - and _), not "{given:.40}".',
    ),
    "SEASON_REVERSED": (
        "{where} : la saison se termine ({last:%d/%m/%Y}) avant de commencer ({first:%d/%m/%Y}).",
        "{where}: the season ends ({last}) before it begins ({first}).",
    ),
    "SEASON_TOO_LONG": (
        "{where} : une saison de trois ans au plus, entre 2000 et 2199, est attendue, et non du {first:%d/%m/%Y} au {last:%d/%m/%Y}.",
        "{where}: a season of three years at most, from 2000 to 2199, is expected, not {first} to {last}.",
    ),
    "NEVER_OPEN": (
        "{where} : l’activité n’ouvre aucun jour ; un jour de la semaine au moins est attendu, ou une date.",
        "{where}: the activity is never open; at least one day of the week is expected, or one date.",
    ),
    "TOO_MANY_DAYS": (
        "{where} : {most} jours au plus sont attendus, et non {count}.",
        "{where}: {most} days at most are expected, not {count}.",
    ),
    "DAY_OUT_OF_SEASON": (
        "{where} : le {day:%d/%m/%Y} est hors de la saison, qui va du {first:%d/%m/%Y} au {last:%d/%m/%Y}.",
        "{where}: {day} is outside of the season, which is {first} to {last}.",
    ),
    "HOURS_UNCLEAR": (
        "{where} : arrival et departure sont attendus, ou bien earliest et latest, les bornes entre lesquelles la famille choisit.",
        "{where}: arrival and departure are expected, or else earliest and latest, the bounds between which families choose.",
    ),
    "HOURS_REVERSED": (
        "{where} : un départ après l’arrivée ({arrival}) est attendu, et non {departure}.",
        "{where}: a departure after the arrival ({arrival}) is expected, not {departure}.",
    ),
    "STEP_NOT_POSSIBLE": (
        "{where} : un pas de 1 à 240 minutes est attendu, et non {given}.",
        "{where}: a step of 1 to 240 minutes is expected, not {given}.",
    ),
    "MINIMUM_NOT_POSSIBLE": (
        "{where} : une durée minimale de 1 à {most} minutes est attendue, ce qui tient dans les horaires, et non {given}.",
        "{where}: a minimum of 1 to {most} minutes is expected, which fits into the hours, not {given}.",
    ),
    "PLACES_NOT_POSSIBLE": (
        "{where} : un nombre de places de 0 à 100 000 est attendu, et non {given}.",
        "{where}: a number of places from 0 to 100,000 is expected, not {given}.",
    ),
    "DEADLINE_UNCLEAR": (
        "{where} : un seul des délais est attendu : daysBefore avec at, hoursBefore, ou weekday avec at.",
        "{where}: a deadline of one kind is expected: daysBefore with at, hoursBefore, or weekday with at.",
    ),
    "DEADLINE_NOT_POSSIBLE": (
        "{where} : de 0 à 366 jours (daysBefore), de 0 à 8784 heures (hoursBefore) ou de 0 à 52 semaines (weeksBefore) sont attendus.",
        "{where}: 0 to 366 days (daysBefore), 0 to 8784 hours (hoursBefore) or 0 to 52 weeks (weeksBefore) are expected.",
    ),
    "NOTHING_TO_ALLOCATE": (
        "{where} : sans nombre de places (capacity), il n’y a rien à attribuer.",
        "{where}: without a number of places (capacity) there is nothing to allocate.",
    ),
    "POINTS_WITHOUT_POLICY": (
        "{where} : un critère ne compte que si policy est POINTS.",
        "{where}: a criterion counts only if policy is POINTS.",
    ),
    "POINTS_NOT_POSSIBLE": (
        "{where} : chaque critère est attendu une fois, pour 1 à 10 000 points, et non : {given:.200}.",
        "{where}: each criterion is expected once, for 1 to 10,000 points, not: {given:.200}.",
    ),
    "ATTENDANCE_NOT_POSSIBLE": (
        "{where} : un nombre de jours de 0 à 366 est attendu, et non {given}.",
        "{where}: a number of days from 0 to 366 is expected, not {given}.",
    ),
    "PRICED_LIKE_UNKNOWN": (
        "pricedLike : la structure n’a pas d’activité « {given:.64} ».",
        'pricedLike: the structure has no activity "{given:.64}".',
    ),
    # Mistakes of a client.
    "YEARS_NOT_POSSIBLE": ("years : de {least} à {most}.", "years: {least} to {most}."),
    "ORDER_NOT_POSSIBLE": (
        "after : un nombre à partir de 0 est attendu, et non {given}.",
        "after: a number from 0 on is expected, not {given}.",
    ),
    "DAY_MISSING": ("day : un jour est attendu, sauf si scope est MONTH.", "day: a day is expected, unless scope is MONTH."),
    "PERIOD_NOT_POSSIBLE": (
        "from, to : une période de 1 à {most} jours est attendue.",
        "from, to: a period of 1 to {most} days is expected.",
    ),
    "TITLE_NOT_POSSIBLE": (
        "title : une ligne de {most} caractères au plus est attendue.",
        "title: one line of {most} characters at most is expected.",
    ),
    "TOO_MANY_CRITERIA": ("criteria : {most} au plus sont attendus.", "criteria: {most} at most are expected."),
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


def malformed(text: str, language: str, **details: object) -> CodedError:
    """What no screen should send: said in words, for those who make screens."""
    return CodedError("BAD_USER_INPUT", say(text, language, **details))


def say_closed(code: str, because: str | None, language: str) -> str:
    """Why a day is closed: in the town's own words, if it said so."""
    return say("CLOSED_BECAUSE", language, because=because) if because else say(code, language)


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
