"""A town where things happen, for those who follow it: subgraphs of dictionaries, a real broker, a gateway behind a real server."""

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import nats
from graphql import GraphQLError
from nats.aio.client import Client

from services import topics
from tests.gateway.fakes import ACTIVITY, Gateway, Town, booking
from tests.gateway.followers import Served, served

WATCHED = (topics.child("amalia", "2026-11"), topics.openings("aps-matin", "2026-11"), topics.activity("aps-matin"))


@dataclass
class Scene:
    """What the subgraphs say now, and a town where things happen."""

    served: Served
    client: Client
    revision: int = 1
    decided: bool = False
    topics: list[str] = field(default_factory=lambda: [*WATCHED])
    until: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC) + dt.timedelta(hours=1))
    refuses: str | None = None
    account: str = "dupont"

    @property
    def url(self) -> str:
        return self.served.url

    @property
    def gateway(self) -> Gateway:
        return self.served.gateway

    @property
    def town(self) -> Town:
        return self.gateway.town

    def reads(self) -> int:
        """How often the calendar was asked for."""
        return sum("calendarChanged(" in call.query for call in self.town.calls)

    async def tell(self, name: str, **data: Any) -> None:
        """An event, as a service publishes it."""
        await self.client.publish(f"preau.carteville.{name}", json.dumps({"structure": "carteville", **data}).encode())
        await self.client.flush()

    async def changes(self, *, revision: int | None = None) -> None:
        """The table first, then the event: as every service does."""
        self.revision = self.revision + 1 if revision is None else revision
        await self.tell("booking.capacity_changed", activity="aps-matin", date="2026-11-23", version=self.revision)

    def watch(self, **more: Any) -> dict[str, Any]:
        if self.refuses:
            raise GraphQLError("Non.", extensions={"code": self.refuses})
        told = {"account": self.account, "until": self.until.isoformat(), "structure": "carteville", "topics": self.topics}
        return {**told, "due": True, "last": False, **more}

    def calendar(self) -> dict[str, Any]:
        if self.refuses:
            raise GraphQLError("Non.", extensions={"code": self.refuses})
        day = {"date": "2026-11-23", "state": "BOOKED", "booking": booking("amalia", 23), "revision": self.revision}
        return {"month": "2026-11", "activity": ACTIVITY, "days": [day]}


@asynccontextmanager
async def staged(carteville: Town, nats_url: str) -> AsyncIterator[Scene]:
    async with served(Gateway(carteville, nats_url=nats_url)) as one:
        scene = Scene(one, await nats.connect(nats_url, reconnect_time_wait=0.05, max_reconnect_attempts=-1))
        carteville.subgraphs["booking"].roots |= {
            "calendarChanged": lambda _, **__: scene.calendar(),
            "calendarChangedWatch": lambda _, **__: scene.watch(),
            "requestDecided": lambda _, **__: {"id": "r1", "decided": scene.decided, "movements": []},
            "requestDecidedWatch": lambda _, request: scene.watch(topics=[topics.request(request)], due=scene.decided, last=True),
        }
        await asyncio.wait_for(one.gateway.live.bus.connected.wait(), 10)
        yield scene
        await scene.client.close()
