"""Who is calling. Every service verifies the caller's own token itself, with identity's public keys."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from services.clock import Clock

ALGORITHMS = ["Ed25519", "EdDSA"]
AUDIENCE = "preau"
KEPT = 4096  #: Verified tokens remembered: a verification costs as much as a third of a booking.


@dataclass(frozen=True, slots=True)
class Caller:
    """An account that is signed in, as its access token describes it."""

    account: str
    session: str
    families: Mapping[str, str]  #: Family id -> structure id: those this account may act for.
    agent_of: frozenset[str]  #: Structure ids.
    language: str
    expires_at: float  #: Unix seconds.
    issued_at: float = 0.0  #: Unix seconds, to the millisecond.
    admin_of: frozenset[str] = frozenset()  #: Structure ids: those of `agent_of` that the account administers.
    operator: bool = False  #: Runs the installation. Opens no family's data.

    def claims(self) -> dict[str, Any]:
        """As they stand in a token, without the times and the issuer."""
        return {
            "sub": self.account,
            "sid": self.session,
            "families": dict(self.families),
            "agent_of": sorted(self.agent_of),
            "lang": self.language,
            "aud": AUDIENCE,
            **({"admin_of": sorted(self.admin_of)} if self.admin_of else {}),
            **({"operator": True} if self.operator else {}),
        }


class Verifier:
    """Tokens -> callers. Anything doubtful is nobody: it fails closed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._keys: dict[str, OKPKey] = {}
        self._seen: OrderedDict[str, Caller] = OrderedDict()

    def trust(self, jwk: Mapping[str, str]) -> None:
        """Accept tokens signed by this key from now on."""
        key = OKPKey.import_key(dict(jwk))
        self._keys[str(key.kid)] = key

    def public_keys(self) -> dict[str, Any]:
        """A JWK set, for /.well-known/jwks.json."""
        return {"keys": [key.as_dict(private=False) for key in self._keys.values()]}

    def caller(self, authorization: str | None) -> Caller | None:
        """From an Authorization header. None if there is none, or it is not a valid token of ours."""
        if authorization is None or not authorization.startswith("Bearer "):
            return None
        token = authorization[7:]
        known = self._seen.get(token) or self._verify(token)
        if known is None or known.expires_at <= self._clock.now().timestamp():
            self._seen.pop(token, None)
            return None
        return known

    def _verify(self, token: str) -> Caller | None:
        try:
            decoded = jwt.decode(token, KeySet(list(self._keys.values())), algorithms=ALGORITHMS)
            claims = decoded.claims
            if claims["aud"] != AUDIENCE:
                return None
            agent_of = frozenset(claims["agent_of"])
            caller = Caller(
                account=claims["sub"],
                session=claims["sid"],
                families=claims["families"],
                agent_of=agent_of,
                language=claims["lang"],
                expires_at=float(claims["exp"]),
                issued_at=float(claims["iat"]),
                admin_of=agent_of.intersection(claims.get("admin_of", ())),
                operator=claims.get("operator") is True,
            )
        except (JoseError, ValueError, KeyError, TypeError):
            return None
        self._seen[token] = caller
        if len(self._seen) > KEPT:
            self._seen.popitem(last=False)
        return caller
