"""Of following bookings and waiting lists."""

TEXTS: dict[str, tuple[str, str]] = {
    "BOOKINGS_TITLE": ("Mes réservations", "My bookings"),
    "WAITING_TITLE": ("Mes listes d’attente", "My waiting lists"),
    "FILTER": ("Choisir ce qui est affiché", "Choose what is shown"),
    "FILTER_CHILD": ("Enfant", "Child"),
    "FILTER_ACTIVITY": ("Activité", "Activity"),
    "FILTER_FROM": ("Du", "From"),
    "FILTER_TO": ("Au", "To"),
    "FILTER_ALL_CHILDREN": ("Tous les enfants", "All children"),
    "FILTER_ALL_ACTIVITIES": ("Toutes les activités", "All activities"),
    "FILTER_SHOW": ("Afficher", "Show"),
    "PERIOD_WRONG": ("Donnez une date, comme 30/11/2026.", "Give a date, such as 30/11/2026."),
    "PERIOD_REVERSED": ("La période se termine avant de commencer.", "The period ends before it begins."),
    "STATUSES": ("États", "Statuses"),
    "STATUS_ALL": ("Toutes", "All"),
    "STATUS_encours": ("En cours", "In progress"),
    "STATUS_accepte": ("Accepté", "Accepted"),
    "STATUS_attente": ("Liste d’attente", "Waiting list"),
    "STATUS_refuse": ("Refusé", "Refused"),
    "STATUS_annule": ("Annulé", "Cancelled"),
    "STATUS_expire": ("Expiré", "Expired"),
    "STATUS_SUBMITTED": ("En cours", "In progress"),
    "STATUS_ACCEPTED": ("Accepté", "Accepted"),
    "STATUS_WAITLISTED": ("Liste d’attente n° {rank}", "Waiting list, place {rank}"),
    "STATUS_REFUSED": ("Refusé", "Refused"),
    "STATUS_CANCELLED": ("Annulé", "Cancelled"),
    "STATUS_EXPIRED": ("Expiré", "Expired"),
    "COLUMN_STATUS": ("État", "Status"),
    "COLUMN_ACT": ("Annuler", "Cancel"),
    "BOOKINGS_NONE": ("Aucune réservation ne correspond.", "No booking matches."),
    "BOOKINGS_WAIT_NONE": ("Vous n’êtes sur aucune liste d’attente.", "You are on no waiting list."),
    "BOOKINGS_BOOK": ("Réserver", "Book"),
    "BOOKINGS_ALL": ("Tout sur une page, pour imprimer", "Everything on one page, for printing"),
    "BOOKINGS_FILES": ("Télécharger", "Download"),
    "FILE_CSV": ("Fichier CSV", "CSV file"),
    "FILE_XLSX": ("Tableur (XLSX)", "Spreadsheet (XLSX)"),
    "FILE_PDF": ("PDF", "PDF"),
    "CANCEL_TICK": ("Annuler {child}, {activity}, {date}", "Cancel {child}, {activity}, {date}"),
    "CANCEL_GO": ("Annuler les réservations cochées", "Cancel the ticked bookings"),
    "CANCEL_HINT": (
        "Rien n’est annulé avant votre validation à la page suivante.",
        "Nothing is cancelled before you confirm on the next page.",
    ),
    "CANCEL_NONE": ("Cochez au moins une réservation à annuler.", "Tick at least one booking to cancel."),
    "CANCEL_TOO_MANY": (
        "Vos choix en cours sont trop nombreux : validez-les d’abord.",
        "You have chosen too much already: confirm that first.",
    ),
    "CANCEL_DRAFTED": ("À valider", "To be confirmed"),
    "LOCKED": ("Trop tard pour annuler (possible {rule})", "Too late to cancel (possible {rule})"),
    "PAST": ("Journée passée", "Day is over"),
    "LEAVE": ("Quitter", "Leave"),
    "LEAVE_ONE": ("Quitter la liste d’attente : {child}, {activity}, {date}", "Leave the waiting list: {child}, {activity}, {date}"),
    "LEAVE_HINT": (
        "« Quitter » prend effet aussitôt : votre rang est rendu et les familles suivantes avancent. "
        "Pour revenir, il faudrait refaire une demande, à la fin de la liste.",
        '"Leave" takes effect at once: your place goes and the families behind move up. '
        "To come back you would have to ask again, at the end of the list.",
    ),
    "LEFT": (
        "Liste d’attente quittée : {child}, {activity}, {day}. Votre rang est rendu aux familles suivantes : "
        "« Annuler » refait la demande, à la fin de la liste, dès que vous l’aurez validée.",
        "You have left the waiting list: {child}, {activity}, {day}. The families behind you have moved up: "
        '"Undo" asks again, at the end of the list, once you have confirmed it.',
    ),
    "LEAVE_NOT_WAITING": (
        "Cette demande n’est plus en liste d’attente : son état ci-dessous est à jour. Rien n’a été annulé.",
        "This request is no longer on a waiting list: its status below is up to date. Nothing was cancelled.",
    ),
    "WAITING_MOVED": ("Les positions ont changé.", "The places have changed."),
    "FEEDS": ("Agendas", "Calendars"),
    "FEEDS_HINT": (
        "Un lien secret montre les réservations d’un enfant dans votre agenda (téléphone, ordinateur). Qui a le lien les voit.",
        "A secret link shows a child’s bookings in your calendar (phone, computer). Whoever has the link sees them.",
    ),
    "FEED_SINCE": ("Lien actif depuis le {when}", "Link in use since {when}"),
    "FEED_NONE": ("Pas de lien", "No link"),
    "FEED_MAKE": ("Créer le lien", "Make the link"),
    "FEED_RENEW": ("Remplacer le lien", "Replace the link"),
    "FEED_REVOKE": ("Supprimer le lien", "Remove the link"),
    "FEED_FOR": ("pour {child}", "for {child}"),
    "FEED_MADE": (
        "Le lien est créé. Copiez-le maintenant : il n’est affiché qu’une fois.",
        "The link is made. Copy it now: it is shown once.",
    ),
    "FEED_GONE": ("Le lien est supprimé : il n’ouvre plus rien.", "The link is removed: it opens nothing any more."),
    "FEED_LINK": ("Lien de l’agenda ({child})", "Link to the calendar of {child}"),
    "FEED_OPEN": ("Ouvrir dans mon agenda", "Open in my calendar"),
}
COUNTED: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "BOOKINGS_COUNT": (("{n} réservation", "{n} réservations"), ("{n} booking", "{n} bookings")),
    "CANCEL_CHOSEN": (
        (
            "{n} annulation est ajoutée à vos choix. Vérifiez, puis validez.",
            "{n} annulations sont ajoutées à vos choix. Vérifiez, puis validez.",
        ),
        (
            "{n} cancellation is added to your choices. Check, then confirm.",
            "{n} cancellations are added to your choices. Check, then confirm.",
        ),
    ),
}
