"""A small provider of OpenID Connect, as FranceConnect is one: a real HTTP server, that can also lie, be slow, or be away."""

import asyncio
import base64
import hashlib
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT, SECRET = "preau-carteville", "a-secret-of-the-provider"


def sum_of(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def new_key() -> ECKey:
    return ECKey.generate_key("P-256", auto_kid=True)


@dataclass
class Provider:
    """`lie` is one of the ways below in which an answer is wrong; `now` is the town's clock, in Unix seconds."""

    issuer: str = ""
    now: float = 0.0
    subject: str = "jp"
    claims: dict[str, Any] = field(default_factory=dict)  #: Beside those of every id_token.
    lie: str = ""
    key: ECKey = field(default_factory=new_key)
    asked: list[str] = field(default_factory=list)  #: Paths, in order.
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)

    def rotates(self) -> None:
        self.key = new_key()

    def authorises(self, url: str) -> str:
        """What the browser comes back with: the code."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert url.startswith(f"{self.issuer}/authorize?")
        assert (asked["response_type"], asked["client_id"], asked["code_challenge_method"]) == ("code", CLIENT, "S256")
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return code

    # ------------------------------------------------------------------------------------------------------ endpoints
    def app(self) -> Starlette:
        routes = [
            Route("/.well-known/openid-configuration", self._about),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
            Route("/userinfo", self._userinfo),
            Route("/jwks", self._jwks),
        ]
        return Starlette(routes=routes)

    async def _enter(self, request: Request) -> Response | None:
        self.asked.append(request.url.path)
        if self.lie == "slow":
            await asyncio.sleep(1)
        if self.lie == "broken":
            return PlainTextResponse("<h1>Bad gateway</h1>", 502)
        if self.lie == "nonsense":
            return PlainTextResponse("[1, 2")
        if self.lie == "endless":
            return PlainTextResponse("x" * 1_000_000)
        if self.lie == "elsewhere":
            return RedirectResponse("http://127.0.0.1:1/")
        return None

    async def _about(self, request: Request) -> Response:
        if trouble := await self._enter(request):
            return trouble
        about = {f"{name}_endpoint": f"{self.issuer}/{path}" for name, path in (("authorization", "authorize"), ("token", "token"))}
        about |= {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/jwks", "userinfo_endpoint": f"{self.issuer}/userinfo"}
        about["token_endpoint_auth_methods_supported"] = ["client_secret_post"]  # type: ignore[assignment]
        if self.lie == "another issuer":
            about["issuer"] = "http://evil.example"
        return JSONResponse(about)

    async def _authorize(self, request: Request) -> Response:
        code = self.authorises(str(request.url))
        return RedirectResponse(
            f"{request.query_params['redirect_uri']}?{urlencode({'code': code, 'state': request.query_params['state']})}"
        )

    async def _token(self, request: Request) -> Response:
        if trouble := await self._enter(request):
            return trouble
        asked = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        begun = self.codes.pop(asked.get("code", ""), None)
        right = (asked.get("client_id"), asked.get("client_secret"), asked.get("grant_type")) == (CLIENT, SECRET, "authorization_code")
        if begun is None or not right or begun["redirect_uri"] != asked.get("redirect_uri"):
            return JSONResponse({"error": "invalid_grant"}, 400)
        if begun["code_challenge"] != sum_of(asked.get("code_verifier", "")):
            return JSONResponse({"error": "invalid_grant"}, 400)
        access = secrets.token_urlsafe(16)
        self.tokens.add(access)
        return JSONResponse({"access_token": access, "token_type": "Bearer", "id_token": self._id_token(begun["nonce"], access)})

    def _id_token(self, nonce: str, access: str) -> str:
        half = base64.urlsafe_b64encode(hashlib.sha256(access.encode()).digest()[:16]).rstrip(b"=").decode()
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": self.subject,
            "nonce": nonce,
            "iat": self.now,
            "exp": self.now + 60,
            "at_hash": half,
        }
        claims |= self.claims
        lies: dict[str, dict[str, Any]] = {
            "wrong nonce": {"nonce": "another"},
            "no nonce": {"nonce": None},
            "wrong audience": {"aud": "somebody-else"},
            "two audiences": {"aud": [CLIENT, "somebody-else"]},
            "wrong azp": {"azp": "somebody-else"},
            "wrong issuer": {"iss": "http://evil.example"},
            "ran out": {"exp": self.now - 61},
            "of yesterday": {"iat": self.now - 86_400},
            "of tomorrow": {"iat": self.now + 86_400},
            "no times": {"exp": None},
            "wrong at_hash": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
            "no subject": {"sub": ""},
            "subject is a number": {"sub": 7},
        }
        return self._signed(claims | lies.get(self.lie, {}))

    async def _userinfo(self, request: Request) -> Response:
        if trouble := await self._enter(request):
            return trouble
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return JSONResponse({"error": "invalid_token"}, 401)
        told = {"iss": self.issuer, "aud": CLIENT, "sub": self.subject, "given_name": "Jean-Paul", "family_name": "DUPONT"}
        if self.lie == "userinfo of another":
            told["sub"] = "another"
        key = new_key() if self.lie == "userinfo forged" else self.key
        token = jwt.encode({"alg": "ES256", "kid": self.key.kid}, told, key, algorithms=["ES256"])
        return Response(token, media_type="application/jwt")

    async def _jwks(self, request: Request) -> Response:
        if trouble := await self._enter(request):
            return trouble
        return JSONResponse(KeySet([self.key]).as_dict(private=False))

    def _signed(self, claims: dict[str, Any]) -> str:
        header: dict[str, Any] = {"alg": "ES256", "kid": self.key.kid}
        if self.lie == "alg none":
            empty = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
            return f"{empty}.{jwt.encode(header, claims, self.key, algorithms=['ES256']).split('.')[1]}."
        if self.lie == "signed with the client's secret":
            return jwt.encode({"alg": "HS256", "kid": self.key.kid}, claims, OctKey.import_key(SECRET), algorithms=["HS256"])
        key = new_key() if self.lie in ("wrong signature", "unknown key") else self.key
        kid = key.kid if self.lie == "unknown key" else self.key.kid
        return jwt.encode({"alg": "ES256", "kid": kid}, claims, key, algorithms=["ES256"])


@asynccontextmanager
async def served(provider: Provider) -> AsyncIterator[Provider]:
    listening = socket.create_server(("127.0.0.1", 0))
    provider.issuer = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(provider.app(), log_level="error", lifespan="off", timeout_graceful_shutdown=0))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield provider
    finally:
        server.should_exit = True
        await task
        listening.close()
