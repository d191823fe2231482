"""Stripe's own signature of notifications: an HMAC over the time and the body as it came."""

import hashlib
import hmac
from collections.abc import Mapping

from services.standard_webhooks import fresh


def is_stripe(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """https://docs.stripe.com/webhooks#verify-manually: `t=...,v1=...` in `stripe-signature`."""
    parts = [part.partition("=") for part in headers.get("stripe-signature", "").split(",")]
    timestamp = next((value for name, _, value in parts if name == "t"), "")
    right = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest().encode()
    given = [value.encode() for name, _, value in parts if name == "v1"]
    return fresh(timestamp, now) and any(hmac.compare_digest(right, one) for one in given)
