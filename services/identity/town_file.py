"""What a town's file says, put into the register: where it says otherwise than last time, and nowhere else.

Each runs in its caller's transaction, which puts the structure in first: it is locked from then on.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.clock import Clock
from services.file_words import members, newly_said
from services.identity import queries, register
from services.identity.credentials import plain_login
from services.identity.file_ranks import NOBODY, Rank, keep_one, rank_of
from services.identity.households import AccountSpec, ChildSpec, FamilySpec, StructureSpec
from services.identity.register import HandedOut, Put
from services.identity.tables import Account, AgentRole, Child, Family, FileWords, Membership, Structure


def _note(session: AsyncSession, row: Structure | Membership | Family | Child, said: FileWords) -> None:
    if row.loaded != said:
        row.loaded = said
        session.add(row)


# ---------------------------------------------------------------------------------------------------------- structures
OF_STRUCTURES = ("name", "timezone", "school_zone", "second_factor", "secret_questions", "retention")


async def put_structure(session: AsyncSession, clock: Clock, spec: StructureSpec) -> None:
    row = await session.get(Structure, spec.id, with_for_update=True)
    said = {name: getattr(spec, name) for name in OF_STRUCTURES}
    if row is not None:
        stands = said.keys() - newly_said(said, row.loaded).keys()
        spec = replace(spec, **{name: getattr(row, name) for name in stands})
    await register.put_structure(session, clock, spec)
    _note(session, await session.get_one(Structure, spec.id), said)


# ------------------------------------------------------------------------------------------------------------ accounts
@dataclass(frozen=True, slots=True)
class Known:
    """An account that the file names, or that works for the structure, as it stands."""

    account: Account
    membership: Membership | None
    rank: Rank

    @property
    def before(self) -> FileWords:
        """What the file last said of it."""
        return (self.membership and self.membership.loaded) or {}


@dataclass(frozen=True, slots=True)
class Standing:
    """What an account is to be in the structure."""

    rank: Rank
    is_kept: bool  #: Although the file says otherwise: the structure would have no administrator.


async def known(session: AsyncSession, structure: str, specs: Sequence[AccountSpec]) -> dict[str, Known]:
    """By plain login."""
    logins = [plain_login(spec.login) for spec in specs]
    role, here = col(AgentRole.account_id), col(Membership.account_id)
    found = (
        select(Account, Membership, AgentRole)
        .outerjoin(Membership, (here == Account.id) & (col(Membership.structure_id) == structure))
        .outerjoin(AgentRole, (role == Account.id) & (col(AgentRole.structure_id) == structure))
        .where(or_(col(Account.login).in_(logins), role.is_not(None)))
        .execution_options(populate_existing=True)
    )
    rows = (await session.exec(found)).all()
    return {
        account.login: Known(account, member, NOBODY if works is None else Rank(True, works.administrator))
        for account, member, works in rows
    }


def standings(specs: Sequence[AccountSpec], known: Mapping[str, Known]) -> dict[str, Standing]:
    """By plain login. A file takes no rank away that it never gave, nor a structure's last administrator."""
    there = {login: one.rank for login, one in known.items()}
    wanted = {}
    for spec in specs:
        login = plain_login(spec.login)
        before = known[login].before if login in known else {}
        had = Rank(before.get("agent", False), before.get("administrator", False))
        wanted[login] = rank_of(_said_rank(spec), had, there.get(login, NOBODY))
    kept = keep_one(wanted, there)
    return {login: Standing(kept.get(login, rank), login in kept) for login, rank in wanted.items()}


def _said_rank(spec: AccountSpec) -> Rank:
    return Rank(spec.agent_of is not None, spec.administrator)


async def put_account(
    session: AsyncSession, clock: Clock, structure: str, spec: AccountSpec, known: Known | None, standing: Standing, ahead: HandedOut | None
) -> Put:
    """What its owner chose, and what agents changed, stands until the file says otherwise than before."""
    said, rank = register.profile_of(spec), _said_rank(spec)
    before = {} if known is None else known.before
    spec = replace(spec, agent_of=structure if standing.rank.agent else None, administrator=standing.rank.administrator)
    if known is not None:
        spec = replace(spec, **{name: getattr(known.account, name) for name in said.keys() - newly_said(said, before).keys()})
    put = await register.put_account(session, clock, spec, ahead)
    words = {
        **before,
        **({} if put.left_alone else said),
        **({} if standing.is_kept else {"agent": rank.agent, "administrator": rank.administrator}),
    }
    _note(session, await session.get_one(Membership, (put.account, structure)), words)
    return put


