"""The chart, rendered once a run for each values file: in a process of its own, for Helm brings a runtime that is not Python's."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.kubernetes.rendered import ROOT, Rendered

VALUES = sorted((Path(__file__).parent / "values").glob("*.yaml"))
NAMES = [path.stem for path in VALUES]


@pytest.fixture(scope="session")
def everything() -> Rendered:
    command = [sys.executable, "-m", "deploy.render", *map(str, VALUES)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    return Rendered(
        {name: each["objects"] for name, each in told["of"].items()},
        {name: each["complaints"] for name, each in told["of"].items()},
        told["base"],
    )


@pytest.fixture(params=NAMES)
def objects(request: pytest.FixtureRequest, everything: Rendered) -> list[dict]:
    """Of one values file after the other."""
    return everything.objects[request.param]
