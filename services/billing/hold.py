"""Money set aside for a booking that is not debited yet ("coût estimé"): what each piece of news about the booking does to it.

News may come late, twice or out of order; each carries the booking's version. The newest piece alone decides, so the end is the same.
Once its day is closed, only closings decide: what is heard of the booking then is old, or waits for the day to be closed again.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class BookingStatus(StrEnum):
    """What became of a booking, in booking's words."""

    SUBMITTED = "SUBMITTED"  #: non transmis
    ACCEPTED = "ACCEPTED"  #: accepté
    WAITLISTED = "WAITLISTED"  #: liste d'attente
    REFUSED = "REFUSED"  #: refusé: it costs nothing
    CANCELLED = "CANCELLED"  #: annulé
    EXPIRED = "EXPIRED"  #: expiré


class HoldKind(StrEnum):
    """What is held for."""

    CONFIRMED = "CONFIRMED"  #: réservation acceptée: owed
    PENDING = "PENDING"  #: transmise ou en liste d'attente: only an estimate


class HoldState(StrEnum):
    """Whether it still counts."""

    LIVE = "LIVE"  #: compte dans le coût estimé
    RELEASED = "RELEASED"  #: rendu
    SETTLED = "SETTLED"  #: débité: the closed day names the booking, and is charged


@dataclass(frozen=True, slots=True)
class News:
    """What became of a booking. `costs` is false where it never had a place to pay for: refused."""

    state: HoldState
    kind: HoldKind
    costs: bool = True


REQUESTED = News(HoldState.LIVE, HoldKind.PENDING)
ACCEPTED = News(HoldState.LIVE, HoldKind.CONFIRMED)
WAITLISTED = News(HoldState.LIVE, HoldKind.PENDING)
REFUSED = News(HoldState.RELEASED, HoldKind.PENDING, costs=False)
EXPIRED = News(HoldState.RELEASED, HoldKind.PENDING)

#: Whoever has one has a place that day: it counts for the rank of siblings.
COUNTING = (HoldState.LIVE, HoldState.SETTLED)

#: A request says nothing of its bookings' versions: anything else that is known of a booking is newer.
REQUESTED_VERSION = 0


def cancelled(was: Literal["ACCEPTED", "WAITLISTED", "SUBMITTED"]) -> News:
    """A place, or a rank in the line, was given back."""
    return News(HoldState.RELEASED, HoldKind.CONFIRMED if was == "ACCEPTED" else HoldKind.PENDING)


def is_newer(version: int, known: int | None) -> bool:
    """Whether news of that version still matters to who knows up to `known` (None: nothing yet)."""
    return known is None or version > known
