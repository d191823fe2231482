"""What a service is behind with, as its metrics tell it."""

import datetime as dt
from collections.abc import Awaitable, Callable

from prometheus_client import REGISTRY

from services.arrears import count
from services.clock import Clock
from services.events import StructureChanged
from services.listening import ears
from services.outbox import DeadLetter, record
from services.service import Running
from tests.facts import until

NOON = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


def told(service: str) -> list[float | None]:
    """Of the oldest unpublished event, of what is unheard, of dead letters."""
    names = ("preau_outbox_oldest_seconds", "preau_consumer_lag", "preau_dead_letters")
    return [REGISTRY.get_sample_value(name, {"service": service}) for name in names]


async def test_what_waits_is_counted(running: Callable[..., Awaitable[Running]]) -> None:
    mailer = await running("mailer", clock=Clock.from_setting("2026-11-23T12:05:00Z"), start=False)
    event = StructureChanged(
        structure="carteville", version=1, title="CarteVille", timezone="Europe/Paris", school_zone="B", occurred_at=NOON
    )
    letter = DeadLetter(event_id="bad", subject="s", type="t", body="{", error="e", attempts=1, buried_at=NOON)
    await count(mailer)
    assert told("mailer")[::2] == [0, 0]
    async with mailer.database.transaction() as session:
        record(session, event)
        session.add(letter)
    await count(mailer)
    assert told("mailer")[::2] == [300, 1], "five minutes old, and one dead letter"


async def test_what_nobody_has_heard_is_counted(running: Callable[..., Awaitable[Running]]) -> None:
    """Its consumers are there, and nobody listens."""
    mailer, identity = await running("mailer", start=False), await running("identity")
    await mailer.bus.keep_connecting()
    for internal, durable, filters in ears(mailer.service):
        await mailer.bus.ensure_stream(internal)
        await mailer.bus.ensure_consumer(internal, durable, filters)
    async with identity.database.transaction() as session:
        for n in range(3):
            record(
                session, StructureChanged(structure="c", version=n, title="C", timezone="Europe/Paris", school_zone="B", occurred_at=NOON)
            )

    async def waits() -> bool:
        """Three of them; and identity has told its public key."""
        await count(mailer)
        return told("mailer")[1] == 4

    await until(waits)
    assert told("identity")[1] is None or told("identity")[1] == 0
