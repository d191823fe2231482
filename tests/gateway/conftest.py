"""What the gateway's tests share."""

import pytest

from tests.gateway.fakes import Gateway, Town, town


@pytest.fixture
def carteville() -> Town:
    return town()


@pytest.fixture
def entrance(carteville: Town) -> Gateway:
    return Gateway(carteville)
