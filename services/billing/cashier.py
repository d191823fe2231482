"""The cashier: hands families over to the payment site, and asks it what became of them until nothing can come any more (S19).

Whatever is lost, late or said twice, the rows say whom to ask next (paying.py); any replica may ask, and dying costs some seconds.
"""

import asyncio
from collections.abc import Mapping

from services.billing import paying, queries
from services.billing.online import PAGE_LIVES, OnlinePaymentStatus
from services.billing.paying import Intent
from services.billing.provider import Order, Provider, ProviderTrouble
from services.billing.sandbox import Sandbox, Unsigned
from services.billing.stripe import Stripe
from services.billing.tables import OnlinePayment
from services.refusal import Refused
from services.service import Running
from services.settings import Settings, SettingsError
from services.standard_webhooks import is_secret
from services.telemetry import log

PROVIDERS = "billing.providers"
WOKEN = "billing.cashier_woken"
LOOK_SECONDS = 1.0
AT_ONCE = 16  #: Payments asked about at the same time.


# ------------------------------------------------------------------------------------------------------------- providers
def providers_of(settings: Settings) -> dict[str, Provider]:
    """By name; the first takes new payments. Raises SettingsError."""
    return {name: _provider(name, settings) for name in settings.payment_providers}


def _provider(name: str, settings: Settings) -> Provider:
    match name:
        case "sandbox":
            secret = _given(settings.sandbox_secret, "SANDBOX_SECRET", name)
            if not is_secret(secret):
                raise SettingsError("SANDBOX_SECRET is whsec_ and 24 bytes or more in base64")
            return Sandbox(_given(settings.sandbox_url, "SANDBOX_URL", name), secret)
        case "sandbox-unsigned":
            return Unsigned(_given(settings.sandbox_url, "SANDBOX_URL", name))
        case "stripe":
            key = _given(settings.stripe_key, "STRIPE_API_KEY", name)
            return Stripe(key, _given(settings.stripe_secret, "STRIPE_WEBHOOK_SECRET", name))
    raise SettingsError(f"PREAU_PAYMENT_PROVIDER is sandbox, sandbox-unsigned or stripe, not {name!r}")


def _given(value: str | None, setting: str, name: str) -> str:
    if value is None:
        raise SettingsError(f"payment by {name} needs {setting}")
    return value


def open_cashier(running: Running) -> None:
    running.resources[PROVIDERS] = providers_of(running.settings)
    running.resources[WOKEN] = asyncio.Event()


def providers(running: Running) -> Mapping[str, Provider]:
    found: Mapping[str, Provider] = running.resources[PROVIDERS]
    return found


# ----------------------------------------------------------------------------------------------------------------- start
async def start(running: Running, intent: Intent) -> OnlinePayment:
    """A payment with its page; the same key gives the same one again. Raises Refused and Forbidden, as paying.intend does.

    Refused PAYMENT_UNAVAILABLE where there is no page (yet): with the same key one may try again, until it ran out.
    """
    async with running.database.transaction("intent") as session:
        row = await paying.intend(session, running.clock, intent, next(iter(providers(running).values()), None))
    if row.session is None and row.status is OnlinePaymentStatus.STARTED:
        row = await _get_page(running, row)
    if row.url is None:
        raise Refused("PAYMENT_UNAVAILABLE", text="PROVIDER_AWAY" if row.status is OnlinePaymentStatus.STARTED else "NEVER_STARTED")
    return row


async def _get_page(running: Running, row: OnlinePayment) -> OnlinePayment:
    provider = providers(running).get(row.provider)
    if provider is None:
        raise Refused("PAYMENT_UNAVAILABLE", text="PROVIDER_AWAY")
    try:
        page = await provider.start(await _order(running, row))
    except ProviderTrouble as trouble:
        log().warning("the payment provider gives no page", payment=row.id, trouble=str(trouble))
        raise Refused("PAYMENT_UNAVAILABLE", text="PROVIDER_AWAY") from trouble
    async with running.database.transaction("page") as session:
        return await paying.record_page(session, running.clock, row.id, page)


async def _order(running: Running, row: OnlinePayment) -> Order:
    async with running.database.reading() as session:
        names = [wallet.name for wallet in (await queries.wallets(session, [wallet for wallet, _ in row.lines])).values()]
    public = running.settings.public_url
    return Order(
        payment=row.id,
        amount_cents=row.amount_cents,
        email=row.email or "",
        language=row.language,
        title=", ".join(sorted(names)),
        notify_url=f"{public}/payments/notices/{row.provider}",
        return_url=f"{public}/paiement/{row.id}",
        expires_at=int((row.started_at + PAGE_LIVES).timestamp()),
    )


# ------------------------------------------------------------------------------------------------------------- reconcile
def wake(running: Running) -> None:
    """Somebody is to be asked about now."""
    woken: asyncio.Event = running.resources[WOKEN]
    woken.set()


async def reconcile(running: Running) -> None:
    """For ever: ask about every payment that is due."""
    woken: asyncio.Event = running.resources[WOKEN]
    while True:
        if not await look(running):
            await running.rest(LOOK_SECONDS, woken)


async def look(running: Running) -> int:
    """Ask about those that are due now, some at a time; how many that were."""
    async with running.database.reading() as session:
        if not await paying.is_due(session, running.clock.now()):
            return 0
    async with running.database.transaction() as session:
        rows = await paying.claim(session, running.clock, AT_ONCE)
    ends = await asyncio.gather(*(ask(running, row) for row in rows), return_exceptions=True)
    for row, end in zip(rows, ends, strict=True):
        if isinstance(end, Exception):  # A bug, or an outage: the others go on, and this one is asked about again.
            log().error("a payment could not be settled", payment=row.id, error=repr(end), exc_info=end)
    running.outbox_written()
    return len(rows)


async def ask(running: Running, row: OnlinePayment) -> None:
    """What became of it, by its provider's word."""
    try:
        told = None if row.session is None else await _provider_of(running, row).ask(row.session)
    except ProviderTrouble as trouble:
        log().warning("the payment provider does not answer", payment=row.id, trouble=str(trouble))
        async with running.database.transaction() as session:
            await paying.ask_later(session, running.clock, row)
        return
    async with running.database.transaction("settle") as session:
        await paying.settle(session, running.clock, row, told)


def _provider_of(running: Running, row: OnlinePayment) -> Provider:
    provider = providers(running).get(row.provider)
    if provider is None:
        raise ProviderTrouble(f"{row.provider} is no longer among PREAU_PAYMENT_PROVIDER")
    return provider
