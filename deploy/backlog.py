"""What is still on its way: events not yet published, and published ones not yet handled."""

import asyncio
from dataclasses import dataclass, field

import nats.js.errors
from nats.aio.client import Client

from services import bus as broker
from services import relay
from services.bus import BROKER_TROUBLE, STREAM, Bus
from services.database import Database
from services.settings import SERVICES, Settings

PATIENCE_SECONDS = 4.0
OURS = frozenset({*SERVICES, *(f"{service}-urgent" for service in SERVICES)})  #: Consumers. Others may take their time.


@dataclass(frozen=True, slots=True)
class Backlog:
    """By service."""

    unpublished: dict[str, int] = field(default_factory=dict)
    unhandled: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(self.unpublished.values()) or any(self.unhandled.values())


async def connect(settings: Settings) -> Bus:
    """Raises one of BROKER_TROUBLE if it is not there now."""
    bus = Bus(settings, "operator")
    bus.client = await _client(settings)
    bus.connected.set()
    return bus


async def _client(settings: Settings) -> Client:
    async with asyncio.timeout(PATIENCE_SECONDS):  # the client itself would try for two minutes
        return await broker.connect(
            settings,
            "operator",
            connect_timeout=3,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0.1,
            error_cb=_silent,
        )


async def _silent(_: Exception) -> None:
    """What goes wrong is raised where it is asked for: nothing is to be printed on the way."""


async def unpublished(settings: Settings) -> dict[str, int]:
    counts = {}
    for service in SERVICES:
        database = Database(settings.database_urls[service])
        try:
            counts[service] = await relay.backlog(database)
        finally:
            await database.close()
    return counts


async def unhandled(bus: Bus) -> dict[str, int]:
    """Waiting or being handled, by consumer. A stream that nobody has made yet holds nothing."""
    counts: dict[str, int] = {}
    for stream in STREAM.values():
        try:
            consumers = await bus.jetstream.consumers_info(stream)
        except nats.js.errors.NotFoundError:
            continue
        for consumer in (one for one in consumers if one.name in OURS):
            waiting = (consumer.num_pending or 0) + (consumer.num_ack_pending or 0)
            counts[consumer.name] = counts.get(consumer.name, 0) + waiting
    return counts


async def backlog(settings: Settings) -> Backlog:
    """Raises one of BROKER_TROUBLE."""
    bus = await connect(settings)
    try:
        return Backlog(await unpublished(settings), await unhandled(bus))
    finally:
        await bus.close()


async def settled(settings: Settings, within_seconds: float) -> bool:
    """Wait until everybody has heard everything; False if that takes longer. Twice in a row, for handling makes new events."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_seconds
    quiet = 0
    while loop.time() < deadline:
        try:
            quiet = 0 if await backlog(settings) else quiet + 1
        except BROKER_TROUBLE:
            quiet = 0
        if quiet == 2:
            return True
        await asyncio.sleep(0.2)
    return False
