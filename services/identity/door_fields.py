"""The door as GraphQL: sign in, stay in, sign out."""

import datetime as dt
from collections.abc import Awaitable
from typing import Annotated

import strawberry

from services.graphql import Info
from services.identity import door
from services.identity.door import Opened
from services.identity.entrance import entrance
from services.identity.refusals import (
    InvalidCode,
    InvalidCredentials,
    InvalidToken,
    PasswordTooWeak,
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


SignInResult = Annotated[
    SignedIn | InvalidCredentials | TooManyAttempts | InvalidToken | PasswordTooWeak | SecondFactorRequired | InvalidCode,
    strawberry.union("SignInResult"),
]


async def signed_in(info: Info, opening: Awaitable[Opened]) -> SignedIn:
    opened = await opening
    account = Account.of(opened.account)
    account.session = opened.caller.session
    return SignedIn(
        account=account,
        access_token=entrance(info).signer.sign(opened.caller, info.context.now),
        access_token_expires_at=dt.datetime.fromtimestamp(opened.caller.expires_at, dt.UTC),
        refresh_token=opened.refresh_token,
    )


@strawberry.type
class DoorMutations:
    @strawberry.mutation
    async def sign_in(self, info: Info, login: str, password: str) -> SignInResult:
        return await or_refusal(info, signed_in(info, entrance(info).sign_in(login, password, info.context.address)))

    @strawberry.mutation
    async def refresh_session(self, info: Info, refresh_token: str) -> SignInResult:
        """Single use: using one twice ends the whole session."""
        return await or_refusal(info, signed_in(info, entrance(info).refresh(refresh_token)))

    @strawberry.mutation
    async def sign_out(self, info: Info) -> bool:
        async with info.context.database.transaction() as session:
            await door.sign_out(session, info.context.clock, info.context.signed_in())
        return True
