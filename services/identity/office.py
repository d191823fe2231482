"""What agents do with families and accounts. Each act is one transaction with its line in the audit trail.

The structure is locked first, so that acts of one structure come one after another. A key that comes again with the same content is the
same act: it changes nothing and answers the same.
"""

import datetime as dt
import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from services.audit import reason_of
from services.clock import Clock
from services.events import EmailChanged
from services.identity import entries, queries, register, taken_logins
from services.identity.audit import Done, lock_structure, note
from services.identity.ending import forget_links, lock_account
from services.identity.households import AccountSpec, ChildSpec, FamilySpec
from services.identity.tables import Account, AgentRole, AskedOnce, Child, Family, Membership, Operator
from services.identity.telling import notice
from services.outbox import record
from services.refusal import Forbidden, Refused
from services.saying import new_id

MOST_CHILDREN = 30
MOST_ADULTS = 10


@dataclass(frozen=True, slots=True)
class Agent:
    """Who acts, for which structure, and why."""

    account: str
    structure: str
    reason: str | None = None
    administrator: bool = False
    operator: bool = False  #: As the token says: where a second factor is asked, it was shown.


@dataclass(frozen=True, slots=True)
class Words:
    """What an agent says of an account; what is None is not said, an empty text says that there is none."""

    title: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    language: str | None = None
    new_hash: str | None = None  #: Of the password that is handed out.


async def once(
    session: AsyncSession, clock: Clock, agent: Agent, key: str, content: Sequence[Any], work: Callable[[], Awaitable[str]]
) -> str:
    """Hold the structure; the work's answer, or what it was when this was asked first. Raises Refused IDEMPOTENCY_KEY_REUSED."""
    await lock_structure(session, agent.structure)
    sums = [_sum([agent.structure, agent.account, key]), _sum([*content, agent.reason])]
    known = await session.get(AskedOnce, sums[0])
    if known is not None:
        if known.content != sums[1]:
            raise Refused("IDEMPOTENCY_KEY_REUSED")
        return known.answer
    answer = await work()
    session.add(AskedOnce(key=sums[0], content=sums[1], answer=answer, at=clock.now()))
    return answer


async def keep_answer(session: AsyncSession, agent: Agent, key: str, answer: str) -> str:
    """What was asked with that key, in more than one transaction, has this answer from now on, unless it has one: the one that stands."""
    row = await session.get_one(AskedOnce, _sum([agent.structure, agent.account, key]), with_for_update=True)
    row.answer = row.answer or answer
    session.add(row)
    return row.answer


def _sum(values: Sequence[Any]) -> str:
    return hashlib.sha256(orjson.dumps(values)).hexdigest()


# ------------------------------------------------------------------------------------------------------------ families
async def create_family(
    session: AsyncSession, clock: Clock, agent: Agent, number: str, logins: Sequence[str], children: Sequence[ChildSpec]
) -> str:
    """Its id. Raises Refused: REASON_REQUIRED, INVALID_ENTRY, NUMBER_TAKEN, UNKNOWN_ACCOUNT."""
    reason = reason_of(agent.reason, needed=False)
    today = await _today(session, clock, agent)
    checked = tuple(replace(_child(child, today), id=new_id()) for child in children)
    accounts = tuple(map(entries.login_of, logins))
    await known_here(session, agent, accounts)
    spec = FamilySpec(new_id(), agent.structure, await _free(session, agent, number), accounts, checked)
    bounded(spec)
    await register.put_family(session, clock, spec)
    told = {"number": spec.number, "adults": list(spec.accounts), "children": [_told(child) for child in spec.children]}
    await _note(session, clock, agent, Done("CREATE_FAMILY", family=spec.id, reason=reason, after=told))
    return spec.id


async def change_family(session: AsyncSession, clock: Clock, agent: Agent, family: str, number: str) -> str:
    """Raises Refused: REASON_REQUIRED, INVALID_ENTRY, NUMBER_TAKEN; Forbidden."""
    reason = reason_of(agent.reason, needed=False)
    spec = await family_spec(session, agent, family)
    changed = replace(spec, number=await _free(session, agent, number, but=family))
    return await _put(session, clock, agent, spec, changed, Done("CHANGE_FAMILY", reason=reason))


