"""SEC3: whatever is sent to keep a process busy is refused at once: by the gateway, and by each service that is asked directly.

Measured is the processor's time, of the whole handling of one request within its ASGI application: no network, and no other process.
It is held against honest work that is done beside it, so that a slow or crowded machine is no reason to fail. What slips through a
limit takes many times as long, or never ends.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any
from urllib.parse import quote

import pytest
from graphql import parse
from starlette.types import ASGIApp

from gateway.app import application
from gateway.sockets import PROTOCOL
from services.claims import PublicKey
from services.identity.tokens import Signer, new_key
from services.service import Running
from services.settings import Settings
from tests.flows.questions import SUBGRAPHS

MOST_TRIES = 12  #: The quickest counts: whatever else happens in this process, or on the machine, only adds to it.
#: What is honest: to read a document of 18,000 tokens. The worst of what is sent here takes half as long, less than 50 ms.
HONEST = "{ " + " ".join(f"a{n}: b" for n in range(6_000)) + " }"
PLACES = ("gateway", *SUBGRAPHS)
#: One object with one field, of each schema, and a field that takes text.
OBJECT = {
    "gateway": ("me", "login", "Account"),
    "identity": ("me", "login", "Account"),
    "billing": ('onlinePayment(id: "x")', "id", "OnlinePayment"),
    "booking": ('request(id: "x")', "id", "Request"),
    "mailer": ('mailCounts(structure: "x")', "waiting", "MailCounts"),
}
TEXT = {
    "gateway": "request(id",
    "identity": "structure(id",
    "billing": "onlinePayment(id",
    "booking": "request(id",
    "mailer": "mailCounts(structure",
}
RunFixture = Callable[..., Awaitable[Running]]


@dataclass
class Place:
    """One process's application, asked as its server would."""

    name: str
    app: ASGIApp
    object: str = field(init=False)
    leaf: str = field(init=False)
    type: str = field(init=False)

    def __post_init__(self) -> None:
        self.object, self.leaf, self.type = OBJECT[self.name]

    async def ask(self, body: bytes, *, method: str = "POST", query: bytes = b"", **headers: str) -> "Answer":
        told = {"content-type": "application/json", "content-length": str(len(body)), **headers}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": "/graphql",
            "raw_path": b"/graphql",
            "root_path": "",
            "query_string": query,
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in told.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "app": self.app,
        }
        parts = [body[at : at + 65536] for at in range(0, len(body), 65536)] or [b""]
        coming = iter([{"type": "http.request", "body": part, "more_body": n + 1 < len(parts)} for n, part in enumerate(parts)])
        said: list[dict[str, Any]] = []

        async def receive() -> Any:
            message = next(coming, None)
            return message if message is not None else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            said.append(message)

        begun = time.process_time()
        await self.app(scope, receive, send)
        seconds = time.process_time() - begun
        return Answer(said[0]["status"], b"".join(part.get("body", b"") for part in said[1:]).decode(), seconds)

    async def say(self, *messages: Any) -> "Answer":
        """Over a WebSocket; what comes back before it ends."""
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "path": "/graphql",
            "raw_path": b"/graphql",
            "root_path": "",
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
            "subprotocols": [PROTOCOL],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "scheme": "ws",
            "app": self.app,
        }
        coming: asyncio.Queue[Any] = asyncio.Queue()
        coming.put_nowait({"type": "websocket.connect"})
        for one in ({"type": "connection_init"}, *messages):
            coming.put_nowait({"type": "websocket.receive", "text": one if isinstance(one, str) else json.dumps(one)})
        said = []

        async def send(message: Any) -> None:
            said.append(message.get("text") or str(message.get("code", "")))
            if '"error"' in said[-1] or '"complete"' in said[-1]:
                coming.put_nowait({"type": "websocket.disconnect", "code": 1000})

        begun = time.process_time()
        await self.app(scope, coming.get, send)
        return Answer(200, " ".join(said), time.process_time() - begun)


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    seconds: float  #: Of the processor.


# --------------------------------------------------------------------------------------------------------------- what is sent
def doc(query: str, variables: Any = None, **more: Any) -> bytes:
    return json.dumps({"query": query, "variables": variables, **more}).encode()


