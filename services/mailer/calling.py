"""Tells webhooks what happens: hears what any of them wants, keeps it, and calls each, one event after the other.

A call comes before it is recorded: a crash between the two makes it twice, with the same id. Whoever is slow or away keeps nobody else
waiting.
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Sequence
from uuid import uuid4

import httpx2
from nats.aio.msg import Msg
from prometheus_client import Gauge

from services.bus import BROKER_TROUBLE, STREAM
from services.crash import crash_point
from services.events import PUBLIC
from services.mailer import webhooks
from services.mailer.hooks import KEPT, Outward, said, wants
from services.mailer.outside import SECONDS, Forbidden, post
from services.mailer.tables import WebhookState
from services.service import Running
from services.standard_webhooks import standard
from services.telemetry import log

DURABLE = "mailer-hooks"
LOOK_SECONDS = 1.0
HEAR_SECONDS = 2.0
TOGETHER = 200
AT_ONCE = 20  #: Webhooks that one process calls at the same time.
CLAIM_SECONDS = 2 * SECONDS
FORGET_SECONDS = 3600.0
GONE = 410
WAKE = "mailer.webhooks"
STATES = Gauge("preau_webhooks", "Webhooks of all towns", ["state"])
FAILING = Gauge("preau_webhook_failing_seconds", "For how long the active webhook fails that has failed longest; 0 if none does")


# ---------------------------------------------------------------------------------------------------------------- hear
async def keep_hearing(running: Running) -> None:
    """The background task of every mailer. Where no town has a webhook it only looks whether one has."""
    while True:
        async with running.database.reading() as session:
            wanted = await webhooks.wanted(session)
        if not wanted:
            await running.rest(LOOK_SECONDS)
            continue
        try:
            await _hear(running, sorted(wanted))
        except BROKER_TROUBLE as error:
            log().info("listening for webhooks again soon", error=repr(error))
            await running.rest(LOOK_SECONDS)


async def _hear(running: Running, structures: Sequence[str]) -> None:
    """Until other towns have webhooks, or the broker is another."""
    await running.bus.connected.wait()
    connection = running.bus.connections
    await running.bus.ensure_stream(False)
    await running.bus.ensure_consumer(False, DURABLE, [f"{PUBLIC}.{structure}.>" for structure in structures])
    ear = await running.bus.subscribe(False, DURABLE)
    try:
        while connection == running.bus.connections and not running.stopping.is_set():
            try:
                messages = await ear.fetch(TOGETHER, timeout=HEAR_SECONDS)
            except TimeoutError:
                await running.bus.jetstream.consumer_info(STREAM[False], DURABLE)  # it goes with its stream
                messages = []
            if messages:
                await _keep(running, messages)
            async with running.database.reading() as session:
                if sorted(await webhooks.wanted(session)) != structures:
                    return
    finally:
        with contextlib.suppress(*BROKER_TROUBLE):
            await ear.unsubscribe()


async def _keep(running: Running, messages: Sequence[Msg]) -> None:
    async with running.database.transaction("webhooks") as session:
        wanted = await webhooks.wanted(session)
        oldest = running.clock.now() - KEPT
        events = [event for event in map(_event, messages) if event.occurred_at >= oldest]
        await webhooks.keep(session, [event for event in events if _is_wanted(event, wanted.get(event.structure, ()))])
    await running.bus.acknowledge(messages)
    running.resources.setdefault(WAKE, asyncio.Event()).set()


def _is_wanted(event: Outward, by: Sequence[webhooks.Wanted]) -> bool:
    return any(wants(events, event.kind) and event.occurred_at >= since for events, since in by)


def _event(message: Msg) -> Outward:
    headers = {name.lower(): value for name, value in (message.headers or {}).items()}
    structure, kind = message.subject.split(".", 2)[1:]
    return Outward(
        position=0,  # it has none yet
        event_id=headers["ce-id"],
        structure=structure,
        kind=kind,
        type=headers["ce-type"],
        about=headers.get("ce-subject", ""),
        occurred_at=dt.datetime.fromisoformat(headers["ce-time"]),
        body=message.data.decode(),
    )


# ---------------------------------------------------------------------------------------------------------------- call
async def keep_calling(running: Running) -> None:
    """The background task of every mailer."""
    wake: asyncio.Event = running.resources.setdefault(WAKE, asyncio.Event())
    me, calls, forgot_at = uuid4().hex, dict[str, asyncio.Task[None]](), float("-inf")
    try:
        while True:
            calls = {id: call for id, call in calls.items() if not call.done()}
            async with running.database.reading() as session:
                due = await webhooks.due(session, running.clock.now(), _real_now())
                for state, count in ({one.value: 0 for one in WebhookState} | await webhooks.count_by_state(session)).items():
                    STATES.labels(state).set(count)
                since = await webhooks.failing_since(session)
            FAILING.set((running.clock.now() - since).total_seconds() if since else 0)
            for id in [one for one in due if one not in calls][: AT_ONCE - len(calls)]:
                calls[id] = asyncio.create_task(_call(running, id, me))
            forgot_at = await _forget_now_and_then(running, forgot_at)
            await running.rest(LOOK_SECONDS, wake)
    finally:
        for call in calls.values():
            call.cancel()
        await asyncio.gather(*calls.values(), return_exceptions=True)


async def _forget_now_and_then(running: Running, forgot_at: float) -> float:
    now = asyncio.get_running_loop().time()
    if now - forgot_at < FORGET_SECONDS:
        return forgot_at
    async with running.database.transaction() as session:
        await webhooks.forget(session, running.clock.now())
    return now


async def _call(running: Running, id: str, me: str) -> None:
    """One after the other, until nothing is left or one is not taken."""
    async with running.database.transaction() as session:
        if not await webhooks.claim(session, id, me, running.clock.now(), _real_now(), _claim_end()):
            return
    try:
        while await _next(running, id, me):
            pass
    finally:
        async with running.database.transaction() as session:
            await webhooks.let_go(session, id, me)


async def _next(running: Running, id: str, me: str) -> bool:
    """Whether there may be more to tell now."""
    async with running.database.transaction() as session:
        call = await webhooks.next_call(session, id, me, running.clock.now(), _claim_end())
    if call is None:
        return False
    why, for_good = await _try(running, call)
    crash_point("mailer.after_call")
    async with running.database.transaction() as session:
        now = running.clock.now()
        if why is None:
            await webhooks.taken(session, id, me, call.event.position, now)
            return True
        state = await webhooks.failed(session, id, me, now, why, for_good=for_good)
    if state is WebhookState.DISABLED:
        log().error("a webhook is told nothing any more", webhook=id, structure=call.event.structure, error=why)
    return False


async def _try(running: Running, call: webhooks.Call) -> tuple[str | None, bool]:
    """Why it was not taken, if it was not; and whether it never will be."""
    settings, body = running.settings, said(call.event)
    secret, *before = call.secrets
    headers = standard(secret, call.event.event_id, int(_real_now().timestamp()), body, *before)
    headers |= {"content-type": "application/cloudevents+json", "user-agent": "Preau-Webhooks/1"}
    private = settings.private_webhooks
    try:
        status = await post(call.url, body, headers, private=private, plain=private and not settings.production)
    except (httpx2.HTTPError, OSError, TimeoutError, Forbidden) as error:
        return str(error) or type(error).__name__, False
    return (None, False) if 200 <= status < 300 else (f"it answered {status}", status == GONE)


def _real_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _claim_end() -> dt.datetime:
    return _real_now() + dt.timedelta(seconds=CLAIM_SECONDS)
