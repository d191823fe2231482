"""Subgraphs made of their committed SDL and a few dictionaries: what the gateway sends them is really validated and executed."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLSchema,
    ObjectTypeDefinitionNode,
    build_ast_schema,
    extend_schema,
    graphql,
    parse,
)

import gateway
from gateway.bounds import Bounds
from gateway.client import SubgraphUnavailable
from gateway.documents import Documents
from gateway.engine import Answer, Engine
from gateway.live import Live
from gateway.seen import Fetching, failed
from gateway.streams import Streams
from gateway.supergraph import Supergraph
from gateway.trusted import NONE_TRUSTED, Trusted
from gateway.waiting import USUAL, Patience
from services.bus import Bus
from services.settings import Settings

GATEWAY = Path(gateway.__file__).parent
SUPERGRAPH = Supergraph.committed()


#: representation -> the entity, or None for what nobody knows (or may not see)
Resolve = Callable[[dict[str, Any]], dict[str, Any] | None]


def bare(node: Any) -> Any:
    """Without federation's directives."""
    changes: dict[str, Any] = {"directives": ()}
    for name in ("fields", "arguments", "values"):
        if getattr(node, name, None):
            changes[name] = tuple(bare(each) for each in getattr(node, name))
    return replace(node, **changes)


@cache
def runnable(sdl: str) -> GraphQLSchema:
    """A subgraph's schema as a server has it: with `_entities`. It takes a fifth of a second, and nothing changes it."""
    kinds = [node for node in parse(sdl).definitions if not node.kind.startswith(("schema", "directive"))]
    entities = [
        node.name.value
        for node in kinds
        if isinstance(node, ObjectTypeDefinitionNode) and any(directive.name.value == "key" for directive in node.directives or ())
    ]
    schema = build_ast_schema(DocumentNode(definitions=tuple(bare(node) for node in kinds)), assume_valid_sdl=True)
    if not entities:
        return schema
    query = "extend type Query" if schema.query_type else "extend schema { query: Query } type Query"
    more = f"scalar _Any union _Entity = {' | '.join(entities)} {query} {{ _entities(representations: [_Any!]!): [_Entity]! }}"
    return extend_schema(schema, parse(more), assume_valid_sdl=True)


@dataclass
class Call:
    """One request that a subgraph got."""

    service: str
    query: str
    variables: dict[str, Any]
    headers: str
    again: bool
    seconds: float

    @property
    def representations(self) -> list[dict[str, Any]]:
        return self.variables.get("representations", [])


@dataclass
class Subgraph:
    sdl: str
    roots: dict[str, Any] = field(default_factory=dict)
    entities: Mapping[str, Resolve] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.schema = runnable(self.sdl)

    async def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        root = {**self.roots, "_entities": lambda _, representations: [self.entity(each) for each in representations]}
        result = await graphql(self.schema, query, root, variable_values=variables)
        return {"data": result.data, **({"errors": [error.formatted for error in result.errors]} if result.errors else {})}

    def entity(self, representation: dict[str, Any]) -> dict[str, Any] | None:
        type_name = representation["__typename"]
        found = self.entities[type_name](representation)
        return None if found is None else {"__typename": type_name, **representation, **found}


@dataclass
class Town:
    """A fetcher: the subgraphs without HTTP between."""

    subgraphs: dict[str, Subgraph]
    down: set[str] = field(default_factory=set)
    says: dict[str, bytes] = field(default_factory=dict)  #: what a broken subgraph answers, whatever it is asked
    calls: list[Call] = field(default_factory=list)

    async def __call__(self, service: str, body: bytes, headers: bytes, *, seconds: float, again: bool) -> bytes:
        asked = json.loads(body)
        self.calls.append(Call(service, asked["query"], asked.get("variables") or {}, headers.decode(), again, seconds))
        if service in self.down:
            raise SubgraphUnavailable("it is down")
        if service in self.says:
            return self.says[service]
        return json.dumps(await self.subgraphs[service].answer(asked["query"], asked.get("variables") or {})).encode()

    def asked(self) -> list[str]:
        return [call.service for call in self.calls]

    def of(self, service: str) -> Call:
        (call,) = [call for call in self.calls if call.service == service]
        return call


@dataclass
class Gateway:
    """Documents, engine and subgraphs together."""

    town: Town
    supergraph: Supergraph = SUPERGRAPH
    nats_url: str = "nats://127.0.0.1:1"  #: Nobody.
    trusted: Trusted = NONE_TRUSTED
    bounds: Bounds = field(default_factory=Bounds)
    patience: Patience = USUAL
    masks: bool = False

    def __post_init__(self) -> None:
        self.documents = Documents(self.supergraph)
        self.engine = Engine(self.supergraph.api, Fetching(self.town), failed, self.patience, masks=self.masks)
        self.settings = Settings.from_environment({"NATS_URL": self.nats_url})
        self.live = Live(Bus(self.settings, "gateway"))
        self.streams = Streams(self.documents, self.engine, self.live, self.settings.clock, trusted=self.trusted, bounds=self.bounds)

    async def ask(
        self,
        query: str,
        variables: dict[str, Any] | None = None,
        name: str | None = None,
        scopes: frozenset[str] | None = None,
        headers: bytes = b"",
    ) -> Answer:
        operation = self.documents.operation(query, name)
        plan = self.documents.plan(operation, variables or {}, scopes=scopes)
        answer = await self.engine.run(plan, variables or {}, headers)
        return Answer(plain(answer.data), plain(answer.errors))

    async def data(self, query: str, variables: dict[str, Any] | None = None) -> Any:
        """For what must go well."""
        answer = await self.ask(query, variables)
        assert answer.errors == [], answer.errors
        return answer.data


