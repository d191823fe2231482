"""One system and one browser for all tests of the portal, in one event loop; each test has a context of its own, and is watched.

`desktop`, `phone` and `without_script` are pages in French; `browse(...)` opens others, in contexts of their own.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.chromium import ABSENT, CHROMIUM
from tests.flows.conftest import Found, collector, founding, system
from tests.flows.system import System
from tests.portal.browsing import DESKTOP, FLAGS, PHONE, SHORT_LIVED, Watch
from tests.portal.paged import Guest, Identity, before
from tests.portal.visitor import Visitor

__all__ = ["collector", "system"]
Browse = Callable[..., Awaitable[Page]]
MakeVisitor = Callable[..., Visitor]

PATIENCE_MS = 60_000  #: A busy machine is slow, and no test is to fail for that.
expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser belongs to one loop, so all who use it are in that."""
    here, together = Path(__file__).parent, pytest.mark.asyncio(loop_scope="session")
    for item in items:
        if here in item.path.parents and inspect.iscoroutinefunction(getattr(item, "function", None)):
            item.add_marker(together, append=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if CHROMIUM is None:
        left = [report for report in terminalreporter.stats.get("skipped", ()) if ABSENT in str(report.longrepr)]
        terminalreporter.write_sep("!", f"{len(left)} tests in a browser were NOT run: {ABSENT}", red=True, bold=True)


@pytest.fixture(scope="session")
def host() -> str:
    """By which the portal is reached: browsers make passkeys for a name, not for an address."""
    return "localhost"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip(ABSENT)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, SHORT_LIVED])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def watch(system: System) -> AsyncIterator[Watch]:
    """Over every page that the test opens; looked at when it is through."""
    watch = Watch([system.gateway])
    yield watch
    assert watch.complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def browse(browser: Browser, watch: Watch, system: System) -> AsyncIterator[Browse]:
    """`await browse(PHONE, language="en-GB", script=False, ...)`: an empty page, in a context of its own."""
    async with AsyncExitStack() as stack:

        async def open_one(size: dict[str, Any] = DESKTOP, *, language: str = "fr-FR", script: bool = True, **more: Any) -> Page:
            told = {"base_url": system.gateway, "locale": language, "timezone_id": "Europe/Paris", "java_script_enabled": script}
            context = await browser.new_context(**{**told, **size, **more})
            stack.push_async_callback(context.close)
            watch.over(context)
            context.set_default_timeout(PATIENCE_MS)
            return await context.new_page()

        yield open_one


@pytest_asyncio.fixture(loop_scope="session")
async def desktop(browse: Browse) -> Page:
    return await browse(DESKTOP)


@pytest_asyncio.fixture(loop_scope="session")
async def phone(browse: Browse) -> Page:
    return await browse(PHONE)


@pytest_asyncio.fixture(loop_scope="session")
async def without_script(browse: Browse) -> Page:
    return await browse(DESKTOP, script=False)


@pytest_asyncio.fixture(loop_scope="session")
async def found(system: System, tmp_path: Path) -> AsyncIterator[Found]:
    """`await found(activities=[...], families=[...])`: a new town in the running system. A file's tests may well share one."""
    async with founding(system, tmp_path) as make:
        yield make


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(system: System) -> AsyncIterator[MakeVisitor]:
    """`visitor()`, `visitor("en")`: somebody without a browser (visitor.py)."""
    everybody: list[Visitor] = []

    def make(language: str = "fr") -> Visitor:
        everybody.append(Visitor.of(system, language))
        return everybody[-1]

    yield make
    for one in everybody:
        await one.client.aclose()


@pytest.fixture
def identity() -> Identity:
    """Which answers as a test tells it to (paged.py)."""
    return Identity()


@pytest_asyncio.fixture(loop_scope="session")
async def guest(identity: Identity) -> AsyncIterator[Guest]:
    """Somebody at the portal before that identity."""
    async with before(identity) as one:
        yield one
