"""Every "no" of identity as a GraphQL type. The code of each has its text in texts.py."""

from collections.abc import Awaitable
from typing import Any, TypeVar

import strawberry

from services.graphql import Info, Refusal
from services.identity.texts import say
from services.refusal import Refused

T = TypeVar("T")


@strawberry.federation.type(shareable=True)
class InvalidCredentials(Refusal):
    """The login, the password or the answer is wrong; which of them is never said."""


@strawberry.federation.type(shareable=True)
class TooManyAttempts(Refusal):
    """Somebody must wait before the next try; the message says how long."""


@strawberry.federation.type(shareable=True)
class InvalidToken(Refusal):
    """A refresh or reset token is unknown, used, or has run out."""


@strawberry.federation.type(shareable=True)
class PasswordTooWeak(Refusal):
    """The new password is easily guessed; the message says why."""


@strawberry.federation.type(shareable=True)
class InvalidEmail(Refusal):
    """No mail server would take this address."""


REFUSALS: dict[str, type[Refusal]] = {
    "INVALID_CREDENTIALS": InvalidCredentials,
    "TOO_MANY_ATTEMPTS": TooManyAttempts,
    "INVALID_TOKEN": InvalidToken,
    "PASSWORD_TOO_WEAK": PasswordTooWeak,
    "INVALID_EMAIL": InvalidEmail,
}


async def or_refusal(info: Info, work: Awaitable[T]) -> T | Any:
    """What the work gives, or the member of the mutation's union that says why not."""
    try:
        return await work
    except Refused as refused:
        message = say(refused.code, info.context.language, **refused.details)
        return REFUSALS[refused.code](code=refused.code, message=message)
