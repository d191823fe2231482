"""Asks our gateway the federation audit's questions, and compares with what it expects."""

import asyncio
import json
import re
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.client import Subgraph, Subgraphs
from gateway.documents import Documents
from gateway.engine import Answer, Engine
from gateway.supergraph import Supergraph, UnsupportedSupergraph
from gateway.trouble import RequestError
from tests.gateway.audit.node import TOOLS
from tests.gateway.fakes import plain

PASSING = TOOLS / "passing.txt"
#: A suite and the number of a case in it.
Case = tuple[str, int]


def passing() -> frozenset[Case]:
    """The cases that passed before: none of them may fail again."""
    return read(PASSING.read_text(encoding="utf-8"))


def read(text: str) -> frozenset[Case]:
    """One suite a line, with the numbers of its cases."""
    lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return frozenset((suite, int(number)) for suite, *numbers in lines for number in numbers)


def written(cases: frozenset[Case]) -> str:
    suites = sorted({suite for suite, _ in cases})
    numbers = {suite: sorted(number for each, number in cases if each == suite) for suite in suites}
    return "".join(f"{suite} {' '.join(map(str, numbers[suite]))}\n" for suite in suites)


async def get(url: str) -> Any:
    def read() -> str:
        with urllib.request.urlopen(url) as answer:
            return str(answer.read().decode())

    return await asyncio.to_thread(read)


class Anywhere(Subgraph):
    """A subgraph whose address is complete, without our /graphql."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._post = self._post.replace(b"/graphql HTTP", b" HTTP")


async def audit(served: str) -> tuple[Mapping[Case, bool], Mapping[str, str]]:
    """-> every case: did it pass? And the suites whose supergraph is refused, with the reason."""
    found: dict[Case, bool] = {}
    refused: dict[str, str] = {}
    for suite in json.loads(await get(f"{served}/ids")):
        sdl = await get(f"{served}/{suite}/supergraph")
        cases = json.loads(await get(f"{served}/{suite}/tests"))
        try:
            passed = await answers(sdl, cases)
        except UnsupportedSupergraph as error:
            passed, refused[suite] = [False] * len(cases), str(error)
        found |= {(suite, number): each for number, each in enumerate(passed)}
    return found, refused


async def answers(sdl: str, cases: list[dict[str, Any]]) -> list[bool]:
    """One suite. Raises UnsupportedSupergraph."""
    supergraph = Supergraph.load(sdl)
    urls = dict(re.findall(r'@join__graph\(name: "([^"]*)", url: "([^"]*)"\)', sdl))
    subgraphs = Subgraphs({name: Anywhere(url) for name, url in urls.items()})
    documents, engine = Documents(supergraph), Engine(supergraph.api, subgraphs)
    try:
        return [is_expected(await ask(documents, engine, case["query"]), case["expected"]) for case in cases]
    finally:
        subgraphs.close()


async def ask(documents: Documents, engine: Engine, query: str) -> Answer:
    try:
        answer = await engine.run(documents.plan(documents.operation(query, None), {}), {})
    except RequestError as error:
        return Answer(None, error.errors)
    return Answer(plain(answer.data), answer.errors)


def is_expected(answer: Answer, expected: Mapping[str, Any]) -> bool:
    """Stricter than the audit itself: where it says nothing of errors, there are none."""
    return bool(expected.get("data") == answer.data and bool(expected.get("errors")) == bool(answer.errors))


def grown(before: frozenset[Case], found: Mapping[Case, bool]) -> frozenset[Case]:
    """The list to keep. Raises AssertionError, naming what fails that once passed."""
    now = frozenset(case for case, passed in found.items() if passed)
    assert before <= now, f"passed before, and fail: {written(before - now)}"
    return now


def told(found: Mapping[Case, bool], refused: Mapping[str, str], into: Path = PASSING) -> str:
    """The audit's outcome in a few lines; keeps the list of what passes, if it grew. Raises AssertionError, if it shrank."""
    now = grown(read(into.read_text(encoding="utf-8")), found)
    into.write_text(written(now), encoding="utf-8")
    at_load = [case for case in found if case[0] in refused]
    lines = [f"{len(now)} of {len(found)} cases pass; {len(at_load)} are refused with the supergraph they are about:"]
    lines += [f"  {suite}: {reason}" for suite, reason in sorted(refused.items())]
    wrong = frozenset(case for case, passed in found.items() if not passed and case[0] not in refused)
    return "\n".join([*lines, *(["answered otherwise:", written(wrong)] if wrong else [])])
