"""Signatures of notifications (standardwebhooks.com): an HMAC over their id, the time and the body as it goes."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping

WINDOW_SECONDS = 300.0  #: What was signed longer ago, or will be later, is not believed.


def standard(secret: str, id: str, timestamp: int, body: bytes, *before: str) -> dict[str, str]:
    """The headers of a notification. `secret`, and those that whoever reads it may still go by: "whsec_" and base64."""
    signatures = " ".join(f"v1,{_standard(one, id, str(timestamp), body)}" for one in (secret, *before))
    return {"webhook-id": id, "webhook-timestamp": str(timestamp), "webhook-signature": signatures}


def is_standard(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    timestamp = headers.get("webhook-timestamp", "")
    right = _standard(secret, headers.get("webhook-id", ""), timestamp, body).encode()
    given = (one.partition(",") for one in headers.get("webhook-signature", "").split(" "))
    return fresh(timestamp, now) and any(version == "v1" and hmac.compare_digest(right, sum_.encode()) for version, _, sum_ in given)


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


def fresh(timestamp: str, now: float) -> bool:
    """Whether it was signed now, or about now."""
    return timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12 and abs(now - int(timestamp)) <= WINDOW_SECONDS
