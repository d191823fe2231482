"""Billing's process: its schema, and what it does when it hears something."""

from starlette.applications import Starlette
from starlette.routing import Route

from services.billing import files, health, notices
from services.billing.cashier import open_cashier, providers_of, reconcile
from services.billing.loading import holds_moved
from services.billing.personal import forget_old
from services.billing.reactions import ABOUT_BOOKINGS
from services.billing.reactions import billing as service
from services.billing.schema import schema
from services.billing.viewing import LOG
from services.graphql import endpoint
from services.personal import keep_forgetting
from services.service import Running, application
from services.settings import Settings
from services.yielding import give_way

__all__ = ["app", "on_start", "service"]

for kind in ABOUT_BOOKINGS:
    service.after(kind)(holds_moved)


service.runs(reconcile)
service.runs(health.watch)
service.runs(LOG.keep_viewings)


@service.runs
async def forget(running: Running) -> None:
    await keep_forgetting(running, forget_old)


async def on_start(running: Running) -> None:
    """Before anything is served."""
    open_cashier(running)


async def step_back(running: Running) -> None:
    """In an opening rush, to booking: families wait for their places, not for what billing notes of them a second later."""
    give_way(3)
    await on_start(running)


@service.runs
async def let_families_pass(running: Running) -> None:
    await running.crowd.listen()


def app(settings: Settings) -> Starlette:
    """Raises SettingsError."""
    providers_of(settings)  # A mistake is told before anything starts.
    graphql = Route("/graphql", endpoint(schema, service.name), methods=["POST"])
    return application(service, settings, routes=[graphql, *files.ROUTES, *notices.ROUTES], on_start=step_back)
