"""What identity says to people, in French and in English."""

import datetime as dt
from collections.abc import Iterable

from services.identity.credentials import MAXIMUM_LENGTH, MINIMUM_LENGTH, Weakness
from services.identity.erasure import Obstacle
from services.refusal import CodedError

#: By code of the refusal.
TEXTS: dict[str, tuple[str, str]] = {
    "INVALID_CREDENTIALS": ("L’identifiant ou le mot de passe n’est pas correct.", "The login or the password is not right."),
    "IDENTITY_NOT_LINKED": (
        "Aucun compte n’est lié à cette identité : connectez-vous avec votre mot de passe, puis liez-la dans votre profil.",
        "No account is linked to this identity: sign in with your password, then link it in your profile.",
    ),
    "IDENTITY_REFUSED": (
        "Cette identité n’a pas pu être vérifiée, ou ouvre déjà un autre compte.",
        "This identity could not be verified, or opens another account already.",
    ),
    "LINK_WANTS_SIGN_IN": (
        "Ce compte demande un code ou une clé à la connexion : choisissez un nouveau mot de passe, connectez-vous, puis liez l’identité.",
        "This account asks for a code or a key at sign-in: choose a new password, sign in, then link your identity.",
    ),
    "INVALID_CODE": ("Ce code n’est pas correct, ou a déjà servi.", "This code is not right, or was used before."),
    "ACCOUNT_SHARED": (
        "Ce compte n’est pas de cette structure seule : son titulaire est seul à pouvoir le modifier.",
        "This account is not of this structure alone: nobody but its owner can change it.",
    ),
    "ACCOUNT_NEEDED": (
        "Ce compte sert encore à une famille ou à la mairie : demandez d’abord à celle-ci de l’en retirer.",
        "This account is still needed by a family or the town hall: ask the town hall to take it out first.",
    ),
    "ADMINISTRATOR_REQUIRED": ("Il faut être administrateur de la structure.", "It takes an administrator of the structure."),
    "INVALID_ENTRY": ("Cela ne peut pas être enregistré.", "This cannot be registered."),
    "LINE_NOT_POSSIBLE": ("{what} : de 1 à {most} caractères, sur une ligne.", "{what}: 1 to {most} characters, on one line."),
    "BODY_NOT_POSSIBLE": ("Un texte a de 1 à {most} caractères.", "A text has 1 to {most} characters."),
    "ENDS_TOO_SOON": (
        "Une annonce se termine après avoir commencé, et plus tard que maintenant.",
        "An announcement ends after it begins, and later than now.",
    ),
    "YEAR_NOT_POSSIBLE": (
        "Une annonce commence et se termine entre les années {first} et {last}.",
        "An announcement begins and ends between the years {first} and {last}.",
    ),
    "ANNOUNCED_ALREADY": (
        "Cette annonce est déjà parue : ni sa date ni son envoi ne peuvent plus changer.",
        "This announcement has appeared: neither its date nor its mailing can change any more.",
    ),
    "ANNOUNCEMENT_WITHDRAWN": ("Cette annonce a été retirée.", "This announcement was withdrawn."),
    "TITLE_TAKEN": ("La structure a déjà une annonce « {title} ».", "The structure has an announcement “{title}” already."),
    "IDENTIFIER_NOT_POSSIBLE": (
        "Identifiants possibles : lettres sans accent, chiffres, - et _, 64 caractères au plus.",
        "Possible ids: letters without accents, digits, - and _, 64 characters at most.",
    ),
    "TIMEZONE_NOT_POSSIBLE": ("Ce fuseau horaire n’existe pas.", "There is no such time zone."),
    "SCHOOL_ZONE_NOT_POSSIBLE": ("Zones scolaires possibles : A, B, C.", "Possible school zones: A, B, C."),
    "STRUCTURE_TAKEN": (
        "La structure {structure} existe déjà, et autrement.",
        "The structure {structure} exists already, and differently.",
    ),
    "LAST_ADMINISTRATOR": (
        "C’est le dernier administrateur de la structure : nommez-en d’abord un autre.",
        "This is the structure’s last administrator: appoint another one first.",
    ),
    "INVALID_FILE": ("Ce fichier ne peut pas être lu.", "This file cannot be read."),
    "FILE_EMPTY": ("Le fichier ne contient aucune ligne.", "The file has no lines."),
    "FILE_TOO_LONG": (
        "Le fichier a plus de {most} lignes : coupez-le en plusieurs.",
        "The file has more than {most} lines: cut it in several.",
    ),
    "FILE_NOT_CSV": ("Ligne {line} : ce n’est pas du CSV.", "Line {line}: this is no CSV."),
    "UNKNOWN_COLUMN": ("Colonne inconnue : « {column} ». Connues : {known}.", "Unknown column: “{column}”. Known: {known}."),
    "COLUMN_TWICE": ("La colonne « {column} » y est deux fois.", "The column “{column}” is there twice."),
    "COLUMN_MISSING": ("Il manque la colonne « {column} ».", "The column “{column}” is missing."),
    "KIND_NOT_POSSIBLE": ("« {given} » : adulte ou enfant est attendu.", "“{given}”: adult or child is expected."),
    "DAY_NOT_POSSIBLE": ("« {given} » : une date comme 12/04/2019 est attendue.", "“{given}”: a day such as 12/04/2019 is expected."),
    "NAMED_TWICE": ("Cette personne est déjà à la ligne {line}.", "This person is on line {line} already."),
    "NAMES_NEEDED": ("Un nouveau compte a besoin d’un nom et d’un prénom.", "A new account needs a first and a last name."),
    "NUMBER_AMBIGUOUS": ("Plusieurs familles ont le numéro {number}.", "Several families have the number {number}."),
    "ANOTHER_LINE_WRONG": (
        "Rien de cette famille n’est chargé : voyez la ligne {line}.",
        "Nothing of this family is loaded: see line {line}.",
    ),
    "LOGIN_OF_ANOTHER": (
        "L’identifiant {login} est celui de quelqu’un d’une autre structure, qui ne porte pas ces nom et prénom : choisissez-en un autre.",
        "The login {login} is that of somebody of another structure, who is not called so: choose another.",
    ),
    "ACCOUNT_LEFT_ALONE": (
        "Le compte {login} n’est pas modifié : il n’est pas de cette structure seule, ou c’est celui d’un agent.",
        "The account {login} stays as it is: it is not of this structure alone, or an agent’s.",
    ),
    "LOGIN_NOT_POSSIBLE": (
        "Un identifiant a au moins {least} caractères, et pas d’espace.",
        "A login has at least {least} characters, and no space.",
    ),
    "LANGUAGE_NOT_POSSIBLE": ("Langues possibles : {known}.", "Possible languages: {known}."),
    "BIRTH_DATE_NOT_POSSIBLE": (
        "Cette date de naissance n’est pas celle d’un enfant ({years} ans au plus).",
        "This is no child’s birth date ({years} years at most).",
    ),
    "TOO_MANY_PEOPLE": (
        "Une famille a au plus {children} enfants et {adults} adultes.",
        "A family has at most {children} children and {adults} adults.",
    ),
    "LOGIN_OF_SOMEBODY": (
        "L’identifiant {login} est déjà pris : choisissez-en un autre.",
        "The login {login} is taken: choose another.",
    ),
    "LOGIN_NOT_FREE": (
        "L’identifiant {login} n’est pas libre : choisissez-en un autre, ou invitez la personne par son adresse e-mail.",
        "The login {login} is not free: choose another, or invite the person by e-mail.",
    ),
    "LOGIN_UNKNOWN_HERE": (
        "L’identifiant {login} n’est pas connu ici : ouvrez un compte, ou invitez la personne par son adresse e-mail.",
        "The login {login} is not known here: open an account, or invite the person by e-mail.",
    ),
    "FILE_LOGINS_TAKEN": (
        "Plus de {most} identifiants de ce fichier ne sont pas libres : donnez-en d’autres, ou demandez à l’exploitant de le charger.",
        "More than {most} logins of this file are not free: give others, or ask who runs the system to load it.",
    ),
    "LOGIN_TAKEN": (
        "Le compte {login} existe déjà : il peut être ajouté à la famille.",
        "The account {login} exists already: it can be added to the family.",
    ),
    "NUMBER_TAKEN": ("Une autre famille a le numéro {number}.", "Another family has the number {number}."),
    "INVALID_CODE_ON_PAPER": ("L’identifiant ou le code n’est pas correct.", "The login or the code is not right."),
    "WRONG_PASSWORD": ("Le mot de passe n’est pas correct.", "The password is not right."),
    "INVALID_EMAIL": ("Cette adresse e-mail n’est pas valable.", "This e-mail address is not valid."),
    "INVALID_PASSKEY": ("Cette clé d’accès n’a pas été acceptée.", "This passkey was not accepted."),
    "INVALID_TOKEN": (
        "Ce lien ou cette session n’est plus valable : recommencez, s’il vous plaît.",
        "This link or session is no longer valid: please begin again.",
    ),
    "PASSKEYS_UNAVAILABLE": ("Les clés d’accès ne sont pas disponibles ici.", "Passkeys are not available here."),
    "PASSWORD_MISSING": ("Le nouveau compte {login} a besoin d’un mot de passe.", "The new account {login} needs a password."),
    "PASSWORD_ASKED": (
        "Donnez aussi votre mot de passe : ce compte n’a pas encore d’adresse e-mail qui puisse s’y opposer.",
        "Give your password, too: this account has no e-mail address yet that could object.",
    ),
    "PASSWORD_HANDED_OUT": (
        "Le mot de passe de ce compte vous a été remis par une mairie, qui le connaît : choisissez-en d’abord un autre.",
        "The password of this account was given to you by a town hall, which knows it: choose another first.",
    ),
    "PASSWORD_TOO_WEAK": ("Ce mot de passe ne convient pas : {reason}.", "This password will not do: {reason}."),
    "PROVIDER_UNAVAILABLE": ("Ce service ne répond pas : réessayez plus tard.", "This service does not answer: try again later."),
    "SECOND_FACTOR_REQUIRED": ("Confirmez que c’est bien vous.", "Confirm that it is you."),
    "WRONG_ANSWER": ("L’identifiant ou la réponse n’est pas correct.", "The login or the answer is not right."),
    "SIGN_IN_BUSY": (
        "Beaucoup de monde se connecte en ce moment : réessayez dans {wait}.",
        "Many people are signing in at the moment: try again in {wait}.",
    ),
    "TOO_MANY_ATTEMPTS": ("Trop d’essais : réessayez dans {wait}.", "Too many attempts: try again in {wait}."),
    "TOO_MANY_FACTORS": (
        "Un compte a au plus {most} clés et applications : supprimez-en une d’abord.",
        "An account has {most} keys and applications at most: remove one first.",
    ),
    "REASON_REQUIRED": ("Indiquez un motif, de 3 à 500 caractères.", "Give a reason, in 3 to 500 characters."),
    "IDEMPOTENCY_KEY_REUSED": ("Cette clé a déjà servi pour autre chose.", "This key was already used for something else."),
    "FAMILY_ERASED": (
        "La famille {family} a été effacée : il n’en reste que le numéro.",
        "The family {family} was erased: nothing but its number is left.",
    ),
    "ERASURE_OBSTRUCTED": (
        "Cette famille ne peut pas encore être effacée : {obstacles}.",
        "This family cannot be erased yet: {obstacles}.",
    ),
    "UNKNOWN_STRUCTURE": ("La structure {structure} n’existe pas.", "There is no structure {structure}."),
    "UNKNOWN_ACCOUNT": ("Le compte {login} n’existe pas.", "There is no account {login}."),
    "FAMILY_OF_ANOTHER_STRUCTURE": (
        "La famille {family} appartient à une autre structure.",
        "The family {family} belongs to another structure.",
    ),
    "CHILD_OF_ANOTHER_FAMILY": ("L’enfant {child} appartient à une autre famille.", "The child {child} belongs to another family."),
}

