"""What agents can ask and do about the register. Whatever is not of a structure of theirs is Forbidden, whether it exists or not."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import strawberry
from sqlmodel.ext.asyncio.session import AsyncSession
from strawberry import ID

from services.graphql import Info
from services.idempotency import key_of
from services.identity import audit, office, queries, tables
from services.identity.agent_types import (
    AddAdultInput,
    AddChildInput,
    AdultResult,
    ChangeAccountInput,
    ChangeChildInput,
    ChangeFamilyInput,
    CreateFamilyInput,
    FamilyConnection,
    FamilyResult,
    IdentityAct,
    IdentityActConnection,
    OpenAccountInput,
    RemoveAdultInput,
    RemoveChildInput,
)
from services.identity.credentials import plain_login, weakness
from services.identity.entrance import entrance
from services.identity.households import MOST_TERMS, words_of
from services.identity.office import Agent, Words
from services.identity.refusals import or_refusal
from services.identity.taken_logins import not_free
from services.identity.types import Adult, Family
from services.identity.viewing import LOG, saw_families
from services.paging import cursor_of, place_of, position_of, size_of, stays
from services.refusal import Forbidden, Refused
from services.viewing import Whose

LONGEST_SEARCH = 200
FIRST_OF_ALL = cursor_of("", "")  #: The cursor of what comes before all families.

Work = Callable[[AsyncSession, Agent], Awaitable[str]]


# --------------------------------------------------------------------------------------------------------- who may do what
def acts_for(info: Info, structure: str) -> str:
    """Raises Unauthenticated or Forbidden."""
    if structure not in info.context.signed_in().agent_of:
        raise Forbidden
    return structure


def _number_and_family(parts: list[str]) -> tuple[str, str]:
    """A number may have what parts them. Raises ValueError."""
    *number, family = parts
    if not number:
        raise ValueError(parts)
    return "|".join(number), family


def agent_of(info: Info, structure: str, reason: str | None) -> Agent:
    """Raises Unauthenticated or Forbidden."""
    caller = info.context.signed_in()
    return Agent(caller.account, acts_for(info, structure), reason, administrator=structure in caller.admin_of)


async def of_family(info: Info, family: str, reason: str | None) -> Agent:
    async with info.context.database.reading() as session:
        row = await session.get(tables.Family, family)
    return agent_of(info, "" if row is None else row.structure_id, reason)


async def _of_child(info: Info, child: str, reason: str | None) -> Agent:
    async with info.context.database.reading() as session:
        row = await session.get(tables.Child, child)
    return await of_family(info, "" if row is None else row.family_id, reason)


async def done(info: Info, agent: Agent, key: str, content: Sequence[Any], work: Work) -> str:
    """What it answers, now or when it was first asked. Raises Refused."""
    context = info.context
    async with context.database.transaction() as session:
        answer = await office.once(session, context.clock, agent, key_of(key), content, lambda: work(session, agent))
    context.running.outbox_written()
    context.loaders.clear()
    return answer


async def _family(info: Info, doing: Awaitable[str]) -> Family:
    family = await doing
    async with info.context.database.reading() as session:
        return Family.of(await session.get_one(tables.Family, family))


async def _adult(info: Info, structure: str, doing: Awaitable[str]) -> Adult:
    account = await doing
    async with info.context.database.reading() as session:
        return Adult.of(await session.get_one(tables.Account, account), structure)


async def _words(info: Info, input: OpenAccountInput | ChangeAccountInput, login: str) -> Words:
    """With the password's hash. Raises Refused PASSWORD_TOO_WEAK."""
    new_hash = None
    if input.password is not None:
        if why := weakness(input.password, login):
            raise Refused("PASSWORD_TOO_WEAK", why=why)
        new_hash = await entrance(info).hashing.hash(input.password)
    return Words(input.title, input.first_name, input.last_name, input.email, input.language, new_hash)


def _content(input: OpenAccountInput | ChangeAccountInput) -> list[Any]:
    """A password is kept nowhere but as its hash, which is another each time: here it counts that there is one; which, below."""
    return [input.title, input.first_name, input.last_name, input.email, input.language, input.password is not None]


