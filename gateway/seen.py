"""What is known of a request while it is answered: for its span, its metrics, its line in the log, and for the log of what was slow.

Nothing of it says for whom, with which values or in which words something was asked.
"""

import time
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from functools import lru_cache
from types import TracebackType
from typing import Any, NamedTuple

from gateway.asking import PassedOn
from gateway.client import SubgraphUnavailable
from gateway.documents import Operation
from gateway.engine import Answer, Fetcher
from gateway.metrics import ANSWERED, BYTES, CODES, FAILURES, FETCHES, IN_FLIGHT, OPERATION_NAMES, OPERATIONS, REFUSALS
from gateway.plan import Plan
from gateway.slowness import Slowness
from gateway.trouble import CALLERS, RequestError
from services import tracing
from services.tallies import Number, Sizes
from services.telemetry import is_told, log, tell
from services.tracing import NOTHING, Span, traceparent

LONGEST_NAME = 64
UNKNOWN = "unknown"  #: Kind of what is no operation that we know.


class Fetched(NamedTuple):
    """One request to a subgraph."""

    service: str
    seconds: float
    body: bytes  #: Tells which fetch of the plan it was; told to nobody.
    trouble: str | None


@dataclass(slots=True)
class Seen:
    """One request, from here to its end."""

    passing: PassedOn
    slowness: Slowness
    method: str
    status: int = 200
    outcome: str = ""
    operation: Operation | None = None
    plan: Plan | None = None
    new_plan: bool = False
    fetches: list[Fetched] | None = field(default_factory=list)  #: None: it lasts, and nobody counts them.
    _begun: float = 0.0
    _span: Any = NOTHING
    _tokens: tuple[Token[Any], ...] = ()

    def __enter__(self) -> "Seen":
        self._begun = time.perf_counter()
        self._tokens = (SEEN.set(self), traceparent.set(self.passing.trail))
        if tracing.is_kept(self.passing.trail):
            about = {"http.request.method": self.method, "http.route": "/graphql", "url.path": "/graphql"}
            self._span = tracing.span(f"{self.method} /graphql", "server", about, root=self.passing.begins)
            self._span.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        seconds = time.perf_counter() - self._begun
        if self.fetches is not None:
            name, of = self.label, self.operation.kind if self.operation else UNKNOWN
            OPERATIONS.of(name, of, self.outcome or "failed").observe(seconds)
            if is_told(self.passing.trail):
                self._tell(seconds)
            if seconds >= self.slowness.seconds and self.operation is not None and self.plan is not None:
                took = [(each.service, each.body, each.seconds) for each in self.fetches]
                self.slowness.note(self.name, self.operation.text, self.plan, seconds, took)
        if self.fetches is not None:
            self._describe()
        self._span.__exit__(kind, error, trace)
        SEEN.reset(self._tokens[0])
        traceparent.reset(self._tokens[1])

    def lasts(self) -> None:
        """It is a subscription: what follows is counted elsewhere."""
        if self.fetches is not None and is_told(self.passing.trail):
            self._tell(time.perf_counter() - self._begun)
        self.fetches = None
        self._describe()
        self._span.end()

    @property
    def name(self) -> str:
        """As the client calls the operation."""
        return (self.operation.name or "anonymous")[:LONGEST_NAME] if self.operation else UNKNOWN

    @property
    def label(self) -> str:
        """One of so many."""
        return OPERATION_NAMES.label(self.name) if self.operation else UNKNOWN

    def _tell(self, seconds: float) -> None:
        asked = [[each.service, _ms(each.seconds), *((each.trouble,) if each.trouble else ())] for each in self.fetches or ()]
        about = {"operation": self.name, "kind": self.operation.kind if self.operation else UNKNOWN, "outcome": self.outcome}
        tell("answered", self.passing.trail, **about, status=self.status, milliseconds=_ms(seconds), subgraphs=asked)

    def _describe(self) -> None:
        span = self._span
        if span is NOTHING:
            return
        if self.operation is not None:
            span.call(f"{self.operation.kind} {self.name}" if self.operation.name else self.operation.kind)
            span.set("graphql.operation.type", self.operation.kind)
            if self.operation.name:
                span.set("graphql.operation.name", self.name)
            span.set("preau.plan.remembered", not self.new_plan)
        span.set("http.response.status_code", self.status)
        span.set("preau.outcome", self.outcome)
        if self.outcome == "failed":
            span.failed("failed")


