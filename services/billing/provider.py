"""What an online payment provider is to us: a page to hand a family over to, notifications, and a status that can be asked.

Each has a file of its own (sandbox.py, stripe.py). What it says unasked is never believed: it only tells us to ask.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx2
import orjson

from services.billing.online import Told
from services.certificates import trusted
from services.tracing import span

PATIENCE_SECONDS = 10.0
LARGEST_NOTICE = 65_536  #: bytes
LONGEST_LINE = 200  #: characters


class ProviderTrouble(Exception):
    """It does not answer, or not as it should: ask again later."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    min_cents: int = 1
    max_cents: int = 1_000_000_00
    signed: bool = True  #: Its notifications carry a signature.


@dataclass(frozen=True, slots=True)
class Order:
    """What a family is to pay."""

    payment: str  #: Ours; the same at each try, so that a provider that knows idempotency makes one page of it.
    amount_cents: int
    email: str
    language: str
    title: str  #: For the family, on the provider's page.
    notify_url: str
    return_url: str
    expires_at: int  #: Nobody needs to pay on that page any more, by then. Unix time.


@dataclass(frozen=True, slots=True)
class Page:
    """Where the family pays."""

    session: str  #: What the provider calls it.
    url: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Which payment a notification is about. Nobody acts on it but by asking."""

    session: str


class Provider(Protocol):
    """Raises ProviderTrouble wherever it cannot be reached."""

    name: str
    can: Capabilities

    async def start(self, order: Order) -> Page: ...

    def read(self, headers: Mapping[str, str], body: bytes, now: float) -> Notice | None:
        """None: forged, too old, or about nothing of ours. `now`: the real time, in seconds."""

    async def ask(self, session: str) -> Told | None:
        """The truth. None: nothing certain is known (yet, or any more)."""


async def exchange(method: str, url: str, **how: object) -> httpx2.Response:
    """One request; only an answer of 200 to 299, or 404, is one. Raises ProviderTrouble."""
    about = {"http.request.method": method, "server.address": urlsplit(url).hostname or ""}
    with span(f"{method} payment provider", "client", about) as asking:
        answer = await _exchange(method, url, **how)
        asking.set("http.response.status_code", answer.status_code)
    return answer


async def _exchange(method: str, url: str, **how: object) -> httpx2.Response:
    try:
        async with httpx2.AsyncClient(timeout=PATIENCE_SECONDS, verify=trusted()) as client:
            answer = await client.request(method, url, **how)  # type: ignore[arg-type]
    except httpx2.HTTPError as error:
        raise ProviderTrouble(f"{method} {url}: {type(error).__name__}") from error
    if not answer.is_success and answer.status_code != 404:
        raise ProviderTrouble(f"{method} {url}: HTTP {answer.status_code}")
    return answer


def read_json(body: bytes) -> dict[str, Any]:
    """Raises ProviderTrouble."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        told = None
    if not isinstance(told, dict):
        raise ProviderTrouble("it answers something that is no JSON object")
    return told


def text(told: Mapping[str, Any], name: str) -> str:
    """Raises ProviderTrouble."""
    value = told.get(name)
    if not isinstance(value, str):
        raise ProviderTrouble(f"{name} is no text")
    return value


def line(told: Mapping[str, Any], name: str) -> str | None:
    """A line of text, as it can be kept; None where it is none."""
    value = told.get(name)
    return value if isinstance(value, str) and value.isprintable() and 0 < len(value) <= LONGEST_LINE else None


def cents(told: Mapping[str, Any], name: str) -> int | None:
    """An amount, as a number or in digits; None where it is none that can be kept."""
    value = told.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        value = int(value)
    return value if type(value) is int and abs(value) < 10**15 else None
