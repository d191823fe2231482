"""What identity looks up. Who asks is part of every question about families: what is another's is not found."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, cast

from sqlalchemy import ColumnElement, Row, and_, exists, func, or_, tuple_
from sqlalchemy import select as select_columns
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.bulk import one_of
from services.claims import Caller
from services.identity.attempts import Tries
from services.identity.hashing import NO_PASSWORD
from services.identity.paper_codes import COUNTER
from services.identity.questions import QUESTIONS
from services.identity.second_factor import SecondFactor, kept_back
from services.identity.tables import (
    Account,
    AccountSession,
    AddressToken,
    AgentRole,
    Announcement,
    Attempt,
    Child,
    Credential,
    Factor,
    Family,
    FamilyAdult,
    KnownDevice,
    Membership,
    Operator,
    OutsideIdentity,
    RecoveryCode,
    RefreshToken,
    ResetToken,
    Structure,
    core,
)
from services.retention import Kept

V = TypeVar("V")
AnyRow = Row[*tuple[Any, ...]]

# Built once: building one takes as long as running it. Past the ORM: every screen begins with them.
A, S, M, F, T, C = (core(rows).c for rows in (Account, AccountSession, FamilyAdult, Family, Structure, Child))
HOMES = (
    select_columns(A.id, A.login, A.title, A.first_name, A.last_name, A.email, A.security_question, A.language, A.pending_email)
    .add_columns(A.reports, A.announcements_by_mail, A.pending_proven, A.pending_due_at)
    .add_columns(S.id.label("session_id"), F.id.label("family_id"), F.number, F.structure_id)
    .join_from(S.id.table, A.id.table, A.id == S.account_id)
    .outerjoin(M.family_id.table, M.account_id == A.id)
    .outerjoin(F.id.table, F.id == M.family_id)
    .outerjoin(T.id.table, T.id == F.structure_id)
    .where(one_of(S.id, "sessions"), S.ended_at.is_(None))
    .order_by(T.name, F.number, F.id)
)
CHILDREN = (
    select_columns(C.family_id, C.id, C.first_name, C.last_name, C.birth_date)
    .where(one_of(C.family_id, "families"), C.listed)
    .order_by(C.position)
)


# ------------------------------------------------------------------------------------------------- accounts and sessions
async def account_by_login(session: AsyncSession, login: str) -> Account | None:
    """`login` is plain."""
    return (await session.exec(select(Account).where(Account.login == login).with_for_update())).first()


async def account_with_password(session: AsyncSession, login: str) -> tuple[Account, str] | None:
    """With the password's hash; `login` is plain."""
    found = select(Account, Credential.password_hash).where(Account.login == login, Credential.account_id == Account.id)
    return (await session.exec(found)).first()


async def account_ids(session: AsyncSession, logins: Collection[str]) -> dict[str, str]:
    """By plain login."""
    return dict((await session.exec(select(Account.login, Account.id).where(col(Account.login).in_(logins)))).all())


async def accounts_known(session: AsyncSession, logins: Collection[str], structure: str) -> dict[str, str]:
    """Id by plain login, of those that belong, or once belonged, to the structure: of all others it is told nothing."""
    found = select(Account.login, Account.id).where(
        col(Account.login).in_(logins), Membership.account_id == Account.id, Membership.structure_id == structure
    )
    return dict((await session.exec(found)).all())


async def logins_elsewhere(session: AsyncSession, logins: Collection[str], structure: str) -> list[str]:
    """Those, in order, of accounts that never belonged to the structure."""
    here = exists().where(col(Membership.account_id) == Account.id, col(Membership.structure_id) == structure)
    found = select(Account.login).where(col(Account.login).in_(sorted(logins)), ~here).order_by(Account.login)
    return list((await session.exec(found)).all())


async def accounts_with(session: AsyncSession, logins: Collection[str]) -> dict[str, Account]:
    """By plain login."""
    return {row.login: row for row in (await session.exec(select(Account).where(col(Account.login).in_(sorted(logins))))).all()}


