"""What a town may offer to somebody whom it does not know, and what became of the offer: pure decisions."""

import datetime as dt
from enum import StrEnum

LIFE = dt.timedelta(days=7)
KEPT = dt.timedelta(days=7)  #: After that, so that agents see which of them ran out.


class Gives(StrEnum):
    """What accepting gives."""

    FAMILY = "FAMILY"  #: responsable légal d'une famille
    AGENT = "AGENT"  #: agent
    ADMINISTRATOR = "ADMINISTRATOR"  #: administrateur


class InvitationState(StrEnum):
    """What became of an invitation."""

    OPEN = "OPEN"  #: en attente
    ACCEPTED = "ACCEPTED"  #: acceptée
    WITHDRAWN = "WITHDRAWN"  #: retirée
    EXPIRED = "EXPIRED"  #: expirée


def state_of(
    accepted_at: dt.datetime | None, withdrawn_at: dt.datetime | None, expires_at: dt.datetime, now: dt.datetime
) -> InvitationState:
    if accepted_at is not None:
        return InvitationState.ACCEPTED
    if withdrawn_at is not None:
        return InvitationState.WITHDRAWN
    return InvitationState.OPEN if now < expires_at else InvitationState.EXPIRED
