"""Hive Gateway as deploy/hive-gateway has it, where it was installed: `npm install` there, which no test does.

`PREAU_HIVE_GATEWAY` names another folder that has it installed.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from tests.nats_server import free_port

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "hive-gateway"
INSTALLED = Path(os.environ.get("PREAU_HIVE_GATEWAY") or FOLDER)
PROGRAM = INSTALLED / "node_modules" / "@graphql-hive" / "gateway" / "dist" / "bin.js"
START_SECONDS = 60.0
ABSENT = "no Node, or `npm install` was not run in deploy/hive-gateway: nothing is known of Hive Gateway in our gateway's place"


def ready() -> bool:
    return bool(shutil.which("node")) and PROGRAM.exists()


@dataclass
class Hive:
    """A process of its own."""

    subgraphs: Mapping[str, str]  #: service -> its base URL
    log: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Ready when this returns."""
        places = {f"{service.upper()}_URL": url for service, url in self.subgraphs.items()}
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.log.parent), "PREAU_PORT": str(self.port), **places, **self.settings}
        config = INSTALLED / "gateway.config.js"  # beside what it imports
        if INSTALLED != FOLDER:
            shutil.copy(FOLDER / config.name, config)
            environ.setdefault("PREAU_SUPERGRAPH", str(FOLDER.parents[1] / "gateway" / "supergraph.graphql"))
        command = ["node", str(PROGRAM), "supergraph", "--hive-router-runtime", "--config-path", str(config)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=INSTALLED, env=environ, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if httpx2.get(f"{self.url}/readiness", timeout=2).status_code == 200:
                    return
            except httpx2.HTTPError:
                pass
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
