"""Sends GraphQL answers: smaller where the client takes that, and with a tag where everybody gets the same and may keep it for a while.

What a mutation answers is never compressed: tokens are in it beside what somebody typed, and how well that compresses would tell of both.
"""

import asyncio
import hashlib
import re
import zlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from graphql import FragmentDefinitionNode, OperationDefinitionNode, SelectionNode
from graphql.language import ast
from starlette.types import Send

#: Fields of Query that answer everybody alike, whoever asks: with these alone a query by its hash may be kept.
PUBLIC = frozenset({"securityQuestions", "oidcProviders", "__typename", "__schema", "__type"})
KEPT_SECONDS = 60
#: bytes; less fits into one packet anyway.
SMALLEST = 1_400
#: Level 1: 33 KB of days become 2.5 in 0.13 ms; level 6 takes twice as long for a fifth less.
LEVEL = 1
#: How much memory zlib sets up, which for a small answer takes longer than to compress it.
SMALL, SMALL_MEMORY, MEMORY = 16_000, 5, 8
#: What takes so long that others would wait for it is compressed beside.
LARGE = 200_000
ALLOWED = b"GET, HEAD, OPTIONS, POST"
_TAG = re.compile(rb'(?:W/)?("[^"]*")')


@lru_cache(256)
def takes_gzip(accept: bytes | None) -> bool:
    """`accept`: the header Accept-Encoding."""
    wanted: dict[bytes, bool] = {}
    for part in (accept or b"").lower().split(b","):
        name, _, weight = part.partition(b";")
        wanted[name.strip()] = not re.fullmatch(rb"\s*q\s*=\s*0(\.0*)?\s*", weight)
    return wanted.get(b"gzip", wanted.get(b"*", False))


def gzipped(body: bytes, level: int = LEVEL) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, 31, SMALL_MEMORY if len(body) < SMALL else MEMORY)
    return packer.compress(body) + packer.flush()


def is_public(operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]) -> bool:
    """A query for nothing but what everybody may see."""
    return operation.operation.value == "query" and _is_public(operation.selection_set.selections, fragments)


def _is_public(selections: Iterable[SelectionNode], fragments: Mapping[str, FragmentDefinitionNode]) -> bool:
    for node in selections:
        if isinstance(node, ast.FieldNode):
            if node.name.value not in PUBLIC:
                return False
            continue
        part = fragments[node.name.value] if isinstance(node, ast.FragmentSpreadNode) else node
        if not isinstance(part, FragmentDefinitionNode | ast.InlineFragmentNode) or not _is_public(
            part.selection_set.selections, fragments
        ):
            return False
    return True


def tag_of(body: bytes) -> bytes:
    """A weak one: the bytes differ with the encoding, what they say does not."""
    return b'W/"%b"' % hashlib.blake2b(body, digest_size=16).hexdigest().encode()


def knows(if_none_match: bytes | None, tag: bytes) -> bool:
    return if_none_match is not None and (if_none_match.strip() == b"*" or tag.removeprefix(b"W/") in _TAG.findall(if_none_match))


class Form(NamedTuple):
    """How an answer may be sent."""

    small: bool = False  #: compressed
    public: bool = False  #: everybody gets the same, and may keep it
    wait_seconds: int = 0  #: before it is worth asking again


PLAIN = Form()


async def send_answer(
    send: Send, status: int, media: bytes, body: bytes, request_id: bytes, asked: Mapping[bytes, bytes], form: Form = PLAIN
) -> None:
    """`asked`: the client's headers."""
    headers = [
        (b"content-type", media + b"; charset=utf-8"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-request-id", request_id),
    ]
    if form.public:
        tag = tag_of(body)
        headers += (b"etag", tag), (b"cache-control", b"public, max-age=%d" % KEPT_SECONDS)
        headers.append((b"vary", b"accept, accept-encoding, accept-language, authorization"))
        if knows(asked.get(b"if-none-match"), tag):
            await _send(send, 304, headers[1:], b"")
            return
    else:
        headers += (b"cache-control", b"no-store"), (b"vary", b"accept, accept-encoding")
    if status == 405:
        headers.append((b"allow", ALLOWED))
    if form.wait_seconds:
        headers.append((b"retry-after", b"%d" % form.wait_seconds))
    if form.small and len(body) >= SMALLEST and takes_gzip(asked.get(b"accept-encoding")):
        body = gzipped(body) if len(body) < LARGE else await asyncio.to_thread(gzipped, body)
        headers.append((b"content-encoding", b"gzip"))
    headers.append((b"content-length", b"%d" % len(body)))
    await _send(send, status, headers, body)


async def send_options(send: Send, request_id: bytes) -> None:
    await _send(send, 204, [(b"allow", ALLOWED), (b"x-request-id", request_id)], b"")


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
