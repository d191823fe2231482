"""Online payments as rows: what a family intends, the page that it was given, what its provider says of it (S16 to S19).

Three transactions, and the provider is called between them, never inside one: dying anywhere leaves a row that says what is next.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.billing import queries
from services.billing.commands import Payment, lock_standing, post_payment, town_of
from services.billing.ledger import PaymentMode
from services.billing.online import LONGEST_PAGE, OPEN, Heard, OnlinePaymentStatus, Outcome, Told, Trouble, next_look, outcome, run_out
from services.billing.provider import Capabilities, Page, Provider
from services.billing.tables import OnlinePayment, Payer, PaymentNotice
from services.billing.texts import paid_for, say
from services.clock import Clock
from services.events import PaymentFailed, PaymentReceived, PaymentSettled, WalletFed
from services.mail_addresses import is_email
from services.outbox import record
from services.refusal import Forbidden, Refused
from services.saying import new_id
from services.telemetry import log

LONGEST_ID = 30  #: Characters: PayFiP's orders have no more.
MOST_OPEN = 10  #: Payments of a family at one time: whoever has so many pages may pay on each.
#: Whoever asks about a payment has it to himself for so long; then, or when the provider did not answer, it is anybody's again.
CLAIM = dt.timedelta(seconds=15)
AGAIN = dt.timedelta(seconds=15)
#: However many notifications come, a provider is not asked about one payment more often.
REST = dt.timedelta(seconds=1)
#: What a family called off itself, or an agent ended, is no news to it.
TOLD_AS_FAILED = (OnlinePaymentStatus.REFUSED, OnlinePaymentStatus.EXPIRED)
MOST_NOTICES = 100  #: Of one payment that are kept. They have been heard all the same.


@dataclass(frozen=True, slots=True)
class Intent:
    """What a family wants to pay, (wallet, cents) each; `email` None: the account's own."""

    structure: str
    family: str
    account: str
    key: str
    lines: tuple[tuple[str, int], ...]
    email: str | None
    language: str

    @property
    def name(self) -> str:
        """The same for a repeat; short, whatever the client's key is."""
        return _digest([self.family, self.account, self.key])

    @property
    def content(self) -> str:
        return _digest([sorted(self.lines), self.email])

    @property
    def amount_cents(self) -> int:
        return sum(cents for _, cents in self.lines)


def _digest(what: object) -> str:
    return hashlib.sha256(orjson.dumps(what)).hexdigest()


# ---------------------------------------------------------------------------------------------------------------- intent
async def intend(session: AsyncSession, clock: Clock, intent: Intent, provider: Provider | None) -> OnlinePayment:
    """The payment, started; the same key gives the same one again. `provider`: who takes new ones.

    Refused INVALID_AMOUNT, EMAIL_REQUIRED for what is no address (S18) or where there is none, IDEMPOTENCY_KEY_REUSED,
    PAYMENT_UNAVAILABLE, TOO_MANY_OPEN_PAYMENTS. Raises Forbidden for a wallet that is not the structure's.
    """
    await _check(session, intent)
    await lock_standing(session, intent.structure, intent.family)  # A double click: the second one finds what the first began.
    known = (await session.exec(select(OnlinePayment).where(OnlinePayment.key == intent.name))).first()
    if known is not None:
        if known.content != intent.content:
            raise Refused("IDEMPOTENCY_KEY_REUSED")
        return known
    if provider is None or await queries.is_being_erased(session, intent.family):
        raise Refused("PAYMENT_UNAVAILABLE")
    _check_bounds(intent.amount_cents, provider.can)
    await _check_open(session, clock, intent.family)
    name, own_email = await _payer(session, intent)
    email = (intent.email or own_email or "").strip()
    if not email:
        raise Refused("EMAIL_REQUIRED")
    now = clock.now()
    row = OnlinePayment(
        id=new_id()[:LONGEST_ID],
        key=intent.name,
        content=intent.content,
        structure=intent.structure,
        family=intent.family,
        account=intent.account,
        lines=[list(line) for line in intent.lines],
        amount_cents=intent.amount_cents,
        payer=say("PAID_ONLINE_FOR", "fr", name=name).upper(),  # As the guide's history has it (S11), whatever the payer reads.
        language=intent.language,
        email=email,
        provider=provider.name,
        status=OnlinePaymentStatus.STARTED,
        started_at=now,
        status_since=now,
        look_at=now + OPEN,  # Without a page nobody can be asked; with one, sooner.
    )
    session.add(row)
    await session.flush()
    return row


async def _check(session: AsyncSession, intent: Intent) -> None:
    known = await queries.wallets_of(session, intent.structure)
    wallets = [wallet for wallet, _ in intent.lines]
    if any(wallet not in known for wallet in wallets):
        raise Forbidden
    if not wallets or len(set(wallets)) < len(wallets) or any(cents <= 0 for _, cents in intent.lines):
        raise Refused("INVALID_AMOUNT")
    if intent.email is not None and not is_email(intent.email.strip()):
        raise Refused("EMAIL_REQUIRED")


