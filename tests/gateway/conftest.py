"""What the gateway's tests share."""

from collections.abc import AsyncIterator

import pytest

from tests.gateway.fakes import Gateway, Town, town
from tests.gateway.stage import Scene, staged
from tests.nats_server import NatsServer


@pytest.fixture
def carteville() -> Town:
    return town()


@pytest.fixture
def entrance(carteville: Town) -> Gateway:
    return Gateway(carteville)


@pytest.fixture
async def scene(carteville: Town, nats_url: str) -> AsyncIterator[Scene]:
    async with staged(carteville, nats_url) as one:
        yield one


@pytest.fixture
async def fragile(carteville: Town, own_nats: NatsServer) -> AsyncIterator[Scene]:
    """With a broker that may be killed."""
    async with staged(carteville, own_nats.url) as one:
        yield one
