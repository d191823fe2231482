"""What the GraphQL schemas of all services have in common: who asks, in which language, the scalars, refusals, errors, speed."""

import datetime as dt
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NewType, cast

import orjson
import strawberry
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    NoSchemaIntrospectionCustomRule,
    OverlappingFieldsCanBeMergedRule,
    specified_rules,
    validate,
)
from starlette.requests import Request
from starlette.responses import Response
from strawberry import ID
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import ParserCache, SchemaExtension
from strawberry.federation.schema_directives import Inaccessible
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from strawberry.types import ExecutionResult

from services import limits
from services.claims import Caller
from services.clock import Clock
from services.database import Database
from services.execution import LeanExecutionContext
from services.inputs import quicken
from services.library import Library
from services.limits import Limits, TooMuch
from services.refusal import CodedError, Language, Unauthenticated, in_french, language_of, shown
from services.service import Running
from services.telemetry import OPERATIONS, is_told, log, tell
from services.tracing import NOTHING, Span, span, traceparent, trail
from services.variables import take_over
from services.waited import HEADER, Receive, Waited, seconds_left

LocalTime = NewType("LocalTime", str)  #: "HH:MM"
YearMonth = NewType("YearMonth", str)  #: "YYYY-MM"

LARGEST_BODY = 1_000_000  #: bytes
REMEMBERED = 512  #: Documents.
MOST_VALUES = 20_000  #: In one list: as many keys as a page of everything has, and more.
LONGEST_MESSAGE = 1000  #: Characters: graphql-core repeats names, however long they are.
SERVED = {"http.request.method": "POST", "http.route": "/graphql", "url.path": "/graphql"}
NOT_READY = {"errors": [{"message": "Not ready yet: try again soon.", "extensions": {"code": "NOT_READY"}}]}
TOO_LATE = {"errors": [{"message": "Nobody waits for this any more.", "extensions": {"code": "DEADLINE_EXCEEDED"}}]}
NO_NUL = {"en": "Text cannot hold the character NUL.", "fr": "Un texte ne peut pas contenir le caractère NUL."}


@dataclass
class Context:
    """One request: who asks, in which language, and what its resolvers share."""

    running: Running
    caller: Caller | None
    language: Language
    address: str | None = None  #: Of the client, as the gateway saw it.
    loaders: dict[str, Any] = field(default_factory=dict)  #: DataLoaders of this request, by name.
    user_agent: str | None = None  #: What the client says it is.
    receive: Receive | None = None  #: Of the request; None where nobody can go.
    seconds: float | None = None  #: For how long the answer is waited for; None: nobody says.
    gone: Callable[[], Awaitable[bool]] | None = None  #: Whether nobody waits for the answer any more; None where it cannot be known.

    @property
    def database(self) -> Database:
        return self.running.database

    @property
    def clock(self) -> Clock:
        return self.running.clock

    @property
    def library(self) -> Library:
        """The process's."""
        resources = self.running.resources
        if "library" not in resources:
            resources["library"] = Library(self.database)
        return cast(Library, resources["library"])

    @cached_property
    def now(self) -> dt.datetime:
        """One instant for the whole answer."""
        return self.clock.now()

    def signed_in(self) -> Caller:
        """Raises Unauthenticated."""
        if self.caller is None:
            raise Unauthenticated
        return self.caller


Info = strawberry.types.Info[Context, None]


# --------------------------------------------------------------------------------------------------------------- scalars
class BadValue(GraphQLError):
    """What no scalar of ours can be. The message is English, as graphql-core's around it."""

    def __init__(self, expected: str, attendu: str, value: object) -> None:
        given = shown(value)
        super().__init__(f'{expected} is expected, not "{given}".', extensions={"code": "BAD_USER_INPUT"})
        self.french = f"{attendu}, et non « {given} »."


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _parse_date(value: object) -> dt.date:
    try:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return dt.date.fromisoformat(value)
    except ValueError:
        pass
    raise BadValue("An existing day, as YYYY-MM-DD,", "un jour qui existe, AAAA-MM-JJ, est attendu", value)


def _parse_instant(value: object) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(str(value))
        if moment.tzinfo is not None:
            return moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):  # The first and the last day there are may be over the edge in UTC.
        pass
    raise BadValue("An instant, as 2026-11-23T07:00:00Z,", "un instant, comme 2026-11-23T07:00:00Z, est attendu", value)


def _parse_time(value: object) -> LocalTime:
    if isinstance(value, str) and re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value):
        return LocalTime(value)
    raise BadValue("A time of day, as HH:MM,", "une heure, HH:MM, est attendue", value)


