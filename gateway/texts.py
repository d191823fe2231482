"""What the gateway itself says to people who open an address in a browser: French first, English second."""

TEXTS = {
    "NO_PAGE": ("Cette page n'existe pas.", "There is no such page."),
    "NOT_THAT_WAY": ("Cette adresse ne s'utilise pas ainsi.", "This address is not used that way."),
    "NO_FILE": ("Ce fichier n'existe pas.", "There is no such file."),
    "AWAY": ("Momentanément indisponible, réessayez.", "Not available at the moment, try again."),
    "PASSWORD_TITLE": ("Choisir un nouveau mot de passe", "Choose a new password"),
    "PASSWORD_NEW": ("Nouveau mot de passe", "New password"),
    "PASSWORD_AGAIN": ("Le même, encore une fois", "The same once more"),
    "PASSWORD_HINT": (
        "Au moins 12 caractères : quelques mots sans rapport, par exemple. Un gestionnaire de mots de passe peut en choisir un pour vous.",
        "At least 12 characters: a few words that have nothing to do with one another, for instance. A password manager can choose one.",
    ),
    "PASSWORD_SEND": ("Enregistrer ce mot de passe", "Keep this password"),
    "PASSWORD_DIFFERS": ("Les deux mots de passe ne sont pas les mêmes.", "The two passwords are not the same."),
    "PASSWORD_DONE": ("Votre mot de passe est changé", "Your password is changed"),
    "PASSWORD_DONE_MORE": (
        "Vous pouvez maintenant vous connecter à votre espace famille avec ce mot de passe. "
        "Les appareils qui étaient connectés ne le sont plus.",
        "You can now sign in to your family account with this password. Devices that were signed in no longer are.",
    ),
    "EMAIL_TITLE": ("Confirmer votre adresse e-mail", "Confirm your e-mail address"),
    "EMAIL_ASK": (
        "Vous avez demandé à recevoir vos messages à l'adresse où vous avez reçu ce lien. Si ce n'est pas vous, fermez cette page : "
        "rien ne change.",
        "You asked to receive your messages at the address where you received this link. If it was not you, close this page: "
        "nothing changes.",
    ),
    "EMAIL_SEND": ("Confirmer cette adresse", "Confirm this address"),
    "EMAIL_DONE": ("Votre adresse e-mail est confirmée", "Your e-mail address is confirmed"),
    "EMAIL_DONE_MORE": ("Vos messages arrivent désormais à {email}.", "Your messages go to {email} from now on."),
    "LINK_OVER": ("Ce lien n'est plus valable", "This link is no longer valid"),
    "LINK_OVER_MORE": (
        "Il a déjà servi, il a expiré, un plus récent le remplace, ou il est incomplet. Demandez-en un autre sur votre espace famille.",
        "It was used already, it has run out, a newer one replaces it, or a part of it is missing. Ask for another in your family account.",
    ),
    "LINK_FAILED": ("Cela n'a pas fonctionné", "That did not work"),
}


def phrase(code: str, language: str, **details: str) -> str:
    return TEXTS[code][language == "en"].format(**details)


def say(code: str, language: str) -> str:
    """One line."""
    return phrase(code, language) + "\n"
