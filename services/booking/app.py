"""Booking's process: its schema, its allocator, and what it does when it hears something."""

from starlette.applications import Starlette
from starlette.routing import Route

from services.booking.conductor import conduct, engage
from services.booking.counter import allocate, expire, find_answers, hear_of_answers, open_counter, take_orders, tell_of_delays
from services.booking.files import ROUTES
from services.booking.personal import forget_old
from services.booking.reactions import service
from services.booking.schema import schema
from services.booking.school_calendar import follow
from services.booking.settling import settle_days
from services.booking.viewing import LOG
from services.graphql import endpoint
from services.personal import keep_forgetting
from services.service import Running, application
from services.settings import Settings

__all__ = ["app", "on_start", "service"]

for task in (take_orders, allocate, find_answers, hear_of_answers, expire, settle_days, conduct, tell_of_delays, LOG.keep_viewings):
    service.runs(task)


@service.runs
async def forget(running: Running) -> None:
    await keep_forgetting(running, forget_old)


async def on_start(running: Running) -> None:
    """Before anything is served."""
    await open_counter(running)
    engage(running)


def app(settings: Settings) -> Starlette:
    """Raises SettingsError."""
    follow(settings.school_holidays)  # A mistake in the file is told before anything starts.
    graphql = Route("/graphql", endpoint(schema, service.name), methods=["POST"])
    return application(service, settings, routes=[graphql, *ROUTES], on_start=on_start)
