"""Real, migrated databases of the services that a town goes into; `preau` as a process."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from services.clock import Clock
from services.database import Database
from services.settings import SERVICES, Settings
from tests.conftest import MakeUrl
from tests.deploy.test_checking import MONDAY

Databases = dict[str, Database]


@pytest.fixture
async def settings(database_url: MakeUrl) -> Settings:
    """An empty system on a Monday in November."""
    urls = {service: await database_url(service) for service in SERVICES}
    return replace(Settings.from_environment({}), database_urls=urls, clock=MONDAY)


@pytest.fixture
async def databases(settings: Settings) -> AsyncIterator[Databases]:
    async with AsyncExitStack() as stack:
        databases = {service: Database(url) for service, url in settings.database_urls.items()}
        for database in databases.values():
            stack.push_async_callback(database.close)
        yield databases


MakeDatabases = Callable[[], Awaitable[Databases]]
__all__ = ["Clock", "Databases"]
