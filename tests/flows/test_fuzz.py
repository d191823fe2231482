"""SEC2: thousands of requests that chance made up, none of which is trouble of ours: no 5xx, no trace, no path, no SQL in any answer.

PREAU_EXAMPLES says how many (default 2,000), PREAU_SEED which: the seed of a run is printed.
"""

import asyncio
import copy
import json
import os
import random
import string
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
)

from deploy.check import check
from gateway.client import Subgraph
from gateway.limits import AUTHENTICATION
from services.settings import Settings
from tests.flows import questions, town
from tests.flows.system import System
from tests.flows.town import Family, Town, activity, family

EXAMPLES = int(os.environ.get("PREAU_EXAMPLES", "2000"))
SEED = int(os.environ.get("PREAU_SEED", random.randrange(2**32)))
AT_ONCE = 12
SECONDS = 20.0
INSIDE = ("INTERNAL_SERVER_ERROR", "SUBGRAPH_UNAVAILABLE", "Traceback", 'File \\"', "sqlalchemy", "sqlite", "asyncpg", "SELECT ", "INSERT ")
#: What would end the sessions that ask, or use up the tries that an address has (test_wrong_input.py and tests/identity try those).
LEFT_OUT = AUTHENTICATION | {"signOut", "signOutEverywhere", "endSession"}
DEEPEST = 4

ODD: tuple[Any, ...] = (
    None, "", " ", "a", "null", "0", "-1", "é", "\u202e\ufeff", "😀" * 20, "' OR 1=1 --", "\\", '"', "%s%n", "{{7*7}}", "<b>", "../../etc/passwd",
    "x" * 300, 0, 1, -1, 2**31 - 1, -(2**31), 2**31, 2**63, 1.5, 1e308, True, False, [], {}, [[]], [None], {"a": {"b": 1}},
    "2026-12-01", "2026-02-30", "0001-01-01", "9999-12-31", "2026-12", "2026-13", "08:00", "24:00", "2026-12-01T08:00:00Z",
    "\u0000", "a\u0000b", "\ud7ff", "\uffff", "٢٠٢٦-01-01", "1" * 400,
)  # fmt: skip