def _check_bounds(cents: int, can: Capabilities) -> None:
    if not can.min_cents <= cents <= can.max_cents:
        least, most = (f"{bound // 100}.{bound % 100:02}" for bound in (can.min_cents, can.max_cents))
        raise Refused("INVALID_AMOUNT", text="AMOUNT_OUT_OF_BOUNDS", least=least, most=most)


async def _check_open(session: AsyncSession, clock: Clock, family: str) -> None:
    """Of pages that nobody can pay on any more, none counts, whatever their provider says or does not say; nor where money came."""
    count = select(func.count()).where(OnlinePayment.family == family, *queries.under_way(clock.now() - LONGEST_PAGE))
    if (await session.exec(count)).one() >= MOST_OPEN:
        raise Refused("TOO_MANY_OPEN_PAYMENTS", most=MOST_OPEN)


async def _payer(session: AsyncSession, intent: Intent) -> tuple[str, str | None]:
    """Name and address of the adult who pays; for an agent the family's first one, whose address is not the agent's to use."""
    payer = await session.get(Payer, intent.family)
    adults = payer.adults if payer is not None else []
    for adult in adults:
        if adult["account"] == intent.account:
            return adult["name"], adult["email"]
    return (adults[0]["name"] if adults else intent.family), None


# ------------------------------------------------------------------------------------------------------------------ page
async def record_page(session: AsyncSession, clock: Clock, id: str, page: Page) -> OnlinePayment:
    """The first page counts: one that came later, or for a payment that is over by now, is never shown to anybody."""
    row = await session.get_one(OnlinePayment, id, with_for_update=True)
    if row.session is None and row.status is OnlinePaymentStatus.STARTED:
        row.session, row.url = page.session, page.url
        row.look_at = next_look(row.status, row.started_at, clock.now())
        await session.flush()
    return row


# ---------------------------------------------------------------------------------------------------------------- notice
async def keep_notice(session: AsyncSession, clock: Clock, provider: str, about: str, body: bytes) -> bool:
    """Remember that the provider wants to be asked about its session `about`. False: it is none of ours."""
    statement = select(OnlinePayment).where(OnlinePayment.provider == provider, OnlinePayment.session == about).with_for_update()
    row = (await session.exec(statement)).first()
    if row is None:
        return False
    now = clock.now()
    if row.status is not OnlinePaymentStatus.PAID:  # Whatever was told before, and however long ago.
        soon = now if row.looked_at is None else max(now, row.looked_at + REST)
        row.look_at = soon if row.look_at is None else min(row.look_at, soon)
    name = hashlib.sha256(f"{row.id}\n".encode() + body).hexdigest()
    kept = select(func.count()).select_from(PaymentNotice).where(PaymentNotice.payment == row.id)
    if await session.get(PaymentNotice, name) is None and (await session.exec(kept)).one() < MOST_NOTICES:
        session.add(PaymentNotice(id=name, payment=row.id, body=body, received_at=now))
    await session.flush()
    return True


# ---------------------------------------------------------------------------------------------------------------- status
async def is_due(session: AsyncSession, now: dt.datetime) -> bool:
    """Whether there is somebody to ask."""
    return (await session.exec(select(OnlinePayment.id).where(col(OnlinePayment.look_at) <= now).limit(1))).first() is not None


async def claim(session: AsyncSession, clock: Clock, most: int) -> Sequence[OnlinePayment]:
    """Payments to ask about now, longest due first; no other replica is given them meanwhile."""
    now = clock.now()
    due = select(OnlinePayment).where(col(OnlinePayment.look_at) <= now).order_by(col(OnlinePayment.look_at)).limit(most)
    rows = (await session.exec(due.with_for_update(skip_locked=True))).all()
    for row in rows:
        row.looked_at, row.look_at = now, now + CLAIM
    await session.flush()
    return rows


async def settle(session: AsyncSession, clock: Clock, claimed: OnlinePayment, told: Told | None) -> None:
    """What follows from what the provider said (None: nothing certain): at most one entry per wallet, whoever else hears it now.

    `claimed`: the payment as it was when the provider was asked.
    """
    row = await session.get_one(OnlinePayment, claimed.id, with_for_update=True)
    now = clock.now()
    row.heard, row.heard_at = Heard.UNKNOWN if told is None else Heard(told.status), now
    result = _outcome(row, told, now)
    if told is not None and result.trouble is not None:
        _be_in_trouble(row, told, result.trouble, now)
    if result.status is not None:
        await come_to(session, clock, row, result.status, result.reference, row.lines)
    since = row.started_at if row.status is OnlinePaymentStatus.STARTED else row.status_since
    look_again(row, _not_after(next_look(row.status, since, now), row, claimed))
    await session.flush()


def look_again(row: OnlinePayment, at: dt.datetime | None) -> None:
    """None: never; then nobody needs the payer's address any more."""
    row.look_at = at
    if at is None:
        row.email = None


