"""The whole system as real processes, each of which a test may kill and start again; and a client of its gateway."""

import os
import signal
import subprocess
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from deploy import broker
from services.settings import SERVICES, Settings
from tests.forked import Forked, run
from tests.nats_server import NatsServer, free_port

START_SECONDS = 60.0
PROCESSES = ("mailbox", "sandbox", *SERVICES, "gateway")
SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSBzYW5kYm94LCBsb25n"


@dataclass
class System:
    """NATS, the mailbox, the payment sandbox, the four services and the gateway on 127.0.0.1."""

    folder: Path
    databases: Mapping[str, str]  #: service -> SQLAlchemy URL, migrated.
    settings: Mapping[str, str] = field(default_factory=dict)
    nats: NatsServer = field(init=False)
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in (*PROCESSES, "smtp")})
    processes: dict[str, Forked] = field(default_factory=dict)
    _doomed: set[str] = field(default_factory=set)  #: To die at a crash point, to which they have not come yet.
    graphql: str = "/graphql"  #: Where the families' questions go: another gateway may stand there (conftest.py).
    host: str = "127.0.0.1"  #: By which families reach it.

    def __post_init__(self) -> None:
        (self.folder / "nats").mkdir(parents=True)
        self.nats = NatsServer(self.folder / "nats", accounts=broker.write(self.keys))

    @property
    def keys(self) -> Path:
        """Who may do what at the broker is as in production."""
        return self.folder / "nats" / broker.FOLDER

    def key_of(self, process: str) -> dict[str, str]:
        return {"NATS_CREDENTIALS": str(broker.key_file(self.keys, process))} if process in broker.OURS else {}

    def settings_of(self, process: str) -> Settings:
        """To connect to the broker as this process does."""
        return Settings.from_environment(self.environment | self.key_of(process))

    @property
    def environment(self) -> dict[str, str]:
        urls = {f"{name.upper()}_DATABASE_URL": url for name, url in self.databases.items()}
        places = {f"{name.upper()}_URL": f"http://127.0.0.1:{self.ports[name]}" for name in SERVICES}
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PREAU_DATA": str(self.folder),
            "PREAU_PORT": str(self.ports["gateway"]),
            "PREAU_PUBLIC_URL": self.gateway,
            "NATS_URL": self.nats.url,
            **self.key_of(broker.OPERATOR),
            "SMTP_URL": f"smtp://127.0.0.1:{self.ports['smtp']}",
            "PREAU_PAYMENT_PROVIDER": "sandbox,sandbox-unsigned",
            "SANDBOX_URL": self.sandbox,
            "SANDBOX_SECRET": SECRET,
            "PREAU_ACCOUNT_POINTS": str(10**12),  # counted, but one family or agent asks for more in a second than people in a year
            **urls,
            **places,
            **self.settings,
        }

    @property
    def gateway(self) -> str:
        return f"http://{self.host}:{self.ports['gateway']}"

    @property
    def sandbox(self) -> str:
        return f"http://127.0.0.1:{self.ports['sandbox']}"

    @property
    def mailbox(self) -> str:
        return f"http://127.0.0.1:{self.ports['mailbox']}"

    # ------------------------------------------------------------------------------------------------------- processes
    def start(self, *names: str, crash_at: str | None = None) -> None:
        """These processes, or all; ready when this returns, unless they are to die at a crash point."""
        if not names:
            self.nats.start()
        for name in names or PROCESSES:
            assert name not in self.processes, f"{name} runs already"
            self._spawn(name, {} if crash_at is None else {"PREAU_CRASH_AT": crash_at})
        if crash_at is not None:
            self._doomed.update(names)
        if crash_at is None:
            for name in names or PROCESSES:
                self.wait_until_ready(name)

    def start_another(self, service: str, **settings: str) -> str:
        """One more process of a service, on a port of its own, with these settings; ready when this returns its name."""
        name = f"{service}-{len(self.processes)}"
        self.ports[name] = free_port()
        self._spawn(name, settings)
        self.wait_until_ready(name)
        return name

    def _spawn(self, name: str, more: Mapping[str, str]) -> None:
        service = name.partition("-")[0]
        command = ["deploy.cli", "serve", service, "--port", str(self.ports[name])]
        if name == "mailbox":
            mail = ["--data", str(self.folder / "mail"), "--smtp-port", str(self.ports["smtp"]), "--http-port", str(self.ports["mailbox"])]
            command = ["deploy.mailbox", *mail]
        if name == "sandbox":
            command = ["deploy.sandbox", "--data", str(self.folder / "sandbox"), "--port", str(self.ports["sandbox"])]
        self.processes[name] = Forked(
            *command, environ={**self.environment, **self.key_of(service), **more}, output=self.folder / f"{name}.log"
        )

    def wait_until_ready(self, name: str) -> None:
        path = {"mailbox": "/messages", "sandbox": "/truth"}.get(name, "/readyz")
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert self.processes[name].poll() is None, f"{name} ended:\n{self.log_of(name)}"
            try:
                answer = httpx2.get(f"http://127.0.0.1:{self.ports[name]}{path}", timeout=2)
                if answer.status_code == 200:
                    return
                trouble = answer.text
            except httpx2.HTTPError as error:
                trouble = repr(error)
            assert time.monotonic() < deadline, f"{name} is not ready: {trouble}\n{self.log_of(name)}"
            time.sleep(0.05)

    def log_of(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def kill(self, name: str) -> None:
        """SIGKILL, and proof that it died of it."""
        process = self.processes.pop(name)
        self._doomed.discard(name)
        assert process.poll() is None, f"{name} was dead already"
        process.kill()
        assert process.wait(10) == -signal.SIGKILL

    def died(self, name: str, *, within: float = 30.0) -> None:
        """Proof that a process died at its crash point: of SIGKILL, which it sent itself."""
        process = self.processes.pop(name)
        try:
            status = process.wait(within)
        except subprocess.TimeoutExpired:
            self.processes[name] = process
            raise AssertionError(f"{name} never came to its crash point:\n{self.log_of(name)}") from None
        self._doomed.discard(name)
        assert status == -signal.SIGKILL, f"{name} ended with {status}:\n{self.log_of(name)}"

    def terminate(self, name: str) -> float:
        """SIGTERM; returns how many seconds it took to leave."""
        begun = time.monotonic()
        process = self.processes.pop(name)
        process.terminate()
        assert process.wait(15) in (0, -signal.SIGTERM), self.log_of(name)
        return time.monotonic() - begun

    def revive(self, known: Collection[str] = PROCESSES) -> None:
        """Start what does not run. What a test that failed left is ended: who is not `known` would go on to do others' work, and who is
        to die at a crash point would come to it in another's story."""
        for name in [name for name in self.processes if name not in known or name in self._doomed]:
            process = self.processes.pop(name)
            process.kill()
            process.wait(10)
        self._doomed.clear()
        if self.nats.process is None:
            self.nats.start()
        for name in [name for name, process in self.processes.items() if process.poll() is not None]:
            del self.processes[name]
        missing = [name for name in PROCESSES if name not in self.processes]
        if missing:
            self.start(*missing)

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()
        if self.nats.process is not None:
            self.nats.stop()

    # ---------------------------------------------------------------------------------------------------------- clients
    def client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=self.gateway, timeout=60)

    async def health(self) -> str:
        """How each process is, such as "billing: 200 ready, mailer: dead"."""
        async with httpx2.AsyncClient(timeout=5) as client:
            return ", ".join([f"{name}: {await self._health_of(name, client)}" for name in (*SERVICES, "gateway")])

    async def _health_of(self, name: str, client: httpx2.AsyncClient) -> str:
        if name not in self.processes or self.processes[name].poll() is not None:
            return "dead"
        try:
            answer = await client.get(f"http://127.0.0.1:{self.ports[name]}/readyz")
        except httpx2.HTTPError as error:
            return f"mute, {error!r}"
        return f"{answer.status_code} {answer.text[:200]}"

    async def mails(self, to: str) -> list[dict[str, Any]]:
        """What the town's mail server took for this address."""
        async with httpx2.AsyncClient(base_url=self.mailbox, timeout=60) as client:
            found: list[dict[str, Any]] = (await client.get("/messages", params={"to": to})).json()
        return found

    def preau(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The console command, beside the running system."""
        done = run("deploy.cli", *arguments, environ=self.environment)
        if check:
            done.check_returncode()
        return done
