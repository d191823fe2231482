"""The portal's addresses. The gateway loads this when somebody asks for the first page: clients of the API alone never need it."""

from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router, request_response
from starlette.types import ASGIApp

from gateway.portal import assets
from gateway.portal.api import Api
from gateway.portal.operations import ALL
from gateway.portal.pages import PAGES, payment
from gateway.portal.session import Renewing
from gateway.portal.town_words import TownWords
from gateway.portal.visit import Answered, House, Visit
from gateway.texts import say
from gateway.trusted import Trusted
from services.settings import Settings

STRIPE = "https://checkout.stripe.com"
#: What answers an address.
Handler = Callable[[Visit], Awaitable[Response]]


def portal(endpoint: ASGIApp, settings: Settings, trusted: Trusted, words: TownWords) -> ASGIApp:
    """`endpoint`: GraphQL's, which is asked within this process. `trusted`: knows our operations from now on."""
    trusted.admit(ALL)
    url = urlsplit(settings.public_url)
    secure = url.scheme == "https"
    passkeys = secure or url.hostname == "localhost"
    house = House(Api(endpoint), Renewing(), settings.clock, secure, payment_origins(settings), words, passkeys)
    pages = [Route(path, partial(_answer, house, handler), methods=methods) for path, methods, handler in PAGES]
    unknown = partial(_answer, house, _not_here)
    return Router([Route("/portail/{version}/{name}", assets.served), *pages], default=request_response(unknown), redirect_slashes=False)


def payment_origins(settings: Settings) -> frozenset[str]:
    """Where the payment page's form may lead at last. To other payment sites there is a link on a page between."""
    known = {"sandbox": settings.sandbox_url, "sandbox-unsigned": settings.sandbox_url, "stripe": STRIPE}
    return frozenset(payment.origin(url) for name in settings.payment_providers if (url := known.get(name)))


async def _not_here(visit: Visit) -> Response:
    """A page for people, a line for programs."""
    if "text/html" in visit.request.headers.get("accept", ""):
        return visit.trouble("NOT_HERE", 404)
    return PlainTextResponse(say("NO_PAGE", visit.language), 404, headers={"x-content-type-options": "nosniff"})


async def _answer(house: House, handler: Handler, request: Request) -> Response:
    visit = Visit.of(request, house)
    try:
        return visit.dressed(await handler(visit))
    except Answered as answered:
        return visit.dressed(answered.response)
