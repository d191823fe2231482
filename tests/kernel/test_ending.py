"""A process ends when it is told to, whatever its broker does."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from services.bus import Bus
from services.service import Running
from tests.kernel.toy import toy_running
from tests.nats_server import NatsServer, free_port

PATIENCE = 30.0  #: An end that hangs hangs for ever.


async def ends(running: Running, after: int) -> None:
    """In some moment of its life, which is counted in turns of the loop."""
    for _ in range(after):
        await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE):
        await running.stop()
    assert all(task.done() for task in running._tasks)


async def test_a_service_ends_in_any_moment_while_its_broker_cannot_be_reached(tmp_path: Path) -> None:
    url = f"nats://127.0.0.1:{free_port()}"
    services = [await toy_running(url, f"sqlite+aiosqlite:///{tmp_path / str(n)}.sqlite", name=f"toy{n}") for n in range(12)]
    await asyncio.gather(*(ends(one, after=n * 10) for n, one in enumerate(services)))


async def test_a_service_ends_while_its_broker_is_dead(tmp_path: Path, own_nats: NatsServer) -> None:
    services = [await toy_running(own_nats.url, f"sqlite+aiosqlite:///{tmp_path / str(n)}.sqlite", name=f"toy{n}") for n in range(8)]
    await asyncio.gather(*(one.bus.connected.wait() for one in services))
    own_nats.stop(kill=True)
    await asyncio.gather(*(ends(one, after=n * 20) for n, one in enumerate(services)))


async def test_nothing_of_a_service_must_be_cut_off(tmp_path: Path, nats_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not end when it is told to keeps the whole process for seconds."""
    cut_off: list[str] = []

    async def ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
        cut_off.extend(task.get_name() for task in tasks)

    monkeypatch.setattr("services.service.ended", ended)
    running = await toy_running(nats_url, f"sqlite+aiosqlite:///{tmp_path / 'toy'}.sqlite")
    await running.bus.connected.wait()
    async with asyncio.timeout(PATIENCE):
        await running.stop()
    assert cut_off == []


async def test_a_service_ends_although_a_word_to_do_so_was_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the client, when what it waits for fails in the moment in which it is told to end."""
    lost = 0

    async def connect(bus: Any) -> None:
        nonlocal lost
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            lost += 1
            if lost < 3:
                raise TimeoutError from None
            raise

    monkeypatch.setattr(Bus, "_connect", connect)
    running = await toy_running("nats://127.0.0.1:1", f"sqlite+aiosqlite:///{tmp_path / 'toy'}.sqlite")
    await ends(running, after=10)
    assert lost == 3
