"""Somebody whom a town does not know is asked to join a family, or to work there. Each runs in its caller's transaction.

The invitation goes to an address, whether or not anybody has an account there; who has its link consents by using it, once, with an
account of their own. Nothing is joined before.
"""

import datetime as dt
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, and_, delete, func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.audit import reason_of
from services.clock import Clock
from services.events import InvitationMade
from services.identity import attempts, entries, office, queries, ranks, register
from services.identity.audit import Done, lock_structure, note
from services.identity.ending import forget_counter_code, lock_account
from services.identity.hashing import new_token, no_password, token_sum
from services.identity.households import AccountSpec
from services.identity.invitations import KEPT, LIFE, Gives, InvitationState, state_of
from services.identity.office import Agent
from services.identity.tables import Account, AgentRole, Credential, Invitation, Operator, Structure
from services.identity.trying import Tried, bear, count, tried_by
from services.mail_addresses import masked
from services.outbox import record
from services.refusal import Forbidden, Refused
from services.saying import new_id


@dataclass(frozen=True, slots=True)
class Guest:
    """Whom an agent asks, and in which language."""

    email: str
    language: str

    def checked(self) -> "Guest":
        """Raises Refused: INVALID_EMAIL, INVALID_ENTRY."""
        email = entries.email_of(self.email)
        if email is None:
            raise Refused("INVALID_EMAIL")
        return Guest(email, entries.language_of(self.language))


# ------------------------------------------------------------------------------------------------------------ the town's side
async def invite_adult(session: AsyncSession, clock: Clock, agent: Agent, family: str, guest: Guest) -> str:
    """Its id. Raises Refused: REASON_REQUIRED, INVALID_ENTRY, INVALID_EMAIL, TOO_MANY_ATTEMPTS; Forbidden."""
    reason = reason_of(agent.reason, needed=False)
    spec = await office.family_spec(session, agent, family)
    office.bounded(replace(spec, accounts=(*spec.accounts, "")))
    return await _invite(session, clock, replace(agent, reason=reason), guest.checked(), Gives.FAMILY, family)


async def invite_colleague(session: AsyncSession, clock: Clock, agent: Agent, guest: Guest, *, administrator: bool) -> str:
    """Its id. Raises Refused: REASON_REQUIRED, ADMINISTRATOR_REQUIRED, INVALID_ENTRY, INVALID_EMAIL, TOO_MANY_ATTEMPTS."""
    reason = reason_of(agent.reason)
    await ranks.may_rule(session, agent)
    gives = Gives.ADMINISTRATOR if administrator else Gives.AGENT
    return await _invite(session, clock, replace(agent, reason=reason), guest.checked(), gives, None)


async def _invite(session: AsyncSession, clock: Clock, agent: Agent, guest: Guest, gives: Gives, family: str | None) -> str:
    now, token = clock.now(), new_token()
    tried = [
        Tried(token_sum(f"invited {agent.structure} {guest.email.casefold()}"), attempts.INVITED),
        Tried(token_sum(f"inviting {agent.account}"), attempts.INVITING),
    ]
    await bear(session, now, tried)
    await count(session, now, tried)
    there = func.lower(col(Invitation.email)) == guest.email.lower()  # Whatever letters an agent writes large, it is one mailbox.
    older = col(Invitation.structure_id) == agent.structure, there, col(Invitation.gives) == gives
    same = col(Invitation.family_id).is_(None) if family is None else col(Invitation.family_id) == family
    await session.exec(update(Invitation).where(*older, same, _unanswered()).values(withdrawn_at=now))
    row = Invitation(
        id=new_id(),
        token_sum=token_sum(token),
        structure_id=agent.structure,
        family_id=family,
        gives=gives,
        email=guest.email,
        invited_by=agent.account,
        invited_at=now,
        expires_at=now + LIFE,
    )
    session.add(row)
    about = {"structure": agent.structure, "occurred_at": now, "invitation": row.id, "family": family, "gives": gives.value}
    record(session, InvitationMade(**about, email=row.email, language=guest.language, token=token, expires_at=row.expires_at))
    # Masked: where it is about no family, nobody's erasure would make it unreadable.
    done = Done("INVITE", family=family, reason=agent.reason, before={}, after={"gives": gives.value, "email": masked(row.email)})
    await note(session, now, agent.structure, agent.account, done)
    return row.id


async def withdraw(session: AsyncSession, clock: Clock, agent: Agent, invitation: str) -> str:
    """Its id; what is over stays as it is. Raises Refused: REASON_REQUIRED, ADMINISTRATOR_REQUIRED; Forbidden."""
    reason = reason_of(agent.reason)
    row = await session.get(Invitation, invitation, with_for_update=True, populate_existing=True)
    if row is None or row.structure_id != agent.structure:
        raise Forbidden
    if row.gives is not Gives.FAMILY:
        await ranks.may_rule(session, agent)
    if state(row, clock.now()) is InvitationState.OPEN:
        row.withdrawn_at = clock.now()
        session.add(row)
        told = {"gives": row.gives.value, "email": masked(row.email)}
        done = Done("WITHDRAW_INVITATION", family=row.family_id, reason=reason, before=told, after={})
        await note(session, clock.now(), agent.structure, agent.account, done)
    return row.id


