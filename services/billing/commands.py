"""What billing can be asked to do. Each command runs in its caller's transaction, and may be repeated without harm."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import delete, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.billing import posting, queries
from services.billing.alerts import set_alert
from services.billing.ledger import Entry, EntryKind, PaymentMode, opening_charge, payment
from services.billing.posting import Movement, Posted, post_once
from services.billing.rate import exact_quotient
from services.billing.tables import (
    Activity,
    Child,
    Family,
    LedgerEntry,
    Payer,
    PaymentDetail,
    Quotient,
    Standing,
    Structure,
    Tariff,
    Wallet,
    core,
)
from services.billing.tariff import TariffVersion, in_order
from services.bulk import BulkUpdate
from services.clock import Clock
from services.refusal import Refused

#: A family's first quotient is in force for every day, also those before it was told.
ALWAYS = dt.date(1900, 1, 1)
HIGHEST_ALERT_CENTS = 1_000_000

#: A row's lock that keeps out who changes it too, and not who posts (posting.TOWNS).
BESIDE_POSTINGS = {"key_share": True}
set_family_debts = BulkUpdate(core(Standing), ("family", "limit_cents", "exempt"))

Copy = TypeVar("Copy", Structure, Activity, Family, Payer)


# ------------------------------------------------------------------------------------------------ what the town has set
async def put_wallet(session: AsyncSession, clock: Clock, id: str, structure: str, name: str) -> None:
    """A purse for every family of the structure (S12)."""
    wallet = await session.get(Wallet, id)
    if wallet is None:
        session.add(Wallet(id=id, structure=structure, name=name))
    else:
        wallet.name = name
    await session.flush()


async def put_tariff(
    session: AsyncSession, clock: Clock, activity: str, structure: str, wallet: str, tariff: Sequence[TariffVersion]
) -> None:
    """What the activity costs from now on: bookings already made keep their price. No versions: it is free.

    Raises TariffError where two versions begin on one day.
    """
    await _draw_on(session, activity, structure, wallet)
    versions = [version.as_data() for version in in_order(tariff)]
    revisions = select(Tariff).where(Tariff.activity == activity).order_by(col(Tariff.revision).desc()).limit(1)
    newest = (await session.exec(revisions)).first()
    if newest is None or newest.versions != versions:
        session.add(Tariff(activity=activity, revision=newest.revision + 1 if newest else 1, versions=versions))
    await session.flush()


async def _draw_on(session: AsyncSession, activity: str, structure: str, wallet: str) -> None:
    copy = await session.get(Activity, activity)
    if copy is None:
        session.add(Activity(id=activity, structure=structure, wallet=wallet))
    else:
        copy.wallet = wallet


async def put_childcare(session: AsyncSession, clock: Clock, activity: str, childcare: bool) -> None:
    """Whether what families pay for it is certified for their taxes. It has a tariff already."""
    (await session.get_one(Activity, activity)).childcare = childcare
    await session.flush()


async def put_quotient(session: AsyncSession, clock: Clock, family: str, structure: str, quotient: Decimal | float | str | None) -> None:
    """The family's quotient: the first for every day, a later one from today on. None: it tells none (any more)."""
    hundredths = None if quotient is None else int(exact_quotient(quotient) * 100)
    latest = (
        await session.exec(select(Quotient).where(Quotient.family == family).order_by(col(Quotient.starts_on).desc()).limit(1))
    ).first()
    if latest is None:
        if hundredths is not None:
            session.add(Quotient(family=family, starts_on=ALWAYS, hundredths=hundredths))
    elif latest.hundredths != hundredths:
        today = clock.today((await town_of(session, structure)).timezone)
        if latest.starts_on == today:
            latest.hundredths = hundredths
        else:
            session.add(Quotient(family=family, starts_on=today, hundredths=hundredths))
    await session.flush()


async def put_debt_limit(session: AsyncSession, clock: Clock, structure: str, cents: int) -> None:
    """How deep in debt a family may be before its bookings close (S21). Weighs every family of the structure again."""
    town = await town_of(session, structure)
    if town.debt_limit_cents == cents:
        return
    # Nobody posts meanwhile: a family that is new to the books would be judged by the limit that was, and not be weighed again here.
    await session.refresh(town, with_for_update=True)
    town.debt_limit_cents = cents
    await session.flush()
    standings = await posting.lock_all_standings(session, structure)
    await posting.weigh(session, clock, {structure: posting.Town(town.timezone, cents)}, standings)


async def put_address(session: AsyncSession, clock: Clock, structure: str, address: str | None) -> None:
    """Where the structure is, for receipts and certificates. None: nobody says."""
    (await town_of(session, structure)).address = address or ""
    await session.flush()


