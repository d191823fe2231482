"""What the mailer says to agents: kinds of mails, what is wrong with one, and why not. French first, English second."""

from services.mailer.standing import Problem
from services.mailer.tables import MailKind

TEXTS: dict[str, tuple[str, str]] = {
    "SENT_ALREADY": ("Ce courrier est parti : il ne se renvoie pas.", "This mail went out: it is not sent again."),
    "WITHDRAWN_FOR_GOOD": ("L’annonce a été retirée : elle ne s’envoie plus.", "The announcement was withdrawn: it is sent no more."),
    "LINK_IS_OVER": (
        "Ce courrier portait un lien, qui n’est gardé nulle part : il faut en demander un nouveau.",
        "This mail held a link, which is kept nowhere: a new one has to be asked for.",
    ),
    "SAYS_NOTHING": (
        "De ce courrier, il n’est plus gardé de texte : il ne peut pas être renvoyé.",
        "Nothing is kept of what this mail said: it cannot be sent again.",
    ),
    "NO_ADDRESS_YET": (
        "Cette personne n’a pas d’adresse électronique, ou n’est plus de la famille : voyez le dossier de la famille.",
        "This person has no e-mail address, or is not of the family any more: see the family’s file.",
    ),
    "MAIL_NOT_WAITING": ("Ce courrier est déjà parti.", "This mail has gone out already."),
}

KINDS: dict[MailKind, tuple[str, str]] = {
    MailKind.REPORT: ("compte rendu", "report"),
    MailKind.DIGEST: ("compte rendu de la journée", "report of the day"),
    MailKind.DELAYED: ("demande encore sans réponse", "request that is not answered yet"),
    MailKind.PLACE_GIVEN: ("place obtenue", "place given"),
    MailKind.PLACE_EXPIRED: ("attente sans place", "wait that ended without a place"),
    MailKind.BALANCE_LOW: ("solde bas", "low balance"),
    MailKind.PAYMENT_RECEIVED: ("reçu de paiement", "receipt"),
    MailKind.PAYMENT_FAILED: ("paiement sans suite", "payment that came to nothing"),
    MailKind.PASSWORD_LINK: ("lien de nouveau mot de passe", "link for a new password"),
    MailKind.ADDRESS_LINK: ("lien de confirmation d’une adresse", "link that confirms an address"),
    MailKind.INVITATION: ("invitation", "invitation"),
    MailKind.ADDRESS_CANCEL: ("changement d’adresse à refuser", "change of address to object to"),
    MailKind.SECURITY_NOTICE: ("avis de sécurité", "security notice"),
    MailKind.ANNOUNCEMENT: ("annonce", "announcement"),
}

PROBLEMS: dict[Problem, tuple[str, str]] = {
    Problem.ADDRESS_REFUSED: (
        "Le serveur du destinataire ne connaît pas cette adresse.",
        "The recipient’s mail server does not know this address.",
    ),
    Problem.ADDRESS_MISSING: ("Personne dans la famille n’a d’adresse électronique.", "Nobody in the family has an e-mail address."),
    Problem.REFUSED: ("Le serveur du destinataire a refusé ce courrier.", "The recipient’s mail server refused this mail."),
    Problem.NOT_NOW: ("Le serveur du destinataire demande d’attendre.", "The recipient’s mail server asks to wait."),
    Problem.UNREACHABLE: ("Le serveur de courrier ne répond pas.", "The mail server does not answer."),
}


def say(code: str, language: str) -> str:
    return TEXTS[code][language == "en"]


def kind_in_words(kind: MailKind, language: str) -> str:
    return KINDS[kind][language == "en"]


def problem_in_words(problem: Problem, language: str) -> str:
    return PROBLEMS[problem][language == "en"]
