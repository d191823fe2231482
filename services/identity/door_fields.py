"""The door as GraphQL: sign in, stay in, sign out."""

import datetime as dt
from collections.abc import Awaitable
from typing import Annotated

import strawberry

from services.graphql import Info
from services.identity import door
from services.identity.door import Opened
from services.identity.entrance import entrance, visit
from services.identity.hashing import still_there
from services.identity.refusals import (
    IdentityNotLinked,
    IdentityRefused,
    InvalidCode,
    InvalidCredentials,
    InvalidPasskey,
    InvalidToken,
    PasswordTooWeak,
    ProviderUnavailable,
    SecondFactorRequired,
    TooManyAttempts,
    or_refusal,
)
from services.identity.types import Account


@strawberry.type
class SignedIn:
    """The access token opens every service for a quarter of an hour; the refresh token gets the next pair, once."""

    account: Account
    access_token: str
    access_token_expires_at: dt.datetime
    refresh_token: str
    refresh_token_expires_at: dt.datetime = strawberry.field(
        description="Whoever does not use it before signs in again: tell people in time. Each new one moves it, as far as the session goes."
    )
    device_token: str | None = strawberry.field(
        description="For `signIn(device:)` on this device: failures elsewhere do not keep it waiting. Null where nobody just signed in."
    )


SignInResult = Annotated[
    SignedIn
    | InvalidCredentials
    | TooManyAttempts
    | InvalidToken
    | PasswordTooWeak
    | SecondFactorRequired
    | InvalidCode
    | InvalidPasskey
    | ProviderUnavailable
    | IdentityRefused
    | IdentityNotLinked,
    strawberry.union("SignInResult"),
]


async def signed_in(info: Info, opening: Awaitable[Opened]) -> SignedIn:
    opened = await opening
    account = Account.of(opened.account)
    account.session = opened.caller.session
    if info.context.caller is None:  # The rest of the answer is theirs to ask.
        info.context.caller = opened.caller
    return SignedIn(
        account=account,
        access_token=entrance(info).signer.sign(opened.caller, info.context.now),
        access_token_expires_at=dt.datetime.fromtimestamp(opened.caller.expires_at, dt.UTC),
        refresh_token=opened.refresh_token,
        refresh_token_expires_at=opened.refresh_until,
        device_token=opened.device_token,
    )


@strawberry.type
class DoorMutations:
    @strawberry.mutation
    async def sign_in(self, info: Info, login: str, password: str, device: str | None = None) -> SignInResult:
        """`device`: the `deviceToken` of an earlier sign-in there."""
        gone = info.context.gone or still_there
        return await or_refusal(info, signed_in(info, entrance(info).sign_in(login, password, visit(info, device), gone)))

    @strawberry.mutation
    async def refresh_session(self, info: Info, refresh_token: str) -> SignInResult:
        """Single use: using one twice ends the whole session."""
        return await or_refusal(info, signed_in(info, entrance(info).refresh(refresh_token)))

    @strawberry.mutation
    async def sign_out(self, info: Info) -> bool:
        async with info.context.database.transaction() as session:
            await door.sign_out(session, info.context.clock, info.context.signed_in())
        return True

    @strawberry.mutation
    async def sign_out_everywhere(self, info: Info) -> bool:
        """Ends every session of the account, this one too."""
        async with info.context.database.transaction() as session:
            await door.sign_out_everywhere(session, info.context.clock, info.context.signed_in())
        info.context.running.outbox_written()
        return True

    @strawberry.mutation
    async def end_session(self, info: Info, id: strawberry.ID) -> bool:
        """One of `Account.sessions`. Always true: an id that is none of them has no effect."""
        async with info.context.database.transaction() as session:
            await door.end_own(session, info.context.clock, info.context.signed_in(), id)
        info.context.running.outbox_written()
        return True
