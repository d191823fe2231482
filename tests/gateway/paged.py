"""An identity that answers pages as it is told to, behind a real server, and a gateway before it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from graphql import parse, validate
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.app import application
from services.settings import Settings
from tests.gateway.fakes import SUPERGRAPH
from tests.serving import at_an_address

FORM = {"content-type": "application/x-www-form-urlencoded"}


@dataclass
class Identity:
    """Answers as it is told to."""

    says: dict[str, Any] = field(default_factory=dict)
    heard: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)  #: What may have an effect.
    looked: list[str] = field(default_factory=list)  #: Tokens of links that were opened.

    async def answer(self, request: Request) -> Response:
        asked = json.loads(await request.body())
        assert validate(SUPERGRAPH.api, parse(asked["query"])) == []
        if "isLiveLink" in asked["query"]:
            self.looked.append(asked["variables"]["token"])
        else:
            self.heard.append((dict(request.headers), asked))
        (asks,) = parse(asked["query"]).definitions[0].selection_set.selections  # type: ignore[attr-defined]
        name = asks.name.value
        return JSONResponse({"data": {name: self.says.get(name, True)}})


@asynccontextmanager
async def before(
    identity: Identity, public_url: str = "http://preau.test", identity_url: str | None = None
) -> AsyncIterator[httpx2.AsyncClient]:
    routes = [Route("/graphql", identity.answer, methods=["POST"])]
    async with at_an_address(Starlette(routes=routes)) as url:
        app = application(Settings.from_environment({"IDENTITY_URL": identity_url or url, "PREAU_PUBLIC_URL": public_url}))
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=public_url) as one,
        ):
            yield one


def refused(code: str, message: str = "Non.") -> dict[str, str]:
    return {"__typename": "Refusal", "code": code, "message": message}
