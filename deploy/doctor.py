"""`preau doctor`: is everything reachable, migrated, in time; and what to do about what is not."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from urllib.parse import urlsplit

import httpx2
from asyncpg import PostgresError
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select

from deploy.addresses import half_restored_file, missing_file
from deploy.backlog import connect, unhandled
from deploy.broker import FOLDER, Partner, partners_in
from deploy.migrate import is_current
from deploy.restore import is_half_restored
from services import documents
from services.booking.activity import ActivitySpec, from_json
from services.booking.holiday_file import ZONES
from services.booking.school_calendar import SchoolCalendar, follow
from services.booking.tables import Activity
from services.bus import BROKER_TROUBLE, STREAM
from services.database import Database
from services.mailer.tables import Webhook, WebhookState
from services.outbox import DeadLetter, Outgoing
from services.settings import SERVICES, Settings, SettingsError

TIMEOUT_SECONDS = 3.0
LATE = dt.timedelta(seconds=30)  #: An event that waits longer to be published is late.
OLD_PAYMENT_SECONDS = 26 * 3600  #: No payment site leaves a page open for so long.
PAYMENTS = ("preau_payment_", "preau_online_")  #: How the names of what is measured of them begin.
MANY = 1000  #: Events that a consumer may have before it without being behind.


class Sick(Exception):
    def __init__(self, what: str, cure: str) -> None:
        super().__init__(what)
        self.cure = cure


class Worry(Sick):
    """Nothing is wrong yet, but something will be."""


async def examine(settings: Settings) -> bool:
    """Print a line for each finding. True if all is well, whatever may come."""
    healthy = []
    for service in SERVICES:
        healthy.append(await _finding(f"{service}'s database", partial(_database, settings, service)))
    healthy.append(await _finding("school holidays", partial(_holidays, settings)))
    healthy.append(await _finding("broker", partial(_broker, settings)))
    if partners := partners_in(settings.data / FOLDER):
        healthy.append(await _finding("partners", partial(_partners, settings, partners)))
    if hooks := await _webhooks(settings):
        healthy.append(await _finding("webhooks", partial(_told, hooks)))
    healthy.append(await _finding("mail server", partial(_mail, settings)))
    healthy.append(await _finding("documents", _documents))
    healthy.append(await _finding("payment online", partial(_payments, settings)))
    for name, url in {**settings.subgraph_urls, "gateway": settings.gateway_url}.items():
        healthy.append(await _finding(name, partial(_process, name, url)))
    return all(healthy)


async def _finding(name: str, look: Callable[[], Awaitable[str]]) -> bool:
    try:
        print(f"ok    {name}: {await look()}", flush=True)
    except Worry as worry:
        print(f"WARN  {name}: {worry}\n      -> {worry.cure}", flush=True)
    except Sick as sick:
        print(f"SICK  {name}: {sick}\n      -> {sick.cure}", flush=True)
        return False
    return True


# ------------------------------------------------------------------------------------------------------------ databases
async def _database(settings: Settings, service: str) -> str:
    url = settings.database_urls[service]
    if (path := missing_file(url)) and not half_restored_file(url):
        raise Sick(f"there is none at {path}", f"preau migrate {service}; or is --data (or PREAU_DATA) another folder?")
    try:
        if await is_half_restored(url):
            raise Sick("a restore was cut short", "preau restore it again, or preau restore --undo, which puts back what was there")
        current = await is_current(service, url)
        if not current:
            raise Sick("not up to date with this version", f"preau migrate {service}")
        return await _outbox(Database(url), settings.clock.now())
    except (SQLAlchemyError, PostgresError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error)
        raise Sick(f"not reachable ({reason})", f"start it, or correct {service.upper()}_DATABASE_URL") from None


async def _outbox(database: Database, now: dt.datetime) -> str:
    try:
        async with database.reading() as session:
            waiting = select(Outgoing.occurred_at).where(col(Outgoing.published).is_(False)).order_by(col(Outgoing.position)).limit(1)
            oldest = (await session.exec(waiting)).first()
            letters = len((await session.exec(select(DeadLetter.id))).all())
    finally:
        await database.close()
    if oldest is not None and now - oldest > LATE:
        raise Sick(
            f"an event waits since {oldest:%Y-%m-%d %H:%M:%S} UTC to be published", "start the service, and see that it reaches the broker"
        )
    if letters:
        raise Sick(f"{letters} dead letters", "preau dead-letters list, then retry or drop them")
    return "reachable, up to date, outbox in time"


async def _holidays(settings: Settings) -> str:
    try:
        calendar = follow(settings.school_holidays)
    except SettingsError as error:
        raise Sick(str(error).replace("\n", "\n      "), "correct the file, or leave PREAU_SCHOOL_HOLIDAYS unset") from None
    until = min(map(calendar.known_until, ZONES))
    beyond = [line for spec in await _activities(settings) if (line := _beyond(spec, calendar))]
    if beyond:
        raise Worry(
            "\n      ".join(["from the next day on every day counts as a school day", *beyond]),
            "update Préau once the ministry has published them, or give them in the file of PREAU_SCHOOL_HOLIDAYS",
        )
    return f"known until {until}" + (f", by {settings.school_holidays}" if settings.school_holidays else "")


def _beyond(spec: ActivitySpec, calendar: SchoolCalendar) -> str | None:
    """An activity whose season goes on when nobody knows the school holidays that it depends on."""
    if spec.school_zone is None or spec.school_holidays == "any" or spec.closes_on <= (last := calendar.known_until(spec.school_zone)):
        return None
    return f"{spec.structure}: {spec.name} ({spec.id}) goes on until {spec.closes_on}; zone {spec.school_zone} is known until {last}"


async def _activities(settings: Settings) -> list[ActivitySpec]:
    """None, if booking's database has none to read: its own finding says why."""
    url = settings.database_urls["booking"]
    if missing_file(url):
        return []
    database = Database(url)
    try:
        async with database.reading() as session:
            rows = (await session.exec(select(Activity.rules).order_by(Activity.structure, Activity.name))).all()
    except (SQLAlchemyError, OSError):
        return []
    finally:
        await database.close()
    return [from_json(dict(rules)) for rules in rows]


