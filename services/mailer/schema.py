"""The mailer's subgraph: mails of a structure, and what its agents do about them. Whatever is not of a structure of theirs is Forbidden."""

import datetime as dt
from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any, Self

import strawberry
from sqlmodel.ext.asyncio.session import AsyncSession
from strawberry import ID, Private
from strawberry.federation.schema_directives import Key
from strawberry.federation.types import FieldSet

from services.clock import Clock
from services.graphql import Context, Info, subgraph
from services.mail_addresses import masked
from services.mailer import audit, desk, desk_queries
from services.mailer.audit import ActRow
from services.mailer.dead_letter_fields import DeadLetterMutations, DeadLetterQueries
from services.mailer.desk import Agent
from services.mailer.desk_queries import MailRow, Member
from services.mailer.desk_texts import kind_in_words, problem_in_words
from services.mailer.refusals import MailNotSendable, MailNotWaiting, refusal_of
from services.mailer.sending import look_now
from services.mailer.standing import OF_AN_ADDRESS, Problem, Standing, problem_of, without_addresses
from services.mailer.tables import MailKind
from services.mailer.viewing import LOG
from services.paging import cursor_of, moment_of, place_in, position_of, size_of, stays
from services.refusal import Forbidden, Refused
from services.viewing import Whose

ELSEWHERE = Key(fields=FieldSet("id"), resolvable=False)  #: Another subgraph says what it is.
NEWEST = cursor_of("9000-01-01T00:00:00+00:00", "")  #: The cursor of what comes before all mails.
TROUBLED = [Standing.FAILED, Standing.GIVEN_UP, Standing.NO_ADDRESS]

strawberry.enum(Standing, name="MailStanding", description="How a mail stands.")
strawberry.enum(Problem, name="MailProblem", description="Why a mail did not arrive, as far as it can be told.")
strawberry.enum(MailKind, description="Which letter it is.")


# ---------------------------------------------------------------------------------------------------------------------- types
@strawberry.federation.type(keys=[ELSEWHERE])
class Family:
    id: ID


@strawberry.federation.type(name="Agent", keys=[ELSEWHERE])
class ActingAgent:
    """Identity's: it knows the name."""

    id: ID


@strawberry.type
class Mail:
    """One message to one adult, as agents may see it: not what it says, nor the whole address."""

    row: Private[MailRow]
    id: ID
    kind: MailKind
    standing: Standing
    problem: Problem | None
    attempts: int = strawberry.field(description="So far; since it was sent again, if it was.")
    written_at: dt.datetime
    next_attempt_at: dt.datetime | None = strawberry.field(description="When it is tried next. Null: it is not.")
    sent_at: dt.datetime | None
    family: Family | None = strawberry.field(
        description="Which it is about, or in which its reader stands. Null: an account that stands in none, or somebody who is invited."
    )

    @classmethod
    def of(cls, row: MailRow, member: Member | None) -> Self:
        family = row.family or (member and member.family)
        return cls(
            row=row,
            id=ID(row.id),
            kind=row.kind,
            standing=row.standing,
            problem=problem_of(row.standing, row.last_error),
            attempts=row.attempts,
            written_at=row.created_at,
            next_attempt_at=row.next_attempt_at,
            sent_at=row.sent_at,
            family=Family(id=ID(family)) if family else None,
        )

    @strawberry.field
    def kind_name(self, info: Info) -> str:
        """In words."""
        return kind_in_words(self.kind, info.context.language)

    @strawberry.field
    def subject(self, info: Info) -> str:
        """As it was written; of a letter that names a child there, and of one that is forgotten, only of which kind it is."""
        named = self.kind is MailKind.PLACE_GIVEN or not self.row.subject
        return kind_in_words(self.kind, info.context.language) if named else self.row.subject

    @strawberry.field
    def address(self) -> str | None:
        """Masked, as `p***@example.org`. Null: there was none, or it is forgotten."""
        return masked(self.row.to_address) if self.row.to_address else None

    @strawberry.field
    def why(self, info: Info) -> str | None:
        """What went wrong, in words."""
        return problem_in_words(self.problem, info.context.language) if self.problem else None

    @strawberry.field
    def server_said(self) -> str | None:
        """The mail server's own words, of the last attempt in vain. Addresses in them are masked."""
        return without_addresses(self.row.last_error) if self.problem and self.row.last_error else None

    @strawberry.field
    def to_be_corrected(self) -> bool:
        """Whether the address has to be put right in the family's file before it is sent again."""
        return self.problem in OF_AN_ADDRESS


@strawberry.type
class MailConnection:
    nodes: list[Mail]
    end_cursor: str | None
    has_next_page: bool


@strawberry.type
class MailCounts:
    """Of a structure's mails that did not go out."""

    waiting: int
    failed: int
    given_up: int
    no_address: int
    withdrawn: int


@strawberry.type
class MailAct:
    """One thing that an agent did about a mail, or about what the mailer could not handle."""

    row: Private[ActRow]
    structure: Private[str]
    id: ID
    at: dt.datetime
    account: ID = strawberry.field(description="The agent's.")
    kind: str = strawberry.field(description="SEND_MAIL_AGAIN, GIVE_UP_MAIL or RETRY_DEAD_LETTER.")
    mail: ID | None
    dead_letter: ID | None

    @classmethod
    def of(cls, row: ActRow, structure: str) -> Self:
        about: dict[str, Any] = {"mail": row.mail and ID(row.mail), "dead_letter": row.dead_letter and ID(row.dead_letter)}
        return cls(row=row, structure=structure, id=ID(str(row.position)), at=row.at, account=ID(row.account), kind=row.kind, **about)

    @strawberry.field
    def agent(self) -> ActingAgent | None:
        """By name. Null: identity knows nobody by that account any more."""
        return ActingAgent(id=ID(f"{self.structure}/{self.row.account}"))

    @strawberry.field
    def family(self) -> Family | None:
        return Family(id=ID(self.row.family)) if self.row.family else None


