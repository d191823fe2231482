"""Trusted documents: those that a town's own clients were built with, listed in a file, and asked for by their hash alone.

The list is Apollo's (`apollo-persisted-query-manifest`) or Relay's (`{hash: document}`). Nobody adds to it by asking.
"""

import hashlib
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from gateway.asking import Asked
from gateway.metrics import OPERATION_NAMES
from gateway.trouble import RequestError
from services.settings import SettingsError
from services.telemetry import log

#: How old the list may be that a request is held against.
LOOK_SECONDS = 5.0
APOLLO = "apollo-persisted-query-manifest"
_NAMED = re.compile(r"\b(?:query|mutation|subscription)\s+(\w+)")
_SHA256 = re.compile(r"[0-9a-f]{64}")
#: What tells one state of a file from another, also where a folder is swapped for another by a link.
State = tuple[int, int, int]


class ManifestError(SettingsError):
    """The list cannot be read: the message says where and why."""


@dataclass(slots=True, eq=False)
class Trusted:
    """`path`: None trusts no hash. `only`: no other document is answered."""

    path: Path | None = None
    only: bool = False
    _documents: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    _texts: frozenset[str] = frozenset()
    _ours: frozenset[str] = frozenset()  #: Of the portal.
    _state: State | None = None
    _looks_at: float = 0.0  #: By the monotonic clock.

    def __post_init__(self) -> None:
        """Raises ManifestError."""
        if self.path is not None:
            self._read(self.path)

    def admit(self, documents: Mapping[str, str]) -> None:
        """What the portal asks, which no list names. `documents`: name -> text."""
        self._ours = frozenset(documents.values())
        OPERATION_NAMES.expect(*documents)

    def text(self, asked: Asked) -> str:
        """The document that is asked for. Raises RequestError."""
        if self.path is None:
            if not asked.query:
                raise RequestError.said("PERSISTED_QUERY_NOT_SUPPORTED")
            return asked.query
        if time.monotonic() >= self._looks_at:
            self._look(self.path)
        known = self._documents.get(asked.hash) if asked.hash is not None else None
        if not asked.query:
            if known is None:
                raise RequestError.said("PERSISTED_QUERY_NOT_FOUND")
            return known
        if known is not None and known != asked.query:
            raise RequestError.said("PERSISTED_QUERY_MISMATCH")
        if self.only and asked.query not in self._texts and asked.query not in self._ours:
            raise RequestError.said("QUERY_NOT_IN_SAFELIST")
        return asked.query

    def _look(self, path: Path) -> None:
        """Read it again, if it has changed. A list that cannot be read changes nothing."""
        self._looks_at = time.monotonic() + LOOK_SECONDS
        try:
            if _state(path) != self._state:
                self._read(path)
                log().info("trusted documents read again", documents=len(self._documents))
        except (ManifestError, OSError) as error:
            log().error("the trusted documents cannot be read: those read before stay", reason=str(error))

    def _read(self, path: Path) -> None:
        try:
            self._state = _state(path)
            self._documents = documents_of(path.read_bytes())
        except (ManifestError, OSError) as error:
            raise ManifestError(f"{path}: {error}") from error
        self._texts = frozenset(self._documents.values())
        OPERATION_NAMES.expect(*(name for text in self._texts for name in _NAMED.findall(text)))
        self._looks_at = time.monotonic() + LOOK_SECONDS


def _state(path: Path) -> State:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


def documents_of(manifest: bytes) -> dict[str, str]:
    """Hash -> document. Raises ManifestError."""
    try:
        told = msgspec.json.decode(manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ManifestError(f"not JSON: {error}") from error
    if not isinstance(told, dict):
        raise ManifestError("not a list of documents: an object is expected")
    found = _of_apollo(told) if "format" in told else told
    if not found:
        raise ManifestError("it lists no documents")
    for id, text in found.items():
        if not isinstance(id, str) or not isinstance(text, str) or not text.strip():
            raise ManifestError(f"{id}: each document is a text under its hash")
        if _SHA256.fullmatch(id) and hashlib.sha256(text.encode()).hexdigest() != id:
            raise ManifestError(f"{id} is not the SHA-256 of its document")
    return found


def _of_apollo(told: Mapping[str, Any]) -> dict[str, str]:
    if told["format"] != APOLLO or told.get("version") != 1 or not isinstance(told.get("operations"), list):
        raise ManifestError(f"version 1 of {APOLLO} is expected")
    try:
        return {each["id"]: each["body"] for each in told["operations"]}
    except (TypeError, KeyError) as error:
        raise ManifestError("each of `operations` has `id` and `body`") from error


class Listed(NamedTuple):
    """One document of a client's."""

    name: str
    kind: str  #: query, mutation, subscription
    text: str


def manifest_of(documents: Iterable[Listed]) -> bytes:
    """As Apollo's clients read it."""
    operations = [
        {"id": hashlib.sha256(text.encode()).hexdigest(), "name": name, "type": kind, "body": text} for name, kind, text in documents
    ]
    return msgspec.json.format(msgspec.json.encode({"format": APOLLO, "version": 1, "operations": operations}), indent=2) + b"\n"


NONE_TRUSTED = Trusted()
