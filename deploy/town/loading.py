"""Loads checked towns through the services' own commands: what is already so is not written again.

The services may be running: the events are in the outboxes and their relays find them. One transaction per service, except that
bookings are taken over in portions, between which families' own requests have their turn. Dying halfway harms nothing: load again.
"""

import asyncio
import datetime as dt
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import event
from sqlmodel.ext.asyncio.session import AsyncSession

import services.billing.commands as billing
import services.booking.commands as booking
import services.identity.register as identity
from deploy.town.history import FORMER_CHILDREN, History
from deploy.town.naming import Names, names_of, rows_of
from deploy.town.opendays import open_days, why_not_open
from deploy.town.reading import Mistake, Place, TownFileError
from deploy.town.town import Account, Charge, Family, Payment, TakenOverBooking, Tariff, Town
from services.billing import carrying as billing_carrying
from services.billing.rate import QuotientBand
from services.billing.tariff import TariffVersion
from services.booking import carrying as booking_carrying
from services.booking import town_file as places
from services.booking.activity import ActivitySpec
from services.booking.criteria import put_criteria
from services.booking.docket import take_turn
from services.booking.rulebook import RuleBook
from services.booking.taking_over import TakenOver, take_over
from services.carrying import Row, not_there, write
from services.clock import Clock
from services.database import Database
from services.identity import queries, town_file
from services.identity.credentials import plain_login
from services.identity.households import AccountSpec, ChildSpec, FamilySpec, StructureSpec
from services.identity.register import let_leave
from services.identity.tables import Child
from services.refusal import Refused

_WRITES = re.compile(r'\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+"?(\w+)', re.IGNORECASE)
NO_NEWS = {"partition"}  #: Tables that are written to take a turn, not to say anything.
_NOTES = re.compile(r'\s*UPDATE "?\w+"? SET loaded=[^,]+ WHERE', re.IGNORECASE)  #: What the file said, of what is so already.

Step = Callable[[], None]
Portion = Callable[[AsyncSession], Awaitable[None]]


PORTION = 100  #: Bookings taken over in one transaction, more or less: families who book meanwhile wait so long.
#: Then the others have their turn: whoever waits for SQLite's lock looks every 100 ms whether it is free.
PAUSE_SECONDS = 0.15


class _DryRun(Exception):
    """Everything was tried: take it back."""


@dataclass(slots=True)
class Loaded:
    """What a load did, or would have done."""

    changes: Counter[str] = field(default_factory=Counter)  #: Rows written, by service.
    warnings: list[str] = field(default_factory=list)
    done: dict[str, list[str]] = field(default_factory=dict)  #: Town -> the services that have it.


def steps_of(town: Town) -> int:
    """How many steps a progress bar will see."""
    families = town.families
    people = len(town.accounts) + len(town.announcements) + len(families)
    offers = len(town.wallets) + 2 * len(town.activities)
    return (
        1
        + people
        + offers
        + (3 if town.history else 0)
        + sum(len(family.payments) + len(family.charges) + len(family.children) + len(family.bookings) for family in families)
    )


async def load(towns: Sequence[Town], databases: dict[str, Database], clock: Clock, step: Step, *, dry_run: bool = False) -> Loaded:
    """Raises TownFileError for mistakes that only the databases can tell: those of all towns, before anything is written.

    Whatever fails later bears a note that says what was loaded before.
    """
    await _check(towns, databases)
    loaded = Loaded()
    try:
        for town in towns:
            names = await names_of(town, databases)
            await _load_one(_Load(town, names, clock, step, loaded), databases, dry_run)
    except Exception as trouble:
        if loaded.done and not dry_run:
            done = ", ".join(f"{town} ({', '.join(services)})" for town, services in loaded.done.items())
            trouble.add_note(f"already loaded: {done}")
        raise
    return loaded


async def _load_one(work: "_Load", databases: dict[str, Database], dry_run: bool) -> None:
    accounts = [_account_spec(account, work.structure) for account in work.town.accounts]
    async with databases["identity"].reading() as session:
        ahead = await identity.hash_ahead(session, [spec for spec in accounts if spec.password is not None])
    async with databases["booking"].reading() as session:
        work.renew(await places.activities(session, work.said))
    parts = (("identity", [work.people(accounts, ahead)]), ("billing", [work.money]), ("booking", work.places(together=dry_run)))
    for service, portions in parts:
        async with _counting(databases[service], service, work.loaded):
            for number, portion in enumerate(portions):
                if number and databases[service].is_sqlite:
                    await asyncio.sleep(PAUSE_SECONDS)
                await _in_one_transaction(databases[service], portion, dry_run)
        work.loaded.done.setdefault(work.structure, []).append(service)


async def _in_one_transaction(database: Database, portion: "Portion", dry_run: bool) -> None:
    try:
        async with database.transaction() as session:
            await portion(session)
            if dry_run:
                raise _DryRun
    except _DryRun:
        pass


