"""The portal's addresses. The gateway loads this when somebody asks for the first page: clients of the API alone never need it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router, request_response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.portal import assets, town_words
from gateway.portal.api import Api
from gateway.portal.noticeboard import Noticeboard
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
    api, origins = Api(endpoint), payment_origins(settings)
    house = House(api, Renewing(), Noticeboard(api), settings.clock, secure, origins, words, passkeys, settings.public_url)
    pages = [Route(path, partial(_answer, house, handler), methods=methods) for path, methods, handler in PAGES]
    unknown = partial(_answer, house, _not_here)
    files = [Route("/portail/logo/{name}", partial(_logo, words)), Route("/portail/{version}/{name}", assets.served)]
    return _Pages(
        Router([*files, *pages], default=request_response(unknown), redirect_slashes=False),
        house,
    )


def payment_origins(settings: Settings) -> frozenset[str]:
    """Where the payment page's form may lead at last. To other payment sites there is a link on a page between."""
    known = {"sandbox": settings.sandbox_url, "sandbox-unsigned": settings.sandbox_url, "stripe": STRIPE}
    return frozenset(payment.origin(url) for name in settings.payment_providers if (url := known.get(name)))


@dataclass(frozen=True, slots=True)
class _Pages:
    """What is not used that way is said by a page, to people."""

    router: Router
    house: House

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.router(scope, receive, send)
        except HTTPException as no:
            request = Request(scope, receive)
            if no.status_code != 405 or not _wants_page(request):
                raise
            response = Visit.of(request, self.house).trouble("NOT_THAT_WAY", 405)
            response.headers.update(no.headers or {})
            await response(scope, receive, send)


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


async def _not_here(visit: Visit) -> Response:
    """A page for people, a line for programs."""
    if _wants_page(visit.request):
        return visit.trouble("NOT_HERE", 404)
    return PlainTextResponse(say("NO_PAGE", visit.language), 404, headers={"x-content-type-options": "nosniff"})


async def _logo(words: TownWords, request: Request) -> Response:
    """`/portail/logo/{name}`. It draws, and that is all: whatever else stands in an SVG does nothing, also where it is opened by itself."""
    found = words.served.get(request.path_params["name"])
    if found is None:
        return PlainTextResponse("", 404)
    policy = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
    return Response(found.body, headers={**assets.KEPT, **policy}, media_type=town_words.KINDS[found.suffix][1])


async def _answer(house: House, handler: Handler, request: Request) -> Response:
    visit = Visit.of(request, house)
    try:
        return visit.dressed(await handler(visit))
    except Answered as answered:
        return visit.dressed(answered.response)
