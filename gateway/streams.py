"""What is asked over a connection that stays open: one result for a query or a mutation, as many as come for a subscription."""

import asyncio
import math
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from gateway import seen
from gateway.asking import Asked, PassedOn, bad_request
from gateway.bounds import Bounds
from gateway.cost import now
from gateway.documents import Documents, Operation
from gateway.engine import Answer, Engine
from gateway.following import Following, Interrupted, Result
from gateway.live import Live
from gateway.plan import Plan
from gateway.seen import Seen
from gateway.slowness import Slowness
from gateway.trouble import RequestError, masked
from gateway.trusted import NONE_TRUSTED, Trusted
from services.clock import Clock


class Doorkeeper(Protocol):
    """Knows who asks."""

    async def scopes(self, authorization: str | None) -> frozenset[str] | None:
        """None: nobody."""


_under_way: set[asyncio.Task[Answer]] = set()


async def to_its_end(running: Coroutine[Any, Any, Answer]) -> Answer:
    """A mutation is not left half way when whoever asked has gone (services/waited.py)."""
    task = asyncio.create_task(running)
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    return await asyncio.shield(task)


@dataclass(frozen=True, slots=True)
class Streams:
    documents: Documents
    engine: Engine
    live: Live
    clock: Clock
    door: Doorkeeper | None = None  #: Without one, nobody is known: what is guarded stays closed.
    trusted: Trusted = NONE_TRUSTED
    bounds: Bounds = field(default_factory=Bounds)
    slowness: Slowness = field(default_factory=lambda: Slowness(math.inf))

    def seen(self, passing: PassedOn, method: str = "GET") -> Seen:
        """To be with it until its end."""
        return Seen(passing, self.slowness, method)

    def operation(self, asked: Asked, passing: PassedOn) -> Operation:
        """Raises RequestError."""
        text = self.trusted.text(asked)
        if self.documents.knows(text, asked.operation_name):
            return self.documents.operation(text, asked.operation_name)
        with self.bounds.working(passing):
            return self.documents.operation(text, asked.operation_name)

    async def plan(self, operation: Operation, asked: Asked, passing: PassedOn) -> Plan:
        """Raises RequestError."""
        scopes = None
        if self.door is not None and self.documents.supergraph.guards:
            scopes = await self.door.scopes(passing.authorization)
        made, worked = self.documents.plans_made, self.documents.worked_seconds
        try:
            plan = self.documents.plan(operation, asked.variables, passing.language, scopes)
        finally:
            self.bounds.charge_work(passing, self.documents.worked_seconds - worked)
        seen.planned(operation, plan, new=self.documents.plans_made != made)
        self.bounds.admit(plan.cost, asked.variables, passing)
        return plan

    def cost(self, asked: Asked, plan: Plan) -> dict[str, Any]:
        """What goes beside the answer, where that is wanted."""
        if not asked.wants_cost:
            return {}
        return {"extensions": {"cost": {"estimated": now(plan.cost, asked.variables), "most": self.bounds.most_cost}}}

    async def results(self, asked: Asked, passing: PassedOn, *, post: bool = True) -> AsyncGenerator[Result, None]:
        """What goes wrong is a result too, the last one. Close it when nobody reads any more. Raises Interrupted."""
        try:
            async with aclosing(self._results(asked, passing, post=post)) as results:
                async for result in results:
                    yield result
        except RequestError as error:
            seen.refused(error)
            yield Result.refusal(error.told(passing.language))
        except Interrupted:
            raise
        except asyncio.CancelledError:
            seen.left()
            raise
        except Exception as error:
            seen.ended(seen.UNKNOWN, "failed")
            yield Result.refusal([masked(error, passing.language)])

    async def _results(self, asked: Asked, passing: PassedOn, *, post: bool) -> AsyncGenerator[Result, None]:
        self.bounds.spend(passing)
        operation = self.operation(asked, passing)
        if operation.kind == "mutation" and not post:
            raise bad_request("NO_CHANGE_BY_GET", code="METHOD_NOT_ALLOWED", status=405)
        plan = await self.plan(operation, asked, passing)
        if plan.follow is None:
            running = self.engine.run(plan, asked.variables, passing.lines, passing.language)
            answer = await (running if operation.kind == "query" else to_its_end(running))
            seen.answered(operation.kind, answer)
            yield Result.of(answer, self.cost(asked, plan))
            return
        seen.ended(operation.kind, "begun")
        pay = partial(self.bounds.charge_account, passing, now(plan.cost, asked.variables))
        following = Following(self.live, self.engine, self.clock, plan, asked.variables, passing.lines, passing.language, pay)
        async with aclosing(following.results()) as results:
            async for result in results:
                yield result
