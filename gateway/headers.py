"""Which headers go through the gateway, in both directions: what is not named here does not.

A subgraph's GraphQL answers bring none to clients. Trace, request id, the address that this process saw and the time that is left go to
every service: they are made here, whatever the client claims (`asking.passed_on`, `client.py`).
"""

from collections.abc import Iterable, Mapping

from starlette.types import Scope

#: bytes of all headers; a browser sends one or two thousand. The server before us takes any number, and forms of headers are remembered.
LARGEST = 32_768
#: bytes of an address's query; a document of 32,000 characters fits in.
LONGEST_QUERY = 256_000

#: Of the client's, with a GraphQL request; over a WebSocket, from the payload of `connection_init` too.
OPERATION: Mapping[bytes, bytes] = {
    b"authorization": b"Authorization",
    b"accept-language": b"Accept-Language",
    b"user-agent": b"User-Agent",
}
#: Of the browser's, with what a page asks in its name. A form has no token of its own.
FORM: Mapping[bytes, bytes] = {name: OPERATION[name] for name in (b"accept-language", b"user-agent")}
#: Of the browser's, with a file. Never the token: a link that needed one would be no link.
FILE: Mapping[bytes, bytes] = {b"accept-language": b"Accept-Language", b"if-none-match": b"If-None-Match"}
#: Of a payment provider's: what a signature is made of.
NOTICE: Mapping[bytes, bytes] = {
    name: name for name in (b"content-type", b"webhook-id", b"webhook-timestamp", b"webhook-signature", b"stripe-signature")
}
#: Of a service's, with a file.
FILE_ANSWERED = frozenset({"content-type", "content-disposition", "etag", "cache-control"})

#: What makes a request of an allowed site's page (PREAU_ALLOWED_ORIGINS) ask first, and is let through then.
ASKED_FIRST = b"authorization, content-type, x-request-id, traceparent, apollo-require-preflight, x-apollo-operation-name"
#: What such a page may read of an answer.
READ = b"x-request-id, retry-after, etag"


def lines(sent: Iterable[tuple[bytes, bytes]], names: Mapping[bytes, bytes]) -> bytes:
    """Complete header lines of what was sent under these names."""
    return b"".join([b"%b: %b\r\n" % (names[name], value) for name, value in sent if name in names and is_line(value)])


def are_too_large(scope: Scope) -> bool:
    """Before anything is made of them."""
    return sum([len(name) + len(value) for name, value in scope["headers"]]) > LARGEST or len(scope["query_string"]) > LONGEST_QUERY


def is_line(value: bytes) -> bool:
    return b"\r" not in value and b"\n" not in value and b"\0" not in value
