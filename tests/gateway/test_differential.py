"""Whatever is asked, the gateway answers what graphql-core makes of one merged schema: the same data, null in the same places.

`maze/supergraph.graphql` is composed from the files beside it: `node gateway/compose/compose.mjs tests/gateway/maze/{halls,prices,people}.graphql`.
"""

import json
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from graphql import parse, validate

from gateway import engine
from gateway.engine import Answer
from gateway.supergraph import Supergraph
from gateway.trouble import RequestError
from tests.conftest import SEED
from tests.gateway.fakes import GATEWAY, Gateway
from tests.gateway.questions import Questioner
from tests.gateway.worlds import Federation, World, answered

HERE = Path(__file__).parent
#: Documents of each kind, others each time: what fails is asked again with the PREAU_SEED that it says. `PREAU_DOCUMENTS=5000` looks longer.
DOCUMENTS = int(os.environ.get("PREAU_DOCUMENTS", "40"))
#: What the gateway alone has against a document.
REFUSED = {"OPERATION_TOO_LARGE", "OPERATION_TOO_DEEP", "TOO_MANY_ALIASES", "ONE_AUTHENTICATION_A_REQUEST"}
#: Two subgraphs know halves of it: test_corners.py.
UNANSWERABLE = {"notice"}
SCHEMAS = {"town": GATEWAY, "features": HERE / "features", "corners": HERE / "corners", "maze": HERE / "maze", "kinds": HERE / "kinds"}


def gateway(schema: str) -> Gateway:
    folder = SCHEMAS[schema]
    supergraph = Supergraph.load((folder / "supergraph.graphql").read_text(encoding="utf-8"))
    sdl = folder / "subgraphs" if schema == "town" else folder
    subgraphs = {service: (sdl / f"{service}.graphql").read_text(encoding="utf-8") for service in supergraph.graphs.values()}
    return Gateway(Federation(World(supergraph), subgraphs), supergraph)  # type: ignore[arg-type]  # a fetcher as good


async def outcome(one: Gateway, query: str, variables: dict[str, Any]) -> tuple[Answer | None, str | None]:
    """The answer, or the code of the refusal."""
    try:
        return await one.ask(query, variables), None
    except RequestError as error:
        return None, str(error.errors[0]["extensions"]["code"])


@dataclass
class Asking:
    """Numbers of documents: so many, and as many more as chance takes until enough of them said something."""

    enough: float
    said: int = 0

    def __iter__(self) -> Iterator[int]:
        for number in range(DOCUMENTS * 10):
            if number >= DOCUMENTS and self.said > self.enough:
                return
            yield number
        raise AssertionError(f"{SEED}: hardly a document says anything")


def nulls(data: Any, errors: list[dict[str, Any]]) -> set[tuple[str | int, ...]]:
    """Where the answer is null because of an error: at the error's path, or above it."""
    found = set()
    for error in errors:
        assert "path" in error, error
        value, path = data, list(error["path"])
        at: list[str | int] = []
        while value is not None and path:
            value = value[path[0]]
            at.append(path.pop(0))
        assert value is None, f"an error at {error['path']}, where there is a value"
        found.add(tuple(at))
    return found


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ("town", "query"),
        ("town", "mutation"),
        ("features", "query"),
        ("corners", "query"),
        ("maze", "query"),
        ("maze", "mutation"),
        ("kinds", "query"),
    ],
)
async def test_the_answer_is_that_of_one_merged_schema(schema: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MOST_ERRORS", 1_000_000)
    one = gateway(schema)
    world = one.town.world  # type: ignore[attr-defined]  # a Federation
    alike = Asking(DOCUMENTS / 3)
    for number in alike:
        world.failing = 0.03 if number % 2 else 0.0
        one.documents.checked = frozenset(one.supergraph.graphs.values()) if number % 4 > 1 else frozenset()
        questioner = Questioner(one.supergraph.api, random.Random(f"{SEED} {schema} {kind} {number}"), UNANSWERABLE)
        query, variables = questioner.document(kind), questioner.variables
        wrong = validate(one.supergraph.api, parse(query))
        answer, refusal = await outcome(one, query, variables)
        assert refusal is None or refusal in REFUSED or (wrong and refusal == "GRAPHQL_VALIDATION_FAILED"), (SEED, query, refusal)
        if answer is None or wrong:
            continue  # The gateway sees no conflict with what is skipped, or is asked of no object.
        expected = answered(one.supergraph.api, query, variables, world.resolve)
        errors = [each.formatted for each in expected.errors or ()]
        assert json.dumps(answer.data) == json.dumps(expected.data), (SEED, query, variables)  # the order counts, too
        assert nulls(answer.data, answer.errors) == nulls(expected.data, errors), (SEED, query, variables, answer.errors, errors)  # type: ignore[arg-type]
        alike.said += 1


def lost(answer: Any, expected: Any, at: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """Where there is null instead of something. Nothing else may differ."""
    if answer is None and expected is not None:
        return {at}
    if isinstance(answer, dict):
        assert list(answer) == list(expected), at
        return {each for key in answer for each in lost(answer[key], expected[key], (*at, key))}
    if isinstance(answer, list):
        assert len(answer) == len(expected), at
        return {each for index, value in enumerate(answer) for each in lost(value, expected[index], (*at, index))}
    assert answer == expected, at
    return set()


@pytest.mark.parametrize("schema", ["features", "maze", "kinds"])
async def test_a_subgraph_that_is_down_costs_its_part_and_an_error_says_so_at_each_place(
    schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MOST_ERRORS", 1_000_000)
    one = gateway(schema)
    federation: Any = one.town
    partial = Asking(DOCUMENTS / 20)
    for number in partial:
        chance = random.Random(f"{SEED} {schema} {number}")
        questioner = Questioner(one.supergraph.api, chance, UNANSWERABLE)
        query, variables = questioner.document(), questioner.variables
        federation.down = {chance.choice(sorted(federation.subgraphs))}
        answer, refusal = await outcome(one, query, variables)
        if answer is None or refusal or validate(one.supergraph.api, parse(query)):
            continue
        expected = answered(one.supergraph.api, query, variables, federation.world.resolve)
        places = lost(answer.data, expected.data)
        assert places <= nulls(answer.data, answer.errors), (SEED, query, federation.down, answer.errors)
        partial.said += bool(places) and places != {()}


async def test_nothing_is_missing_of_an_object_of_which_nothing_is_asked() -> None:
    one = gateway("features")
    one.town.down = {"prices"}  # type: ignore[attr-defined]  # a Federation
    answer = await one.ask('{ anything { ... on Opening { priceCents } } opening(id: "ID 6") { ... on Opening { priceCents } } }')
    assert (answer.data, [error["path"] for error in answer.errors]) == (
        {"anything": [{}, {}], "opening": None},
        [["opening", "priceCents"]],
    )