async def put_family_debt(
    session: AsyncSession, clock: Clock, family: str, structure: str, limit_cents: int | None, *, exempt: bool
) -> None:
    """What is borne of this family alone (S21): a limit of its own (None: the structure's), or any debt."""
    own = select(Standing.limit_cents, Standing.exempt).where(Standing.family == family)
    if ((await session.exec(own)).first() or (None, False)) == (limit_cents, exempt):
        return
    towns = await posting.lock_towns(session, [structure])
    (standing,) = await posting.lock_standings(session, {family: structure})
    await set_family_debts(session, [(family, limit_cents, exempt)])
    await posting.weigh(session, clock, towns, [replace(standing, limit_cents=limit_cents, exempt=exempt)])


async def lock_structure(session: AsyncSession, id: str) -> Structure:
    """One agent's act at a time in a structure, until the commit. Before anything of a family is locked."""
    town = await town_of(session, id)
    await session.refresh(town, with_for_update=BESIDE_POSTINGS)
    return town


async def town_of(session: AsyncSession, id: str) -> Structure:
    """As it was last heard; where it was not heard of yet, one by that name."""
    unheard = {"id": id, "debt_limit_cents": 0, "timezone": "Europe/Paris", "title": "", "address": "", "version": 0}
    return await session.get(Structure, id) or await _locked(session, Structure, unheard)


# ------------------------------------------------------------------------------------------------------------ the ledger
@dataclass(frozen=True, slots=True)
class Payment:
    """What a family paid, and how (S11)."""

    cause: str
    structure: str
    family: str
    wallet: str
    mode: PaymentMode
    cents: int
    date: dt.date | None  #: None: today in the town.
    reference: str | None  #: "pièce"
    payer: str
    bank: str | None
    taken_over: bool = False  #: From the old system's books: it never passed through our hands.

    def detail(self, entry: str) -> PaymentDetail:
        row = PaymentDetail(entry=entry, mode=self.mode, reference=self.reference, payer=self.payer, bank=self.bank)
        row.taken_over = self.taken_over
        return row


async def post_payment(session: AsyncSession, clock: Clock, paid: Payment, label: str | None = None) -> Posted:
    """The one way in which a payment reaches the ledger. The same again changes nothing. `label`: why, where an agent had to say so.

    Raises Refused IDEMPOTENCY_KEY_REUSED where its cause has other content; a date that is None is that of the first time.
    """
    entry = payment(paid.cause, paid.family, paid.wallet, paid.mode, paid.cents)
    return await post_with_detail(session, clock, entry, paid, label)


async def post_with_detail(session: AsyncSession, clock: Clock, entry: Entry, paid: Payment, label: str | None = None) -> Posted:
    """An entry, either way between a wallet and whoever pays or is paid back, and what its line in the history says."""
    (posted,) = await post_once(session, clock, [Movement(entry, paid.structure, paid.family, paid.wallet, paid.date, label)])
    detail = paid.detail(posted.id)
    if posted.is_new:
        session.add(detail)
        await session.flush()
    elif (await session.get_one(PaymentDetail, posted.id)).model_dump() != detail.model_dump():
        raise Refused("IDEMPOTENCY_KEY_REUSED")
    return posted


async def take_over_payment(
    session: AsyncSession,
    clock: Clock,
    structure: str,
    family: str,
    wallet: str,
    date: dt.date,
    mode: PaymentMode | str,
    reference: str | None,
    payer: str,
    bank: str | None,
    cents: int,
    cause: str,
) -> None:
    """A payment from the old system's books (S11). Nothing at all where it is 0, or its cause was posted before.

    Raises Refused IDEMPOTENCY_KEY_REUSED where that fed another wallet, or with another amount. A file that was exported here calls
    whatever fed a wallet a payment, and one may give dates that are relative to the day of loading: the rest stays as it was.
    """
    if cents == 0:
        return
    entry = payment(cause, family, wallet, PaymentMode(mode), cents)
    if not await _was_taken_over(session, entry, EntryKind.PAYMENT):
        paid = Payment(cause, structure, family, wallet, PaymentMode(mode), cents, date, reference, payer, bank, taken_over=True)
        await post_with_detail(session, clock, entry, paid)


async def take_over_charge(
    session: AsyncSession,
    clock: Clock,
    structure: str,
    family: str,
    wallet: str,
    date: dt.date,
    label: str,
    cents: int,
    cause: str,
) -> None:
    """A debt from the old system's books. Nothing at all where it is 0, or its cause was posted before; refused as for payments."""
    if cents == 0:
        return
    entry = opening_charge(cause, family, wallet, cents)
    if not await _was_taken_over(session, entry, EntryKind.CHARGE):
        await post_once(session, clock, [Movement(entry, structure, family, wallet, date, label)])


