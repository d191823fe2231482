"""The mailer's process: it hears, queues and sends, and tells agents what became of mails."""

from starlette.applications import Starlette
from starlette.routing import Route

from services.events import (
    AddressCancelMade,
    AddressLinkMade,
    AnnouncementDue,
    InvitationMade,
    PaymentFailed,
    PlaceExpired,
    PlaceGiven,
    RequestDecided,
    RequestExplained,
    ResetLinkMade,
    SecurityNoticeMade,
)
from services.graphql import endpoint
from services.mailer.announcing import announce_now, keep_announcing
from services.mailer.calling import keep_calling, keep_hearing
from services.mailer.forgetting import keep_forgetting
from services.mailer.reactions import service
from services.mailer.schema import schema
from services.mailer.sending import keep_sending, look_now
from services.mailer.viewing import LOG
from services.service import Running, application
from services.settings import Settings
from services.yielding import give_way

__all__ = ["app", "service"]

service.runs(keep_sending)
service.runs(keep_announcing)
service.runs(keep_forgetting)
service.runs(keep_hearing)
service.runs(keep_calling)
service.runs(LOG.keep_viewings)
at_once = (AddressCancelMade, AddressLinkMade, InvitationMade, PaymentFailed, PlaceExpired, PlaceGiven, RequestDecided, RequestExplained)
for kind in (*at_once, ResetLinkMade, SecurityNoticeMade):
    service.after(kind)(look_now)
service.after(AnnouncementDue)(announce_now)


async def step_back(running: Running) -> None:
    """Nobody waits at a screen for a mail: where processors are few, those whom families wait for go first."""
    give_way(4)


@service.runs
async def let_families_pass(running: Running) -> None:
    await running.crowd.listen()


def app(settings: Settings) -> Starlette:
    graphql = Route("/graphql", endpoint(schema, service.name), methods=["POST"])
    return application(service, settings, routes=[graphql], on_start=step_back)
