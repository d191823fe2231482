"""Signatures of notifications: Standard Webhooks, and Stripe's own. Both are an HMAC over the time and the body as it came."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping

WINDOW_SECONDS = 300.0  #: What was signed longer ago, or will be later, is not believed.


def standard(secret: str, id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a notification (standardwebhooks.com). `secret`: "whsec_" and base64."""
    return {"webhook-id": id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{_standard(secret, id, str(timestamp), body)}"}


def is_standard(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    timestamp = headers.get("webhook-timestamp", "")
    right = _standard(secret, headers.get("webhook-id", ""), timestamp, body).encode()
    given = (one.partition(",") for one in headers.get("webhook-signature", "").split(" "))
    return _fresh(timestamp, now) and any(version == "v1" and hmac.compare_digest(right, sum_.encode()) for version, _, sum_ in given)


def is_stripe(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """https://docs.stripe.com/webhooks#verify-manually: `t=...,v1=...` in `stripe-signature`."""
    parts = [part.partition("=") for part in headers.get("stripe-signature", "").split(",")]
    timestamp = next((value for name, _, value in parts if name == "t"), "")
    right = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest().encode()
    given = [value.encode() for name, _, value in parts if name == "v1"]
    return _fresh(timestamp, now) and any(hmac.compare_digest(right, one) for one in given)


def new_secret() -> str:
    """One to sign with."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def is_secret(secret: str) -> bool:
    """Whether it can sign by Standard Webhooks."""
    try:
        return len(_key(secret)) >= 24
    except binascii.Error:
        return False


def _standard(secret: str, id: str, timestamp: str, body: bytes) -> str:
    signed = f"{id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"), validate=True)


def _fresh(timestamp: str, now: float) -> bool:
    return timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12 and abs(now - int(timestamp)) <= WINDOW_SECONDS
