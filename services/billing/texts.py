"""What families read from billing, French first."""

#: Code -> (French, English).
TEXTS: dict[str, tuple[str, str]] = {
    # Steps of a price.
    "BAND": ("Tranche {band} (QF {quotient})", "Band {band} (family quotient {quotient})"),
    "BAND_WITHOUT_QUOTIENT": ("Tranche {band} (QF non communiqué)", "Band {band} (family quotient not given)"),
    "SINGLE_RATE": ("Tarif unique", "Single rate"),
    "HOURS": ("{duration}", "{duration}"),
    "HALF_DAYS": ("{count} demi-journées", "{count} half-days"),
    "FLAT_MONTH": ("Forfait mensuel", "Monthly flat rate"),
    "FIRST_CHILD": ("1er enfant -{percent} %", "First child -{percent} %"),
    "SIBLING": ("{rank}e enfant -{percent} %", "Child number {rank} -{percent} %"),
    "FREE": ("Gratuit", "Free"),
    # Refusals.
    "EMAIL_REQUIRED": (
        "Une adresse électronique est nécessaire pour payer en ligne.",
        "An e-mail address is needed to pay online.",
    ),
    "INVALID_AMOUNT": (
        "Indiquez pour chaque porte-monnaie un montant supérieur à zéro.",
        "Give an amount above zero for each wallet.",
    ),
    "PAYMENT_UNAVAILABLE": (
        "Le paiement en ligne n'est pas ouvert. Vous pouvez régler en mairie.",
        "Paying online is not open. You can pay at the town hall.",
    ),
}


def say(code: str, language: str, **details: object) -> str:
    """The text of a code in "fr" or "en". Numbers written with a point get the French comma."""
    french, english = TEXTS[code]
    if language == "en":
        return english.format(**details)
    if "quotient" in details:
        details["quotient"] = str(details["quotient"]).replace(".", ",")
    return french.format(**details)