SEEN: ContextVar[Seen | None] = ContextVar("seen", default=None)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


# ---------------------------------------------------------------------------------------------------- while it is answered


def planned(operation: Operation, plan: Plan, *, new: bool) -> None:
    seen = SEEN.get()
    if seen is not None:
        seen.operation, seen.plan, seen.new_plan = operation, plan, new


def ended(kind: str, outcome: str) -> None:
    """whole, partial, refused, failed; left: nobody waits for the answer any more; begun: a subscription."""
    ANSWERED.of(kind, outcome).value += 1
    seen = SEEN.get()
    if seen is not None:
        seen.outcome = outcome
        if outcome == "begun":
            seen.lasts()


def answered(kind: str, answer: Answer) -> None:
    """whole; refused: a service says why the caller may not have it, or asks wrongly; partial: something is out of order."""
    codes = {str((error.get("extensions") or {}).get("code")) for error in answer.errors}
    ended(kind, "whole" if not codes else "refused" if codes <= CALLERS else "partial")


def left() -> None:
    """Whoever asked has gone. What has an outcome already keeps it: a subscription that was begun ends so."""
    seen = SEEN.get()
    if seen is not None and not seen.outcome:
        ended(seen.operation.kind if seen.operation else UNKNOWN, "left")


def refused(error: RequestError) -> None:
    REFUSALS.of(CODES.label(str(error.errors[0].get("extensions", {}).get("code")))).value += 1
    ended(UNKNOWN, "refused")


# ------------------------------------------------------------------------------------------------------ what is asked of whom


class Counted(NamedTuple):
    """What is counted of one service."""

    in_flight: Number
    seconds: Sizes
    sent: Number
    received: Number


@lru_cache
def _counted(service: str) -> Counted:
    return Counted(IN_FLIGHT.of(service), FETCHES.of(service), BYTES.of(service, "sent"), BYTES.of(service, "received"))


class Fetching(NamedTuple):
    """The subgraphs, watched."""

    subgraphs: Fetcher

    async def __call__(self, service: str, body: bytes, headers: bytes, *, seconds: float, again: bool) -> bytes:
        """Raises SubgraphUnavailable."""
        counted, begun, trouble = _counted(service), time.perf_counter(), None
        counted.in_flight.value += 1
        try:
            if tracing.is_kept(traceparent.get()):
                answer = await self._traced(service, body, headers, seconds, again)
            else:
                answer = await self.subgraphs(service, body, headers, seconds=seconds, again=again)
            counted.received.value += len(answer)
            return answer
        except SubgraphUnavailable as error:
            trouble = str(error)
            raise
        finally:
            took = time.perf_counter() - begun
            counted.in_flight.value -= 1
            counted.seconds.observe(took)
            counted.sent.value += len(body)
            seen = SEEN.get()
            if seen is not None and seen.fetches is not None:
                seen.fetches.append(Fetched(service, took, body, trouble))

    async def _traced(self, service: str, body: bytes, headers: bytes, seconds: float, again: bool) -> bytes:
        about = {"http.request.method": "POST", "server.address": service, "preau.subgraph": service}
        with tracing.span(f"POST {service}", "client", about) as span:
            answer = await self.subgraphs(service, body, _with(headers, span), seconds=seconds, again=again)
            span.set("http.response.status_code", 200)
            span.set("http.response.body.size", len(answer))
            return answer


def _with(headers: bytes, span: Span) -> bytes:
    """The same lines, with a trace of which the subgraph's spans are below this one."""
    if span.trail is None:
        return headers
    before, _, rest = headers.partition(b"traceparent: ")
    return b"%btraceparent: %b%b" % (before, tracing.parent_of(span.trail).encode(), rest[55:])


def failed(service: str, trouble: Exception) -> None:
    """A subgraph gave no usable answer."""
    FAILURES.of(service, getattr(trouble, "kind", "unreadable")).value += 1
    log().warning("subgraph unavailable", subgraph=service, reason=str(trouble))
