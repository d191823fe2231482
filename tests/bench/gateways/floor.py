"""What HTTP alone costs: the gateway's server and client, with no GraphQL between them.

    python -m tests.bench.gateways.floor PORT

/0 answers from memory, /1 asks one subgraph first and passes its answer on, /3 asks all that the plan asks, in its order.
"""

import asyncio
import os
import sys
from dataclasses import dataclass, field

import msgspec
import uvicorn
from starlette.types import Receive, Scope, Send

from deploy.serving import look_for_garbage_less_often
from gateway.client import Subgraphs
from gateway.documents import Documents
from gateway.engine import Engine
from gateway.supergraph import Supergraph
from tests.bench.gateways.home import BODIES

SERVICES = ("identity", "booking", "billing")


@dataclass
class Recorder:
    """What the plan asks for one question, and what came."""

    subgraphs: Subgraphs
    asked: list[tuple[str, bytes]] = field(default_factory=list)

    async def __call__(self, service: str, body: bytes, headers: bytes, *, seconds: float, again: bool) -> bytes:
        self.asked.append((service, body))
        return await self.subgraphs(service, body, headers, seconds=seconds, again=again)


class Floor:
    """An ASGI application."""

    def __init__(self) -> None:
        self.subgraphs = Subgraphs.at({name: os.environ[f"{name.upper()}_URL"] for name in SERVICES})
        self.asked: dict[bytes, list[tuple[str, bytes]]] = {}
        self.answers: dict[bytes, bytes] = {}

    async def learn(self) -> None:
        """Once, before anything is measured."""
        supergraph = Supergraph.committed()
        documents = Documents(supergraph)
        for body in BODIES:
            recorder = Recorder(self.subgraphs)
            told = msgspec.json.decode(body)
            plan = documents.plan(documents.operation(told["query"], told["operationName"]), told["variables"])
            answer = await Engine(supergraph.api, recorder).run(plan, told["variables"])
            assert not answer.errors, answer.errors
            self.asked[body], self.answers[body] = recorder.asked, msgspec.json.encode({"data": answer.data})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.answers:
            await self.learn()
        body: bytes = (await receive())["body"]
        answer = self.answers.get(body, b'{"data":{"__typename":"Query"}}')
        if scope["path"] != "/0" and body in self.asked:
            first, *others = self.asked[body]
            if scope["path"] == "/3":
                await self.ask(first)
                await asyncio.gather(*map(self.ask, others))
            else:
                await self.ask(max(others))  # booking's, by far the largest
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def ask(self, asked: tuple[str, bytes]) -> bytes:
        return await self.subgraphs(*asked, b"", seconds=5.0, again=False)


if __name__ == "__main__":
    look_for_garbage_less_often()
    uvicorn.run(
        Floor(), host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False, log_level="warning",
        lifespan="off", server_header=False, proxy_headers=False,
    )  # fmt: skip