async def strangers(session: AsyncSession, accounts: Collection[str], structure: str) -> list[str]:
    """Those that do not belong to the structure."""
    there = exists().where(col(Membership.account_id) == Account.id, col(Membership.structure_id) == structure)
    found = select(Account.id).where(col(Account.id).in_(sorted(accounts)), ~there).order_by(Account.id)
    return list((await session.exec(found)).all())


async def loaded_hashes(session: AsyncSession, logins: Collection[str]) -> dict[str, str]:
    """Of the passwords that the town last handed out, by plain login."""
    found = select(Account.login, Credential.loaded_hash).where(Credential.account_id == Account.id, col(Account.login).in_(logins))
    return dict((await session.exec(found)).all())


async def signed_in_account(session: AsyncSession, caller: Caller) -> Account | None:
    """The caller's account, while the session of its token has not been ended."""
    found = select(Account).where(
        Account.id == caller.account,
        AccountSession.account_id == Account.id,
        AccountSession.id == caller.session,
        col(AccountSession.ended_at).is_(None),
    )
    return (await session.exec(found)).first()


async def signed_in_with_password(session: AsyncSession, caller: Caller) -> tuple[Account, str] | None:
    """The same, with the password's hash."""
    found = select(Account, Credential.password_hash).where(
        Account.id == caller.account,
        Credential.account_id == Account.id,
        AccountSession.account_id == Account.id,
        AccountSession.id == caller.session,
        col(AccountSession.ended_at).is_(None),
    )
    return (await session.exec(found)).first()


async def is_known_device(session: AsyncSession, login: str, token_sum: str) -> bool:
    """`login` is plain."""
    found = select(KnownDevice.token_sum).where(
        KnownDevice.token_sum == token_sum, KnownDevice.account_id == Account.id, Account.login == login
    )
    return (await session.exec(found)).first() is not None


async def live_sessions(session: AsyncSession, account: str, now: dt.datetime) -> list[AccountSession]:
    """Those that were not ended and have not run out, the one used last first."""
    renewed = exists().where(
        col(RefreshToken.session_id) == col(AccountSession.id), col(RefreshToken.used_at).is_(None), col(RefreshToken.expires_at) > now
    )
    found = select(AccountSession).where(
        AccountSession.account_id == account, col(AccountSession.ended_at).is_(None), AccountSession.ends_at > now, renewed
    )
    last_used = func.coalesce(col(AccountSession.last_used_at), col(AccountSession.started_at))
    return list((await session.exec(found.order_by(last_used.desc(), col(AccountSession.id)))).all())


class SignedIn(NamedTuple):
    """Who says that he is signed in."""

    account: str
    session: str


class Home(NamedTuple):
    """What an account sees first: rows of its account, its families, and their children."""

    account: AnyRow
    families: list[AnyRow]  #: By the name of their structure.
    children: Mapping[str, list[AnyRow]]  #: By family, the eldest first.


async def homes(session: AsyncSession, asked: Collection[SignedIn]) -> dict[SignedIn, Home]:
    """Of those whose session has not been ended. Two statements, however many."""
    connection = await session.connection()
    rows = (await connection.execute(HOMES, {"sessions": sorted({one.session for one in asked})})).all()
    families = sorted({row.family_id for row in rows if row.family_id is not None})
    children: Mapping[str, list[AnyRow]] = {}
    if families:
        children = _grouped((row.family_id, row) for row in await connection.execute(CHILDREN, {"families": families}))
    found: dict[SignedIn, Home] = {}
    for row in rows:
        home = found.setdefault(SignedIn(row.id, row.session_id), Home(row, [], children))
        if row.family_id is not None:
            home.families.append(row)
    return found


async def tries(session: AsyncSession, keys: Collection[str]) -> dict[str, Tries]:
    """Failures so far, by key; those without any are left out."""
    rows = (await session.exec(select(Attempt).where(col(Attempt.key).in_(keys)))).all()
    return {row.key: Tries(row.count, row.last_at) for row in rows}


