"""Identity's process: its schema, its public keys, and its duties."""

from starlette.applications import Starlette
from starlette.routing import Route

from services.graphql import endpoint
from services.identity.data_route import ROUTES
from services.identity.duties import announce, keep_signing, public_keys, put_addresses_in_force, tidy_up
from services.identity.duties import open_entrance as on_start
from services.identity.reactions import service
from services.identity.schema import schema
from services.identity.viewing import LOG
from services.service import application
from services.settings import Settings

__all__ = ["app", "on_start", "service"]

service.runs(tidy_up)
service.runs(announce)
service.runs(put_addresses_in_force)
service.runs(LOG.keep_viewings)
service.runs(keep_signing)


def app(settings: Settings) -> Starlette:
    graphql = Route("/graphql", endpoint(schema, service.name), methods=["POST"])
    return application(service, settings, routes=[graphql, *ROUTES, Route("/.well-known/jwks.json", public_keys)], on_start=on_start)
