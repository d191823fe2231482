"""Invitations as GraphQL: agents ask somebody whom the town does not know, who consents with an account of their own."""

import datetime as dt
from collections.abc import Awaitable
from typing import Annotated, Self

import strawberry
from strawberry import ID, Private

from services.graphql import Info
from services.identity import inviting, inviting_steps, loaders, queries, tables
from services.identity.door_fields import SignedIn, signed_in
from services.identity.entrance import entrance, visit
from services.identity.invitations import Gives, InvitationState
from services.identity.inviting import Guest
from services.identity.inviting_steps import Newcomer
from services.identity.office import Agent as Acting
from services.identity.office_fields import acts_for, agent_of, done, of_family
from services.identity.rank_fields import ruler
from services.identity.refusals import (
    AdministratorRequired,
    IdempotencyKeyReused,
    InvalidEmail,
    InvalidEntry,
    InvalidToken,
    LoginTaken,
    PasswordHandedOut,
    PasswordTooWeak,
    ReasonRequired,
    TooManyAttempts,
    or_refusal,
)
from services.identity.types import Adult, Agent, Family
from services.paging import cursor_of, place_of, size_of, stays
from services.refusal import Forbidden, Unauthenticated

NEWEST = cursor_of("g")  #: The cursor of what comes before all invitations: ids are hexadecimal digits.

strawberry.enum(Gives, name="InvitationGives", description="What accepting an invitation gives.")
strawberry.enum(InvitationState, description="What became of an invitation.")


# -------------------------------------------------------------------------------------------------------- what agents see and say
@strawberry.type
class Invitation:
    """Somebody is asked, at an address, to join a family or to work for the structure. Whether anybody has it, nobody is told."""

    row: Private[tables.Invitation]
    id: ID
    email: str
    gives: Gives
    invited_at: dt.datetime
    expires_at: dt.datetime
    state: InvitationState

    @classmethod
    def of(cls, row: tables.Invitation, now: dt.datetime) -> Self:
        return cls(
            row=row,
            id=ID(row.id),
            email=row.email,
            gives=row.gives,
            invited_at=row.invited_at,
            expires_at=row.expires_at,
            state=inviting.state(row, now),
        )

    @strawberry.field
    async def family(self, info: Info) -> Family | None:
        return await Family.resolve_reference(info, ID(self.row.family_id)) if self.row.family_id else None

    @strawberry.field
    async def invited_by(self, info: Info) -> Agent | None:
        return await Agent.resolve_reference(info, ID(f"{self.row.structure_id}/{self.row.invited_by}"))

    @strawberry.field
    async def adult(self, info: Info) -> Adult | None:
        """Who accepted."""
        account = self.row.account_id
        row = await loaders.colleagues(info.context).load(f"{self.row.structure_id}/{account}") if account else None
        return Adult.of(row, self.row.structure_id) if row else None


@strawberry.type
class InvitationConnection:
    nodes: list[Invitation]
    end_cursor: str | None
    has_next_page: bool


@strawberry.input
class InviteAdultInput:
    family: ID
    email: str
    language: str = strawberry.field(default="fr", description="Of the letter.")
    reason: str | None = None
    idempotency_key: str


@strawberry.input
class InviteColleagueInput:
    structure: ID
    email: str
    administrator: bool = strawberry.field(default=False, description="Also sets roles.")
    language: str = strawberry.field(default="fr", description="Of the letter.")
    reason: str
    idempotency_key: str


@strawberry.input
class WithdrawInvitationInput:
    invitation: ID
    reason: str
    idempotency_key: str


InvitationResult = Annotated[
    Invitation | ReasonRequired | InvalidEntry | InvalidEmail | AdministratorRequired | TooManyAttempts | IdempotencyKeyReused,
    strawberry.union("InvitationResult"),
]


# ------------------------------------------------------------------------------------------------------- what guests see and say
@strawberry.type
class InvitationOffer:
    """What the link of a letter offers, to whoever has it."""

    structure_name: str
    gives: Gives
    email: str = strawberry.field(description="Where the letter went: an account that is opened by the link has this address, confirmed.")
    expires_at: dt.datetime


@strawberry.type
class InvitationAccepted:
    """The account has it from now on. Its tokens of before do not say so: refresh the session."""

    structure_name: str
    gives: Gives
    family: ID | None


@strawberry.input
class OpenInvitedAccountInput:
    token: str = strawberry.field(description="Of the link.")
    login: str
    password: str
    title: str | None = None
    first_name: str
    last_name: str
    language: str = "fr"

    def newcomer(self) -> Newcomer:
        return Newcomer(self.login, self.title, self.first_name, self.last_name, self.language)


InvitationOfferResult = Annotated[InvitationOffer | InvalidToken, strawberry.union("InvitationOfferResult")]
AcceptInvitationResult = Annotated[
    InvitationAccepted | InvalidToken | InvalidEntry | PasswordHandedOut, strawberry.union("AcceptInvitationResult")
]
OpenInvitedAccountResult = Annotated[
    SignedIn | InvalidToken | InvalidEntry | LoginTaken | PasswordTooWeak | TooManyAttempts, strawberry.union("OpenInvitedAccountResult")
]


def _before(parts: list[str]) -> str:
    """Raises ValueError."""
    (before,) = parts
    if not before.isalnum():
        raise ValueError(before)
    return before