async def account_of_refresh(session: AsyncSession, token_sum: str) -> str | None:
    """The id of whom a refresh token belongs to, good or not."""
    found = select(AccountSession.account_id).where(RefreshToken.session_id == AccountSession.id, RefreshToken.token_sum == token_sum)
    return (await session.exec(found)).first()


def _are_let_in_by_questions() -> list[ColumnElement[bool]]:
    """Of accounts: every structure of theirs has switched questions on, and they work for none."""
    joined = exists().where(col(Membership.account_id) == col(Account.id), col(Membership.structure_id) == col(Structure.id))
    return [
        joined.where(col(Structure.secret_questions)),
        ~joined.where(~col(Structure.secret_questions)),
        ~exists().where(col(AgentRole.account_id) == col(Account.id)),
        ~exists().where(col(Operator.account_id) == col(Account.id)),
    ]


async def secret_question(session: AsyncSession, login: str) -> tuple[str, str, str] | None:
    """Account id, code of the question and hash of its answer, where it is a way in. `login` is plain.

    Not for whoever works for a structure, and only if every structure of the account has switched questions on.
    """
    found = select(Account.id, Account.security_question, Credential.answer_hash).where(
        Account.login == login,
        Credential.account_id == Account.id,
        col(Credential.answer_hash).is_not(None),
        col(Account.security_question).in_(QUESTIONS),
        *_are_let_in_by_questions(),
    )
    return cast("tuple[str, str, str] | None", (await session.exec(found)).first())


async def is_let_in_by_questions(session: AsyncSession, account: str) -> bool:
    """Whether the answer to a question that the account chose, or may choose, is a way in."""
    return (await session.exec(select(Account.id).where(Account.id == account, *_are_let_in_by_questions()))).first() is not None


async def some_structure_asks(session: AsyncSession) -> bool:
    """Whether some structure has switched questions on."""
    return (await session.exec(select(Structure.id).where(col(Structure.secret_questions)).limit(1))).first() is not None


async def paper_code(session: AsyncSession, login: str, place: str) -> tuple[str, str] | None:
    """Whose it is, and its hash, used or not. `login` is plain."""
    found = select(RecoveryCode.account_id, RecoveryCode.code_hash).where(
        RecoveryCode.account_id == Account.id, Account.login == login, RecoveryCode.place == place
    )
    return (await session.exec(found)).first()


async def counters_of(session: AsyncSession, caller: Caller, account: str) -> list[str]:
    """The caller's structures at whose counter the account may be given a code, in order: those where it has a family.

    None for whoever works for a structure, or runs the installation: no agent makes himself another. Nor for whoever belongs, or once
    belonged, to a structure where the caller is no agent: whose login one knows is soon in a family of one's own.
    """
    found = select(Family.structure_id).where(
        FamilyAdult.family_id == Family.id,
        FamilyAdult.account_id == account,
        col(Family.structure_id).in_(caller.agent_of),
        ~exists().where(col(Membership.account_id) == account, col(Membership.structure_id).not_in(caller.agent_of)),
        ~exists().where(col(AgentRole.account_id) == account),
        ~exists().where(col(Operator.account_id) == account),
    )
    return list((await session.exec(found.distinct().order_by(Family.structure_id))).all())


async def printed_codes_left(session: AsyncSession, account: str) -> int:
    found = select(func.count()).where(
        RecoveryCode.account_id == account, col(RecoveryCode.used_at).is_(None), RecoveryCode.place != COUNTER
    )
    return (await session.exec(found)).one()


async def account_of_reset(session: AsyncSession, token_sum: str, now: dt.datetime) -> Account | None:
    """Whom a reset token lets in, while it is good."""
    found = select(Account).where(
        ResetToken.token_sum == token_sum,
        ResetToken.account_id == Account.id,
        col(ResetToken.used_at).is_(None),
        ResetToken.expires_at > now,
    )
    return (await session.exec(found)).first()


async def structures_joined(session: AsyncSession, account: str) -> list[str]:
    """Ids of the structures that the account belongs to, in order."""
    found = select(Membership.structure_id).where(Membership.account_id == account).order_by(col(Membership.structure_id))
    return list((await session.exec(found)).all())


