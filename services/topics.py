"""What can be watched live, and which events tell that it changed: a subgraph says what a subscription depends on, the gateway listens.

A topic is a short text such as `child/amalia/2026-12`. It only wakes: whoever is woken asks the tables what is true now.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import msgspec

from services.events import (
    ActivityChanged,
    BookingAccepted,
    BookingCancelled,
    BookingExpired,
    BookingRefused,
    BookingRequested,
    BookingWaitlisted,
    CapacityChanged,
    EnrollmentChanged,
    EntryPosted,
    Event,
    Held,
    Released,
    RequestDecided,
    StandingChanged,
)


def child(id: str, month: str) -> str:
    """What is booked for a child in a month, "YYYY-MM"."""
    return f"child/{id}/{month}"


def enrollments(child: str) -> str:
    """What a child is admitted to."""
    return f"enrollments/{child}"


def openings(activity: str, month: str) -> str:
    """How full an activity is in a month."""
    return f"openings/{activity}/{month}"


def activity(id: str) -> str:
    """An activity's rules."""
    return f"activity/{id}"


def request(id: str) -> str:
    """Whether a request is decided."""
    return f"request/{id}"


def family(id: str) -> str:
    """A family's money."""
    return f"family/{id}"


class Movement(msgspec.Struct):
    child: str
    date: str


class Told(msgspec.Struct):
    """What of an event's body is looked at: of all kinds together, for each has some of it."""

    child: str = ""
    activity: str = ""
    date: str = ""
    request: str | None = None
    family: str = ""
    movements: list[Movement] = []


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of topic."""

    events: tuple[type[Event], ...]
    topics: Callable[[Told], Iterable[str]]  #: Those that such an event is about.
    moves: bool = False  #: Whoever is woken by it may depend on other topics from then on.


def _children(told: Told) -> Iterable[str]:
    yield child(told.child, told.date[:7])
    for movement in told.movements:
        yield child(movement.child, movement.date[:7])


#: By the first word of the topic. What is added here is listened to.
KINDS: Mapping[str, Kind] = {
    "child": Kind(
        (BookingRequested, BookingAccepted, BookingWaitlisted, BookingRefused, BookingCancelled, BookingExpired),
        _children,
    ),
    "enrollments": Kind((EnrollmentChanged,), lambda told: (enrollments(told.child),), moves=True),
    "openings": Kind((CapacityChanged,), lambda told: (openings(told.activity, told.date[:7]),)),
    "activity": Kind((ActivityChanged,), lambda told: (activity(told.activity),)),
    "request": Kind((RequestDecided,), lambda told: (request(told.request or ""),)),
    "family": Kind((Held, Released, EntryPosted, StandingChanged), lambda told: (family(told.family),)),
}

_read = msgspec.json.Decoder(Told).decode


def subjects(structure: str, topics: Iterable[str]) -> set[str]:
    """Where the events travel that tell of these topics."""
    kinds = {topic.partition("/")[0] for topic in topics}
    return {event.filter().replace("*", structure, 1) for kind in kinds for event in KINDS[kind].events}


def moves(topic: str) -> bool:
    """Whether who listens for it must ask anew what else to listen for."""
    return KINDS[topic.partition("/")[0]].moves


def told(subject: str, body: bytes) -> set[str]:
    """The topics that an event is about. Raises msgspec.DecodeError for what is no event of ours."""
    service, name = subject.split(".")[-2:]
    read = _read(body)
    return {topic for kind in KINDS_OF.get((service, name), ()) for topic in kind.topics(read)}


KINDS_OF: Mapping[tuple[str, str], list[Kind]] = {
    (event.service, event.name): [kind for kind in KINDS.values() if event in kind.events]
    for each in KINDS.values()
    for event in each.events
}
