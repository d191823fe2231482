"""A device that holds passkeys, in software: real CBOR, COSE keys and ES256 signatures, and the ways in which a hostile one differs."""

import hashlib
import json
import secrets
import struct
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

PRESENT, VERIFIED, NEW_KEY = 0x01, 0x04, 0x40


@dataclass
class Passkey:
    rp_id: str
    user: str  #: base64url
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    count: int = 0

    def public(self) -> bytes:
        """COSE: EC2, ES256, P-256."""
        numbers = self.key.public_key().public_numbers()
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)})


@dataclass
class Authenticator:
    """`made` holds its keys, the newest last."""

    origin: str
    made: list[Passkey] = field(default_factory=list)

    def creates(self, options: str, *, origin: str | None = None, rp_id: str | None = None) -> str:
        asked = json.loads(options)
        passkey = Passkey(asked["rp"]["id"], asked["user"]["id"])
        self.made.append(passkey)
        data = self._data(rp_id or passkey.rp_id, PRESENT | VERIFIED | NEW_KEY, passkey.count)
        data += bytes(16) + struct.pack(">H", len(passkey.id)) + passkey.id + passkey.public()
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        said = self._said("webauthn.create", asked["challenge"], origin)
        return self._answer(passkey, {"clientDataJSON": said, "attestationObject": attestation})

    def shows(
        self,
        options: str,
        passkey: Passkey | None = None,
        *,
        origin: str | None = None,
        rp_id: str | None = None,
        verified: bool = True,
        step: int = 1,
        user: str | None = "",
        forged: bool = False,
    ) -> str:
        """`step`: by how much the counter grows; `user`: whose it says that it is (None: it does not say)."""
        asked = json.loads(options)
        passkey = passkey or self.made[-1]
        passkey.count += step
        data = self._data(rp_id or passkey.rp_id, PRESENT | (VERIFIED if verified else 0), passkey.count)
        said = self._said("webauthn.get", asked["challenge"], origin)
        key = ec.generate_private_key(ec.SECP256R1()) if forged else passkey.key
        signature = key.sign(data + hashlib.sha256(said).digest(), ec.ECDSA(SHA256()))
        handle = {} if user is None else {"userHandle": base64url_to_bytes(user or passkey.user)}
        return self._answer(passkey, {"clientDataJSON": said, "authenticatorData": data, "signature": signature, **handle})

    def _data(self, rp_id: str, flags: int, count: int) -> bytes:
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + struct.pack(">I", count)

    def _said(self, kind: str, challenge: str, origin: str | None) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": origin or self.origin, "crossOrigin": False}).encode()

    def _answer(self, passkey: Passkey, response: dict[str, bytes]) -> str:
        id_ = bytes_to_base64url(passkey.id)
        texts: dict[str, Any] = {name: bytes_to_base64url(value) for name, value in response.items()}
        return json.dumps({"id": id_, "rawId": id_, "type": "public-key", "response": texts, "clientExtensionResults": {}})
