"""The GraphQL-over-HTTP specification's own 61 audits, where Node and the tools of gateway/compose are."""

import asyncio
import shutil

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from gateway.http import GraphQLEndpoint
from tests.gateway.fakes import GATEWAY, Gateway

TOOLS = GATEWAY / "compose"
READY = shutil.which("node") and (TOOLS / "node_modules" / "graphql-http").exists()


@pytest.mark.skipif(not READY, reason="no Node, or `npm install` was not run in gateway/compose: 61 audits not run")
async def test_every_must_should_and_may_of_the_specification(entrance: Gateway) -> None:
    app = Starlette(routes=[Route("/graphql", GraphQLEndpoint(entrance.streams))])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]

    audit = await asyncio.create_subprocess_exec(
        "node", str(TOOLS / "http-audit.mjs"), f"http://127.0.0.1:{port}/graphql", stdout=asyncio.subprocess.PIPE
    )
    told, _ = await audit.communicate()
    server.should_exit = True
    await running

    assert told.decode() == "0 found\n"
