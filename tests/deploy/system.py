"""`preau up` as a process, started, watched and ended by tests."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.nats_server import free_port

START_SECONDS = 120.0


class Preau:
    """The process, what it says, and its children."""

    def __init__(self, data: Path, *arguments: str, port: int | None = None, **environ: str) -> None:
        self.data = data
        self.port = port or free_port()
        self.lines: list[str] = []
        self._said: queue.Queue[str | None] = queue.Queue()
        command = [sys.executable, "-m", "deploy.cli", "up", "--data", str(data), "--port", str(self.port), *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | environ, start_new_session=True
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as out:
            for line in out:
                self._said.put(line.rstrip())
        self._said.put(None)

    def until(self, beginning: str, within: float = START_SECONDS) -> str:
        """The next line that begins so. Fails if the process ends before, or takes too long."""
        deadline = time.monotonic() + within
        while True:
            try:
                line = self._said.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                raise AssertionError(f"it did not say {beginning!r} within {within} s, but {self.lines}") from None
            assert line is not None, f"it ended without saying {beginning!r}: {self.lines}"
            self.lines.append(line)
            if line.startswith(beginning):
                return line

    def address(self, name: str) -> str:
        return next(line.split(" ", 1)[1] for line in self.lines if line.startswith(f"{name} "))

    def children(self) -> dict[str, int]:
        """Name -> process id, as the kernel knows them."""
        found = {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and _parent(folder) == self.process.pid:
                command = (folder / "cmdline").read_text().split("\0")
                found[_name(command)] = int(folder.name)
        return found

    def stop(self, kind: signal.Signals = signal.SIGTERM, within: float = 10.0) -> float:
        """Seconds until it had ended. Fails if it takes longer than `within`."""
        begun = time.monotonic()
        self.process.send_signal(kind)
        try:
            self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it had not ended after {within} s: {self.rest()}") from None
        return time.monotonic() - begun

    def rest(self) -> list[str]:
        """What it said until its end."""
        while (line := self._said.get(timeout=60)) is not None:
            self.lines.append(line)
        return self.lines

    def ask(self, query: str, variables: dict[str, Any] | None = None, token: str | None = None) -> dict[str, Any]:
        """Through the gateway."""
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/graphql", body, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        assert "errors" not in found, found
        data: dict[str, Any] = found["data"]
        return data

    def sign_in(self, login: str, password: str) -> str:
        query = "mutation($l: String!, $p: String!) { signIn(login: $l, password: $p) { ... on SignedIn { accessToken } } }"
        return str(self.ask(query, {"l": login, "p": password})["signIn"]["accessToken"])


def _parent(folder: Path) -> int | None:
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return None


def _name(command: list[str]) -> str:
    if "serve" in command:
        return command[command.index("serve") + 1]
    module = next((name for name in command if name in ("deploy.mailbox", "deploy.sandbox")), command[0])
    return Path(module).name.removeprefix("deploy.")


def alive(pid: int) -> bool:
    """Running, not merely waiting for its parent to take notice of its end."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pids: dict[str, int], within: float = 5.0) -> bool:
    deadline = time.monotonic() + within
    while any(map(alive, pids.values())) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(alive, pids.values()))
