"""Follows one subscription: asks what it depends on, tells what is true now, and again after each change, until it ends.

One read at a time, each begun after the last had ended: what is sent later was true later, so no `revision` is ever followed by an older
one. Changes that come faster than they are read or sent become one; a client that is slow gets the latest, and nothing piles up for it.
"""

import asyncio
import datetime as dt
import hashlib
import random
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec
from prometheus_client import Counter

from gateway.engine import Answer, Engine
from gateway.live import Live, Watcher
from gateway.plan import Follow, Plan
from gateway.trouble import CALLERS, RequestError
from services.clock import Clock
from services.refusal import Language

#: Between two reads of one subscription.
SHORTEST_SECONDS = 0.2
#: A look without any news: for a message that was lost, for what time alone changes (a deadline passes), for who may still see it.
LOOK_SECONDS = 60.0
#: After an outage of a subgraph.
RETRY_SECONDS = 2.0
UNAVAILABLE = "SUBGRAPH_UNAVAILABLE"

UPDATES = Counter("preau_gateway_updates_total", "Results sent to subscriptions", ["name"])

_encode = msgspec.json.Encoder().encode


class Interrupted(Exception):
    """The process ends, and not what is followed: the client is to come back."""


class Watch(msgspec.Struct):
    """As the subgraph tells it (services/graphql.py)."""

    account: str
    until: dt.datetime
    structure: str
    topics: frozenset[str]
    due: bool
    last: bool


_watch = msgspec.json.Decoder(Watch).decode


@dataclass(frozen=True, slots=True)
class Result:
    """What a client is sent: a GraphQL response."""

    body: bytes
    refused: tuple[dict[str, Any], ...] = ()  #: Errors instead of an answer: nothing comes after it.

    @classmethod
    def of(cls, answer: Answer, more: Mapping[str, Any] = MappingProxyType({})) -> "Result":
        return cls(_encode(({"errors": answer.errors, "data": answer.data} if answer.errors else {"data": answer.data}) | dict(more)))

    @classmethod
    def refusal(cls, errors: Iterable[dict[str, Any]]) -> "Result":
        told = tuple(errors)
        return cls(_encode({"errors": told}), told)


@dataclass(slots=True)
class Following:
    """One subscription of one client."""

    live: Live
    engine: Engine
    clock: Clock
    plan: Plan
    variables: Mapping[str, Any]
    headers: bytes
    language: Language
    pay: Callable[[], None] = lambda: None  #: For each look after the first.
    _shown: bytes = b""  #: A digest of what was sent last.
    _asked_at: float = 0.0

    async def results(self) -> AsyncGenerator[Result, None]:
        """Until it is over. Close it when nobody reads any more.

        Raises Interrupted. Raises RequestError: it is not the caller's, or not any more, or the sign-in has run out, or there are too many.
        """
        self.live.check_room(self.what.field)  # Whoever is refused anyway costs the subgraph nothing.
        watch = await self._ask()
        watcher = Watcher(self.what.field, watch.account, watch.structure, watch.topics)
        async with self.live.watching(watcher):
            if not watch.due:  # It may have come due before we listened: nobody will tell us again.
                watch = await self._again(watcher, watch)
            while not self.live.ending.is_set():
                result = await self._look(watcher) if watch.due else None
                if result is not None:
                    UPDATES.labels(watcher.name).inc()
                    yield result
                if watch.due and watch.last:
                    return
                await asyncio.sleep(SHORTEST_SECONDS)
                await self._woken(watcher, watch.until)
                await self.live.turn()
                if self.live.ending.is_set():
                    break
                watcher.rung.clear()
                watch = await self._again(watcher, watch)
        raise Interrupted

    @property
    def what(self) -> Follow:
        assert self.plan.follow is not None, "only subscriptions are followed"
        return self.plan.follow

    async def _ask(self) -> Watch:
        """What the subscription depends on now. Raises RequestError: it is not the caller's, or the subgraph cannot answer."""
        answer = await self.engine.run(self.what.watch, self.variables, self.headers, self.language)
        if answer.data is None or answer.errors:
            raise RequestError(answer.errors)
        self._asked_at = time.monotonic()
        (told,) = answer.data.values()
        return _watch(_encode(told))

    async def _again(self, watcher: Watcher, watch: Watch) -> Watch:
        """Ask once more, where that may have changed. Raises RequestError: it is not the caller's any more."""
        if watch.due and not watcher.moved and time.monotonic() < self._asked_at + LOOK_SECONDS:
            return watch
        watcher.moved = False  # before we ask: what is told meanwhile counts
        try:
            watch = await self._ask()
        except RequestError as error:
            if _is_final(error.errors):
                raise
            watcher.moved = True
            self._soon(watcher)
            return watch
        await self.live.change(watcher, watch.structure, watch.topics)
        return watch

    async def _look(self, watcher: Watcher) -> Result | None:
        """What is true now, unless the client knows it. Raises RequestError: there is nothing to be seen (any more)."""
        if self._shown:
            self.pay()
        answer = await self.engine.run(self.plan, self.variables, self.headers, self.language)
        if answer.data is None and (not self._shown or _is_final(answer.errors)):
            raise RequestError(answer.errors)
        if answer.data is None or any(_code(error) == UNAVAILABLE for error in answer.errors):
            self._soon(watcher)
        if answer.data is None:
            return None
        result = Result.of(answer)
        digest = hashlib.blake2b(result.body, digest_size=16).digest()
        if digest == self._shown:
            return None
        self._shown = digest
        return result

    def _soon(self, watcher: Watcher) -> None:
        asyncio.get_running_loop().call_later(RETRY_SECONDS, watcher.rung.set)

    async def _woken(self, watcher: Watcher, until: dt.datetime) -> None:
        """By news, or by time. Raises RequestError: the sign-in has run out."""
        left = (until - self.clock.now()).total_seconds()
        with suppress(TimeoutError):
            # Not all in the same moment.
            async with asyncio.timeout(min(left, LOOK_SECONDS * random.uniform(0.8, 1.2))):
                await watcher.rung.wait()
        if self.clock.now() >= until:
            raise RequestError.said("UNAUTHENTICATED", "SIGN_IN_OVER")


def _is_final(errors: Iterable[dict[str, Any]]) -> bool:
    """Asking again would not help."""
    return any(_code(error) in CALLERS for error in errors)


def _code(error: Mapping[str, Any]) -> str:
    return str(error.get("extensions", {}).get("code"))