def bomb(levels: int, type_: str, leaf: str) -> str:
    return (
        " ".join(f"fragment F{n} on {type_} {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels))
        + f" fragment F{levels} on {type_} {{ {leaf} }}"
    )


def documents(at: Place) -> dict[str, str]:
    """Documents in which something is far too much; none of them is told twice alike (`%s`: a number)."""
    thing, leaf, type_ = at.object, at.leaf, at.type
    text = TEXT[at.name]
    whole = f"{{ {thing} {{ {leaf} }} }}"

    def within(what: str) -> str:
        return f"{{ {thing} {{ {what} }} }}"

    return {
        "a fragment bomb of 18 levels": within("...F0") + bomb(18, type_, leaf),
        "a fragment bomb of 100 levels": within("...F0") + bomb(100, type_, leaf),
        "a fragment bomb of 600 levels": within("...F0") + bomb(600, type_, leaf),
        "a fragment that spreads itself": within("...F") + f" fragment F on {type_} {{ ...F }}",
        "fragments in a ring": within("...A") + f" fragment A on {type_} {{ ...B }} fragment B on {type_} {{ ...A }}",
        "fragments in a ring of 500": within("...R0") + " ".join(f"fragment R{n} on {type_} {{ ...R{(n + 1) % 500} }}" for n in range(500)),
        "a chain of 600 fragments": within("...R0") + " ".join(f"fragment R{n} on {type_} {{ ...R{n + 1} }}" for n in range(600)),
        "1,000 fragments with the same field": within(" ".join(f"...S{n}" for n in range(1000)))
        + " ".join(f"fragment S{n} on {type_} {{ {leaf} }}" for n in range(1000)),
        "unused fragments": whole + " ".join(f"fragment S{n} on {type_} {{ {leaf} }}" for n in range(900)),
        "fragments on types that are not there": within(" ".join(f"... on Nothing{n} {{ {leaf} }}" for n in range(800))),
        "10,000 aliases": within(" ".join(f"a{n}: {leaf}" for n in range(10_000))),
        "2,500 aliases of an object": "{ " + " ".join(f"a{n}: {thing} {{ {leaf} }}" for n in range(2_500)) + " }",
        "10,000 directives": within(f"{leaf} " + "@include(if: true) " * 10_000),
        "1,200 directives": within(f"{leaf} " + "@include(if: true) " * 700),
        "directives that are not there": within(f"{leaf} " + " ".join(f"@no{n}" for n in range(1_800))),
        "a field 10,000 times": within(f"{leaf} " * 10_000),
        "a field 3,900 times": within(f"{leaf} " * 3_900),
        "an object 2,400 times": "{ " + f"{thing} {{ {leaf} }} " * 2_400 + "}",
        "overlapping fields, each with many arguments": "{ " + " ".join(f'{text}: "{n}") {{ {leaf} }}' for n in range(900)) + " }",
        "overlapping fields, nested": within(("... { " + f"x: {leaf} ") * 250 + "} " * 250),
        "10,000 levels": "{ a " * 10_000 + "}" * 10_000,
        "1,000 levels": "{ a " * 1_000 + "}" * 1_000,
        "400 inline fragments, one in another": within("... { " * 400 + leaf + " }" * 400),
        "open brackets": "{" * 30_000,
        "a list 10,000 deep": f"{{ {text}: {'[' * 10_000}{']' * 10_000}) {{ {leaf} }} }}",
        "an object value 3,000 deep": f"{{ {text}: {'{a:' * 1_500}1{'}' * 1_500}) {{ {leaf} }} }}",
        "a list of 10,000": f"{{ {text}: [{'1,' * 10_000}]) {{ {leaf} }} }}",
        "a number of 30,000 digits": f"{{ {text}: {'9' * 30_000}) {{ {leaf} }} }}",
        "a number with an endless exponent": f"{{ {text}: 1e{'9' * 5_000}) {{ {leaf} }} }}",
        "a string of 900,000": f'{{ {text}: "{"x" * 900_000}") {{ {leaf} }} }}',
        "a string of 90,000 escapes": f'{{ {text}: "{chr(92)}u0041{(chr(92) + "u0041") * 90_000}") {{ {leaf} }} }}',
        "a block string of 100,000 lines": f'{{ {text}: """{("  x" + chr(10)) * 100_000}""") {{ {leaf} }} }}',
        "a comment of 900,000": whole + "#" + "x" * 900_000,
        "commas and blanks": whole + " ," * 400_000,
        "a name of 30,000": within("x" * 30_000),
        "1,000 names nearly right": within(" ".join(f"{leaf}{n}" for n in range(1_000))),
        "1,000 arguments": f"{{ {text}: 1 {' '.join(f'a{n}: 1' for n in range(1_000))}) {{ {leaf} }} }}",
        "one argument 1,000 times": f"{{ {text}: 1 {'id: 1 ' * 1_000}) {{ {leaf} }} }}",
        "1,000 variables": f"query({' '.join(f'$v{n}: Int' for n in range(1_000))}) {whole}",
        "1,000 variables of one name": f"query({'$v: Int ' * 1_000}) {whole}",
        "400 operations": " ".join(f"query Q{n} {{ ...F }}" for n in range(400)) + f" fragment F on Query {{ {thing} {{ {leaf} }} }}",
        "300 operations and 300 fragments": " ".join(f"query Q{n} {{ ...R0 }}" for n in range(300))
        + " ".join(f"fragment R{n} on Query {{ ...R{n + 1} }}" for n in range(300)),
        "introspection in a circle": "{ __schema { types { " + "fields { type { " * 30 + "name" + " } }" * 30 + " } } }",
        "introspection 300 times": "{ " + " ".join(f"a{n}: __schema {{ types {{ name }} }}" for n in range(300)) + " }",
        "type definitions": " ".join(f"type T{n} {{ a: Int }}" for n in range(600)),
        "NUL": "{ " + "\0" * 10_000 + "}",
        "letters of no alphabet": "{ " + "\U0001f600" * 10_000 + "}",
        "the schema's own text": "{ " + " ".join(f"a{n}: _service {{ sdl }}" for n in range(400)) + " }",
    }


def dear_documents() -> dict[str, str]:
    """Small, and allowed by every measure but the cost of what they ask for."""
    page, things = "first: 500", 'families(structure: "s", first: 500)'
    bookings = f"bookings({page}) {{ nodes {{ id date activity {{ name }} }} }}"
    months = " ".join(f'm{n}: calendar(month: "2026-{n:02}") {{ days {{ date state booking {{ id status }} }} }}' for n in range(1, 13))
    return {
        "pages within pages": f"{{ {things} {{ nodes {{ {bookings} }} }} }}",
        "pages within pages, by a fragment": f"{{ {things} {{ nodes {{ ...F }} }} }} fragment F on Family {{ {bookings} }}",
        "pages within pages, the second by default": f"{{ {things} {{ nodes {{ bookings {{ nodes {{ child {{ activities {{ id }} }} }} }} }} }} }}",
        "a year of calendars of all families": f"{{ {things} {{ nodes {{ children {{ {months} }} }} }} }}",
        "the same page by 30 names": "{ "
        + " ".join(f"a{n}: {things} {{ nodes {{ children {{ id }} adults {{ id title lastName }} }} }}" for n in range(30))
        + " }",
    }


def bodies(at: Place) -> dict[str, bytes]:
    """Bodies that are no requests, or with values that are far too much."""
    thing, leaf, text = at.object, at.leaf, TEXT[at.name]
    whole = f"{{ {thing} {{ {leaf} }} }}"
    valued = (
        f"query($v: ID!) {{ {text}: $v) {{ {leaf} }} }}"
        if at.name != "identity"
        else "query($v: [_Any!]!) { _entities(representations: $v) { __typename } }"
    )
    good = doc(whole)
    return {
        "10 MB": b'{"query": "' + b"x" * 10_000_000 + b'"}',
        "10 MB of blanks": b" " * 10_000_000,
        "1,000 requests in a list": b"[" + b",".join([good] * 1_000) + b"]",
        "a list 100,000 deep": b"[" * 100_000,
        "variables 100,000 deep": b'{"query": "{ a }", "variables": {"v": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
        "objects 50,000 deep": b'{"query": "{ a }", "variables": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
        "a value 500 deep": doc(valued, {"v": json.loads("[" * 500 + "]" * 500)}),
        "one key 50,000 times": b"{" + b",".join([b'"query": 1'] * 50_000) + b"}",
        "50,000 variables that nobody asked for": doc("{ no }", {f"v{n}": n for n in range(50_000)}),
        "a number of 100,000 digits": b'{"query": ' + json.dumps(valued).encode() + b', "variables": {"v": ' + b"9" * 100_000 + b"}}",
        "a list of 100,000 where one is wanted": doc(valued, {"v": [[]] * 100_000}),
        "objects where text is wanted": doc(valued, {"v": {f"k{n}": n for n in range(20_000)}}),
        "half a character": b'{"query": ' + json.dumps(valued).encode() + b', "variables": {"v": "' + b"\\ud800" * 10_000 + b'"}}',
        "no JSON": b"\xff" * 900_000,
    }


# ------------------------------------------------------------------------------------------------------------------- the places
@pytest.fixture
async def places(running: RunFixture) -> dict[str, Place]:
    key = Signer(new_key())
    found = {}
    for service in SUBGRAPHS:
        one = await running(service, start=False)
        one.verifier.trust(PublicKey(key.kid, key.public_jwk, 0.0))
        app = import_module(f"services.{service}.app").app(one.settings)
        app.state.running = one
        found[service] = Place(service, app)
    nowhere = {f"{service.upper()}_URL": "http://127.0.0.1:1" for service in SUBGRAPHS}
    found["gateway"] = Place("gateway", application(Settings.from_environment(nowhere)))
    return found


def honest_work() -> float:
    """Seconds of the processor."""
    begun = time.process_time()
    parse(HONEST, no_location=True)
    return time.process_time() - begun


@cache
def usually() -> float:
    return min(honest_work() for _ in range(5))


async def refused(how: str, ask: Callable[[int], Awaitable[Answer]]) -> list[str]:
    """What is wrong with the answers, if anything is."""
    answers = [await ask(0)]
    share = answers[0].seconds / usually()
    while share > 1 and len(answers) < MOST_TRIES:
        beside = honest_work()
        answers.append(await ask(len(answers)))
        share = min(share, answers[-1].seconds / beside)
    wrong = [] if share <= 1 else [f"{how}: {share:.1f} times as long as honest work"]
    for one in answers:
        if one.status >= 500 or "INTERNAL_SERVER_ERROR" in one.text or "Traceback" in one.text:
            wrong.append(f"{how}: {one.status} {one.text[:300]}")
        if '"errors"' not in one.text and '"error"' not in one.text and "44" not in one.text:
            wrong.append(f"{how}: not refused: {one.status} {one.text[:300]}")
        if len(one.text) > 20_000:
            wrong.append(f"{how}: an answer of {len(one.text)}")
    return wrong


@pytest.mark.parametrize("name", PLACES)
async def test_every_hostile_document_is_refused_at_once(places: dict[str, Place], name: str) -> None:
    at = places[name]
    kinds = documents(at)
    assert len(kinds) >= 40
    wrong = []
    for how, text in kinds.items():
        wrong += await refused(how, lambda n, text=text: at.ask(doc(f"{text} #{n}")))
    assert not wrong, "\n".join(wrong)


async def test_what_would_cost_too_much_is_refused_at_once(places: dict[str, Place]) -> None:
    at, wrong = places["gateway"], []
    for how, text in dear_documents().items():
        wrong += await refused(how, lambda n, text=text: at.ask(doc(f"{text} #{n}")))
        assert "OPERATION_TOO_EXPENSIVE" in (await at.ask(doc(text))).text, how
        larger = text.replace("first: 500", "first: $n")
        variables = "query ($n: Int!) " + larger
        wrong += await refused(f"{how}, by a variable", lambda n, text=variables: at.ask(doc(f"{text} #{n}", {"n": 10**9})))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", PLACES)
async def test_every_hostile_body_is_refused_at_once(places: dict[str, Place], name: str) -> None:
    at, wrong = places[name], []
    for how, body in bodies(at).items():
        wrong += await refused(how, lambda n, body=body: at.ask(body))
    assert not wrong, "\n".join(wrong)


async def test_and_so_it_is_whatever_way_it_comes_to_the_gateway(places: dict[str, Place]) -> None:
    at, wrong = places["gateway"], []
    for how, text in documents(at).items():
        asked = {"query": f"subscription {text}" if text.startswith("{") else text}
        if len(text) < 60_000:  # What is longer is no request line for the server.
            wrong += await refused(
                f"GET {how}", lambda n, text=text: at.ask(b"", method="GET", query=f"query={quote(text)}%23{n}".encode())
            )
        wrong += await refused(f"SSE {how}", lambda n, asked=asked: at.ask(doc(asked["query"] + f"#{n}"), accept="text/event-stream"))
        message = {"type": "subscribe", "id": "1", "payload": asked}
        if len(json.dumps(message)) < 256_000:  # What is longer does not come through the server.
            wrong += await refused(f"WebSocket {how}", lambda n, message=message: at.say(message))
    for how, body in bodies(at).items():
        if len(body) < 256_000:
            wrong += await refused(f"WebSocket {how}", lambda n, body=body: at.say(body.decode("latin-1")))
    assert not wrong, "\n".join(wrong)
