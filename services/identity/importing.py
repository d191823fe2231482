"""Takes families in from a file (family_file.py): what is new is made, what differs is changed, what the file does not name stays.

Some families in one transaction, one transaction after the other: others have their turn between them, and dying halfway harms nothing:
the same file again changes nothing, and goes on. No password is hashed: a new account waits for its owner, who comes with a code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from sqlmodel.ext.asyncio.session import AsyncSession

from services.clock import Clock
from services.database import Database
from services.identity import family_file, queries, register
from services.identity.audit import Done, lock_structure, note
from services.identity.family_file import Adult, Household, known_by
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


class _TakeBack(Exception):
    """It was only a try."""


async def load(database: Database, clock: Clock, agent: Agent, text: str, *, dry_run: bool, most: int | None) -> list[Told]:
    """One for each line, in order. Raises Refused INVALID_FILE: then nothing was loaded."""
    async with database.reading() as session:
        (structure,) = (await queries.structures(session, [agent.structure])).values()
    households = family_file.read(text, clock.today(structure.timezone), most)
    told: list[Told] = []
    for start in range(0, len(households), PORTION):
        try:
            async with database.transaction() as session:
                portion = _Portion(session, clock, agent)
                told += await portion.load(households[start : start + PORTION])
                if dry_run:
                    raise _TakeBack
        except _TakeBack:
            pass
    return sorted(told, key=lambda one: one.line)


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

    async def load(self, households: Sequence[Household]) -> list[Told]:
        await lock_structure(self.session, self.agent.structure)
        logins = {adult.login for one in households for adult in one.adults}
        self.accounts = await queries.known_accounts(self.session, logins, self.agent.structure)
        self.families = await queries.families_numbered(self.session, self.agent.structure, {one.number for one in households})
        self.specs = await _specs(self.session, self.agent.structure, self.families)
        told = [one for household in households for one in await self._household(household)]
        await note(self.session, self.clock.now(), self.agent.structure, self.agent.account, *self.acts)
        return told

    async def _household(self, household: Household) -> list[Told]:
        known = self.families.get(household.number, ())
        was = self.specs[known[0]] if known else FamilySpec(new_id(), self.agent.structure, household.number, (), ())
        now, told = self._children(household, was)
        self._check(household, now, len(known))
        if household.mistakes:
            return _refused(household)
        told |= {adult.line: await self._adult(household.number, was, adult) for adult in household.adults}
        # What became of an account may be news, and its family is as it was.
        if now != was or not known:
            await register.put_family(self.session, self.clock, now)
        if any(one.outcome is not LineOutcome.UNCHANGED for one in told.values()):
            self._note(was, now, told, is_new=not known)
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
            if adult.login not in self.accounts and None in (adult.first_name, adult.last_name):
                household.mistakes[adult.line] = Refused("INVALID_ENTRY", text="NAMES_NEEDED")

    # -------------------------------------------------------------------------------------------------------- children
    def _children(self, household: Household, was: FamilySpec) -> tuple[FamilySpec, dict[int, Told]]:
        children = {known_by(one.first_name, one.last_name): one for one in was.children}
        told = {}
        for child in household.children:
            there = children.get(child.known_by)
            birth_date = child.birth_date or (there.birth_date if there else None)
            spec = ChildSpec(there.id if there else new_id(), child.first_name, child.last_name, birth_date)
            outcome = LineOutcome.CREATED if there is None else LineOutcome.UNCHANGED if spec == there else LineOutcome.CHANGED
            children[child.known_by] = spec
            told[child.line] = Told(child.line, outcome, household.number)
        logins = dict.fromkeys([*was.accounts, *(adult.login for adult in household.adults)])
        return replace(was, accounts=tuple(logins), children=tuple(children.values())), told

    # ---------------------------------------------------------------------------------------------------------- adults
    async def _adult(self, number: str, was: FamilySpec, adult: Adult) -> Told:
        known = self.accounts.get(adult.login)
        joins = adult.login not in was.accounts
        if known is None:
            account = await self._put(_new(adult, self.agent.structure))
            self.accounts[adult.login] = KnownAccount(account, adult.login, *_words(adult, None), changeable=True)
            return Told(adult.line, LineOutcome.CREATED, number)
        wanted = _words(adult, known)
        outcome, why = LineOutcome.CREATED if joins else LineOutcome.UNCHANGED, None
        if wanted != (known.title, known.first_name, known.last_name, known.loaded_email, known.language):
            if known.changeable:
                await self._put(_changed(known, adult, self.agent.structure))
                self.accounts[adult.login] = KnownAccount(known.id, known.login, *wanted, changeable=True)
                outcome = LineOutcome.CREATED if joins else LineOutcome.CHANGED
            else:
                why = Refused("INVALID_ENTRY", text="ACCOUNT_LEFT_ALONE", login=adult.login)
        return Told(adult.line, outcome, number, why)

    async def _put(self, spec: AccountSpec) -> str:
        return (await register.put_account(self.session, self.clock, spec)).account

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
        adult.language or known.language,
    )


def _new(adult: Adult, structure: str) -> AccountSpec:
    title, first_name, last_name, email, language = _words(adult, None)
    assert first_name is not None and last_name is not None, "or it was refused"  # noqa: PT018 -- one fact
    return AccountSpec(adult.login, None, title, first_name, last_name, email, language=language, structure=structure, may_wait=True)


def _changed(known: KnownAccount, adult: Adult, structure: str) -> AccountSpec:
    title, first_name, last_name, email, language = _words(adult, known)
    assert first_name is not None and last_name is not None, "an account has names"  # noqa: PT018 -- one fact
    return AccountSpec(adult.login, None, title, first_name, last_name, email, language=language, structure=structure)


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
