"""What families read from billing, French first."""

from services.refusal import CodedError

#: Code -> (French, English).
TEXTS: dict[str, tuple[str, str]] = {
    # Steps of a price.
    "BAND": ("Tranche {band} (QF {quotient})", "Band {band} (family quotient {quotient})"),
    "BAND_WITHOUT_QUOTIENT": ("Tranche {band} (QF non communiqué)", "Band {band} (family quotient not given)"),
    "SINGLE_RATE": ("Tarif unique", "Single rate"),
    "EFFORT": ("Taux d’effort {percent} % (QF {quotient})", "Effort rate {percent} % (family quotient {quotient})"),
    "EFFORT_FLOOR": (
        "Tarif plancher (taux d’effort {percent} %, QF {quotient})",
        "Lowest rate (effort rate {percent} %, family quotient {quotient})",
    ),
    "EFFORT_CEILING": (
        "Tarif plafond (taux d’effort {percent} %, QF {quotient})",
        "Highest rate (effort rate {percent} %, family quotient {quotient})",
    ),
    "EFFORT_WITHOUT_QUOTIENT": ("Tarif plafond (QF non communiqué)", "Highest rate (family quotient not given)"),
    "HOURS": ("{duration}", "{duration}"),
    "HOURS_ROUNDED": ("{duration}, compté {counted}", "{duration}, counted as {counted}"),
    "HALF_DAYS": ("{count} demi-journées", "{count} half-days"),
    "FLAT_MONTH": ("Forfait mensuel", "Monthly flat rate"),
    "FLAT_MONTH_DAY": ("Forfait de {euros} € par mois, débité une seule fois", "Flat rate of €{euros} a month, debited only once"),
    "FLAT_MONTH_WHOLE": ("Forfait du mois {month}", "Flat rate of the month {month}"),
    "FLAT_MONTH_SIBLINGS": ("Forfaits des autres enfants", "The other children’s flat rates"),
    "FIRST_CHILD": ("1er enfant -{percent} %", "First child -{percent} %"),
    "SIBLING": ("{rank}e enfant -{percent} %", "Child number {rank} -{percent} %"),
    "OUTSIDE_TOWN": ("Majoration hors commune", "Surcharge outside the town"),
    "OUTSIDE_TOWN_PERCENT": ("Majoration hors commune +{percent} %", "Surcharge outside the town +{percent} %"),
    "FREE": ("Gratuit", "Free"),
    # What became of the day.
    "ABSENT_JUSTIFIED": ("Absence justifiée : {percent} % du tarif", "Justified absence: {percent} % of the price"),
    "ABSENT_UNJUSTIFIED": ("Absence non justifiée : {percent} % du tarif", "Unjustified absence: {percent} % of the price"),
    "UNEXPECTED": ("Présence sans réservation : {percent} % du tarif", "Presence without booking: {percent} % of the price"),
    "LATE": ("Départ tardif ({duration})", "Late pick-up ({duration})"),
    # Refusals.
    "IDEMPOTENCY_KEY_REUSED": (
        "Cette clé a déjà servi pour une autre opération.",
        "This key was already used for something else.",
    ),
    "EMAIL_REQUIRED": (
        "Une adresse e-mail est nécessaire pour payer en ligne.",
        "An e-mail address is needed to pay online.",
    ),
    "INVALID_AMOUNT": (
        "Indiquez pour chaque porte-monnaie un montant supérieur à zéro.",
        "Give an amount above zero for each wallet.",
    ),
    "AMOUNT_NOT_POSSIBLE": (
        "Indiquez un montant supérieur à zéro, de {most} € au plus.",
        "Give an amount above zero, of €{most} at most.",
    ),
    "ALERT_NOT_POSSIBLE": ("Indiquez un seuil de 0 à {most} €.", "Give a threshold of €0 to €{most}."),
    "INVALID_PAYMENT": ("Ce règlement n’est pas possible ainsi.", "The payment cannot be so."),
    "NOT_AT_THE_COUNTER": ("Un paiement en ligne ne se saisit pas en mairie.", "Nobody records an online payment."),
    "DATE_TO_COME": ("Ce jour n’est pas encore venu.", "That day has not come yet."),
    "DATE_LONG_AGO": ("Ce jour est passé depuis plus de {years} ans.", "That day is more than {years} years ago."),
    "PAYER_MISSING": ("Indiquez qui paie ou qui est remboursé.", "Say who pays, or is paid."),
    "CHEQUE_WITHOUT_NUMBER": ("Indiquez le numéro du chèque.", "Give the number of the cheque."),
    "LINE_NOT_POSSIBLE": (
        "Une ligne de {most} caractères au plus est attendue.",
        "One line of {most} characters at most is expected.",
    ),
    "SAME_WALLET": ("Choisissez un autre porte-monnaie.", "Choose another wallet."),
    "REASON_REQUIRED": ("Indiquez un motif, de 3 à 500 caractères.", "Give a reason, in 3 to 500 characters."),
    "NOT_ENOUGH_CREDIT": (
        "Ce porte-monnaie ne contient que {euros} €.",
        "The wallet holds only €{euros}.",
    ),
    "ALREADY_REVERSED": (
        "Ce règlement a déjà été annulé, pour un autre motif.",
        "This payment was taken back before, for another reason.",
    ),
    "AMOUNT_OUT_OF_BOUNDS": (
        "On paie en ligne de {least} € à {most} €.",
        "Online, one pays from €{least} to €{most}.",
    ),
    "NEVER_STARTED": (
        "Ce paiement n’a pas pu commencer : le site de paiement n’a pas répondu à temps. Rien n’a été débité ; recommencez le paiement.",
        "This payment could not begin: the payment site did not answer in time. Nothing was charged; begin the payment anew.",
    ),
    "PROVIDER_AWAY": (
        "Le site de paiement ne répond pas. Rien n’a été débité ; réessayez dans quelques minutes.",
        "The payment site does not answer. Nothing was charged; try again in a few minutes.",
    ),
    "PAYMENT_UNAVAILABLE": (
        "Le paiement en ligne n’est pas ouvert. Vous pouvez régler en mairie.",
        "Paying online is not open. You can pay at the town hall.",
    ),
    "TOO_MANY_OPEN_PAYMENTS": (
        "{most} paiements en ligne sont déjà en cours pour votre famille. Terminez-en un, ou attendez que leurs pages expirent.",
        "Your family has {most} online payments under way already. Finish one of them, or wait until their pages expire.",
    ),
    "NOTHING_TO_END": (
        "Ce paiement n’attend pas d’agent : le site de paiement en dit lui-même l’issue.",
        "This payment waits for no agent: the payment site itself says how it ends.",
    ),
    "NOT_WHAT_CAME": (
        "Le total doit être ce qui a été encaissé : {euros} €.",
        "The total must be what came: €{euros}.",
    ),
    "SAY_WHAT_CAME": (
        "Indiquez pour chaque porte-monnaie le montant à porter à son crédit.",
        "Say for each wallet how much it is to be credited.",
    ),
    "NOT_TO_BE_DEPOSITED": (
        "Règlements qui ne sont plus à remettre : {count} (déjà remis, annulés, ou repris des comptes tenus avant ce portail).",
        "Payments that are not to be deposited: {count} (deposited already, taken back, or taken over from older books).",
    ),
    "NOTHING_IS_CREDITED": (
        "lines : rien n’est porté au crédit de la famille si le paiement est classé ainsi.",
        "lines: nothing is credited where the payment is ended like that.",
    ),
    "PIECES_NOT_POSSIBLE": ("Une remise contient de 1 à {most} règlements.", "A deposit holds 1 to {most} payments."),
    "MODES_NOT_POSSIBLE": (
        "Une remise contient des règlements d’un seul mode : chèques, espèces, CESU, bons ou autres.",
        "A deposit holds payments of one mode: cheques, cash, CESU, vouchers or others.",
    ),
    "TOO_MANY_ROWS": (
        "Trop d’écritures pour un fichier : {limit} au plus. Choisissez une période plus courte.",
        "Too many entries for one file: {limit} at most. Choose a shorter period.",
    ),
    # As the guide's history has it (S11).
    "PAID_ONLINE": ("PAR INTERNET", "BY INTERNET"),
    "PAID_ONLINE_FOR": ("POUR {name}", "FOR {name}"),
    # Why money that came online credits nobody.
    "TROUBLE_OTHER_MONEY": (
        "Encaissé : {came}, au lieu de {asked}. Personne n’a été crédité.",
        "{came} came instead of {asked}. Nobody was credited.",
    ),
    "TROUBLE_AFTER_REFUSAL": (
        "{came} encaissés après un refus. Personne n’a été crédité.",
        "{came} came after it was refused. Nobody was credited.",
    ),
    "TROUBLE_AFTER_END": (
        "Le site de paiement annonce maintenant {came}, alors qu’un agent avait déjà classé ce paiement. Personne n’a été crédité.",
        "The payment site now tells of {came}, after an agent had ended this payment. Nobody was credited.",
    ),
    "MONEY_FOR": ("{money} pour « {order} »", "{money} for “{order}”"),
    "NO_AMOUNT": ("un montant inconnu", "an unknown amount"),
    # Files.
    "PAYMENTS": ("Règlements", "Payments"),
    "CONSUMPTIONS": ("Consommations", "Consumptions"),
    "JOURNAL": ("Journal", "Journal"),
    "OF_FAMILY": ("Compte famille : {names}", "Family account: {names}"),
    "PERIOD": ("Du {first} au {last}", "From {first} to {last}"),
    "TOTAL": ("Total", "Total"),
    "COLUMN_DATE": ("Date", "Date"),
    "RECEIPT_TITLE": ("Reçu de paiement n° {number}", "Receipt no. {number}"),
    "RECEIPT_SAYS": (
        "La somme de {amount} a été reçue de {payer} le {day}.",
        "The sum of {amount} was received from {payer} on {day}.",
    ),
    "RECEIPT_IS_NO_CERTIFICATE": (
        "Ce reçu ne vaut pas attestation fiscale : celle-ci porte sur une année.",
        "This receipt is no tax certificate: that is about a year.",
    ),
    "RECEIPT_TAKEN_OVER": (
        "Règlement repris des comptes tenus avant ce portail.",
        "Payment taken over from the books kept before this portal.",
    ),
    "REVERSED_TITLE": ("Règlement annulé n° {number}", "Reversed payment no. {number}"),
    "REVERSED_SAYS": (
        "Le règlement de {amount} au nom de {payer}, daté du {day}, a été annulé : la somme n’a pas été encaissée. "
        "Ce document ne vaut pas reçu.",
        "The payment of {amount} in the name of {payer}, dated {day}, was reversed: the sum was not received. This is no receipt.",
    ),
    "TAKEN_BACK": ("Annulé le {day} : {reason}", "Reversed on {day}: {reason}"),
    "REFUND_TITLE": ("Avis de remboursement n° {number}", "Notice of refund no. {number}"),
    "REFUND_SAYS": (
        "La somme de {amount} a été remboursée à {payer} le {day}.",
        "The sum of {amount} was paid back to {payer} on {day}.",
    ),
    "REVERSAL_TITLE": ("Annulation de règlement n° {number}", "Reversal of payment no. {number}"),
    "REVERSAL_SAYS": (
        "Un règlement de {amount} au nom de {payer} a été annulé le {day} : la somme n’avait pas été encaissée. Rien n’a été remboursé.",
        "A payment of {amount} in the name of {payer} was reversed on {day}: the sum had not been received. Nothing was paid back.",
    ),
    "CERTIFICATE_TITLE": ("Attestation fiscale {year} : frais de garde", "Tax certificate {year}: childcare"),
    "CERTIFICATE_PROVISIONAL_TITLE": (
        "Attestation fiscale {year} : frais de garde (provisoire)",
        "Tax certificate {year}: childcare (provisional)",
    ),
    "CERTIFICATE_SAYS": (
        "La somme de {amount} a été payée du 01/01/{year} au 31/12/{year} pour la garde d’enfants âgés de moins de six ans "
        "au 01/01/{year}.",
        "The sum of {amount} was paid from 01/01/{year} to 31/12/{year} for the care of children younger than six on 01/01/{year}.",
    ),
    "CERTIFICATE_PROVISIONAL_SAYS": (
        "Document provisoire : l’année {year} n’est pas finie. La somme de {amount} a été payée du 01/01/{year} au {day} pour la garde "
        "d’enfants âgés de moins de six ans au 01/01/{year}.",
        "Provisional document: the year {year} is not over. The sum of {amount} was paid from 01/01/{year} to {day} for the care of "
        "children younger than six on 01/01/{year}.",
    ),
    "CERTIFICATE_COUNTS": (
        "Sont comptées les sommes réellement payées pour des activités de garde : une avance l’année de la garde, une dette l’année de son "
        "règlement. Les repas et les autres activités n’y sont pas.",
        "What was really paid for childcare is counted: an advance in the year of the care, a debt in the year in which it was paid. "
        "Meals and other activities are not in it.",
    ),
    "CERTIFICATE_WITHOUT_BIRTH_DATE": (
        "Non comptés, leur date de naissance n’étant pas connue : {names}.",
        "Not counted, their birth dates being unknown: {names}.",
    ),
    "COLUMN_BIRTH_DATE": ("Date de naissance", "Birth date"),
    "COLUMN_PAID": ("Somme payée", "Sum paid"),
    "COLUMN_NUMBER": ("Numéro", "Number"),
    "COLUMN_PAYEE": ("Bénéficiaire", "Payee"),
    "COLUMN_CHILD": ("Enfant", "Child"),
    "COLUMN_ACTIVITY": ("Activité", "Activity"),
    "COLUMN_ARRIVAL": ("Arrivée", "Arrival"),
    "COLUMN_DEPARTURE": ("Départ", "Departure"),
    "COLUMN_ATTENDANCE": ("Présence", "Attendance"),
    "COLUMN_PRICE": ("Tarif", "Price"),
    "COLUMN_MODE": ("Mode", "Mode"),
    "COLUMN_REFERENCE": ("Pièce", "Piece"),
    "COLUMN_PAYER": ("Payeur", "Payer"),
    "COLUMN_BANK": ("Banque", "Bank"),
    "COLUMN_WALLET": ("Porte-monnaie", "Wallet"),
    "COLUMN_REASON": ("Motif", "Reason"),
    "COLUMN_AMOUNT": ("Montant", "Amount"),
    "COLUMN_POSTED_AT": ("Enregistrée le", "Posted at"),
    "COLUMN_ENTRY": ("Écriture", "Entry"),
    "COLUMN_KIND": ("Nature", "Kind"),
    "COLUMN_ACCOUNT": ("Compte", "Account"),
    "COLUMN_FAMILY": ("Compte famille", "Family"),
    "COLUMN_LABEL": ("Libellé", "Label"),
    "COLUMN_DEBIT": ("Débit", "Debit"),
    "COLUMN_CREDIT": ("Crédit", "Credit"),
    "MODE_CARD": ("CARTE", "CARD"),
    "MODE_INTERNET": ("INTERNET", "INTERNET"),
    "MODE_CHEQUE": ("CHEQUE", "CHEQUE"),
    "MODE_CASH": ("ESPECES", "CASH"),
    "MODE_TRANSFER": ("VIREMENT", "TRANSFER"),
    "MODE_DIRECT_DEBIT": ("PRELEVEMENT", "DIRECT DEBIT"),
    "MODE_CESU": ("CESU", "CESU"),
    "MODE_VOUCHER": ("BON", "VOUCHER"),
    "MODE_OTHER": ("AUTRE", "OTHER"),
    "ATTENDED_PRESENT": ("Présent", "Present"),
    "ATTENDED_ABSENT_JUSTIFIED": ("Absence justifiée", "Justified absence"),
    "ATTENDED_ABSENT_UNJUSTIFIED": ("Absence non justifiée", "Unjustified absence"),
    "KIND_PAYMENT": ("Règlement", "Payment"),
    "KIND_CHARGE": ("Consommation", "Charge"),
    "KIND_REFUND": ("Remboursement", "Refund"),
    "KIND_ADJUSTMENT": ("Régularisation", "Adjustment"),
    "ACCOUNT_WALLET": ("Familles", "Families"),
    "ACCOUNT_CASH": ("Caisse", "Cash desk"),
    "ACCOUNT_CARD_CLEARING": ("Cartes à encaisser", "Card clearing"),
    "ACCOUNT_REVENUE": ("Produits", "Revenue"),
    "ACCOUNT_ADJUSTMENTS": ("Régularisations", "Adjustments"),
    "ACCOUNT_OPENING": ("Reprise de solde", "Opening balances"),
    # What no screen should send.
    "PERIOD_NOT_POSSIBLE": (
        "from, to : une période de 1 à {most} jours est attendue.",
        "from, to: a period of 1 to {most} days is expected.",
    ),
    "YEAR_NOT_POSSIBLE": (
        "year : une année de {first} à {last} est attendue, et non {given}.",
        "year: a year from {first} to {last} is expected, not {given}.",
    ),
}


