"""Personal data as GraphQL: administrators erase a family."""

import asyncio
import datetime as dt
from typing import Annotated

import strawberry
from strawberry import ID

from services.graphql import Context, Info, Refusal
from services.idempotency import key_of
from services.identity import portability, privacy, queries, tables
from services.identity.erasure import ErasureState, Obstacle, standing_in_the_way
from services.identity.refusals import FamilyAlreadyErased, IdempotencyKeyReused, ReasonRequired, or_refusal
from services.identity.texts import obstacles_in_words, say
from services.identity.types import Agent, DataExport, Family
from services.identity.viewing import saw_families
from services.refusal import Forbidden

ANSWER_SECONDS = 5.0  #: For so long the other services' answers are waited for.
LOOK_SECONDS = 0.05
MOST_SHOWN = 200

ErasureObstacle = strawberry.enum(Obstacle, name="ErasureObstacle", description="What stands in the way of erasing a family.")
State = strawberry.enum(ErasureState, name="ErasureState", description="How far the erasure of a family has come.")


@strawberry.type
class Erasure:
    """That a family was to be erased: by whom, why, and what became of it."""

    id: ID
    state: State  # type: ignore[valid-type]  # an enum that was named for GraphQL
    reason: str
    asked_at: dt.datetime
    family: Family
    despite: list[ErasureObstacle]  # type: ignore[valid-type]  # as above
    obstacles: list[ErasureObstacle] = strawberry.field(description="What stood in the way.")  # type: ignore[valid-type]  # as above
    agent_id: strawberry.Private[str]

    @strawberry.field
    async def by(self, info: Info) -> Agent | None:
        """The administrator."""
        return await Agent.resolve_reference(info, ID(self.agent_id))

    @classmethod
    def of(cls, row: tables.Erasure, family: tables.Family) -> "Erasure":
        return cls(
            id=ID(row.id),
            state=row.state,
            reason=row.reason,
            asked_at=row.asked_at,
            family=Family.of(family),
            despite=[Obstacle(one) for one in row.despite],
            obstacles=standing_in_the_way(row.weighed, row.despite) or [],
            agent_id=f"{row.structure}/{row.account}",
        )


@strawberry.type
class ErasureObstructed(Refusal):
    """Money, or bookings to come, stand in the way. `despite` passes by all of them but a payment that is under way."""

    obstacles: list[ErasureObstacle]  # type: ignore[valid-type]  # as above


EraseFamilyResult = Annotated[
    Erasure | ErasureObstructed | FamilyAlreadyErased | ReasonRequired | IdempotencyKeyReused, strawberry.union("EraseFamilyResult")
]


@strawberry.input
class EraseFamilyInput:
    family: ID
    reason: str = strawberry.field(description="3 to 500 characters, kept for good: name nobody.")
    idempotency_key: str
    despite: list[ErasureObstacle] = strawberry.field(  # type: ignore[valid-type]  # as above
        default_factory=list, description="What is not to stand in the way. Bookings to come are cancelled."
    )


def _administers(info: Info, structure: str | None) -> str:
    """Raises Unauthenticated or Forbidden."""
    if structure is None or structure not in info.context.signed_in().admin_of:
        raise Forbidden
    return structure


@strawberry.type
class PrivacyQueries:
    @strawberry.field
    async def erasures(self, info: Info, structure: ID) -> list[Erasure]:
        """Of the structure's families, the newest first, for its administrators."""
        of = _administers(info, str(structure))
        async with info.context.database.reading() as session:
            rows = await privacy.erasures(session, of, MOST_SHOWN)
            families = await queries.families(session, {row.family for row in rows})
        saw_families(info.context.running, info.context.signed_in(), families.values())
        return [Erasure.of(row, families[row.family]) for row in rows]


RequestMyDataResult = Annotated[DataExport | FamilyAlreadyErased, strawberry.union("RequestMyDataResult")]


@strawberry.type
class PrivacyMutations:
    @strawberry.mutation
    async def request_my_data(self, info: Info, family: ID) -> RequestMyDataResult:
        """All that is known of a family as one file, for its adults, and for agents who are asked for it: once a day.

        It is ready some seconds later: see `Family.dataExports`. What is another adult's alone is not in it.
        """
        answer: RequestMyDataResult = await or_refusal(info, _requested(info, str(family)))
        return answer

    @strawberry.mutation
    async def erase_family(self, info: Info, input: EraseFamilyInput) -> EraseFamilyResult:
        """For good, for administrators: names, addresses, children, and the logins that nobody else needs.

        What is owed or was paid stays in the books under the family's number, and bookings as counts, without names.
        """
        family = await _family(info, str(input.family))
        answer: EraseFamilyResult = await or_refusal(info, _erased(info, family, input))
        return answer


async def _family(info: Info, id_: str) -> tables.Family:
    info.context.signed_in()
    async with info.context.database.reading() as session:
        row = (await queries.families(session, {id_})).get(id_)
    _administers(info, None if row is None else row.structure_id)
    assert row is not None, "or it would be forbidden"
    return row


async def _requested(info: Info, id_: str) -> DataExport:
    context = info.context
    caller = context.signed_in()
    async with context.database.transaction() as session:
        family = (await queries.visible_families(session, caller, [id_])).get(id_)
        if family is None:
            raise Forbidden
        row = await portability.ask(session, context.clock, caller.account, family, by_agent=id_ not in caller.families)
    context.running.outbox_written()
    return await DataExport.of(context, row)


async def _erased(info: Info, family: tables.Family, wanted: EraseFamilyInput) -> Erasure | ErasureObstructed:
    context = info.context
    account, key = context.signed_in().account, key_of(wanted.idempotency_key)
    async with context.database.transaction() as session:
        asked = await privacy.ask(session, context.clock, account, family, wanted.reason, key, set(wanted.despite))
    context.running.outbox_written()
    row = await _answered(context, asked.id)
    if row.state is not ErasureState.REFUSED:
        return Erasure.of(row, family)
    obstacles = standing_in_the_way(row.weighed, row.despite) or []
    words = obstacles_in_words(obstacles, context.language)
    code = "ERASURE_OBSTRUCTED"
    return ErasureObstructed(code=code, message=say(code, context.language, obstacles=words), obstacles=obstacles)


async def _answered(context: Context, erasure: str) -> tables.Erasure:
    """As it is once it was decided, or after ANSWER_SECONDS."""
    until = asyncio.get_running_loop().time() + ANSWER_SECONDS
    while True:
        async with context.database.reading() as session:
            row = await session.get_one(tables.Erasure, erasure)
        if row.state is not ErasureState.ASKED or asyncio.get_running_loop().time() > until:
            return row
        await asyncio.sleep(LOOK_SECONDS)
