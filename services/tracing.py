"""One trace follows a request through all processes: what is handled under which trace, and its spans, for whoever collects them.

The trace rides along in HTTP and NATS headers, in the outbox and in what waits in tables, whether or not anybody collects spans. Those are
OpenTelemetry's, whose SDK is loaded only where it is told where to export to. A span says what kind of work was done, how often, how long
it took and whether it failed: never for whom, nor with which words.
"""

import contextvars
import os
import re
import threading
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.trace import Span as OtelSpan
    from opentelemetry.trace import SpanContext

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Attributes = Mapping[str, str | int | bool]

#: Of what is being handled: W3C's traceparent; and behind a semicolon the request's id, where a client gave it another than the trace's.
traceparent: contextvars.ContextVar[str | None] = contextvars.ContextVar("traceparent", default=None)
NO_ATTRIBUTES: Attributes = MappingProxyType({})
USUAL_SAMPLER = "parentbased_traceidratio"
USUAL_SHARE = 0.01  #: Of traces that begin here.
END_SECONDS = 2.0
SAMPLERS = tuple(f"{prefix}{name}" for prefix in ("", "parentbased_") for name in ("always_on", "always_off", "traceidratio"))
_TRAIL = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(;[\w.:-]{1,128})?", re.ASCII)
_UNSAMPLED = frozenset("02468ace")  #: Last digits of flags without the bit that says that spans are kept.


def trail(trace: str | None, request_id: str | None) -> str | None:
    """What `traceparent` holds for a request that came with these headers; None if they are none."""
    if trace is None:
        return None
    both = trace if request_id is None or request_id == trace[3:35] else f"{trace};{request_id}"
    return both if _TRAIL.fullmatch(both) else None


def parent_of(trail: str) -> str:
    """The header `traceparent`."""
    return trail.partition(";")[0]


def trace_id_of(trail: str) -> str:
    return trail[3:35]


def request_id_of(trail: str) -> str:
    """A request without an id of its own has the trace's."""
    return trail.partition(";")[2] or trail[3:35]


def new_traceparent() -> str:
    """A fresh W3C trace context, for what begins here."""
    ids = os.urandom(24).hex()  # both at once: it is asked of the kernel
    sampled = _tracing is None or _tracing.samples(ids[:32])
    return f"00-{ids[:32]}-{ids[32:]}-{'01' if sampled else '00'}"


@dataclass(frozen=True, slots=True)
class Collecting:
    """Of which traces spans are exported. Where to: the SDK reads that itself, in OTEL_EXPORTER_OTLP_..."""

    sampler: str = USUAL_SAMPLER
    share: float = USUAL_SHARE


# ----------------------------------------------------------------------------------------------------------------- spans
class Span(Protocol):
    def set(self, name: str, value: str | int | bool) -> None:
        """One attribute that is known only now."""

    def call(self, name: str) -> None:
        """What it is called is known only now."""

    def failed(self, kind: str) -> None:
        """What it did went wrong, in this way: a class's name, a status or a code, never a message."""

    def end(self) -> None:
        """It takes no longer, though what it began goes on: whoever entered it leaves it later."""

    @property
    def trail(self) -> str | None:
        """What others are told, so that their spans are below this one. None: nobody collects it."""


class _Nothing:
    """The span of what nobody collects."""

    __slots__ = ()
    trail = None

    def __enter__(self) -> "_Nothing":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None: ...

    def set(self, name: str, value: str | int | bool) -> None: ...

    def call(self, name: str) -> None: ...

    def failed(self, kind: str) -> None: ...

    def end(self) -> None: ...


NOTHING = _Nothing()


def is_kept(trail: str | None) -> bool:
    """Whether spans of it are collected here."""
    if _tracing is None:
        return False
    return not _tracing.follows_parents or (trail is not None and trail.partition(";")[0][-1:] not in _UNSAMPLED)


def span(
    name: str,
    kind: Kind = "internal",
    attributes: Attributes = NO_ATTRIBUTES,
    *,
    of: str | None = None,
    linked: Iterable[str | None] = (),
    root: bool = False,
) -> AbstractContextManager[Span]:
    """Work that is below the trace `of` (by default: that of what is being handled), which whatever happens inside is then below of.

    `linked`: other traces that it is done for, too. `root`: it is the first of its trace.
    """
    if _tracing is None:
        return NOTHING
    above = of or traceparent.get()
    if above is None or not is_kept(above):
        return NOTHING
    others = [each for each in linked if each is not None and each != above and is_kept(each)]
    return _Kept(_tracing, name, kind, attributes, above, others, root)


def together(name: str, trails: Iterable[str | None]) -> AbstractContextManager[Span]:
    """Work that is done for several traces at once: below the first of those that are collected, linked with the others."""
    kept = [trail for trail in trails if trail is not None and is_kept(trail)] if _tracing is not None else []
    return span(name, of=kept[0], linked=kept[1:]) if kept else NOTHING


