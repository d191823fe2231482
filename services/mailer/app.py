"""The mailer's process: it hears, queues and sends. Nobody asks it anything, so it has no schema."""

import os

from starlette.applications import Starlette

from services.events import PlaceExpired, PlaceGiven, RequestDecided, ResetLinkMade
from services.mailer.reactions import service
from services.mailer.sending import keep_sending, look_now
from services.service import Running, application
from services.settings import Settings

__all__ = ["app", "service"]

service.runs(keep_sending)
for kind in (RequestDecided, PlaceGiven, PlaceExpired, ResetLinkMade):
    service.after(kind)(look_now)


async def give_way(running: Running) -> None:
    """Nobody waits at a screen for a mail: where processors are few, those whom families wait for go first."""
    os.nice(10)


def app(settings: Settings) -> Starlette:
    return application(service, settings, on_start=give_way)
