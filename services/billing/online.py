"""How far an online payment has come. Only what the provider says when it is asked moves it, and nothing moves it back.

A browser that returns says nothing, and a notification only that it is time to ask. A family may still pay what it had called off, or
let run out: then the money is there, and the wallet is fed.
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

CURRENCY = "EUR"
#: For so long after its start is a payment open that the provider cannot tell anything certain of; then it is over, until told otherwise.
OPEN = dt.timedelta(hours=2)
#: After its start may the page close. Stripe wants half an hour, from when it is made: until OPEN one may be.
PAGE_LIVES = OPEN + dt.timedelta(hours=1)
#: For so long, though the provider says that its page is open: no page lives longer.
LONGEST_PAGE = dt.timedelta(hours=25)
#: After its start, or after its end without money, the provider is asked again when so much time has passed.
LOOKS = tuple(dt.timedelta(seconds=seconds) for seconds in (5, 15, 30, 60, 120, 240, 480, 900, 1800, 3600, 5400, 7200, 7210))
LOOKS_AFTER = tuple(dt.timedelta(minutes=minutes) for minutes in (1, 3, 10, 60, 24 * 60))


class OnlinePaymentStatus(StrEnum):
    """How far a payment by card has come."""

    STARTED = "STARTED"  #: en cours
    PAID = "PAID"  #: payé
    REFUSED = "REFUSED"  #: refusé
    CANCELLED = "CANCELLED"  #: abandonné
    EXPIRED = "EXPIRED"  #: expiré


class Heard(StrEnum):
    """What its provider said of a payment when it was last asked: a status, or none."""

    STARTED = "STARTED"  #: en cours
    PAID = "PAID"  #: payé
    REFUSED = "REFUSED"  #: refusé
    CANCELLED = "CANCELLED"  #: abandonné
    EXPIRED = "EXPIRED"  #: expiré
    UNKNOWN = "UNKNOWN"  #: rien de certain
    SILENT = "SILENT"  #: pas de réponse


class Trouble(StrEnum):
    """Why money that came credits nobody, until an agent has ended it."""

    OTHER_MONEY = "OTHER_MONEY"  #: un autre montant, une autre monnaie, ou le paiement d'un autre
    AFTER_REFUSAL = "AFTER_REFUSAL"  #: payé après un refus
    AFTER_END = "AFTER_END"  #: autre chose que ce qu'un agent avait sous les yeux quand il l'a classé


class End(StrEnum):
    """How an agent ended what could not end by itself."""

    CREDITED = "CREDITED"  #: porté au crédit de la famille
    GIVEN_BACK = "GIVEN_BACK"  #: rendu à la famille sur le site de paiement
    NOTHING_CAME = "NOTHING_CAME"  #: rien n'a été encaissé


#: Status -> what may follow it.
NEXT = {
    OnlinePaymentStatus.STARTED: frozenset(OnlinePaymentStatus) - {OnlinePaymentStatus.STARTED},
    OnlinePaymentStatus.CANCELLED: frozenset({OnlinePaymentStatus.PAID}),
    OnlinePaymentStatus.EXPIRED: frozenset({OnlinePaymentStatus.PAID}),
    OnlinePaymentStatus.REFUSED: frozenset[OnlinePaymentStatus](),
    OnlinePaymentStatus.PAID: frozenset[OnlinePaymentStatus](),
}


@dataclass(frozen=True, slots=True)
class Told:
    """What the provider says of one payment when it is asked. Of one that is not paid, only `status` counts."""

    status: OnlinePaymentStatus
    amount_cents: int | None = None
    currency: str | None = None
    order: str | None = None  #: Our payment's id, as it was given when it was started.
    reference: str | None = None  #: What the bank calls it, such as "3150-N°AUTO:445401".

    @property
    def came(self) -> tuple[str | None, int | None, str | None]:
        """What money, and for what."""
        return self.order, self.amount_cents, self.currency


@dataclass(frozen=True, slots=True)
class Outcome:
    """What follows from it. `status` None: nothing."""

    status: OnlinePaymentStatus | None = None
    reference: str | None = None
    trouble: Trouble | None = None


def outcome(payment: str, amount_cents: int, status: OnlinePaymentStatus, told: Told, ended: Told | None = None) -> Outcome:
    """Of a payment of ours, by that id, over that amount, which has come so far.

    `ended`: what had come when an agent ended it. From then on nothing is credited but by an agent: who gave money back at the payment
    site may hear of it as paid for ever.
    """
    if told.status is status:
        return Outcome()
    if told.status is OnlinePaymentStatus.PAID:
        if ended is not None:
            return Outcome(trouble=None if told.came == ended.came else Trouble.AFTER_END)
        if told.came != (payment, amount_cents, CURRENCY):
            return Outcome(trouble=Trouble.OTHER_MONEY)
        if told.status not in NEXT[status]:
            return Outcome(trouble=Trouble.AFTER_REFUSAL)
    return Outcome(told.status, told.reference) if told.status in NEXT[status] else Outcome()


def may_end(status: OnlinePaymentStatus, trouble: str | None, heard: Heard | None, started_at: dt.datetime, now: dt.datetime) -> bool:
    """Whether it waits for an agent: it is in trouble, or its provider does not answer any more."""
    return trouble is not None or (status is OnlinePaymentStatus.STARTED and heard is Heard.SILENT and now >= started_at + OPEN)


def next_look(status: OnlinePaymentStatus, since: dt.datetime, now: dt.datetime) -> dt.datetime | None:
    """When to ask next; `since`: when it was started, or came to this status. None: nothing can come any more."""
    if status is not OnlinePaymentStatus.PAID:  # Nor is a refused one forgotten: should money come all the same, an agent must know.
        waits = LOOKS if status is OnlinePaymentStatus.STARTED else LOOKS_AFTER
        for wait in waits:
            if since + wait > now:
                return since + wait
        if status is OnlinePaymentStatus.STARTED:
            return now + LOOKS[-1]  # What the provider cannot be asked about stays open: perhaps it was paid.
    return None


def run_out(status: OnlinePaymentStatus, started_at: dt.datetime, now: dt.datetime, *, is_open: bool = False) -> bool:
    """Whether one of which the provider still knows nothing certain is over; `is_open`: or of which it says that it is open."""
    return status is OnlinePaymentStatus.STARTED and now >= started_at + (LONGEST_PAGE if is_open else OPEN)
