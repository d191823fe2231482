"""The log of what was slow: which operation, what was asked of whom, and what took how long. No more lines a minute than somebody reads."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.explaining import in_short
from gateway.plan import Plan
from gateway.signature import has_values, hash_of, signature
from services.telemetry import log

MOST_A_MINUTE = 10


@dataclass(slots=True)
class Slowness:
    seconds: float  #: From here on it is slow.
    _minute: int = 0
    _told: int = 0
    _untold: int = 0

    def note(self, name: str, text: str, plan: Plan, seconds: float, fetches: Sequence[tuple[str, bytes, float]]) -> None:
        """`fetches`: the service, what it was asked with, and how long that took."""
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._told = minute, 0
        if self._told >= MOST_A_MINUTE:
            self._untold += 1
            return
        self._told += 1
        untold, self._untold = self._untold, 0
        about = {"milliseconds": round(seconds * 1000), "plan": in_short(plan, _by_fetch(plan, fetches)), "document": signature(text)}
        if not has_values(text):
            about["document_hash"] = hash_of(text)
        if untold:
            about["untold_before"] = untold
        log().warning("slow", operation=name, **about)


def _by_fetch(plan: Plan, fetches: Sequence[tuple[str, bytes, float]]) -> dict[int, list[float]]:
    """Milliseconds of each request, by its fetch's id: what was sent begins with the fetch's head."""
    found: dict[int, list[float]] = {}
    for service, body, seconds in fetches:
        those = [fetch.id for fetch in plan.fetches if fetch.service == service and body.startswith(fetch.head)]
        if those:
            found.setdefault(next((each for each in those if each not in found), those[0]), []).append(seconds * 1000)
    return found