def plain(value: Any) -> Any:
    """As the client reads it: bytes that were passed on unread are read here."""
    import msgspec  # noqa: PLC0415 -- the tests' only use of it

    return json.loads(msgspec.json.encode(value))


# ------------------------------------------------------------------------------------------------ a family

CHILDREN = {
    "amalia": {"firstName": "Amalia", "lastName": "DUPONT", "birthDate": "2019-04-12"},
    "paolo": {"firstName": "Paolo", "lastName": "DUPONT", "birthDate": None},
}
ACTIVITY = {"id": "aps-matin", "name": "APS MATIN", "category": None, "limited": True}
FAMILY = {
    "id": "dupont",
    "number": "003150",
    "structure": {"id": "carteville", "name": "Mairie de CarteVille"},
    "children": [{"id": name, **child} for name, child in CHILDREN.items()],
    "adults": [],
}
ACCOUNT = {"id": "a1", "login": "dupont", "firstName": "Jean-Paul", "lastName": "DUPONT", "families": [FAMILY], "language": "fr"}


def booking(child: str, number: int) -> dict[str, Any]:
    return {
        "id": f"b{number}",
        "number": f"R{number}",
        "child": {"id": child},
        "activity": ACTIVITY,
        "date": f"2026-11-{number:02}",
        "arrival": "07:30",
        "departure": "08:45",
        "status": "ACCEPTED",
        "rank": None,
    }


def day(child: str, number: int) -> dict[str, Any]:
    return {"date": f"2026-11-{number:02}", "state": "BOOKED", "placesLeft": 3, "booking": booking(child, number), "revision": 1}


def line(child: str, number: int) -> dict[str, Any]:
    found = booking(child, number)
    return {**{key: found[key] for key in ("child", "activity", "date", "arrival", "departure")}, "change": "BOOK", "forecast": "ACCEPTED"}


REFUSED = {"__typename": "AccountInDebit", "code": "ACCOUNT_IN_DEBIT", "message": "Votre compte est débiteur."}
REQUEST = {
    "__typename": "Request",
    "id": "r1",
    "number": "D1",
    "decided": True,
    "movements": [{"change": "BOOK", "booking": booking(child, n)} for n, child in ((23, "amalia"), (24, "amalia"), (24, "paolo"))],
}


def sdl(service: str) -> str:
    return (GATEWAY / "subgraphs" / f"{service}.graphql").read_text(encoding="utf-8")


def town() -> Town:
    """identity, booking and billing with one family."""
    balance = {"balanceCents": 50_06, "estimatedCostCents": 102_61, "newBalanceCents": -52_55, "inDebit": False, "lines": []}
    identity = Subgraph(
        sdl("identity"),
        {
            "me": ACCOUNT,
            "signOut": True,
            "recoveryQuestion": "?",
            "signIn": {"__typename": "SignedIn", "account": ACCOUNT, "accessToken": "t"},
        },
        {"Child": lambda found: CHILDREN.get(found["id"]), "Family": lambda found: FAMILY if found["id"] == "dupont" else None},
    )
    calendar: Resolve = lambda found: {  # noqa: E731 -- one of the dictionaries
        "calendar": lambda _, month, activity=None: {"month": month, "days": [day(found["id"], 23), day(found["id"], 24)]},
        "activities": [ACTIVITY],
    }
    book = Subgraph(
        sdl("booking"),
        {
            "submitBookings": REQUEST,
            "cancelBooking": {"__typename": "TooLateToCancel", "code": "TOO_LATE_TO_CANCEL", "message": "Trop tard."},
            "previewBookings": {"__typename": "Preview", "bookings": [line("amalia", 23), line("paolo", 24)], "cancellations": []},
            "request": REQUEST,
        },
        {"Child": calendar, "Family": lambda _: {"bookingAccess": {"open": False, "refusal": REFUSED}}},
    )
    billing = Subgraph(
        sdl("billing"),
        {},
        {
            "Family": lambda _: {"balance": balance},
            "Booking": lambda found: {"priceCents": 1_00 + int(found["id"][1:])},
            "PreviewLine": lambda found: {"priceCents": 1_31 if found["child"]["id"] == "amalia" else 3_79},
        },
    )
    return Town({"identity": identity, "booking": book, "billing": billing})