@dataclass(slots=True)
class _Load:
    """One town on its way into the services."""

    town: Town
    names: Names
    clock: Clock
    step: Step
    loaded: Loaded
    book: RuleBook = field(default_factory=RuleBook)
    said: list[ActivitySpec] = field(init=False)  #: In the file's order.
    specs: dict[str, ActivitySpec] = field(init=False)  #: As they are to be, by the file's ids.
    accounts: dict[str, str] = field(default_factory=dict)  #: Login -> account, where a history names them.

    def __post_init__(self) -> None:
        self.said = [self._renamed(activity.spec) for activity in self.town.activities]
        self.renew(self.said)

    def renew(self, specs: Sequence[ActivitySpec]) -> None:
        self.specs = {activity.spec.id: spec for activity, spec in zip(self.town.activities, specs, strict=True)}

    @property
    def structure(self) -> str:
        return self.town.structure.id

    def people(self, accounts: Sequence[AccountSpec], ahead: dict[str, Any]) -> Portion:
        async def load(session: AsyncSession) -> None:
            await town_file.put_structure(session, self.clock, structure_spec(self.town))
            self.step()
            zone = ZoneInfo(self.town.structure.timezone)
            for one in self.town.announcements:
                publish_at = dt.datetime.combine(one.publish_on, dt.time(), zone)
                ends_at = None if one.until is None else dt.datetime.combine(one.until + dt.timedelta(1), dt.time(), zone)
                says = one.title, one.body, publish_at, ends_at, one.mail, one.public
                await identity.put_announcement(session, self.clock, self.structure, *says)
                self.step()
            await self._accounts(session, accounts, ahead)
            said = [self._family_spec(family) for family in self.town.families]
            families = await town_file.renewed(session, said)
            await let_leave(session, self.clock, families)
            for family, source in zip(families, self.town.families, strict=True):
                await self._put_family(session, family, source.place)
                self.step()
            await town_file.note_families(session, said)
            if self.town.history is not None:
                await self._former_children(session, self.town.history)
                self.step()

        return load

    async def _accounts(self, session: AsyncSession, accounts: Sequence[AccountSpec], ahead: dict[str, Any]) -> None:
        known = await town_file.known(session, self.structure, accounts)
        standings = town_file.standings(accounts, known)
        for spec in accounts:
            login = plain_login(spec.login)
            about = spec, known.get(login), standings[login], ahead.get(spec.login)
            put = await town_file.put_account(session, self.clock, self.structure, *about)
            if put.left_alone:
                self.loaded.warnings.append(f"account {spec.login!r} stays as it is: it belongs to another town, too")
            if standings[login].is_kept:
                self.loaded.warnings.append(f"account {spec.login!r} stays an administrator: {self.structure!r} would have none")
            self.step()

    async def _former_children(self, session: AsyncSession, history: History) -> None:
        rows = [FORMER_CHILDREN.renamed(row, self.of) for row in history.rows[FORMER_CHILDREN.name]]
        await write(session, FORMER_CHILDREN, await not_there(session, FORMER_CHILDREN, rows), listed=False)
        logins = [plain_login(account.login) for account in self.town.accounts]
        self.accounts |= await queries.account_ids(session, logins)

    def of(self, kind: str, id_: str) -> str:
        """What has that id in the file's history, in our words: also what is not in the file any more."""
        if kind == "account":
            return self.accounts.get(plain_login(id_), id_)
        known = {
            "family": self.names.families,
            "child": self.names.children,
            "activity": self.names.activities,
            "wallet": self.names.wallets,
        }
        return known[kind].get(id_, id_)

    async def _put_family(self, session: AsyncSession, family: FamilySpec, place: Place | None) -> None:
        try:
            await identity.put_family(session, self.clock, family)
        except Refused as no:
            assert place is not None, "families come from a file"
            why = ", ".join([no.code, *map(str, no.details.values())])
            raise TownFileError([Mistake(place, f"family {family.id!r} cannot be as it stands here ({why})", "what can be")]) from no

    def _family_spec(self, family: Family) -> FamilySpec:
        children = [
            ChildSpec(self.names.children[child.id], child.first_name, child.last_name, child.birth_date) for child in family.children
        ]
        return FamilySpec(self.names.families[family.id], self.structure, family.number, family.accounts, tuple(children))

    # ----------------------------------------------------------------------------------------------------------- billing
    async def money(self, session: AsyncSession) -> None:
        await billing.put_debt_limit(session, self.clock, self.structure, self.town.structure.debt_limit_cents)
        await billing.put_address(session, self.clock, self.structure, self.town.structure.address)
        for wallet in self.town.wallets:
            await billing.put_wallet(session, self.clock, self.names.wallets[wallet.id], self.structure, wallet.name)
            self.step()
        history = None if self.town.history is None else billing_carrying.arriving(self.town.history.rows, self.of)
        if history is not None:
            await billing_carrying.carry_rules(session, history)
        # Billing locks activities, then families, each by name (billing/reactions.py): nobody waits for us while we wait for him.
        for activity in sorted(self.town.activities, key=lambda one: self.names.activities[one.spec.id]):
            ours, wallet_id = self.names.activities[activity.spec.id], self.specs[activity.spec.id].wallet
            tariff = tuple(tariff_version(tariff) for tariff in activity.tariffs)
            await billing.put_tariff(session, self.clock, ours, self.structure, wallet_id, tariff)
            await billing.put_childcare(session, self.clock, ours, activity.childcare)
            self.step()
        for family in sorted(self.town.families, key=lambda one: self.names.families[one.id]):
            await self._taken_over(session, family)
        if history is not None:
            await self._books(session, history)
            self.step()

    async def _books(self, session: AsyncSession, history: dict[str, list[Row]]) -> None:
        try:
            await billing_carrying.carry_books(session, self.clock, self.structure, history)
        except Refused as no:
            assert self.town.history is not None, "there is one"
            what = f"history: what has the cause {no.details['cause']!r} was loaded before, and was something else"
            raise TownFileError([Mistake(self.town.history.place, what, "the history of this town, loaded before anything else")]) from no

    async def _taken_over(self, session: AsyncSession, family: Family) -> None:
        ours = self.names.families[family.id]
        await billing.put_quotient(session, self.clock, ours, self.structure, family.quotient)
        await billing.put_family_debt(session, self.clock, ours, self.structure, family.debt_limit_cents, exempt=family.debt_exempt)
        lines: tuple[Payment | Charge, ...] = (*family.payments, *family.charges)
        for line in lines:
            try:
                await self._take_over(session, ours, line)
            except Refused as no:
                assert family.place is not None, "families come from a file"
                what = f"family {family.id!r}: what has the cause {line.cause!r} was loaded before, and was something else"
                raise TownFileError([Mistake(family.place, what, "the same again, or a cause of its own")]) from no
            self.step()

    async def _take_over(self, session: AsyncSession, family: str, line: Payment | Charge) -> None:
        wallet = self.names.wallets[line.wallet]
        where = session, self.clock, self.structure, family, wallet, line.date
        if isinstance(line, Charge):
            await billing.take_over_charge(*where, line.label, line.cents, line.cause)
        else:
            await billing.take_over_payment(*where, line.mode, line.reference, line.payer, line.bank, line.cents, line.cause)

    # ----------------------------------------------------------------------------------------------------------- booking
    def places(self, *, together: bool = False) -> list[Portion]:
        """What is to be booked first, then the families, some at a time. `together`: all in one, for a try that keeps nothing."""
        portions = [self._activities, self._days, *(self._families(some) for some in portions_of(self.town.families))]
        return [_one_after_another(portions)] if together else portions

    async def _activities(self, session: AsyncSession) -> None:
        await take_turn(session, self.structure)
        await put_criteria(session, self.structure, {criterion.id: criterion.name for criterion in self.town.criteria})
        self.renew(await places.activities(session, self.said))
        await booking.put_days_off(session, self.clock, self.structure, self.town.structure.days_off, self.specs.values())
        await places.note_activities(session, self.said)
        for _ in self.specs:
            self.step()

    async def _days(self, session: AsyncSession) -> None:
        history = self.town.history
        if history is None:
            return
        rows = booking_carrying.arriving(history.rows, self.of)
        for activity, day in sorted(await booking_carrying.carry(session, self.book, self.clock, self.structure, rows)):
            self.loaded.warnings.append(f"{history.place}: left out, bookings of {activity} on {day}: something is known of that day here")
        self.step()

    def _families(self, families: Sequence[Family]) -> Portion:
        async def load(session: AsyncSession) -> None:
            # First of all, as agents do, who write the same rows.
            await take_turn(session, self.structure)
            wanted: dict[TakenOver, TakenOverBooking] = {}
            for family in families:
                await self._enroll(session, family)
                for line in family.bookings:
                    wanted |= dict.fromkeys(self._taken_over_days(self.names.families[family.id], line), line)
                    self.step()
            for one in await take_over(session, self.book, self.clock, self.structure, list(wanted)):
                self.loaded.warnings.append(f"{wanted[one].place}: left out, {one.activity} on {one.date}: FULL, or closed already")

        return load

    async def _enroll(self, session: AsyncSession, family: Family) -> None:
        if family.criteria is not None:
            await places.tell_criteria(session, self.clock.now(), self.structure, self.names.families[family.id], family.criteria)
        for child in family.children:
            for enrollment in child.enrollments:
                ours = (self.names.children[child.id], self.names.families[family.id], self.structure)
                activity = self.names.activities[enrollment.activity]
                await places.enroll(session, self.clock, *ours, activity, enrollment.since, enrollment.until)
            self.step()

    def _taken_over_days(self, family: str, line: TakenOverBooking) -> Iterator[TakenOver]:
        spec = self.specs[line.activity]
        days = [line.date] if line.count is None else open_days(spec, line.date, line.count)
        if line.count is not None and len(days) < line.count:
            self.loaded.warnings.append(f"{line.place}: only {len(days)} days of {spec.id} are left until {spec.closes_on}")
        for day in days:
            if reason := why_not_open(spec, day):
                self.loaded.warnings.append(f"{line.place}: left out, {spec.id} is not open on {day} ({reason})")
            else:
                yield TakenOver(self.names.children[line.child], family, spec.id, day, line.arrival, line.departure)

    def _renamed(self, spec: ActivitySpec) -> ActivitySpec:
        return replace(spec, id=self.names.activities[spec.id], wallet=self.names.wallets[spec.wallet])