@strawberry.type
class MailActConnection:
    nodes: list[MailAct]
    end_cursor: str | None
    has_next_page: bool


SendMailAgainResult = Annotated[Mail | MailNotSendable, strawberry.union("SendMailAgainResult")]
GiveUpMailResult = Annotated[Mail | MailNotWaiting, strawberry.union("GiveUpMailResult")]


# ---------------------------------------------------------------------------------------------------------- who may do what
def acts_for(info: Info, structure: str | None) -> str:
    """Raises Unauthenticated or Forbidden."""
    if structure is None or structure not in info.context.signed_in().agent_of:
        raise Forbidden
    return structure


async def _told(context: Context, session: AsyncSession, structure: str, rows: Iterable[MailRow]) -> list[Mail]:
    """With the families of those readers whose mail names none, where an address may have to be put right. That it was seen is noted."""
    rows = list(rows)
    lost = {row.account for row in rows if row.family is None and row.account and row.standing in TROUBLED}
    members = await desk_queries.members(session, structure, lost)
    mails = [Mail.of(row, members.get(row.account or "")) for row in rows]
    seen = {str(mail.family.id) for mail in mails if mail.family is not None}
    LOG.saw(context.running, context.signed_in(), "MAILS", (Whose(structure, family) for family in sorted(seen)))
    return mails


Doing = Callable[[AsyncSession, Clock, Agent, str], Awaitable[None]]


async def _done(info: Info, id: str, do: Doing) -> Any:
    """The mail as it stands then, or why not."""
    context = info.context
    async with context.database.reading() as session:
        found = await desk_queries.mail(session, id)
    agent = Agent(context.signed_in().account, acts_for(info, found and found.structure))
    try:
        async with context.database.transaction() as session:
            await do(session, context.clock, agent, id)
            await session.flush()
            found = await desk_queries.mail(session, id)
            assert found is not None, "it is locked"
            (mail,) = await _told(context, session, agent.structure, [found])
    except Refused as no:
        return refusal_of(no, context.language)
    look_now(context.running)
    return mail


@strawberry.type
class Query(DeadLetterQueries):
    @strawberry.field
    async def mails(
        self, info: Info, structure: ID, standing: list[Standing] = TROUBLED, first: int | None = 50, after: str | None = None
    ) -> MailConnection:
        """The structure's, the newest first, for its agents. What went out is listed until what it said is forgotten."""
        of = acts_for(info, str(structure))
        size, place = size_of(first), place_in(after, moment_of, str)
        async with info.context.database.reading() as session:
            rows = await desk_queries.page(session, of, dict.fromkeys(standing), place, size + 1)
            page = await _told(info.context, session, of, rows[:size])
        return MailConnection(
            nodes=page,
            end_cursor=cursor_of(page[-1].row.created_at.isoformat(), page[-1].id) if page else stays(rows, after, NEWEST),
            has_next_page=len(rows) > size,
        )

    @strawberry.field
    async def mail_counts(self, info: Info, structure: ID) -> MailCounts | None:
        """How many of the structure's mails did not go out, for its agents. Null: nobody can say now."""
        of = acts_for(info, str(structure))
        async with info.context.database.reading() as session:
            found = await desk_queries.counts(session, of)
        return MailCounts(**{standing.value.lower(): found.get(standing, 0) for standing in Standing if standing is not Standing.SENT})

    @strawberry.field
    async def mail_acts(self, info: Info, structure: ID, first: int | None = 50, after: str | None = None) -> MailActConnection:
        """What agents of the structure did about mails, the newest first: the audit trail, for agents."""
        of = acts_for(info, str(structure))
        size, cursor = size_of(first), position_of(after)
        async with info.context.database.reading() as session:
            rows = await audit.page(session, ActRow, {"structure": of}, cursor, size + 1)
        page = rows[:size]
        LOG.saw(info.context.running, info.context.signed_in(), "ACTS", (Whose(of, row.family) for row in page if row.family))
        return MailActConnection(
            nodes=[MailAct.of(row, of) for row in page],
            end_cursor=cursor_of(page[-1].position) if page else stays(rows, after),
            has_next_page=len(rows) > size,
        )


@strawberry.type
class Mutation(DeadLetterMutations):
    @strawberry.mutation
    async def send_mail_again(self, info: Info, mail: ID) -> SendMailAgainResult:
        """At once, to the address that its reader has by now, for agents. One that is being sent already stays as it is."""
        done: SendMailAgainResult = await _done(info, str(mail), desk.send_again)
        return done

    @strawberry.mutation
    async def give_up_mail(self, info: Info, mail: ID) -> GiveUpMailResult:
        """It is not tried any more, for agents, until one has it sent again. Of one that was given up nothing changes."""
        done: GiveUpMailResult = await _done(info, str(mail), desk.give_up)
        return done


schema = subgraph(Query, Mutation)
