"""A request that the gateway itself answers with errors, before any service hears of it."""

from collections.abc import Iterable
from typing import Any

from graphql import GraphQLError


class RequestError(Exception):
    """The answer is `errors` alone. `malformed`: not even a GraphQL request, so the status says so to every client."""

    def __init__(self, errors: list[dict[str, Any]], *, status: int = 400, malformed: bool = False) -> None:
        super().__init__(errors[0]["message"])
        self.errors = errors
        self.status = status
        self.malformed = malformed

    @classmethod
    def coded(cls, code: str, message: str, *, status: int = 400, malformed: bool = False) -> "RequestError":
        return cls([{"message": message, "extensions": {"code": code}}], status=status, malformed=malformed)

    @classmethod
    def found(cls, code: str, errors: Iterable[GraphQLError]) -> "RequestError":
        """What parsing, validation or coercion complained of."""
        return cls([{**error.formatted, "extensions": {"code": code}} for error in errors])
