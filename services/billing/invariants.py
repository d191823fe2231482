"""What must always be true of billing's tables: `preau check` says what is not."""

from collections import defaultdict

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.billing import queries
from services.billing.audit import broken_seals
from services.billing.balance import Tolerance, in_debit
from services.billing.hold import HoldKind, HoldState
from services.billing.ledger import EntryKind, is_wallet, wallet_account
from services.billing.online import OnlinePaymentStatus
from services.billing.paying import cause_of
from services.billing.queries import ONLINE
from services.billing.tables import Consumption, Hold, LedgerEntry, OnlinePayment, PaymentDetail, Standing, Wallet


async def violations(session: AsyncSession) -> list[str]:
    """One sentence each; empty if all is well."""
    return [
        sentence
        for check in (_entries, _ledger, _payments, _online, _holds, _consumptions, _standings, broken_seals)
        for sentence in await check(session)
    ]


async def _entries(session: AsyncSession) -> list[str]:
    """Positive, between two accounts, of the family and wallet that they name, one for each cause."""
    structures = dict((await session.exec(select(Wallet.id, Wallet.structure))).all())
    causes: dict[str, int] = defaultdict(int)
    found = []
    for entry in await session.exec(select(LedgerEntry)):
        causes[entry.cause] += 1
        if entry.amount_cents <= 0 or entry.from_account == entry.to_account:
            found.append(f"ledger entry {entry.id} moves {entry.amount_cents} cents from {entry.from_account} to {entry.to_account}")
        if wallet_account(entry.family, entry.wallet) not in (entry.from_account, entry.to_account):
            found.append(f"ledger entry {entry.id} does not touch wallet {entry.wallet} of family {entry.family}")
        if structures.get(entry.wallet) != entry.structure:
            found.append(f"ledger entry {entry.id} is in structure {entry.structure}, its wallet {entry.wallet} is not")
    return found + [f"cause {cause} has {count} ledger entries" for cause, count in causes.items() if count > 1]


async def _ledger(session: AsyncSession) -> list[str]:
    """Zero over all accounts, each summed as balances are."""
    names = select(LedgerEntry.from_account).union(select(LedgerEntry.to_account))
    accounts = [account for (account,) in await (await session.connection()).execute(names)]
    total = 0
    for start in range(0, len(accounts), 1000):
        total += sum((await queries.account_cents(session, accounts[start : start + 1000])).values())
    return [f"the ledger's accounts sum to {total} cents, not 0"] if total else []


async def _payments(session: AsyncSession) -> list[str]:
    bare = (
        select(LedgerEntry.id)
        .join(PaymentDetail, col(PaymentDetail.entry) == col(LedgerEntry.id), isouter=True)
        .where(col(LedgerEntry.kind).in_([EntryKind.PAYMENT, EntryKind.REFUND]), col(PaymentDetail.entry).is_(None))
    )
    return [f"payment {entry} does not say how it was paid" for entry in await session.exec(bare)]


async def _online(session: AsyncSession) -> list[str]:
    """Of an online payment that was paid, one entry for each wallet, of its amount; of any other, none (S19)."""
    entries = select(LedgerEntry.cause, LedgerEntry.family, LedgerEntry.amount_cents)
    posted = {
        cause: (family, cents) for cause, family, cents in await session.exec(entries.where(col(LedgerEntry.cause).startswith(ONLINE)))
    }
    due: dict[str, tuple[str, int]] = {}
    found = []
    for payment in await session.exec(select(OnlinePayment).where(OnlinePayment.status == OnlinePaymentStatus.PAID)):
        credited = payment.lines if payment.credited is None else payment.credited
        due |= {cause_of(payment.id, wallet): (payment.family, cents) for wallet, cents in credited}
        if sum(cents for _, cents in payment.lines) != payment.amount_cents:
            found.append(f"online payment {payment.id} is over {payment.amount_cents} cents, its lines are not")
    found += [f"{cause} was paid and feeds no wallet, or another, or with other cents" for cause in due if posted.get(cause) != due[cause]]
    return found + [f"{cause} feeds a wallet and was not paid" for cause in posted if cause not in due]