@dataclass
class Maker:
    """Makes requests up."""

    chance: random.Random
    schema: GraphQLSchema
    ids: tuple[str, ...]  #: Of what is there: ours, and others'.
    recorded: list[questions.Question]

    def request(self) -> bytes:
        how: Callable[[], bytes] = self.chance.choices((self._grown, self._mutated, self._torn), (5, 4, 1))[0]
        return how()

    # ------------------------------------------------------------------------------------------------ by the grammar
    def _grown(self) -> bytes:
        kind = self.chance.choices(("query", "mutation"), (3, 2))[0]
        root = self.schema.query_type if kind == "query" else self.schema.mutation_type
        assert root is not None
        variables: dict[str, Any] = {}
        declared: list[str] = []
        fields = [name for name in root.fields if name not in LEFT_OUT]
        chosen = self.chance.sample(fields, self.chance.choice((1, 1, 1, 2, 3)))
        parts = [self._field(name, root.fields[name], DEEPEST, variables, declared) for name in chosen]
        header = f"({', '.join(declared)})" if declared else ""
        return body(f"{kind} Q{header} {{ {' '.join(parts)} }}", variables)

    def _field(self, name: str, each: GraphQLField, deep: int, variables: dict[str, Any], declared: list[str]) -> str:
        passed = []
        for argument, one in each.args.items():
            if isinstance(one.type, GraphQLNonNull) or self.chance.random() < 0.4:
                variable = f"v{len(declared)}"
                declared.append(f"${variable}: {one.type}")
                variables[variable] = self._value(one.type, argument)
                passed.append(f"{argument}: ${variable}")
        arguments = f"({', '.join(passed)})" if passed else ""
        alias = f"a{self.chance.randrange(100)}: " if self.chance.random() < 0.05 else ""
        if self.chance.random() < 0.03:
            arguments += f" @{self.chance.choice(('skip', 'include'))}(if: {self.chance.choice(('true', 'false'))})"
        return f"{alias}{name}{arguments}{self._selection(each.type, deep - 1, variables, declared)}"

    def _selection(self, type_: Any, deep: int, variables: dict[str, Any], declared: list[str]) -> str:
        named = get_named_type(type_)
        if isinstance(named, GraphQLUnionType):
            members = self.chance.sample(named.types, min(len(named.types), 3))
            return (
                " { __typename " + " ".join(f"... on {one.name}{self._selection(one, deep, variables, declared)}" for one in members) + " }"
            )
        if not isinstance(named, GraphQLObjectType | GraphQLInterfaceType):
            return ""
        leaf = [name for name, one in named.fields.items() if not composite(one)]
        chosen = self.chance.sample(leaf, min(len(leaf), self.chance.randrange(4)))
        parts = [self._field(name, named.fields[name], deep, variables, declared) for name in chosen]
        below = [name for name in named.fields if name not in leaf]
        if deep > 0 and below:
            for name in self.chance.sample(below, min(len(below), self.chance.randrange(1, 3))):
                parts.append(self._field(name, named.fields[name], deep, variables, declared))
        return f" {{ __typename {' '.join(parts)} }}"

    def _value(self, type_: Any, name: str) -> Any:
        """Right in most places: what is wrong everywhere says nothing of what lies behind the first check."""
        if self.chance.random() < 0.06:
            return self._odd()
        if isinstance(type_, GraphQLNonNull):
            return self._value(type_.of_type, name)
        if self.chance.random() < 0.05:
            return None
        if isinstance(type_, GraphQLList):
            return [self._value(type_.of_type, name) for _ in range(self.chance.choice((0, 1, 1, 2, 5)))]
        if isinstance(type_, GraphQLInputObjectType):
            wanted = {key: one for key, one in type_.fields.items() if isinstance(one.type, GraphQLNonNull) or self.chance.random() < 0.4}
            return {key: self._value(one.type, key) for key, one in wanted.items()}
        if isinstance(type_, GraphQLEnumType):
            return self.chance.choice(list(type_.values))
        return self._leaf(type_.name, name)

    def _odd(self) -> Any:
        return copy.deepcopy(self.chance.choice(ODD))

    def _leaf(self, scalar: str, name: str) -> Any:
        day = f"2026-{self.chance.randrange(1, 13):02}-{self.chance.randrange(1, 29):02}"
        right = {
            "ID": lambda: self.chance.choice(self.ids),
            "Int": lambda: self.chance.choice((0, 1, 5, 100, self.chance.randrange(-5, 1000))),
            "Boolean": lambda: self.chance.random() < 0.5,
            "Date": lambda: day,
            "YearMonth": lambda: day[:7],
            "LocalTime": lambda: f"{self.chance.randrange(24):02}:{self.chance.choice(('00', '15', '30'))}",
            "DateTime": lambda: f"{day}T08:00:00Z",
        }
        if scalar in right:
            return right[scalar]()
        return self.chance.choice((name, "mot", *self.ids[:3], "".join(self.chance.choices(string.printable, k=12))))

    # ------------------------------------------------------------------------------------------- from what is asked rightly
    def _mutated(self) -> bytes:
        """The document as it is; its variables with one or two of them changed to something odd."""
        one = self.chance.choice(self.recorded)
        variables = json.loads(json.dumps(one.variables))
        for slot in one.ids:
            questions.put(variables, slot.path, self.chance.choice(self.ids))
        for _ in range(self.chance.randrange(3)):
            places = list(_places(variables))
            if places:
                holder, key = self.chance.choice(places)
                holder[key] = self._odd()
        return body(one.text, variables)

    def _torn(self) -> bytes:
        """The bytes of a request, some of them lost, doubled or others."""
        text = bytearray(self._mutated())
        for _ in range(self.chance.randrange(1, 6)):
            at = self.chance.randrange(len(text))
            match self.chance.randrange(4):
                case 0:
                    del text[at : at + self.chance.randrange(1, 20)]
                case 1:
                    text[at:at] = text[at : at + self.chance.randrange(1, 20)]
                case 2:
                    text[at] = self.chance.randrange(256)
                case _:
                    text[at:at] = self.chance.choice((b"{", b"}", b"$", b"...", b"(", b'\\"', b"\\u0000", b"#", b"@", b"null"))
            if not text:
                break
        return bytes(text)


