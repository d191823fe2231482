"""Ways back in as GraphQL (S3)."""

from collections.abc import Awaitable
from typing import Annotated

import strawberry

from services.graphql import Info
from services.identity import queries
from services.identity.counter_fields import CounterMutations
from services.identity.door_fields import SignInResult, signed_in
from services.identity.entrance import entrance, visit
from services.identity.hashing import still_there
from services.identity.questions import asked
from services.identity.refusals import InvalidCredentials, TooManyAttempts, or_refusal


@strawberry.type
class RecoveryGranted:
    token: str


RecoveryResult = Annotated[RecoveryGranted | InvalidCredentials | TooManyAttempts, strawberry.union("RecoveryResult")]


@strawberry.type
class RecoveryCodes:
    """To be printed or written down: they are shown this once. Each opens the way to a new password once, without any mail."""

    codes: list[str]


RecoveryCodesResult = Annotated[RecoveryCodes | InvalidCredentials | TooManyAttempts, strawberry.union("RecoveryCodesResult")]


async def _granted(granting: Awaitable[str]) -> RecoveryGranted:
    return RecoveryGranted(token=await granting)


async def _codes(making: Awaitable[list[str]]) -> RecoveryCodes:
    return RecoveryCodes(codes=await making)


@strawberry.type
class RecoveryQueries:
    @strawberry.field
    async def secret_questions_open(self, info: Info) -> bool:
        """Whether secret questions are a way back in at all: some structure has them on. For everybody; of whom, is not told."""
        async with info.context.database.reading() as session:
            return await queries.some_structure_asks(session)


@strawberry.type
class RecoveryMutations(CounterMutations):
    @strawberry.mutation
    async def request_password_reset(self, info: Info, login: str) -> bool:
        """Always true, always as slow; mails a single-use link where there is an account with an address."""
        await entrance(info).request_password_reset(login, info.context.address)
        info.context.running.outbox_written()
        return True

    @strawberry.mutation
    async def recovery_question(self, info: Info, login: str) -> str:
        """An unknown login gets a stable decoy from the same list, as does one whose question is no way in."""
        return asked(await entrance(info).recovery_question(login), info.context.language)

    @strawberry.mutation
    async def answer_recovery_question(self, info: Info, login: str, answer: str) -> RecoveryResult:
        """The right answer gives a token that `resetPassword` takes, where all structures of the account have questions switched on."""
        gone = info.context.gone or still_there
        return await or_refusal(info, _granted(entrance(info).answer_recovery_question(login, answer, info.context.address, gone)))

    @strawberry.mutation
    async def reset_password(self, info: Info, token: str, new: str) -> SignInResult:
        return await or_refusal(info, signed_in(info, entrance(info).reset_password(token, new, visit(info))))

    @strawberry.mutation
    async def new_recovery_codes(self, info: Info, password: str) -> RecoveryCodesResult:
        """Ten codes; those before them are worth nothing any more."""
        made = await or_refusal(info, _codes(entrance(info).new_recovery_codes(info.context.signed_in(), password)))
        info.context.running.outbox_written()
        return made

    @strawberry.mutation
    async def use_recovery_code(self, info: Info, login: str, code: str) -> RecoveryResult:
        """A code that was printed, or given at the town hall: good once, for a token that `resetPassword` takes."""
        gone = info.context.gone or still_there
        granted = await or_refusal(info, _granted(entrance(info).use_recovery_code(login, code, info.context.address, gone)))
        info.context.running.outbox_written()
        return granted
