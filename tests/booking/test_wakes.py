"""Who waits in one process is woken by what another does; looking by itself, which would do as well, is a matter of hours here, but
where a call is lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services import relay, sqlite
from services.booking import counter, desk
from services.bus import WAKE
from services.relay import backlog
from services.service import Running
from tests.booking.town import ALLOCATED, CLOCK, Town
from tests.conftest import POSTGRESQL
from tests.facts import until

Run = Callable[..., Awaitable[Running]]
HOURS = 7200.0


@asynccontextmanager
async def at_the_desk(town: Town) -> AsyncIterator[None]:
    """It takes orders in and hears of answers, but decides nothing."""
    await town.running.bus.keep_connecting()
    await counter.hear_of_answers(town.running)
    taking = asyncio.create_task(counter.take_orders(town.running))
    yield
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)


async def test_an_answer_that_another_process_gave_is_known_at_once(running: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "LOOK_SECONDS", HOURS)
    monkeypatch.setattr(desk, "ANSWER_SECONDS", HOURS)
    deciding = Town(await running("booking", clock=CLOCK))
    asking = Town(await running("booking", clock=CLOCK, start=False, url=deciding.running.settings.database_urls["booking"]))
    await deciding.opens()
    await deciding.household("dupont")
    async with at_the_desk(asking), asyncio.timeout(20):
        assert await asking.submits("dupont", *ALLOCATED) == ["ACCEPTED", "REFUSED UNKNOWN_BOOKING"]


async def test_an_answer_of_which_the_call_was_lost_is_found_by_looking(running: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "ANSWER_SECONDS", HOURS)
    deciding = Town(await running("booking", clock=CLOCK))
    deaf = Town(await running("booking", clock=CLOCK, start=False, url=deciding.running.settings.database_urls["booking"]))
    await deciding.opens()
    await deciding.household("dupont")
    tasks = [asyncio.create_task(work(deaf.running)) for work in (counter.take_orders, counter.find_answers)]
    async with asyncio.timeout(20):
        assert await deaf.submits("dupont", *ALLOCATED) == ["ACCEPTED", "REFUSED UNKNOWN_BOOKING"]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.skipif(not POSTGRESQL, reason="on SQLite there is one process")
async def test_what_one_process_wrote_is_published_at_once_by_the_other_whose_turn_it_is(
    running: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    publishing = await running("booking", clock=CLOCK)
    await until(lambda: _heard(publishing))
    monkeypatch.setattr(relay, "SWEEP_SECONDS", HOURS)
    writing: Any = await running("booking", clock=CLOCK, url=publishing.settings.database_urls["booking"])
    await writing.bus.connected.wait()
    await Town(writing).opens()
    writing.outbox_written()
    await until(lambda: _nothing_waits(publishing))


@pytest.mark.skipif(not POSTGRESQL, reason="on SQLite there is one process")
async def test_of_two_processes_one_publishes_so_that_the_order_is_kept_and_the_other_once_that_one_has_left(
    running: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work, publish = set[relay.Relay](), relay.Relay.publish_pending

    async def noted(self: relay.Relay) -> int:
        at_work.add(self)
        return await publish(self)

    monkeypatch.setattr(relay.Relay, "publish_pending", noted)
    first = await running("booking", clock=CLOCK)
    await until(lambda: _heard(first))
    second = await running("booking", clock=CLOCK, url=first.settings.database_urls["booking"])
    for capacity in range(1, 4):
        await Town(second).opens(capacity=capacity)
        await until(lambda: _nothing_waits(second))
        await asyncio.sleep(relay.SWEEP_SECONDS)  # The other one looks, too.
    assert at_work == {first.relay}
    await first.stop()
    await Town(second).opens(capacity=9)
    await until(lambda: _nothing_waits(second))
    assert at_work == {first.relay, second.relay}


@pytest.mark.skipif(POSTGRESQL, reason="PostgreSQL is looked into each time")
async def test_where_nothing_was_written_for_long_nobody_looks_until_another_process_writes(
    running: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, publish = [], relay.Relay.publish_pending

    async def noted(self: relay.Relay) -> int:
        looks.append(self)
        return await publish(self)

    async def quiet() -> bool:
        before = len(looks)
        await asyncio.sleep(3 * relay.SWEEP_SECONDS)
        return before == len(looks)

    monkeypatch.setattr(relay.Relay, "publish_pending", noted)
    monkeypatch.setattr(sqlite, "BELIEVED_SECONDS", 1e12)
    publishing = await running("booking", clock=CLOCK)
    writing = await running("booking", clock=CLOCK, start=False, url=publishing.settings.database_urls["booking"])
    for capacity in (1, 2):
        await until(quiet)
        await Town(writing).opens(capacity=capacity)
        await until(lambda: _nothing_waits(publishing))


async def _heard(publishing: Running) -> bool:
    """The relay holds its lock, and listens."""
    return f"{WAKE}.booking" in publishing.bus._ears


async def _nothing_waits(running: Running) -> bool:
    return await backlog(running.database) == 0
