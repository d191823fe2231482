"""What agents do with families' money at the counter ("régie"): payments, refunds, reversals, adjustments, transfers.

Each act is one transaction with its line in the audit trail. The structure is locked first, so that acts of one structure come one after
another, then the family's standing, under which its balances are sums that nobody changes. A key that comes again with the same content
is the same act: it changes nothing and answers the same.
"""

import datetime as dt
import hashlib
from dataclasses import dataclass, replace

import orjson
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.billing import queries
from services.billing.audit import Done, note, reason_of
from services.billing.commands import Payment, lock_standing, lock_structure, post_payment, post_with_detail
from services.billing.ledger import EntryKind, PaymentMode, adjustment, refund
from services.billing.posting import Movement, Posted, post_once
from services.billing.tables import LedgerEntry, PaymentDetail
from services.clock import Clock
from services.refusal import Forbidden, Refused

MOST_CENTS = 10_000_000  #: What one act moves, at most: a slip of the finger, not a payment.
LONG_AGO = dt.timedelta(days=10 * 365)  #: An older payment is a slip of the finger.
LONGEST = 100  #: Characters of a piece number, a name, a bank.


@dataclass(frozen=True, slots=True)
class Agent:
    """Who acts, and for which structure."""

    account: str
    structure: str


@dataclass(frozen=True, slots=True)
class Money:
    """What reaches a wallet, or leaves it for the family, as an agent says it."""

    family: str
    wallet: str
    mode: PaymentMode
    cents: int
    reference: str | None
    payer: str  #: Or, of a refund, who is paid.
    bank: str | None
    date: dt.date | None = None  #: None: today.


# ------------------------------------------------------------------------------------------------------------------ acts
async def record_payment(session: AsyncSession, clock: Clock, agent: Agent, key: str, money: Money) -> str:
    """Its entry (S11). Raises Refused: INVALID_AMOUNT, INVALID_PAYMENT, IDEMPOTENCY_KEY_REUSED; Forbidden for a wallet of elsewhere."""
    today = await _begin(session, clock, agent, money.family, money.wallet)
    paid = await _nameless(session, _payment(agent, key, money, today))
    posted = await post_payment(session, clock, paid)
    await _note(session, clock, agent, posted, Done("RECORD_PAYMENT", money.family, money.wallet, posted.id, after=_told(paid)))
    return posted.id


async def refund_family(session: AsyncSession, clock: Clock, agent: Agent, key: str, money: Money, reason: str) -> str:
    """Its entry. Never more than the wallet holds.

    Raises Refused: INVALID_AMOUNT, INVALID_PAYMENT, REASON_REQUIRED, NOT_ENOUGH_CREDIT, IDEMPOTENCY_KEY_REUSED; Forbidden.
    """
    why = reason_of(reason)
    today = await _begin(session, clock, agent, money.family, money.wallet)
    paid = await _nameless(session, _payment(agent, key, money, today, "payee"))
    entry = refund(paid.cause, money.family, money.wallet, money.mode, money.cents)
    await _has_credit(session, agent, paid.cause, money.family, money.wallet, money.cents)
    posted = await post_with_detail(session, clock, entry, paid, why)
    await _note(session, clock, agent, posted, Done("REFUND", money.family, money.wallet, posted.id, why, after=_told(paid)))
    return posted.id


async def reverse_payment(session: AsyncSession, clock: Clock, agent: Agent, payment: str, reason: str) -> str:
    """Its entry: a payment that was none, as a cheque that bounced, is taken back, once and whole, whatever the wallet holds.

    Raises Refused: REASON_REQUIRED, ALREADY_REVERSED; Forbidden for what is no payment of the structure.
    """
    why = reason_of(reason)
    await lock_structure(session, agent.structure)
    found = await session.get(LedgerEntry, payment)
    if found is None or found.structure != agent.structure or found.kind is not EntryKind.PAYMENT:
        raise Forbidden
    if await queries.is_being_erased(session, found.family):
        raise Forbidden
    detail = await session.get_one(PaymentDetail, payment)
    cause = f"{queries.REVERSAL}{payment}"
    lines = detail.reference, detail.payer, detail.bank
    paid = Payment(cause, agent.structure, found.family, found.wallet, detail.mode, found.amount_cents, None, *lines)
    entry = refund(cause, found.family, found.wallet, detail.mode, found.amount_cents)
    try:
        posted = await post_with_detail(session, clock, entry, paid, why)
    except Refused:  # For another reason: it was taken back, and nobody can say so again in other words.
        raise Refused("ALREADY_REVERSED") from None
    done = Done("REVERSE_PAYMENT", found.family, found.wallet, posted.id, why, before={"payment": payment}, after=_told(paid))
    await _note(session, clock, agent, posted, done)
    return posted.id


async def adjust_wallet(
    session: AsyncSession, clock: Clock, agent: Agent, key: str, family: str, wallet: str, cents: int, reason: str
) -> str:
    """Its entry: gives the wallet so much, or takes it where it is negative, even into debt.

    Raises Refused: INVALID_AMOUNT, REASON_REQUIRED, IDEMPOTENCY_KEY_REUSED; Forbidden.
    """
    why = reason_of(reason)
    await _begin(session, clock, agent, family, wallet)
    check_cents(abs(cents))
    entry = adjustment(_cause(agent, key), family, wallet, cents)
    (posted,) = await post_once(session, clock, [Movement(entry, agent.structure, family, wallet, None, why)])
    await _note(session, clock, agent, posted, Done("ADJUST_WALLET", family, wallet, posted.id, why, after={"cents": cents}))
    return posted.id


