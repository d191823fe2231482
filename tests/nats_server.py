"""A real nats-server for tests: started, killed, started again on the same store, or on an empty one."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class NatsServer:
    """JetStream on 127.0.0.1, with `sync_interval: always` as our configurations have it."""

    folder: Path
    port: int = field(default_factory=free_port)
    monitor: int = field(default_factory=free_port)
    sync: str = "always"
    settings: str = ""  #: The whole configuration, if not the usual one.
    accounts: Path | None = None  #: What says who may do what (deploy/broker.py); without, anybody anything.
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def store(self) -> Path:
        return self.folder / "jetstream"

    @property
    def pids(self) -> list[int]:
        """Of what runs."""
        return [] if self.process is None else [self.process.pid]

    def start(self, *, ready: str = "/healthz") -> None:
        """`ready`: what it answers when it is; one of a cluster is healthy only when others are there."""
        assert self.process is None
        config = self.folder / "nats.conf"
        config.write_text(
            self.settings
            or f'listen: "127.0.0.1:{self.port}"\nhttp: "127.0.0.1:{self.monitor}"\n'
            f'jetstream {{ store_dir: "{self.store}", sync_interval: {self.sync} }}\n'
            + (f"include {str(self.accounts.relative_to(self.folder))!r}\n" if self.accounts else "")
        )
        self.process = subprocess.Popen(
            ["nats-server", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "nats-server ended at once"
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor}{ready}", timeout=1):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
        raise TimeoutError("nats-server does not answer")

    def stop(self, *, kill: bool = False) -> None:
        """End it, with SIGKILL if told to, and prove that it is gone."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL if kill else signal.SIGTERM)
        self.process.wait(10)
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", self.port)) != 0, "something still answers"
        self.process = None

    def read_again(self) -> None:
        """Its configuration, as SIGHUP has it do. It answers over HTTP again when it is through."""
        assert self.process is not None
        since = self._configured()
        self.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 20
        while self._configured() == since and time.monotonic() < deadline:
            time.sleep(0.02)

    def _configured(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor}/varz", timeout=20) as answer:
            return str(json.load(answer)["config_load_time"])

    def wipe(self) -> None:
        """Lose the whole disk of a stopped server."""
        assert self.process is None
        shutil.rmtree(self.store)
