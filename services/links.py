"""Links that carry their own permission: for files that a browser fetches without a token, some minutes long.

What a link says is sealed: nobody but us can read it (it may hold a child's first name), change it, or make one. All replicas of a
service share the key, which lives in the service's own database.
"""

import datetime as dt
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwe import JWERegistry
from joserfc.jwk import OctKey

HEADER = {"alg": "dir", "enc": "A256GCM"}
ALGORITHMS = ["dir", "A256GCM"]
LONGEST = 12_000  #: Characters. Who sends more than we ever make need not be read.


def new_key() -> str:
    """For A256GCM, as the database keeps it."""
    return secrets.token_bytes(32).hex()


@dataclass(frozen=True, slots=True)
class Opened:
    """What a link of ours says, and whether it is over."""

    facts: Mapping[str, Any]
    expired: bool


class Links:
    """Seals and opens the links of one service."""

    def __init__(self, key: str) -> None:
        self._key = OctKey.import_key(bytes.fromhex(key))

    def seal(self, purpose: str, facts: Mapping[str, Any], expires_at: dt.datetime) -> str:
        """For a path. `purpose` says which file it is for: for no other will it open. `facts` are JSON."""
        claims = {"for": purpose, "exp": int(expires_at.timestamp()), "facts": dict(facts)}
        return jwt.encode(HEADER, claims, self._key, algorithms=ALGORITHMS, registry=_registry())

    def open(self, purpose: str, link: str, now: dt.datetime) -> Opened | None:
        """None: it is none of ours, or for something else."""
        if len(link) > LONGEST:
            return None
        try:
            claims = jwt.decode(link, self._key, algorithms=ALGORITHMS, registry=_registry()).claims
            if claims["for"] != purpose:
                return None
            return Opened(claims["facts"], expired=now.timestamp() >= claims["exp"])
        except (JoseError, ValueError, KeyError, TypeError):
            return None


def _registry() -> JWERegistry:
    return JWERegistry(algorithms=ALGORITHMS)
