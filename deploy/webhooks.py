"""`preau webhooks`: other systems of a town that are told events by HTTP."""

import datetime as dt
from dataclasses import dataclass

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from deploy.trouble import Trouble
from services.database import Database
from services.events import BY_TYPE
from services.mailer import webhooks
from services.mailer.outside import forbidden
from services.mailer.tables import Structure, Webhook, WebhookState
from services.settings import Settings


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for."""

    action: str
    what: str | None = None
    url: str | None = None
    events: tuple[str, ...] = ()
    since: str | None = None


async def act(settings: Settings, wish: Wish) -> None:
    """Raises Trouble."""
    database = Database(settings.database_urls["mailer"])
    try:
        async with database.transaction() as session:
            for line in await _done(session, settings, wish):
                print(line)
    finally:
        await database.close()


async def _done(session: AsyncSession, settings: Settings, wish: Wish) -> list[str]:
    now = settings.clock.now()
    if wish.action == "list":
        rows = await session.exec(select(Webhook).order_by(col(Webhook.structure), col(Webhook.id)))
        return [await _told(session, row) for row in rows] or ["no webhooks"]
    if wish.action == "add":
        return await _add(session, settings, wish, now)
    if wish.what is None or await session.get(Webhook, wish.what) is None:
        raise Trouble(f"there is no webhook {wish.what!r}: see `preau webhooks`")
    match wish.action:
        case "renew":
            return [f"{wish.what}: its new secret is {await webhooks.renew(session, now, wish.what)}", "for a day the old one signs, too"]
        case "enable" | "disable":
            state = WebhookState.ACTIVE if wish.action == "enable" else WebhookState.DISABLED
            await webhooks.set_state(session, wish.what, state)
        case "skip":
            return [f"{wish.what}: {await webhooks.skip(session, wish.what) or 'nothing'} is not told"]
        case "replay":
            await webhooks.go_back(session, wish.what, _moment(wish.since))
        case _:
            await webhooks.remove(session, wish.what)
    return [f"{wish.what}: done"]


async def _add(session: AsyncSession, settings: Settings, wish: Wish, now: dt.datetime) -> list[str]:
    if wish.what is None or wish.url is None:
        raise Trouble("say of which town and where, such as `preau webhooks add carteville https://cantine.example.fr/preau`")
    if await session.get(Structure, wish.what) is None:
        raise Trouble(f"there is no town {wish.what!r}, or the mailer has not heard of it yet")
    private = settings.private_webhooks
    if trouble := forbidden(wish.url, private=private, plain=private and not settings.production):
        raise Trouble(f"{wish.url} is not possible: {trouble}")
    events = {f"{kind.service}.{kind.name}" for kind in BY_TYPE.values() if not kind.internal}
    if unknown := set(wish.events) - events - {event.partition(".")[0] for event in events}:
        raise Trouble(f"there is no event {', '.join(sorted(unknown))}: name a service, or an event of it, such as booking.accepted")
    row = await webhooks.add(session, now, wish.what, wish.url, wish.events)
    return [f"{row.id} is told what happens in {row.structure} from now on", f"its secret, shown this once: {row.secret}"]


async def _told(session: AsyncSession, row: Webhook) -> str:
    behind = await webhooks.behind(session, row)
    state = f"{row.state.lower()}, {behind} events before it"
    if row.failing_since is not None:
        state += f", fails since {row.failing_since:%Y-%m-%d %H:%M} UTC ({row.attempts} times: {row.last_error})"
    return f"{row.id}  {row.structure}  {row.url}  {', '.join(row.events) or 'all events'}  {state}"


def _moment(text: str | None) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(text or "")
    except ValueError:
        raise Trouble(f"--since {text!r} is no moment, such as 2026-11-30T08:00 (here) or 2026-11-30T07:00:00Z") from None
    return moment.astimezone(dt.UTC)
