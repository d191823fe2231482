"""Ranks as GraphQL: who works for a structure, who administers it, and the structures themselves."""

from dataclasses import astuple
from typing import Annotated

import strawberry
from strawberry import ID

from services.graphql import Info
from services.identity import queries, ranks, tables
from services.identity.office import Agent
from services.identity.office_fields import acts_for, done
from services.identity.ranks import FactorAsked, Role, StructureWords
from services.identity.refusals import (
    AdministratorRequired,
    IdempotencyKeyReused,
    InvalidEntry,
    LastAdministrator,
    ReasonRequired,
    StructureTaken,
    UnknownAccount,
    or_refusal,
)
from services.identity.types import Structure
from services.refusal import Forbidden

strawberry.enum(Role, description="What an account is in a structure, beside an adult of its families.")
strawberry.enum(
    FactorAsked,
    description="What a structure asks of its agents beside their password. AS_INSTALLED: what the installation asks of all.",
)


@strawberry.type
class Colleague:
    """Who works for a structure, as its agents see each other."""

    account: ID
    login: str
    first_name: str
    last_name: str
    role: Role

    @classmethod
    def of(cls, row: tables.Account, role: Role) -> "Colleague":
        return cls(account=ID(row.id), login=row.login, first_name=row.first_name, last_name=row.last_name, role=role)


@strawberry.input
class SetRoleInput:
    structure: ID
    login: str
    role: Role
    reason: str
    idempotency_key: str


@strawberry.input
class CreateStructureInput:
    id: str = strawberry.field(description="Stands in addresses and in events: letters without accents, digits, - and _.")
    name: str
    timezone: str = strawberry.field(default="Europe/Paris", description="IANA.")
    school_zone: str | None = strawberry.field(default=None, description="A, B or C.")


@strawberry.input
class ChangeStructureInput:
    """What is left out stays as it is; an empty school zone says that there is none."""

    structure: ID
    name: str | None = None
    timezone: str | None = None
    school_zone: str | None = None
    secret_questions: bool | None = strawberry.field(default=None, description="Whether they open a way back in.")
    second_factor: FactorAsked | None = strawberry.field(default=None, description="What is asked of its agents, beside their password.")
    reason: str | None = None
    idempotency_key: str

    def words(self) -> StructureWords:
        return StructureWords(self.name, self.timezone, self.school_zone, self.secret_questions, self.second_factor)


RoleResult = Annotated[
    Colleague | ReasonRequired | AdministratorRequired | InvalidEntry | UnknownAccount | LastAdministrator | IdempotencyKeyReused,
    strawberry.union("RoleResult"),
]
StructureResult = Annotated[
    Structure | ReasonRequired | AdministratorRequired | InvalidEntry | StructureTaken | IdempotencyKeyReused,
    strawberry.union("StructureResult"),
]


async def ruler(info: Info, structure: str, reason: str | None) -> Agent:
    """An administrator of it, or an operator: as the token says, which the tables are asked about later. Raises Forbidden."""
    caller = info.context.signed_in()
    if structure not in caller.agent_of and not caller.operator:
        raise Forbidden
    async with info.context.database.reading() as session:
        if await session.get(tables.Structure, structure) is None:
            raise Forbidden
    return Agent(caller.account, structure, reason, operator=caller.operator)


@strawberry.type
class RankQueries:
    @strawberry.field
    async def agents(self, info: Info, structure: ID) -> list[Colleague]:
        """Who works for the structure, by name, for its agents."""
        of = acts_for(info, str(structure))
        async with info.context.database.reading() as session:
            rows = await queries.agents(session, of)
        return [Colleague.of(row, Role.ADMINISTRATOR if administrator else Role.AGENT) for row, administrator in rows]


@strawberry.type
class RankMutations:
    @strawberry.mutation
    async def set_role(self, info: Info, input: SetRoleInput) -> RoleResult:
        """Of whom the town knows, by administrators of the structure; of anybody, by operators. What it takes away ends at once."""
        agent, clock = await ruler(info, str(input.structure), input.reason), info.context.clock

        async def doing() -> Colleague:
            content = ["SET_ROLE", input.login, input.role.value]
            account = await done(
                info, agent, input.idempotency_key, content,
                lambda session, who: ranks.set_role(session, clock, who, input.login, input.role),
            )  # fmt: skip
            async with info.context.database.reading() as session:
                return Colleague.of(await session.get_one(tables.Account, account), input.role)

        return await or_refusal(info, doing())

    @strawberry.mutation
    async def create_structure(self, info: Info, input: CreateStructureInput) -> StructureResult:
        """For operators. The same again is no second one."""
        caller, clock = info.context.signed_in(), info.context.clock
        if not caller.operator:
            raise Forbidden

        async def doing() -> Structure:
            words = StructureWords(input.name, input.timezone, input.school_zone)
            async with info.context.database.transaction() as session:
                await ranks.create_structure(session, clock, caller.account, input.id, words)
            info.context.running.outbox_written()
            return await _structure(info, input.id)

        return await or_refusal(info, doing())

    @strawberry.mutation
    async def change_structure(self, info: Info, input: ChangeStructureInput) -> StructureResult:
        """For administrators of the structure, and operators."""
        agent, clock, words = await ruler(info, str(input.structure), input.reason), info.context.clock, input.words()

        async def doing() -> Structure:
            content = ["CHANGE_STRUCTURE", *astuple(words)]
            await done(
                info, agent, input.idempotency_key, content, lambda session, who: ranks.change_structure(session, clock, who, words)
            )  # fmt: skip
            return await _structure(info, agent.structure)

        return await or_refusal(info, doing())


async def _structure(info: Info, id_: str) -> Structure:
    async with info.context.database.reading() as session:
        return Structure.of(await session.get_one(tables.Structure, id_))