async def belongs_elsewhere(session: AsyncSession, account: str, structure: str) -> bool:
    """Whether it belongs, or once belonged, to another structure too: then none of them alone says whose it is."""
    found = select(Membership.structure_id).where(Membership.account_id == account, Membership.structure_id != structure).limit(1)
    return (await session.exec(found)).first() is not None


async def retention(session: AsyncSession) -> dict[str, Kept | None]:
    """Of those structures that say something of it."""
    found = select(Structure.id, Structure.retention).where(col(Structure.retention).is_not(None))
    return dict((await session.exec(found)).all())


async def structure_names(session: AsyncSession, account: str) -> Sequence[str]:
    found = select(Structure.name).where(Membership.structure_id == Structure.id, Membership.account_id == account)
    return (await session.exec(found)).all()


async def has_handed_out_password(session: AsyncSession, account: str) -> bool:
    """The one that the town gave, which it knows."""
    found = select(Credential.account_id).where(Credential.account_id == account, Credential.password_hash == Credential.loaded_hash)
    return (await session.exec(found)).first() is not None


async def agent_of(session: AsyncSession, account: str) -> list[Structure]:
    """The structures that the account works for, by name."""
    found = select(Structure).where(AgentRole.structure_id == Structure.id, AgentRole.account_id == account)
    return list((await session.exec(found.order_by(Structure.name, Structure.id))).all())


class Standing(NamedTuple):
    """What an account may do beside what its families allow."""

    agent_of: frozenset[str]  #: Structure ids.
    admin_of: frozenset[str]  #: Those of them that it administers.
    operator: bool
    second_factor: Mapping[str, SecondFactor | None]  #: What each of them asks; None: what the installation does.


async def standing(session: AsyncSession, account: str) -> Standing:
    found = select(AgentRole, Structure).where(AgentRole.account_id == account, Structure.id == AgentRole.structure_id)
    roles = (await session.exec(found)).all()
    return Standing(
        frozenset(role.structure_id for role, _ in roles),
        frozenset(role.structure_id for role, _ in roles if role.administrator),
        await session.get(Operator, account) is not None,
        {structure.id: structure.second_factor for _, structure in roles},
    )


async def agents_there(session: AsyncSession, structure: str) -> list[str]:
    """Account ids, always in one order, so that two who lock them never wait for each other."""
    found = select(AgentRole.account_id).where(AgentRole.structure_id == structure).order_by(col(AgentRole.account_id))
    return list((await session.exec(found)).all())


async def factors(session: AsyncSession, account: str) -> list[Factor]:
    """Those that count, the oldest first."""
    found = select(Factor).where(Factor.account_id == account, col(Factor.added_at).is_not(None))
    return list((await session.exec(found.order_by(col(Factor.added_at), Factor.id))).all())


async def outside_identities(session: AsyncSession, account: str) -> list[OutsideIdentity]:
    """By provider."""
    found = select(OutsideIdentity).where(OutsideIdentity.account_id == account)
    return list((await session.exec(found.order_by(OutsideIdentity.provider, OutsideIdentity.subject))).all())


async def waiting_for_a_factor(session: AsyncSession, account: str, current: str, default: SecondFactor) -> list[Structure]:
    """The structures, by name, whose rank the account has not in its session `current`."""
    works_for, shown = await agent_of(session, account), await _showed_a_factor(session, current)
    waits = kept_back({structure.id: structure.second_factor for structure in works_for}, default, shown=shown)
    return [structure for structure in works_for if structure.id in waits]


async def addresses_due(session: AsyncSession, now: dt.datetime) -> list[str]:
    """Account ids."""
    found = select(Account.id).where(col(Account.pending_due_at) <= now)
    return list((await session.exec(found)).all())


async def is_live_link(session: AsyncSession, token_sum: str, now: dt.datetime) -> bool:
    """Whether a link of a mail is still good for what it was made for."""
    reset, address = await session.get(ResetToken, token_sum), await session.get(AddressToken, token_sum)
    row = reset if reset is not None and reset.account_id is not None else address
    if row is None or row.used_at is not None or row.expires_at <= now:
        return False
    if isinstance(row, ResetToken):
        return True
    account = await session.get_one(Account, row.account_id)
    return account.pending_email == row.email