#: What no screen should send.
MALFORMED: dict[str, tuple[str, str]] = {}

#: What an entry is called (entries.py).
ENTRIES: dict[str, tuple[str, str]] = {
    "FIRST_NAME": ("Prénom", "First name"),
    "LAST_NAME": ("Nom", "Last name"),
    "NUMBER": ("Numéro de famille", "Family number"),
    "STRUCTURE_NAME": ("Nom de la structure", "Name of the structure"),
    "TITLE_LINE": ("Titre", "Title"),
    "TITLE": ("Civilité", "Title"),
    "LOGIN": ("Identifiant", "Login"),
}

NO_QUESTION = ("Choisissez l’une des questions proposées.", "Choose one of the questions that are offered.")

WEAKNESSES: dict[Weakness, tuple[str, str]] = {
    Weakness.TOO_SHORT: (f"il faut au moins {MINIMUM_LENGTH} caractères", f"it takes at least {MINIMUM_LENGTH} characters"),
    Weakness.TOO_LONG: (f"au plus {MAXIMUM_LENGTH} caractères", f"at most {MAXIMUM_LENGTH} characters"),
    Weakness.TOO_COMMON: ("il est parmi les premiers que l’on essaie", "it is among the first that people try"),
    Weakness.CONTAINS_LOGIN: ("il contient votre identifiant", "it contains your login"),
    Weakness.GUESSABLE: (
        "il se devine vite, ajoutez un ou deux mots sans rapport avec vous",
        "it is soon guessed, add a word or two that have nothing to do with you",
    ),
    Weakness.SAME: ("c’est celui que vous avez déjà", "it is the one that you have"),
}