def portions_of(families: Sequence[Family]) -> Iterator[list[Family]]:
    """Some families at a time, with PORTION bookings or so."""
    portion: list[Family] = []
    size = 0
    for family in families:
        portion.append(family)
        size += 1 + sum(line.count or 1 for line in family.bookings)
        if size >= PORTION:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _one_after_another(portions: Sequence[Portion]) -> Portion:
    async def load(session: AsyncSession) -> None:
        for portion in portions:
            await portion(session)

    return load


# ------------------------------------------------------------------------------------------------ from the file's words
def structure_spec(town: Town) -> StructureSpec:
    structure = town.structure
    asks = structure.second_factor, structure.secret_questions
    return StructureSpec(structure.id, structure.name, structure.timezone, structure.school_zone, *asks, structure.retention or None)


def tariff_version(tariff: Tariff) -> TariffVersion:
    bands = tuple(QuotientBand(band.quotient_up_to, band.cents, band.quotient_above) for band in tariff.bands)
    return TariffVersion(
        tariff.valid_from,
        tariff.per,
        bands,
        tariff.siblings_percent,
        effort=tariff.effort,
        rounding=tariff.rounding,
        outside_town=tariff.outside_town,
        charged=tariff.charged,
    )


def _no_password(account: Account) -> Mistake:
    assert account.place is not None, "accounts come from a file"
    return Mistake(account.place, f"account {account.login!r} is new and has no password", "password: ...")


