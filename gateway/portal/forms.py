"""What a form sends, and that it is ours: sent by this site's own page, with a token that only this browser's pages hold.

The token is drawn anew into each page under another mask, so that how well a compressed page compresses tells nothing of it.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from urllib.parse import parse_qs

from starlette.requests import Request

from gateway.notices import bounded_body

LARGEST = 262_144  #: bytes of a form
FORM_SECONDS = 60.0  #: For all of it to come, over a telephone in a cellar too.
MOST_FIELDS = 2_000
SIZE = 16  #: bytes
#: The field of the token in every form.
FIELD = "jeton_page"


class NotOurs(Exception):
    """It was not sent by a page of ours that was drawn for this browser, it cannot be read, or not all of it comes."""


class TooLarge(NotOurs):
    """It was not read to its end, so nobody knows whose it is."""


def new_secret() -> str:
    return secrets.token_urlsafe(24)


def token(secret: str) -> str:
    mask = secrets.token_bytes(SIZE)
    return urlsafe_b64encode(mask + _xor(mask, _proof(secret))).decode().rstrip("=")


def is_good(told: str, secret: str) -> bool:
    try:
        read = urlsafe_b64decode(told + "=" * (-len(told) % 4))
    except ValueError:
        return False
    return bool(secret) and len(read) == 2 * SIZE and hmac.compare_digest(_xor(read[:SIZE], read[SIZE:]), _proof(secret))


def _proof(secret: str) -> bytes:
    return hashlib.sha256(b"page\0" + secret.encode()).digest()[:SIZE]


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


class Form(dict[str, list[str]]):
    """Field -> its values."""

    def __missing__(self, name: str) -> list[str]:
        return []

    def one(self, name: str, otherwise: str = "") -> str:
        """The last value, without blanks around it."""
        return (self[name] or [otherwise])[-1].strip()

    def whole(self, name: str) -> str:
        """As it was typed, blanks and all: a password."""
        return (self[name] or [""])[-1]


async def read(request: Request, secret: str, largest: int = LARGEST) -> Form:
    """Raises NotOurs; TooLarge."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise NotOurs
    try:
        body = await bounded_body(request, largest, FORM_SECONDS)
    except TimeoutError as error:
        raise NotOurs from error
    if body is None:
        raise TooLarge
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise NotOurs
    form = fields_of(body)
    if not is_good(form.one(FIELD), secret):
        raise NotOurs
    return form


def fields_of(body: bytes) -> Form:
    """Raises NotOurs."""
    try:
        told: Mapping[str, list[str]] = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise NotOurs from error
    if any("\0" in value for values in told.values() for value in values):
        raise NotOurs
    return Form(told)
