"""Reads GraphQL-over-HTTP requests: what is asked, in which form the answer is wanted, and what the services are told of the client."""

import re
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import msgspec
from starlette.types import Receive, Scope

from gateway.headers import OPERATION, is_line
from gateway.trouble import RequestError
from services.refusal import Language, language_of
from services.tracing import new_traceparent
from services.visitors import household_of
from services.waited import Within

LARGEST_BODY = 1_000_000  #: bytes; a draft of 500 lines is about 70,000
BODY_SECONDS = 10.0
JSON = b"application/json"
GRAPHQL = b"application/graphql-response+json"
EVENTS = b"text/event-stream"
#: What W3C calls none (of zeros, or of version ff) would lead into whatever trace was met before.
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_REQUEST_ID = re.compile(rb"[\w.:-]{1,128}")
#: Forms of a header that are remembered; few kinds of clients come.
FORMS = 64


class Asked(NamedTuple):
    query: str  #: Empty, where the document is named by its hash alone.
    variables: dict[str, Any]
    operation_name: str | None
    hash: str | None = None  #: Of `extensions.persistedQuery`; gateway/trusted.py.
    wants_cost: bool = False  #: `extensions.cost` says so.


def bad_request(text: str, *, code: str | None = None, status: int = 400, **details: object) -> RequestError:
    """In the words of texts.py, which are under the code where they have none of their own."""
    return RequestError.said(code or text, text, status=status, malformed=True, **details)


def media_type(accept: bytes | None) -> bytes:
    """What to answer in. Raises RequestError, if the client wants no form that we have."""
    wanted = _wanted(accept)
    for each in wanted:
        if each in (GRAPHQL, JSON):
            return each
    if b"*/*" in wanted or b"application/*" in wanted:
        return JSON
    if EVENTS in wanted:
        return EVENTS
    raise bad_request("NO_FORM", code="NOT_ACCEPTABLE", status=406)


def takes_events(accept: bytes | None) -> bool:
    """Named, perhaps beside others: a client that says `*/*` may not expect an answer without an end."""
    return EVENTS in _wanted(accept)


@lru_cache(FORMS)
def _wanted(accept: bytes | None) -> tuple[bytes, ...]:
    return tuple(part.partition(b";")[0].strip().lower() for part in (accept or b"*/*").split(b","))


async def read_post(headers: dict[bytes, bytes], receive: Receive) -> Asked:
    """Raises RequestError. JSON alone is read: no page of another site can send it without the browser asking us first."""
    if not _is_json(headers.get(b"content-type", b"")):
        raise bad_request("UNSUPPORTED_MEDIA_TYPE", status=415)
    body = await _body(headers, receive)
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_request("NOT_JSON", code="BAD_REQUEST") from error
    if isinstance(told, list):
        raise bad_request("BATCHES_REFUSED")
    if not isinstance(told, dict):
        raise bad_request("NO_OBJECT", code="BAD_REQUEST")
    return asked_of(told)


@lru_cache(FORMS)
def _is_json(content_type: bytes) -> bool:
    kind, _, parameters = content_type.lower().partition(b";")
    charset = re.search(rb"charset\s*=\s*\"?([\w-]+)", parameters)
    return kind.strip() == JSON and (charset is None or charset.group(1) in (b"utf-8", b"utf8"))


def read_get(query_string: bytes) -> Asked:
    """Raises RequestError."""
    try:
        told: dict[str, Any] = {key: values[-1] for key, values in parse_qs(query_string.decode(), max_num_fields=20).items()}
        for name in ("variables", "extensions"):
            if name in told:
                told[name] = msgspec.json.decode(told[name])
    except (ValueError, RecursionError) as error:
        raise bad_request("UNREADABLE_PARAMETERS", code="BAD_REQUEST") from error
    return asked_of(told)


def asked_of(told: dict[str, Any]) -> Asked:
    """Raises RequestError."""
    query, variables, name, extensions = told.get("query"), told.get("variables"), told.get("operationName"), told.get("extensions")
    if not isinstance(variables, dict | None):
        raise bad_request("NO_VARIABLES", code="BAD_REQUEST")
    if not isinstance(name, str | None):
        raise bad_request("NO_OPERATION_NAME", code="BAD_REQUEST")
    if not isinstance(extensions, dict | None):
        raise bad_request("NO_EXTENSIONS", code="BAD_REQUEST")
    hash = _hash(extensions["persistedQuery"]) if extensions and extensions.get("persistedQuery") is not None else None
    if query is None and hash is not None:
        query = ""
    elif not isinstance(query, str) or not query.strip():
        raise bad_request("NO_QUERY", code="BAD_REQUEST")
    return Asked(query, variables or {}, name or None, hash, extensions is not None and extensions.get("cost") is True)


def _hash(told: Any) -> str:
    """Raises RequestError."""
    if isinstance(told, dict) and told.get("version") == 1 and isinstance(told.get("sha256Hash"), str):
        return str(told["sha256Hash"])
    raise bad_request("NO_HASH", code="BAD_REQUEST")


async def _body(headers: dict[bytes, bytes], receive: Receive) -> bytes:
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > LARGEST_BODY:
        raise _too_large()
    body = b""
    more = True
    try:
        with Within(BODY_SECONDS):
            while more:
                message = await receive()
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > LARGEST_BODY:
                    raise _too_large()
    except TimeoutError as error:
        raise bad_request("REQUEST_TIMEOUT", status=408) from error
    return body


def _too_large() -> RequestError:
    return bad_request("REQUEST_TOO_LARGE", status=413, most=LARGEST_BODY)


class PassedOn(NamedTuple):
    """What the services are told of the client."""

    lines: bytes  #: complete header lines
    request_id: bytes
    trail: str  #: services/tracing.py
    language: Language = "fr"  #: Of what the gateway itself says of a wrong value.
    authorization: str | None = None
    address: str | None = None  #: As this process saw it.
    begins: bool = False  #: Its trace does, here.


def passed_on(scope: Scope, headers: dict[bytes, bytes]) -> PassedOn:
    """Who asks, in which language, under which trace, from which address. The address is the one that this process saw."""
    trace = headers.get(b"traceparent")
    begins = trace is None or not _TRACEPARENT.fullmatch(trace)
    if trace is None or begins:
        trace = new_traceparent().encode()
    request_id = headers.get(b"x-request-id")
    if request_id is None or not _REQUEST_ID.fullmatch(request_id):
        request_id = trace[3:35]
    trail = trace if request_id == trace[3:35] else b"%b;%b" % (trace, request_id)
    lines = [b"%b: %b\r\n" % (name, headers[key]) for key, name in OPERATION.items() if key in headers and is_line(headers[key])]
    lines.append(b"traceparent: %b\r\nX-Request-Id: %b\r\n" % (trace, request_id))
    client = scope.get("client")
    if client:
        lines.append(b"X-Forwarded-For: %b\r\n" % str(client[0]).encode())
    language = language_of(headers.get(b"accept-language", b"").decode("latin-1"))
    authorization = headers.get(b"authorization")
    told = authorization.decode("latin-1") if authorization else None
    address = client[0] if client else None
    return PassedOn(b"".join(lines), request_id, trail.decode(), language, told, address, begins)


def visitor_of(scope: Scope) -> str | None:
    """Whom a connection is counted for."""
    client = scope.get("client")
    return household_of(client[0]) if client else None