#: Title and first words of the page that shows a family's data.
DATA_PAGE = (
    ("Vos données", "Your data"),
    (
        "Tout ce que le portail sait de votre famille. Le fichier JSON dit la même chose aux programmes, et en plus ce qui ne sert qu’au "
        "fonctionnement du portail. Les heures sont en temps universel.",
        "All that the portal knows of your family. The JSON file says the same to programs, and also what is only there to keep the portal "
        "going. Times are in universal time.",
    ),
)
DATA_TABLES: dict[str, tuple[str, str]] = {
    "family": ("Compte famille", "Family account"),
    "child": ("Enfants", "Children"),
    "family_adult": ("Responsables légaux", "Adults"),
    "account": ("Votre compte", "Your login"),
    "membership": ("Structures de votre compte", "Structures of your login"),
    "account_session": ("Vos connexions", "Your sessions"),
    "factor": ("Vos deuxièmes étapes de connexion", "Your second steps of signing in"),
    "outside_identity": ("Vos identités d’autres services", "Your identities of other services"),
    "data_request": ("Demandes de données", "Requests for data"),
    "erasure": ("Demandes d’effacement", "Requests for erasure"),
    "invitation": ("Invitations que vous avez acceptées", "Invitations that you accepted"),
    "act": ("Actes de la mairie", "What the town hall did"),
    "viewing": ("Consultations par la mairie", "What the town hall looked at"),
    "quotient": ("Quotients familiaux", "Family quotients"),
    "residence": ("Domicile dans la commune", "Living in the town"),
    "ledger_entry": ("Écritures", "Ledger entries"),
    "entry_reason": ("Motifs des écritures", "Reasons of ledger entries"),
    "purse": ("Porte-monnaie", "Wallets"),
    "standing": ("Situation du compte", "Standing of the account"),
    "balance_alert": ("Alerte de solde bas", "Low balance alert"),
    "online_payment": ("Paiements en ligne", "Online payments"),
    "payment_detail": ("Détail des paiements", "Payments in detail"),
    "payment_notice": ("Messages du site de paiement", "Messages of the payment site"),
    "payment_end": ("Paiements classés par la mairie", "Payments ended by the town hall"),
    "deposited": ("Paiements remis en banque", "Payments taken to the bank"),
    "hold": ("Coûts estimés", "Estimated costs"),
    "consumption": ("Consommations", "Consumptions"),
    "enrollment": ("Inscriptions", "Enrollments"),
    "request": ("Demandes", "Requests"),
    "booking": ("Réservations", "Bookings"),
    "cancellation": ("Annulations", "Cancellations"),
    "presence": ("Pointages", "Attendance"),
    "family_criterion": ("Critères de la famille", "Criteria of the family"),
    "allocation_decision": ("Décisions des répartitions", "Decisions of runs"),
    "calendar_feed": ("Liens de calendrier", "Calendar links"),
    "mail": ("E-mails qui vous ont été envoyés", "Mails that were sent to you"),
    "digest_line": ("Comptes rendus du jour", "Reports of the day"),
}