def composite(each: GraphQLField) -> bool:
    return isinstance(get_named_type(each.type), GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in the variables: its container and its key."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield value, key
        yield from _places(below)


def body(query: str, variables: Any) -> bytes:
    return json.dumps({"query": query, "variables": variables}).encode()


@dataclass
class Scene:
    town: Town
    tokens: tuple[str | None, ...]
    ids: tuple[str, ...]


@pytest.fixture
async def scene(system: System, tmp_path: Path) -> AsyncIterator[Scene]:
    activities = [
        activity("aps", capacity=None),
        activity("loisirs", allocation={"scheduled_at": town.half_a_day_away(), "policy": "lottery"}),
    ]
    one = await town.found(
        system, tmp_path, activities=activities, families=[family("dupont", activities=["aps", "loisirs"]), family("martin")]
    )
    dupont, martin = await one.everybody("dupont", "martin")
    agent = await one.agent()
    ids = [one.structure, *(one.named(id) for id in ("aps", "loisirs", "periscolaire", "dupont", "dupont-child", "martin", "martin-child"))]
    for each in (dupont, martin):
        ids += await booked(each)
    yield Scene(one, (dupont.token, dupont.token, agent.token, None), (*ids, "nobody", "résident", "resident"))
    await one.client.aclose()


async def booked(one: Family) -> list[str]:
    (day,) = town.next_days(1)
    request = await one.submits([one.line(day)])
    return [request["id"], request["movements"][0]["booking"]["id"]]


async def test_whatever_chance_makes_up_is_answered_decently(scene: Scene) -> None:
    print(f"PREAU_SEED={SEED} PREAU_EXAMPLES={EXAMPLES}")
    schema = questions.public()
    samples = {"Date": "2026-12-01", "YearMonth": "2026-12", "LocalTime": "08:00", "String": "mot", "Int": 5, "Boolean": False}
    recorded = [one for one in questions.of(schema, samples, whole=True) if one.name.split(".")[1] not in LEFT_OUT]
    maker = Maker(random.Random(SEED), schema, scene.ids, recorded)
    door, turns = Subgraph(scene.town.system.gateway), asyncio.Semaphore(AT_ONCE)
    wrong: list[str] = []
    codes: Counter[str] = Counter()

    async def one(asked: bytes, token: str | None) -> None:
        head = b"Content-Type: application/json\r\n" + (f"Authorization: Bearer {token}\r\n".encode() if token else b"")
        try:
            answer = await door.pass_on("/graphql", asked, head, seconds=SECONDS)
        except Exception as error:
            wrong.append(f"{error!r} to {asked.decode(errors='replace')}")
            return
        text = answer.body.decode(errors="replace")
        if answer.status >= 500 or any(word in text for word in INSIDE):
            wrong.append(f"{answer.status} {text[:600]} to {asked.decode(errors='replace')[:3000]}")
        told = json.loads(text)
        codes.update({error["extensions"]["code"] for error in told.get("errors", ())} or {"OK"})

    async def some(count: int) -> None:
        for _ in range(count):
            async with turns:
                await one(maker.request(), maker.chance.choice(scene.tokens))

    await asyncio.gather(*(some(EXAMPLES // AT_ONCE + 1) for _ in range(AT_ONCE)))
    door.close()
    print(codes.most_common())
    assert not wrong, f"{len(wrong)} of {EXAMPLES}, PREAU_SEED={SEED}\n" + "\n".join(wrong[:5])
    assert codes["OK"] > EXAMPLES // 20, "chance is too wild to get anywhere"
    # And what it made is heard and borne by all: a message that nobody can handle would be in everybody's way.
    await town.all_heard(scene.town.system)
    assert await check(Settings.from_environment(scene.town.system.environment))