async def rank_waits(session: AsyncSession, account: str, current: str, default: SecondFactor) -> bool:
    """The same, or as an operator."""
    if await waiting_for_a_factor(session, account, current, default):
        return True
    if default is SecondFactor.OPTIONAL or await session.get(Operator, account) is None:
        return False
    return not await _showed_a_factor(session, current)


async def _showed_a_factor(session: AsyncSession, current: str) -> bool:
    row = await session.get(AccountSession, current)
    return row is not None and row.factor_at is not None


async def colleagues(session: AsyncSession, caller: Caller, wanted: Collection[tuple[str, str]]) -> dict[str, Account]:
    """`<structure>/<account>` -> the account, for those (structure, account) that belong, or belonged, where the caller is an agent."""
    structures = {structure for structure, _ in wanted} & caller.agent_of
    found = select(Membership.structure_id, Account).where(
        Membership.account_id == Account.id,
        col(Membership.structure_id).in_(structures),
        col(Account.id).in_({account for _, account in wanted}),
    )
    return {f"{structure}/{account.id}": account for structure, account in (await session.exec(found)).all()}


async def agents(session: AsyncSession, structure: str) -> list[tuple[Account, bool]]:
    """Who works for the structure, by name, and whether as its administrator."""
    found = select(Account, AgentRole.administrator).where(AgentRole.account_id == Account.id, AgentRole.structure_id == structure)
    return list((await session.exec(found.order_by(Account.last_name, Account.first_name, Account.id))).all())


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """An account, as a structure's file may change it, or not."""

    id: str
    login: str
    title: str | None
    first_name: str | None
    last_name: str | None
    loaded_email: str | None
    loaded_language: str
    changeable: bool  #: It belongs to the structure alone, and to nobody who works there or runs the installation.
    belongs: bool = True  #: To the structure, alone or not.


async def known_accounts(session: AsyncSession, logins: Collection[str], structure: str) -> dict[str, KnownAccount]:
    """By plain login."""
    here, elsewhere = aliased(Membership), aliased(Membership)
    belongs = exists().where(col(here.account_id) == Account.id, col(here.structure_id) == structure)
    changeable = and_(
        belongs,
        ~exists().where(col(elsewhere.account_id) == Account.id, col(elsewhere.structure_id) != structure),
        ~exists().where(col(AgentRole.account_id) == Account.id),
        ~exists().where(col(Operator.account_id) == Account.id),
    )
    words = A.id, A.login, A.title, A.first_name, A.last_name, A.loaded_email, func.coalesce(A.loaded_language, A.language)
    found = select_columns(*words, changeable, belongs).where(A.login.in_(sorted(logins)))
    rows = await (await session.connection()).execute(found)
    return {row.login: KnownAccount(*row) for row in rows}


class Registered(NamedTuple):
    """An account, as agents see it."""

    login: str
    email: str | None
    language: str
    shared: bool  #: It belongs to another structure, too.
    has_password: bool


async def registered_accounts(session: AsyncSession, caller: Caller, wanted: Collection[tuple[str, str]]) -> dict[str, Registered]:
    """`<structure>/<account>` -> the account, for those (structure, account) that belong, or belonged, where the caller is an agent."""
    elsewhere = aliased(Membership)
    shared = exists().where(col(elsewhere.account_id) == Account.id, col(elsewhere.structure_id) != Membership.structure_id)
    has_password = ~col(Credential.password_hash).startswith(NO_PASSWORD, autoescape=True)
    found = (
        select_columns(col(Membership.structure_id), A.id, A.login, A.email, A.language, shared, has_password)
        .join_from(Membership, Account, col(Account.id) == Membership.account_id)
        .join(Credential, col(Credential.account_id) == Account.id)
        .where(
            col(Membership.structure_id).in_({structure for structure, _ in wanted} & caller.agent_of),
            col(Account.id).in_({account for _, account in wanted}),
        )
    )
    rows = await (await session.connection()).execute(found)
    return {f"{structure}/{account}": Registered(*told) for structure, account, *told in rows}


