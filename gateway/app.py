"""The gateway's process: GraphQL at /graphql, the families' portal, files by links, notices of payments.

And what operators and other systems look at.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute, request_response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from gateway import catalogue, exploring, seen
from gateway.asking import bad_request
from gateway.bounds import Bounds, Buckets
from gateway.breaker import STATES
from gateway.browsers import Browsers
from gateway.client import Subgraphs, SubgraphUnavailable
from gateway.documents import Documents
from gateway.engine import Engine
from gateway.files import Files
from gateway.headers import LARGEST, are_too_large
from gateway.http import GraphQLEndpoint
from gateway.live import Live
from gateway.notices import Notices
from gateway.portal import town_words
from gateway.portal.town_words import TownWords
from gateway.reloading import Entrance, Loaded, Reloading
from gateway.seen import Fetching
from gateway.slowness import Slowness
from gateway.sockets import SocketEndpoint
from gateway.streams import Doorkeeper, Streams
from gateway.supergraph import COMMITTED, Supergraph
from gateway.texts import say
from gateway.trusted import Trusted
from gateway.waiting import Patience
from services import tracing
from services.bus import Bus
from services.ending import ENDING, ended, told_to_end
from services.refusal import language_of
from services.settings import Settings
from services.telemetry import feel_pulse, log_to

HEALTH_SECONDS = 0.7  #: Who asks us whether we are ready mostly waits a second.
ASKED_FOR_KEYS_SECONDS = 2.0
KEYS_SECONDS = 30.0  #: how long identity's public keys are remembered
TOO_LARGE = bad_request("REQUEST_HEADERS_TOO_LARGE", status=431, most=LARGEST)
NEVER_KEPT = {"cache-control": "no-store", "x-content-type-options": "nosniff", "connection": "close"}


def app() -> Starlette:
    """For uvicorn: `uvicorn --factory gateway.app:app`."""
    return application(Settings.from_environment())


def application(settings: Settings) -> Starlette:
    log_to(settings, "gateway")
    path, urls = settings.supergraph or COMMITTED, dict(sorted(settings.subgraph_urls.items()))
    loaded, words = Loaded.first(path, urls), town_words.read(settings.portal)
    supergraph = loaded.supergraph
    subgraphs, files, notices = Subgraphs.at(urls), Files.at(urls), Notices.at(urls)
    origins = frozenset(each.encode() for each in settings.allowed_origins)
    neighbours = Neighbours(subgraphs)

    guarding = partial(_door, settings=settings, neighbours=neighbours)
    streams = Streams(
        Documents(supergraph, checked=settings.checked_subgraphs, introspection=settings.introspection),
        Engine(
            supergraph.api,
            Fetching(subgraphs),
            seen.failed,
            Patience(services=settings.subgraph_seconds, whole=settings.request_seconds),
            masks=settings.production,
        ),
        Live(Bus(settings, "gateway")),
        settings.clock,
        guarding(supergraph),
        Trusted(settings.trusted_documents, settings.only_trusted),
        Bounds(settings.most_cost, Buckets(settings.account_points), Buckets(settings.address_points)),
        Slowness(settings.slow_seconds),
    )
    entrance = Entrance(GraphQLEndpoint(streams, settings.compression), SocketEndpoint(streams, settings.public_url, origins))
    reloading = Reloading(path, urls, entrance, guarding, loaded.sha256)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.drain = streams.live.drain
        pulse = asyncio.create_task(feel_pulse())
        async with streams.live.connected(), reloading.looking():
            yield
        await ended([pulse])
        tracing.stop()
        subgraphs.close()
        files.subgraphs.close()
        notices.subgraphs.close()

    return Application(
        Browsers(entrance, origins, request_response(exploring.page) if settings.explorer else None),
        Portal(entrance, settings, streams.trusted, words),
        lifespan=lifespan,
        routes=[
            *([Route("/graphql/{name}", exploring.part)] if settings.explorer else []),
            Route("/evenements", catalogue.page),
            Route("/evenements/{name}", catalogue.part),
            WebSocketRoute("/graphql", entrance.sockets),
            Route("/ics/{name}", files.calendar),
            Route("/files/{service}/{path:path}", files.file),
            Route("/payments/notices/{provider}", notices.take, methods=["POST"]),
            Route("/livez", _livez),
            Route("/readyz", neighbours.readyz),
            Route("/metrics", _metrics),
            Route("/.well-known/jwks.json", neighbours.keys),
        ],
        exception_handlers={404: _not_here, 405: _not_here},
    )


@dataclass(slots=True, eq=False)
class Portal:
    """The families' portal, loaded with the first page that somebody asks for: clients of the API alone never need it."""

    endpoint: ASGIApp
    settings: Settings
    trusted: Trusted
    words: TownWords
    _app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await WebSocketClose()(scope, receive, send)
            return
        if self._app is None:
            from gateway.portal.app import portal  # noqa: PLC0415 -- see above

            self._app = portal(self.endpoint, self.settings, self.trusted, self.words)
        await self._app(scope, receive, send)


