"""What operators see: logs as lines of JSON (or readable ones in a terminal), and metrics. Traces: tracing.py."""

import asyncio
import datetime as dt
import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog
from prometheus_client import Counter, Gauge, Histogram

from services import tracing
from services.settings import Settings, SettingsError
from services.tallies import Histograms
from services.tracing import new_traceparent, request_id_of, trace_id_of, traceparent

__all__ = ["log", "log_to", "new_traceparent", "traceparent"]

HEARD = Counter("preau_events_heard_total", "Events handled", ["service", "outcome"])
PUBLISHED = Counter("preau_events_published_total", "Events acknowledged by the broker", ["service"])
REPUBLISHED = Counter("preau_outbox_republished_total", "Times the outbox was published again", ["service"])
PENDING = Gauge("preau_outbox_pending", "Events waiting to be published", ["service"])
OLDEST = Gauge("preau_outbox_oldest_seconds", "Age of the oldest event that waits to be published; 0 if there is none", ["service"])
UNHEARD = Gauge("preau_consumer_lag", "Events that wait to be handled, or are in hand", ["service"])
BURIED = Gauge("preau_dead_letters", "Events that could not be handled, and wait for an operator", ["service"])
OPERATIONS = Histograms("preau_graphql_seconds", "GraphQL requests", ["service"])
LAGS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5)
LAG = Histogram("preau_event_loop_lag_seconds", "How much too late the process came to what was due", buckets=LAGS)

BEAT_SECONDS = 1.0


def log_to(settings: Settings, service: str) -> None:
    """Set up what the process tells of itself: once, before anything is logged."""
    global _access_below, _service
    _access_below, _service = round(settings.access_log * 2**32), service
    _configure(getattr(logging, settings.log_level.upper(), logging.INFO))
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(level=logging.WARNING, handlers=[_Passing()])
    try:
        tracing.collect(service, settings.collecting)
    except ImportError as error:
        raise SettingsError('OTEL_EXPORTER_OTLP_ENDPOINT needs what is not installed: pip install "preau[otel]"') from error


class _Passing(logging.Handler):
    """What libraries log is said as our own lines are."""

    def emit(self, record: logging.LogRecord) -> None:
        log().log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)


def _configure(level: int) -> None:
    # Plain tracebacks: the pretty ones print local variables, and with them passwords.
    render: structlog.typing.Processor = structlog.processors.JSONRenderer(serializer=_json)
    if sys.stderr.isatty():
        render = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _add_request,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # what stderr is when something is said: tests exchange it
    )


def log() -> structlog.typing.FilteringBoundLogger:
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


def _json(line: MutableMapping[str, Any], **_: Any) -> str:
    return orjson.dumps(line, default=repr).decode()


def _add_request(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Which request it is about: the same words in all processes."""
    trail = traceparent.get()
    if trail is not None and "trace_id" not in line:
        line["request_id"], line["trace_id"] = request_id_of(trail), trace_id_of(trail)
    return line


_configure(logging.INFO)


# ------------------------------------------------------------------------------------------------------ a line a request
_access_below = 0  #: Of 2**32.
_service = ""


def tell(event: str, trail: str, **fields: Any) -> None:
    """One of those lines. Past structlog, which takes four times as long over it."""
    line = {"event": event, **fields, "service": _service, "request_id": request_id_of(trail), "trace_id": trace_id_of(trail)}
    if sys.stderr.isatty():
        log().info(**line)
    else:
        now = f"{dt.datetime.now(dt.UTC).replace(tzinfo=None).isoformat()}Z"
        sys.stderr.write(orjson.dumps({**line, "level": "info", "time": now}, option=orjson.OPT_APPEND_NEWLINE).decode())


def is_told(trail: str | None) -> bool:
    """Whether each process says a line of this request: all of them, or none."""
    return _access_below > 0 and trail is not None and int(trail[27:35], 16) < _access_below


# ------------------------------------------------------------------------------------------------------------- its pulse
async def feel_pulse() -> None:
    """For as long as the process lives: how late it comes to what is due tells how long it was kept from everything."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + BEAT_SECONDS
        await asyncio.sleep(BEAT_SECONDS)
        LAG.observe(max(0.0, loop.time() - due))
