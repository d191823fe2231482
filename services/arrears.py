"""What a service is behind with, for operators: events not yet published, not yet handled, and such as cannot be."""

from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from services.bus import BROKER_TROUBLE
from services.outbox import DeadLetter, Outgoing
from services.relay import IS_UNPUBLISHED, OUT
from services.telemetry import BURIED, OLDEST, UNHEARD

if TYPE_CHECKING:
    from services.service import Running

LOOK_SECONDS = 15.0

OLDEST_ONE = select(OUT.occurred_at).select_from(Outgoing).where(IS_UNPUBLISHED).order_by(OUT.position).limit(1)
LETTERS = select(func.count()).select_from(DeadLetter)


async def keep_counting(running: "Running") -> None:
    """For ever. Each process of a service tells the same."""
    while True:
        await running.rest(LOOK_SECONDS)
        await count(running)


async def count(running: "Running") -> None:
    """Set the gauges. Without a broker nobody knows what waits there: it says what it said last."""
    name = running.service.name
    async with running.database.reading() as session:
        connection = await session.connection()
        oldest_at = (await connection.execute(OLDEST_ONE)).scalar()
        BURIED.labels(name).set((await connection.execute(LETTERS)).scalar_one())
    OLDEST.labels(name).set(0 if oldest_at is None else max(0.0, (running.clock.now() - oldest_at).total_seconds()))
    if running.bus.connected.is_set():
        with suppress(*BROKER_TROUBLE):
            UNHEARD.labels(name).set(await running.unheard())