async def add_child(session: AsyncSession, clock: Clock, agent: Agent, family: str, child: ChildSpec) -> str:
    """Raises Refused: REASON_REQUIRED, INVALID_ENTRY; Forbidden."""
    reason = reason_of(agent.reason, needed=False)
    spec = await family_spec(session, agent, family)
    child = replace(_child(child, await _today(session, clock, agent)), id=new_id())
    done = Done("ADD_CHILD", child=child.id, reason=reason, before={}, after=_told(child))
    return await _put(session, clock, agent, spec, replace(spec, children=(*spec.children, child)), done)


async def change_child(session: AsyncSession, clock: Clock, agent: Agent, child: str, changes: Mapping[str, Any]) -> str:
    """`changes`: first_name, last_name, birth_date. Raises Refused: REASON_REQUIRED, INVALID_ENTRY; Forbidden."""
    reason = reason_of(agent.reason, needed=False)
    spec, was = await _spec_of_child(session, agent, child)
    now = _child(replace(was, **changes), await _today(session, clock, agent))
    children = tuple(now if one.id == child else one for one in spec.children)
    before, after = change(_told(was), _told(now))
    done = Done("CHANGE_CHILD", child=child, reason=reason, before=before, after=after)
    return await _put(session, clock, agent, spec, replace(spec, children=children), done)


async def remove_child(session: AsyncSession, clock: Clock, agent: Agent, child: str) -> str:
    """The family has it no longer; its past remains readable. Raises Refused REASON_REQUIRED; Forbidden."""
    reason = reason_of(agent.reason)
    spec, was = await _spec_of_child(session, agent, child)
    children = tuple(one for one in spec.children if one.id != child)
    done = Done("REMOVE_CHILD", child=child, reason=reason, before=_told(was), after={})
    return await _put(session, clock, agent, spec, replace(spec, children=children), done)


async def add_adult(session: AsyncSession, clock: Clock, agent: Agent, family: str, login: str) -> str:
    """Whoever has that login may act for the family. Raises Refused: REASON_REQUIRED, INVALID_ENTRY, UNKNOWN_ACCOUNT; Forbidden."""
    reason = reason_of(agent.reason, needed=False)
    spec, login = await family_spec(session, agent, family), entries.login_of(login)
    ids = await known_here(session, agent, [login])
    done = Done("ADD_ADULT", adult=ids[login], reason=reason, before={}, after={"login": login})
    return await _put(session, clock, agent, spec, replace(spec, accounts=tuple(dict.fromkeys([*spec.accounts, login]))), done)


async def remove_adult(session: AsyncSession, clock: Clock, agent: Agent, family: str, account: str) -> str:
    """The account may act for the family no longer, at once.

    Raises Refused REASON_REQUIRED; Forbidden, also for who is none of its adults.
    """
    reason = reason_of(agent.reason)
    spec = await family_spec(session, agent, family)
    row = await session.get(Account, account)
    if row is None or row.login not in spec.accounts:
        raise Forbidden
    done = Done("REMOVE_ADULT", adult=account, reason=reason, before={"login": row.login}, after={})
    return await _put(session, clock, agent, spec, replace(spec, accounts=tuple(one for one in spec.accounts if one != row.login)), done)


async def known_here(session: AsyncSession, agent: Agent, logins: Collection[str]) -> dict[str, str]:
    """Id by plain login. Raises Refused UNKNOWN_ACCOUNT for one that the agent's town does not know, whether or not another does."""
    ids = await queries.accounts_known(session, logins, agent.structure)
    for login in logins:
        if login not in ids:
            raise Refused("UNKNOWN_ACCOUNT", text="LOGIN_UNKNOWN_HERE", login=login)
    return ids


