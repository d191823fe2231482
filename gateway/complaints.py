"""What a client is told of what went wrong in a part of its answer: which code, in its language; in production nothing of the inside.

Refusals are data and never come this way. Of a service's errors those that it has a code of its own for are meant for the client, word for
word; any other may be anything, such as SQL or a class's name, and becomes a number under which operators find it in the log.
"""

import re
import secrets
from collections.abc import Mapping
from typing import Any

from gateway.texts import phrase
from gateway.trouble import DENIED, LONGEST_MESSAGE
from services.refusal import Language
from services.telemetry import log

Error = dict[str, Any]

UNAVAILABLE = "SUBGRAPH_UNAVAILABLE"
INTERNAL = "INTERNAL_SERVER_ERROR"
#: Of no use to clients: bugs, and what is wrong with documents that the gateway wrote.
INSIDE = frozenset({INTERNAL, "SUBGRAPH_ERROR", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "OPERATION_RESOLUTION_FAILURE"})
#: How it came about: never told, production or not.
ORIGIN = frozenset({"stacktrace", "exception", "debug"})
#: Documents and variables fit the supergraph before they leave here. A service of an older release, while newer ones take the place of
#: older ones, does not know all of it: in graphql-core's words, of which our services say BAD_USER_INPUT, and some of them in French.
_UNKNOWN_THERE = re.compile(
    r"Cannot query field |Unknown (argument|type) |Field '\w+' is not defined by type "
    r"|(Variable .*: )?Expected value of type '\w+' not to include unknown field |(.* : )?le champ « \w+ » n’existe pas dans \w+\.",
    re.DOTALL,
)
_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,60}")
_NUMBER = re.compile(r"[0-9a-f]{8}")


def unavailable(service: str, language: Language) -> Error:
    return {"message": phrase(UNAVAILABLE, language, service=service), "extensions": {"code": UNAVAILABLE, "serviceName": service}}


def invalid(service: str, language: Language) -> Error:
    return {
        "message": phrase("INVALID_ANSWER", language, service=service),
        "extensions": {"code": "INVALID_ANSWER", "serviceName": service},
    }


def incomplete(field: str, language: Language) -> Error:
    """`field`: its coordinate, such as Family.balance."""
    return {"message": phrase("INCOMPLETE_ANSWER", language, field=field), "extensions": {"code": "INCOMPLETE_ANSWER"}}


def denied(language: Language) -> Error:
    return {"message": phrase(DENIED, language), "extensions": {"code": DENIED}}


def told(service: str, message: str, extensions: Mapping[str, Any] | None, language: Language, *, masks: bool) -> Error:
    """An error that a service told. `masks`: as in production."""
    extensions = extensions or {}
    if extensions.get("code") == "BAD_USER_INPUT" and _UNKNOWN_THERE.match(message):
        extensions = {**extensions, "code": "GRAPHQL_VALIDATION_FAILED"}
    if not masks:
        kept = {key: value for key, value in extensions.items() if key not in ORIGIN}
        return {"message": message, "extensions": {"code": "SUBGRAPH_ERROR", **kept, "serviceName": service}}
    code = extensions.get("code")
    if isinstance(code, str) and _CODE.fullmatch(code) and code not in INSIDE:
        return {"message": message[:LONGEST_MESSAGE], "extensions": {"code": code, "serviceName": service}}
    number = extensions.get("number")
    if not isinstance(number, str) or not _NUMBER.fullmatch(number):
        number = secrets.token_hex(4)
        log().error("masked", number=number, subgraph=service, message=message, code=code)
    return {
        "message": phrase(INTERNAL, language, number=number),
        "extensions": {"code": INTERNAL, "number": number, "serviceName": service},
    }
