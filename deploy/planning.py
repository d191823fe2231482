"""`preau plan`: how the gateway would answer a query. Nothing needs to run: the supergraph is enough."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from gateway.cost import now
from gateway.documents import Documents, Operation
from gateway.explaining import as_json, explained, readable
from gateway.supergraph import Supergraph
from gateway.trouble import RequestError


class Mistake(Exception):
    """The query cannot be planned. The message says why, a line each."""


@dataclass(frozen=True, slots=True)
class Wish:
    query: str  #: a document, the name of a file that holds one, or `-` for standard input
    operation: str | None = None
    variables: str = "{}"  #: JSON; only those count that @skip and @include look at
    json: bool = False


def plan(wish: Wish, supergraph: Supergraph | None = None) -> str:
    """Raises Mistake."""
    documents = Documents(supergraph or Supergraph.committed())
    try:
        operation = documents.operation(_text(wish.query), wish.operation)
        conditions = _conditions(operation, _variables(wish.variables))
        found = documents.plan_for(operation, conditions)
    except RequestError as error:
        raise Mistake("\n".join(map(_told, error.errors))) from error
    name = f"{operation.kind} {operation.name}" if operation.name else operation.kind
    cost = now(found.cost, _variables(wish.variables))
    if wish.json:
        return as_json({"kind": operation.kind, "operation": operation.name, "conditions": conditions, "cost": cost, **explained(found)})
    where = [f"${name} is {str(value).lower()}" for name, value in conditions.items()]
    told = f"{name}, where {' and '.join(where)}" if where else name
    return f"{told}: {cost} points, {readable(found)}"


def _text(query: str) -> str:
    if query == "-":
        return sys.stdin.read()
    if "{" in query:
        return query
    try:
        return Path(query).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise Mistake(f"{query}: {reason}. Give a query, a file that holds one, or - for standard input.") from error


def _variables(text: str) -> dict[str, Any]:
    try:
        told = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise Mistake("--variables is not JSON") from error
    if not isinstance(told, dict):
        raise Mistake("--variables is not a JSON object")
    return told


def _conditions(operation: Operation, variables: dict[str, Any]) -> dict[str, bool]:
    """What is not given is as the document says, or else false."""
    defaults = {each.variable.name.value: getattr(each.default_value, "value", False) for each in operation.definitions}
    return {name: bool(variables.get(name, defaults.get(name))) for name in operation.conditions}


def _told(error: dict[str, Any]) -> str:
    places = ", ".join(f"line {at['line']}, column {at['column']}" for at in error.get("locations", ()))
    return f"{places}: {error['message']}" if places else str(error["message"])