# ------------------------------------------------------------------------------------------------- broker and mail server
async def _broker(settings: Settings) -> str:
    try:
        bus = await connect(settings)
    except BROKER_TROUBLE as error:
        raise Sick(
            f"no answer from {settings.nats_place} ({error or type(error).__name__})",
            "start nats-server, or correct NATS_URL and NATS_CREDENTIALS",
        ) from None
    try:
        waiting = await unhandled(bus)
    except BROKER_TROUBLE as error:
        raise Sick(f"no JetStream ({error!r})", "start nats-server with jetstream { ... }") from None
    finally:
        await bus.close()
    behind = {name: count for name, count in waiting.items() if count > MANY}
    if behind:
        named = ", ".join(f"{name} {count}" for name, count in behind.items())
        raise Sick(f"events wait to be heard: {named}", "start these services, or more of them; see their logs")
    missing = [service for service in SERVICES if service not in waiting]
    if missing:
        raise Sick(f"{', '.join(missing)} never listened", "start these services once")
    return "reachable, everybody listens and keeps up"


async def _partners(settings: Settings, partners: Sequence[Partner]) -> str:
    """That one is behind is its own matter: its consumer keeps its place."""
    try:
        bus = await connect(settings)
    except BROKER_TROUBLE:
        raise Sick("no broker to ask", "see above") from None
    try:
        known = {one.name: one.num_pending or 0 for one in await bus.jetstream.consumers_info(STREAM[False])}
    except BROKER_TROUBLE as error:
        raise Sick(f"no stream to ask ({error!r})", "start the services once") from None
    finally:
        await bus.close()
    if lost := [one.name for one in partners if one.name not in known]:
        raise Sick(f"{', '.join(lost)} have no consumer", "preau partners: it makes them again, and they hear everything again")
    return ", ".join(f"{one.name} has {known[one.name]} events before it" for one in partners)