def _account_spec(account: Account, structure: str) -> AccountSpec:
    return AccountSpec(
        login=account.login,
        password=account.password,
        title=account.title,
        first_name=account.first_name,
        last_name=account.last_name,
        email=account.email,
        agent_of=structure if account.agent else None,
        language=account.language,
        structure=structure,
        administrator=account.administrator,
        reports=account.reports,
        announcements_by_mail=account.announcements_by_mail,
    )


# ------------------------------------------------------------------------------------------- what only the databases can tell
async def _check(towns: Sequence[Town], databases: dict[str, Database]) -> None:
    mistakes: list[Mistake] = []
    logins: set[str] = set()  # of the towns before
    for town in towns:
        names = await names_of(town, databases)
        async with databases["identity"].reading() as session:
            known = logins | (await queries.account_ids(session, [plain_login(account.login) for account in town.accounts])).keys()
            listed = {row.id: row.family_id for row in await rows_of(session, Child, names.children.values()) if row.listed}
        new = [account for account in town.accounts if plain_login(account.login) not in known]
        mistakes += [_no_password(account) for account in new if account.password is None]
        mistakes += _taken_away(town, names, listed)
        logins |= {plain_login(account.login) for account in town.accounts}
    if mistakes:
        raise TownFileError(mistakes)


def _taken_away(town: Town, names: Names, listed: dict[str, str]) -> Iterator[Mistake]:
    """Children of families that the file leaves out, and which therefore keep them. `listed`: child -> family."""
    here = set(names.families.values())
    for child in (child for family in town.families for child in family.children):
        family = listed.get(names.children[child.id])
        if family is not None and family not in here:
            assert child.place is not None, "children come from a file"
            yield Mistake(child.place, f"child {child.id!r} is one of family {family!r}", f"family {family!r} in the file too, without it")


@asynccontextmanager
async def _counting(database: Database, service: str, loaded: Loaded) -> AsyncIterator[None]:
    """Count the rows that are written meanwhile."""

    def count(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        written = _WRITES.match(statement)
        if written is not None and written[1] not in NO_NEWS and not _NOTES.match(statement):
            loaded.changes[service] += max(cursor.rowcount, 0)

    event.listen(database.engine.sync_engine, "after_cursor_execute", count)
    try:
        yield
    finally:
        event.remove(database.engine.sync_engine, "after_cursor_execute", count)
