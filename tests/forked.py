"""Processes of ours that start in a hundredth of a second: forked from a server that has imported everything once.

Each is a process of its own, with its own environment, session and output, killed and waited for as any other. All that is saved is
the second or two in which Python imports us, dozens of times a run. tests/deploy starts `preau up` and its children as everybody does,
and the console command now and then.
"""

import asyncio
import gc
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping
from importlib import reload
from multiprocessing.connection import wait
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from services import crash
from tests import passwords

LOADED = (
    *(f"services.{service}.app" for service in ("identity", "billing", "booking", "mailer")),
    *(
        "gateway.app",
        "deploy.serving",
        "deploy.check",
        "deploy.cli",
        "deploy.mailbox",
        "deploy.sandbox",
        "tests.forked",
        "tests.booking.town",
    ),
    *("opentelemetry.sdk.trace.export", "opentelemetry.exporter.otlp.proto.http.trace_exporter"),
    *("uvloop", "aiosqlite", "asyncpg", "sqlalchemy.dialects.sqlite.aiosqlite", "sqlalchemy.dialects.postgresql.asyncpg"),
    "tests.warm",
    *("uvicorn.lifespan.on", "uvicorn.protocols.http.httptools_impl", "uvicorn.protocols.websockets.websockets_sansio_impl"),
)
_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(list(LOADED))
_one_at_a_time = Lock()  # who starts a process looks after all others, too, and two must not read one's end at once


class Forked:
    """`python -m module arguments...`, with what `subprocess.Popen` would say of it."""

    def __init__(
        self, module: str, *arguments: str, environ: Mapping[str, str], output: Path | None = None, errors: Path | None = None
    ) -> None:
        self.args = (module, *arguments)
        self._process = _server.Process(
            target=_become, args=(module, arguments, dict(environ), output, errors or output, passwords.are_cheap()), daemon=True
        )
        with _one_at_a_time:
            self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        """How it ended, as a shell would not say it: -9 is death by SIGKILL. None: it lives."""
        with _one_at_a_time:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        wait([self._process.sentinel], timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return status

    def send_signal(self, kind: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, kind)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run(module: str, *arguments: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """To its end, and what it said."""
    with TemporaryDirectory(prefix="preau-said-") as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        process = Forked(module, *arguments, environ=environ, output=output, errors=errors)
        try:
            status = process.wait(60)
        finally:
            process.kill()
        return subprocess.CompletedProcess(process.args, status, output.read_text(), errors.read_text())


async def ended(module: str, *arguments: str, **environ: str) -> int:
    """Run it to its end, in our environment and this; returns how it ended."""
    process = await asyncio.to_thread(Forked, module, *arguments, environ={**os.environ, **environ})
    try:
        return await asyncio.to_thread(process.wait, 60)
    finally:
        process.kill()


def _become(
    module: str, arguments: tuple[str, ...], environ: dict[str, str], output: Path | None, errors: Path | None, cheap_passwords: bool
) -> None:
    """In the new process."""
    if cheap_passwords:
        passwords.make_cheap()
    gc.freeze()  # what was imported stays: looking through it for garbage would copy all of it into this process
    os.setsid()
    for stream, path in ((1, output), (2, errors)):
        with (path or Path(os.devnull)).open("ab") as file:
            os.dup2(file.fileno(), stream)
    os.environ.clear()
    os.environ.update(environ)
    reload(crash)  # it reads the environment when it is imported
    sys.argv = [module, *arguments]
    sys.modules.pop(module, None)
    runpy.run_module(module, run_name="__main__", alter_sys=True)
