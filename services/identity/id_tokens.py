"""What a provider says of somebody, signed: whether it is right, meant for us, and for this sign-in. Pure: keys and time come in."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

ALGORITHMS = ["ES256", "RS256"]
CLOCKS_DIFFER = 60  #: Seconds.
OLDEST = 600  #: Seconds since it was signed: a sign-in takes no longer.
LONGEST_SUBJECT = 255


class Wrong(Exception):
    """What was said is not to be believed; the message says why, for the log."""


class UnknownKey(Wrong):
    """It is signed with a key that we have not: the provider may have a new one."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token has to say. `now`: Unix seconds."""

    issuer: str
    client_id: str
    now: float


def keys_of(jwks: Mapping[str, Any]) -> KeySet:
    """The public keys that may sign; others, of kinds we do not take, are left out. Raises Wrong."""
    try:
        fit = [key for key in jwks["keys"] if key["kty"] in ("EC", "RSA") and key.get("use", "sig") == "sig"]
        return KeySet.import_key_set({"keys": fit})
    except (JoseError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise Wrong(f"unreadable keys: {error!r}") from error


def signed_claims(token: str, keys: KeySet, expected: Expected) -> dict[str, Any]:
    """Of a token that this provider signed for us. Raises Wrong."""
    try:
        claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
    except InvalidKeyIdError as error:
        raise UnknownKey(str(error)) from error
    except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Wrong(f"not a token of theirs: {error!r}") from error
    if claims.get("iss") != expected.issuer:
        raise Wrong("iss is another")
    audience = claims.get("aud")
    many = audience if isinstance(audience, list) else [audience]
    if expected.client_id not in many or (len(many) > 1 and claims.get("azp") != expected.client_id):
        raise Wrong("aud is another")
    if "azp" in claims and claims["azp"] != expected.client_id:
        raise Wrong("azp is another")
    return claims


def verified(token: str, keys: KeySet, expected: Expected, nonce: str, access_token: str) -> dict[str, Any]:
    """What an id_token says. Raises Wrong."""
    claims = signed_claims(token, keys, expected)
    _in_time(claims, expected.now)
    if not hmac.compare_digest(str(claims.get("nonce")), nonce):
        raise Wrong("nonce is another")
    if "at_hash" in claims and claims["at_hash"] != _half_sum(access_token):
        raise Wrong("at_hash is another")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
        raise Wrong("no sub")
    return claims


def _in_time(claims: Mapping[str, Any], now: float) -> None:
    try:
        expires, issued, begins = (float(claims.get(name, absent)) for name, absent in (("exp", "none"), ("iat", "none"), ("nbf", 0)))
    except (TypeError, ValueError, OverflowError) as error:
        raise Wrong("no times") from error
    if expires <= now - CLOCKS_DIFFER or begins > now + CLOCKS_DIFFER:
        raise Wrong("it ran out, or is not good yet")
    if not now - OLDEST - CLOCKS_DIFFER <= issued <= now + CLOCKS_DIFFER:
        raise Wrong("it was signed at another time")


def _half_sum(access_token: str) -> str:
    half = hashlib.sha256(access_token.encode()).digest()[:16]
    return base64.urlsafe_b64encode(half).rstrip(b"=").decode()


def sureness(claims: Mapping[str, Any]) -> frozenset[str]:
    """How the provider says that it knows: its acr and amr."""
    methods = claims.get("amr")
    listed = methods if isinstance(methods, list) else []
    return frozenset(one for one in (claims.get("acr"), *listed) if isinstance(one, str))