#: Details that are numbers.
WITH_COMMA = {"euros", "percent", "quotient", "least", "most"}


def paid_for(payer: str) -> str:
    """Who an online payment is for, of the payer that the history shows: in a sentence "POUR" has no place."""
    return payer.removeprefix(say("PAID_ONLINE_FOR", "fr", name="").upper())


def say(code: str, language: str, **details: object) -> str:
    """The text of a code in "fr" or "en". Numbers written with a point get the French comma."""
    french, english = TEXTS[code]
    if language == "en":
        return english.format(**details)
    return french.format(**{name: str(value).replace(".", ",") if name in WITH_COMMA else value for name, value in details.items()})


MONTHS = (
    ("janvier", "January"),
    ("février", "February"),
    ("mars", "March"),
    ("avril", "April"),
    ("mai", "May"),
    ("juin", "June"),
    ("juillet", "July"),
    ("août", "August"),
    ("septembre", "September"),
    ("octobre", "October"),
    ("novembre", "November"),
    ("décembre", "December"),
)


def month_in_words(month: str, language: str) -> str:
    """ "2026-11" -> "novembre 2026"."""
    year, number = month.split("-")
    return f"{MONTHS[int(number) - 1][language == 'en']} {year}"


def malformed(text: str, language: str, **details: object) -> CodedError:
    """What no screen should send: said in words, for those who make screens."""
    return CodedError("BAD_USER_INPUT", say(text, language, **details))