async def _handed_out(info: Info, account: str, password: str | None, words: Words) -> str:
    """The account. Raises Refused IDEMPOTENCY_KEY_REUSED where the same was asked before, with another password than this one."""
    if password is None:
        return account
    async with info.context.database.reading() as session:
        known = (await session.get_one(tables.Credential, account)).loaded_hash
    if known != words.new_hash:
        hashing = entrance(info).hashing
        async with hashing.turn(account):
            same = await hashing.check(password, known)
        if not same.right:
            raise Refused("IDEMPOTENCY_KEY_REUSED")
    return account


# ------------------------------------------------------------------------------------------------------------------ queries
@strawberry.type
class OfficeQueries:
    @strawberry.field
    async def families(
        self, info: Info, structure: ID, search: str | None = None, first: int | None = 50, after: str | None = None
    ) -> FamilyConnection:
        """A structure's families by number, for its agents; of which each word of `search` begins a number, a name or a login."""
        of = acts_for(info, str(structure))
        size, cursor = size_of(first), place_of(after, _number_and_family)
        words = words_of((search or "")[:LONGEST_SEARCH])[:MOST_TERMS]
        async with info.context.database.reading() as session:
            rows = await queries.registered(session, of, words, cursor, size + 1)
        page = rows[:size]
        saw_families(info.context.running, info.context.signed_in(), page)
        return FamilyConnection(
            structure=of,
            words=words,
            nodes=[Family.of(row) for row in page],
            end_cursor=cursor_of(page[-1].number, page[-1].id) if page else stays(rows, after, FIRST_OF_ALL),
            has_next_page=len(rows) > size,
        )

    @strawberry.field
    async def identity_acts(
        self,
        info: Info,
        structure: ID,
        account: ID | None = None,
        kind: str | None = None,
        family: ID | None = None,
        child: ID | None = None,
        adult: ID | None = None,
        first: int | None = 50,
        after: str | None = None,
    ) -> IdentityActConnection:
        """What agents of the structure did in its register, the newest first: the audit trail, for agents."""
        of = acts_for(info, str(structure))
        wanted = {"structure": of, "account": account, "kind": kind, "family": family, "child": child, "adult": adult}
        size, cursor = size_of(first), position_of(after)
        async with info.context.database.reading() as session:
            rows = await audit.page(session, wanted, cursor, size + 1)
        page = rows[:size]
        named = (Whose(of, row.family, row.child or "") for row in page if row.family)
        LOG.saw(info.context.running, info.context.signed_in(), "ACTS", named)
        return IdentityActConnection(
            nodes=[IdentityAct.of(row, of) for row in page],
            end_cursor=cursor_of(page[-1].position) if page else stays(rows, after),
            has_next_page=len(rows) > size,
        )


