"""What operators see: logs as lines of JSON (or readable ones in a terminal), metrics, and a trace that follows a request."""

import contextvars
import logging
import secrets
import sys

import structlog
from prometheus_client import Counter, Gauge, Histogram

from services.settings import Settings

#: W3C trace context of what is being handled: it rides along in HTTP and NATS headers.
traceparent: contextvars.ContextVar[str | None] = contextvars.ContextVar("traceparent", default=None)

HEARD = Counter("preau_events_heard_total", "Events handled", ["service", "outcome"])
PUBLISHED = Counter("preau_events_published_total", "Events acknowledged by the broker", ["service"])
REPUBLISHED = Counter("preau_outbox_republished_total", "Times the outbox was published again", ["service"])
PENDING = Gauge("preau_outbox_pending", "Events waiting to be published", ["service"])
OPERATIONS = Histogram("preau_graphql_seconds", "GraphQL requests", ["service"])


def log_to(settings: Settings, service: str) -> None:
    """Set the process's logs up: once, before anything is logged."""
    _configure(getattr(logging, settings.log_level.upper(), logging.INFO))
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)


def _configure(level: int) -> None:
    # Plain tracebacks: the pretty ones print local variables, and with them passwords.
    render: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if sys.stderr.isatty():
        render = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # what stderr is when something is said: tests exchange it
    )


_configure(logging.INFO)


def log() -> structlog.typing.FilteringBoundLogger:
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


def new_traceparent() -> str:
    """A fresh W3C trace context, for what begins here."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
