"""Every "no" of identity as a GraphQL type. The code of each has its text in texts.py."""

import re
from collections.abc import Awaitable
from typing import Any, TypeVar

import strawberry

from services.graphql import Info, Refusal
from services.identity.second_factor import FactorKind as FactorKind  # for whoever shows it: it is an enum of the schema's from here on
from services.identity.texts import say
from services.refusal import Refused

T = TypeVar("T")

strawberry.enum(FactorKind, description="How somebody shows, beside the password, that it is them.")


@strawberry.federation.type(shareable=True)
class InvalidCredentials(Refusal):
    """The login, the password or the answer is wrong; which of them is never said."""


@strawberry.federation.type(shareable=True)
class TooManyAttempts(Refusal):
    """Somebody must wait before the next try; the message says how long. SIGN_IN_BUSY: because others come first, not for failures."""


@strawberry.federation.type(shareable=True)
class InvalidToken(Refusal):
    """A refresh or reset token is unknown, used, or has run out."""


@strawberry.federation.type(shareable=True)
class PasswordTooWeak(Refusal):
    """The new password is easily guessed; the message says why."""


@strawberry.federation.type(shareable=True)
class InvalidEmail(Refusal):
    """No mail server would take this address."""


@strawberry.federation.type(shareable=True)
class InvalidCode(Refusal):
    """The code is wrong, was used before, or belongs to another time."""


@strawberry.federation.type(shareable=True)
class InvalidPasskey(Refusal):
    """What the passkey answered is not right, is somebody else's, or was made for another site."""


@strawberry.type
class TooManyFactors(Refusal):
    """The account has as many second factors as it may have: take one away first."""


@strawberry.federation.type(shareable=True)
class PasskeysUnavailable(Refusal):
    """Passkeys need a name and TLS (PREAU_PUBLIC_URL), which this installation has not."""


@strawberry.federation.type(shareable=True)
class ProviderUnavailable(Refusal):
    """There is no such provider, or it does not answer now."""


@strawberry.federation.type(shareable=True)
class IdentityRefused(Refusal):
    """What the provider says is not to be believed, or opens another account already. Or the account wants its second factor first."""


@strawberry.federation.type(shareable=True)
class IdentityNotLinked(Refusal):
    """The provider knows who it is, but no account was linked: sign in with the password, and link it."""


@strawberry.federation.type(shareable=True)
class SecondFactorRequired(Refusal):
    """The first factor was right: `finishSignIn` with this challenge, within five minutes, and one of these."""

    challenge: str
    kinds: list[FactorKind]
    passkey_options: str | None = strawberry.field(description="For navigator.credentials.get, as JSON; null without passkeys.")


@strawberry.federation.type(shareable=True)
class ReasonRequired(Refusal):
    """An agent must say why, in 3 to 500 characters."""


@strawberry.federation.type(shareable=True)
class IdempotencyKeyReused(Refusal):
    """The same key came with something else before."""


@strawberry.federation.type(shareable=True)
class FamilyAlreadyErased(Refusal):
    """Nothing is left of this family but its number."""


@strawberry.type
class InvalidEntry(Refusal):
    """The register cannot hold this; the message says what is wrong."""


@strawberry.type
class NumberTaken(Refusal):
    """Another family of the structure has this number."""


@strawberry.type
class LoginTaken(Refusal):
    """The login is not free. The message says whether it is somebody's whom the town knows, who may be added to the family."""


@strawberry.type
class TitleTaken(Refusal):
    """The structure has an announcement with this title."""


@strawberry.type
class InvalidFile(Refusal):
    """The file as a whole cannot be read: nothing of it was loaded."""


@strawberry.type
class StructureTaken(Refusal):
    """There is a structure with this id, and it is another."""


@strawberry.type
class LastAdministrator(Refusal):
    """Nobody would be left to set roles."""


@strawberry.type
class UnknownAccount(Refusal):
    """The town knows nobody by this login; whether another town does is not said. An account may be opened, or the person invited."""


@strawberry.type
class AccountShared(Refusal):
    """The account belongs to another structure, too, or to who runs the installation: nobody but its owner changes it."""


@strawberry.type
class AccountNeeded(Refusal):
    """The account still stands in a family or an office: the town hall takes it out."""


@strawberry.type
class PasswordHandedOut(Refusal):
    """A town gave the password of this account, and knows it: its owner chooses another before another town lets it in."""


@strawberry.type
class AdministratorRequired(Refusal):
    """That is for the administrators of the structure."""


#: By name of the text.
REFUSALS: dict[str, type[Refusal]] = {
    "INVALID_CREDENTIALS": InvalidCredentials,
    "TOO_MANY_ATTEMPTS": TooManyAttempts,
    "SIGN_IN_BUSY": TooManyAttempts,
    "WRONG_PASSWORD": InvalidCredentials,
    "PASSWORD_ASKED": InvalidCredentials,
    "INVALID_CODE_ON_PAPER": InvalidCredentials,
    "WRONG_ANSWER": InvalidCredentials,
    "INVALID_TOKEN": InvalidToken,
    "PASSWORD_TOO_WEAK": PasswordTooWeak,
    "INVALID_EMAIL": InvalidEmail,
    "INVALID_CODE": InvalidCode,
    "INVALID_PASSKEY": InvalidPasskey,
    "TOO_MANY_FACTORS": TooManyFactors,
    "PROVIDER_UNAVAILABLE": ProviderUnavailable,
    "IDENTITY_REFUSED": IdentityRefused,
    "IDENTITY_NOT_LINKED": IdentityNotLinked,
    "PASSKEYS_UNAVAILABLE": PasskeysUnavailable,
    "SECOND_FACTOR_REQUIRED": SecondFactorRequired,
    "REASON_REQUIRED": ReasonRequired,
    "IDEMPOTENCY_KEY_REUSED": IdempotencyKeyReused,
    "INVALID_ENTRY": InvalidEntry,
    "NUMBER_TAKEN": NumberTaken,
    "LOGIN_TAKEN": LoginTaken,
    "INVALID_FILE": InvalidFile,
    "STRUCTURE_TAKEN": StructureTaken,
    "LAST_ADMINISTRATOR": LastAdministrator,
    "TITLE_TAKEN": TitleTaken,
    "UNKNOWN_ACCOUNT": UnknownAccount,
    "ACCOUNT_SHARED": AccountShared,
    "ADMINISTRATOR_REQUIRED": AdministratorRequired,
    "ACCOUNT_NEEDED": AccountNeeded,
    "PASSWORD_HANDED_OUT": PasswordHandedOut,
    "FAMILY_ERASED": FamilyAlreadyErased,
}


def code_of(kind: type[Refusal]) -> str:
    """What clients know it by, however many texts it has: InvalidCredentials -> "INVALID_CREDENTIALS"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).upper()


async def or_refusal(info: Info, work: Awaitable[T]) -> T | Any:
    """What the work gives, or the member of the mutation's union that says why not."""
    try:
        return await work
    except Refused as refused:
        message = say(refused.code, info.context.language, **refused.details)
        kind = REFUSALS[refused.code]
        more = {name: refused.details[name] for name in kind.__annotations__}
        return kind(code=code_of(kind), message=message, **more)
