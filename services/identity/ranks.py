"""Who works for a structure, who administers it, and who runs the installation. Each runs in its caller's transaction."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from zoneinfo import available_timezones

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.audit import reason_of
from services.clock import Clock
from services.events import EVERYBODY
from services.identity import entries, queries, register
from services.identity.audit import Done, lock_structure, note
from services.identity.ending import lock_account, outdate_tokens
from services.identity.households import StructureSpec
from services.identity.office import Agent, change, known_here
from services.identity.second_factor import SecondFactor
from services.identity.tables import Account, AgentRole, Operator, Structure
from services.refusal import Forbidden, Refused

SCHOOL_ZONES = ("A", "B", "C")


class Role(StrEnum):
    """What an account is in a structure, beside an adult of its families."""

    NONE = "NONE"
    AGENT = "AGENT"  #: agent
    ADMINISTRATOR = "ADMINISTRATOR"  #: administrateur: also sets roles


class FactorAsked(StrEnum):
    """What a structure asks of its agents beside their password."""

    REQUIRED = "REQUIRED"
    OPTIONAL = "OPTIONAL"
    AS_INSTALLED = "AS_INSTALLED"  #: What the installation asks where a structure says nothing: required in production.


ASKED = {FactorAsked.REQUIRED: SecondFactor.REQUIRED, FactorAsked.OPTIONAL: SecondFactor.OPTIONAL, FactorAsked.AS_INSTALLED: None}


@dataclass(frozen=True, slots=True)
class StructureWords:
    """What is said of a structure; what is None is not said, an empty school zone says that there is none."""

    name: str | None = None
    timezone: str | None = None
    school_zone: str | None = None
    secret_questions: bool | None = None  #: Whether they open a way back in (S3).
    second_factor: FactorAsked | None = None


async def may_rule(session: AsyncSession, agent: Agent) -> None:
    """By what the tables say now, whatever the token says; an operator by both. Raises Refused ADMINISTRATOR_REQUIRED."""
    role = await session.get(AgentRole, (agent.account, agent.structure), populate_existing=True)
    administers = role is not None and role.administrator
    if not administers and not (agent.operator and await session.get(Operator, agent.account) is not None):
        raise Refused("ADMINISTRATOR_REQUIRED")


# ---------------------------------------------------------------------------------------------------------------- roles
async def set_role(session: AsyncSession, clock: Clock, agent: Agent, login: str, role: Role) -> str:
    """The account's id. The structure is locked: two administrators do not take each other's place at once.

    Raises Refused: REASON_REQUIRED, ADMINISTRATOR_REQUIRED, INVALID_ENTRY, UNKNOWN_ACCOUNT, LAST_ADMINISTRATOR.
    """
    reason = reason_of(agent.reason)
    await may_rule(session, agent)
    account = await _whose(session, agent, entries.login_of(login))
    await lock_account(session, account)
    was = await _role(session, account, agent.structure)
    if was is role:
        return account
    if was is Role.ADMINISTRATOR and await _administrators(session, agent.structure) == 1:
        raise Refused("LAST_ADMINISTRATOR")
    if role is Role.NONE:
        await register.end_role(session, clock, account, agent.structure)
    else:
        await register.join(session, clock, account, agent.structure)
        await register.set_role(session, clock, account, agent.structure, administrator=role is Role.ADMINISTRATOR)
    done = Done("SET_ROLE", adult=account, reason=reason, before={"role": was.value}, after={"role": role.value})
    await note(session, clock.now(), agent.structure, agent.account, done)
    return account


async def _whose(session: AsyncSession, agent: Agent, login: str) -> str:
    """The id. Who runs the installation names administrators of towns that know nobody yet. Raises Refused UNKNOWN_ACCOUNT."""
    if agent.operator and await session.get(Operator, agent.account) is not None:
        ids = await queries.account_ids(session, [login])
        if login not in ids:
            raise Refused("UNKNOWN_ACCOUNT", login=login)
        return ids[login]
    return (await known_here(session, agent, [login]))[login]


async def _role(session: AsyncSession, account: str, structure: str) -> Role:
    row = await session.get(AgentRole, (account, structure), populate_existing=True)
    if row is None:
        return Role.NONE
    return Role.ADMINISTRATOR if row.administrator else Role.AGENT


async def _administrators(session: AsyncSession, structure: str) -> int:
    found = select(func.count()).select_from(AgentRole).where(AgentRole.structure_id == structure, col(AgentRole.administrator))
    return (await session.exec(found)).one()


async def set_operator(session: AsyncSession, clock: Clock, login: str, *, operator: bool) -> bool:
    """Whether anything changed. Raises Refused UNKNOWN_ACCOUNT."""
    login = entries.login_of(login)
    account = (await queries.account_ids(session, [login])).get(login)
    if account is None:
        raise Refused("UNKNOWN_ACCOUNT", login=login)
    await lock_account(session, account)
    row = await session.get(Operator, account)
    if operator == (row is not None):
        return False
    if row is None:
        session.add(Operator(account_id=account))
    else:
        await session.delete(row)
        await outdate_tokens(session, clock, account)
    return True


async def operators(session: AsyncSession) -> list[str]:
    """Their logins, in order."""
    return list((await session.exec(select(Account.login).where(Operator.account_id == Account.id).order_by(Account.login))).all())


# ----------------------------------------------------------------------------------------------------------- structures
async def create_structure(session: AsyncSession, clock: Clock, operator: str, id_: str, words: StructureWords) -> str:
    """Its id. The same again is no second one. Raises Refused: INVALID_ENTRY, STRUCTURE_TAKEN; Forbidden to who runs nothing."""
    if await session.get(Operator, operator) is None:
        raise Forbidden
    spec = _spec(entries.identifier_of(id_, besides=EVERYBODY), words, None)
    known = await session.get(Structure, spec.id)
    if known is not None:
        if (known.name, known.timezone, known.school_zone) != (spec.name, spec.timezone, spec.school_zone):
            raise Refused("STRUCTURE_TAKEN", structure=spec.id)
        return spec.id
    await register.put_structure(session, clock, spec)
    await lock_structure(session, spec.id)
    await note(session, clock.now(), spec.id, operator, Done("CREATE_STRUCTURE", after=_told(spec)))
    return spec.id


async def change_structure(session: AsyncSession, clock: Clock, agent: Agent, words: StructureWords) -> str:
    """Raises Refused: REASON_REQUIRED, ADMINISTRATOR_REQUIRED, INVALID_ENTRY."""
    reason = reason_of(agent.reason, needed=False)
    await may_rule(session, agent)
    row = await lock_structure(session, agent.structure)
    was = StructureSpec(row.id, row.name, row.timezone, row.school_zone, row.second_factor, row.secret_questions, row.retention)
    now = _spec(row.id, words, was)
    before, after = change(_told(was), _told(now))
    if after:
        await register.put_structure(session, clock, now)
        done = Done("CHANGE_STRUCTURE", reason=reason, before=before, after=after)
        await note(session, clock.now(), row.id, agent.account, done)
    return row.id


def _spec(id_: str, words: StructureWords, known: StructureSpec | None) -> StructureSpec:
    """Raises Refused INVALID_ENTRY."""
    spec = known or StructureSpec(id_, "", "")
    said: dict[str, Any] = {
        name: text for name in ("name", "timezone", "school_zone", "secret_questions") if (text := getattr(words, name)) is not None
    }
    if words.second_factor is not None:
        said["second_factor"] = ASKED[words.second_factor]
    spec = replace(spec, **said)
    if spec.timezone not in available_timezones():
        raise Refused("INVALID_ENTRY", text="TIMEZONE_NOT_POSSIBLE")
    if spec.school_zone and spec.school_zone not in SCHOOL_ZONES:
        raise Refused("INVALID_ENTRY", text="SCHOOL_ZONE_NOT_POSSIBLE")
    return replace(spec, name=entries.name_of(spec.name, "STRUCTURE_NAME"), school_zone=spec.school_zone or None)


def _told(spec: StructureSpec) -> dict[str, Any]:
    zones = {"timezone": spec.timezone, "school_zone": spec.school_zone}
    asks = {"secret_questions": spec.secret_questions, "second_factor": spec.second_factor and spec.second_factor.value}
    return {"name": spec.name, **zones, **asks}
