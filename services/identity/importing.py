"""Takes families in from a file (family_file.py): what is new is made, what differs is changed, what the file does not name stays.

Some families in one transaction, one transaction after the other: others have their turn between them, and dying halfway harms nothing:
the same file again changes nothing, and goes on. No password is hashed: a new account waits for its owner, who comes with a code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from services.clock import Clock
from services.database import Database
from services.identity import attempts, family_file, queries, register, taken_logins
from services.identity.audit import Done, lock_structure, note
from services.identity.family_file import Adult, Child, Household, known_by
from services.identity.households import AccountSpec, ChildSpec, FamilySpec
from services.identity.office import MOST_ADULTS, MOST_CHILDREN, Agent
from services.identity.queries import KnownAccount
from services.refusal import Refused
from services.saying import new_id

PORTION = 100  #: Families in one transaction.


class LineOutcome(StrEnum):
    """What became of a line."""

    CREATED = "CREATED"  #: ajoutée
    CHANGED = "CHANGED"  #: modifiée
    UNCHANGED = "UNCHANGED"  #: inchangée
    REFUSED = "REFUSED"  #: refusée


@dataclass(frozen=True, slots=True)
class Told:
    """Of one line; `why` is to be put into words, also where it is no refusal."""

    line: int
    outcome: LineOutcome
    number: str
    why: Refused | None = None


def kept(told: Sequence[Told]) -> str:
    """To be told again (`told_again`)."""
    return orjson.dumps([(one.line, one.outcome, one.number, one.why and [one.why.code, one.why.details]) for one in told]).decode()


def told_again(text: str) -> list[Told]:
    return [
        Told(line, LineOutcome(outcome), number, Refused(why[0], **why[1]) if why else None)
        for line, outcome, number, why in orjson.loads(text)
    ]


class _TakeBack(Exception):
    """It was only a try."""


async def load(database: Database, clock: Clock, agent: Agent, text: str, *, dry_run: bool, most: int | None) -> list[Told]:
    """One for each line, in order. Raises Refused INVALID_FILE, TOO_MANY_ATTEMPTS: then nothing was loaded."""
    async with database.reading() as session:
        (structure,) = (await queries.structures(session, [agent.structure])).values()
    households = family_file.read(text, clock.today(structure.timezone), most)
    if not agent.operator:
        await _may_be_told(database, clock, agent, households)
    told: list[Told] = []
    for start in range(0, len(households), PORTION):
        told += await _load(database, clock, agent, households[start : start + PORTION], dry_run=dry_run)
    return sorted(told, key=lambda one: one.line)


async def _may_be_told(database: Database, clock: Clock, agent: Agent, households: Sequence[Household]) -> None:
    """Before anything is: which logins are not free, for somebody of another town has them."""
    wanted = {adult.login for one in households for adult in one.adults}
    async with database.reading() as session:
        taken = await queries.logins_elsewhere(session, wanted, agent.structure)
    if taken:
        async with database.transaction() as session:
            await lock_structure(session, agent.structure)
            await taken_logins.may_ask(session, clock, agent.account)
            await taken_logins.told(session, clock, agent.account, taken[: attempts.TAKEN.free])
    if len(taken) > attempts.TAKEN.free:
        raise Refused("INVALID_FILE", text="FILE_LOGINS_TAKEN", most=attempts.TAKEN.free)


async def _load(database: Database, clock: Clock, agent: Agent, households: Sequence[Household], *, dry_run: bool) -> list[Told]:
    """In one transaction; where another town opens one of the accounts at the same moment, once more, as one that is there."""
    told: list[Told] = []
    while not told:
        try:
            async with database.transaction() as session:
                told = await _Portion(session, clock, agent).load(households)
                if dry_run:
                    raise _TakeBack
        except _TakeBack:
            pass
        except register.OpenedMeanwhile:
            continue
    return told


@dataclass(slots=True)
class _Portion:
    """Some families on their way in."""

    session: AsyncSession
    clock: Clock
    agent: Agent
    accounts: dict[str, KnownAccount] = field(default_factory=dict)  #: By login.
    families: Mapping[str, Sequence[str]] = field(default_factory=dict)  #: By number.
    specs: Mapping[str, FamilySpec] = field(default_factory=dict)  #: By id, as they stand.
    acts: list[Done] = field(default_factory=list)
    opened: dict[str, int] = field(default_factory=dict)  #: Login -> the line by which it has an account.
    founded: list[FamilySpec] = field(default_factory=list)

    async def load(self, households: Sequence[Household]) -> list[Told]:
        await lock_structure(self.session, self.agent.structure)
        logins = {adult.login for one in households for adult in one.adults}
        self.accounts = await queries.known_accounts(self.session, logins, self.agent.structure)
        self.families = await queries.families_numbered(self.session, self.agent.structure, {one.number for one in households})
        self.specs = await _specs(self.session, self.agent.structure, self.families)
        planned = [self._planned(household) for household in households]
        await self._open([household for household, _, _ in planned if not household.mistakes])
        told = [one for plan in planned for one in await self._household(*plan)]
        await register.found_families(self.session, self.clock, self.agent.structure, self.founded)
        await note(self.session, self.clock.now(), self.agent.structure, self.agent.account, *self.acts)
        return told

    def _planned(self, household: Household) -> tuple[Household, FamilySpec, FamilySpec]:
        """With its family as it stands, and as it is to be. Adds to the mistakes."""
        known = self.families.get(household.number, ())
        was = self.specs[known[0]] if known else FamilySpec(new_id(), self.agent.structure, household.number, (), ())
        now = _joined(household, was)
        self._check(household, now, len(known))
        return household, was, now

    async def _household(self, household: Household, was: FamilySpec, now: FamilySpec) -> list[Told]:
        if household.mistakes:
            return _refused(household)
        is_new = household.number not in self.families
        told = {adult.line: await self._adult(household.number, was, adult) for adult in household.adults}
        told |= {child.line: _told_of(child, household.number, was, now) for child in household.children}
        if is_new:
            self.founded.append(now)
        elif now != was:
            await register.put_family(self.session, self.clock, now)
        # What became of an account may be news, and its family is as it was.
        if any(one.outcome is not LineOutcome.UNCHANGED for one in told.values()):
            self._note(was, now, told, is_new=is_new)
        return list(told.values())

    def _check(self, household: Household, now: FamilySpec, known: int) -> None:
        """Adds to the mistakes. What is checked here is refused nowhere later: then nothing is written yet."""
        first = household.lines[0]
        if household.mistakes:
            return
        if known > 1:
            household.mistakes[first] = Refused("INVALID_ENTRY", text="NUMBER_AMBIGUOUS", number=household.number)
        if len(now.children) > MOST_CHILDREN or len(now.accounts) > MOST_ADULTS:
            household.mistakes[first] = Refused("INVALID_ENTRY", text="TOO_MANY_PEOPLE", children=MOST_CHILDREN, adults=MOST_ADULTS)
        for adult in household.adults:
            account = self.accounts.get(adult.login)
            if account is None or not account.belongs:
                why = self._why_not(adult, account)
                household.mistakes |= {} if why is None else {adult.line: why}

    def _why_not(self, adult: Adult, known: KnownAccount | None) -> Refused | None:
        """Of whom the town does not know. Who runs the installation lets somebody of another town join, if that is how they are called.

        Towns hand out logins as they please: somebody else of that login is not to see these children.
        """
        if None in (adult.first_name, adult.last_name) and not (known and self.agent.operator):
            return Refused("INVALID_ENTRY", text="NAMES_NEEDED")
        if known is None:
            return None
        if not self.agent.operator:
            return taken_logins.not_free(adult.login)
        said, called = (known_by(one.first_name or "", one.last_name or "") for one in (adult, known))
        return None if said == called else Refused("INVALID_ENTRY", text="LOGIN_OF_ANOTHER", login=adult.login)

    # ---------------------------------------------------------------------------------------------------------- adults
    async def _open(self, households: Sequence[Household]) -> None:
        """Accounts for all who have none, at once."""
        new: dict[str, Adult] = {}
        for household in households:
            for adult in household.adults:
                if adult.login not in self.accounts:
                    new.setdefault(adult.login, adult)
        structure = self.agent.structure
        await register.open_accounts(self.session, self.clock, structure, [_new(adult, structure) for adult in new.values()])
        for login, adult in new.items():
            self.opened[login] = adult.line
            self.accounts[login] = KnownAccount("", login, *_words(adult, None), changeable=True)

    async def _adult(self, number: str, was: FamilySpec, adult: Adult) -> Told:
        if self.opened.get(adult.login) == adult.line:
            return Told(adult.line, LineOutcome.CREATED, number)
        known = self.accounts[adult.login]
        joins = adult.login not in was.accounts
        wanted = _words(adult, known)
        outcome, why = LineOutcome.CREATED if joins else LineOutcome.UNCHANGED, None
        if wanted != (known.title, known.first_name, known.last_name, known.loaded_email, known.loaded_language):
            if known.changeable:
                await register.put_account(self.session, self.clock, _changed(known, adult, self.agent.structure))
                self.accounts[adult.login] = KnownAccount(known.id, known.login, *wanted, changeable=True)
                outcome = LineOutcome.CREATED if joins else LineOutcome.CHANGED
            else:
                why = Refused("INVALID_ENTRY", text="ACCOUNT_LEFT_ALONE", login=adult.login)
        return Told(adult.line, outcome, number, why)

    def _note(self, was: FamilySpec, now: FamilySpec, told: Mapping[int, Told], *, is_new: bool) -> None:
        outcomes = [one.outcome.value for one in told.values()]
        counts = {name.lower(): count for name in LineOutcome if (count := outcomes.count(name.value))}
        before = {} if is_new else {"adults": list(was.accounts), "children": _people(was)}
        after = {"number": now.number, "adults": list(now.accounts), "children": _people(now), "lines": counts}
        self.acts.append(Done("IMPORT_FAMILY", family=now.id, reason=self.agent.reason, before=before, after=after))


Words = tuple[str | None, str | None, str | None, str | None, str]  #: Title, first name, last name, e-mail, language.


def _words(adult: Adult, known: KnownAccount | None) -> Words:
    """As the account is to be: what the file leaves empty stays."""
    if known is None:
        return adult.title, adult.first_name, adult.last_name, adult.email, adult.language or "fr"
    return (
        adult.title or known.title,
        adult.first_name or known.first_name,
        adult.last_name or known.last_name,
        adult.email or known.loaded_email,
        adult.language or known.loaded_language,
    )


def _new(adult: Adult, structure: str) -> AccountSpec:
    title, first_name, last_name, email, language = _words(adult, None)
    assert first_name is not None and last_name is not None, "or it was refused"  # noqa: PT018 -- one fact
    return AccountSpec(adult.login, None, title, first_name, last_name, email, language=language, structure=structure, may_wait=True)


def _changed(known: KnownAccount, adult: Adult, structure: str) -> AccountSpec:
    title, first_name, last_name, email, language = _words(adult, known)
    assert first_name is not None and last_name is not None, "an account has names"  # noqa: PT018 -- one fact
    return AccountSpec(adult.login, None, title, first_name, last_name, email, language=language, structure=structure)


def _joined(household: Household, was: FamilySpec) -> FamilySpec:
    """The family with whom the file names: a child is known again by its names, and what the file leaves empty stays."""
    children = {known_by(one.first_name, one.last_name): one for one in was.children}
    for child in household.children:
        there = children.get(child.known_by)
        birth_date = child.birth_date or (there.birth_date if there else None)
        children[child.known_by] = ChildSpec(there.id if there else new_id(), child.first_name, child.last_name, birth_date)
    logins = dict.fromkeys([*was.accounts, *(adult.login for adult in household.adults)])
    return replace(was, accounts=tuple(logins), children=tuple(children.values()))


def _told_of(child: Child, number: str, was: FamilySpec, now: FamilySpec) -> Told:
    before, after = (
        {known_by(one.first_name, one.last_name): one for one in spec.children}.get(child.known_by) for spec in (was, now)
    )  # fmt: skip
    outcome = LineOutcome.CREATED if before is None else LineOutcome.UNCHANGED if before == after else LineOutcome.CHANGED
    return Told(child.line, outcome, number)


def _people(spec: FamilySpec) -> list[str]:
    return [f"{one.first_name} {one.last_name} {one.birth_date or ''}".strip() for one in spec.children]


def _refused(household: Household) -> list[Told]:
    """Each line says its own mistake, or which line has one."""
    first = min(household.mistakes)
    other = Refused("INVALID_ENTRY", text="ANOTHER_LINE_WRONG", line=first)
    return [Told(line, LineOutcome.REFUSED, household.number, household.mistakes.get(line, other)) for line in household.lines]


async def _specs(session: AsyncSession, structure: str, families: Mapping[str, Sequence[str]]) -> dict[str, FamilySpec]:
    """By id, as they stand. Three statements, however many."""
    ids = [one for found in families.values() for one in found]
    adults, children = await queries.adults(session, ids), await queries.children(session, ids)
    found = {}
    for number, several in families.items():
        for one in several:
            logins = tuple(account.login for account in adults[one])
            known = tuple(ChildSpec(child.id, child.first_name, child.last_name, child.birth_date) for child in children[one])
            found[one] = FamilySpec(one, structure, number, logins, known)
    return found
