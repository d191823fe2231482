"""Access tokens: signed with Ed25519, good for a quarter of an hour, checked by every service with the public key alone."""

import datetime as dt
import json
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from services.claims import Caller
from services.settings import SettingsError

ALGORITHM = "Ed25519"
ISSUER = "preau"


def new_key() -> str:
    """A private key as a JWK in JSON."""
    key = OKPKey.generate_key("Ed25519", parameters={"use": "sig", "alg": ALGORITHM}, auto_kid=True)
    return json.dumps(key.as_dict(private=True))


class Signer:
    """Signs with one private key. Its `kid` is the key's own, or its RFC 7638 thumbprint."""

    def __init__(self, jwk: str) -> None:
        """Raises SettingsError, which does not repeat the key."""
        try:
            values = json.loads(jwk)
            self._key = OKPKey.import_key({**values, "use": "sig", "alg": ALGORITHM})
            if not self._key.is_private or self._key.curve_name != "Ed25519":
                raise ValueError
            self._key.ensure_kid()
        except (ValueError, TypeError, KeyError, AttributeError, JoseError):
            raise SettingsError("PREAU_SIGNING_KEY is a private Ed25519 key as a JWK: {'kty': 'OKP', 'crv': 'Ed25519', ...}") from None

    @property
    def kid(self) -> str:
        return str(self._key.kid)

    @property
    def public_jwk(self) -> dict[str, str]:
        return {name: str(value) for name, value in self._key.as_dict(private=False).items()}

    def sign(self, caller: Caller, now: dt.datetime) -> str:
        claims: dict[str, Any] = {
            **caller.claims(),
            "iss": ISSUER,
            "iat": caller.issued_at or now.timestamp(),
            "exp": int(caller.expires_at),
        }
        return jwt.encode({"alg": ALGORITHM, "kid": self.kid}, claims, self._key, algorithms=[ALGORITHM])
