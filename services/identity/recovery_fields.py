"""Ways back in as GraphQL (S3)."""

from typing import Annotated

import strawberry

from services.graphql import Info
from services.identity.door_fields import SignInResult, signed_in
from services.identity.entrance import entrance
from services.identity.refusals import InvalidCredentials, TooManyAttempts, or_refusal


@strawberry.type
class RecoveryGranted:
    token: str


RecoveryResult = Annotated[RecoveryGranted | InvalidCredentials | TooManyAttempts, strawberry.union("RecoveryResult")]


@strawberry.type
class RecoveryMutations:
    @strawberry.mutation
    async def request_password_reset(self, info: Info, login: str) -> bool:
        """Always true, always as slow; mails a single-use link where there is an account with an address."""
        await entrance(info).request_password_reset(login, info.context.address)
        info.context.running.outbox_written()
        return True

    @strawberry.mutation
    async def recovery_question(self, info: Info, login: str) -> str:
        """An unknown login gets a stable decoy from the same list."""
        return entrance(info).recovery_question(login, info.context.language)

    @strawberry.mutation
    async def answer_recovery_question(self, info: Info, login: str, answer: str) -> RecoveryResult:
        return await or_refusal(info, entrance(info).answer_recovery_question(login, answer, info.context.address))

    @strawberry.mutation
    async def reset_password(self, info: Info, token: str, new: str) -> SignInResult:
        return await or_refusal(info, signed_in(info, entrance(info).reset_password(token, new)))