@strawberry.type
class InvitationQueries:
    @strawberry.field
    async def invitations(self, info: Info, structure: ID, first: int | None = 50, after: str | None = None) -> InvitationConnection:
        """Of a structure, for its agents, the newest first. They are forgotten seven days after they ran out."""
        of, context = acts_for(info, str(structure)), info.context
        size, before = size_of(first), place_of(after, _before)
        async with context.database.reading() as session:
            rows = await inviting.invitations(session, of, before, size + 1)
        page = rows[:size]
        return InvitationConnection(
            nodes=[Invitation.of(row, context.now) for row in page],
            end_cursor=cursor_of(page[-1].id) if page else stays(rows, after, NEWEST),
            has_next_page=len(rows) > size,
        )

    @strawberry.field
    async def invitation(self, info: Info, token: str) -> InvitationOfferResult:
        """The token of the link; whoever has it need not be signed in."""
        return await or_refusal(info, _offered(info, token))


async def _offered(info: Info, token: str) -> InvitationOffer:
    async with info.context.database.reading() as session:
        offer = await inviting.offer(session, info.context.now, token)
    row = offer.row
    return InvitationOffer(structure_name=offer.structure.name, gives=row.gives, email=row.email, expires_at=row.expires_at)


async def _acting(info: Info, invitation: str, reason: str) -> Acting:
    """An agent of its structure; where it is to work there, who runs the installation, too. Raises Unauthenticated or Forbidden."""
    info.context.signed_in()
    async with info.context.database.reading() as session:
        row = await session.get(tables.Invitation, invitation)
    if row is None:
        raise Forbidden
    return agent_of(info, row.structure_id, reason) if row.gives is Gives.FAMILY else await ruler(info, row.structure_id, reason)


@strawberry.type
class InvitationMutations:
    @strawberry.mutation
    async def invite_adult(self, info: Info, input: InviteAdultInput) -> InvitationResult:
        """A letter with a link goes there, good once and for seven days, in the place of one that went there before.

        Whoever has it may act for the family once they have accepted, with an account of their own or one that they open by it.
        """
        family, clock, guest = str(input.family), info.context.clock, Guest(input.email, input.language)
        agent = await of_family(info, family, input.reason)
        content = ["INVITE_ADULT", family, guest.email, guest.language]
        doing = done(
            info, agent, input.idempotency_key, content,
            lambda session, who: inviting.invite_adult(session, clock, who, family, guest),
        )  # fmt: skip
        return await or_refusal(info, _invitation(info, doing))

    @strawberry.mutation
    async def invite_colleague(self, info: Info, input: InviteColleagueInput) -> InvitationResult:
        """The same, to work for the structure: for its administrators, and operators."""
        clock, guest = info.context.clock, Guest(input.email, input.language)
        agent = await ruler(info, str(input.structure), input.reason)
        content = ["INVITE_COLLEAGUE", guest.email, guest.language, input.administrator]
        doing = done(
            info, agent, input.idempotency_key, content,
            lambda session, who: inviting.invite_colleague(session, clock, who, guest, administrator=input.administrator),
        )  # fmt: skip
        return await or_refusal(info, _invitation(info, doing))

    @strawberry.mutation
    async def withdraw_invitation(self, info: Info, input: WithdrawInvitationInput) -> InvitationResult:
        """Its link opens nothing any more. One that was accepted stays so."""
        invitation, clock = str(input.invitation), info.context.clock
        agent = await _acting(info, invitation, input.reason)
        doing = done(
            info, agent, input.idempotency_key, ["WITHDRAW_INVITATION", invitation],
            lambda session, who: inviting.withdraw(session, clock, who, invitation),
        )  # fmt: skip
        return await or_refusal(info, _invitation(info, doing))

    @strawberry.mutation
    async def accept_invitation(self, info: Info, token: str) -> AcceptInvitationResult:
        """With the account that is signed in."""
        return await or_refusal(info, _accepted(info, token))

    @strawberry.mutation
    async def open_invited_account(self, info: Info, input: OpenInvitedAccountInput) -> OpenInvitedAccountResult:
        """Whoever has the link and no account: opens one by it, accepts, and is signed in."""
        opening = inviting_steps.open_account(entrance(info), input.token, input.newcomer(), input.password, visit(info))
        opened = await or_refusal(info, signed_in(info, opening))
        info.context.running.outbox_written()
        return opened


async def _invitation(info: Info, doing: Awaitable[str]) -> Invitation:
    invitation = await doing
    async with info.context.database.reading() as session:
        row = await session.get(tables.Invitation, invitation)
    if row is None:  # Asked again with the key of one that is forgotten.
        raise Forbidden
    return Invitation.of(row, info.context.now)


async def _accepted(info: Info, token: str) -> InvitationAccepted:
    context = info.context
    account = context.signed_in()
    async with context.database.transaction() as session:
        if await queries.signed_in_account(session, account) is None:
            raise Unauthenticated
        offer = await inviting.accept(session, context.clock, token, account.account)
    context.running.outbox_written()
    family = None if offer.row.family_id is None else ID(offer.row.family_id)
    return InvitationAccepted(structure_name=offer.structure.name, gives=offer.row.gives, family=family)
