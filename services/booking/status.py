"""What can become of a booking."""

from enum import StrEnum


class BookingStatus(StrEnum):
    SUBMITTED = "SUBMITTED"  #: non transmis
    ACCEPTED = "ACCEPTED"  #: accepté
    WAITLISTED = "WAITLISTED"  #: liste d'attente
    REFUSED = "REFUSED"  #: refusé
    CANCELLED = "CANCELLED"  #: annulé
    EXPIRED = "EXPIRED"  #: expiré : la date limite est passée pendant l'attente


#: It holds a place, or a rank: at most one such booking per child, activity and day.
LIVE = frozenset({BookingStatus.ACCEPTED, BookingStatus.WAITLISTED})
