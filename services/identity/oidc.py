"""One provider of OpenID Connect, as it is spoken to: where it is asked, and what it says of whoever comes back with a code.

It is somebody else's machine: whatever it does, or does not, is `Unreachable` or `Wrong`, within seconds.
"""

import asyncio
import datetime as dt
import hashlib
import time
from base64 import urlsafe_b64encode
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import httpx2
import orjson
from joserfc.jwk import KeySet

from services.certificates import trusted
from services.identity.id_tokens import Expected, UnknownKey, Wrong, keys_of, signed_claims, sureness, verified
from services.identity.providers import Provider
from services.telemetry import log

SECONDS = 5.0  #: For each thing it is asked.
KEPT_SECONDS = 3600.0  #: What it says of itself, and its keys.
AWAY_SECONDS = 5.0  #: It was away: for so long it is not asked again what it is asked by one after the other.
LARGEST = 256_000  #: Bytes of an answer.
JWT = "application/jwt"

T = TypeVar("T")


class Unreachable(Exception):
    """It is down, slow, or answers nonsense."""


@dataclass(frozen=True, slots=True)
class Half:
    """What one sign-in there is known by; the client keeps none of it."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Said:
    """What the provider said of somebody, verified."""

    subject: str
    sure: bool  #: So that it counts as a second factor.
    name: str  #: As people read it; empty where it was not asked for, or is not told.


@dataclass(slots=True)
class Client:
    """One per process and provider."""

    provider: Provider
    redirect_uri: str
    _about: Mapping[str, Any] = field(default_factory=dict)
    _about_until: float = 0.0
    _keys: KeySet | None = None
    _keys_until: float = 0.0
    _away_until: float = 0.0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def address(self, half: Half) -> str:
        """Where the browser goes. Raises Unreachable."""
        about = await self._discovered()
        asked = {
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": " ".join(self.provider.scopes),
            "state": half.state,
            "nonce": half.nonce,
            "code_challenge": challenge_of(half.verifier),
            "code_challenge_method": "S256",
        }
        if self.provider.acr:
            asked["acr_values"] = " ".join(self.provider.acr)
        return f"{about['authorization_endpoint']}{'&' if '?' in about['authorization_endpoint'] else '?'}{urlencode(asked)}"

    async def said(self, code: str, half: Half, now: dt.datetime, *, named: bool) -> Said:
        """`named`: with the name, for which the provider is asked once more. Raises Unreachable or Wrong."""
        expected = Expected(self.provider.issuer, self.provider.client_id, now.timestamp())
        about = await self._discovered()
        granted = await self._exchanged(about, code, half)
        access_token = str(granted.get("access_token", ""))
        claims = await self._with_keys(about, lambda keys: verified(str(granted.get("id_token")), keys, expected, half.nonce, access_token))
        sure = sureness(claims)
        if self.provider.acr and claims.get("acr") not in self.provider.acr:
            raise Wrong("acr is not one of those that are needed")
        name = await self._name(about, access_token, claims["sub"], expected) if named else ""
        return Said(claims["sub"], bool(sure & self.provider.second_factor), name)

    # ------------------------------------------------------------------------------------------------- what it is asked
    async def _exchanged(self, about: Mapping[str, Any], code: str, half: Half) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": half.verifier,
            "client_id": self.provider.client_id,
        }
        ways = about.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        auth = None
        if "client_secret_post" in ways:
            form["client_secret"] = self.provider.client_secret
        else:
            auth = (self.provider.client_id, self.provider.client_secret)
        status, _, body = await self._ask("POST", about["token_endpoint"], data=form, auth=auth)
        if status in (400, 401, 403):
            raise Wrong("the code was not taken")
        return self._json(status, body)

    async def _name(self, about: Mapping[str, Any], access_token: str, subject: str, expected: Expected) -> str:
        if "userinfo_endpoint" not in about:
            return ""
        headers = {"Authorization": f"Bearer {access_token}"}
        status, kind, body = await self._ask("GET", about["userinfo_endpoint"], headers=headers)
        if kind == JWT and status == 200:
            token = body.decode(errors="replace")
            told = await self._with_keys(about, lambda keys: signed_claims(token, keys, expected))
        else:
            told = self._json(status, body)
        if told.get("sub") != subject:
            raise Wrong("userinfo is about somebody else")
        names = [told.get("given_name"), told.get("family_name")]
        name = " ".join(one for one in names if isinstance(one, str)) or told.get("name")
        return name[:100] if isinstance(name, str) and name.isprintable() else ""

    async def _with_keys(self, about: Mapping[str, Any], look: Any) -> dict[str, Any]:
        """With the keys that are known, and with new ones where none of them is meant: providers change theirs as they please."""
        try:
            claims: dict[str, Any] = look(await self._key_set(about))
        except UnknownKey:
            self._keys_until = 0.0
            claims = look(await self._key_set(about))
        return claims

    # ------------------------------------------------------------------------------------------------------ what is kept
    async def _discovered(self) -> Mapping[str, Any]:
        async with self._turn:
            if self._about_until <= time.monotonic():
                self._about = await self._unless_away(self._discover())
                self._about_until = time.monotonic() + KEPT_SECONDS
        return self._about

    async def _discover(self) -> dict[str, Any]:
        issuer = self.provider.issuer
        status, _, body = await self._ask("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        about = self._json(status, body)
        scheme = urlsplit(issuer).scheme
        needed = [about.get(f"{one}_endpoint") for one in ("authorization", "token")] + [about.get("jwks_uri")]
        if about.get("issuer") != issuer or not all(isinstance(url, str) and urlsplit(url).scheme == scheme for url in needed):
            raise Unreachable(f"{issuer} says of itself what cannot be")
        return about

    async def _key_set(self, about: Mapping[str, Any]) -> KeySet:
        async with self._turn:
            if self._keys is None or self._keys_until <= time.monotonic():
                self._keys = await self._unless_away(self._fetched_keys(about["jwks_uri"]))
                self._keys_until = time.monotonic() + KEPT_SECONDS
            return self._keys

    async def _fetched_keys(self, address: str) -> KeySet:
        status, _, body = await self._ask("GET", address)
        return keys_of(self._json(status, body))

    async def _unless_away(self, asking: Coroutine[Any, Any, T]) -> T:
        """Who waits for one that is away waits once, not once for each who waited before."""
        if time.monotonic() < self._away_until:
            asking.close()
            raise Unreachable(f"{self.provider.id} was away a moment ago")
        try:
            return await asking
        except Unreachable:
            self._away_until = time.monotonic() + AWAY_SECONDS
            raise

    # -------------------------------------------------------------------------------------------------------------- HTTP
    async def _ask(self, method: str, url: str, **what: Any) -> tuple[int, str, bytes]:
        """Status, media type and body. Never follows a redirect."""
        try:
            async with (
                asyncio.timeout(SECONDS),
                httpx2.AsyncClient(timeout=SECONDS, follow_redirects=False, trust_env=False, verify=trusted()) as client,
                client.stream(method, url, **what) as answer,
            ):
                body = b""
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > LARGEST:
                        raise Unreachable(f"{url} does not end")
                return answer.status_code, answer.headers.get("content-type", "").split(";")[0].strip().lower(), body
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, OSError) as error:
            log().warning("provider away", provider=self.provider.id, url=url, error=repr(error))
            raise Unreachable(url) from error

    def _json(self, status: int, body: bytes) -> dict[str, Any]:
        try:
            told = orjson.loads(body) if status == 200 else None
        except orjson.JSONDecodeError:
            told = None
        if not isinstance(told, dict):
            raise Unreachable(f"{self.provider.id} answers {status} without JSON")
        return told


def challenge_of(verifier: str) -> str:
    """PKCE's S256."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
