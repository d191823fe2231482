"""Second factors that were lost, as GraphQL."""

from typing import Annotated

import strawberry
from strawberry import ID

from services.graphql import Info
from services.identity import resetting, tables
from services.identity.office_fields import done
from services.identity.rank_fields import ruler
from services.identity.refusals import AccountShared, AdministratorRequired, IdempotencyKeyReused, ReasonRequired, or_refusal
from services.identity.types import Adult


@strawberry.input
class ResetFactorsInput:
    structure: ID
    account: ID
    reason: str
    idempotency_key: str


ResetFactorsResult = Annotated[
    Adult | ReasonRequired | AdministratorRequired | AccountShared | IdempotencyKeyReused, strawberry.union("ResetFactorsResult")
]


@strawberry.type
class ResetMutations:
    @strawberry.mutation
    async def reset_factors(self, info: Info, input: ResetFactorsInput) -> ResetFactorsResult:
        """For administrators of the structure, and operators: of somebody of that structure alone, who lost telephone or key."""
        agent, clock, account = await ruler(info, str(input.structure), input.reason), info.context.clock, str(input.account)

        async def doing() -> Adult:
            await done(
                info, agent, input.idempotency_key, ["RESET_FACTORS", account],
                lambda session, who: resetting.reset_factors(session, clock, who, account),
            )  # fmt: skip
            async with info.context.database.reading() as session:
                return Adult.of(await session.get_one(tables.Account, account), agent.structure)

        return await or_refusal(info, doing())
