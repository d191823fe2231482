"""The town's register: structures, announcements, accounts and families, as a town puts them in.

All of it may be put in again and again: what is already so is neither written nor told. Each runs in its caller's transaction.
"""

import asyncio
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast
from uuid import uuid4

from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.bulk import insert_unknown
from services.clock import Clock
from services.events import AccountOpened, Contact, ContactsChanged, FamilyChanged, StructureChanged
from services.file_words import newly_said
from services.identity import queries
from services.identity.credentials import plain_login
from services.identity.ending import lock_account, outdate_tokens, password_changed
from services.identity.hashing import AT_ONCE, check_now, hash_now, no_password
from services.identity.households import AccountSpec, ChildSpec, FamilySpec, StructureSpec, eldest_first, looked_for_by, name_in_letters
from services.identity.tables import (
    Account,
    AgentRole,
    Announcement,
    Child,
    Credential,
    Family,
    FamilyAdult,
    Membership,
    Structure,
    core,
)
from services.outbox import record
from services.refusal import Refused


def _differs(row: SQLModel, values: Mapping[str, Any]) -> bool:
    """Write the values into the row; whether one of them was another."""
    changed = {name: value for name, value in values.items() if getattr(row, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    return bool(changed)


# ------------------------------------------------------------------------------------------ structures, announcements
async def put_structure(session: AsyncSession, clock: Clock, spec: StructureSpec) -> None:
    row = await session.get(Structure, spec.id, with_for_update=True)
    values: dict[str, Any] = {"name": spec.name, "timezone": spec.timezone, "school_zone": spec.school_zone}
    values |= {"second_factor": spec.second_factor, "secret_questions": spec.secret_questions}
    values |= {"retention": dict(spec.retention) if spec.retention else None}
    asked = row.second_factor if row else spec.second_factor
    if row is None:
        row = Structure(id=spec.id, version=1, **values)
    elif _differs(row, values):
        row.version += 1
    else:
        return
    session.add(row)
    await session.flush()
    record(
        session,
        StructureChanged(
            structure=row.id,
            occurred_at=clock.now(),
            version=row.version,
            title=row.name,
            timezone=row.timezone,
            school_zone=cast("Literal['A', 'B', 'C'] | None", row.school_zone),
            retention=row.retention or {},
        ),
    )
    if spec.second_factor is not asked:  # Whoever has none has no rank from now on.
        for account in await queries.agents_there(session, row.id):
            await outdate_tokens(session, clock, account)


def within_a_day(later: dt.datetime, earlier: dt.datetime) -> bool:
    return dt.timedelta(0) <= later - earlier < dt.timedelta(1)


async def put_announcement(
    session: AsyncSession,
    clock: Clock,
    structure: str,
    title: str,
    body: str,
    publish_at: dt.datetime,
    ends_at: dt.datetime | None = None,
    mail: bool | None = None,
    public: bool | None = None,
) -> str:
    """Returns its id. It is told on its day (announcing.py). `ends_at`, `mail`, `public`: None: as it is.

    An announcement that is in force, or was told, keeps its date when it is put in again: "today" is not news every day. One that an
    agent withdrew stays withdrawn, and where an agent gave the hour of the very day, that stays: a file knows days alone. What an agent
    changed stands until the file says otherwise than last time.
    """
    words = {"publish_at": publish_at.isoformat(), "ends_at": ends_at and ends_at.isoformat(), "mail": mail, "public": public}
    row = await queries.announcement_loaded_as(session, structure, title)
    if row is None:
        row = Announcement(id=uuid4().hex, structure_id=structure, title=title, body=body, loaded_body=body, published_at=publish_at)
        row.ends_at, row.mail, row.public, row.loaded_title, row.loaded = ends_at, bool(mail), bool(public), title, words
        session.add(row)
    elif row.withdrawn_at is None:
        kept = row.told_at is not None or max(row.published_at, publish_at) <= clock.now() or within_a_day(row.published_at, publish_at)
        said = newly_said(words, row.loaded).keys() - {name for name, is_kept in (("publish_at", kept), ("mail", row.told_at)) if is_kept}
        values: dict[str, Any] = {} if body == row.loaded_body else {"body": body, "loaded_body": body}
        values |= {"published_at": publish_at} if "publish_at" in said else {}
        same_day = row.ends_at is not None and ends_at is not None and within_a_day(ends_at, row.ends_at)
        values |= {"ends_at": ends_at} if "ends_at" in said and ends_at is not None and not same_day else {}
        values |= {"mail": mail} if "mail" in said and mail is not None else {}
        values |= {"public": public} if "public" in said and public is not None else {}
        values |= {"loaded_title": title, "loaded": {**(row.loaded or {}), **{name: words[name] for name in said}}}
        if _differs(row, values):
            session.add(row)
    return row.id


# ------------------------------------------------------------------------------------------------------------ accounts
@dataclass(frozen=True, slots=True)
class HandedOut:
    """What was found out about a password that the town hands out. `new_hash` is None where the town handed out the same before."""

    new_hash: str | None


async def hash_ahead(session: AsyncSession, specs: Sequence[AccountSpec]) -> dict[str, HandedOut]:
    """By login. Hashing is slow: done before the transaction that puts hundreds of accounts in, it keeps nobody waiting for that."""
    known = await queries.loaded_hashes(session, [plain_login(spec.login) for spec in specs])
    places = asyncio.Semaphore(AT_ONCE)

    async def found(spec: AccountSpec) -> HandedOut:
        async with places:
            assert spec.password is not None, "left out below"
            return await asyncio.to_thread(_hand_out, spec.password, known.get(plain_login(spec.login)))

    specs = [spec for spec in specs if spec.password is not None]
    return dict(zip([spec.login for spec in specs], await asyncio.gather(*map(found, specs)), strict=True))


def _hand_out(password: str, loaded_hash: str | None) -> HandedOut:
    if loaded_hash is not None and check_now(password, loaded_hash):
        return HandedOut(None)
    return HandedOut(hash_now(password))


class OpenedMeanwhile(Exception):
    """Another town has opened an account with the same login, at this very moment: look again."""


@dataclass(frozen=True, slots=True)
class Put:
    """What became of an account that a town put in."""

    account: str  #: Its id.
    left_alone: bool = False  #: The town says other things of it, but it belongs to another town, too: it stays as it is.


async def put_account(session: AsyncSession, clock: Clock, spec: AccountSpec, ahead: HandedOut | None = None) -> Put:
    """What the family chose itself (password, e-mail) stands until the town's own value changes.

    The town answers for the passwords it hands out: they need not pass the rules for those that families choose. An account that belongs
    to another structure, too, is none that this one may change, or it could let itself in there.
    """
    account = await queries.account_by_login(session, plain_login(spec.login))
    if account is None:
        opened = await open_account(session, clock, spec, ahead)
        if opened is not None:
            return Put(opened)
        account = await queries.account_by_login(session, plain_login(spec.login))
        assert account is not None, "whoever opened it meanwhile has committed"
    left_alone = not await _change_account(session, clock, account, spec, ahead)
    await _set_roles(session, clock, account.id, spec)
    return Put(account.id, left_alone)


async def open_account(session: AsyncSession, clock: Clock, spec: AccountSpec, ahead: HandedOut | None = None) -> str | None:
    """Its id. None: somebody has the login, and be it that another town opens it at this very moment. Raises Refused PASSWORD_MISSING."""
    if spec.password is None and not spec.may_wait:
        raise Refused("PASSWORD_MISSING", login=plain_login(spec.login))
    account = _new_account(spec, clock.now())
    if not await _insert_accounts(session, [account]):
        return None
    hashed = await _new_hash(spec.password, ahead)
    session.add(Credential(account_id=account.id, password_hash=hashed, loaded_hash=hashed, changed_at=account.opened_at))
    await _set_roles(session, clock, account.id, spec)
    return account.id


def _new_account(spec: AccountSpec, now: dt.datetime) -> Account:
    id_, login = uuid4().hex, plain_login(spec.login)
    loaded: dict[str, Any] = {"email": spec.email, "loaded_email": spec.email, "language": spec.language, "loaded_language": spec.language}
    return Account(id=id_, login=login, opened_at=now, **loaded, **profile_of(spec))


async def _insert_accounts(session: AsyncSession, accounts: Sequence[Account]) -> bool:
    """False: somebody has one of the logins."""
    result = await session.exec(insert_unknown(session, core(Account), [account.model_dump() for account in accounts]))
    return bool(result.rowcount == len(accounts))


async def _new_hash(password: str | None, ahead: HandedOut | None) -> str:
    """Of a new account."""
    if ahead is not None:
        assert ahead.new_hash is not None, "an account that does not exist cannot have this password already"
        return ahead.new_hash
    return no_password() if password is None else await asyncio.to_thread(hash_now, password)


async def _change_account(session: AsyncSession, clock: Clock, account: Account, spec: AccountSpec, ahead: HandedOut | None) -> bool:
    """False: it stays as it is, for it is not the town's alone."""
    values = _news(account, spec)
    new_hash = await _new_password(session, account.id, spec.password, ahead)
    if new_hash is None and all(getattr(account, name) == value for name, value in values.items()):
        return True
    if spec.structure is not None and await queries.belongs_elsewhere(session, account.id, spec.structure):
        return False
    await lock_account(session, account.id)
    await change_profile(session, clock, account, values)
    if new_hash is not None:
        await hand_out(session, clock, account.id, new_hash)
    return True


async def open_accounts(session: AsyncSession, clock: Clock, structure: str, specs: Sequence[AccountSpec]) -> None:
    """Accounts of a structure that is there, without roles and passwords: few statements, however many.

    Raises OpenedMeanwhile where somebody has one of the logins since a moment ago.
    """
    now = clock.now()
    # Always in one order, so that two never wait for each other.
    accounts = [_new_account(spec, now) for spec in sorted(specs, key=lambda spec: plain_login(spec.login))]
    if accounts and not await _insert_accounts(session, accounts):
        raise OpenedMeanwhile
    for account in accounts:
        hashed = no_password()
        session.add(Credential(account_id=account.id, password_hash=hashed, loaded_hash=hashed, changed_at=now))
        session.add(Membership(account_id=account.id, structure_id=structure))
        record(session, AccountOpened(structure=structure, occurred_at=now, account=account.id))
    await session.flush()


def _news(account: Account, spec: AccountSpec) -> dict[str, Any]:
    """What the account is to be, as the town says."""
    values = profile_of(spec)
    if spec.email != account.loaded_email:
        values |= {"email": spec.email, "loaded_email": spec.email}
    if spec.language != (account.loaded_language or account.language):
        values |= {"language": spec.language, "loaded_language": spec.language}
    return values


async def change_profile(session: AsyncSession, clock: Clock, account: Account, values: Mapping[str, Any]) -> None:
    """Told to the others, but for what the town's file said of it."""
    news = any(getattr(account, name) != value for name, value in values.items() if not name.startswith("loaded"))
    if _differs(account, values):
        session.add(account)
    if news:
        account.version += 1
        await tell_contacts(session, clock, account.id)


async def _new_password(session: AsyncSession, account: str, password: str | None, ahead: HandedOut | None) -> str | None:
    """Its hash, if the town hands out another one than before."""
    if password is None:
        return None
    if ahead is None:
        ahead = await asyncio.to_thread(_hand_out, password, (await session.get_one(Credential, account)).loaded_hash)
    return ahead.new_hash


async def hand_out(session: AsyncSession, clock: Clock, account: str, new_hash: str) -> None:
    """In force at once; signs the account out everywhere."""
    credential = await session.get_one(Credential, account, with_for_update=True)
    credential.password_hash = credential.loaded_hash = new_hash
    credential.changed_at = clock.now()
    session.add(credential)
    await password_changed(session, clock, account)


def profile_of(spec: AccountSpec) -> dict[str, Any]:
    """What it says of the account itself."""
    choices = {"reports": spec.reports, "announcements_by_mail": spec.announcements_by_mail}
    said = {name: value for name, value in choices.items() if value is not None}
    return {"title": spec.title, "first_name": spec.first_name, "last_name": spec.last_name, **said}


async def _set_roles(session: AsyncSession, clock: Clock, account: str, spec: AccountSpec) -> None:
    if spec.agent_of is not None:
        await join(session, clock, account, spec.agent_of)
        await set_role(session, clock, account, spec.agent_of, administrator=spec.administrator)
    elif spec.structure is not None:
        await join(session, clock, account, spec.structure)
        await end_role(session, clock, account, spec.structure)


async def set_role(session: AsyncSession, clock: Clock, account: str, structure: str, *, administrator: bool | None) -> None:
    """The account works for the structure, to which it belongs already. `administrator`: None: as it is."""
    role = await session.get(AgentRole, (account, structure)) or AgentRole(account_id=account, structure_id=structure)
    if administrator is not None:
        if role.administrator and not administrator:
            await outdate_tokens(session, clock, account)
        role.administrator = administrator
    session.add(role)


async def end_role(session: AsyncSession, clock: Clock, account: str, structure: str) -> None:
    """The account works for the structure no longer, at once."""
    role = await session.get(AgentRole, (account, structure))
    if role is not None:
        await session.delete(role)
        await outdate_tokens(session, clock, account)


async def join(session: AsyncSession, clock: Clock, account: str, structure: str) -> None:
    """The account belongs to the structure from now on, which is told the first time."""
    if await session.get(Structure, structure) is None:
        raise Refused("UNKNOWN_STRUCTURE", structure=structure)
    if await session.get(Membership, (account, structure)) is None:
        session.add(Membership(account_id=account, structure_id=structure))
        await session.flush()
        record(session, AccountOpened(structure=structure, occurred_at=clock.now(), account=account))


# ------------------------------------------------------------------------------------------------------------ families
async def put_family(session: AsyncSession, clock: Clock, spec: FamilySpec) -> None:
    """The accounts are there already. Children that are no longer named leave the family; their past remains."""
    accounts = await _accounts_of(session, spec)
    for gone in sorted({row.account_id for row in await queries.adult_rows(session, spec.id)} - set(accounts)):
        await lock_account(session, gone)
    family = await session.get(Family, spec.id, with_for_update=True)
    is_new = family is None
    if family is None:
        family = Family(id=spec.id, structure_id=spec.structure, number=spec.number, version=0)
        session.add(family)
        await session.flush()
    elif family.structure_id != spec.structure:
        raise Refused("FAMILY_OF_ANOTHER_STRUCTURE", family=spec.id)
    elif family.erased_at is not None:
        if spec.accounts or spec.children:
            raise Refused("FAMILY_ERASED", family=spec.id)
        return
    for account in accounts:
        await join(session, clock, account, spec.structure)
    changed = [
        is_new,
        _differs(family, {"number": spec.number}),
        await _set_adults(session, clock, family, accounts),
        await _set_children(session, family, spec.children),
    ]
    if any(changed):
        family.version += 1
        session.add(family)
        await session.flush()
        await _tell_family(session, clock, family)


async def found_families(session: AsyncSession, clock: Clock, structure: str, specs: Sequence[FamilySpec]) -> None:
    """Families that there are not yet, of children that there are not yet, and accounts that there are: few statements, however many."""
    now = clock.now()
    accounts = await queries.accounts_with(session, {login for spec in specs for login in spec.accounts})
    for account in await queries.strangers(session, [account.id for account in accounts.values()], structure):
        await join(session, clock, account, structure)
    families = {spec.id: Family(id=spec.id, structure_id=structure, number=spec.number, version=1) for spec in specs}
    rows: list[SQLModel] = []
    for spec in specs:
        adults = [accounts[plain_login(login)] for login in spec.accounts]
        children = [
            Child(id=one.id, family_id=spec.id, position=position, **_child_values(one))
            for position, one in enumerate(eldest_first(spec.children))
        ]
        _can_be_found(families[spec.id], adults, children)
        _record_family(session, now, families[spec.id], adults, children)
        rows += [FamilyAdult(family_id=spec.id, account_id=one.id, position=place) for place, one in enumerate(adults)]
        rows += children
    session.add_all(families.values())
    await session.flush()
    session.add_all(rows)
    await session.flush()


async def _accounts_of(session: AsyncSession, spec: FamilySpec) -> list[str]:
    if await session.get(Structure, spec.structure) is None:
        raise Refused("UNKNOWN_STRUCTURE", structure=spec.structure)
    ids = await queries.account_ids(session, [plain_login(login) for login in spec.accounts])
    for login in spec.accounts:
        if plain_login(login) not in ids:
            raise Refused("UNKNOWN_ACCOUNT", login=login)
    return [ids[plain_login(login)] for login in spec.accounts]


async def _set_adults(session: AsyncSession, clock: Clock, family: Family, accounts: Sequence[str]) -> bool:
    rows = {row.account_id: row for row in await queries.adult_rows(session, family.id)}
    if [account for account, _ in sorted(rows.items(), key=lambda item: item[1].position)] == list(accounts):
        return False
    for gone in sorted(rows.keys() - set(accounts)):
        await session.delete(rows[gone])
        await outdate_tokens(session, clock, gone)
    for position, account in enumerate(accounts):
        row = rows.get(account) or FamilyAdult(family_id=family.id, account_id=account, position=position)
        row.position = position
        session.add(row)
    return True


def _child_values(spec: ChildSpec) -> dict[str, Any]:
    return {"first_name": spec.first_name, "last_name": spec.last_name, "birth_date": spec.birth_date}


async def _set_children(session: AsyncSession, family: Family, specs: Iterable[ChildSpec]) -> bool:
    specs = eldest_first(specs)
    rows = await queries.child_rows(session, family.id, [spec.id for spec in specs])
    changed = False
    for position, spec in enumerate(specs):
        values = _child_values(spec)
        row = rows.pop(spec.id, None)
        if row is None:
            session.add(Child(id=spec.id, family_id=family.id, position=position, **values))
            changed = True
            continue
        if row.family_id != family.id:
            await _may_come(session, row, family)
        if _differs(row, {**values, "family_id": family.id, "position": position, "listed": True}):
            session.add(row)
            changed = True
    for gone in rows.values():
        if _differs(gone, {"listed": False}):
            session.add(gone)
            changed = True
    return changed


async def _may_come(session: AsyncSession, child: Child, family: Family) -> None:
    """From another family of the same structure, which names it no longer."""
    other = await session.get_one(Family, child.family_id)
    if child.listed or other.structure_id != family.structure_id:
        raise Refused("CHILD_OF_ANOTHER_FAMILY", child=child.id)


async def let_leave(session: AsyncSession, clock: Clock, specs: Sequence[FamilySpec]) -> None:
    """The children who go from one of these families to another leave theirs: then all can be put in, in whatever order."""
    wanted = {child.id: spec.id for spec in specs for child in spec.children}
    listed = (await session.exec(select(Child).where(col(Child.id).in_(wanted), col(Child.listed)))).all()
    leaving = [child for child in listed if child.family_id != wanted[child.id]]
    for id_ in sorted({child.family_id for child in leaving} & {spec.id for spec in specs}):
        family = await session.get_one(Family, id_, with_for_update=True)
        for child in leaving:
            if child.family_id == id_:
                child.listed = False
                session.add(child)
        family.version += 1
        session.add(family)
        await session.flush()
        await _tell_family(session, clock, family)


async def _tell_family(session: AsyncSession, clock: Clock, family: Family) -> None:
    adults, children = await queries.adults(session, [family.id]), await queries.children(session, [family.id])
    _can_be_found(family, adults[family.id], children[family.id])
    _record_family(session, clock.now(), family, adults[family.id], children[family.id])


def _record_family(session: AsyncSession, now: dt.datetime, family: Family, adults: Sequence[Account], children: Sequence[Child]) -> None:
    about = {"structure": family.structure_id, "occurred_at": now, "version": family.version, "family": family.id}
    changed = FamilyChanged(**about, adults=[account.id for account in adults], children=[child.id for child in children])
    record(session, changed, _contacts(about, adults, children))


async def tell_contacts(session: AsyncSession, clock: Clock, account: str) -> None:
    """Something that letters need of this account has changed: tell it for each of its families."""
    await session.flush()
    families = await queries.lock_families_of(session, account)
    ids = [family.id for family in families]
    adults, children = await queries.adults(session, ids), await queries.children(session, ids)
    for family in families:
        _can_be_found(family, adults[family.id], children[family.id])
        family.version += 1
        session.add(family)
        about = {"structure": family.structure_id, "occurred_at": clock.now(), "version": family.version, "family": family.id}
        record(session, _contacts(about, adults[family.id], children[family.id]))


def _can_be_found(family: Family, adults: Sequence[Account], children: Sequence[Child]) -> None:
    people = [name for adult in adults for name in (adult.last_name, adult.first_name, adult.login)]
    family.looked_for_by = looked_for_by(family.number, [*people, *(name for one in children for name in (one.last_name, one.first_name))])


def _contacts(about: dict[str, Any], adults: Iterable[Account], children: Sequence[Child]) -> ContactsChanged:
    return ContactsChanged(
        **about,
        adults=[
            Contact(
                account=account.id,
                title=account.title,
                first_name=account.first_name,
                last_name=account.last_name,
                email=account.email,
                language=account.language,
                reports=account.reports.value,
                announcements=account.announcements_by_mail,
            )
            for account in adults
        ],
        children={child.id: name_in_letters(child.first_name, child.last_name) for child in children},
        birth_dates={child.id: child.birth_date for child in children if child.birth_date is not None},
    )