# ------------------------------------------------------------------------------------------------------------ families
async def families_of(session: AsyncSession, account: str) -> list[Family]:
    """Those it may act for, by the name of their structure."""
    found = select(Family).where(FamilyAdult.family_id == Family.id, FamilyAdult.account_id == account, Structure.id == Family.structure_id)
    return list((await session.exec(found.order_by(Structure.name, Family.number, Family.id))).all())


async def lock_families_of(session: AsyncSession, account: str) -> list[Family]:
    """The same, kept from others' changes until the transaction ends; always in one order, so that two never wait for each other."""
    found = select(Family).where(FamilyAdult.family_id == Family.id, FamilyAdult.account_id == account)
    return list((await session.exec(found.order_by(Family.id).with_for_update(of=Family))).all())


async def families(session: AsyncSession, ids: Collection[str]) -> dict[str, Family]:
    """Whosever they are."""
    return {row.id: row for row in (await session.exec(select(Family).where(col(Family.id).in_(ids)))).all()}


async def visible_families(session: AsyncSession, caller: Caller, ids: Collection[str]) -> dict[str, Family]:
    """Those of the ids that the caller may see: his own, and all of a structure that he works for."""
    found = select(Family).where(col(Family.id).in_(ids), _may_see(caller))
    return {family.id: family for family in (await session.exec(found)).all()}


async def visible_children(session: AsyncSession, caller: Caller, ids: Collection[str]) -> dict[str, tuple[Child, str]]:
    """Those of the ids whose family the caller may see, each with its structure."""
    found = select(Child, Family.structure_id).where(col(Child.id).in_(ids), Child.family_id == Family.id, _may_see(caller))
    return {child.id: (child, structure) for child, structure in (await session.exec(found)).all()}


def _may_see(caller: Caller) -> ColumnElement[bool]:
    return or_(col(Family.id).in_(caller.families), col(Family.structure_id).in_(caller.agent_of))


async def registered(
    session: AsyncSession, structure: str, words: Sequence[str], after: tuple[str, str] | None, limit: int
) -> Sequence[Family]:
    """A structure's families by number; of which each of the words begins one. `after`: number and id of the last one seen."""
    found = select(Family).where(*_looked_for(structure, words)).order_by(Family.number, Family.id).limit(limit)
    if after is not None:
        found = found.where(tuple_(col(Family.number), col(Family.id)) > tuple_(*after))
    return (await session.exec(found)).all()


async def families_numbered(session: AsyncSession, structure: str, numbers: Collection[str]) -> dict[str, list[str]]:
    """Number -> the structure's families that have it: one, unless the town's file says otherwise."""
    found = select(Family.number, Family.id).where(Family.structure_id == structure, col(Family.number).in_(numbers))
    found = found.where(col(Family.erased_at).is_(None))
    return _grouped((await session.exec(found.order_by(Family.id))).all())


async def family_there(session: AsyncSession, account: str, structure: str) -> str | None:
    """A family of the structure that the account may act for: the first by number."""
    found = select(Family.id).where(FamilyAdult.family_id == Family.id, FamilyAdult.account_id == account, Family.structure_id == structure)
    return (await session.exec(found.order_by(Family.number, Family.id).limit(1))).first()


async def registered_count(session: AsyncSession, structure: str, words: Sequence[str]) -> int:
    return (await session.exec(select(func.count()).select_from(Family).where(*_looked_for(structure, words)))).one()


def _looked_for(structure: str, words: Sequence[str]) -> list[ColumnElement[bool]]:
    """`words` are letters and digits alone."""
    there = col(Family.structure_id) == structure, col(Family.erased_at).is_(None)
    return [*there, *(col(Family.looked_for_by).like(f"% {word}%") for word in words)]


async def adults(session: AsyncSession, families: Collection[str]) -> dict[str, list[Account]]:
    """By family, in the town's order."""
    found = select(FamilyAdult.family_id, Account).where(FamilyAdult.account_id == Account.id, col(FamilyAdult.family_id).in_(families))
    return _grouped((await session.exec(found.order_by(col(FamilyAdult.position)))).all())


