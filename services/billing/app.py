"""Billing's process: its schema, and what it does when it hears something."""

from starlette.applications import Starlette
from starlette.routing import Route

from services.billing.loading import holds_moved
from services.billing.reactions import ABOUT_BOOKINGS
from services.billing.reactions import billing as service
from services.billing.schema import schema
from services.graphql import endpoint
from services.service import application
from services.settings import Settings

__all__ = ["app", "service"]

for kind in ABOUT_BOOKINGS:
    service.after(kind)(holds_moved)


def app(settings: Settings) -> Starlette:
    graphql = Route("/graphql", endpoint(schema, service.name), methods=["POST"])
    return application(service, settings, routes=[graphql])