def _parse_month(value: object) -> YearMonth:
    if isinstance(value, str) and re.fullmatch(r"(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])", value):
        return YearMonth(value)
    raise BadValue("A month from 1900 to 2199, as YYYY-MM,", "un mois de 1900 à 2199, AAAA-MM, est attendu", value)


def _instant_text(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


SCALARS: dict[object, Any] = {
    dt.date: strawberry.scalar(name="Date", serialize=dt.date.isoformat, parse_value=_parse_date),
    dt.datetime: strawberry.scalar(name="DateTime", serialize=_instant_text, parse_value=_parse_instant),
    LocalTime: strawberry.scalar(name="LocalTime", serialize=str, parse_value=_parse_time),
    YearMonth: strawberry.scalar(name="YearMonth", serialize=str, parse_value=_parse_month),
}


@strawberry.interface
class Refusal:
    """An expected no: `code` for programs, `message` for people, in their language."""

    code: str
    message: str


# --------------------------------------------------------------------------------------------------------- subscriptions
# A subscription is served by the gateway. The subgraph that owns it has two hidden fields for that in its Query, with the same
# arguments: one of the same name and type, which says what is true now, and one named `...Watch`, which says when to ask it again.
# Both refuse as any query does: whose data it is, the subgraph alone decides, each time.
HIDDEN = (Inaccessible(),)


def hidden(resolver: Callable[..., Any]) -> Any:
    """Makes a field of it that clients cannot see."""
    return strawberry.field(resolver=resolver, directives=HIDDEN)


@strawberry.federation.type(shareable=True, directives=HIDDEN)
class Watch:
    """What a subscription of this caller depends on: for the gateway, hidden from clients."""

    account: ID = strawberry.field(description="Who subscribes.")
    until: dt.datetime = strawberry.field(description="When the caller's sign-in runs out, and with it the subscription.")
    structure: ID = strawberry.field(description="Where it happens.")
    topics: list[str] = strawberry.field(description="What wakes it: services/topics.py.")
    due: bool = strawberry.field(description="There is something to tell.")
    last: bool = strawberry.field(description="What is told then ends the subscription.")

    @classmethod
    def of(cls, context: Context, structure: str, topics: Iterable[str], *, due: bool = True, last: bool = False) -> "Watch":
        caller = context.signed_in()
        return cls(
            account=ID(caller.account),
            until=dt.datetime.fromtimestamp(caller.expires_at, dt.UTC),
            structure=ID(structure),
            topics=list(topics),
            due=due,
            last=last,
        )


def told_at_the_gateway() -> CodedError:
    """For a subscription that is asked of the subgraph itself: it would stream, and subgraphs hold no connections."""
    return CodedError("SUBSCRIBE_AT_THE_GATEWAY", "Subscriptions are served by the gateway.")


# ---------------------------------------------------------------------------------------------------------------- schema
#: A little more than the gateway lets clients ask: what it makes of that must pass, with keys and type names added to it.
LIMITS = Limits(
    characters=100_000,
    tokens=4_500,
    definitions=20,
    variables=500,
    arguments=50,
    fields=2_000,
    depth=20,
    introspection_depth=1,
    introspections=0,
    aliases=2_000,
    directives=100,
)
#: Without the quadratic one, for which `limits.conflict` stands.
RULES = (
    *(rule for rule in specified_rules if rule is not OverlappingFieldsCanBeMergedRule),
    NoSchemaIntrospectionCustomRule,
    MaybeNullValidationRule,
    OneOfInputValidationRule,
)
MOST_COMPLAINTS = 5


class Bounded(SchemaExtension):
    """Parses no more than there may be, without the places of everything, which would only be remembered."""

    def on_operation(self) -> Iterator[None]:
        options: dict[str, Any] = {"max_tokens": LIMITS.tokens, "no_location": True}
        self.execution_context.parse_options.update(options)  # type: ignore[typeddict-item]  # it knows but one of graphql-core's
        yield


class ValidOnce(SchemaExtension):
    """Measures documents, then validates them, and remembers which are valid, by their text.

    Strawberry's own cache takes a document's hash for that: it walks all of it.
    """

    def __init__(self, valid: OrderedDict[str, None]) -> None:
        self._valid = valid

    def on_validate(self) -> Iterator[None]:
        context, query = self.execution_context, self.execution_context.query
        if query is not None and query in self._valid:
            self._valid.move_to_end(query)
            context.pre_execution_errors = []
            yield
            return
        assert context.graphql_document is not None, "parsed before it is validated"
        context.pre_execution_errors = _complaints(context.schema._schema, context.graphql_document)
        yield
        if query and not context.pre_execution_errors:
            self._valid[query] = None
            if len(self._valid) > REMEMBERED:
                self._valid.popitem(last=False)


def _complaints(schema: GraphQLSchema, document: DocumentNode) -> list[GraphQLError]:
    try:
        for _ in limits.check(document, LIMITS):
            pass
        name = limits.conflict(document)
    except TooMuch as error:
        return [GraphQLError(str(error), extensions={"code": error.code})]
    except RecursionError:
        return [GraphQLError("The document is nested too deeply.", extensions={"code": "OPERATION_TOO_DEEP"})]
    if name is not None:
        return [GraphQLError(f"Different fields would answer as {name!r}.", extensions={"code": "GRAPHQL_VALIDATION_FAILED"})]
    return validate(schema, document, RULES, max_errors=MOST_COMPLAINTS)[:MOST_COMPLAINTS]


class _Schema(strawberry.federation.Schema):
    def process_errors(self, errors: list[GraphQLError], execution_context: Any = None) -> None:
        """Strawberry would log the document, and with it a password written into it. `_answer` logs what is ours."""


def _guard_entities(schema: strawberry.federation.Schema) -> None:
    """Strawberry's own `_entities` believes that whatever it is given is of a type of ours."""
    representation, entity = (schema._schema.type_map.get(name) for name in ("_Any", "_Entity"))
    if not isinstance(representation, GraphQLScalarType) or not isinstance(entity, GraphQLUnionType):
        return
    names = {member.name for member in entity.types}

    def parse(value: object) -> object:
        if isinstance(value, dict) and value.get("__typename") in names:
            return dict(value)  # Strawberry takes it to pieces.
        raise BadValue("The key of an entity", "la clé d’un objet est attendue", "...")

    representation.coerce_input_value = parse  # where graphql-core keeps what a scalar parses with


def subgraph(
    query: type | None = None, mutation: type | None = None, subscription: type | None = None, types: Iterable[type] = ()
) -> strawberry.federation.Schema:
    """A federation 2.9 schema with the product's scalars and caches (without them validation is most of a request's cost)."""
    valid: OrderedDict[str, None] = OrderedDict()
    schema = _Schema(
        query=query,
        mutation=mutation,
        subscription=subscription,
        types=list(types),
        federation_version="2.9",
        execution_context_class=LeanExecutionContext,
        config=StrawberryConfig(scalar_map=SCALARS),
        extensions=[
            Bounded,
            lambda: ParserCache(maxsize=REMEMBERED),
            lambda: ValidOnce(valid),
        ],
    )
    _guard_entities(schema)
    quicken(schema)
    take_over()
    return schema


# -------------------------------------------------------------------------------------------------------------- endpoint
def context_of(request: Request) -> Context:
    running: Running = request.app.state.running
    headers = request.headers
    forwarded = headers.get("x-forwarded-for")
    return Context(
        running=running,
        caller=running.verifier.caller(headers.get("authorization")),
        language=language_of(headers.get("accept-language")),
        address=forwarded.split(",")[0].strip() if forwarded else (request.client.host if request.client else None),
        user_agent=headers.get("user-agent"),
        gone=request.is_disconnected,
        receive=request.receive,
        seconds=seconds_left(headers.get(HEADER)),
    )


def endpoint(schema: strawberry.federation.Schema, service: str) -> Callable[[Request], Awaitable[Response]]:
    """POST only: subgraphs are spoken to by the gateway."""
    timed = OPERATIONS.of(service)

    async def graphql(request: Request) -> Response:
        begun = time.perf_counter()
        came_with = trail(request.headers.get("traceparent"), request.headers.get("x-request-id"))
        token = traceparent.set(came_with)
        status, body = 200, b""
        try:
            with span("POST /graphql", "server", SERVED) as served:
                status, answer = await _handled(schema, request)
                body = orjson.dumps(answer)
                if served is not NOTHING:
                    _note(served, status, answer)
        finally:
            traceparent.reset(token)
            seconds = time.perf_counter() - begun
            timed.observe(seconds)
            if came_with is not None and is_told(came_with):
                tell("answered", came_with, status=status, milliseconds=round(seconds * 1000, 1), bytes=len(body))
        return Response(body, status, media_type="application/json")

    return graphql


async def _handled(schema: strawberry.federation.Schema, request: Request) -> tuple[int, dict[str, Any]]:
    """The status, and what is answered."""
    if _is_too_early(request):
        return 503, NOT_READY
    try:
        return 200, await _answer(schema, await request.body(), context_of(request))
    except TimeoutError:
        return 504, TOO_LATE


def _note(served: Span, status: int, answer: dict[str, Any]) -> None:
    served.set("http.response.status_code", status)
    codes = sorted({str(error.get("extensions", {}).get("code")) for error in answer.get("errors", ())})
    if codes:
        served.failed(codes[0])


def _is_too_early(request: Request) -> bool:
    """Somebody shows a token, and no key is known yet to tell whose it is: that is no reason to sign in again."""
    running: Running = request.app.state.running
    return "authorization" in request.headers and not running.verifier.is_ready


async def _answer(schema: strawberry.federation.Schema, body: bytes, context: Context) -> dict[str, Any]:
    """Raises TimeoutError."""
    # As JSON or as GraphQL writes it. No text of ours has it, and PostgreSQL cannot even compare with it.
    if b"\\u0000" in body:
        return {"errors": [{"message": NO_NUL[context.language], "extensions": {"code": "BAD_USER_INPUT"}}]}
    asked = _read(body)
    if asked is None:
        return {"errors": [{"message": "Send a JSON object with `query`.", "extensions": {"code": "BAD_REQUEST"}}]}
    query, variables, operation = asked
    if len(query) > LIMITS.characters:
        message = f"A document has at most {LIMITS.characters} characters."
        return {"errors": [{"message": message, "extensions": {"code": "OPERATION_TOO_LARGE"}}]}
    try:
        result = await _execute(schema, query, variables, context, operation)
    except (CannotGetOperationTypeError, InvalidOperationTypeError, MissingQueryError):
        message = "Say which operation of the document: one that it has."
        return {"errors": [{"message": message, "extensions": {"code": "OPERATION_RESOLUTION_FAILURE"}}]}
    answer: dict[str, Any] = {"data": result.data}
    if result.errors:
        answer["errors"] = [_error(error, context.language) for error in result.errors[:20]]
    return answer


async def _execute(
    schema: strawberry.federation.Schema, query: str, variables: dict[str, Any] | None, context: Context, operation: str | None
) -> ExecutionResult:
    """Raises TimeoutError: nobody waits any more for what was only to be looked at."""
    if context.receive is None or "mutation" in query:
        return await schema.execute(query, variable_values=variables, context_value=context, operation_name=operation)
    with Waited(context.receive, context.seconds):
        return await schema.execute(query, variable_values=variables, context_value=context, operation_name=operation)


def _read(body: bytes) -> tuple[str, dict[str, Any] | None, str | None] | None:
    if len(body) > LARGEST_BODY:
        return None
    try:
        asked = orjson.loads(body)
        query, variables, operation = asked["query"], asked.get("variables"), asked.get("operationName")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None
    # The SDL is composed from files; at run time it is nobody's business.
    if not isinstance(query, str) or "_service" in query or not isinstance(variables, dict | None) or not isinstance(operation, str | None):
        return None
    if any(isinstance(value, list) and len(value) > MOST_VALUES for value in (variables or {}).values()):
        return None
    return query, variables, operation


_WHERE = re.compile(r"Variable '\$(\w+)' has invalid value(?: at ([\w.\[\]]+))?:")


def _named(error: GraphQLError, message: str, colon: str) -> str:
    """With the place of the value that is meant, if graphql-core says one."""
    place = _WHERE.match(error.message)
    return f"{place[1]}{place[2] or ''}{colon} {message}" if place else message


def _error(error: GraphQLError, language: Language) -> dict[str, Any]:
    """As clients may see it: our own words, or a number under which operators find the rest in the log."""
    told = error.formatted
    cause = error.original_error
    while isinstance(cause, GraphQLError):
        told = {**told, "message": cause.message, "extensions": cause.extensions or {}}
        if isinstance(cause, BadValue):
            told["message"] = _named(error, cause.french, " :") if language == "fr" else _named(error, cause.message, ":")
        cause = cause.original_error
    extensions = {**(told.get("extensions") or {})}
    if isinstance(cause, CodedError):
        extensions["code"] = cause.code
        message = (language == "fr" and cause.french) or str(cause)
    elif cause is None:
        extensions.setdefault("code", "BAD_USER_INPUT" if error.path is None else "INTERNAL_SERVER_ERROR")
        message = in_french(told["message"]) if language == "fr" else told["message"]
    else:
        number = secrets.token_hex(4)
        log().error("failed", path=error.path, number=number, exc_info=cause)
        extensions = {"code": "INTERNAL_SERVER_ERROR", "number": number}
        message = f"Something went wrong on our side ({number})."
    answer: dict[str, Any] = {"message": message[:LONGEST_MESSAGE], "extensions": extensions}
    if error.path:
        answer["path"] = error.path
    return answer
