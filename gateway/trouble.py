"""A request that the gateway itself answers with errors, before any service hears of it."""

import secrets
from collections.abc import Iterable, Sequence
from typing import Any

from graphql import GraphQLError

from gateway.texts import phrase
from services.refusal import Language, in_french
from services.telemetry import log

#: Code of what the caller may not ask for: as other gateways have it.
DENIED = "UNAUTHORIZED_FIELD_OR_TYPE"
#: Codes by which a service refuses what a caller may not have, or asks wrongly: nothing is out of order.
CALLERS = frozenset({"UNAUTHENTICATED", "FORBIDDEN", "BAD_USER_INPUT", DENIED})
LONGEST_MESSAGE = 1000  #: characters
MOST_LOCATIONS = 10


class RequestError(Exception):
    """The answer is `errors` alone. `malformed`: not even a GraphQL request, so the status says so to every client.

    `errors` are in English, `french` has their messages in French; without it they are as the caller is to read them.
    """

    wait_seconds = 0  #: Before it is worth asking again; 0: it never is, or at once.

    def __init__(self, errors: list[dict[str, Any]], *, french: Sequence[str] = (), status: int = 400, malformed: bool = False) -> None:
        super().__init__(errors[0]["message"])
        self.errors = errors
        self.french = french
        self.status = status
        self.malformed = malformed

    def told(self, language: Language) -> list[dict[str, Any]]:
        """The errors, in the caller's language."""
        if language == "en" or not self.french:
            return self.errors
        return [{**error, "message": message} for error, message in zip(self.errors, self.french, strict=True)]

    @classmethod
    def said(cls, code: str, text: str | None = None, *, status: int = 400, malformed: bool = False, **details: object) -> "RequestError":
        """In the words of texts.py, under `text`, or the code itself."""
        french, english = (phrase(text or code, language, **details) for language in ("fr", "en"))
        return cls.coded(code, english, french, status=status, malformed=malformed)

    @classmethod
    def coded(cls, code: str, message: str, french: str, *, status: int = 400, malformed: bool = False) -> "RequestError":
        return cls([{"message": message, "extensions": {"code": code}}], french=(french,), status=status, malformed=malformed)

    @classmethod
    def measured(cls, code: str, **figures: int) -> "RequestError":
        """With figures, in the words and for programs."""
        error = cls.said(code, **figures)  # type: ignore[arg-type]  # no figure has the name of one of its own
        error.errors[0]["extensions"] |= figures
        return error

    @classmethod
    def too_soon(cls, code: str, seconds: int) -> "RequestError":
        """To be asked again after so long."""
        error = cls.measured(code, waitSeconds=seconds)
        error.status, error.malformed, error.wait_seconds = 429, True, seconds
        return error

    @classmethod
    def found(cls, code: str, errors: Iterable[GraphQLError]) -> "RequestError":
        """What parsing or validation complained of, in graphql-core's own words: those who write documents know them."""
        told = [_shortened(error) | {"extensions": {"code": code}} for error in errors]
        return cls(told, french=[phrase(code, "fr", detail=error["message"]) for error in told])

    @classmethod
    def unfit(cls, errors: Iterable[GraphQLError], language: Language) -> "RequestError":
        """What coercion complained of: values that people may have typed."""
        extensions = {"code": "BAD_USER_INPUT"}
        told = [(error, in_french(error.message) if language == "fr" else error.message) for error in errors]
        return cls([{**error.formatted, "message": message, "extensions": extensions} for error, message in told])


def _shortened(error: GraphQLError) -> dict[str, Any]:
    """graphql-core repeats names, however long they are, and says all the places."""
    told: dict[str, Any] = {**error.formatted, "message": error.message[:LONGEST_MESSAGE]}
    return told | {"locations": told["locations"][:MOST_LOCATIONS]} if "locations" in told else told


def masked(error: Exception, language: Language) -> dict[str, Any]:
    """What a client is told of a bug: a number, under which operators find the rest in the log."""
    number = secrets.token_hex(4)
    log().error("failed", number=number, exc_info=error)
    return {"message": phrase("INTERNAL_SERVER_ERROR", language, number=number), "extensions": {"code": "INTERNAL_SERVER_ERROR"}}