#: What a column of that page is called.
DATA_COLUMNS: dict[str, tuple[str, str]] = {
    "accepted_at": ("Acceptée le", "Accepted at"),
    "account": ("Compte", "Login"),
    "account_id": ("Compte", "Login"),
    "accept_waiting_list": ("Liste d’attente acceptée", "Waiting list accepted"),
    "activity": ("Activité", "Activity"),
    "added_at": ("Ajouté le", "Added at"),
    "after": ("Après", "After"),
    "agent": ("Agent", "Agent"),
    "amount_cents": ("Montant", "Amount"),
    "announcements_by_mail": ("Annonces par e-mail", "Announcements by mail"),
    "arrival": ("Arrivée", "Arrival"),
    "asked_at": ("Demandé le", "Asked at"),
    "at": ("Le", "At"),
    "attendance": ("Présence", "Attendance"),
    "bank": ("Banque", "Bank"),
    "before": ("Avant", "Before"),
    "begun_at": ("Commencé le", "Begun at"),
    "below_cents": ("Seuil", "Threshold"),
    "birth_date": ("Date de naissance", "Birth date"),
    "booking": ("Réservation", "Booking"),
    "by_agent": ("Par la mairie", "By the town hall"),
    "came_cents": ("Montant reçu", "Amount received"),
    "cents": ("Solde", "Balance"),
    "child": ("Enfant", "Child"),
    "code": ("Motif", "Why"),
    "created_at": ("Créé le", "Made at"),
    "criteria": ("Critères", "Criteria"),
    "criterion": ("Critère", "Criterion"),
    "date": ("Date", "Date"),
    "decided_at": ("Répondu le", "Decided at"),
    "departure": ("Départ", "Departure"),
    "deposit": ("Remise en banque", "Deposit"),
    "despite": ("Malgré", "Despite"),
    "device": ("Appareil", "Device"),
    "draw": ("Tirage", "Lot"),
    "due_at": ("Prévu le", "Due at"),
    "email": ("Adresse e-mail", "E-mail address"),
    "end": ("Fin", "End"),
    "ended_at": ("Terminé le", "Ended at"),
    "ends_at": ("Se termine le", "Ends at"),
    "ends_on": ("Jusqu’au", "Until"),
    "entry": ("Écriture", "Entry"),
    "erased_at": ("Effacé le", "Erased at"),
    "exempt": ("Exempté", "Exempt"),
    "expires_at": ("Valable jusqu’au", "Good until"),
    "explanation": ("Calcul", "How it was worked out"),
    "factor_at": ("Connexion confirmée le", "Sign-in confirmed at"),
    "family": ("Famille", "Family"),
    "family_id": ("Famille", "Family"),
    "first_name": ("Prénom", "First name"),
    "from_account": ("De", "From"),
    "gives": ("Proposition", "Offer"),
    "heard": ("Réponse du site", "What the site said"),
    "heard_at": ("Réponse reçue le", "Heard at"),
    "hundredths": ("Quotient", "Quotient"),
    "hour": ("Heure", "Hour"),
    "id": ("Référence", "Reference"),
    "invited_at": ("Envoyée le", "Sent at"),
    "in_debit": ("Débiteur", "In debt"),
    "kind": ("Nature", "Kind"),
    "label": ("Libellé", "Label"),
    "language": ("Langue", "Language"),
    "last_name": ("Nom", "Last name"),
    "last_used_at": ("Dernier usage", "Last used at"),
    "limit_cents": ("Limite", "Limit"),
    "linked_at": ("Lié le", "Linked at"),
    "login": ("Identifiant", "Login"),
    "mode": ("Mode", "Mode"),
    "note": ("Remarque", "Note"),
    "number": ("Numéro", "Number"),
    "opened_at": ("Ouvert le", "Opened at"),
    "outcome": ("Résultat", "Outcome"),
    "payer": ("Payeur", "Payer"),
    "payment": ("Paiement", "Payment"),
    "pending_email": ("Adresse à confirmer", "Address to be confirmed"),
    "pending_due_at": ("Adresse utilisée à partir du", "Address used from"),
    "points": ("Points", "Points"),
    "posted_at": ("Enregistré le", "Recorded at"),
    "provider": ("Service", "Provider"),
    "rank": ("Rang", "Rank"),
    "ready_at": ("Prêt le", "Ready at"),
    "reason": ("Motif", "Reason"),
    "received_at": ("Reçu le", "Received at"),
    "recorded_at": ("Enregistré le", "Recorded at"),
    "recorded_by": ("Enregistré par", "Recorded by"),
    "reference": ("Référence", "Reference"),
    "reports": ("Comptes rendus", "Reports"),
    "request": ("Demande", "Request"),
    "requested_at": ("Demandé le", "Requested at"),
    "resident": ("Habite la commune", "Lives in the town"),
    "run": ("Répartition", "Run"),
    "security_question": ("Question secrète", "Secret question"),
    "sent_at": ("Envoyé le", "Sent at"),
    "signed_in_at": ("Dernière connexion le", "Last signed in at"),
    "started_at": ("Commencé le", "Started at"),
    "starts_on": ("Depuis le", "From"),
    "state": ("État", "State"),
    "status": ("État", "State"),
    "structure": ("Structure", "Structure"),
    "structure_id": ("Structure", "Structure"),
    "subject": ("Objet", "Subject"),
    "submitted_at": ("Envoyé le", "Sent at"),
    "taken_over": ("Repris de l’ancien portail", "Taken over"),
    "text": ("Texte", "Text"),
    "title": ("Titre", "Title"),
    "to_account": ("Vers", "To"),
    "to_address": ("Adresse", "Address"),
    "to_name": ("Destinataire", "Addressee"),
    "used_at": ("Utilisé le", "Used at"),
    "wallet": ("Porte-monnaie", "Wallet"),
    "what": ("Quoi", "What"),
}
#: What keeps the portal going, and tells nobody anything: in the JSON alone.
DATA_UNSHOWN = frozenset(
    {"attempts", "cause", "content", "key", "lines", "line", "listed", "loaded_email", "loaded_language",
     "own_address", "party", "pending_proven", "place_order", "position", "seq", "settles", "tariff_version", "told_by", "version"}
)  # fmt: skip
YES_NO = (("non", "oui"), ("no", "yes"))

