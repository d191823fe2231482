"""Writes gateway/subgraphs/ from the services' schemas and composes gateway/supergraph.graphql of them: `python -m deploy.compose`.

`make supergraph` does it; needs Node 20. What it writes is committed, so nothing at run time needs Node. A test says when it must be run
again.
"""

import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from shutil import which
from typing import Any

from graphql import DocumentNode, Node, parse, print_ast

from gateway import headline

GATEWAY = Path(__file__).resolve().parent.parent / "gateway"
SUBGRAPHS = ("identity", "billing", "booking", "mailer")
#: What every subgraph has for the gateway's sake; composition adds it itself.
MACHINERY = frozenset({"_Any", "_Entity", "_Service"})
ENTRANCES = frozenset({"_entities", "_service"})


def exported(service: str) -> str:
    """A service's SDL as its code says it now, in a stable order."""
    schema = importlib.import_module(f"services.{service}.schema").schema
    return tidy(schema.as_str())


def tidy(sdl: str) -> str:
    definitions = [_without_entrances(node) for node in parse(sdl, no_location=True).definitions if _name(node) not in MACHINERY]
    definitions.sort(key=lambda node: (not node.kind.startswith("schema"), _name(node)))
    return print_ast(DocumentNode(definitions=tuple(definitions))) + "\n"


def _name(node: Node) -> str:
    name = getattr(node, "name", None)
    return str(name.value) if name else ""


def _without_entrances(node: Any) -> Any:
    if _name(node) != "Query":
        return node
    return replace(node, fields=tuple(each for each in node.fields if each.name.value not in ENTRANCES))


def committed() -> dict[str, str]:
    return {service: (GATEWAY / "subgraphs" / f"{service}.graphql").read_text(encoding="utf-8") for service in SUBGRAPHS}


def compose() -> str:
    """The supergraph of the committed subgraphs. Raises SystemExit with what the composer complains of."""
    tools = GATEWAY / "compose"
    if not (which("node") and which("npm")):
        raise SystemExit("composing a supergraph needs Node 20 or newer, with npm; nothing else does")
    if not (tools / "node_modules").exists():
        subprocess.run(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund"], cwd=tools, check=True)
    paths = [str(GATEWAY / "subgraphs" / f"{service}.graphql") for service in SUBGRAPHS]
    done = subprocess.run(["node", str(tools / "compose.mjs"), *paths], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the subgraphs do not go together:\n{done.stderr}")
    return headline.under(committed(), done.stdout)


def main() -> None:
    for service in SUBGRAPHS:
        (GATEWAY / "subgraphs" / f"{service}.graphql").write_text(exported(service), encoding="utf-8")
    supergraph = compose()
    (GATEWAY / "supergraph.graphql").write_text(supergraph, encoding="utf-8")
    sys.stdout.write(f"gateway/supergraph.graphql: {len(supergraph.splitlines())} lines\n")


if __name__ == "__main__":
    main()
