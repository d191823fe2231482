"""What can be asked of the mailer about webhooks: who is told what, what is next, what became of it."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from uuid import uuid4

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.bulk import insert_unknown
from services.mailer.hooks import BOTH_SECRETS, KEPT, PATIENCE, Outward, wait_after, wants
from services.mailer.tables import OutwardEvent, Webhook, WebhookState, core
from services.standard_webhooks import new_secret

HOOK, EVENT = core(Webhook).c, core(OutwardEvent).c
Wanted = tuple[Sequence[str], dt.datetime]  #: Which services and events, and from when on.
LOOKED_THROUGH = 500  #: Events that are read at once to find one that is wanted.


@dataclass(frozen=True, slots=True)
class Call:
    """The next event of a webhook, and where it goes."""

    url: str
    secrets: tuple[str, ...]
    event: Outward


async def add(session: AsyncSession, now: dt.datetime, structure: str, url: str, events: Collection[str]) -> Webhook:
    """It is told what happens from now on."""
    last = (await session.exec(select(func.coalesce(func.max(EVENT.position), 0)))).scalar_one()  # type: ignore[call-overload]
    row = Webhook(
        id=f"wh-{uuid4().hex[:12]}", structure=structure, url=url, events=sorted(events), secret=new_secret(), since=now, after=last
    )
    session.add(row)
    return row


async def renew(session: AsyncSession, now: dt.datetime, id: str) -> str:
    """A new secret; the old one signs beside it for a day."""
    row = await session.get_one(Webhook, id)
    row.secret_before, row.secret_before_until, row.secret = row.secret, now + BOTH_SECRETS, new_secret()
    session.add(row)
    return row.secret


async def set_state(session: AsyncSession, id: str, state: WebhookState) -> None:
    """As if nothing had failed."""
    values = {"state": state, "attempts": 0, "failing_since": None, "next_attempt_at": None, "last_error": None}
    await _set(session, id, values)


async def go_back(session: AsyncSession, id: str, to: dt.datetime) -> None:
    """Everything that happened since is told again: of what is kept."""
    row = await session.get_one(Webhook, id)
    first = select(func.min(EVENT.position)).where(EVENT.structure == row.structure, EVENT.occurred_at >= to)
    position = (await (await session.connection()).execute(first)).scalar()
    if position is not None:
        await _set(session, id, {"after": min(row.after, position - 1), "since": min(row.since, to)})


async def skip(session: AsyncSession, id: str) -> str | None:
    """The next event is not told any more. Its id."""
    row = await session.get_one(Webhook, id)
    event = await _next(session, row)
    if event is not None:
        await _set(session, id, {"after": event.position, "attempts": 0, "failing_since": None, "next_attempt_at": None})
    return event.event_id if event else None


async def remove(session: AsyncSession, id: str) -> None:
    await session.exec(delete(Webhook).where(col(Webhook.id) == id))


async def _set(session: AsyncSession, id: str, values: dict[str, object]) -> None:
    await (await session.connection()).execute(update(core(Webhook)).where(HOOK.id == id).values(**values))


# --------------------------------------------------------------------------------------------------------------- events
async def wanted(session: AsyncSession) -> dict[str, list[Wanted]]:
    """structure -> what each of its webhooks wants, and from when on."""
    rows = (await session.exec(select(HOOK.structure, HOOK.events, HOOK.since))).all()  # type: ignore[call-overload]
    found: dict[str, list[Wanted]] = {}
    for structure, events, since in rows:
        found.setdefault(structure, []).append((events, since))
    return found


async def keep(session: AsyncSession, events: Sequence[Outward]) -> None:
    """Each once, in the order in which they came."""
    for event in events:  # one by one, so that their positions are in order on both databases
        row = {name: value for name, value in asdict(event).items() if name != "position"}
        await (await session.connection()).execute(insert_unknown(session, core(OutwardEvent), [row]))


async def forget(session: AsyncSession, now: dt.datetime) -> None:
    """But for the last one: positions never begin again."""
    last = select(func.max(EVENT.position)).scalar_subquery()
    await session.exec(delete(OutwardEvent).where(col(OutwardEvent.occurred_at) < now - KEPT, col(OutwardEvent.position) < last))


async def behind(session: AsyncSession, row: Webhook) -> int:
    """Events that it has before it, wanted or not."""
    count = select(func.count()).where(EVENT.structure == row.structure, EVENT.position > row.after)
    return int((await (await session.connection()).execute(count)).scalar_one())


# ---------------------------------------------------------------------------------------------------------------- calls
async def due(session: AsyncSession, now: dt.datetime, real_now: dt.datetime) -> list[str]:
    """Webhooks that have something to be told, and that nobody has in hand."""
    waits = select(EVENT.position).where(EVENT.structure == HOOK.structure, EVENT.position > HOOK.after).exists()
    rows = await (await session.connection()).execute(select(HOOK.id).where(*_may_be_called(now, real_now), waits))
    return list(rows.scalars())


def _may_be_called(now: dt.datetime, real_now: dt.datetime) -> tuple[ColumnElement[bool], ...]:
    free = or_(HOOK.claimed_until.is_(None), HOOK.claimed_until < real_now)
    return HOOK.state == WebhookState.ACTIVE, or_(HOOK.next_attempt_at.is_(None), HOOK.next_attempt_at <= now), free


async def claim(session: AsyncSession, id: str, by: str, now: dt.datetime, real_now: dt.datetime, until: dt.datetime) -> bool:
    """Take it in hand. False if somebody else has it, or it need not be called any more."""
    taken = update(core(Webhook)).where(HOOK.id == id, *_may_be_called(now, real_now)).values(claimed_by=by, claimed_until=until)
    return bool((await (await session.connection()).execute(taken)).rowcount)


async def next_call(session: AsyncSession, id: str, by: str, now: dt.datetime, until: dt.datetime) -> Call | None:
    """What is to be said now, for whoever has it in hand and keeps it until then; None if there is nothing (more), or it has it no more."""
    row = await session.get(Webhook, id, with_for_update=True)
    if row is None or row.claimed_by != by or row.state is not WebhookState.ACTIVE:
        return None
    if (event := await _next(session, row)) is None:
        return None
    await _set(session, id, {"claimed_until": until})
    before = row.secret_before if row.secret_before_until is not None and row.secret_before_until > now else None
    return Call(row.url, (row.secret, before) if before else (row.secret,), event)


async def _next(session: AsyncSession, row: Webhook) -> Outward | None:
    after = row.after
    columns = [EVENT[name] for name in Outward.__dataclass_fields__]
    while True:
        page = select(*columns).where(EVENT.structure == row.structure, EVENT.position > after).order_by(EVENT.position)
        found = [Outward(*one) for one in await (await session.connection()).execute(page.limit(LOOKED_THROUGH))]
        for event in found:
            if wants(row.events, event.kind) and event.occurred_at >= row.since:
                return event
        if found:
            after = found[-1].position
        if len(found) < LOOKED_THROUGH:
            if after > row.after:  # nothing of it is wanted: not to be looked through again
                await _set(session, row.id, {"after": after})
            return None


async def taken(session: AsyncSession, id: str, by: str, position: int, now: dt.datetime) -> None:
    """It said yes."""
    mine = update(core(Webhook)).where(HOOK.id == id, HOOK.claimed_by == by, HOOK.after < position)
    values = {"after": position, "attempts": 0, "failing_since": None, "next_attempt_at": None, "last_error": None, "taken_at": now}
    await (await session.connection()).execute(mine.values(**values))


async def failed(session: AsyncSession, id: str, by: str, now: dt.datetime, why: str, *, for_good: bool) -> WebhookState:
    """It is tried again later, or never: it said so, or patience is over."""
    row = await session.get_one(Webhook, id, with_for_update=True)
    if row.claimed_by != by:
        return row.state
    row.attempts += 1
    row.failing_since = row.failing_since or now
    row.last_error = why[:500]
    row.next_attempt_at = now + wait_after(row.attempts)
    if for_good or now - row.failing_since >= PATIENCE:
        row.state = WebhookState.DISABLED
    session.add(row)
    return row.state


async def let_go(session: AsyncSession, id: str, by: str) -> None:
    mine = update(core(Webhook)).where(HOOK.id == id, HOOK.claimed_by == by)
    await (await session.connection()).execute(mine.values(claimed_by=None, claimed_until=None))


async def count_by_state(session: AsyncSession) -> dict[str, int]:
    rows = await (await session.connection()).execute(select(HOOK.state, func.count()).group_by(HOOK.state))
    return {str(state): count for state, count in rows}


async def failing_since(session: AsyncSession) -> dt.datetime | None:
    """Since when that of the active ones fails that has failed longest; None: all are told."""
    longest = select(func.min(HOOK.failing_since)).where(HOOK.state == WebhookState.ACTIVE)
    found: dt.datetime | None = (await (await session.connection()).execute(longest)).scalar()
    return found