class _Kept:
    """A span that is exported."""

    __slots__ = ("_error", "_span", "_token", "trail")

    def __init__(
        self, tracing: "_Tracing", name: str, kind: Kind, attributes: Attributes, above: str, linked: Iterable[str], root: bool
    ) -> None:
        self._span = tracing.begin(name, kind, attributes, above, linked, root)
        self._error = tracing.error
        context = self._span.get_span_context()
        own = f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
        request = above.partition(";")[2]
        self.trail = f"{own};{request}" if request else own
        self._token: contextvars.Token[str | None] | None = None

    def __enter__(self) -> "_Kept":
        self._token = traceparent.set(self.trail)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._token is not None:
            traceparent.reset(self._token)
        if not self._span.is_recording():
            return
        if kind is not None:
            self.failed(kind.__name__)
        self._span.end()

    def end(self) -> None:
        self._span.end()

    def set(self, name: str, value: str | int | bool) -> None:
        self._span.set_attribute(name, value)

    def call(self, name: str) -> None:
        self._span.update_name(name)

    def failed(self, kind: str) -> None:
        self._span.set_attribute("error.type", kind)
        self._span.set_status(self._error)


# ------------------------------------------------------------------------------------------------------------------- SDK
class _Tracing:
    """OpenTelemetry's SDK."""

    def __init__(self, service: str, wish: Collecting) -> None:
        # Here, for it takes 16 MB and a third of a second, and most towns collect nothing.
        from opentelemetry import trace  # noqa: PLC0415
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator  # noqa: PLC0415
        from opentelemetry.sdk.trace.sampling import Decision  # noqa: PLC0415

        self._api = trace
        self._ids = RandomIdGenerator()
        self._sampler = _sampler(wish)
        resource = Resource.create({"service.name": service, "service.namespace": "preau"})
        self._provider = TracerProvider(self._sampler, resource, shutdown_on_exit=False, id_generator=self._ids)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("preau")
        self._kinds = {kind: trace.SpanKind[kind.upper()] for kind in ("internal", "server", "client", "producer", "consumer")}
        self._sampled = Decision.RECORD_AND_SAMPLE
        self.error = trace.StatusCode.ERROR
        self.follows_parents = wish.sampler.startswith("parentbased")

    def samples(self, trace_id: str) -> bool:
        return self._sampler.should_sample(None, int(trace_id, 16), "").decision is self._sampled

    def begin(self, name: str, kind: Kind, attributes: Attributes, above: str, linked: Iterable[str], root: bool) -> "OtelSpan":
        parent = self._api.set_span_in_context(self._api.NonRecordingSpan(self._context(above)))
        links = [self._api.Link(self._context(each)) for each in linked]
        how: dict[str, Any] = {"kind": self._kinds[kind], "attributes": dict(attributes), "links": links, "record_exception": False}
        if not root:
            return self._tracer.start_span(name, parent, **how)
        self._ids.generate_trace_id = lambda: int(above[3:35], 16)  # type: ignore[method-assign]  # the trace's, which is known already
        return self._tracer.start_span(name, self._api.set_span_in_context(self._api.INVALID_SPAN), **how)

    def _context(self, trail: str) -> "SpanContext":
        flags = self._api.TraceFlags(int(trail[53:55], 16))
        return self._api.SpanContext(int(trail[3:35], 16), int(trail[36:52], 16), is_remote=True, trace_flags=flags)

    def end(self) -> None:
        """Export what is left, within END_SECONDS: a collector that is away keeps no process from ending."""
        last = threading.Thread(target=self._provider.shutdown, daemon=True)
        last.start()
        last.join(END_SECONDS)


def _sampler(wish: Collecting) -> "Sampler":
    from opentelemetry.sdk.trace import sampling  # noqa: PLC0415 -- as above

    of_roots = {
        "always_on": sampling.ALWAYS_ON,
        "always_off": sampling.ALWAYS_OFF,
        "traceidratio": sampling.TraceIdRatioBased(wish.share),
    }[wish.sampler.removeprefix("parentbased_")]
    return sampling.ParentBased(of_roots) if wish.sampler.startswith("parentbased_") else of_roots


_tracing: _Tracing | None = None


def collect(service: str, wish: Collecting | None) -> None:
    """From now on this process's spans are exported, or no more. Once, before anything is handled."""
    global _tracing  # noqa: PLW0603 -- as the logs, it is the process's
    stop()
    _tracing = None if wish is None else _Tracing(service, wish)


def stop() -> None:
    """Export what is left, and no more."""
    global _tracing
    last, _tracing = _tracing, None
    if last is not None:
        last.end()
