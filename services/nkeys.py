"""The broker's keys (nkeys): an Ed25519 key as text. A server knows the public one, `U...`; whoever has the seed, `SU...`, signs with it.

The format is nats.io's: a prefix, the key, a CRC-16, in base32. Only users' keys are needed here.
"""

import base64
import binascii
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

USER = 20 << 3  #: Becomes "U".
SEED = 18 << 3  #: Becomes "S".
JWT = re.compile(r"-----BEGIN NATS USER JWT-----\s+(\S+)\s+-+END")  #: As `nsc` writes a credentials file.
NKEY = re.compile(r"(?:-----BEGIN USER NKEY SEED-----\s+|\A\s*)(SU[A-Z2-7]{56})\b")


class NotAKey(ValueError):
    """The text is no user's key."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a file says by which a process signs in."""

    seed: str
    jwt: str | None = None


def new_seed() -> str:
    """A user's, such as `SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY`."""
    return _text(bytes([SEED | USER >> 5, (USER & 31) << 3]) + secrets.token_bytes(32))


def public_of(seed: str) -> str:
    """What the server is told of it. Raises NotAKey."""
    return _text(bytes([USER]) + _private(seed).public_key().public_bytes_raw())


def is_public(text: str) -> bool:
    """Whether it is a user's public key."""
    try:
        return len(raw := _raw(text)) == 33 and raw[0] == USER
    except NotAKey:
        return False


def sign(seed: str, nonce: bytes) -> bytes:
    """The signature in base64, as clients send it. Raises NotAKey."""
    return base64.b64encode(_private(seed).sign(nonce))


def read(file: Path) -> Credentials:
    """A seed alone, or a credentials file with a JWT. Raises NotAKey, OSError."""
    text = file.read_text(encoding="utf-8")
    seed, jwt = NKEY.search(text), JWT.search(text)
    if seed is None:
        raise NotAKey(f"{file} holds no user's key (SU...)")
    return Credentials(seed[1], jwt[1] if jwt else None)


def _private(seed: str) -> Ed25519PrivateKey:
    raw = _raw(seed)
    if len(raw) != 34 or raw[:2] != bytes([SEED | USER >> 5, (USER & 31) << 3]):
        raise NotAKey("no user's seed")
    return Ed25519PrivateKey.from_private_bytes(raw[2:])


def _text(raw: bytes) -> str:
    return base64.b32encode(raw + _checksum(raw)).decode().rstrip("=")


def _raw(text: str) -> bytes:
    try:
        whole = base64.b32decode(text + "=" * (-len(text) % 8))
    except ValueError:  # binascii.Error is one, and what a letter of no ASCII gives
        raise NotAKey("not base32") from None
    raw, check = whole[:-2], whole[-2:]
    if check != _checksum(raw):
        raise NotAKey("a letter of the key is wrong")
    return raw


def _checksum(raw: bytes) -> bytes:
    """CRC-16/XMODEM, which the standard library has under another name."""
    return binascii.crc_hqx(raw, 0).to_bytes(2, "little")