# ---------------------------------------------------------------------------------------------------------------- mutations
@strawberry.type
class OfficeMutations:
    """The same key with the same content is the same act."""

    @strawberry.mutation
    async def create_family(self, info: Info, input: CreateFamilyInput) -> FamilyResult:
        """With the accounts of these logins, which the town knows already, and these children."""
        agent, clock = agent_of(info, str(input.structure), input.reason), info.context.clock
        content = ["CREATE_FAMILY", input.number, input.logins, [child.content() for child in input.children]]
        specs = [child.spec() for child in input.children]
        doing = done(
            info, agent, input.idempotency_key, content,
            lambda session, who: office.create_family(session, clock, who, input.number, input.logins, specs),
        )  # fmt: skip
        return await or_refusal(info, _family(info, doing))

    @strawberry.mutation
    async def change_family(self, info: Info, input: ChangeFamilyInput) -> FamilyResult:
        family, clock = str(input.family), info.context.clock
        agent, content = await of_family(info, family, input.reason), ["CHANGE_FAMILY", family, input.number]
        doing = done(
            info, agent, input.idempotency_key, content,
            lambda session, who: office.change_family(session, clock, who, family, input.number),
        )  # fmt: skip
        return await or_refusal(info, _family(info, doing))

    @strawberry.mutation
    async def add_child(self, info: Info, input: AddChildInput) -> FamilyResult:
        family, clock, child = str(input.family), info.context.clock, input.child
        agent, content = await of_family(info, family, input.reason), ["ADD_CHILD", family, child.content()]
        doing = done(
            info, agent, input.idempotency_key, content,
            lambda session, who: office.add_child(session, clock, who, family, child.spec()),
        )  # fmt: skip
        return await or_refusal(info, _family(info, doing))

    @strawberry.mutation
    async def change_child(self, info: Info, input: ChangeChildInput) -> FamilyResult:
        child, clock, changes = str(input.child), info.context.clock, input.changes()
        agent, content = await _of_child(info, child, input.reason), ["CHANGE_CHILD", child, changes]
        doing = done(
            info, agent, input.idempotency_key, content,
            lambda session, who: office.change_child(session, clock, who, child, changes),
        )  # fmt: skip
        return await or_refusal(info, _family(info, doing))

    @strawberry.mutation
    async def remove_child(self, info: Info, input: RemoveChildInput) -> FamilyResult:
        """The family has the child no longer; what there was of it remains readable."""
        child, clock = str(input.child), info.context.clock
        agent, content = await _of_child(info, child, input.reason), ["REMOVE_CHILD", child]
        doing = done(
            info, agent, input.idempotency_key, content, lambda session, who: office.remove_child(session, clock, who, child)
        )  # fmt: skip
        return await or_refusal(info, _family(info, doing))

    @strawberry.mutation
    async def add_adult(self, info: Info, input: AddAdultInput) -> FamilyResult:
        """Whoever has that login, if the town knows them, may act for the family from now on; the others can be invited."""
        family, clock = str(input.family), info.context.clock
        agent, content = await of_family(info, family, input.reason), ["ADD_ADULT", family, plain_login(input.login)]
        doing = done(
            info, agent, input.idempotency_key, content,
            lambda session, who: office.add_adult(session, clock, who, family, input.login),
        )  # fmt: skip
        return await or_refusal(info, _family(info, doing))

    @strawberry.mutation
    async def remove_adult(self, info: Info, input: RemoveAdultInput) -> FamilyResult:
        """The account may act for the family no longer, at once."""
        family, account, clock = str(input.family), str(input.account), info.context.clock
        agent, content = await of_family(info, family, input.reason), ["REMOVE_ADULT", family, account]
        doing = done(
            info, agent, input.idempotency_key, content,
            lambda session, who: office.remove_adult(session, clock, who, family, account),
        )  # fmt: skip
        return await or_refusal(info, _family(info, doing))

    @strawberry.mutation
    async def open_account(self, info: Info, input: OpenAccountInput) -> AdultResult:
        agent = agent_of(info, str(input.structure), input.reason)
        family = None if input.family is None else str(input.family)

        async def doing() -> str:
            words = await _words(info, input, input.login)
            content = ["OPEN_ACCOUNT", family, plain_login(input.login), *_content(input)]
            account = await done(
                info, agent, input.idempotency_key, content,
                lambda session, who: office.open_account(session, info.context.clock, who, input.login, words, family),
            )  # fmt: skip
            if not account:
                raise not_free(plain_login(input.login))
            return await _handed_out(info, account, input.password, words)

        return await or_refusal(info, _adult(info, agent.structure, doing()))

    @strawberry.mutation
    async def change_account(self, info: Info, input: ChangeAccountInput) -> AdultResult:
        """Of somebody of the structure alone, who is no agent; an agent's is for administrators."""
        agent, account = agent_of(info, str(input.structure), input.reason), str(input.account)

        async def doing() -> str:
            async with info.context.database.reading() as session:
                row = await session.get(tables.Account, account)
            words = await _words(info, input, "" if row is None else row.login)
            content = ["CHANGE_ACCOUNT", account, *_content(input)]
            await done(
                info, agent, input.idempotency_key, content,
                lambda session, who: office.change_account(session, info.context.clock, who, account, words),
            )  # fmt: skip
            return await _handed_out(info, account, input.password, words)

        return await or_refusal(info, _adult(info, agent.structure, doing()))
