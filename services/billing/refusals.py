"""Every "no" of billing as a GraphQL type. The code of each has its text in texts.py."""

import re
from typing import Any

import strawberry

from services.billing.texts import say
from services.graphql import Refusal
from services.refusal import Refused


@strawberry.federation.type(shareable=True)
class EmailRequired(Refusal):
    """An e-mail address is needed to pay online (S18)."""


@strawberry.federation.type(shareable=True)
class InvalidAmount(Refusal):
    """No such amount: it is not above zero, or beyond what one act may move, or a wallet has two."""


@strawberry.federation.type(shareable=True)
class PaymentUnavailable(Refusal):
    """The structure takes no payments online; or its provider does not answer: try again with the same key."""


@strawberry.federation.type(shareable=True)
class InvalidPayment(Refusal):
    """Nobody pays, or is paid, like that; the message says what is wrong."""

    field: str | None = strawberry.field(default=None, description="Of the input: what is wrong with it. Null: with the whole.")


@strawberry.federation.type(shareable=True)
class ReasonRequired(Refusal):
    """An agent must say why, in 3 to 500 characters: the family reads it."""


@strawberry.federation.type(shareable=True)
class NotEnoughCredit(Refusal):
    """The wallet holds less than that."""


@strawberry.federation.type(shareable=True)
class AlreadyReversed(Refusal):
    """The payment was taken back before, for another reason."""


@strawberry.federation.type(shareable=True)
class IdempotencyKeyReused(Refusal):
    """The same key came with something else before."""


@strawberry.federation.type(shareable=True)
class TooManyOpenPayments(Refusal):
    """The family has as many payments under way as it may: each has a page on which it may be paid."""


@strawberry.federation.type(shareable=True)
class NothingToEnd(Refusal):
    """The payment waits for no agent: it ended well, or its provider says how it ends."""


@strawberry.federation.type(shareable=True)
class NotToBeDeposited(Refusal):
    """Some of these payments are on a slip already, or were taken back, or are nothing that anybody brings to a bank."""


@strawberry.federation.type(shareable=True)
class TooManyRows(Refusal):
    """More than one file may hold."""


REFUSALS: tuple[type[Refusal], ...] = (
    EmailRequired,
    InvalidAmount,
    PaymentUnavailable,
    InvalidPayment,
    ReasonRequired,
    NotEnoughCredit,
    AlreadyReversed,
    IdempotencyKeyReused,
    TooManyOpenPayments,
    NothingToEnd,
    NotToBeDeposited,
    TooManyRows,
)
BY_CODE = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).upper(): kind for kind in REFUSALS}


def refusal_of(refused: Refused, language: str) -> Any:
    """The member of a mutation's or query's union. Any: which one, only its code knows.

    Among its details may be `text`, another than the code's own to be filled with the rest, and `field`, of the input.
    """
    details = {**refused.details}
    text, field = str(details.pop("text", refused.code)), details.pop("field", None)
    told = {} if field is None else {"field": field}
    return BY_CODE[refused.code](code=refused.code, message=say(text, language, **details), **told)