def _outcome(row: OnlinePayment, told: Told | None, now: dt.datetime) -> Outcome:
    if told is None or told.status is OnlinePaymentStatus.STARTED:
        is_over = run_out(row.status, row.started_at, now, is_open=told is not None) and row.trouble is None
        return Outcome(OnlinePaymentStatus.EXPIRED if is_over else None)
    return outcome(row.id, row.amount_cents, row.status, told, None if row.ended_at is None else came(row))


def came(row: OnlinePayment) -> Told:
    """What money came that credited nobody, as the provider said it."""
    return Told(OnlinePaymentStatus.PAID, row.came_cents, row.came_currency, row.came_order, row.came_reference)


def _be_in_trouble(row: OnlinePayment, told: Told, trouble: Trouble, now: dt.datetime) -> None:
    if row.trouble is not None and told.came == came(row).came:
        return
    row.trouble, row.trouble_since = trouble, now
    row.came_cents, row.came_currency, row.came_order, row.came_reference = told.amount_cents, told.currency, told.order, told.reference
    log().error("a payment credits nobody: an agent must look", payment=row.id, trouble=trouble, came=told.came)


def _not_after(look_at: dt.datetime | None, row: OnlinePayment, claimed: OnlinePayment) -> dt.datetime | None:
    """Then, or sooner if a notification came while the provider was asked: perhaps it is about what was not true yet."""
    if look_at is None or row.look_at is None or row.look_at == claimed.look_at:
        return look_at
    return min(look_at, row.look_at)


async def come_to(
    session: AsyncSession,
    clock: Clock,
    row: OnlinePayment,
    status: OnlinePaymentStatus,
    reference: str | None,
    lines: Iterable[Any],
    reason: str | None = None,
) -> list[str]:
    """The payment ends like that; the entries that credit these lines, [wallet, cents] each, if it is paid. The caller has locked it.

    `reason`: of the agent who says so.
    """
    version = 1 if row.status is OnlinePaymentStatus.STARTED else 2  # What ended is only ever paid after all.
    row.status, row.status_since, row.reference = status, clock.now(), reference
    is_paid = status is OnlinePaymentStatus.PAID
    if is_paid:
        row.trouble = None
    await session.flush()
    entries = [await _credit(session, clock, row, wallet, cents, reason) for wallet, cents in (sorted(lines) if is_paid else ())]
    if entries:
        await _tell_payer(session, clock, row)
    elif status in TOLD_AS_FAILED and row.trouble is None:
        await _tell_failure(session, clock, row)
    record(
        session,
        PaymentSettled(
            occurred_at=clock.now(),
            structure=row.structure,
            version=version,
            payment=row.id,
            family=row.family,
            status=status.value,
            amount_cents=sum(cents for _, cents in lines) if is_paid else row.amount_cents,
            reference=reference,
        ),
    )
    return entries


async def _credit(session: AsyncSession, clock: Clock, row: OnlinePayment, wallet: str, cents: int, reason: str | None) -> str:
    cause, bank = cause_of(row.id, wallet), say("PAID_ONLINE", "fr")
    paid = Payment(cause, row.structure, row.family, wallet, PaymentMode.INTERNET, cents, None, row.reference, row.payer, bank)
    return (await post_payment(session, clock, paid, reason)).id


async def _tell_payer(session: AsyncSession, clock: Clock, row: OnlinePayment) -> None:
    """With what the ledger says now."""
    lines = await queries.online_lines(session, row.id)
    received = PaymentReceived(
        occurred_at=clock.now(),
        structure=row.structure,
        payment=row.id,
        family=row.family,
        account=row.account,
        email=row.email,
        date=lines[0].entry.date,
        payer=paid_for(row.payer),
        reference=row.reference,
        amount_cents=sum(line.cents for line in lines),
        wallets=[WalletFed(title=line.wallet.name, amount_cents=line.cents) for line in lines],
    )
    record(session, received)


async def _tell_failure(session: AsyncSession, clock: Clock, row: OnlinePayment) -> None:
    """Of what may be paid after all, too: then a receipt follows."""
    town = await town_of(session, row.structure)
    failed = PaymentFailed(
        occurred_at=clock.now(),
        structure=row.structure,
        payment=row.id,
        family=row.family,
        account=row.account,
        email=row.email,
        amount_cents=row.amount_cents,
        status=row.status.value,
        date=clock.today(town.timezone),
    )
    record(session, failed)


def cause_of(payment: str, wallet: str) -> str:
    """Of the entry that feeds this wallet."""
    return f"{queries.ONLINE}{payment}:{wallet}"


async def ask_later(session: AsyncSession, clock: Clock, claimed: OnlinePayment) -> None:
    """The provider did not answer."""
    row = await session.get_one(OnlinePayment, claimed.id, with_for_update=True)
    row.heard, row.heard_at = Heard.SILENT, clock.now()
    if row.look_at is not None:
        row.look_at = _not_after(clock.now() + AGAIN, row, claimed)
    await session.flush()
