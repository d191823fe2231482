"""A finished plan: what to send where, in which order, and how the answer is cut out of what came back. Never changes once made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import DocumentNode

from gateway.checking import Check
from gateway.cost import Cost
from gateway.drafts import Bearer, Part, Segment, Spot
from gateway.outline import Lack, Outline

#: merged data, lacks -> the answer's `data`. A lack names a field (`Child.firstName`) that was null and must not be.
Project = Callable[[dict[str, Any], list[Lack]], dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Entity:
    """Which objects of the merged data are asked about, and what `_entities` is told of each."""

    type: str
    path: tuple[Segment, ...]
    parts: tuple[Part, ...]
    only_key: Part | None  #: the single scalar key that most entities have: a faster way


@dataclass(frozen=True, slots=True)
class Fetch:
    id: int
    service: str
    head: bytes  #: the request's body up to its variables
    variables: tuple[str, ...]
    brings: tuple[Spot, ...]  #: what the client gets by it alone
    entity: Entity | None
    mutation: bool
    opaque: bool  #: every field of it goes to the client as the bytes that came
    check: Check | None  #: of what a subgraph answers that is not trusted
    needs: int  #: how many fetches must be in before
    then: tuple[int, ...]  #: the fetches that wait for it
    bearer: Bearer | None = None
    representations: str = "representations"  #: the variable that has them: none of the client's


@dataclass(frozen=True, slots=True)
class Plan:
    fetches: tuple[Fetch, ...]
    project: Project
    renamed: Mapping[str, str]  #: key invented by the planner -> what the client calls it
    introspection: DocumentNode | None  #: what the gateway answers itself
    outline: Outline  #: of what the client asked for
    fields: int  #: looked at for it, spelled out for every possible type
    denied: tuple[Spot, ...] = ()  #: what the caller may not ask for, and gets null for
    follow: "Follow | None" = None  #: of a subscription
    cost: Cost = 0


@dataclass(frozen=True, slots=True)
class Follow:
    """A subscription's plan says what is true now; this, when to carry it out again."""

    field: str  #: calendarChanged
    key: str  #: what the client calls it
    watch: Plan  #: asks the subgraph what the field depends on, under the same key


def introspected(key: str) -> str:
    """Where the merged data keeps what the gateway itself answers. No client can name a field so."""
    return f"introspection {key}"
