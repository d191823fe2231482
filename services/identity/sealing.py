"""Words that can be made unreadable for good: sealed with a key of whom they are about, which erasure destroys."""

from collections.abc import Mapping
from typing import Any

import orjson
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from services.links import ALGORITHMS, HEADER, new_key
from services.telling import OwnRegistry

__all__ = ["new_key", "seal", "unseal"]


def seal(words: Mapping[str, Any], key: str) -> str:
    plain = orjson.dumps(words, option=orjson.OPT_NON_STR_KEYS)
    return jwe.encrypt_compact(HEADER, plain, OctKey.import_key(bytes.fromhex(key)), algorithms=ALGORITHMS)


def unseal(sealed: str, key: str) -> dict[str, Any] | None:
    """None: it was not sealed with this key."""
    try:
        found = jwe.decrypt_compact(sealed, OctKey.import_key(bytes.fromhex(key)), registry=OwnRegistry(algorithms=ALGORITHMS))
    except JoseError:
        return None
    words: dict[str, Any] = orjson.loads(found.plaintext or b"null")
    return words