async def _put(session: AsyncSession, clock: Clock, agent: Agent, was: FamilySpec, now: FamilySpec, done: Done) -> str:
    """The family's id. What is so already is no act."""
    bounded(now)
    if now != was:
        if now.number != was.number:
            done = replace(done, before={"number": was.number}, after={"number": now.number})
        await register.put_family(session, clock, now)
        await _note(session, clock, agent, replace(done, family=now.id))
    return now.id


async def family_spec(session: AsyncSession, agent: Agent, family: str) -> FamilySpec:
    """As it stands. Raises Forbidden for what is not of the agent's structure."""
    row = await session.get(Family, family)
    if row is None or row.structure_id != agent.structure or row.erased_at is not None:
        raise Forbidden
    adults, children = await queries.adults(session, [family]), await queries.children(session, [family])
    known = [ChildSpec(one.id, one.first_name, one.last_name, one.birth_date) for one in children[family]]
    return FamilySpec(row.id, row.structure_id, row.number, tuple(one.login for one in adults[family]), tuple(known))


async def _spec_of_child(session: AsyncSession, agent: Agent, child: str) -> tuple[FamilySpec, ChildSpec]:
    """With the child as it stands. Raises Forbidden, also for one whom its family has no longer."""
    row = await session.get(Child, child)
    if row is None or not row.listed:
        raise Forbidden
    spec = await family_spec(session, agent, row.family_id)
    return spec, next(one for one in spec.children if one.id == child)


async def _free(session: AsyncSession, agent: Agent, number: str, but: str | None = None) -> str:
    """As it is kept. Raises Refused: INVALID_ENTRY, NUMBER_TAKEN."""
    number = entries.number_of(number)
    if any(family != but for family in (await queries.families_numbered(session, agent.structure, [number])).get(number, ())):
        raise Refused("NUMBER_TAKEN", number=number)
    return number


async def _today(session: AsyncSession, clock: Clock, agent: Agent) -> dt.date:
    return clock.today((await lock_structure(session, agent.structure)).timezone)


def _child(child: ChildSpec, today: dt.date) -> ChildSpec:
    """Raises Refused INVALID_ENTRY."""
    return replace(
        child,
        first_name=entries.name_of(child.first_name, "FIRST_NAME"),
        last_name=entries.name_of(child.last_name, "LAST_NAME"),
        birth_date=entries.birth_date_of(child.birth_date, today),
    )


def bounded(spec: FamilySpec) -> None:
    if len(spec.children) > MOST_CHILDREN or len(spec.accounts) > MOST_ADULTS:
        raise Refused("INVALID_ENTRY", text="TOO_MANY_PEOPLE", children=MOST_CHILDREN, adults=MOST_ADULTS)


# ------------------------------------------------------------------------------------------------------------ accounts
async def open_account(session: AsyncSession, clock: Clock, agent: Agent, login: str, words: Words, family: str | None) -> str:
    """Its id; of an adult of the family, if one is named. Without a password, its owner chooses one with a code from the town hall.

    Empty: somebody of another town has the login, which is counted. Raises Refused: REASON_REQUIRED, INVALID_ENTRY, INVALID_EMAIL,
    LOGIN_TAKEN, TOO_MANY_ATTEMPTS; Forbidden.
    """
    reason = reason_of(agent.reason, needed=False)
    login, values = entries.login_of(login), _values(words)
    spec = None if family is None else await family_spec(session, agent, family)
    if await queries.accounts_known(session, [login], agent.structure):
        raise Refused("LOGIN_TAKEN", login=login)
    await taken_logins.may_ask(session, clock, agent.account)
    names = {name: entries.name_of(values.get(name) or "", name.upper()) for name in ("first_name", "last_name")}
    person: dict[str, Any] = {"title": None, **values, **names}
    account = AccountSpec(login, None, structure=agent.structure, may_wait=True, **person)
    known = None if words.new_hash is None else register.HandedOut(words.new_hash)
    opened = await register.open_account(session, clock, account, known)
    if opened is None:
        await taken_logins.told(session, clock, agent.account, [login])
        return ""
    if spec is not None:
        bounded(changed := replace(spec, accounts=(*spec.accounts, login)))
        await register.put_family(session, clock, changed)
    told = {"login": login, **values, "password": words.new_hash is not None}
    await _note(session, clock, agent, Done("OPEN_ACCOUNT", family=family, adult=opened, reason=reason, after=told))
    return opened