async def _was_taken_over(session: AsyncSession, entry: Entry, kind: EntryKind) -> bool:
    """Whether its cause moved the same wallet in the same direction by as much."""
    known = (await session.exec(select(LedgerEntry).where(LedgerEntry.cause == entry.cause))).first()
    if known is None:
        return False
    moved = (known.to_account == entry.to_account) if kind is EntryKind.PAYMENT else (known.from_account == entry.from_account)
    if not moved or known.amount_cents != entry.amount_cents:
        raise Refused("IDEMPOTENCY_KEY_REUSED")
    return True


async def lock_standing(session: AsyncSession, structure: str, family: str) -> None:
    """Nobody posts to the family meanwhile, until the commit."""
    await posting.lock_standings(session, {family: structure})


async def set_balance_alert(
    session: AsyncSession, clock: Clock, structure: str, family: str, account: str, below_cents: int | None
) -> None:
    """Tell the family when its posted balance falls below that. None: not any more. Raises Refused INVALID_AMOUNT."""
    if below_cents is not None and not 0 <= below_cents <= HIGHEST_ALERT_CENTS:
        raise Refused("INVALID_AMOUNT", text="ALERT_NOT_POSSIBLE", most=HIGHEST_ALERT_CENTS // 100)
    await lock_standing(session, structure, family)
    balance_cents = (await queries.posted_cents(session, [family])).get(family, 0)
    await set_alert(session, family, structure, account, below_cents, balance_cents)


# ------------------------------------------------------------------------------------------------ copies of others' data
# Each is read under a lock, even where there was none yet: another replica may be hearing of the same thing at this moment.
async def copy_structure(session: AsyncSession, id: str, title: str, timezone: str, version: int, retention: Mapping[str, int]) -> None:
    structure = await town_of(session, id)
    await session.refresh(structure, with_for_update=BESIDE_POSTINGS)
    if version > structure.version:
        structure.title, structure.timezone, structure.version = title, timezone, version
        structure.retention = dict(retention) or None
        await session.flush()


async def copy_activity(session: AsyncSession, id: str, structure: str, wallet: str, title: str, version: int) -> None:
    unheard = {"id": id, "structure": structure, "wallet": wallet, "title": "", "childcare": False, "version": 0}
    activity = await _locked(session, Activity, unheard)
    if version > activity.version:
        activity.wallet, activity.title, activity.version = wallet, title, version
        await session.flush()


async def price_like(session: AsyncSession, activity: str, other: str) -> None:
    """Until it has a tariff of its own, an activity has another one's, as it is now, and is childcare if that is."""
    known = select(Tariff).where(col(Tariff.activity).in_([activity, other])).order_by(col(Tariff.revision).desc())
    tariffs = (await session.exec(known)).all()
    if all(tariff.activity == other for tariff in tariffs):
        session.add_all(Tariff(activity=activity, revision=1, versions=tariff.versions) for tariff in tariffs[:1])
        model = await session.get(Activity, other)
        (await session.get_one(Activity, activity)).childcare = model is not None and model.childcare
        await session.flush()


async def copy_family(session: AsyncSession, id: str, structure: str, children: Sequence[str], version: int) -> None:
    """`children` in order of birth, the eldest first."""
    family = await _locked(session, Family, {"id": id, "structure": structure, "version": 0})
    if version <= family.version:
        return
    family.version = version
    await session.exec(delete(Child).where(col(Child.family) == id))
    session.add_all(Child(id=child, family=id, position=position) for position, child in enumerate(children))
    await session.flush()


async def copy_contacts(
    session: AsyncSession, family: str, adults: Sequence[Mapping[str, Any]], children: Mapping[str, dict[str, Any]], version: int
) -> None:
    """`adults`: account, name and email of each, the first one first. `children`: name and birth_date of each."""
    payer = await _locked(session, Payer, {"id": family, "version": 0, "adults": "[]", "children": "{}"})
    if version > payer.version:
        payer.adults, payer.version = [dict(adult) for adult in adults], version
        payer.children = {**payer.children, **children}
        await session.flush()


async def _locked(session: AsyncSession, table: type[Copy], unheard: dict[str, Any]) -> Copy:
    """The copy; where there was none, one of version 0 with what is said now."""
    names = ", ".join(unheard)
    values = ", ".join(f":{name}" for name in unheard)
    statement = f"INSERT INTO {table.__tablename__} ({names}) VALUES ({values}) ON CONFLICT DO NOTHING"
    await (await session.connection()).execute(text(statement), unheard)
    return await session.get_one(table, unheard["id"], with_for_update=BESIDE_POSTINGS)
