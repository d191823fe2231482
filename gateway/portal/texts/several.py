"""Of several activities on one day (P11), and of copying days (P12)."""

TEXTS: dict[str, tuple[str, str]] = {
    "COPY_TITLE": ("Copier des jours", "Copy days"),
    "COPY_LEAD": (
        "Reprenez des jours pour un autre enfant ou une autre activité. Vous voyez le détail avant que rien ne soit copié.",
        "Take days for another child or another activity. You see the details before anything is copied.",
    ),
    "COPY_FROM": ("Copier les jours de", "Copy the days of"),
    "COPY_TO": ("Vers", "To"),
    "COPY_CHOOSE": ("Choisissez un enfant et une activité", "Choose a child and an activity"),
    "COPY_PERIOD": ("Période", "Period"),
    "COPY_FIRST": ("Du", "From"),
    "COPY_LAST": ("Au (inclus)", "To (included)"),
    "COPY_BOOKED": ("Copier aussi les réservations déjà enregistrées", "Also copy the bookings that are already made"),
    "COPY_BOOKED_HINT": (
        "Sans cette case, seuls les jours que vous venez de choisir, et pas encore validés, sont copiés.",
        "Without this box, only the days that you have just chosen, and not yet confirmed, are copied.",
    ),
    "COPY_HOURS": ("Horaires à donner aux jours copiés", "Hours for the copied days"),
    "COPY_HOURS_HINT": (
        "{activity} demande des horaires : choisissez-les, puis affichez ce qui sera copié.",
        "{activity} asks for hours: choose them, then show what will be copied.",
    ),
    "COPY_SHOW": ("Voir ce qui sera copié", "Show what will be copied"),
    "COPY_PLAN": (
        "De {child_from}, {activity_from} vers {child_to}, {activity_to}",
        "From {child_from}, {activity_from} to {child_to}, {activity_to}",
    ),
    "COPY_WILL": ("Ce qui sera copié", "What will be copied"),
    "COPY_CANNOT": ("Ce qui ne peut pas être copié", "What cannot be copied"),
    "COPY_CANNOT_LEAD": ("Ces jours restent comme ils sont.", "These days stay as they are."),
    "COPY_KEPT": ("Réservation gardée : son annulation est retirée de vos choix", "Booking kept: its cancellation leaves your choices"),
    "COPY_NEW": ("À réserver", "To be booked"),
    "COPY_WHY": ("Raison", "Reason"),
    "COPY_WHAT": ("Effet", "Effect"),
    "COPY_NOTHING": ("Rien à copier", "Nothing to copy"),
    "COPY_NOTHING_DRAFT": (
        "Vous n'avez choisi aucun jour pour {child}, {activity} sur cette période. "
        "Cochez « Copier aussi les réservations déjà enregistrées » ou changez la période.",
        "You have chosen no day for {child}, {activity} in this period. "
        "Tick “Also copy the bookings that are already made”, or change the period.",
    ),
    "COPY_NOTHING_BOOKED": (
        "Il n'y a ni choix ni réservation pour {child}, {activity} sur cette période.",
        "There are neither choices nor bookings for {child}, {activity} in this period.",
    ),
    "COPY_ALL_REFUSED": ("Aucun de ces jours ne peut être copié.", "None of these days can be copied."),
    "COPY_NO_SOURCE": ("Choisissez ce qui doit être copié", "Choose what is to be copied"),
    "COPY_NO_TARGET": ("Choisissez vers quoi copier", "Choose what to copy it to"),
    "COPY_SAME": (
        "Choisissez un autre enfant ou une autre activité que ce qui est copié",
        "Choose another child or activity than what is copied",
    ),
    "COPY_NO_DATE": ("Indiquez une date, par exemple 30/11/2026", "Give a date, for example 30/11/2026"),
    "COPY_REVERSED": ("La fin de la période doit être après son début", "The period must end after it begins"),
    "COPY_TOO_LONG": ("La période ne peut pas dépasser 400 jours", "The period cannot be longer than 400 days"),
    "COPY_NO_ACTIVITY": (
        "Aucun enfant n'est inscrit à une activité : contactez votre mairie.",
        "No child is enrolled in an activity: contact your town hall.",
    ),
    "HOURS_WRONG": (
        "Choisissez une heure de départ assez longtemps après l'arrivée",
        "Choose a departure that is long enough after the arrival",
    ),
    "ARRIVAL": ("Arrivée", "Arrival"),
    "DEPARTURE": ("Départ", "Departure"),
    "DATE": ("Date", "Date"),
    "DRAFT_TOO_LONG": (
        "Vos choix sont trop nombreux pour être gardés : validez-en d'abord une partie.",
        "Your choices are too many to be kept: confirm a part of them first.",
    ),
}
COUNTED: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "COPY_ADD": (
        ("Ajouter {n} jour à mes choix", "Ajouter {n} jours à mes choix"),
        ("Add {n} day to my choices", "Add {n} days to my choices"),
    ),
    "COPIED": (
        (
            "{n} jour ajouté à vos choix pour {child}, {activity}. Rien n'est réservé avant la validation.",
            "{n} jours ajoutés à vos choix pour {child}, {activity}. Rien n'est réservé avant la validation.",
        ),
        (
            "{n} day added to your choices for {child}, {activity}. Nothing is booked before you confirm.",
            "{n} days added to your choices for {child}, {activity}. Nothing is booked before you confirm.",
        ),
    ),
}
