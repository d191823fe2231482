"""An identity that answers pages as it is told to, behind a real server, a gateway before it, and a browser that sends its forms."""

import asyncio
import html
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx2
from graphql import FieldNode, OperationDefinitionNode, parse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.app import application
from services.settings import Settings
from tests.serving import at_an_address

FORM = {"content-type": "application/x-www-form-urlencoded"}
TOKEN_FIELD = re.compile(r'name="jeton_page" value="([^"]+)"')
ACCOUNT = {"__typename": "Account", "id": "a1", "login": "dupont", "title": "M.", "firstName": "Jean-Paul", "lastName": "<DUPONT>"}
ACCOUNT |= {
    "email": None,
    "undeliverable": None,
    "language": "fr",
    "passwordIsHandedOut": False,
    "secondFactorMissing": [],
    "families": [],
    "agentOf": [],
}
SIGNED_IN = {
    "__typename": "SignedIn",
    "accessToken": "secret-access",
    "accessTokenExpiresAt": "2036-11-30T00:00:00Z",
    "refreshToken": "secret-refresh",
    "refreshTokenExpiresAt": "2036-11-30T12:00:00Z",
    "deviceToken": "secret-device",
    "account": ACCOUNT,
}
#: What identity tells everybody.
TOLD_ALL: dict[str, Any] = {"oidcProviders": [], "publicAnnouncements": [], "secretQuestionsOpen": False}
SECRETS = ("secret-access", "secret-refresh", "secret-device")


def refused(code: str, message: str = "Non.", **told: Any) -> dict[str, Any]:
    """A refusal: of the type that has this code."""
    return {"__typename": code.title().replace("_", ""), "code": code, "message": message, **told}


@dataclass
class Identity:
    """Answers as it is told to."""

    says: dict[str, Any] = field(default_factory=lambda: {"isLiveLink": True, "signOut": True, "me": ACCOUNT, **TOLD_ALL})
    heard: list[tuple[str, dict[str, Any], str | None]] = field(default_factory=list)  #: What may have an effect: field, variables, token.
    looked: list[str] = field(default_factory=list)  #: Tokens of links that were opened.
    silent: list[str] = field(default_factory=list)  #: What it does not answer before it `goes_on`: fields of which it `says` "silence".
    complains: dict[str, str] = field(default_factory=dict)  #: Field -> why a document that asks for it is not answered at all.
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: Request) -> Response:
        asked = json.loads(await request.body())
        (operation,) = [each for each in parse(asked["query"]).definitions if isinstance(each, OperationDefinitionNode)]
        names = [each.name.value for each in operation.selection_set.selections if isinstance(each, FieldNode)]
        for name in names:
            self._note(name, asked.get("variables") or {}, request.headers.get("authorization"))
        if wrong := [self.complains[name] for name in names if name in self.complains]:
            return JSONResponse({"data": None, "errors": [{"message": each, "extensions": {"code": "BAD_USER_INPUT"}} for each in wrong]})
        if kept_back := [name for name in names if self.says[name] == "silence"]:
            self.silent += kept_back
            await self.goes_on.wait()
            self.silent.remove(*kept_back)
        return JSONResponse({"data": {name: self.says[name] for name in names}})

    def _note(self, name: str, variables: dict[str, Any], token: str | None) -> None:
        if name == "isLiveLink":
            self.looked += variables.values()
        elif name not in (*TOLD_ALL, "me"):
            self.heard.append((name, variables, token))

    @property
    def asked(self) -> list[str]:
        return [name for name, _, _ in self.heard]


@dataclass
class Guest:
    """Keeps cookies, and the token of the page that it opened last."""

    client: httpx2.AsyncClient
    token: str = ""

    async def opens(self, path: str, language: str = "fr", **asked: str) -> httpx2.Response:
        return self._seen(await self.client.get(path, params=asked or None, headers={"accept-language": language, "accept": "text/html"}))

    async def sends(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> httpx2.Response:
        if not self.token:
            await self.opens("/mot-de-passe")
        body = urlencode({"jeton_page": self.token, **fields})
        return self._seen(await self.client.post(path, content=body, headers={**FORM, "accept-language": "fr", **(headers or {})}))

    async def follows(self, answer: httpx2.Response) -> httpx2.Response:
        assert answer.status_code == 303
        return await self.opens(answer.headers["location"])

    def _seen(self, answer: httpx2.Response) -> httpx2.Response:
        found = TOKEN_FIELD.search(answer.text)
        self.token = found[1] if found else self.token
        return answer


def words(answer: httpx2.Response) -> str:
    """What a page says, without its marks."""
    return html.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", answer.text, flags=re.S))


@asynccontextmanager
async def before(identity: Identity, public_url: str = "http://preau.test", **settings: str) -> AsyncIterator[Guest]:
    routes = [Route("/graphql", identity.answer, methods=["POST"])]
    async with at_an_address(Starlette(routes=routes)) as url:
        app = application(Settings.from_environment({"IDENTITY_URL": url, "PREAU_PUBLIC_URL": public_url, **settings}))
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=public_url) as one,
        ):
            yield Guest(one)