async def transfer(
    session: AsyncSession, clock: Clock, agent: Agent, key: str, family: str, wallets: tuple[str, str], cents: int, reason: str
) -> tuple[str, str]:
    """Its two entries: from one of a family's wallets to another, never more than the first holds.

    Raises Refused: INVALID_AMOUNT, INVALID_PAYMENT, REASON_REQUIRED, NOT_ENOUGH_CREDIT, IDEMPOTENCY_KEY_REUSED; Forbidden.
    """
    why = reason_of(reason)
    giving, taking = wallets
    await _begin(session, clock, agent, family, giving, taking)
    check_cents(cents)
    if giving == taking:
        raise Refused("INVALID_PAYMENT", text="SAME_WALLET", field="toWallet")
    cause = _cause(agent, key)
    await _has_credit(session, agent, cause, family, giving, cents)
    leaves, arrives = adjustment(cause, family, giving, -cents), adjustment(f"{cause}{queries.TRANSFERRED}", family, taking, cents)
    halves = [Movement(half, agent.structure, family, wallet, None, why) for half, wallet in ((leaves, giving), (arrives, taking))]
    gone, come = await post_once(session, clock, halves)
    done = Done("TRANSFER", family, giving, gone.id, why, after={"cents": cents, "to": taking, "to_entry": come.id})
    await _note(session, clock, agent, gone, done)
    return gone.id, come.id


# -------------------------------------------------------------------------------------------------------------- decisions
async def _begin(session: AsyncSession, clock: Clock, agent: Agent, family: str, *wallets: str) -> dt.date:
    """Hold the structure and the family; the day it is there. Raises Forbidden for what is not the structure's, or is being erased."""
    town = await lock_structure(session, agent.structure)
    known = await queries.wallets_of(session, agent.structure)
    if (await queries.structures_of(session, [family])).get(family) != agent.structure or not known.issuperset(wallets):
        raise Forbidden
    await lock_standing(session, agent.structure, family)
    if await queries.is_being_erased(session, family):
        raise Forbidden
    return clock.today(town.timezone)


def _cause(agent: Agent, key: str) -> str:
    """The agent's own: nobody else's key meets it, whatever is in it."""
    return f"counter/{hashlib.sha256(orjson.dumps([agent.structure, agent.account, key])).hexdigest()}"


def _payment(agent: Agent, key: str, money: Money, today: dt.date, payer_field: str = "payer") -> Payment:
    """`payer_field`: what the input calls who pays, or is paid. Raises Refused: INVALID_AMOUNT, INVALID_PAYMENT."""
    check_cents(money.cents)
    if money.mode is PaymentMode.INTERNET:
        raise Refused("INVALID_PAYMENT", text="NOT_AT_THE_COUNTER", field="mode")
    check_date(money.date, today)
    reference, payer, bank = line_of("reference", money.reference), line_of(payer_field, money.payer), line_of("bank", money.bank)
    if payer is None:
        raise Refused("INVALID_PAYMENT", text="PAYER_MISSING", field=payer_field)
    if money.mode is PaymentMode.CHEQUE and reference is None:
        raise Refused("INVALID_PAYMENT", text="CHEQUE_WITHOUT_NUMBER", field="reference")
    cause = _cause(agent, key)
    return Payment(cause, agent.structure, money.family, money.wallet, money.mode, money.cents, money.date, reference, payer, bank)


async def _nameless(session: AsyncSession, paid: Payment) -> Payment:
    """What an erased family owed, or has left, may still be paid: under its number, and whose account it was is in the town's vouchers."""
    number = await queries.erased_number(session, paid.family)
    return paid if number is None else replace(paid, payer=number)


def check_date(date: dt.date | None, today: dt.date) -> None:
    """Raises Refused INVALID_PAYMENT."""
    if date is not None and date > today:
        raise Refused("INVALID_PAYMENT", text="DATE_TO_COME", field="date")
    if date is not None and date < today - LONG_AGO:
        raise Refused("INVALID_PAYMENT", text="DATE_LONG_AGO", field="date", years=LONG_AGO.days // 365)


def line_of(name: str, text: str | None) -> str | None:
    """As it is kept: one line, or none. Raises Refused INVALID_PAYMENT."""
    said = (text or "").strip()
    if len(said) > LONGEST or not said.isprintable():
        raise Refused("INVALID_PAYMENT", text="LINE_NOT_POSSIBLE", field=name, most=LONGEST)
    return said or None


def check_cents(cents: int) -> None:
    """Raises Refused INVALID_AMOUNT."""
    if not 0 < cents <= MOST_CENTS:
        raise Refused("INVALID_AMOUNT", text="AMOUNT_NOT_POSSIBLE", most=MOST_CENTS // 100)


async def _has_credit(session: AsyncSession, agent: Agent, cause: str, family: str, wallet: str, cents: int) -> None:
    """Raises Refused NOT_ENOUGH_CREDIT, unless it was done already: what a wallet holds since is no reason to refuse it now."""
    if (await session.exec(select(LedgerEntry.id).where(LedgerEntry.cause == cause))).first() is not None:
        return
    held = (await queries.purse_cents(session, [family])).get((family, wallet), 0)
    if held < cents:
        raise Refused("NOT_ENOUGH_CREDIT", euros=f"{held / 100:.2f}")


async def _note(session: AsyncSession, clock: Clock, agent: Agent, posted: Posted, done: Done) -> None:
    if posted.is_new:
        await note(session, clock.now(), agent.structure, agent.account, done)


def _told(paid: Payment) -> dict[str, object]:
    return {
        "cents": paid.cents,
        "mode": paid.mode,
        "date": paid.date,
        "reference": paid.reference,
        "bank": paid.bank,
    }