async def _webhooks(settings: Settings) -> Sequence[Webhook]:
    """None, if the mailer's database has none to read: its own finding says why."""
    url = settings.database_urls["mailer"]
    if missing_file(url):
        return ()
    database = Database(url)
    try:
        async with database.reading() as session:
            return (await session.exec(select(Webhook))).all()
    except (SQLAlchemyError, OSError):
        return ()
    finally:
        await database.close()


async def _told(hooks: Sequence[Webhook]) -> str:
    if away := [row for row in hooks if row.state is WebhookState.DISABLED or row.failing_since is not None]:
        words = [f"{row.id} of {row.structure} {row.state.lower()}, {row.last_error or 'by hand'}" for row in away]
        raise Worry("\n      ".join(words), "whoever runs it sets it right; then preau webhooks enable ID, or remove it")
    return f"{len(hooks)}, all told"


async def _mail(settings: Settings) -> str:
    address = urlsplit(settings.smtp_url)
    port = address.port or {"smtp": 25, "smtp+starttls": 587, "smtps": 465}.get(address.scheme, 25)
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            _, writer = await asyncio.open_connection(address.hostname, port, ssl=address.scheme == "smtps" or None)
        writer.close()
    except (OSError, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        raise Sick(f"no answer from {address.hostname}:{port} ({reason})", "start it, or correct SMTP_URL; mails wait meanwhile") from None
    return f"reachable at {address.hostname}:{port}"


async def _documents() -> str:
    if not documents.available():
        raise Worry("no PDFs: families are offered files for spreadsheets alone", 'pip install "preau[documents]" for billing and booking')
    return "PDFs can be set"


# -------------------------------------------------------------------------------------------------------- payment online
async def _payments(settings: Settings) -> str:
    """As billing itself has it: it knows the providers and their secrets."""
    url = settings.subgraph_urls["billing"]
    try:
        async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
            answer = await client.get(f"{url}/metrics")
    except httpx2.HTTPError as error:
        raise Sick(f"no answer from billing at {url} ({type(error).__name__})", "preau serve billing (or preau up)") from None
    told = _measured(answer.text)
    away = sorted(provider for (name, provider), up in told.items() if name == "preau_payment_provider_up" and not up)
    if away:
        raise Sick(f"no answer from {', '.join(away)}", "correct its address and key; what families paid is credited once it answers")
    count, oldest = told.get(("preau_online_payments", "open"), 0), told.get(("preau_online_payment_oldest_seconds", ""), 0)
    troubled = told.get(("preau_online_payments", "troubled"), 0)
    if troubled:
        raise Worry(
            f"money came that credits nobody: {troubled:.0f} payments", "an agent looks at unsettledPayments, and says endOnlinePayment"
        )
    if oldest > OLD_PAYMENT_SECONDS:
        raise Worry(f"{count:.0f} payments are open, one for {oldest / 3600:.0f} hours", "an agent looks at unsettledPayments")
    if not any(name == "preau_payment_provider_up" for name, _ in told):
        return "not offered: PREAU_PAYMENT_PROVIDER is not set"
    return f"the payment site answers, {count:.0f} payments are open" + (f", the oldest for {oldest / 60:.0f} min" if count else "")


def _measured(text: str) -> dict[tuple[str, str], float]:
    """(gauge, its label's value) -> what it says."""
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {(sample.name, next(iter(sample.labels.values()), "")): sample.value for sample in samples if sample.name.startswith(PAYMENTS)}


# ------------------------------------------------------------------------------------------------------------ processes
async def _process(name: str, url: str) -> str:
    setting = f"{name.upper()}_URL"
    try:
        async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
            answer = await client.get(f"{url}/readyz")
    except httpx2.HTTPError as error:
        raise Sick(f"no answer from {url} ({type(error).__name__})", f"preau serve {name} (or preau up), or correct {setting}") from None
    if answer.status_code != 200:
        raise Sick(f"not ready: {answer.text[:300]}", "do what the reasons say; it becomes ready by itself")
    if away := answer.json().get("away"):  # Of the gateway, which is ready all the same.
        raise Sick(
            f"ready at {url}, but answers without {'; '.join(away)}", "start them, or correct their addresses where the gateway runs"
        )
    return f"ready at {url}"
