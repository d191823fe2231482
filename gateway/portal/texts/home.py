"""Of the home page."""

TEXTS: dict[str, tuple[str, str]] = {
    "HOME_TITLE": ("Bonjour {name}", "Hello {name}"),
    "HOME_NEW": ("Nouveau", "New"),
    "HOME_NEWS": ("Nouvelles annonces", "New announcements"),
    "HOME_ANNOUNCEMENTS": ("Annonces", "Announcements"),
    "HOME_DAYS": ("Prochains jours réservés", "Next booked days"),
    "HOME_TODAY": ("Aujourd’hui", "Today"),
    "HOME_NO_DAYS": ("Rien dans les deux semaines qui viennent.", "Nothing within the next two weeks."),
    "HOME_NO_CHILD": ("Aucun enfant n’est encore inscrit.", "No child is registered yet."),
    "HOME_WAITS": ("En attente n° {rank}", "Waiting, no. {rank}"),
    "HOME_WAITS_SOME": ("En attente", "Waiting"),
    "HOME_SUBMITTED": ("En cours", "Under way"),
    "HOME_ALL_BOOKINGS": ("Mes réservations", "My bookings"),
    "HOME_AFTER": ("Après vos réservations à venir ({cost})\u00a0:", "After your bookings to come ({cost}):"),
    "HOME_PAY": ("Payer en ligne", "Pay online"),
    "HOME_BALANCES": ("Voir les soldes", "See the balances"),
    "HOME_BLOCKED": ("Les réservations sont fermées.", "Booking is closed."),
    "HOME_LAST": ("Dernière demande", "Last request"),
    "HOME_DRAFT_WHY": (
        "Rien n’est enregistré avant la validation du récapitulatif.",
        "Nothing is recorded before the recap is confirmed.",
    ),
    "HOME_DRAFT_GO": ("Vérifier mes choix", "Check my choices"),
    "HOME_HANDED_OUT": (
        "Votre mot de passe vous a été remis par la mairie : choisissez le vôtre.{told}",
        "Your password was handed out by the town hall: choose your own.{told}",
    ),
    "HOME_HANDED_OUT_GO": ("Choisir un mot de passe", "Choose a password"),
    "HOME_NO_EMAIL": (
        "Indiquez une adresse e-mail : sans elle, ni compte rendu ni paiement en ligne.{told}",
        "Give an e-mail address: without one there are neither reports nor online payments.{told}",
    ),
    "HOME_NO_EMAIL_GO": ("Indiquer une adresse", "Give an address"),
    "HOME_CHANGED": ("Cette page vient d’être mise à jour.", "This page has just been updated."),
    "HOME_UNDELIVERABLE": (
        "Nos messages à {told} nous reviennent : vérifiez cette adresse.",
        "Our mails to {told} come back: check the address.",
    ),
    "HOME_UNDELIVERABLE_GO": ("Vérifier l’adresse", "Check the address"),
    "HOME_FACTOR": (
        "Une deuxième étape de connexion est demandée pour travailler au bureau des agents : {told}.",
        "A second step of signing in is asked for at the agents’ desk: {told}.",
    ),
    "HOME_FACTOR_GO": ("L’ajouter", "Add it"),
    "HOME_DESK": (
        "Pointage du jour, activités, familles, règlements et annonces vous attendent au bureau.",
        "Today’s rosters, activities, families, payments and announcements are at the desk.",
    ),
    "HOME_DESK_GO": ("Ouvrir le bureau des agents", "Open the agents’ desk"),
}
COUNTED: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "HOME_DRAFT": (
        ("{n} choix attend votre validation.", "{n} choix attendent votre validation."),
        ("{n} choice waits for you to confirm it.", "{n} choices wait for you to confirm them."),
    ),
}
