"""The gateways that are measured side by side, each before the same subgraphs, and how one is started."""

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
SUPERGRAPH = ROOT / "gateway" / "supergraph.graphql"
HIVE = HERE / "node_modules" / ".bin" / "hive-gateway"
NODE = shutil.which("node") or "node"


@dataclass(frozen=True, slots=True)
class Rival:
    name: str
    command: Callable[[int], list[str]]  #: port -> what to start
    path: str = "/graphql"
    needs: Path | None = None  #: Of an npm package, without which it cannot be started.
    environment: Mapping[str, str] = field(default_factory=dict)


def hive(name: str, *more: str) -> Rival:
    def command(port: int) -> list[str]:
        return [NODE, str(HIVE), "supergraph", "--config-path", str(HERE / "hive.mjs"), "--port", str(port), "--fork", "1", *more]

    return Rival(name, command, needs=HERE / "node_modules" / "@graphql-hive" / "gateway", environment={"SUPERGRAPH": str(SUPERGRAPH)})


OURS = Rival(
    "Préau",
    lambda port: [sys.executable, "-m", "deploy.cli", "serve", "gateway", "--port", str(port)],
    environment={"PREAU_ENV": "production"},
)
OTHERS = (
    hive("Hive Gateway, Rust planner", "--hive-router-runtime"),
    hive("Hive Gateway"),
    Rival(
        "Apollo Gateway",
        lambda port: [NODE, str(HERE / "apollo.mjs"), str(port), str(SUPERGRAPH)],
        path="/",
        needs=HERE / "node_modules" / "@apollo" / "gateway",
        environment={"NODE_ENV": "production"},
    ),
)
#: One process; what it does is in the path.
FLOOR = {"uvicorn alone": "/0", "uvicorn and one request of our client": "/1", "uvicorn and three, as planned": "/3"}
