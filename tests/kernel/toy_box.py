"""A schema with some of everything: leaves of each kind, lists in lists, an interface, a union, resolvers that fail or wait."""

import asyncio
import datetime as dt
import enum
from dataclasses import dataclass
from typing import Any

import strawberry
from strawberry import ID

from services.graphql import LocalTime, subgraph
from services.refusal import CodedError


@strawberry.enum
class Colour(enum.Enum):
    RED = "r"
    BLUE = strawberry.enum_value("b", name="azure")


@strawberry.interface
class Named:
    name: str


@strawberry.type
class Doll(Named):
    age: int | None


@strawberry.type
class Robot(Named):
    code: ID

    @strawberry.field
    async def power(self) -> int:
        return 9000


@strawberry.type
class Ball:
    size: float


class RubberBall(Ball):
    """A subclass that GraphQL does not know."""


@strawberry.type
@dataclass(slots=True)
class Sticker:
    text: str


@strawberry.type
class Toy:
    id: ID
    label: str
    maybe_label: str | None
    count: int
    maybe_count: int | None
    weight: float
    new: bool
    day: dt.date
    at: dt.datetime | None
    opens: LocalTime
    colour: Colour
    maybe_colour: Colour | None
    words: list[str]
    maybe_words: list[str | None] | None
    grid: list[list[int]]
    twin: "Toy | None"
    parts: list["Toy"]
    maybe_parts: list["Toy | None"] | None
    keeper: Named | None
    keepers: list[Named]
    thing: Doll | Ball | None
    ball: Ball | None
    sticker: Sticker | None

    @strawberry.field
    def shouted(self) -> str:
        return self.label.upper()

    @strawberry.field
    async def later(self) -> "Toy | None":
        await asyncio.sleep(0)
        return self.twin

    @strawberry.field
    def broken(self) -> str:
        raise CodedError("BROKEN", "It is broken.")

    @strawberry.field
    async def maybe_broken(self) -> str | None:
        raise ValueError(self.label)

    @strawberry.field
    def times(self, factor: int = 2) -> int | None:
        return self.count * factor


@strawberry.type
class Query:
    @strawberry.field
    def toy(self, info: strawberry.Info[Any, None]) -> Toy | None:
        found: Toy | None = info.context
        return found

    @strawberry.field
    async def toys(self, info: strawberry.Info[Any, None]) -> list[Toy]:
        return [info.context, info.context]


schema = subgraph(Query, types=[Doll, Robot])


def toy(**other: Any) -> Toy:
    usual: dict[str, Any] = {
        "id": "1", "label": "duck", "maybe_label": None, "count": 3, "maybe_count": 7, "weight": 0.5, "new": True,
        "day": dt.date(2026, 9, 1), "at": dt.datetime(2026, 9, 1, 8, tzinfo=dt.UTC), "opens": "07:30", "colour": Colour.RED,
        "maybe_colour": Colour.BLUE, "words": ["a", "b"], "maybe_words": [None, "c"], "grid": [[1, 2], [], [3]], "twin": None,
        "parts": [], "maybe_parts": None, "keeper": Doll(name="Anna", age=4), "keepers": [Doll(name="Bob", age=None)],
        "thing": Ball(size=1.5), "ball": Ball(size=2.0), "sticker": Sticker(text="glitter"),
    }  # fmt: skip
    return Toy(**{**usual, **other})