async def change_account(session: AsyncSession, clock: Clock, agent: Agent, account: str, words: Words) -> str:
    """Its id. A password that is handed out signs it out everywhere; its owner is told by mail of that, and of a new address.

    Raises Refused: REASON_REQUIRED, INVALID_ENTRY, INVALID_EMAIL, ACCOUNT_SHARED, ADMINISTRATOR_REQUIRED; Forbidden.
    """
    reason = reason_of(agent.reason, needed=False)
    values = _values(words)
    row = await changeable(session, agent, account)
    before = {name: getattr(row, name) for name in values}
    if "email" in values:
        values |= {"loaded_email": values["email"], "pending_email": None, "pending_due_at": None}
    if "language" in values:
        values |= {"loaded_language": row.loaded_language or row.language}  # The file undoes nothing.
    new_address = "email" in values and values["email"] != row.email
    if new_address:
        record(session, EmailChanged(structure=agent.structure, occurred_at=clock.now(), account=account))
        await forget_links(session, clock, account)
        await notice(session, clock, row, "EMAIL_CHANGED")  # To the old one.
    await register.change_profile(session, clock, row, values)
    if words.new_hash is not None:
        await register.hand_out(session, clock, row.id, words.new_hash)
        await notice(session, clock, row, "PASSWORD_CHANGED")
    before, after = change(before, {name: getattr(row, name) for name in before})
    if words.new_hash is not None:
        after["password"] = True
    if after:
        family = await queries.family_there(session, account, agent.structure)
        done = Done("CHANGE_ACCOUNT", family=family, adult=account, reason=reason, before=before, after=after)
        await _note(session, clock, agent, done)
    return account


async def changeable(session: AsyncSession, agent: Agent, account: str) -> Account:
    """Locked. Raises Refused: ACCOUNT_SHARED, ADMINISTRATOR_REQUIRED; Forbidden for who does not belong to the agent's structure."""
    if await session.get(Membership, (account, agent.structure)) is None:
        raise Forbidden
    row = await lock_account(session, account)
    if await queries.belongs_elsewhere(session, account, agent.structure) or await session.get(Operator, account) is not None:
        raise Refused("ACCOUNT_SHARED")
    if not agent.administrator and await session.get(AgentRole, (account, agent.structure)) is not None:
        raise Refused("ADMINISTRATOR_REQUIRED")
    return row


def _values(words: Words) -> dict[str, Any]:
    """What is said, as it is kept. Raises Refused: INVALID_ENTRY, INVALID_EMAIL."""
    checks: dict[str, Callable[[str], Any]] = {
        "title": entries.title_of,
        "first_name": lambda name: entries.name_of(name, "FIRST_NAME"),
        "last_name": lambda name: entries.name_of(name, "LAST_NAME"),
        "email": entries.email_of,
        "language": entries.language_of,
    }
    said = {name: getattr(words, name) for name in checks}
    values: dict[str, Any] = {}
    for name, check in checks.items():
        if said[name] is not None:
            values[name] = check(said[name])
    return values


# ---------------------------------------------------------------------------------------------------------- what all share
async def _note(session: AsyncSession, clock: Clock, agent: Agent, done: Done) -> None:
    await note(session, clock.now(), agent.structure, agent.account, done)


def _told(child: ChildSpec) -> dict[str, Any]:
    birth_date = None if child.birth_date is None else child.birth_date.isoformat()
    return {"first_name": child.first_name, "last_name": child.last_name, "birth_date": birth_date}


def change(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What changed, as it was and as it is."""
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {name: before.get(name) for name in changed}, {name: after.get(name) for name in changed}