OBSTACLES: dict[Obstacle, tuple[str, str]] = {
    Obstacle.OWES_MONEY: ("elle doit de l’argent", "it owes money"),
    Obstacle.HAS_CREDIT: ("il lui reste un crédit à rembourser", "it has credit that is to be refunded"),
    Obstacle.DAYS_NOT_CHARGED: ("des journées passées ne sont pas encore débitées", "past days are not charged yet"),
    Obstacle.PAYMENT_UNDER_WAY: ("un paiement en ligne est en cours", "an online payment is under way"),
    Obstacle.HAS_BOOKINGS: ("elle a des réservations à venir", "it has bookings to come"),
}


def day_in_words(day: dt.date, language: str) -> str:
    """29/12/2026, or 2026-12-29."""
    return day.isoformat() if language == "en" else f"{day:%d/%m/%Y}"


def obstacles_in_words(obstacles: Iterable[Obstacle], language: str) -> str:
    return ", ".join(OBSTACLES[one][language == "en"] for one in obstacles)


def say(code: str, language: str, **details: object) -> str:
    """The text of a refusal; of its detail `text`, if it has one. `wait_seconds`, `why` and `what` are put into words."""
    english = language == "en"
    words = dict(details)
    code = str(words.pop("text", code))
    if isinstance(what := words.get("what"), str):
        words["what"] = ENTRIES[what][english]
    if isinstance(seconds := words.get("wait_seconds"), int):
        words["wait"] = duration(seconds, english)
    if isinstance(why := words.get("why"), Weakness):
        words["reason"] = WEAKNESSES[why][english]
    return TEXTS[code][english].format(**words)


def malformed(text: str, language: str, **details: object) -> CodedError:
    """What no screen should send: said in words, for those who make screens."""
    return CodedError("BAD_USER_INPUT", MALFORMED[text][language == "en"].format(**details))


def duration(seconds: int, english: bool) -> str:
    """Up to a minute in seconds, then in minutes, never too short."""
    if seconds < 60:
        return f"{seconds} second{'s' if seconds > 1 else ''}" if english else f"{seconds} seconde{'s' if seconds > 1 else ''}"
    minutes = -(-seconds // 60)
    return f"{minutes} minute{'s' if minutes > 1 else ''}"
