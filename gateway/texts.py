"""What the gateway itself says to people who open an address in a browser: French first, English second."""

TEXTS = {
    "NO_PAGE": ("Cette page n'existe pas.", "There is no such page."),
    "NOT_THAT_WAY": ("Cette adresse ne s'utilise pas ainsi.", "This address is not used that way."),
    "NO_FILE": ("Ce fichier n'existe pas.", "There is no such file."),
    "AWAY": ("Momentanément indisponible, réessayez.", "Not available at the moment, try again."),
}


def say(code: str, language: str) -> str:
    """One line."""
    return TEXTS[code][language == "en"] + "\n"