async def _holds(session: AsyncSession) -> list[str]:
    """Explained to the cent, on a wallet of the right structure, and at most one confirmed for a child's day."""
    structures = dict((await session.exec(select(Wallet.id, Wallet.structure))).all())
    days: dict[tuple[object, ...], int] = defaultdict(int)
    found = []
    for hold in await session.exec(select(Hold)):
        if sum(step["amount_cents"] or 0 for step in hold.explanation) != hold.amount_cents:
            found.append(f"the hold of booking {hold.booking} is not what its steps add up to")
        if hold.state is HoldState.LIVE:
            days[hold.family, hold.child, hold.activity, hold.date] += hold.kind is HoldKind.CONFIRMED
            if hold.wallet is None or structures.get(hold.wallet) != hold.structure:
                found.append(f"the hold of booking {hold.booking} draws on {hold.wallet}, no wallet of {hold.structure}")
    return found + [
        f"{child} of {family} has {n} holds for {activity} on {date}" for (family, child, activity, date), n in days.items() if n > 1
    ]


async def _consumptions(session: AsyncSession) -> list[str]:
    """The books say of each what it comes to, of its own wallet; and a booking is charged if, and only if, its hold is settled."""
    taken: dict[str | None, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    what = col(LedgerEntry.settles), col(LedgerEntry.from_account), col(LedgerEntry.to_account), col(LedgerEntry.amount_cents)
    for cause, from_account, to_account, cents in await session.exec(select(*what).where(col(LedgerEntry.settles).is_not(None))):
        account, more = (from_account, cents) if is_wallet(from_account) else (to_account, -cents)
        taken[cause][account] += more
    found, charged = [], set()
    for one in await session.exec(select(Consumption)):
        said = {account: cents for account, cents in taken.pop(one.cause, {}).items() if cents}
        if said != ({wallet_account(one.family, one.wallet): one.amount_cents} if one.amount_cents else {}):
            found.append(f"{one.cause} comes to {one.amount_cents} cents; its entries say {said}")
        if sum(step["amount_cents"] or 0 for step in one.explanation) != one.amount_cents:
            found.append(f"{one.cause} is not what its steps add up to")
        if one.due and one.booking is not None:
            charged.add(one.booking)
    settled = set((await session.exec(select(Hold.booking).where(Hold.state == HoldState.SETTLED))).all())
    found += [f"booking {booking} is charged, and its hold is not settled" for booking in sorted(charged - settled)]
    found += [f"the hold of booking {booking} is settled, and nothing is charged for it" for booking in sorted(settled - charged)]
    return found + [f"ledger entries settle {cause}, which is no consumption" for cause in sorted(map(str, taken))]


async def _standings(session: AsyncSession) -> list[str]:
    """What is said of each family is what its posted balance says (S21)."""
    standings = {standing.family: standing.in_debit for standing in await session.exec(select(Standing))}
    towns = dict((await session.exec(select(LedgerEntry.family, func.max(LedgerEntry.structure)).group_by(LedgerEntry.family))).all())
    posted: dict[str, int] = {}
    families = sorted(towns)
    borne: dict[str, Tolerance] = {}
    for start in range(0, len(families), 1000):
        portion = families[start : start + 1000]
        posted |= await queries.posted_cents(session, portion)
        borne |= await queries.tolerances(session, {family: towns[family] for family in portion})
    return [
        f"family {family} has {posted.get(family, 0)} cents and is said to be {'in debt' if standings.get(family) else 'in order'}"
        for family in sorted({*towns, *standings})
        if in_debit(posted.get(family, 0), borne.get(family, Tolerance())) != standings.get(family, False)
    ]
