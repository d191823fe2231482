"""What Node does for the audits: serves their subgraphs, asks their questions."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
HTTP = TOOLS / "http"


def ready() -> bool:
    """Was what the audit of HTTP needs fetched? `.ci/run` fetches it, and who runs both audits by hand."""
    return bool(shutil.which("node")) and any((folder / "node_modules" / "graphql-http").exists() for folder in (HTTP, TOOLS))


def install() -> None:
    """A minute, once."""
    if not (TOOLS / "node_modules").exists():
        print("npm install, for the audits ...", file=sys.stderr)
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=TOOLS, check=True)


@asynccontextmanager
async def federation(checkout: Path) -> AsyncIterator[str]:
    """The federation audit's own server. -> where it is."""
    suite = TOOLS / "suite"  # beside node_modules, where its imports are looked for
    shutil.rmtree(suite, ignore_errors=True)
    shutil.copytree(checkout / "src", suite)
    server = await asyncio.create_subprocess_exec(
        "node", "--import", "tsx", "federation.mjs", cwd=TOOLS, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    assert server.stdin is not None
    try:
        yield f"http://127.0.0.1:{int(await server.stdout.readline())}"
    finally:
        server.stdin.close()
        await server.wait()


async def http(url: str) -> str:
    """The 61 audits of GraphQL over HTTP. -> what is not as it must, should or may be, and how much."""
    audit = await asyncio.create_subprocess_exec("node", str(HTTP / "audit.mjs"), url, stdout=asyncio.subprocess.PIPE)
    told, _ = await audit.communicate()
    return told.decode()
