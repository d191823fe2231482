"""A sign-in, kept by the browser in a cookie that no script reads: its two tokens, and until when the first is good.

A refresh token is good once, and using it twice ends the session. A browser that opens two pages at once sends the same one twice, so who
comes second within a moment gets what the first one got. Several gateway processes need a balancer that keeps a browser at one of them.
"""

import asyncio
import datetime as dt
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

#: A token that runs out within this is renewed first.
MARGIN_SECONDS = 30
#: How long what a refresh token gave is given again.
AGAIN_SECONDS = 60.0
MOST_KEPT = 10_000


_SECONDS = re.compile(r"[0-9]{1,12}")
#: Fields of a `SignedIn`.
TOKENS = "accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt"


def _seconds(moment: str) -> int:
    return int(dt.datetime.fromisoformat(moment).timestamp())


@dataclass(frozen=True, slots=True)
class Session:
    access: str
    until: int  #: seconds since 1970
    refresh: str
    ends: int  #: seconds since 1970: when it is over, if it is not renewed before

    @classmethod
    def read(cls, written: str) -> Self | None:
        access, until, refresh, ends = (*written.split("~"), "", "", "", "")[:4]
        are_there = access and refresh and all(_SECONDS.fullmatch(each) for each in (until, ends))
        return cls(access, int(until), refresh, int(ends)) if are_there else None

    @classmethod
    def of(cls, signed_in: Mapping[str, Any]) -> Self:
        """A `SignedIn`, with what TOKENS asks of it."""
        until, ends = (_seconds(signed_in[name]) for name in ("accessTokenExpiresAt", "refreshTokenExpiresAt"))
        return cls(signed_in["accessToken"], until, signed_in["refreshToken"], ends)

    def run_out(self) -> Self:
        """To be renewed by the next page."""
        return replace(self, until=0)

    def written(self) -> str:
        return f"{self.access}~{self.until}~{self.refresh}~{self.ends}"


class NobodyCanSay(Exception):
    """Whether a session goes on: identity is away."""


@dataclass(slots=True)
class Renewing:
    """What refresh tokens gave a moment ago."""

    _given: dict[str, tuple[float, asyncio.Future[Session | None]]] = field(default_factory=dict)

    async def renewed(self, session: Session, renew: Callable[[str], Awaitable[Session | None]]) -> Session | None:
        """None: the session is over. Raises what `renew` raises, and then the next one asks again."""
        now = time.monotonic()
        for old in [each for each, (until, _) in self._given.items() if until < now or len(self._given) > MOST_KEPT]:
            del self._given[old]
        known = self._given.get(session.refresh)
        if known is None:
            known = self._given[session.refresh] = now + AGAIN_SECONDS, asyncio.ensure_future(renew(session.refresh))
        try:
            return await asyncio.shield(known[1])
        except Exception:
            self._given.pop(session.refresh, None)
            raise