def state(row: Invitation, now: dt.datetime) -> InvitationState:
    return state_of(row.accepted_at, row.withdrawn_at, row.expires_at, now)


async def invitations(session: AsyncSession, structure: str, before: str | None, limit: int) -> list[Invitation]:
    """The newest first. `before`: the id of the last one seen."""
    found = select(Invitation).where(Invitation.structure_id == structure)
    if before is not None:
        found = found.where(Invitation.id < before)
    return list((await session.exec(found.order_by(col(Invitation.id).desc()).limit(limit))).all())


def _unanswered() -> ColumnElement[bool]:
    return and_(col(Invitation.accepted_at).is_(None), col(Invitation.withdrawn_at).is_(None))


# ------------------------------------------------------------------------------------------------------------ the guest's side
@dataclass(frozen=True, slots=True)
class Offer:
    """What a link offers, to whoever has it."""

    structure: Structure
    row: Invitation


async def offer(session: AsyncSession, now: dt.datetime, token: str) -> Offer:
    """Raises Refused INVALID_TOKEN where there is none, it was used or taken back, has run out, or who made it may make none any more."""
    row = (await session.exec(select(Invitation).where(Invitation.token_sum == token_sum(token)))).first()
    if row is None or state(row, now) is not InvitationState.OPEN or not await _stands(session, row):
        raise Refused("INVALID_TOKEN")
    return Offer(await session.get_one(Structure, row.structure_id), row)


async def _stands(session: AsyncSession, row: Invitation) -> bool:
    """Or an agent who is sent away could come back by an address of his own."""
    role = await session.get(AgentRole, (row.invited_by, row.structure_id), populate_existing=True)
    if row.gives is Gives.FAMILY:
        return role is not None
    return (role is not None and role.administrator) or await session.get(Operator, row.invited_by) is not None


async def accept(session: AsyncSession, clock: Clock, token: str, account: str) -> Offer:
    """The account has what was offered, from now on.

    Raises Refused: INVALID_TOKEN, INVALID_ENTRY where the family has no place left, PASSWORD_HANDED_OUT where another town could come in.
    """
    found, row = await _taken(session, clock, token), await lock_account(session, account)
    if await queries.has_handed_out_password(session, account) and await queries.belongs_elsewhere(session, account, found.structure.id):
        raise Refused("PASSWORD_HANDED_OUT")
    await _join(session, clock, found.row, row)
    return found


async def accept_anew(
    session: AsyncSession, clock: Clock, token: str, person: AccountSpec, new_hash: str, tried: list[Tried]
) -> str | None:
    """The id of the account that is opened for it: with the invitation's address, which its link has confirmed.

    None: somebody has the login, which is counted. Raises Refused: INVALID_TOKEN, INVALID_ENTRY, TOO_MANY_ATTEMPTS.
    """
    found = await _taken(session, clock, token)
    await bear(session, clock.now(), tried)
    person = replace(person, email=found.row.email, structure=found.row.structure_id)
    opened = await register.open_account(session, clock, person, register.HandedOut(new_hash))
    if opened is None:
        await count(session, clock.now(), tried)
        return None
    account, credential = await lock_account(session, opened), await session.get_one(Credential, opened)
    credential.loaded_hash, account.loaded_email = no_password(), None  # The town has given neither: its file undoes neither.
    session.add_all([account, credential])
    await _join(session, clock, found.row, account)
    return opened


def tried_with(token: str, address: str | None) -> list[Tried]:
    """What logins that are not free are counted under: which are, is not to be tried out by a link."""
    return tried_by("invited", token_sum(token), address, attempts.ACCOUNT, attempts.ADDRESS)


async def _taken(session: AsyncSession, clock: Clock, token: str) -> Offer:
    """Held: of two who use it at once, the second finds it used."""
    found = await offer(session, clock.now(), token)
    await lock_structure(session, found.row.structure_id)
    await session.get_one(Invitation, found.row.id, with_for_update=True, populate_existing=True)
    return await offer(session, clock.now(), token)


async def _join(session: AsyncSession, clock: Clock, row: Invitation, account: Account) -> None:
    await session.flush()
    if row.family_id is not None:
        spec = await office.family_spec(session, Agent(account.id, row.structure_id), row.family_id)
        changed = replace(spec, accounts=tuple(dict.fromkeys([*spec.accounts, account.login])))
        office.bounded(changed)
        await register.put_family(session, clock, changed)
    else:
        await register.join(session, clock, account.id, row.structure_id)
        administrator = True if row.gives is Gives.ADMINISTRATOR else None
        await register.set_role(session, clock, account.id, row.structure_id, administrator=administrator)
    if await queries.belongs_elsewhere(session, account.id, row.structure_id):
        await forget_counter_code(session, account.id)  # Whose counter gave it may not let itself in here.
    row.accepted_at, row.account_id = clock.now(), account.id
    session.add(row)
    told = {"gives": row.gives.value, "login": account.login}
    done = Done("ACCEPT_INVITATION", family=row.family_id, adult=account.id, before={}, after=told)
    await note(session, clock.now(), row.structure_id, account.id, done)


# ------------------------------------------------------------------------------------------------------------------ forgetting
async def forget_old(session: AsyncSession, now: dt.datetime) -> None:
    await session.exec(delete(Invitation).where(col(Invitation.expires_at) < now - KEPT))
