"""Keys in people's devices (WebAuthn): what a browser is asked, and whether what it answers is right.

What is signed follows from a challenge of ours (challenges.py), of which only the sum is kept.
"""

import hashlib
import ipaddress
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, options_to_json
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

T = TypeVar("T")

LONGEST = 16_000  #: Characters of an answer. Who sends more than a device ever makes need not be read.


@dataclass(frozen=True, slots=True)
class Site:
    """What passkeys are made for: they work nowhere else."""

    id: str  #: The host's name.
    origin: str


def site_of(public_url: str) -> Site | None:
    """None where browsers make none: at a bare address, or without TLS, except on one's own machine."""
    parts = urlsplit(public_url)
    host = (parts.hostname or "").rstrip(".")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        secure = parts.scheme == "https" or host == "localhost"
        return Site(host, f"{parts.scheme}://{parts.netloc}") if host and secure else None
    return None


def to_sign(challenge: str) -> bytes:
    return hashlib.sha256(f"passkey {challenge}".encode()).digest()


# -------------------------------------------------------------------------------------------------- what a browser is asked
def options_to_make(site: Site, challenge: str, account: str, login: str, known: Iterable[str]) -> str:
    """For navigator.credentials.create, as JSON. `known`: credential ids that need not be made again."""
    options = webauthn.generate_registration_options(
        rp_id=site.id,
        rp_name="Préau",
        user_id=account.encode(),
        user_name=login,
        challenge=to_sign(challenge),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=base64url_to_bytes(id)) for id in known],
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.PREFERRED
        ),
    )
    return options_to_json(options)


def options_to_show(site: Site, challenge: str, allowed: Iterable[str] = ()) -> str:
    """For navigator.credentials.get, as JSON. None allowed: any of the site, and it alone, so the device asks who holds it."""
    allow = [PublicKeyCredentialDescriptor(id=base64url_to_bytes(id)) for id in allowed]
    wanted = UserVerificationRequirement.PREFERRED if allow else UserVerificationRequirement.REQUIRED
    options = webauthn.generate_authentication_options(
        rp_id=site.id, challenge=to_sign(challenge), allow_credentials=allow, user_verification=wanted
    )
    return options_to_json(options)


# ------------------------------------------------------------------------------------------------------- what it answers
@dataclass(frozen=True, slots=True)
class Made:
    credential_id: str  #: base64url
    public_key: str  #: COSE, base64url
    sign_count: int


def made(site: Site, challenge: str, answer: str) -> Made | None:
    """None: it was not made for us, or not for this challenge."""

    def verify() -> Made:
        found = webauthn.verify_registration_response(
            credential=answer, expected_challenge=to_sign(challenge), expected_rp_id=site.id, expected_origin=site.origin
        )
        return Made(bytes_to_base64url(found.credential_id), bytes_to_base64url(found.credential_public_key), found.sign_count)

    return _right(answer, verify)


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom an answer says that it is from: to be believed once it is verified."""

    credential_id: str  #: base64url
    account: str | None


def holder(answer: str) -> Holder | None:
    def read() -> Holder:
        said = json.loads(answer)
        handle = said["response"].get("userHandle")
        raw = base64url_to_bytes(said["rawId"])
        return Holder(bytes_to_base64url(raw), base64url_to_bytes(handle).decode() if handle else None)

    return _right(answer, read)


def shown(site: Site, challenge: str, answer: str, public_key: str, sign_count: int, *, alone: bool) -> int | None:
    """The key's new count. None: it is not right, or the count went back, so that there is a copy. `alone`: without a password."""

    def verify() -> int:
        found = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=to_sign(challenge),
            expected_rp_id=site.id,
            expected_origin=site.origin,
            credential_public_key=base64url_to_bytes(public_key),
            credential_current_sign_count=sign_count,
            require_user_verification=alone,
        )
        return found.new_sign_count

    return _right(answer, verify)


def _right(answer: str, look: Callable[[], T]) -> T | None:
    """None for whatever is wrong with an answer: it comes from anybody, and the libraries that read it raise as it happens."""
    if len(answer) > LONGEST:
        return None
    try:
        return look()
    except Exception:
        return None