# ------------------------------------------------------------------------------------------------------------ families
async def renewed(session: AsyncSession, specs: Sequence[FamilySpec]) -> list[FamilySpec]:
    """The families as they are to be: as they are, but for what the file says otherwise than last time."""
    ids = [spec.id for spec in specs]
    families = {row.id: row for row in (await session.exec(select(Family).where(col(Family.id).in_(ids)))).all()}
    named = [child.id for spec in specs for child in spec.children]
    of_them = or_(col(Child.id).in_(named), col(Child.family_id).in_(ids))
    children = {row.id: row for row in (await session.exec(select(Child).where(of_them).order_by(col(Child.position)))).all()}
    adults = await queries.adults(session, ids)
    accounts = await queries.account_ids(session, _logins(specs))
    return [_renewed(spec, families.get(spec.id), adults.get(spec.id, []), children, accounts) for spec in specs]


def _renewed(
    spec: FamilySpec, row: Family | None, adults: Sequence[Account], children: Mapping[str, Child], accounts: Mapping[str, str]
) -> FamilySpec:
    """One that was erased does not come back: that is refused."""
    if row is None or row.erased_at is not None or row.structure_id != spec.structure:
        return spec
    said, before = _family_words(spec, accounts), row.loaded
    logins = {accounts.get(plain_login(login), login): login for login in spec.accounts} | {one.id: one.login for one in adults}
    own = [child.id for child in children.values() if child.family_id == spec.id and child.listed]
    wanted = {child.id: child for child in spec.children}
    are = members(said["children"], before["children"] if before else None, own)
    return replace(
        spec,
        number=spec.number if "number" in newly_said(said, before) else row.number,
        accounts=tuple(logins[id_] for id_ in members(said["adults"], before["adults"] if before else None, [one.id for one in adults])),
        children=tuple(_child(wanted.get(id_), children.get(id_)) for id_ in are),
    )


def _child(spec: ChildSpec | None, row: Child | None) -> ChildSpec:
    if row is None:
        assert spec is not None, "whoever is there has a row, and whoever comes is in the file"
        return spec
    stands = ChildSpec(row.id, row.first_name, row.last_name, row.birth_date)
    if spec is None:
        return stands
    return replace(stands, **{name: getattr(spec, name) for name in newly_said(_child_words(spec), row.loaded)})


def _family_words(spec: FamilySpec, accounts: Mapping[str, str]) -> FileWords:
    """Ids alone, but for its number."""
    adults = [accounts.get(plain_login(login), login) for login in spec.accounts]
    return {"number": spec.number, "adults": adults, "children": [child.id for child in spec.children]}


def _child_words(spec: ChildSpec) -> FileWords:
    birth_date = spec.birth_date and spec.birth_date.isoformat()
    return {"first_name": spec.first_name, "last_name": spec.last_name, "birth_date": birth_date}


def _logins(specs: Sequence[FamilySpec]) -> Collection[str]:
    return {plain_login(login) for spec in specs for login in spec.accounts}


async def note_families(session: AsyncSession, specs: Sequence[FamilySpec]) -> None:
    """What the file said of them, once they are put in."""
    await session.flush()
    accounts = await queries.account_ids(session, _logins(specs))
    by_id = {spec.id: spec for spec in specs}
    for row in (await session.exec(select(Family).where(col(Family.id).in_([spec.id for spec in specs])))).all():
        if row.erased_at is None:
            _note(session, row, _family_words(by_id[row.id], accounts))
    wanted = {child.id: child for spec in specs for child in spec.children}
    for child in (await session.exec(select(Child).where(col(Child.id).in_(wanted)))).all():
        _note(session, child, _child_words(wanted[child.id]))
