"""Second factors as GraphQL: added, shown, taken away."""

from collections.abc import Awaitable
from typing import Annotated

import strawberry

from services.graphql import Info
from services.identity import factor_steps, totp
from services.identity.door_fields import SignInResult, signed_in
from services.identity.entrance import entrance, visit
from services.identity.factors import Shown, Started
from services.identity.profile_fields import account_after, bounded
from services.identity.refusals import (
    InvalidCode,
    InvalidCredentials,
    InvalidPasskey,
    InvalidToken,
    PasskeysUnavailable,
    TooManyAttempts,
    TooManyFactors,
    or_refusal,
)
from services.identity.types import Account

LONGEST_LABEL = 60


@strawberry.type
class TotpStarted:
    """For an application on the telephone; it counts once `confirmTotp` was given a code of it."""

    secret: str = strawberry.field(description="For whoever types it.")
    uri: str = strawberry.field(description="otpauth://...")
    qr_svg: str = strawberry.field(description="The same as a square code: one SVG element.")


TotpResult = Annotated[TotpStarted | InvalidCredentials | TooManyAttempts | TooManyFactors, strawberry.union("TotpResult")]
FactorResult = Annotated[
    Account | InvalidCredentials | InvalidCode | InvalidPasskey | InvalidToken | PasskeysUnavailable | TooManyAttempts | TooManyFactors,
    strawberry.union("FactorResult"),
]


@strawberry.type
class PasskeyStarted:
    """For the browser: within five minutes."""

    challenge: str = strawberry.field(description="For the mutation that ends it.")
    options: str = strawberry.field(description="For navigator.credentials.create or .get, as JSON.")


PasskeyResult = Annotated[
    PasskeyStarted | InvalidCredentials | PasskeysUnavailable | TooManyAttempts | TooManyFactors, strawberry.union("PasskeyResult")
]
PasskeySignInResult = Annotated[PasskeyStarted | PasskeysUnavailable, strawberry.union("PasskeySignInResult")]


async def _begun(starting: Awaitable[Started]) -> PasskeyStarted:
    started = await starting
    return PasskeyStarted(challenge=started.challenge, options=started.options)


async def _started(starting: Awaitable[tuple[str, str]]) -> TotpStarted:
    secret, login = await starting
    uri = totp.uri(secret, login)
    return TotpStarted(secret=secret, uri=uri, qr_svg=totp.square(uri))


@strawberry.type
class FactorMutations:
    @strawberry.mutation
    async def finish_sign_in(
        self, info: Info, challenge: str, code: str | None = None, assertion: str | None = None, device: str | None = None
    ) -> SignInResult:
        """After `SecondFactorRequired` or `startPasskeySignIn`.

        `assertion`: what navigator.credentials.get gave, as JSON. `device` as in `signIn`.
        """
        finishing = factor_steps.finish(entrance(info), challenge, Shown(code or "", assertion), visit(info, device))
        return await or_refusal(info, signed_in(info, finishing))

    @strawberry.mutation
    async def start_passkey(self, info: Info, password: str) -> PasskeyResult:
        return await or_refusal(info, _begun(factor_steps.start_passkey(entrance(info), info.context.signed_in(), password)))

    @strawberry.mutation
    async def add_passkey(self, info: Info, challenge: str, credential: str, label: str) -> FactorResult:
        """`credential`: what navigator.credentials.create gave, as JSON. In force at once; every other session of the account ends."""
        caller, label = info.context.signed_in(), bounded("label", label, LONGEST_LABEL)
        return await _told(info, factor_steps.add_passkey(entrance(info), caller, challenge, credential, label))

    @strawberry.mutation
    async def start_passkey_sign_in(self, info: Info) -> PasskeySignInResult:
        """Without login and password: the device asks who holds it. `finishSignIn` ends it."""
        return await or_refusal(info, _begun(factor_steps.start_passkey_sign_in(entrance(info))))

    @strawberry.mutation
    async def start_totp(self, info: Info, password: str) -> TotpResult:
        starting = factor_steps.start_totp(entrance(info), info.context.signed_in(), password)
        return await or_refusal(info, _started(starting))

    @strawberry.mutation
    async def confirm_totp(self, info: Info, code: str) -> FactorResult:
        """In force at once; every other session of the account ends. A refreshed session has the ranks that waited for it."""
        confirming = factor_steps.confirm_totp(entrance(info), info.context.signed_in(), code, info.context.address)
        return await _told(info, confirming)

    @strawberry.mutation
    async def remove_factor(self, info: Info, id: strawberry.ID, password: str) -> FactorResult:
        """Every other session of the account ends. One that is not there is no trouble.

        Where a rank needed it, and it was the last one, tokens are good no more: this session refreshes, and goes on without the rank.
        """
        removing = factor_steps.remove(entrance(info), info.context.signed_in(), id, password)
        return await _told(info, removing)


async def _told(info: Info, changing: Awaitable[object]) -> FactorResult:
    changed = await or_refusal(info, account_after(changing))  # type: ignore[arg-type]
    info.context.running.outbox_written()
    return changed