async def children(session: AsyncSession, families: Collection[str]) -> dict[str, list[Child]]:
    """By family, the eldest first."""
    found = select(Child.family_id, Child).where(col(Child.family_id).in_(families), col(Child.listed))
    return _grouped((await session.exec(found.order_by(col(Child.position)))).all())


def _grouped(rows: Iterable[tuple[str, V]]) -> dict[str, list[V]]:
    groups: defaultdict[str, list[V]] = defaultdict(list)
    for key, row in rows:
        groups[key].append(row)
    return groups


async def adult_rows(session: AsyncSession, family: str) -> Sequence[FamilyAdult]:
    return (await session.exec(select(FamilyAdult).where(FamilyAdult.family_id == family))).all()


async def child_rows(session: AsyncSession, family: str, ids: Collection[str]) -> dict[str, Child]:
    """Every child that the family ever had, and those of the ids, whosever they are."""
    found = select(Child).where(or_(Child.family_id == family, col(Child.id).in_(ids)))  # type: ignore[arg-type]  # a column, not a bool
    return {child.id: child for child in (await session.exec(found)).all()}


# ------------------------------------------------------------------------------------------ structures, announcements
async def structures(session: AsyncSession, ids: Collection[str]) -> dict[str, Structure]:
    return {row.id: row for row in (await session.exec(select(Structure).where(col(Structure.id).in_(ids)))).all()}


async def announcement_titled(session: AsyncSession, structure: str, title: str) -> Announcement | None:
    found = select(Announcement).where(Announcement.structure_id == structure, Announcement.title == title)
    return (await session.exec(found.with_for_update())).first()


async def announcement_loaded_as(session: AsyncSession, structure: str, title: str) -> Announcement | None:
    """What the town's file calls so, whatever agents have called it since; else what is called so."""
    row = select(Announcement).where(Announcement.structure_id == structure, Announcement.loaded_title == title).with_for_update()
    return (await session.exec(row)).first() or await announcement_titled(session, structure, title)


async def announcements_of(
    session: AsyncSession, structure: str, after: tuple[dt.datetime, str] | None, limit: int
) -> Sequence[Announcement]:
    """All of a structure, the newest first. `after`: when the last one seen was published, and its id."""
    found = select(Announcement).where(Announcement.structure_id == structure)
    if after is not None:
        at, id_ = after
        earlier = col(Announcement.published_at) < at
        found = found.where(or_(earlier, and_(col(Announcement.published_at) == at, col(Announcement.id) > id_)))
    return (await session.exec(found.order_by(col(Announcement.published_at).desc(), col(Announcement.id)).limit(limit))).all()


def _in_force(now: dt.datetime) -> list[ColumnElement[bool]]:
    not_over = or_(col(Announcement.ends_at).is_(None), col(Announcement.ends_at) > now)
    return [col(Announcement.published_at) <= now, col(Announcement.withdrawn_at).is_(None), not_over]


async def announcements_in_force(session: AsyncSession, ids: Collection[str], now: dt.datetime) -> dict[str, list[Announcement]]:
    """By structure, the newest first (S2)."""
    found = select(Announcement.structure_id, Announcement).where(col(Announcement.structure_id).in_(ids), *_in_force(now))
    return _grouped((await session.exec(found.order_by(col(Announcement.published_at).desc(), col(Announcement.id)))).all())


async def public_announcements(
    session: AsyncSession, structure: str | None, now: dt.datetime, limit: int
) -> Sequence[tuple[Announcement, Structure]]:
    """Those in force that are for everybody, the newest first; of that structure alone, or None: of all."""
    found = select(Announcement, Structure).where(Announcement.structure_id == Structure.id, col(Announcement.public), *_in_force(now))
    if structure is not None:
        found = found.where(Announcement.structure_id == structure)
    return (await session.exec(found.order_by(col(Announcement.published_at).desc(), col(Announcement.id)).limit(limit))).all()
