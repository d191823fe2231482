"""Whether a family may be erased, and how far that has come: pure decisions."""

from collections.abc import Collection, Mapping
from enum import StrEnum

WEIGHING = frozenset({"billing", "booking"})  #: Who may have something against it.
ERASING = frozenset({"billing", "booking", "mailer"})  #: Who erases after identity has.


class Obstacle(StrEnum):
    """What stands in the way of erasing a family."""

    OWES_MONEY = "OWES_MONEY"  #: doit de l'argent
    HAS_CREDIT = "HAS_CREDIT"  #: a un crédit
    DAYS_NOT_CHARGED = "DAYS_NOT_CHARGED"  #: des journées ne sont pas débitées
    PAYMENT_UNDER_WAY = "PAYMENT_UNDER_WAY"  #: un paiement est en cours
    HAS_BOOKINGS = "HAS_BOOKINGS"  #: a des réservations à venir


#: Nobody may pass by these: money that is on its way must arrive somewhere.
FIRM = frozenset({Obstacle.PAYMENT_UNDER_WAY})


class ErasureState(StrEnum):
    """How far an erasure has come."""

    ASKED = "ASKED"  #: demandé
    REFUSED = "REFUSED"  #: refusé
    ERASING = "ERASING"  #: en cours
    ERASED = "ERASED"  #: effacé


def standing_in_the_way(weighed: Mapping[str, Collection[str]], despite: Collection[str]) -> list[Obstacle] | None:
    """What still does, in the order of Obstacle. None: not everybody has answered."""
    if not weighed.keys() >= WEIGHING:
        return None
    found = {Obstacle(one) for obstacles in weighed.values() for one in obstacles}
    return [one for one in Obstacle if one in found and (one in FIRM or one not in despite)]
