"""What the town hall's counter does for whoever has forgotten everything (S3c), as GraphQL."""

import datetime as dt
from collections.abc import Awaitable
from typing import Annotated

import strawberry

from services.graphql import Info
from services.idempotency import key_of
from services.identity.entrance import entrance
from services.identity.refusals import IdempotencyKeyReused, ReasonRequired, TooManyAttempts, or_refusal


@strawberry.type
class CounterCode:
    """For `useRecoveryCode`: good once, and in the place of any that was given before."""

    code_on_paper: str | None = strawberry.field(
        description="Shown once. Null where the same was asked before: ask anew, with another key."
    )
    expires_at: dt.datetime


CounterCodeResult = Annotated[CounterCode | ReasonRequired | IdempotencyKeyReused | TooManyAttempts, strawberry.union("CounterCodeResult")]


async def _issued(issuing: Awaitable[tuple[str | None, dt.datetime]]) -> CounterCode:
    code, expires_at = await issuing
    return CounterCode(code_on_paper=code, expires_at=expires_at)


@strawberry.type
class CounterMutations:
    @strawberry.mutation
    async def issue_counter_code(self, info: Info, account: strawberry.ID, reason: str, idempotency_key: str) -> CounterCodeResult:
        """An agent gives it to an adult of a family of the structure, having seen who that is. Not for agents: FORBIDDEN."""
        caller, key = info.context.signed_in(), key_of(idempotency_key)
        issued = await or_refusal(info, _issued(entrance(info).issue_counter_code(caller, account, reason, key)))
        info.context.running.outbox_written()
        return issued