class Application(Starlette):
    """GraphQL goes straight to its endpoint: it is nearly all that is asked for, and routes and middleware cost a tenth of an answer."""

    def __init__(self, graphql: ASGIApp, portal: ASGIApp, **told: Any) -> None:
        super().__init__(**told)
        self.router.default, self.router.redirect_slashes = portal, False
        self._graphql = graphql

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and are_too_large(scope):
            await _too_large(Request(scope))(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == "/graphql":
            await self._graphql(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _door(supergraph: Supergraph, settings: Settings, neighbours: "Neighbours") -> Doorkeeper | None:
    """Only where something is guarded: what reads tokens takes 10 MB."""
    if not supergraph.guards:
        return None
    from gateway.door import Door  # noqa: PLC0415 -- see above
    from services.claims import Verifier  # noqa: PLC0415 -- see above

    return Door(Verifier(settings.clock), neighbours.public_keys)


def _too_large(request: Request) -> Response:
    return JSONResponse({"errors": TOO_LARGE.told(language_of(request.headers.get("accept-language")))}, TOO_LARGE.status, NEVER_KEPT)


async def _not_here(request: Request, no: Exception) -> Response:
    assert isinstance(no, HTTPException), "nothing else is answered with these"
    text = say("NO_PAGE" if no.status_code == 404 else "NOT_THAT_WAY", language_of(request.headers.get("accept-language")))
    return PlainTextResponse(text, no.status_code, headers={**(no.headers or {}), "x-content-type-options": "nosniff"})


async def _livez(_: Request) -> Response:
    return PlainTextResponse("ok")


async def _metrics(_: Request) -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@dataclass(slots=True)
class Neighbours:
    """What the gateway asks of the services beside GraphQL."""

    subgraphs: Subgraphs
    _keys: bytes = b""
    _keys_until: float = 0.0
    _loading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def readyz(self, request: Request) -> Response:
        """As long as any service answers, so can we: what the others would bring is missing, and here it is told, for information.

        If one of them were reason enough, its outage would be everybody's.
        """
        away = await self._away()
        reasons = [ENDING] if told_to_end(request.app.state) else away if len(away) == len(self.subgraphs.by_name) else []
        breakers = {name: STATES[each.breaker.state] for name, each in self.subgraphs.by_name.items()}
        return JSONResponse({"ready": not reasons, "reasons": reasons, "away": away, "breakers": breakers}, 503 if reasons else 200)

    async def _away(self) -> list[str]:
        services = self.subgraphs.by_name
        found: Mapping[str, str | None] = dict(zip(services, await asyncio.gather(*map(self._trouble, services)), strict=True))
        return [f"{service}: {trouble}" for service, trouble in found.items() if trouble]

    async def _trouble(self, service: str) -> str | None:
        try:
            response = await self.subgraphs.by_name[service].get("/livez", seconds=HEALTH_SECONDS)
        except SubgraphUnavailable as error:
            return str(error)
        return None if response.status == 200 else f"HTTP {response.status}"

    async def keys(self, _: Request) -> Response:
        keys = await self.public_keys()
        if not keys:
            return JSONResponse({"reasons": ["identity cannot be asked at the moment"]}, 503)
        return Response(keys, media_type="application/json", headers={"cache-control": f"public, max-age={KEYS_SECONDS:.0f}"})

    async def public_keys(self) -> bytes:
        """Identity's; those seen last, if it cannot be asked."""
        async with self._loading:
            if time.monotonic() >= self._keys_until:
                await self._load_keys()
        return self._keys

    async def _load_keys(self) -> None:
        try:
            response = await self.subgraphs.by_name["identity"].get("/.well-known/jwks.json", seconds=ASKED_FOR_KEYS_SECONDS)
        except SubgraphUnavailable as error:
            seen.failed("identity", error)
            return
        if response.status == 200:
            self._keys, self._keys_until = response.body, time.monotonic() + KEYS_SECONDS
