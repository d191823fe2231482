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
LIVE_KEYS = 2  #: The newest: the one that signs, and the one before it, while its tokens run out.


@dataclass(frozen=True, slots=True)
class Caller:
    """An account that is signed in, as its access token describes it."""

    account: str
    session: str
    families: Mapping[str, str]  #: Family id -> structure id: those this account may act for.
    agent_of: frozenset[str]  #: Structure ids.
    language: str
    expires_at: float  #: Unix seconds.
    issued_at: float = 0.0  #: Unix seconds, exactly: when what it says was read.
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


@dataclass(frozen=True, slots=True)
class Revocation:
    """Tokens of an account that are good no more: those of one session, or all that were issued before."""

    account: str
    session: str | None
    before: float  #: Unix seconds.
    until: float  #: Unix seconds: no token that it means lives longer.


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies tokens."""

    kid: str
    jwk: Mapping[str, str]
    published_at: float  #: Unix seconds.


class Verifier:
    """Tokens -> callers. Anything doubtful is nobody: it fails closed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, PublicKey] = {}
        self._withdrawn: set[str] = set()
        self._keys: dict[str, OKPKey] = {}
        self._seen: OrderedDict[str, Caller] = OrderedDict()
        self._ended: dict[str, Revocation] = {}  #: By session.
        self._outdated: dict[str, Revocation] = {}  #: By account.

    # ------------------------------------------------------------------------------------------------------ whose keys
    def trust(self, *keys: PublicKey) -> None:
        """Accept tokens signed by them from now on, if they are among the newest and were not withdrawn."""
        if any(self._known.get(key.kid) != key for key in keys):
            self._known |= {key.kid: key for key in keys}
            self._choose()

    def withdraw(self, *kids: str) -> None:
        """Accept no token signed by these keys any more, ever."""
        if not self._withdrawn.issuperset(kids):
            self._withdrawn.update(kids)
            self._choose()

    def is_withdrawn(self, kid: str) -> bool:
        return kid in self._withdrawn

    def _choose(self) -> None:
        newest = sorted(
            (key for key in self._known.values() if key.kid not in self._withdrawn), key=lambda key: (key.published_at, key.kid)
        )
        keys = {key.kid: self._keys.get(key.kid) or OKPKey.import_key(dict(key.jwk)) for key in newest[-LIVE_KEYS:]}
        if keys.keys() != self._keys.keys():
            self._keys = keys
            self._seen.clear()

    @property
    def is_ready(self) -> bool:
        """It knows a key: without one it could tell nobody from somebody."""
        return bool(self._keys)

    def public_keys(self) -> dict[str, Any]:
        """A JWK set, for /.well-known/jwks.json."""
        return {"keys": [key.as_dict(private=False) for key in self._keys.values()]}

    # ------------------------------------------------------------------------------------------------ whose tokens no more
    def refuse(self, *revocations: Revocation) -> None:
        """From now on. What was refused later than this remains."""
        for one in revocations:
            known, key = (self._outdated, one.account) if one.session is None else (self._ended, one.session)
            if key not in known or known[key].before < one.before:
                known[key] = one

    def forget_revocations(self) -> None:
        """Those that mean nothing any more, because every token that they mean has run out."""
        now = self._clock.now().timestamp()
        for known in (self._outdated, self._ended):
            for key in [key for key, one in known.items() if one.until <= now]:
                del known[key]

    def _is_revoked(self, caller: Caller) -> bool:
        if caller.session in self._ended:
            return True
        outdated = self._outdated.get(caller.account)
        return outdated is not None and caller.issued_at < outdated.before

    # -------------------------------------------------------------------------------------------------------- who is calling
    def caller(self, authorization: str | None) -> Caller | None:
        """From an Authorization header. None if there is none, or it is not a valid token of ours."""
        if authorization is None or not authorization.startswith("Bearer "):
            return None
        token = authorization[7:]
        known = self._seen.get(token) or self._verify(token)
        if known is None or known.expires_at <= self._clock.now().timestamp():
            self._seen.pop(token, None)
            return None
        return None if self._is_revoked(known) else known

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
